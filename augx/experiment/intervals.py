"""What seeds allow to be said: means, Student's intervals over seeds, and a verdict that claims no more than they do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
PLAIN = "training without augmentation"
"""What the arm ``none`` is in a sentence, where its name reads as a pronoun."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean over ``n`` seeds, and between which values it lies at the level of 95 %; None for a single seed."""

    mean: float
    half: float | None
    n: int

    @property
    def low(self) -> float | None:
        return None if self.half is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        return None if self.half is None else self.mean + self.half


def interval(values: Sequence[float], step: float = 0.0) -> Interval:
    """Student's t interval of the mean. ``step`` is the least by which a value can differ (one test picture more or less).

    Seeds that agree by chance give no interval narrower than what such steps can resolve.
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Interval(mean, None, n)
    from scipy.stats import t

    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    deviation = math.sqrt(max(variance, step * step / 12))
    return Interval(mean, float(t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / math.sqrt(n), n)


def ends(found: Interval, *, sign: bool = False) -> tuple[float, float] | None:
    """Its ends, but no share below 0 or above 1 and, with ``sign``, no difference of two beyond -1 and 1, whatever Student says."""
    if found.low is None or found.high is None:
        return None
    return max(-1.0 if sign else 0.0, found.low), min(1.0, found.high)


def points(value: float, *, sign: bool = False, digits: int = 1) -> str:
    """A share as percentage points; what rounds to zero has no sign."""
    text = f"{100 * value:{'+' if sign else ''}.{digits}f}"
    return text if float(text) else f"{0:.{digits}f}"


def shown(found: Interval, *, sign: bool = False) -> str:
    """``64.2 (60.1 to 68.3)``, in percent; a single seed has no interval."""
    mean, *rest = _figures(found, sign)
    return f"{mean} ({rest[0]} to {rest[1]})" if rest else f"{mean} (one seed)"


def between(difference: Interval) -> str:
    """``+5.0 points, 95 % interval +2.5 to +7.5, 3 seeds``."""
    mean, *rest = _figures(difference, True)
    return f"{mean} points, 95 % interval {rest[0]} to {rest[1]}, {difference.n} seeds" if rest else f"{mean} points, one seed"


def plain(found: Interval, *, sign: bool = False) -> dict[str, float | None]:
    """As results.json has it, with the same ends as in the table."""
    low, high = ends(found, sign=sign) or (None, None)
    return {"mean": found.mean, "low": low, "high": high, "seeds": found.n}


def verdict(name: str, difference: Interval) -> str:
    """A sentence about an arm's difference to training without augmentation, both measured on the same test pictures."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        found = points(difference.mean, sign=True)
        return f"{name}: no difference to {PLAIN} can be shown from one seed ({found} points); take more --repeats."
    if low > 0:
        return f"{name}: better than {PLAIN} ({between(difference)})."
    if high < 0:
        return f"{name}: worse than {PLAIN} ({between(difference)})."
    return f"{name}: no difference to {PLAIN} can be shown ({between(difference)})."


def _figures(found: Interval, sign: bool) -> list[str]:
    """The mean and the ends. Of a difference that there is, none is rounded to zero: that would contradict its verdict."""
    limits = ends(found, sign=sign)
    if limits is None:
        return [points(found.mean, sign=sign)]
    values, digits = (found.mean, *limits), 1
    if sign and (limits[0] > 0 or limits[1] < 0):
        while not all(float(points(value, digits=digits)) for value in values):
            digits += 1
    return [points(value, sign=sign, digits=digits) for value in values]
