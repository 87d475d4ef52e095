"""Object stores: what they refuse, servers that go away, and pictures that lie in them. A real S3 server answers on loopback."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from augx import find_sources, load_spec, named_images, plan_copies, read_list, stores
from augx.errors import OutputError, PlanError, SourceError, WriteError
from augx.files import read_bytes
from augx.places import Place, place_of
from augx.remote import ObjectStore
from augx.sources import Source, SourceSet, source_bytes
from tests.conftest import ROOT, Run, pictures, tree, write_picture

pytest.importorskip("moto")
pytest.importorskip("s3fs")

from tests.object_server import Gate, asked, new_bucket, server_port

SHORT = (0.05, 0.05, 0.05)
"""Pauses between four tries."""


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate before the server."""
    found = Gate(server_port())
    yield found
    found.close()


@pytest.fixture
def store(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A place behind the gate."""
    return ObjectStore(f"s3://{new_bucket(monkeypatch, gate.port)}/set", SHORT)


def objects(place: Place) -> list[str]:
    """The keys in a place's bucket, as the server itself lists them."""
    bucket = place.address.split("/")[2]
    return re.findall("<Key>(.*?)</Key>", asked("GET", f"{bucket}?list-type=2").decode())


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text and "Traceback" not in text and len(text) < 500
    return text


# What is refused


def test_a_bucket_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    new_bucket(monkeypatch)
    place = place_of("s3://no-such-bucket/set")
    for kind, refused in ((OutputError, place.prepare), (PlanError, lambda: find_sources("s3://no-such-bucket/photos"))):
        with pytest.raises(kind, match=r"^s3://no-such-bucket/\w+: there is no bucket no-such-bucket there; make it, or check"):
            refused()
    with pytest.raises(OutputError, match=r"^s3://no-such-bucket/set: there is no such bucket any more; make it, then the same command"):
        place.put("a", b"1")
    with pytest.raises(OutputError, match="Invalid bucket name") as error:
        place_of("s3://No_Bucket!/set").prepare()
    one_line(error.value)


def test_credentials_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = new_bucket(monkeypatch)
    place = place_of(f"s3://{bucket}/set")
    place.put("a.jpg", b"1")
    asked("POST", "moto-api/reset-auth", b"0")
    try:
        puts = (lambda: place.put("b", b"1"), lambda: place.put_new("b", b"1"))
        for done in (place.prepare, place.names, lambda: place.read("a.jpg"), *puts):
            with pytest.raises(OutputError, match=f"the store refuses these credentials: .*, and their rights to {bucket}$") as error:
                done()
            one_line(error.value)
        with pytest.raises(PlanError, match="the store refuses these credentials"):
            find_sources(place.address)
        with pytest.raises(SourceError, match="the store refuses these credentials"):
            read_bytes(f"{place.address}/a.jpg")
    finally:
        asked("POST", "moto-api/reset-auth", b"inf")
    assert objects(place) == ["set/a.jpg"]


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = new_bucket(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(OutputError, match="no credentials for it were found: Unable to locate credentials; set AWS_"):
        place_of(f"s3://{bucket}/set").prepare()


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bucket = new_bucket(monkeypatch, port)
    began = time.monotonic()
    for kind, done in ((OutputError, place_of(f"s3://{bucket}/set").prepare), (PlanError, lambda: find_sources(f"s3://{bucket}/photos"))):
        with pytest.raises(kind, match=r"nobody answers: Could not connect to the endpoint URL: .*; check the address") as error:
            done()
        one_line(error.value)
    assert time.monotonic() - began < 20  # 10 s each, by the issue


def test_somebody_listens_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        bucket = new_bucket(monkeypatch, silent.getsockname()[1])
        with pytest.raises(OutputError, match="nobody answers within 1 s; check the address, the network and the endpoint"):
            place_of(f"s3://{bucket}/set").prepare()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("xyz://a/b", r"^xyz://a/b: there is no kind of store xyz://; s3://, gs://, az://, memory:// and others of fsspec are$"),
        ("gs://a/b", r"^gs://a/b: gs:// needs fsspec and its library: pip install 'augx-cli\[cloud\]' gcsfs \("),
        ("https://x.org/set", "^https://x.org/set: the web can be read from, not written to; choose a folder or a store"),
    ],
)
def test_stores_that_are_none(address: str, message: str) -> None:
    if address.startswith("gs") and importlib.util.find_spec("gcsfs"):
        pytest.skip("gcsfs is here")
    with pytest.raises(OutputError, match=message):
        place_of(address).prepare()


