"""A set that goes from one format to the next keeps its boxes: COCO -> YOLO -> VOC -> COCO, through files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx.annotations.base import Layout, Picture
from augx.annotations.coco import CocoLayout, read_coco
from augx.annotations.voc import VocLayout, categories_of, read_voc
from augx.annotations.yolo import YoloLayout, read_yolo, renumbered
from augx.sample import Instance
from augx.sources import SourceSet

NAMES = ("person", "traffic light", "naïve & <b>", "NO")
Drawn = tuple[tuple[int, int], list[tuple[str, tuple[float, float, float, float]]]]


@st.composite
def marked(draw: st.DrawFn) -> Drawn:
    """A picture's size, and boxes inside it that have a name each."""
    size = draw(st.integers(1, 10_000)), draw(st.integers(1, 10_000))
    boxes = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4)):
        edges = []
        for side in size:
            start = draw(st.floats(0, side - 0.01))
            edges.append((start, draw(st.floats(min(start + 0.01, side), side))))
        boxes.append((name, (edges[0][0], edges[1][0], edges[0][1], edges[1][1])))
    return size, boxes


def write(root: Path, layout: Layout, pictures: Sequence[Picture]) -> None:
    """The set as a run lays it out, with empty files for pictures: the readers of annotations are told the sizes."""
    files = [file for picture in pictures for file in layout.beside(*picture[:3])]
    files += [(place, b"".join(pieces)) for place, pieces in layout.closing(lambda: iter(pictures))]
    for place, data in [*files, *((picture.place, b"") for picture in pictures)]:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(data)


def moved(found: SourceSet, sizes: Sequence[tuple[int, int]], layout: type[Layout]) -> list[Picture]:
    pictures = []
    for source, size in zip(found.sources, sizes, strict=True):
        assert not source.fault
        shown = source.annotations.read(size) if source.annotations is not None else ()
        pictures.append(Picture("/".join(filter(None, (layout.pictures, source.folder, source.name))), size, shown))
    return pictures


@settings(max_examples=40)
@given(st.lists(marked(), min_size=1, max_size=3).filter(lambda pictures: any(boxes for _, boxes in pictures)))
def test_boxes_that_go_through_all_formats_stay_where_they_are(tmp_path: Path, drawn: list[Drawn]) -> None:
    for name in ("coco", "yolo", "voc", "back"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    sizes = [size for size, _ in drawn]
    images = [{"id": i, "file_name": f"train/{i}.jpg", "width": size[0], "height": size[1]} for i, size in enumerate(sizes)]
    flat = [(i, name, box) for i, (_, boxes) in enumerate(drawn) for name, box in boxes]
    annotations = [
        {"id": n, "image_id": i, "category_id": 10 * NAMES.index(name) + 1, "bbox": [left, top, right - left, bottom - top], "iscrowd": 0}
        for n, (i, name, (left, top, right, bottom)) in enumerate(flat, 1)
    ]
    categories = [{"id": 10 * i + 1, "name": name} for i, name in enumerate(NAMES)]
    for image in images:
        place = tmp_path / "coco" / "images" / str(image["file_name"])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    index = tmp_path / "coco" / "annotations.json"
    index.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))

    coco = read_coco(index)
    assert coco.layout is not None
    write(tmp_path / "yolo", YoloLayout(renumbered(coco.layout.categories)), moved(coco, sizes, YoloLayout))
    yolo = read_yolo(tmp_path / "yolo")
    write(tmp_path / "voc", VocLayout(), moved(yolo, sizes, VocLayout))
    voc = read_voc(tmp_path / "voc")
    write(tmp_path / "back", CocoLayout(categories_of(voc.sources)), moved(voc, sizes, CocoLayout))
    back = read_coco(tmp_path / "back" / "annotations.json")

    assert [source.key for source in back.sources] == [f"train/{i}.jpg" for i in range(len(sizes))]
    for source, (size, boxes) in zip(back.sources, drawn, strict=True):
        assert source.annotations is not None
        found: tuple[Instance, ...] = source.annotations.read(size)
        assert [instance.category for instance in found] == [name for name, _ in boxes]
        for instance, (_, box) in zip(found, boxes, strict=True):
            assert instance.box == pytest.approx(box, rel=0, abs=1e-6)
