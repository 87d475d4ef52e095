"""``run_unit``: the one function that makes copies, run alike by threads and processes.

Decode the source once, draw all, then for each copy: apply, encode, write, and one manifest line.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

import cv2

from augx.annotations.base import Layout
from augx.draws import CopyParams, draw, relabelled
from augx.errors import CopyError, SourceError, printable
from augx.files import put_files
from augx.made import Made, renamings, targets_of
from augx.manifest import copy_line
from augx.plan import Segment, Unit
from augx.recipe import Recipe, apply, recipes
from augx.rows import Row, copy_name, joined
from augx.sample import Sample
from augx.sources import Source, load, source_bytes
from augx.spec import Spec, TargetRules
from augx.writers import FORMATS, encode

# Copies are computed and written in batches, so that one thread computes while another has the folder.
_BATCH_FILES = 16
_BATCH_PIXELS = 16_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """What every unit of a run has in common."""

    spec: Spec
    output: str
    max_pixels: int
    layout: Layout | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not give all its files: how many are missing, and why."""

    source: str
    reason: str
    missing: int


@dataclass(slots=True)
class UnitResult:
    """What a unit made: (file, manifest line) in plan order, its failures, and whether a stop cut it short.

    Of annotated pictures also how many objects were written and dropped, and how many of each source were clipped to it.
    """

    made: list[tuple[str, str]] = field(default_factory=list)
    objects: int = 0
    dropped: int = 0
    clipped: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    stopped: bool = False


class StopFlag(Protocol):
    """What tells a unit to end early."""

    def is_set(self) -> bool: ...


_Copy = tuple[int, str, CopyParams, Recipe, Mapping[str, str]]
"""A number, the label, what it drew, its recipe, and what its objects are called if not as on the source."""


class _File(NamedTuple):
    folder: str
    name: str
    place: str
    data: bytes
    line: str
    made: Made | None = None


