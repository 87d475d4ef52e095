"""plan x executor x manifest -> a set on disk: the loop that makes what is missing, and nothing twice."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from augx.errors import OutputError, SourceError, WriteError, printable
from augx.executors import Stop
from augx.files import pinned, sweep
from augx.inputs import find_sources
from augx.inputs.folders import named_images
from augx.listed import Listed, find_listed
from augx.manifest import Manifest, read_run, write_run
from augx.output import (
    check_free,
    check_no_foreign,
    check_same_set,
    check_sources,
    check_surplus,
    count_listed,
    touched_folders,
)
from augx.packed import classes_of, closing_lines, discard_unlisted, open_packer, rows_of, write_index
from augx.packing.base import Packer
from augx.plan import Plan
from augx.planning import plan_copies
from augx.record import boot, close, discard_index, found_in, reading, run_fields
from augx.sources import Source, SourceSet
from augx.spec import Spec, load_spec
from augx.unit import Failure, UnitResult, one_thread_cv2
from augx.work import Options as Options
from augx.work import results_of

Paths = str | os.PathLike[str]
OnCommit = Callable[[Sequence[str]], None]
OnProgress = Callable[[int], None]


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
    rejected: Mapping[str, int] = field(default_factory=dict)
    """How often each limit of the spec's ``reject`` was broken by draws that were thrown away."""
    unmet: int = 0
    """Copies that were kept although they break a limit, because every draw of theirs did."""

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
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Report:
    """Make what ``output`` lacks of ``plan``; see ``expand_dataset``. ``input`` is the root that sources were listed from.

    ``on_progress`` gets how many pictures were made since it was called last, also those that wait for their package.
    """
    began = time.monotonic()
    root, options, stop = os.fspath(output), options or Options(), stop or Stop()
    check_free(plan, root, input)
    recorded = read_run(root)
    if recorded is None:
        check_no_foreign(plan, root)
    elif not options.overwrite:
        check_same_set(recorded, plan, spec, root)
    with Manifest(root) as manifest, pinned(root):
        if recorded is None and os.fstat(manifest.descriptor).st_size:
            raise OutputError(f"{printable(root)}: a manifest.jsonl without its run.json; not a set of augx, choose another --output")
        touched = ["", *touched_folders(plan)]
        in_use = list(filter(partial(sweep, root), touched))
        if options.overwrite:
            manifest.discard()
            discard_index(recorded, root)
            discard_unlisted(recorded, root)
        crashed = recorded is not None and recorded["state"] == "running" and recorded.get("boot") != boot()
        listed = find_listed(manifest, verify=crashed, rows=rows_of(root, crashed))
        check_surplus(plan, listed, root)
        check_sources(plan, listed)
        found = found_in(plan, input, root), reading(plan, root)
        classes = classes_of(plan, recorded)
        write_run(root, run_fields(plan, spec, "running", (), *found, classes))
        kept = count_listed(plan, listed)
        packer = open_packer(plan, plan.store, spec, root, listed, classes) if plan.store is not None else None
        run = _Run(manifest, listed, root, on_commit, on_progress, options.on_error, packer)
        try:
            with one_thread_cv2():
                run.drive(results_of(plan, spec, root, options, listed, plan.files - kept, stop, [manifest.descriptor]), stop)
            if plan.store is not None:
                write_index(plan.store, manifest, classes, root)
            elif plan.layout is not None:
                close((row.source.key for row in plan.rows), plan.layout, manifest, listed.gone, root)
            report = run.report(plan.files, kept, began, stop)
            state = "complete" if not report.missing else "stopped" if stop.is_set() else "incomplete"
        except BaseException:
            with contextlib.suppress(WriteError):  # what went wrong first is what is told
                write_run(root, run_fields(plan, spec, "stopped", run.failures.values(), *found, classes))
            raise
        finally:
            for folder in in_use if options.engine == "threads" else touched:
                sweep(root, folder)  # a killed run's worker may have been about to end, and so may one of this run that died
        write_run(root, run_fields(plan, spec, state, run.failures.values(), *found, classes))
    return report


class _Run:
    """The driver: takes results in plan order, commits them, and keeps the count."""

    def __init__(
        self,
        manifest: Manifest,
        listed: Listed,
        root: str,
        on_commit: OnCommit | None,
        on_progress: OnProgress | None,
        on_error: str,
        packer: Packer | None,
    ) -> None:
        self._manifest, self._listed, self._root, self._packer, self._on_error = manifest, listed, root, packer, on_error
        self._on_commit, self._on_progress = on_commit or (lambda paths: None), on_progress or (lambda pictures: None)
        self._made = 0
        self._sums = UnitResult()
        self.failures: dict[str, Failure] = {}

    def drive(self, results: Iterator[UnitResult], stop: Stop) -> None:
        """Commit all results; those after a stop are found again by their bytes, or made again where they go into packages."""
        with contextlib.closing(results), contextlib.ExitStack() as packing:  # type: ignore[type-var]
            if self._packer is not None:
                packing.callback(self._packer.abandon)
            for result in results:
                self._commit(result)
                if result.stopped:
                    return
                if result.failures and self._on_error == "stop":
                    stop.set()
                    first = result.failures[0]
                    raise SourceError(f"{printable(first.source)}: {first.reason} (stopped by --on-error stop; what is made stays)")
            if self._packer is not None and not stop.is_set():
                self._commit_packed(self._packer.finish())

    def _commit(self, result: UnitResult) -> None:
        self._sums.add(result)
        if self._packer is not None:
            self._pack(result, self._packer)
        else:
            self._manifest.append([line for file, line in result.made if self._listed.gone.get(file) != line])
            self._made += len(result.made)
            for file, _ in result.made:
                self._listed.gone.pop(file, None)
        self._on_progress(result.files)
        for failure in result.failures:
            self._fail(failure)
        self._on_commit([os.path.join(self._root, file) for file, _ in result.made])

    def _fail(self, failure: Failure) -> None:
        earlier = self.failures.get(failure.source)
        missing = failure.missing + (earlier.missing if earlier else 0)
        self.failures[failure.source] = Failure(failure.source, failure.reason, missing)

    def _pack(self, result: UnitResult, packer: Packer) -> None:
        lines: list[str] = []
        for source, item in result.items:
            try:
                lines += packer.add([item])
            except SourceError as error:
                self._fail(Failure(source, str(error), 1))
        self._commit_packed(lines)

    def _commit_packed(self, lines: list[str]) -> None:
        packages = list(closing_lines(lines))
        known = {*self._listed.gone.values(), *self._listed.packages.values()}
        if not known.issuperset(lines):
            self._manifest.append(lines)
        self._made += len(lines) - len(packages)
        self._on_commit([os.path.join(self._root, package) for package in packages])

    def report(self, planned: int, kept: int, began: float, stop: Stop) -> Report:
        failures, sums = tuple(self.failures.values()), self._sums
        seen = sums.objects, sums.dropped, sum(sums.clipped.values()), dict(sums.rejected), sums.unmet
        report = Report(self._root, planned, self._made, kept, failures, stop.is_set(), time.monotonic() - began, *seen)
        lost = report.missing - sum(failure.missing for failure in failures)
        if lost and not stop.is_set():
            raise WriteError(f"{printable(self._root)}: {lost} files are unaccounted for; please report this; the same command goes on")
        return report
