"""The range grammar: what may stand wherever a spec wants a number, and how a uniform becomes a value.

===============================================  ===================================================
``30``                                           uniform, symmetric about the value that changes
                                                 nothing (0 for angles, 1 for factors): [-30, 30];
                                                 from that value to the number where nothing lies
                                                 beyond it (blur, JPEG quality); just this number for
                                                 settings that have no such value (places, sizes)
``[lo, hi]``                                     uniform
``{choice: [a, b], weights: [1, 2]}``            one of the values; weights are optional
``{normal: [mean, sd], clip: [lo, hi]}``         normal, what lies outside moved to the ends;
                                                 clip is optional
``{truncated_normal: [mean, sd], within: [..]}`` normal, drawn inside only; within is optional
``{log_uniform: [lo, hi]}``                      uniform in the logarithm, 0 < lo
``{fixed: v}``                                   always v
===============================================  ===================================================

Each form maps one uniform through its inverse distribution, so a changed form or range moves no other draw. A quantity
that is a whole number (the bits of posterize, say) draws all whole numbers from lo to hi alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import PydanticCustomError, core_schema

from augx.distributions import Choice, Fixed, LogUniform, Normal, Range, TruncatedNormal, Uniform, Whole

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

FORMS = frozenset({"choice", "normal", "truncated_normal", "log_uniform", "fixed"})
_FORMS = (
    "a number, [low, high], or one of {choice: [...]}, {normal: [mean, sd]}, {truncated_normal: [mean, sd], within: [low, high]}, "
    "{log_uniform: [low, high]}, {fixed: value}"
)


def fault(message: str) -> PydanticCustomError:
    """An error of a spec's value in our own words, for validators."""
    return PydanticCustomError("augx", "{message}", {"message": message})


