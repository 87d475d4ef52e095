"""Sets that are made in a bucket, by whole commands: the same as in a folder, whatever happens to them or to the server."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Run, picture, tree, write_picture

pytest.importorskip("moto")
pytest.importorskip("s3fs")

from tests.object_server import Gate, asked, new_bucket, server_port

LAYOUTS = {
    "class folders": ("--copies", "7", "--originals"),
    "split shards": ("--copies", "9", "--to", "webdataset", "--shard-size", "20", "--split", "train=0.6,val=0.4"),
    "Hugging Face": ("--copies", "3", "--to", "hf"),
}
SHARDS = ("--copies", "60", "--to", "webdataset", "--shard-size", "40")
FOLDERS = ("--copies", "32")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of six small pictures."""
    for label in ("cats", "dogs"):
        for number in range(6):
            write_picture(tmp_path / "photos" / label / f"{number}.png", picture(16 + number, 20, seed=number))
    return tmp_path / "photos"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    return new_bucket(monkeypatch)


def given(bucket: str, name: str, method: str = "GET") -> bytes | None:
    """An object's bytes, past any gate and any library; None where there is none any more."""
    place = f"http://127.0.0.1:{server_port()}/{bucket}/{urllib.parse.quote(name)}"
    request = urllib.request.Request(place, headers={"Authorization": "AWS testing:testing"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        assert error.code == 404
        return None


def objects(bucket: str) -> dict[str, bytes]:
    """All of a bucket, as the server itself lists it and gives it out; fewer than 1000 objects."""
    listing = asked("GET", f"{bucket}?list-type=2").decode()
    assert "<IsTruncated>true" not in listing
    names = map(html.unescape, re.findall("<Key>(.*?)</Key>", listing))
    return {name: data for name in names if (data := given(bucket, name)) is not None}


def set_in(bucket: str, name: str = "set") -> dict[str, bytes]:
    """The objects below a name, by the rest of theirs."""
    return {key.removeprefix(f"{name}/"): data for key, data in objects(bucket).items() if key.startswith(f"{name}/")}


def same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """The same names and bytes; run.json may say that the sources lie elsewhere."""
    assert sorted(found) == sorted(expected)
    for name, data in found.items():
        if name == "run.json":
            one, other = (json.loads(text) for text in (data, expected[name]))
            assert {**one, "found_in": 0} == {**other, "found_in": 0}
        else:
            assert data == expected[name], name


def told(ended: subprocess.CompletedProcess[bytes], *words: str) -> None:
    """It failed in one line with these words."""
    text = ended.stderr.decode()
    assert ended.returncode in (1, 2) and len(text.splitlines()) == 1 and text.startswith("augx: "), text
    for word in words:
        assert word in text


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """``augx generate ...``, alone in its process group."""
    command = [sys.executable, "-m", "augx", "generate", "--input", "photos", "--quiet", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something to hold, for as long as a process runs."""
    while not holds():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            raise AssertionError(f"it ended too early: {process.communicate()[1]!r}")


def receipts(bucket: str) -> list[str]:
    """The names of the receipts in a bucket."""
    return re.findall("<Key>set/(.augx-unit-[^<]*)</Key>", asked("GET", f"{bucket}?list-type=2").decode())


class Watcher:
    """Lists a bucket all along and looks at each object: it is one of the whole set, whole, or one of augx's own, whole."""

    def __init__(self, bucket: str, whole: dict[str, bytes]) -> None:
        self.looks, self.torn = 0, list[str]()
        self._bucket, self._whole, self._ended = bucket, whole, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.is_set():
            for name, data in set_in(self._bucket).items():
                if name.startswith(".augx-unit-"):
                    well = data.endswith(b"\n") and all(json.loads(line) for line in data.splitlines())
                elif name == ".augx-fleet.json":
                    well = isinstance(json.loads(data)["digest"], str)
                else:
                    well = name == "run.json" or data == self._whole.get(name)
                self.torn += [] if well else [name]
            self.looks += 1

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_set_in_a_bucket_is_that_in_a_folder(layout: str, photos: Path, bucket: str, augx: Run) -> None:
    """From pictures in a folder, and from such in a bucket."""
    for name, data in tree(photos).items():
        asked("PUT", f"{bucket}/photos/{name}", data)
    one = augx("generate", "--input", "photos", "--output", "one", "--quiet", *LAYOUTS[layout])
    near = augx("generate", "--input", "photos", "--output", f"s3://{bucket}/set", "--quiet", *LAYOUTS[layout], "--engine", "processes")
    far = augx("generate", "--input", f"s3://{bucket}/photos", "--output", f"s3://{bucket}/far/set/", "--quiet", *LAYOUTS[layout])
    assert [(done.returncode, done.stderr) for done in (one, near, far)] == [(0, b"")] * 3
    whole = tree(photos.parent / "one")
    same(set_in(bucket), whole)
    same(set_in(bucket, "far/set"), whole)
    again = augx("generate", "--input", "photos", "--output", f"s3://{bucket}/set", "--json", *LAYOUTS[layout])
    assert again.returncode == 0 and json.loads(again.stdout)["made"] == 0
    same(set_in(bucket), whole)


@pytest.mark.parametrize("amount", [SHARDS, FOLDERS], ids=["shards", "class folders"])
def test_shares_their_status_and_their_end(amount: tuple[str, ...], photos: Path, bucket: str, augx: Run) -> None:
    output = f"s3://{bucket}/set"
    assert augx("generate", "--input", "photos", "--output", "one", "--quiet", *amount).returncode == 0
    told(augx("status", output), output, "no set of augx is here")
    told(augx("finalize", output), output, "no fleet is at work here")
    words = ("generate", "--input", "photos", "--output", output, "--quiet", *amount)
    assert augx(*words, "--shard", "1/2").returncode == 0
    half = json.loads(augx("status", output, "--json").stdout)
    assert half["state"] == "fleet" and 0 < half["done"] == len(receipts(bucket)) < half["units"]
    told(augx("finalize", output), output, "units are not made yet")
    told(augx(*words, "--seed", "5"), output, "a fleet with another plan is at work here", "seed")
    assert augx(*words, "--shard", "0/2").returncode == 0
    assert augx("finalize", output, "--quiet").returncode == 0
    same(set_in(bucket), tree(photos.parent / "one"))
    assert b"complete" in augx("status", output).stdout
    told(augx(*words, "--seed", "5"), output, "holds another set", "seed")


@pytest.mark.parametrize("amount", [SHARDS, FOLDERS], ids=["shards", "class folders"])
def test_killed_half_way_and_never_torn(amount: tuple[str, ...], photos: Path, bucket: str, augx: Run) -> None:
    output, folder = f"s3://{bucket}/set", photos.parent
    assert augx("generate", "--input", "photos", "--output", "one", "--quiet", *amount).returncode == 0
    whole = tree(folder / "one")
    with Watcher(bucket, whole) as watcher:
        for least in (1, 3):
            with running(folder, "--output", output, *amount) as process:
                until(lambda least=least: len(receipts(bucket)) >= least, process)
                os.killpg(process.pid, signal.SIGKILL)
        there = set(receipts(bucket))
        lines = [line for name in there for line in (given(bucket, f"set/{name}") or b"").splitlines()[1:]]
        files = sum(not line.startswith(b'{"package"') for line in lines)
        last = augx("generate", "--input", "photos", "--output", output, "--json", "--quiet", *amount)
    assert last.returncode == 0, last.stderr
    summary = json.loads(last.stdout)
    assert (summary["kept"], summary["made"]) == (files, 12 * int(amount[1]) - files) and summary["made"]
    same(set_in(bucket), whole)
    assert watcher.torn == [] and watcher.looks > 3


@pytest.fixture
def gate(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate that commands reach the server through."""
    found = Gate(server_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    yield found
    found.close()


def test_a_server_that_goes_away_and_comes_back(photos: Path, bucket: str, gate: Gate, augx: Run) -> None:
    assert augx("generate", "--input", "photos", "--output", "one", "--quiet", *FOLDERS).returncode == 0
    whole = tree(photos.parent / "one")
    with Watcher(bucket, whole) as watcher, running(photos.parent, "--output", f"s3://{bucket}/set", *FOLDERS, "--jobs", "1") as process:
        for least in (1, 2, 4):
            until(lambda least=least: len(receipts(bucket)) >= least, process)
            gate.close_for(2)
        assert (process.communicate()[1], process.returncode) == (b"", 0)
    same(set_in(bucket), whole)
    assert watcher.torn == []


@pytest.mark.slow
def test_a_server_that_stays_away_for_now(photos: Path, bucket: str, gate: Gate, augx: Run) -> None:
    assert augx("generate", "--input", "photos", "--output", "one", "--quiet", *FOLDERS).returncode == 0
    words = ("--output", f"s3://{bucket}/set", *FOLDERS)
    with running(photos.parent, *words) as process:
        until(lambda: bool(receipts(bucket)), process)
        gate.close_for(1 << 30)
        said = process.communicate()[1]
    told(subprocess.CompletedProcess((), process.returncode, b"", said), bucket, "then the same command goes on")
    gate.shut = 0
    assert augx("generate", "--input", "photos", "--quiet", *words).returncode == 0
    same(set_in(bucket), tree(photos.parent / "one"))


def test_rights_that_are_taken_away_meanwhile(photos: Path, bucket: str, augx: Run) -> None:
    words = ("--output", f"s3://{bucket}/set", *FOLDERS)
    try:
        with running(photos.parent, *words) as process:
            until(lambda: bool(receipts(bucket)), process)
            asked("POST", "moto-api/reset-auth", b"0")
            said = process.communicate()[1]
        told(subprocess.CompletedProcess((), process.returncode, b"", said), bucket, "the store refuses these credentials")
        for command in (("generate", "--input", "photos", *words), ("status", words[1]), ("finalize", words[1])):
            told(augx(*command), bucket, "the store refuses these credentials", "check them, and their rights")
        told(
            augx("generate", "--input", f"s3://{bucket}/photos", "--output", "out", "--copies", "1"), "the store refuses these credentials"
        )
    finally:
        asked("POST", "moto-api/reset-auth", b"inf")
    assert augx("generate", "--input", "photos", "--quiet", *words).returncode == 0
    assert augx("generate", "--input", "photos", "--output", "one", "--quiet", *FOLDERS).returncode == 0
    same(set_in(bucket), tree(photos.parent / "one"))


def test_no_such_bucket(photos: Path, bucket: str, augx: Run) -> None:
    output = "s3://no-such-bucket/set"
    for command in (("generate", "--input", "photos", "--output", output, "--copies", "2"), ("status", output), ("finalize", output)):
        told(augx(*command), output, "there is no bucket no-such-bucket there; make it, or check the spelling")
    told(augx("generate", "--input", "photos", "--output", output, "--copies", "2", "--shard", "0/2"), "there is no bucket")
    told(augx("generate", "--input", output, "--output", "out", "--copies", "2"), output, "there is no bucket")


@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "nobody answers"])
def test_nobody_answers(listens: bool, photos: Path, bucket: str, augx: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as inside:
        taken = inside.enter_context(socket.socket())  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen(8)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        output = f"s3://{bucket}/set"
        commands = (("generate", "--input", "photos", "--output", output, "--copies", "2"), ("status", output), ("finalize", output))
        for command in commands[: 1 if listens else 3]:  # which waits so long
            began = time.monotonic()
            told(augx(*command), output, "nobody answers", "check the address, the network and the endpoint")
            assert time.monotonic() - began < 30  # 10 on a machine with nothing else to do


def test_no_room_for_temporary_files(photos: Path, bucket: str, augx: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root mounts a disk that is full so soon")
    try:
        monkeypatch.setenv("TMPDIR", str(small))
        words = ("generate", "--input", "photos", "--output", f"s3://{bucket}/set", *SHARDS, "--quiet")
        told(augx(*words), "No space left on device", "TMPDIR")
        assert not list(small.iterdir())
        assert not [name for name in set_in(bucket) if name.endswith(".tar")]
    finally:
        subprocess.run(["umount", small], check=True)
    monkeypatch.delenv("TMPDIR")
    assert augx(*words).returncode == 0
    assert augx(*words[:3], "--output", "one", *SHARDS, "--quiet").returncode == 0
    same(set_in(bucket), tree(tmp_path / "one"))


def test_another_plan_in_one_place(photos: Path, bucket: str, augx: Run) -> None:
    output = f"s3://{bucket}/set"
    words: tuple[Any, ...] = ("generate", "--input", "photos", "--output", output, "--quiet", "--copies", "2")
    asked("PUT", f"{bucket}/set/theirs.txt", b"theirs")
    told(augx(*words), output, "holds files that augx did not make, such as theirs.txt")
    given(bucket, "set/theirs.txt", "DELETE")
    assert augx(*words).returncode == 0
    before = set_in(bucket)
    for more in (("--copies", "3"), ("--format", "png"), ("--originals",), ("--to", "webdataset"), ("--shard", "0/2", "--seed", "4")):
        told(augx(*words, *more), output, "and sets at an address don't grow; choose another --output")
    told(augx("generate", "--input", output, "--output", f"{output}/more", "--copies", "1"), "lies inside --input")
    assert set_in(bucket) == before
