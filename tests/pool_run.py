"""``Processes`` over numbers, some of which end their worker, hang or raise.

``python -m tests.pool_run SETTINGS``, in JSON, prints the squares and why some were lost. A process of its own, with one thread, so that
it can fork.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augx.executors import Stop, can_fork
from augx.pool import Processes
from augx.supervised import watched

Unit = tuple[int, ...]


def make_squares(argument: dict[str, Any], flag: Any) -> Callable[[Unit], list[int]]:
    """Squares; the numbers in ``argument`` are those that something happens to."""

    def happen(number: int) -> None:
        among = {what for what, numbers in argument.items() if what not in ("signal", "seen") and number in numbers}
        if "once" in among and not Path(argument["seen"], str(number)).exists():
            Path(argument["seen"], str(number)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "dies" in among:
            with watched():
                os.kill(os.getpid(), argument["signal"])
        if "hangs" in among:
            with watched():
                threading.Event().wait()
        if "waits" in among:
            threading.Event().wait(1)
        if "exits" in among:
            os._exit(3)
        if "raises" in among:
            raise ValueError(str(number))

    def squares(unit: Unit) -> list[int]:
        for number in unit:
            happen(number)
        return [number * number for number in unit]

    return squares


def in_units(count: int, size: int) -> list[Unit]:
    """The numbers below ``count`` in units of ``size``."""
    return [tuple(range(start, min(start + size, count))) for start in range(0, count, size)]


def ran(units: list[Unit], timeout: float = 60.0, jobs: int = 2, **argument: Any) -> tuple[list[int], dict[int, str]]:
    """The squares in order, -n for what was lost, and why it was."""
    reasons: dict[int, str] = {}

    def lost(unit: Unit, reason: str) -> list[int]:
        reasons.update(dict.fromkeys(unit, reason))
        return [-number for number in unit]

    pool: Processes[Unit, list[int]] = Processes(
        make_squares, argument, jobs, Stop(), lost, parts=lambda unit: [(number,) for number in unit], timeout=timeout
    )
    return [number for found in pool.run(units) for number in found], reasons


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    if not can_fork():
        sys.exit("this process has several threads")
    print(json.dumps(ran(in_units(settings.pop("count"), settings.pop("size")), **settings)))
