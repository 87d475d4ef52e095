"""The algebra of matrices: float64 of shape (n, 3, 3), one a copy; no pixel is touched here.

Pixel centres lie at integer indices and a transform pivots about ((w-1)/2, (h-1)/2), so that a turn by 180 degrees equals
both flips bit for bit. A matrix takes a pixel (x, y, 1), y down, to its new place; one that is used to read pixels goes the
other way, from the copy to the source.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

IDENTITY = np.eye(3)


def stacked(n: int, **entries: Array | float) -> Array:
    """Identity matrices (n, 3, 3) with some entries replaced: ``stacked(2, xy=..., yt=...)``; t is the shift column."""
    row = {"x": 0, "y": 1, "t": 2}
    matrices = np.tile(IDENTITY, (n, 1, 1))
    for name, value in entries.items():
        matrices[:, row[name[0]], row[name[1]]] = value
    return matrices


def about_centre(matrices: Array, size: Array) -> Array:
    """The same maps with the pivot moved from pixel (0, 0) to the centre of pictures of ``size`` (n, 2)."""
    centre = (size - 1) / 2
    moved = matrices.copy()
    moved[:, :2, 2] += centre - (matrices[:, :2, :2] @ centre[:, :, None])[:, :, 0]
    return moved


def cos_sin(degrees: Array) -> tuple[Array, Array]:
    """Cosine and sine, exact at right angles, where cos(radians) would leave 6e-17."""
    radians = np.deg2rad(degrees)
    cos, sin = np.cos(radians), np.sin(radians)
    quarter = np.mod(degrees, 360) / 90
    right = quarter == np.rint(quarter)
    turns = np.where(right, quarter, 0).astype(int)
    return np.where(right, np.array([1, 0, -1, 0])[turns % 4], cos), np.where(right, np.array([0, 1, 0, -1])[turns % 4], sin)


def resize(source: Array, target: Array) -> Array:
    """Matrices that stretch pictures of ``source`` size (n, 2) to ``target`` size (n, 2): edges onto edges, not centres."""
    scale = target / source
    shift = (scale - 1) / 2
    return stacked(len(source), xx=scale[:, 0], yy=scale[:, 1], xt=shift[:, 0], yt=shift[:, 1])


def inverse(matrices: Array) -> Array:
    """Inverses (n, 3, 3) by the adjugate: plain products, so that no linear algebra library's last bit reaches a pixel."""
    (a, b, c), (d, e, f), (g, h, i) = np.moveaxis(matrices, 0, -1)
    first = [e * i - f * h, c * h - b * i, b * f - c * e]
    second, third = [f * g - d * i, a * i - c * g, c * d - a * f], [d * h - e * g, b * g - a * h, a * e - b * d]
    adjugate = np.array([first, second, third])
    inverted: Array = np.moveaxis(adjugate / (a * adjugate[0, 0] + b * adjugate[1, 0] + c * adjugate[2, 0]), -1, 0)
    return inverted


def halvings(samplings: Array, canvas: Array) -> Array:
    """How often each axis of the source can be halved for a copy to keep its detail: whole numbers (n, 2).

    Of a perspective, whose scale changes over the canvas (n, 2), this is so at the centre.
    """
    centre = np.concatenate([(canvas - 1) / 2, np.ones((len(canvas), 1))], axis=1)
    place = (samplings @ centre[:, :, None])[:, :, 0]
    # The derivative of (x / w, y / w) by the canvas' x and y.
    linear = (samplings[:, :2, :2] - (place[:, :2] / place[:, 2:])[:, :, None] * samplings[:, 2:, :2]) / place[:, 2, None, None]
    area = np.abs(linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0])
    # Source pixels in one pixel of the copy, along the source's x and y.
    steps = area[:, None] / np.maximum(np.hypot(linear[:, :, 0], linear[:, :, 1])[:, ::-1], 1e-12)
    counts: Array = np.log2(np.maximum(steps, 1)).astype(int)
    return counts


