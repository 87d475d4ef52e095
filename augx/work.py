"""A plan's units, carried out by workers: threads, processes, or Dask's; results in plan order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from augx.addresses import is_address
from augx.copies import Job
from augx.decode import MAX_PIXELS
from augx.errors import SourceError
from augx.executors import Engine, Stop, available_cores, can_fork, in_threads, processes_serve
from augx.listed import Listed
from augx.plan import Plan, Unit
from augx.pool import Processes
from augx.sources import Source, stored_size
from augx.spec import Spec
from augx.unit import Failure, UnitResult, make_run_unit

if TYPE_CHECKING:
    from augx.cluster import Cluster

U = TypeVar("U")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is run; none of it changes a byte of what comes out.

    ``jobs``: workers, by default one a core; ``engine``: see ``executors``; ``on_error``: what a bad source does to the
    others; ``overwrite``: discard the set that the output holds; ``max_pixels``: refuse larger sources undecoded; ``timeout``:
    seconds that reading and decoding one source may take in a worker process (nothing can end a thread). ``address`` or
    ``scheduler_file`` say which of Dask's schedulers to use, instead of one for this run with ``jobs`` workers; ``cluster`` is a
    ``Cluster`` that somebody has entered, and is left open.
    """

    jobs: int | None = None
    engine: Engine = "auto"
    on_error: str = "skip"
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    timeout: float = 60.0
    address: str | None = None
    scheduler_file: str | None = None
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True)
class Work(Generic[U, R]):
    """What an engine has to know: ``make_run(argument, stop, sources)`` is what does a unit, keeping that many decoded sources;
    ``lost`` stands for one that nobody could do, ``parts`` are what it is tried in before that.
    """

    make_run: Callable[..., Callable[[U], R]]
    argument: Any
    lost: Callable[[U, str], R]
    parts: Callable[[U], Sequence[U]] = lambda unit: (unit,)


def carried_out(
    work: Work[U, R],
    units: Callable[[int], Iterable[U]],
    pixels: Callable[[], int],
    options: Options,
    files: int,
    stop: Stop,
    private: Sequence[int] = (),
) -> Iterator[R]:
    """The results of ``units``, which get the number of workers, in order. About ``files`` of so many ``pixels`` are made in all;
    ``private`` as in ``Processes``.
    """
    jobs = min(options.jobs or available_cores(), max(files, 1))
    if options.engine == "dask":
        return _on_cluster(work, units, options, jobs, stop)
    if options.engine == "processes" or (options.engine == "auto" and can_fork() and processes_serve(jobs, pixels())):
        pool = Processes(work.make_run, work.argument, jobs, stop, work.lost, parts=work.parts, timeout=options.timeout, private=private)
        return pool.run(units(jobs))
    return in_threads(work.make_run(work.argument, stop, jobs + 1), units(jobs), jobs, stop)


def _on_cluster(work: Work[U, R], units: Callable[[int], Iterable[U]], options: Options, jobs: int, stop: Stop) -> Iterator[R]:
    from augx.cluster import Cluster  # it takes its time, and few runs need it

    own = Cluster(options.address, options.scheduler_file, jobs) if options.cluster is None else None
    with own or contextlib.nullcontext(options.cluster) as cluster:
        assert cluster is not None
        yield from cluster.results(work.make_run, work.argument, units(cluster.threads), stop, work.lost, work.parts)


def results_of(
    plan: Plan, spec: Spec, root: str, options: Options, listed: Listed, files: int, stop: Stop, private: Sequence[int] = ()
) -> Iterator[UnitResult]:
    """The results of what ``listed`` leaves of a plan, about ``files`` of them, in plan order; ``private`` as in ``Processes``."""
    far = options.engine == "dask"
    job = job_of(plan, spec, root, options)

    def units(workers: int) -> Iterable[Unit]:
        # What each unit costs Dask's scheduler counts where there are hundreds of workers; finished pictures come back as bytes.
        found = plan.units(listed, _unit_size(files, workers, 512 if far and not job.packed else 64))
        return map(absolute, found) if far else found

    work = Work(make_run_unit, job, _lost, _segments)
    return carried_out(work, units, lambda: copy_pixels(plan, spec), options, files, stop, private)


def job_of(plan: Plan, spec: Spec, root: str, options: Options) -> Job:
    """What every unit of a plan has in common; for Dask with a path that processes in other folders find."""
    store = plan.store
    packed = {} if store is None else {"packed": True, "mixed": store.mixed, "flat": store.flat}
    output = _absolute_path(root) if root and options.engine == "dask" else root
    return Job(spec, output, options.max_pixels, plan.layout, **packed)


def _unit_size(files: int, workers: int, most: int) -> int:
    """Small enough that no worker waits long for the last one, large enough that a unit's draws cost nothing."""
    return min(most, max(4, files // (16 * workers)))


def absolute(unit: Unit) -> Unit:
    """The unit with sources that a process in another folder finds."""
    return tuple(replace(segment, row=replace(segment.row, source=_absolute_source(segment.row.source))) for segment in unit)


def _absolute_source(source: Source) -> Source:
    masks = tuple((name, _absolute_path(path)) for name, path in source.masks)
    return replace(source, path=_absolute_path(source.path), masks=masks)


def _absolute_path(path: str) -> str:
    return path if is_address(path) else os.path.abspath(path)


def copy_pixels(plan: Plan, spec: Spec) -> int:
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
