"""Run one function over many units, results in order: in this thread, in threads, or in processes.

OpenCV gives the GIL up while it computes, so threads share one decoded source and start at once. But between two calls
stands Python, and the smaller a picture, the more workers wait there for each other. Measured on two cores, whole runs,
threads against forked processes: 20,000 copies of 64x64 2.4 to 1.6 s, 8,000 of 128x128 1.48 to 1.23 s, 4,000 of 224x224
1.51 to 1.43 s, 1,200 of 640x480 2.10 to 2.17 s. ``auto`` takes processes below that point, which grows with the workers,
and threads above it, and wherever forking is not sound. (Starting a new Python for each worker, "spawn", takes 0.4 s.)
A decoder that crashes or hangs costs one source in processes (``pool.py``), and the run in threads.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Engine = Literal["auto", "threads", "processes"]

U = TypeVar("U")
R = TypeVar("R")


class Stop:
    """A flag that a signal handler can raise: units in work end early, and no new ones begin."""

    def __init__(self) -> None:
        self.raised = False

    def set(self) -> None:
        self.raised = True

    def is_set(self) -> bool:
        return self.raised


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """Whether a copy of this process would be sound: on Linux, and as long as it has a single thread."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def processes_serve(jobs: int, pixels: int) -> bool:
    """Whether copies of this size are so small that ``jobs`` threads would wait for each other's Python."""
    return jobs > 1 and pixels < 50_000 * jobs


def in_threads(run: Callable[[U], R], units: Iterable[U], jobs: int, stop: Stop) -> Iterator[R]:
    """Results of ``run`` over ``units``, in order, at most a few units ahead."""
    if jobs == 1:
        for unit in units:
            if stop.is_set():
                return
            yield run(unit)
        return
    from concurrent.futures import ThreadPoolExecutor  # here and below: a run in this thread does not pay for the import

    with ThreadPoolExecutor(jobs, thread_name_prefix="augx") as pool:
        window: deque[Future[R]] = deque()
        try:
            for unit in units:
                if stop.is_set():
                    break
                window.append(pool.submit(run, unit))
                if len(window) > 2 * jobs:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        except BaseException:
            stop.set()
            for future in window:
                future.cancel()
            raise
