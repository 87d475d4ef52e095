"""One transform of an Albumentations file: its settings, each read once and checked, and what there is to say of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from augx.errors import printable
from augx.ranges import shown

ASSUMED_SIDE = 512
"""The shorter side that is assumed where a setting is in pixels and the pipeline doesn't fix the picture's size."""


class UnreadableError(Exception):
    """A setting that Albumentations would not take either; its text says what is wrong with it."""


@dataclass(slots=True)
class Step:
    """One step of ours in its long form, ``{"rotate": {"range": ..., "p": ...}}`` or a group, and the section that it belongs to."""

    section: str
    data: dict[str, Any]


@dataclass(slots=True)
class Course:
    """What is known and noted on the way through a pipeline; ``size`` is the picture's (width, height) where the pipeline fixes it."""

    size: tuple[int, int] | None = None
    resized: bool = False
    borders: list[tuple[str, str, Any]] = field(default_factory=list)
    interpolations: list[tuple[str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def note(self, notes: list[str], line: str) -> None:
        """Add a line to ``lost`` or ``changed``, once."""
        if line not in notes:
            notes.append(line)


Converter = Callable[["Settings"], list[Step]]
CONVERTERS: dict[str, Converter] = {}
"""What makes steps of ours from a transform, by the transform's name."""


def reads(*names: str) -> Callable[[Converter], Converter]:
    """Enter a converter for the transforms of these names."""

    def enter(converter: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(names, converter))
        return converter

    return enter


def plain(value: float) -> float:
    """A number without the last bits that arithmetic leaves, and whole where it is."""
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() else short


def between(low: float, high: float) -> Any:
    """The form of a range for numbers from ``low`` to ``high``."""
    low, high = sorted((plain(low), plain(high)))
    return {"fixed": low} if low == high else [low, high]


def about(low: float, high: float) -> Any:
    """``between`` for numbers that are only about right: three digits of them."""
    return between(*(float(f"{value:.3g}") for value in (low, high)))


def one_of_these(values: list[float]) -> Any:
    """The form of a range for some numbers, all equally likely."""
    values = [plain(value) for value in values]
    return {"fixed": values[0]} if len(values) == 1 else {"choice": values}


BORDERS = {0: "constant", 1: "nearest", 2: "reflect", 3: "wrap", 4: "reflect101"}
INTERPOLATIONS = {0: "nearest", 1: "linear", 2: "cubic", 3: "area", 4: "lanczos", 5: "linear", 6: "nearest"}

# Nothing in pictures and masks comes of these: they are about boxes and points, or about how the library does its work.
_OF_NO_CONCERN = {"rotate_method", "keypoint_remapping_method", "area_for_downscale", "plasma_size", "roughness"}
_OF_MASKS = {"mask_interpolation": 0, "fill_mask": 0, "mask_drop_value": 0}


class Settings:
    """The settings of one transform. A reader takes each away; ``finish`` tells of those that nobody took."""

    def __init__(self, name: str, values: dict[str, Any], course: Course) -> None:
        self.name = name
        self.course = course
        self._left = {key: value for key, value in values.items() if key not in ("__class_fullname__", "p", "always_apply")}

    def changed(self, what: str) -> None:
        """Note that something becomes something else than it was."""
        self.course.note(self.course.changed, f"{self.name}: {what}")

    def lost(self, what: str) -> None:
        """Note that something has no equivalent."""
        self.course.note(self.course.lost, f"{self.name}: {what}")

    def finish(self) -> None:
        """Tell of each setting that was not read, unless it says what holds here anyway."""
        for key, value in self._left.items():
            if key in _OF_MASKS and value in (None, _OF_MASKS[key]):
                continue
            if key in _OF_MASKS:
                self.lost(f"{key} {shown(value)}: masks are read at the nearest pixel, and only geometry changes them")
            elif key not in _OF_NO_CONCERN:
                self.lost(f"{printable(key)} {shown(value)} has no equivalent here")
        self._left = {}

    def skip(self, *keys: str) -> None:
        """Pass over settings that a line of ``changed`` already covers."""
        for key in keys:
            self._left.pop(key, None)

    def raw(self, key: str, default: Any = None) -> Any:
        """The setting as it stands in the file."""
        return self._left.pop(key, default)

    def number(self, key: str, default: float) -> float:
        """A number, or ``UnreadableError``."""
        return self._checked(key, self.raw(key, default))

    def pair(self, key: str, default: tuple[float, float]) -> tuple[float, float]:
        """Two numbers, the lower one first; one number stands for both; or ``UnreadableError``."""
        return self.as_pair(key, self.raw(key, default))

    def as_pair(self, key: str, value: Any) -> tuple[float, float]:
        """``pair`` for a value in hand."""
        if not isinstance(value, list | tuple):
            return (self._checked(key, value),) * 2
        if len(value) != 2:
            raise UnreadableError(f"{key}: expected [low, high], found {shown(value)}")
        low, high = self._checked(key, value[0]), self._checked(key, value[1])
        if low > high:
            raise UnreadableError(f"{key}: expected low <= high, found {shown(value)}")
        return low, high

    def flag(self, key: str, default: bool) -> bool:
        """True or false, or ``UnreadableError``."""
        value = self.raw(key, default)
        if not isinstance(value, bool):
            raise UnreadableError(f"{key}: expected true or false, found {shown(value)}")
        return value

    def word(self, key: str, default: str) -> str:
        """A text, or ``UnreadableError``."""
        value = self.raw(key, default)
        if not isinstance(value, str):
            raise UnreadableError(f"{key}: expected a word, found {shown(value)}")
        return value

    def side(self, key: str, value: Any) -> int:
        """A picture's side in pixels, or ``UnreadableError``."""
        number = self._checked(key, value)
        if not 1 <= number <= 65_500 or number % 1:
            raise UnreadableError(f"{key}: expected 1 to 65500 whole pixels, found {shown(value)}")
        return int(number)

    def _checked(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e9:
            raise UnreadableError(f"{key}: expected a number, found {shown(value)}")
        return float(value)

    def shorter_side(self) -> float:
        """The picture's shorter side in pixels; where the pipeline doesn't fix it, one is assumed, and told."""
        if self.course.size is not None:
            return min(self.course.size)
        self.changed(f"what it counts in pixels is as much here as in a picture whose shorter side has {ASSUMED_SIDE}")
        return ASSUMED_SIDE

    def canvas(self, *, border: bool = True) -> None:
        """Read how the transform interpolates, and what it puts outside the picture."""
        if "interpolation" in self._left:
            how = INTERPOLATIONS.get(int(self.number("interpolation", 1)), "linear")
            if how == "area":
                self.changed("interpolation area is linear here, which is box-filtered below half size")
                how = "linear"
            self.course.interpolations.append((self.name, how))
        if not border:
            self.skip("border_mode", "fill")
            return
        mode = BORDERS.get(int(self.number("border_mode", 0)), "nearest")
        fill = self.raw("fill", 0)
        levels = fill if isinstance(fill, list) else [fill]
        for level in levels:
            self._checked("fill", level)
        if len(levels) not in (1, 3, 4):
            raise UnreadableError(f"fill: expected a level or three of them, found {shown(fill)}")
        if mode != "constant":
            levels = [0]
        clipped = [plain(min(max(level, 0), 255)) for level in levels]
        self.course.borders.append((self.name, mode, clipped if len(set(clipped)) > 1 else clipped[0]))

    def hole_fill(self) -> Any:
        """Read what fills a hole, in our words."""
        fill = self.raw("fill", 0)
        if fill == "random":
            return "random"
        if fill == "random_uniform":
            self.changed("fill random_uniform, one colour a hole, is random levels for each pixel here")
            return "random"
        if isinstance(fill, str):
            self.changed(f"fill {shown(fill)} is the picture's mean here")
            return "mean"
        levels = [self._checked("fill", level) for level in (fill if isinstance(fill, list) and fill else [fill])]
        if len(set(levels)) > 1:
            self.changed(f"fill {shown(fill)} is its mean level here, the same in all channels")
        level = plain(min(max(math.fsum(levels) / len(levels), 0), 255))
        return "black" if level == 0 else "white" if level == 255 else level
