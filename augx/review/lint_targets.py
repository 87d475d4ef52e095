"""What a spec does to the objects of annotated pictures that it should not, by trying it on some of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from augx.annotations import rle
from augx.annotations.base import Category
from augx.annotations.outlines import enclosing
from augx.draws import draw
from augx.errors import SourceError, printable
from augx.made import swapped
from augx.recipe import Recipe, recipes
from augx.review.lint_classes import words_of
from augx.review.lint_places import Hint, Part
from augx.sample import Instance, Mask, Sample
from augx.spec import Spec
from augx.targets import move_instances, move_mask
from augx.warp import Levels

Array = np.ndarray[Any, Any]

_COPIES = 24
_PICTURES = 4
_PIXELS = 4_000_000  # of larger pictures only a few copies are tried

# The share of copies on which objects' boxes take 1 % or more of the copy beyond the picture, with border: nearest and reflect, on
# sample_images/annotations.json: tutorial 0.60 and 0.88, gentle 0.39 and 0.39, strong 0.58 and 0.82, documents 0.28 and 0.28. On
# four pictures of people at sports gentle has 0.13 (reflect). Flips alone, crop_safe and constant have 0.
_SEEN_TWICE, _OFTEN = 0.01, 0.05
_SLIVER = 0.1
_MANY_SLIVERS = 0.02

_MIRRORS = ("flip_h", "flip_v", "transpose")
_SAYS = {
    "reflect": "shows objects a second time in the mirrored rim",
    "reflect101": "shows objects a second time in the mirrored rim",
    "wrap": "shows objects a second time at the other side",
    "nearest": "draws objects at the edge out to the end of the copy",
}


def seen_twice(spec: Spec, samples: Sequence[Sample]) -> str | None:
    """What to say of a border that repeats objects where no box is; None if hardly any copy shows that."""
    says = _SAYS.get(spec.warp.border)
    if says is None:
        return None
    found = [_repeated(recipe, sample) for sample, recipe in _tried(spec, samples)]
    share = float(np.mean([part >= _SEEN_TWICE for part in found])) if found else 0.0
    if share < _OFTEN:
        return None
    return (
        f"border: {spec.warp.border} {says} on {share:.0%} of the copies, where no box or outline is, so that a detector learns "
        "them as background; write border: constant, or crop_safe"
    )


def slivers(spec: Spec, samples: Sequence[Sample]) -> str | None:
    """What to say of objects that are kept though next to nothing of them is left; None if there are few."""
    if spec.targets.min_visibility >= _SLIVER / 2:
        return None
    kept = thin = 0
    for sample, recipe in _tried(spec, samples):
        every, fair = (len(_moved(recipe, sample, least)) for least in (spec.targets.min_visibility, _SLIVER))
        kept, thin = kept + every, thin + every - fair
    if not kept or thin / kept < _MANY_SLIVERS:
        return None
    return (
        f"{thin / kept:.0%} of the objects on copies show less than {_SLIVER:.0%} of themselves, cut off by the edge or hidden, and keep "
        f"their boxes; nobody could tell what they are; write min_visibility: {_SLIVER:g} or more"
    )


def sides(spec: Spec, parts: Sequence[Part], categories: Sequence[Category]) -> Iterator[Hint]:
    """Mirrors of keypoints that are left or right by their names, and stay so."""
    wrong: dict[str, str] = {}
    for category in categories:
        swap = swapped(category, spec.targets) or range(len(category.keypoints))
        for i, name in enumerate(category.keypoints):
            if swap[i] == i and _has_a_side(name):
                wrong.setdefault(name, category.name)
    if not wrong:
        return
    first, category_name = next(iter(wrong.items()))
    which = f"{printable(first)} of {printable(category_name)}"
    which += f" and {len(wrong) - 1} more keep their names, though they are" if len(wrong) > 1 else " keeps its name, though it is"
    for part in parts:
        if part.transform.name in _MIRRORS:
            message = (
                f"mirrors keypoints, and {which} on the other side then; "
                "write which change places, targets: {swap: [[LEFT, RIGHT], ...]}, or take the mirror out"
            )
            yield Hint("flip-keypoints", part.place, message, part.loc)


def _has_a_side(name: str) -> bool:
    return any(word in ("l", "r") or word.startswith(("left", "right")) for word in words_of(name))


def _tried(spec: Spec, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Recipe]]:
    """Some annotated pictures with the recipes of some copies of each."""
    for i, sample in enumerate([sample for sample in samples if sample.instances][:_PICTURES]):
        width, height = sample.image.size
        copies = min(max(_PIXELS // (width * height), _COPIES // 6), _COPIES)
        with contextlib.suppress(SourceError):  # a transform that can't serve its channels; generate says so
            for recipe in recipes(spec, draw(spec, f"lint {i}", range(copies)), sample):
                if recipe.size != (0, 0):
                    yield sample, recipe


def _moved(recipe: Recipe, sample: Sample, least: float) -> tuple[Instance, ...]:
    return move_instances(recipe, sample.instances, swaps={}, min_visibility=least)[0]


def _repeated(recipe: Recipe, sample: Sample) -> float:
    """The share of a copy that shows pixels of objects where the picture itself is not."""
    if recipe.sampling is None or not recipe.sampling.beyond(recipe.source, recipe.size, 24):
        return 0.0
    mask = Mask("", Levels(_covered(sample)))
    alone = replace(recipe, canvas=replace(recipe.canvas, border="constant"))
    return float(((move_mask(recipe, mask, 0) > 0) & (move_mask(alone, mask, 0) == 0)).mean())


def _covered(sample: Sample) -> Array:
    """Where objects lie, by their regions or by what encloses them: (h, w) of uint8."""
    width, height = sample.image.size
    covered: Array = np.zeros((height, width), np.uint8)
    for one in sample.instances:
        if one.region is not None:
            covered |= rle.decode(one.region)
            continue
        for left, top, right, bottom in map(enclosing, one.polygons) if one.polygons else [one.box] if one.box else []:
            covered[round(top) : round(bottom), round(left) : round(right)] = 1
    return covered
