"""What seeds allow to be said: means, Student's intervals over seeds, and a verdict that claims no more than they do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


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


def points(value: float, *, sign: bool = False) -> str:
    """A share as percentage points."""
    return f"{100 * value:{'+' if sign else ''}.1f}"


def shown(found: Interval, *, sign: bool = False) -> str:
    """``64.2 (60.1 to 68.3)``, in percent; a single seed has no interval."""
    if found.low is None or found.high is None:
        return f"{points(found.mean, sign=sign)} (one seed)"
    # Of a share itself, not of a difference, nothing lies beyond 0 and 1, whatever Student says.
    low, high = (found.low, found.high) if sign else (max(0.0, found.low), min(1.0, found.high))
    return f"{points(found.mean, sign=sign)} ({points(low, sign=sign)} to {points(high, sign=sign)})"


def verdict(name: str, base: str, difference: Interval) -> str:
    """A sentence about an arm's difference to the base, both measured on the same test pictures."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        found = points(difference.mean, sign=True)
        return f"{name}: no difference to {base} can be shown from one seed ({found} points); take more --repeats."
    found, least, most = (points(value, sign=True) for value in (difference.mean, low, high))
    between = f"{found} points, 95 % interval {least} to {most}, {difference.n} seeds"
    if low > 0:
        return f"{name}: better than {base} ({between})."
    if high < 0:
        return f"{name}: worse than {base} ({between})."
    return f"{name}: no difference to {base} can be shown ({between})."
