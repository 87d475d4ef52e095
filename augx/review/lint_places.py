"""What lint says and of what: a hint, and every transform that a copy may get with its place in the spec's document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from augx.document import Path
from augx.sections import Group, StepBase, placed
from augx.spec import ClassChanges, Spec
from augx.transforms import Transform

CODES = (
    *("never-shows", "mostly-unchanged", "much-border", "clipped", "double-jpeg", "flip-text", "flip-side", "unused-class"),
    *("seen-twice", "slivers", "flip-keypoints"),
)
"""Every kind of hint."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing in a spec that will not do what it seems to.

    ``code`` is one of ``CODES``, ``place`` the name of a stream (``then.one_of.noise#2``) or of a section, ``message`` one line:
    what was found, why it matters, what to do. ``loc`` is the way to it in the YAML document, keys and indices, () if it is
    about no single part; ``label`` the class that it is about, or "".
    """

    code: str
    place: str
    message: str
    loc: Path = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A transform that copies may get, its place, and where it stands in the document."""

    place: str
    loc: Path
    transform: Transform


def parts(spec: Spec, label: str | None = None) -> Iterator[Part]:
    """Every transform that a copy may get under warp, tone and then; of a class, with what is different for it.

    What has no chance (``p: 0``, a weight of 0) is off on purpose and left out; so are policies, which are published.
    """
    own = spec if label is None else spec.of_class(label)
    at = place_of(spec, label)
    for where, section in (("warp", own.warp), ("tone", own.tone)):
        for place, node in section.nodes(where):
            name = place.removeprefix(f"{where}.")
            if isinstance(node, Transform) and "." not in name and node.p:
                yield Part(place, at(where, name), node)
        yield from _of_steps(getattr(section, "steps"), f"{where}.steps", at(where, "steps"))  # noqa: B009
    yield from _of_steps(own.then, "then", at("then"))


def place_of(spec: Spec, label: str | None) -> Callable[..., Path]:
    """Where a section, or a key of one, stands in the document: among what is different for a class, if it stands there."""
    changes = spec.classes.get(label, ClassChanges()) if label is not None else ClassChanges()

    def at(section: str, *key: str) -> Path:
        found = getattr(changes, section) if section in changes.model_fields_set else None
        here = section in changes.model_fields_set and (not key or (isinstance(found, dict) and key[0] in found))
        return ("classes", label or "", section, *key) if here else (section, *key)

    return at


def _of_steps(steps: Sequence[StepBase], where: str, loc: Path, weights: Sequence[float] = ()) -> Iterator[Part]:
    for i, (step, (place, node)) in enumerate(zip(steps, placed(steps, where), strict=True)):
        here = (*loc, i, step.name)
        if not node.p or (weights and not weights[i]):
            continue
        if isinstance(node, Transform):
            yield Part(place, here, node)
        elif isinstance(node, Group) and (node.count is None or node.count.bounds()[1] >= 1):
            yield from _of_steps(node.options, place, here, node.shares)
