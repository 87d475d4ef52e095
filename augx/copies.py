"""A run of copies of one source -> finished files: drawn, applied, encoded, each with its manifest line. Nothing is written here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

import cv2

from augx.annotations.base import Layout
from augx.draws import CopyParams, draw, relabelled
from augx.errors import CopyError, SourceError
from augx.made import Made, renamings, targets_of
from augx.manifest import copy_line
from augx.packing.base import Item
from augx.plan import Segment
from augx.recipe import Recipe, recipes, resized
from augx.rejection import keep
from augx.rows import Row, copy_name, joined
from augx.sample import Sample
from augx.sources import source_bytes
from augx.spec import Spec, TargetRules
from augx.writers import encode

# Copies are computed and written in batches, so that one thread computes while another has the folder.
_BATCH_FILES = 16
_BATCH_PIXELS = 16_000_000
_NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """What every unit of a run has in common."""

    spec: Spec
    output: str
    max_pixels: int
    layout: Layout | None = None
    packed: bool = False
    mixed: bool = False
    """Sources come again and again, a few copies of each at a time."""
    flat: bool = False
    """Alpha is laid on white whatever the format can hold."""


class StopFlag(Protocol):
    """What tells work to end early."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is made but not written, with its objects, those it lost, and what was rejected before it was kept."""

    item: Item
    objects: int = 0
    dropped: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    unmet: bool = False


Copy = tuple[int, str, CopyParams, Recipe, Mapping[str, str]]
"""A number, the label, what it drew, its recipe, and what its objects are called if not as on the source."""


class _Drawn(NamedTuple):
    """What of a ``Kept`` its line tells."""

    params: CopyParams
    tried: int
    reasons: Mapping[str, int]
    unmet: tuple[str, ...]


def batches(job: Job, segment: Segment, sample: Sample) -> Iterator[list[Copy]]:
    """What a run of copies drew, in lists small enough to be held finished in memory."""
    if not segment.copies:
        return
    spec, copies = job.spec.of_class(segment.row.source.label), segment.copies
    draws = draw(spec, sample.key, copies)
    labels = relabelled(spec, segment.row.source.label, draws)
    renamed = renamings(spec, sample, draws)
    each = zip(copies, labels, draws.plain, recipes(spec, draws, sample), renamed, strict=True)
    size = max(1, min(_BATCH_FILES, _BATCH_PIXELS // sample.image.image.size))
    while batch := list(islice(each, size)):
        yield batch


def make(job: Job, row: Row, sample: Sample, batch: list[Copy], stop: StopFlag) -> tuple[list[Finished], str | None, bool]:
    """A batch finished; the reason why some are missing, if so; and whether the source gives no more."""
    spec, layout = job.spec.of_class(row.source.label), job.layout
    quality, reason, over = spec.output.quality, None, False
    series = {label: (row.folder(label), row.stem(label)) for label in dict.fromkeys(label for _, label, *_ in batch)}
    done: list[tuple[_Drawn, bytes, Made | None] | None] = []
    try:
        # Little but OpenCV in this loop: each call gives the GIL up for some 20 microseconds, and the less Python
        # stands between them, the less two threads wait for each other.
        for copy, label, params, recipe, renamed in batch:
            try:
                kept = keep(spec, sample, copy, recipe if layout is None else recipe.shared(), params)
                data, made = encode(kept.picture, row.format, quality), None
                if layout is not None:
                    folder, stem = series[label]
                    place = joined(folder, copy_name(stem, copy, row.extension))
                    made = _targets(layout, place, sample, kept.recipe, spec.targets, renamed)
                done.append((_Drawn(kept.params, kept.tried, kept.reasons, kept.unmet), data, made))
                del kept  # its pixels and maps: the next copy's go to the same memory, which is quicker than new
            except CopyError as error:
                reason = str(error)
                done.append(None)
            if stop.is_set():
                break
    except SourceError as error:
        reason, over = str(error), True
    except (cv2.error, MemoryError) as error:
        over = True
        reason = f"OpenCV can't make a copy: {getattr(error, 'err', None) or 'out of memory'}"
    each = zip(batch, done, strict=False)
    files = [_finished(row, sample, copy, label, series[label], *one) for (copy, label, *_), one in each if one is not None]
    return files, reason, over


def _finished(
    row: Row, sample: Sample, copy: int, label: str, series: tuple[str, str], kept: _Drawn, data: bytes, made: Made | None
) -> Finished:
    folder, stem = series
    place = joined(folder, copy_name(stem, copy, row.extension))
    about: dict[str, Any] = {"source": row.source.key, "label": label}
    if label != row.source.label:
        about["source_label"] = row.source.label  # whose changes to the spec it was made with
    drawn: dict[str, Any] = {"copy": copy, "params": kept.params}
    if kept.tried > 1:
        drawn |= {"tried": kept.tried, "rejected": dict(kept.reasons)}
    if kept.unmet:
        drawn["unmet"] = list(kept.unmet)
    line = _line(row, place, about | drawn, made, data, sample)
    return _whole(row, place, label, line, data, made, kept.reasons, bool(kept.unmet))


def original(job: Job, row: Row, sample: Sample) -> Finished:
    """The untouched source as a file of the set. Raises ``SourceError``."""
    source, layout = row.source, job.layout
    if job.packed and not job.mixed:
        data = encode(resized(job.spec, sample), row.format, 0)
    elif source.pixels is not None:
        data = encode(sample.image.image, row.format, job.spec.output.quality)
    else:
        data = source_bytes(source)
        if hashlib.sha256(data).hexdigest() != sample.sha256:
            raise SourceError("it changed while it was read")
    made = None if layout is None else targets_of(layout, row.original, sample, None, job.spec.targets, {})
    line = _line(row, row.original, {"source": source.key, "label": source.label, "original": True}, made, data, sample)
    return _whole(row, row.original, source.label, line, data, made)


def _line(row: Row, place: str, about: dict[str, Any], made: Made | None, data: bytes, sample: Sample) -> str:
    part = {"split": row.part} if row.part else {}
    columns = {"columns": dict(row.source.columns)} if row.source.columns else {}
    content = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "source_sha256": sample.sha256}
    return copy_line(file=place, **about, **part, **columns, **(made.fields if made else {}), **content)


def _whole(
    row: Row, place: str, label: str, line: str, data: bytes, made: Made | None, rejected: Mapping[str, int] = _NONE, unmet: bool = False
) -> Finished:
    objects, dropped, beside = (made.objects, made.dropped, made.beside) if made else (0, 0, ())
    return Finished(Item(place, line, data, label, row.part, beside), objects, dropped, rejected, unmet)


def _targets(layout: Layout, place: str, sample: Sample, recipe: Recipe, rules: TargetRules, renamed: Mapping[str, str]) -> Made:
    """``targets_of``; what goes wrong is the source's fault, and says so."""
    try:
        return targets_of(layout, place, sample, recipe, rules, renamed)
    except (SourceError, ValueError, cv2.error) as error:
        raise SourceError(f"its targets can't be moved: {error}") from None
