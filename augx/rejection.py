"""Copies that break a limit of the spec's ``reject`` are drawn anew, so counts stay exact and a copy hangs on nothing but itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from augx.draws import CopyParams, Draws, draw
from augx.errors import CopyError, SourceError
from augx.hiding import covered_by
from augx.matrices import halvings, resize
from augx.recipe import Recipe, apply, recipes
from augx.sample import Sample
from augx.sampling import Sampling
from augx.spec import Spec
from augx.targets import move_instances
from augx.warp import Levels, by_fours, warp

Array = np.ndarray[Any, Any]

IMPOSSIBLE = "impossible"
"""Why a draw is rejected that no picture can be made of, whatever the limits."""
_SIDE = 32
_ROWS = 128
"""Rows of a picture, about, that are looked at for its likeness."""
_NET = 64
"""Places along each side of a copy, at most, at which its levels are looked at."""
_FLAT = 1e-6
"""The mean square by which two pictures of one level each are taken for the same, black 0 and white 1."""
_NEAR = 0.02
"""How near to black or white a source's level is at an end already: what else it may lose can't be seen."""
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Kept:
    """What a copy was made of in the end, and its picture, to be treated as read-only.

    ``tried`` counts its draws, 1 where the first was kept; ``reasons`` says how often each limit was broken among those that
    were rejected, ``unmet`` which limits the kept one breaks itself, because every draw broke one.
    """

    recipe: Recipe
    params: CopyParams
    picture: Array
    tried: int
    reasons: Mapping[str, int]
    unmet: tuple[str, ...]


def keep(spec: Spec, sample: Sample, copy: int, recipe: Recipe, params: CopyParams) -> Kept:
    """The first draw of a copy that breaks no limit; ``recipe`` and ``params`` are what it drew at first.

    Where all of ``reject.tries`` break one, it is the draw that is the least beyond its limits, by the sum of how far it is
    beyond each; of equals the first. A draw whose border or objects break a limit is rejected before its pixels are made.
    Raises ``CopyError`` if no picture can be made of any, and ``SourceError`` as ``apply`` does, or for targets that can't be moved.
    """
    if not spec.reject.limits:
        return Kept(recipe, params, apply(recipe, sample), 1, {}, ())
    broken: list[dict[str, float]] = []
    recipe = recipe.shared()
    for attempt in range(spec.reject.tries):
        if attempt:
            recipe, params = _drawn(spec, sample, copy, attempt)
        beyond = _before_pixels(spec, sample, recipe)
        if not beyond:
            picture = apply(recipe, sample)
            beyond = _in_pixels(spec, sample, recipe, picture)
            if not beyond:
                return Kept(recipe, params, picture, attempt + 1, _tally(broken), ())
        broken.append(beyond)
    return _least_bad(spec, sample, copy, broken)


def final_draws(spec: Spec, sample: Sample, copies: range) -> Draws:
    """``draw``, with what copies drew in the end where the first draw broke a limit. Raises ``SourceError`` as ``keep`` does."""
    draws = draw(spec, sample.key, copies)
    if not spec.reject.limits:
        return draws
    found = []
    for copy, recipe, params in zip(copies, recipes(spec, draws, sample), draws.plain, strict=True):
        try:
            found.append(keep(spec, sample, copy, recipe, params).params)
        except CopyError:
            found.append(params)
    return Draws.replayed(found)


def _drawn(spec: Spec, sample: Sample, copy: int, attempt: int) -> tuple[Recipe, CopyParams]:
    draws = draw(spec, sample.key, range(copy, copy + 1), attempt)
    (recipe,) = recipes(spec, draws, sample)
    return recipe.shared(), draws.plain[0]


def _tally(broken: Sequence[Mapping[str, float]]) -> dict[str, int]:
    return dict(Counter(name for one in broken for name in one))


def _least_bad(spec: Spec, sample: Sample, copy: int, broken: Sequence[Mapping[str, float]]) -> Kept:
    """The draw that is the least beyond its limits, if each is so far beyond them as was seen when it was rejected."""
    sums = [sum(one.values()) for one in broken]
    looked_at: set[int] = set()
    least: tuple[float, int, Kept] | None = None
    # What is beyond before pixels are made can only grow with what is in them: so few are looked at whole, and most not again.
    while (attempt := min(range(len(sums)), key=sums.__getitem__)) not in looked_at:
        recipe, params = _drawn(spec, sample, copy, attempt)
        picture = apply(recipe, sample)
        beyond = _before_pixels(spec, sample, recipe) | _in_pixels(spec, sample, recipe, picture)
        sums[attempt] = sum(beyond.values())
        looked_at.add(attempt)
        if least is None or (sums[attempt], attempt) < least[:2]:
            others = [one for i, one in enumerate(broken) if i != attempt]
            least = sums[attempt], attempt, Kept(recipe, params, picture, len(broken), _tally(others), tuple(beyond))
    assert least is not None
    return least[2]


def _before_pixels(spec: Spec, sample: Sample, recipe: Recipe) -> dict[str, float]:
    """The limits that a recipe breaks by itself, and how far it is beyond each."""
    if not _is_possible(recipe):
        return {IMPOSSIBLE: math.inf}
    limits, beyond = spec.reject, {}
    if limits.border is not None:
        beyond["border"] = _border(recipe) - limits.border
    if limits.objects is not None and sample.instances:
        try:
            # Which keypoint is which after a mirror changes no count, so no swaps are wanted.
            kept, _ = move_instances(recipe, sample.instances, swaps={}, min_visibility=spec.targets.min_visibility)
        except (SourceError, ValueError, cv2.error) as error:
            raise SourceError(f"its targets can't be moved: {error}") from None
        beyond["objects"] = limits.objects - len(kept) / len(sample.instances)
    return {name: far for name, far in beyond.items() if far > _SLACK}


def _in_pixels(spec: Spec, sample: Sample, recipe: Recipe, picture: Array) -> dict[str, float]:
    """The limits that a copy's pixels break, and how far they are beyond each."""
    limits, beyond = spec.reject, {}
    if limits.saturated is not None:
        beyond["saturated"] = _saturated(sample.image.image, recipe, picture) - limits.saturated
    if limits.likeness is not None:
        (low, high), copy = limits.likeness, _thumbnail(picture)
        # Too like its source is a copy that neither moves nor changes it; too unlike is one whose levels no longer show it.
        above = _likeness(_thumbnail(sample.image.image), copy) - high if high < 1 else 0
        beyond["likeness"] = max(above, low - _likeness(_moved_thumbnail(sample.image, recipe), copy) if low > -1 else 0)
    return {name: far for name, far in beyond.items() if far > _SLACK}


