"""Bombs are refused by what their headers say, before they take memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT
from tests.fuzz.bombs import LARGEST


def test_no_bomb_takes_memory(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Each in a process of its own, measured above the idle process; 300 MB is the research page's limit."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.fuzz.bombs"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    largest = found.pop(LARGEST)
    for name, (size, status, said, _) in found.items():
        # What is packed into a small picture beside its pixels is passed over.
        assert status == 0 and (not said.startswith("decoded") or said == "decoded: 5x5"), (name, size, said)
    worst = max(found, key=lambda name: found[name][3])
    record_property("measure", "memory that bombs take")
    harmless = sum(said.startswith("decoded") for _, _, said, _ in found.values())
    record_property(
        "figure",
        f"{len(found)} bombs: {len(found) - harmless} refused, {harmless} decoded as the 5 x 5 pixels that they are; at most "
        f"{found[worst][3] / 1024:.1f} MB above the idle process; {LARGEST}: {largest[2]}, {largest[3] / 1024:.0f} MB",
    )
    assert found[worst][3] < 300 * 1024, worst
    assert largest[2] == "decoded: 10000x10000" and largest[3] > 90 * 1024  # so the measure is one
