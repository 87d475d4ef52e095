"""Steps -> a spec: gated, bundled, fitted into what a spec allows, spelled as shortly as one may, and put together."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pydantic_core import PydanticCustomError

from augx import document
from augx.importers.albumentations.settings import Course, Settings, Step, plain
from augx.ranges import Quantity, shown
from augx.sections import GROUPS
from augx.transforms import TRANSFORMS

SECTIONS = ("warp", "tone", "then")


def sections_of(steps: list[Step]) -> list[str]:
    """The sections that steps belong to, in the order in which a spec applies them."""
    there = {step.section for step in steps}
    return [section for section in SECTIONS if section in there]


def bundled(steps: list[Step], section: str) -> Step | None:
    """The steps as one, or None if there are none."""
    if len(steps) == 1:
        return steps[0]
    return Step(section, {"all_of": [step.data for step in steps]}) if steps else None


def gated(steps: list[Step], p: float) -> list[Step]:
    """The steps, of which a copy gets those of a section together with probability ``p``, or not at all."""
    if p >= 1:
        return steps
    found = []
    for section in sections_of(steps):
        step = bundled([step for step in steps if step.section == section], section)
        if step is not None and p > 0:
            name = next(iter(step.data))
            own = step.data if name in GROUPS else step.data[name]
            own["p"] = own.get("p", 1) * p
            found.append(step)
    return found


def fitted(step: Step, settings: Settings) -> Step:
    """The step with each number moved to the nearest that its transform allows, which is told."""
    for kind in GROUPS:
        for option in step.data.get(kind, ()):
            fitted(Step(step.section, option), settings)
    for name in step.data.keys() & TRANSFORMS.keys():
        fields = step.data[name]
        for field, quantity in TRANSFORMS[name].quantities().items():
            if field in fields:
                moved = _moved(quantity, fields[field])
                if _numbers(moved) != _numbers(fields[field]) and not _only_rounded(quantity, moved, fields[field]):
                    limits = f"[{plain(quantity.low)}, {plain(quantity.high)}]"
                    settings.changed(f"{field} of {name} would be {shown(fields[field])}, and is moved into {limits}: {shown(moved)}")
                fields[field] = moved
    return step


def _numbers(value: Any) -> list[float]:
    form = next(iter(value.values())) if isinstance(value, dict) else value
    return list(form) if isinstance(form, list) else [form]


def _only_rounded(quantity: Quantity, moved: Any, value: Any) -> bool:
    return quantity.whole and len(_numbers(moved)) == len(_numbers(value)) and [*map(round, _numbers(value))] == _numbers(moved)


def _moved(quantity: Quantity, value: Any) -> Any:
    """The same form with its numbers inside the quantity's limits, and whole where they must be."""
    if isinstance(value, dict) and "normal" in value:
        return value
    low, high = (quantity.low, quantity.high)
    inside = [min(max(number, low), high) for number in _numbers(value)]
    numbers = [round(number) if quantity.whole else number for number in inside]
    if isinstance(value, list) or (isinstance(value, dict) and "choice" in value):
        if len(set(numbers)) == 1:
            return {"fixed": numbers[0]}
        return numbers if isinstance(value, list) else {"choice": list(dict.fromkeys(numbers))}
    if not isinstance(value, dict):
        return numbers[0]
    return {next(iter(value)): numbers if "log_uniform" in value else numbers[0]}


def spelled(data: dict[str, Any]) -> dict[str, Any]:
    """A step as a person would write it: ``{"rotate": {"range": [-30, 30], "p": 1}}`` is ``{"rotate": 30}``."""
    name = next(iter(data))
    if name in GROUPS:
        rest = {key: value for key, value in data.items() if key not in (name, "p")}
        gate = {"p": plain(data["p"])} if data.get("p", 1) != 1 else {}
        return {name: [spelled(option) for option in data[name]], **rest, **gate}
    quantities = TRANSFORMS[name].quantities()
    fields = {key: _spelled(quantities[key], value) if key in quantities else value for key, value in data[name].items()}
    p = plain(fields.pop("p", 1))
    if not quantities and not fields:
        return {name: p}
    if p == 1 and fields.keys() == {next(iter(quantities), None)}:
        return {name: next(iter(fields.values()))}
    return {name: {**fields, **({"p": p} if p != 1 else {})}}


def _spelled(quantity: Quantity, value: Any) -> Any:
    """A range, or the single number that means the same."""
    if not isinstance(value, list) and not (isinstance(value, dict) and "fixed" in value):
        return value
    for number in _numbers(value)[::-1]:
        short = plain(abs(number - quantity.neutral)) if quantity.number == "spread" else number
        try:
            if quantity.parse(short) == quantity.parse(value):
                return short
        except PydanticCustomError:
            continue
    return value


def assembled(steps: list[Step], course: Course) -> dict[str, Any]:
    """The spec: transforms by their names as long as each is the first of its kind, then steps."""
    warp = _section([step for step in steps if step.section == "warp"])
    warp |= _canvas(course) if warp else {}
    tone = _section([step for step in steps if step.section == "tone"])
    then = [spelled(step.data) for step in steps if step.section == "then"]
    output = {"size": list(course.size)} if course.resized and course.size is not None else {}
    return {"augx": 1} | {key: value for key, value in (("warp", warp), ("tone", tone), ("then", then), ("output", output)) if value}


def _section(steps: list[Step]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for i, step in enumerate(steps):
        short = spelled(step.data)
        name = next(iter(short))
        if name in found or name in ("one_of", "some_of", "all_of"):
            return {**found, "steps": [spelled(later.data) for later in steps[i:]]}
        found |= short
    return found


def _canvas(course: Course) -> dict[str, Any]:
    """The border and the interpolation that most transforms have, as there is one warp."""
    found: dict[str, Any] = {}
    if course.borders:
        mode, fill = json.loads(Counter(json.dumps([mode, fill]) for _, mode, fill in course.borders).most_common(1)[0][0])
        found = {"border": mode} if mode != "nearest" else {}
        found |= {"border_value": fill} if fill else {}
        for name, own, own_fill in course.borders:
            if [own, own_fill] != [mode, fill]:
                course.note(course.changed, f"{name}: border {own} {own_fill} is {mode} {fill} here: the one warp has one border")
    if course.interpolations:
        most = Counter(how for _, how in course.interpolations).most_common(1)[0][0]
        found |= {"interpolation": most} if most != "linear" else {}
        for name, how in course.interpolations:
            if how != most:
                course.note(course.changed, f"{name}: interpolation {how} is {most} here: the one warp has one")
    return found


def has_room(spec: Any) -> bool:
    """Whether this is as much as a file may hold."""
    level: list[Any] = [spec]
    nodes = 0
    for _ in range(document.MAX_DEPTH):
        nodes += len(level)
        below = [x for node in level for x in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())]
        nodes += sum(len(node) for node in level if isinstance(node, dict))
        level = below
    return not level and nodes <= document.MAX_NODES
