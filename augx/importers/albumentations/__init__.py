"""What ``albumentations.save`` writes (of version 2.0.8) -> a spec of ours. The library itself is not needed.

There a pipeline is any order of transforms; here geometry is one warp, tone one table, and pixel steps come after both. So a
tree of transforms is taken apart into three, one a section, that keep the order and each transform's own frequency.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import augx.importers.albumentations.effects
import augx.importers.albumentations.frame
import augx.importers.albumentations.geometry
import augx.importers.albumentations.table  # noqa: F401 (these four enter their converters into CONVERTERS)
from augx import document
from augx.errors import SpecError, printable
from augx.importers.albumentations.settings import CONVERTERS, Course, Settings, Step, UnreadableError, plain
from augx.importers.albumentations.steps import assembled, bundled, fitted, gated, has_room, sections_of
from augx.importers.albumentations.unknown import LOST
from augx.importers.base import Imported
from augx.ranges import shown

_SEQUENCES = ("Compose", "ReplayCompose", "Sequential", "SelectiveChannelTransform")
_TURNING = {"rotate", "shear", "shear_y", "elastic", "perspective"}


def from_albumentations(data: bytes, name: str) -> Imported:
    """A spec that does what a pipeline saved by ``albumentations.save`` does, as YAML or JSON, and what it does not.

    Raises ``SpecError``, each line of which begins with the file's ``name``, for what that function does not write.
    """
    root, version = _pipeline(_read(data, name), name)
    reader = _Reader()
    steps = reader.convert(root, {})
    if reader.problems:
        raise SpecError([f"{printable(name)}: {problem}" for problem in reader.problems])
    reader.tell_of_order()
    course = reader.course
    if isinstance(version, str) and not version.startswith("2."):
        course.changed.insert(0, f"Albumentations: version {printable(version)} wrote this file, which is read as 2.0.8's")
    spec = assembled(steps, course)
    if not has_room(spec):
        raise SpecError([f"{printable(name)}: the pipeline is too large or nested too deeply for a spec"])
    return Imported(json.loads(json.dumps(spec)), course.lost, course.changed)


def _read(data: bytes, name: str) -> Any:
    """The file's plain data, whichever of its two formats it has."""
    if not data.strip():
        raise SpecError([f"{printable(name)}: the file is empty; albumentations.save(pipeline, path) writes one"])
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
        return document.parse(data, name)[0]
    if len(data) > document.MAX_BYTES:
        raise SpecError([f"{printable(name)}: a pipeline may have {document.MAX_BYTES} bytes, this one has {len(data)}"])
    try:
        found = json.loads(data.decode("utf-8-sig"), parse_constant=str)
    except UnicodeDecodeError as error:
        raise SpecError([f"{printable(name)}: not UTF-8 at byte {error.start}"]) from None
    except json.JSONDecodeError as error:
        raise SpecError([f"{printable(name)}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}"]) from None
    except (ValueError, RecursionError):
        raise SpecError([f"{printable(name)}: not JSON that can be read: a number is too long, or it is nested too deeply"]) from None
    if not has_room(found):
        raise SpecError([f"{printable(name)}: more than {document.MAX_NODES} values, or nested more than {document.MAX_DEPTH} deep"])
    return found


def _pipeline(found: Any, name: str) -> tuple[Any, Any]:
    root = found.get("transform") if isinstance(found, dict) else None
    if not isinstance(root, dict) or not isinstance(root.get("__class_fullname__"), str):
        why = "expected the keys __version__ and transform, as albumentations.save(pipeline, path) writes them"
        raise SpecError([f"{printable(name)}: not a pipeline of Albumentations: {why}; found {shown(found)}"])
    return root, found.get("__version__")


