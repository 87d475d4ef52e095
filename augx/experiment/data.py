"""The pictures of an experiment, and their parts: by source, before anything is expanded."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from augx.audit.siblings import known_families
from augx.errors import PlanError, SourceError, printable
from augx.experiment.settings import HONEST, LEAK, Settings
from augx.experiment.stratified import stratify
from augx.inputs import find_sources
from augx.pictures import Array, Pictures
from augx.sources import Source, source_bytes
from augx.split import TRAIN

SHARES = (("train", 0.6), ("val", 0.15), ("test", 0.25))
APART = (("train", 0.85), ("val", 0.15))
"""The shares where the test pictures are held apart by the user."""
_PARTS = {"train", "test", "val", "valid", "validation"}
_SHOWN = 3


@dataclass(frozen=True)
class Part:
    """Pictures of one part: ``sources`` and, in the same order, ``images`` (n, size, size, 3) uint8 and ``labels`` (n,) int64."""

    sources: tuple[Source, ...]
    images: Array
    labels: Array

    def chosen(self, places: Sequence[int]) -> Part:
        """Some of them."""
        where = np.asarray(places, np.int64)
        return Part(tuple(self.sources[i] for i in places), self.images[where], self.labels[where])


@dataclass(frozen=True)
class Data:
    """What an experiment works on; ``groups`` (n,) say which pictures of ``all`` are of one source; ``test`` are those held apart."""

    classes: tuple[str, ...]
    all: Part
    groups: tuple[str, ...]
    test: Part | None
    siblings: bool
    """Whether the dataset is itself a set that augx expanded."""
    fingerprint: str
    notes: tuple[str, ...]
    cure: str = "add pictures of it"
    """What to do where a class has too few sources to be split."""


@dataclass(frozen=True)
class Parts:
    """The three parts of a run. No group of ``train`` or ``val`` is in ``test``, but where a leak is shown on purpose."""

    train: Part
    val: Part
    test: Part


def read_data(settings: Settings) -> Data:
    """The dataset (and the test pictures), each picture read once and brought to the size. Raises ``PlanError``."""
    notes: list[str] = []
    sources, groups, siblings = _grouped(settings.dataset, "--dataset", notes)
    classes = _classes(sources, settings.dataset)
    held: list[Source] = []
    held_groups: list[str] = []
    if settings.test is not None:
        held, held_groups, _ = _grouped(settings.test, "--test", notes)
        _check_test(held, classes, settings.test)
        twins = set(groups) & set(held_groups)
        if twins:
            found = [i for i, group in enumerate(groups) if group not in twins]
            notes.append(f"--dataset: {len(groups) - len(found)} pictures are in --test as well, and are not trained on")
            sources, groups = [sources[i] for i in found], [groups[i] for i in found]
    if siblings and not settings.leak:
        notes.append(
            f"--dataset {printable(settings.dataset)}: a set that augx made: {len(sources):,} pictures are copies of "
            f"{len(set(groups)):,} sources; they are split by source, as its manifest names it"
        )
    kept = _fraction(sources, groups, settings)
    sources, groups = [sources[i] for i in kept], [groups[i] for i in kept]
    if settings.test is not None and settings.most:
        held = [held[i] for i in _fraction(held, held_groups, replace(settings, fraction=1.0))]
    everything, read = _loaded(sources, classes, settings.size, notes)
    groups = [groups[i] for i in read]
    test = _loaded(held, classes, settings.size, notes)[0] if held else None
    digest = hashlib.sha256("\n".join(sorted(f"{s.key}\0{g}" for s, g in zip(everything.sources, groups, strict=True))).encode())
    digest.update("\n".join(sorted(held_groups)).encode())
    return Data(classes, everything, tuple(groups), test, siblings, digest.hexdigest()[:16], tuple(notes), _cure(siblings, settings))


def _cure(siblings: bool, settings: Settings) -> str:
    if settings.fraction < 1:
        return f"--fraction {settings.fraction:g} leaves no more: take a larger one"
    if siblings and settings.test is None:
        return "copies don't count; --dataset-is-expanded --test DIR, with pictures of others, shows what training on such a set is worth"
    return "add pictures of it (files with the same bytes are one source)"


def parts_of(data: Data, seed: int, arm: str = "") -> Parts:
    """The parts of a seed: whole groups, each class in every part. Only ``LEAK`` splits by picture. Raises ``PlanError``."""
    groups: Sequence[str] = data.groups
    by_picture = arm == LEAK or (arm == HONEST and data.test is not None and _few_groups(data))
    if by_picture:
        groups = [str(i) for i in range(len(groups))]
    apart = data.test is not None and arm != LEAK
    names = stratify(data.all.labels, groups, data.classes, APART if apart else SHARES, seed, data.cure)
    places: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        places[name].append(i)
    test = data.test if apart and data.test is not None else data.all.chosen(places["test"])
    return Parts(data.all.chosen(places[TRAIN]), data.all.chosen(places["val"]), test)


def _few_groups(data: Data) -> bool:
    """Whether some class has one source alone: then training and validation pictures can't but be siblings."""
    found: dict[int, set[str]] = defaultdict(set)
    for label, group in zip(data.all.labels.tolist(), data.groups, strict=True):
        found[label].add(group)
    return min(len(of_class) for of_class in found.values()) < 2


