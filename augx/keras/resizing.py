"""``smart_resize``: crop to the target's shape, then resize, by the interpolations of ``tf.image.resize`` in NumPy.

A pixel's value sits at its centre, i + 1/2. A kernel is laid over the centre of each target pixel and weighs the source's
pixels there; weights beyond the edge are left out and the others sum to 1. Kernels: Keys 1981 (bicubic, a = -1/2), Lanczos,
Mitchell and Netravali 1988 (B = C = 1/3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _lanczos(lobes: int) -> Callable[[Array], Array]:
    return lambda t: np.where(t < lobes, np.sinc(t) * np.sinc(t / lobes), 0)


def _cubic(t: Array, b: float, c: float) -> Array:
    """The two-parameter family of Mitchell and Netravali; B = 0, C = 1/2 is Keys' with a = -1/2."""
    near = ((12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + 6 - 2 * b) / 6
    far = ((-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + 8 * b + 24 * c) / 6
    return np.where(t < 1, near, np.where(t < 2, far, 0))


_KERNELS: dict[str, Callable[[Array], Array]] = {
    "bilinear": lambda t: np.maximum(1 - t, 0),
    "bicubic": lambda t: _cubic(t, 0, 1 / 2),
    "mitchellcubic": lambda t: _cubic(t, 1 / 3, 1 / 3),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
    "gaussian": lambda t: np.where(t < 1.5, np.exp(-2 * t**2), 0),
}
SMART_INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


def _weights(length: int, target: int, interpolation: str) -> Array:
    """(target, length): what each source pixel gives to each target pixel; the rows sum to 1."""
    step = length / target
    if interpolation == "area":
        starts = np.arange(target)[:, None] * step
        weights = np.minimum(starts + step, np.arange(length) + 1) - np.maximum(starts, np.arange(length))
        weights = np.maximum(weights, 0)
    else:
        distances = np.abs((np.arange(target)[:, None] + 0.5) * step - (np.arange(length) + 0.5))
        weights = _KERNELS[interpolation](distances)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _resized(x: Array, axis: int, target: int, interpolation: str) -> Array:
    length = x.shape[axis]
    if interpolation == "nearest":
        under = ((np.arange(target) + 0.5) * (length / target)).astype(np.intp)
        return np.asarray(np.take(x, np.minimum(under, length - 1), axis=axis))
    weighed = np.tensordot(x, _weights(length, target, interpolation), axes=(axis, 1))
    return np.asarray(np.moveaxis(weighed, -1, axis))


def _kept(length: int, other: int, target: int, other_target: int) -> int:
    """How much of ``length`` goes with the whole other side, cut to whole pixels from a float32 as Keras does."""
    return max(1, min(length, int(np.float32(other * target) / np.float32(other_target))))


def smart_resize(x: Any, size: Sequence[int], interpolation: str = "bilinear", data_format: str = "channels_last") -> Array:
    """The largest centred part of the target's shape, resized to ``size`` (height, width): a picture, or a batch of them.

    Float32, but "nearest" keeps the type. The interpolations are TensorFlow's, without antialiasing: bilinear, nearest, bicubic,
    area, lanczos3, lanczos5, gaussian, mitchellcubic.
    """
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        raise ValueError(f"Expected a picture (height, width, channels) or a batch of them, but got input of shape {x.shape}.")
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Invalid data_format: {data_format}; it must be channels_first or channels_last")
    if interpolation not in SMART_INTERPOLATIONS:
        raise ValueError(f"interpolation {interpolation!r} is unknown; it must be one of {', '.join(SMART_INTERPOLATIONS)}")
    rows, columns = (-2, -1) if data_format == "channels_first" else (-3, -2)
    height, width = x.shape[rows], x.shape[columns]
    tall, wide = _kept(height, width, size[0], size[1]), _kept(width, height, size[1], size[0])
    top, left = (height - tall) // 2, (width - wide) // 2
    x = x.take(range(top, top + tall), axis=rows).take(range(left, left + wide), axis=columns)
    x = _resized(_resized(x, rows, size[0], interpolation), columns, size[1], interpolation)
    return x if interpolation == "nearest" else np.ascontiguousarray(x, np.float32)
