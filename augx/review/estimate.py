"""What a plan will cost, in pixels, bytes and seconds: some copies of some sources are made in memory, and measured."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from augx.decode import MAX_PIXELS
from augx.draws import draw
from augx.errors import CopyError, SourceError
from augx.executors import available_cores
from augx.plan import Plan
from augx.recipe import recipes
from augx.rejection import keep
from augx.rows import Row
from augx.sources import load, stored_size
from augx.spec import Spec
from augx.unit import Failure, one_thread_cv2
from augx.writers import FORMATS, encode

_BINS = 32
_COPIES = 2
_PIXELS = 80_000_000
_SMALL = 1_000_000  # pixels: so cheap that it is always measured
_LEAST = 4
_MANY = 8192
"""Sources of which each one's size is looked up."""
START_SECONDS = 0.3
"""What a run takes before its first copy."""
_FILE_SECONDS = 0.0001
"""To write a file and its line: what 20,000 copies of 64x64 take beyond computing them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Files by what they cost: pixels of all copies, bytes of all files, and one worker's seconds to make them."""

    pixels: float = 0
    bytes: float = 0
    seconds: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.pixels + other.pixels, self.bytes + other.bytes, self.seconds + other.seconds)

    def times(self, factor: float) -> Cost:
        """That many of these files."""
        return Cost(self.pixels * factor, self.bytes * factor, self.seconds * factor)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of each class and of ``jobs`` workers' run, from ``copies`` trial copies of ``probed`` sources.

    ``failures`` are probed sources that can't be read, of which each lacks all its copies; others like them cost nothing.
    """

    classes: dict[str, Cost]
    probed: int
    copies: int
    failures: tuple[Failure, ...]
    jobs: int

    @property
    def total(self) -> Cost:
        """All classes together."""
        return sum(self.classes.values(), Cost())

    def seconds(self, cost: Cost) -> float:
        """How long the workers will take for some of the files, start-up left aside."""
        return cost.seconds / self.jobs

    def wall(self, share: float = 1.0) -> float:
        """Seconds from the command's start to its end for a share of the files."""
        return START_SECONDS * (share > 0) + self.seconds(self.total) * share


@dataclass(frozen=True, slots=True)
class _Probe:
    """What was measured on one source: its size in bytes, the mean cost of a copy, and seconds to decode it."""

    size: int
    copy: Cost
    decoding: float


def estimate_plan(plan: Plan, spec: Spec, *, jobs: int | None = None, max_pixels: int = MAX_PIXELS) -> Estimate:
    """The cost of a plan. At most some 80 million pixels are computed of large pictures, so it takes a few seconds however large the plan.

    The sources are sorted by class (where there are few), format and size, and cut into bins that weigh alike, half by copies
    and half by bytes (a stratified sample; Cochran, "Sampling Techniques", 1977, chapter 5, and 9A on sizes); what the source
    in a bin's middle gives stands for its bin, also when that can't be read. Of many sources, some thousands stand for all.
    """
    if len(plan.rows) > _MANY:
        return _scaled(plan, spec, jobs, max_pixels)
    sizes = [_size(row) for row in plan.rows]
    kinds = _kinds(plan, spec)
    if not plan.copies:
        return _originals_alone(plan, sizes)
    order = sorted((i for i, row in enumerate(plan.rows) if row.copies), key=lambda i: (kinds[i], sizes[i]))
    copies = np.array([plan.rows[i].copies for i in order], float)
    weights = copies / copies.sum() + (loads := copies * [sizes[i] for i in order]) / loads.sum()
    edges = np.cumsum(weights) / weights.sum()
    middles = edges - weights / weights.sum() / 2
    chosen = [order[min(int(np.searchsorted(edges, (b + 0.5) / _BINS)), len(order) - 1)] for b in range(_BINS)]
    probes, failures, made = _probed(plan, spec, chosen, sizes, max_pixels)
    classes = {label: Cost() for label in plan.classes()}
    at = np.array(sorted(probes))
    nearest = at[np.abs(at + 0.5 - middles[:, None] * _BINS).argmin(axis=1)].tolist()
    for i, b in zip(order, nearest, strict=True):
        row, found = plan.rows[i], probes[b]
        if found is None:
            continue
        # Copies of the source's own size grow with it; those of a fixed size are alike within a bin.
        one = found.copy.times(1 if spec.output.size else sizes[i] / found.size) + Cost(seconds=found.decoding / row.copies + _FILE_SECONDS)
        for label, n in ((row.source.label, row.copies - sum(n for _, n in row.relabelled)), *row.relabelled):
            classes[label] += one.times(n)
    for row, size in zip(plan.rows, sizes, strict=True):
        if row.with_original:
            classes[row.source.label] += Cost(bytes=size, seconds=_FILE_SECONDS)
    probed = len({chosen[b] for b, probe in probes.items() if probe is not None})
    return Estimate(classes, probed, made, failures, min(jobs or available_cores(), max(plan.files, 1)))


