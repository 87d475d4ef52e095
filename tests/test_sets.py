"""Whole runs over every kind of input: exact counts, the same bytes whatever the way, resumed, remade, nothing foreign touched."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from augx import Options, OutputError, PlanError, expand_dataset, find_sources, load_spec, plan_copies, remake_files, run_plan
from tests.conftest import PHOTOS, ROOT, Run, picture, pictures, tree, write_picture

MASKS = ROOT / "sample_masks"
COCO = PHOTOS / "annotations.json"
SPEC = load_spec(
    {"augx": 1, "warp": {"rotate": 20, "zoom": 0.2, "flip_h": 0.5, "border": "constant"}, "then": [{"erase": {"area": 0.1, "p": 0.5}}]}
)


def yolo_set(root: Path) -> Path:
    """Two pictures with YOLO's labels, one of them split off for validation."""
    write_picture(root / "images" / "train" / "a.jpg", picture(60, 80, seed=1))
    write_picture(root / "images" / "train" / "b.png", picture(50, 40, seed=2))
    write_picture(root / "images" / "val" / "c.jpg", picture(50, 40, seed=3))
    for name, text in (("train/a", "0 0.5 0.5 0.25 0.5\n1 0.25 0.25 0.2 0.2\n"), ("train/b", ""), ("val/c", "1 0.5 0.5 1 1\n")):
        label = root / "labels" / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(text)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n")
    return root


def voc_set(root: Path) -> Path:
    """One picture with a Pascal VOC file."""
    write_picture(root / "JPEGImages" / "a.jpg", picture(60, 80, seed=1))
    (root / "Annotations").mkdir()
    (root / "Annotations" / "a.xml").write_text(
        "<annotation><size><width>80</width><height>60</height><depth>3</depth></size><object><name>cat</name><bndbox>"
        "<xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>50</ymax></bndbox></object></annotation>"
    )
    return root


def table(root: Path) -> Path:
    """The photos' class tree, told by a table."""
    names = sorted(str(path.relative_to(PHOTOS)) for path in PHOTOS.rglob("*.*") if path.suffix in (".jpg", ".png"))
    (root / "photos.csv").write_text("file,label,taken by\n" + "".join(f"{name},{name.split('/')[0]},me\n" for name in names))
    return root / "photos.csv"


def tar(root: Path) -> Path:
    """The photos' class tree in a compressed tar."""
    with tarfile.open(root / "photos.tar.gz", "w:gz") as file:
        for path in sorted(PHOTOS.rglob("*.*")):
            if path.suffix in (".jpg", ".png"):
                file.add(path, path.relative_to(PHOTOS))
    return root / "photos.tar.gz"


def arrays(root: Path) -> Path:
    """Six-channel pictures with classes."""
    x = np.stack([picture(20, 30, channels=6, seed=i) for i in range(4)]).transpose(0, 3, 1, 2)
    np.savez_compressed(root / "set.npz", x=x, y=np.array([0, 1, 1, 2]))
    return root / "set.npz"


INPUTS = pytest.mark.parametrize(
    ("make", "options"),
    [
        pytest.param(lambda root: COCO, {}, id="coco"),
        pytest.param(lambda root: yolo_set(root / "yolo"), {}, id="yolo"),
        pytest.param(lambda root: voc_set(root / "voc"), {}, id="voc"),
        pytest.param(lambda root: PHOTOS, {"masks": MASKS}, id="class tree with masks"),
        pytest.param(lambda root: COCO, {"masks": MASKS}, id="coco with masks"),
        pytest.param(table, {"root": PHOTOS}, id="table"),
        pytest.param(tar, {}, id="tar"),
        pytest.param(arrays, {"channels_first": True}, id="arrays"),
    ],
)


