"""The one resample of ``augx.keras``: a picture read where a matrix says, by SciPy's rules at its edges, on cv2.

SciPy's ``affine_transform``, which Keras uses, is matched for its linear and nearest interpolation. OpenCV 5 computes both to
0.02 of a level for levels of 0 to 255 (its coordinates have 24 bits: thousands of pixels outside it is less exact);
OpenCV 4 places samples on a grid of 1/32 pixel.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import cv2
import numpy as np

from augx.warp import by_fours

Array = np.ndarray[Any, Any]

# Keras documents the first four; the others are those that SciPy takes as well.
_BORDERS = {
    "nearest": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_REPLICATE,  # after the coordinates themselves have been wrapped
    "mirror": cv2.BORDER_REFLECT_101,
    "grid-constant": cv2.BORDER_CONSTANT,
    "grid-mirror": cv2.BORDER_REFLECT,
    "grid-wrap": cv2.BORDER_WRAP,
}

# What OpenCV 5 interpolates exactly; it places int16 and float64 on 4's grid, so these, and what cv2 does not take, go
# through float32: 24 bits of a level.
_NATIVE = frozenset(map(np.dtype, (np.uint8, np.uint16, np.float32)))

# OpenCV 5 reads four channels with one load a pixel. With both conversions, float32 RGB takes 0.8 of the time at 224x224
# and 512x512, and as long at 1024x768, where the memory sets the pace. There, tiles of 128 pixels with what they read stay in
# the cache, and a tile's border can be laid out for it: 0.65 of the time at 1024x768, 0.55 at 3000x2000.
_FOUR_ARE_FASTER = int(cv2.__version__.partition(".")[0]) >= 5
_TILE = 128
_TILED_PIXELS = 500_000


def warp(image: Array, matrix: Array, *, fill_mode: str = "nearest", cval: float = 0.0, order: int = 1) -> Array:
    """A new array of the shape and dtype of ``image`` (height, width, channels), read where ``matrix`` says.

    ``matrix`` (3, 3) takes a pixel (column, row, 1) of the result to the pixel of ``image`` that it shows. The identity and plain
    flips move levels without a change; integer levels are rounded. What lies outside comes from ``fill_mode``:

    - ``nearest``, ``reflect`` (dcba|abcd|dcba), and SciPy's ``mirror``, ``grid-mirror``, ``grid-constant``, ``grid-wrap``;
    - ``constant``: ``cval`` in all channels, as soon as a place is outside the outermost pixels' centres;
    - ``wrap``: SciPy's, whose period is one pixel short: the first and the last column (row) are the same place.

    ``order`` 0 is the nearest pixel, 1 linear; 2 to 5 are SciPy's splines. Raises ``ValueError`` for any other, for an
    unknown ``fill_mode``, and for splines where SciPy is not installed.
    """
    if fill_mode not in _BORDERS:
        raise ValueError(f"fill_mode: expected one of {', '.join(_BORDERS)}; found {fill_mode!r}")
    if order not in (0, 1, 2, 3, 4, 5):
        raise ValueError(f"order: expected 0 (nearest pixel), 1 (linear) or a spline order from 2 to 5, found {order!r}")
    rows = matrix.tolist()  # plain numbers: NumPy's own cost more than a flip
    flipped = _flipped(image, rows)
    if flipped is not None:
        return flipped
    if order > 1:
        return _by_spline(image, matrix, fill_mode, cval, order)
    kept = image.dtype
    if kept not in _NATIVE:
        image = image.astype(np.float32)
    if kept.kind in "iu":
        bounds = np.iinfo(kept)
        cval = min(max(np.floor(cval + 0.5), bounds.min), bounds.max)
    resampled = _linear_or_nearest(image, matrix, rows, fill_mode, float(cval), order)
    if fill_mode == "constant":
        _fill(resampled, rows, image.shape[:2], cval)
    return resampled if kept in _NATIVE else _as(resampled, kept)


def _flipped(image: Array, rows: list[list[float]]) -> Array | None:
    """A copy, mirrored as the matrix says, where it does nothing else; else None."""
    (xx, xy, xt), (yx, yy, yt), _ = rows
    if xy or yx or abs(xx) != 1 or abs(yy) != 1:
        return None
    height, width = image.shape[:2]
    if xt != (width - 1 if xx < 0 else 0) or yt != (height - 1 if yy < 0 else 0):
        return None
    if xx > 0 and yy > 0:
        return image.copy()
    if image.dtype in _NATIVE and image.shape[2] <= 4:
        mirrored: Array = cv2.flip(image, -1 if xx < 0 and yy < 0 else 1 if xx < 0 else 0)
        return mirrored.reshape(image.shape)
    return image[:: -1 if yy < 0 else 1, :: -1 if xx < 0 else 1].copy()


def _linear_or_nearest(image: Array, matrix: Array, rows: list[list[float]], fill_mode: str, cval: float, order: int) -> Array:
    """The picture, of a dtype in ``_NATIVE``, resampled by cv2."""
    height, width, channels = image.shape
    border, interpolation = _BORDERS[fill_mode], cv2.INTER_LINEAR if order else cv2.INTER_NEAREST
    if border == cv2.BORDER_REFLECT_101 and min(height, width) == 1:  # of one pixel there is no other side
        image = np.pad(image, ((0, int(height == 1)), (0, int(width == 1)), (0, 0)), mode="edge")
    how: dict[str, Any] = {"borderMode": border, "borderValue": (cval,) * 4}
    maps = _wrapped(rows, (height, width)) if fill_mode == "wrap" else None

    def resampled(part: Array) -> Array:
        if maps is not None:
            return cv2.remap(part, *maps, interpolation, **how)
        return cv2.warpAffine(part, matrix[:2], (width, height), flags=interpolation | cv2.WARP_INVERSE_MAP, **how)

    if _FOUR_ARE_FASTER and channels == 3 and order == 1:
        if fill_mode in ("nearest", "constant") and height * width >= _TILED_PIXELS:  # constant's outside is filled in later
            return _tiled(image, rows)
        return cv2.cvtColor(resampled(cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)), cv2.COLOR_BGRA2BGR)
    parts = [resampled(part) for part in by_fours(image)]
    return parts[0].reshape(height, width, channels) if len(parts) == 1 else np.dstack(parts)


def _tiled(image: Array, rows: list[list[float]]) -> Array:
    """A large picture of three channels resampled a tile at a time, each from the part of the picture that it reads."""
    height, width = image.shape[:2]
    (xx, xy, xt), (yx, yy, yt), _ = rows
    tiled = np.empty(image.shape, image.dtype)
    for y in range(0, height, _TILE):
        for x in range(0, width, _TILE):
            tile = tiled[y : y + _TILE, x : x + _TILE]
            lines, columns = tile.shape[:2]
            left, at_x, before_x, after_x, right = _read(xx * x + xy * y + xt, xx * columns, xy * lines, width)
            top, at_y, before_y, after_y, bottom = _read(yx * x + yy * y + yt, yx * columns, yy * lines, height)
            part = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2BGRA)
            if before_x or after_x or before_y or after_y:
                part = cv2.copyMakeBorder(part, before_y, after_y, before_x, after_x, cv2.BORDER_REPLICATE)
            matrix, flags = np.array([[xx, xy, at_x], [yx, yy, at_y]]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            part = cv2.warpAffine(part, matrix, (columns, lines), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            cv2.cvtColor(part, cv2.COLOR_BGRA2BGR, tile)
    return tiled


def _read(at: float, across: float, down: float, side: int) -> tuple[int, int | float, int, int, int]:
    """What a tile reads on one axis, whose first pixel is read ``at`` and whose edges are ``across`` and ``down`` long.

    The first pixel of the part of the picture, where the tile's first pixel is in it, how many pixels of border to lay
    before and behind it (no more than a few tiles of them: farther out, cv2 repeats the same edge), and the part's end.
    """
    low, high = int(at + min(0, across) + min(0, down)) - 2, int(at + max(0, across) + max(0, down)) + 3
    first, end = max(0, min(low, side - 1)), min(side, max(high, 1))
    before, after = min(max(0, first - low), 3 * _TILE), min(max(0, high - end), 3 * _TILE)
    return first, at - first + before, before, after, end


def _wrapped(rows: list[list[float]], size: tuple[int, int]) -> tuple[Array, Array]:
    """The columns and the rows that each pixel is read at, brought into the picture by SciPy's rule for ``wrap``."""
    return _wrapped_axis(rows[0], size, size[1] - 1), _wrapped_axis(rows[1], size, size[0] - 1)


