"""Run one function over many units, results in order: in this thread, in threads, or by any ``concurrent.futures.Executor``.

OpenCV gives the GIL up while it computes, so threads share one decoded source and start at once. But between two calls
stands Python, and the smaller a picture, the more workers wait there for each other. Measured on two cores, whole runs,
threads against forked processes: 20,000 copies of 64x64 2.4 to 1.6 s, 8,000 of 128x128 1.48 to 1.23 s, 4,000 of 224x224
1.51 to 1.43 s, 1,200 of 640x480 2.10 to 2.17 s. ``auto`` takes processes below that point, which grows with the workers,
and threads above it, and wherever forking is not sound. (Starting a new Python for each worker, "spawn", takes 0.4 s.)
A decoder that crashes or hangs costs one source in processes (``pool.py``), and the run in threads. More machines than one are
reached through an executor too (``cluster.py``): ``in_order`` is the loop for all of them.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, NoReturn, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Engine = Literal["auto", "threads", "processes", "dask"]

Fault = Literal["broken", "died", "gone", "again"]
"""What an error says that is not the unit's own. ``broken``: the executor can't go on, and some unit in work may be why; ``died``: this
unit's worker died, perhaps of it; ``gone``: the executor can't go on, which is no unit's fault; ``again``: another worker may do it.
"""

U = TypeVar("U")
R = TypeVar("R")

_TICK = 0.1


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

    def make() -> Executor:
        return ThreadPoolExecutor(jobs, thread_name_prefix="augx")

    yield from in_order(make, run, units, stop, window=2 * jobs + 1, lost=_never)


def _never(unit: object, reason: str) -> NoReturn:
    raise AssertionError(f"a thread can't be lost: {reason}")


def broken_pool(error: BaseException) -> Fault | None:
    """The faults of the standard library's executors."""
    from concurrent.futures import BrokenExecutor

    return "broken" if isinstance(error, BrokenExecutor) else None


def in_order(
    make: Callable[[], Executor],
    run: Callable[[U], R],
    units: Iterable[U],
    stop: Stop,
    *,
    window: int | Callable[[], int],
    lost: Callable[[U, str], R],
    parts: Callable[[U], Sequence[U]] = lambda unit: (unit,),
    attempts: int = 3,
    fault: Callable[[BaseException], Fault | None] = broken_pool,
    watch: Callable[[], bool] | None = None,
) -> Iterator[R]:
    """Results of ``run`` over ``units`` in order, at most ``window`` of them begun; ``make`` gives an executor, and another one for
    one that is of no more use.

    Units that may have ended a worker are suspects: each is done again while nothing else is. One that ends its worker then too
    is done in its single ``parts``, and what fails ``attempts`` times is given to ``lost`` with the reason. An error that is no
    ``fault`` is raised when it is its turn. ``watch`` is called while there is nothing to do; where it says no, waiting ends.
    """
    yield from _InOrder(make, run, stop, window, lost, parts, attempts, fault, watch).results(iter(units))


@dataclass(eq=False, slots=True)
class _Task(Generic[U, R]):
    """A unit, its future while it has one, and how often it has failed."""

    unit: U
    future: Future[R] | None = None
    tries: int = 0
    suspect: bool = False


