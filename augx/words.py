"""What C libraries write to descriptor 2, as values: libjpeg and libpng say there what is wrong with a picture, and nowhere else.

Whoever owns its process (the command, a worker process) calls ``capture``: from then on descriptor 2 leads to an unnamed file,
and Python's own standard error goes where it went before. In a process that belongs to somebody else nothing is changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_MOST = 4096

_captured = False
_gate = threading.Condition()
_inside = 0
_waiting = 0
_entries = 0


def capture() -> None:
    """Keep what libraries write to descriptor 2; in a process that was forked from such a one, keep its own.

    ``AUGX_DEBUG`` leaves them as they are, and so does a system that has no room for the file.
    """
    global _captured
    if os.environ.get("AUGX_DEBUG"):
        return
    try:
        kept = os.memfd_create("augx") if hasattr(os, "memfd_create") else _unnamed()
        if not _captured:
            _move_standard_error()
    except OSError:
        return
    fcntl.fcntl(kept, fcntl.F_SETFL, fcntl.fcntl(kept, fcntl.F_GETFL) | os.O_APPEND)  # so that it can be cut back
    os.dup2(kept, 2)
    os.close(kept)
    _captured = True


def captured() -> bool:
    """Whether anything is kept."""
    return _captured


def listen(call: Callable[[], T]) -> tuple[T, list[str]]:
    """What ``call`` returns, and the lines that were written to descriptor 2 in that time, at most some; none where none are kept.

    What is written while several threads listen may be any of theirs: each of them calls once more, alone.
    """
    if not _captured:
        return call(), []
    with _together():
        first, before = _entries, _size()
        alone = _inside == 1
        result = call()
        if _size() == before:
            return result, []
        if alone and _entries == first:
            return result, _taken(before)
    with _alone():
        os.ftruncate(2, 0)
        return call(), _taken(0)


@contextlib.contextmanager
def _together() -> Iterator[None]:
    global _inside, _entries
    with _gate:
        _gate.wait_for(lambda: _inside >= 0 and not _waiting)
        _inside += 1
        _entries += 1
    try:
        yield
    finally:
        with _gate:
            _inside -= 1
            _gate.notify_all()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    global _inside, _waiting
    with _gate:
        _waiting += 1
        _gate.wait_for(lambda: _inside == 0)
        _inside = -1
        _waiting -= 1
    try:
        yield
    finally:
        with _gate:
            _inside = 0
            _gate.notify_all()


def _size() -> int:
    return os.fstat(2).st_size


def _taken(start: int) -> list[str]:
    """The lines from there on, each of them once; the file is empty afterwards."""
    data = os.pread(2, _MOST, start)
    os.ftruncate(2, 0)
    lines = data.decode("ascii", "backslashreplace").splitlines()
    plain = ("".join(letter if letter.isprintable() else " " for letter in line).strip() for line in lines)
    return list(dict.fromkeys(line for line in plain if line))


def _unnamed() -> int:
    import tempfile  # not on Linux, where every start of the command would pay for it

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _move_standard_error() -> None:
    """Give Python's standard error a descriptor of its own."""
    with contextlib.suppress(AttributeError, ValueError):  # None, or somebody's object without a descriptor
        if sys.stderr.fileno() == 2:
            sys.stderr.flush()
            encoding, errors = sys.stderr.encoding, sys.stderr.errors
            sys.stderr = open(os.dup(2), "w", buffering=1, encoding=encoding, errors=errors)  # noqa: SIM115
