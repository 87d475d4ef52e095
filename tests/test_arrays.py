"""Arrays as sources: a row is the picture that NumPy has, whatever its layout on disk, and a header that lies is found out."""

from __future__ import annotations

import io
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.errors import PlanError
from augx.inputs import arrays, spool
from augx.inputs.arrays import read_arrays
from augx.sources import load
from tests.conftest import tree


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Spools of a test go to a folder of its own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def rows(*shape: int, dtype: str = "u1") -> np.ndarray[Any, Any]:
    values = np.random.default_rng(0).random(shape)
    return (values if np.dtype(dtype).kind == "f" else values * 255).astype(dtype)


def saved(path: Path, array: Any) -> str:
    np.save(path, array, allow_pickle=True)
    return str(path)


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def raw(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def shown(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A row as a sample has it: blue first, native bytes, without an axis of one channel."""
    array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 3 and array.shape[2] == 1:
        return array[:, :, 0]
    return array[:, :, [2, 1, 0, 3][: array.shape[2]]] if array.ndim == 3 and array.shape[2] in (3, 4) else array


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["npy", "npz", "npz compressed"])
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<f4", ">f4"])
@pytest.mark.parametrize("shape", [(5, 7, 9), (5, 7, 9, 1), (5, 7, 9, 3), (5, 7, 9, 4), (5, 7, 9, 6)], ids=str)
def test_a_row_is_the_picture_that_numpy_has(tmp_path: Path, shape: tuple[int, ...], dtype: str, kind: str, order: Any) -> None:
    pictures = np.asarray(rows(*shape, dtype=dtype), order=order)
    path = tmp_path / f"a.{kind[:3]}"
    if kind == "npy":
        np.save(path, pictures)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, x=pictures, y=np.arange(5))
    found = read_arrays(str(path))
    assert len(found.sources) == 5
    assert found.found_in == (str(path),)
    for i, source in enumerate(found.sources):
        np.testing.assert_array_equal(load(source).image.image, shown(pictures[i]))
        assert f"row {i}" in source.where
        assert path.name in source.where


@pytest.mark.parametrize("order", ["C", "F"])
def test_channels_may_come_first(tmp_path: Path, order: Any) -> None:
    pictures = np.asarray(rows(4, 3, 8, 9), order=order)
    found = read_arrays(saved(tmp_path / "a.npy", pictures), channels_first=True)
    for i, source in enumerate(found.sources):
        np.testing.assert_array_equal(load(source).image.image, shown(pictures[i].transpose(1, 2, 0)))


@given(shape=st.tuples(*[st.integers(5, 9)] * 3), window=st.integers(1, 2000))
def test_columns_are_turned_to_rows_in_any_number_of_blocks(tmp_path: Path, shape: tuple[int, ...], window: int) -> None:
    pictures = np.asfortranarray(rows(*shape))
    before, arrays.WINDOW = arrays.WINDOW, window
    try:
        found = read_arrays(saved(tmp_path / "a.npy", pictures))
    finally:
        arrays.WINDOW = before
    for i, source in enumerate(found.sources):
        np.testing.assert_array_equal(load(source).image.image, pictures[i])


ONE_HOT = np.eye(3, dtype="f4")[[2, 0, 1]]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(np.array([7, 0, 7]), ["7", "0", "7"], id="whole numbers"),
        pytest.param(np.array([[7], [0], [1]], "u1"), ["7", "0", "1"], id="a column"),
        pytest.param(np.array(["cats", "dogs", "é"]), ["cats", "dogs", "é"], id="text"),
        pytest.param(np.array([b"cats", b"dogs", b"x"]), ["cats", "dogs", "x"], id="bytes"),
        pytest.param(ONE_HOT, ["2", "0", "1"], id="one-hot"),
        pytest.param(np.asfortranarray(ONE_HOT.astype(bool)), ["2", "0", "1"], id="one-hot, by columns"),
    ],
)
def test_labels(tmp_path: Path, labels: Any, expected: list[str]) -> None:
    path, beside = saved(tmp_path / "a.npy", rows(3, 8, 8)), saved(tmp_path / "l.npy", labels)
    np.savez(tmp_path / "a.npz", x=rows(3, 8, 8), y=labels)
    for found in (read_arrays(path, labels=beside), read_arrays(str(tmp_path / "a.npz"))):
        assert [s.label for s in found.sources] == expected
        assert [s.folder for s in found.sources] == expected
        assert [s.key for s in found.sources] == [f"{label}/{i}.png" for i, label in enumerate(expected)]


def test_labels_as_text_one_a_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", rows(3, 8, 8))
    (tmp_path / "l.txt").write_bytes(b"\xef\xbb\xbfcats\r\ndogs\r\ncats")
    assert [s.label for s in read_arrays(path, labels=str(tmp_path / "l.txt")).sources] == ["cats", "dogs", "cats"]


def test_without_labels_and_with_one_for_all(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", rows(2, 8, 8))
    assert [(s.key, s.label, s.folder) for s in read_arrays(path).sources] == [("0.png", "", ""), ("1.png", "", "")]
    assert [(s.key, s.label) for s in read_arrays(path, label="all").sources] == [("all/0.png", "all"), ("all/1.png", "all")]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        pytest.param(np.array([1, 2]), "2 labels for 3 pictures", id="one too few"),
        pytest.param(np.array([1.0, 2.0, 3.0]), r"labels\.astype", id="floats"),
        pytest.param(np.array([True, False, True]), r"labels\.astype", id="truth values"),
        pytest.param(np.array(["a", "b/c", ".."]), r"row 1: 'b/c' .* \(and 1 more\)", id="no name of a folder"),
        pytest.param(np.array(["a", "", "c"]), "row 1", id="an empty one"),
        pytest.param(np.array(["a", "b\n", "c"]), "row 1", id="a line break"),
        pytest.param(np.array([1, None, "x"], object), "pickle", id="objects"),
        pytest.param(np.array([[0, 1], [1, 1], [0, 1]]), "row 1 is not one-hot", id="two ones"),
        pytest.param(np.array([[0, 1], [0, 0], [0, 1]]), "row 1 is not one-hot", id="no one"),
        pytest.param(np.array([[0, 1], [0, np.nan], [0, 1]]), "row 1 is not one-hot", id="NaN"),
        pytest.param(np.zeros((3, 2, 2)), "found float64 of shape 3 x 2 x 2", id="pictures"),
        pytest.param(np.zeros((3, 0), int), "shape 3 x 0", id="no column"),
        pytest.param(np.int64(3), "shape", id="one number"),
        pytest.param(np.array(["2020-01-01"] * 3, "M8[D]"), "datetime64", id="days"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, labels: Any, words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        read_arrays(saved(tmp_path / "a.npy", rows(3, 8, 8)), labels=saved(tmp_path / "l.npy", labels))
    assert "l.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [(b"a\n\nb\n", "line 2"), (b"a\nb\n", "2 labels"), (b"a\n\xff\nb", "UTF-8"), (b"", "labels")])
def test_a_text_of_labels_that_is_none(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "l.txt").write_bytes(text)
    with pytest.raises(PlanError, match=words):
        read_arrays(saved(tmp_path / "a.npy", rows(3, 8, 8)), labels=str(tmp_path / "l.txt"))


SHAPE = "{'descr': '|u1', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(npy(rows(9, 9)), "unfolded", id="rows of pixels"),
        pytest.param(npy(rows(5, 5, 5, 5, 5)), "5 x 5 x 5 x 5 x 5", id="five axes"),
        pytest.param(npy(np.uint8(1)), "shape", id="one number"),
        pytest.param(npy(rows(90, 80, 3)), "single picture", id="a single picture"),
        pytest.param(npy(rows(0, 8, 8)), "no pixel", id="no row"),
        pytest.param(npy(rows(2, 0, 8)), "no pixel", id="no height"),
        pytest.param(npy(rows(2, 3, 80, 80)), "--layout channels_first", id="channels first, large"),
        pytest.param(npy(rows(2, 3, 32, 32)), "--layout channels_first", id="channels first, small"),
        pytest.param(npy(rows(2, 80, 80, 80)), "1 to 64", id="80 channels"),
        pytest.param(npy(rows(2, 8, 8).astype("f8")), r"float64.*astype\(np\.float32\)", id="float64"),
        pytest.param(npy(rows(2, 8, 8).astype(bool)), r"bool.*\* 255", id="truth values"),
        pytest.param(npy(rows(2, 8, 8).astype("i8")), "int64", id="int64"),
        pytest.param(npy(rows(2, 8, 8).astype("c8")), "complex64", id="complex"),
        pytest.param(npy(np.zeros((2, 8, 8), "u1,u1")), "f0", id="fields"),
        pytest.param(npy(np.array([{}, []], object)), "pickle", id="objects"),
        pytest.param(pickle.dumps([1]), "no .npy", id="a pickle"),
        pytest.param(npy(rows(2, 8, 8))[:-1], "cut short: 127 of 128 bytes", id="a byte is missing"),
        pytest.param(npy(rows(2, 8, 8))[:20], "no array", id="half a header"),
        pytest.param(b"", "no .npy", id="nothing"),
        pytest.param(raw(SHAPE % "(1000000, 100000, 1000, 3)"), "cut short: 0 of 300,000,000,000,000", id="300 TB"),
        pytest.param(raw(SHAPE % "(-1, -8, 8)", bytes(64)), "shape", id="negative sides"),
        pytest.param(raw(SHAPE % ("(" * 1500 + ")" * 1500)), "no array", id="brackets"),
        pytest.param(raw(SHAPE % ("-" * 3000 + "1")), "no array", id="signs"),
        pytest.param(raw("__import__('os').abort()"), "no array", id="code"),
        pytest.param(raw(" " * 50_000), "no array", id="a long header"),
        pytest.param(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "no array", id="a header of 4 GB"),
        pytest.param(raw(SHAPE % "(2, 8, 8)", bytes(128), version=3), "no array", id="another version"),
    ],
)
def test_pictures_that_are_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(PlanError, match=words) as caught:
        read_arrays(str(tmp_path / "a.npy"))
    assert "a.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_channels_first_of_what_has_them_last_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="leave out --layout"):
        read_arrays(saved(tmp_path / "a.npy", rows(2, 32, 32, 3)), channels_first=True)


def floats(low: float, top: float, count: int = 3) -> Any:
    return np.linspace(low, top, count * 8 * 8, dtype="f4").reshape(count, 8, 8)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(
            floats(0, 255), r"float32 from 0 to 255, where black is 0 and white is 1; divide by 255, .*astype\(np\.uint8\)", id="to 255"
        ),
        pytest.param(floats(0, 1, 100) * ([[[1]]] * 50 + [[[200]]] * 50), "divide by 255", id="dark ones first"),
        pytest.param(floats(0, 65535), "to 65535, .*; scale them to 0 to 1", id="to 65535"),
        pytest.param(floats(-120, 135), "from -120 to 135, .*; scale them to 0 to 1", id="to 255, less their mean"),
    ],
)
def test_floats_far_beyond_white_are_refused(tmp_path: Path, values: Any, words: str) -> None:
    with pytest.raises(PlanError, match=rf"a\.npy: .*{words}"):
        read_arrays(saved(tmp_path / "a.npy", values.astype("f4")))


@pytest.mark.parametrize(
    ("values", "noted"),
    [
        pytest.param(floats(0, 1), False, id="0 to 1"),
        pytest.param(floats(-0.1, 1.2), False, id="an overshoot of resampling"),
        pytest.param(floats(-1, 1), True, id="-1 to 1"),
        pytest.param(floats(-3, 3), True, id="standardised"),
        pytest.param(floats(0, 1) * np.float32(np.nan), False, id="NaN, which costs its picture later"),
    ],
)
def test_floats_beyond_black_and_white_are_remarked(tmp_path: Path, values: Any, noted: bool) -> None:
    notes = read_arrays(saved(tmp_path / "a.npy", values)).notes
    assert [note for note in notes if "before they are standardised" in note] == list(notes)
    assert bool(notes) == noted


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_spool_is_never_named(tmp_path: Path, temporary: Path, order: Any) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.array(rows(3, 9, 8), order=order))
    source = read_arrays(str(tmp_path / "a.npz")).sources[1]
    assert source.path.startswith(str(temporary))
    assert source.where == f"{tmp_path / 'a.npz'}: row 1"


def test_test_data_is_left_alone_with_a_note(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=rows(2, 8, 8), y_train=[3, 4], x_test=rows(1, 8, 8), y_test=[5])
    found = read_arrays(str(tmp_path / "mnist.npz"))
    assert [s.label for s in found.sources] == ["3", "4"]
    assert "left alone: x_test, y_test, since" in found.notes[0]


@pytest.mark.parametrize("names", [["a", "b"], ["x", "images"], ["y"] * 0], ids=str)
def test_an_npz_whose_pictures_are_not_known_is_refused(tmp_path: Path, names: list[str]) -> None:
    np.savez(tmp_path / "a.npz", **{name: rows(2, 8, 8) for name in names})
    with pytest.raises(PlanError, match=r"augx looks for one of: .*x_train and y_train"):
        read_arrays(str(tmp_path / "a.npz"))


def stored(path: Path, compression: int = zipfile.ZIP_STORED) -> bytearray:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", npy(rows(4, 50, 50)))
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_damaged_npz_is_refused_in_words(tmp_path: Path, temporary: Path, compression: int) -> None:
    whole = bytes(stored(tmp_path / "a.npz", compression))
    flipped, encrypted = bytearray(whole), bytearray(whole)
    flipped[3000] ^= 1
    encrypted[whole.rindex(b"PK\x01\x02") + 8] |= 1
    for data in (bytes(flipped), bytes(encrypted), whole[:3000], whole[3000:], b"PK\x05\x06" + bytes(18)):
        (tmp_path / "b.npz").write_bytes(data)
        with pytest.raises(PlanError, match=r"b\.npz"):
            read_arrays(str(tmp_path / "b.npz"))
    assert not tree(temporary)


@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3))
def test_no_damage_to_headers_gives_another_picture(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    data = stored(tmp_path / "a.npz")
    edges = [*range(200), *range(len(data) - 80, len(data))]
    for place, value in flips:
        data[edges[place % len(edges)]] = value
    (tmp_path / "b.npz").write_bytes(data)
    try:
        found = read_arrays(str(tmp_path / "b.npz"))
    except PlanError as error:
        assert "\n" not in str(error)
        return
    np.testing.assert_array_equal(load(found.sources[3]).image.image, rows(4, 50, 50)[3])


def test_a_bomb_is_refused(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "HEADROOM", 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((20, 1000, 1000), "u1"))
    with pytest.raises(PlanError, match="over 100 times"):
        read_arrays(str(tmp_path / "a.npz"))
    assert not tree(temporary)


def test_all_labels_of_a_class_are_one_string_and_all_rows_one_form(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", rows(1000, 8, 8))
    found = read_arrays(path, labels=saved(tmp_path / "l.npy", np.arange(1000) % 10 + 1000))
    assert len({id(s.label) for s in found.sources}) == 10
    assert len({id(s.pixels) for s in found.sources}) == 1
