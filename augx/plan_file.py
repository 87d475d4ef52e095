"""A saved plan: what a set of many sources will be, in one file, so that no process lists or counts them again."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from pydantic import ValidationError

from augx.annotations.base import Layout
from augx.errors import PlanError
from augx.inputs import PATHS, layout_of
from augx.packing.forms import ArrayForm
from augx.packing.sizes import ShardSize
from augx.packing.store import Store
from augx.plan import Plan
from augx.plans.lines import lasting
from augx.plans.table import MOST, TableWriter, broken, new_plan_file, open_table
from augx.spec import Spec
from augx.split import Split


def save_plan(plan: Plan, spec: Spec, path: str | os.PathLike[str]) -> None:
    """Write the plan, and the spec it is for, into one file, whole or not at all. Paths are saved absolute, addresses as they are.

    Raises ``PlanError`` for an annotated set, whose objects lie elsewhere, and for a name that another file has, ``WriteError``.
    """
    check_plain(plan.layout)
    if plan.copies >= MOST:
        raise PlanError(f"--save: a saved plan has at most {MOST:,} copies; found {plan.copies:,}")
    places: dict[tuple[str, str], int] = {}
    with new_plan_file(os.fspath(path)) as file:
        table = TableWriter(file)
        numbers = np.empty(len(plan.rows), np.uint16)
        copies, originals = np.empty(len(plan.rows), np.int64), np.empty(len(plan.rows), np.bool_)
        for i, row in enumerate(plan.rows):
            table.add(row)
            numbers[i] = places.setdefault((row.part, row.top), len(places))
            copies[i], originals[i] = row.copies, row.with_original
        classes = {"": plan.classes(), **{part: plan.classes(part) for part, _ in places if part}}
        table.finish(copies, originals, (numbers, list(places)), classes, about(plan, spec))


def check_plain(layout: Layout | None) -> None:
    """Raise ``PlanError`` for an annotated set."""
    if layout is not None and layout.annotated:
        raise PlanError(
            f"--save: the objects of this {layout.kind} set are read from its own files, so its plan can't be saved; "
            "leave --save out, and give --input to every run"
        )


def open_plan(path: str | os.PathLike[str]) -> tuple[Plan, Spec]:
    """A saved plan and its spec; rows are read when they are asked for. Raises ``PlanError`` for what is none, or is damaged."""
    path = os.fspath(path)
    rows, told = open_table(path)
    try:
        spec = Spec.model_validate(told["spec"])
        if spec.hash != told["spec_hash"]:
            raise broken(path, "its spec means something else to this augx")
        layout = layout_of(told["layout"]) if told["layout"] is not None else None
        store, split = (_restored(make, told[name]) for make, name in ((_store, "store"), (_split, "split")))
        texts = tuple(map(str, told["found_in"])), dict(told["reading"]), tuple(map(str, told["notes"]))
        return Plan(rows, layout, store, split, *texts), spec
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ValidationError):
        raise broken(path, "this plan is damaged") from None


def about(plan: Plan, spec: Spec) -> dict[str, Any]:
    """What a saved plan says besides its rows; JSON-plain."""
    here = os.getcwd()
    store, split = plan.store, plan.split
    size, form = (store.size, store.form) if store is not None else (None, None)
    return {
        "spec": spec.canonical(),
        "spec_hash": spec.hash,
        "layout": plan.layout.state() if plan.layout is not None else None,
        "store": [store.kind, size and [size.samples, size.bytes], form and [form.shape, form.dtype]] if store is not None else None,
        "split": [split.shares, split.group_by, split.seed] if split is not None else None,
        "found_in": [lasting(folder, here) for folder in plan.found_in],
        "reading": {name: lasting(value, here) if name in PATHS else value for name, value in plan.reading.items()},
        "notes": plan.notes,
    }


def _restored(make: Any, plain: Any) -> Any:
    return make(*plain) if plain is not None else None


def _store(kind: str, size: list[int] | None, form: list[Any] | None) -> Store:
    limits = ShardSize(*map(int, size)) if size is not None else None
    return Store(str(kind), limits, ArrayForm(tuple(map(int, form[0])), np.dtype(form[1]).str) if form is not None else None)


def _split(shares: list[list[Any]], group_by: str, seed: int) -> Split:
    return Split(tuple((str(name), float(share)) for name, share in shares), str(group_by), int(seed))
