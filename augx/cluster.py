"""Dask's workers, on this machine or many: those of a scheduler that is there already, or our own on the loopback interface."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import contextlib
import logging
import os
import pickle
import signal
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from augx import __version__
from augx.errors import OutputError, WriteError, printable
from augx.executors import Fault, Stop, in_order
from augx.scheduler import SETTINGS, address_in, hand_over, in_a_line, quietly, silence, within
from augx.tasks import ASK, Call, RefusedError, carry_out, check_versions, halt, versions

U = TypeVar("U")
R = TypeVar("R")

_CONNECT = 5.0
"""Seconds for an answer of the scheduler."""
_FIRST = 3.0
"""Seconds more for a first worker."""
_ANSWER = 30.0
"""Seconds for the answers of all workers, which may have to import OpenCV."""
_HEARD = 1.0  # for all workers to hear of it
_GRACE = 3.0
"""Seconds that workers have to end after a stop."""
_LOOK = 2.0
"""Seconds between two looks at who is there."""
_ALONE = 60.0
"""Seconds that a run waits where no worker is left."""
_GONE = (cf.CancelledError, cf.TimeoutError, asyncio.TimeoutError, OSError)
"""What futures say when the scheduler can't be reached. A unit's own errors of the system are results, or ``RefusedError``."""
_HOPELESS = 30
"""So many refusals to write without a result between them: nobody can write any more."""


class Cluster:
    """The workers of the scheduler at ``address``, or at that in a ``scheduler_file``; without both, ``jobs`` processes of our own.

    To be used in ``with``. Raises ``OutputError`` where nobody answers or a worker does not fit.
    """

    def __init__(self, address: str | None = None, scheduler_file: str | None = None, jobs: int = 1) -> None:
        self._address, self._file, self._jobs = address or "", scheduler_file, jobs
        self._distributed: Any = None
        self._client: Any = None
        self._closing = contextlib.ExitStack()
        self._workers: dict[str, int] = {}
        self._refusals = 0
        self._avoided: tuple[str, ...] = ()

    @property
    def threads(self) -> int:
        """How many units can be worked at, as of lately."""
        return max(1, sum(self._workers.values()))

    def __enter__(self) -> Cluster:
        try:
            dask, self._distributed = import_module("dask"), import_module("distributed")
        except ModuleNotFoundError:
            raise OutputError("--engine dask needs Dask's distributed; install it: pip install 'augx-cli[dask]'") from None
        try:
            self._closing.enter_context(silence())
            self._closing.enter_context(dask.config.set({"distributed.comm.timeouts.connect": f"{_CONNECT:g}s", **SETTINGS}))
            if self._file is not None:
                self._address = address_in(self._file)
            if not self._address:
                self._start()
            self._closing.callback(self._disconnect)
            self._connect()
            self.look()
            if not self._workers:
                where = printable(self._address)
                raise OutputError(f"the scheduler at {where} has no workers; start some, and run again: dask worker {where}")
            self._check_workers()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _start(self) -> None:
        """A scheduler in this process and workers in their own, reached from this machine alone."""
        # A terminal sends these to all its processes; the driver decides. Threads begun now and processes begun by them inherit it.
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
        try:
            local = self._distributed.LocalCluster(
                n_workers=self._jobs,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            )
        except Exception as error:
            raise OutputError(f"can't start {self._jobs} Dask workers: {in_a_line(error)}; use another --engine") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        self._address = local.scheduler_address
        self._closing.callback(self._end, local)

    def _end(self, local: Any) -> None:
        """Let our own workers go; one that does not end in time is killed."""
        processes = [nanny.pid for nanny in list(local.workers.values())]
        if not quietly(partial(local.close, timeout=_GRACE), _GRACE):
            for process in processes:
                with contextlib.suppress(OSError, TypeError):  # it has ended, or had not begun
                    os.kill(process, signal.SIGKILL)
            quietly(partial(local.close, timeout=_GRACE), _GRACE)

    def _connect(self) -> None:
        """A client of the scheduler, and a moment for a first worker. Raises ``OutputError``."""
        self._disconnect()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions of Dask that differ a little
                begin = partial(self._distributed.Client, self._address, timeout=_CONNECT, set_as_default=False)
                self._client = within(_CONNECT + 1, begin)
        except Exception as error:
            reason = f"nobody answers ({_CONNECT:g} s)" if isinstance(error, _GONE) else in_a_line(error)
            advice = "give the address that `dask scheduler` prints, such as tcp://host:8786"
            raise OutputError(f"{printable(self._address)}: {reason}; {advice}") from None
        quietly(partial(self._client.wait_for_workers, 1, timeout=_FIRST), _FIRST + 1)

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            quietly(partial(client.close, timeout=_GRACE), _GRACE + 1)

    def look(self) -> int:
        """See who is there to work; how many units they can work at. Nobody, where the scheduler can't be asked."""
        found: dict[str, int] = {}
        with contextlib.suppress(Exception):
            found = dict(within(_CONNECT, self._client.nthreads))
        self._workers = found
        return sum(found.values())

    def _check_workers(self) -> None:
        """Raises ``OutputError`` for the first worker that has no augx, or another."""
        ours = versions()
        ask = partial(self._client.run, eval, ASK, on_error="return")
        try:
            told = within(_ANSWER, ask)
        except cf.TimeoutError:
            raise OutputError(f"a worker of {printable(self._address)} does not answer ({_ANSWER:g} s); stop the one that hangs") from None
        for worker, found in sorted(told.items()):
            if isinstance(found, BaseException):
                advice = f"install it there: pip install augx-cli=={__version__}"
                raise OutputError(
                    f"the worker at {worker} has no augx that works ({in_a_line(found)}), and here is {__version__}; {advice}"
                )
            check_versions(worker, found, ours)

    def halt(self, run: str) -> None:
        """Tell all workers to end after the copy in hand, and wait for none that does not listen."""
        if self._client is not None:
            quietly(partial(self._client.run, halt, run, on_error="ignore"), _HEARD)

    def submit(self, do: Callable[..., Any], unit: Any) -> cf.Future[Any]:
        """``do(unit, refused)`` on some worker, one that has not just refused it if there is such a one. Only bytes reach the scheduler."""
        avoided, self._avoided = self._avoided, ()
        where: dict[str, Any] = {}
        if avoided and (others := self._workers.keys() - set(avoided)):
            where = {"workers": sorted(others), "allow_other_workers": True}
        data = pickle.dumps(Call(do, (pickle.dumps(unit, pickle.HIGHEST_PROTOCOL), avoided)), pickle.HIGHEST_PROTOCOL)
        theirs = self._client.submit(pickle.loads, data, pure=False, retries=0, **where)
        future: cf.Future[Any] = cf.Future()
        self._client.loop.add_callback(hand_over, theirs, future)
        return future

    def _fault(self, error: BaseException) -> Fault | None:
        if isinstance(error, RefusedError):
            self._avoided = error.workers  # for the next to be submitted, which is the same unit
            self._refusals += 1
            return "again" if self._refusals < _HOPELESS else None
        if isinstance(error, self._distributed.KilledWorker):
            return "died"
        lost = self._client is None or self._client.status != "running"
        return "gone" if isinstance(error, _GONE) or (lost and isinstance(error, Exception)) else None

    def results(
        self,
        make_run: Callable[[Any, Any], Callable[[U], R]],
        argument: Any,
        units: Iterable[U],
        stop: Stop,
        lost: Callable[[U, str], R],
        parts: Callable[[U], Sequence[U]] = lambda unit: (unit,),
    ) -> Iterator[R]:
        """Results of ``make_run(argument, stop)`` over ``units``, as ``in_order`` gives them. Paths in them must be absolute.

        A unit that a worker can't write is tried by others, then lost. Raises ``WriteError`` where the scheduler is gone.
        """
        run, job = uuid.uuid4().hex, pickle.dumps((make_run, argument), pickle.HIGHEST_PROTOCOL)
        given_up = False

        def give_up(unit: U, reason: str) -> R:
            nonlocal given_up
            given_up = True
            return lost(unit, reason)

        def make() -> cf.Executor:
            if self._client is None or self._client.status != "running":
                try:
                    self._connect()
                except OutputError:
                    raise cf.CancelledError from None
            return _Tasks(self)

        do, watch = partial(carry_out, versions(), run, job), _Watch(self, run, stop)
        self._refusals = 0
        found = in_order(
            make, do, units, stop, window=lambda: 2 * self.threads, lost=give_up, parts=parts, fault=self._fault, watch=watch.look
        )
        try:
            with contextlib.closing(found):  # type: ignore[type-var]
                for result in found:
                    self._refusals = self._refusals if given_up else 0
                    given_up = False
                    yield result
            watch.halted = True
        except ModuleNotFoundError as error:
            self._check_workers()
            raise OutputError(f"a worker of {printable(self._address)} has no augx that works: {in_a_line(error)}") from None
        except _GONE:
            raise WriteError(
                f"the scheduler at {printable(self._address)} went away; what is made stays, and the same command goes on"
            ) from None
        finally:
            watch.halt()


class _Tasks(cf.Executor):
    """A cluster as an executor."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def submit(self, do: Any, unit: Any, /) -> cf.Future[Any]:  # type: ignore[override]
        return self._cluster.submit(do, unit)


class _Watch:
    """What is looked at while results are waited for: a stop, and whether anybody is left to work."""

    def __init__(self, cluster: Cluster, run: str, stop: Stop) -> None:
        self._cluster, self._run, self._stop = cluster, run, stop
        self._stopped: float | None = None
        self.halted = False
        self._looked = self._seen = time.monotonic()

    def halt(self) -> None:
        """End the work, once."""
        if not self.halted:
            self.halted = True
            self._cluster.halt(self._run)

    def look(self) -> bool:
        """Whether to wait on. Raises ``WriteError`` where all workers are gone for long."""
        now = time.monotonic()
        if self._stop.is_set():
            if self._stopped is None:
                self._stopped = now
                self.halt()
            return now - self._stopped < _GRACE
        if now - self._looked > _LOOK:
            seen = self._cluster.look()
            self._looked = time.monotonic()
            if seen:
                self._seen = self._looked
            elif self._looked - self._seen > _ALONE:
                raise WriteError(f"no worker is left ({_ALONE:g} s); start some, then the same command goes on")
        return True
