"""The sections of a spec: transforms by name, and steps with choices among them."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidatorFunctionWrapHandler, create_model, model_validator
from pydantic_core import core_schema

from augx.distributions import Range
from augx.ranges import Quantity, fault, shown
from augx.transforms import TRANSFORMS, Geometric, Pixel, Tone, Transform
from augx.transforms.base import Node, Probability
from augx.warp import Border, Interpolation

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

Level = Annotated[float, Field(strict=True, ge=0, le=255)]
GROUPS: tuple[Literal["one_of", "some_of", "all_of"], ...] = ("one_of", "some_of", "all_of")


@dataclass(frozen=True, slots=True)
class WhenUsed:
    """An annotation: the model of this field, made when a spec first has one. Most specs use few of many transforms."""

    make: Callable[[], type[Node]]

    @property
    def model(self) -> type[Node]:
        return self.make()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def spelled(found: Any) -> Any:
            return found and found.model_dump(mode="json", exclude_defaults=True)

        spell = core_schema.plain_serializer_function_ser_schema(spelled)
        return core_schema.no_info_plain_validator_function(lambda value: self.model.model_validate(value), serialization=spell)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        self.model.model_rebuild()
        long = handler(self.model.__pydantic_core_schema__)
        return {"anyOf": [*self._short_forms(handler.resolve_ref_schema(long)["properties"]), long]}

    def _short_forms(self, properties: dict[str, Any]) -> list[JsonSchemaValue]:
        """What may stand instead of the mapping: a transform's first range, a policy's first setting; a step's name."""
        if issubclass(self.model, StepBase):
            return [{"enum": [name for name in properties if name in TRANSFORMS]}]
        quantities = self.model.quantities() if issubclass(self.model, Transform) else {}
        first = next(iter([*quantities, *(name for name in properties if name not in ("p", "relabel")), "p"]))
        first = first if quantities or not issubclass(self.model, Transform) else "p"
        return [properties[first]]


@dataclass(frozen=True, slots=True)
class Group:
    """Several steps of which a copy gets some, in the order written: with probability ``p`` one, some or all of the options.

    ``shares`` weigh the options; ``count`` is the number that some_of takes.
    """

    kind: Literal["one_of", "some_of", "all_of"]
    p: float
    options: tuple[StepBase, ...]
    shares: tuple[float, ...]
    count: Range | None


@dataclass(frozen=True, slots=True)
class Mix:
    """With probability ``p`` a picture blended from itself and from several chains of steps."""

    p: float
    chains: tuple[StepBase, ...]

    def placed(self, where: str) -> list[tuple[str, Transform | Group]]:
        """The chains with their places."""
        return [(f"{where}.chain_{i}", chain.node) for i, chain in enumerate(self.chains, 1)]


Placed = tuple[str, "Transform | Group | Mix"]
"""A node of a spec, and its place: the name of its stream, and of its parameters in the manifest."""

_COUNT = Quantity("count", "number of options", 1, 0, 1000, whole=True, alone="value")


