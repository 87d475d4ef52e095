"""Spec: what the user wrote, checked and frozen, or errors that name file, line, key, what was found and what is allowed."""

from __future__ import annotations

import copy
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    create_model,
    model_validator,
)

from augx import document
from augx.errors import SpecError, printable
from augx.ranges import fault, shown
from augx.transforms import TRANSFORMS, Geometric, Pixel, Tone, Transform
from augx.transforms.base import Node, Probability
from augx.warp import Border, Interpolation
from augx.writers import FORMATS

_HERE = Path(__file__).parent
PRESETS = next((folder for folder in (_HERE / "configs", _HERE.parent / "configs") if folder.is_dir()), _HERE / "configs")
"""Specs known by name: inside the installed package, beside it in a checkout."""

MAX_SIDE = 65_500
Side = Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
Level = Annotated[float, Field(strict=True, ge=0, le=255)]


def _levels(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) not in (1, 3, 4):
        raise fault(f"expected a level, [red, green, blue] or [red, green, blue, alpha], found {shown(value)}")
    return value if isinstance(value, list | tuple) else (value,)


BorderValue = Annotated[tuple[Level, ...], BeforeValidator(_levels, json_schema_input_type=float | list[float])]


class _Section(Node):
    """Transforms by name, in the order written, which is the order in which they are applied."""

    _order: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _keep_order(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        section = handler(value)
        if isinstance(value, dict):
            section._order = tuple(k for k in value if k in TRANSFORMS and getattr(section, k, None) is not None)
        return section

    @cached_property
    def transforms(self) -> tuple[Any, ...]:
        """The transforms that are on, in order."""
        return tuple(getattr(self, name) for name in self._order)

    def canonical(self) -> dict[str, Any]:
        """JSON-plain, in the order written, without defaults."""
        dumped = self.model_dump(mode="json", exclude_defaults=True)
        return {name: dumped.pop(name) for name in self._order} | dumped


class _WarpSection(_Section):
    border: Border = Field("nearest", description="what lies outside the picture")
    border_value: BorderValue = Field(
        (0.0,), description="for border: constant; one level of 0 to 255, or [red, green, blue] or [red, green, blue, alpha]"
    )
    interpolation: Interpolation = Field("linear", description="linear, cubic and lanczos are box-filtered below half size")


@dataclass(frozen=True, slots=True)
class OneOf:
    """With probability ``p`` one of the ``options``, drawn in proportion to its share."""

    p: float
    shares: tuple[float, ...]
    options: tuple[_StepBase, ...]


class _StepBase(Node):
    """One item of ``then``: a mapping with a single transform, or ``one_of`` with its ``p`` and ``weights``."""

    p: Probability | None = Field(None, description="for one_of: the probability that any of its options is applied")
    weights: Annotated[tuple[Annotated[float, Field(strict=True, ge=0)], ...] | None, Field(description="for one_of")] = None

    @model_validator(mode="after")
    def _single(self) -> _StepBase:
        names = [name for name in (*TRANSFORMS, "one_of") if getattr(self, name, None) is not None]
        if len(names) != 1:
            raise fault(f"a step is one transform, found {', '.join(names) or 'none'}; begin each with a dash of its own")
        options = getattr(self, "one_of", None)
        if options is None:
            if self.p is not None or self.weights is not None:
                raise fault(f"p and weights stand beside one_of only; write {names[0]}: {{..., p: {self.p or 0.5:g}}}")
        elif not options:
            raise fault("one_of needs at least one option")
        elif self.weights is not None and (len(self.weights) != len(options) or not sum(self.weights) > 0):
            raise fault(f"weights must be {len(options)} numbers that are not all 0, found {len(self.weights)}")
        return self

    @property
    def name(self) -> str:
        return next(name for name in (*TRANSFORMS, "one_of") if getattr(self, name, None) is not None)

    @property
    def chosen(self) -> Pixel | OneOf:
        found = getattr(self, self.name)
        if not isinstance(found, tuple):
            return typing.cast(Pixel, found)
        return OneOf(1.0 if self.p is None else self.p, self.weights or (1.0,) * len(found), found)


def _fields(family: type[Transform]) -> dict[str, Any]:
    return {n: (cls | None, Field(None, description=cls.__doc__)) for n, cls in TRANSFORMS.items() if issubclass(cls, family)}


if TYPE_CHECKING:
    Format = str
    Warp = _WarpSection
    ToneSection = _Section
    Step = _StepBase
else:
    Format = Literal[("source", *FORMATS)]
    Warp = create_model("Warp", __base__=_WarpSection, __doc__="Geometry: all of it is one resample.", **_fields(Geometric))
    ToneSection = create_model("ToneSection", __base__=_Section, __doc__="Levels: all of it is one table.", **_fields(Tone))
    Step = create_model("Step", __base__=_StepBase, __doc__=_StepBase.__doc__, one_of=(tuple["Step", ...] | None, None), **_fields(Pixel))
    Step.model_rebuild(_types_namespace={"Step": Step})


class Output(Node):
    """How copies are written."""

    format: Format = Field("source", description="source keeps each source's own, and turns what can't be written into png")
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(95, description="of jpg and webp")
    size: tuple[Side, Side] | None = Field(None, description="[width, height] in pixels; the resize is part of the one warp")


class Spec(Node):
    """An augmentation spec. Apply order: warp, then tone, then the pixel steps."""

    augx: Literal[1] = Field(1, description="version of the spec's language")
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**64)] = Field(0, description="whole number; another one makes other copies")
    warp: Warp = Field(default_factory=Warp, description="geometry: all of it is one resample")
    tone: ToneSection = Field(default_factory=ToneSection, description="levels: all of it is one table")
    then: tuple[Step, ...] = Field((), description="pixel steps, in the order written")
    output: Output = Field(default_factory=Output, description="how copies are written")

    def canonical(self) -> dict[str, Any]:
        """JSON-plain and without defaults: two specs with equal canonical forms make the same pictures."""
        then = self.model_dump(mode="json", include={"then"}, exclude_defaults=True)
        sections = {"warp": self.warp.canonical(), "tone": self.tone.canonical(), **then}
        output = self.output.model_dump(mode="json", exclude_defaults=True)
        return {"augx": 1, "seed": self.seed} | {k: v for k, v in (*sections.items(), ("output", output)) if v}

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form without the seed, in hexadecimal."""
        form = {k: v for k, v in self.canonical().items() if k != "seed"}
        return hashlib.sha256(json.dumps(form, separators=(",", ":")).encode()).hexdigest()


def load_spec(source: str | Path | Mapping[str, Any] = "tutorial", overrides: Iterable[str] = ()) -> Spec:
    """The spec in a YAML file, of a preset's name (``tutorial``, ``gentle``, ``strong``, ``documents``) or in a mapping.

    ``overrides`` are assignments such as ``warp.rotate=15``; an item of ``then`` is named by its number: ``then.0.blur.p=1``.
    Raises ``SpecError`` with all mistakes at once.
    """
    if isinstance(source, Mapping):
        positions: dict[document.Path, document.Position] = {}
        name, data = "spec", copy.deepcopy(dict(source))
    else:
        path = preset_or_file(source)
        name = str(path)
        try:
            with open(path, "rb") as file:
                content = file.read(document.MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SpecError([f"{printable(path)}: can't read this spec: {reason}"]) from None
        data, positions = document.parse(content, name)
    origins = {_assign(data, override): f"--set {override}" for override in overrides}
    try:
        return Spec.model_validate(_without_nulls(data))
    except ValidationError as error:
        faults = sorted(error.errors(include_url=False), key=lambda e: positions.get(_nearest_position(e["loc"], positions), (0, 0)))
        raise SpecError([_worded(_origin(e["loc"], origins) or name, positions, e) for e in faults]) from None


def preset_or_file(source: str | Path) -> Path:
    """Where a spec lies: a bare word is a preset's name, anything else a file."""
    text = str(source)
    if isinstance(source, Path) or "/" in text or "." in text:
        return Path(source)
    known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if text in known:
        return PRESETS / f"{text}.yaml"
    raise SpecError([f"no preset is called {printable(text)!r}{_nearest(text, known)}; there are {', '.join(known)}, or give a .yaml file"])


