"""Bytes -> upright pixels, guarded: never ``cv2.imread``, which takes half a JPEG for a whole one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from augx.errors import SourceError
from augx.headers import Header, plain_png, plain_tiff, read_header

MAX_PIXELS = 100_000_000

_PLAIN = {"png": plain_png, "tiff": plain_tiff}

# What OpenCV would print is in the SourceError. The call moved between 4.x and 5.
(cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel)(0)


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray[Any, Any]:
    """The picture: (h, w) grey, (h, w, 3) blue green red, or (h, w, 4) with alpha; uint8 or uint16; upright.

    Raises ``SourceError`` with the reason for whatever can't be decoded whole.
    """
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise SourceError(
            f"{header.width}x{header.height} is {header.width * header.height:,} pixels, more than --max-pixels {max_pixels} allows"
        )
    try:
        whole = _PLAIN.get(header.format, bytes)(data)
        image = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, MemoryError) as error:
        raise SourceError(f"OpenCV can't decode it: {getattr(error, 'err', None) or error}") from None
    if image is None:
        raise SourceError(f"the {header.format} is truncated, damaged or of a kind that OpenCV does not read")
    return _upright(_checked(image, header), header.orientation)


def _checked(image: np.ndarray[Any, Any], header: Header) -> np.ndarray[Any, Any]:
    if sorted(image.shape[:2]) != sorted((header.height, header.width)) and header.format != "gif":
        raise SourceError(f"damaged: the header says {header.width}x{header.height} pixels, {image.shape[1]}x{image.shape[0]} came out")
    if image.dtype not in (np.uint8, np.uint16):
        raise SourceError(f"its pixels are {image.dtype}, augx reads 8 and 16 bits, unsigned")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        raise SourceError(f"it has {image.shape[2]} channels, augx reads 1, 3 and 4")
    # The fourth byte of most 32-bit bitmaps is unused, and OpenCV gives animations an alpha that they don't have.
    unused = {"bmp": 0, "gif": 255, "webp": 255}.get(header.format)
    if unused is not None and image.ndim == 3 and image.shape[2] == 4 and bool((image[:, :, 3] == unused).all()):
        return np.ascontiguousarray(image[:, :, :3])
    return image


def _upright(image: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """Exif orientation undone (CIPA DC-008, tag 274)."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def on_white(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The picture without its alpha, laid on white; before any warp or blur, or hidden colours would bleed into visible ones."""
    if image.ndim == 2 or image.shape[2] == 3:
        return image
    top = np.iinfo(image.dtype).max
    alpha = image[:, :, 3:].astype(np.uint64)
    return ((image[:, :, :3] * alpha + top * (top - alpha) + top // 2) // top).astype(image.dtype)