def _wrapped_axis(row: list[float], size: tuple[int, int], last: int) -> Array:
    """One coordinate of all pixels (float32) in 0 to ``last``, which is the period too; it goes below 0 to ``last`` first."""
    if last == 0:
        return np.zeros(size, np.float32)
    at = _coordinate(row, np.arange(size[1]), np.arange(size[0])[:, None])
    below, beyond = at - last * (np.ceil(at / last) - 1), at - last * np.floor(at / last)
    return np.where(at < 0, below, np.where(at > last, beyond, at)).astype(np.float32)


def _coordinate(row: list[float], columns: Array, lines: Array) -> Array:
    """Where pixels are read on one axis, its terms added in SciPy's order: a place on the edge stays on its side of it."""
    at: Array = (row[1] * lines + row[0] * columns) + row[2]
    return at


def _fill(image: Array, rows: list[list[float]], size: tuple[int, int], cval: float) -> None:
    """Put ``cval`` wherever the source is outside: cv2 blends it with the edge over the pixel's breadth beyond, SciPy does not."""
    height, width = image.shape[:2]
    corners = [(x, y) for x in (0, width) for y in (0, height)]  # a pixel farther than need be
    if all(0 <= row[0] * x + row[1] * y + row[2] <= side - 1 for row, side in ((rows[0], size[1]), (rows[1], size[0])) for x, y in corners):
        return
    starts, stops = _runs(rows, (height, width), size)
    for line, start, stop in zip(image, starts.tolist(), stops.tolist(), strict=True):
        if start >= stop:
            line[:] = cval
            continue
        if start > 0:
            line[:start] = cval
        if stop < width:
            line[stop:] = cval


