"""YOLO sets: what is read of data.yaml and of label files, what is refused in words, and what is written is read again."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.annotations.base import Category, Picture
from augx.annotations.outlines import area
from augx.annotations.yolo import YoloLayout, read_yolo, renumbered
from augx.annotations.yolo_labels import LabelForm, YoloLabels, line_of
from augx.errors import PlanError, SourceError
from augx.sample import Instance
from augx.sources import SourceSet
from tests.conftest import write_picture

SIZE = (200, 100)
NAMES = ("cat", "dog")
PLAIN = LabelForm(NAMES)


def yolo_set(root: Path, index: str | None = "train: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n", **labels: str) -> Path:
    """images/train/{a,b}.png and images/val/c.png, with the labels that are given for them."""
    for place in ("train/a", "train/b", "val/c"):
        write_picture(root / "images" / f"{place}.png")
    for name, text in {"a": "0 0.5 0.5 0.2 0.4\n", **labels}.items():
        path = root / "labels" / ("val" if name == "c" else "train") / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if index is not None:
        (root / "data.yaml").write_text(index)
    return root


def instances(text: str | bytes, folder: Path, form: LabelForm = PLAIN) -> tuple[Instance, ...]:
    path = folder / "x.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return YoloLabels(str(path), form).read(SIZE)


def keys(found: SourceSet) -> list[str]:
    return [source.key for source in found.sources]


def test_a_box_is_its_middle_and_its_sides_as_fractions(tmp_path: Path) -> None:
    (found,) = instances("1 0.5 0.25 0.1 0.2", tmp_path)
    assert (found.category, found.box) == ("dog", pytest.approx((90, 15, 110, 35)))


def test_an_outline_an_oriented_box_and_a_pose(tmp_path: Path) -> None:
    corners = "0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6"
    (outline,) = instances(corners, tmp_path)
    (turned,) = instances(corners, tmp_path, LabelForm(NAMES, oriented=True))
    assert not outline.oriented
    assert turned.oriented
    np.testing.assert_allclose(outline.polygons[0], [[20, 10], [100, 10], [100, 60], [20, 60]])
    assert outline.box == pytest.approx((20, 10, 100, 60))
    (pose,) = instances("0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.25 0.5 1 0 0 0", tmp_path, LabelForm(NAMES, 3, 3))
    np.testing.assert_allclose(pose.keypoints, [[100, 50, 2], [50, 50, 1], [0, 0, 0]])  # type: ignore[arg-type]
    (pose,) = instances("0 0.5 0.5 0.2 0.2 0.5 0.5 0 0", tmp_path, LabelForm(NAMES, 2, 2))
    np.testing.assert_allclose(pose.keypoints, [[100, 50, 2], [0, 0, 0]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("", 0, id="an empty file is background"),
        pytest.param("\n  \n", 0, id="blank lines"),
        pytest.param("\ufeff0 .5 .5 .1 .1\r\n1\t0.5 0.5 1e-1 0.1", 2, id="a byte order mark, Windows' line ends, a tab, exponents"),
        pytest.param("0.0 0.5 0.5 0.1 0.1", 1, id="a class with a point"),
        pytest.param("0 0.01 0.5 0.1 0.1", 1, id="a box slightly beyond the picture is clipped later"),
    ],
)
def test_label_files_that_are_read(text: str, count: int, tmp_path: Path) -> None:
    assert len(instances(text, tmp_path)) == count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("0 0.5 0.5 0.1 0.1 0.9", "6 numbers; a box has 5 .*a confidence in the last place", id="a confidence"),
        pytest.param("0 .1 .1 .2 .2 .3 .3 2", "8 numbers; .*kpt_shape", id="keypoints without kpt_shape"),
        pytest.param("0", "1 number; a box has 5", id="a class alone"),
        pytest.param("0 nan 0.5 0.1 0.1", "'nan' is no finite number", id="NaN"),
        pytest.param("0 0.5 0.5 inf 0.1", "'inf' is no finite number", id="infinity"),
        pytest.param("0 0.5 0.5 1e999 0.1", "'1e999' is no finite number", id="a number beyond floats"),
        pytest.param("1e999 0.5 0.5 0.1 0.1", "'1e999' is no finite number", id="a class beyond floats"),
        pytest.param("0 0.5 0.5 1_0 0.1", "'1_0' is no finite number", id="Python's underscores"),
        pytest.param("0 0.5 0.5 -0.1 0.1", "a box of width -0.1", id="a negative width"),
        pytest.param("0 0.5 0.5 0.1 0", "height 0", id="no height"),
        pytest.param("0.5 0.5 0.5 0.1 0.1", "class 0.5; a class is a whole number", id="half a class"),
        pytest.param("2 0.5 0.5 0.1 0.1", "class 2 is not among the set's names, which go up to 1", id="a class beyond the names"),
        pytest.param("-1 0.5 0.5 0.1 0.1", "class -1 is not among", id="a negative class"),
        pytest.param("0 100 50 20 20", "100 lies far outside the picture: are these pixels", id="pixels"),
        pytest.param("0 0.1 0.1 0.2 0.2 0.3 99", "are these pixels", id="an outline in pixels"),
        pytest.param("0 0.1 0.1 0.1 0.2 0.1 0.3", "enclose nothing", id="an outline without width"),
        pytest.param(b"0 0.5 0.5 0.1 \xd9\xa1", "not plain text", id="digits of another script"),
        pytest.param('{"shapes": []}', "no finite number", id="JSON"),
        pytest.param(b"\xff\xfe0\x00 \x00", "not plain text", id="UTF-16"),
    ],
)
def test_label_files_that_cost_their_picture(text: str | bytes, words: str, tmp_path: Path) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(SourceError, match=rf"x\.txt: line 2: .*{words}"):
        instances(b"0 0.5 0.5 0.1 0.1\n" + data, tmp_path)


def test_poses_and_oriented_boxes_that_cost_their_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="5 numbers; here a line has 11"):
        instances("0 0.5 0.5 0.1 0.1", tmp_path, LabelForm(NAMES, 2, 3))
    with pytest.raises(SourceError, match=r"keypoint 0 has visibility 0\.9"):
        instances("0 0.5 0.5 0.1 0.1 0.5 0.5 0.9", tmp_path, LabelForm(NAMES, 1, 3))
    with pytest.raises(SourceError, match="7 numbers; an oriented box has 9"):
        instances("0 0.1 0.1 0.5 0.1 0.5 0.6", tmp_path, LabelForm(NAMES, oriented=True))


def test_a_label_file_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(SourceError, match=r"pipe\.txt: .*not a regular file"):
        YoloLabels(str(tmp_path / "pipe.txt"), LabelForm(NAMES)).read(SIZE)
    with open(tmp_path / "large.txt", "wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(SourceError, match="more than 10,000,000 bytes"):
        YoloLabels(str(tmp_path / "large.txt"), LabelForm(NAMES)).read(SIZE)


@given(st.text("0123456789.-+e \n\tnaif", max_size=60))
def test_a_label_file_of_anything_is_read_or_refused_in_words(tmp_path: Path, text: str) -> None:
    try:
        found = instances(text, tmp_path)
    except SourceError as error:
        assert "x.txt: line " in str(error)
    else:
        assert all(instance.box is not None and np.isfinite(instance.box).all() for instance in found)


def test_only_train_is_read_unless_another_is_named(tmp_path: Path) -> None:
    root = yolo_set(tmp_path, c="1 0.5 0.5 0.1 0.1\n")
    found = read_yolo(root)
    assert keys(found) == ["images/train/a.png", "images/train/b.png"]
    assert [source.folder for source in found.sources] == ["train", "train"]
    assert found.found_in == (str(root),)
    assert any(note.startswith("val: 1 picture left out") for note in found.notes)
    assert any("1 of 2 pictures has no label file" in note for note in found.notes)
    assert keys(read_yolo(root / "data.yaml", subset="val")) == ["images/val/c.png"]
    assert len(read_yolo(root, subset="all").sources) == 3
    with pytest.raises(PlanError, match="no subset 'minival'; there are: train, val"):
        read_yolo(root, subset="minival")


def test_label_files_without_a_picture_are_noted(tmp_path: Path) -> None:
    root = yolo_set(tmp_path, b="", d="0 0.5 0.5 0.1 0.1\n", e="1 0.5 0.5 0.1 0.1\n", **{"more/f": "0 0.5 0.5 0.1 0.1\n"})
    (root / "labels" / "train" / "classes.txt").write_text("cat\ndog\n")
    (root / "images" / "train" / "d.png").symlink_to(root / "images" / "train" / "a.png")
    notes = read_yolo(root).notes
    assert [note for note in notes if note.startswith("label files")] == [
        f"label files without a picture, left out: 2, such as {root}/labels/train/e.txt"
    ]


@pytest.mark.parametrize("place", ["all", "all/images"], ids=["beside the pictures", "images in a folder of both"])
def test_labels_that_have_their_pictures_are_not_noted(tmp_path: Path, place: str) -> None:
    write_picture(tmp_path / place / "a.png")
    for label in ("all/a.txt", "all/labels/a.txt") if place == "all/images" else ("all/a.txt",):
        (tmp_path / label).parent.mkdir(exist_ok=True)
        (tmp_path / label).write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "data.yaml").write_text(f"train: {place}\nnames: [cat]\n")
    assert read_yolo(tmp_path).notes == ()


def test_an_address_for_what_is_not_read_is_noted_alone(tmp_path: Path) -> None:
    found = read_yolo(yolo_set(tmp_path, "train: images/train\nval: https://x.org/a\nnames: [cat]\n"))
    assert any("val: https://x.org/a is not there" in note for note in found.notes)


def test_annotations_are_small_and_go_to_other_processes(tmp_path: Path) -> None:
    first, second = read_yolo(yolo_set(tmp_path)).sources
    assert first.annotations is not None and second.annotations is not None
    assert pickle.loads(pickle.dumps(first)).annotations.read(SIZE) == first.annotations.read(SIZE)
    assert second.annotations.read(SIZE) == ()


@pytest.mark.parametrize(
    "index",
    [
        pytest.param("path: ../datasets/gone\ntrain: images/train\nnames: [cat, dog]\n", id="a path that is not there"),
        pytest.param(
            "path: .\ntrain: ./images/train/\ntest:\nnames: [cat, dog]\ndownload: |\n  import os\n  os.remove('x')\n", id="a script"
        ),
        pytest.param("train: ../images/train\nval: ../images/val\nnc: 2\nnames: ['cat', 'dog']\n", id="an export's ../ beside the file"),
        pytest.param("train: [images/train]\nnames:\n  1: dog\n  0: cat\n", id="a list, and names in another order"),
        pytest.param("train: train.txt\nnames: [cat, dog]\n", id="a list of pictures"),
    ],
)
def test_indexes_of_the_same_set(index: str, tmp_path: Path) -> None:
    root = yolo_set(tmp_path, index)
    (root / "train.txt").write_text(f"./images/train/b.png\n\n{root}/images/train/a.png\n")
    found = read_yolo(root)
    assert keys(found) == ["images/train/a.png", "images/train/b.png"]
    assert found.layout is not None
    assert [(c.id, c.name) for c in found.layout.categories] == [(0, "cat"), (1, "dog")]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        pytest.param("", "the file is empty", id="an empty file"),
        pytest.param("a: 1", "no index of a set", id="another YAML file"),
        pytest.param("train: images/gone\nnames: [a]", "line 1: train: images/gone is not there", id="a folder that is not there"),
        pytest.param("train: 7\nnames: [a]", "line 1: train: is a folder, .*found 7", id="a number for a folder"),
        pytest.param("train: images/train\n", "there is no names:.* such as names: ", id="no names"),
        pytest.param("train: images/train\nnames: cat", "names: is a list .*found 'cat'", id="a word for names"),
        pytest.param(
            "names: [a]\ntrain: https://x.org/coco8.zip",
            "line 2: train: https://x.org/coco8.zip is an address; augx never",
            id="an address",
        ),
        pytest.param("train: images/train\nnames: [a, a]", "line 2: names: class 1: 'a' stands for class 0 already", id="a name twice"),
        pytest.param("train: images/train\nnames: [a, true]", "line 2: names: class 1: .*in quotes", id="a truth value for a name"),
        pytest.param('train: images/train\nnames: ["a\\nb"]', "printable text", id="a line break in a name"),
        pytest.param("train: images/train\nnames: {9999999999: a}", "a whole number from 0", id="a huge class number"),
        pytest.param("train: images/train\nnames: [a]\nnc: 2", "line 3: nc: 2, but the length of names: is 1", id="another count"),
        pytest.param("train: images/train\nnames: [a]\nkpt_shape: [17, 4]", "line 3: kpt_shape: is", id="four numbers a keypoint"),
        pytest.param(
            "train: images/train\nnames: [a]\nkpt_shape: [2, 3]\nflip_idx: [1, 1]", "line 4: flip_idx: keypoint 0", id="no exchange"
        ),
        pytest.param(
            "train: images/train\nnames: [a]\nkpt_shape: [2, 3]\nflip_idx: [1, 2]", "line 4: flip_idx: has", id="a point too many"
        ),
        pytest.param("train: images/train\nnames: &a [x]\nval: *a", "line 2, .*anchors", id="an alias"),
        pytest.param("train: !!python/object/apply:os.system [x]", "tags", id="a tag that runs code"),
        pytest.param("train: [images/train, images/train]\nnames: [a]", "images/train/a.png stands twice", id="a folder twice"),
        pytest.param(
            "train: list.txt\nnames: [a]", r"list\.txt: line 2: ../../etc/passwd lies outside .*and 1 more", id="pictures elsewhere"
        ),
    ],
)
def test_indexes_that_are_refused(index: str, words: str, tmp_path: Path) -> None:
    root = yolo_set(tmp_path, index)
    (root / "list.txt").write_text("images/train/a.png\n../../etc/passwd\n/etc/passwd\n")
    with pytest.raises(PlanError, match=words) as caught:
        read_yolo(root)
    assert "\n" not in str(caught.value)


def test_a_set_without_any_label_is_refused(tmp_path: Path) -> None:
    root = yolo_set(tmp_path)
    (root / "labels" / "train" / "a.txt").unlink()
    with pytest.raises(PlanError, match=r"no picture has labels; .*labels/train/a\.txt"):
        read_yolo(root)


def test_folders_without_an_index(tmp_path: Path) -> None:
    root = yolo_set(tmp_path / "split", index=None, b="7 0.5 0.5 0.1 0.1")
    found = read_yolo(root)
    assert keys(found) == ["images/train/a.png", "images/train/b.png"]
    assert [category.name for category in found.layout.categories] == [str(number) for number in range(8)]  # type: ignore[union-attr]
    (root / "classes.txt").write_text("cat\ndog\n")
    assert [category.name for category in read_yolo(root).layout.categories] == ["cat", "dog"]  # type: ignore[union-attr]
    beside = tmp_path / "beside"
    write_picture(beside / "deep" / "a.png")
    (beside / "deep" / "a.txt").write_text("0 0.5 0.5 0.1 0.1")
    (source,) = read_yolo(beside).sources
    assert (source.key, source.folder, len(source.annotations.read(SIZE))) == ("deep/a.png", "deep", 1)  # type: ignore[union-attr]


def test_a_roboflow_export(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        write_picture(tmp_path / part / "images" / "x.png")
        (tmp_path / part / "labels").mkdir()
        (tmp_path / part / "labels" / "x.txt").write_text("0 0.5 0.5 0.1 0.1")
    (tmp_path / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\n\nnc: 1\nnames: ['cat']\n")
    found = read_yolo(tmp_path)
    assert [(source.key, source.folder) for source in found.sources] == [("train/images/x.png", "train")]
    assert found.layout.splits == {"train": ("images/train",), "val": (str(tmp_path / "valid" / "images"),)}  # type: ignore[union-attr]


def test_a_set_that_is_written_is_read_again(tmp_path: Path) -> None:
    names = ["cat", "NO", "1e-6", "a: b", "naïve 🐈", "{", "null", "12"]
    points = ("nose", "left eye", "right eye")
    categories = tuple(Category(name, number, points, swap=(0, 2, 1)) for number, name in enumerate(names))
    layout = YoloLayout(categories, splits={"train": ("images/train",), "val": (str(tmp_path / "else where"),)})
    pose = np.array([[10.5, 20.25, 2], [0, 0, 0], [199, 99, 1]])
    shown = tuple(Instance(name, (1.5, 2, 30, 40), keypoints=pose) for name in names)
    place = "images/train/a_1.png"
    write_picture(tmp_path / place)
    for name, data in [
        *layout.beside(place, SIZE, shown),
        *((n, b"".join(p)) for n, p in layout.closing(lambda: iter([Picture(place, SIZE, shown)]))),
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.yaml", "images", "labels"]
    assert "path:" not in (tmp_path / "data.yaml").read_text()
    found = read_yolo(tmp_path)
    assert found.layout.categories == categories  # type: ignore[union-attr]
    (source,) = found.sources
    back = source.annotations.read(SIZE)  # type: ignore[union-attr]
    assert [instance.category for instance in back] == names
    for instance in back:
        assert instance.box == pytest.approx((1.5, 2, 30, 40), abs=1e-8)
        np.testing.assert_allclose(instance.keypoints, pose, atol=1e-8)  # type: ignore[arg-type]
    assert YoloLayout.restored(layout.state()).state() == layout.state()


def test_the_index_of_a_set_from_elsewhere_names_the_folder_that_all_pictures_share() -> None:
    layout = YoloLayout(renumbered([Category("person", 1), Category("car", 3)]))
    pictures = [Picture(place, SIZE, ()) for place in ("images/train/a/x.jpg", "images/train/b/y.jpg")]
    ((name, pieces),) = layout.closing(lambda: iter(pictures))
    text = b"".join(pieces).decode()
    assert name == "data.yaml"
    assert text.startswith("train: images/train\nval:  #")
    assert text.endswith("names:\n  0: person\n  1: car\n")
    assert layout.beside("images/train/a/x.jpg", SIZE, ()) == [("labels/train/a/x.txt", b"")]
    with pytest.raises(ValueError, match="'tree' is not among"):
        layout.beside("images/x.jpg", SIZE, [Instance("tree", (0, 0, 1, 1))])


def test_an_outline_of_several_rings_is_one_with_the_same_area(tmp_path: Path) -> None:
    rings = tuple(np.array([[0, 0], [10, 0], [10, 10], [0, 10]]) + shift for shift in ([0, 0], [30, 5], [60, 40]))
    line = line_of(Instance("cat", polygons=rings), 0, SIZE, LabelForm(NAMES))
    (found,) = instances(line, tmp_path)
    assert len(found.polygons) == 1
    assert area(found.polygons[0]) == pytest.approx(300)
    assert found.box == pytest.approx((0, 0, 70, 50))


def test_boxes_of_an_oriented_set_have_four_corners_and_numbers_no_exponent(tmp_path: Path) -> None:
    line = line_of(Instance("dog", (1e-7, 0, 20, 100)), 1, SIZE, LabelForm(NAMES, oriented=True))
    assert len(line.split()) == 9
    assert "e" not in line
    (found,) = instances(line, tmp_path, LabelForm(NAMES, oriented=True))
    assert found.oriented
    assert found.box == pytest.approx((0, 0, 20, 100), abs=1e-6)
    assert (
        line_of(Instance("cat", (0, 0, 100, 50), region={"size": [100, 200], "counts": ""}), 0, SIZE, LabelForm(NAMES))
        == "0 0.25 0.25 0.5 0.5"
    )
