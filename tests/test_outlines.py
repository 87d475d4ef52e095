"""Boxes and outlines in the plane."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.annotations.outlines import area, box_of, clipped, clipped_box, cut, enclosing, is_rectangle, rectangle_around, within
from augx.sample import Instance

SIZE = (97, 64)
POINT = st.tuples(st.floats(-150, 250), st.floats(-150, 250))
RING = st.lists(POINT, min_size=3, max_size=9).map(lambda points: np.array(points, float))


def turned(x: float, y: float, width: float, height: float, degrees: float) -> np.ndarray:
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return corners @ np.array([[cos, sin], [-sin, cos]]) + [x, y]


def convex(points: np.ndarray) -> np.ndarray:
    """The points in turn about their middle, on an ellipse: a convex outline."""
    angles = np.sort(np.arctan2(points[:, 1] - 50, points[:, 0] - 50))
    return np.stack([50 + 80 * np.cos(angles), 30 + 60 * np.sin(angles)], axis=1)


@given(RING)
def test_what_is_clipped_lies_inside(ring: np.ndarray) -> None:
    part = clipped(ring, SIZE)
    assert (part >= -1e-9).all() and (part <= np.array(SIZE) + 1e-9).all()


@given(RING.map(convex))
def test_clipping_never_adds_area(ring: np.ndarray) -> None:
    part = clipped(ring, SIZE)
    assert area(part) <= area(ring) + 1e-6
    assert area(clipped(part, SIZE)) == pytest.approx(area(part), abs=1e-6)


@given(RING.map(convex), st.floats(10, 90))
def test_two_parts_make_the_whole(ring: np.ndarray, x: float) -> None:
    depths = ring[:, 0] - x
    assert area(cut(ring, depths)) + area(cut(ring, -depths)) == pytest.approx(area(ring), abs=1e-6)


@given(RING)
def test_area_is_the_same_wherever_the_outline_begins_and_lies(ring: np.ndarray) -> None:
    whole = area(ring)
    assert area(ring[::-1]) == pytest.approx(whole, abs=1e-6)
    assert area(np.roll(ring, 2, axis=0)) == pytest.approx(whole, abs=1e-6)
    assert area(ring + 1e6) == pytest.approx(whole, abs=1e-3)


@given(RING.map(convex))
def test_a_rectangle_around_an_outline_is_one_inside_the_picture(ring: np.ndarray) -> None:
    part = clipped(ring, SIZE)
    if area(part) < 1:
        return
    corners = rectangle_around(part, SIZE, like=turned(50, 30, 20, 10, 30))
    assert corners.shape == (4, 2) and is_rectangle(corners)
    assert (corners >= -1e-6).all() and (corners <= np.array(SIZE) + 1e-6).all()
    left, top, right, bottom = enclosing(part)
    # It fits as well as the upright one at least.
    fit = area(part) / ((right - left) * (bottom - top))
    common = part
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        x, y = end - start
        side = x * (common[:, 1] - start[1]) - y * (common[:, 0] - start[0])
        mirrored = np.cross(np.append(corners[1] - corners[0], 0), np.append(corners[2] - corners[1], 0))[2] < 0
        common = cut(common, -side if mirrored else side)
    assert area(common) / (area(part) + area(corners) - area(common)) >= fit - 1e-6


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("way", [1, -1], ids=["clockwise", "anticlockwise"])
def test_a_rectangle_inside_comes_back_with_its_corners_in_order(first: int, way: int) -> None:
    corners = np.roll(turned(50, 30, 40, 12, 25)[::way], first, axis=0)
    assert np.allclose(rectangle_around(corners, SIZE, like=corners), corners, atol=1e-3)


def test_an_oriented_box_that_is_cut_keeps_its_angle() -> None:
    corners = turned(80, 50, 60, 10, 45)
    found = rectangle_around(clipped(corners, SIZE), SIZE, like=corners)
    assert is_rectangle(found)
    assert np.allclose(np.arctan2(*(found[1] - found[0])[::-1]), math.radians(45), atol=1e-3)


def test_area_of_known_outlines() -> None:
    assert area(np.array([[0, 0], [4, 0], [0, 3]], float)) == 6
    assert area(np.array([[0, 0], [4, 0]], float)) == area(np.zeros((0, 2))) == 0
    assert area(clipped(np.array([[-5, 5], [5, -5], [15, 5], [5, 15]], float), (10, 10))) == 100


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param([[-9, 1], [-1, 1], [-1, 9]], id="outside"),
        pytest.param([[-9, 1], [0, 5], [-9, 9]], id="one corner on the edge"),
        pytest.param([[0, 1], [0, 9], [-5, 5]], id="one side on the edge"),
        pytest.param(np.zeros((0, 2)), id="of no points"),
    ],
)
def test_nothing_is_left_of_an_outline(ring: object) -> None:
    assert clipped(np.array(ring, float).reshape(-1, 2), SIZE).shape == (0, 2)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        pytest.param((math.nan, 0, 1, 1), "a box whose left edge is nan", id="not a number"),
        pytest.param((0, 0, 1, math.inf), "a box whose bottom edge is inf", id="infinite"),
        pytest.param((5, 0, 5, 1), "a box of width 0; it must be more than 0", id="no width"),
        pytest.param((0, 3, 1, 1), "a box of height -2", id="upside down"),
    ],
)
def test_what_is_no_box(box: tuple[float, float, float, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        box_of(*box)


def test_a_box_is_four_floats() -> None:
    assert box_of(1, 2, 3, 4) == (1.0, 2.0, 3.0, 4.0)
    assert enclosing(np.array([[1, 5], [3, 2]], float)) == (1, 2, 3, 5)
    assert clipped_box((-5, 10, 200, 20), SIZE) == (0, 10, 97, 20)
    assert clipped_box((-5, 10, 0, 20), SIZE) is None


SQUARE = np.array([[90, 10], [110, 10], [110, 30], [90, 30]], float)


@pytest.mark.parametrize(
    ("instance", "expected", "beyond"),
    [
        pytest.param(Instance("a", (1, 2, 30, 40)), (1, 2, 30, 40), 0, id="inside"),
        pytest.param(Instance("a", (0, 0, 97.005, 64)), (0, 0, 97, 64), 0, id="beyond by rounding"),
        pytest.param(Instance("a", (90, 10, 110, 30)), (90, 10, 97, 30), 1, id="partly outside"),
        pytest.param(Instance("a", (100, 10, 110, 30)), None, 1, id="outside"),
        pytest.param(Instance("a", (90, 10, 110, 30), (SQUARE,)), (90, 10, 97, 30), 1, id="an outline partly outside"),
        pytest.param(Instance("a", (90, 10, 97, 30), (SQUARE + 50,)), None, 1, id="an outline outside"),
    ],
)
def test_what_lies_within_a_picture(instance: Instance, expected: object, beyond: int) -> None:
    found, clipped_ones = within([instance], SIZE)
    assert clipped_ones == beyond
    assert [one.box for one in found] == ([] if expected is None else [expected])
    assert all(polygon[:, 0].max() <= 97 for one in found for polygon in one.polygons)


def test_what_lies_inside_is_left_as_it_is() -> None:
    instance = Instance("a", (1, 2, 30, 40), keypoints=np.array([[5, 5, 2], [0, 0, 0]], float))
    (found,), _ = within([instance], SIZE)
    assert found is instance


def test_keypoints_beyond_the_picture_are_not_labelled() -> None:
    points = np.array([[5, 5, 2], [98, 5, 2], [5, -3, 1], [97.005, 9, 1]], float)
    (found,), beyond = within([Instance("a", keypoints=points)], SIZE)
    assert beyond == 1 and found.keypoints is not None
    assert found.keypoints.tolist() == [[5, 5, 2], [0, 0, 0], [0, 0, 0], [97, 9, 1]]
    assert within([Instance("a", keypoints=points[1:3])], SIZE) == ((), 1)


def test_an_oriented_box_within_a_picture_has_four_corners() -> None:
    (found,), beyond = within([Instance("a", None, (turned(90, 50, 40, 10, 20),), oriented=True)], SIZE)
    assert beyond == 1 and is_rectangle(found.polygons[0])
    assert found.polygons[0][:, 0].max() <= 97 + 1e-6
