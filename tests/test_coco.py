"""COCO: what is read is what the JSON says, what is written is read again, and each fault costs what it must and no more."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import load_spec, plan_copies, run_plan
from augx.annotations import rle
from augx.annotations.base import Category, Picture
from augx.annotations.coco import CocoLayout, read_coco
from augx.annotations.mirror import mirrored
from augx.errors import PlanError, SourceError
from augx.sample import Instance
from tests.conftest import write_picture

EYES = {"id": 7, "name": "face", "supercategory": "body", "keypoints": ["left_eye", "right_eye", "nose"], "skeleton": [[1, 2], [2, 3]]}
SQUARE = [2, 2, 6, 2, 6, 6, 2, 6]


def annotation(**fields: Any) -> dict[str, Any]:
    return {"id": 4711, "image_id": 1, "category_id": 3, "bbox": [1.5, 2, 10, 8.25], "iscrowd": 0, **fields}


def document(*annotations: Any, **parts: Any) -> dict[str, Any]:
    """Two pictures, a.jpg and train/b.jpg, of 33x24 pixels."""
    images = [
        {"id": 1, "file_name": "a.jpg", "width": 33, "height": 24},
        {"id": 2, "file_name": "train/b.jpg", "width": 33, "height": 24, "license": 3},
    ]
    return {"images": images, "annotations": list(annotations), "categories": [{"id": 3, "name": "cat"}, EYES], **parts}


def written(folder: Path, data: Any, name: str = "set.json") -> Path:
    for key in ("a.jpg", "train/b.jpg"):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).touch()
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def instances(folder: Path, *annotations: Any) -> tuple[Instance, ...]:
    source = read_coco(written(folder, document(*annotations))).sources[0]
    assert not source.fault and source.annotations is not None
    return source.annotations.read((33, 24))


def closed(layout: CocoLayout, pictures: list[Picture]) -> bytes:
    def again() -> Iterator[Picture]:
        return iter(pictures)

    ((place, pieces),) = layout.closing(again)
    assert place == "annotations.json"
    return b"".join(pieces)


NUMBERS = st.floats(0, 20, allow_subnormal=False) | st.integers(0, 20)
SIDES = st.floats(0.01, 12)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from([0, 1, 2, 2.0])), min_size=3, max_size=3)
SEGMENTATIONS = st.one_of(
    st.just([]),
    st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=5), min_size=1, max_size=3).map(
        lambda polygons: [[number for point in polygon for number in point] for polygon in polygons]
    ),
    st.integers(0, 33 * 24).map(lambda count: {"size": [24, 33], "counts": [count, 33 * 24 - count]}),
)
ANNOTATIONS = st.builds(
    lambda box, segmentation, points, extra: {
        "category_id": 7,
        "bbox": list(box),
        "segmentation": segmentation,
        "keypoints": [number for point in points for number in point],
        **extra,
    },
    st.tuples(NUMBERS, NUMBERS, SIDES, SIDES),
    SEGMENTATIONS,
    POINTS,
    st.sampled_from([{}, {"iscrowd": 1}, {"iscrowd": 0, "attributes": {"keypoints": [1, 2.5], "colour": "red"}, "score": 0.5}]),
)


class TestLaws:
    @settings(max_examples=60)
    @given(st.lists(ANNOTATIONS, max_size=4))
    def test_read_written_and_read_again(self, tmp_path: Path, found: list[dict[str, Any]]) -> None:
        entries = [{"id": 10 + i, "image_id": 1 + i % 2, **fields} for i, fields in enumerate(found)]
        first = read_coco(written(tmp_path, document(*entries)))
        texts = []
        for _ in range(2):
            pictures = [Picture(f"images/{s.key}", (33, 24), s.annotations.read((33, 24))) for s in first.sources]  # type: ignore[union-attr]
            texts.append(closed(first.layout, pictures))  # type: ignore[arg-type]
            second = read_coco(written(tmp_path / "images", texts[-1].decode(), "../annotations.json"))
            assert [s.key for s in second.sources] == [s.key for s in first.sources] and second.layout == first.layout
            for picture, source in zip(pictures, second.sources, strict=True):
                assert not source.fault
                for before, after in zip(picture.instances, source.annotations.read((33, 24)), strict=True):  # type: ignore[union-attr]
                    same(before, after)
            first = second
        assert texts[0] == texts[1]

    def test_pickled_it_is_the_same(self, tmp_path: Path) -> None:
        found = read_coco(written(tmp_path, document(annotation(segmentation=[SQUARE]))))
        (again, _) = pickle.loads(pickle.dumps(found.sources))
        assert again == found.sources[0] and len(again.annotations.read((33, 24))) == 1

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with NumPy 2
    def test_pycocotools_reads_what_is_written(self, tmp_path: Path) -> None:
        coco = pytest.importorskip("pycocotools.coco")
        mask = np.zeros((24, 33), np.uint8)
        mask[3:9, 4:20] = 1
        entries = [
            Instance("cat", (1.0, 2.0, 3.5, 4.0)),
            Instance("cat", None, (np.array(SQUARE, float).reshape(-1, 2),)),
            Instance("dog", None, region=rle.encode(mask), extra={"iscrowd": 1}),
        ]
        path = tmp_path / "annotations.json"
        path.write_bytes(closed(CocoLayout((Category("cat", 5),)), [Picture("images/a.png", (33, 24), tuple(entries))]))
        with contextlib.redirect_stdout(io.StringIO()):
            found = coco.COCO(path)
            found.loadRes([{"image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 1.0}])
        box, polygon, region = found.loadAnns([1, 2, 3])
        assert found.loadImgs(1)[0]["file_name"] == "a.png" and [c["name"] for c in found.loadCats([5, 6])] == ["cat", "dog"]
        assert box["area"] == 5 and polygon["area"] == 16 == found.annToMask(polygon).sum() and polygon["bbox"] == [2, 2, 4, 4]
        assert region["area"] == 96 == found.annToMask(region).sum() and region["bbox"] == [4, 3, 16, 6]
        assert np.array_equal(found.annToMask(region), mask)


def same(before: Instance, after: Instance) -> None:
    assert (before.category, len(before.polygons)) == (after.category, len(after.polygons))
    assert before.box is not None and after.box is not None and before.keypoints is not None and after.keypoints is not None
    assert np.allclose(before.box, after.box, rtol=0, atol=1e-9) and np.allclose(before.keypoints, after.keypoints, rtol=0, atol=1e-9)
    assert all(np.array_equal(old, new) for old, new in zip(before.polygons, after.polygons, strict=True))
    assert before.region == after.region and {"iscrowd": 0, **before.extra} == after.extra


class TestReading:
    def test_everything_of_a_set(self, tmp_path: Path) -> None:
        found = read_coco(written(tmp_path, document(annotation())))
        a, b = found.sources
        assert (a.key, a.label, a.folder, a.path) == ("a.jpg", "", "", str(tmp_path / "a.jpg")) and (b.key, b.folder) == (
            "train/b.jpg",
            "train",
        )
        assert isinstance(found.layout, CocoLayout) and found.found_in == (str(tmp_path),)
        cat, face = found.layout.categories
        assert cat == Category("cat", 3)
        assert face == Category("face", 7, ("left_eye", "right_eye", "nose"), ((1, 2), (2, 3)), (1, 0, 2), {"supercategory": "body"})
        assert found.notes == (f"{tmp_path / 'set.json'}: 1 of 2 pictures has no annotations",)
        assert b.annotations is not None and b.annotations.read((33, 24)) == ()
        assert CocoLayout.restored(json.loads(json.dumps(found.layout.state()))) == found.layout

    def test_coordinates(self, tmp_path: Path) -> None:
        points = [4, 5, 2, 9, 9, 0, 1.5, 2, 1]
        (one,) = instances(tmp_path, annotation(category_id=7, segmentation=[SQUARE, SQUARE[:6]], keypoints=points, score=1, area=3))
        assert one.category == "face" and one.box == (1.5, 2, 11.5, 10.25) and one.extra == {"iscrowd": 0, "score": 1}
        assert one.keypoints is not None and one.keypoints.tolist() == [[4.5, 5.5, 2], [0, 0, 0], [2, 2.5, 1]]
        assert [polygon.tolist() for polygon in one.polygons] == [[[2, 2], [6, 2], [6, 6], [2, 6]], [[2, 2], [6, 2], [6, 6]]]

    def test_lists_of_counts_become_strings(self, tmp_path: Path) -> None:
        (one,) = instances(tmp_path, annotation(segmentation={"size": [24, 33], "counts": [100, 92, 600]}))
        assert one.region is not None and isinstance(one.region["counts"], str) and rle.area(one.region) == 92

    def test_an_annotations_list_is_not_needed(self, tmp_path: Path) -> None:
        data = document()
        del data["annotations"], data["categories"]
        assert len(read_coco(written(tmp_path, data)).sources) == 2

    @pytest.mark.parametrize("size", [(24, 33), (33, 25)])
    def test_a_picture_of_another_size(self, tmp_path: Path, size: tuple[int, int]) -> None:
        source = read_coco(written(tmp_path, document(annotation()))).sources[0]
        assert source.annotations is not None
        with pytest.raises(SourceError, match=rf"images\[0\] \(id 1\) says 33x24 pixels, the picture has {size[0]}x{size[1]}"):
            source.annotations.read(size)

    def test_a_mask_of_another_size_where_the_image_says_none(self, tmp_path: Path) -> None:
        data = document(annotation(segmentation={"size": [3, 2], "counts": [6]}), images=[{"id": 1, "file_name": "a.jpg"}])
        (source,) = read_coco(written(tmp_path, data)).sources
        assert source.annotations is not None and len(source.annotations.read((2, 3))) == 1
        with pytest.raises(SourceError, match=r"annotations\[0\] \(id 4711\) says 2x3 pixels, the picture has 33x24"):
            source.annotations.read((33, 24))

    def test_fields_that_hold_positions_are_not_carried(self, tmp_path: Path) -> None:
        found = read_coco(written(tmp_path, document(annotation(foot_kpts=[1, 2, 2], face_box=[0, 0, 1, 1]))))
        assert "face_box, foot_kpts" in found.notes[1] and found.sources[0].annotations is not None
        assert found.sources[0].annotations.read((33, 24))[0].extra == {"iscrowd": 0}

    def test_keypoints_without_names(self, tmp_path: Path) -> None:
        found = read_coco(written(tmp_path, document(annotation(keypoints=[1, 2, 2, 3, 4, 1]))))
        assert not found.sources[0].fault and "the category cat names no keypoints" in found.notes[1]


class TestWhereThePicturesLie:
    @pytest.mark.parametrize(
        ("name", "folder"),
        [
            ("set.json", "."),
            ("set.json", "images"),
            ("annotations/set.json", "images"),
            ("annotations/val.json", "val"),
            ("annotations/instances_val2017.json", "val2017"),
            ("annotations/person_keypoints_val2017.json", "images/val2017"),
        ],
    )
    def test_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str) -> None:
        write_picture(tmp_path / folder / "train" / "b.jpg")
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document()))
        (root,) = read_coco(path).found_in
        assert Path(root).resolve() == (tmp_path / folder).resolve()
        monkeypatch.chdir(path.parent)
        (root,) = read_coco(path.name).found_in
        assert Path(root).resolve() == (tmp_path / folder).resolve()

    def test_a_root_that_is_named(self, tmp_path: Path) -> None:
        path = written(tmp_path / "here", document())
        write_picture(tmp_path / "there" / "a.jpg")
        assert read_coco(path, root=tmp_path / "there").sources[1].path == str(tmp_path / "there" / "train/b.jpg")
        with pytest.raises(PlanError, match=r"none of its pictures, such as a.jpg, lies in .*empty; name their folder with --root"):
            read_coco(path, root=tmp_path / "empty")

    def test_absolute_and_windows_names_below_the_root(self, tmp_path: Path) -> None:
        images = [{"id": 1, "file_name": str(tmp_path / "a.jpg")}, {"id": 2, "file_name": "train\\b.jpg"}]
        assert [s.key for s in read_coco(written(tmp_path, document(images=images))).sources] == ["a.jpg", "train/b.jpg"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"bbox": [1, 2, float("nan"), 4]}, "its bbox has the number nan", id="NaN in a box"),
        pytest.param({"bbox": [1, 2, float("inf"), 4]}, "its bbox has the number inf", id="infinity in a box"),
        pytest.param({"bbox": [1, 2, 10**400, 4]}, "finite", id="a number of 400 digits"),
        pytest.param({"bbox": [1, 2, 1e300, 4]}, "1e\\+300", id="a number beyond all pictures"),
        pytest.param({"bbox": [1, 2, -3, 4]}, "width -3; it must be more than 0", id="a width below 0"),
        pytest.param({"bbox": [1, 2, 3, 0]}, "height 0", id="no height"),
        pytest.param({"bbox": [1, 2, 3, 1e-30]}, "height 1e-30", id="a height that is lost in rounding"),
        pytest.param({"bbox": [1, 2, 3]}, "found 3 numbers", id="three numbers"),
        pytest.param({"bbox": [1, 2, 3, True]}, "found True", id="true in a box"),
        pytest.param({"bbox": ["1", 2, 3, 4]}, "found '1'", id="text in a box"),
        pytest.param({"bbox": {"x": 1}}, "list of numbers", id="an object for a box"),
        pytest.param({"bbox": []}, "neither bbox nor segmentation nor keypoints", id="nothing at all"),
        pytest.param({"segmentation": [SQUARE, [1, 2, 3, 4, 5, 6, 7]]}, "outline of 7 numbers", id="an odd outline"),
        pytest.param({"segmentation": [[1, 2, 3, 4]]}, "outline of 2 points", id="an outline of two points"),
        pytest.param({"segmentation": SQUARE}, "list of outlines", id="an outline that is not in a list"),
        pytest.param({"segmentation": [SQUARE, None]}, "found None", id="null for an outline"),
        pytest.param({"segmentation": [[1, 2, 3, 4, 5, float("-inf")]]}, "-inf", id="infinity in an outline"),
        pytest.param({"segmentation": "x"}, "run-length mask, found 'x'", id="text for a segmentation"),
        pytest.param({"segmentation": {"size": [24, 33], "counts": "x"}}, "character", id="counts with foreign characters"),
        pytest.param({"segmentation": {"size": [24, 33], "counts": [5]}}, "5 pixels together", id="counts that don't sum up"),
        pytest.param({"segmentation": {"size": [33, 24], "counts": [792]}}, "for 24x33 pixels, its image says 33x24", id="a mask turned"),
        pytest.param({"category_id": 7, "keypoints": [1, 2, 2]}, "3 numbers; they must be 9, 3 for each of the 3", id="one point of three"),
        pytest.param({"keypoints": [1, 2]}, "2 numbers; they must be 3 for each point", id="a point without visibility"),
        pytest.param({"category_id": 7, "keypoints": [1, 2, 2, 1, 2, 3, 1, 2, 2]}, "visibility 3", id="a visibility of 3"),
        pytest.param({"score": float("nan")}, "it has the number nan", id="NaN in another field"),
        pytest.param({"attributes": {"a": [1e999]}}, "it has the number inf", id="infinity deep in another field"),
    ],
)
def test_faults_that_cost_one_picture(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    entries = [annotation(id=1, image_id=2), annotation(**fields), annotation(id=5, bbox=[0, 0, 1, -1])]
    path = written(tmp_path, document(*entries))
    bad, good = read_coco(path).sources
    assert not good.fault
    with pytest.raises(ValueError, match=reason):
        raise ValueError(bad.fault)
    assert bad.fault.startswith(f"{path}: annotations[1] (id 4711): ") and bad.fault.endswith(" (and 1 more)") and "\n" not in bad.fault


@pytest.mark.parametrize("width", [0, -1, 2.5, "33", True, None, float("nan"), [], 10**30], ids=str)
def test_a_width_that_is_none_costs_one_picture(tmp_path: Path, width: Any) -> None:
    images = [{"id": 1, "file_name": "a.jpg", "width": width, "height": 24}, {"id": 2, "file_name": "train/b.jpg"}]
    bad, good = read_coco(written(tmp_path, document(images=images))).sources
    assert "images[0] (id 1): its width must be a whole number" in bad.fault and not good.fault


def image(id: Any = 1, name: Any = "a.jpg") -> dict[str, Any]:
    return {"id": id, "file_name": name}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param("", "not JSON", id="an empty file"),
        pytest.param('{"images": [', "not JSON: .*line 1", id="a file that is cut"),
        pytest.param("[" * 100_000, "brackets go too deep", id="brackets without end"),
        pytest.param("[1]", r"must be an object .*found \[1\]", id="a list, as results are"),
        pytest.param('{"images": [{"id": 8, "id": 8}]}', "the key 'id' stands twice in an object with the id 8", id="a key twice"),
        pytest.param({}, "list images is empty or missing", id="no images"),
        pytest.param(document(images=[]), "list images is empty", id="an empty list of images"),
        pytest.param(document(images={}), "images must be a list", id="an object for images"),
        pytest.param(document(annotations="x"), "annotations must be a list, found 'x'", id="text for annotations"),
        pytest.param(document(images=[1]), r"images\[0\] must be an object, found 1", id="a number for an image"),
        pytest.param(document(images=[image(1.0)]), r"images\[0\] must have an id, a whole number, found 1.0", id="a fractional id"),
        pytest.param(document(images=[image(True)]), "found True", id="an id that is true"),
        pytest.param(document(images=[image(), image(1, "b.jpg")]), r"images\[0\] and images\[1\] have the same id 1", id="an id twice"),
        pytest.param(document(images=[image(), image(2, "./a.jpg")]), r"same file_name a.jpg", id="a file twice"),
        pytest.param(document(images=[image(), *[image()] * 13]), r"\(and 12 more\)$", id="many faults"),
        pytest.param(document(images=[image(name="../a.jpg")]), "leads outside", id="a file above the root"),
        pytest.param(document(images=[image(name="..\\a.jpg")]), "leads outside", id="a file above the root, on Windows"),
        pytest.param(document(images=[image(name="/etc/a.jpg")]), "leads outside", id="a file elsewhere"),
        pytest.param(document(images=[image(name="x/..")]), "leads outside", id="the root itself"),
        pytest.param(document(images=[image(name="a\0.jpg")]), "control characters", id="NUL in a name"),
        pytest.param(document(images=[image(name="a\n.jpg")]), "control characters", id="a line feed in a name"),
        pytest.param(document(images=[image(name="")]), "control characters, found ''", id="an empty name"),
        pytest.param(document(images=[image(name=5)]), "found 5", id="a number for a name"),
        pytest.param(document(images=[image(name="a" * 256)]), "255 bytes", id="a long name"),
        pytest.param(document(images=[image(name="\ud800.jpg")]), "no text", id="half a surrogate pair"),
        pytest.param(
            document(annotation(), annotation()), r"annotations\[0\] and annotations\[1\] have the same id 4711", id="two with one id"
        ),
        pytest.param(document(annotation(image_id=9)), r"annotations\[0\] \(id 4711\): its image_id 9 is none", id="an unknown image"),
        pytest.param(document(annotation(category_id=[])), r"category_id \[\] is none", id="a list for a category"),
        pytest.param(document(annotation(), categories=[]), "category_id 3 is none", id="no categories"),
        pytest.param(document({"id": 1, "image_id": 1, "caption": "a cat"}), "a captions file", id="captions"),
        pytest.param(document({"image_id": 1, "segments_info": []}), "a panoptic file", id="panoptic"),
        pytest.param(document(categories=[EYES, {**EYES, "id": 8}]), "have the same name 'face'", id="a category's name twice"),
        pytest.param(document(categories=[{**EYES, "name": ""}]), "its name must be", id="a category without a name"),
        pytest.param(document(categories=[{**EYES, "name": "a\nb"}]), "printable", id="a line feed in a category's name"),
        pytest.param(document(categories=[{**EYES, "keypoints": [1]}]), "list of names", id="numbers for names of keypoints"),
        pytest.param(document(categories=[{**EYES, "skeleton": [[1]]}]), "pairs", id="a skeleton of single points"),
        pytest.param(document(categories=[{**EYES, "colour": float("nan")}]), "it has the number nan", id="NaN in a category"),
        pytest.param(document(categories=[{**EYES, "x": json.loads("[" * 50 + "]" * 50)}]), "more than 32 deep", id="a deep category"),
    ],
)
def test_faults_that_stop_the_run(tmp_path: Path, data: Any, reason: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(PlanError, match=reason) as caught:
        read_coco(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        pytest.param(["images/a.jpg", "images/train/b.jpg"], ["", "train"], id="the folder of pictures"),
        pytest.param(["images/images/a.jpg"], ["images"], id="once"),
        pytest.param(["a.jpg", "images/a.jpg", "images/b.jpg"], ["", "images", ""], id="but for two of one place"),
        pytest.param(["my_images/a.jpg", "x/images/a.jpg"], ["my_images", "x/images"], id="another folder"),
    ],
)
def test_the_folder_of_pictures_is_not_doubled(tmp_path: Path, names: list[str], folders: list[str]) -> None:
    images = [{"id": i, "file_name": name, "width": 33, "height": 24} for i, name in enumerate(names)]
    for name in names:
        write_picture(tmp_path / name)
    path = written(tmp_path, document(images=images))
    for found in (read_coco(path), read_coco(path, root=tmp_path)):
        assert [source.key for source in found.sources] == names
        assert [source.folder for source in found.sources] == folders


def test_file_names_below_the_folder_of_pictures_stay_as_they_are(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "a.jpg")
    images = [{"id": 1, "file_name": "images/a.jpg", "width": 33, "height": 24}]
    found = read_coco(written(tmp_path, document(annotation(), images=images)))
    spec = load_spec({"augx": 1, "warp": {"flip_h": 0.5}})
    for copies in (1, 2):
        assert run_plan(plan_copies(found, spec, copies=copies, originals=True), spec, tmp_path / "out").missing == 0
    entries = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert {entry["file_name"] for entry in entries} == {"a.jpg", "a_00000.jpg", "a_00001.jpg"}
    assert all((tmp_path / "out" / "images" / entry["file_name"]).is_file() for entry in entries)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b'{"\xff": 1}')])
def test_files_that_are_no_json(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "x.json")
    with pytest.raises(PlanError, match=r"x\.json: "):
        read_coco(tmp_path / "x.json")


class TestWriting:
    def test_text_and_order(self) -> None:
        points = np.array([[4.5, 5.5, 2], [0, 0, 0], [2.1, 2.5, 1]])
        layout = CocoLayout(
            (Category("cat", 3, extra={"supercategory": "animal"}), Category("face", 7, ("l", "r", "n"), ((1, 2),), (1, 0, 2)))
        )
        pictures = [
            Picture(
                "images/a_0.png", (33, 24), (Instance("dog", (0.1, 0.2, 0.1 + 0.2, 1.2), extra={"iscrowd": 0, "id": 99, "score": 0.5}),)
            ),
            Picture("images/train/b_0.png", (10, 20), ()),
            Picture(
                "images/c.png", (10, 20), (Instance("face", keypoints=points), Instance("ant", (0, 0, 1, 1)), Instance("dog", (0, 0, 1, 1)))
            ),
        ]
        data = json.loads(closed(layout, pictures))
        assert data["images"][1] == {"id": 2, "file_name": "train/b_0.png", "width": 10, "height": 20}
        dog, face, ant, last = data["annotations"]
        assert dog == {
            "id": 1,
            "image_id": 1,
            "category_id": 8,
            "bbox": [0.1, 0.2, 0.2, 1],
            "area": pytest.approx(0.2),
            "segmentation": [],
            "iscrowd": 0,
            "score": 0.5,
        }
        assert face["keypoints"] == [4, 5, 2, 0, 0, 0, 1.6, 2, 1] and face["num_keypoints"] == 2 and "bbox" not in face
        assert (ant["category_id"], last["category_id"], last["id"], last["image_id"]) == (9, 8, 4, 3)
        assert [(c["id"], c["name"]) for c in data["categories"]] == [(3, "cat"), (7, "face"), (8, "dog"), (9, "ant")]
        assert data["categories"][0]["supercategory"] == "animal" and data["categories"][1]["skeleton"] == [[1, 2]]

    def test_never_nan(self) -> None:
        extra = {"score": float("nan"), "deep": {"a": (1, float("inf"))}}
        text = closed(CocoLayout(), [Picture("images/a.png", (3, 3), (Instance("cat", (0, 0, 1, 1), extra=extra),))])
        (entry,) = json.loads(text)["annotations"]
        assert entry["score"] is None and entry["deep"] == {"a": [1, None]} and b"NaN" not in text

    def test_an_empty_set(self) -> None:
        assert json.loads(closed(CocoLayout(), [])) == {"info": {}, "images": [], "annotations": [], "categories": []}

    def test_an_empty_mask_has_no_box(self) -> None:
        one = Instance("cat", region=rle.encode(np.zeros((3, 3))))
        (entry,) = json.loads(closed(CocoLayout(), [Picture("images/a.png", (3, 3), (one,))]))["annotations"]
        assert entry["area"] == 0 and "bbox" not in entry


class TestMirrored:
    @pytest.mark.parametrize(
        ("names", "swap"),
        [
            (["nose", "left_eye", "right_eye"], (0, 2, 1)),
            (["L_Eye", "R_Eye", "L_F_Paw", "R_F_Paw"], (1, 0, 3, 2)),
            (["eye_left", "eye_right"], (1, 0)),
            (["LeftEye", "RightEye", "leftEar", "rightEar"], (1, 0, 3, 2)),
            (["LEye", "REye"], (1, 0)),
            (["l_ear", "r_ear", "tail"], (1, 0, 2)),
            (["lefteye", "righteye", "eyeleft", "eyeright"], (1, 0, 3, 2)),
            (["LEFT EYE", "right-eye"], (1, 0)),
            (["left_hand_1", "left_hand_2", "right_hand_1", "right_hand_2"], (2, 3, 0, 1)),
            (["face-0", "face-1", "left_thumb1", "right_thumb1"], (0, 1, 3, 2)),
            (["left_eye", "nose"], (0, 1)),
            (["left_eye", "right_eye", "Left-Eye"], (0, 1, 2)),
            (["bright", "leftover", "wheel", "l", "0"], (0, 1, 2, 3, 4)),
            ([], ()),
        ],
        ids=str,
    )
    def test_names(self, names: list[str], swap: tuple[int, ...]) -> None:
        assert mirrored(names) == swap

    @given(st.lists(st.text("lrLR_eft igh1", max_size=8) | st.sampled_from(["left_a", "right_a", "leftright", "rightright"]), max_size=12))
    def test_it_is_its_own_inverse(self, names: list[str]) -> None:
        swap = mirrored(names)
        assert [swap[other] for other in swap] == list(range(len(names)))
