"""Choices among steps, policies by name, and what is different for single classes."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from augx import PlanError, SpecError, expand_dataset, load_spec, plan_copies
from augx.draws import draw, labels
from augx.policies import POLICIES
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.sections import Group, leaves
from augx.sources import class_tree
from augx.spec import Spec
from augx.warp import Levels
from tests.conftest import Run, picture, pictures, write_picture


def made(spec: Spec, image: np.ndarray, copies: range = range(6)) -> list[np.ndarray]:
    sample = Sample("k", "", Levels(image))
    return [apply(recipe, sample) for recipe in recipes(spec, draw(spec, "k", copies), sample)]


def chosen(spec: Spec, copies: int) -> list[tuple[str, ...]]:
    """The last part of each place that a copy has."""
    return [tuple(place.rpartition(".")[2] for place in copy) for copy in draw(spec, "k", range(copies)).plain]


FOUR = [{"blur": {"sigma": 1}}, {"noise": 5}, {"salt_pepper": [0, 0.1]}, {"sharpen": 0.5}]


def test_some_of_takes_as_many_as_it_says_each_alike_and_in_order() -> None:
    spec = load_spec({"then": [{"some_of": FOUR, "count": 2}]})
    counts = Counter(chosen(spec, 12_000))
    pairs = list(combinations(["blur", "noise", "salt_pepper", "sharpen"], 2))
    assert set(counts) == set(pairs)
    assert all(abs(counts[pair] / 12_000 - 1 / 6) < 0.02 for pair in pairs)


def test_some_of_a_range_and_with_p() -> None:
    spec = load_spec({"then": [{"some_of": FOUR, "count": [1, 3], "p": 0.8}]})
    lengths = Counter(map(len, chosen(spec, 12_000)))
    assert abs(lengths[0] / 12_000 - 0.2) < 0.02 and all(abs(lengths[n] / 12_000 - 0.8 / 3) < 0.02 for n in (1, 2, 3))


def test_some_of_never_takes_what_weighs_nothing() -> None:
    spec = load_spec({"then": [{"some_of": FOUR[:2], "count": 1, "weights": [0, 1e-310]}]})
    assert set(chosen(spec, 50)) == {("noise",)}


def test_some_of_weighs_its_options() -> None:
    spec = load_spec({"then": [{"some_of": FOUR, "count": 1, "weights": [0, 1, 3, 4]}]})
    counts = Counter(chosen(spec, 12_000))
    shares = [counts[(name,)] / 12_000 for name in ("blur", "noise", "salt_pepper", "sharpen")]
    assert np.abs(np.array(shares) - [0, 1 / 8, 3 / 8, 4 / 8]).max() < 0.02


def test_all_of_takes_all_or_nothing() -> None:
    spec = load_spec({"then": [{"one_of": [{"all_of": FOUR[:2]}, {"all_of": []}, FOUR[2]]}]})
    assert set(chosen(spec, 200)) == {("blur", "noise"), (), ("salt_pepper",)}


def test_groups_nest_in_every_section() -> None:
    two: list[object] = [{"shear": 5}, {"perspective": 0.2}]
    spec = load_spec(
        {
            "warp": {
                "rotate": 5,
                "steps": [{"one_of": [{"elastic": 0.02}, {"some_of": two, "count": 1}]}],
            },
            "tone": {"steps": [{"some_of": [{"brightness": 0.2}, {"gamma": 0.2}, {"invert": 0.1}], "count": [1, 2]}], "contrast": 0.1},
            "then": [{"one_of": [{"some_of": FOUR, "count": [1, 2]}, {"blur": 1}], "p": 0.5}],
        }
    )
    places = set(draw(spec, "k", range(300)).params)
    assert {"warp.steps.one_of.elastic", "warp.steps.one_of.some_of.perspective", "tone.steps.some_of.gamma"} <= places
    assert [place for place, _ in leaves(spec.nodes)][:4] == [
        "warp.rotate",
        "warp.steps.one_of.elastic",
        "warp.steps.one_of.some_of.shear",
        "warp.steps.one_of.some_of.perspective",
    ]
    assert load_spec(spec.canonical()).hash == spec.hash
    assert len(made(spec, picture())) == 6


def test_a_transform_may_come_twice_in_steps() -> None:
    spec = load_spec({"warp": {"rotate": {"fixed": 30}, "steps": [{"rotate": {"fixed": 30}}, {"rotate": {"fixed": 120}}]}})
    assert set(draw(spec, "k", range(2)).params) == {"warp.rotate", "warp.steps.rotate", "warp.steps.rotate#2"}
    image = picture()
    assert np.array_equal(made(spec, image)[0], image[::-1, ::-1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"then": [{"some_of": FOUR}]}, "some_of needs a count"),
        ({"then": [{"some_of": FOUR, "count": 5}]}, "count is at most 4"),
        ({"then": [{"some_of": FOUR, "count": 3, "weights": [1, 1, 0, 0]}]}, "count is at most 2"),
        ({"then": [{"some_of": FOUR, "count": -1}]}, "values must lie in [0, 1000]"),
        ({"then": [{"one_of": FOUR, "count": 2}]}, "one_of has no count"),
        ({"then": [{"all_of": FOUR, "weights": [1, 1, 1, 1]}]}, "all_of takes all of its options"),
        ({"then": [{"one_of": []}]}, "one_of needs at least one option"),
        ({"then": [{"blur": 1, "count": 2}]}, "p, weights and count stand beside one_of, some_of and all_of only"),
        ({"warp": {"steps": [{"blur": 1}]}}, "blur belongs under then"),
        ({"then": [{"rotate": 3}]}, "rotate belongs under warp"),
        ({"warp": {"one_of": [{"shear": 5}]}}, "write steps: [{one_of: [...]}] under warp"),
        ({"warp": {"p": 0.5}}, "p belongs to a single transform"),
        ({"warp": {"horizontal_flip": 0.5}}, "here it is called flip_h"),
        ({"then": [{"GaussianBlur": 2}]}, "here it is called blur"),
        ({"tone": {"GaussNoise": 2}}, "here it is called noise, and belongs under then"),
        ({"warp": {"rotate": {"uniform": [0, 3]}}}, "a distribution stands in a number's place: [low, high]"),
        ({"policy": "trivial_augmet"}, "did you mean trivial_augment?"),
        ({"then": [{"augmix": {}}]}, "augmix belongs under policy"),
        ({"then": {"blur": 2}}, "each item on a line of its own that begins with a dash"),
        ({"policy": ["augmix"]}, "one policy only"),
        ({"policy": {"auto_augment": "CIFAR-10"}}, "did you mean cifar10?"),
        ({"policy": "trivial"}, "rand_augment, trivial_augment, auto_augment, augmix"),
        ({"policy": {"rand_augment": {"magnitude": 31}}}, "policy.rand_augment.magnitude: must be less than or equal to 30, found 31"),
        ({"policy": {"auto_augment": {"dataset": "mnist"}}}, "expected imagenet, cifar10 or svhn"),
        ({"policy": {"rand_augment": {}, "augmix": {}}}, "a policy is one of"),
        ({"policy": {"augmix": {"depth": 0}}}, "must be greater than or equal to 1"),
        ({"classes": {"a": {"warp": {"rotat": 3}}}}, "classes.a.warp.rotat: unknown key (did you mean rotate?)"),
        ({"classes": {"a": {"warp": {"rotate": 500}}}}, "classes.a.warp.rotate"),
        ({"classes": {"a": {"output": {}}}}, "classes.a.output: unknown key"),
        ({"warp": {"flip_h": {"p": 0.5, "relabel": {"left": "../right"}}}}, "a label is the name of one folder"),
        ({"warp": {"flip_h": {"relabel": {"left": "run.json"}}}}, "a label is the name of one folder"),
        ({"warp": {"flip_h": {"relabel": {"left": "x" * 300}}}}, "a label is the name of one folder"),
        ({"warp": {"flip_h": {"relabel": {"left": "a\ud800"}}}}, "a label is the name of one folder"),
        ({"warp": {"flip_h": {"relabel": {"left": "a\nb"}}}}, "a label is the name of one folder"),
        ({"warp": {"crop": {"range": 0.5, "size": [3, 3]}}}, "either a fraction (range) or a size in pixels"),
        ({"then": [{"some_of": FOUR, "count": 1.5}]}, "expected whole numbers"),
        ({"tone": {"posterize": {"choice": [0, 4]}}}, "values must lie in [1, 8]"),
        ({"tone": {"posterize": [4.2, 4.8]}}, "there is no whole number in [4.2, 4.8]"),
        ({"warp": {"rotate": {"truncated_normal": [0, 0]}}}, "must lie above 0"),
        ({"warp": {"rotate": {"truncated_normal": [90, 1], "within": [0, 10]}}}, "it would never be drawn"),
    ],
)
def test_mistakes_are_named(spec: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(spec)
    assert any(message in problem for problem in error.value.problems), error.value.problems


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ({"then": ["equalize"]}, {"then": [{"equalize": {}}]}),
        ({"then": [{"grayscale": None}]}, {"then": [{"grayscale": {}}]}),
        ({"policy": "RandAugment"}, {"policy": {"rand_augment": {}}}),
        ({"policy": {"rand_augment": 3}}, {"policy": {"rand_augment": {"n": 3}}}),
        ({"policy": {"auto_augment": "svhn"}}, {"policy": {"auto_augment": {"dataset": "svhn"}}}),
        ({"policy": {"trivial_augment": None}}, {"policy": {"trivial_augment": {}}}),
        ({"policy": {"trivial_augment": 0.5}}, {"policy": {"trivial_augment": {"p": 0.5}}}),
        ({"warp": {"crop": 0.8}}, {"warp": {"crop": [0.8, 1]}}),
        ({"then": [{"jpeg": 30}]}, {"then": [{"jpeg": [30, 100]}]}),
        ({"then": [{"clahe": {"clip_limit": 3, "tiles": 8}}]}, {"then": [{"clahe": [1, 3]}]}),
        ({"tone": {"white_balance": 4000}}, {"tone": {"white_balance": [4000, 6500]}}),
        ({"warp": {"elastic": {"displacement": 0.03, "sigma": 0.1}}}, {"warp": {"elastic": 0.03}}),
        ({"then": [{"motion_blur": {"length": 9, "angle": 90}}]}, {"then": [{"motion_blur": {"length": [0, 9], "angle": {"fixed": 90}}}]}),
    ],
    ids=lambda spec: json.dumps(spec),
)
def test_short_forms_mean(spec: dict[str, object], same: dict[str, object]) -> None:
    assert load_spec(spec).canonical() == load_spec(same).canonical()


@pytest.mark.parametrize(
    ("overrides", "same"),
    [
        (["policy=augmix"], {"policy": "augmix"}),
        (["policy=rand_augment", "policy.rand_augment.n=3"], {"policy": {"rand_augment": {"n": 3}}}),
        (["then.0.blur=2", "then.1.one_of.0.noise=3"], {"then": [{"blur": 2}, {"one_of": [{"noise": 3}]}]}),
        (["warp.steps.0.rotate=2"], {"warp": {"steps": [{"rotate": 2}]}}),
        (["classes.a.warp.flip_h=0"], {"classes": {"a": {"warp": {"flip_h": 0}}}}),
    ],
    ids=str,
)
def test_set_makes_what_it_names(overrides: list[str], same: dict[str, object]) -> None:
    assert load_spec({}, overrides).canonical() == load_spec(same).canonical()


def test_set_says_what_a_list_holds() -> None:
    with pytest.raises(SpecError, match=r"then is a list, of 0 blur, 1 one_of"):
        load_spec({"then": [{"blur": 2}, {"one_of": [{"noise": 3}]}]}, ["then.noise=3"])


def test_a_mistake_in_a_class_stands_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("warp: {rotate: 30}\nclasses:\n  digits:\n    warp:\n      rotate: {range: [-500, 0]}\n")
    with pytest.raises(SpecError, match=r"line 5, column 16: classes.digits.warp.rotate.range: values must lie in"):
        load_spec(path)


# Policies


@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (3, np.uint8), (4, np.uint16), (3, np.float32)], ids=str)
def test_policies_run_on_every_kind_of_picture(name: str, channels: int, dtype: type) -> None:
    image = picture(40, 50, channels, dtype)
    spec = load_spec({"policy": name})
    copies = made(spec, image, range(30))
    assert all(copy.shape == image.shape and copy.dtype == image.dtype for copy in copies)
    assert sum(not np.array_equal(copy, image) for copy in copies) > 15
    assert load_spec(spec.canonical()).hash == spec.hash
    again = made(spec, image, range(7, 9))
    assert all(np.array_equal(a, b) for a, b in zip(copies[7:9], again, strict=True))


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_of_p_0_is_the_identity(name: str) -> None:
    image = picture()
    assert all(np.array_equal(copy, image) for copy in made(load_spec({"policy": {name: {"p": 0}}}), image))


OPERATIONS = {
    "shear": "ShearX",
    "shear_y": "ShearY",
    "shift_x": "TranslateX",
    "shift_y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "saturation": "Color",
    "mean_contrast": "Contrast",
    "sharpen": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
}


def magnitudes(step: object, size: float) -> tuple[str, list[float]]:
    """An operation's name in the papers, and its magnitudes in their units, for pictures of a side."""
    name = step.name  # type: ignore[attr-defined]
    if name == "all_of":
        return "Identity", [0.0]
    transform = step.node  # type: ignore[attr-defined]
    if name in ("autocontrast", "equalize", "invert"):
        return OPERATIONS[name], [0.0]
    form = getattr(transform, next(iter(transform.quantities())))
    values = np.array(getattr(form, "form", form).values)
    if name in ("shear", "shear_y"):
        values = np.tan(np.deg2rad(values))
    elif name.startswith("shift"):
        values = values * size
    elif name in ("brightness", "saturation", "mean_contrast", "sharpen"):
        values = values - 1
    return OPERATIONS[name], values.tolist()


