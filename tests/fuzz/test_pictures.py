"""20,000 broken pictures: no signal, no hang, no half picture taken for a whole one, and nothing but ``SourceError``."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from augx import SourceError
from augx.decode import decode
from tests.conftest import ROOT
from tests.fuzz.mutations import closed, mutation
from tests.fuzz.seeds import seeds

COUNT = 20_000
EVERY_SEED = pytest.mark.parametrize("name", seeds())


def fuzzed(count: int, **environment: str) -> dict[str, Any]:
    """What ``tests.fuzz.run`` prints: a process of its own, that can fork and owns its descriptor 2."""
    command = [sys.executable, "-m", "tests.fuzz.run", str(count)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert environment or done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@EVERY_SEED
def test_every_seed_is_a_picture(name: str) -> None:
    assert decode(seeds()[name][1]).size


def test_mutations_in_a_worker_process(record_property: Callable[[str, object], None]) -> None:
    found = fuzzed(COUNT)
    passed_on = not cv2.__version__.startswith("4.")  # libtiff's words, by OpenCV
    halves = [half for half in found["halves"] if passed_on or " tiff " not in half or " closed " not in half]
    assert (found["lost"], found["errors"], halves) == ([], [], [])
    assert found["decoded"] + found["refused"] == COUNT
    assert found["decoded"] > COUNT / 10 and found["peak_mb"] < 300
    record_property("measure", "mutations of pictures, in processes")
    lost, kinds = len(found["lost"]), len(seeds())
    record_property(
        "figure",
        f"{COUNT:,} of {kinds} kinds of file: signals and hangs {lost}, half pictures taken for whole {len(halves)}, other errors "
        f"{len(found['errors'])}; {found['decoded']:,} decoded, {found['refused']:,} refused; the slowest {found['slowest']:.2f} s, "
        f"a worker's memory at most {found['peak_mb']} MB",
    )


def test_mutations_where_nobody_listens_to_the_libraries(record_property: Callable[[str, object], None]) -> None:
    """As in threads of somebody else's process. Cuts are refused there too; some that were made to look whole are not."""
    found = fuzzed(COUNT // 4, AUGX_DEBUG="1")
    assert (found["lost"], found["errors"]) == ([], [])
    beyond = ("jpg progressive", "jpg grey progressive", "jpg", "tiff")
    assert all(half.split(" ", 1)[1].startswith(beyond) and " closed " in half for half in found["halves"])
    assert not any(half.split(" ", 1)[1].startswith(("tiff raw", "tiff 16")) for half in found["halves"])
    record_property("measure", "mutations of pictures, in another program's threads, where the libraries' words are not heard")
    record_property(
        "figure",
        f"{COUNT // 4:,}: signals and hangs {len(found['lost'])}, other errors {len(found['errors'])}, half pictures taken for whole "
        f"{len(found['halves'])} (JPEG and TIFF whose ends were forged)",
    )


@EVERY_SEED
def test_a_cut_file_is_refused_wherever_it_is_cut(name: str) -> None:
    data = seeds()[name][1]
    whole = decode(data)
    chance = random.Random(name)
    for stop in sorted({*(chance.randrange(len(data)) for _ in range(100)), *range(max(0, len(data) - 20), len(data))}):
        try:
            found = decode(data[:stop])
        except SourceError:
            continue
        assert np.array_equal(found, whole), stop  # it lost nothing that its picture needs


JPEGS = [name for name, (kind, _) in seeds().items() if kind == "jpg" and "progressive" not in name]


@pytest.mark.parametrize("name", JPEGS)
def test_half_a_jpeg_with_an_end_mark_is_refused_without_a_word_of_libjpeg_s(name: str) -> None:
    """In this process nobody listens: where it has one scan, all but the last blocks must be there."""
    data = seeds()[name][1]
    start = data.rindex(b"\xff\xda") + 14
    for stop in range(start, len(data) - 40):
        with pytest.raises(SourceError, match="truncated"):
            decode(data[:stop] + b"\xff\xd9")


def test_half_a_jpeg_with_another_one_behind_it() -> None:
    """As where two files run into each other; libjpeg takes the second's first marker for the end of the data."""
    data = seeds()["jpg 420"][1]
    half = data[: (data.rindex(b"\xff\xda") + len(data)) // 2]
    assert np.array_equal(decode(data + data), decode(data))
    with pytest.raises(SourceError, match="truncated"):
        decode(half + data)


def test_half_a_webp_with_more_behind_it() -> None:
    """Libwebp reads on in the next chunk, as if that were the rest of the picture."""
    kind, data = seeds()["webp alpha with exif"]
    for number in range(100):
        with pytest.raises(SourceError):
            decode(closed(kind, data, random.Random(number)))


def test_a_progressive_jpeg_without_its_last_scans() -> None:
    data = seeds()["jpg progressive"][1]
    last = data.rindex(b"\xff\xda")
    for stop in range(data.index(b"\xff\xda") + 14, last, 7):
        with pytest.raises(SourceError, match="truncated"):
            decode(data[:stop] + b"\xff\xd9")


def test_a_mutation_is_its_number() -> None:
    assert [mutation("augx", number) for number in range(50)] == [mutation("augx", number) for number in range(50)]


@pytest.mark.parametrize("name", [name for name, (kind, _) in seeds().items() if kind not in ("jpg", "tiff")])
def test_what_is_cut_and_made_to_look_whole_is_refused_by_its_header(name: str) -> None:
    kind, data = seeds()[name]
    whole = decode(data)
    for number in range(30):
        try:
            found = decode(closed(kind, data, random.Random(number)))
        except SourceError:
            continue
        assert np.array_equal(found, whole)


def bmp(width: int, height: int, bits: int, compression: int = 0, colours: int = 0) -> bytes:
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 200, 0, 0, 54, 40, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
    return header + bytes(150)


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + ifd + bytes(100)


FRAME = b"\xff\xd8\xff\xc0\0\x0b\x08\x27\x0f\x27\x0f\x01\x01\x11\0"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bmp(9999, 9999, 24), id="a bitmap of 100 MP in 200 bytes"),
        pytest.param(bmp(9, -(2**31), 24), id="a bitmap with the height of no positive number"),
        pytest.param(bmp(100, 100, 8, 1, 2**31), id="a bitmap with 2 G colours"),
        pytest.param(b"P6 9999 9999 255\n", id="a pixmap of 100 MP in 17 bytes"),
        pytest.param(b"P2 1 1 65535\n" + b"9" * 5000, id="a number of 5000 digits"),
        pytest.param(b"P5 " + b"9" * 4000 + b" 1 255\n", id="a width of 4000 digits"),
        pytest.param(
            tiff((256, 4, 1, 9999), (257, 4, 1, 9999), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 50)),
            id="a TIFF of 100 MP in 200 bytes",
        ),
        pytest.param(
            tiff((256, 4, 1, 16), (257, 4, 1, 16), (322, 4, 1, 2**31 - 16), (323, 4, 1, 2**31 - 16), (258, 3, 1, 8), (262, 3, 1, 1)),
            id="a TIFF with a tile of 2 G pixels a side",
        ),
        pytest.param(tiff((256, 4, 2**30, 8), (257, 4, 1, 16)), id="a TIFF with a billion widths"),
        pytest.param(b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(40), id="a TIFF directory that runs past the end"),
        pytest.param(b"GIF89a\x0f\x27\x0f\x27\xf7\0\0" + bytes(768) + b";", id="a GIF of 100 MP without a frame"),
        pytest.param(b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\x0f\x27\x0f\x27\0\x08" + bytes(50) + b";", id="a GIF whose frame is larger"),
        pytest.param(b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + b"\xff" * 13, id="a lossless WebP of ones"),
        pytest.param(b"\xff\xd8\xff\xe0\0\0" + b"\xff\xd8" * 50, id="a JPEG segment of no length"),
        pytest.param(FRAME + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9", id="a JPEG of 100 MP without data"),
        pytest.param(FRAME.replace(b"\xc0", b"\xc2") + b"\xff\xda\0\x08\x01\x01\0\0\0\0" * 9999 + b"\xff\xd9", id="9999 scans of 100 MP"),
        pytest.param(b"\xff\xd8" + b"\xff" * 100_000, id="a JPEG of fill bytes"),
        pytest.param(b"\xff\xd8\xff\xc0\0\x02\xff\xd9", id="a JPEG frame header without a body"),
        pytest.param(b"\xff\xd8\xff\xc2\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\x03\x04\xff\xd9", id="a JPEG scan header cut short"),
    ],
)
def test_files_made_to_cost_much_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(SourceError) as found:
        decode(data)
    assert str(found.value) and "\n" not in str(found.value)
