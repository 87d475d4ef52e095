"""Each bad spec is refused in one line that says where and what; the lines stand in docs/RELIABILITY.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from augx import SpecError, load_spec
from tests.conftest import ROOT, Run
from tests.fuzz.bad_specs import BAD_SPECS


@pytest.mark.parametrize(("what", "text", "words"), BAD_SPECS, ids=[what for what, *_ in BAD_SPECS])
def test_a_bad_spec_is_refused_in_one_line(
    what: str, text: str | bytes, words: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    (message,) = caught.value.problems
    message = message.removeprefix(f"{tmp_path}/")
    assert message.startswith("spec.yaml: ") and words in message and message.isprintable()
    record_property("bad spec", what)
    record_property("message", message)


def test_there_are_enough_of_them() -> None:
    assert len({what for what, *_ in BAD_SPECS}) == len(BAD_SPECS) >= 60


@pytest.mark.parametrize("what", ["a bomb of aliases, 2^20 values", "a tag that makes a Python object", "5000 digits", "infinity"])
def test_the_command_writes_nothing(what: str, augx: Run, tmp_path: Path) -> None:
    (text,) = (text for name, text, _ in BAD_SPECS if name == what)
    (tmp_path / "spec.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = augx("generate", "--image", str(ROOT / "sample_images" / "cats" / "Cat.jpg"), "--spec", "spec.yaml", "--output", "out")
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.count(b"\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.yaml"]


def test_all_of_them_take_no_memory(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """In one process, in turn: what the worst of them takes above nothing but the imports."""
    code = """
from augx import SpecError, load_spec
from augx.document import parse
from tests.fuzz.bad_specs import BAD_SPECS
peak = lambda: int([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
load_spec("tutorial")
before = peak()
for what, text, _ in BAD_SPECS:
    try:
        load_spec(parse(text if isinstance(text, bytes) else text.encode(), "x")[0])
    except (SpecError, TypeError):
        pass
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record_property("measure", "memory that the bad specs take")
    record_property("figure", f"{int(done.stdout) / 1024:.1f} MB at most above a good one")
    assert int(done.stdout) < 150 * 1024
