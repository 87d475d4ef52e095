"""Sources, a spec and an amount -> the plan; everything that can be wrong with it is said before a pixel is read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from augx.amounts import copies_of
from augx.annotations.base import Category, Layout
from augx.destination import destination
from augx.draws import labels
from augx.errors import PlanError, printable
from augx.packing.planned import array_form
from augx.packing.store import Store
from augx.plan import Plan
from augx.rows import COPY_NAME, Row, copy_name, folded, joined
from augx.sections import leaves
from augx.sources import Source, SourceSet, named_format, stored_bits
from augx.spec import Spec
from augx.split import TRAIN, Split, assign
from augx.wording import nearest
from augx.writers import FORMATS

NAME_MAX = 255  # bytes in a file's name, on every common file system
SHORT = 48  # characters, which are 4 bytes at most: with any number behind them, they are no name that is too long


def plan_copies(
    sources: Sequence[Source] | SourceSet,
    spec: Spec,
    *,
    total: int | None = None,
    copies: int | None = None,
    per_class: int | None = None,
    balance: str | int | None = None,
    originals: bool = False,
    split: Split | str | None = None,
    parts: Mapping[str, str] | None = None,
    to: str = "",
    shard_size: str = "",
) -> Plan:
    """The plan for exactly one of: ``total`` copies in all, ``copies`` of each source, ``per_class`` of each class, or ``balance``.

    ``balance`` (``max``, ``median`` or a number) brings every class to as many files, its originals, which are put beside the
    copies, among them; of annotated sets, every category to as many instances. What the spec says of single classes' totals
    stands instead for these. Shares are even: sources of one plan (or class) differ by one copy at most; a class is that of the
    sources, before the spec relabels copies. ``split`` divides the sources; only its train part gets copies, the others are
    there as they are. ``parts`` (key -> part) tells where sources are already. ``to`` (see ``destination``) says what is written,
    shards of ``shard_size`` among them. Raises ``PlanError`` for all that can't be,
    names that would clash or are too long, and formats that can't hold what a source has.
    """
    whole = sources if isinstance(sources, SourceSet) else SourceSet(list(sources))
    if not whole.sources:
        raise PlanError("no pictures are given")
    split = Split.parse(split) if isinstance(split, str) else split
    layout, store, further = destination(to, shard_size, whole.layout, split.parts if split is not None else (), whole.sources)
    layout = layout and _complete(layout, spec)
    of_part, notes = assign(whole.sources, split, parts) if split is not None else ([""] * len(whole.sources), [])
    trained = whole.sources if split is None else [source for source, part in zip(whole.sources, of_part, strict=True) if part == TRAIN]
    annotated = whole.layout is not None and whole.layout.annotated
    counts, more = copies_of(
        trained, total=total, copies=copies, per_class=per_class, balance=balance, class_totals=spec.class_totals, annotated=annotated
    )
    check_classes(whole.sources, spec)
    possible = {label: _possible_labels(label, spec) for label in {source.label for source in whole.sources}}
    tops = {part: layout.top(part) if layout is not None and store is None else part for part in set(of_part)}
    arrays = store is not None and not store.mixed
    left, rows = iter(counts), []
    for source, part in zip(whole.sources, of_part, strict=True):
        count = next(left) if part in ("", TRAIN) else 0
        moved = _relabelled(source, spec, count, possible[source.label])
        with_original = originals or balance is not None or part not in ("", TRAIN)
        rows.append(Row(source, count, "npy" if arrays else planned_format(source, spec), moved, with_original, part, tops[part]))
    _check_names(rows)
    _check_reserved(rows, layout, store)
    _check_formats(rows, spec)
    if to == "hf" and any(row.format == "npy" for row in rows):
        raise PlanError("--to hf: its reader knows pictures, not .npy files; choose another --format, or --to npy")
    plan = Plan(tuple(rows), layout, store, split, whole.found_in, whole.reading, (*further, *notes, *more))
    return replace(plan, store=replace(store, form=array_form(plan, spec))) if store is not None and arrays else plan


def _complete(layout: Layout, spec: Spec) -> Layout:
    """The layout with the categories that the spec makes of others."""
    names = [category.name for category in layout.categories]
    further = dict.fromkeys(new for _, t in leaves(spec.nodes) for old, new in t.relabel.items() if old in names and new not in names)
    first = max((category.id for category in layout.categories), default=0) + 1
    more = tuple(Category(name, first + i) for i, name in enumerate(further))
    return replace(layout, categories=layout.categories + more) if more and names else layout


def planned_format(source: Source, spec: Spec) -> str:
    """The format that copies of a source are written in."""
    if spec.output.format != "source":
        return spec.output.format
    if source.pixels is not None:
        return "npy" if source.pixels.channels not in (1, 3, 4) or np.dtype(source.pixels.dtype).kind == "f" else "png"
    own = named_format(source.key)
    return own if own in FORMATS else "png"


def _possible_labels(label: str, spec: Spec) -> tuple[str, ...]:
    """The labels that copies of a source with this one may get."""
    own = spec.of_class(label)
    possible = dict.fromkeys([label])
    for _, transform in leaves(own.nodes) if own.relabels else ():
        possible |= dict.fromkeys(transform.relabel[old] for old in list(possible) if old in transform.relabel)
    return tuple(possible)


def _relabelled(source: Source, spec: Spec, copies: int, possible: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """The other labels that copies of this source may get, and how many do."""
    if len(possible) < 2:
        return ()
    own = spec.of_class(source.label)
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
        hint = "" if label in known or label in made else nearest(label, known, 0.8)
        if hint:
            raise PlanError(f"the spec's {printable(place)}: no source has this label{printable(hint)}")


def _check_names(rows: Sequence[Row]) -> None:
    stems: dict[str, Row] = {}
    for row in rows:
        for series in row.series:
            if len(series) > SHORT and len(os.fsencode(series.rpartition("/")[2])) + number_bytes(row.copies) > NAME_MAX:
                raise long_name(row.source)
            other = stems.setdefault(folded(series), row)
            if other is not row:
                raise same_copies(other.source, row.source)
    own_names: dict[str, Row] = {}
    for row in rows:
        if not row.with_original:
            continue
        same = own_names.setdefault(folded(row.original), row)
        if same is not row:
            raise same_originals(same.source, row.source)
        named = named_as_copy(row)
        other_row = named and stems.get(named[0])
        if named and other_row and named[1] < other_row.copies:
            raise original_as_copy(row.source, other_row.source)


def number_bytes(copies: int) -> int:
    """The bytes that the name of the last copy has beyond its series' own; no other file of the source has a longer name."""
    return len(copy_name("", max(copies - 1, 0), ""))


