"""Pixels -> the bytes of a file, never with a silent loss. To add a format, add its line to the table."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from augx.errors import SourceError


@dataclass(frozen=True, slots=True)
class Format:
    """What a file format can hold: 16 bits (``deep``), ``alpha``, a longest side in pixels."""

    extension: str
    deep: bool
    alpha: bool
    max_side: int
    quality: int | None = None
    """The cv2 parameter that takes a quality from 1 to 100."""


FORMATS = {
    "jpg": Format(".jpg", deep=False, alpha=False, max_side=65_500, quality=cv2.IMWRITE_JPEG_QUALITY),
    "png": Format(".png", deep=True, alpha=True, max_side=1_000_000),
    "webp": Format(".webp", deep=False, alpha=True, max_side=16_383, quality=cv2.IMWRITE_WEBP_QUALITY),
    "tiff": Format(".tiff", deep=True, alpha=True, max_side=1_000_000),
    "bmp": Format(".bmp", deep=False, alpha=False, max_side=1_000_000),
    "npy": Format(".npy", deep=True, alpha=True, max_side=1_000_000),
}
"""``npy`` is NumPy's array file, (h, w) or (h, w, channels) with red first: what no picture format can hold."""


def encode(image: np.ndarray[Any, Any], name: str, quality: int) -> bytes:
    """The picture as a file of the format ``name``; raises ``SourceError`` rather than lose bits, alpha or pixels."""
    target = FORMATS[name]
    if image.dtype.kind == "f" and name != "npy":
        raise SourceError(f"float levels, which {name} can't hold; use --format npy")
    if image.dtype != np.uint8 and not target.deep:
        raise SourceError(f"16 bits a channel, which {name} can't hold; use --format png or tiff")
    if max(image.shape[:2]) > target.max_side:
        raise SourceError(f"a copy has {image.shape[1]}x{image.shape[0]} pixels, {name} holds at most {target.max_side} a side; use --size")
    if image.ndim == 3 and image.shape[2] == 4 and not target.alpha:
        raise SourceError(f"an alpha channel, which {name} can't hold; lay the picture on a colour first")
    if name == "npy":
        return _npy(image)
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        raise SourceError(f"{image.shape[2]} channels, which {name} can't hold; use --format npy")
    try:
        done, data = cv2.imencode(target.extension, image, [target.quality, quality] if target.quality is not None else [])
    except cv2.error as error:
        raise SourceError(f"OpenCV can't encode a copy as {name}: {error.err}") from None
    if not done:
        raise SourceError(f"OpenCV can't encode a copy as {name}")
    return data.tobytes()


def _npy(image: np.ndarray[Any, Any]) -> bytes:
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(image.shape[2] if image.ndim == 3 else 1)
    file = io.BytesIO()
    little = image.dtype.newbyteorder("<")
    np.save(file, np.ascontiguousarray(image if order is None else image[:, :, order], little), allow_pickle=False)
    return file.getvalue()
