"""Plan: which copies of which sources, into which files; known and checked before a pixel is read.

A plan is a table of sources with a number of copies each, never a list of outputs, so a billion copies cost no memory.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from augx.annotations.base import Category, Layout
from augx.draws import labels
from augx.errors import PlanError, printable
from augx.manifest import Listed
from augx.rows import COPY_NAME, Row, folded, joined
from augx.sections import leaves
from augx.sources import EXTENSIONS, Source, SourceSet, stored_bits
from augx.spec import Spec
from augx.wording import nearest
from augx.writers import FORMATS

_NAME_MAX = 255  # bytes in a file's name, on every common file system


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
    """Sources by copies; ``originals`` says that the untouched sources are put beside their copies.

    ``layout`` is how the set's annotations are written (None: there are none); ``found_in`` and ``reading`` are as in ``SourceSet``.
    """

    rows: tuple[Row, ...]
    originals: bool = False
    layout: Layout | None = None
    found_in: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def copies(self) -> int:
        """All copies together."""
        return sum(row.copies for row in self.rows)

    @property
    def files(self) -> int:
        """All files together: copies, and originals where they are asked for."""
        return self.copies + len(self.rows) * self.originals

    def classes(self) -> dict[str, tuple[int, int, int]]:
        """Sources, copies and files of each class, after what the spec relabels."""
        found: dict[str, tuple[int, int, int]] = {}
        for row in self.rows:
            moved = sum(copies for _, copies in row.relabelled)
            for label, more in ((row.source.label, row.copies - moved), *row.relabelled):
                own = label == row.source.label
                sources, copies, files = found.get(label, (0, 0, 0))
                found[label] = sources + own, copies + more, files + more + (self.originals and own)
        return found

    def units(self, listed: Listed, size: int) -> Iterator[Unit]:
        """The work that ``listed`` leaves to do, in plan order, in units of about ``size`` files."""
        unit: list[Segment] = []
        room = size
        for segment in self._missing(listed):
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
            original = self.originals and row.original not in listed.originals
            gaps = listed.gaps(row.series, row.copies)
            first = next(gaps, range(0))
            if first or original:
                yield Segment(row, first, original)
            yield from (Segment(row, gap) for gap in gaps)


def plan_copies(
    sources: Sequence[Source] | SourceSet,
    spec: Spec,
    *,
    total: int | None = None,
    copies: int | None = None,
    per_class: int | None = None,
    originals: bool = False,
) -> Plan:
    """The plan for exactly one of: ``total`` copies in all, ``copies`` of each source, ``per_class`` of each class.

    Shares are even: sources of one plan (or class) differ by one copy at most; a class is that of the sources, before the
    spec relabels copies. Raises ``PlanError`` for names that would
    clash, names too long, and formats that can't hold what a source has.
    """
    whole = sources if isinstance(sources, SourceSet) else SourceSet(list(sources))
    layout = whole.layout and _complete(whole.layout, spec)
    sources = [_placed(source, layout) for source in whole.sources]
    given = {"--total": total, "--copies": copies, "--per-class": per_class}
    chosen = {name: n for name, n in given.items() if n is not None}
    if len(chosen) != 1:
        raise PlanError(f"say how many copies, by exactly one of --total, --copies, --per-class; found {' and '.join(chosen) or 'none'}")
    if not sources:
        raise PlanError("no pictures are given")
    ((name, n),) = chosen.items()
    if type(n) is not int or n < 1:
        raise PlanError(f"{name} {n}: expected a whole number, at least 1")
    if total is not None:
        counts = _spread(total, _in_turn(sources))
    elif copies is not None:
        counts = dict.fromkeys(range(len(sources)), copies)
    else:
        counts = {}
        for group in _by_label(sources).values():
            counts |= _spread(n, group)
    formats = [planned_format(source, spec) for source in sources]
    check_classes(sources, spec)
    rows = tuple(Row(source, counts[i], formats[i], _relabelled(source, spec, counts[i])) for i, source in enumerate(sources))
    _check_names(rows, originals)
    _check_formats(rows, spec)
    return Plan(rows, originals, layout, whole.found_in, whole.reading)


def _placed(source: Source, layout: Layout | None) -> Source:
    """A source whose copies go where the layout has its pictures."""
    return source if layout is None else replace(source, folder=joined(layout.pictures, source.folder).rstrip("/"))


def _complete(layout: Layout, spec: Spec) -> Layout:
    """The layout with the categories that the spec makes of others."""
    names = [category.name for category in layout.categories]
    further = dict.fromkeys(new for _, t in leaves(spec.nodes) for old, new in t.relabel.items() if old in names and new not in names)
    first = max((category.id for category in layout.categories), default=0) + 1
    more = tuple(Category(name, first + i) for i, name in enumerate(further))
    return replace(layout, categories=layout.categories + more) if more and names else layout


def _by_label(sources: Sequence[Source]) -> dict[str, list[int]]:
    groups = defaultdict(list)
    for i, source in enumerate(sources):
        groups[source.label].append(i)
    return groups


def _in_turn(sources: Sequence[Source]) -> list[int]:
    """Indices with the classes in turn, so that what can't be divided does not all go to the first class."""
    ranks = ((rank, i) for group in _by_label(sources).values() for rank, i in enumerate(group))
    return [i for _, i in sorted(ranks)]


