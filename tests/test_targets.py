"""Masks and instances go where the picture goes, for every transform of the plane that the registry knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx.annotations import rle
from augx.annotations.outlines import area, enclosing, is_rectangle
from augx.draws import draw
from augx.errors import SourceError
from augx.matrices import inverse
from augx.recipe import Recipe, apply, recipes, warp_mask
from augx.sample import Box, Instance, Mask, Sample
from augx.sampling import Sampling
from augx.spec import Spec, load_spec
from augx.targets import move_instances, move_mask
from augx.transforms import TRANSFORMS
from augx.warp import Canvas, Levels
from tests.conftest import picture
from tests.test_laws import spec_of, wide
from tests.test_sampling import BORDERS, GEOMETRIC, MILD, centroid

EVERY = pytest.mark.parametrize("name", GEOMETRIC)
WIDTH, HEIGHT = SIZE = (97, 64)
CENTRE = np.array([41.0, 28.0])
RADIUS = 8.0
# Bends of a field are as wide as a blob here: half of what they are by themselves.
SETTINGS = {**MILD, "elastic": {"displacement": [0.01, 0.015], "sigma": {"fixed": 0.2}}, "grid_distortion": 0.1, "perspective": 0.1}
TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
DISC = CENTRE + RADIUS * np.stack([np.cos(TURN), np.sin(TURN)], axis=1)


def made(warp: dict[str, object], copies: range = range(6), size: tuple[int, int] = SIZE, **more: object) -> list[Recipe]:
    spec = load_spec({"warp": warp, **more})
    return drawn(spec, copies, size)


def drawn(spec: Spec, copies: range = range(6), size: tuple[int, int] = SIZE) -> list[Recipe]:
    sample = Sample("k", "", Levels(picture(size[1], size[0])))
    return list(recipes(spec, draw(spec, "k", copies), sample))


def moved(
    recipe: Recipe, *instances: Instance, swaps: Mapping[str, Sequence[int]] | None = None, least: float = 0.0
) -> tuple[tuple[Instance, ...], int]:
    return move_instances(recipe, instances, swaps=swaps or {}, min_visibility=least)


def disc(value: int = 200) -> np.ndarray:
    """The disc as pixels, by the share of each that it covers."""
    y, x = (np.mgrid[: HEIGHT * 8, : WIDTH * 8] + 0.5) / 8
    fine = ((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 <= RADIUS**2).astype(np.float32) * value
    return np.rint(cv2.resize(fine, SIZE, interpolation=cv2.INTER_AREA)).astype(np.uint8)


def box_of_pixels(image: np.ndarray) -> np.ndarray:
    x, y, width, height = cv2.boundingRect(image)
    return np.array([x, y, x + width, y + height])


@EVERY
@pytest.mark.parametrize("border", ["constant", "crop_safe"])
def test_pixels_masks_points_outlines_and_regions_land_together(name: str, border: str) -> None:
    image = disc()
    labels = (image > 100).astype(np.uint8)
    sample = Sample("k", "", Levels(image))
    told = (
        Instance("outline", enclosing(DISC), (DISC,)),
        Instance("points", keypoints=np.array([[*CENTRE, 2]])),
        Instance("region", enclosing(DISC), region=rle.encode(labels)),
        Instance("box", enclosing(DISC)),
    )
    for recipe in made({name: SETTINGS.get(name, 1), "border": border}):
        copy, mask = apply(recipe, sample), move_mask(recipe, Mask("m", Levels(labels)), 0)
        found, dropped = moved(recipe, *told)
        assert dropped == 0
        outline, points, region, box = found
        middle = centroid(copy) + 0.5
        assert np.abs(centroid(mask) + 0.5 - middle).max() < 0.6
        assert points.keypoints is not None and np.abs(points.keypoints[0, :2] - middle).max() < 0.8
        assert np.abs(polygon_centroid(outline.polygons[0]) - middle).max() < 0.4
        around = box_of_pixels((copy > 100).astype(np.uint8))
        for one in (outline, region):
            assert one.box is not None and np.abs(np.array(one.box) - around).max() < 1.2
        assert region.region is not None and np.array_equal(rle.decode(region.region), mask)
        # A box goes with its corners: it holds the disc, and is no larger than a turn by 45 degrees makes it.
        assert box.box is not None and all(box.box[k] < around[k] + 1.2 and box.box[k + 2] > around[k + 2] - 1.2 for k in (0, 1))
        assert area(outline.polygons[0]) == pytest.approx(np.count_nonzero(mask), rel=0.15)


def polygon_centroid(ring: np.ndarray) -> np.ndarray:
    after = np.roll(ring, -1, axis=0)
    cross = ring[:, 0] * after[:, 1] - after[:, 0] * ring[:, 1]
    centre: np.ndarray = ((ring + after) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return centre


@pytest.mark.parametrize("name", [*GEOMETRIC, "all"])
@pytest.mark.parametrize("least", [0.0, 0.5])
def test_boxes_lie_inside_the_canvas_and_have_an_area(name: str, least: float) -> None:
    warp = {n: wide(cls) for n, cls in TRANSFORMS.items() if cls.section == "warp"} if name == "all" else {name: wide(TRANSFORMS[name])}
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, np.array(SIZE) - 3, (20, 2))
    told = [Instance("a", (x, y, float(rng.uniform(x + 1, WIDTH)), float(rng.uniform(y + 1, HEIGHT)))) for x, y in corners.tolist()]
    told += [Instance("p", one.box, (box_ring(one.box),)) for one in told if one.box]
    told += [Instance("o", one.box, (box_ring(one.box),), oriented=True) for one in told[:20] if one.box]
    for recipe in made(warp, range(8)):
        if recipe.size == (0, 0):
            continue
        found, dropped = moved(recipe, *told, least=least)
        assert len(found) + dropped == len(told)
        for one in found:
            assert one.box is not None
            left, top, right, bottom = one.box
            assert 0 <= left < right <= recipe.size[0] and 0 <= top < bottom <= recipe.size[1]
            assert one.box == tuple(round(edge, 3) for edge in one.box)
            for ring in one.polygons:
                assert (ring >= 0).all() and (ring <= np.array(recipe.size)).all() and np.array_equal(ring, np.round(ring, 3))
                assert not one.oriented or len(ring) == 4


def box_ring(box: Box) -> np.ndarray:
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


TOLD = (
    Instance("box", (3.5, 4.25, 40, 30), extra={"iscrowd": 0}),
    Instance("outline", enclosing(np.concatenate([DISC, DISC / 2])), (DISC, DISC / 2)),
    Instance("turned", (17, 10, 50, 29), (np.array([[20, 10], [50, 20], [47, 29], [17, 19]], float),), oriented=True),
    Instance("points", (10, 10, 60, 50), keypoints=np.array([[12, 13, 2], [50, 44, 1], [0, 0, 0]], float)),
    Instance("region", (33, 20, 49, 36), region=rle.encode((disc() > 100).astype(np.uint8))),
)


def same(a: tuple[Instance, ...], b: tuple[Instance, ...]) -> bool:
    return len(a) == len(b) and all(one_same(x, y) for x, y in zip(a, b, strict=True))


def one_same(a: Instance, b: Instance) -> bool:
    rings = len(a.polygons) == len(b.polygons) and all(np.allclose(x, y, atol=2e-3) for x, y in zip(a.polygons, b.polygons, strict=True))
    boxes = a.box is b.box is None or (a.box is not None and b.box is not None and np.allclose(a.box, b.box, atol=2e-3))
    points = a.keypoints is b.keypoints is None or np.allclose(a.keypoints, b.keypoints, atol=2e-3)  # type: ignore[arg-type]
    return a.category == b.category and rings and boxes and points and a.region == b.region and a.extra == b.extra


def test_what_does_not_move_is_kept_as_it_is() -> None:
    for recipe in made({}):
        found, dropped = moved(recipe, *TOLD, least=1)
        assert dropped == 0 and all(a is b for a, b in zip(found, TOLD, strict=True))
        mask = Mask("m", Levels(disc()))
        assert move_mask(recipe, mask, 255) is mask.levels.image


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"rotate": {"fixed": 180}}, {"flip_h": 1, "flip_v": 1}, id="half a turn is both flips"),
        pytest.param({"flip_h": 1, "transpose": 1}, {"transpose": 1, "flip_v": 1}, id="a flip before is the other one behind"),
    ],
)
def test_ways_that_are_the_same_give_the_same(one: dict[str, object], other: dict[str, object]) -> None:
    for first, second in zip(made(one), made(other), strict=True):
        assert first.sampling is not None and second.sampling is not None
        assert np.allclose(first.sampling.matrix, second.sampling.matrix)
        assert same(moved(first, *TOLD)[0], moved(second, *TOLD)[0])


@pytest.mark.parametrize("flip", ["flip_h", "flip_v", "transpose"])
def test_a_flip_done_twice_undoes_itself(flip: str) -> None:
    swaps = {"points": (1, 0, 2)}
    (there,) = made({flip: 1}, range(1))
    (back,) = made({flip: 1}, range(1), size=there.size)
    found, dropped = moved(there, *TOLD, swaps=swaps)
    assert dropped == 0 and not same(found, TOLD)
    again, dropped = moved(back, *found, swaps=swaps)
    assert dropped == 0 and same(again, TOLD)


@pytest.mark.parametrize(
    ("warp", "odd"),
    [
        pytest.param({"flip_h": 1}, True, id="flip_h"),
        pytest.param({"flip_v": 1}, True, id="flip_v"),
        pytest.param({"transpose": 1}, True, id="transpose"),
        pytest.param({"flip_h": 1, "flip_v": 1}, False, id="both flips"),
        pytest.param({"flip_h": 1, "flip_v": 1, "transpose": 1}, True, id="all three"),
        pytest.param({"rotate": {"fixed": 30}}, False, id="rotate"),
        pytest.param({"flip_h": 1, "rotate": {"fixed": 30}}, True, id="a flip and a turn"),
        pytest.param({"flip_h": 1, "perspective": 0.1}, True, id="a flip and a perspective"),
        pytest.param({"perspective": 0.1}, False, id="a perspective"),
        pytest.param({"flip_h": 1, "elastic": {"fixed": 0.01}}, True, id="a flip and a field"),
    ],
)
def test_keypoints_swap_in_mirrors_only(warp: dict[str, object], odd: bool) -> None:
    points = np.array([[40, 30, 2], [50, 30, 1], [45, 40, 2]], float)
    told = Instance("face", keypoints=points)
    for recipe in made(warp, range(3)):
        ((plain,), _), ((swapped,), _) = moved(recipe, told), moved(recipe, told, swaps={"face": (1, 0, 2)})
        assert plain.keypoints is not None and swapped.keypoints is not None
        assert np.array_equal(swapped.keypoints, plain.keypoints[[1, 0, 2] if odd else [0, 1, 2]])
        ((other,), _) = moved(recipe, told, swaps={"hand": (1, 0, 2)})
        assert np.array_equal(other.keypoints, plain.keypoints)  # type: ignore[arg-type]


def test_a_swap_of_other_keypoints_is_refused() -> None:
    (recipe,) = made({"flip_h": 1}, range(1))
    with pytest.raises(SourceError, match="3 keypoints of points, whose swap in a mirror is"):
        moved(recipe, TOLD[3], swaps={"points": (1, 0)})


@EVERY
@pytest.mark.parametrize("border", [*BORDERS, "crop_safe"])
def test_a_mask_is_what_warp_mask_says(name: str, border: str) -> None:
    labels = cv2.resize(picture(6, 8, channels=1), SIZE, interpolation=cv2.INTER_NEAREST)
    for recipe in made({name: SETTINGS.get(name, 1), "border": border}, range(4)):
        found = move_mask(recipe, Mask("m", Levels(labels)), 255)
        assert np.array_equal(found, warp_mask(recipe, labels, 255))
        assert set(np.unique(found)) <= {*np.unique(labels), 255}


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
def test_labels_of_any_depth_and_channels_are_kept(channels: int, dtype: type) -> None:
    top = np.iinfo(dtype).max
    labels: np.ndarray = np.random.default_rng(0).integers(0, top + 1, (HEIGHT, WIDTH, channels)).astype(dtype)
    labels = labels[:, :, 0] if channels == 1 else labels
    for border in (0, 1, 200, top - 1, top):
        for warp in ({"shift_x": {"fixed": 0.5}}, {"rotate": {"fixed": 33}}, {"perspective": 0.2}, {"elastic": {"fixed": 0.03}}):
            (recipe,) = made({**warp, "border": "constant"}, range(1))
            found = move_mask(recipe, Mask("m", Levels(labels)), border)
            assert found.dtype == dtype and found.shape == (*recipe.size[::-1], *labels.shape[2:])
            known = {tuple(np.atleast_1d(pixel)) for pixel in labels.reshape(-1, channels)} | {(border,) * channels}
            assert {tuple(np.atleast_1d(pixel)) for pixel in found.reshape(-1, channels)} <= known
    (recipe,) = made({"shift_x": {"fixed": 0.5}, "border": "constant"}, range(1))
    assert (move_mask(recipe, Mask("m", Levels(labels)), 200)[:, :40] == 200).all()


def test_masks_that_do_not_fit_are_refused() -> None:
    (recipe,) = made({"rotate": {"fixed": 10}}, range(1))
    with pytest.raises(SourceError, match="a mask of 5x4 pixels for a picture of 97x64"):
        move_mask(recipe, Mask("m", Levels(np.zeros((4, 5), np.uint8))), 0)
    with pytest.raises(SourceError, match="the label 256 beyond the picture, in a mask whose labels go from 0 to 255"):
        move_mask(recipe, Mask("m", Levels(disc())), 256)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        pytest.param(rle.encode(np.ones((4, 5), np.uint8)), "a region of 5x4 pixels for a picture of 97x64", id="of another size"),
        pytest.param({"size": [HEIGHT, WIDTH], "counts": "~~~"}, "a region that is none", id="damaged"),
    ],
)
def test_regions_that_do_not_fit_are_refused(region: dict[str, object], words: str) -> None:
    (recipe,) = made({"rotate": {"fixed": 10}}, range(1))
    with pytest.raises(SourceError, match=words):
        moved(recipe, Instance("a", region=region))


def test_visibility_is_the_area_that_is_left() -> None:
    (recipe,) = made({"shift_x": {"fixed": 0.5}, "border": "constant"}, range(1), size=(100, 60))
    region = np.zeros((60, 100), np.uint8)
    region[10:30, 40:80] = 1
    box: Box = (40, 10, 80, 30)
    for told in (Instance("a", box), Instance("a", None, (box_ring(box),)), Instance("a", region=rle.encode(region))):
        assert moved(recipe, told, least=0.249)[1] == 0 and moved(recipe, told, least=0.251)[1] == 1
        assert moved(recipe, told)[0][0].box == (90, 10, 100, 30)


def test_nothing_is_repeated_where_the_border_repeats_the_picture() -> None:
    region = np.zeros((60, 100), np.uint8)
    region[20:40, :10] = 1
    for border in BORDERS:
        (recipe,) = made({"shift_x": {"fixed": 0.5}, "border": border}, range(1), size=(100, 60))
        ((found,), _) = moved(recipe, Instance("a", region=rle.encode(region)))
        assert found.box == (50, 20, 60, 40)


def test_an_oriented_box_stays_one() -> None:
    told = TOLD[2]
    for warp in ({"rotate": 180}, {"flip_h": 1}, {"shear": 20}, {"perspective": 0.3}, {"elastic": {"fixed": 0.02}}, {"zoom": {"fixed": 3}}):
        for recipe in made({**warp, "border": "constant"}):
            for one in moved(recipe, told)[0]:
                assert one.oriented and is_rectangle(one.polygons[0])
    for recipe in made({"flip_h": 1}):
        ((one,), _) = moved(recipe, told)
        assert np.allclose(one.polygons[0], [WIDTH, 0] - told.polygons[0] * [1, -1], atol=1e-3)  # its corners in their order


def test_points_beyond_the_canvas_are_not_labelled() -> None:
    (recipe,) = made({"shift_x": {"fixed": 0.5}}, range(1), size=(100, 60))
    points = np.array([[10, 10, 2], [80, 10, 2], [0, 0, 0], [20, 20, 1]], float)
    ((found,), _) = moved(recipe, Instance("a", keypoints=points))
    assert found.keypoints is not None and found.box is None
    assert found.keypoints.tolist() == [[60, 10, 2], [0, 0, 0], [0, 0, 0], [70, 20, 1]]
    assert moved(recipe, Instance("a", keypoints=points[1:3])) == ((), 1)


@pytest.mark.parametrize("name", sorted(name for name, cls in TRANSFORMS.items() if cls.targets == "hides"))
def test_what_hides_is_what_changes(name: str) -> None:
    image = np.full((HEIGHT, WIDTH), 100, np.uint8)
    sample = Sample("k", "", Levels(image))
    shown = False
    for recipe in drawn(spec_of(name, fill="white"), range(8)):
        ((step, params),) = recipe.steps
        hidden = step.hides(params, SIZE)
        changed = apply(recipe, sample) == 255
        assert np.array_equal(np.zeros(image.shape, bool) if hidden is None else hidden > 0, changed)
        shown |= bool(changed.any())
        mask = Mask("m", Levels(disc()))
        assert move_mask(recipe, mask, 0) is mask.levels.image  # of what lies behind
    assert shown


def test_steps_that_hide_nothing_say_so() -> None:
    for name, cls in TRANSFORMS.items():
        assert cls.targets == ("moves" if cls.section == "warp" else "hides" if name in ("erase", "cutout", "grid_dropout") else "keeps")
        if cls.section == "then" and cls.targets == "keeps":
            for recipe in drawn(spec_of(name), range(2)):
                assert all(step.hides(params, SIZE) is None for step, params in recipe.steps)


def test_what_is_hidden_counts_for_less() -> None:
    # The left half of the picture erased, exactly.
    sample = Sample("k", "", Levels(picture(60, 100)))
    spec = load_spec({"then": [{"erase": {"area": {"fixed": 0.5}, "aspect": {"fixed": 5 / 6}, "fill": "black"}}]})
    (recipe,) = recipes(spec, draw(spec, "k", range(1)), sample)
    ((step, params),) = recipe.steps
    recipe = Recipe(None, (100, 60), (0, 0), (100, 60), recipe.canvas, None, ((step, {**params, "x": 0.0, "y": 0.0}),))
    region = np.zeros((60, 100), np.uint8)
    region[10:30, 40:80] = 1
    box: Box = (40, 10, 80, 30)
    for told in (Instance("a", box), Instance("a", box, (box_ring(box),)), Instance("a", box, region=rle.encode(region))):
        assert moved(recipe, told, least=0.7) == ((told,), 0)
        assert moved(recipe, told, least=0.8) == ((), 1)
    assert moved(recipe, Instance("a", (10, 10, 20, 20))) == ((), 1)  # nothing of it can be seen
    points = np.array([[10, 10, 2], [20, 10, 1], [70, 10, 2], [0, 0, 0]], float)
    ((found,), dropped) = moved(recipe, Instance("a", keypoints=points))
    assert found.keypoints is not None and found.keypoints[:, 2].tolist() == [1, 1, 2, 0] and dropped == 0
    assert points[0, 2] == 2


@given(seed=st.integers(0, 10**6))
def test_a_steep_perspective_cuts_what_lies_behind_its_horizon(seed: int) -> None:
    spec = load_spec({"seed": seed, "warp": {"perspective": {"fixed": 0.6}, "border": "constant"}})
    rings = [box_ring((x, y, x + 24, y + 16)) for x in range(0, WIDTH - 24, 24) for y in range(0, HEIGHT - 16, 16)]
    for recipe in drawn(spec, range(1)):
        for ring in rings:
            region = np.zeros((HEIGHT, WIDTH), np.uint8)
            region[int(ring[0, 1]) : int(ring[2, 1]), int(ring[0, 0]) : int(ring[2, 0])] = 1
            seen = move_mask(recipe, Mask("m", Levels(region)), 0)
            found, _ = moved(recipe, Instance("a", None, (ring,)))
            part = sum(area(polygon) for one in found for polygon in one.polygons)
            outlined = np.count_nonzero(seen)
            assert part == pytest.approx(outlined, abs=40 + 0.1 * outlined)


def test_what_crosses_a_horizon_ends_there() -> None:
    # The horizon at x = 60.5 of the source: what is left of it is seen.
    forward = np.array([[1, 0, 0], [0, 1, 0], [-1 / 60, 0, 1]])
    sampling = Sampling((inverse(forward[None])[0],))
    recipe = Recipe(sampling, SIZE, (0, 0), SIZE, Canvas("constant"), None, ())
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[10:30, 20:90] = 1
    box: Box = (20, 10, 90, 30)
    seen = box_of_pixels(move_mask(recipe, Mask("m", Levels(labels)), 0))
    told = (Instance("box", box), Instance("outline", box, (box_ring(box),)), Instance("region", box, region=rle.encode(labels)))
    found, _ = moved(recipe, *told)
    assert [one.category for one in found] == ["box", "outline", "region"]
    assert all(one.box is not None and np.abs(np.array(one.box) - seen).max() < 1 for one in found)
    assert moved(recipe, Instance("behind", (65, 10, 90, 30))) == ((), 1)
    assert moved(recipe, Instance("behind", None, (box_ring((65, 10, 90, 30)),))) == ((), 1)
    ((points,), _) = moved(recipe, Instance("points", keypoints=np.array([[70, 20, 2], [30, 20, 2]], float)))
    assert points.keypoints is not None and points.keypoints[:, 2].tolist() == [0, 2]


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_no_way_is_too_winding(seed: int) -> None:
    # Fields that fold, one after the other, and a horizon between them.
    warp = {"elastic": {"fixed": 0.1}, "perspective": {"fixed": 0.6}, "grid_distortion": {"fixed": 0.45}, "rotate": 180}
    told = [Instance("p", one.box, one.polygons, one.oriented, np.array([[5, 5, 2], [90, 60, 1]], float)) for one in TOLD[:3]]
    for recipe in drawn(load_spec({"seed": seed, "warp": warp}), range(2)):
        for one in moved(recipe, *told, *TOLD)[0]:
            assert one.box is not None and np.isfinite(one.box).all()
            assert all(np.isfinite(polygon).all() for polygon in one.polygons)
            assert one.keypoints is None or np.isfinite(one.keypoints).all()


def test_chains_that_are_mixed_in_do_not_move_targets() -> None:
    mixed = drawn(load_spec({"warp": {"flip_h": 1}, "policy": "augmix"}), range(4))
    assert any(recipe.mix for recipe in mixed)
    for recipe in mixed:
        ((found,), _) = moved(recipe, TOLD[0])
        assert found.box == (WIDTH - 40, 4.25, WIDTH - 3.5, 30)
