"""Settings of another library: read with their types and limits, and the ranges of ours that they become.

Every range goes through ``span``, so that no importer makes one which a spec would refuse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from augx.errors import printable
from augx.ranges import shown
from augx.transforms import TRANSFORMS


@dataclass(slots=True)
class Settings:
    """What a call was given, by name; each mistake becomes a line of ``problems``, and its default is taken to go on."""

    where: str
    given: dict[str, Any]
    problems: list[str] = field(default_factory=list)

    def wrong(self, name: str, expected: str) -> None:
        """Note that a setting is not what was expected."""
        self.problems.append(f"{self.where}: {name}: expected {expected}, found {printable(shown(self.given.get(name)))}")

    def number(self, name: str, default: float, expected: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A number from low to high; None and what is wrong are the default."""
        value = self.given.get(name)
        found = finite(value)
        if (found is None and value is not None) or (found is not None and not low <= found <= high):
            self.wrong(name, expected)
            return default
        return default if found is None else found

    def numbers(
        self, name: str, counts: tuple[int, ...], expected: str, low: float = -math.inf, high: float = math.inf
    ) -> list[float] | None:
        """A list of as many numbers as are in ``counts``, each from low to high; None if not given, or wrong."""
        value = self.given.get(name)
        found = [edge for edge in map(finite, value) if edge is not None and low <= edge <= high] if isinstance(value, list) else []
        if isinstance(value, list) and len(found) == len(value) and len(found) in counts:
            return found
        if value is not None:
            self.wrong(name, expected)
        return None

    def flag(self, name: str) -> bool:
        """True or False, which Python also takes 1 and 0 for; False if not given."""
        value = self.given.get(name, False)
        if value is not None and (not isinstance(value, int) or value not in (0, 1)):
            self.wrong(name, "True or False")
        return bool(isinstance(value, int) and value == 1)


def number(value: Any) -> bool:
    """Whether a value is a number, which True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def finite(value: Any) -> float | None:
    """The value as a float, or None where it is no number or none that a float can hold."""
    try:
        found = float(value) if number(value) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def natural(value: float) -> int | float:
    """A number as one would write it: without the last bits that arithmetic leaves, and 30 for 30.0."""
    short = float(f"{value:.12g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def span(transform: str, setting: str, low: float, high: float) -> tuple[Any, str]:
    """From low to high in the shortest form that a spec has for it, and, if it had to be cut, a note of the limits.

    None stands for what changes nothing.
    """
    quantity = TRANSFORMS[transform].quantities()[setting]
    low, high = sorted((low, high))
    start, stop = (natural(min(max(edge, quantity.low), quantity.high)) for edge in (low, high))
    shortened = low < quantity.low or high > quantity.high
    cut = f"{transform} goes from {quantity.low:g} to {quantity.high:g} here: [{start:g}, {stop:g}]" if shortened else ""
    neutral = quantity.neutral
    if start == stop:
        return (None if start == neutral else start if quantity.number == "value" else {"fixed": start}), cut
    if quantity.number == "spread" and math.isclose(start + stop, 2 * neutral, abs_tol=1e-12):
        return natural(stop - neutral), cut
    if quantity.number == "end" and neutral in (start, stop):
        return (start if stop == neutral else stop), cut
    return [start, stop], cut
