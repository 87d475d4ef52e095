"""Worker processes that may die: a crash or a hang costs the one part of the work that it belongs to, and nothing else.

Each worker has two pipes, for units in and results out, and a block of memory that it shares with its parent: a flag that stops
it, and a counter that it moves when it begins something that may hang (``watched``) and when that is over. No thread runs in
the parent, so that a worker can be forked from it at any time in place of one that died.
"""

from __future__ import annotations

import contextlib
import mmap
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from augx.errors import OutputError
from augx.executors import Stop, can_fork
from augx.supervised import FLAG, WATCHED, serve

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

U = TypeVar("U")
R = TypeVar("R")

_TICK = 0.1
_GRACE = 3.0
"""Seconds that workers have to end after a stop; then they are killed, and what they were at is made again by the next run."""
_AHEAD = 30_000
"""Bytes of a unit that may wait in a pipe for a busy worker: two of them fit into one (64 KiB), so that sending never blocks."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(eq=False, slots=True)
class _Task(Generic[U, R]):
    """A unit, its bytes, how many workers have died of it, and in the end its result or its error."""

    unit: U
    data: bytes
    deaths: int = 0
    done: bool = False
    result: R | None = None
    error: BaseException | None = None


@dataclass(eq=False, slots=True)
class _Worker(Generic[U, R]):
    """A process, with the parent's ends of its pipes, its shared block, and the tasks it was given: the first is in work."""

    process: BaseProcess
    to: Connection
    results: Connection
    shared: Any
    tasks: deque[_Task[U, R]] = field(default_factory=deque)
    count: int = 0
    waited: float = 0.0


