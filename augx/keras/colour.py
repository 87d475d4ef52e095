"""Channel shift and brightness as Keras has them, and a brightness that neither stretches nor truncates."""

from __future__ import annotations

from typing import Any

import numpy as np

from augx.keras.geometry import STREAM, Law

Array = np.ndarray[Any, Any]


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> Array:
    """A new array with ``intensity`` added to all channels alike, kept within the picture's own lowest and highest level.

    All channels are shifted together, so ``channel_axis`` is only taken for Keras' sake. Integers come back as float64.
    """
    x = np.asarray(x)
    shifted: Array = x + float(intensity)
    return np.clip(shifted, x.min(), x.max(), out=shifted)


def shift_levels(x: Array, intensity: float, law: Law = "fixed") -> Array:
    """``apply_channel_shift`` for a picture of our own: floats are changed in place; under ``fixed`` integers are rounded, and stay."""
    if x.dtype.kind == "f":
        low, high = x.min(), x.max()
        x += float(intensity)
        return np.clip(x, low, high, out=x)
    shifted = apply_channel_shift(x, intensity)
    return np.rint(shifted).astype(x.dtype) if law == "fixed" else shifted


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> Array:
    """``apply_channel_shift`` by an amount from -``intensity_range`` to ``intensity_range``, from NumPy's global generator."""
    return apply_channel_shift(x, STREAM.uniform(-intensity_range, intensity_range), channel_axis)


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True) -> Array:
    """Levels times ``brightness`` as Keras does it on 8-bit pictures: float32 (height, width, channels), whole levels 0 to 255.

    ``scale`` first stretches the picture's lowest and highest level to 0 and 255, which changes it even for a brightness of
    1. Without it, levels are truncated to whole numbers, and only a picture with levels below 0 or above 255 is stretched,
    and brought back afterwards. The fourth of four channels is alpha and is only stretched. Raises ``ValueError`` unless there
    are three axes, the last of them with 1, 3 or 4 channels.
    """
    x = np.asarray(x)
    if x.ndim != 3:
        raise ValueError(f"x: expected a picture with three axes (height, width, channels), found shape {x.shape}")
    if x.shape[2] not in (1, 3, 4):
        raise ValueError(f"x: brightness needs 1, 3 or 4 channels on the last axis, found {x.shape[2]}")
    low, high = x.min(), x.max()
    stretched = bool(low < 0 or high > 255)
    levels = np.array(x, np.float32)
    if scale or stretched:
        levels -= levels.min()
        top = levels.max()
        if top != 0:
            levels /= top
        levels *= 255
    np.trunc(levels, out=levels)
    colours = levels[:, :, :3]
    np.multiply(colours, np.float32(brightness), out=colours)
    np.clip(colours, 0, 255, out=colours)
    np.trunc(colours, out=colours)
    if stretched and not scale:
        levels = levels / 255 * (high - low) + low
    return levels


def random_brightness(x: Any, brightness_range: tuple[float, float] | list[float], scale: bool = True) -> Array:
    """``apply_brightness_shift`` by a factor from ``brightness_range``, drawn from NumPy's global generator.

    Raises ``ValueError`` unless ``brightness_range`` has two values.
    """
    if len(brightness_range) != 2:
        raise ValueError(f"brightness_range: expected two numbers (lowest, highest), found {brightness_range!r}")
    return apply_brightness_shift(x, STREAM.uniform(brightness_range[0], brightness_range[1]), scale)


def brighten(x: Array, factor: float, law: Law = "fixed", channel_axis: int = 2) -> Array:
    """Levels times ``factor`` as the generator of each law does it; a float picture may be changed in place under ``fixed``.

    ``classic`` stretches every picture to 0 to 255 first, ``keras2`` only one with levels outside; both truncate, return
    float32, and know no other ``channel_axis`` than the last. ``fixed`` does neither and keeps the dtype: a picture with
    integers or a level above 1 ends at 255, any other at 1, both begin at 0, and levels that were outside stay possible;
    the fourth of four channels is alpha, and is kept.
    """
    if law != "fixed":
        return apply_brightness_shift(x, factor, scale=law == "classic")
    high = x.max()
    top = 255 if x.dtype.kind != "f" or high > 1 else 1
    low, high = min(0, x.min()), max(top, high)
    alpha = x.shape[channel_axis] == 4
    colours = np.moveaxis(x, channel_axis, 0)[:3] if alpha else x
    if x.dtype.kind == "f":
        np.multiply(colours, float(factor), out=colours)
        np.clip(colours, low, high, out=colours)
        return x
    bright = x.copy()
    target = np.moveaxis(bright, channel_axis, 0)[:3] if alpha else bright
    target[...] = np.rint(np.clip(colours * float(factor), low, high)).astype(x.dtype)
    return bright