def _grouped(path: str, option: str, notes: list[str]) -> tuple[list[Source], list[str], bool]:
    """Sources, the group of each (its source's SHA-256, as a manifest tells it, or its own), and whether a manifest tells of siblings."""
    try:
        found = find_sources(path)
    except PlanError as error:
        raise PlanError(str(error).replace("--input", option)) from None
    sources = found.sources
    tops = {source.folder.partition("/")[0] for source in sources}
    if tops and tops <= _PARTS:
        raise PlanError(
            f"{option} {printable(path)}: its folders are parts ({', '.join(sorted(tops))}); give --dataset DIR/train --test DIR/test"
        )
    families = known_families([path, *(f"{path.rstrip('/')}/{top}" for top in sorted(tops))])
    notes += families.notes
    sources = [source for source in sources if source.path not in families.beside]
    groups, kept = [], []
    for source in sources:
        known = families.sources.get(source.path)
        try:
            groups.append(known.hex() if known else hashlib.sha256(source_bytes(source)).hexdigest())
            kept.append(source)
        except SourceError as error:
            notes.append(f"left out {printable(source.where)}: {error}")
    counts = Counter(groups)
    copies = bool(families.sources) and len(counts) < len(groups)
    same = sum(n for n in counts.values() if n > 1)
    if same and not copies:
        notes.append(f"{option}: {same} files have the bytes of another one; they count as one source and stay in one part")
    return kept, groups, copies


def _classes(sources: Sequence[Source], path: str) -> tuple[str, ...]:
    classes = tuple(sorted({source.label for source in sources}))
    if len(classes) < 2:
        one = f"one class only ({printable(classes[0])})" if classes and classes[0] else "no classes"
        raise PlanError(f"--dataset {printable(path)}: {one}; a classifier needs two or more: put pictures as DIR/CLASS/...")
    return classes


def _check_test(held: Sequence[Source], classes: Sequence[str], path: str) -> None:
    found = {source.label for source in held}
    wrong = (("has classes that --dataset lacks", found - {*classes}), ("lacks classes of --dataset", {*classes} - found))
    for what, names in wrong:
        if names:
            shown = printable(", ".join(sorted(names)[:_SHOWN]))
            raise PlanError(f"--test {printable(path)}: {what}: {shown}; both need the same class folders")


def _fraction(sources: Sequence[Source], groups: Sequence[str], settings: Settings) -> list[int]:
    """Places of the pictures that are used: of each class the same share of its groups, by a hash, at most ``most`` in all."""
    if settings.fraction == 1 and not settings.most:
        return list(range(len(sources)))
    of_class: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, (source, group) in enumerate(zip(sources, groups, strict=True)):
        of_class[source.label][group].append(i)
    kept: list[int] = []
    for found in of_class.values():
        ranked = sorted(found, key=lambda group: hashlib.blake2b(f"{settings.seed}\0{group}".encode()).digest())
        room = settings.most // len(of_class) if settings.most else len(sources)
        for group in ranked[: max(1, round(settings.fraction * len(ranked)))]:
            if room > 0:
                kept += found[group]
                room -= len(found[group])
    return sorted(kept)


def _loaded(sources: Sequence[Source], classes: Sequence[str], size: int, notes: list[str]) -> tuple[Part, list[int]]:
    """The pictures as they are, at the size; and the places of those that could be read."""
    pictures = Pictures(sources, {"augx": 1}, size=(size, size), cache_bytes=0)
    images = np.empty((len(sources), size, size, 3), np.uint8)
    read: list[int] = []
    for i in range(len(sources)):
        try:
            images[len(read)] = pictures.picture(i, 0)[0]
            read.append(i)
        except SourceError as error:
            notes.append(f"left out {error}")
    if not read:
        raise PlanError(f"none of {len(sources)} pictures can be read; {notes[-1]}")
    indices = {label: i for i, label in enumerate(classes)}
    labels = np.array([indices[sources[i].label] for i in read], np.int64)
    return Part(tuple(sources[i] for i in read), images[: len(read)], labels), read


def load_part(sources: Sequence[Source], classes: Sequence[str], size: int) -> Part:
    """A part whose pictures were just made. Raises ``PlanError`` for classes that the experiment does not know."""
    further = sorted({source.label for source in sources} - {*classes})
    if further:
        raise PlanError(f"the spec makes copies of a class that the dataset lacks: {printable(further[0])}; leave its relabel out")
    return _loaded(sources, classes, size, [])[0]
