"""``augx generate``: images in, exactly the copies asked for out."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from augx.executors import Stop
    from augx.expand import Report
    from augx.plan import Plan
    from augx.spec import Spec

_SHORT = (("seed", "seed"), ("output.format", "format_"), ("output.quality", "quality"))
_COUNT = click.IntRange(min=1)


@click.command(context_settings={"max_content_width": 110})
@click.option("--image", "images", multiple=True, metavar="FILE", help="A picture to expand; may be repeated.")
@click.option("--input", "input_root", metavar="DIR", help="A folder of class folders: DIR/CLASS/... -> OUTPUT/CLASS/...")
@click.option("--output", metavar="DIR", help="Where the copies go.  [default: generated_dataset, in a folder a picture]")
@click.option("--label", help="With --image: put the copies into OUTPUT/LABEL.")
@click.option(
    "--spec", default="tutorial", show_default=True, metavar="FILE|NAME", help="A YAML spec, or tutorial, gentle, strong, documents."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the spec, e.g. warp.rotate=15; may be repeated.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Another number makes other copies.  [default: the spec's, or 0]")
@click.option("--total", type=_COUNT, help="Copies in all, spread evenly over the sources.  [default with --image: 100]")
@click.option("--copies", type=_COUNT, help="Copies of each source.")
@click.option("--per-class", type=_COUNT, help="Copies of each class.")
@click.option("--originals", is_flag=True, help="Also put the untouched sources into the output.")
@click.option("--format", "format_", metavar="FORMAT", help="source (each its own), jpg, png, webp, tiff or bmp.")
@click.option("--quality", type=int, help="Of jpg and webp, 1 to 100.  [default: 95]")
@click.option("--size", metavar="WxH", help="Size of the copies in pixels.  [default: the source's]")
@click.option("--jobs", type=_COUNT, help="Workers.  [default: one a core]")
@click.option("--engine", type=click.Choice(["auto", "threads", "processes"]), default="auto", show_default=True, help="What workers are.")
@click.option("--on-error", type=click.Choice(["skip", "stop"]), default="skip", show_default=True, help="What to do about a bad source.")
@click.option("--max-pixels", type=_COUNT, default=100_000_000, show_default=True, help="Refuse larger sources.")
@click.option("--overwrite", is_flag=True, help="Replace the set that the output holds (the files listed in its manifest).")
@click.option("--dry-run", is_flag=True, help="Print the plan and touch nothing.")
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
    if bool(images) == (input_root is not None):
        raise click.UsageError("give the pictures either by --image FILE or by --input DIR" + (", not both" if images else ""))
    if output == "":
        raise click.UsageError("--output is empty; name a folder")
    if label is not None and not images:
        raise click.UsageError("--label goes with --image; with --input the folders are the labels")
    if input_root is not None and output is None:
        raise click.UsageError("--input needs --output DIR")
    from augx import class_tree, named_images, plan_copies

    spec = _load_spec(options)
    if label is None and output is not None:
        label = ""  # straight into --output
    sources = named_images(images, label) if images else class_tree(input_root or "")
    amount = {name: options[name] for name in ("total", "copies", "per_class")}
    if images and not any(amount.values()):
        amount["total"] = 100
    plan = plan_copies(sources, spec, originals=options["originals"], **amount)
    root = output if output is not None else "generated_dataset"
    if options["dry_run"]:
        from augx.output import look

        there = 0 if options["overwrite"] else look(plan, spec, root, input_root)
        _print_plan(plan, root, there, options["as_json"])
        return
    gc.freeze()
    gc.enable()
    with _Signals() as signals:
        report = _run(plan, spec, root, input_root, options, signals.stop)
    _print_report(report, plan, options, signals.number)
    if signals.number is not None:
        raise click.exceptions.Exit(128 + signals.number)
    if report.missing:
        raise click.exceptions.Exit(1)


def _load_spec(options: dict[str, Any]) -> Spec:
    """The spec with --set, and with the options that stand for a --set of their own; errors name the option as it was typed."""
    from augx import SpecError, load_spec

    typed = {f"{key}={options[name]}": f"--{name.rstrip('_')} {options[name]}" for key, name in _SHORT if options[name] is not None}
    if options["size"] is not None:
        match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", options["size"])
        if not match:
            raise click.UsageError(f"--size {options['size']!r}: write WIDTHxHEIGHT, for example 224x224")
        typed[f"output.size=[{int(match[1])}, {int(match[2])}]"] = f"--size {options['size']}"
    try:
        return load_spec(options["spec"], [*options["overrides"], *typed])
    except SpecError as error:
        problems = error.problems
        for key, option in typed.items():
            problems = [problem.replace(f"--set {key}:", f"{option}:") for problem in problems]
        raise SpecError(problems) from None


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

    how = Options(options["jobs"], options["engine"], options["on_error"], options["overwrite"], options["max_pixels"])
    with _progress(plan, options) as on_commit:
        return run_plan(plan, spec, root, input=input_root, options=how, on_commit=on_commit, stop=stop)


@contextlib.contextmanager
def _progress(plan: Plan, options: dict[str, Any]) -> Iterator[Callable[[Sequence[str]], None]]:
    def write_paths(paths: Sequence[str]) -> None:
        if options["paths"]:
            _write_out(b"".join(os.fsencode(path) + b"\n" for path in paths))

    if options["quiet"] or not sys.stderr.isatty():
        yield write_paths
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its thread would keep the workers from being forked
    with tqdm(total=plan.files, unit=" pictures") as bar:

        def on_commit(paths: Sequence[str]) -> None:
            bar.update(len(paths))
            write_paths(paths)

        yield on_commit


def _write_out(data: bytes) -> None:
    """To standard output; a reader that has gone away (``| head``) does not stop the work."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _print_plan(plan: Plan, root: str, there: int, as_json: bool) -> None:
    from augx.errors import printable

    classes = plan.classes()
    if as_json:
        rows = {label: {"sources": s, "copies": c, "files": f} for label, (s, c, f) in classes.items()}
        counts = {"sources": len(plan.rows), "copies": plan.copies, "files": plan.files, "there": there}
        _write_out(json.dumps({"output": root, **counts, "classes": rows}).encode() + b"\n")
        return
    lines: list[tuple[object, ...]] = [("class", "sources", "copies", "files")]
    lines += [(printable(label) or "(none)", *counts) for label, counts in classes.items()]
    lines.append(("all", len(plan.rows), plan.copies, plan.files))
    width = max(len(str(line[0])) for line in lines)
    table = "".join(f"{name:<{width}}" + "".join(f"{n:>14}" for n in counts) + "\n" for name, *counts in lines)
    left = f", {there} are there already, {plan.files - there} to make" if there else ""
    _write_out(f"{table}into {printable(root)}{left}; nothing was written (--dry-run)\n".encode())


