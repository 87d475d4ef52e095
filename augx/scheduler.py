"""How Dask's scheduler is found and spoken to: within a time, and without a word on the user's terminal."""

from __future__ import annotations

import concurrent.futures as cf
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from augx.errors import OutputError, printable

R = TypeVar("R")

SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # the driver does suspects again
    # What a scheduler and its workers keep to look at later takes time, and ever more memory.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
"""Of Dask, for a scheduler and workers of our own."""


def address_in(file: str) -> str:
    """The address in a scheduler's file. Raises ``OutputError``."""
    try:
        with open(file, encoding="utf-8") as text:
            address = json.load(text)["address"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no JSON with an address"
        raise OutputError(f"{printable(file)}: not a scheduler's file: {reason}; write one: dask scheduler --scheduler-file FILE") from None
    return str(address)


def within(seconds: float, call: Callable[[], R]) -> R:
    """What ``call`` returns, if it does in time: Dask waits for ever for somebody who takes a connection and says nothing."""
    found: cf.Future[R] = cf.Future()

    def run() -> None:
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found.result(seconds)


async def hand_over(theirs: Any, future: cf.Future[Any]) -> None:
    """Dask's result as an ordinary one. Its own executor says nothing where the scheduler goes away while a result is on its way."""
    try:
        result = await theirs._result(raiseit=True)
    except BaseException as error:
        if not future.cancelled():
            future.set_exception(error)
    else:
        if not future.cancelled():
            future.set_result(result)


def quietly(call: Callable[[], Any], seconds: float) -> bool:
    """Do it if it can be done in time; whether it was."""
    try:
        within(seconds, call)
    except Exception:
        return False
    return True


def in_a_line(error: BaseException) -> str:
    """What went wrong, as one line."""
    first = str(error).strip().partition("\n")[0]
    return printable(first if isinstance(error, OSError | RuntimeError | ValueError) and first else f"{type(error).__name__}: {first}")


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """The log lines of Dask and of what it is built on go nowhere."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("distributed", "tornado", "asyncio", "bokeh")]
    loggers = [logging.getLogger(name) for name in {*names, "distributed", "tornado", "asyncio"}]
    before = [(logger, logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
