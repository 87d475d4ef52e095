"""``augx explain``: one copy, number by number."""

from __future__ import annotations

import json
from typing import Any

import click

from augx.commands.options import MAX_PIXELS, SPEC, typed_spec, write_out


@click.command(context_settings={"max_content_width": 110})
@click.option("--image", required=True, metavar="FILE", help="The picture.")
@click.option("--label", help="The class that it belongs to, as for generate.")
@click.option("--copy", type=click.IntRange(0, 2**53), required=True, help="The copy's number, as its file name has it.")
@SPEC
@MAX_PIXELS
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with the whole table.")
def explain(image: str, label: str | None, copy: int, **options: Any) -> None:
    """Say what a copy drew, in the order in which it is applied: its matrix, its table, its border.

    \b
    augx explain --image cat.jpg --copy 12 --spec strong

    For a picture of a class tree, name its class by --label: the numbers depend on it.
    """
    from augx import named_images
    from augx.errors import SourceError, printable
    from augx.review.explain import explain_copy

    spec = typed_spec(options)
    (source,) = named_images([image], "" if label is None else label)
    try:
        found = explain_copy(source, spec, copy, max_pixels=options["max_pixels"])
    except SourceError as error:
        raise type(error)(f"{printable(image)}: {error}") from None
    write_out(json.dumps(found.as_json()).encode() + b"\n" if options["as_json"] else found.as_text().encode())
