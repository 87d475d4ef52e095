"""Planning source by source: a saved plan as ``plan_copies`` and ``save_plan`` would make it, of any number of sources in little memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from augx.amounts import copies_of
from augx.destination import destination
from augx.plan import Plan
from augx.plan_file import about
from augx.planning import check_classes, check_folders, check_sides, deep_pictures, planned_format, too_deep
from augx.plans.names import Names
from augx.plans.ordered import HeldError as HeldError
from augx.plans.ordered import Ordered
from augx.plans.ordered import ordered_sources as ordered_sources
from augx.plans.shares import shares
from augx.plans.table import MOST, TableWriter, new_plan_file
from augx.rows import Row
from augx.sources import Source
from augx.spec import Spec


def save_ordered(
    found: Ordered,
    spec: Spec,
    path: str | os.PathLike[str],
    *,
    total: int | None = None,
    copies: int | None = None,
    per_class: int | None = None,
    originals: bool = False,
    to: str = "",
    shard_size: str = "",
) -> None:
    """Write the plan that ``plan_copies`` would make of these sources; each is looked at once, and forgotten.

    Raises ``HeldError`` for what needs all of them at once: arrays, indexes, relabelled copies. Else as these two functions do.
    """
    held = to not in ("", "folders", "webdataset") or any(spec.of_class(label).relabels for label in ("", *spec.classes))
    if held or max(total or 0, copies or 0, per_class or 0, *spec.class_totals.values(), 0) >= MOST >> 24:
        raise HeldError
    layout, store, further = destination(to, shard_size, None, (), ())
    assert layout is None
    with new_plan_file(os.fspath(path)) as file:
        table, seen = TableWriter(file), _Seen(spec, originals)
        for source in found.sources:
            row = Row(source, 0, planned_format(source, spec), (), originals)
            table.add(row)
            seen.add(row)
        labels = list(seen.labels)
        alone = [Source("", "", label, "") for label in labels]  # what can be wrong with amounts hangs on the classes alone
        totals = spec.class_totals
        _, notes = copies_of(alone, total=total, copies=copies, per_class=per_class, class_totals=totals)
        check_classes(alone, spec)
        classes = np.frombuffer(seen.classes, np.int32)
        counts = shares(classes, labels, total=total, copies=copies, per_class=per_class, totals=totals)
        seen.names.check(counts, table.row)
        check_folders({top: table.row(i).source for top, i in seen.tops.items()}, layout, store)
        seen.check_formats(counts, table)
        every = dict(zip(labels, _told(classes, counts, len(labels), originals), strict=True))
        plan = Plan((), layout, store, None, found.found_in, found.reading, (*further, *notes))
        kept, one = np.full(len(counts), originals), np.zeros(len(counts), np.uint16)
        table.finish(counts, kept, (one, [("", "")]), {"": every}, about(plan, spec))


class _Seen:
    """What all rows together must hold to: a few numbers a row."""

    def __init__(self, spec: Spec, originals: bool) -> None:
        self._spec = spec
        self.names = Names(originals=originals)
        self.labels: dict[str, int] = {}
        self.classes = array("i")
        self.tops: dict[str, int] = {}
        self._formats: dict[str, int] = {}
        self._format = array("B")
        self._deep = array("Q")

    def add(self, row: Row) -> None:
        source, i = row.source, len(self.classes)
        self.classes.append(self.labels.setdefault(source.label, len(self.labels)))
        self.names.add(row)
        if source.folder:
            self.tops[source.folder.partition("/")[0]] = i
        self._format.append(self._formats.setdefault(row.format, len(self._formats)))
        if too_deep(row, self._spec):
            self._deep.append(i)

    def check_formats(self, counts: NDArray[np.int64], table: TableWriter) -> None:
        """As ``planning`` does, of rows with copies."""
        formats, of_row = list(self._formats), np.frombuffer(self._format, np.uint8)
        check_sides({formats[i] for i in np.unique(of_row[counts > 0])}, self._spec)
        deep = [i for i in self._deep if counts[i]]
        if deep:
            raise deep_pictures(table.row(deep[0]).source, len(deep), {formats[of_row[i]] for i in deep})


def _told(classes: NDArray[np.int32], counts: NDArray[np.int64], number: int, originals: bool) -> Iterator[tuple[int, int, int]]:
    """Sources, copies and files of each class."""
    sources = np.bincount(classes, minlength=number)
    copies = np.zeros(number, np.int64)
    for start in range(0, len(classes), 1 << 16):  # np.add.at in pieces: bincount's weights are floats
        np.add.at(copies, classes[start : start + (1 << 16)], counts[start : start + (1 << 16)])
    for s, c in zip(sources.tolist(), copies.tolist(), strict=True):
        yield s, c, c + s * originals
