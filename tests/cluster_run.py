"""Numbers squared by Dask's workers and by the standard library's processes, some of which end their worker, raise or can't write.

A module of its own, as every worker imports it: it must be light.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augx.errors import WriteError
from augx.executors import Stop, in_order
from tests.pool_run import Unit, make_squares

if TYPE_CHECKING:
    from augx.cluster import Cluster

Squares = tuple[list[int], dict[int, str]]


def ran(cluster: Cluster, units: list[Unit], **argument: Any) -> Squares:
    """The squares in order, -n for what was lost, and why it was."""
    reasons: dict[int, str] = {}
    lost = partial(given_up, reasons)
    found = cluster.results(make_happen, argument, units, Stop(), lost, lambda unit: [(number,) for number in unit])
    return [number for squares in found for number in squares], reasons


def given_up(reasons: dict[int, str], unit: Unit, reason: str) -> list[int]:
    reasons.update(dict.fromkeys(unit, reason))
    return [-number for number in unit]


def make_happen(argument: dict[str, Any], flag: Any) -> Callable[[Unit], list[int]]:
    """``make_squares``; also units that workers can't write: ``refused`` by all, ``full`` by the first that tries."""
    squares = make_squares({name: value for name, value in argument.items() if name not in ("refused", "full")}, flag)

    def run(unit: Unit) -> list[int]:
        if set(unit) & set(argument.get("refused", ())):
            raise WriteError("no space left here")
        with contextlib.suppress(FileExistsError):
            if "full" in argument and (number := argument["full"]) in unit:
                os.close(os.open(Path(argument["seen"], f"full {number}"), os.O_CREAT | os.O_EXCL))
                raise WriteError("no space left here")
        return squares(unit)

    return run


def squares_of(argument: dict[str, Any], unit: Unit) -> list[int]:
    return make_squares(argument, None)(unit)


def spawned(units: list[Unit], **argument: Any) -> Squares:
    """``in_order`` with the standard library's processes."""
    reasons: dict[int, str] = {}

    def make() -> Executor:
        return ProcessPoolExecutor(2, mp_context=get_context("spawn"))

    def parts(unit: Unit) -> list[Unit]:
        return [(number,) for number in unit]

    lost = partial(given_up, reasons)
    found = in_order(make, partial(squares_of, argument), units, Stop(), window=4, lost=lost, parts=parts)
    return [number for squares in found for number in squares], reasons
