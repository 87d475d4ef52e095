"""Each transform of a spec alone, at the ends of its ranges and in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from augx.distributions import Normal, Range, TruncatedNormal, Whole
from augx.draws import Draws, draw
from augx.errors import CopyError
from augx.made import renamings
from augx.ranges import Quantity
from augx.recipe import apply, recipes
from augx.review.marking import Marking
from augx.review.marks import Marks
from augx.review.sheet import CELL, Cell, Strip, thumbnail
from augx.review.spread import chances
from augx.sample import Sample
from augx.sections import Mix, leaves
from augx.spec import Spec
from augx.transforms import Pixel, Transform
from augx.warp import Levels

Array = np.ndarray[Any, Any]

_LARGE = 1_500_000
_BESIDE = (0.8, 0.3, 0.65, 0.1, 0.9, 0.45, 0.2, 0.7)
"""Uniforms for what a transform draws besides its ranges, such as corners: not all alike, or they would show nothing of that."""
_WORDS = 3  # values in a caption
_UNMARKED = Marking()


def alone(spec: Spec, sample: Sample, marking: Marking = _UNMARKED) -> Iterator[Strip]:
    """A strip for each number that varies of each transform that the spec has."""
    yield from _strips(spec, sample, set(), "", marking)


def alone_of_class(general: Spec, own: Spec, label: str, sample: Sample, marking: Marking = _UNMARKED) -> Iterator[Strip]:
    """The strips of what a class has for itself, and of what the general settings have and it has not."""
    yield from _strips(own, sample, {_same(place, transform) for place, transform in leaves(general.nodes)}, label, marking)
    owns = {place for place, transform in leaves(own.nodes) if transform.p}
    for place, transform in leaves(general.nodes):
        if transform.p and place not in owns:
            yield Strip(place, (f"off for class {label}",), (), beside=True)


def made(
    spec: Spec, sample: Sample, draws: Draws, marking: Marking, whole: Sample | None = None
) -> Iterator[tuple[Array | None, Marks | None]]:
    """The copies' pictures, None for one that can't be made, and their targets.

    ``whole`` is the source, where ``sample`` is that made smaller.
    """
    ways = recipes(spec, draws, sample)
    targets = recipes(spec, draws, whole) if whole is not None and whole is not sample else None
    for recipe, renamed in zip(ways, renamings(spec, whole or sample, draws), strict=True):
        moved = recipe if targets is None else next(targets)
        try:
            yield apply(recipe, sample), marking.of_copy(spec, whole or sample, moved, renamed)
        except CopyError:
            yield None, None


def cell(picture: Array | None, caption: str, marking: Marking = _UNMARKED, marks: Marks | None = None) -> Cell:
    """A picture with its targets, small."""
    if picture is None:
        return Cell(None, f"{caption}: can't be made")
    return Cell(marking.thumbnail(picture, marks), caption)


def _middle(picture: Array | None, caption: str) -> Cell:
    """The middle of a picture, pixel for pixel; its targets would only hide what is to be seen there."""
    if picture is None:
        return cell(None, caption)
    top, left = max(0, (picture.shape[0] - CELL) // 2), max(0, (picture.shape[1] - CELL) // 2)
    return cell(picture[top : top + CELL, left : left + CELL], caption)


def _strips(spec: Spec, sample: Sample, seen: set[str], label: str, marking: Marking) -> Iterator[Strip]:
    small = _reduced(sample)
    declared = chances(spec.nodes)
    for place, node in spec.nodes:
        if isinstance(node, Mix):
            yield from _mixed(spec, place, sample, marking)
    for place, transform in leaves(spec.nodes):
        same = _same(place, transform)
        if same in seen or not transform.p:
            continue
        seen.add(same)
        quantities = transform.quantities()
        ranges = {field: getattr(transform, field) for field in quantities}
        varying = [field for field, found in ranges.items() if found.bounds()[0] < found.bounds()[1]]
        words = [f"only class {label}"] if label else []
        chance = None if place.startswith("policy") else declared[place]
        words += [f"in {100 * chance:.3g} % of copies"] if chance is not None and chance < 1 else []
        # Geometry and levels look the same on a smaller picture; a window of so many pixels does not, and neither does noise.
        smaller = not isinstance(transform, Pixel) and getattr(transform, "size", None) is None
        for field in varying or [next(iter(quantities), "")]:
            yield _strip(spec, (place, transform), field, (small if smaller else sample, sample), words, marking)


def _same(place: str, transform: Transform) -> str:
    """What equal transforms have in common; a policy has each of its own many times, more or less likely."""
    return f"{transform.name} {transform.model_dump_json(exclude={'p'} if place.startswith('policy') else None)}"


def _reduced(sample: Sample) -> Sample:
    times = 0
    while sample.image.image.size > _LARGE << 2 * times:
        times += 1
    return Sample(sample.key, sample.sha256, Levels(sample.image.reduced(times, times)[0])) if times else sample


def _strip(
    spec: Spec, leaf: tuple[str, Transform], field: str, samples: tuple[Sample, Sample], words: Sequence[str], marking: Marking
) -> Strip:
    """One number of one transform at its low end, its middle and its high end, its others in their middles.

    ``samples`` are the picture that is worked on, which may be a smaller one, and the source.
    """
    place, transform = leaf
    sample, whole = samples
    quantities = transform.quantities()
    u = np.full((3, 15), 0.5)
    u[:, len(quantities) : len(quantities) + len(_BESIDE)] = _BESIDE
    u[:, list(quantities).index(field) if field else 0] = _ends(getattr(transform, field)) if field else (0, 0.5, 1 - 2**-53)
    params = transform.draw(u)
    param = quantities[field].param if field else ""
    captions = _captions(transform, params, param, len(quantities))
    kept = [i for i, caption in enumerate(captions) if caption not in captions[:i]]
    if field:
        kept.sort(key=params[param].tolist().__getitem__)  # choices stand in any order
    draws = Draws(len(kept), {place: {name: values[kept] for name, values in params.items()}}, {place: np.ones(len(kept), bool)})
    details = [_described(quantities[field], getattr(transform, field), transform.name)] if field else []
    details += words
    details += [f"{a} becomes {b}" for a, b in transform.relabel.items()]
    image = sample.image.image
    if transform.of_colour and image.ndim == 2:
        details.append("nothing to a grey picture")
    pictures = list(made(spec, sample, draws, marking, whole))
    fine = isinstance(transform, Pixel) and any(_is_fine(image, picture) for picture, _ in pictures)
    details += ["the middle, pixel for pixel"] if fine else []
    each = zip(pictures, (captions[i] for i in kept), strict=True)
    cells = [_middle(picture, words) if fine else cell(picture, words, marking, marks) for (picture, marks), words in each]
    return Strip(place, tuple(details), tuple(cells), beside=True)


def _is_fine(source: Array, picture: Array | None) -> bool:
    """Whether much of a change gets lost when pictures are made small: noise, blur and what compression leaves."""
    if picture is None or picture.shape != source.shape or max(picture.shape[:2]) < 2 * CELL:
        return False
    top = 1 if picture.dtype.kind == "f" else np.iinfo(picture.dtype).max
    whole = np.square((picture.astype(np.float32) - source) * np.float32(255 / top)).mean() ** 0.5
    small = np.square(thumbnail(picture).astype(np.float32) - thumbnail(source)).mean() ** 0.5
    return bool(small < whole * 0.6)


def _ends(found: Range) -> tuple[float, float, float]:
    """Uniforms of a range's low end, middle and high end; what a normal draws once in a hundred times is its end."""
    form = found.form if isinstance(found, Whole) else found
    return (0.01, 0.5, 0.99) if isinstance(form, Normal | TruncatedNormal) else (0, 0.5, 1 - 2**-53)