class StepBase(Node):
    """A mapping with one transform; or with one_of, some_of or all_of, and its p, weights and count."""

    p: Probability | None = Field(None, description="for one_of, some_of, all_of: the probability that any option is applied")
    weights: Annotated[tuple[Annotated[float, Field(strict=True, ge=0)], ...] | None, Field(description="of the options")] = None
    count: Annotated[Range, _COUNT] | None = Field(None, description="for some_of: how many")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {value: {}} if isinstance(value, str) and value in TRANSFORMS else value

    @model_validator(mode="after")
    def _single(self) -> StepBase:
        names = [name for name in (*TRANSFORMS, *GROUPS) if getattr(self, name, None) is not None]
        if len(names) != 1:
            raise fault(f"a step is one transform, found {', '.join(names) or 'none'}; begin each with a dash of its own")
        if names[0] not in GROUPS:
            if (self.p, self.weights, self.count) != (None, None, None):
                own = f"write {names[0]}: {{..., p: {0.5 if self.p is None else self.p:g}}}"
                raise fault(f"p, weights and count stand beside one_of, some_of and all_of only; {own}")
            return self
        self._check_group(names[0], getattr(self, names[0]))
        return self

    def _check_group(self, kind: str, options: tuple[StepBase, ...]) -> None:
        if not options and kind != "all_of":
            raise fault(f"{kind} needs at least one option")
        if self.weights is not None:
            if kind == "all_of":
                raise fault("all_of takes all of its options and has no weights")
            if len(self.weights) != len(options) or not sum(self.weights) > 0:
                raise fault(f"weights must be {len(options)} numbers that are not all 0, found {len(self.weights)}")
        if (self.count is None) == (kind == "some_of"):
            raise fault("some_of needs a count, a number or a range: count: [1, 3]" if kind == "some_of" else f"{kind} has no count")
        able = sum(weight > 0 for weight in self.weights) if self.weights else len(options)
        if self.count is not None and self.count.bounds()[1] > able:
            raise fault(f"count is at most {able}, the number of options (with a weight above 0), found {self.count.bounds()[1]:g}")

    @cached_property
    def name(self) -> str:
        """The transform's name, or one_of, some_of, all_of."""
        return next(name for name in (*TRANSFORMS, *GROUPS) if getattr(self, name, None) is not None)

    @cached_property
    def node(self) -> Transform | Group:
        """The transform, or the group of steps."""
        found = getattr(self, self.name)
        if not isinstance(found, tuple):
            return typing.cast(Transform, found)
        kind = typing.cast(Literal["one_of", "some_of", "all_of"], self.name)
        return Group(kind, 1.0 if self.p is None else self.p, found, self.weights or (1.0,) * len(found), self.count)


def placed(steps: Iterable[StepBase], where: str) -> Iterator[tuple[str, Transform | Group]]:
    """Each step with its place: its name, numbered from its second appearance on, so that other steps can come and go."""
    seen: Counter[str] = Counter()
    for step in steps:
        seen[step.name] += 1
        yield f"{where}.{step.name}" + (f"#{seen[step.name]}" if seen[step.name] > 1 else ""), step.node


def leaves(nodes: Iterable[Placed]) -> Iterator[tuple[str, Transform]]:
    """All transforms below some nodes, in order, but those of a mix."""
    for place, node in nodes:
        if isinstance(node, Transform):
            yield place, node
        elif isinstance(node, Group):
            yield from leaves(placed(node.options, place))


Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Correlation = Annotated[float, Field(strict=True, ge=-1, le=1)]


def _likeness(value: Any) -> Any:
    """A number is the upper limit."""
    low, high = value if isinstance(value, list | tuple) and len(value) == 2 else (-1.0, value)
    if not all(type(limit) in (int, float) and -1 <= limit <= 1 for limit in (low, high)) or low >= high:
        raise fault(f"expected the highest likeness, or [lowest, highest], from -1 to 1 and in this order, found {shown(value)}")
    return float(low), float(high)


class Reject(Node):
    """Limits of a copy: one that breaks any is drawn anew. None is set by default, and then nothing is looked at."""

    border: Share | None = Field(None, description="share of the copy that shows nothing of the source; more is rejected")
    objects: Share | None = Field(
        None, description="share of the source's objects that must still be there after targets.min_visibility; less is rejected"
    )
    saturated: Share | None = Field(
        None, description="share of the copy where a channel has come to the lowest or highest level; more is rejected"
    )
    likeness: Annotated[
        tuple[float, float] | None, BeforeValidator(_likeness, json_schema_input_type=Correlation | tuple[Correlation, Correlation])
    ] = Field(
        None,
        description="concordance of copy and source as 32x32 pixels, 1 for equal ones: the highest (flips, turns and shifts lower it), "
        "or [lowest, highest], the lowest against the source moved like the copy (fog, fills and lost levels lower it)",
    )
    tries: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        10, description="draws of a copy at most; of these the least bad is kept if each breaks a limit, as counts are exact"
    )

    @model_validator(mode="after")
    def _has_limits(self) -> Reject:
        if "tries" in self.model_fields_set and not self.limits:
            raise fault("tries alone rejects nothing; set border, objects, saturated or likeness as well")
        return self

    @cached_property
    def limits(self) -> tuple[str, ...]:
        """The names of those that are set."""
        return tuple(name for name in ("border", "objects", "saturated", "likeness") if getattr(self, name) is not None)


