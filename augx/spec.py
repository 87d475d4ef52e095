"""Spec: what the user wrote, checked and frozen, or errors that name file, line, key, what was found and what is allowed."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, ValidatorFunctionWrapHandler, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from augx import document
from augx.errors import SpecError, printable
from augx.policies import ChosenPolicy
from augx.sections import Placed, Reject, Step, ToneSection, Warp, leaves, placed
from augx.transforms import TRANSFORMS
from augx.transforms.base import Node, Size
from augx.wording import nearest, nearest_position, worded
from augx.writers import FORMATS

_HERE = Path(__file__).parent
PRESETS = next((folder for folder in (_HERE / "configs", _HERE.parent / "configs") if folder.is_dir()), _HERE / "configs")
"""Specs known by name: inside the installed package, beside it in a checkout."""

if TYPE_CHECKING:
    Format = str
else:
    Format = Literal[("source", *FORMATS)]


class Output(Node):
    """How copies are written."""

    format: Format = Field("source", description="source keeps each source's own, and turns what can't be written into png")
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(95, description="of jpg and webp")
    size: Size | None = Field(None, description="[width, height] in pixels; the resize is part of the one warp")


class TargetRules(Node):
    """What becomes of masks, boxes, polygons and keypoints; they go the picture's own way."""

    min_visibility: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="share of an object that a copy must show, or it is dropped"
    )
    mask_border: Annotated[int, Field(strict=True, ge=0, le=65535)] = Field(
        0, description="label of a mask beyond the picture, with border: constant"
    )
    swap: tuple[tuple[str, str], ...] | None = Field(
        None, description="keypoints that a mirror swaps  [default: left and right by their names]"
    )


class ClassChanges(Node):
    """What is different for one class: settings are merged into the spec's own, a list stands instead, null takes away."""

    warp: dict[str, Any] | None = Field({}, description="changes to warp: {flip_h: 0} forbids the flip")
    tone: dict[str, Any] | None = Field({}, description="changes to tone")
    then: list[Any] | None = Field(None, description="stands instead of then")
    policy: Any = Field(None, description="stands instead of policy; none takes it away")
    total: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        None, description="copies of the class, instead of what --copies, --per-class or --balance would give it"
    )


