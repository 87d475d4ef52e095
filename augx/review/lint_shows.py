"""Which transforms can never show, and how many copies get none at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from augx import lut
from augx.distributions import Choice, Range, Whole
from augx.draws import draw
from augx.errors import SourceError
from augx.randomness import uniforms
from augx.ranges import Quantity
from augx.sample import Sample
from augx.sections import Mix
from augx.spec import Spec
from augx.transforms import Field2D, Geometric, Pixel, Tone, Transform
from augx.transforms.base import Params, white

Array = np.ndarray[Any, Any]

COPIES = 4000
"""Copies that are drawn to count those which get no transform: the share is then known to 0.008, one standard deviation."""

_HAIR = 1e-6  # from either end of a distribution: what one copy in a million draws
_MORE = {"warp": 64, "tone": 64, "then": 6}  # draws besides those at the ends; pixel steps cost most
_CROP, _COARSE = 384, 256
_VISIBLE = 2.0  # levels of 255


def never_shows(transform: Transform, samples: Sequence[Sample]) -> str | None:
    """Why no copy of pictures like these will show a transform, in words; None if one may.

    Seen is what moves a point by more than a pixel and 0.4 % of the shorter side (of pictures below 100 pixels: by 1 % of it),
    or changes a level by 2 of 255.
    """
    params = drawn_widely(transform, _MORE[transform.section])
    if transform.of_colour and all(sample.image.image.ndim == 2 for sample in samples):
        return f"{transform.name} is about colours, and these pictures are grey: no copy shows it; take it out"
    if isinstance(transform, Geometric):
        why = _moves_nothing(transform, params, {sample.image.size for sample in samples})
    elif isinstance(transform, Tone):
        change = _level_change(transform, params)
        why = "changes no level" + (f" by more than {change} of 255" if change else "") if change < _VISIBLE else None
    else:
        assert isinstance(transform, Pixel)
        why = _changes_nothing(transform, params, samples)
    return f"{why}, so no copy shows it; {_advice(transform)}" if why else None


def unchanged(spec: Spec) -> float:
    """The share of copies that get no transform; 0 to 1. Small ones count: several of them may add up."""
    mixes = {place for place, node in spec.nodes if isinstance(node, Mix)}
    draws = draw(spec, "lint", range(COPIES))
    touched = np.zeros(COPIES, bool)
    for place, on in draws.active.items():
        if place not in mixes:
            touched |= on
    return float(1 - touched.mean())


def drawn_widely(transform: Transform, more: int) -> Params:
    """Parameters at the ends of all of a transform's ranges, of each alone, and ``more`` that are drawn as ever."""
    ends = [_ends(getattr(transform, field)) for field in transform.quantities()]
    u = uniforms(0, "lint", transform.name, range(2 + sum(map(len, ends)) + more))[:, 1:]
    row = 2
    for column, found in enumerate(ends):
        u[:2, column] = found[-1], found[0]
        u[row : row + len(found), column] = found
        row += len(found)
    return transform.draw(u)


def _ends(values: Range) -> list[float]:
    """Uniforms that give the ends of a distribution, or each of some choices (0 and 360 degrees are the same, 180 is not)."""
    form = values.form if isinstance(values, Whole) else values
    if not isinstance(form, Choice):
        return [_HAIR, 1 - _HAIR]
    weights = np.array(form.weights) / max(form.weights)
    edges = np.cumsum(weights)
    middles = np.clip((edges - weights / 2) / edges[-1], _HAIR, 1 - _HAIR)[weights > 0]
    every: list[float] = middles[np.linspace(0, len(middles) - 1, min(len(middles), 32)).astype(int)].tolist()
    return every


def _moves_nothing(transform: Geometric, params: Params, sizes: Iterable[tuple[int, int]]) -> str | None:
    most: tuple[float, str] = (-1, "")
    for width, height in sorted(sizes):
        shorter = min(width, height)
        limit = max(min(1, shorter / 100), shorter / 250)
        distance = _furthest(transform, params, (width, height), limit)
        if not distance <= limit:
            return None
        words = f"moves no point of a picture of {width}x{height} by more than {distance:.2g} pixels" if distance else "moves nothing"
        most = max(most, (distance / limit, words))
    return most[1]


