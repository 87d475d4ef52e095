"""lint: what in a spec will not do what it seems to, by trying it. No hint is an error; a spec without one is no better for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from augx.annotations.base import Category
from augx.errors import printable
from augx.review.lint_classes import class_hints
from augx.review.lint_pictures import clipped, double_jpeg, low_quality, much_border, synthetic
from augx.review.lint_pictures import loaded as loaded
from augx.review.lint_pictures import probes as probes
from augx.review.lint_places import CODES as CODES
from augx.review.lint_places import Hint as Hint
from augx.review.lint_places import parts, place_of
from augx.review.lint_shows import never_shows, unchanged
from augx.review.lint_targets import seen_twice, sides, slivers
from augx.sample import Sample
from augx.sections import leaves
from augx.spec import Spec
from augx.transforms import Transform

T = TypeVar("T")
_LEAST_SIDE = 8  # pixels; of smaller pictures nothing can be said
# More than half, by so much that no hint hangs on which copies were drawn: of a single p: 0.5 there is none.
_MOSTLY = 0.53


def lint(
    spec: Spec,
    samples: Sequence[tuple[str, Sample]] = (),
    labels: Sequence[str] = (),
    *,
    formats: Sequence[str] = (),
    categories: Sequence[Category] = (),
) -> list[Hint]:
    """Hints on a spec, the general ones first, then those on what is different for single classes.

    ``samples`` are some pictures that it is for, each with its label; without any, a synthetic one of 640x480 stands in.
    ``labels`` are all class names; without any, those that the spec names. ``formats`` are the pictures' file extensions
    (``.jpg``), as far as known, ``categories`` those of an annotated set.

    Everything is drawn from a stream of its own, so the same arguments give the same hints.
    """
    large_enough = [(label, sample) for label, sample in samples if min(sample.image.size) >= _LEAST_SIDE] or [("", synthetic())]
    tried: dict[str, Any] = {}
    hints = _Settings(spec, None, _probes(spec, None, large_enough), formats, tried).hints()
    told = {(hint.code, hint.place) for hint in hints}
    for label in spec.classes:
        found = _Settings(spec, label, _probes(spec, label, large_enough), formats, tried).hints()
        hints += [hint for hint in found if (hint.code, hint.place) not in told]
    hints += sides(spec, list(parts(spec)), categories)
    return [*hints, *class_hints(spec, labels or named_labels(spec)), *(_unused(spec, labels) if labels else ())]


def _unused(spec: Spec, labels: Sequence[str]) -> Iterator[Hint]:
    """Classes of the spec that there are no pictures of: their settings do nothing here."""
    for label in spec.classes:
        if label not in labels:
            known = ", ".join(printable(known) or "(none)" for known in labels[:5]) + (" ..." if len(labels) > 5 else "")
            message = f"no picture has this class, so what is different for it does nothing; there are {known}"
            yield Hint("unused-class", f"classes.{label}", message, ("classes", label), label)


def named_labels(spec: Spec) -> list[str]:
    """The classes that a spec itself names, under ``classes`` and in ``relabel``."""
    found = list(spec.classes)
    for own in (spec, *map(spec.of_class, spec.classes)):
        for _, transform in leaves(own.nodes):
            found += [label for pair in transform.relabel.items() for label in pair]
    return list(dict.fromkeys(found))


def _probes(spec: Spec, label: str | None, samples: Sequence[tuple[str, Sample]]) -> list[Sample]:
    """The pictures that settings are for: a class' own, or of the classes that have none; any, if there are none such."""
    meant = [sample for of, sample in samples if (of == label if label is not None else of not in spec.classes)]
    return meant or [sample for _, sample in samples]


class _Settings:
    """The general settings of a spec (``label`` is None) or those of a class, with pictures to try them on.

    ``tried`` holds what has been found out already, so that a class costs only what is different for it.
    """

    def __init__(self, spec: Spec, label: str | None, samples: Sequence[Sample], formats: Sequence[str], tried: dict[str, Any]) -> None:
        self.spec = spec if label is None else spec.of_class(label)
        self.label = label
        self.samples = samples
        self.formats = formats
        self.parts = list(parts(spec, label))
        self.at = place_of(spec, label)
        self.tried = tried

    def hints(self) -> list[Hint]:
        """All hints on them."""
        found = list(self._hints())
        if self.label is None:
            return found
        name = printable(self.label)
        return [replace(hint, message=f"for class {name}: {hint.message}", label=self.label) for hint in found]

    def _hints(self) -> Iterator[Hint]:
        spec, samples = self.spec, self.samples
        whys = {
            part.place: self._once(partial(never_shows, part.transform, samples), part.place, _plain(part.transform)) for part in self.parts
        }
        yield from (Hint("never-shows", part.place, why, part.loc) for part in self.parts if (why := whys[part.place]))
        warp, tone = spec.warp.canonical(), spec.tone.canonical()
        policy, then = (spec.model_dump(mode="json", include={name}, exclude_defaults=True) for name in ("policy", "then"))
        share = self._once(partial(unchanged, spec), warp, tone, policy, then)
        if share > _MOSTLY:
            which = "all copies are" if share == 1 else f"{share:.0%} of the copies are"
            message = f"{which} the untouched picture, as no transform is on for them; raise some p, or add transforms"
            yield Hint("mostly-unchanged", "spec", message, ("classes", self.label) if self.label is not None else ())
        border = self._once(partial(much_border, spec, samples), warp, policy, spec.output.size)
        if border:
            where = "warp" if any(True for _ in spec.warp.nodes("warp")) else "policy"
            yield Hint("much-border", where, border, self.at(where))
        targets = spec.targets.model_dump(mode="json")
        twice = self._once(partial(seen_twice, spec, samples), warp, policy, spec.output.size)
        if twice:
            yield Hint("seen-twice", "warp.border", twice, self.at("warp", "border"))
        thin = self._once(partial(slivers, spec, samples), warp, policy, then, spec.output.size, targets)
        if thin:
            yield Hint("slivers", "targets.min_visibility", thin, ("targets", "min_visibility"))
        lost = self._once(partial(clipped, spec, samples), tone)
        if lost:
            yield Hint("clipped", "tone", lost, self.at("tone"))
        again, hard = double_jpeg(spec.output, self.formats), low_quality(spec.output, self.formats)
        if again:
            yield from (Hint("double-jpeg", part.place, again, part.loc) for part in self.parts if part.transform.name == "jpeg")
        if hard:
            yield Hint("double-jpeg", "output.quality", hard, ("output", "quality"))

    def _once(self, find: partial[T], *settings: object) -> T:
        """What ``find`` says of these settings, asked once."""
        key = json.dumps((find.func.__name__, settings))
        if key not in self.tried:
            self.tried[key] = find()
        found: T = self.tried[key]
        return found


def _plain(transform: Transform) -> object:
    return transform.model_dump(mode="json")
