"""Sets as Ultralytics' YOLO has them: ``data.yaml``, pictures below ``images``, a label file for each below ``labels``.

What the index may say is in ``yolo_index.py``, what a line of a label file may be in ``yolo_labels.py``; ``yolo_layout.py``
writes a set.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from augx.annotations.base import Category
from augx.annotations.listing import file_names, files_below
from augx.annotations.yolo_index import Index, numbered, read_index
from augx.annotations.yolo_labels import YoloLabels, class_numbers, without_picture
from augx.annotations.yolo_layout import YoloLayout, common_folder, label_of, renumbered
from augx.errors import PlanError, SourceError, printable
from augx.files import read_bytes
from augx.sources import EXTENSIONS, Source, SourceSet

__all__ = ["YoloLayout", "read_yolo", "renumbered"]

_MAX_UNNAMED = 10_000
_MAX_LIST = 100_000_000


class _Found(NamedTuple):
    """A picture of a set, before the classes are known: its label file's path, or nothing for background."""

    path: str
    base: str
    key: str
    label: str


def read_yolo(path: str | os.PathLike[str], *, subset: str | None = None, oriented: bool = False) -> SourceSet:
    """The pictures of a set, each with its label file; ``path`` is its ``data.yaml``, or a folder with one or with ``labels``.

    Of a set that comes with a split only ``train`` is read, or the ``subset`` that is named, or ``all``. ``oriented``: nine
    numbers are a box at an angle, as in Ultralytics' OBB sets, not an outline. A picture without labels is background.
    Raises ``PlanError`` for what is wrong with the set as a whole.
    """
    index = read_index(os.fspath(path))
    chosen = _chosen(index, subset)
    links: list[str] = []
    names: dict[str, frozenset[str]] = {}
    by_split = {split: [found for entry in index.splits[split] for found in _listed(index, entry, links, names)] for split in chosen}
    pictures = _each_once(index.name, [found for split in chosen for found in by_split[split]])
    entries = [entry for split in chosen for entry in index.splits[split]]
    notes = [*index.notes, *_remarks(index, pictures, links), *_unpaired(entries, pictures, links), *_left_out(index, chosen)]
    categories = index.categories
    if categories is None:
        seen = {number for found in pictures if found.label for number in class_numbers(found.label) if number < _MAX_UNNAMED}
        categories = tuple(Category(name, number) for number, name in enumerate(numbered(max(seen, default=0) + 1)))
    splits = _splits(index, {split: [_folder(found.key) for found in found_in] for split, found_in in by_split.items()}, notes)
    layout = YoloLayout(categories, dims=index.dims, oriented=oriented, splits=splits)
    form = layout.form
    sources = [Source(f.path, f.key, "", _folder(f.key), annotations=YoloLabels(f.label, form)) for f in pictures]
    return SourceSet(sources, layout, tuple(dict.fromkeys(found.base for found in pictures)), tuple(notes))


def _chosen(index: Index, subset: str | None) -> list[str]:
    known = ", ".join(index.splits) or "none"
    if subset == "all" and index.splits:
        return list(index.splits)
    if (subset or "train") not in index.splits:
        wanted = "it has no train set" if subset is None else f"it has no subset {printable(subset)!r}"
        raise PlanError(f"{printable(index.name)}: {wanted}; there are: {known} (or all of them: all)")
    return [subset or "train"]


def _listed(index: Index, entry: str, links: list[str], names: dict[str, frozenset[str]]) -> Iterator[_Found]:
    """The pictures of one folder or list. Keys begin at the set's root, or, outside it, above the folder ``images``."""
    if os.path.isdir(entry):
        other = _above(entry)
        paths = [os.path.normpath(os.path.join(entry, path)) for path in files_below(entry, EXTENSIONS, links)]
    else:
        other = os.path.dirname(entry)
        paths = _lines(entry, index.root, other)
    for path in paths:
        base = index.root if _inside(path, index.root) else other
        yield _Found(path, base, os.path.relpath(path, base or "."), _label_file(path, names))


