"""What is known of a pipeline of torchvision as it is read: sizes, fills, interpolations; and the settings of its transforms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from augx.importers.calls import Call, Expression
from augx.importers.pipeline import Notes
from augx.importers.settings import Settings, natural, number

Frame = tuple[float, float]
_INTERPOLATIONS = ("nearest", "linear", "cubic", "lanczos")
_THEIR_INTERPOLATIONS = {"0": "nearest", "1": "lanczos", "2": "linear", "3": "cubic", "nearest": "nearest", "nearest_exact": "nearest"}
_THEIR_INTERPOLATIONS |= {"bilinear": "linear", "bicubic": "cubic", "lanczos": "lanczos", "box": "linear", "hamming": "linear"}
_THEIR_INTERPOLATIONS |= {"nearest-exact": "nearest", "linear": "linear", "cubic": "cubic", "antialias": "lanczos"}


@dataclass(slots=True)
class Values(Settings):
    """The settings of one of torchvision's transforms, and its name."""

    name: str = ""

    def p(self, default: float = 0.5) -> float:
        """Its probability."""
        return self.number("p", default, "a probability between 0 and 1", 0, 1)

    def edges(self, name: str, expected: str, low: float = -math.inf, high: float = math.inf) -> tuple[float, float] | None:
        """A number, which means from minus it to it, or two numbers; None if not given, or wrong."""
        if number(self.given.get(name)):
            spread = self.number(name, 0, expected, 0, high)
            return -spread, spread
        found = self.numbers(name, (2,), expected, low, high)
        return (found[0], found[1]) if found else None

    def size(self, name: str = "size") -> tuple[int, int] | None:
        """Width and height, of a number or of torchvision's height and width."""
        value = self.given.get(name)
        found = self.numbers(name, (1, 2), _SIDES, 1, 65_500) if isinstance(value, list) else [self.number(name, 0, _SIDES, 1, 65_500)]
        if value is None or (found and any(side % 1 for side in found)):
            self.wrong(name, _SIDES)
            return None
        return (int(found[-1]), int(found[0])) if found and found[0] else None


_SIDES = "a whole number of pixels, or [height, width]"


@dataclass(slots=True)
class Pipeline:
    """What is known of a pipeline as its transforms are read one after the other.

    ``frame`` is the picture's width and height at that point, or twice the shorter side with ``kept_aspect``; ``output``
    that of the copies. ``floats`` and ``normalised``: levels are of 0 to 1, or have a mean of 0.
    """

    notes: Notes = field(default_factory=Notes)
    problems: list[str] = field(default_factory=list)
    count: int = 0
    depth: int = 0
    printed: bool = False
    frame: Frame | None = None
    kept_aspect: str = ""
    output: list[int] | None = None
    resized_by: str = ""
    floats: bool = False
    normalised: bool = False
    borders: list[tuple[str, str, Any]] = field(default_factory=list)
    interpolations: list[tuple[str, str]] = field(default_factory=list)

    def note_plumbing(self, call: Call) -> None:
        """See what a transform that is none of ours does to the levels after it."""
        self.floats |= call.name in ("ToTensor", "ConvertImageDtype") or (call.name == "ToDtype" and ("scale", True) in call.keywords)
        self.normalised |= call.name == "Normalize"

    def resize(self, s: Values, size: tuple[int, int]) -> None:
        """Copies have this width and height from here on."""
        if self.depth:
            self.notes.change(f"{s.name}: the size {size[0]}x{size[1]} is that of all copies here, whatever is drawn")
        self.output, self.frame, self.kept_aspect, self.resized_by = list(size), (float(size[0]), float(size[1])), "", s.name

    def moves(self, s: Values, interpolation: str = "nearest") -> None:
        """Remember how a transform that moves pixels draws, and that a resize before it comes after it here."""
        self.border(s)
        self.interpolation(s, interpolation)
        if self.resized_by:
            self.notes.change(f"{self.resized_by}: the resize comes last here, so {s.name} works on the pictures' own shape")

    def border(self, s: Values, mode: str = "constant") -> None:
        """Remember what a transform shows beyond the picture: its fill."""
        fill = s.given.get("fill")
        if fill is None:
            levels: list[float] | None = [0.0]
        elif isinstance(fill, list):
            levels = s.numbers("fill", (1, 3, 4), "a level of 0 to 255, or [red, green, blue]", 0, 255)
        elif isinstance(fill, Call | Expression):
            self.notes.change(f"{s.name}: its fill is no level, and black here")
            levels = [0.0]
        else:
            levels = [s.number("fill", 0, "a level of 0 to 255, or [red, green, blue]", 0, 255)]
        levels = levels or [0.0]
        plain = [natural(level * 255 if self.floats and max(levels) <= 1 else level) for level in levels]
        self.borders.append((s.name, mode, plain[0] if len(set(plain)) == 1 and len(plain) < 4 else plain))

    def interpolation(self, s: Values, default: str = "nearest") -> None:
        """Remember how a transform reads between pixels."""
        value = s.given.get("interpolation", default)
        name = str(value).rpartition(".")[2].lower() if isinstance(value, str | Expression | int) else ""
        if name not in _THEIR_INTERPOLATIONS:
            s.wrong("interpolation", "nearest, bilinear, bicubic or lanczos")
        else:
            self.interpolations.append((s.name, _THEIR_INTERPOLATIONS[name]))

    def canvas(self) -> dict[str, Any]:
        """The border and the interpolation of the one warp; what they can't be for all is noted."""
        found: dict[str, Any] = {}
        if self.kept_aspect:
            self.notes.lose(f"{self.kept_aspect}; output: {{size: [width, height]}} needs both sides, or keep the sources' sizes")
        if self.borders:
            _, mode, level = self.borders[0]
            found = {"border": mode} if mode != "nearest" else {}
            found |= {"border_value": level} if mode == "constant" and level else {}
            for name, *other in self.borders:
                if other != [mode, level] and not (other[0] == mode != "constant"):
                    self.notes.change(f"{name}: there is one border for all geometry: that of {self.borders[0][0]}")
        kinds = {kind for _, kind in self.interpolations}
        best = max(kinds, key=_INTERPOLATIONS.index, default="linear")
        for name, kind in self.interpolations:
            if kind != best:
                self.notes.change(f"{name}: there is one interpolation for all geometry: {best}, not {kind}")
        return found | ({"interpolation": best} if best != "linear" else {})
