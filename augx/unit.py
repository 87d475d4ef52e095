"""``run_unit``: the one function that makes copies, run alike by threads and processes.

Decode the source once, draw all, then for each copy: apply, encode, write, and one manifest line.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

import cv2

from augx.draws import CopyParams, draw, relabelled
from augx.errors import CopyError, SourceError, printable
from augx.files import put_files
from augx.manifest import copy_line
from augx.plan import Segment, Unit
from augx.recipe import Recipe, apply, recipes
from augx.rows import Row, copy_name, joined
from augx.sample import Sample
from augx.sources import Source, load, read_bytes
from augx.spec import Spec
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


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not give all its files: how many are missing, and why."""

    source: str
    reason: str
    missing: int


@dataclass(slots=True)
class UnitResult:
    """What a unit made: (file, manifest line) in plan order, its failures, and whether a stop cut it short."""

    made: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: bool = False


class StopFlag(Protocol):
    """What tells a unit to end early."""

    def is_set(self) -> bool: ...


_Copy = tuple[int, str, CopyParams, Recipe]
"""A number, the label, what it drew, and its recipe."""


class _File(NamedTuple):
    folder: str
    name: str
    place: str
    data: bytes
    line: str


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
            if segment.original:
                reason = self._commit(row, [_original(row, sample)], result)
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
            result.failures.append(Failure(row.source.path, reason, missing))

    def _batches(self, segment: Segment, sample: Sample) -> Iterator[list[_Copy]]:
        if not segment.copies:
            return
        spec, copies = self._job.spec.of_class(segment.row.source.label), segment.copies
        draws = draw(spec, sample.key, copies)
        labels = relabelled(spec, segment.row.source.label, draws)
        each = zip(copies, labels, draws.plain, recipes(spec, draws, sample), strict=True)
        size = max(1, min(_BATCH_FILES, _BATCH_PIXELS // sample.image.image.size))
        while batch := list(islice(each, size)):
            yield batch

    def _make(self, row: Row, sample: Sample, batch: list[_Copy]) -> tuple[list[_File], str | None, bool]:
        """The files of a batch; the reason why some are missing, if so; and whether the source gives no more."""
        quality, reason, over = self._job.spec.output.quality, None, False
        pictures: list[bytes | None] = []
        try:
            # Nothing but OpenCV in this loop: each call gives the GIL up for some 20 microseconds, and the less Python
            # stands between them, the less two threads wait for each other.
            for _, _, _, recipe in batch:
                try:
                    pictures.append(encode(apply(recipe, sample), row.format, quality))
                except CopyError as error:
                    reason = str(error)
                    pictures.append(None)
                if self._stop.is_set():
                    break
        except SourceError as error:
            reason, over = str(error), True
        except (cv2.error, MemoryError) as error:
            over = True
            reason = f"OpenCV can't make a copy: {getattr(error, 'err', None) or 'out of memory'}"
        files = []
        series = {label: (row.folder(label), row.stem(label)) for label in dict.fromkeys(label for _, label, _, _ in batch)}
        for (copy, label, params, _), data in zip(batch, pictures, strict=False):
            if data is None:
                continue
            folder, stem = series[label]
            name = copy_name(stem, copy, row.extension)
            source = {"source": row.source.key, "label": label}
            if label != row.source.label:
                source["source_label"] = row.source.label  # whose changes to the spec it was made with
            content = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "source_sha256": sample.sha256}
            place = joined(folder, name)
            files.append(_File(folder, name, place, data, copy_line(file=place, **source, copy=copy, params=params, **content)))
        return files, reason, over

    def _commit(self, row: Row, files: list[_File], result: UnitResult) -> str | None:
        """Write some files; the reason why one of them could not be."""
        refused: set[str] = set()
        for folder in dict.fromkeys(file.folder for file in files):
            names = put_files(self._job.output, folder, [(file.name, file.data) for file in files if file.folder == folder])
            refused |= {joined(folder, name) for name in names}
        result.made += [(file.place, file.line) for file in files if file.place not in refused]
        if not refused:
            return None
        others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        return f"another file has the name of its copy {printable(min(refused))}{others}; move it away and run again"


def _original(row: Row, sample: Sample) -> _File:
    data = read_bytes(row.source.path)
    if hashlib.sha256(data).hexdigest() != sample.sha256:
        raise SourceError("it changed while it was read")
    line = copy_line(
        file=row.original,
        source=row.source.key,
        label=row.source.label,
        original=True,
        size=len(data),
        sha256=sample.sha256,
        source_sha256=sample.sha256,
    )
    return _File(row.source.folder, row.source.name, row.original, data, line)


class _Samples:
    """The sources decoded last, each decoded once however many threads ask for it."""

    def __init__(self, max_pixels: int, capacity: int) -> None:
        self._max_pixels, self._capacity = max_pixels, capacity
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: Source, *, flat: bool) -> Sample:
        """The decoded source; raises its ``SourceError`` each time it is asked for."""
        with self._lock:
            entry = self._entries.setdefault(source.path, _Entry())
            self._entries.move_to_end(source.path)
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
