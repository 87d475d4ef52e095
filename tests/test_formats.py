"""Sets laid out as COCO, YOLO, Pascal VOC, a table and Hugging Face's imagefolder: converted, divided, read back, grown."""

from __future__ import annotations

import csv
import io
import json
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from augx import Options, OutputError, PlanError, Spec, find_sources, load_spec, plan_copies, remake_files, run_plan
from augx.annotations import rle
from augx.annotations.base import Category, Layout, Picture
from augx.annotations.coco import CocoLayout
from augx.annotations.convert import as_kind
from augx.annotations.indexes import CsvLayout, HfLayout
from augx.annotations.voc import VocLayout
from augx.annotations.yolo import YoloLayout
from augx.inputs import layout_of
from augx.sample import Instance
from augx.sources import SourceSet
from tests.conftest import picture, tree, write_picture

SPEC = load_spec({"augx": 1, "warp": {"rotate": 20, "zoom": 0.2, "flip_h": 0.5, "border": "constant"}})
PARTS = ("train", "val", "test")
SPLIT = "train=0.5,val=0.25,test=0.25"
SIZES = ((40, 30), (33, 24), (24, 33))
NAMES = {3: "cat", 7: 'a, "b"', 9: "NO"}
POINTS = ("nose", "left_eye", "right_eye")
Box = tuple[float, float, float, float]


def coco_set(root: Path, count: int = 9) -> Path:
    """Pictures with boxes, one of them an outline, some with a crowd; every fourth is background."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i in range(count):
        width, height = SIZES[i % 3]
        write_picture(root / "images" / f"{i}.jpg", picture(height, width, seed=i))
        images.append({"id": i, "file_name": f"{i}.jpg", "width": width, "height": height})
        if i % 4 == 3:
            continue
        ring = [2, 3, 14.5, 4, 12, 15.25]
        crowd = np.zeros((height, width), np.uint8)
        crowd[5:9, 3:20] = 1
        entries: list[dict[str, Any]] = [
            {"category_id": 3, "bbox": [1.5, 2.25, 10, 12.125], "iscrowd": 0},
            {"category_id": 7, "bbox": [2, 3, 12.5, 12.25], "segmentation": [ring], "iscrowd": 0},
        ]
        if i % 2:
            entries.append({"category_id": 9, "bbox": [3, 5, 17, 4], "segmentation": dict(rle.encode(crowd)), "iscrowd": 1})
        annotations += [{"id": len(annotations) + n, "image_id": i, **entry} for n, entry in enumerate(entries, 1)]
    categories = [{"id": number, "name": name} for number, name in NAMES.items()]
    (root / "all.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return root / "all.json"


def class_set(root: Path) -> Path:
    """A table of pictures of two classes, with columns whose names and cells need care."""
    lines = ['file,label,source,note,"x_file_name"']
    for i in range(10):
        label = "cats" if i % 2 else "dogs"
        write_picture(root / label / f"{i}.png", picture(24 + i, 30, seed=i))
        lines.append(f'{label}/{i}.png,{label},camera {i % 3},"a ""note"", in\ntwo lines",none.png')
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    return root / "table.csv"


@dataclass(frozen=True)
class Case:
    """A kind, of a set with objects or with classes, divided or not."""

    kind: str
    objects: bool
    split: bool

    def __str__(self) -> str:
        return f"{self.kind} of {'objects' if self.objects else 'classes'}{', divided' if self.split else ''}"

    def sources(self, root: Path) -> SourceSet:
        found = find_sources(coco_set(root / "in") if self.objects else class_set(root / "in"))
        layout, _ = as_kind(found.layout, self.kind, PARTS if self.split else (), found.sources)
        return replace(found, layout=layout)

    def run(self, root: Path, out: Path, copies: int = 2, jobs: int = 1, spec: Spec = SPEC) -> Path:
        plan = plan_copies(self.sources(root), spec, copies=copies, split=SPLIT if self.split else None)
        assert plan.layout is not None and plan.layout.parts == (PARTS if self.split else ())
        report = run_plan(plan, spec, out, options=Options(jobs=jobs))
        assert report.missing == 0 and report.made
        return out

    @property
    def parts(self) -> tuple[str, ...]:
        return PARTS if self.split else ("",)


KINDS = [("coco", True), ("yolo", True), ("voc", True), ("csv", True), ("hf", True), ("csv", False), ("hf", False)]
CASES = [Case(kind, objects, split) for kind, objects in KINDS for split in (False, True)]
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)


def of_kind(kind: str, *, split: bool = True) -> Case:
    return next(case for case in CASES if case.kind == kind and case.split is split)


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def index_of(out: Path) -> dict[str, bytes]:
    """Everything but the pictures' own record: run.json and the manifest follow the order of the work."""
    return {name: data for name, data in tree(out).items() if name not in ("manifest.jsonl", "run.json")}


