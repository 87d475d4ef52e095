"""Contrast of the picture's own: draw -> new pixels."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Fixed, Range, Whole
from augx.ranges import Quantity
from augx.transforms.base import Array, Pixel, as_levels, register, white

_SMALLEST_TILE = 8


def _in_colour(image: Array) -> bool:
    return image.ndim == 3 and image.shape[2] == 3


def _by_channel(image: Array, change: Callable[[Array], Array]) -> Array:
    if image.ndim == 2:
        return change(image)
    return cv2.merge([change(channel) for channel in cv2.split(image)]).reshape(image.shape)


@register
class Clahe(Pixel):
    """Equalize the histogram of each neighbourhood with limited contrast (CLAHE).

    Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV (1994), as OpenCV does it. In a colour picture it is
    the luma (BT.601) that is equalized, and red, green and blue change by as much; other channels are equalized each for itself. A
    picture of 16 bit or floats has the 256 bins of an 8-bit one, with lines between their values: 65,536 bins would need tiles of as many
    pixels before any limit could be kept.
    """

    clip_limit: Annotated[Range, Quantity("clip_limit", "times the mean of a histogram's bins", 1, 1, 40, typical=4)] = Field(
        description="limit of the contrast"
    )
    tiles: Annotated[Range, Quantity("tiles", "tiles across the width and down the height", 8, 1, 64, whole=True, alone="value")] = Field(
        Whole(Fixed(8)), description="tiles of the grid; fewer where they would have less than 8 pixels a side"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        across, down = (min(params["tiles"], max(1, side // _SMALLEST_TILE)) for side in (image.shape[1], image.shape[0]))
        if image.dtype == np.uint8:
            clahe = cv2.createCLAHE(params["clip_limit"], (across, down))
            if not _in_colour(image):
                return _by_channel(image, clahe.apply)
            luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            equalized = clahe.apply(luma)
            # Up, then down, each in 8 bits and one of them nothing at each pixel: three times faster than once in 16.
            change = cv2.merge((cv2.subtract(equalized, luma),) * 3)
            brighter = cv2.add(image, change)
            cv2.merge((cv2.subtract(luma, equalized),) * 3, change)
            return cv2.subtract(brighter, change, brighter)
        equalize = partial(_fine_clahe, clip_limit=params["clip_limit"], across=across, down=down)
        levels = np.clip(image * np.float32(1 / white(image)), 0, 1).astype(np.float32, copy=False)
        if not _in_colour(image):
            return as_levels(_by_channel(levels, equalize) * white(image), image)
        luma = cv2.cvtColor(levels, cv2.COLOR_BGR2GRAY)
        return as_levels((levels + (equalize(luma) - luma)[:, :, None]) * white(image), image)


def _fine_clahe(channel: Array, clip_limit: float, across: int, down: int) -> Array:
    """CLAHE of a float channel, black 0 and white 1: what cv2's does to 8 bits, with nothing rounded but the bins."""
    height, width = channel.shape
    eight = np.rint(channel * 255).astype(np.uint8)
    if height % down or width % across:  # cv2 then pads both sides, one that would fit by a pixel a tile too
        eight = cv2.copyMakeBorder(eight, 0, down - height % down, 0, across - width % across, cv2.BORDER_REFLECT_101)
    h, w = eight.shape[0] // down, eight.shape[1] // across
    curves = np.array([_clipped_curve(tile, clip_limit) for row in np.vsplit(eight, down) for tile in np.hsplit(row, across)]).ravel()

    bins = np.minimum((channel * 255).astype(np.intp), 254)
    beyond = channel * 255 - bins
    left, right, x = _nearest_tiles(width, w, across)
    above, below, y = (part[:, None] for part in _nearest_tiles(height, h, down))
    equalized = np.zeros_like(channel)
    for row, column, share in (
        (above, left, (1 - y) * (1 - x)),
        (above, right, (1 - y) * x),
        (below, left, y * (1 - x)),
        (below, right, y * x),
    ):
        at = (row * across + column) * 256 + bins
        equalized += share * (curves[at] * (1 - beyond) + curves[at + 1] * beyond)
    return equalized