@pytest.mark.parametrize("library", ["fsspec", "s3fs"])
def test_the_libraries_are_not_here(library: str) -> None:
    code = (
        f"import sys\nsys.modules[{library!r}] = None\nfrom augx.places import place_of\n"
        "from augx import find_sources, PlanError, OutputError\n"
        "for do in (lambda: place_of('s3://b/x').prepare(), lambda: find_sources('s3://b/x')):\n"
        "    try:\n        do()\n    except (PlanError, OutputError) as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 2 and done.stderr == ""
    assert all("s3:// needs fsspec and its library: pip install 'augx-cli[cloud]' (" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("kind", ["input", "image"])
def test_the_command_says_so_in_one_line(augx: Run, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    bucket = new_bucket(monkeypatch)
    given = {"input": ("--input", f"s3://{bucket}/none/"), "image": ("--image", f"s3://{bucket}/none.jpg")}[kind]
    done = augx("generate", *given, "--output", "out", "--copies", "1")
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and f"s3://{bucket}/none".encode() in done.stderr
    assert {"input": b"no image below this address", "image": b"there is no such object"}[kind] in done.stderr


# Servers that go away


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_a_server_that_comes_back_takes_all(store: ObjectStore, gate: Gate, tmp_path: Path, tries: int) -> None:
    (tmp_path / "shard").write_bytes(b"s" * 100_000)
    for i in range(12):
        if i % 3 == 0:
            gate.close_for(tries)
        if i % 2:
            store.put(f"a{i:02}", b"%d" % i)
        else:
            store.put_file(f"a{i:02}", str(tmp_path / "shard"))
    gate.close_for(tries)
    assert store.names() == [f"a{i:02}" for i in range(12)]
    gate.close_for(tries)
    assert store.read("a03") == b"3" and store.read("a04") == b"s" * 100_000


def test_a_server_that_stays_away_ends_it_in_words(store: ObjectStore, gate: Gate) -> None:
    store.put("a", b"1")
    gate.close_for(1000)
    for done in (lambda: store.put("b", b"1"), lambda: store.read("a"), store.names, lambda: store.delete("a")):
        with pytest.raises(WriteError, match=r"^s3://.*; put that right, then the same command goes on$") as error:
            done()
        one_line(error.value)
    gate.shut = 0
    store.put("b", b"2")  # the same again
    assert store.names() == ["a", "b"] and objects(store) == ["set/a", "set/b"]


@pytest.mark.parametrize("how", ["put", "put_new", "put_file"])
def test_an_upload_that_breaks_off_publishes_nothing(store: ObjectStore, gate: Gate, tmp_path: Path, how: str) -> None:
    (tmp_path / "shard").write_bytes(b"s" * 3_000_000)
    store.put("old", b"stays")
    gate.limit = 1_000_000
    gate.hang_up()
    put = {
        "put": lambda name: store.put(name, b"s" * 3_000_000),
        "put_new": lambda name: store.put_new(name, b"s" * 3_000_000),
        "put_file": lambda name: store.put_file(name, str(tmp_path / "shard")),
    }[how]
    with pytest.raises(WriteError):
        put("torn")
    assert objects(store) == ["set/old"]
    if how != "put_new":
        with pytest.raises(WriteError):
            put("old")
    assert store.read("old") == b"stays" and store.names() == ["old"]
    gate.limit = 1 << 60
    put("torn")
    assert store.read("torn") == b"s" * 3_000_000


@pytest.mark.slow
def test_an_upload_in_parts_that_breaks_off_publishes_nothing(store: ObjectStore, gate: Gate, tmp_path: Path) -> None:
    with open(tmp_path / "shard", "wb") as file:
        file.truncate(120 << 20)  # more than two parts
    gate.limit = 30 << 20
    with pytest.raises(WriteError):
        store.put_file("torn", str(tmp_path / "shard"))
    assert objects(store) == [] and store.names() == []
    gate.limit = 1 << 60
    store.put_file("torn", str(tmp_path / "shard"))
    assert objects(store) == ["set/torn"]


def test_an_answer_that_is_lost_is_no_other_process(store: ObjectStore, gate: Gate) -> None:
    store.put("theirs", b"theirs")
    gate.mute = 1
    gate.hang_up()
    assert store.put_new("ours", b"ours")
    gate.mute = 1
    gate.hang_up()
    assert not store.put_new("theirs", b"ours") and store.read("theirs") == b"theirs"


def test_sources_of_a_server_that_is_away_are_not_damaged(store: ObjectStore, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_PATIENCE", 0.0)
    store.put("a", b"123")
    path = f"{store.address}/a"
    gate.close_for(1000)
    for _ in range(3):
        with pytest.raises(stores.UnreachableError, match="can't read it: "):
            read_bytes(path)
    gate.shut = 0
    assert read_bytes(path) == b"123"
    with pytest.raises(SourceError, match="can't read it: No such file") as error:
        read_bytes(path + "b")
    assert not isinstance(error.value, stores.UnreachableError)


@pytest.mark.parametrize(
    ("limit", "offset", "data"),
    [(-1, 0, b"0123456789"), (4, 0, b"0123"), (4, 3, b"3456"), (4, 8, b"89"), (-1, 8, b"89"), (4, 10, b""), (4, 99, b""), (0, 0, b"")],
)
def test_parts_of_objects(store: ObjectStore, limit: int, offset: int, data: bytes) -> None:
    for place in (store, place_of("memory://parts/of")):
        place.put("a", b"0123456789")
        assert read_bytes(f"{place.address}/a", limit, offset) == data
        place.put("empty", b"")
        assert read_bytes(f"{place.address}/empty", limit, offset) == b""


def test_no_source_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MAX_BYTES", 9)
    place_of("memory://big").put("a", b"0123456789")
    with pytest.raises(SourceError, match="it has more than"):
        read_bytes("memory://big/a")


FORKS = """
import os, sys, threading
from augx.files import read_bytes
from augx.places import place_of
address = sys.argv[1]
place = place_of(address)
def reads(n):
    threads = [threading.Thread(target=lambda i=i: found.append(read_bytes(f"{address}/{i}") == b"%d" % i)) for i in range(n)]
    found = []
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return len(found) == n and all(found)
for i in range(8):
    place.put(str(i), b"%d" % i)
assert reads(8)
children = []
for number in range(3):
    child = os.fork()
    if not child:
        good = reads(4) and reads(4)
        place.put(f"child{number}", b"1")
        grandchild = os.fork()
        if not grandchild:
            os._exit(0 if reads(2) else 1)
        os._exit(0 if good and os.waitpid(grandchild, 0)[1] == 0 else 1)
    children.append(child)
assert reads(8)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
print(place.names("child"))
"""


def test_threads_and_forked_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"s3://{new_bucket(monkeypatch)}/set"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", FORKS, address]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0 and done.stdout == "['child0', 'child1', 'child2']\n", done.stderr


# Pictures in a store


def uploaded(root: Path, address: str) -> Place:
    """The files of a folder in a place."""
    place = place_of(address)
    for name, data in tree(root).items():
        place.put(name, data)
    return place


def rows(found: SourceSet) -> list[tuple[object, ...]]:
    """A plan's rows but for where their sources lie."""
    plan = plan_copies(found, load_spec("tutorial"), copies=2, originals=True)
    return [(row.source.key, row.source.label, row.source.columns, row.source.fault, row.series, row.original) for row in plan.rows]


@pytest.fixture
def both(class_folders: Path, store: ObjectStore) -> tuple[Path, str]:
    """The class folders, here and in a store, with what is to be passed over."""
    for name in (".hidden/x.jpg", "cats/.x.jpg", "cats/notes.txt", "loose.PNG", "z/deep/er/a b#?%.jpeg"):
        write_picture(class_folders / "p.png")
        (class_folders / name).parent.mkdir(parents=True, exist_ok=True)
        (class_folders / "p.png").rename(class_folders / name)
    uploaded(class_folders, f"{store.address}/photos")
    asked("PUT", f"{store.address.removeprefix('s3://')}/photos/dogs/")  # as consoles mark folders
    return class_folders, f"{store.address}/photos"


@pytest.mark.parametrize("end", ["", "/"])
def test_a_tree_in_a_store_is_as_one_in_a_folder(both: tuple[Path, str], gate: Gate, end: str) -> None:
    here, address = both
    local, gate.listings = find_sources(here), 0
    found = find_sources(address + end)
    assert gate.listings == 1
    assert rows(found) == rows(local) and found.found_in == (address,)
    assert [source.path for source in found.sources] == [f"{address}/{source.key}" for source in local.sources]
    assert [source_bytes(source) for source in found.sources] == [source_bytes(source) for source in local.sources]


def test_a_set_is_the_same_from_a_store(both: tuple[Path, str], augx: Run, tmp_path: Path) -> None:
    here, address = both
    (here / "loose.PNG").unlink()
    place_of(address).delete("loose.PNG")
    names = [source.key for source in find_sources(here).sources]
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names))
    runs = {
        "folder": ("--input", here),
        "threads": ("--input", address, "--engine", "threads"),
        "processes": ("--input", address, "--engine", "processes"),
        "table": ("--input", "t.csv", "--root", address, "--engine", "processes"),
    }
    for output, args in runs.items():
        done = augx("generate", *args, "--output", output, "--copies", "3", "--jobs", "2")
        assert done.returncode == 0, done.stderr
    first, *others = ({**pictures(tmp_path / run), "": (tmp_path / run / "manifest.jsonl").read_bytes()} for run in runs)
    assert len(first) == 19 and all(other == first for other in others)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "cats/t.csv", "p.tar", "p.tgz", "p{0..1}.tar", "x.npy", "x.npz"])
