"""Batches in memory have the pixels that ``augx generate`` writes, each copy once, whoever makes them and however often."""

from __future__ import annotations

import gc
import itertools
import pickle
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import PlanError, SourceError, SpecError, class_tree, expand_dataset, load_spec, named_images
from augx.batches import iter_batches
from augx.epochs import Order
from augx.manifest import MANIFEST
from augx.pictures import Form, Pictures
from tests.conftest import ROOT, picture, write_picture

PLAIN = {"augx": 1, "seed": 5, "warp": {"rotate": 20, "flip_h": 0.5}, "tone": {"brightness": 0.3}, "then": [{"noise": {"sigma": 9}}]}
TURNED = {
    **PLAIN,
    "warp": {"rotate": 40, "steps": [{"flip_h": {"p": 0.5, "relabel": {"left": "right", "right": "left"}}}]},
    "classes": {"up": {"warp": {"rotate": 5}}, "left": {"tone": {"brightness": 0}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """cats: 5 pictures, dogs: 2, newts: 3; all 20x16."""
    for label, n in {"cats": 5, "dogs": 2, "newts": 3}.items():
        for i in range(n):
            write_picture(tmp_path / "photos" / label / f"{i}.png", picture(16, 20, seed=10 * n + i))
    return tmp_path / "photos"


def written(root: Path) -> dict[tuple[str, int], tuple[np.ndarray, str]]:
    """What a set of PNG files holds: (source key, copy) -> its pixels as OpenCV reads them, and its label."""
    import json

    found = {}
    for line in (root / MANIFEST).read_text().splitlines():
        fields = json.loads(line)
        if "copy" in fields:
            pixels = cv2.imdecode(np.frombuffer((root / fields["file"]).read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
            found[fields["source"], fields["copy"]] = pixels, fields["label"]
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two runs of batches are equal in every bit."""
    pairs = list(itertools.zip_longest(one, other))
    return all(a.dtype == b.dtype and np.array_equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))


# ---------------------------------------------------------------------------------------------------------------- the law


@pytest.mark.parametrize(
    "spec", ["tutorial", "gentle", "strong", "documents", PLAIN], ids=["tutorial", "gentle", "strong", "documents", "own"]
)
@pytest.mark.parametrize("size", [None, (13, 9)], ids=["own size", "13x9"])
def test_the_pixels_are_those_that_generate_writes(folder: Path, tmp_path: Path, spec: Any, size: Any) -> None:
    form = load_spec(spec).canonical()
    form["output"] = {**form.get("output", {}), "format": "png"} | ({"size": list(size)} if size else {})
    if size is None:
        form["output"].pop("size", None)
    expand_dataset(tmp_path / "out", input=folder, spec=form, copies=3)
    files, sources = written(tmp_path / "out"), class_tree(folder)
    given = {**form, "output": {k: v for k, v in form["output"].items() if k != "size"}}
    for epoch in range(3):
        batches = iter_batches(folder, given, epoch=epoch, size=size, batch_size=4, shuffle=False)
        images = np.concatenate([images for images, _ in batches])
        assert len(images) == len(sources) == 10
        for source, image in zip(sources, images, strict=True):
            assert np.array_equal(image[:, :, ::-1], files[source.key, epoch][0])


def test_labels_and_pixels_follow_what_a_spec_relabels_and_changes_for_classes(tmp_path: Path) -> None:
    for i, label in enumerate(["left", "right", "up"] * 2):
        write_picture(tmp_path / "in" / label / f"{i}.png", picture(12, 12, seed=i))
    expand_dataset(tmp_path / "out", input=tmp_path / "in", spec={**TURNED, "output": {"format": "png"}}, copies=6)
    files, sources = written(tmp_path / "out"), class_tree(tmp_path / "in")
    batches = iter_batches(tmp_path / "in", TURNED, epochs=6, shuffle=False, labels="name", batch_size=6)
    moved = 0
    for epoch, (images, labels) in enumerate(batches):
        for source, image, label in zip(sources, images, labels, strict=True):
            pixels, kept = files[source.key, epoch]
            assert np.array_equal(image[:, :, ::-1], pixels) and label == kept
            moved += label != source.label
    assert moved > 0


def test_a_class_that_only_copies_have_is_one(tmp_path: Path) -> None:
    write_picture(tmp_path / "six" / "a.png")
    batches = iter_batches(tmp_path, {"warp": {"rotate90": {"relabel": {"six": "nine"}}}}, size=(8, 8), epochs=20, labels="name")
    assert batches.classes == ["nine", "six"] and batches.class_indices == {"nine": 0, "six": 1}
    assert {str(label) for _, labels in batches for label in labels} == {"nine"}


def test_rows_of_an_array_are_pictures_of_their_number_and_class(tmp_path: Path) -> None:
    rows = np.stack([picture(10, 11, seed=i) for i in range(6)])
    numbers = np.array([2, 0, 2, 1, 0, 2])
    for i, (row, number) in enumerate(zip(rows, numbers, strict=True)):
        write_picture(tmp_path / str(number) / f"{i}.png", row[:, :, ::-1])
    from_files = iter_batches(tmp_path, "strong", seed=3, size=(7, 8), shuffle=False, batch_size=6, labels="name")
    ((images, names),) = from_files
    keys = [source.key for source in class_tree(tmp_path)]
    ((own, indices),) = iter_batches((rows, numbers), "strong", seed=3, size=(7, 8), shuffle=False, batch_size=6)
    for image, index, key in zip(own, indices, (f"{number}/{i}.png" for i, number in enumerate(numbers)), strict=True):
        assert np.array_equal(image, images[keys.index(key)]) and str(index) == names[keys.index(key)]


def test_balanced_epochs_together_are_what_generate_writes_per_class(folder: Path, tmp_path: Path) -> None:
    spec = {**PLAIN, "output": {"format": "png"}}
    expand_dataset(tmp_path / "out", input=folder, spec=spec, per_class=3 * 5)
    expected = Counter(pixels[:, :, ::-1].tobytes() for pixels, _ in written(tmp_path / "out").values())
    found: Counter[bytes] = Counter()
    for epoch in range(3):
        batches = iter_batches(folder, spec, epoch=epoch, balance=True, batch_size=4)
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        assert batches.samples == 15 and np.bincount(labels).tolist() == [5, 5, 5]
        found.update(image.tobytes() for image in images)
    assert found == expected and max(found.values()) == 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6), st.booleans(), st.booleans())
def test_no_copy_comes_twice_and_none_is_left_out(sizes: list[int], epochs: int, shuffle: bool, balance: bool) -> None:
    labels = tuple(str(i) for i, n in enumerate(sizes) for _ in range(n))
    order = Order(labels, 7, shuffle, balance)
    seen = Counter(pair for epoch in range(epochs) for pair in zip(*(part.tolist() for part in order.of(epoch)), strict=True))
    assert set(seen.values()) == {1} and seen.total() == epochs * len(order)
    copies: dict[int, list[int]] = {}
    for source, copy in seen:
        copies.setdefault(source, []).append(copy)
    assert len(copies) == len(labels)
    assert all(sorted(numbers) == list(range(len(numbers))) for numbers in copies.values())  # so generate has just the same
    for label in set(labels):
        counts = [len(copies.get(i, [])) for i, own in enumerate(labels) if own == label]
        assert max(counts) - min(counts) <= 1


# ------------------------------------------------------------------------------------------------- repeatable, in any way


@pytest.mark.parametrize("ways", [{"workers": 0}, {"workers": 1}, {"workers": 3, "prefetch": 1}, {"workers": 2, "cache_bytes": 0}], ids=str)
def test_threads_and_memory_change_nothing(folder: Path, ways: dict[str, int]) -> None:
    def run(**more: int) -> Any:
        return iter_batches(folder, "strong", seed=1, epoch=2, epochs=2, batch_size=3, balance=True, **more)  # type: ignore[arg-type]

    assert same(run(), run(**ways))


def test_any_batch_of_any_epoch_can_be_had_alone(folder: Path) -> None:
    every = list(iter_batches(folder, PLAIN, epochs=3, batch_size=4))
    batches = iter_batches(folder, PLAIN, batch_size=4)
    assert len(batches) == 3 and [len(images) for images, _ in every] == [4, 4, 2] * 3
    assert same(every, [batches.batch(epoch, number) for epoch in range(3) for number in range(3)])
    assert same(every[3:6], batches.of_epoch(1)) and same(every[3:], batches.of_epoch(1, 2)) and same(every[:3], batches)
    with pytest.raises(IndexError, match="batch 3: an epoch has the batches 0 to 2"):
        batches.batch(0, 3)


def test_epochs_are_shuffled_each_in_its_own_way_without_a_global_state(folder: Path) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sources, _ = Order(tuple("a" * 50), seed, True, False).of(epoch)
        return [int(source) for source in sources]

    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert len({tuple(found) for found in orders}) == 6 and all(sorted(found) == list(range(50)) for found in orders)
    assert orders[0] == order(0, 0)
    before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    list(iter_batches(folder, "strong", size=(8, 8)))
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr]


def test_every_epoch_has_new_pictures_and_other_seeds_too(folder: Path) -> None:
    runs = [iter_batches(folder, PLAIN, shuffle=False, batch_size=10, epoch=e, seed=s) for e, s in [(0, 1), (1, 1), (0, 2)]]
    ((a, _),), ((b, _),), ((c, _),) = runs
    assert all(not np.array_equal(x, y) for one, two in ((a, b), (a, c)) for x, y in zip(one, two, strict=True))


def test_without_end_it_goes_on(folder: Path) -> None:
    with iter_batches(folder, PLAIN, epochs=None, batch_size=5) as batches:
        many = list(itertools.islice(batches, 7))
    assert same(many, itertools.islice(iter_batches(folder, PLAIN, epochs=4, batch_size=5), 7)) and list(batches) == []


# --------------------------------------------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("channels", ["last", "first"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("planes", [1, 3])
def test_forms_of_a_picture(colour: Any, channels: Any, dtype: Any, depth: type, planes: int) -> None:
    image = picture(5, 7, planes, depth)
    found = Form(dtype, channels, colour).of(image)
    assert found.shape == ((1 if colour == "grey" else 3, 5, 7) if channels == "first" else (5, 7, 1 if colour == "grey" else 3))
    assert found.dtype == dtype and found.flags["C_CONTIGUOUS"] and found.flags["WRITEABLE"] and not np.shares_memory(found, image)
    expected = np.atleast_3d(image).astype(float)
    if colour == "grey" and planes == 3:
        expected = np.round(expected @ [[0.114], [0.587], [0.299]])
        if depth is np.uint8:
            assert np.array_equal(expected[:, :, 0], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    expected = expected[:, :, ::-1] if colour == "rgb" else expected
    expected = expected / np.iinfo(depth).max * (255 if dtype == "uint8" else 1)
    found = found.transpose(1, 2, 0) if channels == "first" else found
    assert np.abs(found - expected).max() <= (0.501 if dtype == "uint8" else 2e-5) and found.max() > (1 if dtype == "uint8" else 0.5)


def test_white_and_black_stay_what_they_are() -> None:
    for image in (np.array([[0, 255]], np.uint8), np.array([[0, 65535]], np.uint16)):
        assert Form("float32").of(image)[0, :, 0].tolist() == [0.0, 1.0] and Form().of(image)[0, :, 0].tolist() == [0, 255]


def test_deep_grey_and_see_through_pictures_are_augmented_as_they_are_then_made_alike(tmp_path: Path) -> None:
    for name, planes, depth in [("deep", 3, np.uint16), ("grey", 1, np.uint8), ("deepgrey", 1, np.uint16), ("alpha", 4, np.uint8)]:
        write_picture(tmp_path / "in" / "x" / f"{name}.png", picture(12, 14, planes, depth))
    spec = {**PLAIN, "output": {"format": "png"}}
    expand_dataset(tmp_path / "out", input=tmp_path / "in", spec=spec, copies=2)
    only = [source for source in class_tree(tmp_path / "in") if "alpha" in source.key]
    expand_dataset(tmp_path / "flat", images=[only[0].path], label="x", spec={**PLAIN, "output": {"format": "bmp"}}, copies=2)
    files = written(tmp_path / "out") | written(tmp_path / "flat")
    ((images, _),) = iter_batches(tmp_path / "in", spec, epoch=1, shuffle=False, colour="bgr", dtype="float32")
    for source, image in zip(class_tree(tmp_path / "in"), images, strict=True):
        kept = files[source.key, 1][0]
        assert np.array_equal(image, np.broadcast_to(np.atleast_3d(kept) / np.float32(np.iinfo(kept.dtype).max), image.shape))


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 1), (4, 6, 5, 3), (4, 6, 5, 4)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_of_every_kind(shape: tuple[int, ...], dtype: type) -> None:
    rows = np.stack([picture(6, 5, (*shape, 1)[3], dtype, seed=i).reshape(shape[1:]) for i in range(4)])
    ((images, labels),) = iter_batches((rows, np.array([[3], [0], [0], [1]])), {}, shuffle=False)
    assert images.shape == (4, 6, 5, 3) and labels.tolist() == [3, 0, 0, 1]
    if shape[-1] != 4 and dtype is np.uint8:
        assert np.array_equal(images, np.broadcast_to(rows.reshape(4, 6, 5, -1), images.shape))


@pytest.mark.parametrize(("labels", "dtype", "shape"), [("index", "int64", (4,)), ("name", "<U5", (4,)), ("one_hot", "float32", (4, 3))])
def test_labels_as_asked_for(folder: Path, labels: Any, dtype: str, shape: tuple[int, ...]) -> None:
    batches = iter_batches(folder, PLAIN, labels=labels, batch_size=4)
    assert batches.classes == ["cats", "dogs", "newts"]
    _, found = next(batches)
    _, indices = iter_batches(folder, PLAIN, batch_size=4).batch(0, 0)
    assert found.dtype == dtype and found.shape == shape
    back = found.argmax(1) if labels == "one_hot" else [batches.class_indices[x] for x in found] if labels == "name" else found
    assert np.array_equal(back, indices)
    batches.close()


def test_whole_batches_alone(folder: Path) -> None:
    batches = iter_batches(folder, PLAIN, batch_size=4, drop_last=True)
    assert len(batches) == 2 and [len(images) for images, _ in batches] == [4, 4]


def test_names_of_files_are_a_source_too(folder: Path) -> None:
    sources = named_images([folder / "cats" / "0.png", folder / "dogs" / "1.png"], "pets")
    ((images, labels),) = iter_batches(sources, PLAIN, labels="name")
    assert images.shape == (2, 16, 20, 3) and labels.tolist() == ["pets", "pets"]


# ----------------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("channels", ["last", "first"])
def test_sizes_that_differ_are_an_error_that_says_what_to_do(class_folders: Path, channels: Any) -> None:
    for batch_size in (1, 5):
        message = r"cats/b\.png: a copy of 34x21 pixels after one of 40x30.*give size=\(width, height\), or output\.size"
        with pytest.raises(PlanError, match=message):
            list(iter_batches(class_folders, {}, batch_size=batch_size, shuffle=False, channels=channels))
    assert len(list(iter_batches(class_folders, {}, size=(20, 10), batch_size=5))) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_file_is_named_or_left_out(folder: Path, workers: int) -> None:
    (folder / "cats" / "1.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"cats/1\.png: .*on_error='skip' leaves such pictures out"):
        list(iter_batches(folder, PLAIN, workers=workers))
    batches = iter_batches(folder, PLAIN, workers=workers, on_error="skip", batch_size=3, epochs=2, labels="name")
    with pytest.warns(UserWarning, match=r"left out .*1\.png") as warned:
        sizes = [(len(images), len(labels)) for images, labels in batches]
    assert len(warned) == 1 and sum(n for n, _ in sizes) == 18 and all(n == m for n, m in sizes)
    assert list(batches.failures) == [str(folder / "cats" / "1.png")]
    assert not [thread for thread in threading.enumerate() if "augx-batches" in thread.name]


def test_nothing_but_bad_files_ends_also_without_end(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(b"no picture")
    batches = iter_batches(tmp_path, PLAIN, epochs=None, on_error="skip", batch_size=2)
    with pytest.warns(UserWarning, match="left out"), pytest.raises(SourceError, match="none of 3 pictures could be made"):
        next(batches)


def test_larger_pictures_than_allowed_are_refused(folder: Path) -> None:
    with pytest.raises(SourceError, match="more than --max-pixels 100 allows"):
        list(iter_batches(folder, PLAIN, max_pixels=100))


ROWS = np.zeros((2, 4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ((ROWS, [0, 1]), {"batch_size": 0}, ValueError, "batch_size=0: expected a whole number, at least 1"),
        ((ROWS, [0, 1]), {"epoch": -1}, ValueError, "epoch=-1"),
        ((ROWS, [0, 1]), {"epochs": 0}, ValueError, "epochs=0"),
        ((ROWS, [0, 1]), {"workers": 1.5}, ValueError, "workers=1.5"),
        ((ROWS, [0, 1]), {"prefetch": 0}, ValueError, "prefetch=0"),
        ((ROWS, [0, 1]), {"labels": "binary"}, ValueError, "labels='binary': expected one of 'index', 'name', 'one_hot'"),
        ((ROWS, [0, 1]), {"on_error": "stop"}, ValueError, "on_error='stop': expected one of 'raise', 'skip'"),
        ((ROWS, [0, 1]), {"dtype": "float64"}, ValueError, "dtype='float64': expected one of 'uint8', 'float32'"),
        ((ROWS, [0, 1]), {"channels": 1}, ValueError, "channels=1: expected one of 'last', 'first'"),
        ((ROWS, [0, 1]), {"colour": "gray"}, ValueError, "colour='gray': expected one of 'rgb', 'bgr', 'grey'"),
        ((ROWS, [0, 1]), {"size": 150}, ValueError, r"size=150: expected \(width, height\)"),
        ((ROWS, [0, 1]), {"size": (0, 4)}, SpecError, "output.size"),
        ((ROWS, [0, 1]), {"seed": -1}, SpecError, "seed"),
        ((ROWS, [0, 1]), {"drop_last": True}, ValueError, "drop_last=True leaves nothing of 2 pictures in batches of 32"),
        ((ROWS / 255, [0, 1]), {}, ValueError, r"pictures of float64; expected uint8 \(0 to 255\)"),
        ((ROWS[..., :2], [0, 1]), {}, ValueError, r"shape \(2, 4, 4, 2\); expected"),
        ((ROWS, [0]), {}, ValueError, r"labels of shape \(1,\) for 2 pictures"),
        ((ROWS, [0, -1]), {}, ValueError, "labels from -1 to 0; expected indices"),
        ((ROWS, [0.5, 1]), {}, ValueError, "labels of float64"),
        ((ROWS[:0], []), {}, PlanError, "no pictures are given"),
        ([], {}, PlanError, "no pictures are given"),
        (["a.jpg"], {}, ValueError, "a list with str; expected Source"),
        ("/nowhere", {}, PlanError, "No such file"),
    ],
)
def test_what_can_not_work_is_said_at_once(source: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        iter_batches(source, PLAIN, **options)


# ------------------------------------------------------------------------------------------------------------------ threads


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("augx-batches")]


@pytest.mark.parametrize("how", ["all taken", "closed", "let go", "with", "failed"])
def test_no_thread_is_left_behind(folder: Path, how: str) -> None:
    batches = iter_batches(folder, PLAIN, batch_size=2, workers=2, epochs=2 if how in ("all taken", "failed") else None)
    assert not ours()  # they start with the first batch
    next(batches)
    assert ours()
    if how == "all taken":
        list(batches)
    elif how == "closed":
        batches.close()
    elif how == "with":
        with batches:
            pass
    elif how == "failed":
        batches._pictures.each = None  # type: ignore[method-assign, assignment]
        with pytest.raises(TypeError):
            list(batches)
    else:
        del batches
        gc.collect()
    assert not ours()


def test_opencv_has_its_threads_back_in_whatever_order_iterators_end(folder: Path) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        one, two = (iter_batches(folder, PLAIN, batch_size=2) for _ in range(2))
        next(one), next(two)
        assert cv2.getNumThreads() == 1
        one.close()
        assert cv2.getNumThreads() == 1
        two.close()
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_only_a_few_batches_are_made_ahead(folder: Path) -> None:
    batches = iter_batches(folder, PLAIN, batch_size=1, prefetch=2, epochs=None)
    made, each = Counter[str](), batches._pictures.each

    def counted(numbers: Any, copies: Any) -> Any:
        made["pictures"] += len(numbers)
        return each(numbers, copies)

    batches._pictures.each = counted  # type: ignore[method-assign]
    for _ in range(5):
        next(batches)
    batches.close()
    assert 5 <= made["pictures"] <= 5 + 2


# ---------------------------------------------------------------------------------------------------------------- and more


def test_pictures_can_be_sent_to_other_processes(folder: Path) -> None:
    pictures = Pictures(folder, "strong", seed=4, size=(9, 9))
    image, index = pictures.picture(3, 1)
    data = pickle.dumps(pictures)
    again = pickle.loads(data)
    assert np.array_equal(again.picture(3, 1)[0], image) and again.picture(3, 1)[1] == index and again._room == pictures._room
    assert len(data) < 20_000


@pytest.mark.parametrize("room", [0, 16 * 20 * 3 * 4, 10**9])
def test_no_more_is_kept_than_allowed(folder: Path, room: int) -> None:
    pictures = Pictures(folder, PLAIN, cache_bytes=room)
    for number in range(10):
        pictures.picture(number, 0)
    kept = sum(sample.image.image.nbytes for sample in pictures._kept.values())
    assert kept == min(room, 10 * 16 * 20 * 3) and pictures._room == room - kept


def test_what_warps_add_to_pictures_is_not_kept(tmp_path: Path) -> None:
    """Frames, reductions and fourth channels are several times a picture; of those that are kept only the pixels are."""
    for i in range(12):
        write_picture(tmp_path / "a" / f"{i}.png", picture(200, 200, seed=i))
    pictures = Pictures(tmp_path, "tutorial", size=(40, 40))
    pictures.picture(0, 0)
    tracemalloc.start()
    try:
        for copy in range(3):
            for number in range(1, 12):
                pictures.picture(number, copy)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 11 * 200 * 200 * 3 <= taken < 1.5 * 11 * 200 * 200 * 3


@pytest.mark.parametrize("room", ["torch", "tf"])
def test_without_the_library_it_says_what_to_install(room: str) -> None:
    library = {"torch": "torch", "tf": "tensorflow"}[room]
    code = f"import sys\nsys.modules[{library!r}] = None\ntry:\n    import augx.{room}\nexcept ImportError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert f"pip install 'augx-cli[{room}]'" in done.stdout and done.stdout.count("\n") == 1


README = """
from augx import expand_dataset
from augx.batches import iter_batches

expand_dataset("expanded/", input="photos/", spec="strong", per_class=1000)  # once, on disk: augx generate
for images, labels in iter_batches("expanded/", "gentle", size=(224, 224), epochs=10):  # gently anew in each epoch
    model.train_on_batch(images / 255, labels)
"""


def test_generated_sets_are_augmented_again_while_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type 3, as README.md has it."""
    monkeypatch.chdir(folder.parent)
    seen: Counter[bytes] = Counter()

    class Model:
        def train_on_batch(self, images: np.ndarray, labels: np.ndarray) -> None:
            assert images.shape[1:] == (24, 24, 3) and images.max() <= 1 and set(labels.tolist()) <= {0, 1, 2}
            seen.update(image.tobytes() for image in images)

    text = README.replace("1000", "4").replace("224, 224", "24, 24").replace("=10", "=3")
    exec(compile(text, "README.md", "exec"), {"model": Model()})
    assert seen.total() == 3 * 3 * 4 and len(seen) == 36


def test_a_class_that_is_spelled_otherwise(class_folders: Path) -> None:
    with pytest.raises(PlanError, match="did you mean cats"):
        iter_batches(class_folders, {"augx": 1, "classes": {"cat": {"warp": {"rotate": 3}}}}, size=(8, 8))
