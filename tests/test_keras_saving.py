"""``save_to_dir``: as many files as pictures, whoever else writes there; what they show; the manifest that says what they are."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx.errors import OutputError, WriteError
from augx.keras.arrays import NumpyArrayIterator
from augx.keras.dataframe import DataFrameIterator
from augx.keras.directory import DirectoryIterator
from augx.keras.saving import Saver, append
from tests.conftest import picture, pictures, write_picture
from tests.keras_wrapped import AUGMENTED, OLD, Wrapped, reference, same

Image = pytest.importorskip("PIL.Image")
pytestmark = OLD

X = np.stack([picture(12, 16, seed=seed) for seed in range(6)]).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_one_picture_many_copies_none_lost(tmp_path: Path) -> None:
    """The tutorial's loop. Keras loses one of a hundred copies every second time, and 48 of a thousand."""
    folder = tmp_path / "new" / "copies"
    options = {"batch_size": 1, "save_to_dir": folder, "save_prefix": "aug", "save_format": "jpg"}
    for number, _ in enumerate(NumpyArrayIterator(X[:1], None, Wrapped("fixed", rotation_range=30), **options), 1):
        if number == 300:
            break
    assert set(pictures(folder)) == {f"aug_0_{number}.jpg" for number in range(300)}
    assert len(lines(folder)) == 300


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "p_0_7.png").write_bytes(b"mine")
    (tmp_path / "p_1_x.png").write_bytes(b"mine")
    (tmp_path / "pp_1_5.png").write_bytes(b"mine")
    for _ in range(2):  # a second run goes on after the first one's names
        iterator = NumpyArrayIterator(X, Y, Wrapped("fixed"), save_to_dir=str(tmp_path), save_prefix="p")
        next(iterator)
    names = {f"p_0_{n}.png" for n in (7, 8, 9)} | {f"p_{i}_{n}.png" for i in range(1, 6) for n in (0, 1)}
    assert set(pictures(tmp_path)) == names | {"p_1_x.png", "pp_1_5.png"}
    for name in ("p_0_7.png", "p_1_x.png", "pp_1_5.png"):
        assert (tmp_path / name).read_bytes() == b"mine"


def save_some(folder: str) -> None:
    saver = Saver(folder, "p", "png", "channels_last", False, False)
    data = saver.encode(X[0], (0, 255))
    for _ in range(40):
        saver.write(data, {"index": 0, "label": None})