def test_files_of_pictures_in_a_store(class_folders: Path, name: str) -> None:
    here, address = class_folders, "memory://files/photos"
    (here / "t.csv").write_text("file,label,more\ncats/a,cat,1\ncats/persian/../b.png,cat,2\ndogs/d,dog,\n")
    (here / "t.jsonl").write_text('{"file_name": "cats/b.png", "label": "x"}\n{"file_name": "./dogs/d.jpg", "label": "y"}\n')
    (here / "cats" / "t.csv").write_text("file,label\na.jpg,cat\npersian/c.jpg,cat\n")
    for tar, mode in (("p.tar", "w"), ("p.tgz", "w:gz"), ("p0.tar", "w"), ("p1.tar", "w")):
        with tarfile.open(here / tar, mode) as archive:
            archive.add(here / ("dogs" if "1" in tar else "cats"), "dogs" if "1" in tar else "cats")
    np.save(here / "x.npy", np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8))
    np.savez(here / "x.npz", x=np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8), y=np.arange(3))
    uploaded(here, address)
    local, found = find_sources(here / name), find_sources(f"{address}/{name}")
    assert rows(found) == rows(local) and len(found.sources) > 1
    assert [source_bytes(source) for source in found.sources] == [source_bytes(source) for source in local.sources]
    assert all(source.where.startswith(address) for source in found.sources)
    assert [note.replace(address, str(here)) for note in found.notes] == list(local.notes)


