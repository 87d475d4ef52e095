"""Copies drawn anew: limits hold, counts stay, no other copy is touched, and a manifest line still remakes its copy."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import cv2
import jsonschema
import numpy as np
import pytest

from augx import SpecError, find_sources, load_spec
from augx.catalogue import json_schema
from augx.draws import Draws, draw, relabelled
from augx.errors import CopyError, SourceError
from augx.recipe import Recipe, apply, recipes
from augx.rejection import IMPOSSIBLE, Kept, keep
from augx.sample import Instance, Sample
from augx.sources import load
from augx.spec import Spec
from augx.targets import move_instances
from augx.warp import Levels
from tests.conftest import PHOTOS, picture
from tests.test_golden import EVERYTHING, GOLDEN, KEY, typical
from tests.test_laws import KINDS, SIZES

WILD = {
    "warp": {"rotate": 45, "zoom": {"log_uniform": [0.4, 2.5]}, "shift_x": 0.4, "shift_y": 0.4, "flip_h": 0.5, "border": "constant"},
    "tone": {"brightness": 0.6, "contrast": [0.4, 2.5], "invert": {"p": 0.1}},
    "then": [{"noise": {"sigma": [2, 30], "p": 0.3}}, {"erase": {"area": [0.05, 0.4], "p": 0.4}}],
}
LIMITS = {"border": 0.3, "objects": 0.5, "saturated": 0.25, "likeness": [0.2, 0.98]}
EACH = pytest.mark.parametrize("limit", LIMITS)
COPIES = range(24)


def photo() -> Sample:
    """A cat of 120 by 80 pixels, with three boxes on it."""
    image = cv2.imdecode(np.fromfile(PHOTOS / "cats" / "chelsea.png", np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    boxes = [(20.0, 10.0, 60.0, 40.0), (60.0, 30.0, 100.0, 70.0), (0.0, 60.0, 20.0, 80.0)]
    return Sample(
        "cats/a.png", "", Levels(cv2.resize(image, (120, 80), interpolation=cv2.INTER_AREA)), tuple(Instance("a", b) for b in boxes)
    )


def wild(**reject: object) -> Spec:
    return load_spec({**WILD, "seed": 5, "reject": reject})


def kept(spec: Spec, sample: Sample, copies: range = COPIES) -> list[Kept]:
    """How copies are made: all are drawn at once, and only those that break a limit are drawn anew, one by one."""
    draws = draw(spec, sample.key, copies)
    each = zip(copies, recipes(spec, draws, sample), draws.plain, strict=True)
    return [keep(spec, sample, copy, recipe, params) for copy, recipe, params in each]


def first(spec: Spec, sample: Sample, copies: range = COPIES, attempt: int = 0) -> Iterator[Recipe]:
    return recipes(spec, draw(spec, sample.key, copies, attempt), sample)


def same(a: Kept, b: Kept) -> bool:
    return np.array_equal(a.picture, b.picture) and (a.params, a.tried, a.reasons, a.unmet) == (b.params, b.tried, b.reasons, b.unmet)


# The spec


@pytest.mark.parametrize(
    ("reject", "expected"),
    [
        ({"border": 1.1}, "reject.border: must be less than or equal to 1, found 1.1"),
        ({"border": -0.1}, "reject.border: must be greater than or equal to 0, found -0.1"),
        ({"border": True}, "reject.border: must be a valid number, found True"),
        ({"objects": "half"}, "reject.objects: must be a valid number, found 'half'"),
        ({"saturated": float("nan")}, "reject.saturated: must be a finite number, found nan"),
        ({"likeness": 2}, "reject.likeness: expected the highest likeness, or [lowest, highest], from -1 to 1 and in this order, found 2"),
        ({"likeness": [0.9, 0.2]}, "and in this order, found [0.9, 0.2]"),
        ({"likeness": [0.1, 0.2, 0.3]}, "expected the highest likeness, or [lowest, highest]"),
        ({"likeness": True}, "expected the highest likeness, or [lowest, highest]"),
        ({"border": 0.3, "tries": 0}, "reject.tries: must be greater than or equal to 1, found 0"),
        ({"border": 0.3, "tries": 101}, "reject.tries: must be less than or equal to 100, found 101"),
        ({"border": 0.3, "tries": 2.5}, "reject.tries: must be a valid integer"),
        ({"tries": 5}, "reject: tries alone rejects nothing; set border, objects, saturated or likeness as well"),
        ({"boarder": 0.3}, "reject.boarder: unknown key (did you mean border?); allowed: border, objects, saturated, likeness, tries"),
        (0.3, "reject: expected a mapping (key: value), found 0.3"),
    ],
    ids=str,
)
def test_mistakes_are_named(reject: object, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec({"reject": reject})
    (problem,) = caught.value.problems
    assert expected in problem and "\n" not in problem


def test_a_spec_is_another_one_only_where_a_limit_is_set() -> None:
    plain = load_spec(WILD)
    assert plain.reject.limits == () and "reject" not in plain.canonical()
    assert load_spec({**WILD, "reject": {}}).hash == plain.hash
    assert load_spec({**WILD, "reject": {"likeness": 0.9}}).hash == load_spec({**WILD, "reject": {"likeness": [-1, 0.9]}}).hash
    forms = [LIMITS, *({name: value} for name, value in LIMITS.items()), {"border": 0.3, "tries": 11}]
    assert len({load_spec({**WILD, "reject": form}).hash for form in forms} | {plain.hash}) == len(forms) + 1
    for form in forms:
        spec = load_spec({**WILD, "reject": form, "classes": {"a": {"warp": {"rotate": 5}}}})
        again = load_spec(spec.canonical())
        assert (again.canonical(), again.hash) == (spec.canonical(), spec.hash) and pickle.loads(pickle.dumps(spec)).reject == spec.reject
        assert spec.of_class("a").reject == spec.reject and set(spec.reject.limits) == {*form} - {"tries"}
    assert load_spec("tutorial", ["reject.border=0.3"]).reject.border == 0.3


@pytest.mark.parametrize(
    ("reject", "valid"),
    [
        (LIMITS, True),
        ({"likeness": 0.9, "tries": 3}, True),
        ({}, True),
        ({"likeness": [1, 2]}, False),
        ({"border": 2}, False),
        ({"x": 1}, False),
    ],
    ids=str,
)
def test_the_json_schema_knows_it(reject: object, valid: bool) -> None:
    assert jsonschema.Draft202012Validator(json_schema()).is_valid({"reject": reject}) == valid


# The draws


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_first_attempt_is_the_draw_as_ever(name: str) -> None:
    found = draw(typical(name), KEY, range(2), 0).plain
    assert json.loads(json.dumps(found)) == json.loads((GOLDEN / "transforms.json").read_text())[name]


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_attempt_draws_for_each_copy_by_itself(name: str) -> None:
    spec = typical(name)
    attempts = [draw(spec, KEY, range(4), attempt).plain for attempt in range(4)]
    for attempt, plain in enumerate(attempts):
        assert [draw(spec, KEY, range(i, i + 1), attempt).plain[0] for i in reversed(range(4))] == plain[::-1]


def test_no_attempt_meets_another_copy() -> None:
    spec = load_spec({"warp": {"rotate": 30}})
    streams = [draw(spec, KEY, range(100), attempt).params["warp.rotate"]["angle"] for attempt in range(100)]
    assert len(np.unique(streams)) > 9950  # of 6 million that can be told apart


RELABELLED = {
    "plain": {"warp": {"rotate": 30, "flip_h": {"p": 0.5, "relabel": {"left": "right", "right": "left"}}}},
    "some of several, one of them in a group": {
        "warp": {
            "steps": [
                {
                    "some_of": [
                        {"flip_h": {"relabel": {"left": "right"}}},
                        {"shear": 20},
                        {"all_of": [{"flip_v": {"relabel": {"right": "up"}}}]},
                    ],
                    "count": [1, 2],
                    "p": 0.8,
                }
            ]
        }
    },
    "one of the pixel steps": {"then": [{"one_of": [{"equalize": {"relabel": {"left": "flat"}}}, {"noise": 3}], "weights": [1, 2]}]},
}


@pytest.mark.parametrize("warp", RELABELLED.values(), ids=RELABELLED.keys())
def test_labels_are_those_of_the_first_attempt(warp: dict[str, object]) -> None:
    spec = load_spec({"tone": {"brightness": 0.3}, **warp})
    assert spec.relabels
    draws = [draw(spec, "k", range(40), attempt) for attempt in range(5)]
    labels = [relabelled(spec, "left", one) for one in draws]
    assert len(set(labels[0])) > 1 and all(found == labels[0] for found in labels)
    assert all(len({json.dumps(one.plain[i]) for one in draws}) == 5 for i in range(40))


# What is kept


def test_without_limits_a_copy_is_made_and_not_looked_at() -> None:
    spec, sample = load_spec(WILD), photo()
    for one, recipe in zip(kept(spec, sample), first(spec, sample), strict=True):
        assert (one.tried, one.reasons, one.unmet) == (1, {}, ()) and np.array_equal(one.picture, apply(recipe, sample))


def shows(recipe: Recipe, sample: Sample) -> float:
    """The share of a copy that shows the source, pixel by pixel."""
    assert recipe.sampling is not None
    whole = np.full(recipe.source[::-1], 255, np.uint8)
    seen = cv2.warpAffine(whole, recipe.sampling.matrices[0][:2], recipe.size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return float((seen > 0).mean())


def concordance(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).astype(float) / 255 for image in (a, b))
    return float(2 * np.cov(a.ravel(), b.ravel(), bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))


def measured(limit: str, one: Kept, sample: Sample) -> bool:
    """Whether a copy keeps a limit of ``LIMITS``, measured in another way and so with some slack."""
    if limit == "border":
        return 1 - shows(one.recipe, sample) <= 0.3 + 0.02
    if limit == "objects":
        return len(move_instances(one.recipe, sample.instances, swaps={}, min_visibility=0.1)[0]) >= 0.5 * 3
    if limit == "likeness":
        return concordance(one.picture, sample.image.image) <= 0.98 + 0.01
    ends = ((one.picture == 0) | (one.picture == 255)).any(axis=2)
    covered = [hides for step, params in one.recipe.steps if (hides := step.hides(params, one.recipe.size)) is not None]
    fills = 1 - shows(one.recipe, sample) + (float(covered[0].mean()) if covered else 0)
    return float(ends.mean()) - fills <= 0.25 + 0.05


@EACH
def test_a_limit_holds_on_every_copy_that_does_not_say_otherwise(limit: str) -> None:
    spec, sample = wild(**{limit: LIMITS[limit]}), photo()
    before = [Kept(recipe, {}, apply(recipe, sample), 1, {}, ()) for recipe in first(spec, sample)]
    after = kept(spec, sample)
    assert all(measured(limit, one, sample) for one in after if not one.unmet)
    if limit != "likeness":  # hardly any draw of these is like its source
        assert not all(measured(limit, one, sample) for one in before)
    assert any(one.tried > 1 for one in after) and any(one.tried == 1 for one in after)


@pytest.mark.parametrize("tries", [1, 2, 10, 100])
def test_tries_are_bounded_and_reasons_sum_up(tries: int) -> None:
    for one in kept(wild(**LIMITS, tries=tries), photo()):
        assert 1 <= one.tried <= tries
        assert set(one.reasons) <= {*LIMITS} and all(0 < count < one.tried for count in one.reasons.values())
        assert sum(one.reasons.values()) >= one.tried - 1
        assert not one.unmet or one.tried == tries


def test_more_tries_change_no_copy_that_was_content() -> None:
    few, many = kept(wild(**LIMITS, tries=3), photo()), kept(wild(**LIMITS, tries=20), photo())
    assert all(same(a, b) for a, b in zip(few, many, strict=True) if not a.unmet)
    assert sum(bool(one.unmet) for one in many) < sum(bool(one.unmet) for one in few)


def test_a_copy_is_the_same_in_any_order_and_number_and_beside_any_others() -> None:
    spec, sample = wild(**LIMITS), photo()
    whole = kept(spec, sample)
    for i in reversed(COPIES):
        assert same(kept(spec, photo(), range(i, i + 1))[0], whole[i])
    assert all(same(a, b) for a, b in zip(kept(spec, sample, range(7, 12)), whole[7:12], strict=True))
    unlimited = kept(wild(), sample)
    content = [i for i in COPIES if whole[i].tried == 1]
    assert content and all(np.array_equal(whole[i].picture, unlimited[i].picture) for i in content)


def test_a_line_of_the_manifest_remakes_what_was_kept() -> None:
    spec, sample = wild(**LIMITS), photo()
    found = kept(spec, sample)
    assert any(one.tried > 1 for one in found)
    for one in found:
        (recipe,) = recipes(spec, Draws.replayed([json.loads(json.dumps(one.params))]), sample)
        assert np.array_equal(apply(recipe, sample), one.picture)
        boxes, again = (move_instances(r, sample.instances, swaps={}, min_visibility=0.1) for r in (one.recipe, recipe))
        assert [box.box for box in boxes[0]] == [box.box for box in again[0]] and boxes[1] == again[1]


def test_of_draws_that_all_break_limits_the_least_bad_is_kept() -> None:
    """By hand: of copies that are all turned, the one with the least border."""
    spec = load_spec(
        {"warp": {"rotate": [20, 70], "zoom": {"log_uniform": [0.3, 0.8]}, "border": "constant"}, "reject": {"border": 0.0, "tries": 6}}
    )
    sample = photo()
    for i, one in enumerate(kept(spec, sample, range(8))):
        attempts = [next(first(spec, sample, range(i, i + 1), attempt)) for attempt in range(6)]
        assert one.unmet == ("border",) and one.tried == 6 and one.reasons == {"border": 5}
        borders = [recipe.sampling.beyond(recipe.source, recipe.size) for recipe in attempts if recipe.sampling is not None]
        assert np.array_equal(one.picture, apply(attempts[int(np.argmin(borders))], sample))


def test_the_least_bad_is_looked_at_whole() -> None:
    """A border that is just too large, on a copy that is all black, is no reason to keep it."""
    tone = {"steps": [{"one_of": [{"brightness": {"fixed": 0}}, {"brightness": {"fixed": 0.9}}]}]}
    reject = {"border": 0.0, "likeness": [0.5, 1], "tries": 30}
    spec = load_spec({"warp": {"rotate": [20, 25], "border": "constant"}, "tone": tone, "reject": reject})
    for one in kept(spec, photo(), range(8)):
        assert one.unmet == ("border",) and one.picture.max() > 0


def test_a_draw_that_no_picture_can_be_made_of_is_drawn_anew() -> None:
    tiny = {"all_of": [{"zoom": {"fixed": 0.05}}] * 200}
    warp, sample = {"steps": [{"one_of": [tiny, {"rotate": 30}]}]}, photo()
    possible = [recipe.size != (0, 0) for recipe in first(load_spec({"warp": warp}), sample)]
    assert True in possible and False in possible
    limited = load_spec({"warp": warp, "reject": {"border": 1, "tries": 50}})
    for one, at_once in zip(kept(limited, sample), possible, strict=True):
        assert (one.tried == 1) == at_once and not one.unmet
        assert one.reasons == ({} if at_once else {IMPOSSIBLE: one.tried - 1})
    with pytest.raises(CopyError, match="beyond what can be undone"):
        kept(load_spec({"warp": {"steps": [tiny]}, "reject": {"border": 1}}), sample, range(1))


def test_targets_that_cannot_be_moved_are_the_source_s_fault() -> None:
    broken = Instance("a", region={"size": [3, 3], "counts": "?"})
    sample = Sample("k", "", Levels(picture()), (broken,))
    with pytest.raises(SourceError, match="its targets can't be moved: a region"):
        kept(load_spec({"warp": {"rotate": 30}, "reject": {"objects": 0.5}}), sample, range(1))


# What each limit means


@pytest.mark.parametrize(
    ("limit", "spec", "rejected"),
    [
        pytest.param(
            "border", {"warp": {"shift_x": {"fixed": 0.5}, "border": "reflect"}}, True, id="a border that repeats the picture is one"
        ),
        pytest.param("border", {"warp": {"shift_x": {"fixed": 0.5}, "border": "crop_safe"}}, False, id="zoomed in there is none"),
        pytest.param("border", {"then": [{"erase": {"area": {"fixed": 0.5}}}]}, False, id="an erased part is no border"),
        pytest.param("objects", {"warp": {"shift_x": {"fixed": 0.9}}}, True, id="objects leave the canvas"),
        pytest.param("objects", {"warp": {"flip_h": 1, "flip_v": 1}}, False, id="objects stay on it"),
        pytest.param("saturated", {"tone": {"brightness": {"fixed": 3}}}, True, id="levels run into white"),
        pytest.param("saturated", {"tone": {"brightness": {"fixed": 0.7}}}, False, id="a darker copy keeps its levels"),
        pytest.param("saturated", {"tone": {"brightness": {"fixed": 0}}}, True, id="all black"),
        pytest.param(
            "saturated",
            {"warp": {"zoom": {"fixed": 0.5}, "border": "constant"}, "tone": {"brightness": {"fixed": 0.9}}},
            False,
            id="a black border",
        ),
        pytest.param("saturated", {"then": [{"erase": {"area": {"fixed": 0.5}, "fill": "black"}}]}, False, id="a black fill"),
        pytest.param("likeness", {}, True, id="the source itself"),
        pytest.param("likeness", {"tone": {"brightness": {"fixed": 1.02}}}, True, id="hardly another light"),
        pytest.param("likeness", {"tone": {"brightness": {"fixed": 0.7}}}, False, id="another light"),
        pytest.param("likeness", {"warp": {"flip_h": 1}}, False, id="a mirrored copy"),
        pytest.param("likeness", {"warp": {"rotate": {"fixed": 180}, "zoom": {"fixed": 2}}}, False, id="turned over and near"),
        pytest.param("likeness", {"tone": {"invert": {}}}, True, id="a negative shows another thing"),
        pytest.param("likeness", {"warp": {"flip_h": 1}, "tone": {"brightness": {"fixed": 0}}}, True, id="black shows nothing"),
        pytest.param("likeness", {"then": [{"erase": {"area": {"fixed": 0.95}}}]}, True, id="almost all of it erased"),
    ],
)
def test_each_limit_is_what_people_expect(limit: str, spec: dict[str, object], rejected: bool) -> None:
    (one,) = kept(load_spec({**spec, "reject": {limit: LIMITS[limit], "tries": 1}}), photo(), range(1))
    assert one.unmet == ((limit,) if rejected else ())


def test_levels_that_the_source_had_lost_are_not_held_against_a_copy() -> None:
    """A white sky stays white, wherever it goes and however large it gets."""
    image = picture(60, 80)
    image[:30] = 252
    sample = Sample("k", "", Levels(image))
    spec = {
        "warp": {"zoom": {"fixed": 2}, "shift_y": {"fixed": 0.4}},
        "tone": {"brightness": {"fixed": 1.05}},
        "reject": {"saturated": 0.1},
    }
    (one,) = kept(load_spec(spec), sample, range(1))
    assert (one.picture == 255).mean() > 0.7 and one.tried == 1


def test_of_a_blend_every_part_counts() -> None:
    spec = load_spec({"policy": "augmix", "warp": {"shift_x": 0.6}, "reject": LIMITS, "seed": 3})
    found = kept(spec, photo())
    assert any(one.recipe.mix for one in found) and any(one.tried > 1 for one in found)
    assert all(same(a, b) for a, b in zip(found, kept(spec, photo()), strict=True))


@pytest.mark.parametrize(("channels", "dtype"), KINDS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("size", [*SIZES, (70, 41)], ids=str)
@pytest.mark.parametrize("warp", [WILD["warp"], {"elastic": 0.1, "perspective": 0.3, "border": "reflect"}], ids=["matrix", "fields"])
def test_every_picture_can_be_looked_at(warp: dict[str, object], size: tuple[int, int], channels: int, dtype: type) -> None:
    spec = load_spec({**WILD, "warp": warp, "reject": {**LIMITS, "tries": 4}})
    image = picture(*size, channels, dtype)
    before = image.copy()
    for one in kept(spec, Sample("k", "", Levels(image)), range(4)):
        assert one.picture.dtype == dtype and one.tried <= 4
    assert np.array_equal(image, before)


def test_photos_and_their_objects() -> None:
    """The strong preset on the shipped photos: most copies are content, the others are drawn anew."""
    spec = load_spec("strong", ["seed=1", "reject.border=0.3", "reject.objects=1", "reject.saturated=0.25", "reject.likeness=[0.2, 0.98]"])
    for source in find_sources(PHOTOS / "annotations.json").sources:
        sample = load(source)
        found = kept(spec, sample, range(6))
        assert sample.instances and np.mean([one.tried for one in found]) < 8
        for one in found:
            _, lost = move_instances(one.recipe, sample.instances, swaps={}, min_visibility=0.1)
            assert (lost == 0) == ("objects" not in one.unmet)
