"""Turns and mirrors that change what a picture is of: text that no one reads in a mirror, left that becomes right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from augx.document import Path, scalar
from augx.errors import printable
from augx.review.lint_places import Hint, Part, parts
from augx.review.lint_shows import drawn_widely
from augx.spec import Spec
from augx.transforms import Transform

# fmt: off
_TEXT = frozenset((
    "digit", "number", "numeral", "letter", "alphabet", "character", "char", "glyph", "text", "word",
    "document", "page", "receipt", "invoice", "sign", "ocr", "mnist", "emnist",
    "font", "barcode", "qr", "qrcode", "handwriting", "signature", "newspaper",
))
_PLATES = frozenset(("license", "licence", "number", "registration", "car", "vehicle"))
# fmt: on
_ACROSS = (("left", "right"), ("east", "west"), ("port", "starboard"), ("eastbound", "westbound"), ("leftward", "rightward"))
_UPRIGHT = (("up", "down"), ("top", "bottom"), ("north", "south"), ("upper", "lower"), ("northbound", "southbound"), ("upward", "downward"))
_ROUND = (("clockwise", "counterclockwise"), ("clockwise", "anticlockwise"), ("cw", "ccw"))
_PAIRS = {
    "flip_h": (*_ACROSS, *_ROUND),
    "flip_v": (*_UPRIGHT, *_ROUND),
    "transpose": (*_ACROSS, *_UPRIGHT, *_ROUND),
    "rotate90": (*_ACROSS, *_UPRIGHT),
    "rotate": (*_ACROSS, *_UPRIGHT),
}
"""The words that change places, by the transform that makes them do so."""
_WEAK = frozenset({"port", "up", "down", "top", "bottom", "upper", "lower"})
"""Words with other senses (a tank top): they count where their counterpart is a label too."""
_SINGLE = 6  # so many labels of one letter or digit, and most of all: fewer may be grades, or yes and no
_TURN = 60.0  # degrees


@dataclass
class _Found:
    """The classes that a part is wrong for, and what some of them become."""

    part: Part
    labels: list[str] = field(default_factory=list)
    becomes: dict[str, str] = field(default_factory=dict)


def class_hints(spec: Spec, labels: Sequence[str]) -> Iterator[Hint]:
    """Hints on what mirrors or turns classes whose names say that they have a direction: one for all classes of a place."""
    labels = list(dict.fromkeys(labels))
    words = {label: words_of(label) for label in labels}
    named = {tuple(of_label): label for label, of_label in words.items()}
    single = {label for label in labels if len(label) == 1 and label.isalnum()}
    characters = single if len(single) >= _SINGLE and 2 * len(single) > len(labels) else set()
    everyones = list(_turning(spec, None))
    found: dict[tuple[str, str, Path], _Found] = {}
    for label in labels:
        text = label in characters or _is_text(words[label])
        for part in _turning(spec, label) if label in spec.classes else everyones:
            if label in part.transform.relabel:
                continue
            if text:
                found.setdefault(("flip-text", part.place, part.loc), _Found(part)).labels.append(label)
            opposite = _opposite(words[label], part.transform.name)
            other = named.get(opposite) if opposite is not None else None
            if opposite is not None and (other is not None or _WEAK.isdisjoint(words[label])):
                wrong = found.setdefault(("flip-side", part.place, part.loc), _Found(part))
                wrong.labels.append(label)
                wrong.becomes |= {label: other} if other is not None else {}
    for (code, place, loc), wrong in found.items():
        message = _of_text(wrong, labels) if code == "flip-text" else _of_side(wrong, labels)
        yield Hint(code, place, message, loc, wrong.labels[0] if len(wrong.labels) == 1 else "")


def _is_text(words: Sequence[str]) -> bool:
    """Whether the thing named is text: a letter is, a letter opener is not."""
    if not words:
        return False
    *others, thing = words
    kinds = {thing, thing.removesuffix("s")}
    text = not _TEXT.isdisjoint(kinds) or {"qr", "ocr", "mnist"} & set(others)
    return bool(text) or ("plate" in kinds and not _PLATES.isdisjoint(others))


def words_of(label: str) -> list[str]:
    """The words of a label in small letters: ``turn_left``, ``TurnLeft`` and ``turn-left2`` are turn and left."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", label)
    return [word.casefold() for word in re.split(r"[\W\d_]+", apart) if word]