def named_as_copy(row: Row) -> tuple[str, int] | None:
    """The series (folded) and the number of the copy whose name the row's original has, if there can be one."""
    match = COPY_NAME.fullmatch(row.source.name)
    series = match and joined(row.folder(row.source.label), match["stem"]) + match["extension"]
    return (folded(series), int(match["copy"])) if match and series else None


def long_name(source: Source) -> PlanError:
    """The error for copies whose names no file can have."""
    return PlanError(f"{printable(source.where)}: its copies' names would be longer than {NAME_MAX} bytes; rename the source")


def same_copies(first: Source, second: Source) -> PlanError:
    """The error for two sources whose copies would have the same names."""
    return PlanError(
        f"the copies of {printable(first.where)} and of {printable(second.where)} would have the same names "
        "(also where a file system ignores case); rename one, or give them different labels"
    )


def same_originals(first: Source, second: Source) -> PlanError:
    """The error for two originals of one name."""
    return PlanError(
        f"the originals {printable(first.where)} and {printable(second.where)} would have the same name "
        "where a file system ignores case; rename one, or leave out --originals"
    )


def original_as_copy(original: Source, other: Source) -> PlanError:
    """The error for an original that has the name of a copy."""
    return PlanError(
        f"the original {printable(original.where)} would have the name of a copy of {printable(other.where)}; "
        "rename it, or leave out --originals"
    )


def _check_reserved(rows: Sequence[Row], layout: Layout | None, store: Store | None) -> None:
    tops = {place.partition("/")[0]: row.source for row in rows for place in (*row.series, row.original) if "/" in place}
    check_folders(tops, layout, store)


def check_folders(tops: Mapping[str, Source], layout: Layout | None, store: Store | None) -> None:
    """No folder in the output, given with a source that has it, may have the name of a file that the set has beside it."""
    closing = layout.closing(lambda: iter(())) if layout is not None and store is None else ()
    taken = {"manifest.jsonl", "run.json", "report.html", *(place for place, _ in closing), *(["index.json"] if store is not None else [])}
    for top, source in tops.items():
        if top.casefold() in taken:
            raise PlanError(
                f"{printable(source.where)}: its copies would go into a folder {printable(top)}, which is the name of a file of "
                "the set; rename the class, or give another --label"
            )


def _check_formats(rows: Sequence[Row], spec: Spec) -> None:
    rows = [row for row in rows if row.copies]
    check_sides({row.format for row in rows}, spec)
    deep = [row for row in rows if too_deep(row, spec)]
    if deep:
        raise deep_pictures(deep[0].source, len(deep), {row.format for row in deep})


def check_sides(formats: Iterable[str], spec: Spec) -> None:
    """No picture of the spec's size may be larger than the formats hold."""
    width, height = spec.output.size or (1, 1)
    for fmt in sorted(formats):
        if max(width, height) > FORMATS[fmt].max_side:
            raise PlanError(f"--size {width}x{height}: {fmt} holds at most {FORMATS[fmt].max_side} pixels a side")


def too_deep(row: Row, spec: Spec) -> bool:
    """Whether a source has more bits than its copies' format holds; its own is the one of its extension, so it needs no look."""
    return spec.output.format != "source" and not FORMATS[row.format].deep and stored_bits(row.source) > 8


def deep_pictures(first: Source, number: int, formats: Iterable[str]) -> PlanError:
    """The error for so many sources that are too deep."""
    return PlanError(
        f"{printable(first.where)}{f' and {number - 1} more' if number > 1 else ''}: 16 bits a channel, "
        f"which {'/'.join(sorted(formats))} can't hold; use --format png or tiff"
    )
