"""``augx finalize``: what many processes made, joined to one set."""

from __future__ import annotations

import json

import click

from augx.commands.options import counted, named, write_out


@click.command(short_help="Join what `generate --shard` made to one set.", context_settings={"max_content_width": 110})
@click.argument("output", metavar="OUTPUT", callback=named)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@click.option("--quiet", is_flag=True, help="Errors only.")
def finalize(output: str, as_json: bool, quiet: bool) -> None:
    """See that all units of OUTPUT are made, and write its one manifest, its index and run.json, as a single run would have.

    \b
    augx generate --input photos/ --output expanded/ --copies 20 --shard 0/2
    augx generate --input photos/ --output expanded/ --copies 20 --shard 1/2
    augx finalize expanded/

    Exit status: 0 the set is whole, 1 units or files of bad sources are missing, 2 no such set.
    """
    from augx.errors import printable
    from augx.fleet.finalize import finalize as join

    ended = join(output)
    if as_json:
        failures = [{"source": one.source, "reason": one.reason, "missing": one.missing} for one in ended.failures]
        counts = {"files": ended.files, "kept": ended.kept, "missing": ended.missing, "units": ended.units}
        write_out(json.dumps({"output": output, **counts, "failures": failures, "notes": list(ended.notes)}).encode() + b"\n")
    for one in ended.failures:
        click.echo(f"augx: {printable(one.source)}: {one.reason}; {counted(one.missing, 'file')} missing", err=True)
    if not quiet:
        for note in ended.notes:
            click.echo(f"augx: {note}", err=True)
        if ended.units:
            kept = f", {ended.kept} were there before" if ended.kept else ""
            missing = f", {ended.missing} missing" if ended.missing else ""
            text = f"{counted(ended.files, 'file')} of {counted(ended.units, 'unit')} joined in {printable(output)}{kept}{missing}"
            click.echo(f"augx: {text}", err=True)
    if ended.missing:
        raise click.exceptions.Exit(1)
