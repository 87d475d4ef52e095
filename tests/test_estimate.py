"""``augx plan``: exact counts, and bytes as the run then writes them, to a quarter."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from augx import class_tree, load_spec, named_images, plan_copies, run_plan
from augx.review.estimate import estimate_plan
from tests.conftest import PHOTOS, Run, picture, pictures, tree, write_picture

CAT = PHOTOS / "cats" / "Cat.jpg"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Photos and drawings of many sizes, in three classes of unequal numbers."""
    root = tmp_path / "mixed"
    shutil.copytree(PHOTOS, root / "photos", ignore=shutil.ignore_patterns("*.md"))
    rng = np.random.default_rng(0)
    for i in range(40):
        height, width = rng.integers(8, 200, 2).tolist()
        write_picture(root / "small" / f"{i}.png", picture(height, width, channels=int(rng.choice([1, 3, 4])), seed=i))
    for i in range(12):
        flat = np.full((int(rng.integers(50, 600)), 300, 3), 200, np.uint8)
        flat[::20] = 0
        write_picture(root / "flat" / f"{i}.jpg", flat)
    return root


@pytest.mark.parametrize("preset", ["tutorial", "gentle", "strong", "documents"])
@pytest.mark.parametrize(
    "settings",
    [[], ["output.size=[96, 64]"], ["output.format=png"], ["output.format=webp", "output.quality=40"], ["policy=trivial_augment"]],
    ids=["as the sources", "small", "png", "webp", "a policy"],
)
def test_bytes_to_a_quarter(mixed: Path, tmp_path: Path, preset: str, settings: list[str]) -> None:
    spec = load_spec(preset, settings)
    plan = plan_copies(class_tree(mixed), spec, copies=3, originals=True)
    found = estimate_plan(plan, spec)
    run_plan(plan, spec, tmp_path / "out", input=mixed)
    written = sum(map(len, pictures(tmp_path / "out").values()))
    assert found.total.bytes == pytest.approx(written, rel=0.25)
    assert found.probed <= 32 and found.copies <= 64 and not found.failures


def test_tiny_pictures_and_a_few_huge_ones(tmp_path: Path) -> None:
    for i in range(300):
        write_picture(tmp_path / "in" / "tiny" / f"{i}.png", picture(28, 28, channels=1, seed=i))
    for i in range(3):
        write_picture(tmp_path / "in" / "huge" / f"{i}.png", picture(900, 1200, seed=i))
    spec = load_spec("strong", ["output.format=jpg"])
    plan = plan_copies(class_tree(tmp_path / "in"), spec, copies=2)
    found = estimate_plan(plan, spec)
    run_plan(plan, spec, tmp_path / "out")
    for label in ("tiny", "huge"):
        written = sum(len(data) for name, data in pictures(tmp_path / "out").items() if name.startswith(label))
        assert found.classes[label].bytes == pytest.approx(written, rel=0.25)


def test_pictures_that_can_not_be_read_cost_nothing(tmp_path: Path) -> None:
    for i in range(40):
        path = write_picture(tmp_path / "in" / "x" / f"{i}.jpg", picture(100, 90, seed=i))
        if i % 2:
            path.write_bytes(path.read_bytes()[:-200])
    spec = load_spec("tutorial")
    plan = plan_copies(class_tree(tmp_path / "in"), spec, copies=3)
    run_plan(plan, spec, tmp_path / "out")
    written = sum(map(len, pictures(tmp_path / "out").values()))
    assert estimate_plan(plan, spec).total.bytes == pytest.approx(written, rel=0.3)


def test_a_single_photo_to_a_tenth(tmp_path: Path) -> None:
    spec = load_spec("strong")
    plan = plan_copies(named_images([CAT], ""), spec, total=150)
    run_plan(plan, spec, tmp_path / "out")
    written = sum(map(len, pictures(tmp_path / "out").values()))
    found = estimate_plan(plan, spec, jobs=2)
    assert found.total.bytes == pytest.approx(written, rel=0.1) and found.total.pixels == 150 * 512 * 512
    assert found.seconds(found.total) == pytest.approx(found.total.seconds / 2) and found.total.seconds > 0