def test_a_local_table_of_pictures_in_a_store(class_folders: Path, tmp_path: Path) -> None:
    here, address = class_folders, "memory://tables/photos"
    uploaded(here, address)
    table = tmp_path / "t.csv"
    table.write_text(f"file,label\ncats/a.jpg,cat\n{address}/dogs/d.jpg,dog\n")
    found = find_sources(table, root=address)
    assert [(source.key, source.path) for source in found.sources] == [(k, f"{address}/{k}") for k in ("cats/a.jpg", "dogs/d.jpg")]
    assert [source_bytes(source) for source in found.sources] == [(here / key).read_bytes() for key in ("cats/a.jpg", "dogs/d.jpg")]
    with pytest.raises(PlanError, match=r"line 3: memory://.*/d\.jpg is an address, not a file; name the address that all .* by --root"):
        find_sources(table)
    table.write_text("file,label\n../../other/a.jpg,cat\ns3://elsewhere/a.jpg,cat\n")
    with pytest.raises(
        PlanError, match=r"line 2: \.\./\.\./other/a\.jpg lies outside memory://.*/photos; name .* by --root \(and 1 more\)"
    ):
        find_sources(table, root=address)


def test_lists_and_single_pictures(class_folders: Path, tmp_path: Path) -> None:
    here, address = class_folders, "memory://lists/photos"
    uploaded(here, address)
    (tmp_path / "list").write_text(f"{address}/dogs/d.jpg\n{address}/cats/a.jpg\n")
    (tmp_path / "relative").write_text("cats/a.jpg\ndogs/d.jpg\n")
    whole = read_list(tmp_path / "list")
    assert [source.key for source in whole.sources] == ["cats/a.jpg", "dogs/d.jpg"] and whole.found_in == (address,)
    assert read_list(tmp_path / "list", root=address).sources == read_list(tmp_path / "relative", root=address).sources == whole.sources
    (single,) = named_images([f"{address}/cats/a.jpg"], "x")
    assert single == Source(f"{address}/cats/a.jpg", "x/a.jpg", "x", "x") and source_bytes(single) == (here / "cats" / "a.jpg").read_bytes()