@INPUTS
def test_laws(make, options, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "yolo").mkdir()
    (tmp_path / "voc").mkdir()
    found = find_sources(make(tmp_path), **options)
    plan = plan_copies(found, SPEC, copies=3, originals=True)
    report = run_plan(plan, SPEC, tmp_path / "out", options=Options(jobs=1))
    assert report.failures == () and report.made == plan.files == len(found.sources) * 4
    whole = tree(tmp_path / "out")
    lines = [json.loads(line) for line in whole["manifest.jsonl"].splitlines()]
    assert {line["file"] for line in lines} | {part["file"] for line in lines for part in line.get("beside", ())} <= whole.keys()

    run_plan(plan, SPEC, tmp_path / "two", options=Options(jobs=2, engine="processes"))
    assert pictures(tmp_path / "two") == pictures(tmp_path / "out")
    assert tree(tmp_path / "two")["manifest.jsonl"] == whole["manifest.jsonl"]

    # Grown in two steps, the set and what is written about it are the same.
    fewer = plan_copies(found, SPEC, copies=1, originals=True)
    run_plan(fewer, SPEC, tmp_path / "grown")
    run_plan(plan, SPEC, tmp_path / "grown")
    assert pictures(tmp_path / "grown") == pictures(tmp_path / "out")

    # What is missing, a picture or a file beside one, is made again to the same bytes.
    for name in [line["file"] for line in lines][::5] + [part["file"] for line in lines for part in line.get("beside", ())][::7]:
        (tmp_path / "out" / name).unlink()
    assert run_plan(plan, SPEC, tmp_path / "out").missing == 0
    assert tree(tmp_path / "out") == whole

    made = remake_files(tmp_path / "out", [line["file"] for line in lines], output=tmp_path / "again")
    assert made.failures == () and len(made.made) == len(lines)
    again = tree(tmp_path / "again")
    assert again == {name: whole[name] for name in again}
    assert len(again) == len(lines) + sum(len(line.get("beside", ())) for line in lines)

    run_plan(plan, load_spec("gentle"), tmp_path / "out", options=Options(overwrite=True))
    assert tree(tmp_path / "out").keys() == whole.keys()


def test_one_picture_has_one_set_of_copies_whatever_told_of_it(tmp_path: Path) -> None:
    for name, found in (
        ("tree", find_sources(PHOTOS)),
        ("table", find_sources(table(tmp_path), root=PHOTOS)),
        ("tar", find_sources(tar(tmp_path))),
    ):
        run_plan(plan_copies(found, SPEC, copies=2), SPEC, tmp_path / name)
    assert pictures(tmp_path / "tree") == pictures(tmp_path / "table") == pictures(tmp_path / "tar")
    columns = [json.loads(line)["columns"] for line in (tmp_path / "table" / "manifest.jsonl").read_text().splitlines()]
    assert columns == [{"taken by": "me"}] * 10


def test_masks_keep_their_labels_and_lie_on_their_pictures(tmp_path: Path) -> None:
    """A picture of its own mask: after every warp both are the same, but for the rims that one interpolates."""
    mask = np.zeros((90, 120), np.uint8)
    cv2.circle(mask, (50, 40), 25, 200, -1)
    write_picture(tmp_path / "in" / "a.png", mask)
    write_picture(tmp_path / "masks" / "a.png", np.minimum(mask, 2))
    plan = plan_copies(find_sources(tmp_path / "in", masks=tmp_path / "masks"), load_spec("strong"), copies=20)
    spec = load_spec({"augx": 1, "warp": {"rotate": 40, "zoom": 0.3, "elastic": {"displacement": 0.03}, "border": "constant"}})
    run_plan(plan, spec, tmp_path / "out")
    for i in range(20):
        image = cv2.imread(str(tmp_path / "out" / "images" / f"a.png_{i:05d}.png"), -1)
        moved = cv2.imread(str(tmp_path / "out" / "masks" / f"a.png_{i:05d}.png"), -1)
        assert image.shape == moved.shape and set(np.unique(moved)) <= {0, 2}
        assert ((image > 100) != (moved == 2)).mean() < 0.01


def test_the_shipped_annotations_move_with_the_photos(tmp_path: Path) -> None:
    report = expand_dataset(tmp_path / "out", input=COCO, spec=SPEC, copies=4)
    written = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert len(written["images"]) == 20 and report.objects == len(written["annotations"]) and report.objects + report.dropped == 24
    sizes = {image["id"]: (image["width"], image["height"]) for image in written["images"]}
    for one in written["annotations"]:
        (left, top, width, height), (right, bottom) = one["bbox"], sizes[one["image_id"]]
        assert left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= right + 1e-6 and top + height <= bottom + 1e-6
    again = find_sources(tmp_path / "out" / "annotations.json")
    assert len(again.sources) == 20 and not any(source.fault for source in again.sources)


