"""Masks from and to files: every label, whatever picture holds it, and its palette."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from augx.errors import SourceError
from augx.masks import encode_mask, read_mask
from tests.conftest import write_picture

PALETTE = bytes(range(0, 252, 4)) * 2


def labels(height: int = 13, width: int = 21, top: int = 5, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, top + 1, (height, width)).astype(dtype)


def indexed(path: Path, image: np.ndarray, colours: int, bits: int = 8, transparency: bytes | None = None) -> Path:
    picture = Image.fromarray(image, mode="P")
    picture.putpalette(PALETTE[: 3 * colours])
    options: dict[str, bytes] = {} if transparency is None else {"transparency": transparency}
    picture.save(path, bits=bits, **options)
    return path


@pytest.mark.parametrize(("bits", "colours"), [(8, 40), (4, 16), (2, 4), (1, 2)], ids=lambda value: str(value))
def test_a_palette_and_its_indices_are_kept(tmp_path: Path, bits: int, colours: int) -> None:
    image = labels(top=colours - 1)
    path = indexed(tmp_path / "a.png", image, colours, bits)
    assert path.read_bytes()[24:26] == bytes([bits, 3])
    mask = read_mask("masks", str(path))
    assert mask.name == "masks" and np.array_equal(mask.levels.image, image)
    assert mask.palette == (PALETTE[: 3 * colours], b"")
    (tmp_path / "b.png").write_bytes(encode_mask(mask.levels.image, mask.palette))
    with Image.open(path) as before, Image.open(tmp_path / "b.png") as after:
        assert after.mode == before.mode == "P"
        assert after.getpalette() == before.getpalette()
        assert np.array_equal(np.asarray(after), image)


def test_a_palette_s_transparency_is_kept(tmp_path: Path) -> None:
    path = indexed(tmp_path / "a.png", labels(), 6, transparency=b"\x00\x80\xff")
    mask = read_mask("masks", str(path))
    assert mask.palette[1][:3] == b"\x00\x80\xff"
    (tmp_path / "b.png").write_bytes(encode_mask(mask.levels.image, mask.palette))
    with Image.open(path) as before, Image.open(tmp_path / "b.png") as after:
        assert before.info["transparency"] == after.info["transparency"]


def test_an_interlaced_palette_s_indices_are_kept(tmp_path: Path) -> None:
    image = labels(8, 8, top=1)
    # Adam7 by hand: Pillow writes none.
    passes = [
        image[y::v, x::h]
        for x, y, h, v in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    ]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 3, 0, 0, 1))
    body = header + chunk(b"PLTE", PALETTE[:6]) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert np.array_equal(read_mask("m", str(tmp_path / "a.png")).levels.image, image)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(labels(top=255), id="8 bits"),
        pytest.param(labels(top=65535, dtype=np.uint16), id="16 bits"),
        pytest.param(np.dstack([labels(top=255)] * 3), id="colours"),
        pytest.param(np.dstack([labels(top=255)] * 4), id="colours and alpha"),
        pytest.param(np.dstack([labels(top=65535, dtype=np.uint16)] * 3), id="colours of 16 bits"),
        pytest.param(labels(1, 1), id="one pixel"),
    ],
)
def test_what_is_written_is_read(tmp_path: Path, image: np.ndarray) -> None:
    (tmp_path / "a.png").write_bytes(encode_mask(image, (b"", b"")))
    mask = read_mask("m", str(tmp_path / "a.png"))
    assert np.array_equal(mask.levels.image, image) and mask.levels.image.dtype == image.dtype
    assert mask.palette == (b"", b"")


@pytest.mark.parametrize("extension", [".png", ".tiff", ".bmp", ".webp", ".jpg"])
def test_other_formats_are_taken_as_they_are(tmp_path: Path, extension: str) -> None:
    path = write_picture(tmp_path / f"a{extension}", np.full((9, 8, 3), 77, np.uint8))
    assert (read_mask("m", str(path)).levels.image == 77).all()


def test_a_palette_with_too_few_colours_is_filled_up(tmp_path: Path) -> None:
    image = labels(top=255)
    (tmp_path / "a.png").write_bytes(encode_mask(image, (PALETTE[:6], b"")))
    with Image.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(picture), image)
        assert bytes(picture.getpalette() or ())[:6] == PALETTE[:6]
    mask = read_mask("m", str(tmp_path / "a.png"))
    assert mask.palette[0] == PALETTE[:6].ljust(3 * (int(image.max()) + 1), b"\0")


@pytest.mark.parametrize("image", [labels(dtype=np.uint16), np.dstack([labels()] * 3)], ids=["16 bits", "colours"])
def test_what_no_palette_can_hold_is_written_without(image: np.ndarray) -> None:
    assert encode_mask(image, (PALETTE, b"")) == encode_mask(image, (b"", b""))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(None, "can't read it: No such file", id="no file"),
        pytest.param(b"", "the file is empty", id="an empty file"),
        pytest.param(b"hello", "not an image that augx reads", id="no picture"),
        pytest.param("cut", "the PNG is truncated", id="a PNG that is cut"),
        pytest.param("flipped", "a chunk's checksum is wrong", id="a PNG with a flipped byte"),
        pytest.param("large", "more than --max-pixels 100 allows", id="a PNG that is too large"),
        pytest.param("headless", "", id="a PNG whose first chunk is another"),
    ],
)
def test_errors_begin_with_the_mask_s_path(tmp_path: Path, data: bytes | str | None, reason: str) -> None:
    path = tmp_path / "a\n.png"
    whole = indexed(tmp_path / "whole.png", labels(), 6).read_bytes()
    flipped = bytearray(whole)
    flipped[20] ^= 1
    made = {"cut": whole[:-20], "flipped": bytes(flipped), "large": whole, "headless": whole[:8] + whole[33:]}
    if data is not None:
        path.write_bytes(made[data] if isinstance(data, str) else data)
    with pytest.raises(SourceError) as error:
        read_mask("m", str(path), max_pixels=100)
    assert str(error.value).startswith(f"its mask {tmp_path}/a\\n.png: ") and reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_of_runs_is_small() -> None:
    image = np.zeros((480, 640), np.uint8)
    cv2.circle(image, (320, 240), 150, 7, -1)
    assert len(encode_mask(image, (b"", b""))) < 5000