class Worker:
    """``run_unit`` with what its calls share: the job and the last decoded sources. Safe to call from many threads."""

    def __init__(self, job: Job, stop: StopFlag, sources: int = 1) -> None:
        self._job, self._stop = job, stop
        self._samples = _Samples(job.max_pixels, sources)
        cv2.setNumThreads(1)  # one core a worker: OpenCV's own threads would fight over the same ones
        cv2.ocl.setUseOpenCL(False)

    def run_unit(self, unit: Unit) -> UnitResult:
        """Make a unit's files; failures of sources are results, failures of the output raise ``WriteError``."""
        result = UnitResult()
        for segment in unit:
            if not result.stopped:
                self._run_segment(segment, result)
        return result

    def _run_segment(self, segment: Segment, result: UnitResult) -> None:
        row, before = segment.row, len(result.made)
        reason = None
        try:
            sample = self._samples.get(row.source, flat=not FORMATS[row.format].alpha)
            if sample.clipped:
                result.clipped[row.source.where] = sample.clipped
            if segment.original:
                reason = self._commit(row, [self._original(row, sample)], result)
            for batch in self._batches(segment, sample):
                files, fault, over = self._make(row, sample, batch)
                reason = self._commit(row, files, result) or fault or reason
                result.stopped = self._stop.is_set()
                if over or result.stopped:
                    break
        except SourceError as error:
            reason = str(error)
        missing = len(segment) - (len(result.made) - before)
        if missing and reason is not None:
            result.failures.append(Failure(row.source.where, reason, missing))

    def _batches(self, segment: Segment, sample: Sample) -> Iterator[list[_Copy]]:
        if not segment.copies:
            return
        spec, copies = self._job.spec.of_class(segment.row.source.label), segment.copies
        draws = draw(spec, sample.key, copies)
        labels = relabelled(spec, segment.row.source.label, draws)
        renamed = renamings(spec, sample, draws)
        each = zip(copies, labels, draws.plain, recipes(spec, draws, sample), renamed, strict=True)
        size = max(1, min(_BATCH_FILES, _BATCH_PIXELS // sample.image.image.size))
        while batch := list(islice(each, size)):
            yield batch

    def _make(self, row: Row, sample: Sample, batch: list[_Copy]) -> tuple[list[_File], str | None, bool]:
        """The files of a batch; the reason why some are missing, if so; and whether the source gives no more."""
        spec, layout = self._job.spec.of_class(row.source.label), self._job.layout
        quality, reason, over = spec.output.quality, None, False
        series = {label: (row.folder(label), row.stem(label)) for label in dict.fromkeys(label for _, label, *_ in batch)}
        done: list[tuple[bytes, Made | None] | None] = []
        try:
            # Little but OpenCV in this loop: each call gives the GIL up for some 20 microseconds, and the less Python
            # stands between them, the less two threads wait for each other.
            for copy, label, _, recipe, renamed in batch:
                try:
                    if layout is None:
                        done.append((encode(apply(recipe, sample), row.format, quality), None))
                    else:
                        both, (folder, stem) = recipe.shared(), series[label]
                        data = encode(apply(both, sample), row.format, quality)
                        place = joined(folder, copy_name(stem, copy, row.extension))
                        done.append((data, _targets(layout, place, sample, both, spec.targets, renamed)))
                except CopyError as error:
                    reason = str(error)
                    done.append(None)
                if self._stop.is_set():
                    break
        except SourceError as error:
            reason, over = str(error), True
        except (cv2.error, MemoryError) as error:
            over = True
            reason = f"OpenCV can't make a copy: {getattr(error, 'err', None) or 'out of memory'}"
        files: list[_File] = []
        for (copy, label, params, *_), one in zip(batch, done, strict=False):
            if one is None:
                continue
            data, made = one
            folder, stem = series[label]
            name = copy_name(stem, copy, row.extension)
            source = {"source": row.source.key, "label": label}
            if label != row.source.label:
                source["source_label"] = row.source.label  # whose changes to the spec it was made with
            content = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "source_sha256": sample.sha256}
            place = joined(folder, name)
            more = {**_columns(row.source), **(made.fields if made else {})}
            line = copy_line(file=place, **source, copy=copy, params=params, **more, **content)
            files.append(_File(folder, name, place, data, line, made))
        return files, reason, over

    def _put(self, files: Sequence[tuple[str, bytes]]) -> set[str]:
        """Write files (place, bytes), folder by folder; the places that others' files have."""
        folders: dict[str, list[tuple[str, bytes]]] = {}
        for place, data in files:
            folder, _, name = place.rpartition("/")
            folders.setdefault(folder, []).append((name, data))
        return {joined(folder, name) for folder, of_folder in folders.items() for name in put_files(self._job.output, folder, of_folder)}

    def _original(self, row: Row, sample: Sample) -> _File:
        source, layout = row.source, self._job.layout
        if source.pixels is not None:
            data = encode(sample.image.image, row.format, self._job.spec.output.quality)
        else:
            data = source_bytes(source)
            if hashlib.sha256(data).hexdigest() != sample.sha256:
                raise SourceError("it changed while it was read")
        made = None if layout is None else targets_of(layout, row.original, sample, None, self._job.spec.targets, {})
        line = copy_line(
            file=row.original,
            source=source.key,
            label=source.label,
            original=True,
            **_columns(source),
            **(made.fields if made else {}),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            source_sha256=sample.sha256,
        )
        folder, _, name = row.original.rpartition("/")
        return _File(folder, name, row.original, data, line, made)

    def _commit(self, row: Row, files: list[_File], result: UnitResult) -> str | None:
        """Write some pictures, each after the files beside it; the reason why one of them could not be."""
        beside = [one for file in files if file.made for one in file.made.beside]
        others_names = self._put(beside) if beside else set()
        whole = [file for file in files if not (file.made and any(place in others_names for place, _ in file.made.beside))]
        refused = others_names | self._put([(file.place, file.data) for file in whole])
        for file in whole:
            if file.place not in refused:
                result.made.append((file.place, file.line))
                if file.made:
                    result.objects += file.made.objects
                    result.dropped += file.made.dropped
        if not refused:
            return None
        others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        return f"another file has the name of its copy {printable(min(refused))}{others}; move it away and run again"


def _targets(layout: Layout, place: str, sample: Sample, recipe: Recipe, rules: TargetRules, renamed: Mapping[str, str]) -> Made:
    """``targets_of``; what goes wrong is the source's fault, and says so."""
    try:
        return targets_of(layout, place, sample, recipe, rules, renamed)
    except (SourceError, ValueError, cv2.error) as error:
        raise SourceError(f"its targets can't be moved: {error}") from None


def _columns(source: Source) -> dict[str, Any]:
    return {"columns": dict(source.columns)} if source.columns else {}


class _Samples:
    """The sources decoded last, each decoded once however many threads ask for it."""

    def __init__(self, max_pixels: int, capacity: int) -> None:
        self._max_pixels, self._capacity = max_pixels, capacity
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: Source, *, flat: bool) -> Sample:
        """The decoded source; raises its ``SourceError`` each time it is asked for."""
        with self._lock:
            entry = self._entries.setdefault(source.key, _Entry())
            self._entries.move_to_end(source.key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.found is None:
                try:
                    entry.found = load(source, self._max_pixels, flat=flat)
                except SourceError as error:
                    entry.found = error
        if isinstance(entry.found, SourceError):
            raise SourceError(*entry.found.args)  # a fresh one: several threads may be about to raise it
        return entry.found


class _Entry:
    __slots__ = ("found", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: Sample | SourceError | None = None


def make_run_unit(job: Job, stop: StopFlag) -> Callable[[Unit], UnitResult]:
    """``run_unit`` for a process of its own."""
    return Worker(job, stop).run_unit


@contextlib.contextmanager
def one_thread_cv2() -> Iterator[None]:
    """OpenCV with one thread; afterwards it has what the caller has given it."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
