"""The catalogue: every transform and policy as its own model describes it."""

from __future__ import annotations

import inspect
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from augx.distributions import Range
from augx.policies import POLICIES
from augx.ranges import Quantity
from augx.spec import Spec
from augx.transforms import TRANSFORMS, Transform
from augx.transforms.base import Node

SECTIONS = {
    "warp": "geometry: all of it is one resample",
    "tone": "levels: all of it is one table",
    "then": "pixel steps, in the order written",
    "policy": "published policies: their geometry and tone come after the spec's own and join them, their pixel steps before then",
}


WORDS = {
    "one_of": "Pick one of several steps, in proportion to their weights: one_of: [{blur: 2}, {noise: 12}], weights: [1, 2], p: 0.5",
    "some_of": "Pick some of several steps, a count of them: some_of: [{fog: 0.5}, {rain: 0.6}, {jpeg: 30}], count: [0, 2]",
    "all_of": "Take several steps together, as one option of one_of: one_of: [{all_of: [{fog: 0.5}, {blur: 2}]}, {rain: 0.6}]",
    "steps": "Choices and repeats under warp or tone, a list like that of then: warp: {steps: [{one_of: [{elastic: 0.03}, {shear: 15}]}]}",
    "border": "What lies outside: warp: {border: nearest}, or constant (with border_value), reflect, reflect101, wrap, crop_safe",
    "interpolation": "How pixels are read between pixels: warp: {interpolation: linear}, or nearest, cubic, lanczos",
    "relabel": "Classes that a transform turns into others: warp: {flip_h: {p: 0.5, relabel: {left: right, right: left}}}",
    "targets": "Masks, boxes and keypoints: targets: {min_visibility: 0.1, mask_border: 255, swap: [[left_eye, right_eye]]}",
    "reject": "Limits; a copy that breaks one is drawn anew: reject: {border: 0.3, objects: 0.5, saturated: 0.25, likeness: [0.2, 0.98]}",
    "classes": "What is different for single classes: classes: {digits: {warp: {flip_h: 0}, policy: none}}",
}
"""What a spec may say besides transforms, for those who look it up."""


_TARGETS = {
    "moves": "move with the picture",
    "keeps": "stay as they are",
    "hides": "masks stay as they are; an object that is hidden beyond targets.min_visibility is dropped, a hidden point says so",
}
_SHORT = 120  # characters; naming shorter parts of the schema would save nothing


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a transform: what it means, what it may be, and what it is if left out (None: it must be given).

    ``number`` says what a number means that stands alone, where that is not the number itself.
    """

    name: str
    meaning: str
    allowed: str
    default: str | None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One transform or policy: its place in a spec, its documentation, its settings, and an example line of YAML."""

    name: str
    section: str
    family: str
    summary: str
    details: str
    settings: tuple[Setting, ...]
    example: str
    targets: str

    def as_text(self) -> str:
        """All of it for a terminal."""
        lines = [f"{self.name} ({self.section}: {SECTIONS[self.section]})", "", self.summary.replace("``", "")]
        lines += ["", *self.details.replace("``", "").splitlines()] if self.details else []
        common = [Setting("p", "probability that a copy gets it", "0 to 1", "1")]
        if self.section != "policy":
            common.append(Setting("relabel", "classes that it turns into others: {left: right, right: left}", "", None))
        lines += ["", "settings"]
        every = (*self.settings, *common)
        width = max(len(setting.name) for setting in every)
        for setting in every:
            must = "; must be given" if setting.default is None and setting in self.settings else ""
            lines.append(f"  {setting.name:<{width}}  {_described(setting)}{must}")
        return "\n".join([*lines, "", "masks, boxes and points", f"  {self.targets}", "", "example", f"  {self.example}"])


def catalogue() -> Iterator[Entry]:
    """Everything that a spec may name, in the order of the sections."""
    for section in SECTIONS:
        for name, model in POLICIES.items() if section == "policy" else ():
            yield _entry(name, section, model)
        for name, transform in TRANSFORMS.items():
            if transform.section == section:
                yield _entry(name, section, transform)


def _family(model: type[Node]) -> str:
    """What its family is called: the first words of its file."""
    return (sys.modules[model.__module__].__doc__ or "").partition(":")[0].lower()


def as_markdown() -> str:
    """The catalogue as a page of the documentation."""
    lines = [_INTRODUCTION]
    section = family = ""
    for entry in catalogue():
        if entry.section != section:
            section = entry.section
            lines.append(f"## {section} ({SECTIONS[section]})")
        if entry.family != family and section != "policy":
            lines.append(f"### {entry.family[0].upper()}{entry.family[1:]}")
        family = entry.family
        lines.append(f"**`{entry.name}`** {_plain(entry.summary)} {_plain(entry.details)}".strip())
        settings = [f"- `{s.name}`: {_described(s)}" for s in entry.settings]
        hides = [f"- Masks, boxes and points: {entry.targets}"] if entry.targets == _TARGETS["hides"] else []
        lines.append("\n".join([*settings, *hides, f"- Example: `{entry.example}`"]))
    return "\n\n".join(lines) + "\n"