def _origin(loc: tuple[str | int, ...], origins: Mapping[tuple[str, ...], str]) -> str | None:
    """The --set that an error's place comes from."""
    parts = tuple(map(str, loc))
    return next((origin for key, origin in origins.items() if parts[: len(key)] == key or key[: len(parts)] == parts), None)


def _assign(data: Any, override: str) -> tuple[str, ...]:
    """Carry one ``KEY=VALUE`` out on a spec's data; its key in parts."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SpecError([f"--set {printable(override)}: write KEY=VALUE, for example warp.rotate=15"])
    value, _ = document.parse(text.encode("utf-8", "surrogateescape") or b"~", f"--set {override}")
    *parents, last = key.split(".")
    node = data
    try:
        for part in parents:
            if part in TRANSFORMS and node.get(part) is not None:
                node[part] = TRANSFORMS[part].long_form(node[part])  # rotate: 30 takes rotate.p as well
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = value
    except (TypeError, ValueError, IndexError, AttributeError):
        raise SpecError([f"--set {printable(override)}: the spec has nothing that this key could name"]) from None
    return (*parents, last)


def _without_nulls(data: Any) -> Any:
    """A key without a value counts as omitted."""
    if isinstance(data, dict):
        return {k: _without_nulls(v) for k, v in data.items() if v is not None}
    return [_without_nulls(v) for v in data] if isinstance(data, list) else data


def _worded(name: str, positions: Mapping[tuple[str | int, ...], tuple[int, int]], error: Any) -> str:
    """One pydantic error as one line of ours."""
    path = _nearest_position(error["loc"], positions)
    line = "line {}, column {}: ".format(*positions[path]) if path in positions and not name.startswith("--set") else ""
    key = ".".join(map(str, error["loc"])) or "the spec"
    found = error["input"]
    match error["type"]:
        case "extra_forbidden":
            allowed = _allowed(error["loc"][:-1])
            last = str(error["loc"][-1])
            if last in TRANSFORMS and TRANSFORMS[last].section not in error["loc"]:
                allowed = [f"{last} under {TRANSFORMS[last].section}", *allowed]
            what = f"unknown key{_nearest(last, allowed)}; allowed: {', '.join(allowed)}"
        case "missing":
            what = "missing"
        case "augx":
            what = error["msg"]
        case "model_type" | "model_attributes_type" | "dict_type":
            what = f"expected a mapping (key: value), found {shown(found)}"
        case "tuple_type" | "list_type":
            what = f"expected a list, found {shown(found)}"
        case "literal_error":
            expected = error["ctx"]["expected"].replace("'", "")
            what = f"expected {expected}, found {shown(found)}{_nearest(str(found), expected.replace(' or ', ', ').split(', '))}"
        case _:
            what = f"{error['msg'].removeprefix('Input ').replace('should be', 'must be')}, found {shown(found)}"
    return f"{printable(name)}: {line}{printable(key)}: {what}"


def _nearest_position(loc: tuple[str | int, ...], positions: Mapping[tuple[str | int, ...], tuple[int, int]]) -> tuple[str | int, ...]:
    """The part of an error's location that stands in the file: a missing key and a shorthand's own field don't."""
    return next((loc[:n] for n in range(len(loc), 0, -1) if loc[:n] in positions), ())


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _allowed(path: tuple[str | int, ...]) -> list[str]:
    """The keys of the model at this place of a spec."""
    model: Any = Spec
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) and issubclass(annotation, Node):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
