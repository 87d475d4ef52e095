"""Plan: which copies of which sources, into which files; known and checked before a pixel is read.

A plan is a table of sources with a number of copies each, never a list of outputs, so a billion copies cost no memory. The
table may be a saved plan's (``plans/table.py``), whose rows are read from its file when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augx.annotations.base import Layout
from augx.listed import Listed
from augx.packing.store import Store
from augx.plans.lines import mixing_rank
from augx.plans.table import RowTable
from augx.rows import Row
from augx.split import TRAIN, Split


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of copies of one source, and whether the untouched original goes with them."""

    row: Row
    copies: range
    original: bool = False

    def __len__(self) -> int:
        return len(self.copies) + self.original


Unit = tuple[Segment, ...]
"""What one worker makes in one go: a run of copies, of one source or of several small ones."""


@dataclass(frozen=True)
class Plan:
    """Sources by copies. ``layout`` is how the set's annotations are written (None: there are none), ``store`` what its pictures
    are packed into (None: files of their own), ``split`` how its sources are divided. ``found_in`` and ``reading`` are as in
    ``SourceSet``; ``notes`` are remarks for the user, one line each.
    """

    rows: Sequence[Row]
    layout: Layout | None = None
    store: Store | None = None
    split: Split | None = None
    found_in: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def copies(self) -> int:
        """All copies together."""
        if isinstance(self.rows, RowTable):
            return int(self.rows.copies.sum())
        return sum(row.copies for row in self.rows)

    @cached_property
    def originals(self) -> int:
        """How many untouched sources are put beside the copies."""
        if isinstance(self.rows, RowTable):
            return int(self.rows.originals.sum())
        return sum(row.with_original for row in self.rows)

    @property
    def files(self) -> int:
        """All pictures together."""
        return self.copies + self.originals

    def classes(self, part: str | None = None) -> dict[str, tuple[int, int, int]]:
        """Sources, copies and files of each class, after what the spec relabels; of one part of a split, or of all."""
        if isinstance(self.rows, RowTable):
            return self.rows.classes(part)
        found: dict[str, tuple[int, int, int]] = {}
        for row in self.rows:
            if part not in (None, row.part):
                continue
            moved = sum(copies for _, copies in row.relabelled)
            for label, more in ((row.source.label, row.copies - moved), *row.relabelled):
                own = label == row.source.label
                sources, copies, files = found.get(label, (0, 0, 0))
                found[label] = sources + own, copies + more, files + more + (row.with_original and own)
        return found

    def shares(self) -> tuple[int, int, int]:
        """Of the sources that are copied, of a split those of its train part: how many there are, the fewest copies of one, the most."""
        if isinstance(self.rows, RowTable):
            copies = self.rows.copies[self.rows.of_parts("", TRAIN)]
        else:
            copies = np.array([row.copies for row in self.rows if row.part in ("", TRAIN)], object)
        return len(copies), int(min(copies, default=0)), int(max(copies, default=0))

    def units(self, listed: Listed, size: int) -> Iterator[Unit]:
        """The work that ``listed`` leaves to do, in plan order, in units of about ``size`` files."""
        unit: list[Segment] = []
        room = size
        for segment in self._mixed(listed) if self.store is not None and self.store.mixed else self._missing(listed):
            copies, original = segment.copies, segment.original
            while copies or original:
                taken, copies = copies[: room - original], copies[room - original :]
                unit.append(Segment(segment.row, taken, original))
                room -= len(unit[-1])
                original = False
                if room < 1 or (room == 1 and self.originals):
                    yield tuple(unit)
                    unit, room = [], size
        if unit:
            yield tuple(unit)

    def _missing(self, listed: Listed) -> Iterator[Segment]:
        for row in self.rows:
            original = row.with_original and row.original not in listed.originals
            gaps = listed.gaps(row.series, row.copies)
            first = next(gaps, range(0))
            if first or original:
                yield Segment(row, first, original)
            yield from (Segment(row, gap) for gap in gaps)

    def ranks(self) -> NDArray[np.uint64]:
        """Hashes of the sources' keys, a row each: in their order, neighbours are of many classes."""
        if isinstance(self.rows, RowTable):
            return self.rows.ranks
        return np.fromiter((mixing_rank(row.source.key) for row in self.rows), np.uint64, len(self.rows))

    def _mixed(self, listed: Listed) -> Iterator[Segment]:
        """The same in rounds over all sources, in the order of their ranks."""
        assert self.store is not None
        run, rows = self.store.run, self.rows
        order = np.argsort(self.ranks(), kind="stable")
        copies = rows.copies if isinstance(rows, RowTable) else [row.copies for row in rows]
        for start in range(0, max(copies, default=0) or 1, run):
            for i in order:
                if copies[i] <= start and start:
                    continue
                row = rows[i]
                original = start == 0 and row.with_original and row.original not in listed.originals
                stop = min(start + run, row.copies)
                gaps = (range(max(gap.start, start), min(gap.stop, stop)) for gap in listed.gaps(row.series, stop))
                runs = [gap for gap in gaps if gap]
                if runs or original:
                    yield Segment(row, runs[0] if runs else range(0), original)
                yield from (Segment(row, gap) for gap in runs[1:])
