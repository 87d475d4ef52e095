"""Masks and instances as they are on a copy: moved by the recipe that moves its pixels.

All of it goes the one way that ``recipe.sampling`` describes; of a mix it is the way of the picture that the chains are blended
into. Where ``border`` repeats pixels beyond the picture, the mask repeats its labels as well, but no instance is made twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from augx.annotations import rle
from augx.annotations.outlines import (
    clipped_box,
    cut,
    enclosing,
    in_pieces,
    is_rectangle,
    labelled_inside,
    rectangle_around,
    visible,
)
from augx.errors import SourceError
from augx.hiding import behind, covered_by
from augx.matrices import IDENTITY, inverse
from augx.recipe import Recipe
from augx.sample import Box, Instance, Mask
from augx.sampling import Sampling
from augx.warp import Canvas, Levels, warp

Array = np.ndarray[Any, Any]

_PIECES = 8
"""Pieces of an outline's edge, at most, that a displacement field bends."""
_POINTS = 1024
"""Pixels of a region, about, by which it is told how much of it a copy shows."""
_DECIMALS = 3
_CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]]
_HORIZON = 1e-3
"""The part of the way to a perspective's horizon that is given up: nearer to it, everything is infinitely far away."""


def move_mask(recipe: Recipe, mask: Mask, border: int) -> Array:
    """The mask on the copy: the same places, the nearest pixel's label; treat it as read-only.

    ``border`` is the label, in the mask's own levels and in each of its channels, beyond the picture where the spec's border is
    constant; other borders go on as the picture does. What an erasing step hides keeps its label: the mask is of what lies
    behind. Raises ``SourceError`` for a mask that isn't as large as its picture, or can't hold ``border``.
    """
    image = mask.levels.image
    if mask.levels.size != recipe.source:
        raise SourceError("a mask of {}x{} pixels for a picture of {}x{}".format(*mask.levels.size, *recipe.source))
    if recipe.sampling is None:
        return image
    top = np.iinfo(image.dtype).max
    if not 0 <= border <= top:
        raise SourceError(f"the label {border} beyond the picture, in a mask whose labels go from 0 to {top}")
    channels = 1 if image.ndim == 2 else image.shape[2]
    canvas = Canvas(recipe.canvas.border, (border * 255 / top,) * (4 if channels == 4 else 1), "nearest")
    return warp(mask.levels, recipe.sampling, (0, 0), recipe.size, canvas)


def move_instances(
    recipe: Recipe, instances: Sequence[Instance], *, swaps: Mapping[str, Sequence[int]], min_visibility: float
) -> tuple[tuple[Instance, ...], int]:
    """The instances as they are on the copy, and how many were dropped.

    An instance is dropped where nothing of it is left, or less than ``min_visibility``: the area on the canvas, less what an
    erasing step hides, by the whole area after the transforms (as ``min_visibility`` of Albumentations' ``BboxParams``, which
    knows of no hiding). That is the area of its region, else of its polygons, else of its box; keypoints alone are whole.
    ``swaps`` says by category which keypoint each becomes in a mirror. Coordinates are rounded to thousandths of a pixel.
    Raises ``SourceError`` for regions and swaps that don't fit.
    """
    if not instances:
        return (), 0
    pairs: list[tuple[Instance | None, float]] = [(instance, 1.0) for instance in instances]
    if recipe.sampling is not None:
        few = _boxes_inside(recipe.sampling, instances, recipe.size) if recipe.sampling.is_affine() else {}
        rest = iter(_moved(recipe, recipe.sampling, [one for i, one in enumerate(instances) if i not in few], swaps))
        pairs = [(few[i], 1.0) if i in few else next(rest) for i in range(len(instances))]
    covered = covered_by(recipe)
    if covered is not None:
        pairs = [behind(instance, shown, covered) if instance is not None else (None, 0.0) for instance, shown in pairs]
    kept = tuple(instance for instance, shown in pairs if instance is not None and 0 < shown >= min_visibility - 1e-9)
    return kept, len(instances) - len(kept)


@dataclass(slots=True)
class _Parts:
    """What of an instance is moved: its outlines, its keypoints' places, and pixels of its region; points (n, 2) each."""

    outlines: list[Array]
    keypoints: Array
    region: Array | None
    pixels: Array

    def all(self) -> list[Array]:
        return [*self.outlines, self.keypoints, self.pixels]


_NONE: Array = np.zeros((0, 2))


