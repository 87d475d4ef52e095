"""A plan cut into units by counting: any unit is found from its number, without a walk over those before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from augx.errors import PlanError, printable
from augx.listed import Listed
from augx.plan import Plan, Segment, Unit
from augx.plans.table import RowTable
from augx.unit import Failure

_SMALL, _LARGE, _MANY = 64, 10_000, 20_000
"""Files in a unit: at least, at most; and how many units there are before they grow."""

Place = tuple[int, str, int, int, int]
"""Where a unit's lines stand in the manifest of a single run: these sort as the moments do at which such a run commits it."""


@dataclass(frozen=True, slots=True)
class FleetUnit:
    """What one process makes and commits in one go: files of their own, or all samples of the shard numbered ``shard`` of ``part``.

    ``known`` are sources that were found to end every worker that touches them, and are left out of ``segments``.
    """

    number: int
    segments: Unit
    order: Place
    part: str = ""
    shard: int | None = None
    known: tuple[Failure, ...] = ()
    probe: bool = False
    """Whether this is only to see who survives it; nothing is committed."""

    def __len__(self) -> int:
        return sum(map(len, self.segments)) + sum(failure.missing for failure in self.known)


class _Line:
    """Some rows' missing files in the order in which they are made: in rounds over the rows, ``run`` copies of each a round.

    A row misses its copies ``have`` to ``copies``, and its original where ``original`` says so.
    """

    def __init__(self, rows: NDArray[np.int64], counts: _Counts, run: int) -> None:
        self.rows = rows  # indices into the plan, in order
        self._have, self._copies, self._original = (of_all[rows] for of_all in (counts.have, counts.copies, counts.original))
        self._run = run
        self._starts: dict[int, int] = {}
        self._round: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return self._start(self._rounds)

    @cached_property
    def _rounds(self) -> int:
        return max(1, -(-int(self._copies.max(initial=0)) // self._run))

    def _start(self, number: int) -> int:
        """How many files lie before a round."""
        if number not in self._starts:
            below = int((self._at(number) - self._have).sum())
            self._starts[number] = below + (int(self._original.sum()) if number else 0)
        return self._starts[number]

    def _ends(self, number: int) -> NDArray[np.int64]:
        """Where the rows' files end, in a round that begins at 0."""
        if self._round[0] != number:
            low, high = (self._at(number + i) for i in (0, 1))
            self._round = number, np.cumsum(high - low + (self._original if number == 0 else 0))
        return self._round[1]

    def _at(self, number: int) -> NDArray[np.int64]:
        """The first copy of each row that belongs to a round or a later one."""
        found: NDArray[np.int64] = np.clip(min(number * self._run, 2**62), self._have, self._copies)
        return found

    def _holding(self, position: int) -> int:
        """The round that a position lies in."""
        low, high = 0, self._rounds
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._start(middle) <= position else (low, middle)
        return low

    def between(self, start: int, stop: int) -> Iterator[tuple[int, int, range, bool]]:
        """(round, place in ``rows``, copies, whether the original goes with them) of the files in these positions."""
        number = self._holding(start)
        while start < stop:
            ends, base = self._ends(number), self._start(number)
            low = self._at(number)
            place = int(np.searchsorted(ends, start - base, side="right"))
            while start < stop and place < len(ends):
                first = int(ends[place - 1]) if place else 0
                skipped, taken = start - base - first, min(stop - base, int(ends[place])) - (start - base)
                if taken > 0:
                    own = number == 0 and bool(self._original[place])
                    original = own and skipped == 0
                    begin = int(low[place]) + skipped - (own and skipped > 0)
                    yield number, place, range(begin, begin + taken - original), original
                    start += taken
                place += 1
            number += 1


@dataclass(frozen=True, slots=True)
class _Counts:
    """What of each row is there and wanted; one number a row."""

    have: NDArray[np.int64]
    copies: NDArray[np.int64]
    original: NDArray[np.bool_]


class Cut:
    """All units of what ``listed`` leaves of a plan. The same for whoever has the same plan, whatever is made meanwhile."""

    def __init__(self, plan: Plan, listed: Listed) -> None:
        self._plan, self._store = plan, plan.store
        counts = _counts(plan, listed)
        if self._store is None:
            every = _Line(np.arange(len(plan.rows)), counts, max(1, int(counts.copies.max(initial=0))))
            self._lines, self.size = {"": every}, min(max(_SMALL, -(-len(every) // _MANY)), _LARGE)
        else:
            if not self._store.mixed:
                raise PlanError(f"--to {self._store.kind}: one run makes an array, row by row; use --to webdataset, or leave out --shard")
            if self._store.size is None or not self._store.size.samples:
                raise PlanError(
                    f"--shard-size {self._store.size}: where a shard of so many bytes begins, one run can tell; use a number of samples"
                )
            parts = _of_part(plan)
            order = np.argsort(plan.ranks(), kind="stable")
            self._lines = {part: _Line(order[parts[order] == i], counts, self._store.run) for i, part in enumerate(_parts(plan))}
            self.size = self._store.size.samples
        self._units = {part: -(-len(line) // self.size) for part, line in self._lines.items()}
        self._taken = _taken(listed, self._lines) if self._store is not None else {}
        self._rank = {}
        if self._store is not None and len(self._lines) > 1:
            places = np.empty(len(plan.rows), np.int64)
            places[order] = np.arange(len(order))
            self._rank = {part: places[line.rows] for part, line in self._lines.items()}

    def __len__(self) -> int:
        return sum(self._units.values())

    @property
    def files(self) -> int:
        """All files of all units."""
        return sum(map(len, self._lines.values()))

    def files_of(self, number: int) -> int:
        """The files of one unit."""
        part, number = self._part(number)
        return min(self.size, len(self._lines[part]) - number * self.size)

    def unit(self, number: int) -> FleetUnit:
        """One of the units, 0 to the number of them - 1."""
        part, within = self._part(number)
        line, start = self._lines[part], within * self.size
        found = list(line.between(start, min(start + self.size, len(line))))
        segments = tuple(Segment(self._plan.rows[int(line.rows[place])], copies, original) for _, place, copies, original in found)
        if self._store is None:
            return FleetUnit(number, segments, (0, "", number, 0, 0))
        turn, place, copies, _ = found[-1]
        partial = start + self.size > len(line)
        rank = int(self._rank[part][place]) if self._rank else place
        order = (1, part, 0, 0, 0) if partial else (0, "", turn, rank, copies.stop)
        return FleetUnit(number, segments, order, part, self._free(part, within))

    def _part(self, number: int) -> tuple[str, int]:
        for part, units in self._units.items():
            if number < units:
                return part, number
            number -= units
        raise IndexError(number)

    def _free(self, part: str, within: int) -> int:
        """The number of a part's shard, those that stand already left out."""
        taken = self._taken.get(part, [])
        number = within
        for one in taken:  # sorted
            number += one <= number
        return number


def _counts(plan: Plan, listed: Listed) -> _Counts:
    rows = plan.rows
    if isinstance(rows, RowTable):
        copies, original = rows.copies, rows.originals
    else:
        copies = np.fromiter((row.copies for row in rows), np.int64, len(rows))
        original = np.fromiter((row.with_original for row in rows), np.bool_, len(rows))
    have = np.zeros(len(rows), np.int64)
    if listed.copies or listed.originals:
        original = original.copy()
        for i, row in enumerate(rows):
            gaps = list(listed.gaps(row.series, row.copies))
            if len(gaps) > 1 or (gaps and gaps[0].stop != row.copies):
                raise PlanError(
                    f"{printable(row.source.where)}: copies {gaps[0].start} to {gaps[0].stop - 1} were removed, later ones stand; "
                    "mend it by the same command without --shard first"
                )
            have[i] = gaps[0].start if gaps else row.copies
            original[i] &= row.original not in listed.originals
    return _Counts(have, copies, original)


def _parts(plan: Plan) -> tuple[str, ...]:
    return plan.split.parts if plan.split is not None else ("",)


def _of_part(plan: Plan) -> NDArray[np.int64]:
    if plan.split is None:
        return np.zeros(len(plan.rows), np.int64)
    parts = plan.split.parts
    if isinstance(plan.rows, RowTable):
        found: NDArray[np.int64] = np.argmax([plan.rows.of_parts(part) for part in parts], axis=0)
        return found
    return np.fromiter((parts.index(row.part) for row in plan.rows), np.int64, len(plan.rows))


def _taken(listed: Listed, parts: Sequence[str] | dict[str, _Line]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {part: [] for part in parts}
    for name in listed.standing:
        part, _, number = name.removesuffix(".tar").rpartition("-")
        found.setdefault("" if part == "shard" else part, []).append(int(number))
    return {part: sorted(numbers) for part, numbers in found.items()}
