"""Where each pixel of a copy is read: matrices and displacement fields in turn, from the copy's canvas to the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache
from typing import Any

import cv2
import numpy as np

from augx.matrices import IDENTITY, about_centre, facing, inverse, resize, stacked

Array = np.ndarray[Any, Any]
NET = 1024
"""Cells of a field along a picture's longer side, at most: fields are smooth, and larger ones would cost more than they show."""


@dataclass(frozen=True, slots=True)
class Field:
    """How far from its own place each pixel of a picture of ``size`` (width, height) is read, made anew when it is wanted.

    ``make`` gets the columns and rows of a net of equal cells over the picture, and returns the displacement in pixels at
    their middles, float32 (rows, columns, 2).
    """

    make: Callable[[tuple[int, int]], Array]
    size: tuple[int, int]

    def net(self) -> tuple[Array, Array]:
        """The displacement, and the matrix from the picture's pixels to the net's cells."""
        scale = min(1.0, NET / max(self.size))
        net = max(1, round(self.size[0] * scale)), max(1, round(self.size[1] * scale))
        return self.make(net), resize(np.array([self.size], float), np.array([net], float))[0]


_STARTS = 64
"""Cells along a field's longer side, about, from which the inverse of a fold is looked for."""
_FAR = 1e6  # further than any pixel, and near enough for cv2 to count in 32nds of a pixel


