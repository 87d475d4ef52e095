"""A folder of masks beside a set of pictures: each picture's is the one with its stem."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from augx.errors import PlanError, printable
from augx.inputs.folders import must_exist
from augx.sources import EXTENSIONS, Source, SourceSet

_NAME = "masks"


def with_masks(found: SourceSet, root: str) -> SourceSet:
    """The sources with their masks from the folder ``root``, where ``a/b.png`` is that of ``a/b.jpg``, or of ``images/a/b.jpg``.

    A source without a mask there can't be made, and is counted. Raises ``PlanError`` where two masks have one stem.
    """
    must_exist(root)
    if not os.path.isdir(root):
        raise PlanError(f"--masks {printable(root)}: not a folder")
    masks: dict[str, str] = {}
    for key in _pictures(root, ""):
        stem = os.path.splitext(key)[0]
        if stem in masks:
            raise PlanError(
                f"--masks {printable(root)}: {printable(masks[stem])} and {printable(key)} are masks of one picture; remove one"
            )
        masks[stem] = key
    if not masks:
        raise PlanError(f"--masks {printable(root)}: no mask in this folder; masks end in {', '.join(sorted(EXTENSIONS))}")
    sources = [_with_mask(source, masks, root) for source in found.sources]
    if all(source.fault for source in sources):
        first = found.sources[0]
        raise PlanError(
            f"--masks {printable(root)}: no mask has the stem of a picture, such as {printable(os.path.splitext(first.key)[0])}"
        )
    return replace(found, sources=sources)


def _with_mask(source: Source, masks: dict[str, str], root: str) -> Source:
    parts = os.path.splitext(source.key)[0].split("/")
    mask = next((masks[stem] for stem in ("/".join(parts[i:]) for i in range(len(parts))) if stem in masks), None)
    if mask is None:
        return replace(source, fault=source.fault or f"no mask with its stem in {printable(root)}")
    return replace(source, masks=(*source.masks, (_NAME, os.path.join(root, mask))))


def _pictures(root: str, folder: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
    except OSError as error:
        raise PlanError(f"{printable(os.path.join(root, folder))}: can't list this folder: {error.strerror}") from None
    for entry in entries:
        key = f"{folder}/{entry.name}" if folder else entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _pictures(root, key)
        elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS:
            yield key
