"""The inside of a worker process: units in, results out, and what it tells its parent meanwhile (``pool.py``)."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from augx import words

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

FLAG = 4
"""Bytes before the counter; the first of them stops the worker."""
WATCHED = struct.Struct("=I")
"""The counter: odd while the worker is at something that may hang."""

_shared: Any = None


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """What may hang: a parent that supervises this process ends it when that takes too long; elsewhere nothing does."""
    if _shared is None:
        yield
        return
    _count()
    try:
        yield
    finally:
        _count()


def _count() -> None:
    WATCHED.pack_into(_shared, FLAG, (WATCHED.unpack_from(_shared, FLAG)[0] + 1) % 2**32)


class _Flag:
    def is_set(self) -> bool:
        return bool(_shared[0])


def serve(
    tasks: Connection,
    results: Connection,
    shared: Any,
    make: Callable[[Any, Any], Callable[[Any], Any]],
    argument: Any,
    inherited: Sequence[int],
) -> None:
    """A worker's life: until its parent closes the pipe, or is gone."""
    global _shared
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends them to all; the parent decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    for descriptor in inherited:
        os.close(descriptor)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    words.capture()
    _shared = shared
    try:
        run = make(argument, _Flag())
    except BaseException as error:
        run = _raising(error)
    with contextlib.suppress(EOFError, OSError):
        while True:
            results.send_bytes(_answer(run, tasks.recv_bytes()))


def _raising(error: BaseException) -> Callable[[Any], Any]:
    def run(unit: Any) -> Any:
        raise error

    return run


def _answer(run: Callable[[Any], Any], data: bytes) -> bytes:
    try:
        return pickle.dumps((True, run(pickle.loads(data))), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        try:
            answer = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
            pickle.loads(answer)  # not every error comes back from its bytes
        except Exception:
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
        return answer


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
