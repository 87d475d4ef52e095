"""draw -> Recipe -> apply: every random choice of a run of copies as plain numbers, then pixels from those numbers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from augx import lut
from augx.randomness import uniforms
from augx.ranges import pick
from augx.sample import Sample
from augx.spec import OneOf, Spec, Step
from augx.transforms import Pixel, Transform
from augx.warp import IDENTITY, Canvas, halvings, inverse, resize, stacked, warp

Array = np.ndarray[Any, Any]
CopyParams = dict[str, dict[str, Any]]
"""What one copy drew: place -> parameter -> number, JSON-plain. A place that is absent is off."""


@dataclass(frozen=True)
class Draws:
    """What n copies drew: for each place its parameters, arrays (n,), and a mask (n,) of the copies where it is on."""

    n: int
    params: dict[str, dict[str, Array]]
    active: dict[str, Array]

    @cached_property
    def plain(self) -> list[CopyParams]:
        """One JSON-plain mapping a copy, for the manifest."""
        copies: list[CopyParams] = [{} for _ in range(self.n)]
        for place, columns in self.params.items():
            names = list(columns)
            rows = zip(*(column.tolist() for column in columns.values()), strict=True) if names else iter([()] * self.n)
            for copy, on, row in zip(copies, self.active[place].tolist(), rows, strict=True):
                if on:
                    copy[place] = dict(zip(names, row, strict=True))
        return copies

    @staticmethod
    def replayed(copies: Sequence[CopyParams]) -> Draws:
        """The draws that gave these parameters, as a manifest tells them."""
        params: dict[str, dict[str, Array]] = {}
        for place in dict.fromkeys(place for copy in copies for place in copy):
            known = next(copy[place] for copy in copies if place in copy)
            params[place] = {name: np.array([copy.get(place, known)[name] for copy in copies]) for name in known}
        active = {place: np.array([place in copy for copy in copies]) for place in params}
        return Draws(len(copies), params, active)


def draw(spec: Spec, key: str, copies: range) -> Draws:
    """All random choices for a run of copies of the source named ``key``; nothing random happens anywhere else."""
    params: dict[str, dict[str, Array]] = {}
    active: dict[str, Array] = {}

    def add(place: str, transform: Transform, allowed: Array) -> None:
        u = uniforms(spec.seed, key, place, copies)
        active[place] = allowed & (u[:, 0] < transform.p)
        params[place] = transform.draw(u[:, 1:])

    def add_steps(steps: Sequence[Step], where: str, allowed: Sequence[Array]) -> None:
        for (place, step), mask in zip(_placed(steps, where), allowed, strict=True):
            if isinstance(step, OneOf):
                u = uniforms(spec.seed, key, place, copies)
                choice = np.where(u[:, 0] < step.p, pick(u[:, 1], step.shares), -1)
                add_steps(step.options, place, [mask & (choice == i) for i in range(len(step.options))])
            else:
                add(place, step, mask)

    everywhere = np.ones(len(copies), bool)
    for transform in (*spec.warp.transforms, *spec.tone.transforms):
        add(f"{transform.section}.{transform.name}", transform, everywhere)
    add_steps(spec.then, "then", [everywhere] * len(spec.then))
    return Draws(len(copies), params, active)


def _placed(steps: Sequence[Step], where: str) -> Iterator[tuple[str, Pixel | OneOf]]:
    """Each step with its place: its name, numbered from its second appearance on, so that other steps can come and go."""
    seen: Counter[str] = Counter()
    for step in steps:
        seen[step.name] += 1
        yield f"{where}.{step.name}" + (f"#{seen[step.name]}" if seen[step.name] > 1 else ""), step.chosen


def _leaves(steps: Sequence[Step], where: str) -> Iterator[tuple[str, Pixel]]:
    for place, step in _placed(steps, where):
        if isinstance(step, OneOf):
            yield from _leaves(step.options, place)
        else:
            yield place, step


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything decided for one copy: where each pixel is read, one table, and the pixel steps with their numbers.

    ``sampling`` and ``table`` are None where nothing moves and nothing changes a level.
    """

    sampling: Array | None
    halved: tuple[int, int]
    size: tuple[int, int]
    canvas: Canvas
    table: Array | None
    steps: tuple[tuple[Pixel, dict[str, Any]], ...]


