"""``augx generate``: images in, exactly the copies asked for out."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from augx.addresses import is_address
from augx.commands.options import (
    AMOUNT,
    JOBS,
    MAX_PIXELS,
    SOURCES,
    SPEC,
    TIMEOUT,
    Whole,
    typed_plan,
    typed_sources,
    typed_spec,
)
from augx.commands.plan import print_plan
from augx.commands.progress import run_progress
from augx.commands.saved import PLAN, opened_plan
from augx.commands.summary import print_report

if TYPE_CHECKING:
    from augx.executors import Stop
    from augx.expand import Options, Report
    from augx.plan import Plan
    from augx.spec import Spec


@click.command(short_help="Make augmented copies of pictures, exactly as many as you say.", context_settings={"max_content_width": 110})
@SOURCES
@click.option(
    "--output",
    metavar="DIR",
    help="Where the copies go, a folder or an address (s3://...); - is a tar on standard output.  "
    "[default: generated_dataset, in a folder a picture]",
)
@SPEC
@AMOUNT
@PLAN
@JOBS
@click.option(
    "--engine", type=click.Choice(["auto", "threads", "processes", "dask"]), default="auto", show_default=True, help="What workers are."
)
@click.option("--address", metavar="ADDRESS", help="With --engine dask: the scheduler, tcp://host:8786.  [default: one for this run]")
@click.option("--scheduler-file", metavar="FILE", help="With --engine dask: the file that the scheduler wrote its address to.")
@click.option("--on-error", type=click.Choice(["skip", "stop"]), default="skip", show_default=True, help="What to do about a bad source.")
@MAX_PIXELS
@TIMEOUT
@click.option("--overwrite", is_flag=True, help="Replace the set that the output holds (the files listed in its manifest).")
@click.option("--dry-run", is_flag=True, help="Print the plan, as `augx plan` does, and touch nothing.")
@click.option("--report", is_flag=False, flag_value="", metavar="[FILE]", help="Write a report in HTML.  [default: OUTPUT/report.html]")
@click.option("--shard", metavar="I/N", help="Make the I-th (from 0) of N shares of the work; then `augx finalize`, once all are made.")
@click.option("--progress-fd", type=Whole(0), metavar="FD", help="JSON lines on how far the run is, on an open descriptor.")
@click.option("--paths", is_flag=True, help="Print the path of each file as it is written.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress, no summary; errors only.")
def generate(images: tuple[str, ...], input_root: str | None, output: str | None, label: str | None, **options: Any) -> None:
    """Make augmented copies of a picture, or of a folder of class folders: exactly as many as you say.

    \b
    augx generate --image cat.jpg --total 100
    augx generate --input photos/ --output expanded/ --copies 20

    The same command again finishes what is missing. Exit status: 0 all made, 1 some sources failed (the others are
    complete), 2 wrong usage or spec and nothing written, 130/143 stopped by a signal.
    """
    if output == "":
        raise click.UsageError("--output is empty; name a folder")
    if output is None and not images:
        for name, given in (("--input", input_root), ("--images-from", options["images_from"]), ("--plan", options["saved"])):
            if given is not None:
                raise click.UsageError(f"{name} needs --output DIR")
    if images and label is None and output is not None:
        label = ""  # straight into --output
    _check_engine(options)
    root = output if output is not None else "generated_dataset"
    if options["saved"] is not None:
        plan, spec = opened_plan(options)
    else:
        spec = typed_spec(options)
        sources = typed_sources(images, input_root, label, options)
    if output == "-":
        _check_stream(options)
    many = options["shard"] is not None or is_address(output or "")
    if many:
        _check_many(options)
    if options["saved"] is None:
        plan = typed_plan(images, sources, spec, options, root)
    if options["dry_run"]:
        from augx.output import look

        there = 0 if options["overwrite"] or root == "-" or many else look(plan, spec, root, input_root)
        print_plan(plan, spec, options, root, there)
        return
    if options["report"] is not None:
        from augx.review.report import check_path

        check_path(options["report"] or os.path.join(root, "report.html"), None if options["report"] else root)
    gc.freeze()
    gc.enable()
    with _Signals() as signals, _engine(options, plan):
        report = (_run_share if many else _run)(plan, spec, root, input_root, options, signals.stop)
    print_report(report, plan, options, signals.number)
    if signals.number is not None:
        raise click.exceptions.Exit(128 + signals.number)
    if options["report"] is not None:
        _write_report(plan, spec, report, options)
    if report.missing:
        raise click.exceptions.Exit(1)


def _check_engine(options: dict[str, Any]) -> None:
    """A scheduler is for the engine that has one."""
    given = [name for name in ("address", "scheduler_file") if options[name] is not None]
    if given and options["engine"] != "dask":
        raise click.UsageError(f"--{given[0].replace('_', '-')} goes with --engine dask")
    if len(given) > 1:
        raise click.UsageError("--address and --scheduler-file both say which scheduler; give one of them")
    if "" in (options["address"], options["scheduler_file"]):
        raise click.UsageError(f"--{given[0].replace('_', '-')} is empty")


def _check_stream(options: dict[str, Any]) -> None:
    """A tar on standard output leaves no room for anything else there."""
    if options["to"] != "webdataset":
        raise click.UsageError("--output - is a tar on standard output: it goes with --to webdataset")
    for name in ("paths", "as_json", "report", "overwrite", "shard"):
        if options[name] not in (None, False):
            raise click.UsageError(f"--{name.removeprefix('as_')} does not go with --output -, where the tar is all of standard output")
    if sys.stdout.isatty() and not options["dry_run"]:
        raise click.UsageError("--output -: standard output is a terminal; send it to a file or a command: ... --output - | ssh host tar x")


def _check_many(options: dict[str, Any]) -> None:
    """What one process can't do for all."""
    place = "--shard" if options["shard"] is not None else "an --output at an address"
    for name in ("paths", "report", "overwrite"):
        if options[name] not in (None, False):
            raise click.UsageError(f"--{name} does not go with {place}")


