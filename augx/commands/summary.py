"""What a run says of itself at its end: lines on standard error, or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import counted, write_out

if TYPE_CHECKING:
    from augx.expand import Report
    from augx.plan import Plan


def print_report(report: Report, plan: Plan, options: dict[str, Any], signal_number: int | None) -> None:
    """What was made, what is missing and why."""
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
