"""The one function that makes a unit of a fleet: its files first, then its receipt. Threads, processes and engines run it alike."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from augx.copies import Job, StopFlag
from augx.errors import SourceError, WriteError, printable
from augx.files import TEMPORARY
from augx.fleet.cut import FleetUnit
from augx.fleet.receipts import put_receipt, read_receipt
from augx.packed import closing_lines
from augx.packing.shards import ShardPacker
from augx.packing.sizes import ShardSize
from augx.places import is_address, place_of
from augx.plan import Segment, Unit
from augx.record import machine
from augx.unit import Failure, UnitResult, Worker

_PIECE = 64
"""Files that a worker makes before it hands them to a shard."""


@dataclass(frozen=True, slots=True)
class FleetJob:
    """What every unit of a fleet has in common."""

    job: Job
    digest: str
    classes: tuple[str, ...] = ()
    seed_key: str = ""


@dataclass(slots=True)
class UnitDone:
    """What became of a unit: how many files were made, the numbers that ``UnitResult`` has, and its failures.

    ``stopped``: a stop cut it short, and it has no receipt; ``lost``: so has one that ended its workers, for this reason.
    """

    number: int
    made: int = 0
    sums: UnitResult = field(default_factory=UnitResult)
    failures: tuple[Failure, ...] = ()
    stopped: bool = False
    lost: str = ""


class FleetWorker:
    """Makes units; its calls share the decoded sources. Safe to call from many threads."""

    def __init__(self, job: FleetJob, stop: StopFlag, sources: int = 1) -> None:
        self._job, self._stop = job, stop
        self._worker = Worker(job.job, stop, sources)
        self._place = place_of(job.job.output)

    def run(self, unit: FleetUnit) -> UnitDone:
        """Make and commit a unit. Failures of sources are results, failures of the output raise ``WriteError``."""
        if unit.probe:
            return UnitDone(unit.number, stopped=self._worker.run_unit(unit.segments).stopped)
        if unit.shard is None:
            result = self._worker.run_unit(unit.segments)
            lines = [line for _, line in result.made]
        else:
            result, lines = self._shard(unit)
        failures = _joined([*unit.known, *result.failures])
        made = len(lines) - len(list(closing_lines(lines)))
        result.made, result.items = [], []
        if result.stopped:
            return UnitDone(unit.number, made if unit.shard is None else 0, result, stopped=True)
        put_receipt(self._place, self._job.digest, unit, failures, lines, {**machine(), "host": platform.node()})
        return UnitDone(unit.number, made, result, failures)

    def _shard(self, unit: FleetUnit) -> tuple[UnitResult, list[str]]:
        """One tar shard, and its lines."""
        sums, lines = UnitResult(), list[str]()
        self._discard_earlier(unit)
        with self._folder() as folder:
            assert unit.shard is not None
            size, taken = ShardSize(len(unit)), {unit.part: range(unit.shard)}
            packer = ShardPacker(folder, size=size, classes=self._job.classes, taken=taken, seed_key=self._job.seed_key)
            try:
                for piece in pieces(unit.segments):
                    result = self._worker.run_unit(piece)
                    sums.add(result)
                    sums.failures += result.failures
                    if result.stopped or self._stop.is_set():
                        sums.stopped = True
                        return sums, []
                    for source, item in result.items:
                        try:
                            lines += packer.add([item])
                        except SourceError as error:
                            sums.failures.append(Failure(source, str(error), 1))
                lines += packer.finish()
            finally:
                packer.abandon()
            for name in closing_lines(lines) if folder != self._job.job.output else ():
                self._place.put_file(name, os.path.join(folder, name))
        return sums, lines

    def _discard_earlier(self, unit: FleetUnit) -> None:
        """The shard that was made without the files of bad sources, which may be good now."""
        earlier = read_receipt(self._place, self._job.digest, unit.number, part=True)
        for name in closing_lines(earlier.lines) if earlier is not None else ():
            self._place.delete(name)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[str]:
        """Where a shard is written: the output, or a temporary folder from which it goes to its address as a whole."""
        output = self._job.job.output
        if not is_address(output):
            yield output
            return
        try:
            folder = tempfile.mkdtemp(prefix=TEMPORARY)
        except OSError as error:
            raise WriteError(f"no room for a shard among the temporary files: {error.strerror}; TMPDIR says where they are") from None
        try:
            yield folder
        except WriteError as error:
            more = "; TMPDIR says where temporary files are" if str(error).startswith(printable(folder)) else ""
            raise WriteError(f"{error}{more}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def make_run(job: FleetJob, stop: StopFlag, sources: int = 1) -> Callable[[FleetUnit], UnitDone]:
    """``FleetWorker.run`` for a process of its own, or for threads that share ``sources`` decoded ones."""
    return FleetWorker(job, stop, sources).run


def lost(unit: FleetUnit, reason: str) -> UnitDone:
    """What stands for a unit that nobody could make."""
    return UnitDone(unit.number, lost=reason)


def pieces(segments: Unit) -> Iterator[Unit]:
    """A unit's segments in runs of few files."""
    piece: list[Segment] = []
    room = _PIECE
    for segment in segments:
        rest, original = segment.copies, segment.original
        while rest or original:
            taken, rest = rest[: room - original], rest[room - original :]
            piece.append(replace(segment, copies=taken, original=original))
            room -= len(taken) + original
            original = False
            if room < 1:
                yield tuple(piece)
                piece, room = [], _PIECE
    if piece:
        yield tuple(piece)


def _joined(failures: list[Failure]) -> tuple[Failure, ...]:
    """One failure a source, with all that is missing of it."""
    found: dict[str, Failure] = {}
    for one in failures:
        missing = one.missing + (found[one.source].missing if one.source in found else 0)
        found[one.source] = Failure(one.source, one.reason, missing)
    return tuple(found.values())