@dataclass
class _Reader:
    """Goes through a pipeline's tree."""

    course: Course = field(default_factory=Course)
    problems: list[str] = field(default_factory=list)
    order: list[tuple[str, str]] = field(default_factory=list)
    choices: int = 0

    def convert(self, node: Any, parent: dict[str, Any], *, forced: bool = False) -> list[Step]:
        """The steps of a transform or a composition, in order; a forced one is applied whatever its p."""
        name = _name(node)
        if name is None:
            self._problem(f"{_name(parent) or 'transform'}: expected a transform, found {shown(node)}")
            return []
        p = node.get("p", 1.0 if name in (*_SEQUENCES, "SomeOf", "RandomOrder") else 0.5)
        p = 1.0 if node.get("always_apply") is True else p  # as versions before 2 have it
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            self._problem(f"{name}: p: expected a probability between 0 and 1, found {shown(p)}")
            return []
        if p == 0 and not forced and name != "OneOrOther":
            return []
        before = self.course.size
        try:
            if "transforms" in node:
                steps = self._composition(name, node, float(p), forced=forced)
            else:
                steps = self._gated(name, self._transform(name, node), 1.0 if forced else float(p))
        except UnreadableError as error:
            self._problem(f"{name}: {error}")
            steps = []
        if p < 1 and not forced and self.course.size != before and self.course.size is not None:
            self.course.resized = True
            width, height = self.course.size
            self._changed(name, f"it changes the size with p {plain(p)}; here every copy becomes {width} x {height}")
        if not self.choices and name not in _SEQUENCES:
            self.order += [(section, name) for section in sections_of(steps)]
            # A resize alone changes nothing for tone.
            self.order += [("warp", name)] if self.course.size != before and not steps and ("then" in dict(self.order)) else []
        return steps

    def _problem(self, what: str) -> None:
        if what not in self.problems and len(self.problems) < 20:
            self.problems.append(what)

    def _changed(self, name: str, what: str) -> None:
        self.course.note(self.course.changed, f"{name}: {what}")

    def _transform(self, name: str, node: dict[str, Any]) -> list[Step]:
        if name == "NoOp":
            return []
        if name not in CONVERTERS:
            self.course.note(self.course.lost, f"{name}: {LOST.get(name, 'no such transform is known here; write its like by hand')}")
            return []
        resized = self.course.resized
        settings = Settings(name, node, self.course)
        steps = [fitted(step, settings) for step in CONVERTERS[name](settings)]
        settings.finish()
        if resized and any(_TURNING & step.data.keys() for step in steps):
            self._changed("Compose", "the resize comes last here, so what turns or bends sees the source's own shape")
        return steps

    def _gated(self, name: str, steps: list[Step], p: float) -> list[Step]:
        if p < 1 and len(sections_of(steps)) > 1:
            apart = " and ".join(sections_of(steps))
            self._changed(name, f"what it has in {apart} is drawn apart, each with p {plain(p)}; so a copy may get one without the other")
        return gated(steps, p)

    def _composition(self, name: str, node: dict[str, Any], p: float, *, forced: bool) -> list[Step]:
        children = node["transforms"]
        if not isinstance(children, list):
            raise UnreadableError(f"transforms: expected a list, found {shown(children)}")
        if name in _SEQUENCES:
            return self._gated(name, self._sequence(name, node, children), 1.0 if forced else p)
        if name not in ("OneOf", "SomeOf", "RandomOrder", "OneOrOther"):
            inside = ", ".join(_name(child) or "?" for child in children)
            self.course.note(self.course.lost, f"{name}: no such composition is known here, so nothing in it is taken over: {inside}")
            return []
        label = f"{name}({', '.join(_name(child) or '?' for child in children)})"
        label = label if len(label) <= 80 else label[:76] + "...)"
        certain = name in ("OneOf", "OneOrOther")
        before, self.choices = self.course.size, self.choices + 1
        options, sizes = [], []
        for child in children:
            self.course.size = before
            options.append(self.convert(child, node, forced=certain))
            sizes.append(self.course.size)
        self.choices -= 1
        self._settle_size(label, before, sizes)
        if name in ("SomeOf", "RandomOrder"):
            return self._some_of(label, node, options, p)
        if name == "OneOrOther":
            return self._one_of(label, [options[0], options[-1]], [p, 1 - p], 1.0) if options else []
        weights = [float(child["p"]) if _is_number(child.get("p", 0.5)) and "p" in child else 0.5 for child in children if _name(child)]
        if len(weights) != len(options) or not sum(weights) > 0:
            self.course.note(self.course.lost, f"{label}: its options have no p above 0")
            return []
        return self._one_of(label, options, weights, 1.0 if forced else p)

    def _settle_size(self, label: str, before: tuple[int, int] | None, sizes: list[tuple[int, int] | None]) -> None:
        """After a choice every copy has one size: that of the first option that changes it."""
        self.course.size = next((size for size in sizes if size != before), before)
        if self.course.size is not None and any(size != self.course.size for size in sizes):
            self.course.resized = True
            width, height = self.course.size
            self._changed(label, f"its options leave different sizes; here every copy becomes {width} x {height}")

    def _sequence(self, name: str, node: dict[str, Any], children: list[Any]) -> list[Step]:
        if name == "SelectiveChannelTransform":
            self._changed(name, "the file doesn't say which channels; here all of them")
        for key, what in (
            ("bbox_params", "boxes are"),
            ("keypoint_params", "key points are"),
            ("additional_targets", "further pictures are"),
        ):
            if node.get(key):
                self.course.note(self.course.lost, f"{key}: {what} not read here; copies come from pictures alone")
        return [step for child in children for step in self.convert(child, node)]

    def _one_of(self, label: str, options: list[list[Step]], weights: list[float], p: float) -> list[Step]:
        """One of the options; where they are of several sections, one of those of each, as often as there."""
        found, shares = [], []
        everywhere = [step for option in options for step in option]
        for section in sections_of(everywhere):
            parts = [(bundled([s for s in option if s.section == section], section), w) for option, w in zip(options, weights, strict=True)]
            there = [(part, weight) for part, weight in parts if part is not None and weight > 0]
            if not there:
                continue
            share = p * sum(weight for _, weight in there) / sum(weights)
            group: dict[str, Any] = {"one_of": [part.data for part, _ in there]}
            if len({weight for _, weight in there}) > 1:
                group["weights"] = [plain(weight) for _, weight in there]
            found += gated([there[0][0] if len(there) == 1 else Step(section, group)], share)
            shares.append(f"{section} with p {plain(share)}")
        if len(shares) > 1:
            self._changed(
                label, f"its options are of several sections, drawn apart: {', '.join(shares)}; so a copy may get several, or none"
            )
        return found

    def _some_of(self, label: str, node: dict[str, Any], options: list[list[Step]], p: float) -> list[Step]:
        n, replace = node.get("n", 1), node.get("replace", False)
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= 1_000_000:
            raise UnreadableError(f"n: expected a whole number, found {shown(n)}")
        count = min(n, len(options))
        if replace and n > 1:
            self._changed(label, f"replace: here {count} different ones are taken")
        if label.startswith("RandomOrder") and count > 1:
            self._changed(label, "here in the order written")
        everywhere = [step for option in options for step in option]
        if count == len(options):
            return self._gated(label, everywhere, p)
        sections = sections_of(everywhere)
        if not sections or not count:
            return []
        if len(sections) > 1:
            share = count / len(options)
            self._changed(
                label, f"its options are of several sections: each is drawn apart, with {plain(share)} of its own p, not {count} of them"
            )
            return [step for option in options for step in gated(option, p * share)]
        parts = [bundled(option, sections[0]) or Step(sections[0], {"all_of": []}) for option in options]
        return gated([Step(sections[0], {"some_of": [part.data for part in parts], "count": count})], p)

    def tell_of_order(self) -> None:
        """Say so where a step comes before another here that it comes after there."""
        ranks = {"warp": 0, "tone": 1, "then": 2}
        for (section, name), (next_section, next_name) in zip(self.order, self.order[1:], strict=False):
            if ranks[section] > ranks[next_section]:
                what = f"here geometry comes first, then tone, then the pixel steps; there {name} comes before {next_name}"
                self._changed("Compose", what)
                return


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _name(node: Any) -> str | None:
    """A transform's class, without the modules that older files name."""
    found = node.get("__class_fullname__") if isinstance(node, dict) else None
    last = found.rsplit(".", 1)[-1] if isinstance(found, str) else ""
    return last if re.fullmatch(r"\w{1,60}", last) else None