def group(spec: Spec) -> Group:
    ((_, node),) = spec.nodes
    assert isinstance(node, Group)
    return node


@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_rand_augment_is_the_published_one(magnitude: int) -> None:
    """Table 6 of the paper's appendix: fourteen operations, two of them in turn; the space as torchvision has it."""
    steps = group(load_spec({"policy": {"rand_augment": {"n": 3, "magnitude": magnitude}}})).options
    assert [step.name for step in steps] == ["one_of"] * 3
    found = dict(magnitudes(option, 331) for option in steps[0].node.options)  # type: ignore[union-attr]
    share = magnitude / 30
    full = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": 150, "TranslateY": 150, "Rotate": 30} | dict.fromkeys(
        ("Brightness", "Color", "Contrast", "Sharpness"), 0.9
    )
    expected = {name: [share * value, -share * value] for name, value in full.items()}
    expected |= {"Posterize": [8.0 - round(share * 4)], "Solarize": [255 * (1 - share)]}
    expected |= {"AutoContrast": [0.0], "Equalize": [0.0], "Identity": [0.0]}
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.allclose(found[name], values), name


def test_trivial_augment_is_the_published_one() -> None:
    (step,) = group(load_spec({"policy": "trivial_augment"})).options
    found = dict(magnitudes(option, 224) for option in step.node.options)  # type: ignore[union-attr]
    ends = {"ShearX": 0.99, "ShearY": 0.99, "TranslateX": 32, "TranslateY": 32, "Rotate": 135} | dict.fromkeys(
        ("Brightness", "Color", "Contrast", "Sharpness"), 0.99
    )
    for name, end in ends.items():
        assert len(found[name]) == 62 and np.allclose([min(found[name]), max(found[name])], [-end, end])
    assert Counter(found["Posterize"]) == {8: 3, 7: 5, 6: 5, 5: 5, 4: 5, 3: 5, 2: 3}
    assert np.allclose(found["Solarize"], np.linspace(255, 0, 31))
    assert len(found) == 14


