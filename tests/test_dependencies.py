"""What augx is installed with: no version that is known to be bad, no name of a command that leads nowhere."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.conftest import ROOT

PROJECT = (ROOT / "pyproject.toml").read_text().split("[tool.")[0]
NEEDED = re.findall(
    r'^ *"([A-Za-z][\w-]*)([^"]*)",|"([A-Za-z][\w-]*)((?:>=|==)[^"]*)"', PROJECT.split("dependencies = [", 1)[1], re.MULTILINE
)
REQUIREMENTS = sorted({(name or again, bounds or more) for name, bounds, again, more in NEEDED})


def test_all_are_read() -> None:
    """From the lists of one a line and from those in one line."""
    assert {"click", "opencv-python-headless", "types-tqdm", "pytest", "pyarrow", "torch", "psutil"} <= {name for name, _ in REQUIREMENTS}


@pytest.mark.parametrize(("name", "bounds"), REQUIREMENTS, ids=[name for name, _ in REQUIREMENTS])
def test_has_a_lower_bound(name: str, bounds: str) -> None:
    assert re.match(r"(\[\w+\])?(>=|==)\d", bounds)


def test_the_command_begins_where_it_says() -> None:
    module, function = re.search(r'^augx = "([\w.]+):(\w+)"$', PROJECT, re.MULTILINE).groups()
    assert callable(getattr(importlib.import_module(module), function))
