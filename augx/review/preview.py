"""What a spec does to pictures, to be looked at: each transform alone, and the copies that ``augx generate`` would write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from augx.decode import MAX_PIXELS
from augx.draws import draw, relabelled
from augx.errors import PlanError, SourceError, printable
from augx.plan import Plan
from augx.review.alone import alone, alone_of_class, cell, made
from augx.review.sheet import Cell, Strip, thumbnail
from augx.rows import Row
from augx.sample import Sample
from augx.sources import load
from augx.spec import Spec
from augx.unit import Failure
from augx.writers import FORMATS

MOST = 6000
"""Pictures that a sheet or a report shows at most, sources and copies."""
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
    """The pictures in the plan's order, the spec's transforms alone on one of them (``source``), and what could not be shown."""

    spec: Spec
    plan: Plan
    source: Cell
    alone: tuple[Strip, ...]
    pictures: tuple[Picture, ...]
    failures: tuple[Failure, ...]

    def strips(self, name: str) -> list[Strip]:
        """All of it for a contact sheet; ``name`` is the spec's."""
        facts = (f"spec {name} ({self.spec.hash[:12]})", f"seed {self.spec.seed}", "copies are those that generate writes")
        head = facts if self.alone else (*facts, "no transform is on")
        found = [Strip("augx preview", head, (self.source,), beside=True), *self.alone]
        for picture in self.pictures:
            source = picture.row.source
            found.append(Strip(source.key, (f"class {source.label}",) if source.label else (), (picture.source, *picture.copies)))
            found += picture.alone
        return found


def preview(
    plan: Plan, spec: Spec, *, copies: int = 11, sources: int | None = None, max_pixels: int = MAX_PIXELS, shown: Shown | None = None
) -> Preview:
    """Pictures of ``sources`` sources of each class (all by default), each with its first ``copies`` copies.

    Raises ``SourceError`` where not one source can be read.
    """
    rows = chosen_rows(plan, sources)
    if len(rows) * (copies + 1) > MOST:
        raise PlanError(f"{len(rows)} pictures with {copies} copies each: at most {MOST} in all can be shown; use --sources and --show")
    pictures: list[Picture] = []
    failures: list[Failure] = []
    basis: dict[bool, Sample] = {}
    told = {id(spec)}
    for row in rows:
        label = row.source.label
        try:
            sample = load(row.source, max_pixels, flat=not FORMATS[row.format].alpha)
            own = spec.of_class(label)
            strips = () if id(own) in told else tuple(alone_of_class(spec, own, label, sample))
            first = range(min(copies, row.copies))
            cells = tuple(shown(row, first) if shown is not None else _copies(own, label, sample, first))
        except SourceError as error:
            failures.append(Failure(row.source.where, str(error), row.copies + plan.originals))
            continue
        told.add(id(own))
        basis.setdefault(own is spec, sample)
        size = "{}x{}".format(*sample.image.size)
        pictures.append(Picture(row, Cell(thumbnail(sample.image.image), f"source {size}"), cells, strips))
    if not pictures:
        others = f" (and {len(failures) - 1} more pictures can't be read)" if len(failures) > 1 else ""
        raise SourceError(f"{printable(failures[0].source)}: {failures[0].reason}{others}")
    # On a picture that these settings are for, if there is one.
    sample = basis.get(True) or basis[False]
    source = Cell(thumbnail(sample.image.image), "source {}x{}".format(*sample.image.size))
    return Preview(spec, plan, source, tuple(alone(spec, sample)), tuple(pictures), tuple(failures))


def chosen_rows(plan: Plan, sources: int | None) -> list[Row]:
    """The first so many sources of each class; those that can't be read are not replaced, but named."""
    if sources is None:
        return list(plan.rows)
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in plan.rows:
        by_label[row.source.label].append(row)
    return [row for rows in by_label.values() for row in rows[:sources]]


def _copies(spec: Spec, label: str, sample: Sample, copies: range) -> Iterator[Cell]:
    draws = draw(spec, sample.key, copies)
    pictures = made(spec, sample, draws)
    for copy, becomes, picture in zip(copies, relabelled(spec, label, draws), pictures, strict=True):
        yield cell(picture, f"copy {copy}" if becomes == label else f"copy {copy}, {becomes}")
