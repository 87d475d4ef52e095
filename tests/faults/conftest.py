"""Six small pictures that no fault may change, the command that goes with them, and where a test says what it measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import picture, tree, write_picture
from tests.faults.catalogue import FAULTS
from tests.faults.oracle import AUGX, SPEC


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Path]:
    """Six small pictures of two classes, which are the same afterwards."""
    root = tmp_path / "in"
    for i in range(6):
        write_picture(root / ("cats" if i % 2 else "dogs") / f"{i}.png", picture(16, 20, seed=i))
    before = tree(root)
    yield root
    assert tree(root) == before


@pytest.fixture
def generate(photos: Path, tmp_path: Path) -> list[str]:
    """The command that makes what ``expand`` makes."""
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.canonical()))
    return [*AUGX, "generate", "--input", str(photos), "--output", str(tmp_path / "out"), "--spec", str(tmp_path / "spec.json")]


@pytest.fixture
def figure(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """What a test measured of its fault, for docs/RELIABILITY.md."""
    place = request.node.nodeid.split("[")[0]
    (fault,) = [fault for fault in FAULTS if place in fault.tests][:1]
    record_property("fault", f"{fault.number} {fault.fault}")
    return lambda words: record_property("figure", words)