_INTRODUCTION = """# Transforms

This page is what `augx transforms --markdown` prints; `augx transforms NAME` says the same of one of them.

Every transform takes `p`, the probability that a copy gets it (1 if left out), and `relabel`, the classes that it turns
into others. The first setting is the one that a short form gives: `blur: 2` is `blur: {sigma: 2}`. Wherever a number can
stand, so can `[low, high]`, `{choice: [...]}`, `{normal: [mean, sd], clip: [low, high]}` (what lies outside is moved to the
ends), `{truncated_normal: [mean, sd], within: [low, high]}` (only what lies inside is drawn), `{log_uniform: [low, high]}` and
`{fixed: value}`; policies' settings are plain numbers. What a number means that stands alone is said with each setting: a
spread about the value that changes nothing, a range from there to the number, or, where nothing is said, just the number.

Of annotated pictures, what stands under warp moves masks, boxes, polygons and keypoints with the picture; tone and the steps of
then leave them as they are, but for those that say otherwise."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec (draft 2020-12), its parts that stand more than once written once."""
    whole = Spec.model_json_schema()
    counts: Counter[str] = Counter(map(json.dumps, _parts(whole)))
    names = {text: f"part_{i}" for i, text in enumerate(text for text, n in counts.items() if n > 1 and len(text) > _SHORT)}

    def shared(part: Any, named: bool) -> Any:
        if isinstance(part, list):
            return [shared(item, True) for item in part]
        if not isinstance(part, dict):
            return part
        name = names.get(json.dumps(part)) if named else None
        return {"$ref": f"#/$defs/{name}"} if name else {key: shared(value, True) for key, value in part.items()}

    parts = {name: shared(json.loads(text), False) for text, name in names.items()}
    found = shared(whole, False)
    found["$defs"] |= parts
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "augx spec"}


def _parts(part: Any) -> Iterator[Any]:
    """Every subschema that says what a value may be."""
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        if isinstance(item, dict) and ("anyOf" in item or "type" in item):
            yield item
        yield from _parts(item)


def _described(setting: Setting) -> str:
    default = f"default {setting.default}" if setting.default else ""
    limits = ", ".join(filter(None, (setting.allowed, setting.number, default)))
    if not limits:
        return setting.meaning
    return f"{setting.meaning[:-1]}; {limits})" if setting.meaning.endswith(")") else f"{setting.meaning} ({limits})"


def _plain(text: str) -> str:
    """Documentation as one line of Markdown."""
    return " ".join(text.replace("``", "`").split())


def _entry(name: str, section: str, model: type[Node]) -> Entry:
    summary, _, details = inspect.cleandoc(model.__doc__ or "").partition("\n")
    quantities = model.quantities() if issubclass(model, Transform) else {}
    own = [field for field in model.model_fields if field not in ("p", "relabel")]
    own = [*quantities, *(field for field in own if field not in quantities)]
    settings = tuple(_setting(model, field, quantities.get(field)) for field in own)
    targets = _TARGETS[model.targets] if issubclass(model, Transform) else "as its transforms say"
    return Entry(name, section, _family(model), summary, details.strip(), settings, _example(name, section, quantities), targets)


def _setting(model: type[Node], name: str, quantity: Quantity | None) -> Setting:
    field = model.model_fields[name]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    spelled = default.spelled() if isinstance(default, Range) else default
    meaning = field.description or ""
    if quantity is not None:
        whole = "whole numbers " if quantity.whole else ""
        if meaning in quantity.unit or quantity.unit in meaning:
            meaning = max(meaning, quantity.unit, key=len)
        else:
            meaning = f"{meaning} ({quantity.unit})"
        return Setting(name, meaning, f"{whole}{quantity.low:g} to {quantity.high:g}", _yaml(spelled, field), _number(quantity))
    return Setting(name, meaning, _allowed(field), _yaml(spelled, field))


def _number(quantity: Quantity) -> str:
    example = quantity.example()
    if quantity.number == "value" or quantity.typical is None:
        return ""
    low, high = quantity.parse(example).bounds()
    return f"{example:g} means [{low:g}, {high:g}]"


def _allowed(field: Any) -> str:
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return " | ".join(choices)
    limits = {name: getattr(m, name) for m in field.metadata for name in ("ge", "gt", "le", "lt") if getattr(m, name, None) is not None}
    if limits:
        top = limits.get("le", limits.get("lt", 0) - 1)
        return f"{limits.get('ge', limits.get('gt')):g} to {top:g}"
    return ""


def _yaml(value: Any, field: Any) -> str | None:
    if value is None:
        return None if field.is_required() else ""
    if isinstance(value, dict) and set(value) == {"fixed"}:
        return f"{value['fixed']:g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v, field)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(f"{v:g}" for v in value) + "]"
    return value if isinstance(value, str) else f"{value:g}"


def _example(name: str, section: str, quantities: dict[str, Quantity]) -> str:
    if section == "policy":
        return f"policy: {name}"
    value = json.dumps(next(iter(quantities.values())).example()) if quantities else "0.5"
    value = value.removesuffix(".0")
    return f"then: [{{{name}: {value}}}]" if section == "then" else f"{section}: {{{name}: {value}}}"
