"""Split: which part of the set (train, val, test) a source belongs to, so that no copy of a test picture is ever trained on.

A group's place between 0 and 1 is a keyed hash of its name alone, and the parts are intervals of it in the order given. So a group
stays where it is when the set grows, whatever the order of the sources.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augx.errors import PlanError, printable
from augx.sample import Array
from augx.sources import Source
from augx.wording import nearest

TRAIN = "train"
"""The one part that is augmented."""

_PART = re.compile(r"[^\W_][\w-]{0,39}")
_DOMAIN = b"augx-split-1"


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a set and their shares, in order; ``group_by`` names a column, or is a regular expression for keys.

    Raises ``PlanError`` for parts that are no names of folders or the same twice, for shares that don't add up to 1,
    and where no part is called train.
    """

    shares: tuple[tuple[str, float], ...]
    group_by: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        given = f"--split {','.join(f'{printable(name)}={share:g}' for name, share in self.shares)}"
        names = self.parts
        for name in names:
            if not _PART.fullmatch(name):
                raise PlanError(f"{given}: {printable(name) or 'an empty name'}: a part is a folder's name of letters, digits, - and _")
        twice = [name for i, name in enumerate(names) if name.casefold() in [other.casefold() for other in names[:i]]]
        if twice:
            raise PlanError(f"{given}: {twice[0]} stands there twice (case makes no difference); give each part its own name")
        for name, share in self.shares:
            if not (math.isfinite(share) and share > 0):
                raise PlanError(f"{given}: the share of {name} is {share:g}; expected more than 0, less than 1")
        if TRAIN not in names:
            raise PlanError(f"{given}: no part is called {TRAIN}, the one that is augmented{nearest(TRAIN, names)}")
        if len(names) < 2:
            raise PlanError(f"{given}: a split has at least two parts, such as train=0.8,val=0.2")
        total = sum(share for _, share in self.shares)
        if abs(total - 1) > 1.000001e-6:  # six nines are meant to be enough
            raise PlanError(f"{given}: the shares add up to {total:.9g}, not to 1{_scaled(self.shares, total)}")

    @staticmethod
    def parse(text: str, group_by: str = "", seed: int = 0) -> Split:
        """The split that ``train=0.8,val=0.1,test=0.1`` says. Raises ``PlanError``."""
        shares = []
        for item in text.split(","):
            name, equals, share = map(str.strip, item.partition("="))
            try:
                shares.append((name, float(share)))
            except ValueError:
                found = f"the share of {printable(name)} is {printable(share)}" if equals else f"found {printable(item) or 'nothing'}"
                raise PlanError(f"--split {printable(text)}: {found}; write parts and shares such as train=0.8,val=0.1,test=0.1") from None
        return Split(tuple(shares), group_by, seed)

    def state(self) -> dict[str, object]:
        """JSON-plain, for run.json."""
        shares = ",".join(f"{name}={share:g}" for name, share in self.shares)
        return {"shares": shares, **({"group_by": self.group_by} if self.group_by else {}), **({"seed": self.seed} if self.seed else {})}

    @property
    def parts(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(name for name, _ in self.shares)


def _scaled(shares: Sequence[tuple[str, float]], total: float) -> str:
    """What to write for shares that are not shares of 1: the same, scaled to it, as far as four digits can say it."""
    scaled = [round(share / total, 4) for _, share in shares[:-1]]
    scaled.append(round(1 - sum(scaled), 4))
    if min(scaled) <= 0:
        return ""
    return f"; write {','.join(f'{name}={share:g}' for (name, _), share in zip(shares, scaled, strict=True))}"


@dataclass(frozen=True, slots=True)
class _Groups:
    """The groups of a set by number: their ``names``, their ``places`` in (0, 1), and which class each shows.

    ``labels`` are sorted; ``pairs`` (n, 2) are the number of a label and of a group with a source of it, each once, sorted.
    """

    names: list[str]
    places: Array
    labels: list[str]
    pairs: Array

    def of_label(self, label: int) -> Array:
        begin, end = np.searchsorted(self.pairs[:, 0], (label, label + 1))
        found: Array = self.pairs[begin:end, 1]
        return found


def assign(sources: Sequence[Source], split: Split, kept: Mapping[str, str] | None = None) -> tuple[list[str], list[str]]:
    """The part of each source, and notes for the user, one line each.

    Every class (label) gets something into every part: where chance leaves one out, the class' group that lies nearest is moved
    there. ``kept`` (key -> part, from an earlier run) wins over everything. Raises ``PlanError`` for a class with fewer groups
    than parts, for ``group_by`` that leaves a source without a group, and for what was kept on two sides.
    """
    find = _finder(sources, split.group_by)
    group_names = [find(source) for source in sources]
    numbers: dict[str, int] = {}
    numbered = [numbers.setdefault(name, len(numbers)) for name in group_names]
    labels = sorted({source.label for source in sources})
    label_numbers = {label: i for i, label in enumerate(labels)}
    joint = np.array([label_numbers[source.label] for source in sources], np.int64) * len(numbers) + np.array(numbered, np.int64)
    joint.sort()
    once = joint[np.diff(joint, prepend=-1) > 0]
    groups = _Groups(list(numbers), _places(split.seed, numbers), labels, np.column_stack(np.divmod(once, max(1, len(numbers)))))
    bounds = list(itertools.accumulate(share for _, share in split.shares))[:-1]
    part = np.searchsorted(bounds, groups.places, side="right")
    fixed = np.zeros(len(numbers), bool)
    if kept:
        members = list(zip((source.key for source in sources), numbered, strict=True))
        held = np.array(_held(kept, members + _gone(kept, members, numbers, find, split), groups, split))
        fixed = held >= 0
        part = np.where(fixed, held, part)
    moved = _repair(groups, part, fixed, split)
    names = split.parts
    shown = [names[i] for i in part.tolist()]
    notes = []
    if moved:
        first = min(moved, key=lambda group: groups.names[group])
        notes.append(
            f"--split: {len(moved):,} of {len(numbers):,} {_unit(split, len(numbers))} moved, so that every part has "
            f"some of every class; such as {printable(groups.names[first])} to {shown[first]}"
        )
    return [shown[i] for i in numbered], notes


def _unit(split: Split, number: int) -> str:
    return ("group" if split.group_by else "picture") + ("" if number == 1 else "s")


def _finder(sources: Sequence[Source], group_by: str) -> Callable[[Source], str]:
    """What tells a source's group: its key, the column of that name, or what a regular expression finds in its key."""
    if not group_by:
        return lambda source: _normal(source.key)
    shown = f"--group-by {printable(group_by)}"
    if any(group_by in source.columns for source in sources):

        def of_column(source: Source) -> str:
            value = str(source.columns.get(group_by, "")).strip()
            if not value:
                raise PlanError(f"{shown}: a group column with holes: {printable(source.where)} has no value there; fill it in")
            return _normal(value)

        return of_column
    lacking = f"{shown}: no column has this name{nearest(group_by, {name for source in sources for name in source.columns})}, and"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pattern = re.compile(group_by)
    except (re.error, OverflowError, RecursionError) as error:
        raise PlanError(f"{lacking} as a regular expression it is broken: {printable(error)}") from None

    def of_key(source: Source) -> str:
        match = pattern.search(source.key)
        name = match and match[1 if pattern.groups else 0]
        if not name:
            raise PlanError(f"{lacking} as a regular expression it finds no group in {printable(source.key)}; it must in every key")
        return _normal(name)

    return of_key


def _normal(name: str) -> str:
    """One form for names that look the same: macOS takes accents apart."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _places(seed: int, names: Mapping[str, int]) -> Array:
    """A uniform in (0, 1) for each name, of nothing but the seed and the name."""
    keyed = hashlib.blake2b(f"{seed}\0".encode(), key=_DOMAIN, digest_size=8)
    words = bytearray()
    for name in names:
        digest = keyed.copy()
        digest.update(name.encode("utf-8", "surrogatepass"))
        words += digest.digest()
    # 52 bits and half a step: never 0 or 1.
    return ((np.frombuffer(bytes(words), "<u8") >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _gone(
    kept: Mapping[str, str], members: Sequence[tuple[str, int]], numbers: Mapping[str, int], find: Callable[[Source], str], split: Split
) -> list[tuple[str, int]]:
    """Keys of an earlier run that no source has any more, with the number of their group, where a key alone tells the group."""
    found: list[tuple[str, int]] = []
    here = {key for key, _ in members} if split.group_by else kept.keys()
    for key in kept:
        if key not in here:
            try:
                found.append((key, numbers.get(find(Source(key, key, "", "")), -1)))
            except PlanError:
                continue
    return [(key, number) for key, number in found if number >= 0]


def _held(kept: Mapping[str, str], members: Sequence[tuple[str, int]], groups: _Groups, split: Split) -> list[int]:
    """By number of the group, the part that an earlier run put it into, or -1."""
    parts = {name: i for i, name in enumerate(split.parts)}
    for key, name in kept.items():
        if name not in parts:
            raise PlanError(
                f"the output has {printable(key)} in {printable(name)}, which is no part of --split "
                f"({', '.join(parts)}); split as the earlier run did, or start a new output"
            )
    held = [-1] * len(groups.names)
    for key, number in members:
        if key in kept:
            part = parts[kept[key]]
            if held[number] not in (-1, part):
                other = next(one for one, its in members if its == number and one in kept)
                raise PlanError(
                    f"the output has {printable(other)} in {kept[other]} and {printable(key)} in {kept[key]}, which are one group "
                    f"({printable(groups.names[number])}); group as the earlier run did, or start a new output"
                )
            held[number] = part
    return held


def _repair(groups: _Groups, part: Array, fixed: Array, split: Split) -> list[int]:
    """Move groups (in ``part``) so that every part has one of every class; which were moved.

    A group never leaves a part whose last of any class it is, and one that is ``fixed`` stays.
    """
    size = len(split.parts)
    cells = groups.pairs[:, 0] * size + part[groups.pairs[:, 1]]
    counts = np.bincount(cells, minlength=len(groups.labels) * size).reshape(-1, size)
    few = np.flatnonzero(counts.sum(axis=1) < size).tolist()
    if few:
        n = int(counts[few[0]].sum())
        more = f" (as {len(few) - 1:,} more {'class' if len(few) == 2 else 'classes'})" if len(few) > 1 else ""
        raise PlanError(
            f"{_class(groups.labels[few[0]])} has {n} {_unit(split, n)}{more}, too few for {size} parts: each part "
            f"needs one of every class; add pictures, leave the class out, or make fewer parts"
        )
    by_group = groups.pairs[np.argsort(groups.pairs[:, 1], kind="stable")]
    edges = [0.0, *itertools.accumulate(share for _, share in split.shares)]
    moved: dict[int, None] = {}
    for label, to in np.argwhere(counts == 0).tolist():
        if counts[label, to]:
            continue  # by a group of several classes, which another one of them needed there

        def away(group: int, to: int = to) -> tuple[float, float, str]:
            place = float(groups.places[group])
            return max(edges[to] - place, place - edges[to + 1], 0.0), place, groups.names[group]

        for group in sorted(groups.of_label(label)[~fixed[groups.of_label(label)]].tolist(), key=away):
            begin, end = np.searchsorted(by_group[:, 1], (group, group + 1))
            its = by_group[begin:end, 0]
            if (counts[its, part[group]] > 1).all():
                counts[its, part[group]] -= 1
                counts[its, to] += 1
                part[group] = to
                moved[group] = None
                break
        else:
            raise PlanError(_stuck(groups, label, split, fixed, split.parts[to]))
    return list(moved)


def _stuck(groups: _Groups, label: int, split: Split, fixed: Array, to: str) -> str:
    own = groups.of_label(label)
    stay = int(fixed[own].sum())
    why = f"the output has {stay:,} of them in other parts" if stay else "it would leave a part without one of their other classes"
    return (
        f"{_class(groups.labels[label])}: none of its {len(own):,} {_unit(split, len(own))} can go to {to}, as {why}; "
        f"add pictures of it, or {'start a new output' if stay else 'make fewer parts'}"
    )


def _class(label: str) -> str:
    return f"class {printable(label)}" if label else "the set"
