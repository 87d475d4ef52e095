"""What is made of a copy's targets: the files beside its picture, and what its manifest line says of its objects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from augx.annotations.base import Category, Layout
from augx.draws import Draws, relabelled
from augx.errors import SourceError
from augx.masks import encode_mask
from augx.recipe import Recipe
from augx.sample import Array, Instance, Sample
from augx.spec import Spec, TargetRules
from augx.targets import move_instances, move_mask


@dataclass(frozen=True, slots=True)
class Made:
    """Files (place, bytes) beside a picture, how many objects it shows, how many it lost, and the fields of its line."""

    beside: tuple[tuple[str, bytes], ...]
    objects: int
    dropped: int
    fields: dict[str, Any]


def targets_of(layout: Layout, place: str, sample: Sample, recipe: Recipe | None, rules: TargetRules, renamed: Mapping[str, str]) -> Made:
    """The targets of the copy at ``place``; without a recipe those of the untouched source.

    Raises ``SourceError`` for an object that the layout can't hold.
    """
    instances, dropped = sample.instances, 0
    size = sample.image.size
    if recipe is not None:
        size = recipe.size
        swaps = {category.name: swapped(category, rules) for category in layout.categories}
        instances, dropped = move_instances(recipe, instances, swaps=swaps, min_visibility=rules.min_visibility)
        if renamed:
            instances = tuple(replace(one, category=renamed.get(one.category, one.category)) for one in instances)
    beside = []
    inner, _, name = place.removeprefix(layout.pictures).strip("/").rpartition("/")
    stem = name.rpartition(".")[0]
    for mask in sample.masks:
        moved = mask.levels.image if recipe is None else move_mask(recipe, mask, rules.mask_border)
        beside.append(("/".join(filter(None, (mask.name, inner, f"{stem}.png"))), encode_mask(moved, mask.palette)))
    try:
        beside += layout.beside(place, size, instances)
    except ValueError as error:
        raise SourceError(str(error)) from None
    fields: dict[str, Any] = {"width": size[0], "height": size[1]}
    if layout.annotated:
        fields["objects"] = [as_plain(one) for one in instances]
    if dropped:
        fields["dropped"] = dropped
    if beside:
        fields["beside"] = [{"file": at, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for at, data in beside]
    return Made(tuple(beside), len(instances), dropped, fields)


def swapped(category: Category, rules: TargetRules) -> Sequence[int]:
    """Which keypoint each one becomes in a mirror: by the spec's pairs of names, else as the set has it."""
    if rules.swap is None or not category.keypoints:
        return category.swap
    other = {a: b for pair in rules.swap for a, b in (pair, pair[::-1])}
    places = {name: i for i, name in enumerate(category.keypoints)}
    return [places.get(other.get(name, name), i) for i, name in enumerate(category.keypoints)]


def renamings(spec: Spec, sample: Sample, draws: Draws) -> Iterator[Mapping[str, str]]:
    """For each copy what its objects' categories become, where the spec relabels them."""
    names = dict.fromkeys(one.category for one in sample.instances) if spec.relabels else {}
    if not names:
        yield from [{}] * draws.n
        return
    columns = {name: relabelled(spec, name, draws) for name in names}
    for i in range(draws.n):
        yield {name: column[i] for name, column in columns.items() if column[i] != name}


def as_plain(instance: Instance) -> dict[str, Any]:
    """The instance as JSON has it; ``of_plain`` reads it."""
    fields: dict[str, Any] = {"category": instance.category}
    if instance.box is not None:
        fields["box"] = [float(v) for v in instance.box]
    if instance.polygons:
        fields["polygons"] = [polygon.ravel().tolist() for polygon in instance.polygons]
    if instance.oriented:
        fields["oriented"] = True
    if instance.keypoints is not None:
        fields["keypoints"] = instance.keypoints.ravel().tolist()
    if instance.region is not None:
        fields["region"] = dict(instance.region)
    if instance.extra:
        fields["extra"] = dict(instance.extra)
    return fields


def of_plain(fields: Mapping[str, Any]) -> Instance:
    """The instance of ``as_plain``; raises ``AttributeError``, ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
    box, points = fields.get("box"), fields.get("keypoints")
    return Instance(
        str(fields["category"]),
        None if box is None else tuple(_points(box, 4)[0].tolist()),
        tuple(_points(polygon, 2) for polygon in fields.get("polygons", ())),
        bool(fields.get("oriented", False)),
        None if points is None else _points(points, 3),
        fields.get("region"),
        dict(fields.get("extra", {})),
    )


def _points(numbers: Sequence[float], each: int) -> Array:
    points: Array = np.array(numbers, float).reshape(-1, each)
    if not len(points) or not np.isfinite(points).all():
        raise ValueError(f"finite numbers, {each} together")
    return points
