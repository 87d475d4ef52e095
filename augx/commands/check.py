"""``augx check``: a spec's mistakes, and what in it will not do what it seems to."""

from __future__ import annotations

import click


@click.command()
@click.argument("spec")
def check(spec: str) -> None:
    """Find the mistakes of a spec."""
    from augx import load_spec

    load_spec(spec)