@EVERY_CASE
def test_the_same_bytes_for_any_jobs_and_after_growth(case: Case, tmp_path: Path) -> None:
    one = case.run(tmp_path, tmp_path / "one", copies=3)
    assert tree(one) == tree(case.run(tmp_path, tmp_path / "two", copies=3, jobs=2))
    grown = case.run(tmp_path, tmp_path / "grown", copies=1)
    first = index_of(grown)
    case.run(tmp_path, grown, copies=3)
    assert index_of(grown) == index_of(one)
    assert first != index_of(one)


@EVERY_CASE
def test_what_is_recorded_makes_the_same_layout_and_the_same_files(case: Case, tmp_path: Path) -> None:
    out = case.run(tmp_path, tmp_path / "out")
    state = json.loads((out / "run.json").read_text())["layout"]
    layout = layout_of(state)
    assert layout.state() == state and layout == case.sources(tmp_path).layout
    closing = [place for place, _ in layout.closing(lambda: iter(()))]
    assert len(set(closing)) == len(closing) and all((out / place).is_file() for place in closing)
    if case.objects:
        made = remake_files(out, [line["file"] for line in lines_of(out)], output=tmp_path / "again")
        assert made.failures == ()
        again = tree(tmp_path / "again")
        assert again == {name: tree(out)[name] for name in again} and len(again) == len(index_of(out)) - len(closing)


@EVERY_CASE
def test_every_part_has_its_files_though_it_has_no_picture_yet(case: Case, tmp_path: Path) -> None:
    layout = case.sources(tmp_path).layout
    assert layout is not None
    files = {place: b"".join(pieces) for place, pieces in layout.closing(lambda: iter(()))}
    several = case.split and case.kind in ("coco", "voc", "hf")
    assert len(files) == (len(PARTS) + (case.kind == "voc") if several else 1)


def read_back(case: Case, out: Path, part: str) -> dict[str, list[tuple[str, Box]]]:
    """Each picture of a part by its place below the set, with names and boxes, as augx' own readers find them."""
    if case.kind in ("csv", "hf"):
        return _listed(case, out, part)
    if case.kind == "coco":
        found = find_sources(out / (f"annotations/{part}.json" if part else "annotations.json"))
    else:
        found = find_sources(out, **({"subset": part} if part else {}))
    sizes = {line["file"]: (line["width"], line["height"]) for line in lines_of(out)}
    shown = {}
    for source in found.sources:
        place = os.path.relpath(source.path, out)
        assert not source.fault and source.annotations is not None
        objects = source.annotations.read(sizes[place])
        shown[place] = [(one.category, one.box) for one in objects if one.box is not None]
    return shown


def _listed(case: Case, out: Path, part: str) -> dict[str, list[tuple[str, Box]]]:
    shown: dict[str, list[tuple[str, Box]]] = {}
    if case.kind == "hf":
        for line in (out / part / "metadata.jsonl").read_text().splitlines():
            fields = json.loads(line)
            objects = fields["objects"]
            boxes = [(x, y, x + width, y + height) for x, y, width, height in objects["bbox"]]
            assert [list(NAMES.values())[number] for number in objects["category"]] == objects["name"]
            shown[os.path.join(part, fields["file_name"])] = list(zip(objects["name"], boxes, strict=True))
        return shown
    for row in table(out):
        if row.get("split", "") == part:
            edges = [row[name] for name in ("left", "top", "right", "bottom")]
            own = shown.setdefault(row["file"], [])
            if row["category"]:
                left, top, right, bottom = map(float, edges)
                own.append((row["category"], (left, top, right, bottom)))
            else:
                assert edges == [""] * 4
    return shown


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "labels.csv").read_text(encoding="utf-8"), newline="")))


