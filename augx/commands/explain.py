"""``augx explain``: one copy, number by number."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from augx.commands.options import MAX_PIXELS, SPEC, Whole, typed_spec, write_out

if TYPE_CHECKING:
    from augx.annotations.base import Layout
    from augx.sources import Source


@click.command(short_help="Say what one copy drew, number by number.", context_settings={"max_content_width": 110})
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--image", metavar="FILE", help="Of a copy that need not be written yet: the picture.")
@click.option("--label", help="The class that it belongs to, as for generate.")
@click.option("--input", "input_root", metavar="PATH", help="The set that it belongs to, as for generate; with FILE, where that is now.")
@click.option("--copy", type=Whole(0, 2**53), help="The copy's number, as its file name has it.")
@SPEC
@MAX_PIXELS
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with the whole table.")
@click.pass_context
def explain(
    context: click.Context,
    /,
    file: str | None,
    image: str | None,
    label: str | None,
    input_root: str | None,
    copy: int | None,
    **options: Any,
) -> None:
    """Say what a copy drew, in the order in which it is applied: its matrix, its table, its border, and what became of its targets.

    \b
    augx explain expanded/cats/Cat_00012.jpg
    augx explain --image cat.jpg --copy 12 --spec strong
    augx explain --image photos/cats/cat.jpg --input photos/ --copy 12

    FILE is a copy in a set that generate wrote: its line in the manifest tells its numbers, run.json the spec and where its
    source is; in a set of tar shards or arrays, it is named as if it lay there as a file. With --image the numbers depend on
    the picture's name in the set: give --input or --label where generate had it.
    """
    from augx.errors import SourceError, printable
    from augx.review.explain import explain_copy, explain_recorded
    from augx.review.recorded import recorded_copy

    try:
        if file is not None:
            _alone(context)
            found = explain_recorded(recorded_copy(file, input_root), max_pixels=options["max_pixels"])
        else:
            if image is None or copy is None:
                raise click.UsageError("give a copy's FILE in its set, or --image FILE and --copy NUMBER")
            spec = typed_spec(options)
            source, layout = _source(image, input_root, label)
            found = explain_copy(source, spec, copy, max_pixels=options["max_pixels"], layout=layout)
            if not source.label and spec.classes:
                there = ", ".join(map(printable, list(spec.classes)[:5]))
                click.echo(f"augx: no class is given; the spec has settings of their own for {there}: see --label and --input", err=True)
    except SourceError as error:
        raise type(error)(f"{printable(file if file is not None else image)}: {error}") from None
    write_out(json.dumps(found.as_json()).encode() + b"\n" if options["as_json"] else found.as_text().encode())


def _alone(context: click.Context) -> None:
    """The record of a set says all but where its sources are now."""
    for parameter in context.command.params:
        typed = parameter.name is not None and context.get_parameter_source(parameter.name) == ParameterSource.COMMANDLINE
        if typed and parameter.name not in ("file", "input_root", "max_pixels", "as_json"):
            raise click.UsageError(f"{parameter.opts[0]} goes with --image; of a copy in a set, its manifest and run.json say it")


def _source(image: str, input_root: str | None, label: str | None) -> tuple[Source, Layout | None]:
    from augx import PlanError, find_sources, named_images
    from augx.errors import printable

    if input_root is None:
        (source,) = named_images([image], "" if label is None else label)
        return source, None
    if label is not None:
        raise click.UsageError("--label goes without --input, where the folders are the labels")
    found = find_sources(input_root)
    real = os.path.realpath(image)
    same = [one for one in found.sources if one.key == image or (one.part is None and os.path.realpath(one.path) == real)]
    if not same:
        raise PlanError(f"{printable(image)}: not one of the pictures in {printable(input_root)}")
    return same[0], found.layout