REFUSED = {
    "a picture": ("cats/a.jpg", "this is an object; a picture goes with --image"),
    "COCO": ("instances.json", "a COCO file is read from a folder; download it first"),
    "YOLO's file": ("data.yaml", "a YOLO set is read from a folder; download it first"),
    "YOLO's folders": ("yolo/", "this is a YOLO set, which is read from a folder; download it first"),
    "Pascal VOC": ("voc/", "this is a Pascal VOC set, which is read from a folder; download it first"),
    "nothing there": ("nothing/", "no image below this address; images end in .apng"),
    "no table": ("empty.csv", "this table is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_from_stores(name: str) -> None:
    place = place_of("memory://refused")
    for put in ("cats/a.jpg", "yolo/images/a.jpg", "yolo/labels/a.txt", "voc/Annotations/a.xml", "voc/JPEGImages/a.jpg"):
        place.put(put, b"1")
    place.put("empty.csv", b"")
    path, message = REFUSED[name]
    with pytest.raises(PlanError, match=re.escape(message)) as error:
        find_sources(f"{place.address}/{path}")
    assert place.address in one_line(error.value)


def test_the_web_is_not_searched() -> None:
    with pytest.raises(PlanError, match="the web has no lists of what lies there; give a table of the pictures below it"):
        find_sources("https://x.org/photos/")


def test_a_listing_of_many_pages(store: ObjectStore, gate: Gate) -> None:
    bucket = store.address.split("/")[2]
    with ThreadPoolExecutor(8) as threads:  # a page has 1,000 names
        list(threads.map(lambda i: asked("PUT", f"{bucket}/set/many/{i % 3}/{i:04}.jpg", b"1"), range(1100)))
    assert len(list(store.all_names())) == 1100 and gate.listings == 2
    assert [s.key for s in find_sources(f"{store.address}/many").sources] == sorted(f"{i % 3}/{i:04}.jpg" for i in range(1100))


def test_names_that_no_file_can_have_are_left_out() -> None:
    place = place_of("memory://names")
    for put in ("cats/a.jpg", f"cats/{'x' * 260}.jpg"):
        place.put(put, b"1")
    found = find_sources(place.address)
    assert [source.key for source in found.sources] == ["cats/a.jpg"]
    assert found.notes == ("memory://names: 1 left out: names that no file can have",)