def _turning(spec: Spec, label: str | None) -> Iterator[Part]:
    for part in parts(spec, label):
        if part.transform.name in _PAIRS and (part.transform.name != "rotate" or _turn(part.transform) > _TURN):
            yield part


def _turn(transform: Transform) -> float:
    """By how many degrees copies are turned at most, 0 to 180."""
    angles = drawn_widely(transform, 200)["angle"]
    return float(np.abs((angles + 180) % 360 - 180).max())


def _opposite(words: Sequence[str], name: str) -> tuple[str, ...] | None:
    """The words of a label after its first word of direction has become the opposite; None if it has no such word."""
    swapped: dict[str, str] = {}
    for a, b in _PAIRS[name]:
        swapped.setdefault(a, b)
        swapped.setdefault(b, a)
    at = next((i for i, word in enumerate(words) if word in swapped), None)
    return None if at is None else (*words[:at], swapped[words[at]], *words[at + 1 :])


def _of_text(wrong: _Found, labels: Sequence[str]) -> str:
    what = f"{_VERBS[wrong.part.transform.name]} {_listed(wrong.labels)}{_degrees(wrong)}"
    return f"{what}: by their names text, which nobody can read then; {_off(wrong, labels)}"


def _of_side(wrong: _Found, labels: Sequence[str]) -> str:
    name = wrong.part.transform.name
    if wrong.becomes and name in ("flip_h", "flip_v"):
        pair = next(iter(wrong.becomes.items()))
        relabel = "{" + ", ".join(f"{_key(a)}: {_key(b)}" for a, b in _both_ways(wrong.becomes)[:4]) + "}"
        more = f" (and so on, {len(wrong.becomes)} classes)" if len(_both_ways(wrong.becomes)) > 4 else ""
        return (
            f"{_VERBS[name]} {_listed(wrong.labels)} and leaves the label: {printable(pair[0])} then shows {printable(pair[1])}; "
            f"write {name}: {{p: {wrong.part.transform.p:g}, relabel: {relabel}}}{more}, or: {_off(wrong, labels)}"
        )
    what = f"{_VERBS[name]} {_listed(wrong.labels)}{_degrees(wrong)}"
    return f"{what}: by name a direction or a side, and the label stays; {_off(wrong, labels)}"


_VERBS = {"flip_h": "mirrors", "flip_v": "turns upside down", "transpose": "mirrors", "rotate90": "turns by quarters", "rotate": "turns"}


def _degrees(wrong: _Found) -> str:
    turns = wrong.part.transform.name == "rotate"
    return f" by up to {_turn(wrong.part.transform):.0f} degrees" if turns else ""


def _both_ways(becomes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each class with its other and the other with it, in order."""
    return list(dict.fromkeys(pair for a, b in becomes.items() for pair in ((a, b), (b, a))))


def _off(wrong: _Found, labels: Sequence[str]) -> str:
    """How to keep a part from these classes."""
    part = wrong.part
    less = "keep it below 60 degrees" if part.transform.name == "rotate" else "take it out"
    if part.loc[:1] == ("classes",) or (len(wrong.labels) == len(labels) > 1):
        return less
    if part.place != f"warp.{part.transform.name}":
        return "give these classes a warp of their own under classes" if len(wrong.labels) > 1 else "give the class a warp of its own"
    value = 15 if part.transform.name == "rotate" else 0
    return f"write classes: {{{_key(wrong.labels[0])}: {{warp: {{{part.transform.name}: {value}}}}}}}" + (
        " and so for the others" if len(wrong.labels) > 1 else ""
    )


def _key(label: str) -> str:
    """A label as a key or value of YAML."""
    shown = printable(label)
    plain = re.fullmatch(r"[^\W\d][\w -]*\w|[^\W\d]", shown) and scalar(shown) == shown
    return shown if plain else json.dumps(shown, ensure_ascii=False)


def _listed(labels: Sequence[str]) -> str:
    shown = [printable(label) or "(no label)" for label in labels[:3]]
    return ", ".join(shown) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
