"""Left and right in the names of keypoints: which point takes which one's place in a mirror."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9_\-. ]+")
"""``LeftEye``, ``L_Eye``, ``leftEye`` and ``left-eye`` in words."""
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}
_BEGINS = re.compile(r"left|right")
_ENDS = re.compile(r"(left|right)$")


def mirrored(names: Sequence[str]) -> tuple[int, ...]:
    """For each name the number of its counterpart, with left and right exchanged; its own number where there is none.

    A side is a word by itself (``left``, ``right``, ``l``, ``r``, in any case), else the beginning or the end of a word
    (``lefteye``). Only pairs count, so the result is its own inverse.
    """
    words = [tuple(word.lower() for word in _WORD.findall(name)) for name in names]
    times = Counter(words)
    number = {key: i for i, key in enumerate(words) if times[key] == 1}
    found = [number.get(_exchanged(key), i) if times[key] == 1 else i for i, key in enumerate(words)]
    return tuple(other if found[other] == i else i for i, other in enumerate(found))


def _exchanged(words: tuple[str, ...]) -> tuple[str, ...]:
    if any(word in _OTHER for word in words):
        return tuple(_OTHER.get(word, word) for word in words)
    return tuple(_within(word) for word in words)


def _within(word: str) -> str:
    match = _BEGINS.match(word) or _ENDS.search(word)
    return word if match is None else word[: match.start()] + _OTHER[match[0]] + word[match.end() :]