def _runs(rows: list[list[float]], shape: tuple[int, int], size: tuple[int, int]) -> tuple[Array, Array]:
    """For each row of a result of ``shape`` the first pixel read inside a picture of ``size``, and the one after the last.

    What is inside is convex, thus one run of pixels a row, for each axis and for both.
    """
    height, width = shape
    step, down, shift = np.array(rows[:2]).T[:, :, None]
    last, lines = np.array([[size[1] - 1.0], [size[0] - 1.0]]), np.arange(height)
    slope, flat = np.where(step == 0, 1.0, step), step == 0

    def is_inside(columns: Array | int) -> Array:
        at = (down * lines + step * columns) + shift
        inside: Array = (at >= 0) & (at <= last)
        return inside

    at = down * lines + shift
    with np.errstate(over="ignore"):  # a slope of almost nothing: the run is all of the row, or none of it
        one, other = -at / slope, (last - at) / slope
    start = np.ceil(np.clip(np.minimum(one, other), -2, width + 1))
    stop = np.floor(np.clip(np.maximum(one, other), -2, width + 1))
    # The division may have been a last bit off: the coordinates themselves decide.
    start += 1 - is_inside(start).astype(int) - is_inside(start - 1)
    stop += is_inside(stop).astype(int) + is_inside(stop + 1)
    if flat.any():
        all_or_none = np.where(is_inside(0), width, 0)
        start, stop = np.where(flat, 0, start), np.where(flat, all_or_none, stop)
    return np.clip(start.max(axis=0), 0, width).astype(int), np.clip(stop.min(axis=0), 0, width).astype(int)


def _as(image: Array, dtype: np.dtype[Any]) -> Array:
    """Levels in another dtype: integers are rounded and kept within what it holds."""
    if dtype.kind == "b":
        return image >= 0.5
    if dtype.kind not in "iu":
        return image.astype(dtype)
    bounds = np.iinfo(dtype)
    rounded: Array = np.clip(np.floor(image.astype(np.float64) + 0.5), bounds.min, bounds.max).astype(dtype)
    return rounded


def _by_spline(image: Array, matrix: Array, fill_mode: str, cval: float, order: int) -> Array:
    """The picture resampled by SciPy itself, a channel at a time; it counts rows first."""
    try:
        ndimage = import_module("scipy.ndimage")
    except ImportError:
        raise ValueError(f"order: {order} is a spline, which needs SciPy; pip install scipy, or use 0 or 1") from None
    kept, image = image.dtype, image.astype(np.float32) if image.dtype in (np.float16, np.bool_) else image
    turned, offset = matrix[1::-1, 1::-1], matrix[1::-1, 2]
    how: dict[str, Any] = {"order": order, "mode": fill_mode, "cval": cval}
    channels = [ndimage.affine_transform(image[:, :, i], turned, offset, **how) for i in range(image.shape[2])]
    return _as(np.stack(channels, axis=2), kept) if kept != image.dtype else np.stack(channels, axis=2)
