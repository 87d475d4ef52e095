"""The command's own words: usage errors are one line, and Ctrl-C shows no traceback, whenever it comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run

USAGE = {
    "an unknown command": (["generat"], "No such command 'generat'"),
    "an unknown option": (["generate", "--totl", "3"], "No such option '?--totl'?.* '?--total'?"),
    "an unknown option of a group": (["import", "keras", "--outptu", "x"], "No such option '?--outptu'?.* '?--output'?"),
    "a missing argument": (["audit"], "Missing argument 'DIR...'"),
    "a missing option": (["fit"], "Missing option '--input'"),
    "an option without its value": (["generate", "--total"], "Option '--total' requires an argument"),
    "one argument too many": (["schema", "x"], r"Got unexpected extra argument \(x\)"),
    "no picture": (["generate"], "give the pictures by --image FILE, by --input PATH or by --images-from FILE"),
    "no number": (["plan", "--total", "many"], "'--total': found 'many'; expected a whole number at least 1"),
    "half a number": (["plan", "--total", "0.5"], "'--total': found '0.5'; expected a whole number at least 1"),
    "too small": (["generate", "--copies", "0"], "'--copies': found '0'; expected a whole number at least 1"),
    "too large": (["audit", "x", "--near", "13"], "'--near': found '13'; expected a whole number from 0 to 12"),
    "no seconds": (["audit", "x", "--timeout", "nan"], "'--timeout': found 'nan'; expected seconds, more than 0 and at most 1,000,000"),
    "none of a few": (["generate", "--engine", "fast"], "'fast' is not one of 'auto', 'threads', 'processes'"),
    "lines and colours": (["generate", "--engine", "a\nb\x1b[31m"], "is not one of 'auto', 'threads', 'processes'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_is_one_line(augx: Run, case: str) -> None:
    """The thing, what was found, what is allowed, what to do next."""
    args, message = USAGE[case]
    done = augx(*args)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"")
    assert line.startswith("augx: ") and line.isprintable()
    assert re.search(message, line)
    if "requires an argument" not in message:
        assert re.search(r"; see `augx( \w+)* --help`$", line)


@pytest.mark.parametrize("args", [[], ["import"]], ids=["augx", "augx import"])
def test_nothing_typed_shows_the_help(augx: Run, args: list[str]) -> None:
    done = augx(*args)
    assert [line.strip() for line in (done.stdout + done.stderr).decode().splitlines()].count("Options:") == 1


# What is sent where a module is first imported, is sent at that moment on any machine.
AT_IMPORT = """
import os, signal, sys
wanted = sys.argv.pop(1)
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from augx.__main__ import main
main()
"""


def interrupted(code: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("module", ["augx.cli", "click", "augx.commands.verify", "yaml", "cv2", "augx.planning"])
def test_ctrl_c_at_any_import(tmp_path: Path, class_folders: Path, module: str) -> None:
    done = interrupted(AT_IMPORT, tmp_path, module, "plan", "--input", str(class_folders), "--copies", "2")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


def test_ctrl_c_when_all_is_done(tmp_path: Path) -> None:
    """Python closes what is open, and would complain of an interrupt there; the shell makes 130 of the signal."""
    code = "import atexit, os, signal, sys\nfrom augx.__main__ import main\natexit.register(os.kill, os.getpid(), signal.SIGINT)\nmain()"
    done = interrupted(code, tmp_path, "--version")
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_that_the_shell_has_ignored(tmp_path: Path, class_folders: Path) -> None:
    """As it does for a command behind which an & stands."""
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + AT_IMPORT
    done = interrupted(code, tmp_path, "cv2", "generate", "--input", str(class_folders), "--output", "o", "--copies", "1")
    assert done.returncode == 0 and "5 files made" in done.stderr
