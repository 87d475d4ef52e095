"""Results in order, a bounded window, and a worker that dies costs its unit alone."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from augx.executors import Processes, Stop, in_threads


def make_square(argument: Any, flag: Any) -> Callable[[int], int]:
    def square(unit: int) -> int:
        if unit in argument:
            os.kill(os.getpid(), signal.SIGKILL)
        return unit * unit

    return square


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_threads_keep_the_order(jobs: int) -> None:
    assert list(in_threads(lambda unit: unit * unit, range(50), jobs, Stop())) == [n * n for n in range(50)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_take_units_as_they_go(jobs: int) -> None:
    taken = itertools.count()
    results = in_threads(lambda unit: unit, (next(taken) for _ in itertools.count()), jobs, Stop())
    assert [next(results) for _ in range(10)] == list(range(10))
    assert next(taken) <= 10 + 2 * jobs + 1
    results.close()  # type: ignore[attr-defined]


def test_processes_keep_the_order() -> None:
    pool: Processes[int, int] = Processes(make_square, (), 2, Stop(), lambda unit: -1)
    assert list(pool.run(range(30))) == [n * n for n in range(30)]


def test_a_unit_that_kills_its_worker_costs_only_itself() -> None:
    pool: Processes[int, int] = Processes(make_square, (4, 5, 17), 2, Stop(), lambda unit: -unit)
    assert list(pool.run(range(20))) == [-n if n in (4, 5, 17) else n * n for n in range(20)]


def test_a_stop_takes_no_new_units() -> None:
    stop = Stop()
    results = in_threads(lambda unit: unit, itertools.count(), 2, stop)
    next(results)
    stop.set()
    assert len(list(results)) <= 6
