"""Options that several commands have in common, and what they say: sources, a spec, a plan."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from augx.plan import Plan
    from augx.sources import Source
    from augx.spec import Spec

F = TypeVar("F", bound=Callable[..., Any])
COUNT = click.IntRange(min=1)
_SHORT = (("seed", "seed"), ("output.format", "format_"), ("output.quality", "quality"))


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


SOURCES: Callable[[F], F] = _together(
    click.option("--image", "images", multiple=True, metavar="FILE", help="A picture; may be repeated."),
    click.option("--input", "input_root", metavar="DIR", help="A folder of class folders: DIR/CLASS/..."),
    click.option("--label", help="With --image: the class that the pictures belong to."),
)
"""``--image``, ``--input``, ``--label``."""

MAX_PIXELS: Callable[[F], F] = click.option(
    "--max-pixels", type=COUNT, default=100_000_000, show_default=True, help="Refuse larger sources."
)

JOBS: Callable[[F], F] = click.option("--jobs", type=COUNT, help="Workers.  [default: one a core]")

CHANGES: Callable[[F], F] = _together(
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the spec, e.g. warp.rotate=15; may be repeated."),
    click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Another number makes other copies.  [default: the spec's, or 0]"),
    click.option("--format", "format_", metavar="FORMAT", help="source (each its own), jpg, png, webp, tiff or bmp."),
    click.option("--quality", type=int, help="Of jpg and webp, 1 to 100.  [default: 95]"),
    click.option("--size", metavar="WxH", help="Size of the copies in pixels.  [default: the source's]"),
)
"""``--set`` and the options that stand for a ``--set`` of their own."""

SPEC: Callable[[F], F] = _together(
    click.option(
        "--spec", default="tutorial", show_default=True, metavar="FILE|NAME", help="A YAML spec, or tutorial, gentle, strong, documents."
    ),
    CHANGES,
)
"""``--spec`` and what changes it."""

AMOUNT: Callable[[F], F] = _together(
    click.option("--total", type=COUNT, help="Copies in all, spread evenly over the sources.  [default with --image: 100]"),
    click.option("--copies", type=COUNT, help="Copies of each source."),
    click.option("--per-class", type=COUNT, help="Copies of each class."),
    click.option("--originals", is_flag=True, help="Also put the untouched sources into the output."),
)
"""How many copies."""


def typed_spec(options: dict[str, Any]) -> Spec:
    """The spec with its changes; errors name the option as it was typed."""
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


def typed_sources(images: Sequence[str], input_root: str | None, label: str | None) -> list[Source]:
    """The pictures of ``--image`` or ``--input``, just one of which must be given."""
    if bool(images) == (input_root is not None):
        raise click.UsageError("give the pictures either by --image FILE or by --input DIR" + (", not both" if images else ""))
    if label is not None and not images:
        raise click.UsageError("--label goes with --image; with --input the folders are the labels")
    from augx import class_tree, named_images

    return named_images(images, label) if images else class_tree(input_root or "")


def typed_plan(images: Sequence[str], sources: Sequence[Source], spec: Spec, options: dict[str, Any]) -> Plan:
    """The plan for ``--total``, ``--copies`` or ``--per-class``."""
    from augx import plan_copies

    amount = {name: options[name] for name in ("total", "copies", "per_class")}
    if images and not any(amount.values()):
        amount["total"] = 100
    return plan_copies(sources, spec, originals=options["originals"], **amount)


def write_out(data: bytes) -> None:
    """To standard output; a reader that has gone away (``| head``) does not stop the work."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
