"""Recipe -> apply: what is decided for one copy, and pixels, masks and points from that alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from augx import lut
from augx.draws import Draws, draw
from augx.errors import CopyError, SourceError
from augx.matrices import IDENTITY, halvings, inside, inverse, resize, stacked
from augx.sample import Sample
from augx.sampling import Field, Sampling
from augx.sections import Mix, Placed, leaves
from augx.spec import Spec
from augx.transforms import Field2D, Geometric, Pixel, Tone, Transform
from augx.transforms.base import as_levels
from augx.warp import Canvas, Levels, warp

Array = np.ndarray[Any, Any]
T = TypeVar("T", bound=Transform)
Table = Array | tuple[lut.Curve, ...]
"""A table of whole levels, or for float pictures the curves themselves."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything decided for one copy: where each pixel is read, one table, and the pixel steps with their numbers.

    ``source`` and ``size`` are width and height before and after; a size of 0 stands for a copy that can't be made.
    ``sampling`` and ``table`` are None where nothing moves and nothing changes a level. ``mix`` holds further recipes with
    their weights, whose pictures are blended with this one's before the pixel steps.
    """

    sampling: Sampling | None
    source: tuple[int, int]
    halved: tuple[int, int]
    size: tuple[int, int]
    canvas: Canvas
    table: Table | None
    steps: tuple[tuple[Pixel, dict[str, Any]], ...]
    mix: tuple[tuple[float, Recipe], ...] = ()

    def shared(self) -> Recipe:
        """The same recipe for a picture and its targets, whose displacement fields are made once for all of them."""
        return replace(self, sampling=self.sampling.shared()) if self.sampling is not None and self.sampling.fields else self


def recipes(spec: Spec, draws: Draws, sample: Sample) -> Iterator[Recipe]:
    """One recipe a copy, for a source of this size and depth. Raises ``SourceError`` where a transform can't serve its channels."""
    return recipes_each(spec, draws, [sample] * draws.n)


def recipes_each(spec: Spec, draws: Draws, samples: Sequence[Sample]) -> Iterator[Recipe]:
    """``recipes`` where each copy is of a source of its own: of any size, all of one depth and as many channels.

    What is refused is so before the first recipe.
    """
    nodes = spec.nodes
    _check_channels(nodes, samples)
    found = _recipes(spec, nodes, draws, samples)
    for place, mix in nodes:
        if isinstance(mix, Mix):
            # Each chain begins where the spec's warp and tone end.
            start = (*spec.warp.nodes("warp"), *spec.tone.nodes("tone"))
            chains = [(*start, chain) for chain in mix.placed(place)]
            for chain in chains:
                _check_channels(chain, samples)
            found = _mixed(found, place, [_recipes(spec, chain, draws, samples) for chain in chains], draws)
    return found


def _mixed(base: Iterator[Recipe], place: str, chains: Sequence[Iterator[Recipe]], draws: Draws) -> Iterator[Recipe]:
    """The recipes with those of the chains of the mix at ``place``."""
    active = draws.active.get(place, np.zeros(draws.n, bool)).tolist()
    for i, (recipe, on, *others) in enumerate(zip(base, active, *chains, strict=True)):
        weights = [float(draws.params[place][f"chain_{k + 1}"][i]) for k in range(len(others))] if on else []
        yield replace(recipe, mix=tuple(zip(weights, others, strict=True))) if on else recipe


def _recipes(spec: Spec, nodes: Sequence[Placed], draws: Draws, samples: Sequence[Sample]) -> Iterator[Recipe]:
    if not samples:
        return
    image, sizes = samples[0].image.image, [sample.image.size for sample in samples]
    channels, every = _channels(samples[0]), leaves(nodes)
    # No copy may have drawn it; and to a grey picture, what is about colours is nothing.
    on = [(place, t) for place, t in every if place in draws.params and (channels > 1 or not t.of_colour)]
    canvas = Canvas(spec.warp.border, spec.warp.border_value, spec.warp.interpolation)
    samplings = _samplings(spec, _of(Geometric, on), draws, sizes)
    tables = _tables(_of(Tone, on), draws, image.dtype)
    steps = _of(Pixel, on)
    for i, (source, (sampling, halved, size), table) in enumerate(zip(sizes, samplings, tables, strict=True)):
        drawn = tuple((step, draws.plain[i][place]) for place, step in steps if place in draws.plain[i]) if steps else ()
        yield Recipe(sampling, source, halved, size, canvas, table, drawn)


def _channels(sample: Sample) -> int:
    image = sample.image.image
    return 1 if image.ndim == 2 else image.shape[2]


