"""Inputs that change, lead astray, or come slowly and not whole."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import random
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from augx import Options
from tests.conftest import pictures
from tests.faults.oracle import ENVIRONMENT, differences, expand, settled


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


CHANGES = [
    pytest.param(Path.unlink, id="it vanishes"),
    pytest.param(lambda path: os.truncate(path, path.stat().st_size // 2), id="it shrinks"),
    pytest.param(lambda path: path.write_bytes(b"no picture" + path.read_bytes()), id="it grows"),
    pytest.param(fifo, id="it turns to a pipe"),
    pytest.param(folder, id="it turns to a folder"),
    pytest.param(device, id="it turns to an endless device"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_changes_during_a_run(
    change: Callable[[Path], None], photos: Path, tmp_path: Path, figure: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    last = photos / "dogs" / "4.png"
    data = last.read_bytes()
    changed: list[int] = []

    def once(pictures: int) -> None:
        if not changed:
            change(last)
        changed.append(pictures)

    report = expand(tmp_path / "out", photos, 9, options=Options(jobs=1), on_progress=once)
    (failure,) = report.failures
    assert (report.made, report.missing) == (45, 9) and failure.source.endswith("4.png") and failure.reason
    last.rmdir() if last.is_dir() else last.unlink(missing_ok=True)
    last.write_bytes(data)
    settled(tmp_path / "out", photos, 9)
    figure(f"{request.node.callspec.id}: 9 of 54 files missing, {failure.reason}; put back: equal trees")


def test_links_that_lead_in_circles_and_out(photos: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    source = tmp_path / "links"
    shutil.copytree(photos, source)
    for name, target in {"up": "..", "self": "self", "proc": "/proc", "dev": "/dev", "out": str(photos), "zero.png": "/dev/zero"}.items():
        (source / "cats" / name).symlink_to(target)
    os.mkfifo(source / "cats" / "pipe.png")
    expand(tmp_path / "out", source, 2)
    expand(tmp_path / "plain", photos, 2)
    assert pictures(tmp_path / "out") == pictures(tmp_path / "plain")
    figure("6 links and a pipe left out, 12 files made")


def tarred(photos: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for path in sorted(photos.rglob("*.png")):
            file.add(path, str(path.relative_to(photos)))
    return buffer.getvalue()


@pytest.mark.parametrize("engine", ["threads", "processes"])
@pytest.mark.parametrize("seed", range(3))
def test_a_pipe_that_is_slow_and_ends_half_way(
    seed: int, engine: str, generate: list[str], photos: Path, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Pieces of any size with pauses between them, and an end in the middle of a member; the same again with all of it."""
    chance, data = random.Random(seed), tarred(photos)
    stop = chance.randrange(1024, len(data) - 1024 * 10)
    words = [*generate, "--input", "-", "--copies", "2", "--engine", engine, "--jobs", "2"]

    def fed(whole: bytes, pause: float, *more: str) -> tuple[int, str]:
        closed = threading.Event()
        with subprocess.Popen([*words, *more], env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as run:

            def write() -> None:
                with contextlib.suppress(BrokenPipeError):
                    for piece in pieces:
                        run.stdin.write(piece)  # type: ignore[union-attr]
                        run.stdin.flush()  # type: ignore[union-attr]
                        closed.wait(pause)  # the fault itself: a writer that takes its time

            sizes = [chance.randrange(1, 900) for _ in range(len(whole) // 400 + 1)]
            ends = [0, *itertools.accumulate(sizes)]
            pieces = [whole[a:b] for a, b in itertools.pairwise([*ends, len(whole)]) if whole[a:b]]
            writer = threading.Thread(target=write)
            writer.start()
            writer.join()
            _, said = run.communicate(timeout=60)
        return run.returncode, said.decode()

    status, said = fed(data[:stop], 0.01)
    out, whole = tmp_path / "out", tmp_path / "undisturbed"
    made = len(pictures(out)) if out.exists() else 0
    complete = sum(start + (size + 511) // 512 * 512 <= stop for start, size in members(data))
    assert status in (1, 2) and "Traceback" not in said and made == 2 * complete, said
    assert fed(data, 0)[0] == 0 and fed(data, 0, "--output", str(whole))[0] == 0
    assert differences(out, whole) == []
    figure(f"{engine}, closed at byte {stop} of {len(data)}: {complete} whole members, {made} files made, the rest told; then equal trees")


def members(data: bytes) -> list[tuple[int, int]]:
    """Where the members' bytes begin, and how many they are."""
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        return [(member.offset_data, member.size) for member in file]
