"""Indexes of a set whose pictures lie in folders as they are: a table (``labels.csv``), and Hugging Face's ``metadata.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple

from augx.annotations.base import Layout, Picture, Pictures, of_part
from augx.annotations.outlines import box_around
from augx.sample import Box, Instance

_QUOTED = frozenset('",\r\n')


@dataclass(frozen=True)
class CsvLayout(Layout):
    """Pictures in their class folders, and ``labels.csv`` (RFC 4180's quoting, UTF-8, lines end in LF) with a header and

    - of sets with classes, a row a picture: ``file, label, masks..., split, source, copy``, and the columns of the input's table;
    - of sets with objects, a row an object: ``file, width, height, category, left, top, right, bottom, split, source, copy``, and
      these columns. A picture without objects has one row with empty cells.

    ``file`` is the place below the table's folder. Edges of boxes are in pixels from the left upper corner of the picture, whose
    right edge is its width; fractions are kept. ``split`` is there only where the set is divided, ``copy`` is empty for an
    untouched original. A column of the input whose name is taken is called ``source_NAME``. Of outlines and run-length masks the
    box is written; keypoints and COCO's crowds are left out.
    """

    kind: ClassVar[str] = "csv"
    pictures: ClassVar[str] = ""

    @property
    def annotated(self) -> bool:
        """Whether its pictures have objects: only then are there categories."""
        return bool(self.categories)

    def closing(self, pictures: Pictures) -> Iterator[tuple[str, Iterator[bytes]]]:
        """``labels.csv``."""
        yield "labels.csv", self._rows(pictures)

    def _rows(self, pictures: Pictures) -> Iterator[bytes]:
        own = ["width", "height", "category", "left", "top", "right", "bottom"] if self.annotated else ["label"]
        further = _further(pictures(), ["file", *own, "source", "copy", *(["split"] if self.parts else [])])
        masks = list(further.masks)
        split = ["split"] if self.parts else []
        yield _row(["file", *own, *further.masks.values(), *split, "source", "copy", *further.columns.values()])
        for picture in pictures():
            about = [picture.masks.get(name, "") for name in masks] + ([picture.part] if self.parts else [])
            about += [picture.source, "" if picture.copy is None else str(picture.copy)]
            about += [picture.columns.get(name, "") for name in further.columns]
            for cells in _objects(picture) if self.annotated else [[picture.label]]:
                yield _row([picture.place, *cells, *about])


@dataclass(frozen=True)
class HfLayout(Layout):
    """Pictures in their class folders, and a ``metadata.jsonl`` as the imagefolder of Hugging Face's ``datasets`` has it.

    A line a picture: ``file_name``; ``label`` where there are classes; ``objects`` where there are objects, with lists of
    ``bbox`` (x, y, width, height in pixels), ``category`` (its place among the set's, from 0) and ``name`` (of that category);
    ``MASK_file_name`` for a mask in the folder MASK (which makes it an image for ``datasets``); ``source``, ``copy`` (-1: an
    original) and the columns of the input's table, whose name is ``source_NAME`` if it is taken. A set that is divided has one
    file for each part, in its folder, without masks, as those lie outside of it. Crowds and keypoints are left out.

    Types are the same in every line and file, as ``datasets`` demands: numbers of boxes are floats, columns are text.
    """

    kind: ClassVar[str] = "hf"
    pictures: ClassVar[str] = ""

    @property
    def annotated(self) -> bool:
        """Whether its pictures have objects: only then are there categories."""
        return bool(self.categories)

    def closing(self, pictures: Pictures) -> Iterator[tuple[str, Iterator[bytes]]]:
        """``metadata.jsonl``, or one in the folder of each part."""
        own = ("file_name", "objects" if self.annotated else "label", "source", "copy", "image")
        columns = cache(lambda: _further(pictures(), own, _hf_name, objects=self.annotated))
        if not self.parts:
            yield "metadata.jsonl", self._lines(pictures, "", columns)
        for part in self.parts:
            yield f"{part}/metadata.jsonl", self._lines(of_part(pictures, part), f"{part}/", columns)

    def _lines(self, pictures: Pictures, folder: str, columns: Callable[[], _Further]) -> Iterator[bytes]:
        further = columns()
        names = dict.fromkeys((*(category.name for category in self.categories), *further.categories))
        numbers = {name: number for number, name in enumerate(names)}
        for picture in pictures():
            fields: dict[str, Any] = {"file_name": picture.place.removeprefix(folder)}
            if not folder:
                fields |= {f"{further.masks[name]}_file_name": place for name, place in picture.masks.items()}
            if self.annotated:
                fields["objects"] = _listed(picture, numbers)
            else:
                fields["label"] = picture.label
            fields |= {"source": picture.source, "copy": -1 if picture.copy is None else picture.copy}
            fields |= {written: picture.columns.get(name, "") for name, written in further.columns.items()}
            yield (json.dumps(fields) + "\n").encode("ascii")


class _Further(NamedTuple):
    """What pictures say besides: the folders of their masks and the columns of their table, each with the name that is written,
    and the categories of their objects.
    """

    masks: Mapping[str, str]
    columns: Mapping[str, str]
    categories: Iterable[str]


def _further(pictures: Iterator[Picture], own: Iterable[str], fit: Callable[[str], str] = str, *, objects: bool = False) -> _Further:
    masks: dict[str, None] = {}
    columns: dict[str, None] = {}
    categories: dict[str, None] = {}
    for picture in pictures:
        masks |= dict.fromkeys(picture.masks)
        columns |= dict.fromkeys(picture.columns)
        categories |= dict.fromkeys(instance.category for instance in picture.instances) if objects else {}
    taken = set(own)
    return _Further(_free(masks, taken, "mask_{}", fit), _free(columns, taken, "source_{}", fit), categories)


def _free(names: Iterable[str], taken: set[str], other: str, fit: Callable[[str], str]) -> dict[str, str]:
    """A name for each that none of ``taken`` has; they are taken then. Those that can keep theirs do, whatever their order."""
    names = list(names)
    found = {name: name for name in names if fit(name) == name and name not in taken}
    taken.update(found)
    for name in names:
        written = fit(name)
        while name not in found:
            if written not in taken:
                found[name] = written
                taken.add(written)
            written = other.format(written)
    return {name: found[name] for name in names}


def _hf_name(name: str) -> str:
    """``datasets`` takes what is called ``..._file_name`` for a picture, and would look for it."""
    return f"{name}_text" if name.endswith(("file_name", "file_names")) else name


def _row(cells: Iterable[str]) -> bytes:
    line = ",".join('"{}"'.format(cell.replace('"', '""')) if _QUOTED & set(cell) else cell for cell in cells)
    return f"{line}\n".encode("utf-8", "surrogateescape")


def _boxed(picture: Picture) -> Iterator[tuple[Instance, Box]]:
    """The objects that have a box, without crowds: neither index says what is one, and a model would learn it as one object."""
    for instance in picture.instances:
        box = box_around(instance)
        if box is not None and instance.extra.get("iscrowd") != 1:
            yield instance, box


def _objects(picture: Picture) -> Iterator[list[str]]:
    size = [str(side) for side in picture.size]
    rows = [[*size, instance.category, *map(_decimal, box)] for instance, box in _boxed(picture)]
    yield from rows or [[*size, "", "", "", "", ""]]


def _decimal(value: float) -> str:
    """6 digits behind the point, none for a whole number, never an exponent."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _listed(picture: Picture, numbers: Mapping[str, int]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"bbox": [], "category": [], "name": []}
    for instance, (left, top, right, bottom) in _boxed(picture):
        found["bbox"].append([round(float(value), 6) for value in (left, top, right - left, bottom - top)])
        found["category"].append(numbers[instance.category])
        found["name"].append(instance.category)
    return found
