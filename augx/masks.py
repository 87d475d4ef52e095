"""Masks, pictures of labels, from and to files: each pixel's number is kept, whatever kind of picture holds it.

The usual kind is a PNG with a palette, whose pixels are numbers of colours (PASCAL VOC, Cityscapes, ADE20K): it stays one, with
its palette. PNG chunks: W3C PNG third edition, section 11.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from augx.decode import MAX_PIXELS, decode
from augx.errors import SourceError, printable
from augx.files import read_bytes
from augx.headers import read_header
from augx.sample import Mask
from augx.warp import Levels

Array = np.ndarray[Any, Any]

_GREY, _INDEXED = 0, 3
_COLOUR_TYPE = 9  # its place among IHDR's bytes; the depth is before it

# Masks are runs of one number: of all of zlib's ways this is the quickest, and a file is as small as the slow ones make it.
_RUNS = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


def read_mask(name: str, path: str, max_pixels: int = MAX_PIXELS) -> Mask:
    """The mask in a file, for the folder ``name``: (h, w), (h, w, 3) blue green red or (h, w, 4), uint8 or uint16.

    Of a PNG with a palette these are its indices, of 1 to 8 bits; other pictures are taken as they are decoded. Raises
    ``SourceError`` that begins with the mask's path.
    """
    try:
        data = read_bytes(path)
        plte = trns = b""
        bits = 8
        if read_header(data).format == "png":  # and so all its chunks are whole
            data, bits, plte, trns = _indices(data)
        levels = decode(data, max_pixels)
    except SourceError as error:
        raise SourceError(f"its mask {printable(path)}: {error}") from None
    if bits < 8:
        levels //= 255 // (2**bits - 1)  # grey of few bits is spread over 0 to 255
    return Mask(name, Levels(levels), (plte, trns))


def _indices(png: bytes) -> tuple[bytes, int, bytes, bytes]:
    """A PNG of indices as one of grey levels, their bits, and the bodies of PLTE and tRNS; another PNG as it is."""
    chunks = list(_chunks(png))
    first, header = chunks[0]
    if first != b"IHDR" or len(header) != 13 or header[_COLOUR_TYPE] != _INDEXED:
        return png, 8, b"", b""
    grey = b"".join(_chunk(kind, body) for kind, body in chunks[1:] if kind not in (b"PLTE", b"tRNS"))
    palette = {kind: body for kind, body in chunks if kind in (b"PLTE", b"tRNS")}
    return png[:8] + _header(header, _GREY) + grey, header[_COLOUR_TYPE - 1], palette.get(b"PLTE", b""), palette.get(b"tRNS", b"")


def encode_mask(image: Array, palette: tuple[bytes, bytes] = (b"", b"")) -> bytes:
    """The mask as a PNG, without loss; with a ``palette`` (PLTE, tRNS) and (h, w) of uint8, as indices of it.

    A palette that has too few colours for the mask's largest index is filled up with black. Raises ``SourceError``.
    """
    try:
        done, data = cv2.imencode(".png", image, _RUNS)
    except cv2.error as error:
        raise SourceError(f"OpenCV can't encode a copy of a mask as PNG: {error.err}") from None
    if not done:
        raise SourceError("OpenCV can't encode a copy of a mask as PNG")
    png = data.tobytes()
    plte, trns = palette
    if not plte or image.ndim != 2 or image.dtype != np.uint8:
        return png
    plte = plte.ljust(3 * (int(image.max()) + 1), b"\0")
    (_, header), *rest = _chunks(png)
    inserted = _chunk(b"PLTE", plte) + (_chunk(b"tRNS", trns) if trns else b"")
    return png[:8] + _header(header, _INDEXED) + inserted + b"".join(_chunk(kind, body) for kind, body in rest)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and body of each chunk of a whole PNG."""
    at, kind = 8, b""
    while kind != b"IEND":
        stop = at + 12 + int.from_bytes(png[at : at + 4], "big")
        kind = png[at + 4 : at + 8]
        yield kind, png[at + 8 : stop - 4]
        at = stop


def _header(body: bytes, colour_type: int) -> bytes:
    return _chunk(b"IHDR", body[:_COLOUR_TYPE] + bytes([colour_type]) + body[_COLOUR_TYPE + 1 :])


def _chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk; its checksum is over the type and the body."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
