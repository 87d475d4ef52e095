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
    from augx.spec import Spec

    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema(), "title": "augx spec"}
    write_out(json.dumps(described, indent=2).encode() + b"\n")
