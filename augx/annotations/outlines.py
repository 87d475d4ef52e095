"""Boxes and outlines in the plane: what encloses them, their area, and what of them lies inside a picture.

Coordinates are those of ``augx.sample``: a picture of ``size`` (width, height) covers 0 to width and 0 to height.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from augx.annotations import rle
from augx.sample import Box, Instance

Array = np.ndarray[Any, Any]

TOLERANCE = 0.01
"""How far beyond its picture an outline may reach, in pixels, and count as inside: files round their numbers."""


def box_of(left: float, top: float, right: float, bottom: float) -> Box:
    """The box of these edges; raises ``ValueError`` in words for what isn't finite, or has no width or no height."""
    box = float(left), float(top), float(right), float(bottom)
    for name, value in zip(("left", "top", "right", "bottom"), box, strict=True):
        if not math.isfinite(value):
            raise ValueError(f"a box whose {name} edge is {value}; its edges are finite numbers")
    for name, side in (("width", box[2] - box[0]), ("height", box[3] - box[1])):
        if not side > 0:
            raise ValueError(f"a box of {name} {side:g}; it must be more than 0")
    return box


def enclosing(points: Array) -> Box:
    """The smallest box around points (n, 2), n at least 1; it has no width around a single one."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom


def box_around(instance: Instance) -> Box | None:
    """An instance's box, or what encloses its outlines or its run-length mask: readers want one. None where neither has an area.

    Keypoints alone make no box: an object is larger than they are.
    """
    if instance.box is not None:
        return instance.box
    boxes = [enclosing(polygon) for polygon in instance.polygons if len(polygon)]
    if not boxes and instance.region is not None:
        inside = rle.decode(instance.region)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        boxes = [(float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)] if len(rows) else []
    if not boxes:
        return None
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    return (left, top, right, bottom) if left < right and top < bottom else None


def area(polygon: Array) -> float:
    """The area inside an outline (n, 2), whichever way round it goes (the shoelace formula)."""
    if len(polygon) < 3:
        return 0.0
    x, y = (polygon - polygon[0]).T  # far from the origin the products would cancel each other's digits
    around = float(x[:-1].dot(y[1:]) - y[:-1].dot(x[1:]))
    return abs(around + float(x[-1] * y[0] - y[-1] * x[0])) / 2


def box_area(box: Box) -> float:
    """Width by height."""
    return (box[2] - box[0]) * (box[3] - box[1])


def cut(polygon: Array, depths: Array) -> Array:
    """The part of an outline (n, k) where ``depths`` (n) are not negative; they change linearly along its edges.

    Sutherland and Hodgman, "Reentrant polygon clipping", Communications of the ACM 17 (1974): parts that come apart stay
    joined by edges along the cut, which enclose no area.
    """
    inside = depths >= 0
    if inside.all():
        return polygon
    if not inside.any():
        return polygon[:0]
    after, next_depths = np.concatenate([polygon[1:], polygon[:1]]), np.concatenate([depths[1:], depths[:1]])
    crosses = ((depths < 0) & (next_depths > 0)) | ((depths > 0) & (next_depths < 0))  # a corner on the line itself stands for its crossing
    share = np.where(crosses, depths / np.where(crosses, depths - next_depths, 1), 0)[:, None]
    both = np.stack([polygon, polygon + share * (after - polygon)], axis=1).reshape(-1, polygon.shape[1])
    kept: Array = both[np.stack([inside, crosses], axis=1).ravel()]
    return kept


def clipped(polygon: Array, size: tuple[int, int]) -> Array:
    """The part of an outline (n, 2) inside a picture; (0, 2) where nothing of it is."""
    for axis in (0, 1):
        polygon = cut(polygon, polygon[:, axis])
        polygon = cut(polygon, size[axis] - polygon[:, axis])
    return polygon if len(polygon) >= 3 else polygon[:0]


def visible(outlines: Sequence[Array], size: tuple[int, int]) -> tuple[list[Array], list[Array], float]:
    """Outlines without the points that have no place (NaN), what of them lies inside a picture, and its share of their area."""
    placed = [outline[np.isfinite(outline).all(axis=1)] for outline in outlines]
    there = [clipped(outline, size) for outline in placed]
    whole, left_over = sum(map(area, placed)), sum(map(area, there))
    return placed, there, left_over / whole if whole > 0 else float(any(len(part) for part in there))


def clipped_box(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box inside a picture, None where nothing of it is."""
    left, top, right, bottom = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(size[0])), min(box[3], float(size[1]))
    return (left, top, right, bottom) if left < right and top < bottom else None


def within(instances: Sequence[Instance], size: tuple[int, int]) -> tuple[tuple[Instance, ...], int]:
    """The instances with what lies inside a picture of ``size``, and how many reached beyond it by more than ``TOLERANCE``.

    One of which nothing lies inside is left out. A keypoint beyond the picture becomes one that is not labelled.
    """
    found, beyond = [], 0
    for instance in instances:
        reach = _reach(instance, size)
        beyond += reach > TOLERANCE
        inside = instance if reach <= 0 else _inside(instance, size)
        if inside is not None:
            found.append(inside)
    return tuple(found), beyond


def _reach(instance: Instance, size: tuple[int, int]) -> float:
    """How far an instance reaches beyond a picture, in pixels; 0 or less where it doesn't."""
    boxes = [] if instance.box is None else [instance.box]
    boxes += [enclosing(polygon) for polygon in instance.polygons if len(polygon)]
    if instance.keypoints is not None and (labelled := instance.keypoints[:, 2] > 0).any():
        boxes.append(enclosing(instance.keypoints[labelled, :2]))
    return max((max(-left, -top, right - size[0], bottom - size[1]) for left, top, right, bottom in boxes), default=0.0)


