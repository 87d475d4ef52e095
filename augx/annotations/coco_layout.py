"""A set of pictures as COCO: the folder ``images``, and beside it ``annotations.json``, written piece by piece.

A set that is divided has ``annotations/train.json`` and so on, each with the file names below ``images/train``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from augx.annotations import rle
from augx.annotations.base import Category, Layout, Picture, Pictures, of_part
from augx.annotations.coco_objects import OWN
from augx.annotations.outlines import area, box_around
from augx.sample import Instance

FILE = "annotations.json"


@dataclass(frozen=True)
class CocoLayout(Layout):
    """Pictures below ``images``; one JSON, or one for each of the ``parts``, with the categories of the input, their ids kept."""

    kind: ClassVar[str] = "coco"
    pictures: ClassVar[str] = "images"

    def closing(self, pictures: Pictures) -> Iterator[tuple[str, Iterator[bytes]]]:
        """``annotations.json``; a category of an instance that the input lacks gets the next free id, in order of appearance.

        Each part's file has the categories of all parts, so that an id means the same in every one.
        """
        own = {category.name: category.id for category in self.categories}
        if not self.parts:
            yield FILE, self._pieces(pictures, self.pictures, lambda: own)

        @cache
        def of_all() -> dict[str, int]:
            for picture in pictures():
                _number_new(picture, own)
            return own

        for part in self.parts:
            yield f"annotations/{part}.json", self._pieces(of_part(pictures, part), self.top(part), of_all)

    def _pieces(self, pictures: Pictures, folder: str, known_ids: Callable[[], dict[str, int]]) -> Iterator[bytes]:
        yield b'{"info": {},\n"images": ['
        yield from _joined(_images(pictures(), folder))
        ids = known_ids()
        yield b'],\n"annotations": ['
        yield from _joined(_annotations(pictures(), ids))
        known = {category.name for category in self.categories}
        new = [Category(name, number) for name, number in ids.items() if name not in known]
        yield b'],\n"categories": ['
        yield from _joined(_category(category) for category in (*self.categories, *new))
        yield b"]}\n"


def _images(pictures: Iterator[Picture], folder: str) -> Iterator[dict[str, Any]]:
    for place, picture in enumerate(pictures, 1):
        width, height = picture.size
        yield {"id": place, "file_name": picture.place.removeprefix(f"{folder}/"), "width": width, "height": height}


def _number_new(picture: Picture, ids: dict[str, int]) -> None:
    """Give categories that have no id yet the next free ones."""
    for instance in picture.instances:
        if instance.category not in ids:
            ids[instance.category] = max(ids.values(), default=0) + 1


def _annotations(pictures: Iterator[Picture], ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    written = 0
    for image_id, picture in enumerate(pictures, 1):
        _number_new(picture, ids)
        for instance in picture.instances:
            written += 1
            yield {"id": written, "image_id": image_id, "category_id": ids[instance.category], **_fields(instance)}


def _fields(instance: Instance) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    box = box_around(instance)
    if box is not None:
        left, top, right, bottom = box
        fields["bbox"] = [_number(left), _number(top), _back(right, left), _back(bottom, top)]
    if instance.polygons:
        fields["area"] = _number(sum(area(polygon) for polygon in instance.polygons))
        fields["segmentation"] = [[_number(value) for value in polygon.ravel().tolist()] for polygon in instance.polygons]
    elif instance.region is not None:
        fields["area"] = rle.area(instance.region)
        fields["segmentation"] = rle.compressed(instance.region)
    else:
        fields["area"] = _number((box[2] - box[0]) * (box[3] - box[1])) if box is not None else 0
        fields["segmentation"] = []
    fields["iscrowd"] = instance.extra.get("iscrowd", 0)
    if instance.keypoints is not None:
        points = instance.keypoints.tolist()
        fields["num_keypoints"] = sum(seen > 0 for _, _, seen in points)
        triples = ((_back(x, 0.5), _back(y, 0.5), int(seen)) if seen else (0, 0, 0) for x, y, seen in points)
        fields["keypoints"] = [value for triple in triples for value in triple]
    fields.update((key, value) for key, value in instance.extra.items() if key not in OWN and key != "iscrowd")
    return fields


def _category(category: Category) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": category.id, "name": category.name, **category.extra}
    if category.keypoints:
        fields |= {"keypoints": list(category.keypoints), "skeleton": [list(pair) for pair in category.skeleton]}
    return fields


def _number(value: float) -> int | float:
    """A whole number without its point."""
    value = float(value)
    return int(value) if value.is_integer() else value


def _back(end: float, start: float) -> int | float:
    """``end - start``, as short as it can be written while ``start`` and it still make ``end``."""
    short = round(end - start, 9)
    return _number(short if start + short == end else end - start)


def _joined(entries: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    before = "\n"
    for entry in entries:
        try:
            text = json.dumps(entry, allow_nan=False)
        except ValueError:
            text = json.dumps(_finite(entry), allow_nan=False)
        yield (before + text).encode("ascii")
        before = ",\n"


def _finite(value: Any) -> Any:
    """JSON-plain data with null for what JSON has no number for: NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