class _Signals:
    """SIGINT, SIGTERM and SIGHUP stop the run in order: what is made is kept, and the same command goes on."""

    def __init__(self) -> None:
        from augx.executors import Stop

        self.stop: Stop = Stop()
        self.number: int | None = None

    def __enter__(self) -> _Signals:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._handle) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        self.stop.set()


@contextlib.contextmanager
def _engine(options: dict[str, Any], plan: Plan) -> Iterator[None]:
    """Workers that are found and looked at before anything is written."""
    if options["engine"] != "dask":
        yield
        return
    from augx.cluster import Cluster
    from augx.executors import available_cores

    jobs = min(options["jobs"] or available_cores(), max(plan.files, 1))
    with Cluster(options["address"], options["scheduler_file"], jobs) as options["cluster"]:
        yield


def _how(options: dict[str, Any]) -> Options:
    from augx import Options

    names = ("jobs", "engine", "on_error", "overwrite", "max_pixels", "timeout")
    return Options(cluster=options.get("cluster"), **{name: options[name] for name in names})


def _run_share(plan: Plan, spec: Spec, root: str, input_root: str | None, options: dict[str, Any], stop: Stop) -> Report:
    """A share of the work; of a set at an address, which needs no second command, all of it."""
    from augx.fleet.finalize import finalize
    from augx.fleet.shard import Share, run_share

    share = Share.parse(options["shard"]) if options["shard"] is not None else Share()
    with run_progress(plan.files, options) as (_, progress):
        how, begin = _how(options), progress.begin
        report = run_share(
            plan, spec, root, input=input_root, share=share, options=how, on_begin=begin, on_progress=progress.add, stop=stop
        )
        if options["shard"] is None and not report.missing:
            finalize(root)
    return report


def _run(plan: Plan, spec: Any, root: str, input_root: str | None, options: dict[str, Any], stop: Stop) -> Report:
    from augx import run_plan

    how = _how(options)
    with run_progress(plan.files, options) as (on_commit, progress):
        if root == "-":
            from augx.stream import stream_plan

            return stream_plan(plan, spec, sys.stdout.buffer, options=how, on_progress=progress.add, stop=stop)
        return run_plan(plan, spec, root, input=input_root, options=how, on_commit=on_commit, on_progress=progress.add, stop=stop)


def _write_report(plan: Plan, spec: Spec, run: Report, options: dict[str, Any]) -> None:
    from augx.errors import printable
    from augx.review.finished import run_report
    from augx.review.report import put

    path = options["report"] or os.path.join(run.output, "report.html")
    put(path, run_report(plan, spec, run, name=options["spec"], max_pixels=options["max_pixels"]))
    if not options["quiet"]:
        click.echo(f"augx: {printable(path)}: a report of the run", err=True)