@pytest.mark.parametrize("case", [case for case in CASES if case.objects], ids=str)
def test_boxes_and_parts_are_read_back(case: Case, tmp_path: Path) -> None:
    out = case.run(tmp_path, tmp_path / "out")
    for part in case.parts:
        lines = [line for line in lines_of(out) if line.get("split", "") == part]
        shown = read_back(case, out, part)
        assert shown.keys() == {line["file"] for line in lines} and lines
        for line in lines:
            crowds = case.kind in ("coco", "voc")
            wanted = [(one["category"], one["box"]) for one in line["objects"] if crowds or not one["extra"].get("iscrowd")]
            assert [name for name, _ in shown[line["file"]]] == [name for name, _ in wanted]
            for (_, box), (_, expected) in zip(shown[line["file"]], wanted, strict=True):
                assert box == pytest.approx(expected, rel=0, abs=1e-3)


@pytest.mark.parametrize("case", [case for case in CASES if not case.objects], ids=str)
def test_labels_and_columns_are_read_back(case: Case, tmp_path: Path) -> None:
    out = case.run(tmp_path, tmp_path / "out")
    lines = {line["file"]: line for line in lines_of(out)}
    assert all(not {"objects", "beside"} & line.keys() for line in lines.values())
    taken = "x_file_name" if case.kind == "csv" else "x_file_name_text"
    seen = set()
    for part in case.parts if case.kind == "hf" else ("",):
        found = find_sources(out / part / ("labels.csv" if case.kind == "csv" else "metadata.jsonl"))
        for source in found.sources:
            line = lines[os.path.relpath(source.path, out)]
            seen.add(line["file"])
            assert source.label == line["label"] == source.key.split("/")[-2]
            assert source.columns["source"] == line["source"]
            assert source.columns["source_source"].startswith("camera ")
            assert source.columns["note"] == 'a "note", in\ntwo lines'
            assert source.columns[taken] == "none.png"
            if case.kind == "csv":
                assert source.columns.get("split", "") == line.get("split", "")
                assert source.columns.get("copy", "") == ("" if line.get("original") else str(line["copy"]))
    assert seen == lines.keys()


