"""What a Dask worker does with a task (``cluster.py``): bytes that do a unit where they are unpickled.

So the scheduler needs nothing of augx, and a worker needs augx alone, in the version of the driver: each thread asks for that once a run.
"""

from __future__ import annotations

import logging
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from augx import __version__, words
from augx.errors import OutputError, WriteError, printable

ASK = "tuple(getattr(__import__(name), '__version__', '?') for name in ('augx', 'cv2'))"
"""``versions`` for a worker that may have another augx, or none."""

_halted: set[str] = set()
_own = threading.local()
_gate = threading.Lock()


class RefusedError(WriteError):
    """A worker's output can't take more; ``workers`` are all that have said so of this unit."""

    def __init__(self, reason: str, workers: tuple[str, ...]) -> None:
        super().__init__(reason, workers)
        self.workers = workers

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments: what unpickling it gives is what the function returns."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


@dataclass(frozen=True, slots=True)
class _Halt:
    """The stop of one run, where it is worked at."""

    run: str

    def is_set(self) -> bool:
        return self.run in _halted


def halt(run: str) -> None:
    """Stop a run's units in this process."""
    _halted.add(run)


def carry_out(wanted: tuple[str, str], run: str, job: bytes, unit: bytes, refused: tuple[str, ...]) -> Any:
    """Do a unit in this thread, which keeps what it needs for the next ones of the same run. Raises ``RefusedError`` for ``WriteError``."""
    if getattr(_own, "run", None) != run:
        check_versions(_this_worker(), versions(), wanted)
        _keep_words()
        make_run, argument = pickle.loads(job)
        _own.do, _own.run = make_run(argument, _Halt(run)), run
    try:
        return _own.do(pickle.loads(unit))
    except WriteError as error:
        raise RefusedError(str(error), (*refused, _this_worker())) from None


def _this_worker() -> str:
    distributed: Any = import_module("distributed")
    return str(distributed.get_worker().address)


def _keep_words() -> None:
    """What decoders say is a reason to refuse a picture, as everywhere; so lines of a log must go past descriptor 2."""
    with _gate:
        if words.captured():
            return
        words.capture()
        for name in (None, *logging.root.manager.loggerDict):
            for handler in logging.getLogger(name).handlers:
                if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                    handler.setStream(sys.stderr)


def versions() -> tuple[str, str]:
    """Of augx and of OpenCV: with the same ones the same bytes are made."""
    import cv2

    return __version__, cv2.__version__


def check_versions(worker: str, found: tuple[str, str], wanted: tuple[str, str]) -> None:
    """Raises ``OutputError`` for a worker that has others."""
    for name, package, theirs, ours in zip(("augx", "OpenCV"), ("augx-cli", "opencv-python-headless"), found, wanted, strict=True):
        if theirs != ours:
            advice = f"install the same there: pip install {package}=={ours}"
            raise OutputError(f"the worker at {worker} has {name} {printable(theirs)}, and here is {ours}; {advice}")