def _lines(path: str, *folders: str) -> list[str]:
    """The pictures that a text file lists, one a line, relative to its own folder or to the set's."""
    try:
        data = read_bytes(path, _MAX_LIST + 1)
    except SourceError as error:
        raise PlanError(f"{printable(path)}: {error}") from None
    if len(data) > _MAX_LIST:
        raise PlanError(f"{printable(path)}: more than {_MAX_LIST:,} bytes; a list has a picture's path a line")
    found, faults = [], []
    own = os.path.dirname(path)
    for number, line in enumerate(os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")).splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        tries = [os.path.normpath(os.path.join(folder, text)) for folder in dict.fromkeys((own, *folders))]
        inside = [place for place in tries if any(_inside(place, folder) for folder in folders)]
        if not inside or not text.isprintable():
            faults.append(f"line {number}: {printable(text[:200])} lies outside the set's folder {printable(folders[0] or '.')}")
        else:
            found.append(next((place for place in inside if os.path.exists(place)), inside[0]) if len(inside) > 1 else inside[0])
    if faults:
        more = f" (and {len(faults) - 1:,} more)" if len(faults) > 1 else ""
        raise PlanError(f"{printable(path)}: {faults[0]}{more}; paths are relative to it, or lie in that folder")
    return found


def _inside(path: str, folder: str) -> bool:
    return (os.path.abspath(path) + "/").startswith(os.path.abspath(folder).rstrip("/") + "/")


def _above(folder: str) -> str:
    head, found, _ = f"{folder}/".rpartition("/images/")
    return head or "/" if found else os.path.dirname(folder)


def _folder(key: str) -> str:
    """Where copies go, below ``images``: a picture's own folder, without its ``images``."""
    return "/".join(part for part in key.split("/")[:-1] if part != "images")


def _label_file(picture: str, names: dict[str, frozenset[str]]) -> str:
    beside = os.path.splitext(picture)[0] + ".txt"
    for label in dict.fromkeys((label_of(picture), beside)):
        folder, name = os.path.split(label)
        if folder not in names:
            names[folder] = file_names(folder or ".")
        if name in names[folder]:
            return label
    return ""


def _each_once(name: str, found: list[_Found]) -> list[_Found]:
    """In the order of their keys. Raises ``PlanError`` for a picture that is there twice."""
    found = sorted(found, key=lambda one: (one.key, one.path))
    twice = [(one, other) for one, other in pairwise(found) if one.key == other.key]
    if twice:
        one, other = twice[0]
        more = f" (and {len(twice) - 1:,} more)" if len(twice) > 1 else ""
        places = printable(one.path) if one.path == other.path else f"{printable(one.path)} and {printable(other.path)}"
        raise PlanError(f"{printable(name)}: {printable(one.key)} stands twice: {places}{more}; name each picture once")
    return found


def _remarks(index: Index, pictures: list[_Found], links: list[str]) -> Iterator[str]:
    followed = f"symbolic links among the pictures are not followed: {len(links):,}" if links else ""
    if not pictures:
        raise PlanError(f"{printable(index.name)}: no picture in it; {followed or 'pictures end in ' + ', '.join(sorted(EXTENSIONS))}")
    bare = sum(not found.label for found in pictures)
    if bare == len(pictures):
        first = pictures[0].path
        raise PlanError(
            f"{printable(index.name)}: no picture has labels; those of {printable(first)} would be {printable(label_of(first))}"
        )
    if bare:
        yield f"{bare:,} of {len(pictures):,} pictures {'has' if bare == 1 else 'have'} no label file: taken for background"
    if followed:
        yield followed
    if index.points and all(category.swap == tuple(range(index.points)) for category in index.categories or ()):
        yield "no flip_idx, and no left and right in kpt_names: keypoints keep their numbers in mirrored copies"


def _unpaired(entries: Sequence[str], pictures: Sequence[_Found], links: Sequence[str]) -> Iterator[str]:
    known = {label_of(found.path) for found in pictures} | {found.label for found in pictures}
    known.update(label_of(os.path.join(entry, link)) for entry in entries for link in links)
    folders = dict.fromkeys(os.path.dirname(label_of(os.path.join(entry, "x"))) for entry in entries if os.path.isdir(entry))
    if lonely := list(dict.fromkeys(path for folder in folders for path in without_picture(folder, known))):
        yield f"label files without a picture, left out: {len(lonely):,}, such as {printable(lonely[0])}"


def _left_out(index: Index, chosen: list[str]) -> Iterator[str]:
    for split, entries in index.splits.items():
        if split not in chosen and set(entries) & {entry for one in chosen for entry in index.splits.get(one, ())}:
            yield f"{split} shares pictures with {' and '.join(chosen)}, so it can't tell how well a model does on new ones"
        elif split not in chosen:
            reason = "" if split == "train" else " (a copy of one of them must not be trained on)"
            with contextlib.suppress(PlanError):
                count = sum(
                    len(files_below(e, EXTENSIONS, [])) if os.path.isdir(e) else len(_lines(e, index.root, os.path.dirname(e)))
                    for e in entries
                )
                yield f"{split}: {count:,} picture{'s' * (count != 1)} left out{reason}"


def _splits(index: Index, folders: Mapping[str, list[str]], notes: list[str]) -> dict[str, tuple[str, ...]]:
    """Where each split lies for the set that is written: its own folders for those read, the input's for the others."""
    splits = {split: tuple(map(os.path.abspath, entries)) for split, entries in index.splits.items() if split not in folders}
    own = {split: common_folder(found) for split, found in folders.items()}
    if any(_inside(f"/{own[a]}", f"/{own[b]}") for a in own for b in own if a != b):
        notes.append("the subsets share folders: data.yaml calls all of the pictures train")
        own = {"train": ""}
    return {**splits, **{split: ("/".join(filter(None, ("images", folder))),) for split, folder in own.items()}}