def test_a_mirror_swaps_left_and_right_and_names_that_say_so(tmp_path: Path) -> None:
    mirror = load_spec({"augx": 1, "warp": {"flip_h": {"p": 1, "relabel": {"cat": "tac"}}}})
    run_plan(plan_copies(find_sources(COCO), mirror, copies=1), mirror, tmp_path / "out")
    before, after = (json.loads(path.read_text()) for path in (COCO, tmp_path / "out" / "annotations.json"))
    names = before["categories"][0]["keypoints"]
    left, right = names.index("left_eye"), names.index("right_eye")
    size = {image["id"]: image["width"] for image in before["images"]}
    for old in before["annotations"]:
        points = np.array(old["keypoints"]).reshape(-1, 3)
        if not points[left, 2] or not points[right, 2]:
            continue
        expected = [size[old["image_id"]] - 1 - points[left, 0], points[left, 1]]
        assert any(np.allclose(np.array(new["keypoints"]).reshape(-1, 3)[right, :2], expected) for new in after["annotations"])
    assert {category["name"] for category in after["categories"]} == {"cat", "dog", "bird", "tac"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param(["--input", "nope.csv"], "No such file", id="no such table"),
        pytest.param(["--input", "a.csv", "--label-column", "kind"], "kind", id="a column that is missing"),
        pytest.param(["--input", "empty.csv"], "line 3", id="a label that is empty"),
        pytest.param(["--input", "twice.json"], "twice", id="a COCO id twice"),
        pytest.param(["--input", "flat.npy"], "flat.npy", id="an array of the wrong rank"),
        pytest.param(["--input", "a.csv", "--masks", "nope"], "nope", id="no such masks"),
        pytest.param(
            ["--input", "a.csv", "--oriented"], "--oriented goes with a YOLO set; this is a table", id="an option of another input"
        ),
        pytest.param(["--images-from", "none.txt"], "none.txt", id="no such list"),
        pytest.param(["--image", "a.jpg", "--image-column", "x"], "--image-column goes with --input", id="a column of a picture"),
        pytest.param(["--input", "a.csv", "-0"], "-0 goes with --images-from", id="NUL without a list"),
    ],
)
def test_what_is_wrong_with_a_set_stops_it_before_it_begins(args: list[str], words: str, augx: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg")
    (tmp_path / "a.csv").write_text("file,label\na.jpg,cat\n")
    (tmp_path / "empty.csv").write_text("file,label\na.jpg,cat\nb.jpg,\n")
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]
    (tmp_path / "twice.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    np.save(tmp_path / "flat.npy", np.zeros((3, 4), np.uint8))
    done = augx("generate", *args, "--copies", "1", "--output", "out")
    assert done.returncode == 2 and words in done.stderr.decode() and "Traceback" not in done.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_with_one_picture_costs_that_picture(augx: Run, tmp_path: Path) -> None:
    root = yolo_set(tmp_path / "yolo")
    write_picture(root / "images" / "train" / "six.jpg")
    (root / "labels" / "train" / "six.txt").write_text("0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1 0.9\n")
    write_picture(root / "images" / "train" / "nan.jpg")
    (root / "labels" / "train" / "nan.txt").write_text("0 nan 0.5 0.1 0.1\n")
    write_picture(root / "images" / "train" / "over.jpg")
    (root / "labels" / "train" / "over.txt").write_text("0 0.02 0.5 0.2 0.1\n")
    done = augx("generate", "--input", "yolo", "--copies", "2", "--output", "out", "--json")
    said, summary = done.stderr.decode(), json.loads(done.stdout)
    assert done.returncode == 1 and "six.txt" in said and "line 2" in said and "nan.txt" in said and "Traceback" not in said
    assert (summary["made"], summary["missing"], summary["clipped"]) == (6, 4, 1) and "1 object reached beyond the edge" in said
    assert (tmp_path / "out" / "labels" / "train" / "a_00000.txt").exists()


def test_a_mask_of_another_size_costs_its_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "a.png", picture(20, 30))
    write_picture(tmp_path / "in" / "b.png", picture(20, 30))
    write_picture(tmp_path / "in" / "c.png", picture(20, 30))
    write_picture(tmp_path / "masks" / "a.png", picture(20, 30, channels=1))
    write_picture(tmp_path / "masks" / "b.png", picture(30, 20, channels=1))
    found = find_sources(tmp_path / "in", masks=tmp_path / "masks")
    report = run_plan(plan_copies(found, SPEC, copies=2), SPEC, tmp_path / "out")
    assert report.made == 2 and report.missing == 4
    reasons = sorted(failure.reason for failure in report.failures)
    assert "20x30" in reasons[0] and "30x20" in reasons[0] and "no mask" in reasons[1]