def _print_report(report: Report, plan: Plan, options: dict[str, Any], signal_number: int | None) -> None:
    from augx.errors import printable

    if options["as_json"]:
        failures = [{"source": f.source, "reason": f.reason, "missing": f.missing} for f in report.failures]
        counts = {name: getattr(report, name) for name in ("planned", "made", "kept", "missing")}
        summary = {"output": report.output, **counts, "failures": failures, "stopped": report.stopped, "seconds": round(report.seconds, 3)}
        _write_out(json.dumps(summary).encode() + b"\n")
    for failure in report.failures:
        click.echo(f"augx: {printable(failure.source)}: {failure.reason}; {failure.missing} files missing", err=True)
    if options["quiet"] and not report.missing:
        return
    sources = f"{len(plan.rows)} picture{'s' if len(plan.rows) > 1 else ''}"
    made = f"{report.made} files made from {sources} in {printable(report.output)}"
    kept = f", {report.kept} were there already" if report.kept else ""
    missing = f", {report.missing} of {report.planned} missing" if report.missing else ""
    speed = f" ({report.seconds:.1f} s, {report.made / report.seconds:.0f} a second)" if report.made else ""
    again = "; the same command goes on" if signal_number is not None else ""
    click.echo(f"augx: {made}{kept}{missing}{speed}{again}", err=True)
