"""Every writer is killed and stopped at random moments, in every way; each must end as if nothing had been, and leave nobody behind."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import PHOTOS, ROOT, picture, tree, write_picture
from tests.kills.killed import WAYS

LIMIT = 5.0
"""Seconds that a stop may take."""
CROWDED = 3
"""How many times that, where other work may have the cores."""
SPEC = {"augx": 1, "warp": {"rotate": 20, "flip_h": 0.5, "border": "constant"}, "output": {"size": [64, 48]}}
COCO = str(PHOTOS / "annotations.json")
SPLIT = ["--split", "train=0.5,val=0.5"]

# A list a variant, in turn: the photos of two classes, or with COCO those that are annotated.
WRITERS: dict[str, list[list[str]]] = {
    "folders": [[], SPLIT],
    "webdataset": [["--shard-size", "7"], ["--shard-size", "20kB", *SPLIT], ["--shard-size", "9", "--input", COCO]],
    "npy": [[], SPLIT],
    "npz": [[], SPLIT],
    "csv": [[], SPLIT, ["--input", COCO]],
    "hf": [[], SPLIT, ["--input", COCO]],
    "coco": [["--input", COCO]],
    "yolo": [["--input", COCO]],
    "voc": [["--input", COCO]],
}

Kill = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def kill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kill]:
    """Kills in a process of its own, which has one thread and has imported everything."""
    root = tmp_path_factory.mktemp("kills")
    for i in range(8):
        write_picture(root / "in" / ("cats" if i % 2 else "dogs") / f"{i}.jpg", picture(40, 60, seed=i))
    (root / "spec.json").write_text(json.dumps(SPEC))
    before = tree(root / "in")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "tests.kills.killed", str(root)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:

        def request(writer: str, kills: int) -> dict[str, Any]:
            assert process.stdin is not None and process.stdout is not None
            common = ["generate", "--to", writer, "--copies", "12", "--spec", str(root / "spec.json")]
            words = [[*common, *([] if "--input" in more else ["--input", str(root / "in")]), *more] for more in WRITERS[writer]]
            process.stdin.write(json.dumps({"commands": words, "kills": kills, "seed": writer}).encode() + b"\n")
            process.stdin.flush()
            return dict(json.loads(process.stdout.readline()))

        yield request
        assert process.stdin is not None
        process.stdin.close()
    assert tree(root / "in") == before


@pytest.mark.parametrize("writer", WRITERS)
def test_killed_at_random_moments(
    writer: str, kill: Kill, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    kills = 50 if request.config.getoption("--slow") else 2 * len(WAYS)
    outcome = kill(writer, kills)
    p95 = statistics.quantiles(outcome["stops"], n=20, method="inclusive")[-1]
    record_property("kills", writer)
    record_property("survived", f"{outcome['survived']}/{outcome['kills']}")
    record_property("stop p95", f"{p95:.2f} s")
    record_property("stop slowest", f"{max(outcome['stops']):.2f} s")
    assert outcome["wrong"] == []
    assert outcome["survived"] == outcome["kills"] == kills
    assert max(outcome["stops"]) < CROWDED * LIMIT


def test_every_writer_is_killed() -> None:
    command = [sys.executable, "-m", "augx", "plan", "--input", str(PHOTOS), "--copies", "1", "--to", "nothing"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr
    _, _, formats = said.partition("expected ")
    assert set(re.findall(r"\w+", formats)) - {"or"} == WRITERS.keys()
