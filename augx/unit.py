"""``run_unit``: the one function that makes copies, run alike by threads and processes.

Decode the source once, draw all, then for each copy: apply, encode, write, and one manifest line.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import cv2

from augx.errors import SourceError
from augx.files import put_files
from augx.manifest import copy_line
from augx.plan import Row, Segment, Unit
from augx.recipe import apply, draw, recipes
from augx.sample import Sample
from augx.sources import Source, load, read_bytes
from augx.spec import Spec
from augx.writers import encode

# Files are written in batches, so that one thread computes while another has the folder.
_BATCH_FILES = 16
_BATCH_BYTES = 4_000_000


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


@dataclass(slots=True)
class _File:
    name: str
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
        batch: list[_File] = []
        reason = None
        try:
            size = 0
            for file in self._files(segment):
                batch.append(file)
                size += len(file.data)
                if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
                    reason = self._commit(row, batch, result) or reason
                    size = 0
                if self._stop.is_set():
                    result.stopped = True
                    break
        except SourceError as error:
            reason = str(error)
        except (cv2.error, MemoryError) as error:
            reason = f"OpenCV can't make a copy: {getattr(error, 'err', None) or 'out of memory'}"
        reason = self._commit(row, batch, result) or reason
        missing = len(segment) - (len(result.made) - before)
        if missing and reason is not None:
            result.failures.append(Failure(row.source.path, reason, missing))

    def _files(self, segment: Segment) -> Iterator[_File]:
        row, spec = segment.row, self._job.spec
        sample = self._samples.get(row.source)
        if segment.original:
            yield _original(row, sample)
        if not segment.copies:
            return
        draws = draw(spec, sample.key, segment.copies)
        key, label, place = row.source.key, row.source.label, row.place("")
        each = zip(segment.copies, row.file_names(segment.copies), draws.plain, recipes(spec, draws, sample), strict=True)
        for copy, name, params, recipe in each:
            data = encode(apply(recipe, sample), row.format, spec.output.quality)
            line = copy_line(
                file=place + name,
                source=key,
                label=label,
                copy=copy,
                params=params,
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                source_sha256=sample.sha256,
            )
            yield _File(name, data, line)

    def _commit(self, row: Row, batch: list[_File], result: UnitResult) -> str | None:
        """Write a batch and empty it; the reason why a file of it could not be made."""
        if not batch:
            return None
        refused = put_files(self._job.output, row.source.folder, [(file.name, file.data) for file in batch])
        result.made += [(row.place(file.name), file.line) for file in batch if file.name not in refused]
        batch.clear()
        if not refused:
            return None
        others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        return f"another file has the name of its copy {row.place(min(refused))}{others}; move it away and run again"


def _original(row: Row, sample: Sample) -> _File:
    data = read_bytes(row.source.path)
    if hashlib.sha256(data).hexdigest() != sample.sha256:
        raise SourceError("it changed while it was read")
    file = row.place(row.source.name)
    line = copy_line(
        file=file,
        source=row.source.key,
        label=row.source.label,
        original=True,
        size=len(data),
        sha256=sample.sha256,
        source_sha256=sample.sha256,
    )
    return _File(row.source.name, data, line)


class _Samples:
    """The sources decoded last, each decoded once however many threads ask for it."""

    def __init__(self, max_pixels: int, capacity: int) -> None:
        self._max_pixels, self._capacity = max_pixels, capacity
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: Source) -> Sample:
        """The decoded source; raises its ``SourceError`` each time it is asked for."""
        with self._lock:
            entry = self._entries.setdefault(source.path, _Entry())
            self._entries.move_to_end(source.path)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.found is None:
                try:
                    entry.found = load(source, self._max_pixels)
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