AUTO_AUGMENT = {
    # The first, the seventh and the last line of each table in the paper's appendix.
    "imagenet": {0: "posterize 0.4, rotate 0.6", 6: "solarize 0.6, equalize 0.6", 24: "equalize 0.8, equalize 0.6"},
    "cifar10": {0: "invert 0.1, mean_contrast 0.2", 6: "saturation 0.4, brightness 0.6", 24: "shift_y 0.7, autocontrast 0.9"},
    "svhn": {0: "shear 0.9, invert 0.2", 6: "shear_y 0.9, invert 0.4", 24: "shear 0.7, invert 0.1"},
}


@pytest.mark.parametrize("dataset", sorted(AUTO_AUGMENT))
def test_auto_augment_is_the_published_one(dataset: str) -> None:
    (step,) = group(load_spec({"policy": {"auto_augment": {"dataset": dataset}}})).options
    pairs = [option.node.options for option in step.node.options]  # type: ignore[union-attr]
    assert len(pairs) == 25 and all(len(pair) == 2 for pair in pairs)
    for line, expected in AUTO_AUGMENT[dataset].items():
        assert ", ".join(f"{one.name} {one.node.p:g}" for one in pairs[line]) == expected


@pytest.mark.parametrize("dataset", ["imagenet", "cifar10", "svhn"])
def test_auto_augment_is_torchvisions(dataset: str) -> None:
    theirs = pytest.importorskip("torchvision.transforms.autoaugment")
    policy = theirs.AutoAugment(theirs.AutoAugmentPolicy(dataset))
    space = policy._augmentation_space(10, (224, 224))
    (step,) = group(load_spec({"policy": {"auto_augment": {"dataset": dataset}}})).options
    for option, pair in zip(step.node.options, policy.policies, strict=True):  # type: ignore[union-attr]
        for ours, (name, p, magnitude) in zip(option.node.options, pair, strict=True):  # type: ignore[union-attr]
            found, values = magnitudes(ours, 224)
            assert (found, ours.node.p) == (name, p)
            expected = space[name][0][magnitude].item() if magnitude is not None else 0.0
            assert np.allclose(values, [expected, -expected] if space[name][1] else [expected])