def shown(value: Any) -> str:
    """A value as a spec would spell it, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _short(value: float) -> float:
    """Without the last bits that arithmetic leaves: 1 - 0.8 is 0.2."""
    return float(f"{value:.12g}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one number of a transform means; the annotation that turns a field's YAML into a ``Range``.

    ``param`` names the drawn value in the manifest, ``unit`` its unit; values lie in [``low``, ``high``], and
    ``neutral`` is the value that changes nothing (or least); ``typical`` is a plain but plausible one, for examples;
    ``whole`` numbers only. What a number means that stands alone: a ``spread`` about neutral, the ``end`` of a range from
    neutral (the default where neutral is an end of what is allowed), or the ``value`` itself.
    """

    param: str
    unit: str
    neutral: float
    low: float
    high: float
    typical: float | None = None
    whole: bool = False
    alone: Literal["spread", "end", "value"] | None = None

    @property
    def number(self) -> Literal["spread", "end", "value"]:
        """What a number that stands alone means."""
        return self.alone or ("end" if self.neutral in (self.low, self.high) else "spread")

    def example(self) -> Any:
        """A typical range as a spec would write it."""
        typical = self.neutral if self.typical is None else self.typical
        return _short(abs(typical - self.neutral)) if self.number == "spread" else typical

    def parse(self, value: Any) -> Range:
        """The range that a spec's value means; raises ``PydanticCustomError`` in words."""
        if isinstance(value, Range):
            return value
        found = self._parsed(value)
        if not self.whole:
            return found
        if isinstance(found, Fixed | Choice) and any(value % 1 for value in getattr(found, "values", None) or [found.bounds()[0]]):
            raise fault(f"expected whole numbers ({self.unit}), found {shown(value)}")
        if isinstance(found, Uniform) and math.ceil(found.low) > math.floor(found.high):
            raise fault(f"there is no whole number in {shown(value)} ({self.unit})")
        return Whole(found)  # type: ignore[arg-type]

    def _parsed(self, value: Any) -> Range:
        if isinstance(value, dict):
            return self._inside(self._form(value))
        if isinstance(value, list | tuple):
            return self._inside(Uniform(*self._pair(value, "[low, high]")))
        number = self._number(value)
        if self.number == "value":
            return self._inside(Fixed(number))
        if self.number == "end":
            return self._inside(Uniform(*sorted((float(self.neutral), number))))
        if number < 0:
            raise fault(f"a single number is a spread about {self.neutral:g} and can't be negative: {shown(value)}; write [low, high]")
        low, high = _short(self.neutral - number), _short(self.neutral + number)
        try:
            return self._inside(Uniform(low, high))
        except PydanticCustomError as error:
            means = f"{shown(value)} means [{low:g}, {high:g}]; or write [low, high], or {{fixed: {shown(value)}}}"
            raise fault(f"{error.message()} (a single number is a spread: {means})") from None

    def _form(self, value: dict[str, Any]) -> Range:
        match value:
            case {"choice": list() | tuple() as values, **rest} if values and rest.keys() <= {"weights"}:
                weights = rest.get("weights", [1] * len(values))
                if not isinstance(weights, list | tuple) or len(weights) != len(values):
                    raise fault(f"weights must be a list of {len(values)} numbers, one a choice, found {shown(weights)}")
                shares = tuple(self._number(w) for w in weights)
                if min(shares) < 0 or not sum(shares) > 0:
                    raise fault(f"weights can't be negative and must not all be 0, found {shown(weights)}")
                return Choice(tuple(self._number(v) for v in values), shares)
            case {"normal": moments, **rest} if rest.keys() <= {"clip"}:
                mean, sd = self._pair(moments, "normal: [mean, sd]", ordered=False)
                if sd < 0:
                    raise fault(f"the standard deviation can't be negative, found {sd:g}")
                if abs(mean) > 1e6 or sd > 1e6:
                    raise fault(f"a mean and a standard deviation may have at most 1e6, found [{mean:g}, {sd:g}]")
                low, high = self._pair(rest.get("clip", [self.low, self.high]), "clip: [low, high]")
                return Normal(mean, sd, low, high)
            case {"truncated_normal": moments, **rest} if rest.keys() <= {"within"}:
                mean, sd = self._pair(moments, "truncated_normal: [mean, sd]", ordered=False)
                low, high = self._pair(rest.get("within", [self.low, self.high]), "within: [low, high]")
                if not 0 < sd <= 1e6:
                    raise fault(f"the standard deviation must lie above 0 and at most at 1e6, found {sd:g}")
                if not low - 6 * sd <= mean <= high + 6 * sd:
                    raise fault(
                        f"the mean {mean:g} lies more than six standard deviations outside [{low:g}, {high:g}]: it would never be drawn"
                    )
                return TruncatedNormal(mean, sd, low, high)
            case {"log_uniform": pair, **rest} if not rest:
                low, high = self._pair(pair, "log_uniform: [low, high]")
                if low <= 0:
                    raise fault(f"log_uniform needs 0 < low, found {low:g}")
                return LogUniform(low, high)
            case {"fixed": fixed, **rest} if not rest:
                return Fixed(self._number(fixed))
        raise fault(f"expected {_FORMS}, found {shown(value)}")

    def _number(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise fault(f"expected {_FORMS}, found {shown(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise fault(f"expected a finite number, found {shown(value)}")
        return number

    def _pair(self, value: Any, form: str, ordered: bool = True) -> tuple[float, float]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise fault(f"expected {form}, found {shown(value)}")
        low, high = self._number(value[0]), self._number(value[1])
        if ordered and low > high:
            raise fault(f"{form} needs low <= high, found [{low:g}, {high:g}]")
        return low, high

    def _inside(self, found: Range) -> Range:
        low, high = found.bounds()
        if low < self.low or high > self.high:
            raise fault(f"values must lie in [{self.low:g}, {self.high:g}] ({self.unit}), found [{low:g}, {high:g}]")
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        spell = core_schema.plain_serializer_function_ser_schema(lambda found: found.spelled())
        return core_schema.no_info_plain_validator_function(self.parse, serialization=spell)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        number = {"type": "integer" if self.whole else "number", "minimum": self.low, "maximum": self.high}
        pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
        numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1}

        def form(name: str, value: JsonSchemaValue, **options: JsonSchemaValue) -> JsonSchemaValue:
            properties = {name: value, **options}
            return {"type": "object", "properties": properties, "required": [name], "additionalProperties": False}

        two = {**numbers, "minItems": 2, "maxItems": 2}
        return {
            "anyOf": [
                {"type": "number", "minimum": 0} if self.number == "spread" else number,
                pair,
                form("choice", {**numbers, "items": number}, weights=numbers),
                form("normal", two, clip=pair),
                form("truncated_normal", two, within=pair),
                form("log_uniform", pair),
                form("fixed", number),
            ],
            "unit": self.unit,
            "neutral": self.neutral,
        }
