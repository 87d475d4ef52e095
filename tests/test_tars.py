"""Tars as sources: class trees and shards equal the folders that they were made from, and hostile ones cost themselves alone."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx.errors import OutputError, PlanError
from augx.inputs import spool
from augx.inputs.folders import class_tree
from augx.inputs.tars import MAX_SHARDS, read_tars, shards
from augx.sources import SourceSet, load
from tests.conftest import ROOT, picture, tree, write_picture

PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    return write_picture(tmp_path / "own" / "p.png").read_bytes()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Spools of a test go to a folder of its own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def packed(*members: tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


END = bytes(1024)


def read(tmp_path: Path, data: bytes, name: str = "a.tar", **options: str) -> SourceSet:
    (tmp_path / name).write_bytes(data)
    return read_tars(str(tmp_path / name), **options)


def faults(found: SourceSet) -> dict[str, str]:
    return {source.key: source.fault for source in found.sources}


@pytest.mark.parametrize("packing", ["", *PACKERS])
def test_a_class_tree_in_a_tar_equals_its_folder(class_folders: Path, tmp_path: Path, packing: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(class_folders, arcname=".")
    data = PACKERS[packing](stream.getvalue()) if packing else stream.getvalue()
    found = read(tmp_path, data, "photos.tar")
    assert found.found_in == (str(tmp_path / "photos.tar"),)
    in_tar = {s.key: s for s in found.sources}
    in_folder = {s.key: s for s in class_tree(class_folders)}
    assert in_tar.keys() == in_folder.keys()
    for key, other in in_folder.items():
        assert (in_tar[key].label, in_tar[key].folder) == (other.label, other.folder)
        assert load(in_tar[key]).sha256 == load(other).sha256
        assert re.fullmatch(rf"{re.escape(str(tmp_path))}/photos\.tar: (\./)?{re.escape(key)}", in_tar[key].where)


def test_names_longer_than_a_header_holds_are_whole_in_every_format(tmp_path: Path, png: bytes) -> None:
    name = "cats/" + "n" * 150 + "é.png"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        assert [s.key for s in read(tmp_path, packed((name, png), form=form)).sources] == [name]


def test_a_shard_has_classes_and_texts_beside_its_pictures(tmp_path: Path, png: bytes) -> None:
    members = [
        ("0/a.png", png),
        ("0/a.cls", b"7\n"),
        ("0/a.txt", "é\n".encode()),
        ("0/a.json", b'{ "b": [1, 2] }'),
        ("b.cls", b"cats"),
        ("b.png", png),
    ]
    found = read(tmp_path, packed(*members))
    first, second = found.sources
    assert (first.key, first.label, first.folder, dict(first.columns)) == ("0/a.png", "7", "7/0", {"txt": "é", "json": '{"b":[1,2]}'})
    assert (second.key, second.label, second.folder, dict(second.columns)) == ("b.png", "cats", "cats", {})
    assert found.notes == ()


@pytest.mark.parametrize(
    ("members", "keys", "labels"),
    [
        pytest.param(["cats/my.photo.jpg"], ["cats/my.photo.jpg"], ["cats"], id="dots in a class tree"),
        pytest.param(["x.png", "x.cls", "x.mask.png"], ["x.png"], ["7"], id="further pictures of a sample"),
        pytest.param(["x.jpg", "x.seg.png", "y.seg.PNG", "y.jpeg"], ["x.jpg", "y.jpeg"], ["", ""], id="further pictures without a text"),
        pytest.param(["c/p.v1.jpg", "c/p.v2.jpg"], ["c/p.v1.jpg", "c/p.v2.jpg"], ["c", "c"], id="dots alone make no sample"),
        pytest.param(["c/a.jpg", "d/a.v2.jpg"], ["c/a.jpg", "d/a.v2.jpg"], ["c", "d"], id="a sample is of one folder"),
        pytest.param(["a.jpg", "a.png"], ["a.jpg", "a.png"], ["", ""], id="one stem, two plain extensions"),
        pytest.param(["./cats/a.PNG", "./cats/a.txt~"], ["cats/a.PNG"], ["cats"], id="a leading dot, a capital extension"),
        pytest.param(["a.png"], ["a.png"], [""], id="no folder, no class"),
        pytest.param(["c/a.png", "__MACOSX/c/._a.png", "c/._a.png", ".h/a.png"], ["c/a.png"], ["c"], id="hidden ones"),
        pytest.param(["c/a.png", "notes.cls", "README.txt"], ["c/a.png"], ["c"], id="a .cls of nothing"),
    ],
)
def test_what_is_a_picture(tmp_path: Path, png: bytes, members: list[str], keys: list[str], labels: list[str]) -> None:
    found = read(tmp_path, packed(*((name, b"7" if name.endswith("cls") else png) for name in members)))
    assert [s.key for s in found.sources] == keys
    assert [s.label for s in found.sources] == labels


def test_a_label_is_for_those_without_a_cls(tmp_path: Path, png: bytes) -> None:
    found = read(tmp_path, packed(("d/a.png", png), ("b.png", png), ("b.cls", b"7")), label="all")
    assert [(s.label, s.folder) for s in found.sources] == [("all", "all/d"), ("7", "7")]


@pytest.mark.parametrize(("count", "words"), [(1, "1 left out"), (12, "12 left out")], ids=["one", "many"])
def test_further_pictures_of_samples_are_counted_with_an_example(tmp_path: Path, png: bytes, count: int, words: str) -> None:
    names = [f"{i}{ending}" for i in range(count) for ending in (".jpg", ".seg.png")]
    found = read(tmp_path, packed(*((name, png) for name in names)))
    assert len(found.sources) == count
    assert f"{words}: parts of a sample and no pictures of their own, such as 0.seg.png" in found.notes[0]


@pytest.mark.parametrize(("text", "words"), [(b"caf\xe9", "is no text in UTF-8"), (b"x" * 2000, "has more than 1,000 bytes")])
def test_a_cls_that_is_no_text_is_told_as_it_is(tmp_path: Path, png: bytes, text: bytes, words: str) -> None:
    found = read(tmp_path, packed(("a.png", png), ("a.cls", text), ("b.png", png), ("b.cls", b"7")))
    assert faults(found) == {"a.png": f"its .cls {words}; it holds the name or the number of a class", "b.png": ""}


@pytest.mark.parametrize("text", [b"", b" \n", b"a/b", b"..", b"a\nb", b"\xff", b"x" * 2000, b"run.json"])
def test_a_bad_cls_costs_its_own_picture(tmp_path: Path, png: bytes, text: bytes) -> None:
    found = read(tmp_path, packed(("a.png", png), ("a.cls", text), ("b.png", png), ("b.cls", b"7")))
    assert ".cls" in faults(found)["a.png"]
    assert faults(found)["b.png"] == ""


def test_a_picture_without_the_cls_that_others_have_is_at_fault(tmp_path: Path, png: bytes) -> None:
    found = read(tmp_path, packed(("a.png", png), ("a.cls", b"7"), ("b.png", png)))
    assert faults(found) == {"a.png": "", "b.png": "it has no .cls, as other pictures of this tar have"}


@pytest.mark.parametrize(
    "data", [b"{", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 60_000, b'"\\ud800"', b"\xff", b'"' + b"x" * 70_000 + b'"', b"1" * 9999]
)
def test_a_text_that_can_not_be_carried_is_left_out_with_a_note(tmp_path: Path, png: bytes, data: bytes) -> None:
    found = read(tmp_path, packed(("a.png", png), ("a.json", data)))
    assert not found.sources[0].columns
    assert not found.sources[0].fault
    assert "1 left out: .json" in found.notes[0]


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "c/../../a.png",
        "/etc/a.png",
        "c/a\n.png",
        "c/a\x1b.png",
        "c/" + "n" * 252 + ".png",
        "/".join(["d" * 200] * 12) + "/a.png",
        "run.json/a.png",
    ],
)
def test_a_hostile_name_costs_itself_alone(tmp_path: Path, png: bytes, name: str) -> None:
    found = read(tmp_path, packed((name, png), ("c/good.png", png)))
    assert [s.key for s in found.sources] == ["c/good.png"]
    assert "1 left out" in found.notes[0]


def test_links_devices_and_sparse_files_are_left_out_with_a_note(tmp_path: Path, png: bytes) -> None:
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
    hostile = b"".join(header(f"c/{i}.png", kind=kind, link="/etc/passwd") for i, kind in enumerate(kinds))
    found = read(tmp_path, hostile + packed(("c/good.png", png)))
    assert [s.key for s in found.sources] == ["c/good.png"]
    assert "5 left out: links, devices and sparse files" in found.notes[0]


def test_a_cut_tar_keeps_what_came_before(tmp_path: Path, png: bytes) -> None:
    whole = packed(("c/a.png", png), ("c/b.png", png), ("d/c.png", png))
    step = 512 + len(padded(png))
    cut = read(tmp_path, whole[: step + 700])
    assert faults(cut) == {"c/a.png": "", "c/b.png": "the tar ends in the middle of it"}
    load(cut.sources[0])
    in_header = read(tmp_path, whole[: step + 100])
    assert [bool(s.fault) for s in in_header.sources] == [False, True]
    assert in_header.sources[1].label == "c"
    assert "cut short" in in_header.sources[1].fault
    between = read(tmp_path, whole[:step])
    assert faults(between) == {"c/a.png": ""}
    assert "end mark is missing" in between.notes[0]


@given(cut=st.integers(1, 6000), flips=st.lists(st.tuples(st.integers(0, 5999), st.integers(0, 255)), max_size=4))
def test_any_cut_and_any_damage_ends_in_words(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    whole = bytearray(packed(*((f"c/{i}{'long' * 40}.png", bytes([i]) * 700) for i in range(3)))[:6000])
    for place, value in flips:
        whole[place % len(whole)] = value
    try:
        found = read(tmp_path, bytes(whole[:cut]))
    except PlanError as error:
        assert "\n" not in str(error)
        return
    for source in found.sources:
        assert source.fault or (source.part is not None and source.part.offset + source.part.size <= cut)


def test_a_cut_cls_is_no_class(tmp_path: Path, png: bytes) -> None:
    picture_of_a, picture_of_b = (header(name, len(png)) + padded(png) for name in ("a.png", "b.png"))
    found = read(tmp_path, picture_of_a + header("a.cls", 1) + padded(b"7") + picture_of_b + header("b.cls", 900) + b"7")
    assert [bool(s.fault) for s in found.sources] == [False, True, True]
    assert "in the middle of b.cls" in found.sources[-1].fault


@pytest.mark.parametrize(
    "size",
    [pytest.param(-1024, id="a negative size, which CVE-2025-8194 loops on"), pytest.param(2**60, id="a size of 2^60")],
)
@pytest.mark.parametrize("name", ["c/b.png", "c/b.bin"])
def test_a_size_that_lies_ends_the_list(tmp_path: Path, png: bytes, size: int, name: str) -> None:
    found = read(tmp_path, header("c/a.png", len(png)) + padded(png) + header(name, size) + padded(png) + END)
    assert [bool(s.fault) for s in found.sources] == [False, True]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(header("x", 1 << 40, tarfile.GNUTYPE_LONGNAME), id="a long name of 1 TB"),
        pytest.param((header("x", 10, tarfile.GNUTYPE_LONGNAME) + padded(b"n" * 10)) * 5000, id="5,000 long names in a row"),
        pytest.param(header("x", 30_000, tarfile.XHDTYPE) + padded(b"1" * 30_000), id="a length of 30,000 digits"),
        pytest.param(header("x", 30_000, tarfile.XHDTYPE) + padded(b"4 aa" * 7499 + b"=bb\n"), id="overlapping records"),
        pytest.param(header("x", 20, tarfile.XHDTYPE) + padded(b"20 size=-0000000512\n"), id="a negative size in a record"),
        pytest.param(header("x", 30, tarfile.XHDTYPE) + padded(b"22 GNU.sparse.major=1\n"), id="half a sparse file"),
    ],
)
def test_hostile_headers_end_the_list_in_words(tmp_path: Path, png: bytes, headers: bytes) -> None:
    found = read(tmp_path, header("c/a.png", len(png)) + padded(png) + headers + header("c/z.png", 600) + bytes(1024) + END)
    assert faults(found)["c/a.png"] == ""
    assert len(found.sources) <= 2


def test_members_without_bytes_take_no_memory(tmp_path: Path, png: bytes) -> None:
    found = read(tmp_path, header("none") * 30_000 + packed(("c/a.png", png)))
    assert [s.key for s in found.sources] == ["c/a.png"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "no tar", id="nothing"),
        pytest.param(b"hello" * 500, "no tar", id="a text"),
        pytest.param(b"PK\x03\x04" + bytes(2000), "no tar", id="a zip"),
        pytest.param(bytes(10240), "no picture", id="a tar of nothing"),
        pytest.param(packed(("a.txt", b"x")), "no picture", id="no picture"),
        pytest.param(b"\x28\xb5\x2f\xfd" + bytes(99), "zstd", id="zstd"),
        pytest.param(gzip.compress(b"hello" * 500), "no tar", id="no tar in a gzip"),
        pytest.param(gzip.compress(b"hello" * 500)[:-6] + b"123456", "damaged", id="a wrong checksum"),
        pytest.param(packed(("a.png", b"1"), ("a.png", b"2")), "two pictures have the name a.png", id="a name twice"),
    ],
)
def test_what_can_not_be_used_is_refused_in_words(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        read(tmp_path, data)
    assert "a.tar" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packing", PACKERS)
def test_compressed_data_that_is_cut_keeps_what_came(tmp_path: Path, packing: str) -> None:
    noise = np.random.default_rng(1).bytes(3_000_000)
    found = read(tmp_path, PACKERS[packing](packed(("c/a.png", noise[:100]), ("c/b.png", noise)))[:-300])
    assert faults(found)["c/a.png"] == ""
    assert [bool(s.fault) for s in found.sources] == [False, True]


def test_a_bomb_is_refused_and_leaves_nothing(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "HEADROOM", 1 << 20)
    with pytest.raises(PlanError, match="over 100 times"):
        read(tmp_path, gzip.compress(bytes(20_000_000)))
    assert not tree(temporary)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "gone")))
    with pytest.raises(OutputError, match="No space left on device; set TMPDIR"):
        read(tmp_path, gzip.compress(packed(("a.png", b"1"))))


def test_a_range_of_shards(tmp_path: Path, png: bytes) -> None:
    for number in range(3):
        (tmp_path / f"s-{number:02}.tar").write_bytes(packed((f"c/{number}.png", png)))
    found = read_tars(str(tmp_path / "s-{00..02}.tar"))
    assert [s.key for s in found.sources] == ["c/0.png", "c/1.png", "c/2.png"]
    assert len(found.found_in) == 3
    with pytest.raises(PlanError, match=r"2 of 5 shards are not there: .*s-03\.tar, .*s-04\.tar"):
        read_tars(str(tmp_path / "s-{00..04}.tar"))
    (tmp_path / "s-01.tar").write_bytes(packed(("c/0.png", png)))
    with pytest.raises(PlanError, match=r"c/0\.png: .*s-00\.tar: .* and .*s-01\.tar"):
        read_tars(str(tmp_path / "s-{00..02}.tar"))


@pytest.mark.parametrize(
    "path", ["x{5..1}.tar", f"x{{0..{MAX_SHARDS}}}.tar", "x{0..999}{0..999}.tar", "x{0..999999999999999999}.tar", "x\0.tar"]
)
def test_a_range_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(PlanError):
        shards([path])


def test_other_files_than_regular_ones_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.tar")
    for name in ("f.tar", "."):
        with pytest.raises(PlanError):
            read_tars(str(tmp_path / name))


CHILD = "import sys, os; from augx.inputs.tars import read_tars; from augx.sources import load; found = read_tars('-')\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_spooled_and_its_spool_removed_by_its_maker_alone(
    tmp_path: Path, temporary: Path, png: bytes, pack: type[bytes]
) -> None:
    code = CHILD + (
        "path = found.sources[0].path\n"
        "child = os.fork()\n"
        "if not child: sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "assert os.path.exists(path) and os.path.basename(os.path.dirname(path)).startswith('augx-spools-')\n"
        "print(found.sources[0].where, found.found_in, load(found.sources[0]).image.size)"
    )
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], input=pack(packed(("c/a.png", png))), capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"the tar on standard input: c/a.png () (33, 24)")
    assert not list(temporary.iterdir())
    assert picture().shape[:2] == (24, 33)


def held_spool(temporary: Path, png: bytes) -> tuple[subprocess.Popen[bytes], Path]:
    """A process that waits with a spool, and the spool."""
    code = CHILD + "print(found.sources[0].path, flush=True)\nimport signal\nsignal.alarm(60)\nsignal.pause()"
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(packed(("c/a.png", png)))
    process.stdin.close()
    path = Path(process.stdout.readline().decode().strip())
    process.stdout.close()
    return process, path


def test_the_next_spool_removes_those_of_killed_processes_and_no_others(tmp_path: Path, temporary: Path, png: bytes) -> None:
    (killed, left), (living, kept) = held_spool(temporary, png), held_spool(temporary, png)
    theirs = temporary / "augx-spools-of-mine"
    theirs.write_bytes(b"a file, not a folder")
    (temporary / "augx-spools-link").symlink_to(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.exists()
    load(read(tmp_path, gzip.compress(packed(("c/a.png", png)))).sources[0])
    assert not left.parent.exists()
    assert kept.exists() and theirs.exists() and (tmp_path / "own" / "p.png").exists()
    living.terminate()
    living.wait()