def _furthest(transform: Geometric, params: Params, size: tuple[int, int], limit: float) -> float:
    """How far a point moves at most, in pixels; infinity where a copy gets another size, and any value above ``limit`` may do."""
    n = len(next(iter(params.values()))) if params else 1
    sizes = np.tile(np.array(size, float), (n, 1))
    if np.any(transform.resized(params, sizes) != sizes):
        return math.inf
    if isinstance(transform, Field2D):
        furthest = 0.0
        for i in range(n):
            field = transform.displaced({name: column[i].item() for name, column in params.items()}, size, (64, 64))
            furthest = max(furthest, float(np.hypot(field[:, :, 0], field[:, :, 1]).max()))
            if furthest > limit:
                break
        return furthest
    xs, ys = (np.linspace(0, side - 1, 9) for side in size)
    points = np.stack([*map(np.ravel, np.meshgrid(xs, ys)), np.ones(81)])
    with np.errstate(all="ignore"):
        moved = transform.matrices(params, sizes) @ points
        way = moved[:, :2] / moved[:, 2:] - points[:2]
    return float(np.hypot(way[:, 0], way[:, 1]).max())


def _level_change(transform: Tone, params: Params) -> int:
    n = len(next(iter(params.values()))) if params else 1
    shaped = {name: column[:, None, None] for name, column in params.items()}
    tables = lut.tables([(np.ones(n, bool), partial(transform.curve, params=shaped))], n, np.dtype(np.uint8))
    return int(np.abs(tables.astype(int) - np.arange(256)).max())


def _changes_nothing(transform: Pixel, params: Params, samples: Sequence[Sample]) -> str | None:
    n = len(next(iter(params.values()))) if params else 1
    most = 0.0
    for picture in (picture for sample in samples for picture in _small(sample.image.image)):
        colours = picture.ndim == 3 and picture.shape[2] == 3
        if transform.of_colour:
            if not colours:
                continue
            # In floats, as rounded hues and back again would pass for a change.
            picture = (picture / white(picture)).astype(np.float32)
        for i in range(n):
            try:
                copy = transform.apply(picture, {name: column[i].item() for name, column in params.items()})
            except SourceError:  # it is refused, and that is said when copies are made
                return None
            most = max(most, float(np.abs(copy.astype(np.float64) - picture).max()) * 255 / white(picture))
            if most >= _VISIBLE:
                return None
    pictures = "the picture that it was tried on" if len(samples) == 1 else f"the {len(samples)} pictures that it was tried on"
    return f"changes no pixel of {pictures}" + (f" by more than {most:.2g} levels of 255" if most else "")


def _small(image: Array) -> list[Array]:
    """A picture's middle, pixel by pixel, and if that is not all of it, all of it coarsely; without alpha."""
    image = image[:, :, :3] if image.ndim == 3 and image.shape[2] == 4 else image
    top, left = (max(0, (side - _CROP) // 2) for side in image.shape[:2])
    middle = np.ascontiguousarray(image[top : top + _CROP, left : left + _CROP])
    if middle.shape == image.shape:
        return [middle]
    step = -(-max(image.shape[:2]) // _COARSE)
    return [middle, np.ascontiguousarray(image[::step, ::step])]


def _advice(transform: Transform) -> str:
    """What to do: the number in the unit that may have been meant."""
    found = [(field, q, _distance(getattr(transform, field), q)) for field, q in transform.quantities().items() if q.alone != "value"]
    wide = [(field, q, distance) for field, q, distance in found if distance]
    if not wide:
        return "take it out, or give it a range that holds more than the value which changes nothing" if found else "take it out"
    field, quantity, distance = wide[0]
    for word, meant in _UNITS:
        fitting = [(what, distance * full) for what, full in meant if distance * full <= quantity.high - quantity.neutral]
        if word in quantity.unit and fitting:
            others = ", ".join(f"as {what}, write {value:.3g}" for what, value in fitting)
            return f"{field} is in {word.partition(';')[0]}: if {distance:.3g} was meant {others}"
    return f"widen {field} ({quantity.unit}) or take it out"


_UNITS = (
    ("degrees; red", (("a fraction of the circle", 360.0),)),
    ("degrees, counter", (("a fraction of a turn", 360.0), ("radians", 180 / math.pi))),
    ("degrees", (("radians", 180 / math.pi),)),
    ("levels of 0 to 255", (("a fraction of white", 255.0),)),
    ("percent", (("a fraction", 100.0),)),
)


def _distance(values: Range, quantity: Quantity) -> float:
    """How far what is drawn lies from the value that changes nothing, at most."""
    return float(np.abs(np.array(values.quantile(np.array(_ends(values)))) - quantity.neutral).max())
