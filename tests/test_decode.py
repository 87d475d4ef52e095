"""Bytes -> pixels: every kind of file that people have, and every way in which it can be broken."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from augx import SourceError
from augx.decode import decode
from augx.headers import read_header
from tests.conftest import PHOTOS, ROOT, Run, picture, write_picture

PHOTO = Image.fromarray(picture(40, 61)[:, :, ::-1])


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return image
    return image[:, :, [2, 1, 0, 3][: image.shape[2]]]


def with_alpha() -> Image.Image:
    image = PHOTO.copy()
    image.putalpha(PHOTO.convert("L"))
    return image


GREY16 = np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257
FRAMES = [PHOTO.rotate(90), PHOTO.rotate(180)]
LOSSLESS = {"lossless": True, "exact": True}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(saved(PHOTO.convert("L"), "PNG"), PHOTO.convert("L"), id="grey png"),
        pytest.param(saved(PHOTO.convert("1"), "PNG"), PHOTO.convert("1").convert("L"), id="bilevel png"),
        pytest.param(saved(PHOTO.convert("P"), "PNG"), PHOTO.convert("P").convert("RGB"), id="palette png"),
        pytest.param(saved(with_alpha(), "PNG"), with_alpha(), id="png with alpha"),
        pytest.param(saved(with_alpha().convert("LA"), "PNG"), with_alpha().convert("LA").convert("RGBA"), id="grey png with alpha"),
        pytest.param(saved(Image.fromarray(GREY16), "PNG"), GREY16, id="16-bit png"),
        pytest.param(saved(PHOTO, "PNG", save_all=True, append_images=FRAMES), PHOTO, id="animated png: its first frame"),
        pytest.param(saved(PHOTO, "PNG", save_all=True, append_images=FRAMES, default_image=True), PHOTO, id="hidden default image"),
        pytest.param(saved(PHOTO, "TIFF"), PHOTO, id="tiff"),
        pytest.param(saved(PHOTO, "TIFF", compression="tiff_lzw"), PHOTO, id="lzw tiff"),
        pytest.param(saved(with_alpha(), "TIFF"), with_alpha(), id="tiff with alpha, not premultiplied"),
        pytest.param(saved(Image.fromarray(GREY16), "TIFF"), GREY16, id="16-bit tiff"),
        pytest.param(saved(PHOTO, "WEBP", **LOSSLESS), PHOTO, id="webp"),
        pytest.param(saved(with_alpha(), "WEBP", **LOSSLESS), with_alpha(), id="webp with alpha"),
        pytest.param(saved(PHOTO, "WEBP", save_all=True, append_images=FRAMES, **LOSSLESS), PHOTO, id="animated webp"),
        pytest.param(saved(PHOTO, "BMP"), PHOTO, id="bmp"),
        pytest.param(saved(PHOTO.convert("L"), "BMP"), PHOTO.convert("L"), id="grey bmp"),
        pytest.param(saved(PHOTO.convert("P"), "GIF"), PHOTO.convert("P").convert("RGB"), id="gif"),
        pytest.param(saved(PHOTO, "PPM"), PHOTO, id="ppm"),
        pytest.param(saved(PHOTO.convert("L"), "PPM"), PHOTO.convert("L"), id="pgm"),
        pytest.param(saved(PHOTO.convert("1"), "PPM"), PHOTO.convert("1").convert("L"), id="pbm"),
        pytest.param(saved(PHOTO, "PPM").replace(b"P6\n", b"P6\n# a comment 12 34\n", 1), PHOTO, id="ppm with a comment"),
    ],
)
def test_lossless_kinds_are_read_exactly(data: bytes, expected: Any) -> None:
    expected = np.asarray(expected)
    found = rgb(decode(data))
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "subsampling": 2}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_as_pillow_reads_it(mode: str, options: dict[str, Any]) -> None:
    data = saved(PHOTO.convert(mode), "JPEG", **options)
    difference = rgb(decode(data)).astype(int) - np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(difference).max() <= 2


def test_cmyk_jpeg_becomes_rgb() -> None:
    found = rgb(decode(saved(PHOTO.convert("CMYK"), "JPEG", quality=95)))
    assert np.abs(found.astype(int) - np.asarray(PHOTO)).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = LOSSLESS if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    data = saved(PHOTO, kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.abs(rgb(decode(data)).astype(int) - np.asarray(upright)).max() <= 2


def test_webp_exif_with_the_jpeg_prefix() -> None:
    exif = Image.Exif()
    exif[274] = 6
    plain = saved(PHOTO, "WEBP", exif=exif.tobytes().removeprefix(b"Exif\0\0"), **LOSSLESS)
    assert decode(plain).shape == decode(saved(PHOTO, "WEBP", exif=exif.tobytes(), **LOSSLESS)).shape == (61, 40, 3)


def test_unused_fourth_byte_of_a_bitmap() -> None:
    pixels = picture(8, 9, 4)
    pixels[:, :, 3] = 0
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + pixels.size, 0, 0, 54, 40, 9, -8, 1, 32, 0, 0, 0, 0, 0, 0)
    assert np.array_equal(decode(header + pixels.tobytes()), pixels[:, :, :3])


KINDS: dict[str, bytes] = {
    "jpeg": saved(PHOTO, "JPEG"),
    "progressive jpeg": saved(PHOTO, "JPEG", progressive=True),
    "png": saved(PHOTO, "PNG"),
    "apng": saved(PHOTO, "PNG", save_all=True, append_images=FRAMES),
    "webp": saved(PHOTO, "WEBP"),
    "lossless webp": saved(PHOTO, "WEBP", lossless=True),
    "tiff": saved(PHOTO, "TIFF"),
    "lzw tiff": saved(PHOTO, "TIFF", compression="tiff_lzw"),
    "bmp": saved(PHOTO, "BMP"),
    "gif": saved(PHOTO, "GIF"),
    "ppm": saved(PHOTO, "PPM"),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@EVERY_KIND
def test_a_truncated_file_is_never_half_a_picture(kind: str) -> None:
    data = KINDS[kind]
    whole = decode(data)
    refused = 0
    for stop in sorted({*np.linspace(0, len(data) - 1, 150).astype(int).tolist(), *range(len(data) - 12, len(data))}):
        try:
            assert np.array_equal(decode(data[:stop]), whole)
        except SourceError:
            refused += 1
    assert refused > 120


@EVERY_KIND
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_end_in_pixels_or_in_words(kind: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(KINDS[kind])
    for where, change in flips:
        data[int(where**2 * len(data))] ^= change  # more often near the start, where headers lie
    try:
        image = decode(bytes(data), max_pixels=1_000_000)
    except SourceError as error:
        assert str(error)
    else:
        assert image.dtype in (np.uint8, np.uint16) and image.ndim in (2, 3) and image.size


@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP", b"II*\0", b"MM\0*", b"BM", b"GIF89a", b"P5 "]),
    st.binary(max_size=200),
)
def test_any_bytes_behind_a_magic_number(magic: bytes, rest: bytes) -> None:
    try:
        decode(magic + rest, max_pixels=1_000_000)
    except SourceError as error:
        assert "\n" not in str(error)


def png_of(width: int, height: int, *chunks: tuple[bytes, bytes], bits: int = 1) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="empty file"),
        pytest.param(b"hello", "not an image that augx reads", id="text"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "not an image that augx reads", id="JPEG 2000, whose decoder has open holes"),
        pytest.param(png_of(20_000, 20_000, (b"IDAT", zlib.compress(bytes(20_000 * 2501)))), "400,000,000 pixels", id="a bomb of pixels"),
        pytest.param(png_of(0, 5), "0x5 pixels", id="no width"),
        pytest.param(
            png_of(5, 5, (b"IDAT", b""))[:33] + struct.pack(">I", 2**31 - 9) + b"IDAT" + bytes(9), "runs past its end", id="a chunk of 2 GB"
        ),
        pytest.param(png_of(5, 5, (b"QQQQ", b"x")), "unknown critical chunk", id="a critical chunk nobody knows"),
        pytest.param(KINDS["png"][:60] + b"\0" + KINDS["png"][61:], "checksum", id="a flipped byte in a png"),
        pytest.param(saved(Image.fromarray(GREY16.astype(np.float32)), "TIFF"), "float samples", id="float tiff"),
        pytest.param(b"\xff\xd8\xff\xc0\0\x11\x0c\0\x10\0\x10\x03" + bytes(20), "12 bits", id="12-bit jpeg"),
        pytest.param(b"\xff\xd8\xff\xd9", "no frame header", id="a jpeg without a picture"),
        pytest.param(KINDS["webp"][:-9], "truncated", id="truncated webp"),
        pytest.param(KINDS["jpeg"][:-2], "truncated", id="a jpeg without its end"),
    ],
)
def test_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        decode(data)


def test_planar_16_bit_tiff_is_refused() -> None:
    """OpenCV gives other pixels each time for these: memory that nobody has written."""
    plane = GREY16[:8, :8].astype("<u2").tobytes()
    entries = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 3, 200), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 3, 210), (277, 3, 1, 3)]
    entries += [(278, 4, 1, 8), (279, 4, 3, 230), (284, 3, 1, 2)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    data = (b"II*\0" + struct.pack("<I", 8) + ifd).ljust(200, b"\0") + struct.pack("<HHH", 16, 16, 16)
    data = data.ljust(210, b"\0") + struct.pack("<III", 300, 428, 556)
    data = data.ljust(230, b"\0") + struct.pack("<III", 128, 128, 128)
    with pytest.raises(SourceError, match="planar TIFF above 8 bits"):
        decode(data.ljust(300, b"\0") + plane * 3)


@pytest.mark.parametrize("path", sorted(PHOTOS.rglob("*.[jp][pn]g")), ids=lambda path: path.name)
def test_the_shipped_photos_have_the_size_they_say(path: Any) -> None:
    data = path.read_bytes()
    header = read_header(data)
    assert decode(data).shape[:2] == (header.height, header.width)
    assert decode(data).shape[2] == (4 if path.name == "Owl.png" else 3)


def test_what_augx_writes_augx_reads() -> None:
    for extension in (".tiff", ".png", ".webp"):
        image = picture(channels=4)
        parameters = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
        found = decode(cv2.imencode(extension, image, parameters)[1].tobytes())
        assert np.array_equal(found[:, :, 3], image[:, :, 3])
        if extension != ".webp":
            assert np.array_equal(found, image)


HALF = KINDS["progressive jpeg"][:-40] + b"\xff\xd9"

LISTENING = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from augx import words
from augx.decode import decode
from augx.errors import SourceError
words.capture()
def outcome(path):
    try:
        return str(decode(Path(path).read_bytes()).shape)
    except SourceError as error:
        return str(error)
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(outcome, sys.argv[1:]))))
print("own words", file=sys.stderr)
"""