def _moved(
    recipe: Recipe, sampling: Sampling, instances: Sequence[Instance], swaps: Mapping[str, Sequence[int]]
) -> list[tuple[Instance | None, float]]:
    if not instances:
        return []
    horizon = _horizon(sampling.matrices[0], recipe.source)
    parts = [_parts(instance, sampling, horizon, recipe.source) for instance in instances]
    every = [points for part in parts for points in part.all()]
    places = _places(sampling, np.concatenate(every), recipe.source)
    ends = np.cumsum([len(points) for points in every]).tolist()
    bounds = _bounds(places, parts)
    there = iter([places[start:end] for start, end in zip([0, *ends], ends, strict=False)])
    mirrored = bool(swaps) and bool(np.linalg.det(sampling.matrix) < 0)  # in front of the horizon, as the whole picture is
    found = []
    for instance, part, bound in zip(instances, parts, bounds, strict=True):
        arrived = _Parts([next(there) for _ in part.outlines], next(there), part.region, next(there))
        swap = swaps.get(instance.category, ()) if mirrored else ()
        found.append(_arrived(recipe, sampling, instance, arrived, bound, swap))
    return found


def _bounds(places: Array, parts: Sequence[_Parts]) -> list[list[float]]:
    """Left, top, right and bottom of each instance's outlines, NaN where a point has no place; of no meaning without outlines."""
    turns, at = [], 0
    for part in parts:
        turns.append(at)
        at += sum(map(len, part.outlines))
        turns.append(at)
        at += len(part.keypoints) + len(part.pixels)
    padded = np.concatenate([places, [[np.nan, np.nan]]])  # the last one may end where all do
    low, high = (least.reduceat(padded, turns)[::2] for least in (np.minimum, np.maximum))
    bounds: list[list[float]] = np.concatenate([low, high], axis=1).tolist()
    return bounds


def _boxes_inside(sampling: Sampling, instances: Sequence[Instance], size: tuple[int, int]) -> dict[int, Instance]:
    """The instances, by number, that are boxes alone and lie on the canvas whole: most of them, and all of them moved at once."""
    plain = [i for i, one in enumerate(instances) if one.box and not one.polygons and one.keypoints is None and one.region is None]
    if not plain:
        return {}
    corners = np.array([instances[i].box for i in plain])[:, _CORNERS]
    moved = (sampling.moved(corners.reshape(-1, 2) - 0.5) + 0.5).reshape(-1, 4, 2)
    boxes = np.round(np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1), _DECIMALS)
    found = {}
    for i, (left, top, right, bottom) in zip(plain, boxes.tolist(), strict=True):
        if 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]:
            found[i] = Instance(instances[i].category, (left, top, right, bottom), extra=instances[i].extra)
    return found


def _parts(instance: Instance, sampling: Sampling, horizon: Array | None, size: tuple[int, int]) -> _Parts:
    outlines: list[Array] = list(instance.polygons)
    region, pixels = None, _NONE
    if instance.region is not None:
        outlines = []
        region = _decoded(instance.region)
        if region.shape != size[::-1]:
            raise SourceError("a region of {}x{} pixels for a picture of {}x{}".format(*region.shape[::-1], *size))
        pixels = _pixels(region)
    elif not outlines and instance.box is not None:
        left, top, right, bottom = instance.box
        outlines = [np.array([[left, top], [right, top], [right, bottom], [left, bottom]])]
    if horizon is not None:
        outlines = [cut(outline, outline @ horizon[:2] + (horizon[2] - _HORIZON)) for outline in outlines]
    if sampling.fields and not instance.oriented:
        outlines = [in_pieces(outline, max(size) / 32, _PIECES) for outline in outlines]
    return _Parts(outlines, _NONE if instance.keypoints is None else instance.keypoints[:, :2], region, pixels)


