"""Steps of a pipeline, with chances and choices among them -> the sections of a spec, in the order that a spec applies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from augx.importers.settings import natural, span
from augx.policies import POLICIES
from augx.sections import GROUPS
from augx.transforms import TRANSFORMS

_SECTIONS = ("warp", "tone", "policy", "then")
_MIRRORS = ("flip_h", "flip_v")


@dataclass(slots=True)
class Notes:
    """What a spec does not say, or says otherwise: each line once."""

    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def lose(self, line: str) -> None:
        """Note what has no equivalent."""
        if line not in self.lost:
            self.lost.append(line)

    def change(self, line: str) -> None:
        """Note what becomes something else."""
        if line not in self.changed:
            self.changed.append(line)


@dataclass(frozen=True, slots=True)
class Part:
    """One step in its long form, the section that it belongs to, and the name of the transform that it comes from."""

    section: str
    step: dict[str, Any]
    origin: str


def part(origin: str, name: str, p: float = 1.0, **settings: Any) -> Part:
    """A transform or a policy of ours as a part."""
    return Part(TRANSFORMS[name].section if name in TRANSFORMS else "policy", {name: {**settings, "p": p}}, origin)


def ranged(notes: Notes, origin: str, where: tuple[str, str], edges: tuple[float, float], p: float = 1.0, **more: Any) -> list[Part]:
    """A transform that is drawn from between two edges; nothing, where that would change nothing. ``where``: it, its setting."""
    value, cut = span(*where, *edges)
    if cut:
        notes.change(f"{origin}: {cut}")
    return [] if value is None else [part(origin, where[0], p, **{where[1]: value}, **more)]


def gated(parts: Sequence[Part], p: float, origin: str, notes: Notes) -> list[Part]:
    """The parts, all with one chance ``p`` together; parts of different sections can only have it each for itself."""
    sections = _present(parts)
    if len(sections) > 1 and p < 1:
        notes.change(f"{origin}: its chance is drawn apart for {' and '.join(sections)}, as they are different sections here")
    return [found for section in sections if p > 0 for found in _likelier(_one(parts, section, origin), p)]


def chosen(options: Sequence[Sequence[Part]], weights: Sequence[float], origin: str, notes: Notes) -> list[Part]:
    """One of the options; options of different sections can only be chosen each for itself, with its share."""
    sections = _present([found for option in options for found in option])
    if len(sections) > 1:
        notes.change(f"{origin}: drawn apart for {' and '.join(sections)}, with the same shares, so a copy may get one of each, or none")
    chances = [weight / sum(weights) for weight in weights]
    found: list[Part] = []
    for section in sections:
        if section == "policy":
            for option, share in zip(options, chances, strict=True):
                found += [scaled for policy in option if policy.section == section for scaled in _likelier([policy], share)]
            continue
        steps = [_one(option, section, origin) for option in options]
        group: dict[str, Any] = {"one_of": [step[0].step if step else {"all_of": [], "p": 1.0} for step in steps], "p": 1.0}
        if len(set(weights)) > 1:
            group["weights"] = [natural(weight) for weight in weights]
        found.append(Part(section, group, origin))
    return found


def sections(parts: Sequence[Part], notes: Notes) -> dict[str, Any]:
    """The sections that hold these parts; what they change in the parts' order is noted."""
    _note_order(parts, notes)
    found: dict[str, Any] = {}
    for section in _present(parts):
        own = [each for each in parts if each.section == section]
        if section == "policy":
            for other in own[1:]:
                notes.lose(f"{other.origin}: a spec has one policy, which is that of {own[0].origin}")
            name, settings = next(iter(_short(own[0].step).items()))
            found[section] = {name: settings} if settings else name
        elif section == "then":
            found[section] = [_short(each.step) for each in own]
        else:
            names = [next(iter(each.step)) for each in own]
            unique = len(set(names)) == len(names) and not set(names) & set(GROUPS)
            steps = [_short(each.step) for each in own]
            found[section] = {name: step[name] for name, step in zip(names, steps, strict=True)} if unique else {"steps": steps}
    return found


def _present(parts: Sequence[Part]) -> list[str]:
    return [section for section in _SECTIONS if any(each.section == section for each in parts)]


def _one(parts: Sequence[Part], section: str, origin: str) -> list[Part]:
    """The parts of a section as one, if there are any; policies stay as they are."""
    own = [each for each in parts if each.section == section]
    if len(own) < 2 or section == "policy":
        return own
    return [Part(section, {"all_of": [each.step for each in own], "p": 1.0}, origin)]


def _likelier(parts: Sequence[Part], p: float) -> list[Part]:
    """The parts with ``p`` times their own chance."""
    found = []
    for each in parts:
        name = next(iter(each.step))
        owner = each.step if name in GROUPS else each.step[name]  # of the chance: the group itself, or the transform's settings
        likelier = {**owner, "p": owner["p"] * p}
        found.append(Part(each.section, likelier if name in GROUPS else {name: likelier}, each.origin))
    return found


def _short(step: dict[str, Any]) -> dict[str, Any]:
    """A step as one would write it."""
    name = next(iter(step))
    if name in GROUPS:
        rest = {key: value for key, value in step.items() if key not in (name, "p")}
        return {name: [_short(option) for option in step[name]], **rest} | ({"p": natural(step["p"])} if step["p"] != 1 else {})
    settings = {key: value for key, value in step[name].items() if key != "p"}
    p = natural(step[name]["p"])
    if name in POLICIES:
        return {name: settings | ({"p": p} if p != 1 else {})}
    first = next(iter(TRANSFORMS[name].quantities()), None)
    if first is None and not settings:
        return {name: p}
    if p == 1 and list(settings) == [first]:
        return {name: settings[first]}
    return {name: settings | ({"p": p} if p != 1 else {})}


def _note_order(parts: Sequence[Part], notes: Notes) -> None:
    last: Part | None = None
    for each in parts:
        if last is not None and _SECTIONS.index(each.section) < _SECTIONS.index(last.section):
            # Mirroring a picture before or after a change of its pixels gives the same.
            if next(iter(each.step)) not in _MIRRORS and each.origin != last.origin:
                notes.change(f"{each.origin}: comes before {last.origin} here, as {each.section} is applied before {last.section}")
        else:
            last = each
