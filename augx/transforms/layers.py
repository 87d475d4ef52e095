"""Layers of light and dark over a picture, as weather and light lay them."""

from __future__ import annotations

import cv2
import numpy as np

from augx.randomness import words
from augx.transforms.base import Array, as_levels, white

SEED, COUNT = 8, 9
"""Columns of uniforms for what is no range; those before leave room for further ranges."""


def parts(seed: int, rows: int, columns: int) -> Array:
    """``rows`` lines of uniforms in [0, 1) from a seed; fewer rows are the first of more."""
    return words(seed, rows * columns, np.uint32).reshape(rows, columns) / 2.0**32


def reduced(image: Array, short: int = 256) -> tuple[int, int]:
    """Height and width of the map for smooth light: at most ``short`` on the shorter side."""
    height, width = image.shape[:2]
    scale = min(1.0, short / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _spread(shares: Array, image: Array) -> Array:
    """Shares of (h, w) or (h, w, channels) for each sample of ``image`` as (h, w * channels)."""
    channels = image[0, 0].size
    if shares.ndim == 2 and channels > 1:
        shares = cv2.merge([shares] * 3) if channels == 3 else np.repeat(shares, channels, axis=1)
    return shares.reshape(len(shares), -1)


def blended(image: Array, shares: Array, light: float, gain: float = 1.0) -> Array:
    """``image * gain`` behind a layer of brightness ``light`` that is opaque by ``shares``; black 0 and white 1.

    Shares are uint8 of 0 to 255 or floats of 0 to 1; a smaller map of them is scaled up. None at all leave the image itself.
    """
    height, width = image.shape[:2]
    if image.dtype == np.uint8 and shares.dtype != np.uint8:
        shares = np.rint(shares * 255).astype(np.uint8)
    elif image.dtype != np.uint8:
        shares = shares.astype(np.float32) / (255 if shares.dtype == np.uint8 else 1)
    if gain == 1 and not shares.any():
        return image
    if shares.shape[:2] != (height, width):
        shares = cv2.resize(shares, (width, height), interpolation=cv2.INTER_LINEAR)
    flat = np.ascontiguousarray(image).reshape(height, -1)
    if image.dtype != np.uint8:
        cover = _spread(shares, image)
        return as_levels(flat * (gain * (1 - cover)) + cover * (light * white(image)), image).reshape(image.shape)
    result = np.empty_like(flat)
    band = max(1, 2**17 // flat.shape[1])  # rows whose samples stay in the cache: three times as fast as all at once
    for top in range(0, height, band):
        rows = slice(top, top + band)
        cover, out = _spread(shares[rows], image), result[rows]
        cv2.multiply(flat[rows], cv2.bitwise_not(cover, out), out, gain / 255)
        if light:
            cv2.addWeighted(out, 1, cover, light, 0, out)
    return result.reshape(image.shape)