def _inside(instance: Instance, size: tuple[int, int]) -> Instance | None:
    box = None if instance.box is None else clipped_box(instance.box, size)
    polygons = tuple(p for p in (clipped(polygon, size) for polygon in instance.polygons) if area(p) > 0)
    if instance.oriented:
        polygons = tuple(rectangle_around(p, size, like=instance.polygons[0]) for p in polygons)
    keypoints = labelled_inside(instance.keypoints, size)
    lost = (instance.box is not None and box is None) or bool(instance.polygons and not polygons)
    only_points = instance.box is None and not instance.polygons and instance.region is None
    if lost or (only_points and keypoints is not None and not keypoints[:, 2].any()):
        return None
    return replace(instance, box=box, polygons=polygons, keypoints=keypoints)


def labelled_inside(keypoints: Array | None, size: tuple[int, int]) -> Array | None:
    """Keypoints (n, 3), those beyond a picture by more than ``TOLERANCE`` (0, 0, 0), the others inside it."""
    if keypoints is None:
        return None
    kept = keypoints.copy()
    with np.errstate(invalid="ignore"):
        inside = ((kept[:, :2] >= -TOLERANCE) & (kept[:, :2] <= np.array(size) + TOLERANCE)).all(axis=1)
    kept[:, :2] = np.clip(kept[:, :2], 0, size)
    kept[~inside | (kept[:, 2] <= 0)] = 0
    return kept


def in_pieces(outline: Array, length: float, most: int) -> Array:
    """An outline (n, 2) with points between its corners: each edge in equal pieces of ``length`` or less, but never more than ``most``."""
    if not len(outline):
        return outline
    edges = np.concatenate([outline[1:], outline[:1]]) - outline
    counts = np.clip(np.ceil(np.hypot(edges[:, 0], edges[:, 1]) / length), 1, most).astype(int)
    edge = np.repeat(np.arange(len(outline)), counts)
    share = (np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[edge]
    finer: Array = outline[edge] + share[:, None] * edges[edge]
    return finer


def is_rectangle(corners: Array) -> bool:
    """Whether four corners (4, 2) in turn are those of a rectangle, to a hundredth of a pixel or a thousandth of its diagonal."""
    if len(corners) != 4:
        return False
    first, second = corners[2] - corners[0], corners[3] - corners[1]
    long, other = math.hypot(*first), math.hypot(*second)
    apart = math.hypot(*(corners[0] + corners[2] - corners[1] - corners[3]))
    return max(apart / 2, abs(long - other)) <= max(TOLERANCE, long / 1000)


def rectangle_around(outline: Array, size: tuple[int, int], like: Array | None = None) -> Array:
    """The rectangle (4, 2) inside a picture that fits an outline (n, 2) inside it best, one of its sides along one of the outline's.

    Of rectangles around the outline the smallest (Freeman and Shapira, "Determining the minimum-area encasing rectangle for an
    arbitrary closed curve", Communications of the ACM 18, 1975); one that would reach beyond the picture gives way there. Best is
    the largest intersection over union with the outline; upright ones are among them. The corners are in the order of those
    that they are ``like`` (4, 2).
    """
    edges = np.roll(outline, -1, axis=0) - outline
    turns = np.arctan2(edges[:, 1], edges[:, 0])[np.hypot(edges[:, 0], edges[:, 1]) > TOLERANCE] % (math.pi / 2)
    found = [_around(outline, turn, size) for turn in {0.0, *np.round(turns, 6).tolist()}]
    best = max((corners for corners in found if corners is not None), key=lambda corners: _agreement(outline, corners))
    if like is None or len(like) != 4:
        return best
    orders = [np.roll(corners, k, axis=0) for corners in (best, best[::-1]) for k in range(4)]
    return min(orders, key=lambda corners: float(np.square(corners - like).sum()))


def _around(outline: Array, turn: float, size: tuple[int, int]) -> Array | None:
    """The corners of the smallest rectangle at an angle (radians) around an outline, less what lies beyond the picture."""
    axes = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    along = outline @ axes.T
    ends = np.array([along.min(axis=0), along.max(axis=0)])
    for _ in range(16):
        corners: Array = (
            np.array([[ends[0, 0], ends[0, 1]], [ends[1, 0], ends[0, 1]], [ends[1, 0], ends[1, 1]], [ends[0, 0], ends[1, 1]]]) @ axes
        )
        beyond = np.stack([-corners, corners - size], axis=2)
        corner, axis, side = np.unravel_index(int(beyond.argmax()), beyond.shape)
        worst = float(beyond[corner, axis, side])
        if worst <= 1e-9:
            return corners
        at = (int(corner in (1, 2)), int(corner in (2, 3)))  # which end of either axis the corner is
        lengths = ends[1] - ends[0]
        # How far one of the two sides at the corner must move for it to come in, and the area that this costs.
        slopes = [abs(float(axes[k, axis])) for k in (0, 1)]
        moves = [worst / slope if slope > 1e-9 else math.inf for slope in slopes]
        k = min((0, 1), key=lambda k: moves[k] * lengths[1 - k])
        ends[at[k], k] += moves[k] if at[k] == 0 else -moves[k]
        if ends[0, k] >= ends[1, k]:
            return None
    return None


def _agreement(outline: Array, corners: Array) -> float:
    """Intersection over union of an outline and a rectangle."""
    common = outline
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        x, y = end - start
        common = cut(common, x * (common[:, 1] - start[1]) - y * (common[:, 0] - start[0]))
    both = area(common)
    return both / max(area(outline) + area(corners) - both, 1e-12)
