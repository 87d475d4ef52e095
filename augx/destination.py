"""What ``--to`` says: how a set and its annotations are laid out, and what its pictures are packed into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from augx.annotations.base import Layout
from augx.errors import PlanError, printable
from augx.packing.sizes import ShardSize
from augx.packing.store import Store
from augx.sources import Source
from augx.wording import nearest

LAYOUTS = ("coco", "yolo", "voc", "csv", "hf")
STORES = ("webdataset", "npy", "npz")
TO = ("folders", *STORES, *LAYOUTS)
"""What a set can be written to; without a word it is laid out as its sources are."""


def destination(
    to: str, shard_size: str, layout: Layout | None, parts: tuple[str, ...], sources: Sequence[Source]
) -> tuple[Layout | None, Store | None, list[str]]:
    """Layout and store for ``to`` (nothing: as the ``sources`` are), and notes for the user; arrays have their form still to come.

    Raises ``PlanError`` for what such a set can't hold.
    """
    if to and to not in TO:
        raise PlanError(f"--to {printable(to)}: expected {', '.join(TO[:-1])} or {TO[-1]}{nearest(to, TO)}")
    if shard_size and to != "webdataset":
        raise PlanError(f"--shard-size {printable(shard_size)}: goes with --to webdataset")
    annotated = layout is not None and layout.annotated
    if to == "folders" and layout is not None and annotated:
        raise PlanError(f"--to folders would lose the objects of this {layout.kind} set; leave it out, or use coco, yolo, voc, csv or hf")
    notes: list[str] = []
    kind = to if to in LAYOUTS else layout.kind if layout is not None and annotated and parts else ""
    if annotated and to == "webdataset":
        kind = "coco"  # whose objects are in the lines, and so in the samples' .json
    if kind:
        from augx.annotations.convert import as_kind

        layout, notes = as_kind(layout, kind, parts, sources)
    elif layout is not None and parts:
        layout = replace(layout, parts=parts)
    if to == "webdataset":
        return layout, Store(to, ShardSize.parse(shard_size) if shard_size else ShardSize()), notes
    return layout, Store(to) if to in STORES else None, notes
