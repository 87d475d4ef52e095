"""The shipped photos, small, as every kind of file that augx reads."""

from __future__ import annotations

import functools
import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.conftest import PHOTOS

_SIZES = [(45, 31), (32, 32), (17, 40)]


@functools.cache
def seeds() -> dict[str, tuple[str, bytes]]:
    """Format and bytes by the name of the kind; kinds of one format stand together."""
    photos = [
        Image.open(PHOTOS / name).convert("RGB").resize(size)
        for name, size in zip(("cats/Cat.jpg", "dogs/friends.jpg", "cats/chelsea.png"), _SIZES, strict=True)
    ]
    photo, square, upright = photos
    clear = photo.copy()
    clear.putalpha(photo.convert("L"))
    deep = np.asarray(photo).astype(np.uint16)[:, :, ::-1] * 257
    exif = Image.Exif()
    exif[274] = 6
    frames = {"save_all": True, "append_images": [photo.rotate(90), photo.rotate(180)]}
    kinds: list[tuple[str, str, bytes]] = [
        ("jpg", "420", _saved(photo, "JPEG")),
        ("jpg", "444 with exif", _saved(square, "JPEG", subsampling=0, quality=90, exif=exif)),
        ("jpg", "grey", _saved(upright.convert("L"), "JPEG", optimize=True)),
        ("jpg", "progressive", _saved(photo, "JPEG", progressive=True)),
        ("jpg", "grey progressive", _saved(square.convert("L"), "JPEG", progressive=True)),
        ("jpg", "restarts", _encoded(".jpg", photo, cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
        ("jpg", "cmyk", _saved(photo.convert("CMYK"), "JPEG")),
        ("png", "rgb", _saved(photo, "PNG")),
        ("png", "palette", _saved(square.convert("P"), "PNG", transparency=3)),
        ("png", "bilevel", _saved(upright.convert("1"), "PNG")),
        ("png", "alpha with exif", _saved(clear, "PNG", exif=exif)),
        ("png", "16 bits", bytes(cv2.imencode(".png", deep)[1])),
        ("png", "animated", _saved(photo, "PNG", **frames)),
        ("webp", "lossy", _saved(photo, "WEBP")),
        ("webp", "lossless", _saved(square, "WEBP", lossless=True)),
        ("webp", "alpha with exif", _saved(clear, "WEBP", exif=exif)),
        ("webp", "animated", _saved(photo, "WEBP", **frames)),
        ("tiff", "raw", _saved(photo, "TIFF")),
        ("tiff", "lzw", _saved(square, "TIFF", compression="tiff_lzw")),
        ("tiff", "deflate with alpha", _saved(clear, "TIFF", compression="tiff_adobe_deflate")),
        ("tiff", "packbits", _saved(upright, "TIFF", compression="packbits")),
        ("tiff", "jpeg", _saved(photo, "TIFF", compression="jpeg")),
        ("tiff", "fax", _saved(photo.convert("1"), "TIFF", compression="group4")),
        ("tiff", "16 bits", bytes(cv2.imencode(".tiff", deep)[1])),
        ("tiff", "palette", _saved(photo.convert("P"), "TIFF")),
        ("bmp", "rgb", _saved(photo, "BMP")),
        ("bmp", "palette", _saved(square.convert("P"), "BMP")),
        ("bmp", "alpha", bytes(cv2.imencode(".bmp", np.asarray(clear))[1])),
        ("gif", "still", _saved(photo, "GIF")),
        ("gif", "animated", _saved(photo, "GIF", **frames)),
        ("gif", "interlaced", _saved(square.convert("P"), "GIF", interlace=1)),
        ("pnm", "ppm", _saved(photo, "PPM")),
        ("pnm", "pgm", _saved(square.convert("L"), "PPM")),
        ("pnm", "pbm", _saved(upright.convert("1"), "PPM")),
        ("pnm", "16 bits", bytes(cv2.imencode(".ppm", deep)[1])),
        ("pnm", "plain pgm", b"P2\n# words\n17 9\n255\n" + b" ".join(b"%d" % (n % 256) for n in range(153)) + b"\n"),
        ("pnm", "plain pbm", b"P1\n16 8\n" + b"1 0 " * 64 + b"\n"),
        ("pnm", "plain ppm", b"P3\n8 8\n15\n" + b" ".join(b"%d" % (n % 16) for n in range(192)) + b"\n"),
    ]
    return {f"{kind} {name}": (kind, data) for kind, name, data in kinds}


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _encoded(extension: str, image: Image.Image, *parameters: int) -> bytes:
    return bytes(cv2.imencode(extension, np.asarray(image)[:, :, ::-1], parameters)[1])
