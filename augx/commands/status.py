"""``augx status``: how far a set is, from any machine that sees it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from augx.commands.options import counted, named, write_out

if TYPE_CHECKING:
    from augx.fleet.status import Status


@click.command(short_help="How far a run, or many of them, are.", context_settings={"max_content_width": 110})
@click.argument("output", metavar="OUTPUT", callback=named)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(output: str, as_json: bool) -> None:
    """Say how many files of OUTPUT are made, by how many units, how fast, and what failed for which reason; touch nothing.

    \b
    augx status expanded/
    watch -n 30 augx status s3://bucket/expanded
    """
    from augx.fleet.status import status as look

    found = look(output)
    if as_json:
        write_out(json.dumps({**asdict(found), "failures": dict(found.failures)}).encode() + b"\n")
    else:
        write_out(_words(found).encode())


def _words(found: Status) -> str:
    from augx.errors import printable

    units = f" ({found.done} of {counted(found.units, 'unit')})" if found.units else ""
    about = "about " if found.units and found.done < found.units else ""
    text = f"{printable(found.output)}: {found.state}, {about}{found.made} of {counted(found.planned, 'file')}{units}"
    if found.rate:
        text += f", {found.rate:.3g} a second"
    if found.left:
        text += f", {_lasting(found.left)} left"
    if found.units and found.done == found.units:
        text += f"; end it by augx finalize {printable(found.output)}"
    reasons = "".join(f"{counted(missing, 'file')} missing: {printable(why)}\n" for why, missing in found.failures.items())
    return f"{text}\n{reasons}"


def _lasting(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
