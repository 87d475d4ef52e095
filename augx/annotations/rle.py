"""COCO's run-length masks: counts of pixels, column after column, that are outside, inside, outside, ... of an object.

The definition is the format's C code (https://github.com/cocodataset/cocoapi, common/maskApi.c and maskApi.h): counts are a
list, or a string in which each count stands as its difference to the one two places before (from the fourth on), in groups of
five bits, lowest first, the last one with the sign; a sixth bit says that more follow, and 48 is added to make it a letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from augx.sample import Array

MAX_SIDE = 65_500
MAX_PIXELS = 500_000_000
_LONGEST = 7
"""Letters of a count: differences of 32-bit counts have 33 bits and a sign."""


def decode(region: Mapping[str, Any]) -> Array:
    """The mask (h, w) of a region {"size": [h, w], "counts": a list or a string}, uint8, 0 and 1. Raises ``ValueError``."""
    height, width = _size(region)
    counts = _counts(region)
    inside = np.zeros(len(counts), np.uint8)
    inside[1::2] = 1
    return np.ascontiguousarray(np.repeat(inside, counts).reshape(width, height).T)


def encode(mask: Array) -> dict[str, Any]:
    """The region, compressed, of a mask (h, w) in which all but 0 is inside. Raises ``ValueError``."""
    if mask.ndim != 2:
        raise ValueError(f"a mask has a height and a width, found the shape {mask.shape}")
    height, width = _size({"size": list(mask.shape)})
    inside = np.ascontiguousarray((mask != 0).T).reshape(-1)
    turns = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    bounds = np.concatenate([[0, 0] if inside[0] else [0], turns, [inside.size]])
    return {"size": [height, width], "counts": _written(np.diff(bounds))}


def compressed(region: Mapping[str, Any]) -> dict[str, Any]:
    """The same region, checked, with its counts as a string. Raises ``ValueError``."""
    size, counts = _size(region), region.get("counts")
    checked = _counts(region)
    return {"size": list(size), "counts": counts if isinstance(counts, str) else _written(checked)}


def area(region: Mapping[str, Any]) -> int:
    """How many pixels are inside. Raises ``ValueError``."""
    return int(_counts(region)[1::2].sum())


def _size(region: Mapping[str, Any]) -> tuple[int, int]:
    size = region.get("size")
    if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(type(side) is int for side in size):
        raise ValueError("the size of a run-length mask is [height, width] in whole numbers")
    height, width = size
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise ValueError(
            f"a run-length mask of height {height:.6g} and width {width:.6g}; allowed are 1 to {MAX_SIDE:,} each, {MAX_PIXELS:,} pixels"
            if max(abs(height), abs(width)) < 1e300  # so that it can be a float
            else "the sides of a run-length mask have hundreds of digits"
        )
    return height, width


def _counts(region: Mapping[str, Any]) -> Array:
    """The counts, int64: none below 0, and their sum is the number of pixels."""
    height, width = _size(region)
    found = region.get("counts")
    if isinstance(found, str):
        counts = _read(found)
    elif isinstance(found, (list, tuple)) and all(type(count) is int for count in found):
        if found and not (min(found) >= 0 and max(found) <= height * width):
            raise ValueError("a count of the run-length mask is below 0 or larger than the picture")
        counts = np.array(found, np.int64)
    else:
        raise ValueError("the counts of a run-length mask are a list of whole numbers or a string")
    if len(counts) and (counts.min() < 0 or counts.max() > height * width):
        raise ValueError("a count of the run-length mask is below 0 or larger than the picture")
    total = int(counts.sum())
    if total != height * width:
        raise ValueError(
            f"the counts of the run-length mask are {total:,} pixels together; height {height} and width {width} are {height * width:,}"
        )
    return counts


def _read(text: str) -> Array:
    """The counts of a string, unchecked."""
    try:
        letters = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        letters = np.array([-1])
    if not len(letters):
        return letters
    if letters.min() < 0 or letters.max() > 63:
        raise ValueError("the counts of the run-length mask have a character that is none of 0 to o")
    ends = np.flatnonzero(letters < 32)
    if not len(ends) or ends[-1] != len(letters) - 1:
        raise ValueError("the counts of the run-length mask end within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST:
        raise ValueError(f"a count of the run-length mask has more than {_LONGEST} characters")
    places = 5 * (np.arange(len(letters)) - np.repeat(starts, lengths))
    values = np.add.reduceat((letters & 31) << places, starts)
    values -= np.where(letters[ends] & 16, np.int64(1) << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _written(counts: Array) -> str:
    """The string of counts."""
    values = counts.astype(np.int64)
    values[3:] -= counts[1:-2]
    lengths = np.ones(len(values), np.int64)
    for groups in range(1, _LONGEST):
        lengths += (values < -(1 << (5 * groups - 1))) | (values >= 1 << (5 * groups - 1))
    places = np.arange(int(lengths.max()))
    letters = (values[:, None] >> (5 * places) & 31) + 48 + 32 * (places < lengths[:, None] - 1)
    return letters[places < lengths[:, None]].astype(np.uint8).tobytes().decode("ascii")