def test_processes_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=save_some, args=(str(tmp_path),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert len(pictures(tmp_path)) == 120
    assert {line["file"] for line in lines(tmp_path)} == set(pictures(tmp_path))


@pytest.mark.parametrize("workers", [1, 3])
def test_only_batches_that_were_given_out_have_files(tmp_path: Path, workers: int) -> None:
    iterator = NumpyArrayIterator(X, Y, Wrapped(), 2, True, seed=5, save_to_dir=tmp_path, workers=workers, prefetch=4)
    for count in (2, 4):
        next(iterator)
        assert len(pictures(tmp_path)) == count == len(lines(tmp_path))
    iterator.close()


def test_the_manifest_says_how_each_file_came_about(tmp_path: Path) -> None:
    generator = Wrapped("fixed", **AUGMENTED)
    iterator = NumpyArrayIterator(X, Y, generator, 4, True, seed=5, save_to_dir=tmp_path / "a", workers=2)
    batches = [next(iterator) for _ in range(4)]
    iterator.close()
    found = lines(tmp_path / "a")
    assert [(line["epoch"], line["batch"]) for line in found] == [(e, b) for e in (0, 1) for b in (0, 0, 0, 0, 1, 1)]
    assert [line["label"] for line in found] == [int(label) for _, labels in batches for label in labels]
    made = [one for pictures_, _ in batches for one in pictures_]
    for line, one in zip(found, made, strict=True):
        data = (tmp_path / "a" / line["file"]).read_bytes()
        assert line["sha256"] == hashlib.sha256(data).hexdigest()
        assert (line["source"], line["seed"], line["levels"]) == (None, 5, [0, 255])
        again = generator.apply_transform(X[line["index"]].copy(), line["params"])  # a line alone remakes its picture
        same(generator.standardize(again.copy()), one)
        np.testing.assert_array_equal(opened(tmp_path / "a" / line["file"]), np.rint(again).astype(np.uint8))


LEVELS = [
    pytest.param(X, X, id="0 to 255"),
    pytest.param((X / 255), X, id="0 to 1"),
    pytest.param(X / 127.5 - 1, X, id="-1 to 1"),
    pytest.param(np.clip(X, 100, 110), np.clip(X, 100, 110), id="little contrast stays little"),
    pytest.param((X > 99).astype(np.uint8), X > 99, id="whole numbers 0 and 1 are dark"),
    pytest.param(X * 4 - 500, (X * 4 - 500 - (X * 4 - 500).min()) / np.ptp(X * 4) * 255, id="others from lowest to highest of all"),
    pytest.param(X[..., :1], X[..., :1], id="grey"),
    pytest.param(np.concatenate([X, X[..., :1]], 3), np.concatenate([X, X[..., :1]], 3), id="alpha"),
]


@pytest.mark.parametrize(("given", "shown"), LEVELS)
def test_what_files_show(tmp_path: Path, given: np.ndarray, shown: np.ndarray) -> None:
    generator = Wrapped("fixed", rescale=1 / 77, samplewise_center=True)  # what the model gets is not what is saved
    next(NumpyArrayIterator(given, None, generator, save_to_dir=tmp_path))
    for index in range(len(X)):
        found = opened(tmp_path / f"_{index}_0.png").astype(int)
        np.testing.assert_allclose(found.reshape(shown[index].shape), shown[index], atol=0.51)


def test_channels_first(tmp_path: Path) -> None:
    first = np.moveaxis(X, 3, 1)
    generator = Wrapped("fixed", data_format="channels_first")
    next(NumpyArrayIterator(first, None, generator, data_format="channels_first", save_to_dir=tmp_path))
    np.testing.assert_array_equal(opened(tmp_path / "_0_0.png"), X[0].astype(np.uint8))


@pytest.mark.parametrize("law", ["classic", "keras2"])
@pytest.mark.parametrize("seed", [None, 4])
def test_older_laws_stretch_as_keras(tmp_path: Path, law: str, seed: int | None) -> None:
    found = {}
    made = []
    for place, iterator in (
        ("ours", NumpyArrayIterator(X, Y, Wrapped(law, **AUGMENTED), 4, True, seed=seed, save_to_dir=tmp_path / "ours")),
        (
            "theirs",
            reference.NumpyArrayIterator(X, Y, reference.ImageDataGenerator(**AUGMENTED), 4, True, None, seed, "channels_last", None),
        ),
    ):
        np.random.seed(3)
        if place == "theirs":
            (tmp_path / place).mkdir()
            iterator.save_to_dir = str(tmp_path / place)
        made.append([next(iterator) for _ in range(2)])  # without a seed file names take numbers from the stream
        found[place] = {path.name.split("_")[1]: opened(path) for path in (tmp_path / place).glob("*.png")}
    same(made[0], made[1])
    assert found["ours"].keys() == found["theirs"].keys() == set("012345")
    for name, shown in found["theirs"].items():
        np.testing.assert_array_equal(found["ours"][name], shown)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(4):
        write_picture(tmp_path / "in" / ("cats", "dogs")[number % 2] / f"{number}.png", picture(12, 16, seed=number))
    return tmp_path / "in"


def test_class_folders_of_a_directory(root: Path, tmp_path: Path) -> None:
    options = {"batch_size": 3, "save_to_dir": tmp_path / "out", "save_in_class_folders": True, "save_prefix": "a", "seed": 1}
    iterator = DirectoryIterator(root, Wrapped("fixed"), (12, 16), class_mode=None, **options)
    next(iterator), next(iterator)
    by_index = dict(enumerate(iterator.filenames))
    assert set(pictures(tmp_path / "out")) == {f"{name.split('/')[0]}/a_{index}_0.png" for index, name in by_index.items()}
    for line in lines(tmp_path / "out"):
        assert line["source"] == by_index[line["index"]]
        assert line["file"].startswith(line["label"] + "/") and line["source"].startswith(line["label"] + "/")
        np.testing.assert_array_equal(opened(tmp_path / "out" / line["file"]), opened(root / line["source"]))
    # What was saved is a set that can be read again.
    assert DirectoryIterator(tmp_path / "out", None).class_indices == {"cats": 0, "dogs": 1}


ARRAYS = [
    pytest.param(Y, "012", id="numbers"),
    pytest.param(Y.astype(np.float32), "012", id="whole floats"),
    pytest.param(np.eye(3)[Y], "012", id="one-hot"),
    pytest.param(np.array(list("abcabc")), "abc", id="names"),
]


@pytest.mark.parametrize(("labels", "names"), ARRAYS)
def test_class_folders_of_arrays(tmp_path: Path, labels: np.ndarray, names: str) -> None:
    next(NumpyArrayIterator(X, labels, Wrapped("fixed"), save_to_dir=tmp_path, save_in_class_folders=True))
    assert set(pictures(tmp_path)) == {f"{names[index % 3]}/_{index}_0.png" for index in range(6)}


NO_FOLDERS = [
    pytest.param(None, "needs one class a picture", id="no labels"),
    pytest.param(np.ones((6, 2)), "pictures of several classes", id="several classes"),
    pytest.param(np.array(["a/b"] * 6), "'a/b' can't name a folder", id="a path"),
    pytest.param(np.array([".."] * 6), r"'\.\.' can't name a folder", id="the folder above"),
]


@pytest.mark.parametrize(("labels", "words"), NO_FOLDERS)
def test_labels_that_name_no_folder(tmp_path: Path, labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        NumpyArrayIterator(X, labels, Wrapped("fixed"), save_to_dir=tmp_path, save_in_class_folders=True)


def test_frames(root: Path, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"filename": ["cats/0.png", "dogs/1.png"], "class": ["cat", "dog"], "many": [["a", "b"], ["b"]], "x": [0.5, 1.5]})
    cases = [({}, ["cat", "dog"]), ({"y_col": "many"}, [["a", "b"], ["b"]]), ({"y_col": "x", "class_mode": "raw"}, [0.5, 1.5])]
    cases += [({"y_col": ["x", "class"], "class_mode": "multi_output"}, [[0.5, "cat"], [1.5, "dog"]]), ({"class_mode": None}, [None, None])]
    for number, (options, labels) in enumerate(cases):
        folder = tmp_path / str(number)
        next(DataFrameIterator(table, root, Wrapped("fixed"), save_to_dir=folder, shuffle=False, **options))
        assert [line["label"] for line in lines(folder)] == labels
        if number:
            with pytest.raises(ValueError, match="needs one class a picture"):
                DataFrameIterator(table, root, None, save_to_dir=folder, save_in_class_folders=True, **options)


def test_deep_greys_are_saved_by_their_own_scale(tmp_path: Path) -> None:
    deep = picture(12, 16, channels=1, dtype=np.uint16)
    write_picture(tmp_path / "in" / "one" / "deep.png", deep)
    next(DirectoryIterator(tmp_path / "in", Wrapped("fixed"), (12, 16), color_mode="grayscale", save_to_dir=tmp_path / "out"))
    np.testing.assert_allclose(opened(tmp_path / "out" / "_0_0.png"), deep / 257, atol=0.51)


FORMATS = [
    ("png", "PNG"),
    ("jpg", "JPEG"),
    ("jpeg", "JPEG"),
    ("JPG", "JPEG"),
    ("bmp", "BMP"),
    ("tif", "TIFF"),
    ("webp", "WEBP"),
    ("ppm", "PPM"),
]


@pytest.mark.parametrize("law", ["fixed", "classic"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("extension", "kind"), FORMATS)
def test_every_format_takes_every_picture(tmp_path: Path, extension: str, kind: str, channels: int, law: str) -> None:
    """A format without alpha gets the colours alone; Keras fails at the first batch."""
    x = np.concatenate([X, X[..., :1]], 3)[:1, ..., :channels]
    next(NumpyArrayIterator(x, None, Wrapped(law), save_to_dir=tmp_path, save_format=extension))
    with Image.open(tmp_path / f"_0_0.{extension}") as image:
        assert (image.format, image.size) == (kind, (16, 12))


def test_jpeg_quality(tmp_path: Path) -> None:
    next(NumpyArrayIterator(X, None, Wrapped("fixed"), save_to_dir=tmp_path, save_format="jpg"))
    buffer = io.BytesIO()
    Image.fromarray(X[0].astype(np.uint8)).save(buffer, format="JPEG", quality=95)
    assert (tmp_path / "_0_0.jpg").read_bytes() == buffer.getvalue()


def test_the_attributes_say_where_to(tmp_path: Path) -> None:
    iterator = NumpyArrayIterator(X, Y, Wrapped("fixed"), 3)
    next(iterator)
    iterator.save_to_dir, iterator.save_prefix = tmp_path, "sub/late"
    next(iterator)
    assert set(pictures(tmp_path)) == {f"sub/late_{index}_0.png" for index in (3, 4, 5)}
    assert {line["file"] for line in lines(tmp_path)} == set(pictures(tmp_path))


def test_what_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="save_format: 'jpgg' is no format that Pillow can write"):
        NumpyArrayIterator(X, Y, Wrapped("fixed"), save_to_dir=tmp_path, save_format="jpgg")
    with pytest.warns(UserWarning, match="2 channels"):
        iterator = NumpyArrayIterator(X[..., :2], Y, Wrapped("fixed"), save_to_dir=tmp_path)
    with pytest.raises(ValueError, match="pictures of 2 channels can't be saved"):
        next(iterator)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=r"/file/?: can't write: .*; put that right") as caught:
        next(NumpyArrayIterator(X[:1], None, Wrapped("fixed"), save_to_dir=tmp_path / "file"))
    assert "\n" not in str(caught.value)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="is an output of augx generate; choose another folder"):
        next(NumpyArrayIterator(X, Y, Wrapped("fixed"), save_to_dir=tmp_path))


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    append(str(path), {"a": np.float32(0.5), "b": (np.int64(1), True, None), "c": np.array([[1, 2]])})
    path.write_bytes(path.read_bytes() + b'{"half')
    append(str(path), {"d": "é", "e": {"f": np.bool_(False)}})
    first, torn, last = path.read_text().splitlines()
    assert json.loads(first) == {"a": 0.5, "b": [1, True, None], "c": [[1, 2]]}
    assert (torn, json.loads(last)) == ('{"half', {"d": "é", "e": {"f": False}})