def _clipped_curve(tile: Array, clip_limit: float) -> Array:
    """The cumulative histogram of a tile, whose bins were cut at ``clip_limit`` times their mean, the rest spread over all; 0 to 1."""
    counts = np.bincount(tile.ravel(), minlength=256)
    limit = max(int(clip_limit * tile.size / 256), 1)
    each, left = divmod(int(np.maximum(counts - limit, 0).sum()), 256)
    counts = np.minimum(counts, limit) + each
    if left:
        counts[: left * max(256 // left, 1) : max(256 // left, 1)] += 1
    return (np.cumsum(counts) / tile.size).astype(np.float32)


def _nearest_tiles(length: int, tile: int, tiles: int) -> tuple[Array, Array, Array]:
    """For each pixel of a side the two tiles between whose centres it lies, and how far it is on its way to the second."""
    place = np.arange(length, dtype=np.float32) / tile - np.float32(0.5)
    first = np.floor(place).astype(np.intp)
    return np.clip(first, 0, tiles - 1), np.clip(first + 1, 0, tiles - 1), place - first


def _by_level(image: Array, curve: Callable[[Array], Array | None], bias: float) -> Array:
    """Each channel through a curve of its own.

    ``curve`` takes a channel of 8 or 16 bit and gives a new level, 0 to 255, for each of 256 or 65,536, or None to leave the channel as it
    is. The new levels of 8 bit are the whole numbers below those plus ``bias``; other depths keep the fractions.
    """

    def changed(channel: Array) -> Array:
        bins = channel if channel.dtype.kind == "u" else np.rint(np.clip(channel, 0, 1) * np.float32(65535)).astype(np.uint16)
        levels = curve(bins)
        if levels is None:
            return channel
        if image.dtype == np.uint8:
            return cv2.LUT(channel, np.clip(levels + bias, 0, 255).astype(np.uint8))
        return np.take(as_levels(levels * (white(image) / 255), image), bins)

    return _by_channel(image, changed)


def _histogram(channel: Array) -> Array:
    if channel.dtype == np.uint8:
        return cv2.calcHist([channel], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return np.bincount(channel.ravel(), minlength=65536)


@register
class Equalize(Pixel):
    """Equalize the histogram of each channel.

    The definition is that of Pillow's ImageOps.equalize, which torchvision shares.
    """

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        return _by_level(image, _equalized, 0.5)


def _equalized(channel: Array) -> Array | None:
    counts = _histogram(channel)
    step = int(channel.size - counts[np.flatnonzero(counts)[-1]]) // 255
    return (np.cumsum(counts) - counts) / step if step else None


@register
class Autocontrast(Pixel):
    """Stretch each channel from its darkest to its brightest level.

    The definition is that of Pillow's ImageOps.autocontrast, which torchvision shares for a cutoff of 0; that too stretches a picture.
    """

    cutoff: Annotated[Range, Quantity("cutoff", "percent of the pixels", 0, 0, 49, typical=2)] = Field(
        Fixed(0.0), description="pixels at each end that may become black or white"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        return _by_level(image, partial(_stretched, cutoff=params["cutoff"]), 0.0)


def _stretched(channel: Array, cutoff: float) -> Array | None:
    cut = int(channel.size * cutoff // 100)
    if cut:
        below = np.cumsum(_histogram(channel))
        low, high = int(np.argmax(below > cut)), int(np.argmax(below >= channel.size - cut))
    else:
        low, high = int(channel.min()), int(channel.max())
    if high <= low:
        return None
    scale = 255.0 / (high - low)
    return np.arange(np.iinfo(channel.dtype).max + 1) * scale - low * scale


@register
class MeanContrast(Pixel):
    """Raise or lower contrast about the picture's own mean grey.

    The definition is that of Pillow's ImageEnhance.Contrast and torchvision's adjust_contrast.
    """

    factor: Annotated[Range, Quantity("factor", "factor", 1, 0, 10, typical=1.5)] = Field(
        description="factor of the distance from the mean grey"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["factor"] == 1:
            return image
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if _in_colour(image) else image
        mean = cv2.mean(grey.reshape(len(image), -1))[0]
        if image.dtype == np.uint8:
            return cv2.addWeighted(image, params["factor"], image, 0, mean * (1 - params["factor"])).reshape(image.shape)
        return as_levels(mean + (image.astype(np.float64) - mean) * params["factor"], image)
