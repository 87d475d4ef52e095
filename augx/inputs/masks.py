"""Masks beside a set of pictures: a folder of them, each with its picture's stem; and which masks are in formats that lose labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from augx.annotations.listing import files_below
from augx.errors import PlanError, SourceError, printable
from augx.files import read_bytes
from augx.inputs.folders import must_exist
from augx.sources import EXTENSIONS, Source, SourceSet

_NAME = "masks"
_HEAD = 4096
"""Bytes of a WebP in which its picture begins: before it may stand a colour profile."""


def with_masks(found: SourceSet, root: str) -> SourceSet:
    """The sources with their masks from the folder ``root``, where ``a/b.png`` is that of ``a/b.jpg``, or of ``images/a/b.jpg``.

    A source without a mask there can't be made, and is counted. Raises ``PlanError`` where two masks have one stem.
    """
    must_exist(root)
    if not os.path.isdir(root):
        raise PlanError(f"--masks {printable(root)}: not a folder")
    masks: dict[str, str] = {}
    for key in files_below(root, EXTENSIONS, []):
        stem = os.path.splitext(key)[0]
        if stem in masks:
            raise PlanError(
                f"--masks {printable(root)}: {printable(masks[stem])} and {printable(key)} are masks of one picture; remove one"
            )
        masks[stem] = key
    if not masks:
        raise PlanError(f"--masks {printable(root)}: no mask in this folder; masks end in {', '.join(sorted(EXTENSIONS))}")
    names = [_mask_of(source, masks) for source in found.sources]
    if not any(names):
        first = found.sources[0]
        raise PlanError(
            f"--masks {printable(root)}: no mask has the stem of a picture, such as {printable(os.path.splitext(first.key)[0])}"
        )
    return replace(found, sources=[_with_mask(source, name, root) for source, name in zip(found.sources, names, strict=True)])


def lossy_masks(sources: Sequence[Source]) -> list[str]:
    """A note on masks in formats that change pixels (JPEG, most WebP), and so make labels that nobody drew."""
    lossy = [path for path in dict.fromkeys(path for source in sources for _, path in source.masks) if _is_lossy(path)]
    if not lossy:
        return []
    more = "1 mask loses" if len(lossy) == 1 else f"{len(lossy):,} masks lose"
    return [
        f"{more} labels: {printable(lossy[0])} is in a lossy format, which blurs labels into others at every edge; "
        "make masks as PNG, from their first drawing and not from these files"
    ]


def _is_lossy(path: str) -> bool:
    kind = EXTENSIONS.get(os.path.splitext(path)[1].lower())
    if kind != "webp":
        return kind == "jpg"
    try:
        head = read_bytes(path, _HEAD)
    except SourceError:
        return False  # it fails in words with its picture
    return b"VP8 " in head and b"VP8L" not in head


def _mask_of(source: Source, masks: dict[str, str]) -> str:
    """The mask of a picture by its stem, else by the end of it (``a/b`` of ``images/a/b``); ``""`` without one."""
    parts = os.path.splitext(source.key)[0].split("/")
    stems = ("/".join(parts[i:]) for i in range(len(parts)))
    return next((masks[stem] for stem in stems if stem in masks), "")


def _with_mask(source: Source, name: str, root: str) -> Source:
    if not name:
        return replace(source, fault=source.fault or f"no mask with its stem in {printable(root)}")
    return replace(source, masks=(*source.masks, (_NAME, os.path.join(root, name))))