class _InOrder(Generic[U, R]):
    """The state of ``in_order``."""

    def __init__(
        self,
        make: Callable[[], Executor],
        run: Callable[[U], R],
        stop: Stop,
        window: int | Callable[[], int],
        lost: Callable[[U, str], R],
        parts: Callable[[U], Sequence[U]],
        attempts: int,
        fault: Callable[[BaseException], Fault | None],
        watch: Callable[[], bool] | None,
    ) -> None:
        self._make, self._run, self._stop, self._lost, self._parts = make, run, stop, lost, parts
        self._attempts, self._fault, self._watch = attempts, fault, watch
        self._window = window if callable(window) else lambda: window
        self._executor: Executor | None = None
        self._tasks: deque[_Task[U, R]] = deque()
        """In order: all that were begun and whose results are not handed out."""
        self._suspects = 0
        self._renewed = 0
        """How many executors have gone since the last result."""

    def results(self, units: Iterator[U]) -> Iterator[R]:
        """What ``in_order`` gives."""
        try:
            while True:
                self._fill(units)
                if not self._tasks:
                    return
                head = self._tasks[0]
                if not self._wait(head):
                    return
                if head.future is None:
                    if self._stop.is_set():
                        return
                    continue
                error = _error(head.future)
                if error is not None:
                    self._failed(head, error)
                    continue
                self._tasks.popleft()
                self._suspects -= head.suspect
                self._renewed = 0
                yield head.future.result()
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._end()

    def _fill(self, units: Iterator[U]) -> None:
        """Begin what may be begun: of suspects the first alone, otherwise all within the window."""
        if self._stop.is_set():
            return
        if self._suspects:
            if self._tasks[0].future is None and not any(_pending(task) for task in self._tasks):
                self._submit(self._tasks[0])
            return
        if self._renewed:
            for task in list(self._tasks):
                if task.future is None:
                    self._submit(task)
        while len(self._tasks) < self._window():
            for unit in units:
                self._tasks.append(_Task(unit))
                self._submit(self._tasks[-1])
                break
            else:
                return

    def _submit(self, task: _Task[U, R]) -> None:
        """Begin a task; where the executor is found to be of no use, its future says so."""
        from concurrent.futures import Future

        if self._executor is None:
            self._executor = self._make()
        try:
            task.future = self._executor.submit(self._run, task.unit)
        except Exception as error:
            task.future = Future()
            task.future.set_exception(error)

    def _wait(self, head: _Task[U, R]) -> bool:
        """Until the first has ended or, where it is a suspect that waits, all the others have; False: enough was waited."""
        from concurrent.futures import wait

        pending = [task.future for task in ([head] if head.future is not None else self._tasks) if task.future is not None]
        while not all(future.done() for future in pending):
            wait(pending, timeout=None if self._watch is None else _TICK)
            if self._watch is not None and not self._watch():
                return False
        return True

    def _failed(self, head: _Task[U, R], error: BaseException) -> None:
        """What becomes of the first task, and of those that were in work with it."""
        fault, alone = self._fault(error), head.suspect
        if fault is None:
            raise error
        if fault == "gone":
            self._renewed += 1
            if self._renewed > self._attempts:
                raise error
        if fault == "again":
            head.tries += 1
            if head.tries >= self._attempts:
                self._give_up(head, str(error))
            else:
                self._submit(head)
            return
        hit = [head] if fault == "died" else [task for task in self._tasks if not self._settled(task)]
        if fault != "died":
            self._discard()
        for task in hit:
            task.future = None
            if fault != "gone":
                task.tries += 1
                self._suspects += not task.suspect
                task.suspect = True
        if fault == "gone" or not alone:
            return
        parts = self._parts(head.unit)
        if len(parts) > 1:
            self._tasks.popleft()
            self._tasks.extendleft(_Task[U, R](part, None, head.tries, True) for part in reversed(parts))
            self._suspects += len(parts) - 1
        elif head.tries >= self._attempts:
            self._give_up(head, f"its worker died of it, {head.tries} times")

    def _settled(self, task: _Task[U, R]) -> bool:
        """Whether a task has what no other executor would give: a result, or an error of its own."""
        if task.future is None or not task.future.done():
            return False
        error = _error(task.future)
        return error is None or self._fault(error) is None

    def _give_up(self, task: _Task[U, R], reason: str) -> None:
        from concurrent.futures import Future

        task.future = Future()
        task.future.set_result(self._lost(task.unit, reason))

    def _discard(self) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    def _end(self) -> None:
        """Take back what has not begun, and let the workers go."""
        for task in self._tasks:
            if task.future is not None:
                task.future.cancel()
        if self._executor is not None:
            self._executor.shutdown()


def _pending(task: _Task[U, R]) -> bool:
    return task.future is not None and not task.future.done()


def _error(future: Future[R]) -> BaseException | None:
    """How a future that is done has failed."""
    from concurrent.futures import CancelledError

    return CancelledError() if future.cancelled() else future.exception()
