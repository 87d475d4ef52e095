"""A plan's units, carried out by workers: threads or processes, results in plan order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from augx.copies import Job
from augx.decode import MAX_PIXELS
from augx.errors import SourceError
from augx.executors import Engine, Stop, available_cores, can_fork, in_threads, processes_serve
from augx.listed import Listed
from augx.plan import Plan, Unit
from augx.pool import Processes
from augx.sources import stored_size
from augx.spec import Spec
from augx.unit import Failure, UnitResult, Worker, make_run_unit


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is run; none of it changes a byte of what comes out.

    ``jobs``: workers, by default one a core; ``engine``: see ``executors``; ``on_error``: what a bad source does to the
    others; ``overwrite``: discard the set that the output holds; ``max_pixels``: refuse larger sources undecoded; ``timeout``:
    seconds that reading and decoding one source may take in a worker process (nothing can end a thread).
    """

    jobs: int | None = None
    engine: Engine = "auto"
    on_error: str = "skip"
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    timeout: float = 60.0


def results_of(
    plan: Plan, spec: Spec, root: str, options: Options, listed: Listed, files: int, stop: Stop, private: Sequence[int] = ()
) -> Iterator[UnitResult]:
    """The results of what ``listed`` leaves of a plan, about ``files`` of them, in plan order; ``private`` as in ``Processes``."""
    jobs = min(options.jobs or available_cores(), max(files, 1))
    store = plan.store
    packed = {} if store is None else {"packed": True, "mixed": store.mixed, "flat": store.flat}
    job = Job(spec, root, options.max_pixels, plan.layout, **packed)
    # Small enough that no worker waits long for the last one, large enough that a unit's draws cost nothing.
    units = plan.units(listed, min(64, max(4, files // (16 * jobs))))
    if options.engine == "processes" or (options.engine == "auto" and can_fork() and processes_serve(jobs, _copy_pixels(plan, spec))):
        return Processes(make_run_unit, job, jobs, stop, _lost, parts=_segments, timeout=options.timeout, private=private).run(units)
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


def _segments(unit: Unit) -> list[Unit]:
    return [(segment,) for segment in unit]


def _lost(unit: Unit, reason: str) -> UnitResult:
    return UnitResult(failures=[Failure(segment.row.source.where, reason, len(segment)) for segment in unit])