def test_the_libraries_words_become_the_reason(tmp_path: Path) -> None:
    """Each picture's own, however many threads decode at once; nothing of them is on standard error."""
    broken = png_of(5, 5, (b"IDAT", zlib.compress(b"\0\0")))
    noisy_but_whole = KINDS["jpeg"][:-2] + bytes(9) + b"\xff\xd9"
    files = {"half": HALF, "whole": KINDS["jpeg"], "broken": broken, "noisy": noisy_but_whole, "text": b"text"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", LISTENING, *(str(tmp_path / name) for name in [*files] * 40)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "own words\n"
    found = json.loads(done.stdout)
    assert found == found[:5] * 40
    assert found[0] == "the jpg is truncated or damaged: Corrupt JPEG data: premature end of data segment"
    assert found[1] == found[3] == "(40, 61, 3)"
    assert "libpng error" in found[2] and "not an image" in found[4]


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_nothing_of_the_libraries_on_standard_error(engine: str, tmp_path: Path, augx: Run) -> None:
    for number in range(3):
        write_picture(tmp_path / "in" / "x" / f"good{number}.png")
        (tmp_path / "in" / "x" / f"half{number}.jpg").write_bytes(HALF)
        (tmp_path / "in" / "x" / f"short{number}.png").write_bytes(png_of(5, 5, (b"IDAT", zlib.compress(b"\0\0"))))
    words = ["--input", "in", "--output", "out", "--copies", "2", "--quiet", "--engine", engine, "--jobs", "2"]
    done = augx("generate", *words)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1 and len(lines) == 7
    assert all(line.startswith(f"augx: in/x/{name}") for line, name in zip(lines, ["half"] * 3 + ["short"] * 3, strict=False))
    assert all("premature end of data segment; 2 files missing" in line for line in lines[:3])
