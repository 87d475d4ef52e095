"""A receipt a unit: written after the unit's files stand, it holds their manifest lines. Plain files, no folder among the classes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augx.errors import OutputError, printable
from augx.fleet.cut import FleetUnit
from augx.places import Place
from augx.unit import Failure

PREFIX = ".augx-unit-"
_SHORT = 12  # digits of the plan's digest
_NAME = re.compile(re.escape(PREFIX) + rf"[0-9a-f]{{{_SHORT}}}-(?P<number>\d{{6,}})(?P<part>\.part)?")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a unit's maker says of it: where its lines belong (see ``cut``), what failed, and the lines."""

    number: int
    order: Sequence[Any]
    failures: tuple[Failure, ...]
    lines: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    """Versions and CPU features of the process that made it."""


@dataclass(frozen=True, slots=True)
class Done:
    """Which units of a fleet have receipts: those that are whole, and those that lack files of bad sources."""

    whole: frozenset[int]
    part: frozenset[int]

    @property
    def all(self) -> frozenset[int]:
        return self.whole | self.part


def prefix_of(digest: str) -> str:
    """What the names of a fleet's receipts begin with."""
    return f"{PREFIX}{digest[:_SHORT]}-"


def name_of(digest: str, number: int, *, part: bool) -> str:
    """The name of a unit's receipt; ``part`` of one that lacks files."""
    return f"{prefix_of(digest)}{number:06d}{'.part' if part else ''}"


def done(place: Place, digest: str) -> Done:
    """What is done, from one listing; no receipt is opened."""
    return done_of(place.names(prefix_of(digest)))


def done_of(names: Sequence[str]) -> Done:
    """The same from the names of receipts."""
    found = [match for match in map(_NAME.fullmatch, names) if match]
    whole = frozenset(int(match["number"]) for match in found if not match["part"])
    return Done(whole, frozenset(int(match["number"]) for match in found if match["part"]) - whole)


def put_receipt(
    place: Place, digest: str, unit: FleetUnit, failures: Sequence[Failure], lines: Sequence[str], about: Mapping[str, Any]
) -> None:
    """Commit a unit whose files stand. Raises ``WriteError``."""
    told = [{"source": one.source, "reason": one.reason, "missing": one.missing} for one in failures]
    head = json.dumps({"unit": unit.number, "digest": digest, "order": list(unit.order), "failures": told, "lines": len(lines), **about})
    data = "".join(f"{line}\n" for line in (head, *lines)).encode("ascii")
    place.put(name_of(digest, unit.number, part=bool(failures)), data)
    if not failures:
        place.delete(name_of(digest, unit.number, part=True))


def read_receipt(place: Place, digest: str, number: int, *, part: bool) -> Receipt | None:
    """A receipt; None where there is none. Raises ``OutputError`` for one that is damaged."""
    name = name_of(digest, number, part=part)
    data = place.read(name)
    if data is None:
        return None
    try:
        head, *lines = data.decode("ascii").splitlines()
        fields = json.loads(head)
        if fields["digest"] != digest or fields["unit"] != number or fields["lines"] != len(lines) or not data.endswith(b"\n"):
            raise ValueError
        failures = tuple(Failure(one["source"], one["reason"], one["missing"]) for one in fields["failures"])
        about = {name: value for name, value in fields.items() if name not in ("unit", "digest", "order", "failures", "lines")}
        return Receipt(number, fields["order"], failures, tuple(lines), about)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OutputError(
            f"{printable(place.address)}/{name}: a damaged receipt; remove it, and the same command makes its unit again"
        ) from None


def sweep_receipts(place: Place, but: str = "") -> None:
    """Remove the receipts of ended fleets, all ``but`` those of one digest."""
    keep = prefix_of(but) if but else "\0"
    for name in place.names(PREFIX):
        if _NAME.fullmatch(name) and not name.startswith(keep):
            place.delete(name)


def receipts(place: Place, digest: str, there: Done) -> Iterator[Receipt]:
    """All receipts, by number."""
    for number in sorted(there.all):
        found = read_receipt(place, digest, number, part=number not in there.whole)
        if found is not None:
            yield found
