"""What a spec does to pictures, to be looked at: each transform alone, and the copies that ``augx generate`` would write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augx.decode import MAX_PIXELS
from augx.distributions import Normal, Range, TruncatedNormal, Whole
from augx.draws import Draws, draw
from augx.errors import CopyError, SourceError, printable
from augx.plan import Plan
from augx.ranges import Quantity
from augx.recipe import apply, recipes
from augx.review.sheet import CELL, Cell, Strip, thumbnail
from augx.rows import Row
from augx.sample import Sample
from augx.sections import Mix, leaves
from augx.sources import load
from augx.spec import Spec
from augx.transforms import Pixel, Transform
from augx.unit import Failure
from augx.writers import FORMATS

Array = np.ndarray[Any, Any]
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
    """The pictures in the plan's order, the transforms of the spec alone on the first one, and what could not be shown."""

    spec: Spec
    plan: Plan
    alone: tuple[Strip, ...]
    pictures: tuple[Picture, ...]
    failures: tuple[Failure, ...]

    def strips(self, name: str) -> list[Strip]:
        """All of it for a contact sheet; ``name`` is the spec's."""
        facts = (f"spec {name} ({self.spec.hash[:12]})", f"seed {self.spec.seed}", "copies are those that generate writes")
        head = facts if self.alone else (*facts, "no transform is on")
        found = [Strip("augx preview", head, (self.pictures[0].source,), beside=True), *self.alone]
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
    pictures: list[Picture] = []
    failures: list[Failure] = []
    alone: tuple[Strip, ...] | None = None
    seen: dict[int, set[str]] = {}
    for row in chosen_rows(plan, sources):
        try:
            sample = load(row.source, max_pixels, flat=not FORMATS[row.format].alpha)
            own = spec.of_class(row.source.label)
            if alone is None:
                alone = tuple(_alone(spec, sample, seen.setdefault(0, set())))
            strips = () if id(own) in seen or own is spec else tuple(_alone(own, sample, set(seen[0])))
            seen.setdefault(id(own), set())
            first = range(min(copies, row.copies))
            cells = tuple(shown(row, first) if shown is not None else _copies(own, sample, first))
        except SourceError as error:
            failures.append(Failure(row.source.path, str(error), row.copies + plan.originals))
            continue
        size = "{}x{}".format(*sample.image.size)
        pictures.append(Picture(row, Cell(thumbnail(sample.image.image), f"source {size}"), cells, strips))
    if not pictures:
        others = f" (and {len(failures) - 1} more pictures can't be read)" if len(failures) > 1 else ""
        raise SourceError(f"{printable(failures[0].source)}: {failures[0].reason}{others}")
    return Preview(spec, plan, alone or (), tuple(pictures), tuple(failures))


def chosen_rows(plan: Plan, sources: int | None) -> list[Row]:
    """The first so many sources of each class; those that can't be read are not replaced, but named."""
    if sources is None:
        return list(plan.rows)
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in plan.rows:
        by_label[row.source.label].append(row)
    return [row for rows in by_label.values() for row in rows[:sources]]


def _copies(spec: Spec, sample: Sample, copies: range) -> Iterator[Cell]:
    draws = draw(spec, sample.key, copies)
    return _cells(spec, sample, draws, [f"copy {copy}" for copy in copies])


def _cells(spec: Spec, sample: Sample, draws: Draws, captions: Sequence[str]) -> Iterator[Cell]:
    return (_cell(picture, caption) for picture, caption in zip(_made(spec, sample, draws), captions, strict=True))


def _made(spec: Spec, sample: Sample, draws: Draws) -> Iterator[Array | None]:
    """The copies' pictures, None for one that can't be made."""
    for recipe in recipes(spec, draws, sample):
        try:
            yield apply(recipe, sample)
        except CopyError:
            yield None


