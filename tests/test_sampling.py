"""Where pixels are read: perspective, fields, crops, safe borders; and masks and points that follow."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.draws import Draws, draw
from augx.matrices import inverse, onto
from augx.recipe import Recipe, apply, move_points, recipes, warp_mask
from augx.sample import Sample
from augx.spec import Spec, load_spec
from augx.transforms import TRANSFORMS, Field2D
from augx.warp import Levels
from tests.conftest import picture
from tests.test_laws import wide

BORDERS = ["nearest", "constant", "reflect", "reflect101", "wrap"]
GEOMETRIC = [name for name, cls in TRANSFORMS.items() if cls.section == "warp"]


def made(spec: Spec, image: np.ndarray, copies: range = range(4)) -> list[tuple[Recipe, np.ndarray]]:
    sample = Sample("k", "", Levels(image))
    return [(recipe, apply(recipe, sample)) for recipe in recipes(spec, draw(spec, "k", copies), sample)]


def dots(height: int, width: int, points: np.ndarray, radius: float = 3) -> np.ndarray:
    """Soft white dots on black, centred between pixels if need be."""
    y, x = np.mgrid[:height, :width]
    nearness = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / radius**2) for px, py in points]
    return (255 * np.max(nearness, axis=0)).astype(np.uint8)


def centroid(image: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image.astype(float) / image.sum(dtype=float)
    return np.array([(x * weights).sum(), (y * weights).sum()])


MILD: dict[str, object] = {
    "rotate": 20,
    "shift_x": 0.05,
    "shift_y": 0.05,
    "zoom": [0.9, 1.1],
    "shear": 8,
    "shear_y": 8,
    "scale_x": 0.1,
    "scale_y": 0.1,
    "perspective": 0.2,
    "crop": 0.95,
    "random_resized_crop": [0.9, 1],
    "elastic": {"displacement": [0.01, 0.015], "sigma": {"fixed": 0.1}},
    "grid_distortion": 0.15,
}


@pytest.mark.parametrize("name", GEOMETRIC)
@pytest.mark.parametrize("border", ["constant", "crop_safe"])
def test_points_go_where_pixels_go(name: str, border: str) -> None:
    spec = load_spec({"warp": {name: MILD.get(name, 1), "border": border}})
    for point in ([60.0, 50.0], [88.3, 71.6]):
        for recipe, copy in made(spec, dots(120, 160, np.array([point]))):
            (moved,) = move_points(recipe, np.array([point]))
            assert np.abs(centroid(copy) - moved).max() < 0.35


def test_points_go_where_pixels_go_through_everything_at_once() -> None:
    # The crop last but one, so that fields lie between, before and behind matrices; the picture resized at the end.
    warp = {name: MILD.get(name, 1) for name in ("elastic", "rotate", "grid_distortion", "perspective", "crop", "flip_h", "rotate90")}
    spec = load_spec({"warp": warp, "output": {"size": [200, 150]}})
    for recipe, copy in made(spec, dots(240, 320, np.array([[150, 115]]), 6), range(12)):
        (moved,) = move_points(recipe, np.array([[150.0, 115.0]]))
        assert copy.shape == (150, 200)
        assert np.abs(centroid(copy) - moved).max() < 0.35


@given(seed=st.integers(0, 10**6), x=st.floats(0, 159), y=st.floats(0, 119))
def test_moving_a_point_undoes_reading_it(seed: int, x: float, y: float) -> None:
    spec = load_spec({"seed": seed, "warp": {name: MILD[name] for name in ("elastic", "rotate", "grid_distortion", "perspective")}})
    (recipe, _), *_ = made(spec, np.zeros((120, 160), np.uint8), range(1))
    assert recipe.sampling is not None
    there = recipe.sampling.moved(np.array([[x, y]]))
    assert np.allclose(recipe.sampling.read(there), [[x, y]], atol=1e-4)


@pytest.mark.parametrize("field", [{"grid_distortion": {"fixed": 0.45}}, {"elastic": {"fixed": 0.1}}], ids=["steep", "folded"])
def test_a_moved_point_is_right_or_none(field: dict[str, object]) -> None:
    points = np.random.default_rng(0).uniform(0, (599, 399), (300, 2))
    ((recipe, _),) = made(load_spec({"warp": field}), np.zeros((400, 600), np.uint8), range(1))
    assert recipe.sampling is not None
    moved = move_points(recipe, points)
    found = np.isfinite(moved).all(axis=1)
    assert np.abs(recipe.sampling.read(moved[found]) - points[found]).max() < 0.02
    assert found.mean() > (0.99 if "grid_distortion" in field else 0.3)


@pytest.mark.parametrize("name", [name for name, cls in TRANSFORMS.items() if issubclass(cls, Field2D)])
def test_a_way_that_is_shared_is_the_same_way(name: str) -> None:
    sample = Sample("k", "", Levels(picture(48, 64)))
    spec = load_spec({"warp": {name: wide(TRANSFORMS[name]), "rotate": 20}})
    for recipe in recipes(spec, draw(spec, "k", range(6)), sample):
        once = recipe.shared()
        assert np.array_equal(apply(once, sample), apply(recipe, sample))
        points = np.array([[10.0, 20.0], [40.0, 30.0]])
        assert np.array_equal(move_points(once, points), move_points(recipe, points), equal_nan=True)


def test_a_field_that_folds_over_itself_still_has_a_place_for_nearly_every_point() -> None:
    spec = load_spec({"warp": {"elastic": {"displacement": {"fixed": 0.08}}}})
    x, y = np.meshgrid(np.arange(40.0, 600, 40), np.arange(40.0, 440, 40))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    found = [np.isfinite(move_points(recipe, points)).all(axis=1).mean() for recipe, _ in made(spec, picture(480, 640), range(8))]
    assert np.mean(found) > 0.97


def test_masks_are_as_large_as_the_picture() -> None:
    ((recipe, _),) = made(load_spec({"warp": {"rotate": {"fixed": 10}}}), picture(8, 9), range(1))
    with pytest.raises(ValueError, match="a mask of 5x5 pixels for a picture of 9x8"):
        warp_mask(recipe, np.zeros((5, 5), np.uint8))


@pytest.mark.parametrize("name", GEOMETRIC)
@pytest.mark.parametrize("border", [*BORDERS, "crop_safe"])
def test_masks_move_as_pictures_do_and_keep_their_values(name: str, border: str) -> None:
    mask = cv2.resize(picture(6, 8, channels=1), (160, 120), interpolation=cv2.INTER_NEAREST)
    spec = load_spec({"warp": {name: MILD.get(name, 1), "border": border, "interpolation": "nearest"}})
    for recipe, copy in made(spec, mask):
        moved = warp_mask(recipe, mask)
        assert np.array_equal(moved, copy)
        assert set(np.unique(moved)) <= {0, *np.unique(mask)}


def test_a_mask_beyond_the_picture_has_the_value_asked_for() -> None:
    spec = load_spec({"warp": {"shift_x": {"fixed": 0.5}, "border": "constant"}})
    for dtype in (bool, np.uint8, np.uint16, np.int32, np.int64, np.float32):
        ((recipe, _),) = made(spec, picture(8, 8), range(1))
        moved = warp_mask(recipe, np.ones((8, 8), dtype), border_value=200)
        assert moved.dtype == dtype and (moved[:, :4] == np.array(200, dtype)).all() and (moved[:, 4:] == 1).all()


@pytest.mark.parametrize("name", [*GEOMETRIC, "all"])
@pytest.mark.parametrize("size", [(90, 120), (33, 7), (1, 1)], ids=str)
def test_crop_safe_reads_nothing_beyond_the_picture(name: str, size: tuple[int, int]) -> None:
    warp = {n: wide(cls) for n, cls in TRANSFORMS.items() if cls.section == "warp"} if name == "all" else {name: wide(TRANSFORMS[name])}
    spec = load_spec({"warp": {**warp, "border": "crop_safe"}})
    for recipe, _ in made(spec, picture(*size), range(8)):
        if recipe.sampling is None:
            continue
        x, y = recipe.sampling.maps(recipe.size)
        assert x.min() >= -0.52 and x.max() <= size[1] - 0.48
        assert y.min() >= -0.52 and y.max() <= size[0] - 0.48


@pytest.mark.parametrize(
    "warp",
    [
        {"perspective": {"fixed": 0.6}, "shift_x": {"fixed": 1}, "shift_y": {"fixed": 1}},
        {"perspective": {"fixed": 0.6}, "zoom": {"fixed": 0.05}, "shift_x": 1, "shift_y": 1},
        {"perspective": {"fixed": 0.6}, "rotate": 360, "zoom": [0.5, 1], "shift_x": 1, "shift_y": 1},
        {"perspective": {"fixed": 0.6}, "zoom": {"fixed": 0.05}, "elastic": 0.02},
        {"elastic": {"displacement": {"fixed": 0.1}, "sigma": 0.02}},
        {"crop": {"fixed": 0.2}, "zoom": {"fixed": 3}, "perspective": {"fixed": 0.6}},
        {"crop": {"fixed": 0.05}, "perspective": {"fixed": 0.3}},
        {"shift_x": {"fixed": 0.4}, "zoom": {"fixed": 8}, "perspective": {"fixed": 0.6}},
        {"crop": {"fixed": 0.2}, "zoom": {"fixed": 8}, "perspective": {"fixed": 0.6}, "elastic": {"fixed": 0.01}},
    ],
    ids=[
        "the centre behind the horizon",
        "far behind it",
        "turned as well",
        "with a field",
        "a rough field",
        "cropped",
        "cropped small",
        "shifted",
        "cropped, with a field",
    ],
)
def test_crop_safe_holds_at_the_ends_of_the_ranges(warp: dict[str, object]) -> None:
    image = np.dstack([np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21] * 3)
    for recipe, copy in made(load_spec({"warp": {**warp, "border": "crop_safe"}}), image, range(60)):
        assert recipe.sampling is not None
        x, y = recipe.sampling.maps(recipe.size)
        assert x.min() >= -0.52 and x.max() <= 63.52 and y.min() >= -0.52 and y.max() <= 47.52
        assert len(np.unique(copy)) > 1 or min(recipe.size) < 5


@pytest.mark.parametrize(
    ("warp", "zoom"),
    [
        ({"rotate": {"fixed": 90}}, 4 / 3),
        ({"rotate": {"fixed": 180}}, 1),
        ({"flip_h": 1}, 1),
        ({"rotate90": {"turns": [1]}}, 1),
        ({"zoom": {"fixed": 0.5}}, 2 * 119 / 120),
        ({"shift_x": {"fixed": 0.25}}, 159 / (160 - 80)),
        ({"shift_x": {"fixed": 0.9}}, 159 / 20),
    ],
    ids=["a quarter turn", "upside down", "a flip", "a turn of the canvas", "zoomed out", "shifted", "shifted out, and brought in"],
)
def test_crop_safe_zooms_no_more_than_needed(warp: dict[str, object], zoom: float) -> None:
    plain = made(load_spec({"warp": warp}), picture(120, 160), range(1))[0][0].sampling
    safe = made(load_spec({"warp": {**warp, "border": "crop_safe"}}), picture(120, 160), range(1))[0][0].sampling
    assert plain is not None and safe is not None
    ratio = np.abs(np.linalg.det(plain.matrix[:2, :2]) / np.linalg.det(safe.matrix[:2, :2])) ** 0.5
    # Pixels' centres may lie up to half a pixel from the edge.
    assert ratio == pytest.approx(zoom, rel=0.02)


def test_crop_safe_leaves_alone_what_shows_no_border() -> None:
    image = picture(60, 80)
    spec = load_spec({"warp": {"zoom": [1.1, 1.5], "border": "crop_safe"}})
    plain = load_spec({"warp": {"zoom": [1.1, 1.5]}})
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(made(spec, image), made(plain, image), strict=True))


def test_corners_go_onto_corners() -> None:
    corners = np.array([[(2.0, 3.0), (37.0, 1.0), (30.0, 25.0), (-1.0, 20.0)]])
    matrix = onto(corners, np.array([[40.0, 30.0]]))[0]
    area = np.array([(-0.5, -0.5, 1), (39.5, -0.5, 1), (39.5, 29.5, 1), (-0.5, 29.5, 1)])
    found = area @ matrix.T
    assert np.allclose(found[:, :2] / found[:, 2:], corners[0])
    assert np.allclose(
        cv2.getPerspectiveTransform(area[:, :2].astype(np.float32), corners[0].astype(np.float32)), matrix / matrix[2, 2], atol=1e-4
    )


def test_perspective_is_torchvisions() -> None:
    functional = pytest.importorskip("torchvision.transforms.functional")
    spec = load_spec({"warp": {"perspective": {"fixed": 0.5}}})
    draws = draw(spec, "k", range(3))
    sizes = np.full((3, 2), (160.0, 120.0))
    matrices = TRANSFORMS["perspective"](range={"fixed": 0.5}).matrices(draws.params["warp.perspective"], sizes)  # type: ignore[attr-defined]
    start = np.array([(-0.5, -0.5), (159.5, -0.5), (159.5, 119.5), (-0.5, 119.5)])
    for matrix in matrices:
        end = np.c_[start, np.ones(4)] @ matrix.T
        theirs = functional._get_perspective_coeffs(start.tolist(), (end[:, :2] / end[:, 2:]).tolist())
        ours = inverse(matrix[None])[0]
        assert np.allclose((ours / ours[2, 2]).ravel()[:8], theirs, atol=1e-4)


@pytest.mark.parametrize("border", BORDERS)
def test_nothing_from_behind_the_horizon_shows(border: str) -> None:
    """A plane seen almost edge-on, and much of it: the sky has no picture in it, the wrong way round or otherwise."""
    warp = {"perspective": {"fixed": 0.6}, "zoom": {"fixed": 0.05}, "border": "constant", "border_value": 7}
    line = {"warp.perspective": {"distortion": 0.6, **{f"{c}_{a}": 0.0 for c in ("bottom_right", "bottom_left") for a in "xy"}}}
    line["warp.perspective"] |= {"top_left_x": 1.0, "top_left_y": 1.0, "top_right_x": 1.0, "top_right_y": 1.0}
    params = json.loads(json.dumps({**line, "warp.zoom": {"x": 0.05, "y": 0.05}}))
    shares = TRANSFORMS["perspective"](range=0.5).draw(np.full((1, 15), 0.5))
    params["warp.perspective"] = {name: params["warp.perspective"][name] for name in shares}
    image = np.full((100, 100), 200, np.uint8)
    sample = Sample("k", "", Levels(image))
    spec = load_spec({"warp": warp})
    (recipe,) = recipes(spec, Draws.replayed([params]), sample)
    assert recipe.sampling is not None and recipe.sampling.sees_the_horizon(recipe.size)
    copy = apply(recipe, sample)
    shown = np.argwhere(copy == 200)
    assert len(shown) and np.ptp(shown[:, 0]) < 8 and np.ptp(shown[:, 1]) < 8
    assert (copy[:40] == 7).all()
    other = apply(next(recipes(load_spec({"warp": {**warp, "border": border}}), Draws.replayed([params]), sample)), sample)
    assert border == "constant" or (other == 200).all()


@pytest.mark.parametrize("fraction", [0.3, 0.77])
def test_a_crop_is_a_window_pixel_for_pixel(fraction: float) -> None:
    image = picture(40, 60)
    spec = load_spec({"warp": {"crop": {"fixed": fraction}}})
    places = set()
    for _, copy in made(spec, image, range(20)):
        height, width = round(40 * fraction), round(60 * fraction)
        assert copy.shape[:2] == (height, width)
        found = [
            (y, x) for y in range(41 - height) for x in range(61 - width) if np.array_equal(image[y : y + height, x : x + width], copy)
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 10


def test_a_crop_in_pixels_and_one_larger_than_the_picture() -> None:
    image = picture(20, 30)
    spec = load_spec({"warp": {"crop": {"size": [50, 10]}, "border": "constant"}})
    for _, copy in made(spec, image):
        assert copy.shape == (10, 50, 3)
        assert (copy == 0).all(axis=(0, 2)).sum() == 20


def test_random_resized_crop_keeps_area_shape_and_window() -> None:
    spec = load_spec({"warp": {"random_resized_crop": [0.1, 0.5]}, "output": {"size": [64, 64]}})
    image = np.zeros((300, 400), np.uint8)
    draws = draw(spec, "k", range(200))
    drawn = draws.params["warp.random_resized_crop"]
    for i, recipe in enumerate(recipes(spec, draws, Sample("k", "", Levels(image)))):
        assert recipe.sampling is not None and recipe.size == (64, 64)
        matrix = recipe.sampling.matrix
        width, height = matrix[0, 0] * 64, matrix[1, 1] * 64
        assert width * height == pytest.approx(drawn["scale"][i] * 300 * 400)
        assert width / height == pytest.approx(drawn["ratio"][i]) or max(width / 400, height / 300) == pytest.approx(1)
        left, top = recipe.sampling.read(np.array([[-0.5, -0.5]]))[0]
        assert left >= -0.5 - 1e-6 and top >= -0.5 - 1e-6 and left + width <= 399.5 + 1e-6 and top + height <= 299.5 + 1e-6


def test_transpose_is_numpys() -> None:
    image = picture(24, 33)
    ((_, copy),) = made(load_spec({"warp": {"transpose": 1}}), image, range(1))
    assert np.array_equal(copy, image.swapaxes(0, 1))


@pytest.mark.parametrize(("size", "sigma"), [((300, 400), 0.1), ((128, 128), 0.02), ((64, 64), 0.4)], ids=str)
def test_elastic_moves_as_far_and_as_smoothly_as_it_says(size: tuple[int, int], sigma: float) -> None:
    elastic = TRANSFORMS["elastic"](displacement={"fixed": 0.03})
    fields = [elastic.displaced({"displacement": 0.03, "sigma": sigma, "seed": seed}, size[::-1], size[::-1]) for seed in range(40)]  # type: ignore[attr-defined]
    assert fields[0].shape == (*size, 2) and fields[0].dtype == np.float32
    shorter = min(size)
    # The variance, and how it falls off with the distance: noise smoothed by a Gaussian of sigma has a correlation of
    # exp(-d^2 / 4 sigma^2), so exp(-1/4) at a distance of sigma.
    assert np.std(fields) == pytest.approx(0.03 * shorter, rel=0.12)
    step = round(sigma * shorter)
    correlation = np.mean([(f[step:] * f[:-step]).mean() for f in fields]) / np.mean(np.square(fields))
    assert correlation == pytest.approx(np.exp(-((step / (sigma * shorter)) ** 2) / 4), abs=0.1)


def test_grid_distortion_keeps_the_rim_and_every_cell_straight() -> None:
    transform = TRANSFORMS["grid_distortion"](distortion=0.4)
    field = transform.displaced({"distortion": 0.4, "cells": 4, "seed": 5}, (80, 40), (80, 40))  # type: ignore[attr-defined]
    assert field.shape == (40, 80, 2)
    # On the rim nothing moves across it; half a pixel inside, next to nothing.
    assert np.abs(field[:, [0, -1], 0]).max() < 0.4 * 20 / 20 / 2 + 1e-6
    assert np.abs(field[[0, -1], :, 1]).max() < 0.4 * 10 / 10 / 2 + 1e-6
    assert np.abs(field[:, :, 0]).max() <= 0.4 * 20 and np.abs(field[:, :, 1]).max() <= 0.4 * 10
    inside_a_cell = field[2:8, 21:39]
    assert np.allclose(np.diff(inside_a_cell, 2, axis=0), 0, atol=1e-4) and np.allclose(np.diff(inside_a_cell, 2, axis=1), 0, atol=1e-4)
