"""``augx generate``: images in, exactly the copies asked for out."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import AMOUNT, JOBS, MAX_PIXELS, SOURCES, SPEC, counted, typed_plan, typed_sources, typed_spec, write_out
from augx.commands.plan import print_plan

if TYPE_CHECKING:
    from augx.executors import Stop
    from augx.expand import Report
    from augx.plan import Plan
    from augx.spec import Spec


class _Seconds(click.FloatRange):
    """More than none, and a number: NaN is within all bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        return number if number == number else self.fail(f"{value!r} is no number.", param, ctx)


SECONDS = _Seconds(0, 1e6, min_open=True)


@click.command(short_help="Make augmented copies of pictures, exactly as many as you say.", context_settings={"max_content_width": 110})
@SOURCES
@click.option(
    "--output",
    metavar="DIR",
    help="Where the copies go; - is a tar on standard output.  [default: generated_dataset, in a folder a picture]",
)
@SPEC
@AMOUNT
@JOBS
@click.option("--engine", type=click.Choice(["auto", "threads", "processes"]), default="auto", show_default=True, help="What workers are.")
@click.option("--on-error", type=click.Choice(["skip", "stop"]), default="skip", show_default=True, help="What to do about a bad source.")
@MAX_PIXELS
@click.option("--timeout", type=SECONDS, default=60.0, show_default=True, help="With processes: how long decoding a source may take.")
@click.option("--overwrite", is_flag=True, help="Replace the set that the output holds (the files listed in its manifest).")
@click.option("--dry-run", is_flag=True, help="Print the plan, as `augx plan` does, and touch nothing.")
@click.option("--report", is_flag=False, flag_value="", metavar="[FILE]", help="Write a report in HTML.  [default: OUTPUT/report.html]")
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
    if output is None and not images and (input_root is not None or options["images_from"] is not None):
        raise click.UsageError(f"{'--input' if input_root is not None else '--images-from'} needs --output DIR")
    if images and label is None and output is not None:
        label = ""  # straight into --output
    spec = typed_spec(options)
    sources = typed_sources(images, input_root, label, options)
    if output == "-":
        _check_stream(options)
    root = output if output is not None else "generated_dataset"
    plan = typed_plan(images, sources, spec, options, root)
    if options["dry_run"]:
        from augx.output import look

        there = 0 if options["overwrite"] or root == "-" else look(plan, spec, root, input_root)
        print_plan(plan, spec, options, root, there)
        return
    if options["report"] is not None:
        from augx.review.report import check_path

        check_path(options["report"] or os.path.join(root, "report.html"), None if options["report"] else root)
    gc.freeze()
    gc.enable()
    with _Signals() as signals:
        report = _run(plan, spec, root, input_root, options, signals.stop)
    _print_report(report, plan, options, signals.number)
    if signals.number is not None:
        raise click.exceptions.Exit(128 + signals.number)
    if options["report"] is not None:
        _write_report(plan, spec, report, options)
    if report.missing:
        raise click.exceptions.Exit(1)


def _check_stream(options: dict[str, Any]) -> None:
    """A tar on standard output leaves no room for anything else there."""
    if options["to"] != "webdataset":
        raise click.UsageError("--output - is a tar on standard output: it goes with --to webdataset")
    for name in ("paths", "as_json", "report", "overwrite"):
        if options[name] not in (None, False):
            raise click.UsageError(f"--{name.removeprefix('as_')} does not go with --output -, where the tar is all of standard output")
    if sys.stdout.isatty() and not options["dry_run"]:
        raise click.UsageError("--output -: standard output is a terminal; send it to a file or a command: ... --output - | ssh host tar x")


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


def _run(plan: Plan, spec: Any, root: str, input_root: str | None, options: dict[str, Any], stop: Stop) -> Report:
    from augx import Options, run_plan

    names = ("jobs", "engine", "on_error", "overwrite", "max_pixels", "timeout")
    how = Options(**{name: options[name] for name in names})
    with _progress(plan, options) as (on_commit, on_progress):
        if root == "-":
            from augx.stream import stream_plan

            return stream_plan(plan, spec, sys.stdout.buffer, options=how, on_progress=on_progress, stop=stop)
        return run_plan(plan, spec, root, input=input_root, options=how, on_commit=on_commit, on_progress=on_progress, stop=stop)


