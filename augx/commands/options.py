"""Options that several commands have in common, and what they say: sources, a spec, a plan."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from augx.plan import Plan
    from augx.sources import SourceSet
    from augx.spec import Spec

F = TypeVar("F", bound=Callable[..., Any])


class Whole(click.IntRange):
    """A whole number, and words that say so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            allowed = f"at least {self.min}" if self.max is None else f"from {self.min} to {self.max}"
            return self.fail(f"found {value!r}; expected a whole number {allowed}", param, ctx)


COUNT = Whole(min=1)


def named(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A path or an address, and not nothing."""
    if not value:
        raise click.BadParameter("it is empty; name a folder or an address", context, parameter)
    return value


class _Seconds(click.FloatRange):
    """More than none, and a number: NaN is within all bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        with contextlib.suppress(click.BadParameter):
            number = super().convert(value, param, ctx)
            if number == number:
                return number
        return self.fail(f"found {value!r}; expected seconds, more than 0 and at most {self.max:,.0f}", param, ctx)


_SHORT = (("seed", "seed"), ("output.format", "format_"), ("output.quality", "quality"))


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


SOURCES: Callable[[F], F] = _together(
    click.option("--image", "images", multiple=True, metavar="FILE", help="A picture; may be repeated."),
    click.option(
        "--input",
        "input_root",
        metavar="PATH",
        help="DIR of class folders (DIR/CLASS/...), a YOLO or Pascal VOC folder; a table (.csv .tsv .jsonl .parquet), arrays (.npy "
        ".npz), tars (a.tar, {000..099}.tar, - on standard input), COCO (.json), YOLO (data.yaml).",
    ),
    click.option("--images-from", metavar="FILE", help="A list of pictures, one a line; - is standard input."),
    click.option("-0", "--null", is_flag=True, help="With --images-from: names end in NUL, as find -print0 writes them."),
    click.option("--label", help="The class that all pictures belong to, where the input has none."),
    click.option("--image-column", metavar="NAME", help="Of a table: the column with the pictures' paths.  [default: by its name]"),
    click.option("--label-column", metavar="NAME", help="Of a table: the column with the classes.  [default: by its name]"),
    click.option("--mask-column", "mask_columns", multiple=True, metavar="NAME", help="Of a table: a column of masks; may be repeated."),
    click.option("--root", metavar="DIR", help="Where the paths of a table, a list or COCO begin.  [default: beside the file]"),
    click.option("--masks", metavar="DIR", help="Masks that move with the pictures, with the same stems."),
    click.option("--labels", metavar="FILE", help="Of a .npy: the classes, one a row."),
    click.option("--layout", type=click.Choice(["channels_last", "channels_first"]), default="channels_last", help="Of arrays."),
    click.option("--subset", metavar="NAME", help="Of a YOLO or VOC set: train, val, test or all.  [default: train, where it is split]"),
    click.option("--oriented", is_flag=True, help="Of a YOLO set: four corners are a box at an angle."),
)
"""Where the pictures come from."""

MAX_PIXELS: Callable[[F], F] = click.option(
    "--max-pixels", type=COUNT, default=100_000_000, show_default=True, help="Refuse larger sources."
)

TIMEOUT: Callable[[F], F] = click.option(
    "--timeout",
    type=_Seconds(0, 1e6, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that decoding one picture may take, where workers are processes.",
)

JOBS: Callable[[F], F] = click.option("--jobs", type=COUNT, help="Workers.  [default: one a core]")

CHANGES: Callable[[F], F] = _together(
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the spec, e.g. warp.rotate=15; may be repeated."),
    click.option("--seed", type=Whole(0, 2**64 - 1), help="Another number makes other copies.  [default: the spec's, or 0]"),
    click.option("--format", "format_", metavar="FORMAT", help="source (each its own), jpg, png, webp, tiff, bmp or npy."),
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
    click.option(
        "--balance",
        metavar="max|median|N",
        help="Bring every class to as many files, originals (put beside them) counted.",
    ),
    click.option("--originals", is_flag=True, help="Also put the untouched sources into the output."),
    click.option("--split", metavar="train=0.8,...", help="Divide the sources; train alone gets copies, val and test stay as they are."),
    click.option("--group-by", metavar="COLUMN|REGEX", help="With --split: what belongs together, by a column, or found in the key."),
    click.option("--split-seed", type=Whole(0, 2**64 - 1), default=0, help="With --split: another number, another division."),
    click.option("--to", metavar="FORMAT", help="folders, webdataset, npy, npz, coco, yolo, voc, csv or hf.  [default: as the input is]"),
    click.option("--hf", is_flag=True, help="Hugging Face's metadata.jsonl beside the pictures: --to hf."),
    click.option("--shard-size", metavar="N|BYTES", help="Of webdataset: samples (10000) or bytes (500MB) a shard."),
)
"""How many copies of what, and how they are laid out."""


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


_OF_INPUT = ("image_column", "label_column", "mask_columns", "root", "masks", "labels", "subset", "oriented")


def typed_sources(images: Sequence[str], input_root: str | None, label: str | None, options: dict[str, Any]) -> SourceSet:
    """The pictures of ``--image``, ``--input`` or ``--images-from``, just one of which must be given; remarks go to standard error."""
    listed = options["images_from"]
    if sum((bool(images), input_root is not None, listed is not None)) != 1:
        several = ", not more than one" if images or input_root is not None or listed is not None else ""
        raise click.UsageError(f"give the pictures by --image FILE, by --input PATH or by --images-from FILE{several}")
    if options["null"] and listed is None:
        raise click.UsageError("-0 goes with --images-from")
    how = {name: options[name] for name in _OF_INPUT if options[name]}
    if options["layout"] == "channels_first":
        how["channels_first"] = True
    if input_root is None and how.keys() - ({"root"} if listed is not None else set()):
        from augx.inputs import as_typed

        given = sorted(how.keys() - {"root"}) or ["root"]
        raise click.UsageError(f"{as_typed(given[0])} goes with --input")
    from augx import SourceSet, find_sources, named_images, read_list

    if images:
        return SourceSet(named_images(images, label))
    if listed is not None:
        found = read_list(sys.stdin.buffer if listed == "-" else listed, null=options["null"], root=options["root"], label=label)
    else:
        found = find_sources(input_root or "", label=label, **how)
    print_notes(found.notes, options)
    return found


def print_notes(notes: Sequence[str], options: dict[str, Any]) -> None:
    """Remarks go to standard error, unless they are not wanted."""
    from augx.errors import printable

    for note in notes if not options.get("quiet") else ():
        click.echo(f"augx: {printable(note)}", err=True)


def counted(n: int, thing: str) -> str:
    """A number and what it counts: 1 file, 2 files."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def typed_plan(images: Sequence[str], sources: SourceSet, spec: Spec, options: dict[str, Any], root: str | None = None) -> Plan:
    """The plan for the options of ``AMOUNT``; a split keeps what the set in ``root`` has already."""
    from augx import plan_copies

    amount = {name: options[name] for name in ("total", "copies", "per_class", "balance")}
    if images and not any(amount.values()) and not spec.class_totals:
        amount["total"] = 100
    if options["hf"] and options["to"] not in (None, "hf"):
        raise click.UsageError(f"--hf is --to hf; found --to {options['to']} as well")
    for name in ("group_by", "to", "shard_size"):
        if options[name] == "":
            raise click.UsageError(f"--{name.replace('_', '-')} is empty")
    for name in ("group_by", "split_seed"):
        if options[name] and options["split"] is None:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --split")
    split, kept = None, {}
    if options["split"] is not None:
        from augx.listed import recorded_parts
        from augx.recorded import as_recorded
        from augx.split import Split

        split = Split.parse(options["split"], options["group_by"] or "", options["split_seed"])
        if root is not None and not options.get("overwrite"):
            split, kept = as_recorded(split, root), recorded_parts(root)
    where: dict[str, Any] = {"to": "hf" if options["hf"] else options["to"] or "", "shard_size": options["shard_size"] or ""}
    plan = plan_copies(sources, spec, originals=options["originals"], split=split, parts=kept, **amount, **where)
    print_notes(plan.notes, options)
    return plan


def write_out(data: bytes) -> None:
    """To standard output; a reader that has gone away (``| head``), or was never there (``>&-``), does not stop the work."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EBADF):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
