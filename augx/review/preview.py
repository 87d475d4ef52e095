"""What a spec does to pictures, to be looked at: each transform alone, and the copies that ``augx generate`` would write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from augx.decode import MAX_PIXELS
from augx.draws import relabelled
from augx.errors import PlanError, SourceError, printable
from augx.plan import Plan
from augx.rejection import final_draws
from augx.review.alone import alone, alone_of_class, cell, made
from augx.review.marking import Marking
from augx.review.marks import Colour, swatch
from augx.review.sheet import Cell, Strip
from augx.rows import Row
from augx.sample import Sample
from augx.sources import load
from augx.spec import Spec
from augx.unit import Failure
from augx.writers import FORMATS

MOST = 6000
"""Pictures that a sheet or a report shows at most, sources and copies."""
LEGEND = 24
"""Categories that a sheet or a report names with their colours, at most."""
Shown = Callable[[Row, range], Iterator[Cell]]
"""Where the cells of a source's copies come from, if not from the spec: the files that a run has written."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One source and its copies as cells; ``alone`` holds what is shown of the transforms that its class has for itself."""

    row: Row
    source: Cell
    copies: tuple[Cell, ...]
    alone: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The pictures in the plan's order, the spec's transforms alone on one of them (``source``), and what could not be shown.

    ``legend`` are the categories of the objects that are marked on the pictures, with their colours.
    """

    spec: Spec
    plan: Plan
    source: Cell
    alone: tuple[Strip, ...]
    pictures: tuple[Picture, ...]
    failures: tuple[Failure, ...]
    legend: tuple[tuple[str, Colour], ...] = ()

    def strips(self, name: str) -> list[Strip]:
        """All of it for a contact sheet; ``name`` is the spec's."""
        facts = (f"spec {name} ({self.spec.hash[:12]})", f"seed {self.spec.seed}", "copies are those that generate writes")
        head = facts if self.alone else (*facts, "no transform is on")
        found = [Strip("augx preview", head, (self.source,), beside=True)]
        if self.legend:
            more = (f"and {len(self.legend) - LEGEND} more",) if len(self.legend) > LEGEND else ()
            found.append(Strip("objects", more, tuple(Cell(swatch(colour), name) for name, colour in self.legend[:LEGEND])))
        found += self.alone
        for picture in self.pictures:
            source = picture.row.source
            found.append(Strip(source.key, (f"class {source.label}",) if source.label else (), (picture.source, *picture.copies)))
            found += picture.alone
        return found


def preview(
    plan: Plan,
    spec: Spec,
    *,
    copies: int = 11,
    sources: int | None = None,
    max_pixels: int = MAX_PIXELS,
    shown: Shown | None = None,
    targets: bool = True,
) -> Preview:
    """Pictures of ``sources`` sources of each class (all by default), each with its first ``copies`` copies.

    With ``targets`` the objects and masks of an annotated set are drawn over them. Raises ``SourceError`` where not one source can be read.
    """
    rows = chosen_rows(plan, sources)
    if len(rows) * (copies + 1) > MOST:
        raise PlanError(f"{len(rows)} pictures with {copies} copies each: at most {MOST} in all can be shown; use --sources and --show")
    pictures: list[Picture] = []
    failures: list[Failure] = []
    marking = Marking(plan.layout if targets else None)
    basis: dict[bool, tuple[str, Sample]] = {}
    legend: dict[str, Colour] = {}
    told = {id(spec)}
    flat = plan.store is not None and plan.store.flat
    for row in rows:
        label = row.source.label
        try:
            sample = load(row.source, max_pixels, flat=flat or not FORMATS[row.format].alpha)
            own = spec.of_class(label)
            strips = () if id(own) in told else tuple(alone_of_class(spec, own, label, sample, marking))
            first = range(min(copies, row.copies))
            cells = tuple(shown(row, first) if shown is not None else _copies(own, label, sample, first, marking))
        except SourceError as error:
            failures.append(Failure(row.source.where, str(error), row.copies + row.with_original))
            continue
        told.add(id(own))
        basis.setdefault(own is spec, (row.source.where, sample))
        legend.update(marking.legend(own, sample))
        pictures.append(Picture(row, _source(sample, marking), cells, strips))
    if not pictures:
        others = f" (and {len(failures) - 1} more pictures can't be read)" if len(failures) > 1 else ""
        raise SourceError(f"{printable(failures[0].source)}: {failures[0].reason}{others}")
    # On a picture that these settings are for, if there is one.
    where, sample = basis.get(True) or basis[False]
    try:
        strips = tuple(alone(spec, sample, marking))
    except SourceError as error:
        raise SourceError(f"{printable(where)}: {error}") from None
    known = sorted(legend.items(), key=lambda one: (marking.places.get(one[0], len(marking.places)), one[0]))
    return Preview(spec, plan, _source(sample, marking), strips, tuple(pictures), tuple(failures), tuple(known))


def _source(sample: Sample, marking: Marking) -> Cell:
    return Cell(marking.thumbnail(sample.image.image, marking.of_source(sample)), "source {}x{}".format(*sample.image.size))


def chosen_rows(plan: Plan, sources: int | None) -> list[Row]:
    """The first so many sources of each class, those with copies before others; one that can't be read is not replaced, but named."""
    if sources is None:
        return list(plan.rows)
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in plan.rows:
        by_label[row.source.label].append(row)
    return [row for rows in by_label.values() for row in sorted(rows, key=lambda row: not row.copies)[:sources]]


def _copies(spec: Spec, label: str, sample: Sample, copies: range, marking: Marking) -> Iterator[Cell]:
    draws = final_draws(spec, sample, copies)
    each = zip(copies, relabelled(spec, label, draws), made(spec, sample, draws, marking), strict=True)
    for copy, becomes, (picture, marks) in each:
        yield cell(picture, f"copy {copy}" if becomes == label else f"copy {copy}, {becomes}", marking, marks)