@contextlib.contextmanager
def _progress(plan: Plan, options: dict[str, Any]) -> Iterator[tuple[Callable[[Sequence[str]], None], Callable[[int], None]]]:
    def write_paths(paths: Sequence[str]) -> None:
        if options["paths"]:
            write_out(b"".join(os.fsencode(path) + b"\n" for path in paths))

    if options["quiet"] or not sys.stderr.isatty():
        yield write_paths, lambda pictures: None
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its thread would keep the workers from being forked
    with tqdm(total=plan.files, unit=" pictures") as bar:

        def on_progress(pictures: int) -> None:
            bar.update(pictures)

        yield write_paths, on_progress


def _write_report(plan: Plan, spec: Spec, run: Report, options: dict[str, Any]) -> None:
    from augx.errors import printable
    from augx.review.finished import run_report
    from augx.review.report import put

    path = options["report"] or os.path.join(run.output, "report.html")
    put(path, run_report(plan, spec, run, name=options["spec"], max_pixels=options["max_pixels"]))
    if not options["quiet"]:
        click.echo(f"augx: {printable(path)}: a report of the run", err=True)


def _print_report(report: Report, plan: Plan, options: dict[str, Any], signal_number: int | None) -> None:
    from augx.errors import printable

    if options["as_json"]:
        failures = [{"source": f.source, "reason": f.reason, "missing": f.missing} for f in report.failures]
        names = ("planned", "made", "kept", "missing", *(("objects", "dropped", "clipped") if plan.layout is not None else ()))
        counts = {name: getattr(report, name) for name in names}
        if report.rejected or report.unmet:
            counts |= {"rejected": dict(report.rejected), "unmet": report.unmet}
        summary = {"output": report.output, **counts, "failures": failures, "stopped": report.stopped, "seconds": round(report.seconds, 3)}
        write_out(json.dumps(summary).encode() + b"\n")
    for failure in report.failures:
        click.echo(f"augx: {printable(failure.source)}: {failure.reason}; {counted(failure.missing, 'file')} missing", err=True)
    if options["quiet"] and not report.missing:
        return
    if report.clipped and not options["quiet"]:
        objects = counted(report.clipped, "object")
        click.echo(
            f"augx: {objects} reached beyond the edge of a picture, and {'is' if report.clipped == 1 else 'are'} clipped there", err=True
        )
    if (report.rejected or report.unmet) and not options["quiet"]:
        reasons = ", ".join(f"{limit} {n}" for limit, n in sorted(report.rejected.items()))
        unmet = (
            f"; {counted(report.unmet, 'copy').replace('copys', 'copies')} kept that break a limit in every draw" if report.unmet else ""
        )
        click.echo(f"augx: draws rejected and drawn anew: {reasons or 'none'}{unmet}", err=True)
    sources = counted(len(plan.rows), "picture")
    made = (
        f"{counted(report.made, 'file')} made from {sources} in {'standard output' if report.output == '-' else printable(report.output)}"
    )
    kept = f", {report.kept} {'was' if report.kept == 1 else 'were'} there already" if report.kept else ""
    missing = f", {report.missing} of {report.planned} missing" if report.missing else ""
    speed = f" ({report.seconds:.1f} s, {report.made / report.seconds:.0f} a second)" if report.made else ""
    if plan.layout is not None and plan.layout.annotated:
        hidden = (
            f" ({report.dropped} {'was' if report.dropped == 1 else 'were'} hardly visible on copies, and dropped)"
            if report.dropped
            else ""
        )
        if report.objects or report.dropped:
            click.echo(f"augx: {counted(report.objects, 'object')} moved with them{hidden}", err=True)
    again = "; the same command goes on" if signal_number is not None else ""
    click.echo(f"augx: {made}{kept}{missing}{speed}{again}", err=True)
