"""``augx explain``: one copy, number by number."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import MAX_PIXELS, SPEC, typed_spec, write_out

if TYPE_CHECKING:
    from augx.sources import Source


@click.command(short_help="Say what one copy drew, number by number.", context_settings={"max_content_width": 110})
@click.option("--image", required=True, metavar="FILE", help="The picture.")
@click.option("--label", help="The class that it belongs to, as for generate.")
@click.option("--input", "input_root", metavar="DIR", help="The folder of class folders that it belongs to, as for generate.")
@click.option("--copy", type=click.IntRange(0, 2**53), required=True, help="The copy's number, as its file name has it.")
@SPEC
@MAX_PIXELS
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with the whole table.")
def explain(image: str, label: str | None, input_root: str | None, copy: int, **options: Any) -> None:
    """Say what a copy drew, in the order in which it is applied: its matrix, its table, its border.

    \b
    augx explain --image cat.jpg --copy 12 --spec strong
    augx explain --image photos/cats/cat.jpg --input photos/ --copy 12

    The numbers depend on the picture's name in the set: give --input or --label where generate had it.
    """
    from augx.errors import SourceError, printable
    from augx.review.explain import explain_copy

    spec = typed_spec(options)
    source = _source(image, input_root, label)
    try:
        found = explain_copy(source, spec, copy, max_pixels=options["max_pixels"])
    except SourceError as error:
        raise type(error)(f"{printable(image)}: {error}") from None
    if not source.label and spec.classes:
        there = ", ".join(map(printable, list(spec.classes)[:5]))
        click.echo(f"augx: no class is given; the spec has settings of their own for {there}: see --label and --input", err=True)
    write_out(json.dumps(found.as_json()).encode() + b"\n" if options["as_json"] else found.as_text().encode())


def _source(image: str, input_root: str | None, label: str | None) -> Source:
    from augx import PlanError, class_tree, named_images
    from augx.errors import printable

    if input_root is None:
        (source,) = named_images([image], "" if label is None else label)
        return source
    if label is not None:
        raise click.UsageError("--label goes without --input, where the folders are the labels")
    found = [source for source in class_tree(input_root) if source.key == image or os.path.realpath(source.path) == os.path.realpath(image)]
    if not found:
        raise PlanError(f"{printable(image)}: not one of the pictures in {printable(input_root)}")
    return found[0]