def _of(kind: type[T], transforms: Sequence[tuple[str, Transform]]) -> list[tuple[str, T]]:
    return [(place, transform) for place, transform in transforms if isinstance(transform, kind)]


def _check_channels(nodes: Sequence[Placed], samples: Sequence[Sample]) -> None:
    """Raise ``SourceError`` for a transform of colours, and pictures that are neither grey nor coloured."""
    channels = _channels(samples[0]) if samples else 1
    if channels in (1, 3, 4):
        return
    for _, transform in leaves(nodes):
        if transform.p and (transform.of_colour or (isinstance(transform, Tone) and _treats_colours_apart(transform))):
            raise SourceError(f"{transform.name} is about red, green and blue; this picture has {channels} channels, not 1, 3 or 4")


def _treats_colours_apart(tone: Tone) -> bool:
    params = {name: column[:, None, None] for name, column in tone.draw(np.full((1, 15), 0.5)).items()}
    return len(tone.curve(np.zeros((1, 1, 1)), params)[0]) == 3


def _samplings(
    spec: Spec, transforms: Sequence[tuple[str, Geometric]], draws: Draws, sources: Sequence[tuple[int, int]]
) -> Iterator[tuple[Sampling | None, tuple[int, int], tuple[int, int]]]:
    """For each copy where its pixels are read (None: each at its own place), how often that can be halved, and its size."""
    if not transforms and (spec.output.size is None or {*sources} == {spec.output.size}):
        yield from [(None, (0, 0), size) for size in sources]
        return
    source = np.array(sources, float)
    parts, bends, sizes = _geometry(transforms, draws, source)
    if spec.output.size is not None:
        target = np.tile(np.array(spec.output.size, float), (draws.n, 1))
        parts[-1], sizes = resize(sizes, target) @ parts[-1], target
    matrices = parts[0]
    for part in parts[1:]:
        matrices = part @ matrices
    with np.errstate(all="ignore"):  # what comes of it is looked at
        samplings = inverse(matrices)
        off = np.abs(samplings @ matrices - IDENTITY)[:, :2, :2].max(axis=(1, 2))
        able = (off < 1e-6) & (np.abs(samplings[:, :2, :2]).max(axis=(1, 2)) < 1e5)
    samplings[~able] = IDENTITY
    if spec.warp.border == "crop_safe":
        samplings = inside(samplings, source, sizes)
    moved = np.any(samplings != IDENTITY, axis=(1, 2)) | np.any(sizes != source, axis=1)
    each = zip(samplings, moved.tolist(), halvings(samplings, sizes).tolist(), sizes.astype(int).tolist(), strict=True)
    for i, (sampling, moves, halved, canvas) in enumerate(each):
        if not able[i]:
            yield None, (0, 0), (0, 0)  # no canvas: no copy
            continue
        fields = [(k, bend) for k, bend in enumerate(bends) if draws.active[bend.place][i]]
        if not fields:
            yield Sampling((sampling,)) if moves else None, tuple(halved), tuple(canvas)
            continue
        way = _bent([part[i] for part in parts], [(k, bend.field(draws, i)) for k, bend in fields])
        yield way.inside(sources[i], tuple(canvas)) if spec.warp.border == "crop_safe" else way, tuple(halved), tuple(canvas)


@dataclass(frozen=True, slots=True)
class _Bend:
    """A displacement field between two of a spec's matrices, on pictures of ``sizes`` (n, 2)."""

    place: str
    transform: Field2D
    sizes: Array

    def field(self, draws: Draws, copy: int) -> Field:
        width, height = self.sizes[copy].astype(int).tolist()
        return Field(partial(self.transform.displaced, draws.plain[copy][self.place], (width, height)), (width, height))


def _geometry(transforms: Sequence[tuple[str, Geometric]], draws: Draws, sizes: Array) -> tuple[list[Array], list[_Bend], Array]:
    """Matrices (n, 3, 3) from source to copy, in parts with a field between each two, the fields, and the copies' sizes (n, 2)."""
    parts, bends = [stacked(draws.n)], []
    for place, transform in transforms:
        params, on = draws.params[place], draws.active[place]
        if isinstance(transform, Field2D):
            bends.append(_Bend(place, transform, sizes))
            parts.append(stacked(draws.n))
            continue
        parts[-1] = np.where(on[:, None, None], transform.matrices(params, sizes) @ parts[-1], parts[-1])
        sizes = np.where(on[:, None], transform.resized(params, sizes), sizes)
    return parts, bends, sizes


