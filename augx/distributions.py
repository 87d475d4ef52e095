"""What a number of a spec is drawn from. Each form maps one uniform through its inverse distribution function.

So a changed form or range moves no other draw. Values are rounded to about 1e-6 of their range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def pick(u: Array, weights: Sequence[float]) -> Array:
    """Indices into ``weights``, drawn in proportion to them, one for each uniform."""
    edges = np.cumsum(np.asarray(weights) / max(weights))
    indices: Array = np.minimum(np.searchsorted(edges, u * edges[-1], side="right"), len(weights) - 1)
    return indices


def _rounded(values: Array, low: float, high: float) -> Array:
    """Values rounded to about 1e-6 of their range, in decimals, so that no math library's last bit reaches a pixel."""
    if high - low < 1e-12:
        return np.full_like(values, low)
    decimals = math.ceil(6 - math.log10(high - low))
    rounded: Array = np.clip(np.round(values, decimals), low, high)
    return rounded


@dataclass(frozen=True, slots=True)
class Uniform:
    """Evenly spread between two values."""

    low: float
    high: float

    def quantile(self, u: Array) -> Array:
        return _rounded(self.low + u * (self.high - self.low), self.low, self.high)

    def spelled(self) -> Any:
        return [self.low, self.high]

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, in proportion to their weights."""

    values: tuple[float, ...]
    weights: tuple[float, ...]

    def quantile(self, u: Array) -> Array:
        return np.asarray(self.values)[pick(u, self.weights)]

    def spelled(self) -> Any:
        return {"choice": list(self.values), "weights": list(self.weights)}

    def bounds(self) -> tuple[float, float]:
        return min(self.values), max(self.values)


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal with a mean and a standard deviation; what lies outside [low, high] is moved to its end."""

    mean: float
    sd: float
    low: float
    high: float

    def quantile(self, u: Array) -> Array:
        from statistics import NormalDist  # 10 ms that only specs with a normal pay for

        z = np.fromiter(map(NormalDist().inv_cdf, u.tolist()), np.float64, len(u))
        # The width of +-5 sd stands in for a range that has none.
        values = np.round(self.mean + self.sd * z, math.ceil(6 - math.log10(10 * self.sd))) if self.sd > 1e-12 else self.mean + 0 * z
        clipped: Array = np.clip(values, self.low, self.high)
        return clipped

    def spelled(self) -> Any:
        return {"normal": [self.mean, self.sd], "clip": [self.low, self.high]}

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class TruncatedNormal:
    """Normal with a mean and a standard deviation, on the condition that it lies in [low, high]."""

    mean: float
    sd: float
    low: float
    high: float

    def quantile(self, u: Array) -> Array:
        from statistics import NormalDist

        normal = NormalDist()
        # The tail that is thin keeps its digits: what lies far above the mean is drawn as its mirror image.
        sign = -1 if self.low + self.high > 2 * self.mean else 1
        near, far = sorted(sign * (edge - self.mean) / self.sd for edge in (self.low, self.high))
        start, stop = normal.cdf(near), normal.cdf(far)
        shares = start + (u if sign > 0 else 1 - u) * (stop - start)
        z = np.fromiter(map(normal.inv_cdf, np.clip(shares, 1e-300, 1 - 1e-16).tolist()), np.float64, len(u))
        return _rounded(self.mean + sign * self.sd * z, self.low, self.high)

    def spelled(self) -> Any:
        return {"truncated_normal": [self.mean, self.sd], "within": [self.low, self.high]}

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class LogUniform:
    """Uniform in the logarithm: as often between 0.5 and 1 as between 1 and 2."""

    low: float
    high: float

    def quantile(self, u: Array) -> Array:
        start, stop = math.log(self.low), math.log(self.high)
        return _rounded(np.exp(start + u * (stop - start)), self.low, self.high)

    def spelled(self) -> Any:
        return {"log_uniform": [self.low, self.high]}

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same value."""

    value: float

    def quantile(self, u: Array) -> Array:
        return np.full(len(u), self.value)

    def spelled(self) -> Any:
        return {"fixed": self.value}

    def bounds(self) -> tuple[float, float]:
        return self.value, self.value


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole numbers: of a uniform range all alike, of any other form the nearest."""

    form: Uniform | Choice | Normal | TruncatedNormal | LogUniform | Fixed

    def quantile(self, u: Array) -> Array:
        if not isinstance(self.form, Uniform):
            nearest: Array = np.rint(self.form.quantile(u)).astype(int)
            return nearest
        low, high = math.ceil(self.form.low), math.floor(self.form.high)
        drawn: Array = np.minimum(low + np.floor(u * (high - low + 1)), high).astype(int)
        return drawn

    def spelled(self) -> Any:
        return self.form.spelled()

    def bounds(self) -> tuple[float, float]:
        return self.form.bounds()


Range = Uniform | Choice | Normal | TruncatedNormal | LogUniform | Fixed | Whole