@dataclass(frozen=True, slots=True)
class Sampling:
    """The way from the canvas to the source: the last of the ``matrices`` (3, 3), the last field, ..., the first matrix.

    There is one field fewer than matrices. Fields are made when they are wanted, and not kept: they are as large as pictures.
    """

    matrices: tuple[Array, ...]
    fields: tuple[Field, ...] = ()
    _kept: dict[tuple[int, int], tuple[Array, Array]] | None = dataclass_field(default=None, compare=False, repr=False)

    def shared(self) -> Sampling:
        """The same way for a picture and all its targets, which keeps its fields and maps as soon as one of them has wanted them."""
        return Sampling(self.matrices, tuple(map(_made, self.fields)), {}) if self.fields else self

    @property
    def matrix(self) -> Array:
        """All matrices in one, as if the fields displaced nothing."""
        product = self.matrices[0]
        for matrix in self.matrices[1:]:
            product = product @ matrix
        return product

    def then(self, matrix: Array) -> Sampling:
        """The same way, and one matrix more at the source's end."""
        return Sampling((matrix @ self.matrices[0], *self.matrices[1:]), self.fields)

    def shifted(self, pixels: int) -> Sampling:
        """An affine way to a source that has been laid into a frame of some pixels."""
        matrix = self.matrices[0].copy()
        matrix[:2, 2] += pixels
        return Sampling((matrix,))

    def is_affine(self) -> bool:
        """Whether parallel lines stay parallel, which the cheapest warp needs."""
        return not self.fields and not self.matrices[0][2, :2].any()

    def sees_the_horizon(self, size: tuple[int, int]) -> bool:
        """Whether a perspective's horizon crosses the canvas: what lies behind it would show up mirrored."""
        corners = _corners(size) @ self.matrices[-1].T
        return bool(corners[:, 2].min() <= 1e-3 * abs(corners[:, 2]).max())

    def maps(self, size: tuple[int, int]) -> tuple[Array, Array]:
        """The source's x and y, float32 (h, w), for each pixel of a canvas of ``size`` (width, height)."""
        if self._kept is None:
            return self._maps(size)
        if size not in self._kept:
            self._kept[size] = self._maps(size)
        return self._kept[size]

    def _maps(self, size: tuple[int, int]) -> tuple[Array, Array]:
        xs = np.broadcast_to(np.arange(size[0], dtype=np.float32), size[::-1])
        ys = np.broadcast_to(np.arange(size[1], dtype=np.float32)[:, None], size[::-1])
        first = self.matrices[-1]
        x, y = _moved(xs, ys, first)
        straight = not first[2, :2].any()
        for field, matrix in zip(self.fields[::-1], self.matrices[-2::-1], strict=True):
            net, to_net = field.net()
            if straight:
                here = _seen(net, to_net @ first, size)
            else:
                here = cv2.remap(net, *_moved(x, y, to_net), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            x, y = _moved(x + here[:, :, 0], y + here[:, :, 1], matrix)
            straight = False
        return np.ascontiguousarray(x), np.ascontiguousarray(y)

    def read(self, points: Array) -> Array:
        """Where points (n, 2) of the canvas lie in the source."""
        points = _carried(points, self.matrices[-1])
        for field, matrix in zip(self.fields[::-1], self.matrices[-2::-1], strict=True):
            points = _carried(points + _at(*field.net(), points), matrix)
        return points

    def beyond(self, source: tuple[int, int], canvas: tuple[int, int], net: int = 64) -> float:
        """The share of the canvas that shows nothing of the source, by ``net`` x ``net`` of its pixels."""
        # Pixels themselves: between them, and beyond the middles of those at the rim, nothing is read.
        xs, ys = (np.rint((np.arange(min(net, side)) + 0.5) * side / min(net, side) - 0.5) for side in canvas)
        x, y = np.meshgrid(xs, ys)
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        places = self.read(points)
        behind = (np.c_[points, np.ones(len(points))] @ self.matrices[-1][2]) <= 0  # a perspective's horizon
        outside = ((places < -0.51) | (places > np.array(source) - 0.49)).any(axis=1)
        return float((outside | behind).mean())

    def moved(self, points: Array) -> Array:
        """Where points (n, 2) of the source come to lie on the canvas: the inverse of ``read``, fields and all.

        NaN for a point that a field has folded over, so that it has no one place.
        """
        points = _carried(points, inverse(self.matrices[0][None])[0])
        for field, matrix in zip(self.fields, self.matrices[1:], strict=True):
            points = _carried(_undone(*field.net(), points), inverse(matrix[None])[0])
        return points

    def inside(self, source: tuple[int, int], canvas: tuple[int, int]) -> Sampling:
        """``matrices.inside`` for a way with fields: the zoom is found by bisection, to a thousandth."""
        limits, size = np.array(source, float), np.array([canvas], float)
        last = facing(self.matrix[None], limits[None], size)[0]  # the canvas before the product, brought in front of the horizon
        start = Sampling((*self.matrices[:-1], self.matrices[-1] @ last), tuple(map(_made, self.fields)))
        centre = start.read((size - 1) / 2)
        brought = (np.clip(centre, limits / 16 - 0.5, limits * 15 / 16 - 0.5) - centre)[0]
        rim = _rim(canvas)

        def zoomed(share: float) -> Sampling:
            closer = about_centre(stacked(1, xx=share, yy=share), size)[0]
            way = Sampling((*start.matrices[:-1], start.matrices[-1] @ closer), start.fields)
            return way.then(stacked(1, xt=brought[0], yt=brought[1])[0])

        def fits(share: float) -> bool:
            way = zoomed(share)
            places = way.read(rim)
            if (places < -0.5).any() or (places > limits - 0.5).any():
                return False
            x, y = way.maps(canvas)  # a rough field may leave the picture between the points of the rim
            inner = (limits - 0.49).tolist()
            return bool(x.min() >= -0.51 and y.min() >= -0.51 and x.max() <= inner[0] and y.max() <= inner[1])

        low, high = 1 / 4096, 1.0
        while high > 1.001 * low and not fits(high):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if fits(middle) else (low, middle)
        found = zoomed(high if high == 1 else low)
        return Sampling(found.matrices, self.fields)


def _made(field: Field) -> Field:
    """The same field, made once for all who want it, when the first of them does."""
    return Field(cache(field.make), field.size)


def _corners(size: tuple[int, int]) -> Array:
    right, bottom = size[0] - 1.0, size[1] - 1.0
    return np.array([[0, 0, 1], [right, 0, 1], [right, bottom, 1], [0, bottom, 1]])


def _rim(size: tuple[int, int]) -> Array:
    """Every pixel of the canvas' rim, and a net of 33 by 33 over the rest: fields are smooth."""
    xs, ys = np.arange(size[0], dtype=float), np.arange(size[1], dtype=float)
    net = np.stack(np.meshgrid(np.linspace(0, size[0] - 1, 33), np.linspace(0, size[1] - 1, 33)), axis=-1).reshape(-1, 2)
    rows = [np.stack([xs, np.full_like(xs, y)], axis=1) for y in (0, size[1] - 1)]
    columns = [np.stack([np.full_like(ys, x), ys], axis=1) for x in (0, size[0] - 1)]
    return np.concatenate([*rows, *columns, net])


def _moved(x: Array, y: Array, matrix: Array) -> tuple[Array, Array]:
    """Coordinates (h, w) taken through a matrix; what lies behind a perspective's horizon goes to infinity instead."""
    if not (matrix != IDENTITY).any():
        return x, y
    m = matrix.astype(np.float32)
    new_x, new_y = m[0, 0] * x + (m[0, 1] * y + m[0, 2]), m[1, 0] * x + (m[1, 1] * y + m[1, 2])
    if not matrix[2, :2].any():
        return new_x, new_y
    depth = np.maximum(m[2, 0] * x + (m[2, 1] * y + m[2, 2]), np.float32(1e-4))
    return np.clip(new_x / depth, -_FAR, _FAR), np.clip(new_y / depth, -_FAR, _FAR)


def _seen(field: Array, matrix: Array, size: tuple[int, int]) -> Array:
    """A field as it is seen through an affine matrix on a canvas."""
    if not (matrix != IDENTITY).any() and field.shape[:2] == size[::-1]:
        return field
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(field, matrix[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _carried(points: Array, matrix: Array) -> Array:
    carried = points @ matrix[:, :2].T + matrix[:, 2]
    places: Array = carried[:, :2] / carried[:, 2:]
    return places


def _undone(field: Array, to_net: Array, points: Array) -> Array:
    """The places q for which q + displacement(q) are ``points``, NaN where none is found."""
    found = _solved(field, to_net, points, points)
    missed = np.isnan(found[:, 0]) & np.isfinite(points[:, 0])
    if missed.any():  # a fold lies on the way to it: another way is from whatever of a net is displaced to somewhere near
        step = max(1, max(field.shape[:2]) // _STARTS)
        net = np.stack(np.meshgrid(*(np.arange(side)[step // 2 :: step] for side in field.shape[1::-1])), axis=-1).reshape(-1, 2)
        starts = _carried(net, inverse(to_net[None])[0])
        displaced = starts + field[net[:, 1], net[:, 0]]
        near = [int(np.square(displaced - point).sum(axis=1).argmin()) for point in points[missed]]
        found[missed] = _solved(field, to_net, points[missed], starts[near])
    return found


def _solved(field: Array, to_net: Array, points: Array, starts: Array) -> Array:
    """``_undone`` from a start (n, 2) for each point.

    By Newton's method on the field's cells, in each of which it is bilinear; a step that comes no nearer is halved. Where a cell
    is folded or nearly so, and a tangent says nothing, a step goes as far as the point is off (Chen et al., "A simple fixed-point
    approach to invert a deformation field", Medical Physics 35, 2008).
    """
    found, share = starts.astype(float), np.ones((len(points), 1))
    step, off = _towards(field, to_net, found, points)
    for _ in range(100):
        if not ((off > 1e-12) & (share[:, 0] > 1 / 1024)).any():
            break
        tried = found + share * step
        next_step, still_off = _towards(field, to_net, tried, points)
        nearer = (still_off < off)[:, None]
        found, step = np.where(nearer, tried, found), np.where(nearer, next_step, step)
        share = np.where(nearer, np.minimum(share * 2, 1), share / 2)
        off = np.fmin(still_off, off)
    found[~(off <= 1e-4)] = np.nan  # a hundredth of a pixel
    return found


def _towards(field: Array, to_net: Array, places: Array, points: Array) -> tuple[Array, Array]:
    """Steps (n, 2) from ``places`` towards those that are displaced to ``points``, and how far off they are, squared (n)."""
    corners, fx, fy, inner = _cells(field, to_net, places)
    upper, lower = _between(corners[:2], fx), _between(corners[2:], fx)
    left = points - places - _between((upper, lower), fy)
    # The field's slopes along x and along y; beyond its edge it is level.
    along = _between((corners[1] - corners[0], corners[3] - corners[2]), fy) * (inner[:, :1] * to_net[0, 0])
    down = (lower - upper) * (inner[:, 1:] * to_net[1, 1])
    xx, yx, xy, yy = 1 + along[:, 0], along[:, 1], down[:, 0], 1 + down[:, 1]
    size = xx * yy - xy * yx
    tangent = np.stack([yy * left[:, 0] - xy * left[:, 1], xx * left[:, 1] - yx * left[:, 0]], axis=1)
    steep = (size > 0.05)[:, None]
    return np.where(steep, tangent / np.where(steep, size[:, None], 1), left), np.square(left).sum(axis=1)


def _at(field: Array, to_net: Array, points: Array) -> Array:
    """A field's displacement (n, 2) at points (n, 2), between its cells' middles by linear interpolation, beyond its edge as on it."""
    corners, fx, fy, _ = _cells(field, to_net, points)
    return _between((_between(corners[:2], fx), _between(corners[2:], fx)), fy)


def _cells(field: Array, to_net: Array, points: Array) -> tuple[tuple[Array, Array, Array, Array], Array, Array, Array]:
    """The displacements (n, 2) about points: upper left and right, lower left and right; how far across and down each point is
    between them (n, 1); and whether it is inside the field along x and y (n, 2).
    """
    height, width = field.shape[:2]
    there = _carried(points, to_net)
    inner = np.clip(there, 0, (width - 1, height - 1))
    # A point that an earlier field has folded over has no place, and stays without.
    first = np.minimum(np.nan_to_num(inner).astype(np.intp), (max(width - 2, 0), max(height - 2, 0)))
    share = inner - first
    cells, at = field.reshape(-1, 2), first[:, 1] * width + first[:, 0]
    right, below = int(width > 1), width * int(height > 1)
    corners = (cells.take(at, 0), cells.take(at + right, 0), cells.take(at + below, 0), cells.take(at + below + right, 0))
    return corners, share[:, :1], share[:, 1:], there == inner


def _between(ends: tuple[Array, ...], share: Array) -> Array:
    first, second = ends
    between: Array = first * (1 - share) + second * share
    return between