def _bent(parts: Sequence[Array], fields: Sequence[tuple[int, Field]]) -> Sampling:
    """One copy's way from its matrices and the fields that it has, each after the part of its number; the others are skipped."""
    found, product = [], parts[0]
    present = dict(fields)
    for k, part in enumerate(parts[1:]):
        if k in present:
            found.append(product)
            product = part
        else:
            product = part @ product
    matrices = inverse(np.array([*found, product]))
    return Sampling(tuple(matrices), tuple(field for _, field in fields))


def _tables(transforms: Sequence[tuple[str, Tone]], draws: Draws, dtype: np.dtype[Any]) -> Iterator[Table | None]:
    """One table a copy, or None where nothing changes a level."""
    active = np.array([draws.active[place] for place, _ in transforms]).reshape(len(transforms), draws.n)
    # 16-bit tables have half a megabyte in float64, and float pictures have none: one copy at a time.
    step = draws.n if dtype == np.uint8 else 1
    for start in range(0, draws.n, step):
        rows = slice(start, start + step)
        if not active[:, rows].any():
            yield from [None] * step
            continue
        curves = []
        for place, transform in transforms:
            if not draws.active[place][rows].any():
                continue
            params = {name: column[rows, None, None] for name, column in draws.params[place].items()}
            curves.append((draws.active[place][rows], partial(transform.curve, params=params)))
        if dtype.kind == "f":
            yield tuple(curve for _, curve in curves)
            continue
        touched = np.any(active[:, rows], axis=0)
        for table, on in zip(lut.tables(curves, step, dtype), touched, strict=True):
            yield table if on else None


def apply(recipe: Recipe, sample: Sample) -> Array:
    """The copy's pixels: one warp, one look-up, then the pixel steps. Deterministic; treat the result as read-only."""
    image = sample.image.image
    if recipe.size == (0, 0):
        raise CopyError("the transforms under warp, one after the other, shrink or stretch a copy beyond what can be undone")
    if recipe.sampling is not None:
        image = warp(sample.image, recipe.sampling, recipe.halved, recipe.size, recipe.canvas)
    if isinstance(recipe.table, tuple):
        image = lut.evaluate(image, recipe.table)
    elif recipe.table is not None:
        image = lut.look_up(image, recipe.table)
    if recipe.mix:
        rest = 1 - sum(weight for weight, _ in recipe.mix)
        image = as_levels(sum((apply(other, sample) * np.float32(w) for w, other in recipe.mix), image * np.float32(rest)), image)
    if not recipe.steps:
        return image
    if image.dtype.kind == "f":
        image = np.clip(image, 0, 1)
    colours = image[:, :, :3].copy() if image.ndim == 3 and image.shape[2] == 4 else image
    for step, params in recipe.steps:
        colours = step.apply(colours, params)
    return colours if colours.shape == image.shape else np.dstack([colours, image[:, :, 3]])


def resized(spec: Spec, sample: Sample) -> Array:
    """The source's pixels in the size of copies, as a row of an array must be; nothing else is done to them."""
    plain = Spec(output=spec.output)
    (recipe,) = recipes(plain, draw(plain, sample.key, range(1)), sample)
    return apply(recipe, sample)


def warp_mask(recipe: Recipe, mask: Array, border_value: float = 0) -> Array:
    """A mask (h, w) of the source's size, of any type, as it is on the copy: the same places, the nearest pixel's value.

    Beyond the mask it is as beyond the picture; ``border_value`` is for ``border: constant``. Of a mix, this is the mask of
    the picture that the chains are blended into. Raises ``ValueError`` for a mask of another size than the source's, or of
    more than 65,536 values.
    """
    if mask.shape[1::-1] != recipe.source:
        raise ValueError("a mask of {}x{} pixels for a picture of {}x{}".format(*mask.shape[1::-1], *recipe.source))
    if recipe.sampling is None:
        return mask
    # The values by their numbers, which 16 bits hold: masks come as booleans, as bytes, and as 64-bit integers.
    values, numbers = np.unique(np.append(mask.ravel(), np.asarray([border_value], mask.dtype)), return_inverse=True)
    if len(values) > 65536:
        raise ValueError(f"a mask of {len(values)} different values; at most 65,536 can be told apart")
    numbers = numbers.ravel().astype(np.uint16)
    canvas = Canvas(recipe.canvas.border, (float(numbers[-1]) * 255 / 65535,), "nearest")
    moved: Array = values[warp(Levels(numbers[:-1].reshape(mask.shape)), recipe.sampling, (0, 0), recipe.size, canvas)]
    return moved


def move_points(recipe: Recipe, points: Array) -> Array:
    """Where points (n, 2), x and y in pixels of the source, lie on the copy; beyond its canvas where they left it."""
    points = np.asarray(points, float).reshape(-1, 2)
    return points if recipe.sampling is None else recipe.sampling.moved(points)
