"""Folders of pictures and of masks: what lies in them, however deep, and what is said of masks that lose labels."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from augx import PlanError, find_sources
from augx.inputs.folders import class_tree
from tests.conftest import Run, write_picture

DEPTH = 1200
"""Folders within folders: more than Python calls within calls."""


def deep(root: Path, name: str) -> Path:
    """A picture that lies deeper than a path's parts are walked one within another."""
    root.mkdir()
    data = write_picture(root.parent / "one.png").read_bytes()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    with open(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(data)
    os.close(folder)
    return root


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed by rm afterwards: what Python has for it goes one call a folder deep."""
    (tmp_path / "gone").mkdir()
    yield tmp_path / "gone"
    subprocess.run(["rm", "-rf", str(tmp_path / "gone")], check=True)


def test_a_class_tree_may_be_deep(gone: Path) -> None:
    (found,) = class_tree(deep(gone / "t", "a.png"))
    assert (found.key, found.label, found.folder) == ("d/" * DEPTH + "a.png", "d", "/".join("d" * DEPTH))


def test_masks_may_lie_deep(gone: Path) -> None:
    masks = deep(gone / "m", "a.png")
    (found,) = find_sources(deep(gone / "t", "a.png"), masks=masks).sources
    assert found.masks == (("masks", f"{masks}/{'d/' * DEPTH}a.png"),) and not found.fault


def test_a_tree_is_sorted_and_passes_over_what_is_hidden_or_a_link(tmp_path: Path) -> None:
    for name in ("b/x.PNG", "a/b/c.jpg", "a.png", ".h/x.png", "a/.x.png", "a/notes.txt.png/y.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    found = [(source.key, source.label, source.folder) for source in class_tree(tmp_path)]
    assert found == [
        ("a.png", "", ""),
        ("a/b/c.jpg", "a", "a/b"),
        ("a/notes.txt.png/y.webp", "a", "a/notes.txt.png"),
        ("b/x.PNG", "b", "b"),
    ]


@pytest.mark.parametrize(("count", "words"), [(1, r"\(1 symbolic link is not followed\)"), (2, r"\(2 symbolic links are not followed\)")])
def test_a_tree_of_links_alone_is_refused(tmp_path: Path, count: int, words: str) -> None:
    for i in range(count):
        (tmp_path / f"{i}.png").symlink_to("/dev/null")
    with pytest.raises(PlanError, match=f"no image in this folder {words}; images end in"):
        class_tree(tmp_path)


def masked(root: Path, *masks: str) -> list[str]:
    """The notes on class folders with such masks."""
    flat = np.full((24, 33), 7, np.uint8)
    for name in masks:
        write_picture(root / "photos" / "c" / name).rename(root / "photos" / "c" / f"{Path(name).stem}.jpg")
        write_picture(root / "masks" / "c" / name, flat)
    return list(find_sources(root / "photos", masks=root / "masks").notes)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        pytest.param(["a.png", "b.bmp", "c.tiff"], "", id="none that loses"),
        pytest.param(["a.png", "b.JPG"], "1 mask loses labels: ", id="one JPEG"),
        pytest.param(["a.jpeg", "b.jpg", "c.jpe"], "3 masks lose labels: ", id="JPEGs"),
    ],
)
def test_masks_in_a_lossy_format_are_noted(tmp_path: Path, masks: list[str], words: str) -> None:
    notes = masked(tmp_path, *masks)
    assert len(notes) == bool(words)
    assert all(note.startswith(words) and "make masks as PNG" in note for note in notes)


@pytest.mark.parametrize(("quality", "lossy"), [(80, True), (101, False)], ids=["lossy", "lossless"])
def test_a_webp_mask_is_noted_if_it_is_lossy(tmp_path: Path, quality: int, lossy: bool) -> None:
    masked(tmp_path, "a.png")
    done, data = cv2.imencode(".webp", np.full((24, 33, 3), 7, np.uint8), [cv2.IMWRITE_WEBP_QUALITY, quality])
    assert done
    (tmp_path / "masks" / "c" / "a.png").unlink()
    (tmp_path / "masks" / "c" / "a.webp").write_bytes(data.tobytes())
    assert bool(find_sources(tmp_path / "photos", masks=tmp_path / "masks").notes) == lossy


def test_masks_of_a_table_are_noted_too_and_each_run_says_so_once(augx: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "m.jpg", np.full((24, 33), 7, np.uint8))
    (tmp_path / "t.csv").write_text("file,label,mask\na.png,c,m.jpg\n")
    done = augx("generate", "--input", "t.csv", "--mask-column", "mask", "--output", "out", "--copies", "1")
    assert done.returncode == 0 and done.stderr.count(b"1 mask loses labels: m.jpg is in a lossy format") == 1


def test_masks_lie_in_a_folder_and_at_no_address(class_folders: Path) -> None:
    with pytest.raises(PlanError, match=r"^https://x\.org/a: .*; no address is read here: download it first$"):
        find_sources(class_folders, masks="https://x.org/a")


def test_masks_that_fit_no_picture_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "photos" / "c" / "a.png")
    write_picture(tmp_path / "masks" / "c" / "b.png")
    with pytest.raises(PlanError, match="no mask has the stem of a picture, such as c/a"):
        find_sources(tmp_path / "photos", masks=tmp_path / "masks")
