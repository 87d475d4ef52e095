"""plan x executor x manifest -> a set on disk: the loop that makes what is missing, and nothing twice."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augx.copies import Job
from augx.decode import MAX_PIXELS
from augx.errors import OutputError, SourceError, WriteError, printable
from augx.executors import Engine, Processes, Stop, available_cores, can_fork, in_threads, processes_serve
from augx.files import sweep
from augx.inputs import find_sources
from augx.inputs.folders import named_images
from augx.listed import Listed, find_listed
from augx.manifest import Manifest, read_run, write_run
from augx.output import (
    check_apart,
    check_no_foreign,
    check_no_foreign_index,
    check_same_set,
    check_sources,
    check_surplus,
    count_listed,
    touched_folders,
)
from augx.plan import Plan, Unit
from augx.planning import plan_copies
from augx.record import boot, close, discard_index, found_in, reading, run_fields
from augx.sources import Source, SourceSet, stored_size
from augx.spec import Spec, load_spec
from augx.unit import Failure, UnitResult, Worker, make_run_unit, one_thread_cv2

Paths = str | os.PathLike[str]
OnCommit = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is run; none of it changes a byte of what comes out.

    ``jobs``: workers, by default one a core; ``engine``: see ``executors``; ``on_error``: what a bad source does to the
    others; ``overwrite``: discard the set that the output holds; ``max_pixels``: refuse larger sources undecoded.
    """

    jobs: int | None = None
    engine: Engine = "auto"
    on_error: str = "skip"
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, in files: planned = made + kept + missing, always."""

    output: str
    planned: int
    made: int
    kept: int
    failures: tuple[Failure, ...]
    stopped: bool
    seconds: float
    objects: int = 0
    """Objects on the pictures made, where the sources are annotated; ``dropped`` of them were not, being hardly visible there."""
    dropped: int = 0
    clipped: int = 0
    """Objects that reached beyond their sources, and were clipped to them."""

    @property
    def missing(self) -> int:
        return self.planned - self.made - self.kept


def expand_dataset(
    output: Paths,
    *,
    input: Paths | SourceSet | None = None,
    images: Paths | Sequence[Paths] = (),
    label: str | None = None,
    spec: Spec | str | Path | Mapping[str, Any] = "tutorial",
    total: int | None = None,
    copies: int | None = None,
    per_class: int | None = None,
    originals: bool = False,
    options: Options | None = None,
    on_commit: OnCommit | None = None,
    stop: Stop | None = None,
) -> Report:
    """Expand ``images``, or ``input`` (see ``find_sources``), into exactly the copies asked for, below ``output``.

    Give exactly one of ``total`` (copies in all, spread evenly), ``copies`` (of each source), ``per_class``. ``images`` go
    into ``output`` itself, or into ``output/label``. What ``output`` already holds of this set is kept, untouched.
    ``on_commit`` gets the paths of files as they are committed. Bad sources are in the report; raises ``SpecError``,
    ``PlanError`` and ``OutputError`` before anything is written, ``WriteError`` when the output can't take more.
    """
    images = [images] if isinstance(images, str | os.PathLike) else images
    spec = spec if isinstance(spec, Spec) else load_spec(spec)
    found: SourceSet | list[Source]
    if isinstance(input, SourceSet):
        found, root = input, None
    elif input is not None:
        found, root = find_sources(input), input
    else:
        found, root = named_images(images, label or ""), None
    plan = plan_copies(found, spec, total=total, copies=copies, per_class=per_class, originals=originals)
    return run_plan(plan, spec, output, input=root, options=options or Options(), on_commit=on_commit, stop=stop)


def run_plan(
    plan: Plan,
    spec: Spec,
    output: Paths,
    *,
    input: Paths | None = None,
    options: Options | None = None,
    on_commit: OnCommit | None = None,
    stop: Stop | None = None,
) -> Report:
    """Make what ``output`` lacks of ``plan``; see ``expand_dataset``. ``input`` is the root that sources were listed from."""
    began = time.monotonic()
    root, options, stop = os.fspath(output), options or Options(), stop or Stop()
    check_apart(plan, root, input)
    recorded = read_run(root)
    if recorded is None:
        check_no_foreign(plan, root)
        check_no_foreign_index(plan, root)
    elif not options.overwrite:
        check_same_set(recorded, plan, spec, root)
    with Manifest(root) as manifest:
        if recorded is None and os.fstat(manifest.descriptor).st_size:
            raise OutputError(f"{printable(root)}: a manifest.jsonl without its run.json; not a set of augx, choose another --output")
        for folder in touched_folders(plan):
            sweep(root, folder)
        sweep(root, "")
        if options.overwrite:
            manifest.discard()
            discard_index(recorded, root)
        crashed = recorded is not None and recorded["state"] == "running" and recorded.get("boot") != boot()
        listed = find_listed(manifest, verify=crashed)
        check_surplus(plan, listed, root)
        check_sources(plan, listed)
        found = found_in(plan, input, root), reading(plan, root)
        write_run(root, run_fields(plan, spec, "running", (), *found))
        kept = count_listed(plan, listed)
        run = _Run(manifest, listed, root, on_commit or (lambda paths: None), options.on_error)
        state = "stopped"
        try:
            with one_thread_cv2():
                run.drive(_results(plan, spec, manifest, root, options, listed, plan.files - kept, stop), stop)
            if plan.layout is not None:
                close(plan, plan.layout, manifest, listed, root)
            report = run.report(plan.files, kept, began, stop)
            state = "complete" if not report.missing else "stopped" if stop.is_set() else "incomplete"
        finally:
            with contextlib.suppress(WriteError):
                write_run(root, run_fields(plan, spec, state, run.failures.values(), *found))
    return report


class _Run:
    """The driver: takes results in plan order, commits them, and keeps the count."""

    def __init__(self, manifest: Manifest, listed: Listed, root: str, on_commit: OnCommit, on_error: str) -> None:
        self._manifest, self._listed, self._root = manifest, listed, root
        self._on_commit, self._on_error = on_commit, on_error
        self._made = self._objects = self._dropped = 0
        self._clipped: dict[str, int] = {}
        self.failures: dict[str, Failure] = {}

    def drive(self, results: Iterator[UnitResult], stop: Stop) -> None:
        with contextlib.closing(results):  # type: ignore[type-var]
            for result in results:
                self._commit(result)
                if result.stopped:
                    # Later units are whole, but their lines would leave a hole: they are found again by their bytes.
                    return
                if result.failures and self._on_error == "stop":
                    stop.set()
                    first = result.failures[0]
                    raise SourceError(f"{printable(first.source)}: {first.reason} (stopped by --on-error stop; what is made stays)")

    def _commit(self, result: UnitResult) -> None:
        self._manifest.append([line for file, line in result.made if self._listed.gone.get(file) != line])
        self._made += len(result.made)
        self._objects += result.objects
        self._dropped += result.dropped
        self._clipped |= result.clipped
        for file, _ in result.made:
            self._listed.gone.pop(file, None)
        for failure in result.failures:
            earlier = self.failures.get(failure.source)
            missing = failure.missing + (earlier.missing if earlier else 0)
            self.failures[failure.source] = Failure(failure.source, failure.reason, missing)
        self._on_commit([os.path.join(self._root, file) for file, _ in result.made])

    def report(self, planned: int, kept: int, began: float, stop: Stop) -> Report:
        failures = tuple(self.failures.values())
        seen = self._objects, self._dropped, sum(self._clipped.values())
        report = Report(self._root, planned, self._made, kept, failures, stop.is_set(), time.monotonic() - began, *seen)
        lost = report.missing - sum(failure.missing for failure in failures)
        if lost and not stop.is_set():
            raise WriteError(f"{printable(self._root)}: {lost} files are unaccounted for; please report this; the same command goes on")
        return report


def _results(
    plan: Plan, spec: Spec, manifest: Manifest, root: str, options: Options, listed: Listed, files: int, stop: Stop
) -> Iterator[UnitResult]:
    jobs = min(options.jobs or available_cores(), max(files, 1))
    job = Job(spec, root, options.max_pixels, plan.layout)
    # Small enough that no worker waits long for the last one, large enough that a unit's draws cost nothing.
    units = plan.units(listed, min(64, max(4, files // (16 * jobs))))
    if options.engine == "processes" or (options.engine == "auto" and can_fork() and processes_serve(jobs, _copy_pixels(plan, spec))):
        return Processes(make_run_unit, job, jobs, stop, _lost, private=[manifest.descriptor]).run(units)
    return in_threads(Worker(job, stop, sources=jobs + 1).run_unit, units, jobs, stop)


def _copy_pixels(plan: Plan, spec: Spec) -> int:
    """Pixels of a copy, by the spec or by the first source that has a size."""
    if spec.output.size is not None:
        return spec.output.size[0] * spec.output.size[1]
    for row in plan.rows:
        with contextlib.suppress(SourceError):
            width, height = stored_size(row.source)
            return width * height
    return 0


def _lost(unit: Unit) -> UnitResult:
    reason = "the worker process died while it was in work, twice"
    return UnitResult(failures=[Failure(segment.row.source.where, reason, len(segment)) for segment in unit])
