"""Which files of a set match which: across its parts, across its classes, within a class of a part.

The files are in order, the part that is learned from first. Of two that match, the later one has the finding, and it has one
of each kind, with its strongest match: so there are never more findings than files, however many copies a picture has.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from augx.audit.likeness import Likeness, is_flat, perceptual_hashes
from augx.audit.near import near_pairs

Array = np.ndarray[Any, Any]

Kind = Literal["leak", "conflict", "copy"]
How = Literal["identical", "pixels", "siblings", "near"]
KINDS: tuple[Kind, ...] = ("leak", "conflict", "copy")
HOWS: tuple[How, ...] = ("identical", "pixels", "siblings", "near")

_TOGETHER = 1 << 18
_TRIED = 16  # how many of a file's nearest, of each kind, are judged: a set of 1,000 frames of one scene has half a million pairs


@dataclass(frozen=True, slots=True)
class Match:
    """``file`` matches ``other``, an earlier one (numbers). Of near ones: the turn of ``file`` (see ``TURNS``), bits that differ,
    correlation.
    """

    kind: Kind
    how: How
    file: int
    other: int
    turn: int = 0
    bits: int = 0
    correlation: float = 1.0


@dataclass(frozen=True)
class Traits:
    """What is known of each file, in order; None or zeros of one that can't be read.

    ``parts`` and ``labels`` are numbers (label -1: no class), ``families`` the source's digest of a copy that augx made,
    ``thumbnails`` uint8 (n, side, side).
    """

    parts: Array
    labels: Array
    digests: Sequence[bytes | None]
    pixels: Sequence[bytes | None]
    families: Sequence[bytes | None]
    thumbnails: Array


def find_matches(traits: Traits, bits: int) -> tuple[list[Match], int]:
    """All findings, the strongest of a kind for each file, in the files' order; and how many pictures are too flat to compare."""
    found: dict[tuple[Kind, int], Match] = {}
    own = [family or digest for family, digest in zip(traits.families, traits.digests, strict=True)]
    kinds: list[tuple[How, Sequence[Hashable]]] = [("identical", traits.digests), ("pixels", traits.pixels), ("siblings", own)]
    for how, keys in kinds:
        for match in _equal(traits, how, keys):
            found.setdefault((match.kind, match.file), match)
    cells = _cells(traits)
    near, flat = _near(traits, np.array(sorted(set(cells.tolist()) - {-1}), np.int64), bits)
    for match in near:
        found.setdefault((match.kind, match.file), match)
    # A file that is the same as another one of its class and part has its leaks and conflicts too.
    for file in np.flatnonzero((cells >= 0) & (cells != np.arange(len(cells)))).tolist():
        for kind in KINDS[:2]:
            if (its := found.get((kind, int(cells[file])))) is not None:
                found.setdefault((kind, file), replace(its, file=file))
    return sorted(found.values(), key=lambda match: (KINDS.index(match.kind), HOWS.index(match.how), match.file)), flat


def _equal(traits: Traits, how: How, keys: Sequence[Hashable]) -> Iterator[Match]:
    """Matches of files with equal keys, each with one earlier file: one pass, whatever the number of equal ones."""
    first: dict[Hashable, int] = {}
    first_here: dict[Hashable, int] = {}
    first_labelled: dict[Hashable, int] = {}
    second_class: dict[Hashable, int] = {}  # the first file of another class than the first labelled one
    parts, labels = traits.parts.tolist(), traits.labels.tolist()
    for file, key in enumerate(keys):
        if key is None:
            continue
        if parts[other := first.setdefault(key, file)] != parts[file]:
            yield Match("leak", how, file, other)
        if how == "siblings":
            continue
        if (same := first_here.setdefault((key, parts[file], labels[file]), file)) != file:
            yield Match("copy", how, file, same)
        if labels[file] < 0:
            continue
        if labels[other := first_labelled.setdefault(key, file)] != labels[file]:
            second_class.setdefault(key, file)
        else:
            other = second_class.get(key, file)
        if other != file:
            yield Match("conflict", how, file, other)


def _cells(traits: Traits) -> Array:
    """For each file the first one with the same pixels in its class and part; -1 for one that has no pixels."""
    first: dict[Hashable, int] = {}
    keys = zip(traits.pixels, traits.parts.tolist(), traits.labels.tolist(), strict=True)
    return np.array([-1 if key[0] is None else first.setdefault(key, file) for file, key in enumerate(keys)], np.int64)


