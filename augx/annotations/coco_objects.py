"""One annotation of a COCO JSON: checked and held in little memory, and made an instance when its picture is read.

The format's page is https://cocodataset.org/#format-data. Boxes and outlines have augx's own coordinates. Keypoints are indices of
pixels, so half a pixel is added to them (Detectron2's documentation says so in "Use Custom Datasets"), and taken off in writing.
"""

from __future__ import annotations

import math
import re
import reprlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from augx.annotations import rle
from augx.annotations.base import Category
from augx.errors import SourceError, printable
from augx.sample import Box, Instance

GEOMETRY = ("bbox", "segmentation", "keypoints")
OWN = frozenset(("id", "image_id", "category_id", "num_keypoints", "area", *GEOMETRY))
"""Fields of an annotation that are made anew in writing; all others are carried along."""
_FARTHEST = 1e7
"""The largest coordinate, in pixels: far beyond any picture, and float32 still tells its pixels apart."""
_PLACES = re.compile(r"box|kpts|keypoint|point|landmark|polygon|contour|cent(er|re)|ellipse|segments")
"""Names of fields, beyond the format's own, that hold positions."""
_DEEPEST = 32
_NOTHING = array("d")
_PLAIN: dict[Any, Mapping[str, Any]] = {value: {"iscrowd": value} for value in (0, 1)}
"""One object for what nearly all annotations carry."""


class Marked(NamedTuple):
    """An annotation that was checked, with its numbers as in the file: a box (x, y, width, height), outlines, points."""

    place: int
    id: int
    category: str
    box: array[float]
    polygons: tuple[array[float], ...]
    keypoints: array[float]
    region: Mapping[str, Any] | None
    extra: Mapping[str, Any]

    def instance(self) -> Instance:
        box: Box | None = None
        if self.box:
            x, y, width, height = self.box
            box = x, y, x + width, y + height
        keypoints = None
        if self.keypoints:
            keypoints = np.array(self.keypoints).reshape(-1, 3)
            keypoints[:, :2] += 0.5
            keypoints[keypoints[:, 2] == 0] = 0
        polygons = tuple(np.array(polygon).reshape(-1, 2) for polygon in self.polygons)
        return Instance(self.category, box, polygons, False, keypoints, self.region, self.extra)


@dataclass(frozen=True, slots=True)
class CocoAnnotations:
    """What the JSON at ``path`` says of one picture, ``images[place]``: its width and height, if it does, and its objects."""

    path: str
    place: int
    id: int
    size: tuple[int, int] | None
    objects: tuple[Marked, ...]

    def read(self, size: tuple[int, int]) -> tuple[Instance, ...]:
        """The instances; raises ``SourceError`` where the picture has another size than the JSON or a mask says."""
        said = [("images", self.place, self.id, self.size)] if self.size else []
        said += [("annotations", item.place, item.id, _size_of(item.region)) for item in self.objects if item.region is not None]
        for section, place, number, wanted in said:
            if wanted != size:
                raise SourceError(
                    f"{printable(self.path)}: {section}[{place}] (id {number}) says {wanted[0]}x{wanted[1]} pixels, "
                    f"the picture has {size[0]}x{size[1]}"
                )
        return tuple(item.instance() for item in self.objects)


