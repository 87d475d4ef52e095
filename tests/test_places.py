"""Places: a folder, a store in memory, one of files, and S3 obey the same laws."""

from __future__ import annotations

import itertools
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from augx.addresses import absolute, below, folder_of_path, joined, last_name, parent, put_back, seen_from
from augx.errors import OutputError, WriteError
from augx.files import TEMPORARY
from augx.places import Place, is_address, place_of

pytest.importorskip("moto")
pytest.importorskip("s3fs")

from tests.object_server import new_bucket

_numbers = itertools.count()


@pytest.fixture(params=["folder", "memory", "files", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place of each kind, with nothing in it yet. ``local://`` goes through fsspec and has no puts of whole objects."""
    addresses = {"folder": f"{tmp_path}/a/set", "memory": f"memory://m{next(_numbers)}/set", "files": f"local://{tmp_path}/b/set/"}
    found = place_of(addresses.get(request.param) or f"s3://{new_bucket(monkeypatch)}/some/set/")
    found.prepare()
    return found


def test_what_is_put_is_read(place: Place) -> None:
    assert place.read("a.txt") is None and place.read("x/y/a.txt") is None
    for data in (b"one", b"", b"another" * 1000):
        for name in ("a.txt", "x/y/a.txt"):
            place.put(name, data)
            assert place.read(name) == data
    assert sorted(place.all_names()) == ["a.txt", "x/y/a.txt"]


def test_names_are_those_of_one_folder(place: Place) -> None:
    assert place.names() == [] and place.names("done/") == [] and list(place.all_names()) == [] and place.modified() == {}
    for name in ("b", "a", "ab", "done/2", "done/10", "done/sub/3", "donex"):
        place.put(name, b"1")
    assert place.names() == ["a", "ab", "b", "donex"]
    assert place.names("a") == ["a", "ab"] and place.names("none") == []
    assert place.names("done/") == ["done/10", "done/2"] and place.names("done/1") == ["done/10"] and place.names("none/") == []
    assert sorted(place.all_names()) == ["a", "ab", "b", "done/10", "done/2", "done/sub/3", "donex"]


def test_only_the_first_puts_what_is_new(place: Place) -> None:
    assert place.put_new("lock", b"mine") and not place.put_new("lock", b"theirs") and not place.put_new("lock", b"mine")
    assert place.read("lock") == b"mine" and list(place.all_names()) == ["lock"]


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_local_file_is_put_whole(place: Place, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "shard.tar").write_bytes(data)
    place.put_file("train/shard.tar", str(tmp_path / "shard.tar"))
    assert place.read("train/shard.tar") == data
    with pytest.raises(WriteError, match="No such file"):
        place.put_file("other.tar", str(tmp_path / "nothing.tar"))
    assert list(place.all_names()) == ["train/shard.tar"]


def test_what_is_deleted_is_gone_and_may_be_deleted_again(place: Place) -> None:
    place.put("x/a", b"1")
    place.put("x/b", b"1")
    for _ in range(2):
        place.delete("x/a")
        assert place.names("x/") == ["x/b"]
    place.delete("no/such")


def test_times_are_of_this_day(place: Place) -> None:
    place.put("x/a", b"1")
    place.put("b", b"1")
    assert list(place.modified()) == ["b"] and list(place.modified("x/")) == ["x/a"]
    assert abs(place.modified()["b"] - time.time()) < 3600


def test_temporary_files_are_nobodys(place: Place) -> None:
    place.put(f"x/{TEMPORARY}17", b"half of")
    place.put("x/a", b"1")
    assert place.names("x/") == ["x/a"] == list(place.all_names())


def test_names_of_all_kinds(place: Place) -> None:
    names = ["a b.txt", "ä.txt", "100%.txt", "a+b&c=d.txt", "what?#x.txt", "[1].txt", "*.txt", "it's.txt"]
    for name in names:
        place.put(name, name.encode())
    assert place.names() == sorted(names)
    assert [place.read(name) for name in names] == [name.encode() for name in names]
    place.delete("*.txt")
    assert len(place.names()) == len(names) - 1


def test_a_place_goes_to_other_processes(place: Place) -> None:
    place.put("a", b"1")
    assert pickle.loads(pickle.dumps(place)).read("a") == b"1"
    assert place_of(place.address) == place and place_of(place.address + "/").read("a") == b"1"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: place.put(f"t/{i}", b"%d" % i), range(40)))
        assert list(threads.map(lambda i: place.read(f"t/{i}"), range(40))) == [b"%d" % i for i in range(40)]


def test_of_many_at_once_one_puts(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        for turn in range(20):
            assert sum(threads.map(lambda i, turn=turn: place.put_new(f"lock{turn}", b"%d" % i), range(8))) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(TEMPORARY)]


def test_a_folder_has_no_links_in_it(tmp_path: Path) -> None:
    root, outside = tmp_path / "set", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a").write_text("theirs")
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "a")
    place = place_of(root)
    assert place.names() == [] and list(place.all_names()) == []
    with pytest.raises(OutputError, match=r"set/link: this is a file or a link, not a folder"):
        place.put("link/b", b"1")
    with pytest.raises(OutputError, match=r"set/file: can't read it"):
        place.read("file")
    place.put("file", b"mine")
    assert (outside / "a").read_text() == "theirs" and place.read("file") == b"mine" and os.listdir(outside) == ["a"]


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    with pytest.raises(OutputError, match=r"file/set: can't make this folder: Not a directory"):
        place_of(tmp_path / "file" / "set").prepare()
    with pytest.raises(WriteError, match=r"gone/a: can't write: No such file or directory; put that right, then the same command goes on"):
        place_of(tmp_path / "gone").put("a", b"1")  # a folder that was removed is not made again


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("s3://b/x", True),
        ("memory://", True),
        ("abfs://c@a.dfs.core.windows.net/x", True),
        ("hf+x://d", True),
        ("c://x", False),
        ("photos/s3://x", False),
        ("s3:/b", False),
        ("", False),
        ("-", False),
    ],
)
def test_what_an_address_is(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one


def test_parts_of_addresses() -> None:
    assert joined("s3://b", "x/y") == "s3://b/x/y" and joined("memory://", "x") == "memory://x" and joined("s3://b", "") == "s3://b"
    assert parent("s3://b/x/y.csv") == "s3://b/x" and parent("s3://b/y.csv") == "s3://b" and parent("s3://b") == "s3://"
    assert last_name("s3://b/x/") == "x" and last_name("s3://b") == "b"
    assert folder_of_path("a/b.csv") == "a" and folder_of_path("s3://b/b.csv") == "s3://b" and absolute("s3://b") == "s3://b"
    assert seen_from("/a/b", "/a/c") == "../b" and put_back("../b", "/a/c") == "/a/b"
    assert seen_from("s3://b/x", "/a/c") == "s3://b/x" == put_back("s3://b/x", "/a/c")


@pytest.mark.parametrize("path", ["a/../b.jpg", "./b.jpg", "s3://k/set/b.jpg", "s3://k/set/x/../b.jpg", "b.jpg"])
def test_a_name_below_an_address(path: str) -> None:
    assert below(path, "s3://k/set") == "b.jpg"


@pytest.mark.parametrize("path", ["/b.jpg", "../b.jpg", "s3://k/b.jpg", "s3://other/set/b.jpg", "gs://k/set/b.jpg", "s3://k/set", "."])
def test_a_name_outside_an_address(path: str) -> None:
    with pytest.raises(ValueError):
        below(path, "s3://k/set")