class _Best:
    """The best correlation of each file, of each kind."""

    def __init__(self, count: int) -> None:
        self.correlation = np.zeros((len(KINDS), count), np.float32)
        self.other = np.full((len(KINDS), count), -1, np.int64)
        self.turn = np.zeros((len(KINDS), count), np.int8)
        self.distance = np.zeros((len(KINDS), count), np.int8)

    def take(self, kind: int, first: Array, second: Array, columns: tuple[Array, Array, Array]) -> None:
        turn, distance, correlation = columns
        better = correlation > self.correlation[kind, second]
        order = np.flatnonzero(better)
        order = order[np.lexsort((-first[order], correlation[order]))]  # where a file comes twice, the last assignment stays
        rows = second[order]
        self.correlation[kind, rows], self.other[kind, rows] = correlation[order], first[order]
        self.turn[kind, rows], self.distance[kind, rows] = turn[order], distance[order]


def _near(traits: Traits, rows: Array, bits: int) -> tuple[list[Match], int]:
    """Near-duplicates among some files."""
    flat = is_flat(traits.thumbnails[rows])
    rows = rows[~flat]
    thumbnails = traits.thumbnails[rows]
    likeness, best = Likeness(thumbnails), _Best(len(rows))
    parts, labels = traits.parts[rows], traits.labels[rows]
    pixels, families = _numbers([traits.pixels[row] for row in rows]), _numbers([traits.families[row] for row in rows])
    for first, second, turn, distance in _gathered(perceptual_hashes(thumbnails), bits):
        # What is known already: the same pixels, and copies of one source, which are meant to be alike.
        new = (pixels[first] != pixels[second]) & ((families[first] != families[second]) | (families[first] < 0))
        leak = parts[first] != parts[second]
        conflict = (labels[first] != labels[second]) & (labels[first] >= 0) & (labels[second] >= 0)
        kept = np.flatnonzero(new)
        kept = kept[_nearest(second[kept], (2 * leak + conflict)[kept], distance[kept])]
        correlation = likeness.correlations(first[kept], second[kept], turn[kept])
        good = likeness.stand_out(first[kept], second[kept], correlation)
        kept, correlation = kept[good], correlation[good]
        for kind, wanted in enumerate((leak, conflict, ~(leak | conflict))):
            here = wanted[kept]
            at = kept[here]
            best.take(kind, first[at], second[at], (turn[at], distance[at], correlation[here]))
    found = []
    for kind, row in zip(*(column.tolist() for column in np.nonzero(best.other >= 0)), strict=True):
        numbers = int(best.turn[kind, row]), int(best.distance[kind, row]), round(float(best.correlation[kind, row]), 4)
        found.append(Match(KINDS[kind], "near", int(rows[row]), int(rows[best.other[kind, row]]), *numbers))
    return found, int(flat.sum())


def _gathered(hashes: Array, bits: int) -> Iterator[tuple[Array, Array, Array, Array]]:
    """The near pairs, each turn of a pair once in a batch, some hundred thousand at a time."""
    waiting: list[tuple[Array, ...]] = []
    for pairs in near_pairs(hashes, bits):
        waiting.append(pairs)
        if sum(len(each[0]) for each in waiting) >= _TOGETHER:
            yield _once(waiting)
            waiting = []
    if waiting:
        yield _once(waiting)


def _once(waiting: list[tuple[Array, ...]]) -> tuple[Array, Array, Array, Array]:
    first, second, turn, distance = (np.concatenate(columns) for columns in zip(*waiting, strict=True))
    key = (second.astype(np.int64) << 35) | (first.astype(np.int64) << 3) | turn
    _, kept = np.unique(key, return_index=True)
    return first[kept], second[kept], turn[kept], distance[kept]


def _nearest(files: Array, kinds: Array, distance: Array) -> Array:
    """Rows of the few pairs of each file and kind whose distance is smallest."""
    order = np.lexsort((distance, kinds, files))
    group = files[order].astype(np.int64) * 4 + kinds[order]
    begins = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]])) if len(group) else np.zeros(0, np.int64)
    place = np.arange(len(group)) - np.repeat(begins, np.diff(np.append(begins, len(group))))
    return order[place < _TRIED]


def _numbers(keys: Sequence[bytes | None]) -> Array:
    """Equal keys have equal numbers; None is -1."""
    numbers: dict[bytes, int] = {}
    return np.array([-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
