"""``augx preview``: the copies that generate writes, each transform alone, and pictures of every kind on one sheet."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from augx import SourceError, class_tree, document, expand_dataset, load_spec, named_images, plan_copies
from augx.catalogue import catalogue
from augx.decode import decode
from augx.review.preview import Preview, preview
from augx.review.sheet import CELL, COLUMNS, Cell, Strip, as_png, contact_sheet, thumbnail
from tests.conftest import PHOTOS, Run, picture, tree, write_picture

CAT = PHOTOS / "cats" / "Cat.jpg"
WIDTH = COLUMNS * (CELL + 10) + 10


def shown(spec: object, image: Path = CAT, copies: int = 3) -> Preview:
    loaded = load_spec(spec)  # type: ignore[arg-type]
    return preview(plan_copies(named_images([image], ""), loaded, copies=copies), loaded, copies=copies)


@pytest.mark.parametrize("preset", ["tutorial", "gentle", "strong", "documents"])
def test_copies_are_those_that_generate_writes(preset: str, tmp_path: Path) -> None:
    spec = load_spec(preset, ["output.format=png"])
    expand_dataset(tmp_path / "out", images=CAT, spec=spec, copies=4)
    (found,) = preview(plan_copies(named_images([CAT], ""), spec, copies=4), spec).pictures
    for copy, cell in enumerate(found.copies):
        written = decode((tmp_path / "out" / f"Cat_{copy:05d}.png").read_bytes())
        assert cell.caption == f"copy {copy}" and np.array_equal(cell.picture, thumbnail(written))
    assert len(found.copies) == 4


def test_a_row_a_transform_at_its_ends_and_in_the_middle() -> None:
    strips = {strip.heading: strip for strip in shown("strong").alone}
    assert list(strips)[:6] == ["warp.rotate", "warp.zoom", "warp.shift_x", "warp.shift_y", "warp.shear", "warp.flip_h"]
    assert [cell.caption for cell in strips["warp.rotate"].cells] == ["angle -45", "angle 0", "angle 45"]
    assert [cell.caption for cell in strips["warp.flip_h"].cells] == ["on"]
    assert strips["then.blur"].details == (
        "sigma 0.3 to 1.5 (standard deviation in pixels)",
        "in 20 % of copies",
        "the middle, pixel for pixel",
    )
    source = cv2.imread(os.fspath(CAT))
    assert np.array_equal(strips["warp.rotate"].cells[1].picture, thumbnail(source))
    assert np.array_equal(strips["warp.flip_h"].cells[0].picture, thumbnail(source[:, ::-1]))


@pytest.mark.parametrize("entry", list(catalogue()), ids=lambda entry: entry.name)
def test_every_transform_has_its_rows(entry) -> None:  # type: ignore[no-untyped-def]
    spec, _ = document.parse(f"augx: 1\n{entry.example}".encode(), "example")
    found = shown(spec)
    assert found.alone and all(cell.picture is not None for strip in found.alone for cell in strip.cells)
    assert all(1 <= len(strip.cells) <= 3 for strip in found.alone)


def test_a_number_of_several_has_a_row_each() -> None:
    found = shown({"augx": 1, "then": [{"hsv": {"hue": 20, "saturation": [0.5, 1.5]}}]})
    assert [[cell.caption for cell in strip.cells] for strip in found.alone] == [
        ["hue -20", "hue 0", "hue 20"],
        ["saturation 0.5", "saturation 1", "saturation 1.5"],
    ]


def test_a_copy_that_changes_class_says_so(class_folders: Path) -> None:
    spec = load_spec({"augx": 1, "warp": {"flip_h": {"p": 1.0, "relabel": {"cats": "dogs"}}}})
    found = preview(plan_copies(class_tree(class_folders), spec, copies=1), spec, sources=1)
    assert [picture.copies[0].caption for picture in found.pictures] == ["copy 0, dogs", "copy 0"]
    assert "cats becomes dogs" in found.alone[0].details


def test_numbers_that_go_together_are_named_together() -> None:
    spec = {"augx": 1, "tone": {"channel_shift": 30}, "warp": {"zoom": {"range": [0.5, 2], "axes": "independent"}}}
    captions = {strip.heading: [cell.caption for cell in strip.cells] for strip in shown(spec).alone}
    assert captions["tone.channel_shift"] == ["channel_shift -30", "channel_shift 0", "channel_shift 30"]
    assert captions["warp.zoom"][0] == "x 0.5, y 1.7"


def test_choices_say_how_often_they_come() -> None:
    spec = {"augx": 1, "then": [{"one_of": [{"blur": 2}, {"noise": 9}], "weights": [1, 3], "p": 0.4}]}
    assert [strip.details[1] for strip in shown(spec).alone] == ["in 10 % of copies", "in 30 % of copies"]


def test_what_a_class_has_for_itself_stands_with_it(class_folders: Path) -> None:
    spec = load_spec({"augx": 1, "warp": {"rotate": 30, "shift_x": 0.1}, "classes": {"dogs": {"warp": {"rotate": 3}}}})
    found = preview(plan_copies(class_tree(class_folders), spec, copies=2), spec, sources=1)
    assert [picture.row.source.label for picture in found.pictures] == ["cats", "dogs"]
    assert [[strip.cells[0].caption for strip in picture.alone] for picture in found.pictures] == [[], ["angle -3"]]
    assert found.pictures[1].alone[0].details[1] == "only class dogs"
    off = load_spec({"augx": 1, "warp": {"rotate": 30, "flip_h": 0.5}, "classes": {"dogs": {"warp": {"flip_h": 0}}}})
    (strip,) = preview(plan_copies(class_tree(class_folders), off, copies=1), off, sources=1).pictures[1].alone
    assert strip.details == ("off for class dogs",)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (8, 5), (191, 192), (193, 100), (3000, 2000)], ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_thumbnails(size: tuple[int, int], channels: int, dtype: type) -> None:
    image = picture(*size, channels=channels, dtype=dtype)
    found = thumbnail(image)
    assert found.dtype == np.uint8 and found.shape[2] == 3 and max(found.shape[:2]) <= CELL
    assert max(found.shape[:2]) > CELL / 2 and min(found.shape[:2]) >= 1


def test_thumbnails_keep_what_they_show() -> None:
    image = np.zeros((4, 4, 4), np.uint8)
    image[:, 2:] = (0, 0, 255, 255)
    image[:, :2, :3] = (0, 255, 0)  # green, but nobody sees it
    found = thumbnail(image)
    assert found[100, 150].tolist() == [0, 0, 255] and found[100, 20].tolist() in ([255] * 3, [204] * 3)
    assert thumbnail(np.full((4, 4), 40000, np.uint16))[0, 0].tolist() == [156] * 3
    tiny = thumbnail(picture(5, 7))
    assert np.array_equal(tiny[::27, ::27], picture(5, 7))


def test_a_sheet_has_every_picture_and_word_inside() -> None:
    cells = tuple(Cell(thumbnail(picture(seed=i)), f"copy {i} with a caption that is by far too long for its cell") for i in range(9))
    strips = [
        Strip("a heading " * 40, ("small print " * 60,), ()),
        Strip("x" * 500, ("y" * 900,), cells[:3], beside=True),
        Strip("猫 \u202e \udcff \n", ("0",), cells),
    ]
    sheet = contact_sheet(strips)
    assert sheet.shape[1] == WIDTH and sheet.dtype == np.uint8 and (sheet[:, :2] >= 224).all() and (sheet[:, -10:] >= 224).all()


def test_every_letter_can_be_drawn() -> None:
    letters = "".join(map(chr, range(32, 127)))
    assert contact_sheet([Strip(letters, (letters,), ())]).min() < 60


class TestTheCommand:
    @pytest.mark.parametrize(
        ("channels", "dtype", "size"),
        [(1, np.uint8, (64, 48)), (4, np.uint8, (64, 48)), (3, np.uint16, (64, 48)), (3, np.uint8, (1, 1)), (3, np.uint8, (2500, 3500))],
        ids=["grey", "alpha", "16 bits", "one pixel", "large"],
    )
    def test_pictures_of_every_kind(self, augx: Run, tmp_path: Path, channels: int, dtype: type, size: tuple[int, int]) -> None:
        write_picture(tmp_path / "x.png", picture(*size, channels=channels, dtype=dtype))
        done = augx(
            "preview", "--image", "x.png", "--spec", "strong", "--set", "then.2.saturation=0.3", "--html", "r.html", "--output", "p.png"
        )
        assert done.returncode == 0 and done.stdout == b"" and b"p.png and r.html: 1 picture with 11 copies" in done.stderr
        sheet = cv2.imread(os.fspath(tmp_path / "p.png"))
        assert sheet.shape[1] == WIDTH and sheet.shape[0] > 3000

    def test_by_default_a_sheet_here(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        assert augx("preview", "--input", "photos").returncode == 0
        first = (tmp_path / "preview.png").read_bytes()
        assert augx("preview", "--input", "photos").returncode == 0 and (tmp_path / "preview.png").read_bytes() == first
        assert augx("preview", "--input", "photos", "--seed", "9").returncode == 0 and (tmp_path / "preview.png").read_bytes() != first

    def test_only_a_report(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        assert augx("preview", "--input", "photos", "--html", "r.html").returncode == 0
        assert not (tmp_path / "preview.png").exists() and b"augx preview" in (tmp_path / "r.html").read_bytes()[:500]

    def test_a_spec_that_does_nothing(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "s.yaml").write_text("augx: 1\n")
        assert augx("preview", "--input", "photos", "--spec", "s.yaml", "--html", "r.html", "--output", "p.png").returncode == 0

    def test_a_bad_picture_among_good_ones(self, augx: Run, class_folders: Path) -> None:
        (class_folders / "cats" / "a.jpg").write_bytes(b"no")
        done = augx("preview", "--input", "photos")
        assert done.returncode == 0 and b"photos/cats/a.jpg: not an image" in done.stderr and b"3 pictures" in done.stderr

    @pytest.mark.parametrize("option", ["--output", "--html"])
    def test_another_file_is_never_replaced(self, augx: Run, class_folders: Path, tmp_path: Path, option: str) -> None:
        before = tree(tmp_path)
        done = augx("preview", "--input", "photos", option, "photos/cats/b.png")
        assert done.returncode == 2 and b"not a sheet or a report of augx; move it away" in done.stderr and tree(tmp_path) == before

    def test_a_file_that_only_speaks_of_previews_is_another(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "notes.md").write_text("Try: augx preview --image cat.jpg\n")
        (tmp_path / "page.html").write_text("<!DOCTYPE html>\n<html><p>augx preview</p>")
        (tmp_path / "link.png").symlink_to("nowhere.png")
        os.mkfifo(tmp_path / "pipe")
        before = tree(tmp_path)
        for name in ("notes.md", "page.html", "link.png", "pipe", "/dev/null"):
            done = augx("preview", "--input", "photos", "--output", name)
            assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"unexpected" not in done.stderr
        assert tree(tmp_path) == before and (tmp_path / "link.png").is_symlink()

    def test_one_name_for_both(self, augx: Run, class_folders: Path) -> None:
        assert augx("preview", "--input", "photos", "--output", "x", "--html", "x").returncode == 2

    def test_too_many_pictures_for_a_sheet(self, augx: Run, tmp_path: Path) -> None:
        one = write_picture(tmp_path / "photos" / "0" / "x.png", picture(4, 4))
        for i in range(1, 70):
            (tmp_path / "photos" / str(i)).mkdir()
            os.link(one, tmp_path / "photos" / str(i) / "x.png")
        done = augx("preview", "--input", "photos", "--show", "30")
        assert done.returncode == 2 and b"a sheet of 2170 pictures would be too high, 1500 is the most" in done.stderr
        assert augx("preview", "--input", "photos", "--show", "1", "--html", "r.html").returncode == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--input", "empty"), "--input empty: no image in this folder"),
            (("--image", "bad.jpg"), "bad.jpg: not an image that augx reads"),
            (("--image", "half.jpg"), "half.jpg: the jpg is truncated"),
            (("--image", "nope.jpg"), "nope.jpg: No such file or directory"),
            (("--image", "photos/cats/b.png", "--output", "empty"), "empty: this is a folder; name a file"),
            (("--image", "photos/cats/b.png", "--output", "no/where.png"), "no/where.png: can't write here: No such file"),
            (("--image", "photos/cats/b.png", "--output", ""), "--output is empty"),
            (("--image", "photos/cats/b.png", "--spec", "storng"), "did you mean strong?"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_one_clear_line(self, augx: Run, class_folders: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
        os.mkdir(tmp_path / "empty")
        (tmp_path / "bad.jpg").write_bytes(b"no")
        (tmp_path / "half.jpg").write_bytes(CAT.read_bytes()[:9000])
        done = augx("preview", *arguments)
        assert done.returncode in (1, 2) and words in done.stderr.decode() and b"unexpected" not in done.stderr
        assert not (tmp_path / "preview.png").exists()

    def test_names_from_outside(self, augx: Run, tmp_path: Path) -> None:
        folder = os.fsencode(tmp_path) + b"/photos/caf\xe9 <b>"
        os.makedirs(folder)
        for name in (b"\xff.png", "猫\u202e.png".encode(), b"\n.png"):
            os.rename(write_picture(tmp_path / "x.png"), folder + b"/" + name)
        done = augx("preview", "--input", "photos", "--sources", "9")
        assert done.returncode == 0 and b"3 pictures" in done.stderr


def test_nothing_that_can_be_shown(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no")
    spec = load_spec("tutorial")
    with pytest.raises(SourceError, match="and 1 more pictures can't be read"):
        preview(plan_copies(class_tree(tmp_path), spec, copies=1), spec)


def test_the_mark_does_not_hurt_the_picture() -> None:
    sheet = contact_sheet([Strip("x", (), ())])
    assert np.array_equal(decode(as_png(sheet)), sheet)
