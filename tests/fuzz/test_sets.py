"""A set with hundreds of bad files in it: every source ends in one counted outcome, and nobody but augx says a word."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from augx.decode import decode
from tests.conftest import ROOT, tree
from tests.fuzz.mutations import mutation
from tests.fuzz.seeds import seeds

COUNT = 400
COPIES = 2


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mutations of each kind of picture, and files that are none."""
    root = tmp_path_factory.mktemp("bad")
    extensions = {"tiff": "tif", "pnm": "ppm"}
    for folder in ("broken", "odd"):
        (root / "in" / folder).mkdir(parents=True)
    for number in range(COUNT):
        name, _, data = mutation("set", number)
        kind = seeds()[name][0]
        (root / "in" / "broken" / f"{number:03d}.{extensions.get(kind, kind)}").write_bytes(data)
    for name, data in {"empty.png": b"", "text.jpg": b"hello", "nuls.webp": bytes(999), "page.gif": b"<html><script>1</script>"}.items():
        (root / "in" / "odd" / name).write_bytes(data)
    return root


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_every_source_ends_in_one_outcome(
    engine: str, bad_files: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    before = tree(bad_files / "in")
    words = ["generate", "--input", str(bad_files / "in"), "--output", "out", "--copies", str(COPIES), "--size", "32x32", "--format", "png"]
    command = [sys.executable, "-m", "augx", *words, "--engine", engine, "--jobs", "2", "--quiet", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    counts = json.loads(done.stdout)
    out = tmp_path / "out"
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.png")}

    sources = len(before)
    failed = {failure["source"] for failure in counts["failures"]}
    lost = sources * COPIES - len(lines) - sum(failure["missing"] for failure in counts["failures"])
    torn = [line["file"] for line in lines if hashlib.sha256(files[line["file"]]).hexdigest() != line["sha256"]]
    duplicated = len(lines) - len({line["file"] for line in lines}) + len(files.keys() - {line["file"] for line in lines})
    assert (lost, torn, duplicated) == (0, [], 0)
    assert all(decode(data).shape[:2] == (32, 32) for data in files.values())
    assert counts["planned"] == sources * COPIES == counts["made"] + counts["missing"] and tree(bad_files / "in") == before

    # With --quiet there are errors only, one line a source and the sum; libraries say nothing.
    said = done.stderr.splitlines()
    foreign = [line for line in said if not line.startswith("augx: ")]
    assert not foreign and len(said) == len(failed) + 1
    record_property("measure", f"a set of {sources} sources, most of them damaged, in {engine}")
    record_property(
        "figure",
        f"{sources - len(failed)} decoded, {len(failed)} refused each with its reason; {len(lines)} copies: lost {lost}, torn {len(torn)}, "
        f"duplicated {duplicated}; with --quiet {sum(map(len, foreign))} bytes on standard error that are not augx's own lines "
        f"({len(said)}, one a refused source and their sum)",
    )