class Spec(Node):
    """An augmentation spec. Apply order: warp, then tone, then the policy's own pixel steps, then the pixel steps."""

    augx: Literal[1] = Field(1, description="version of the spec's language")
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**64)] = Field(0, description="whole number; another one makes other copies")
    warp: Warp = Field(default_factory=Warp, description="geometry: all of it is one resample")
    tone: ToneSection = Field(default_factory=ToneSection, description="levels: all of it is one table")
    policy: ChosenPolicy | None = Field(None, description="a published policy by name; its geometry and tone join warp and tone")
    then: tuple[Step, ...] = Field((), description="pixel steps, in the order written")
    classes: dict[str, ClassChanges] = Field({}, description="what is different for single classes, by label")
    targets: TargetRules = Field(default_factory=TargetRules, description="masks, boxes and keypoints")
    reject: Reject = Field(default_factory=Reject, description="limits: a copy that breaks one is drawn anew, tries times at most")
    output: Output = Field(default_factory=Output, description="how copies are written")

    _by_class: dict[str, Spec] = PrivateAttr({})

    @model_validator(mode="wrap")
    @classmethod
    def _with_classes(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        spec = handler(value)
        if not isinstance(value, Mapping) or not spec.classes:
            return spec
        faults: list[InitErrorDetails] = []
        for label, changes in spec.classes.items():
            if not changes.model_fields_set:
                continue
            try:
                spec._by_class[label] = cls.model_validate(_changed(value, changes))
            except ValidationError as error:
                faults += [_moved(fault, label) for fault in error.errors(include_url=False)]
        if faults:
            raise ValidationError.from_exception_data("Spec", faults)
        return spec

    def of_class(self, label: str) -> Spec:
        """The spec with the changes for one class."""
        spec = self._by_class.get(label, self)
        return spec if spec.seed == self.seed else spec.model_copy(update={"seed": self.seed})

    @cached_property
    def nodes(self) -> tuple[Placed, ...]:
        """The whole tree of what may be drawn, in the order applied, with its places; ``classes`` aside."""
        policy = self.policy.nodes() if self.policy is not None else ()
        return (*self.warp.nodes("warp"), *self.tone.nodes("tone"), *policy, *placed(self.then, "then"))

    @cached_property
    def relabels(self) -> bool:
        """Whether a copy may get another label than its source's."""
        return any(transform.relabel for _, transform in leaves(self.nodes))

    @property
    def class_totals(self) -> dict[str, int]:
        """How many copies single classes get. They are no part of the canonical form, as they change no copy."""
        return {label: changes.total for label, changes in self.classes.items() if changes.total is not None}

    def canonical(self) -> dict[str, Any]:
        """JSON-plain and without defaults: two specs with equal canonical forms make the same pictures."""
        plain = self.model_dump(mode="json", include={"then", "policy"}, exclude_defaults=True)
        sections = {"warp": self.warp.canonical(), "tone": self.tone.canonical(), **dict(sorted(plain.items()))}
        every_class = {label: self._differences(self._by_class[label]) for label in sorted(self._by_class)}
        by_class = {label: form for label, form in every_class.items() if form}
        last = {name: getattr(self, name).model_dump(mode="json", exclude_defaults=True) for name in ("targets", "reject", "output")}
        return {"augx": 1, "seed": self.seed} | {k: v for k, v in (*sections.items(), ("classes", by_class), *last.items()) if v}

    def _differences(self, own: Spec) -> dict[str, Any]:
        """What a class' spec has that this one has not, such as ``classes`` says it."""
        found: dict[str, Any] = {}
        for name in ("warp", "tone"):
            everyones, owns = getattr(self, name).explicit(), getattr(own, name).explicit()
            found[name] = {k: v for k, v in owns.items() if everyones.get(k) != v} | {k: None for k in everyones if k not in owns}
        owns, everyones = (spec.model_dump(mode="json", include={"then", "policy"}, exclude_defaults=True) for spec in (own, self))
        if owns.get("then") != everyones.get("then"):
            found["then"] = owns.get("then", [])
        if owns.get("policy") != everyones.get("policy"):
            found["policy"] = owns.get("policy", "none")
        return {name: value for name, value in found.items() if value or name == "then"}

    def __reduce__(self) -> tuple[Any, ...]:
        # Steps are made when a spec first has one, so a process that gets this one must read it anew.
        return type(self).model_validate, (self.canonical(),)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form without the seed, in hexadecimal."""
        form = {k: v for k, v in self.canonical().items() if k != "seed"}
        return hashlib.sha256(json.dumps(form, separators=(",", ":")).encode()).hexdigest()


def _changed(value: Mapping[str, Any], changes: ClassChanges) -> dict[str, Any]:
    """A spec's data as it is for one class."""
    data = {k: v for k, v in value.items() if k != "classes"}
    for section in ("warp", "tone"):
        change = getattr(changes, section)
        own = dict(data.get(section) or {}) if change is not None else {}
        for name, new in (change or {}).items():
            if new is None:
                own.pop(name, None)
            elif name in TRANSFORMS and own.get(name) is not None:
                own[name] = _merged(TRANSFORMS[name].long_form(own[name]), TRANSFORMS[name].long_form(new))
            else:
                own[name] = new
        data[section] = own
    for part in {"then", "policy"} & changes.model_fields_set:
        data[part] = getattr(changes, part)
        if data[part] in (None, "none"):
            del data[part]
    return data


def _merged(own: Any, change: Any) -> Any:
    return {**own, **change} if isinstance(own, Mapping) and isinstance(change, Mapping) else change


def _moved(fault: Any, label: str) -> InitErrorDetails:
    """An error of a class' spec, at its place in the whole one."""
    kind = fault["type"] if fault["type"] != "augx" else PydanticCustomError("augx", "{message}", {"message": fault["msg"]})
    return InitErrorDetails(type=kind, loc=("classes", label, *fault["loc"]), input=fault["input"], ctx=fault.get("ctx", {}))


def load_spec(source: str | Path | Mapping[str, Any] = "tutorial", overrides: Iterable[str] = ()) -> Spec:
    """The spec in a YAML file, of a preset's name (``tutorial``, ``gentle``, ``strong``, ``documents``) or in a mapping.

    ``overrides`` are assignments such as ``warp.rotate=15``; an item of ``then`` is named by its number: ``then.0.blur.p=1``.
    Raises ``SpecError`` with all mistakes at once.
    """
    if isinstance(source, Mapping):
        positions: dict[document.Path, document.Position] = {}
        name = "spec"
        try:
            data = copy.deepcopy(dict(source))
        except RecursionError:
            raise SpecError(["spec: nested too deeply"]) from None
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
        spec = Spec.model_validate(_without_nulls(data))
        _ = spec.nodes  # a policy's steps are checked as well
        return spec
    except RecursionError:
        raise SpecError([f"{printable(name)}: nested too deeply"]) from None
    except ValidationError as error:
        faults = sorted(error.errors(include_url=False), key=lambda e: positions.get(nearest_position(e["loc"], positions), (0, 0)))
        raise SpecError([worded(_origin(e["loc"], origins) or name, Spec, positions, e) for e in faults]) from None


def preset_or_file(source: str | Path) -> Path:
    """Where a spec lies: a bare word is a preset's name, anything else a file."""
    text = str(source)
    if isinstance(source, Path) or "/" in text or "." in text:
        return Path(source)
    known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if text in known:
        return PRESETS / f"{text}.yaml"
    raise SpecError([f"no preset is called {printable(text)!r}{nearest(text, known)}; there are {', '.join(known)}, or give a .yaml file"])


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
    parts = key.split(".")
    if len(parts) > 50:
        raise SpecError([f"--set {printable(override[:40])}...: nested too deeply"])
    node = data
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(node, list):
            if not part.isdecimal() or int(part) > len(node):
                there = ", ".join(f"{i} {next(iter(item), '')}" if isinstance(item, dict) else str(i) for i, item in enumerate(node))
                raise SpecError([f"--set {printable(override)}: {printable('.'.join(parts[:depth]))} is a list, of {there or 'nothing'}"])
            if int(part) == len(node):
                node.append(None)
            at: Any = int(part)
        elif isinstance(node, dict):
            at = part
        else:
            raise SpecError([f"--set {printable(override)}: the spec has nothing that this key could name"])
        if last:
            node[at] = value
        else:
            below = node[at] if isinstance(node, list) else node.get(at)
            if below is None:
                below = [] if parts[depth + 1].isdecimal() else {}
            elif part in TRANSFORMS:
                below = TRANSFORMS[part].long_form(below)  # rotate: 30 takes rotate.p as well
            elif part == "policy" and isinstance(below, str):
                below = {below: {}}
            node[at] = below
            node = below
    return tuple(parts)


def _without_nulls(data: Any, key: str = "") -> Any:
    """A key without a value counts as omitted, but in classes, where it takes away; a step that is only a name has no settings."""
    if isinstance(data, dict):
        if key in ("classes", "policy"):
            return {k: {} if v is None and key == "policy" else v for k, v in data.items()}
        return {k: _without_nulls(v, k) for k, v in data.items() if v is not None}
    if isinstance(data, list):
        return [{next(iter(v)): {}} if isinstance(v, dict) and list(v.values()) == [None] else _without_nulls(v) for v in data]
    return data
