"""Run one function over many units, results in order: in this thread, in threads, or in processes.

OpenCV gives the GIL up while it computes, so threads share one decoded source and start at once. But between two calls
stands Python, and the smaller a picture, the more workers wait there for each other. Measured on two cores, whole runs,
threads against forked processes: 20,000 copies of 64x64 2.4 to 1.6 s, 8,000 of 128x128 1.48 to 1.23 s, 4,000 of 224x224
1.51 to 1.43 s, 1,200 of 640x480 2.10 to 2.17 s. ``auto`` takes processes below that point, which grows with the workers,
and threads above it, and wherever forking is not sound. (Starting a new Python for each worker, "spawn", takes 0.4 s.)
A decoder that crashes costs one source in processes, and the run in threads.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from augx.errors import OutputError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

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


class Processes(Generic[U, R]):
    """A pool of processes, each with a function of its own made by ``make(argument, stop)``.

    When a worker dies the pool is made anew, and the units that were in work run again one at a time; the unit that kills
    its worker a second time is given to ``lost``, and everything else goes on.
    """

    def __init__(
        self,
        make: Callable[[Any, Any], Callable[[U], R]],
        argument: Any,
        jobs: int,
        stop: Stop,
        lost: Callable[[U], R],
        private: Sequence[int] = (),
    ) -> None:
        """``private``: descriptors that a forked worker must not keep open, such as a lock's."""
        import multiprocessing

        self._multiprocessing = multiprocessing
        self._flag = multiprocessing.get_context("spawn").RawValue("b", 0)
        self._make, self._argument, self._jobs, self._stop, self._lost = make, argument, jobs, stop, lost
        self._private = tuple(private)

    def run(self, units: Iterable[U]) -> Iterator[R]:
        """Results over ``units``, in order, at most a few units ahead."""
        from concurrent.futures import BrokenExecutor

        pool = self._pool(self._jobs)
        window: deque[tuple[U, Future[R] | None]] = deque()
        source = iter(units)
        try:
            while True:
                try:
                    while len(window) <= 2 * self._jobs and not self._stop.is_set():
                        unit = next(source, None)
                        if unit is None:
                            break
                        window.append((unit, None))  # a pool may break while it takes a unit
                        window[-1] = unit, pool.submit(_call, unit)
                    if not window:
                        return
                    result = self._result(window[0][1])
                except BrokenExecutor:
                    pool.shutdown()
                    suspects, window = window, deque()
                    for unit, future in suspects:
                        whole = future is not None and future.done() and not future.exception()
                        yield self._result(future) if whole else self._alone(unit)
                    pool = self._pool(self._jobs)
                    continue
                window.popleft()
                yield result
        except BaseException as error:
            self._flag.value = 1
            if isinstance(error, OSError):
                # A pool that could not start all its workers does not end those it has, and would wait for them for ever.
                for process in list((pool._processes or {}).values()):
                    process.kill()
                raise OutputError(f"can't start {self._jobs} workers: {error.strerror}; use fewer --jobs, or --engine threads") from None
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _pool(self, jobs: int) -> ProcessPoolExecutor:
        from concurrent.futures import ProcessPoolExecutor

        fork = can_fork()
        context = self._multiprocessing.get_context("fork" if fork else "spawn")
        private = self._private if fork else ()
        return ProcessPoolExecutor(jobs, context, _start, (self._make, self._argument, self._flag, private))

    def _alone(self, unit: U) -> R:
        from concurrent.futures import BrokenExecutor

        with self._pool(1) as pool:
            try:
                return self._result(pool.submit(_call, unit))
            except BrokenExecutor:
                return self._lost(unit)

    def _result(self, future: Future[R] | None) -> R:
        from concurrent.futures import wait

        assert future is not None
        while not wait([future], timeout=0.1).done:
            if self._stop.is_set():  # a handler can't reach the workers; whoever waits for them can
                self._flag.value = 1
        return future.result()


class _Flag:
    def __init__(self, value: Any) -> None:
        self._value = value

    def is_set(self) -> bool:
        return bool(self._value.value)


_call_here: Callable[[Any], Any]


def _start(make: Callable[[Any, Any], Callable[[Any], Any]], argument: Any, flag: Any, private: Sequence[int]) -> None:
    """The first thing that a worker process does."""
    global _call_here
    for descriptor in private:
        os.close(descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _call_here = make(argument, _Flag(flag))


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(unit: Any) -> Any:
    return _call_here(unit)