def _is_possible(recipe: Recipe) -> bool:
    return recipe.size != (0, 0) and all(_is_possible(other) for _, other in recipe.mix)


def _border(recipe: Recipe) -> float:
    """The share of a copy that shows nothing of its source; what is blended counts by its weight."""
    with np.errstate(all="ignore"):  # at a perspective's horizon, which is looked at
        own = 0.0 if recipe.sampling is None else recipe.sampling.beyond(recipe.source, recipe.size)
    return own + sum(weight * (_border(other) - own) for weight, other in recipe.mix)


def _saturated(source: Array, recipe: Recipe, picture: Array) -> float:
    """The share of a copy's pixels where a channel has come to the lowest or highest level, and was not near it in the source.

    What lies beyond the source, or behind what an erasing step has put in front, is a fill and no loss of levels.
    """
    if recipe.table is None and not recipe.steps and not recipe.mix:
        return 0.0
    xs, ys = (np.rint((np.arange(min(_NET, side)) + 0.5) * side / min(_NET, side) - 0.5).astype(int) for side in recipe.size)
    x, y = (part.ravel() for part in np.meshgrid(xs, ys))
    ended = _at_an_end(picture[y, x], 0)
    covered = covered_by(recipe)
    if covered is not None:
        ended &= covered[y, x] == 0
    there = np.flatnonzero(ended)  # most often few, and only these are traced back
    points = np.stack([x[there], y[there]], axis=1)
    if recipe.sampling is not None:
        behind = (np.c_[points, np.ones(len(points))] @ recipe.sampling.matrices[-1][2]) <= 0  # a perspective's horizon
        with np.errstate(all="ignore"):
            places = np.rint(recipe.sampling.read(points))
        inside = ((places >= 0) & (places < recipe.source)).all(axis=1) & ~behind
        points = places[inside].astype(int)
    new = ~_at_an_end(source[points[:, 1], points[:, 0]], _NEAR)
    return float(np.count_nonzero(new)) / len(x)


def _at_an_end(levels: Array, near: float) -> Array:
    """Which pixels (n) or (n, channels) have a level, alpha aside, within ``near`` of black or white; black 0 and white 1."""
    top = 1 if levels.dtype.kind == "f" else np.iinfo(levels.dtype).max
    ends: Array = np.logical_or(levels <= near * top, levels >= top - near * top)
    return ends if ends.ndim == 1 else np.logical_or.reduce(ends[:, : _colours(levels.shape[1])], axis=1)


def _colours(channels: int) -> int:
    return 3 if channels == 4 else channels


def _likeness(a: Array, b: Array) -> float:
    """The concordance correlation coefficient (Lin, Biometrics 45, 1989): 1 for equal levels alone, 0 for a flat picture."""
    shift, spread = float(a.mean() - b.mean()), float(a.var() + b.var())
    apart = spread + shift * shift
    return 2 * float(((a - a.mean()) * (b - b.mean())).mean()) / apart if apart > _FLAT else 1.0


def _thumbnail(image: Array) -> Array:
    """A picture as 32x32 means of its levels, alpha aside, float64: black 0 and white 1."""
    rows = image[:: max(1, len(image) // _ROWS)]  # the others would tell little more, and take their time
    small = [cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for part in by_fours(rows)]
    return _plain(small[0] if len(small) == 1 else np.dstack(small)).reshape(_SIDE, _SIDE, -1)


def _moved_thumbnail(levels: Levels, recipe: Recipe) -> Array:
    """The source, moved as the copy is and with all of its levels, as ``_thumbnail`` would make it."""
    if recipe.sampling is None:
        return _thumbnail(levels.image)
    side = np.array([[_SIDE, _SIDE]], float)
    matrices, size = recipe.sampling.matrices, np.array([recipe.size], float)
    sampling = Sampling((*matrices[:-1], matrices[-1] @ resize(side, size)[0]), recipe.sampling.fields)
    x, y = halvings(sampling.matrix[None], side)[0].tolist()
    return _plain(warp(levels, sampling, (x, y), (_SIDE, _SIDE), replace(recipe.canvas, interpolation="linear"))).reshape(_SIDE, _SIDE, -1)


def _plain(image: Array) -> Array:
    """A small picture in float64, black 0 and white 1, without alpha."""
    top = 1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    plain: Array = (image if image.ndim == 2 else image[:, :, : _colours(image.shape[2])]) / np.float64(top)
    return plain
