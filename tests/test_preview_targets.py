"""Targets on shown pictures: where the objects are and nowhere else, as generate writes them, and never on a written copy."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from augx import Options, find_sources, load_spec, plan_copies, run_plan
from augx.annotations import rle
from augx.annotations.outlines import enclosing
from augx.masks import read_mask
from augx.review.finished import run_report
from augx.review.marks import PALETTE, Marks, colour_of, marked
from augx.review.preview import preview
from augx.review.sheet import CELL, thumbnail
from augx.sample import Instance, Mask, Sample
from augx.sources import load
from augx.warp import Levels
from tests.conftest import PHOTOS, Run, picture, pictures, tree
from tests.test_sets import COCO, MASKS, table, voc_set, yolo_set

SAMPLES = [load(source) for source in find_sources(COCO, masks=MASKS).sources]
EVERY_SAMPLE = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
PLACES = {"cat": 0, "dog": 1, "bird": 2}


def filled(sample: Sample) -> np.ndarray:
    """The objects' pixels, (h, w), drawn by OpenCV."""
    inside = np.zeros(sample.image.image.shape[:2], np.uint8)
    for one in sample.instances:
        cv2.fillPoly(inside, [np.rint(ring - 0.5).astype(np.int32) for ring in one.polygons], 1)
    return inside


def turned(one: Instance) -> Instance:
    """The object's smallest rectangle at an angle."""
    corners = cv2.boxPoints(cv2.minAreaRect(np.concatenate(one.polygons).astype(np.float32)))
    return Instance(one.category, enclosing(corners), (corners,), oriented=True)


def grey(mask: Mask, label: int) -> Mask:
    return Mask("m", Levels((mask.levels.image > 0).astype(np.uint16) * label))


def coloured(mask: Mask) -> Mask:
    return Mask("m", Levels(np.where(mask.levels.image[:, :, None] > 0, np.array([0, 0, 255], np.uint8), np.zeros(3, np.uint8))))


def bare(one: Instance, **parts: object) -> Instance:
    return Instance(one.category, **parts)  # type: ignore[arg-type]


KINDS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(lambda s: Marks(s.image.size, tuple(bare(one, box=one.box) for one in s.instances)), id="boxes"),
        pytest.param(lambda s: Marks(s.image.size, tuple(bare(one, polygons=one.polygons) for one in s.instances)), id="polygons"),
        pytest.param(lambda s: Marks(s.image.size, tuple(map(turned, s.instances))), id="oriented boxes"),
        pytest.param(lambda s: Marks(s.image.size, (bare(s.instances[0], region=rle.encode(filled(s))),)), id="a region"),
        pytest.param(lambda s: Marks(s.image.size, tuple(bare(one, keypoints=one.keypoints) for one in s.instances)), id="keypoints"),
        pytest.param(lambda s: Marks(s.image.size, (), s.masks), id="a mask with a palette"),
        pytest.param(lambda s: Marks(s.image.size, (), (grey(s.masks[0], 1),)), id="a mask of labels"),
        pytest.param(lambda s: Marks(s.image.size, (), (grey(s.masks[0], 60000),)), id="a mask of 16 bits"),
        pytest.param(lambda s: Marks(s.image.size, (), (coloured(s.masks[0]),)), id="a mask of colours"),
    ],
)


@KINDS
@EVERY_SAMPLE
@pytest.mark.parametrize("side", [CELL, 64], ids=["a cell", "smaller"])
def test_it_changes_the_thumbnail_where_the_object_is_and_nowhere_else(kind, sample: Sample, side: int) -> None:  # type: ignore[no-untyped-def]
    small = thumbnail(sample.image.image, side)
    marks = kind(sample)
    drawn = marked(small, marks, PLACES)
    changed = (drawn != small).any(axis=2)
    assert drawn.shape == small.shape and drawn.dtype == np.uint8 and changed.any()
    # Where it may: what encloses the objects, and of masks and outlines their own shape, with room for the line itself.
    allowed = np.zeros(sample.image.image.shape[:2], np.uint8)
    outlined = marks.masks or any(one.region is not None or (one.polygons and not one.oriented) for one in marks.instances)
    boxes = [] if outlined else list(map(around, marks.instances))
    for left, top, right, bottom in boxes:
        allowed[max(0, int(top)) : int(bottom) + 1, max(0, int(left)) : int(right) + 1] = 1
    if outlined:
        allowed = np.maximum(filled(sample), sample.masks[0].levels.image > 0).astype(np.uint8) if marks.masks else filled(sample)
    near = cv2.dilate(thumb(allowed, small), np.ones((9, 9), np.uint8))
    assert not changed[near == 0].any()


