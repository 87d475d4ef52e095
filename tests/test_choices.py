"""Choices among steps, in every section; short forms and mistakes."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from augx import SpecError, load_spec
from augx.draws import draw
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.sections import leaves
from augx.spec import Spec
from augx.warp import Levels
from tests.conftest import picture


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
