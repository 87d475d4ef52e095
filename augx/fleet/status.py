"""How far a set is, looked at from any machine that sees its output: one listing of the receipts, or the manifest of a single run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augx.errors import OutputError, printable
from augx.fleet.founding import Fleet, read_fleet
from augx.fleet.receipts import done_of, prefix_of, read_receipt
from augx.manifest import MANIFEST, RUN, Manifest, read_run, run_of
from augx.places import Place, is_address, place_of

_WINDOW = 600.0
"""Seconds over which a rate is taken, back from the last receipt."""
_OPENED = 1000
"""Receipts with failures that are opened for their reasons; the others are counted as such."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a set is. ``units`` and ``done`` count a fleet's units; ``rate`` are files a second, lately; ``left`` seconds, if known.

    ``state`` is ``fleet`` while one is at work, else that of run.json: running, stopped, incomplete or complete.
    """

    output: str
    state: str
    planned: int
    made: int
    units: int = 0
    done: int = 0
    rate: float = 0.0
    left: float | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    """Missing files by reason."""


def status(output: str | os.PathLike[str]) -> Status:
    """Look at an output, and touch nothing. Raises ``OutputError`` where there is no set of augx."""
    root = os.fspath(output)
    place = place_of(root)
    if is_address(root):
        place.prepare()
    fleet = read_fleet(place)
    if fleet is not None:
        return _of_fleet(root, place, fleet)
    run = run_of(place.read(RUN), f"{root}/{RUN}") if is_address(root) else read_run(root)
    if run is None:
        raise OutputError(f"{printable(root)}: no set of augx is here, and none is being made; name the --output of a run")
    planned = sum(numbers["files"] for numbers in run["classes"].values())
    failures: Counter[str] = Counter()
    for one in run.get("failures", ()):
        failures[one["reason"]] += one["missing"]
    return Status(root, run["state"], planned, _listed(root, run, planned - failures.total()), failures=failures)


def _listed(root: str, run: Mapping[str, Any], whole: int) -> int:
    if run["state"] in ("complete", "incomplete") or not os.path.exists(os.path.join(root, MANIFEST)):
        return whole if run["state"] in ("complete", "incomplete") else 0
    with Manifest(root, look_only=True) as manifest:
        return sum(1 for _ in manifest.entries())


def _of_fleet(root: str, place: Place, fleet: Fleet) -> Status:
    when = place.modified(prefix_of(fleet.digest))
    there = done_of(list(when))
    failures: Counter[str] = Counter()
    for number in sorted(there.part)[:_OPENED]:
        receipt = read_receipt(place, fleet.digest, number, part=True)
        for one in receipt.failures if receipt is not None else ():
            failures[one.reason] += one.missing
    if len(there.part) > _OPENED:
        failures["(units not opened)"] += len(there.part) - _OPENED
    planned = sum(numbers["files"] for numbers in fleet.run["classes"].values())
    each = fleet.files / fleet.units
    made = min(planned, round(planned - fleet.files + each * len(there.all)))
    rate = _rate(sorted(when.values())) * each
    left = (fleet.units - len(there.all)) * each / rate if rate else None
    return Status(root, "fleet", planned, made, fleet.units, len(there.all), rate, left, failures)


def _rate(times: list[float]) -> float:
    """Units a second, from the first to the last of those of late."""
    late = [when for when in times if when >= times[-1] - _WINDOW]
    return (len(late) - 1) / (late[-1] - late[0]) if len(late) > 1 and late[-1] > late[0] else 0.0
