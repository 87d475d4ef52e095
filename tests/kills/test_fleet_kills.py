"""Shards, their workers, ``augx finalize`` and Dask are killed at random moments; each set must end as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Run, picture, tree, write_picture
from tests.kills.fleets import DASK_WAYS, WAYS

SPEC = {"augx": 1, "warp": {"rotate": 20, "flip_h": 0.5, "border": "constant"}, "output": {"size": [64, 48]}}
LAYOUTS = {"folders": ["--to", "folders"], "webdataset": ["--to", "webdataset", "--shard-size", "64", "--split", "train=0.7,val=0.3"]}
KILLS = {**dict.fromkeys(WAYS, 5), **dict.fromkeys(DASK_WAYS, 9)}
"""With ``--slow``: 25 and more of each layout, on this machine's engines and on Dask; else one of each."""

Kill = Callable[[str, str, int], dict[str, Any]]


@pytest.fixture(scope="module")
def kill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kill]:
    """Kills by a process of its own, which has one thread and has imported everything."""
    root = tmp_path_factory.mktemp("fleets")
    for i in range(8):
        write_picture(root / "in" / ("cats" if i % 2 else "dogs") / f"{i}.jpg", picture(40, 60, seed=i))
    (root / "spec.json").write_text(json.dumps(SPEC))
    before = tree(root / "in")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.kills.fleets", str(root)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:

        def request(to: str, way: str, kills: int) -> dict[str, Any]:
            assert process.stdin is not None and process.stdout is not None
            words = ["generate", "--copies", "60", "--spec", str(root / "spec.json"), "--input", str(root / "in"), *LAYOUTS[to]]
            process.stdin.write(json.dumps({"words": words, "way": way, "kills": kills}).encode() + b"\n")
            process.stdin.flush()
            return dict(json.loads(process.stdout.readline()))

        yield request
        assert process.stdin is not None
        process.stdin.close()
    assert tree(root / "in") == before


@pytest.mark.parametrize("way", [*WAYS, *DASK_WAYS])
@pytest.mark.parametrize("to", LAYOUTS)
def test_a_fleet_under_kills(
    to: str, way: str, kill: Kill, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    if way in DASK_WAYS:
        pytest.importorskip("distributed")
    kills = KILLS[way] if request.config.getoption("--slow") else 1
    outcome = kill(to, way, kills)
    record_property("kills", f"fleet, {to}: {way}")
    record_property("survived", f"{outcome['survived']}/{outcome['kills']}")
    assert outcome["wrong"] == []
    assert outcome["survived"] == outcome["kills"] >= kills


def test_what_killed_processes_left_half_written_goes_with_the_fleet(tmp_path: Path, class_folders: Path, augx: Run) -> None:
    """Whatever machine they were on: nobody is at work any more."""
    assert augx("generate", "--input", "photos", "--output", "set", "--copies", "3", "--shard", "0/1").returncode == 0
    for name in ("cats", "cats/persian", ".hidden", "."):
        (tmp_path / "set" / name).mkdir(exist_ok=True)
        (tmp_path / "set" / name / ".augx-tmp-4194304-1-1").write_bytes(b"half")
    assert augx("finalize", "set").returncode == 0
    assert not list((tmp_path / "set").rglob(".augx-*"))