def onto(corners: Array, size: Array) -> Array:
    """Homographies that take the corners of pictures of ``size`` (n, 2) to ``corners`` (n, 4, 2).

    Corners are those of the area, half a pixel outside the corner pixels' centres: top left, top right, bottom right, bottom
    left. Closed form of Heckbert, "Fundamentals of texture mapping and image warping" (1989), section 2.2.3: plain products,
    where a solver's last bit would hang on its library.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = np.moveaxis(corners, 0, -1)
    dx1, dx2, dx3 = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, dy3 = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    cross = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / cross, (dx1 * dy3 - dx3 * dy1) / cross
    rows = [x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, np.ones_like(g)]
    from_unit_square = np.moveaxis(np.array(rows), -1, 0)
    width, height = size.T
    return from_unit_square @ stacked(len(size), xx=1 / width, yy=1 / height, xt=0.5 / width, yt=0.5 / height)


def facing(samplings: Array, source: Array, canvas: Array) -> Array:
    """Shifts (n, 3, 3) of the canvas (n, 2), to be applied before ``samplings``, for what is zoomed about the canvas' centre.

    The identity, but where that centre lies behind a perspective's horizon or next to it: there a point of the source (n, 2)
    that is in front of the horizon comes to the centre.
    """
    centre = np.concatenate([(canvas - 1) / 2, np.ones((len(canvas), 1))], axis=1)
    depth = (samplings @ centre[:, :, None])[:, 2, 0]
    most = depth + (np.abs(samplings[:, 2, :2]) * (canvas - 1) / 2).sum(axis=1)  # at the corner that is furthest in front
    forward = inverse(samplings)
    # The centre if it can be seen, else the corner that is seen best, a sixteenth of the side from the edge.
    shares = np.array([(1 / 2, 1 / 2), *((x, y) for x in (1 / 16, 15 / 16) for y in (1 / 16, 15 / 16))])
    points = np.concatenate([shares[:, None] * source - 0.5, np.ones((5, len(source), 1))], axis=2)
    seen = (forward @ points[:, :, :, None])[:, :, :, 0]
    best = seen[:, :, 2].max(axis=0)
    chosen = np.where(seen[0, :, 2] > 0.05 * best, 0, seen[:, :, 2].argmax(axis=0))
    place = seen[chosen, np.arange(len(source))]
    behind = (depth < 0.05 * most) & (best > 0)
    away = np.where(behind[:, None], place[:, :2] / np.where(behind, place[:, 2], 1)[:, None] - centre[:, :2], 0)
    return stacked(len(source), xt=away[:, 0], yt=away[:, 1])


def inside(samplings: Array, source: Array, canvas: Array) -> Array:
    """Samplings (n, 3, 3) zoomed in about the centre of the canvas (n, 2) until they read nothing beyond the source (n, 2).

    The smallest such zoom. Where the canvas' centre itself lies outside the source, or within a sixteenth of its side from the
    edge, it is brought in that far first, so that no zoom is more than eightfold for a shift alone.
    """
    centre = np.concatenate([(canvas - 1) / 2, np.ones((len(canvas), 1))], axis=1)
    samplings = samplings @ facing(samplings, source, canvas)
    place = (samplings @ centre[:, :, None])[:, :, 0]
    place = place[:, :2] / place[:, 2:]
    brought = np.clip(place, source / 16 - 0.5, source * 15 / 16 - 0.5) - place
    samplings = stacked(len(source), xt=brought[:, 0], yt=brought[:, 1]) @ samplings
    start = (samplings @ centre[:, :, None])[:, :, 0]
    share = np.ones(len(source))
    for corner in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        way = np.concatenate([(canvas - 1) / 2 * corner, np.zeros((len(canvas), 1))], axis=1)
        step = (samplings @ way[:, :, None])[:, :, 0]
        for a, b in _margins(start, step, source):
            # start + share * step lies inside as long as a + share * b is not negative.
            share = np.where(b < 0, np.minimum(share, a / np.where(b < 0, -b, 1)), share)
    return samplings @ about_centre(stacked(len(source), xx=share, yy=share), canvas)


def _margins(start: Array, step: Array, source: Array) -> list[tuple[Array, Array]]:
    """Distances to the four sides of the source, and to where a perspective flips over: at the centre, and their change to a corner."""
    depth, deeper = start[:, 2], step[:, 2]
    margins = [(0.95 * depth, deeper)]
    for axis in range(2):
        far = source[:, axis] - 0.5
        margins.append((start[:, axis] + 0.5 * depth, step[:, axis] + 0.5 * deeper))
        margins.append((far * depth - start[:, axis], far * deeper - step[:, axis]))
    return margins