def _described(quantity: Quantity, found: Range, name: str) -> str:
    low, high = found.bounds()
    span = f"{low:g} to {high:g}" if low < high else f"{low:g}"
    return f"{quantity.param if len(quantity.param) > 1 else name} {span} ({quantity.unit})"


def _captions(transform: Transform, params: dict[str, Array], param: str, quantities: int) -> list[str]:
    """What stands under the three pictures: the number that varies, and what goes with it, such as the other axis."""
    told = {name: values for name, values in params.items() if name != "seed"}
    if param and len(told) > 1 and all(np.array_equal(values, told[param]) for values in told.values()):
        told = {transform.name: told[param]}  # one number for all channels, or both axes
    elif param and (quantities > 1 or len(told) > _WORDS):
        told = {param: told[param]}
    rows = zip(*(values.tolist() for values in told.values()), strict=True) if told else iter([()] * 3)
    return [", ".join(_value(name, value) for name, value in zip(told, row, strict=True)) or "on" for row in rows]


def _value(name: str, value: Any) -> str:
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"


def _mixed(spec: Spec, place: str, sample: Sample, marking: Marking) -> Iterator[Strip]:
    """The first copies of a mix alone."""
    draws = draw(spec, sample.key, range(64))
    on = np.flatnonzero(draws.active.get(place, np.zeros(64, bool)))[:3]
    if len(on):
        params = {where: {name: v[on] for name, v in drawn.items()} for where, drawn in draws.params.items() if where.startswith(place)}
        mixed = Draws(len(on), params, {where: draws.active[where][on] for where in params})
        pictures = zip(made(spec, sample, mixed, marking), on, strict=True)
        cells = [cell(picture, f"of copy {i}", marking, marks) for (picture, marks), i in pictures]
        yield Strip(place, ("as copies draw it",), tuple(cells), beside=True)
