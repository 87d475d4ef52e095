"""What must hold after every fault: the same again ends in the set of a run that nobody disturbed, whole, with nothing beside it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from augx import find_sources, load_spec, plan_copies, run_plan
from augx.decode import decode
from tests.conftest import ROOT, tree

SPEC = load_spec({"augx": 1, "warp": {"rotate": 20, "flip_h": 0.5}, "output": {"size": [24, 16]}})
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
AUGX = [sys.executable, "-m", "augx"]

_MOVED = ("in", "at", "row")
"""Where in a package a copy lies: other places, where the copies were made in another order."""


def expand(output: Path, source: Path, copies: int, to: str = "", **how: Any) -> Any:
    """The library's run that makes what the fixture ``generate`` makes; what was listed was made, there already, or missing."""
    report = run_plan(plan_copies(find_sources(source), SPEC, copies=copies, to=to), SPEC, output, input=source, **how)
    assert report.planned == report.made + report.kept + report.missing
    return report


def settled(output: Path, source: Path, copies: int, to: str = "") -> None:
    """The same again makes all that is missing, and then ``output`` is what an undisturbed run makes beside it."""
    assert expand(output, source, copies, to).missing == 0
    whole = output.parent / "undisturbed"
    expand(whole, source, copies, to)
    assert differences(output, whole) == []


def run(words: list[str], output: Path) -> dict[str, Any]:
    """A command, undisturbed, that ends well and whose counts add up."""
    done = subprocess.run([*words, "--output", str(output), "--json"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts: dict[str, Any] = json.loads(done.stdout)
    assert counts["planned"] == counts["made"] + counts["kept"] and not counts["missing"]
    return counts


def differences(output: Path, whole: Path, any_order: bool = False) -> list[str]:
    """What of a set is not as an undisturbed run made it; ``any_order``: its copies may stand in other places of manifest and packages."""
    found, expected = tree(output), tree(whole)
    wrong = [f"{name} is left" for name in found if ".augx-" in name]
    try:
        lines = [json.loads(line) for line in found["manifest.jsonl"].splitlines()]
    except (KeyError, ValueError) as error:
        return [*wrong, f"the manifest: {error!r}"]
    names = [line["file"] for line in lines if "file" in line]
    wrong += [f"{len(names) - len(set(names))} files are listed twice"] if len(names) != len(set(names)) else []
    if any_order:
        found, expected = _settled_order(found), _settled_order(expected)
    wrong += [name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)]
    return wrong + [f"{name} is torn" for name in _torn(output)]


def _settled_order(found: dict[str, bytes]) -> dict[str, bytes]:
    """A set without the places of its copies in manifest and packages."""
    lines = [json.loads(line) for line in found["manifest.jsonl"].splitlines()]
    listed = [json.dumps({name: value for name, value in line.items() if name not in _MOVED}) for line in lines if "package" not in line]
    packed = (".tar", ".npz", ".npy", ".jsonl", "index.json")
    loose = {name: data for name, data in found.items() if not name.endswith(packed)}
    return loose | {"manifest.jsonl": "\n".join(sorted(listed)).encode()}


def _torn(output: Path) -> Iterator[str]:
    for path in sorted(output.rglob("*")):
        try:
            if path.suffix in (".png", ".jpg"):
                decode(path.read_bytes())
            elif path.suffix == ".tar":
                with tarfile.open(path) as file:
                    for member in file:
                        if member.name.endswith((".png", ".jpg")):
                            decode(file.extractfile(member).read())  # type: ignore[union-attr]
            elif path.suffix == ".npz":
                with np.load(io.BytesIO(path.read_bytes())) as arrays:
                    _ = [arrays[name].shape for name in arrays]
            elif path.suffix == ".npy":
                np.load(path)
        except Exception as error:
            yield f"{path.name}: {error!r}"


def most_memory(words: list[str]) -> tuple[int, int, str]:
    """Exit status, the most bytes of memory held at once, standard error. Not by getrusage, which counts what it was forked from."""
    code = "from augx.cli import main\ntry: main()\nfinally: print(*(line for line in open('/proc/self/status') if 'VmHWM' in line))"
    done = subprocess.run([words[0], "-c", code, *words[3:]], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return done.returncode, int(done.stdout.split()[-2]) * 1024, done.stderr