def test_ids_mean_the_same_in_every_file_of_coco(tmp_path: Path) -> None:
    layout = CocoLayout((Category("cat", 5),), PARTS)
    pictures = [
        Picture("images/train/a.jpg", (9, 9), (Instance("new", (0, 0, 1, 1)),), part="train"),
        Picture("images/val/b.jpg", (9, 9), (Instance("newer", (0, 0, 1, 1)), Instance("new", (0, 0, 1, 1))), part="val"),
    ]
    files = {place: json.loads(b"".join(pieces)) for place, pieces in layout.closing(lambda: iter(pictures))}
    assert list(files) == [f"annotations/{part}.json" for part in PARTS]
    for data in files.values():
        assert [(one["id"], one["name"]) for one in data["categories"]] == [(5, "cat"), (6, "new"), (7, "newer")]
    assert [one["file_name"] for one in files["annotations/val.json"]["images"]] == ["b.jpg"]
    numbers = [(one["id"], one["image_id"], one["category_id"]) for one in files["annotations/val.json"]["annotations"]]
    assert numbers == [(1, 1, 7), (2, 1, 6)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with NumPy 2
@pytest.mark.parametrize("split", [False, True], ids=["whole", "divided"])
def test_coco_is_loaded_by_pycocotools(split: bool, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    case = of_kind("coco", split=split)
    out = case.run(tmp_path, tmp_path / "out")
    for part in case.parts:
        loaded = coco.COCO(str(out / (f"annotations/{part}.json" if part else "annotations.json")))
        lines = [line for line in lines_of(out) if line.get("split", "") == part]
        assert len(loaded.imgs) == len(lines) and len(loaded.anns) == sum(len(line["objects"]) for line in lines)
        for image in loaded.imgs.values():
            assert (out / "images" / part / image["file_name"]).is_file()
        for one in loaded.anns.values():
            if one["segmentation"]:
                assert loaded.annToMask(one).shape == (loaded.imgs[one["image_id"]]["height"], loaded.imgs[one["image_id"]]["width"])


@pytest.mark.parametrize("split", [False, True], ids=["whole", "divided"])
def test_yolo_is_laid_out_by_ultralytics_rules(split: bool, tmp_path: Path) -> None:
    """https://docs.ultralytics.com/datasets/detect/: a label file for each picture, found by its path; five numbers or an outline a
    line, and never both in a file; classes from 0 without gaps.
    """
    out = of_kind("yolo", split=split).run(tmp_path, tmp_path / "out")
    index = yaml.safe_load((out / "data.yaml").read_text())
    assert list(index["names"]) == list(range(len(NAMES))) and list(index["names"].values()) == list(NAMES.values())
    assert "path" not in index and {"train", "val"} <= index.keys()
    places = [index[part] for part in PARTS if index.get(part)]
    assert places == ([f"images/{part}" for part in PARTS] if split else ["images"])
    found = sorted(path for place in places for path in (out / place).rglob("*.jpg"))
    assert {str(path.relative_to(out)) for path in found} == {line["file"] for line in lines_of(out)}
    labels = ["/labels/".join(str(path).rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt" for path in found]
    assert sorted(labels) == sorted(map(str, (out / "labels").rglob("*.txt")))
    for label in labels:
        rows = [line.split() for line in Path(label).read_text().splitlines()]
        assert all(0 <= float(number) <= 1 for row in rows for number in row[1:])
        assert all(int(row[0]) in index["names"] for row in rows)
        assert len({len(row) > 5 for row in rows}) < 2 and all(len(row) == 5 or (len(row) > 6 and len(row) % 2) for row in rows)


def test_a_box_beside_an_outline_has_four_corners_in_yolo() -> None:
    ring = np.array([[0.0, 0], [10, 0], [10, 10]])
    (plain,) = YoloLayout((Category("a", 0),)).beside("images/x.jpg", (20, 20), [Instance("a", (0, 0, 10, 5))])
    (mixed,) = YoloLayout((Category("a", 0),)).beside(
        "images/x.jpg", (20, 20), [Instance("a", (0, 0, 10, 5)), Instance("a", (0, 0, 10, 10), (ring,))]
    )
    assert plain[1] == b"0 0.25 0.125 0.5 0.25\n"
    assert mixed[1] == b"0 0 0 0.5 0 0.5 0.25 0 0.25\n0 0 0 0.5 0 0.5 0.5\n"


def test_further_parts_are_further_keys_of_data_yaml() -> None:
    layout = YoloLayout((Category("a", 0),), ("train", "2024"), splits={"train": ("images/old",), "val": ("/else/where",)})
    ((_, pieces),) = layout.closing(lambda: iter(()))
    index = yaml.safe_load(b"".join(pieces))
    assert index == {"train": "images/train", "val": "/else/where", "2024": "images/2024", "names": {0: "a"}}


@pytest.mark.parametrize("split", [False, True], ids=["whole", "divided"])
def test_voc_has_its_usual_fields_and_lists(split: bool, tmp_path: Path) -> None:
    out = of_kind("voc", split=split).run(tmp_path, tmp_path / "out")
    lists = {path.stem: path.read_text().split() for path in (out / "ImageSets" / "Main").iterdir()}
    assert sorted(lists) == (["test", "train", "trainval", "val"] if split else ["train"])
    for part in PARTS if split else ("",):
        own = {Path(line["file"]).stem for line in lines_of(out) if line.get("split", "") == part}
        assert set(lists[part or "train"]) == own
    assert set(lists.get("trainval", ())) == (set(lists["train"] + lists["val"]) if split else set())
    for line in lines_of(out):
        root = ElementTree.parse(out / "Annotations" / f"{Path(line['file']).stem}.xml").getroot()
        assert (root.findtext("folder"), root.findtext("filename")) == ("JPEGImages", Path(line["file"]).name)
        assert (root.findtext("size/width"), root.findtext("size/height")) == (str(line["width"]), str(line["height"]))
        crowds = [int(one["extra"]["iscrowd"]) for one in line["objects"]]
        assert [int(one.findtext("difficult") or 0) for one in root.iter("object")] == crowds
        for one, box in zip(root.iter("bndbox"), (one["box"] for one in line["objects"]), strict=True):
            edges = [float(one.findtext(name) or "nan") for name in ("xmin", "ymin", "xmax", "ymax")]
            assert edges == pytest.approx([box[0] + 1, box[1] + 1, box[2], box[3]], abs=1e-6)


def test_torchvision_reads_voc_and_class_folders(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    out = of_kind("voc").run(tmp_path, tmp_path / "dev" / "VOCdevkit" / "VOC2012")
    for name, parts in (("train", ["train"]), ("val", ["val"]), ("trainval", ["train", "val"])):
        found = datasets.VOCDetection(tmp_path / "dev", year="2012", image_set=name)
        assert len(found) == sum(line["split"] in parts for line in lines_of(out))
        assert found[0][1]["annotation"]["size"].keys() == {"width", "height"}
    classes = Case("csv", False, True).run(tmp_path / "classes", tmp_path / "csv")
    assert datasets.ImageFolder(classes / "train").classes == ["cats", "dogs"]


@pytest.mark.parametrize("objects", [False, True], ids=["classes", "objects"])
def test_datasets_reads_hugging_face_imagefolder(objects: bool, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    out = Case("hf", objects, True).run(tmp_path, tmp_path / "out")
    found = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"))
    for part, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        lines = [line for line in lines_of(out) if line["split"] == part]
        assert len(found[name]) == len(lines)
        if objects:
            assert sum(len(row["bbox"]) for row in found[name]["objects"]) > 0
        else:
            assert sorted(found[name]["label"]) == sorted(line["label"] for line in lines)


def test_types_are_the_same_in_every_line_for_hugging_face(tmp_path: Path) -> None:
    out = Case("hf", True, True).run(tmp_path, tmp_path / "out")
    lines = [json.loads(line) for part in PARTS for line in (out / part / "metadata.jsonl").read_text().splitlines()]
    assert len({tuple((key, type(value)) for key, value in line.items()) for line in lines}) == 1
    assert {type(number) for line in lines for box in line["objects"]["bbox"] for number in box} == {float}


def test_masks_are_named_in_indexes_and_columns_give_way_to_names() -> None:
    columns = {"label": "x", "masks": "y", "source_label": "z", "image": "i", "naïve": "ß"}
    shown = Picture("cats/a_00000.png", (9, 9), (), "cats", "", columns, "cats/a.png", 0, {"masks": "masks/cats/a_00000.png"})
    bare = Picture("cats/\udcff.png", (9, 9), (), "cats", source="cats/\udcff.png")

    def closed(layout: Layout) -> bytes:
        ((_, pieces),) = layout.closing(lambda: iter([shown, bare]))
        return b"".join(pieces)

    header, first, second = closed(CsvLayout()).decode("utf-8", "surrogateescape").splitlines()
    assert header == "file,label,masks,source,copy,source_source_label,source_masks,source_label,image,naïve"
    assert first == "cats/a_00000.png,cats,masks/cats/a_00000.png,cats/a.png,0,x,y,z,i,ß"
    assert second == "cats/\udcff.png,cats,,cats/\udcff.png,,,,,,"
    line = json.loads(closed(HfLayout()).splitlines()[0])
    assert line["masks_file_name"] == "masks/cats/a_00000.png" and line["copy"] == 0
    assert (line["source_source_label"], line["source_masks"], line["source_label"], line["source_image"]) == ("x", "y", "z", "i")


def test_a_cell_that_needs_it_is_quoted() -> None:
    cells = ["a,b", 'c"d', "e\r\nf", "", " g ", "h\ri"]
    shown = Picture("x.png", (9, 9), (), columns={str(i): cell for i, cell in enumerate(cells)}, source="x.png")
    ((_, pieces),) = CsvLayout().closing(lambda: iter([shown]))
    (row,) = csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline=""))
    assert [row[str(i)] for i in range(len(cells))] == cells


class TestConversion:
    CROWD = rle.encode(np.ones((4, 4), np.uint8))

    @pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
    @pytest.mark.parametrize("layout", [None, Layout(), CsvLayout()], ids=["class folders", "masks", "a table"])
    def test_classes_are_no_boxes(self, kind: str, layout: Layout | None) -> None:
        with pytest.raises(PlanError, match=f"^--to {kind}: these sources have no objects with boxes.*csv "):
            as_kind(layout, kind)

    @pytest.mark.parametrize(
        ("layout", "kind", "parts", "words"),
        [
            pytest.param(CocoLayout(), "xml", (), "written as coco, yolo, voc, csv, hf", id="an unknown kind"),
            pytest.param(VocLayout(), "yolo", (), "no picture of this set has an object", id="no categories"),
            pytest.param(YoloLayout(), "yolo", ("train", "names"), "can't be called names", id="a key of data.yaml"),
        ],
    )
    def test_what_cant_be(self, layout: Layout, kind: str, parts: Sequence[str], words: str) -> None:
        with pytest.raises(PlanError, match=words):
            as_kind(layout, kind, parts)

    @pytest.mark.parametrize(("kind", "ids"), [("coco", [3, 7]), ("yolo", [0, 1]), ("voc", [3, 7]), ("csv", [3, 7]), ("hf", [3, 7])])
    def test_categories_go_along(self, kind: str, ids: list[int]) -> None:
        layout, notes = as_kind(CocoLayout((Category("cat", 3), Category("dog", 7))), kind, PARTS)
        assert [(one.name, one.id) for one in layout.categories] == list(zip(("cat", "dog"), ids, strict=True))
        assert (layout.kind, layout.parts, notes, layout.annotated) == (kind, PARTS, [], True)
        assert layout_of(layout.state()) == layout

    def test_voc_s_categories_come_from_its_files(self, tmp_path: Path) -> None:
        out = of_kind("voc", split=False).run(tmp_path, tmp_path / "voc")
        found = find_sources(out)
        for kind, first in (("coco", 1), ("yolo", 0), ("csv", 1)):
            layout, _ = as_kind(found.layout, kind, (), found.sources)
            assert [(one.id, one.name) for one in layout.categories] == list(enumerate(sorted(NAMES.values()), first))

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            pytest.param("yolo", ["2 crowds are left out", "outlines are left out"], id="yolo"),
            pytest.param("voc", ["2 crowds are marked difficult", "keypoints are left out"], id="voc"),
            pytest.param("csv", ["2 crowds are left out", "the boxes are written", "keypoints are left out"], id="csv"),
            pytest.param("hf", ["2 crowds are left out", "the boxes are written", "keypoints are left out"], id="hf"),
            pytest.param("coco", [], id="coco"),
        ],
    )
    def test_what_is_lost_is_said(self, kind: str, words: list[str], tmp_path: Path) -> None:
        found = find_sources(coco_set(tmp_path))
        layout = replace(found.layout or Layout(), categories=(Category("cat", 3, POINTS),))
        if kind == "coco":
            layout = as_kind(layout, "hf")[0]
        _, notes = as_kind(layout, kind, PARTS, found.sources)
        assert len(notes) == len(words)
        for note, part in zip(notes, words, strict=True):
            assert note.startswith(f"--to {kind}: ") and part in note

    def test_several_lists_of_keypoints_are_none_for_yolo(self) -> None:
        own = CocoLayout((Category("face", 1, POINTS, swap=(0, 2, 1)), Category("hand", 2, ("a", "b"), swap=(0, 1)), Category("x", 3)))
        layout, (note,) = as_kind(own, "yolo")
        assert "one list of them" in note
        assert [(one.keypoints, one.swap) for one in layout.categories] == [((), (0, 2, 1)), ((), (0, 1)), ((), ())]
        one, _ = as_kind(CocoLayout((Category("face", 1, POINTS), Category("x", 3))), "yolo")
        assert isinstance(one, YoloLayout) and one.form.points == 3

    def test_a_region_alone_is_a_box_and_keypoints_alone_are_a_fault_in_words(self) -> None:
        region = np.zeros((10, 20), np.uint8)
        region[2:5, 4:14] = 1
        shown = [Instance("a", region=rle.encode(region))]
        (labels,) = YoloLayout((Category("a", 0),)).beside("images/x.jpg", (20, 10), shown)
        assert labels[1] == b"0 0.45 0.35 0.5 0.3\n"
        (xml,) = VocLayout().beside("JPEGImages/x.jpg", (20, 10), shown)
        assert b"<xmin>5</xmin>" in xml[1] and b"<xmax>14</xmax>" in xml[1]
        for layout in (YoloLayout((Category("a", 0),)), VocLayout()):
            with pytest.raises(ValueError, match="neither box nor outline"):
                layout.beside(f"{layout.pictures}/x.jpg", (20, 10), [Instance("a", keypoints=np.ones((1, 3)))])

    def test_originals_that_would_share_a_label_file_are_named(self, tmp_path: Path) -> None:
        index = coco_set(tmp_path, 4)
        write_picture(tmp_path / "images" / "2.png", picture(*SIZES[2][::-1]))
        index.write_text(index.read_text().replace('"3.jpg", "width": 40, "height": 30', '"2.png", "width": 24, "height": 33'))
        found = find_sources(index)
        for kind, count in (("yolo", 1), ("voc", 1), ("coco", 0), ("csv", 0)):
            _, notes = as_kind(found.layout, kind, (), found.sources)
            assert sum("2.jpg and 2.png would have one" in note for note in notes) == count

    def test_masks_of_a_divided_set_are_not_named_for_hugging_face(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "in" / "cats" / "a.png")
        write_picture(tmp_path / "masks" / "cats" / "a.png", picture(channels=1))
        found = find_sources(tmp_path / "in", masks=tmp_path / "masks")
        assert as_kind(found.layout, "hf", (), found.sources)[1] == []
        (note,) = as_kind(found.layout, "hf", PARTS, found.sources)[1]
        assert "masks" in note

    @pytest.mark.parametrize(
        ("place", "noted"),
        [
            pytest.param("test/a.png", True, id="a folder"),
            pytest.param("cats/dev-1.png", True, id="the begin of a name"),
            pytest.param("cats/my train 1.png", True, id="a word in a name"),
            pytest.param("trains/contest.png", False, id="other words"),
        ],
    )
    def test_names_that_hugging_face_takes_for_splits(self, place: str, noted: bool, tmp_path: Path) -> None:
        write_picture(tmp_path / place)
        sources = find_sources(tmp_path).sources
        assert bool(as_kind(None, "hf", (), sources)[1]) is noted
        assert as_kind(None, "hf", PARTS, sources)[1] == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"objects": [1]}, id="an object that is a number"),
        pytest.param({"objects": {"a": 1}}, id="no list"),
        pytest.param({"objects": [{"category": "cat", "box": [1, 2]}]}, id="half a box"),
        pytest.param({"objects": [{"category": "cat", "box": [1, 2, 3, None]}]}, id="a hole"),
        pytest.param({"objects": [{"category": "cat", "region": {"size": [1, 1], "counts": "?"}}]}, id="a broken mask"),
        pytest.param({"objects": [{"box": [0, 0, 1, 1]}]}, id="no category"),
        pytest.param({"width": None}, id="no width"),
        pytest.param({"columns": 3}, id="columns that are a number"),
    ],
)
def test_a_line_with_damaged_objects_is_told_of(damage: Mapping[str, Any], tmp_path: Path) -> None:
    case = of_kind("coco", split=False)
    out = case.run(tmp_path, tmp_path / "out")
    lines = lines_of(out)
    lines[1] |= damage
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(OutputError, match=rf"manifest\.jsonl: the line of {lines[1]['file']} is damaged"):
        case.run(tmp_path, out)