def _size_of(region: Mapping[str, Any]) -> tuple[int, int]:
    height, width = region["size"]
    return width, height


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = printable(reprlib.repr(list(value) if isinstance(value, array) else value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def compact(fields: dict[str, Any]) -> None:
    """Make lists of numbers arrays, which take a quarter of the memory; what else they hold stays a list."""
    for key in GEOMETRY:
        value = fields.get(key)
        if type(value) is list and value:
            fields[key] = [_packed(item) for item in value] if type(value[0]) is list else _packed(value)


def _packed(value: Any) -> Any:
    if type(value) is list and set(map(type, value)) <= {int, float}:
        try:
            return array("d", value)
        except OverflowError:
            pass
    return value


def plain(value: Any, depth: int = _DEEPEST) -> Any:
    """Fields to be carried along, with lists for arrays. Raises ``ValueError`` for what JSON can't hold, or is nested too deep."""
    if isinstance(value, array):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it has the number {value}; JSON holds finite ones")
    if isinstance(value, (dict, list)) and not depth:
        raise ValueError(f"it has brackets more than {_DEEPEST} deep")
    if isinstance(value, dict):
        return {key: plain(item, depth - 1) for key, item in value.items()}
    return [plain(item, depth - 1) for item in value] if isinstance(value, list) else value


def checked(place: int, entry: Mapping[str, Any], category: Category, size: tuple[int, int] | None) -> tuple[Marked, list[str]]:
    """The annotation, and the names of fields with positions that can't be carried along. Raises ``ValueError`` for its first fault."""
    box = _box(entry.get("bbox"))
    polygons, region = _segmentation(entry.get("segmentation"))
    if region is not None and size not in (None, _size_of(region)):
        width, height = _size_of(region)
        raise ValueError(f"its run-length mask is for {width}x{height} pixels, its image says {'{}x{}'.format(*size or ())}")
    keypoints = _keypoints(entry.get("keypoints"), category)
    if not (box or polygons or keypoints or region):
        raise ValueError("it has neither bbox nor segmentation nor keypoints")
    rest = entry.keys() - OWN
    if rest == {"iscrowd"} and type(entry["iscrowd"]) is int and entry["iscrowd"] in _PLAIN:
        return Marked(place, entry["id"], category.name, box, polygons, keypoints, region, _PLAIN[entry["iscrowd"]]), []
    lost = sorted(key for key in rest if isinstance(entry[key], (list, dict)) and _PLACES.search(key))
    extra = plain({key: value for key, value in entry.items() if key in rest and key not in lost})
    return Marked(place, entry["id"], category.name, box, polygons, keypoints, region, extra), lost


def _numbers(value: Any, what: str) -> array[float]:
    if isinstance(value, array):
        if all(map(_FARTHEST.__ge__, map(abs, value))):
            return value
        bad = next(number for number in value if not abs(number) <= _FARTHEST)
        raise ValueError(f"its {what} has the number {bad:g}; allowed are finite ones up to {_FARTHEST:,.0f}")
    if not isinstance(value, list):
        raise ValueError(f"its {what} must be a list of numbers, found {shown(value)}")
    bad = next((item for item in value if type(item) not in (int, float)), value)
    raise ValueError(f"its {what} must be a list of finite numbers, found {shown(bad)}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _box(value: Any) -> array[float]:
    if value is None or value == []:
        return _NOTHING
    box = _numbers(value, "bbox")
    if len(box) != 4:
        raise ValueError(f"its bbox must be x, y, width and height, found {_counted(len(box), 'number')}")
    for start, name in enumerate(("width", "height")):
        if not box[start] + box[start + 2] > box[start]:
            raise ValueError(f"its bbox has the {name} {box[start + 2]:g}; it must be more than 0")
    return box


def _segmentation(value: Any) -> tuple[tuple[array[float], ...], Mapping[str, Any] | None]:
    if value is None or value == []:
        return (), None
    if isinstance(value, dict):
        return (), rle.compressed(value)
    if not isinstance(value, list):
        raise ValueError(f"its segmentation must be a list of outlines or a run-length mask, found {shown(value)}")
    polygons = tuple(_numbers(polygon, "segmentation's outline") for polygon in value)
    for polygon in polygons:
        if len(polygon) % 2:
            raise ValueError(f"its segmentation has an outline of {_counted(len(polygon), 'number')}; they are pairs x, y")
        if len(polygon) < 6:
            raise ValueError(f"its segmentation has an outline of {_counted(len(polygon) // 2, 'point')}; an outline has 3 or more")
    return polygons, None


def _keypoints(value: Any, category: Category) -> array[float]:
    if value is None or value == []:
        return _NOTHING
    points, names = _numbers(value, "keypoints"), len(category.keypoints)
    if len(points) % 3 or (names and len(points) != 3 * names):
        wanted = f"{3 * names}, 3 for each of the {names} of its category" if names else "3 for each point"
        raise ValueError(f"its keypoints have {_counted(len(points), 'number')}; they must be {wanted}")
    odd = next((seen for seen in points[2::3] if seen not in (0, 1, 2)), None)
    if odd is not None:
        raise ValueError(f"its keypoints have the visibility {odd:g}; it must be 0, 1 or 2")
    return points


def picture_size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """An image's width and height; None where it has neither. Raises ``ValueError``."""
    sides = [entry.get(key) for key in ("width", "height")]
    if sides == [None, None]:
        return None
    for name, side in zip(("width", "height"), sides, strict=True):
        number = int(side) if isinstance(side, float) and math.isfinite(side) and side.is_integer() else side
        if type(number) is not int or not 1 <= number <= 1 << 31:
            raise ValueError(f"its {name} must be a whole number of pixels, 1 or more, found {shown(side)}")
    return int(sides[0] or 0), int(sides[1] or 0)