def _pixels(region: Array) -> Array:
    """The middles of a region's pixels, or of a regular part of them where there are many."""
    step = max(1, math.isqrt(np.count_nonzero(region) // _POINTS))
    y, x = np.nonzero(region[step // 2 :: step, step // 2 :: step])
    if not len(x):  # a region of threads
        y, x = (places[:_POINTS] for places in np.nonzero(region))
        step = 1
    return np.stack([x, y], axis=1) * step + step // 2 + 0.5


def _decoded(region: Mapping[str, Any]) -> Array:
    try:
        return rle.decode(region)
    except ValueError as error:
        raise SourceError(f"a region that is none: {error}") from None


def _horizon(matrix: Array, size: tuple[int, int]) -> Array | None:
    """What tells how far in front of its horizon a matrix that reads a picture of ``size`` sees a point of it: 1 at most, in a corner.

    A row (3) for x, y and 1; None where there is no horizon.
    """
    if not matrix[2, :2].any():
        return None
    row: Array = inverse(matrix[None])[0][2]
    row[2] -= row[:2].sum() / 2  # from the pixels' middles to their corners
    across, down, level = row.tolist()
    scaled: Array = row / max(abs(across * x + down * y + level) for x in (0, size[0]) for y in (0, size[1]))
    return scaled


def _places(sampling: Sampling, points: Array, size: tuple[int, int]) -> Array:
    """Where points of the source lie on the canvas, all of them at once; NaN for those behind a horizon or folded away."""
    if sampling.is_affine():
        return sampling.moved(points - 0.5) + 0.5
    # Field by field, as a point that has no place before one has none after it.
    ways = [Sampling((matrix, IDENTITY), (field,)) for matrix, field in zip(sampling.matrices, sampling.fields, strict=False)]
    sizes = [size, *(field.size for field in sampling.fields)]
    places = points.astype(float)
    for way, of in zip([*ways, Sampling(sampling.matrices[-1:])], sizes, strict=True):
        with np.errstate(invalid="ignore"):
            seen = np.isfinite(places).all(axis=1)
            horizon = _horizon(way.matrices[0], of)
            if horizon is not None:
                seen &= places @ horizon[:2] + horizon[2] >= _HORIZON / 2  # where outlines have been cut there is room for rounding
        places[~seen] = np.nan
        places[seen] = way.moved(places[seen] - 0.5) + 0.5
    return places


def _arrived(
    recipe: Recipe, sampling: Sampling, instance: Instance, parts: _Parts, bounds: Sequence[float], swap: Sequence[int]
) -> tuple[Instance | None, float]:
    """The instance on the canvas, None where nothing of it is there, and the share of it that is.

    ``bounds`` are those of its outlines: most lie on the canvas whole, and the others cost more.
    """
    size = recipe.size
    left, top, right, bottom = bounds
    whole = left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1]
    keypoints = _keypoints(instance, parts.keypoints, size, swap)
    box: Box | None = None
    polygons: tuple[Array, ...] = ()
    region = None
    if parts.region is not None:
        canvas = Canvas("constant", (0.0,), "nearest")
        seen = warp(Levels(parts.region), sampling, (0, 0), size, canvas)
        x, y, width, height = cv2.boundingRect(seen)
        box = (float(x), float(y), float(x + width), float(y + height))
        with np.errstate(invalid="ignore"):
            shown = float(((parts.pixels >= 0) & (parts.pixels <= np.array(size))).all(axis=1).mean()) if len(parts.pixels) else 0.0
        shown = max(shown, 1 / _POINTS) if width else 0.0
        region = rle.encode(seen)
    elif instance.polygons:
        outlines, there, shown = (parts.outlines, parts.outlines, 1.0) if whole else visible(parts.outlines, size)
        if instance.oriented:
            there = [_rectangle(instance.polygons[0], outlines[0], there[0], size)] if shown > 0 else []
        polygons = tuple(np.clip(np.round(part, _DECIMALS), 0, size) for part in there if len(part))
        box = enclosing(polygons[0] if len(polygons) == 1 else np.concatenate(polygons)) if polygons else None
    elif instance.box is not None:
        box, shown = (left, top, right, bottom), 1.0
        if not whole:
            _, (outline,), shown = visible(parts.outlines, size)
            box = enclosing(outline) if len(outline) else None  # that of the whole, clipped, would be larger
    else:
        left_points = keypoints is None or bool(keypoints[:, 2].any())
        return (replace(instance, keypoints=keypoints), 1.0) if left_points else (None, 0.0)
    box = _rounded(box, size) if box is not None else None
    if box is None:
        return None, 0.0
    return Instance(instance.category, box, polygons, instance.oriented, keypoints, region, instance.extra), shown


def _rectangle(before: Array, moved: Array, visible: Array, size: tuple[int, int]) -> Array:
    """An oriented box on the canvas: its own corners while they are there, and as rectangular as they were."""
    whole = len(moved) == 4 and float(max((-moved).max(), (moved - size).max())) <= 1e-3
    if whole and (is_rectangle(moved) or not is_rectangle(before)):
        return moved
    return rectangle_around(visible, size, like=moved)


def _keypoints(instance: Instance, places: Array, size: tuple[int, int], swap: Sequence[int]) -> Array | None:
    """Keypoints (n, 3) at their places on the canvas, those beyond it (0, 0, 0), each under its number in a mirror."""
    if instance.keypoints is None:
        return None
    found = np.column_stack([np.round(places, _DECIMALS), instance.keypoints[:, 2]])
    found[np.isnan(found).any(axis=1)] = (0, 0, 0)
    kept = labelled_inside(found, size)
    assert kept is not None
    if not len(swap):
        return kept
    if sorted(swap) != list(range(len(kept))):
        raise SourceError(f"{len(kept)} keypoints of {instance.category}, whose swap in a mirror is {list(swap)}: not each of them once")
    mirrored = np.empty_like(kept)
    mirrored[list(swap)] = kept
    return mirrored


def _rounded(box: Box, size: tuple[int, int]) -> Box | None:
    left, top, right, bottom = box
    return clipped_box((round(left, _DECIMALS), round(top, _DECIMALS), round(right, _DECIMALS), round(bottom, _DECIMALS)), size)