@pytest.mark.parametrize(("name", "theirs_name"), [("rand_augment", "RandAugment"), ("trivial_augment", "TrivialAugmentWide")])
def test_the_spaces_are_torchvisions(name: str, theirs_name: str) -> None:
    theirs = pytest.importorskip("torchvision.transforms.autoaugment")
    policy = getattr(theirs, theirs_name)()
    space = policy._augmentation_space(31, (224, 224)) if name == "rand_augment" else policy._augmentation_space(31)
    settings = [{"rand_augment": {"magnitude": m}} for m in range(31)] if name == "rand_augment" else [name]
    found: dict[str, list[float]] = {}
    for setting in settings:
        for option in group(load_spec({"policy": setting})).options[0].node.options:  # type: ignore[union-attr]
            operation, values = magnitudes(option, 224)
            found.setdefault(operation, []).extend(values)
    assert found.keys() == space.keys()
    for operation, (values, signed) in space.items():
        expected = [v * sign for v in np.atleast_1d(values.numpy()).tolist() for sign in ((1, -1) if signed else (1,))]
        assert np.allclose(sorted(set(np.round(found[operation], 4))), sorted(set(np.round(expected, 4))), atol=1e-3), operation


def test_augmix_is_the_published_one() -> None:
    """Three chains of one to three of nine operations; shares of a Dirichlet distribution; the whole blended by a uniform weight."""
    spec = load_spec({"policy": "augmix"})
    copies = draw(spec, "k", range(6000)).plain
    weights = np.array([list(copy["policy.augmix"].values()) for copy in copies])
    together = weights.sum(axis=1)
    assert weights.shape == (6000, 3) and (weights >= 0).all()
    assert np.abs(np.quantile(together, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.03
    # Of a Dirichlet distribution of ones, each share is Beta(1, 2): its quantiles are 1 - sqrt(1 - q).
    assert np.abs(np.quantile(weights[:, 0] / together, [0.1, 0.5, 0.9]) - (1 - np.sqrt([0.9, 0.5, 0.1]))).max() < 0.03
    lengths: Counter[int] = Counter()
    operations: Counter[str] = Counter()
    for copy in copies:
        for chain in ("chain_1", "chain_2", "chain_3"):
            own = [place.rpartition(".")[2].partition("#")[0] for place in copy if place.startswith(f"policy.augmix.{chain}.")]
            lengths[len(own)] += 1
            operations.update(own)
    assert all(abs(lengths[n] / 18_000 - 1 / 3) < 0.02 for n in (1, 2, 3)) and sum(lengths.values()) == 18_000
    assert set(operations) == {"autocontrast", "equalize", "rotate", "posterize", "solarize", "shear", "shear_y", "shift_x", "shift_y"}
    assert all(abs(count / sum(operations.values()) - 1 / 9) < 0.01 for count in operations.values())


def test_augmix_draws_levels_as_published() -> None:
    """A level is uniform from 0.1 to 3: angles in 0.3 to 9 degrees, thresholds from 254 down to 180, three or four bits."""
    drawn: dict[str, list[float]] = {}
    for copy in draw(load_spec({"policy": "augmix"}), "k", range(4000)).plain:
        for place, params in copy.items():
            for value in params.values():
                drawn.setdefault(place.rpartition(".")[2].partition("#")[0], []).append(value)
    angles = np.abs(drawn["rotate"])
    assert 0.3 <= angles.min() < 0.4 and 8.9 < angles.max() <= 9
    assert abs(np.mean(np.array(drawn["rotate"]) > 0) - 0.5) < 0.03
    assert (min(drawn["solarize"]), max(drawn["solarize"])) == (180, 254)
    assert set(drawn["posterize"]) == {3, 4} and abs(np.mean(np.array(drawn["posterize"]) == 3) - 0.5 / 2.9) < 0.03
    assert np.abs(drawn["shift_x"]).max() <= 0.1


@pytest.mark.parametrize("severity", [0.1, 0.2, 2.5, 10])
def test_augmix_of_any_severity_draws(severity: float) -> None:
    assert len(draw(load_spec({"policy": {"augmix": {"severity": severity}}}), "k", range(50)).plain) == 50


def test_augmix_blends_its_chains() -> None:
    image = picture(40, 50)
    spec = load_spec({"policy": {"augmix": {"width": 2}}})
    sample = Sample("k", "", Levels(image))
    for recipe in recipes(spec, draw(spec, "k", range(5)), sample):
        assert len(recipe.mix) == 2
        rest = 1 - sum(weight for weight, _ in recipe.mix)
        expected = rest * image + sum(weight * apply(chain, sample).astype(float) for weight, chain in recipe.mix)
        assert np.abs(apply(recipe, sample) - expected).max() <= 0.51


def test_a_policys_geometry_joins_the_one_warp() -> None:
    spec = load_spec({"warp": {"rotate": {"fixed": 180}}, "policy": {"rand_augment": {"n": 6}}, "then": [{"blur": 0.5}]})
    image = picture(40, 50)
    draws = draw(spec, "k", range(40))
    sample = Sample("k", "", Levels(image))
    for recipe, params in zip(recipes(spec, draws, sample), draws.plain, strict=True):
        assert recipe.sampling is not None and len(recipe.sampling.matrices) == 1
        assert recipe.steps[-1][0].name == "blur" and len(recipe.steps) <= len(params)


# Classes


BOTH_WAYS = {"p": 0.5, "relabel": {"left": "right", "right": "left"}}


@pytest.fixture
def turns(tmp_path: Path) -> Path:
    """photos/left, photos/right: two pictures each, one of the same name in both and one in a folder below; photos/stop: one."""
    root = tmp_path / "photos"
    write_picture(root / "left" / "a.jpg", picture(30, 40, seed=1))
    write_picture(root / "left" / "night" / "b.png", picture(21, 34, seed=2))
    write_picture(root / "right" / "a.jpg", picture(25, 25, seed=3))
    write_picture(root / "right" / "c.jpg", picture(33, 20, seed=4))
    write_picture(root / "stop" / "d.jpg", picture(16, 48, seed=5))
    return root


def test_a_class_may_forbid_what_others_get() -> None:
    spec = load_spec(
        {"warp": {"flip_h": 1, "rotate": {"range": 30, "p": 0.5}}, "classes": {"digits": {"warp": {"flip_h": 0, "rotate": {"p": 0}}}}}
    )
    image = picture()
    assert all(np.array_equal(copy, image) for copy in made(spec.of_class("digits"), image))
    assert spec.of_class("cats") is spec and not np.array_equal(made(spec, image)[0], image)
    assert spec.of_class("digits").warp.transforms[1].range == spec.warp.transforms[1].range  # type: ignore[attr-defined]


def test_a_class_draws_what_is_not_changed_as_all_do() -> None:
    spec = load_spec({"warp": {"rotate": 30, "zoom": 0.2}, "then": [{"blur": 1}], "classes": {"a": {"warp": {"zoom": [2, 3]}, "then": []}}})
    everyone, own = draw(spec, "a/x.jpg", range(9)), draw(spec.of_class("a"), "a/x.jpg", range(9))
    assert own.params["warp.rotate"]["angle"].tolist() == everyone.params["warp.rotate"]["angle"].tolist()
    assert own.params["warp.zoom"]["x"].min() >= 2 and "then.blur" not in own.params


def test_a_class_merges_settings_replaces_lists_and_takes_away() -> None:
    base = {
        "warp": {"rotate": {"range": 30, "p": 0.1}, "zoom": 0.1},
        "then": [{"blur": 1}],
        "policy": "augmix",
        "classes": {
            "a": {"warp": {"rotate": 20, "zoom": None}},
            "b": {"then": [{"noise": 2}], "policy": None},
            "c": {"then": None, "warp": None},
        },
    }
    spec = load_spec(base)
    assert spec.of_class("a").canonical()["warp"] == {"rotate": {"p": 0.1, "range": [-20.0, 20.0]}}
    assert [step.name for step in spec.of_class("b").then] == ["noise"] and spec.of_class("b").policy is None
    assert spec.of_class("c").then == () and not spec.of_class("c").canonical().get("warp")
    assert spec.of_class("c").policy is not None


def test_classes_are_part_of_the_spec() -> None:
    plain, other = load_spec({"warp": {"flip_h": 1}}), load_spec({"warp": {"flip_h": 1}, "classes": {"a": {"warp": {"flip_h": 0}}}})
    assert plain.hash != other.hash
    assert other.canonical()["classes"] == {"a": {"warp": {"flip_h": {"p": 0.0, "relabel": {}}}}}
    assert load_spec(other.canonical()).hash == other.hash
    assert other.model_copy(update={"seed": 9}).of_class("a").seed == 9


EVERYTHING = {
    "seed": 5,
    "warp": {
        "zoom": {"range": 0.1, "axes": "independent", "p": 0.5},
        "rotate": 5,
        "border": "reflect",
        "steps": [{"one_of": [{"shear": 5}]}],
    },
    "tone": {"steps": [{"some_of": [{"gamma": 0.2}, {"invert": 0.5}], "count": [0, 2]}], "contrast": 0.1},
    "policy": {"augmix": {"depth": 2}},
    "then": [{"blur": 1}, {"one_of": [{"all_of": []}, {"jpeg": [20, 90]}], "p": 0.5, "weights": [1, 2]}],
    "classes": {
        "a": {"warp": {"zoom": {"p": 1, "axes": "together"}, "border": "nearest", "flip_v": 1}, "policy": "none", "then": []},
        "b": {"warp": {"steps": []}, "tone": {"contrast": {"p": 0}}, "policy": "trivial_augment"},
        "c": {},
    },
    "output": {"format": "png"},
}


@pytest.mark.parametrize("how", ["its canonical form", "JSON", "a pickle"])
def test_a_spec_survives(how: str) -> None:
    spec = load_spec(EVERYTHING)
    form = spec.canonical()
    again = {
        "its canonical form": lambda: load_spec(form),
        "JSON": lambda: load_spec(json.loads(json.dumps(form))),
        "a pickle": lambda: pickle.loads(pickle.dumps(spec)),
    }[how]()
    assert again.canonical() == form and again.hash == spec.hash
    for label in ("", "a", "b", "c"):
        assert draw(again.of_class(label), "k", range(20)).plain == draw(spec.of_class(label), "k", range(20)).plain


def test_a_policy_may_be_taken_from_a_class() -> None:
    spec = load_spec({"policy": "trivial_augment", "classes": {"a": {"policy": "none"}, "b": {"policy": {"rand_augment": {"n": 1}}}}})
    assert spec.of_class("a").policy is None
    assert spec.of_class("b").nodes[0][0] == "policy.rand_augment"


def test_a_flip_turns_left_into_right(turns: Path, tmp_path: Path) -> None:
    spec = load_spec({"warp": {"flip_h": BOTH_WAYS}, "output": {"format": "png"}})
    report = expand_dataset(tmp_path / "out", input=turns, spec=spec, copies=20)
    assert (report.made, report.missing) == (100, 0)
    made = pictures(tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert {line["file"] for line in lines} == set(made)
    for line in lines:
        source = line["source"].split("/")[0]
        flipped = "warp.flip_h" in line["params"] and source != "stop"
        assert line.get("source_label") == (source if flipped else None)
        assert line["label"] == ({"left": "right", "right": "left"}[source] if flipped else source)
        assert line["file"].startswith(line["label"] + "/") and (f"_from_{source}_" in line["file"]) == flipped
        assert ("/night/" in line["file"]) == ("/night/" in line["source"])
    planned = plan_copies(class_tree(turns), spec, copies=20).classes()
    assert {label: files for label, (_, _, files) in planned.items()} == Counter(name.split("/")[0] for name in made)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["classes"]["left"]["files"] == planned["left"][2]


def test_relabelled_sets_resume_grow_and_do_not_depend_on_workers(turns: Path, tmp_path: Path) -> None:
    spec = load_spec({"warp": {"flip_h": BOTH_WAYS, "rotate": 10}})
    whole = expand_dataset(tmp_path / "whole", input=turns, spec=spec, copies=12, originals=True)
    assert whole.made == 65
    grown = tmp_path / "grown"
    expand_dataset(grown, input=turns, spec=spec, copies=5, originals=True)
    for name in sorted(pictures(grown))[::3]:
        (grown / name).unlink()
    again = expand_dataset(grown, input=turns, spec=spec, copies=12, originals=True)
    assert again.planned == again.made + again.kept == 65
    assert pictures(grown) == pictures(tmp_path / "whole")
    assert expand_dataset(grown, input=turns, spec=spec, copies=12, originals=True).made == 0


def test_labels_follow_every_step_that_a_copy_drew() -> None:
    flips = {"flip_h": {"p": 0.5, "relabel": {"left": "right", "right": "left"}}, "flip_v": {"p": 0.5, "relabel": {"right": "down"}}}
    spec = load_spec({"warp": flips})
    found = labels(spec, "left", "k", range(400))
    drawn = draw(spec, "k", range(400)).plain
    for label, copy in zip(found, drawn, strict=True):
        expected = "left" if "warp.flip_h" not in copy else "down" if "warp.flip_v" in copy else "right"
        assert label == expected


def test_a_clash_after_relabelling_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "p" / "left" / "a.jpg")
    write_picture(tmp_path / "p" / "right" / "a_from_left.jpg")
    spec = load_spec({"warp": {"flip_h": BOTH_WAYS}})
    with pytest.raises(PlanError, match="would have the same names"):
        plan_copies(class_tree(tmp_path / "p"), spec, copies=2)


def test_a_slip_in_a_class_name_is_noticed(turns: Path) -> None:
    with pytest.raises(PlanError, match=r"classes.lefft: no source has this label \(did you mean left\?\)"):
        plan_copies(class_tree(turns), load_spec({"classes": {"lefft": {"warp": {"flip_h": 0}}}}), copies=2)
    plan_copies(class_tree(turns), load_spec({"classes": {"slight": {"warp": {"flip_h": 0}}}}), copies=2)
    plan_copies(class_tree(turns), load_spec({"classes": {"elsewhere": {"warp": {"flip_h": 0}}}}), copies=2)


def test_a_slip_in_a_relabelled_class_is_noticed(turns: Path) -> None:
    spec = load_spec({"warp": {"flip_h": {"p": 0.5, "relabel": {"rigth": "left"}}}})
    with pytest.raises(PlanError, match=r"relabel: \{rigth: ...\}: no source has this label \(did you mean right\?\)"):
        plan_copies(class_tree(turns), spec, copies=2)


def test_the_command_says_what_classes_become(augx: Run, turns: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("warp: {flip_h: {p: 1, relabel: {left: right}}}\nclasses: {stop: {warp: {flip_h: 0}}}\n")
    done = augx("generate", "--input", turns, "--output", "out", "--spec", "my.yaml", "--copies", "3", "--dry-run", "--json")
    classes = json.loads(done.stdout)["classes"]
    assert {label: row["copies"] for label, row in classes.items()} == {"left": 0, "right": 12, "stop": 3}
