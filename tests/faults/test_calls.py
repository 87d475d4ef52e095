"""Each call to the system fails in turn, inside Python and below it, and kills in turn; the same command ends as if nothing had been."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, picture, tree, write_picture
from tests.faults.oracle import ENVIRONMENT

LAYOUTS = ["folders", "webdataset", "npz"]
ERRORS = ["ENOSPC", "EIO", "EINTR", "EMFILE"]
CALLS = [
    "write,pwrite64,writev",
    "openat",
    "renameat",
    "mkdir,mkdirat",
    "ftruncate",
    "flock",
    "getdents64",
    "read,pread64",
    "fsync,fdatasync",
]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    for label in ("cats", "dogs"):
        write_picture(tmp_path / "in" / label / "a.png", picture(12, 16))
    return ["generate", "--input", str(tmp_path / "in"), "--copies", "2", "--jobs", "1", "--engine", "threads"]


def failing(module: str, root: Path, *args: str) -> dict[str, Any]:
    """What the runs of a module say, over inputs that they leave as they are."""
    before = tree(root / "in")
    command = [sys.executable, "-m", f"tests.faults.{module}", str(root), *args]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tree(root / "in") == before
    found: dict[str, Any] = json.loads(done.stdout)
    if "untraceable" in found:
        pytest.skip(f"this sandbox can't trace: {found['untraceable']}")
    assert found["wrong"] == []
    return found


@pytest.mark.parametrize("to", LAYOUTS)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_every_call_fails_in_turn(error: str, to: str, words: list[str], tmp_path: Path, figure: Callable[[str], None]) -> None:
    found = failing("failing_call", tmp_path, error, *words, "--to", to)
    assert found["calls"] >= 20 and set(found["names"]) >= {"open", "mkdir", "write", "ftruncate", "rename"}
    figure(f"{to}, {error} in Python: {found['calls']} of {found['calls']} failing calls survived")


def every_fault() -> list[Any]:
    """Calls x errors x layouts; of each call one error a layout without ``--slow``."""
    rows = []
    for (i, calls), (j, error), (k, to) in product(enumerate(CALLS), enumerate(ERRORS), enumerate(LAYOUTS)):
        marks = [] if (i + k) % len(ERRORS) == j else [pytest.mark.slow]
        rows.append(pytest.param(calls, error, "fresh", to, marks=marks, id=f"{to}, {calls}: {error}"))
    for calls, error, to in product(["unlink,unlinkat", "renameat"], ERRORS, LAYOUTS):
        marks = [] if (calls, error) == ("unlink,unlinkat", "EIO") else [pytest.mark.slow]
        rows.append(pytest.param(calls, error, "killed", to, marks=marks, id=f"{to} going on, {calls}: {error}"))
    return rows


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(("calls", "error", "state", "to"), every_fault())
def test_every_system_call_fails_in_turn(
    calls: str,
    error: str,
    state: str,
    to: str,
    words: list[str],
    tmp_path: Path,
    figure: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    every = "1" if request.config.getoption("--slow") or calls != "openat" else "4"
    found = failing("failing_syscall", tmp_path, calls, error, every, state, *words, "--to", to)
    where = f"{to}{' of a killed run' if state == 'killed' else ''}, {error} from {calls}"
    calls = f"{found['calls']} of {found['calls']}{' tried' if every != '1' else ''} failing calls survived"
    figure(f"{where}: {calls if found['calls'] else 'it makes no such call'}")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("state", ["fresh", "killed"])
@pytest.mark.parametrize("to", LAYOUTS)
@pytest.mark.parametrize("calls", ["write,pwrite64", "renameat", pytest.param("openat", marks=pytest.mark.slow)])
def test_a_kill_at_every_system_call(
    calls: str, to: str, state: str, words: list[str], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    found = failing("failing_syscall", tmp_path, calls, "SIGKILL", "1", state, *words, "--to", to)
    assert found["calls"] >= 3
    figure(f"{to}, {'a second kill' if state == 'killed' else 'killed'} at {calls}: {found['calls']} of {found['calls']} trees equal")
