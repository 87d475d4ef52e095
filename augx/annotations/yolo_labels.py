"""YOLO's label files, one a picture: a line an instance, as Ultralytics' pages on datasets have it.

``class x y width height`` is a box by its middle; ``class x1 y1 x2 y2 x3 y3 ...`` an outline, or an oriented box by its four
corners; ``class x y width height`` with the keypoints behind, 2 or 3 numbers each, a pose. All but the class and a keypoint's
visibility are fractions of the picture's width and height. https://docs.ultralytics.com/datasets/
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from augx.annotations.listing import files_below
from augx.annotations.outlines import box_around, enclosing
from augx.errors import PlanError, SourceError, printable
from augx.files import read_bytes
from augx.sample import Array, Box, Instance

MAX_BYTES = 10_000_000
REACH = 0.5
"""How far beyond the picture a number may lie, in widths or heights, before it is no fraction at all."""

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class LabelForm:
    """What the lines of a set hold: the classes' names by number (empty: no class), how many keypoints of how many numbers
    each, and whether its boxes are oriented.
    """

    names: tuple[str, ...]
    points: int = 0
    dims: int = 3
    oriented: bool = False


@dataclass(frozen=True, slots=True)
class YoloLabels:
    """One picture's label file, read when it is wanted; no ``path``: a picture of background."""

    path: str
    form: LabelForm

    def read(self, size: tuple[int, int]) -> tuple[Instance, ...]:
        """Its instances, one a line, for a picture of this width and height. Raises ``SourceError`` with the line."""
        if not self.path:
            return ()
        name = printable(self.path)
        try:
            data = read_bytes(self.path, MAX_BYTES + 1)
        except SourceError as error:
            raise SourceError(f"its labels {name}: {error}") from None
        if len(data) > MAX_BYTES:
            raise SourceError(f"{name}: more than {MAX_BYTES:,} bytes; a label file is a line of numbers an instance")
        instances = []
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
            if line.strip():
                try:
                    instances.append(_instance(line, size, self.form))
                except ValueError as error:
                    raise SourceError(f"{name}: line {number}: {error}") from None
        return tuple(instances)


def class_numbers(path: str) -> set[int]:
    """The classes that a label file's lines begin with, as far as they can be read."""
    try:
        lines = read_bytes(path, MAX_BYTES).splitlines()
    except SourceError:
        return set()
    firsts = (line.split(None, 1)[0] for line in lines if line.strip())
    return {int(first) for first in firsts if first.isdigit() and len(first) < 9}


def without_picture(folder: str, known: Collection[str]) -> list[str]:
    """The label files below ``folder`` that are not ``known``; other texts, such as lists and names of classes, are passed over."""
    try:
        paths = [os.path.join(folder, path) for path in files_below(folder, (".txt",), [])]
    except PlanError:  # pictures without labels have no such folder
        return []
    return [path for path in paths if path not in known and class_numbers(path)]


def _instance(line: bytes, size: tuple[int, int], form: LabelForm) -> Instance:
    first, *rest = [_number(word) for word in line.split()]
    if first != int(first):
        raise ValueError(f"class {first:g}; a class is a whole number")
    name = form.names[int(first)] if 0 <= first < len(form.names) else ""
    if not name:
        raise ValueError(f"class {first:g} is not among the set's names, which go up to {len(form.names) - 1}")
    count = len(rest)
    if form.points:
        if count != 4 + form.points * form.dims:
            wanted = 5 + form.points * form.dims
            raise ValueError(f"{_told(count)}; here a line has {wanted} (class x y w h, then {form.points} keypoints of {form.dims})")
        return Instance(name, _box(rest[:4], size), keypoints=_keypoints(rest[4:], size, form))
    if count == 4:
        return Instance(name, _box(rest, size))
    if form.oriented and count != 8:
        raise ValueError(f"{_told(count)}; an oriented box has 9 (class and four corners), a plain one 5 (class x y w h)")
    if count < 6 or count % 2:
        hint = " (a confidence in the last place? remove it)" if count == 5 else ""
        hint = hint or (" (keypoints? they need kpt_shape in data.yaml)" if count > 6 else "")
        raise ValueError(f"{_told(count)}; a box has 5 (class x y w h), an outline 7, 9, 11 or more (class x1 y1 x2 y2 x3 y3 ...){hint}")
    points = np.array(rest).reshape(-1, 2)
    for value in rest:
        _near(value)
    points = points * size
    left, top, right, bottom = box = enclosing(points)
    if not (left < right and top < bottom):
        raise ValueError("its points enclose nothing")
    return Instance(name, box, (points,), oriented=form.oriented)