def _scaled(plan: Plan, spec: Spec, jobs: int | None, max_pixels: int) -> Estimate:
    """The cost by rows at even distances, each class brought to its number of copies and originals; no other row is read.

    A class that none of these rows is of costs what all of them cost on average.
    """
    few = replace(plan, rows=tuple(plan.rows[i] for i in np.linspace(0, len(plan.rows) - 1, _MANY).astype(int).tolist()))
    made = replace(few, rows=tuple(replace(row, with_original=False) for row in few.rows))
    found = estimate_plan(made, spec, jobs=jobs, max_pixels=max_pixels)
    beside = _originals_alone(few, [_size(row) if row.with_original else 0 for row in few.rows])
    classes = {label: Cost() for label in plan.classes()}
    wanted, there = plan.classes(), few.classes()
    copy, original = found.total.times(1 / max(few.copies, 1)), beside.total.times(1 / max(few.originals, 1))
    for label, (_, copies, files) in wanted.items():
        _, some, some_files = there.get(label, (0, 0, 0))
        classes[label] = found.classes[label].times(copies / some) if some else copy.times(copies)
        more, some_more = files - copies, some_files - some
        classes[label] += beside.classes[label].times(more / some_more) if some_more else original.times(more)
    return replace(found, classes=classes, jobs=min(jobs or available_cores(), max(plan.files, 1)))


def _originals_alone(plan: Plan, sizes: Sequence[int]) -> Estimate:
    """The cost of a plan without copies."""
    classes = {label: Cost() for label in plan.classes()}
    for row, size in zip(plan.rows, sizes, strict=True):
        if row.with_original:
            classes[row.source.label] += Cost(bytes=size, seconds=_FILE_SECONDS)
    return Estimate(classes, 0, 0, (), 1)


def _kinds(plan: Plan, spec: Spec) -> list[tuple[str, str, str]]:
    """What makes copies of equal bytes unlike: their class, unless there are many; settings of its own; the two formats."""
    labels = {row.source.label for row in plan.rows}
    told = labels if len(labels) <= _BINS // 4 else {label for label in labels if spec.of_class(label) is not spec}
    extensions = [os.path.splitext(row.source.name)[1].lower() for row in plan.rows]
    return [
        (row.source.label if row.source.label in told else "", row.format, kind) for row, kind in zip(plan.rows, extensions, strict=True)
    ]


def _size(row: Row) -> int:
    try:
        return max(os.stat(row.source.path).st_size if row.source.part is None else row.source.part.size, 1)
    except OSError:
        return 1


def _spread(n: int) -> Iterator[int]:
    """0 to n - 1 (a power of two), any beginning of which is spread evenly (van der Corput, 1935)."""
    bits = n.bit_length() - 1
    return (int(f"{i:0{bits}b}"[::-1], 2) for i in range(n))


def _probed(
    plan: Plan, spec: Spec, chosen: Sequence[int], sizes: Sequence[int], max_pixels: int
) -> tuple[dict[int, _Probe | None], tuple[Failure, ...], int]:
    """Measured sources by bin (None: it can't be read), those that can't be read, and the number of trial copies."""
    found: dict[int, _Probe | None] = {}
    by_row: dict[int, _Probe | None] = {}
    failures: list[Failure] = []
    often = Counter(chosen)
    made, pixels = 0, 0.0
    with one_thread_cv2():
        for b in _spread(_BINS):
            i = chosen[b]
            row = plan.rows[i]
            if i not in by_row:
                enough = pixels > _PIXELS and sum(probe is not None for probe in by_row.values()) >= min(_LEAST, len(often))
                if enough and _pixels(row) > _SMALL:
                    continue
                room = _PIXELS * often[i] / _BINS
                try:
                    probe, copies = _measured(row, spec, range(min(_COPIES * often[i], row.copies)), sizes[i], max_pixels, room)
                    made += copies
                    pixels += probe.copy.pixels * copies
                    by_row[i] = probe
                except SourceError as error:
                    failures.append(Failure(row.source.where, str(error), row.copies + row.with_original))
                    by_row[i] = None
            found[b] = by_row[i]
    return found, tuple(failures), made


def _pixels(row: Row) -> int:
    """Pixels of a source by its header; 0 for one that can't be read."""
    try:
        width, height = stored_size(row.source)
    except SourceError:
        return 0
    return width * height


def _measured(row: Row, spec: Spec, copies: range, size: int, max_pixels: int, room: float) -> tuple[_Probe, int]:
    """Some copies of one source, as a worker would make them, until ``room`` pixels are made, and their number."""
    began = time.thread_time()
    sample = load(row.source, max_pixels, flat=not FORMATS[row.format].alpha)
    decoding = time.thread_time() - began
    own = spec.of_class(row.source.label)
    pixels = written = made = 0
    began = time.thread_time()
    draws = draw(own, sample.key, copies)
    for copy, params, recipe in zip(copies, draws.plain, recipes(own, draws, sample), strict=True):
        try:
            picture = keep(own, sample, copy, recipe, params).picture
            written += len(encode(picture, row.format, spec.output.quality))
        except CopyError:
            continue
        made += 1
        pixels += picture.shape[0] * picture.shape[1]
        if pixels >= room:
            break
    if not made:
        raise SourceError("none of its copies can be made")
    each = (time.thread_time() - began) / made
    return _Probe(size, Cost(pixels / made, written / made, each), decoding), made