class Processes(Generic[U, R]):
    """A pool of processes, each with a function of its own made by ``make(argument, stop)``.

    When a worker dies, or is longer than ``timeout`` seconds at something ``watched``, another takes its place and its unit is
    done again in single ``parts``. A part that ends two workers, or hangs alone, is given to ``lost`` with the reason.
    """

    def __init__(
        self,
        make: Callable[[Any, Any], Callable[[U], R]],
        argument: Any,
        jobs: int,
        stop: Stop,
        lost: Callable[[U, str], R],
        *,
        parts: Callable[[U], Sequence[U]] = lambda unit: (unit,),
        timeout: float = 60.0,
        private: Sequence[int] = (),
    ) -> None:
        """``private``: descriptors that a forked worker must not keep open, such as a lock's."""
        self._make, self._argument, self._jobs, self._stop, self._lost = make, argument, jobs, stop, lost
        self._parts, self._timeout, self._private = parts, timeout, tuple(private)
        self._workers: list[_Worker[U, R]] = []
        self._tasks: deque[_Task[U, R]] = deque()
        """In order: all that were begun and whose results are not handed out."""
        self._waiting: deque[_Task[U, R]] = deque()
        """Those that no worker has."""
        self._stopped: float | None = None

    def run(self, units: Iterable[U]) -> Iterator[R]:
        """Results over ``units``, in order, at most a few units ahead. After a stop: what is done without a gap."""
        source = iter(units)
        try:
            for _ in range(self._jobs):
                self._start()
            while True:
                while len(self._tasks) <= 2 * self._jobs and not self._stop.is_set():
                    unit = next(source, None)
                    if unit is None:
                        break
                    self._tasks.append(_Task(unit, pickle.dumps(unit, pickle.HIGHEST_PROTOCOL)))
                    self._waiting.append(self._tasks[-1])
                self._hand_out()
                if not self._tasks:
                    return
                self._listen()
                while self._tasks and self._tasks[0].done:
                    task = self._tasks.popleft()
                    if task.error is not None:
                        raise task.error
                    yield task.result  # type: ignore[misc]  # it is an R, also where that may be None
                    self._hand_out()
                if self._stopping():
                    return
        finally:
            self._end()

    def _start(self) -> None:
        """One more worker."""
        import multiprocessing

        fork = can_fork()
        context: BaseContext = multiprocessing.get_context("fork" if fork else "spawn")
        shared: Any
        try:
            # Memory without a name needs no folder to be in; a new Python could not inherit it.
            shared = mmap.mmap(-1, mmap.PAGESIZE) if fork else context.RawArray("B", 8)
            (task_in, task_out), (result_in, result_out) = context.Pipe(duplex=False), context.Pipe(duplex=False)
            others = [end.fileno() for worker in self._workers for end in (worker.to, worker.results)]
            inherited = (*self._private, *others, task_out.fileno(), result_in.fileno()) if fork else ()
            process = context.Process(  # type: ignore[attr-defined]
                target=serve, args=(task_in, result_out, shared, self._make, self._argument, inherited), daemon=True
            )
            masked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the worker ignores them
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        except OSError as error:
            if self._workers and self._tasks:
                return  # one fewer; whoever is left goes on
            raise OutputError(f"can't start {self._jobs} workers: {error.strerror}; use fewer --jobs, or --engine threads") from None
        task_in.close()
        result_out.close()
        self._workers.append(_Worker(process, task_out, result_in, shared))

    def _hand_out(self) -> None:
        """Give waiting tasks to idle workers, and to busy ones what fits into their pipes, so that nobody waits for the parent."""
        for full in (1, 2):
            for worker in self._workers:
                while self._waiting and len(worker.tasks) < full and not self._stop.is_set():
                    ahead = [*worker.tasks, self._waiting[0]]
                    # What two workers have died of goes to one that nothing else waits for.
                    if len(ahead) > 1 and (any(task.deaths for task in ahead) or max(len(task.data) for task in ahead) > _AHEAD):
                        break
                    task = self._waiting.popleft()
                    worker.tasks.append(task)
                    with contextlib.suppress(BrokenPipeError):  # it is dead, and that is noticed where results are read
                        worker.to.send_bytes(task.data)

    def _listen(self) -> None:
        """Wait until somebody has a result or has died, or for a moment, and look who hangs."""
        from multiprocessing.connection import wait

        began = time.monotonic()
        busy = {worker.results: worker for worker in self._workers if worker.tasks}
        for ready in wait(list(busy), timeout=_TICK):
            self._receive(busy[ready])  # type: ignore[index]
        passed = min(time.monotonic() - began, 2 * _TICK)  # not the hours that this machine slept
        for worker in [worker for worker in self._workers if worker.tasks]:
            count = WATCHED.unpack_from(worker.shared, FLAG)[0]
            worker.waited = worker.waited + passed if count == worker.count and count % 2 else 0.0
            worker.count = count
            if worker.waited > self._timeout:
                worker.process.kill()
                self._bury(worker, f"took longer than --timeout {self._timeout:g} s")

    def _receive(self, worker: _Worker[U, R]) -> None:
        try:
            done, value = pickle.loads(worker.results.recv_bytes())
        except (EOFError, OSError):
            self._bury(worker, "")
            return
        task = worker.tasks.popleft()
        task.done = True
        if done:
            task.result = value
        else:
            task.error = value

    def _bury(self, worker: _Worker[U, R], reason: str) -> None:
        """Another worker for one that has died, or hangs (``reason``); its unit again in parts, or given up."""
        worker.process.join(_GRACE)
        decoding = WATCHED.unpack_from(worker.shared, FLAG)[0] % 2
        self._workers.remove(worker)
        worker.to.close()
        worker.results.close()
        task, *others = worker.tasks
        self._waiting.extendleft(reversed(others))
        task.deaths += 1
        parts = self._parts(task.unit)
        if len(parts) > 1:
            place = self._tasks.index(task)
            self._tasks.remove(task)
            for part in reversed(parts):
                single = _Task[U, R](part, pickle.dumps(part, pickle.HIGHEST_PROTOCOL), task.deaths)
                self._tasks.insert(place, single)
                self._waiting.appendleft(single)
        elif task.deaths > 1 or reason:
            task.done, task.result = True, self._lost(task.unit, reason or _ended(worker.process.exitcode, bool(decoding)))
        else:
            self._waiting.appendleft(task)
        if not self._stop.is_set():
            self._start()

    def _stopping(self) -> bool:
        """Whether a stop was raised and all have ended, or have had the time for it. A handler can't reach the workers."""
        if not self._stop.is_set():
            return False
        if self._stopped is None:
            self._stopped = time.monotonic()
            for worker in self._workers:
                worker.shared[0] = 1
        return not any(worker.tasks for worker in self._workers) or time.monotonic() - self._stopped > _GRACE

    def _end(self) -> None:
        """Let all workers go; those that stay are killed."""
        for worker in self._workers:
            worker.shared[0] = 1
            worker.to.close()
            worker.results.close()
        last = (self._stopped or time.monotonic()) + _GRACE
        for worker in self._workers:
            worker.process.join(max(0.0, last - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join(_GRACE)
        self._workers.clear()


def _ended(status: int | None, decoding: bool) -> str:
    """A dead worker's exit status in words."""
    who = "the decoder" if decoding else "its worker"
    if status is None or status >= 0:
        return f"{who} ended its process with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    memory = ", as the system does where memory runs out" if -status == signal.SIGKILL else ""
    return f"{who} was killed by {name}{memory}"