class _Section(Node):
    """Transforms by name, in the order written, which is the order in which they are applied."""

    _order: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _keep_order(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        section = handler(value)
        if isinstance(value, dict):
            section._order = tuple(k for k in value if k in (*TRANSFORMS, "steps") and getattr(section, k, None) is not None)
        return section

    def nodes(self, where: str) -> Iterator[tuple[str, Transform | Group]]:
        """What is on, in order, with its places."""
        for name in self._order:
            if name == "steps":
                yield from placed(getattr(self, name), f"{where}.steps")
            else:
                yield f"{where}.{name}", getattr(self, name)

    @cached_property
    def transforms(self) -> tuple[Transform, ...]:
        """The transforms that are on by their own key, in order."""
        return tuple(getattr(self, name) for name in self._order if name != "steps")

    def explicit(self) -> dict[str, Any]:
        """JSON-plain, in the order written, defaults and all, but for what is off."""
        plain = {name: value for name, value in self.model_dump(mode="json").items() if value is not None}
        on = {name: getattr(self, name) for name in self._order if name != "steps"}
        return {name: node.model_dump(mode="json") for name, node in on.items()} | {k: v for k, v in plain.items() if k not in on}

    def canonical(self) -> dict[str, Any]:
        """JSON-plain, in the order written, without defaults."""
        dumped = self.model_dump(mode="json", exclude_defaults=True)
        return {name: dumped.pop(name) for name in self._order if name in dumped} | dumped


def _levels(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) not in (1, 3, 4):
        raise fault(f"expected a level, [red, green, blue] or [red, green, blue, alpha], found {shown(value)}")
    return value if isinstance(value, list | tuple) else (value,)


BorderValue = Annotated[tuple[Level, ...], BeforeValidator(_levels, json_schema_input_type=float | list[float])]


class _WarpSection(_Section):
    border: Border = Field("nearest", description="what lies outside the picture; crop_safe zooms in until nothing of it shows")
    border_value: BorderValue = Field(
        (0.0,), description="for border: constant; one level of 0 to 255, or [red, green, blue] or [red, green, blue, alpha]"
    )
    interpolation: Interpolation = Field("linear", description="linear, cubic and lanczos are box-filtered below half size")


def _fields(*families: type[Transform]) -> dict[str, Any]:
    found = {name: cls for name, cls in TRANSFORMS.items() if issubclass(cls, families)}
    return {name: (Annotated[Any, WhenUsed(partial(_same, cls))], Field(None, description=cls.__doc__)) for name, cls in found.items()}


def _same(model: type[Node]) -> type[Node]:
    return model


@cache
def step_model(name: str, *families: type[Transform]) -> Any:
    """The model of steps that hold transforms of some families, and groups of such steps."""
    groups: dict[str, Any] = dict.fromkeys(GROUPS, (tuple[name, ...] | None, None))  # type: ignore[valid-type]
    model = create_model(name, __base__=StepBase, __doc__=StepBase.__doc__, **groups, **_fields(*families))
    model.model_rebuild(_types_namespace={name: model})
    return model


def _steps(name: str, family: type[Transform]) -> Any:
    step = Annotated[Any, WhenUsed(partial(step_model, name, family))]
    return (tuple[step, ...], Field((), description="more of them, as a list like that of then: for choices, and for repeats"))


if TYPE_CHECKING:
    Warp = _WarpSection
    ToneSection = _Section
    Step = StepBase
else:
    Step = Annotated[Any, WhenUsed(partial(step_model, "Step", Pixel))]
    _all_warp = {**_fields(Geometric), "steps": _steps("WarpStep", Geometric)}
    Warp = create_model("Warp", __base__=_WarpSection, __doc__="Geometry: all of it is one resample.", **_all_warp)
    _all_tone = {**_fields(Tone), "steps": _steps("ToneStep", Tone)}
    ToneSection = create_model("ToneSection", __base__=_Section, __doc__="Levels: all of it is one table.", **_all_tone)
