"""Bytes -> upright pixels, guarded: never ``cv2.imread``, which takes half a JPEG for a whole one."""

from __future__ import annotations

import re
import struct
from typing import Any

import cv2
import numpy as np

from augx.errors import SourceError
from augx.headers import Header, plain_jpeg, plain_png, plain_tiff, plain_webp, read_header
from augx.words import captured, listen

MAX_PIXELS = 100_000_000

_PLAIN = {"jpg": plain_jpeg, "png": plain_png, "tiff": plain_tiff, "webp": plain_webp}

# Of all that libjpeg and libtiff say of a picture that they give all the same, what means that pixels are missing or wrong
# (jerror.h; in libtiff the names of the functions that decode). LZWPreDecode only speaks of an old kind of file.
_DAMAGED = re.compile(r"premature|bad (Huffman|arithmetic) code|instead of RST|Inconsistent progression|(?<!Pre)Decode|Read error")
_CODED_BY = re.compile(r"^\[ *\w+:\d+@[\d.]+\] global \S+ (\w+ )?|^OpenCV TIFF: ")
_OF_OPENCV = re.compile(r"imdecode_|OpenCV TIFF\(line")
_LONGEST = 160

# OpenCV's own lines say less than the SourceError, but as warnings OpenCV 5 passes libtiff's on; what is below a warning would go to
# standard output. The call moved between 4.x and 5.
_set_log_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
_SILENT, _WARNINGS = 0, 3
_set_log_level(_SILENT)


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
        whole = np.frombuffer(_PLAIN.get(header.format, bytes)(data), np.uint8)
        _set_log_level(_WARNINGS if captured() else _SILENT)
        image, words = listen(lambda: cv2.imdecode(whole, cv2.IMREAD_UNCHANGED))
    except (struct.error, IndexError, ValueError):
        raise SourceError(f"the {header.format} is truncated or damaged: its header is cut short") from None
    except (cv2.error, MemoryError) as error:
        raise SourceError(f"OpenCV can't decode it: {getattr(error, 'err', None) or error}") from None
    if image is None:
        said = _said(words)
        raise SourceError(f"the {header.format} is truncated, damaged or of a kind that OpenCV does not read{said and f' ({said})'}")
    damage = [line for line in words if _DAMAGED.search(line)] if header.format in ("jpg", "tiff") else []
    if damage:
        raise SourceError(f"the {header.format} is truncated or damaged: {_said(damage)}")
    return _upright(_checked(image, header), header.orientation)


def _said(words: list[str]) -> str:
    """What the decoder below OpenCV said first."""
    lines = [_CODED_BY.sub("", line) for line in words if not _OF_OPENCV.search(line)]
    return lines[0][:_LONGEST] if lines else ""


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
