"""What counts and sizes tell of a set: classes out of balance or missing, pictures of another size than the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

RATIO = 10
"""The largest class of a part may have as many times the pictures of the smallest before it is told."""

# Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993): 3.5 times 1.4826 median absolute deviations from the median. In
# logarithms, and never below a factor of two: half of many sets has one size, and their deviation is 0.
_DEVIATIONS, _FACTOR = 3.5 * 1.4826, 2.0


@dataclass(frozen=True, slots=True)
class Imbalance:
    """A part ("" for the whole set) whose largest class has more than RATIO times the pictures of its smallest."""

    part: str
    largest: str
    smallest: str
    most: int
    least: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """A file (number) whose width, height or aspect (its longer side / its shorter one) is far from the median."""

    file: int
    width: int
    height: int
    measures: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """The medians of the set, and what is far from them."""

    width: float = 0
    height: float = 0
    aspect: float = 0
    outliers: tuple[Outlier, ...] = ()


def counted(parts: Sequence[str], labels: Sequence[tuple[int, str]]) -> dict[str, dict[str, int]]:
    """By part, by class: how many, of (part's number, class) of each file; each class in each part, also where it has none."""
    counts = Counter(labels)
    classes = sorted({label for _, label in counts})
    return {part: {label: counts[number, label] for label in classes} for number, part in enumerate(parts)}


def imbalances(counts: dict[str, dict[str, int]]) -> list[Imbalance]:
    """Of the whole set, and of each of several parts."""
    whole: Counter[str] = Counter()
    for each in counts.values():
        whole.update(each)
    found = []
    for part, classes in [("", dict(whole)), *(counts.items() if len(counts) > 1 else ())]:
        there = sorted((count, label) for label, count in classes.items() if count and label)
        if there and there[-1][0] > RATIO * there[0][0]:
            found.append(Imbalance(part, there[-1][1], there[0][1], there[-1][0], there[0][0]))
    return found


def missing(counts: dict[str, dict[str, int]]) -> list[tuple[str, str]]:
    """(part, class) where a part has no picture of a class that another part has; a part without classes lacks none."""
    return [
        (part, label)
        for part, classes in counts.items()
        if any(count for label, count in classes.items() if label)
        for label, count in classes.items()
        if label and not count
    ]


def size_outliers(files: Array, widths: Array, heights: Array) -> Sizes:
    """Of pictures (numbers of files) with their sizes in pixels."""
    if not len(files):
        return Sizes()
    measures = {
        "width": widths.astype(float),
        "height": heights.astype(float),
        "aspect": np.maximum(widths, heights) / np.minimum(widths, heights),
    }
    far = {name: _far(values) for name, values in measures.items()}
    rows = np.flatnonzero(np.logical_or.reduce(list(far.values())))
    outliers = [
        Outlier(int(files[row]), int(widths[row]), int(heights[row]), tuple(name for name in measures if far[name][row])) for row in rows
    ]
    width, height, aspect = (float(np.median(values)) for values in measures.values())
    return Sizes(width, height, round(aspect, 4), tuple(outliers))


def _far(values: Array) -> Array:
    logarithms = np.log(values)
    distance = np.abs(logarithms - np.median(logarithms))
    return np.asarray(distance > max(_DEVIATIONS * float(np.median(distance)), np.log(_FACTOR) + 1e-9))