def _told(count: int) -> str:
    return f"{count + 1} number{'s' if count else ''}"


def _number(word: bytes) -> float:
    try:
        text = word.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("not plain text; a label file is lines of numbers") from None
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise ValueError(f"{printable(text[:40])!r} is no finite number")
    return number


def _near(value: float) -> None:
    if not -REACH <= value <= 1 + REACH:
        raise ValueError(f"{value:g} lies far outside the picture: are these pixels? YOLO's are fractions of its width and height, 0 to 1")


def _box(numbers: list[float], size: tuple[int, int]) -> Box:
    for value in numbers:
        _near(value)
    x, y, width, height = numbers
    if width <= 0 or height <= 0:
        raise ValueError(f"a box of width {width:g} and height {height:g}; both are above 0")
    across, down = size
    return (x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down


def _keypoints(numbers: list[float], size: tuple[int, int], form: LabelForm) -> Array:
    points = np.zeros((form.points, 3))
    for i in range(form.points):
        x, y, *rest = numbers[form.dims * i : form.dims * (i + 1)]
        visibility = rest[0] if rest else 2.0 * ((x, y) != (0, 0))
        if visibility not in (0, 1, 2):
            raise ValueError(f"keypoint {i} has visibility {visibility:g}; it is 0 (not labelled), 1 (hidden) or 2 (visible)")
        if visibility:
            _near(x)
            _near(y)
            points[i] = x * size[0], y * size[1], visibility
    return points


def line_of(instance: Instance, number: int, size: tuple[int, int], form: LabelForm, *, corners: bool = False) -> str:
    """An instance as a line: a pose where the set has keypoints, else its outline, else its box (a region's too).

    YOLO has one outline an instance: several are joined. A box has four corners in a set of oriented ones, or where ``corners``.
    Raises ``ValueError`` for one that has neither box nor outline.
    """
    if form.points:
        values = [*_middle(_bounds(instance), size), *_pose(instance.keypoints, size, form)]
    elif instance.polygons:
        values = (_joined(instance.polygons) / size).ravel().tolist()
    elif form.oriented or corners:
        left, top, right, bottom = _bounds(instance)
        values = (np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) / size).ravel().tolist()
    else:
        values = _middle(_bounds(instance), size)
    return " ".join([str(number), *map(_fraction, values)])


def _fraction(value: float) -> str:
    """12 digits behind the point: 1e-8 pixels of a picture 10,000 pixels wide; never an exponent, which not all readers know."""
    if not math.isfinite(value):
        raise ValueError(f"a coordinate is {value}")
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _bounds(instance: Instance) -> Box:
    box = box_around(instance)
    if box is None:
        raise ValueError(f"an instance of {instance.category} has neither box nor outline")
    return box


def _middle(box: Box, size: tuple[int, int]) -> list[float]:
    left, top, right, bottom = box
    return [(left + right) / 2 / size[0], (top + bottom) / 2 / size[1], (right - left) / size[0], (bottom - top) / size[1]]


def _pose(keypoints: Array | None, size: tuple[int, int], form: LabelForm) -> list[float]:
    values = np.zeros((form.points, 3))
    if keypoints is not None:
        values[: len(keypoints)] = keypoints
    values[values[:, 2] == 0] = 0
    values[:, :2] /= size
    return [float(value) for value in values[:, : form.dims].ravel()]


def _joined(rings: tuple[Array, ...]) -> Array:
    """One outline of several: from each to the next over their nearest points, and back the same way, which adds no area."""
    outline = rings[0]
    for ring in rings[1:]:
        nearest = [int(np.argmin(((outline - point) ** 2).sum(1))) for point in ring]
        there = int(np.argmin([((outline[i] - point) ** 2).sum() for i, point in zip(nearest, ring, strict=True)]))
        here = nearest[there]
        outline = np.concatenate([outline[: here + 1], ring[there:], ring[: there + 1], outline[here:]])
    return outline
