"""``--save`` and ``--plan``: a plan into a file, and out of it again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from augx.commands.options import F, counted, print_notes, typed_plan, typed_sources

if TYPE_CHECKING:
    from augx.plan import Plan
    from augx.spec import Spec

PLAN: Callable[[F], F] = click.option(
    "--plan", "saved", metavar="FILE", help="What to make, as `augx plan --save` wrote it, instead of pictures, spec and amounts."
)

_SAYS = (
    *("images", "input_root", "images_from", "null", "label", "image_column", "label_column", "mask_columns", "root", "masks", "labels"),
    *("layout", "subset", "oriented", "spec", "overrides", "seed", "format_", "quality", "size"),
    *("total", "copies", "per_class", "balance", "originals", "split", "group_by", "split_seed", "to", "hf", "shard_size"),
)
"""The options whose answers a saved plan holds."""
_ALONE = ("copies", "total", "per_class", "to", "shard_size")


def opened_plan(options: dict[str, Any]) -> tuple[Plan, Spec]:
    """The plan of ``--plan`` and its spec; nothing that they say may be said again."""
    context = click.get_current_context()
    for one in context.command.params:
        if one.name in _SAYS and context.get_parameter_source(one.name) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{max(one.opts, key=len)} does not go with --plan {options['saved']}, which says that; leave out one")
    from augx.plan_file import open_plan

    plan, spec = open_plan(options["saved"])
    options["to"] = plan.store.kind if plan.store is not None else options["to"]
    options["spec"] = os.path.basename(options["saved"])
    print_notes(plan.notes, options)
    return plan, spec


def saved_plan(images: Sequence[str], input_root: str | None, label: str | None, spec: Spec, options: dict[str, Any]) -> Plan:
    """The plan, written to ``--save`` and opened again: from an input that is listed source by source, or from the whole list."""
    from augx.errors import printable
    from augx.plan_file import open_plan, save_plan

    path = options["save"]
    if images and label is None:
        label = ""  # straight into the output, as `augx generate --output` has it
    if not _ordered(input_root, label, spec, options):
        save_plan(typed_plan(images, typed_sources(images, input_root, label, options), spec, options), spec, path)
    plan, _ = open_plan(path)
    size = os.stat(path).st_size
    text = f"the plan of {counted(len(plan.rows), 'picture')} is in {printable(path)} ({size:,} bytes)"
    click.echo(f"augx: {text}; augx generate --plan {printable(path)} --output DIR makes it", err=True)
    return plan


def _ordered(input_root: str | None, label: str | None, spec: Spec, options: dict[str, Any]) -> bool:
    """Whether the plan could be written source by source."""
    context = click.get_current_context()
    given = [name for name in _SAYS if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    listing = {"input_root", "label", "image_column", "label_column", "root"}
    spec_says = {"spec", "overrides", "seed", "format_", "quality", "size"}
    if input_root is None or set(given) - listing - spec_says - {*_ALONE, "originals"} or "" in (options["to"], options["shard_size"]):
        return False
    from augx.plan_file import open_plan
    from augx.plans.streamed import HeldError, ordered_sources, save_ordered

    how = {name: options[name] for name in ("image_column", "label_column", "root") if options[name]}
    amounts = {name: options[name] for name in _ALONE if options[name] is not None}
    try:
        found = ordered_sources(input_root, label=label, **how)
        save_ordered(found, spec, options["save"], originals=options["originals"], **amounts)
    except HeldError:
        return False
    print_notes(found.notes, options)
    print_notes(open_plan(options["save"])[0].notes, options)
    return True
