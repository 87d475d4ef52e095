"""Policies by name, against their published definitions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from augx import load_spec
from augx.draws import draw
from augx.policies import POLICIES
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.sections import Group
from augx.spec import Spec
from augx.warp import Levels
from tests.conftest import picture


def made(spec: Spec, image: np.ndarray, copies: range = range(6)) -> list[np.ndarray]:
    sample = Sample("k", "", Levels(image))
    return [apply(recipe, sample) for recipe in recipes(spec, draw(spec, "k", copies), sample)]


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
