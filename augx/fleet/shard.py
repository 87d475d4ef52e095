"""A process' share of a fleet's units, through the same workers as a single run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from augx.errors import PlanError, SourceError, printable
from augx.executors import Stop
from augx.expand import OnProgress, Report
from augx.fleet.cut import Cut, FleetUnit
from augx.fleet.joining import Joined, Paths, joined
from augx.fleet.receipts import done
from augx.fleet.worker import FleetJob, UnitDone, lost, make_run
from augx.places import is_address
from augx.plan import Plan
from augx.spec import Spec
from augx.unit import Failure, UnitResult, one_thread_cv2
from augx.work import Options, Work, absolute, carried_out, copy_pixels, job_of


@dataclass(frozen=True, slots=True)
class Share:
    """Units ``number``, ``number + of``, ... are this process' own."""

    number: int = 0
    of: int = 1

    @staticmethod
    def parse(text: str) -> Share:
        """``0/3``: the first of three. Raises ``PlanError``."""
        number, slash, of = text.partition("/")
        if not slash or not (number.isascii() and number.isdigit() and of.isascii() and of.isdigit()) or len(text) > 20:
            raise PlanError(f"--shard {printable(text)}: expected NUMBER/OF, such as 0/3, the first of three processes")
        found = Share(int(number), int(of))
        if found.number >= found.of:
            allowed = f"from 0/{found.of} to {found.of - 1}/{found.of}" if found.of else "such as 0/3"
            raise PlanError(f"--shard {printable(text)}: there is no such share; expected one {allowed}")
        return found


def run_share(
    plan: Plan,
    spec: Spec,
    output: Paths,
    *,
    input: Paths | None = None,
    share: Share | None = None,
    options: Options | None = None,
    on_begin: Callable[[int, int], None] | None = None,
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Report:
    """Make what is missing of a share of ``plan`` in ``output``, a folder or an address that others may be writing to as well.

    ``on_begin`` gets the files of the share, and how many of them are there; ``on_progress`` how many were made since the last time.
    Units that lack the files of bad sources are tried again. The report counts the files of this share alone. Raises as
    ``run_plan`` does; ``PlanError`` also for plans that can't be cut by counting.
    """
    began, share = time.monotonic(), share or Share()
    options, stop = options or Options(), stop or Stop()
    root = os.fspath(output)
    if options.overwrite:
        raise PlanError("--overwrite does not go with --shard or an output at an address: the others' files would be lost; remove it first")
    if is_address(root):
        if root.startswith("memory://") and options.engine in ("processes", "dask"):
            raise PlanError(f"{printable(root)}: is in the memory of one process; use --engine threads, or another --output")
        if options.engine == "auto":
            options = replace(options, engine="threads")  # which wait for a store at no cost, and share their connections
    with joined(plan, spec, root, input) as entered, one_thread_cv2():
        if entered.cut is None:
            return Report(root, plan.files, 0, plan.files, (), False, time.monotonic() - began)
        run = _Share(entered, plan, spec, root, options, stop, on_progress)
        return run.drive(share, began, on_begin or (lambda planned, kept: None))


class _Share:
    """The driver: hands units out, counts what comes back, and finds the source that ends every worker."""

    def __init__(
        self, entered: Joined, plan: Plan, spec: Spec, root: str, options: Options, stop: Stop, on_progress: OnProgress | None
    ) -> None:
        assert entered.cut is not None
        self._joined, self._plan, self._spec, self._options, self._stop = entered, plan, spec, options, stop
        self._cut: Cut = entered.cut
        job = replace(job_of(plan, spec, root, options), output=root if is_address(root) else os.path.abspath(root))
        self._job = FleetJob(job, entered.fleet.digest, entered.classes, str(spec.seed))
        self._on_progress = on_progress or (lambda pictures: None)
        self._root = root
        self._made = 0
        self._sums = UnitResult()
        self._failures: dict[str, Failure] = {}

    def drive(self, share: Share, began: float, on_begin: Callable[[int, int], None]) -> Report:
        there = done(self._joined.place, self._joined.fleet.digest)
        mine = range(share.number, len(self._cut), share.of)
        planned = sum(map(self._cut.files_of, mine))
        todo = [number for number in mine if number not in there.whole]
        kept = planned - sum(map(self._cut.files_of, todo))
        on_begin(planned, kept)
        ended = self._take(self._results(map(self._cut.unit, todo), sum(map(self._cut.files_of, todo))))
        for one in ended:
            if not self._stop.is_set():
                self._without_the_fatal(self._cut.unit(one.number), one.lost)
        sums, failures = self._sums, tuple(self._failures.values())
        seen = sums.objects, sums.dropped, sum(sums.clipped.values()), dict(sums.rejected), sums.unmet
        return Report(self._root, planned, self._made, kept, failures, self._stop.is_set(), time.monotonic() - began, *seen)

    def _results(self, units: Iterable[FleetUnit], files: int) -> Iterator[UnitDone]:
        far = self._options.engine == "dask"
        found = (replace(unit, segments=absolute(unit.segments)) for unit in units) if far else units
        private = [self._joined.lock] if self._joined.lock is not None else []
        work = Work(make_run, self._job, lost)
        pixels = partial(copy_pixels, self._plan, self._spec)
        return carried_out(work, lambda workers: found, pixels, self._options, files, self._stop, private)

    def _take(self, results: Iterator[UnitDone]) -> list[UnitDone]:
        """Count what was made; the units that ended their workers."""
        ended = []
        for one in results:
            if one.lost:
                ended.append(one)
                continue
            self._made += one.made
            self._sums.add(one.sums)
            self._on_progress(one.made)
            for failure in one.failures:
                self._fail(failure)
            if one.failures and self._options.on_error == "stop":
                self._stop.set()
                first = one.failures[0]
                raise SourceError(f"{printable(first.source)}: {first.reason} (stopped by --on-error stop; what is made stays)")
        return ended

    def _without_the_fatal(self, unit: FleetUnit, reason: str) -> None:
        """Make a unit that ends its workers without the runs of copies that do, each of which is tried alone."""
        singles = [replace(unit, segments=(segment,), probe=True) for segment in unit.segments]
        fates = [result.lost for result in self._results(singles, len(unit))]
        each = list(zip(unit.segments, fates, strict=False))
        rest = tuple(segment for segment, fate in each if not fate)
        known = tuple(Failure(segment.row.source.where, fate, len(segment)) for segment, fate in each if fate)
        if self._stop.is_set():
            return
        again = self._take(self._results([replace(unit, segments=rest, known=known)], len(unit)))
        for one in again:  # it is the unit itself: named, and left to the next run
            self._fail(Failure(f"unit {unit.number}", one.lost or reason, len(unit)))

    def _fail(self, failure: Failure) -> None:
        earlier = self._failures.get(failure.source)
        missing = failure.missing + (earlier.missing if earlier else 0)
        self._failures[failure.source] = Failure(failure.source, failure.reason, missing)