def recipes(spec: Spec, draws: Draws, sample: Sample) -> Iterator[Recipe]:
    """One recipe a copy, for a source of this size and depth."""
    source = np.tile(np.array(sample.image.size, float), (draws.n, 1))
    matrices, sizes = _geometry(spec, draws, source)
    if spec.output.size is not None:
        target = np.tile(np.array(spec.output.size, float), (draws.n, 1))
        matrices, sizes = resize(sizes, target) @ matrices, target
    canvas = Canvas(spec.warp.border, spec.warp.border_value, spec.warp.interpolation)
    tables = _tables(spec, draws, sample.image.image.dtype)
    leaves = list(_leaves(spec.then, "then"))
    plain = draws.plain if leaves else []
    samplings = inverse(matrices)
    moved = np.any(samplings != IDENTITY, axis=(1, 2)) | np.any(sizes != source, axis=1)
    each = zip(samplings, moved.tolist(), halvings(samplings).tolist(), sizes.astype(int).tolist(), tables, strict=True)
    for i, (sampling, moves, halved, size, table) in enumerate(each):
        steps = tuple((step, plain[i][place]) for place, step in leaves if place in plain[i]) if leaves else ()
        yield Recipe(sampling if moves else None, tuple(halved), tuple(size), canvas, table, steps)


def _geometry(spec: Spec, draws: Draws, sizes: Array) -> tuple[Array, Array]:
    """Matrices (n, 3, 3) from source to copy, and the copies' sizes (n, 2)."""
    matrices = stacked(draws.n)
    for transform in spec.warp.transforms:
        place = f"warp.{transform.name}"
        if place not in draws.params:  # replayed copies, all of them without it
            continue
        params, on = draws.params[place], draws.active[place]
        matrices = np.where(on[:, None, None], transform.matrices(params, sizes) @ matrices, matrices)
        sizes = np.where(on[:, None], transform.resized(params, sizes), sizes)
    return matrices, sizes


def _tables(spec: Spec, draws: Draws, dtype: np.dtype[Any]) -> Iterator[Array | None]:
    """One table a copy, or None where nothing changes a level."""
    places = [(f"tone.{transform.name}", transform) for transform in spec.tone.transforms]
    places = [(place, transform) for place, transform in places if place in draws.params]
    active = np.array([draws.active[place] for place, _ in places]).reshape(len(places), draws.n)
    # 16-bit tables have half a megabyte in float64: one copy at a time.
    step = draws.n if dtype == np.uint8 else 1
    for start in range(0, draws.n, step):
        rows = slice(start, start + step)
        curves = []
        for place, transform in places:
            params = {name: column[rows, None, None] for name, column in draws.params[place].items()}
            curves.append((draws.active[place][rows], partial(transform.curve, params=params)))
        if not places or not active[:, rows].any():
            yield from [None] * step
            continue
        touched = np.any(active[:, rows], axis=0)
        for table, on in zip(lut.tables(curves, step, dtype), touched, strict=True):
            yield table if on else None


def apply(recipe: Recipe, sample: Sample) -> Array:
    """The copy's pixels: one warp, one look-up, then the pixel steps. Deterministic; treat the result as read-only."""
    image = sample.image.image
    if recipe.sampling is not None:
        image = warp(sample.image, recipe.sampling, recipe.halved, recipe.size, recipe.canvas)
    if recipe.table is not None:
        image = lut.look_up(image, recipe.table)
    if not recipe.steps:
        return image
    colours = image[:, :, :3].copy() if image.ndim == 3 and image.shape[2] == 4 else image
    for step, params in recipe.steps:
        colours = step.apply(colours, params)
    return colours if colours.shape == image.shape else np.dstack([colours, image[:, :, 3]])
