"""Targets drawn over a small picture, to be looked at: outlines and boxes, keypoints, and masks as a tint.

They are drawn after the picture has been made small, so that a line stays one pixel wide; nothing here touches a written copy.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from augx.annotations import rle
from augx.sample import Instance, Mask

Array = np.ndarray[Any, Any]
Colour = tuple[int, int, int]
"""Blue, green, red."""

# Bright, and told apart from their neighbours in the list by hue and by lightness: with a dark rim they read on any photo.
PALETTE: tuple[Colour, ...] = (
    (66, 72, 255),
    (255, 200, 0),
    (0, 214, 255),
    (118, 230, 0),
    (255, 64, 255),
    (0, 145, 255),
    (255, 110, 70),
    (0, 255, 180),
    (190, 138, 255),
    (220, 255, 0),
    (255, 102, 170),
    (255, 255, 255),
)
_RIM = 0.45
"""How dark the rim of a line is."""
_TINT = 0.45
_FINE = 4
"""Bits of a pixel's fraction, for OpenCV."""
_DOT = 0.025, 1.0, 2.0
"""The radius of a keypoint: by how far its instance's lie apart, and its ends, in pixels."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The targets of a picture of ``size`` (width, height), in its pixels."""

    size: tuple[int, int]
    instances: tuple[Instance, ...] = ()
    masks: tuple[Mask, ...] = ()


def colour_of(category: str, places: Mapping[str, int]) -> Colour:
    """The colour of a category by its place among the set's; of one that the set lacks, by its name."""
    return PALETTE[places.get(category, zlib.crc32(category.encode("utf-8", "surrogateescape"))) % len(PALETTE)]


def marked(picture: Array, marks: Marks, places: Mapping[str, int]) -> Array:
    """A picture (h, w, 3), uint8, blue green red, with its targets drawn over it; a new array.

    The picture shows all of what has ``marks.size``, at any scale. ``places`` are the categories' places among the set's. Of an
    instance its region is tinted; else its polygons are outlined, else its box; keypoints are dots, hidden ones hollow.
    Raises ``ValueError`` for a region that is none.
    """
    drawn = picture.copy()
    for mask in marks.masks:
        _tint(drawn, *_colours(mask))
    for one in marks.instances:
        if one.region is not None:
            inside = _fitted(rle.decode(one.region), drawn) > 0
            drawn[inside] = _mixed(drawn[inside], np.array(colour_of(one.category, places)))
    scale = np.array([picture.shape[1], picture.shape[0]]) / marks.size
    outlines = [(ring, colour_of(one.category, places), kind) for one in marks.instances for ring, kind in _rings(one, scale, picture)]
    dots = [(dot, colour_of(one.category, places)) for one in marks.instances for dot in _dots(one, scale, picture)]
    rims = drawn.copy()
    for ring, _, kind in outlines:
        cv2.polylines(rims, [ring], True, (0, 0, 0), 3, kind, _FINE)
    for (x, y, radius, _), _ in dots:
        cv2.circle(rims, (x, y), radius + (1 << _FINE), (0, 0, 0), -1, cv2.LINE_AA, _FINE)
    drawn = np.rint(drawn * (1 - _RIM) + rims * _RIM).astype(np.uint8)
    for ring, colour, kind in outlines:
        cv2.polylines(drawn, [ring], True, colour, 1, kind, _FINE)
    for (x, y, radius, hidden), colour in dots:
        cv2.circle(drawn, (x, y), radius, colour, 1 if hidden else -1, cv2.LINE_AA, _FINE)
    return drawn


def swatch(colour: Colour, width: int = 48, height: int = 12) -> Array:
    """A piece of a colour, for a legend: (height, width, 3), uint8."""
    return np.full((height, width, 3), colour, np.uint8)


def _rings(one: Instance, scale: Array, picture: Array) -> Iterator[tuple[Array, int]]:
    """The outlines of an instance in OpenCV's fine numbers, (n, 2) of int32, and its kind of line; a box on whole pixels, and sharp."""
    if one.region is not None:
        return
    for outline in one.polygons:
        if len(outline):
            yield _placed(outline * scale, picture), cv2.LINE_AA
    if not one.polygons and one.box is not None:
        left, top, right, bottom = one.box
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        yield (_placed(corners * scale, picture) + (1 << _FINE - 1)) >> _FINE << _FINE, cv2.LINE_8


def _dots(one: Instance, scale: Array, picture: Array) -> Iterator[tuple[int, int, int, bool]]:
    """The keypoints of an instance, x, y and their radius in fine numbers, and whether they are hidden."""
    if one.keypoints is None or not (shown := one.keypoints[one.keypoints[:, 2] > 0]).size:
        return
    places = _placed(shown[:, :2] * scale, picture)
    share, least, most = _DOT
    radius = round(min(max(share * int(np.ptp(places, axis=0).max()), least * (1 << _FINE)), most * (1 << _FINE)))
    for (x, y), seen in zip(places.tolist(), shown[:, 2].tolist(), strict=True):
        yield x, y, radius, seen == 1


def _placed(points: Array, picture: Array) -> Array:
    """Points from the corner of the picture as OpenCV has them, from the middle of its first pixel; inside it."""
    last = np.array([picture.shape[1], picture.shape[0]]) - 1
    inside = np.clip(np.nan_to_num(points) - 0.5, 0, last)
    return np.rint(inside * (1 << _FINE)).astype(np.int32)


def _fitted(image: Array, picture: Array) -> Array:
    """``image`` as large as the picture, each pixel the nearest one's."""
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(picture.shape[:2], image.shape[:2], strict=True))
    fitted: Array = image[rows.astype(int)[:, None], columns.astype(int)]
    return fitted


def _mixed(under: Array, colours: Array) -> Array:
    return np.rint(under * (1 - _TINT) + colours * _TINT).astype(np.uint8)


def _tint(drawn: Array, labels: Array, colours: Array | None) -> None:
    """Tint by a mask's labels; what is black of it, or 0 without colours of its own, is background and stays clear."""
    fitted = _fitted(labels, drawn)
    if fitted.ndim == 3:
        tint, shown = fitted, fitted.any(axis=2)
    elif colours is not None:
        tint = colours[np.minimum(fitted, len(colours) - 1)]
        shown = tint.any(axis=2) & (fitted < len(colours))
    else:
        tint = np.array(PALETTE, np.uint8)[(fitted.astype(int) - 1) % len(PALETTE)]
        shown = fitted > 0
    drawn[shown] = _mixed(drawn[shown], tint[shown])


def _colours(mask: Mask) -> tuple[Array, Array | None]:
    """A mask's labels (h, w) with the colours (n, 3) of its palette, or None; or (h, w, 3) where it is a picture of colours."""
    image, plte = mask.levels.image, mask.palette[0]
    if image.ndim == 3 and image.shape[2] >= 3:
        top = np.iinfo(image.dtype).max
        colours = image[:, :, :3] // (top // 255)
        if image.shape[2] == 4:
            colours = colours * (image[:, :, 3:] > 0)
        return colours.astype(np.uint8), None
    if image.ndim == 3:
        image = image[:, :, 0]
    if not plte:
        return image, None
    return image, np.frombuffer(plte[: len(plte) // 3 * 3], np.uint8).reshape(-1, 3)[:, ::-1]