def test_pixels_of_a_size_are_exact(mixed: Path) -> None:
    spec = load_spec("tutorial", ["output.size=[50, 40]"])
    plan = plan_copies(class_tree(mixed), spec, total=1000)
    found = estimate_plan(plan, spec)
    for label, (_, copies, _) in plan.classes().items():
        assert found.classes[label].pixels == pytest.approx(copies * 2000)


def test_a_copy_that_changes_class_costs_where_it_goes(class_folders: Path) -> None:
    spec = load_spec({"augx": 1, "warp": {"flip_h": {"p": 1.0, "relabel": {"cats": "dogs"}}}, "output": {"size": [10, 10]}})
    plan = plan_copies(class_tree(class_folders), spec, copies=10)
    found = estimate_plan(plan, spec)
    assert {label: cost.pixels for label, cost in found.classes.items()} == {"cats": 0, "dogs": 5000}


def test_what_can_not_be_read_is_named(augx: Run, class_folders: Path) -> None:
    (class_folders / "cats" / "bad.jpg").write_bytes(b"no")
    done = augx("plan", "--input", "photos", "--copies", "7")
    assert done.returncode == 0 and b"photos/cats/bad.jpg: not an image" in done.stderr and b"7 files would be missing" in done.stderr


def test_nothing_that_can_be_read(augx: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no")
    done = augx("plan", "--image", "bad.jpg", "--json")
    plan = json.loads(done.stdout)
    assert done.returncode == 0 and plan["copies"] == 100 and plan["estimate"]["bytes"] == 0 and plan["failures"][0]["missing"] == 100


def test_a_billion_copies(augx: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "x.png")
    plan = json.loads(augx("plan", "--image", "x.png", "--total", "1000000000", "--json").stdout)
    assert plan["estimate"]["pixels"] == 24 * 33 * 10**9 and plan["probe"]["copies"] <= 64


def test_a_table_and_an_answer(augx: Run, class_folders: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    done = augx("plan", "--input", "photos", "--per-class", "50", "--originals", "--jobs", "1")
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["class", "sources", "copies", "files", "pixels", "size", "time"]
    assert [line.split()[:4] for line in lines[1:4]] == [["cats", "3", "50", "53"], ["dogs", "2", "50", "52"], ["(all)", "5", "100", "105"]]
    assert (
        lines[4].startswith("105 files: 16 to 25 copies of each of 5 pictures, and 5 originals; about ") and "with 1 worker (" in lines[4]
    )
    assert done.returncode == 0 and tree(tmp_path) == before


def test_what_is_there_already_costs_nothing(augx: Run, class_folders: Path) -> None:
    common = ("generate", "--input", "photos", "--output", "out")
    augx(*common, "--copies", "2")
    assert b"about 0 B and 0 s" in augx(*common, "--copies", "2", "--dry-run").stdout


@pytest.mark.parametrize("options", [(), ("--total", "0"), ("--total", "5", "--copies", "2")], ids=["no number", "none", "two numbers"])
def test_wrong_usage(augx: Run, class_folders: Path, options: tuple[str, ...]) -> None:
    done = augx("plan", "--input", "photos", *options)
    assert done.returncode == 2 and done.stdout == b"" and b"Traceback" not in done.stderr


def test_a_folder_without_images(augx: Run, tmp_path: Path) -> None:
    os.mkdir(tmp_path / "empty")
    done = augx("plan", "--input", "empty", "--copies", "1")
    assert (
        done.returncode == 2 and done.stderr.startswith(b"augx: --input empty: no image in this folder") and done.stderr.count(b"\n") == 1
    )