def test_streams(augx: Run, tmp_path: Path) -> None:
    names = [str(path) for path in sorted(PHOTOS.rglob("*.jpg"))]
    done = augx("generate", "--images-from", "-", "-0", "--copies", "1", "--output", "listed", input="\0".join(names).encode())
    assert done.returncode == 0, done.stderr
    assert sorted(pictures(tmp_path / "listed")) == ["cats/Cat_00000.jpg", "dogs/Dog_00000.jpg", "dogs/friends_00000.jpg"]
    done = augx("generate", "--input", "-", "--copies", "1", "--output", "tar", input=tar(tmp_path).read_bytes())
    assert done.returncode == 0, done.stderr
    assert len(pictures(tmp_path / "tar")) == 5


def test_a_tar_that_is_cut_gives_what_is_whole(augx: Run, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name in ("cats/a.jpg", "cats/b.jpg"):
            file.add(write_picture(tmp_path / Path(name).name, picture(200, 200)), name)
    (tmp_path / "cut.tar").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    done = augx("generate", "--input", "cut.tar", "--copies", "2", "--output", "out")
    assert done.returncode == 1 and b"cats/b.jpg" in done.stderr and b"ends in the middle" in done.stderr
    assert sorted(pictures(tmp_path / "out")) == ["cats/a_00000.jpg", "cats/a_00001.jpg"]


def test_no_file_of_others_is_touched(tmp_path: Path) -> None:
    root = yolo_set(tmp_path / "yolo")
    (tmp_path / "out" / "labels" / "train").mkdir(parents=True)
    foreign = tmp_path / "out" / "labels" / "train" / "a_00000.txt"
    foreign.write_text("mine")
    report = expand_dataset(tmp_path / "out", input=root, spec=SPEC, copies=1)
    assert foreign.read_text() == "mine" and report.missing == 1 and not (tmp_path / "out" / "images" / "train" / "a_00000.jpg").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "data.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"data\.yaml"):
        expand_dataset(tmp_path / "other", input=root, spec=SPEC, copies=1)


def test_killed_and_resumed(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC.canonical()))
    command = [sys.executable, "-m", "augx", "generate", "--input", str(COCO), "--masks", str(MASKS), "--spec", str(spec), "--copies", "20"]
    subprocess.run([*command, "--output", str(tmp_path / "whole")], check=True, cwd=ROOT, capture_output=True)
    for n in (1, 17):
        with subprocess.Popen(
            [*command, "--output", str(tmp_path / "killed"), "--paths"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as run:
            assert run.stdout is not None
            for _ in range(n):
                run.stdout.readline()
            run.kill()
    subprocess.run([*command, "--output", str(tmp_path / "killed")], check=True, cwd=ROOT, capture_output=True)
    assert pictures(tmp_path / "killed") == pictures(tmp_path / "whole")
    assert (tmp_path / "killed" / "manifest.jsonl").read_bytes() == (tmp_path / "whole" / "manifest.jsonl").read_bytes()


def test_the_input_may_move(tmp_path: Path) -> None:
    root = yolo_set(tmp_path / "yolo")
    expand_dataset(tmp_path / "out", input=root, spec=SPEC, copies=1)
    shutil.move(root, tmp_path / "moved")
    file = "images/train/a_00000.jpg"
    with pytest.raises(PlanError):
        remake_files(tmp_path / "out", [file], output=tmp_path / "again")
    assert remake_files(tmp_path / "out", [file], input=tmp_path / "moved", output=tmp_path / "again").made == (file,)


def test_another_layout_is_another_set(tmp_path: Path) -> None:
    expand_dataset(tmp_path / "out", input=COCO, spec=SPEC, copies=1)
    with pytest.raises(OutputError, match=r"laid out as COCO, this would be YOLO"):
        expand_dataset(tmp_path / "out", input=yolo_set(tmp_path / "yolo"), spec=SPEC, copies=1)
    expand_dataset(tmp_path / "out", input=tmp_path / "yolo", spec=SPEC, copies=1, options=Options(overwrite=True))
    assert sorted(pictures(tmp_path / "out")) == [
        "data.yaml",
        "images/train/a_00000.jpg",
        "images/train/b.png_00000.png",
        "labels/train/a_00000.txt",
        "labels/train/b.png_00000.txt",
    ]
