"""``augx schema``: the spec's language for editors."""

from __future__ import annotations

import json

import click

from augx.commands.options import write_out


@click.command(short_help="Print the JSON Schema of a spec, for editors.")
def schema() -> None:
    """Print the JSON Schema of a spec.

    \b
    augx schema > augx.schema.json

    With this as the first line of a spec, editors complete and explain its keys:

    \b
    # yaml-language-server: $schema=augx.schema.json
    """
    from augx.catalogue import json_schema

    write_out(json.dumps(json_schema()).encode() + b"\n")
