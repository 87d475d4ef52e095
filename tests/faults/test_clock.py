"""Clocks that jump: no name, seed or byte hangs on the time."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.oracle import ENVIRONMENT, settled

CLOCKS = {"ten years ago": "b - 315e6", "in ten years": "b + 315e6", "in 1970": "0.0", "back and forth": "b + (-1) ** next(n) * 315e6"}


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
def test_the_clock_jumps(clock: str, generate: list[str], photos: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    """As Python sees it."""
    code = f"import itertools, time\nn = itertools.count()\nb = time.time()\ntime.time = lambda: {clock}\n"
    code += "time.time_ns = lambda: int(time.time() * 1e9)\nfrom augx.cli import main\nmain()"
    done = subprocess.run([generate[0], "-c", code, *generate[3:], "--copies", "5", "--to", "npz"], env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    settled(tmp_path / "out", photos, 5, "npz")
    figure("as Python sees it: equal trees")


FAKES = {"ten years ago": "-10y", "in ten years": "+10y", "in 1970": "@1970-01-02 00:00:00", "ten times as fast": "+0 x10"}


@pytest.mark.skipif(shutil.which("faketime") is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("engine", ["threads", "processes"])
@pytest.mark.parametrize("clock", FAKES)
def test_the_clock_of_the_system_jumps(
    clock: str, engine: str, generate: list[str], photos: Path, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Under libfaketime; what is lost then is made again by the true clock."""
    words = ["faketime", "-f", FAKES[clock], *generate, "--copies", "5", "--engine", engine, "--jobs", "2"]
    year = subprocess.run(["faketime", "-f", FAKES[clock], "date", "+%Y"], capture_output=True, text=True, check=False).stdout
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "out" / "cats" / "1.png_00003.png").unlink()
    settled(tmp_path / "out", photos, 5)
    figure(f"libfaketime, {clock} ({year.strip()}), {engine}: equal trees")
