"""A set of one format laid out as one of another: which of its annotations go along, and what to say of those that can't."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from augx.annotations.base import Category, Layout
from augx.annotations.coco import CocoLayout
from augx.annotations.coco_objects import CocoAnnotations, Marked
from augx.annotations.indexes import CsvLayout, HfLayout
from augx.annotations.voc import VocLayout, categories_of
from augx.annotations.yolo import YoloLayout, renumbered
from augx.errors import PlanError, SourceError, printable
from augx.sample import Instance
from augx.sources import Source, stored_size

_LOOKED_AT = 1000
_YAML_KEYS = {"path", "names", "nc", "download", "kpt_shape", "flip_idx", "kpt_names", "channels", "yaml_file"}
"""What data.yaml has besides the parts of a set."""
_KIND_WORDS = {"coco": "COCO", "yolo": "YOLO", "voc": "Pascal VOC", "csv": "labels.csv", "hf": "metadata.jsonl"}
# In any part of a path, as ``datasets`` finds splits where it is not told of them.
_HF_SPLIT = re.compile(r"(?:^|[-._ 0-9])(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?:[-._ 0-9]|$)")


def as_kind(layout: Layout | None, kind: str, parts: Sequence[str] = (), sources: Sequence[Source] = ()) -> tuple[Layout, list[str]]:
    """The layout of ``kind`` (coco, yolo, voc, csv, hf) for a set that is laid out so, divided into ``parts``; notes for the user.

    ``layout`` None stands for class folders. ``sources`` are looked through for what the notes say, and, where the layout names no
    categories, as Pascal VOC doesn't, for those. Raises ``PlanError`` for what the kind can't hold.
    """
    own, parts = layout if layout is not None else Layout(), tuple(parts)
    if kind not in _MAKERS:
        raise PlanError(f"--to {printable(kind)}: annotations are written as {', '.join(_MAKERS)}")
    if kind == "yolo" and (taken := [part for part in parts if part in _YAML_KEYS]):
        raise PlanError(f"--to yolo: a part of the split can't be called {taken[0]}, which data.yaml says something else by; rename it")
    if kind in ("coco", "yolo", "voc") and not own.annotated:
        raise PlanError(
            f"--to {kind}: these sources have no objects with boxes, which {_KIND_WORDS[kind]} is for; "
            "choose another (csv lists files and classes), or give a set with boxes (COCO, YOLO, Pascal VOC)"
        )
    notes = list(_of_hf(sources, parts)) if kind == "hf" else []
    if own.kind == kind:
        return replace(own, parts=parts), notes
    categories = own.categories
    if own.annotated and not categories:
        categories = tuple(replace(one, id=number) for number, one in enumerate(categories_of(sources), 1))
    if own.annotated and not categories and kind != "voc" and kind != "coco":
        raise PlanError(f"--to {kind}: no picture of this set has an object, so there are no categories to write")
    made, more = _MAKERS[kind](categories, parts, _Seen.of(sources))
    return made, [*notes, *(f"--to {kind}: {note}" for note in more)]


@dataclass(slots=True)
class _Seen:
    """What there is among the objects of a set: how many crowds and run-length masks, and whether outlines and keypoints."""

    crowds: int = 0
    regions: int = 0
    bare: int = 0
    outlines: bool = False
    keypoints: bool = False
    alike: str = ""
    """Two pictures that differ in nothing but their extension."""

    @classmethod
    def of(cls, sources: Sequence[Source]) -> _Seen:
        """All objects of a COCO file, which are in memory; of other sets, which have neither crowds nor masks, those of some files."""
        seen = cls(alike=_alike(sources))
        for one in _objects(sources):
            crowd = one.extra.get("iscrowd") == 1
            seen.crowds += crowd
            seen.regions += one.region is not None and not crowd
            points = one.keypoints is not None and len(one.keypoints) > 0
            box = one.box is not None and len(one.box) > 0
            seen.bare += not (box or one.polygons or one.region is not None)
            seen.outlines |= bool(one.polygons)
            seen.keypoints |= points
        return seen


def _alike(sources: Sequence[Source]) -> str:
    first: dict[str, Source] = {}
    for source in sources:
        other = first.setdefault(os.path.splitext(f"{source.folder}/{source.name}")[0], source)
        if other is not source:
            return f"{printable(other.name)} and {printable(source.name)}"
    return ""


def _objects(sources: Sequence[Source]) -> Iterator[Marked | Instance]:
    for source in sources:
        if isinstance(source.annotations, CocoAnnotations):
            yield from source.annotations.objects
    others = [source for source in sources if source.annotations is not None and not isinstance(source.annotations, CocoAnnotations)]
    for source in others[:: -(-len(others) // _LOOKED_AT) or 1]:
        with contextlib.suppress(SourceError):  # it fails in words when it is copied
            if source.annotations is not None:
                yield from source.annotations.read(stored_size(source))


_Made = tuple[Layout, list[str]]


def _coco(categories: tuple[Category, ...], parts: tuple[str, ...], _: _Seen) -> _Made:
    return CocoLayout(categories, parts), []


def _yolo(categories: tuple[Category, ...], parts: tuple[str, ...], seen: _Seen) -> _Made:
    notes = [_crowds(seen), _masks(seen, "YOLO"), _bare(seen), _one_file(seen)]
    categories = renumbered(categories)
    lists = {category.keypoints for category in categories if category.keypoints}
    if len(lists) > 1:
        # What changes places in a mirror is kept: the lines of the manifest have the keypoints still.
        categories = tuple(replace(category, keypoints=(), skeleton=()) for category in categories)
        notes.append("keypoints are left out, as YOLO has one list of them for all categories and these have several")
    elif lists and seen.outlines:
        notes.append("outlines are left out, as a YOLO set with keypoints has boxes and keypoints alone")
    return YoloLayout(categories, parts), list(filter(None, notes))


def _voc(categories: tuple[Category, ...], parts: tuple[str, ...], seen: _Seen) -> _Made:
    crowds = f"{_counted(seen.crowds, 'crowd')} marked difficult, as boxes" if seen.crowds else ""
    notes = [crowds, _masks(seen, "Pascal VOC"), _bare(seen), _keypoints(categories, seen), _one_file(seen)]
    return VocLayout(categories, parts), list(filter(None, notes))


def _csv(categories: tuple[Category, ...], parts: tuple[str, ...], seen: _Seen) -> _Made:
    return CsvLayout(categories, parts), _boxes_alone(categories, seen)


def _hf(categories: tuple[Category, ...], parts: tuple[str, ...], seen: _Seen) -> _Made:
    return HfLayout(categories, parts), _boxes_alone(categories, seen)


_MAKERS: dict[str, Callable[[tuple[Category, ...], tuple[str, ...], _Seen], _Made]] = {
    "coco": _coco,
    "yolo": _yolo,
    "voc": _voc,
    "csv": _csv,
    "hf": _hf,
}


def _boxes_alone(categories: tuple[Category, ...], seen: _Seen) -> list[str]:
    outlines = "of objects with outlines or masks the boxes are written" if seen.outlines or seen.regions else ""
    return list(filter(None, [_crowds(seen), outlines, _keypoints(categories, seen)]))


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word} is" if number == 1 else f"{number:,} {word}s are"


def _crowds(seen: _Seen) -> str:
    return f"{_counted(seen.crowds, 'crowd')} left out (iscrowd: many objects under one mask)" if seen.crowds else ""


def _masks(seen: _Seen, words: str) -> str:
    return f"of {seen.regions:,} objects with run-length masks the boxes are written, as {words} has no such masks" if seen.regions else ""


def _bare(seen: _Seen) -> str:
    return f"{_counted(seen.bare, 'object')} without a box and an outline; pictures with one can't be written" if seen.bare else ""


def _keypoints(categories: tuple[Category, ...], seen: _Seen) -> str:
    there = seen.keypoints or any(category.keypoints for category in categories)
    return "keypoints are left out" if there else ""


def _one_file(seen: _Seen) -> str:
    words = "would have one file of labels: their copies have different names, the originals can't both be there"
    return f"{seen.alike} {words}" if seen.alike else ""


def _of_hf(sources: Sequence[Source], parts: Sequence[str]) -> Iterator[str]:
    """What ``datasets`` makes of a set otherwise than one may think."""
    if parts and any(source.masks for source in sources):
        yield "--to hf: masks are written, but metadata.jsonl names none, as they lie outside of the parts' folders"
    for source in () if parts else sources:
        place = f"{source.folder}/{source.name}"
        if any(_HF_SPLIT.search(name) for name in place.split("/")):
            yield (
                f"{printable(place)}: datasets takes such a name for that of a split; give it the files without "
                'asking for one: load_dataset("imagefolder", data_files="OUTPUT/**")'
            )
            return
