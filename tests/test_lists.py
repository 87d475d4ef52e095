"""Lists of pictures: which key, class and folder a path gets, and what is refused."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.errors import PlanError
from augx.inputs.folders import class_tree
from augx.inputs.lists import key_below, one_folder, read_list
from augx.sources import Source, SourceSet, load
from tests.conftest import picture, write_picture

names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


def listed(*paths: str | bytes, null: bool = False, **options: str | Path | None) -> SourceSet:
    end = b"\0" if null else b"\n"
    return read_list(io.BytesIO(b"".join(os.fsencode(path) + end for path in paths)), null=null, **options)  # type: ignore[arg-type]


def plain(found: SourceSet) -> list[tuple[str, str, str, str]]:
    return [(one.path, one.key, one.label, one.folder) for one in found.sources]


def refused(*paths: str | bytes, null: bool = False, **options: str | Path | None) -> str:
    with pytest.raises(PlanError) as caught:
        listed(*paths, null=null, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Laws


def test_with_a_root_a_list_is_the_class_tree(class_folders: Path) -> None:
    tree = class_tree(class_folders)
    for null in (False, True):
        assert listed(*(one.path for one in reversed(tree)), null=null, root=class_folders).sources == tree


@given(st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), min_size=1, max_size=8, unique=True), st.randoms())
def test_order_does_not_matter_and_keys_lead_back(paths: list[str], random: object) -> None:
    keys = [f"c/{path}" for path in paths]
    found = listed(*(f"/data/{key}" for key in keys), null=True, root="/")
    assert found == listed(*(f"/data/{key}" for key in reversed(keys)), null=True, root="/")
    assert sorted(f"data/{key}" for key in keys) == [one.key for one in found.sources]
    assert all(os.path.join(found.found_in[0], one.key) == one.path for one in found.sources)


@given(st.lists(st.one_of(names, st.sampled_from(["..", ".", ""])), max_size=8).map("/".join))
def test_a_key_stays_below_its_root(path: str) -> None:
    try:
        key = key_below(path, "/a/b")
    except ValueError:
        return
    assert key and not key.startswith("/") and not {"", ".", ".."} & set(key.split("/"))
    assert os.path.normpath(os.path.join("/a/b", key)) == "/" + os.path.normpath(os.path.join("/a/b", path)).lstrip("/")


def test_found_in_and_key_lead_to_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("x/cats/a.jpg", "y/dogs/b.jpg", "c.jpg"):
        write_picture(tmp_path / place, picture(4, 4))
    monkeypatch.chdir(tmp_path)
    found = listed("x/cats/a.jpg", str(tmp_path / "y/dogs/b.jpg"), "./c.jpg")
    for one in found.sources:
        assert any(os.path.exists(os.path.join(folder, one.key)) for folder in found.found_in)
        assert load(one).image.size == (4, 4)
    assert {one.key for one in found.sources} == {"cats/a.jpg", "dogs/b.jpg", f"{tmp_path.name}/c.jpg"}


@pytest.mark.parametrize("null", [False, True], ids=["lines", "NUL"])
def test_names_that_are_not_utf8_survive(tmp_path: Path, null: bool) -> None:
    place = os.fsencode(tmp_path) + b"/ca\xffts/\xe9t\xe9.png"
    os.mkdir(os.path.dirname(place))
    os.rename(write_picture(tmp_path / "a.png", picture(3, 5)), place)
    (one,) = listed(place, null=null).sources
    assert os.fsencode(one.path) == place and os.fsencode(one.key) == b"ca\xffts/\xe9t\xe9.png"
    assert load(one).image.size == (5, 3)


# Cases


@pytest.mark.parametrize(
    ("path", "label", "expected", "found_in"),
    [
        pytest.param("/d/cats/a.jpg", None, ("cats/a.jpg", "cats"), "/d", id="the folder's name is the class"),
        pytest.param("cats/a.jpg", None, ("cats/a.jpg", "cats"), ".", id="relative"),
        pytest.param("/cats/a.jpg", None, ("cats/a.jpg", "cats"), "/", id="a folder of the file system's root"),
        pytest.param("/d/cats/a.jpg", "dogs", ("dogs/a.jpg", "dogs"), "/d/cats", id="a label that is no folder"),
        pytest.param("/d/cats/a.jpg", "cats", ("cats/a.jpg", "cats"), "/d", id="a label that is the folder"),
        pytest.param("/a.jpg", "cats", ("cats/a.jpg", "cats"), "/", id="no folder, but a label"),
        pytest.param("/d//cats/./a.jpg", None, ("cats/a.jpg", "cats"), "/d", id="more slashes and dots than needed"),
        pytest.param("/d/x y/a b.jpg", None, ("x y/a b.jpg", "x y"), "/d", id="spaces"),
    ],
)
def test_classes_without_a_root(path: str, label: str | None, expected: tuple[str, str], found_in: str) -> None:
    found = listed(path, label=label)
    assert plain(found) == [(path, *expected, expected[1])]
    assert [os.path.normpath(folder) for folder in found.found_in] == [found_in]


@pytest.mark.parametrize("path", ["a.jpg", "./a.jpg", "sub/../a.jpg", "sub/.//../a.jpg"])
def test_a_path_without_folder_has_one_all_the_same(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owls").mkdir()
    monkeypatch.chdir(tmp_path / "owls")
    found = listed(path)
    assert plain(found) == [(path, "owls/a.jpg", "owls", "owls")] and found.found_in == (str(tmp_path),)


@pytest.mark.parametrize(
    ("path", "label", "key", "folder"),
    [
        pytest.param("a.jpg", None, "a.jpg", "", id="beside the class folders"),
        pytest.param("cats/x/a.jpg", None, "cats/x/a.jpg", "cats/x", id="folders below the class"),
        pytest.param("a.jpg", "owls", "a.jpg", "owls", id="a label"),
        pytest.param("cats/a.jpg", "owls", "cats/a.jpg", "owls/cats", id="a label, and another folder"),
        pytest.param("owls/x/a.jpg", "owls", "owls/x/a.jpg", "owls/x", id="a label that is the folder"),
        pytest.param("owls2/a.jpg", "owls", "owls2/a.jpg", "owls/owls2", id="a folder that begins like the label"),
    ],
)
def test_keys_below_a_root(path: str, label: str | None, key: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given_path in (path, f"./{path}", str(tmp_path / path)):
        for root in (".", str(tmp_path), f"{tmp_path}/"):
            found = listed(given_path, root=root, label=label)
            assert [(one.path, one.key, one.folder) for one in found.sources] == [(given_path, key, folder)]
            assert found.found_in == (root,)


def test_lists_come_from_files_and_pipes(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf/d/x/a.jpg\r\n\r\n   \n/d/x/b.jpg")
    assert [one.path for one in read_list(tmp_path / "list.txt").sources] == ["/d/x/a.jpg", "/d/x/b.jpg"]
    reader, writer = os.pipe()
    os.write(writer, b"/d/x/a.jpg\0/d/x/new\nline.jpg")
    os.close(writer)
    assert [one.path for one in read_list(f"/dev/fd/{reader}", null=True).sources] == ["/d/x/a.jpg", "/d/x/new\nline.jpg"]
    os.close(reader)


def test_pictures_that_are_missing_cost_themselves_alone(tmp_path: Path) -> None:
    found = listed(str(tmp_path / "missing.jpg"), f"{tmp_path}/")
    assert len(found.sources) == 2 and all(isinstance(one, Source) and not one.fault for one in found.sources)


@pytest.mark.parametrize(
    ("paths", "options", "words"),
    [
        pytest.param([], {}, ["no path in it"], id="nothing"),
        pytest.param(["", " "], {}, ["no path in it"], id="blank lines alone"),
        pytest.param(["/d/a.jpg", "", "/d/b.jpg"], {"null": True}, ["entry 2", "no file name"], id="an empty entry"),
        pytest.param(["/d/x/a.jpg", "/d/y/a.jpg", "/d/x/a.jpg"], {}, ["line 3", "/d/x/a.jpg", "already (line 1)"], id="one path twice"),
        pytest.param(["/d/x/a.jpg", "/d/x/../x/a.jpg"], {}, ["line 2", "listed already"], id="one path, written in two ways"),
        pytest.param(["/d/x/a.jpg", "/e/x/a.jpg"], {}, ["line 2", "/e/x/a.jpg", "/d/x/a.jpg", "--root"], id="two of one key"),
        pytest.param(["/d/x/a.jpg", "/d/y/a.jpg"], {"label": "x"}, ["/d/y/a.jpg", "/d/x/a.jpg", "--root"], id="two of one key by label"),
        pytest.param(["/d/a.jpg", "/a.jpg", "/b.jpg"], {}, ["line 2", "--label", "and 1 more"], id="no folder"),
        pytest.param(["/d/.hidden/a.jpg"], {}, ["line 1", "'.hidden'", "a label is the name of one folder"], id="a hidden class"),
        pytest.param(["/d/a\nb/a.jpg"], {"null": True}, ["entry 1", "'a\\nb'", "control"], id="a class with a line end"),
        pytest.param(["/d/a\0b/a.jpg"], {}, ["line 1", "NUL", "-0"], id="NUL in lines"),
        pytest.param(["/d/" + "n" * 256], {}, ["line 1", "more than 255 bytes"], id="a name too long"),
        pytest.param(["/"], {"label": "x"}, ["line 1", "not a file"], id="the root of all"),
        pytest.param(["/d/a.jpg"], {"label": ""}, ["--label", "''", "one folder"], id="an empty label"),
        pytest.param(["/d/a.jpg"], {"label": "../up"}, ["--label", "one folder"], id="a label that leads away"),
        pytest.param(["/d/a.jpg"], {"label": "run.json"}, ["--label", "run.json"], id="a label that is a file of the set"),
        pytest.param(["/d/a.jpg"], {"root": "/nowhere/at/all"}, ["/nowhere/at/all", "check"], id="no such root"),
    ],
)
def test_what_is_refused(paths: list[str], options: dict[str, str], words: list[str]) -> None:
    message = refused(*paths, **options)  # type: ignore[arg-type]
    assert message.startswith(("the list on standard input: ", "--label", "/nowhere"))
    assert all(word in message for word in words), message


@pytest.mark.parametrize("path", ["../a.jpg", "/etc/passwd", "{root}x/a.jpg", "{root}/../a.jpg", "x/../../a.jpg", "//etc/passwd"])
def test_paths_outside_the_root(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    message = refused("a/b.jpg", path.format(root=root), root=".")
    assert "line 2" in message and "outside" in message and "--root" in message


def test_a_list_that_can_not_be_read(tmp_path: Path) -> None:
    for place, words in ((tmp_path, "directory"), (tmp_path / "none", "No such file"), ("", "an empty path"), ("a\0b", "null")):
        with pytest.raises(PlanError, match=words):
            read_list(place)
    (tmp_path / "list").write_text("/d/a.jpg\n/d/b.jpg\n")
    with pytest.raises(PlanError, match="leave out -0"):
        read_list(tmp_path / "list", null=True)
    with pytest.raises(PlanError, match="this is a file"):
        read_list(tmp_path / "list", root=tmp_path / "list")


@pytest.mark.parametrize("label", ["", ".", "..", ".x", "a/b", "a\0", "a\n", "\x7f", "é" * 128, "\ud800", "manifest.jsonl", "run.json"])
def test_labels_that_are_no_folder(label: str) -> None:
    with pytest.raises(ValueError, match="one folder"):
        one_folder(label)


@pytest.mark.parametrize("label", ["007", "NO", "a b", "é" * 127, "猫", "a.b", "-x", "\udcff"])
def test_labels_that_are_one(label: str) -> None:
    assert one_folder(label) == label
