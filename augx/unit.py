"""``run_unit``: the one function that makes copies, run alike by threads and processes.

Decode the source once, draw all, then for each copy: apply, encode, write, and one manifest line. Where the set goes into
packages, finished pictures are handed on to the one who packs them instead.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2

from augx.cache import Samples
from augx.copies import Finished, Job, StopFlag, batches, make, original
from augx.errors import SourceError, printable
from augx.files import put_files
from augx.memory import keep_freed
from augx.packing.base import Item
from augx.places import is_address, place_of
from augx.plan import Segment, Unit
from augx.rows import joined
from augx.writers import FORMATS


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not give all its files: how many are missing, and why."""

    source: str
    reason: str
    missing: int


@dataclass(slots=True)
class UnitResult:
    """What a unit made: (file, manifest line) in plan order, its failures, and whether a stop cut it short.

    Of annotated pictures also how many objects were written and dropped, and how many of each source were clipped to it;
    how many draws were rejected for what, and how many copies were kept all the same. ``items`` are for whoever packs them.
    """

    made: list[tuple[str, str]] = field(default_factory=list)
    items: list[tuple[str, Item]] = field(default_factory=list)
    """Where the source lies, for messages, and a picture."""
    objects: int = 0
    dropped: int = 0
    clipped: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    unmet: int = 0
    stopped: bool = False

    @property
    def files(self) -> int:
        return len(self.made) + len(self.items)

    def add(self, other: UnitResult) -> None:
        """Add another one's numbers to these."""
        self.objects += other.objects
        self.dropped += other.dropped
        self.clipped |= other.clipped
        self.rejected += other.rejected
        self.unmet += other.unmet


_ROOM = 128_000_000
"""Bytes of decoded sources that a worker keeps where the plan comes back to each of them."""


class Worker:
    """``run_unit`` with what its calls share: the job and the last decoded sources. Safe to call from many threads."""

    def __init__(self, job: Job, stop: StopFlag, sources: int = 1) -> None:
        self._job, self._stop = job, stop
        self._place = place_of(job.output) if is_address(job.output) else None
        self._samples = Samples(job.max_pixels, sources, _ROOM if job.mixed else 0)
        cv2.setNumThreads(1)  # one core a worker: OpenCV's own threads would fight over the same ones
        cv2.ocl.setUseOpenCL(False)
        keep_freed()

    def run_unit(self, unit: Unit) -> UnitResult:
        """Make a unit's files; failures of sources are results, failures of the output raise ``WriteError``."""
        result = UnitResult()
        for segment in unit:
            if not result.stopped:
                self._run_segment(segment, result)
        return result

    def _run_segment(self, segment: Segment, result: UnitResult) -> None:
        row, before = segment.row, result.files
        reason = None
        try:
            sample = self._samples.get(row.source, flat=self._job.flat or not FORMATS[row.format].alpha)
            if sample.clipped:
                result.clipped[row.source.where] = sample.clipped
            if segment.original:
                reason = self._commit(row.source.where, [original(self._job, row, sample)], result)
            for batch in batches(self._job, segment, sample):
                files, fault, over = make(self._job, row, sample, batch, self._stop)
                reason = self._commit(row.source.where, files, result) or fault or reason
                result.stopped = self._stop.is_set()
                if over or result.stopped:
                    break
        except SourceError as error:
            reason = str(error)
        missing = len(segment) - (result.files - before)
        if missing and reason is not None:
            result.failures.append(Failure(row.source.where, reason, missing))

    def _commit(self, source: str, files: list[Finished], result: UnitResult) -> str | None:
        """Write some pictures, each after the files beside it, or hand them on; the reason why one of them could not be."""
        whole, refused = files, set()
        if self._job.packed:
            result.items += [(source, file.item) for file in files]
        else:
            beside = [one for file in files for one in file.item.beside]
            others_names = self._put(beside) if beside else set()
            whole = [file for file in files if not any(place in others_names for place, _ in file.item.beside)]
            refused = others_names | self._put([(file.item.place, file.item.data) for file in whole])
            whole = [file for file in whole if file.item.place not in refused]
            result.made += [(file.item.place, file.item.line) for file in whole]
        for file in whole:
            result.objects += file.objects
            result.dropped += file.dropped
            result.rejected.update(file.rejected)
            result.unmet += file.unmet
        if not refused:
            return None
        others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        return f"another file has the name of its copy {printable(min(refused))}{others}; move it away and run again"

    def _put(self, files: Sequence[tuple[str, bytes]]) -> set[str]:
        """Write files (place, bytes), folder by folder; the places that others' files have."""
        if self._place is not None:
            for place, data in files:
                self._place.put(place, data)
            return set()
        folders: dict[str, list[tuple[str, bytes]]] = {}
        for place, data in files:
            folder, _, name = place.rpartition("/")
            folders.setdefault(folder, []).append((name, data))
        return {joined(folder, name) for folder, of_folder in folders.items() for name in put_files(self._job.output, folder, of_folder)}


def make_run_unit(job: Job, stop: StopFlag, sources: int = 1) -> Callable[[Unit], UnitResult]:
    """``run_unit`` for a process of its own, or for threads that share ``sources`` decoded ones."""
    return Worker(job, stop, sources).run_unit


@contextlib.contextmanager
def one_thread_cv2() -> Iterator[None]:
    """OpenCV with one thread; afterwards it has what the caller has given it."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
