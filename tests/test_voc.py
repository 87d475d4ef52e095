"""VOC sets: what an XML file may say, what is refused in words, which pictures are read, and what is written is read again."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.annotations.base import Picture
from augx.annotations.voc import VocAnnotations, VocLayout, categories_of, read_voc
from augx.errors import PlanError, SourceError
from augx.sample import Instance
from tests.conftest import write_picture

SIZE = (200, 100)
BOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"


def thing(inside: str = BOX, name: str = "cat") -> str:
    return f"<object><name>{name}</name>{inside}</object>"


def instances(text: str | bytes, folder: Path) -> tuple[Instance, ...]:
    path = folder / "x.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return VocAnnotations(str(path)).read(SIZE)


def voc_set(root: Path, stems: str = "abc", **lists: str) -> Path:
    for stem in stems:
        write_picture(root / "JPEGImages" / f"{stem}.jpg")
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{stem}.xml").write_text(f"<annotation>{thing()}</annotation>")
    for name, text in lists.items():
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    return root


def test_a_box_covers_its_first_and_its_last_pixel_counted_from_1(tmp_path: Path) -> None:
    (found,) = instances(f"<annotation>{thing()}</annotation>", tmp_path)
    assert (found.category, found.box) == ("cat", (10, 20, 30, 40))


def test_simple_fields_are_carried_and_nested_ones_left_out(tmp_path: Path) -> None:
    fields = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult><note> a &amp; b </note><part><name>head</name></part>"
    (found,) = instances(f"<annotation>{thing(fields + BOX)}</annotation>", tmp_path)
    assert dict(found.extra) == {"pose": "Left", "truncated": 1, "difficult": 0, "note": "a & b"}


def test_outlines_and_boxes_at_an_angle(tmp_path: Path) -> None:
    corners = "<x1>1</x1><y1>2</y1><x2>9</x2><y2>2</y2><x3>9</x3><y3>8.5</y3>"
    points = "<pt><x>1</x><y>2</y></pt><pt><x>9</x><y>2</y></pt><pt><x>9</x><y>8.5</y></pt>"
    for inside in (corners, points):
        (found,) = instances(f"<annotation>{thing(f'<polygon>{inside}</polygon>')}</annotation>", tmp_path)
        np.testing.assert_array_equal(found.polygons[0], [[1, 2], [9, 2], [9, 8.5]])
        assert found.box == (1, 2, 9, 8.5)
    turned = f"<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>{math.pi / 2}</angle></robndbox>"
    (found,) = instances(f"<annotation>{thing(turned)}</annotation>", tmp_path)
    assert found.oriented
    np.testing.assert_allclose(found.polygons[0], [[55, 30], [55, 50], [45, 50], [45, 30]])


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        pytest.param("<size><width>200</width><height>100</height></size>", True, id="the picture's own"),
        pytest.param("<size><width>0</width><height>0</height></size>", True, id="0, by a tool that did not look"),
        pytest.param("<size/>", True, id="none"),
        pytest.param("<size><width>100</width><height>200</height></size>", False, id="turned by a quarter"),
    ],
)
def test_the_size_that_a_file_names(size: str, fits: bool, tmp_path: Path) -> None:
    text = f"<annotation>{size}{thing()}</annotation>"
    if fits:
        assert len(instances(text, tmp_path)) == 1
    else:
        with pytest.raises(SourceError, match=r"x\.xml: line 1: the size is 100x200, the picture has 200x100 pixels"):
            instances(text, tmp_path)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "not XML", id="an empty file"),
        pytest.param("<annotation>", "not XML", id="a file that is cut"),
        pytest.param("<a/>", "<a> where VOC has <annotation>", id="another document"),
        pytest.param(f"{BOMB}<annotation>{thing(name='&b;')}</annotation>", "line 1: a DOCTYPE", id="entities that grow"),
        pytest.param(f"\n{OUTSIDE}<annotation>{thing(name='&a;')}</annotation>", "line 2: a DOCTYPE", id="a file for an entity"),
        pytest.param("<annotation>&lol;</annotation>", "not XML: undefined entity", id="an unknown entity"),
        pytest.param("<annotation>" + "<a>" * 5000, "more than 16 deep", id="nested without end"),
        pytest.param("<annotation>" + "<a/>" * 200_001, "more than 200,000 elements", id="elements without end"),
        pytest.param(b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "encoding", id="an unknown encoding"),
        pytest.param(f"<annotation>\n{thing(BOX, '')}</annotation>", "line 2: an object with no name", id="no name"),
        pytest.param(f"<annotation>{thing(BOX, 'a&#10;b')}</annotation>", "printable text", id="a line break in a name"),
        pytest.param(f"<annotation>{thing(BOX, 'x' * 256)}</annotation>", "255 bytes", id="a name that is too long"),
        pytest.param(f"<annotation>{thing('')}</annotation>", "without a bndbox", id="no box"),
        pytest.param(
            f"<annotation>{thing(BOX.replace('<ymin>21</ymin>', ''))}</annotation>", "<bndbox> without <ymin>", id="a number missing"
        ),
        pytest.param(f"<annotation>{thing(BOX.replace('21', 'nan'))}</annotation>", "<ymin> is 'nan', no finite", id="NaN"),
        pytest.param(f"<annotation>{thing(BOX.replace('21', '1e999'))}</annotation>", "no finite", id="a number beyond floats"),
        pytest.param(f"<annotation>{thing(BOX.replace('30', '5'))}</annotation>", "xmin 11 is beyond xmax 5", id="a box inside out"),
        pytest.param(f"<annotation>{thing('<polygon><x1>1</x1></polygon>')}</annotation>", "point 1 .* x or y alone", id="half a point"),
        pytest.param(f"<annotation>{thing('<polygon/>')}</annotation>", "a polygon of 0 points", id="an outline of nothing"),
        pytest.param(
            f"<annotation>{thing('<robndbox><cx>1</cx><cy>1</cy><w>-2</w><h>1</h><angle>0</angle></robndbox>')}</annotation>",
            "width -2",
            id="a negative width",
        ),
    ],
)
def test_files_that_cost_their_picture(text: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        instances(text, tmp_path)
    assert f"{tmp_path}/x.xml: line " in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text("<>/annotio bdx&;!-1.\n", max_size=80))
def test_a_file_of_anything_is_read_or_refused_in_words(tmp_path: Path, text: str) -> None:
    try:
        instances(f"<annotation>{text}</annotation>", tmp_path)
    except SourceError as error:
        assert "x.xml: line " in str(error)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.xml")
    with pytest.raises(SourceError, match="not a regular file"):
        VocAnnotations(str(tmp_path / "x.xml")).read(SIZE)
    with open(tmp_path / "y.xml", "wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(SourceError, match="more than 10,000,000 bytes"):
        VocAnnotations(str(tmp_path / "y.xml")).read(SIZE)


def test_a_file_belongs_to_the_picture_of_its_own_name(tmp_path: Path) -> None:
    root = voc_set(tmp_path, "a")
    hostile = f"<annotation><folder>/etc</folder><filename>../../passwd</filename><path>/etc/passwd</path>{thing()}</annotation>"
    (root / "Annotations" / "a.xml").write_text(hostile)
    (root / "Annotations" / "lost.xml").write_text(hostile)
    write_picture(root / "JPEGImages" / "bare.png")
    found = read_voc(root)
    first, lost = found.sources
    assert (first.key, first.path, first.folder, first.fault) == ("JPEGImages/a.jpg", str(root / "JPEGImages" / "a.jpg"), "", "")
    assert "there is no picture of this name" in lost.fault
    assert found.found_in == (str(root),)
    assert found.notes == ("left out, since there is no .xml file for them: 1 picture, such as bare",)
    assert pickle.loads(pickle.dumps(first)) == first


def test_two_pictures_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    root = voc_set(tmp_path, "a")
    write_picture(root / "JPEGImages" / "a.png")
    (source,) = read_voc(root).sources
    assert "could be for a.jpg or a.png" in source.fault


def test_only_train_is_read_unless_another_is_named(tmp_path: Path) -> None:
    root = voc_set(tmp_path, train="a\nb\n", val="c\n", cat_val="c  1\na -1\n")
    found = read_voc(root)
    assert [source.name for source in found.sources] == ["a.jpg", "b.jpg"]
    assert found.notes == ("left out, since they are annotated but not in train: 1 picture (copies of a test set must not be trained on)",)
    assert [source.name for source in read_voc(root, subset="val").sources] == ["c.jpg"]
    assert [source.name for source in read_voc(root, subset="cat_val").sources] == ["c.jpg"]
    assert len(read_voc(root, subset="all").sources) == 3
    with pytest.raises(PlanError, match=r"no list 'test'; there are: .*val"):
        read_voc(root, subset="test")


def test_lists_that_name_what_is_not_there(tmp_path: Path) -> None:
    root = voc_set(tmp_path, train="a\ngone\n")
    _, gone = read_voc(root).sources
    assert "train.txt: line 2 lists it" in gone.fault
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\n../../etc/passwd\n")
    with pytest.raises(PlanError, match=r"train\.txt: line 2: ../../etc/passwd is no name"):
        read_voc(root)


def test_files_beside_the_pictures_in_the_folders_of_a_split(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        write_picture(tmp_path / part / "x.jpg")
        (tmp_path / part / "x.xml").write_text(f"<annotation>{thing()}</annotation>")
    assert [(source.key, source.folder) for source in read_voc(tmp_path).sources] == [("train/x.jpg", "train")]
    assert [source.key for source in read_voc(tmp_path, subset="val").sources] == ["valid/x.jpg"]


@pytest.mark.parametrize("name", [pytest.param("", id="an empty folder"), pytest.param("gone", id="no folder")])
def test_folders_that_are_no_set(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"xml|is a folder with"):
        read_voc(tmp_path / name)


def test_a_set_that_is_written_is_read_again(tmp_path: Path) -> None:
    layout = VocLayout()
    turned = np.array([[55.0, 30], [65, 40], [60, 45], [50, 35]])
    ring = np.array([[1, 2], [9.25, 2], [9.25, 8.5]])
    sheared = np.array([[10.0, 10], [30, 12], [33, 30], [10, 28]])
    shown = (
        Instance('a <b> & "c"', (10.25, 20, 30, 40.5), extra={"truncated": 1, "pose": "Left", "odd key!": 1, "note": "<x>\x01"}),
        Instance("thin", (10.1, 20, 10.4, 20.2)),
        Instance("outlined", (1, 2, 9.25, 8.5), (ring, ring + 20)),
        Instance("turned", polygons=(turned,), oriented=True),
        Instance("sheared", polygons=(sheared,), oriented=True),
    )
    place = "JPEGImages/deep/a_1.jpg"
    write_picture(tmp_path / place)
    files = layout.beside(place, SIZE, shown)
    assert files == layout.beside(place, SIZE, shown)
    files += [(name, b"".join(pieces)) for name, pieces in layout.closing(lambda: iter([Picture(place, SIZE, shown)]))]
    for name, data in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert dict(files)["ImageSets/Main/train.txt"] == b"deep/a_1\n"
    found = read_voc(tmp_path)
    (source,) = found.sources
    assert (source.key, source.folder) == (place, "deep")
    plain, thin, outlined, back, other = source.annotations.read(SIZE)  # type: ignore[union-attr]
    assert (plain.category, plain.box) == (shown[0].category, (10.25, 20, 30, 40.5))
    assert dict(plain.extra) == {"pose": "Left", "truncated": 1, "difficult": 0, "note": "<x>"}
    assert thin.box == pytest.approx((10.1, 20, 10.4, 20.2), abs=1e-8)
    for polygon, wanted in zip(outlined.polygons, shown[2].polygons, strict=True):
        np.testing.assert_array_equal(polygon, wanted)
    assert back.oriented
    np.testing.assert_allclose(back.polygons[0], turned, atol=1e-6)
    assert not other.oriented
    np.testing.assert_array_equal(other.polygons[0], sheared)
    assert [category.name for category in categories_of(found.sources)] == sorted(instance.category for instance in shown)
    assert VocLayout.restored(layout.state()) == layout
    with pytest.raises(ValueError, match="name of a list"):
        VocLayout.restored({**layout.state(), "subset": "../x"})