def _spread(total: int, indices: Sequence[int]) -> dict[int, int]:
    base, rest = divmod(total, len(indices))
    return {i: base + (rank < rest) for rank, i in enumerate(indices)}


def planned_format(source: Source, spec: Spec) -> str:
    """The format that copies of a source are written in."""
    if spec.output.format != "source":
        return spec.output.format
    if source.pixels is not None:
        return "npy" if source.pixels.channels not in (1, 3, 4) or np.dtype(source.pixels.dtype).kind == "f" else "png"
    own = EXTENSIONS.get(os.path.splitext(source.name)[1].lower(), "png")
    return own if own in FORMATS else "png"


def _relabelled(source: Source, spec: Spec, copies: int) -> tuple[tuple[str, int], ...]:
    """The other labels that copies of this source may get, and how many do."""
    own = spec.of_class(source.label)
    possible = dict.fromkeys([source.label]) if own.relabels else {}
    for _, transform in leaves(own.nodes) if possible else ():
        possible |= dict.fromkeys(transform.relabel[label] for label in list(possible) if label in transform.relabel)
    if len(possible) < 2:
        return ()
    counts: Counter[str] = Counter()
    for start in range(0, copies, 65536):
        counts.update(labels(own, source.label, source.key, range(start, min(start + 65536, copies))))
    return tuple((label, counts[label]) for label in possible if label != source.label)


def check_classes(sources: Sequence[Source], spec: Spec) -> None:
    """A class of the spec that no source has is fine (the spec may be meant for a larger set), but for a slip of the pen."""
    known = sorted({source.label for source in sources})
    made = set()
    named = [(label, f"classes.{label}") for label in spec.classes]
    for own in {id(own): own for own in (spec, *(spec.of_class(label) for label in spec.classes))}.values():
        for _, transform in leaves(own.nodes):
            named += [(label, f"relabel: {{{label}: ...}}") for label in transform.relabel]
            made |= set(transform.relabel.values())
    for label, place in named:
        hint = nearest(label, known, 0.8)
        if label not in known and label not in made and hint:
            raise PlanError(f"the spec's {printable(place)}: no source has this label{printable(hint)}")


def _check_names(rows: Sequence[Row], originals: bool) -> None:
    stems: dict[str, Row] = {}
    for row in rows:
        for label in (row.source.label, *(label for label, _ in row.relabelled)):
            longest = max(row.file_name(max(row.copies - 1, 0), label), row.source.name, key=lambda name: len(os.fsencode(name)))
            if len(os.fsencode(longest)) > _NAME_MAX:
                raise PlanError(
                    f"{printable(row.source.where)}: its copies' names would be longer than {_NAME_MAX} bytes; rename the source"
                )
        for series in row.series:
            other = stems.setdefault(folded(series), row)
            if other is not row:
                raise PlanError(
                    f"the copies of {printable(other.source.where)} and of {printable(row.source.where)} would have the same names "
                    "(also where a file system ignores case); rename one, or give them different labels"
                )
    own_names: dict[str, Row] = {}
    for row in rows if originals else ():
        same = own_names.setdefault(folded(row.original), row)
        if same is not row:
            raise PlanError(
                f"the originals {printable(same.source.where)} and {printable(row.source.where)} would have the same name "
                "where a file system ignores case; rename one, or leave out --originals"
            )
        match = COPY_NAME.fullmatch(row.source.name)
        other_row = match and stems.get(folded(joined(row.source.folder, match["stem"]) + match["extension"]))
        if match and other_row and int(match["copy"]) < other_row.copies:
            raise PlanError(
                f"the original {printable(row.source.where)} would have the name of a copy of {printable(other_row.source.where)}; "
                "rename it, or leave out --originals"
            )


def _check_formats(rows: Sequence[Row], spec: Spec) -> None:
    width, height = spec.output.size or (1, 1)
    for fmt in sorted({row.format for row in rows}):
        if max(width, height) > FORMATS[fmt].max_side:
            raise PlanError(f"--size {width}x{height}: {fmt} holds at most {FORMATS[fmt].max_side} pixels a side")
    deep = [row for row in rows if not FORMATS[row.format].deep and stored_bits(row.source) > 8]
    if deep:
        kinds = Counter(row.format for row in deep)
        raise PlanError(
            f"{printable(deep[0].source.where)}{f' and {len(deep) - 1} more' if len(deep) > 1 else ''}: 16 bits a channel, "
            f"which {'/'.join(sorted(kinds))} can't hold; use --format png or tiff"
        )
