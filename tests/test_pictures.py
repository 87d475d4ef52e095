"""Copies that are drawn together are those that are drawn alone, to the last bit, whatever stands beside them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import SourceError, load_spec
from augx.draws import draw, draw_each
from augx.pictures import Pictures
from augx.randomness import philox, uniforms, uniforms_each
from tests.conftest import PHOTOS, picture, write_picture
from tests.test_golden import EVERYTHING, typical

PRESETS = ("tutorial", "gentle", "strong", "documents")
RELABELLED = {
    "augx": 1,
    "warp": {"rotate": 40, "steps": [{"flip_h": {"p": 0.5, "relabel": {"a": "b", "b": "a"}}}]},
    "then": [{"some_of": [{"noise": 5}, {"blur": 1}, {"sharpen": 1}], "count": [0, 2]}],
    "classes": {"b": {"warp": {"rotate": 5}}, "c": {"tone": {"brightness": 0.4}}},
}
REJECTED = {"augx": 1, "warp": {"shift_x": 0.5, "rotate": 30}, "tone": {"brightness": 0.5}, "reject": {"border": 0.1, "saturated": 0.2}}
SHRUNK = {"augx": 1, "warp": {"steps": [{"zoom": {"fixed": 0.05}}] * 5}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ten pictures of many sizes: in colour, grey, see-through, of 16 bits; and two files that are broken."""
    root = tmp_path_factory.mktemp("photos")
    photo = cv2.imdecode(np.fromfile(PHOTOS / "cats" / "chelsea.png", np.uint8), cv2.IMREAD_COLOR)
    for i in range(30):
        path = root / "abc"[i % 3] / f"{i}.png"
        height, width = 20 + i % 7, 24 + i % 5
        if i % 4 == 0:
            write_picture(path, picture(height, width, channels=(1, 4)[i % 8 == 0], dtype=(np.uint8, np.uint16)[i % 3 == 0], seed=i))
        else:
            write_picture(path, np.ascontiguousarray(photo[60 : 60 + height, 3 * i : 3 * i + width]))
    for name in ("a/x.png", "c/y.png"):
        (root / name).write_bytes((root / name[0] / {"a": "3.png", "c": "5.png"}[name[0]]).read_bytes()[:90])
    return root


def outcome(made: Any) -> tuple[Any, ...]:
    return (str(made),) if isinstance(made, SourceError) else (made[0].shape, made[0].dtype, made[0].tobytes(), made[1])


def alone(pictures: Pictures, number: int, copy: int) -> Any:
    try:
        return pictures.picture(number, copy)
    except SourceError as error:
        return error


@pytest.mark.parametrize("spec", [*EVERYTHING, *PRESETS, "relabelled", "rejected", "shrunk"])
def test_copies_drawn_together_are_those_drawn_alone(folder: Path, spec: str) -> None:
    own = {"relabelled": RELABELLED, "rejected": REJECTED, "shrunk": SHRUNK}
    pictures = Pictures(folder, load_spec(own[spec]) if spec in own else load_spec(spec) if spec in PRESETS else typical(spec))
    numbers = [*range(len(pictures.sources)), *range(0, len(pictures.sources), 3)]
    copies = [(7 * i) % 5 for i in range(len(numbers))]
    together = [outcome(made) for made in pictures.each(numbers, copies)]
    assert together == [outcome(alone(pictures, *one)) for one in zip(numbers, copies, strict=True)]
    assert sum(len(one) == 1 for one in together) >= 2  # what is broken is so in both ways


def test_what_is_refused_takes_nobody_else_along(tmp_path: Path) -> None:
    """Of pictures of five channels none can be turned grey; those beside them can."""
    import tifffile

    for i in range(6):
        if i % 2:
            tifffile.imwrite(tmp_path / f"{i}.tif", np.full((8, 9, 5), 10 * i, np.uint8), photometric="minisblack", planarconfig="contig")
        else:
            write_picture(tmp_path / f"{i}.png", picture(8, 9, seed=i))
    found = list(Pictures(tmp_path, {"augx": 1, "then": [{"saturation": 0.5}]}).each(range(6), [0] * 6))
    assert [isinstance(made, SourceError) for made in found] == [False, True] * 3
    assert all(f"{i}.tif" in str(found[i]) for i in (1, 3, 5))


def peak(pictures: Pictures, numbers: range) -> int:
    """The most memory that copies take while they are made and let go, in bytes."""
    tracemalloc.start()
    try:
        for made in pictures.each(numbers, [1] * len(numbers)):
            assert not isinstance(made, SourceError)
            del made
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_of_small_pictures_only_the_pixels_are_held_together(tmp_path: Path) -> None:
    """Frames and fourth channels, which a warp adds, are several times a picture."""
    for i in range(40):
        write_picture(tmp_path / f"{i}.png", picture(200, 200, seed=i))
    pictures = Pictures(tmp_path, "tutorial", size=(40, 40), cache_bytes=0)
    one = peak(pictures, range(1))
    assert peak(pictures, range(40)) < one + 1.5 * 40 * 200 * 200 * 3


def test_of_large_pictures_one_is_held_at_a_time(tmp_path: Path) -> None:
    for i in range(4):
        write_picture(tmp_path / f"{i}.jpg", np.full((2400, 2400, 3), 40 * i, np.uint8))
    pictures = Pictures(tmp_path, "tutorial", size=(40, 40), cache_bytes=0)
    assert peak(pictures, range(4)) < 1.1 * peak(pictures, range(1))


@pytest.mark.parametrize("epoch", [2**61 - 1, 2**61, 2**62, 2**63, 2**64, 2**70])
def test_of_the_farthest_copies_too(epoch: int) -> None:
    rows = np.stack([picture(8, 8, seed=i) for i in range(30)])
    pictures = Pictures((rows, np.arange(30) % 3), "gentle")
    together = [outcome(made) for made in pictures.each(range(30), [epoch] * 30)]
    assert together == [outcome(pictures.picture(i, epoch)) for i in range(30)]


@given(st.lists(st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 9)), min_size=1, max_size=40), st.integers(1, 8))
def test_philox_is_that_of_numpy(streams: list[tuple[int, int]], blocks: int) -> None:
    expected = [np.random.Philox(key=key, counter=counter).random_raw(4 * blocks).tolist() for key, counter in streams]
    keys, counters = zip(*streams, strict=True)
    assert philox(keys, np.array(counters, np.uint64), blocks).tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 7, 8, 100])
def test_uniforms_of_many_sources_are_those_of_each(n: int) -> None:
    keys, copies = [f"cats/{i % 30}é.png" for i in range(n)], [(i * i * 10**15) % 2**61 for i in range(n)]
    places = ["warp.rotate", "tone.é", "then.0"]
    each = list(zip(keys, copies, strict=True))
    expected = [[uniforms(3, key, place, range(copy, copy + 1))[0].tolist() for key, copy in each] for place in places]
    assert uniforms_each(3, keys, places, copies).tolist() == expected


@pytest.mark.parametrize("name", EVERYTHING)
def test_draws_of_many_sources_are_those_of_each(name: str) -> None:
    spec, keys, copies = typical(name), [f"{i % 7}.png" for i in range(40)], list(range(40))
    each = [draw(spec, key, range(copy, copy + 1)).plain[0] for key, copy in zip(keys, copies, strict=True)]
    assert draw_each(spec, keys, copies).plain == each
