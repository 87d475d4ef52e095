"""The algebra of look-up tables, and the one look-up.

Curves compose in float, unclipped, and are rounded once; black is 0 and white is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cv2
import numpy as np

try:  # an extra: several times as fast as cv2.LUT, to the same bytes
    from stringzilla import translate
except ImportError:
    translate = None

Array = np.ndarray[Any, Any]
Curve = Callable[[Array], Array]

_FAR = 1e6  # so far beyond white that a power of it would leave the numbers, and infinity times nothing is none


def tables(curves: Iterable[tuple[Array, Curve]], n: int, dtype: np.dtype[Any]) -> Array:
    """Tables of shape (n, channels, levels) for n copies; each curve comes with a mask (n,) of the copies that it is for.

    ``channels`` is 1, or 3 (red, green, blue) as soon as one curve treats them apart.
    """
    top = np.iinfo(dtype).max
    x: Array = np.broadcast_to(np.arange(top + 1, dtype=np.float64) / top, (n, 1, top + 1))
    for active, curve in curves:
        x = np.where(active[:, None, None], np.clip(curve(x), -_FAR, _FAR), x)
    levels: Array = np.rint(np.clip(x, 0, 1) * top).astype(dtype)
    return levels


def look_up(image: Array, table: Array) -> Array:
    """A new picture with every level of ``image`` replaced by ``table`` (channels, levels); alpha is left as it is."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    if len(table) == 1 and channels != 4:  # one table for all channels is the faster call
        rows = table
    elif channels == 1:
        rows = table[:1]
    else:
        blue_green_red = np.broadcast_to(table[::-1], (3, table.shape[1]))
        rows = blue_green_red if channels == 3 else np.vstack([blue_green_red, np.arange(table.shape[1], dtype=table.dtype)])
    if image.dtype == np.uint8:
        if len(rows) == 1:
            return _translated(image if translate is None else image.copy(), rows[0])
        # A plane at a time is faster than cv2.LUT with a table a channel.
        return cv2.merge([_translated(plane, row) for plane, row in zip(cv2.split(image), rows, strict=True)])
    if len(rows) == 1:
        return np.take(rows[0], image)
    return np.dstack([np.take(rows[c], image[:, :, c]) for c in range(channels)])


def _translated(image: Array, row: Array) -> Array:
    """Every byte through one table of 256, in the picture itself or a new one."""
    if translate is None:
        return cv2.LUT(image, np.ascontiguousarray(row))
    translate(image.data.cast("B"), np.ascontiguousarray(row).data, inplace=True)
    return image


def evaluate(image: Array, curves: Sequence[Curve]) -> Array:
    """A new picture with the curves applied to the levels of a float32 ``image`` themselves, clipped to 0 and 1; alpha is left."""
    colours = image[:, :, :3] if image.ndim == 3 and image.shape[2] == 4 else np.atleast_3d(image)
    order = [2, 1, 0] if colours.shape[2] == 3 else list(range(colours.shape[2]))
    x = colours[:, :, order].reshape(1, -1, len(order)).swapaxes(1, 2).astype(np.float64)
    for curve in curves:
        x = np.clip(curve(x), -_FAR, _FAR)
    toned = image.copy()
    changed = np.clip(x[0, : len(order)].T.reshape(colours.shape)[:, :, order], 0, 1)
    if image.ndim == 2:
        toned[:] = changed[:, :, 0]
    else:
        toned[:, :, : len(order)] = changed
    return toned
