"""Runs that are killed at random moments and gone on with; each must end in the tree of one that nobody disturbed.

``python -m tests.killed_run ROOT INPUT KILLS TO [OPTION=VALUE ...]`` prints how many trees were equal. A process of its own, with one
thread, so that it can fork.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from augx import Options, find_sources, load_spec, plan_copies, run_plan
from augx.plan import Plan
from tests.conftest import tree

SPEC = load_spec({"augx": 1, "warp": {"rotate": 20, "flip_h": 0.5, "border": "constant"}, "output": {"size": [64, 48]}})


def run(plan: Plan, root: Path, number: int, report_to: int | None = None) -> None:
    """One run, in threads or processes in turn; a byte a commit goes to a pipe."""
    how = Options(jobs=2, engine="processes" if number % 2 else "threads")

    def on_progress(pictures: int) -> None:
        if report_to is not None:
            os.write(report_to, b"." * pictures)

    run_plan(plan, SPEC, root, options=how, on_progress=on_progress)


def killed(plan: Plan, root: Path, number: int, chance: random.Random) -> None:
    """A run that is killed after some pictures, and some time that no picture marks."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.setpgid(0, 0)
            os.close(reader)
            run(plan, root, number, writer)
        os._exit(0)
    os.close(writer)
    left = chance.randrange(plan.files)
    while left > 0 and (there := os.read(reader, left)):
        left -= len(there)
    select.select([], [], [], chance.uniform(0, 0.02))
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while os.read(reader, 65536):  # until the last of its workers has gone as well
        pass
    os.close(reader)


def main() -> None:
    """Do what the module says."""
    root, source, kills, to = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    options: dict[str, Any] = dict(word.split("=", 1) for word in sys.argv[5:])
    plan = plan_copies(find_sources(source), SPEC, copies=12, to=to, **options)
    run(plan, root / "whole", 0)
    expected = tree(root / "whole")
    equal = 0
    chance = random.Random(f"{to} {options}")
    for number in range(kills):
        for _ in range(1 + number % 2):
            killed(plan, root / "killed", number, chance)
        run(plan, root / "killed", number + 1)
        found = tree(root / "killed")
        equal += found == expected
        if found != expected:
            names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
            print(f"kill {number}: {names[:5]}", file=sys.stderr)
        shutil.rmtree(root / "killed")
    print(equal)


if __name__ == "__main__":
    main()