def _cell(picture: Array | None, caption: str, side: int = 0) -> Cell:
    """A picture, or with ``side`` only its middle of so many pixels."""
    if picture is None:
        return Cell(None, f"{caption}: can't be made")
    if side:
        top, left = max(0, (picture.shape[0] - side) // 2), max(0, (picture.shape[1] - side) // 2)
        picture = picture[top : top + side, left : left + side]
    return Cell(thumbnail(picture), caption)


def _is_fine(source: Array, picture: Array | None) -> bool:
    """Whether most of a change gets lost when pictures are made small: noise, blur and what compression leaves."""
    if picture is None or picture.shape != source.shape or max(picture.shape[:2]) < 2 * CELL:
        return False
    top = 1 if picture.dtype.kind == "f" else np.iinfo(picture.dtype).max
    whole = np.square((picture.astype(np.float32) - source) * np.float32(255 / top)).mean() ** 0.5
    small = np.square(thumbnail(picture).astype(np.float32) - thumbnail(source)).mean() ** 0.5
    return bool(small < whole / 2)


def _alone(spec: Spec, sample: Sample, seen: set[str]) -> Iterator[Strip]:
    """A strip for each number of each transform that varies, but for those in ``seen``, which get entered."""
    for place, node in spec.nodes:
        if isinstance(node, Mix):
            yield from _mixed(spec, place, sample)
    for place, transform in leaves(spec.nodes):
        # A policy has each of its transforms many times, more or less likely.
        same = f"{transform.name} {transform.model_dump_json(exclude={'p'} if place.startswith('policy') else None)}"
        if same in seen or not transform.p:
            continue
        seen.add(same)
        quantities = transform.quantities()
        ranges = {field: getattr(transform, field) for field in quantities}
        varying = [field for field, found in ranges.items() if found.bounds()[0] < found.bounds()[1]]
        for field in varying or [next(iter(quantities), "")]:
            yield _strip(spec, place, transform, field, sample)


def _strip(spec: Spec, place: str, transform: Transform, field: str, sample: Sample) -> Strip:
    """One number of one transform at its low end, its middle and its high end, its others in their middles."""
    quantities = transform.quantities()
    column = list(quantities).index(field) if field else 0
    u = np.full((3, 15), 0.5)
    u[:, column] = _ends(getattr(transform, field)) if field else (0, 0.5, 1 - 2**-53)
    params = transform.draw(u)
    param = quantities[field].param if field else next(iter(params), "")
    captions = [_caption(param, value) for value in params[param].tolist()] if param else ["on"] * 3
    kept = [i for i, caption in enumerate(captions) if caption not in captions[:i]]
    if field:
        kept.sort(key=params[param].tolist().__getitem__)  # choices stand in any order
    draws = Draws(len(kept), {place: {name: values[kept] for name, values in params.items()}}, {place: np.ones(len(kept), bool)})
    details = [_described(quantities[field], getattr(transform, field))] if field else []
    details += [f"p {transform.p:g}"] if transform.p < 1 and not place.startswith("policy") else []
    if transform.of_colour and sample.image.image.ndim == 2:
        details.append("nothing to a grey picture")
    pictures = list(_made(spec, sample, draws))
    fine = isinstance(transform, Pixel) and any(_is_fine(sample.image.image, picture) for picture in pictures)
    details += ["the middle, pixel for pixel"] if fine else []
    cells = [_cell(picture, captions[i], CELL if fine else 0) for picture, i in zip(pictures, kept, strict=True)]
    return Strip(place, tuple(details), tuple(cells), beside=True)


def _ends(found: Range) -> tuple[float, float, float]:
    """Uniforms of a range's low end, middle and high end; what a normal draws once in a hundred times is its end."""
    form = found.form if isinstance(found, Whole) else found
    return (0.01, 0.5, 0.99) if isinstance(form, Normal | TruncatedNormal) else (0, 0.5, 1 - 2**-53)


def _described(quantity: Quantity, found: Range) -> str:
    low, high = found.bounds()
    span = f"{low:g} to {high:g}" if low < high else f"{low:g}"
    return f"{quantity.param} {span} ({quantity.unit})"


def _caption(param: str, value: Any) -> str:
    return f"{param} {value:.4g}" if isinstance(value, float) else f"{param} {value}"


def _mixed(spec: Spec, place: str, sample: Sample) -> Iterator[Strip]:
    """The first copies of a mix alone."""
    draws = draw(spec, sample.key, range(64))
    on = np.flatnonzero(draws.active.get(place, np.zeros(64, bool)))[:3]
    if len(on):
        params = {where: {name: v[on] for name, v in drawn.items()} for where, drawn in draws.params.items() if where.startswith(place)}
        alone = Draws(len(on), params, {where: draws.active[where][on] for where in params})
        yield Strip(place, ("as copies draw it",), tuple(_cells(spec, sample, alone, [f"of copy {i}" for i in on])), beside=True)