def around(one: Instance) -> tuple[float, float, float, float]:
    """What encloses all that is known of an instance."""
    points = [*one.polygons]
    if one.keypoints is not None:
        points.append(one.keypoints[one.keypoints[:, 2] > 0, :2])
    return one.box or enclosing(np.concatenate(points))


def thumb(allowed: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Any pixel of the thumbnail that shows one of these."""
    return (cv2.resize(allowed * 255, small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)


@EVERY_SAMPLE
def test_without_targets_nothing_changes(sample: Sample) -> None:
    small = thumbnail(sample.image.image)
    kept = small.copy()
    for marks in (
        Marks(sample.image.size),
        Marks(sample.image.size, (Instance("cat"),)),
        Marks(sample.image.size, (), (grey(sample.masks[0], 0),)),
    ):
        assert np.array_equal(marked(small, marks, PLACES), kept)
    marked(small, Marks(sample.image.size, sample.instances, sample.masks), PLACES)
    assert np.array_equal(small, kept)  # what is given stays as it is


@EVERY_SAMPLE
def test_it_lies_alike_on_a_thumbnail_of_any_size(sample: Sample) -> None:
    """The same objects on a small thumbnail and on a large one: what is tinted is the same part of the picture."""
    shares = []
    for side in (96, 192, 400):
        small = np.full_like(thumbnail(sample.image.image, side), 255)
        shares.append((marked(small, Marks(sample.image.size, (), sample.masks), PLACES) != small).any(axis=2).mean())
    assert max(shares) - min(shares) < 0.01 and shares[0] == pytest.approx((sample.masks[0].levels.image > 0).mean(), abs=0.02)


class TestColours:
    def test_one_a_category_by_its_place(self) -> None:
        places = {f"c{i}": i for i in range(3 * len(PALETTE))}
        colours = [colour_of(name, places) for name in places]
        assert len(set(PALETTE)) == len(PALETTE) and colours == [*PALETTE] * 3
        assert colour_of("unheard of", places) == colour_of("unheard of", {}) and colour_of("\udcff", {}) in PALETTE

    @pytest.mark.parametrize(("i", "background"), [(i, b) for i in range(len(PALETTE)) for b in (0, 90, 128, 200, 255)], ids=str)
    def test_each_reads_on_dark_and_on_bright(self, i: int, background: int) -> None:
        blank = np.full((64, 64, 3), background, np.uint8)
        drawn = marked(blank, Marks((64, 64), (Instance("c", (16, 16, 48, 48)),)), {"c": i}).astype(int)
        line = drawn[32, 14:20]
        assert np.abs(np.diff(line @ [0.114, 0.587, 0.299])).max() > 25 or np.abs(np.diff(line, axis=0)).max() > 90
        assert tuple(line[2]) == PALETTE[i] or tuple(line[1]) == PALETTE[i]

    def test_a_box_is_one_pixel_sharp(self) -> None:
        drawn = marked(np.zeros((90, 90, 3), np.uint8), Marks((900, 450), (Instance("c", (203.3, 104.9, 611.1, 333.3)),)), {"c": 1})
        assert ((drawn > 0).any(axis=2).sum(axis=1) >= 3).sum() == 2  # two lines across

    def test_of_a_palette_are_those_of_the_tint(self) -> None:
        mask = Mask(
            "m", Levels(np.repeat(np.arange(4, dtype=np.uint8), 16)[None].repeat(64, 0)), (bytes([0, 0, 0, 250, 0, 0, 0, 250, 0]), b"")
        )
        drawn = marked(np.zeros((64, 64, 3), np.uint8), Marks((64, 64), (), (mask,)), {})
        assert [drawn[30, x].tolist() for x in (8, 24, 40, 56)] == [
            [0, 0, 0],
            [0, 0, 112],
            [0, 112, 0],
            [0, 0, 0],
        ]  # the last has no colour


def test_hidden_keypoints_are_hollow_and_absent_ones_are_not_there() -> None:
    blank = np.full((192, 192, 3), 255, np.uint8)
    points = np.array([[40, 40, 2], [150, 40, 1], [0, 0, 0], [40, 180, 2]], float)
    drawn = marked(blank, Marks((192, 192), (Instance("c", keypoints=points),)), {"c": 0})
    assert tuple(drawn[40, 40]) == PALETTE[0] and tuple(drawn[40, 150]) != PALETTE[0] and (drawn[:5, :5] == 255).all()


@pytest.mark.parametrize(
    "instance",
    [
        Instance("c", (-1e30, float("nan"), float("inf"), 4.0)),
        Instance("c", polygons=(np.zeros((0, 2)), np.array([[1e300, -1e300]]))),
        Instance("c", keypoints=np.zeros((0, 3))),
    ],
    ids=["a box of nothing", "outlines of nothing", "no keypoints"],
)
def test_what_no_set_should_hold_is_drawn_somehow(instance: Instance) -> None:
    assert marked(np.zeros((8, 5, 3), np.uint8), Marks((5, 8), (instance,)), {}).shape == (8, 5, 3)


@pytest.mark.parametrize("channels", [2, 5, 6])
def test_thumbnails_of_other_channels(channels: int) -> None:
    found = thumbnail(picture(40, 50, channels=channels))
    assert found.shape == (40 * 3, 50 * 3, 3)


SPEC = load_spec(
    {
        "augx": 1,
        "warp": {"rotate": 30, "zoom": 0.3, "flip_h": 0.5, "border": "constant", "elastic": {"displacement": 0.02, "p": 0.5}},
        "then": [{"erase": {"area": 0.1, "p": 0.5}}],
        "output": {"format": "png"},
    }
)
INPUTS = pytest.mark.parametrize(
    ("make", "options"),
    [
        pytest.param(lambda root: COCO, {}, id="coco"),
        pytest.param(lambda root: yolo_set(root / "yolo"), {}, id="yolo"),
        pytest.param(lambda root: voc_set(root / "voc"), {}, id="voc"),
        pytest.param(lambda root: PHOTOS, {"masks": MASKS}, id="class tree with masks"),
        pytest.param(lambda root: COCO, {"masks": MASKS}, id="coco with masks"),
        pytest.param(table, {"root": PHOTOS}, id="table without targets"),
    ],
)


@INPUTS
def test_a_preview_shows_what_is_written_and_a_report_shows_the_same(make, options, augx: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("yolo", "voc"):
        (tmp_path / name).mkdir()
    (tmp_path / "s.yaml").write_text(json.dumps(SPEC.canonical()))
    given = ["--input", make(tmp_path), "--spec", "s.yaml", *(part for name, value in options.items() for part in (f"--{name}", value))]
    assert augx("preview", *given, "--html", "p.html").returncode == 0
    assert augx("preview", *given, "--html", "plain.html", "--no-targets").returncode == 0
    assert augx("generate", *given, "--output", "out", "--copies", "11", "--report", "r.html").returncode == 0
    assert augx("generate", *given, "--output", "unseen", "--copies", "11").returncode == 0
    assert pictures(tmp_path / "out") == pictures(tmp_path / "unseen")
    found = [re.findall(rb"base64,([^\"]*)\" alt=\"([^\"]*)\"", (tmp_path / f"{name}.html").read_bytes()) for name in ("p", "r", "plain")]
    assert found[0] == found[1] and len(found[0]) > 12
    if "without" not in str(make) and make is not table:
        assert found[0] != found[2]
        assert b"Objects on the pictures" in (tmp_path / "p.html").read_bytes() or options == {"masks": MASKS}
    else:
        assert found[0] == found[2]
    assert b"Objects on the pictures" not in (tmp_path / "plain.html").read_bytes()


def test_each_transform_alone_has_its_targets_too() -> None:
    found = find_sources(COCO)
    plan = plan_copies(found, SPEC, copies=1)
    shown, plain = (preview(plan, SPEC, sources=1, copies=1, targets=targets) for targets in (True, False))
    assert [name for name, _ in shown.legend] == ["cat"] and plain.legend == ()
    for one, other in zip(shown.alone, plain.alone, strict=True):
        for a, b in zip(one.cells, other.cells, strict=True):
            assert a.caption == b.caption and not np.array_equal(a.picture, b.picture)  # type: ignore[arg-type]


def test_of_a_large_picture_they_lie_where_they_do_on_a_small_one(tmp_path: Path) -> None:
    """Each transform alone is shown on a reduced picture; its targets are those of the whole one."""
    for times in (1, 8):
        image = np.zeros((100 * times, 150 * times, 3), np.uint8)
        image[30 * times : 70 * times, 40 * times : 90 * times] = 255
        (tmp_path / f"{times}").mkdir()
        cv2.imwrite(str(tmp_path / f"{times}" / "a.png"), image)
        box = [value * times for value in (40, 30, 50, 40)]
        whole = {"id": 1, "file_name": "a.png", "width": 150 * times, "height": 100 * times}
        one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 1, "iscrowd": 0}
        data = {"images": [whole], "annotations": [one], "categories": [{"id": 1, "name": "square"}]}
        (tmp_path / f"{times}" / "a.json").write_text(json.dumps(data))
    spec = load_spec({"augx": 1, "warp": {"shift_x": 0.2, "border": "constant"}})
    for times in (1, 8):
        plan = plan_copies(find_sources(tmp_path / f"{times}" / "a.json"), spec, copies=1)
        for cell in preview(plan, spec).alone[0].cells:
            assert cell.picture is not None
            line = (cell.picture == PALETTE[0]).all(axis=2)
            white = (cell.picture == 255).all(axis=2)
            for axis in (0, 1):
                drawn, seen = (np.flatnonzero(part.any(axis=axis)) for part in (line, white))
                assert abs(drawn[0] - seen[0]) <= 3 and abs(drawn[-1] - seen[-1]) <= 3  # the rim is between


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objects": [1]}, "holds no such objects"),
        ({"objects": [{"category": "cat", "box": "x"}]}, "holds no such objects"),
        ({"width": None}, "holds no such objects"),
        ({"objects": [{"category": "cat", "region": {"size": [5, 5], "counts": "x"}}]}, "run-length mask"),
        ({"beside": [{"file": "masks/gone.png", "size": 1, "sha256": ""}]}, "masks/gone.png"),
    ],
    ids=["no object", "no box", "no size", "no region", "no mask"],
)
def test_a_line_that_was_tampered_with_costs_its_copy(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    plan = plan_copies(find_sources(COCO), SPEC, copies=1)
    run = run_plan(plan, SPEC, tmp_path / "out")
    first, *others = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    (tmp_path / "out" / "manifest.jsonl").write_text("\n".join([json.dumps({**json.loads(first), **changes}), *others]) + "\n")
    page = run_report(plan, SPEC, run, name="s.yaml", max_pixels=10**8).decode()
    assert re.search(f"copy 0: [^<]*{words}", page) and page.count("<figcaption>copy 0</figcaption>") == 1  # of two shown


def test_a_mask_beside_a_copy_is_read_from_the_disk(tmp_path: Path, augx: Run) -> None:
    common = ("generate", "--input", PHOTOS, "--masks", MASKS, "--output", "out", "--copies", "1", "--report", "r.html")
    assert augx(*common).returncode == 0
    before = (tmp_path / "r.html").read_bytes()
    assert tree(tmp_path / "out") and read_mask("m", str(next((tmp_path / "out" / "masks").rglob("*.png")))).palette[0]
    assert augx(*common).returncode == 0 and (tmp_path / "r.html").read_bytes() == before


def test_targets_that_can_not_be_moved_are_a_failure_as_in_generate(tmp_path: Path) -> None:
    spec = load_spec({"augx": 1, "warp": {"rotate": 30, "border": "constant"}, "targets": {"mask_border": 300}})
    found = find_sources(PHOTOS, masks=MASKS)
    plan = plan_copies(replace(found, sources=found.sources[:2]), spec, copies=1)
    report = run_plan(plan, spec, tmp_path / "out", options=Options(jobs=1))
    with pytest.raises(Exception, match="its targets can't be moved: the label 300") as raised:
        preview(plan, spec)
    assert report.failures and report.failures[0].reason in str(raised.value)
