"""The pictures of an experiment, and their parts: by source, before anything is expanded."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from augx.errors import PlanError, SourceError, printable
from augx.experiment.families import find_families, groups_of
from augx.experiment.settings import HONEST, LEAK, Settings
from augx.experiment.stratified import stratify
from augx.pictures import Array, Pictures
from augx.sources import Source
from augx.split import TRAIN

SHARES = (("train", 0.6), ("val", 0.15), ("test", 0.25))
APART = (("train", 0.85), ("val", 0.15))
"""The shares where the test pictures are held apart by the user."""
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
    own = find_families(settings.dataset, "--dataset", notes)
    classes = _classes(own.sources, settings.dataset)
    held = find_families(settings.test, "--test", notes) if settings.test is not None else None
    groups, held_groups = groups_of(own, held)
    sources = list(own.sources)
    if held is not None:
        _check_test(held.sources, classes, str(settings.test))
        sources, groups = _without_twins(sources, groups, held_groups, settings, notes)
    if own.siblings and not settings.leak:
        notes.append(
            f"--dataset {printable(settings.dataset)}: a set that augx made: {len(sources):,} pictures are copies of "
            f"{len(set(groups)):,} sources; they are split by source, as its manifest names it"
        )
    kept = _fraction(sources, groups, settings)
    sources, groups = [sources[i] for i in kept], [groups[i] for i in kept]
    tested = list(held.sources) if held is not None else []
    if held is not None and settings.most:
        tested = [tested[i] for i in _fraction(tested, held_groups, replace(settings, fraction=1.0))]
    everything, read = _loaded(sources, classes, settings.size, notes)
    _check_classes(everything, classes, f"--dataset {printable(settings.dataset)}", notes)
    test = None
    if held is not None:
        test, _ = _loaded(tested, classes, settings.size, notes)
        _check_classes(test, classes, f"--test {printable(settings.test or '')}", notes)
    groups = [groups[i] for i in read]
    shown = [f"{s.key}\0{s.label}\0{group}" for s, group in zip(everything.sources, groups, strict=True)]
    held_shown = [f"{s.key}\0{s.label}\0{group}" for s, group in zip(held.sources, held_groups, strict=True)] if held is not None else []
    digest = hashlib.sha256("\n".join([*sorted(shown), "", *sorted(held_shown)]).encode("utf-8", "surrogatepass"))
    cure = _cure(own.siblings, settings)
    return Data(classes, everything, tuple(groups), test, own.siblings, digest.hexdigest()[:16], tuple(notes), cure)


def _without_twins(
    sources: list[Source], groups: list[str], held_groups: list[str], settings: Settings, notes: list[str]
) -> tuple[list[Source], list[str]]:
    """What is not in the test part too."""
    twins = set(groups) & set(held_groups)
    found = [i for i, group in enumerate(groups) if group not in twins]
    if len(found) < len(groups):
        lost = {source.label for source in sources} - {sources[i].label for i in found}
        if lost:
            raise PlanError(
                f"--dataset {printable(settings.dataset)}: all pictures of class {printable(min(lost))} are in --test "
                f"{printable(settings.test or '')} as well, or are copies of such; train on others than those that you test on"
            )
        notes.append(f"--dataset: {len(groups) - len(found):,} pictures are in --test as well, or of a source there: not trained on")
    return [sources[i] for i in found], [groups[i] for i in found]


def _check_classes(part: Part, classes: Sequence[str], what: str, notes: Sequence[str]) -> None:
    """Each class still has a picture: one that can't be read must not make an experiment with a class less."""
    gone = {*range(len(classes))} - {*part.labels.tolist()}
    if gone:
        raise PlanError(f"{what}: of class {printable(classes[min(gone)])} no picture can be read; {notes[-1]}")


def _cure(siblings: bool, settings: Settings) -> str:
    if settings.fraction < 1:
        return f"--fraction {settings.fraction:g} leaves no more: take a larger one"
    if siblings and settings.test is None:
        return "copies don't count; --dataset-is-expanded --test DIR, with pictures of others, shows what training on such a set is worth"
    return "add pictures of it (files with the same bytes are one source)"


def split_of(data: Data, seed: int, arm: str = "") -> list[str]:
    """The part of each picture: whole groups, each class in every part. Only ``LEAK`` splits by picture. Raises ``PlanError``."""
    groups: Sequence[str] = data.groups
    if arm == LEAK or (arm == HONEST and data.test is not None and few_groups(data)):
        groups = [str(i) for i in range(len(groups))]
    shares = APART if _apart(data, arm) else SHARES
    return stratify(data.all.labels, groups, data.classes, shares, seed, data.cure)


def parts_of(data: Data, seed: int, arm: str = "") -> Parts:
    """The parts of a seed, as ``split_of`` divides them; the test part are those held apart, if there are any. Raises ``PlanError``."""
    places: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(split_of(data, seed, arm)):
        places[name].append(i)
    test = data.test if _apart(data, arm) else None
    return Parts(data.all.chosen(places[TRAIN]), data.all.chosen(places["val"]), test or data.all.chosen(places["test"]))


def _apart(data: Data, arm: str) -> bool:
    return data.test is not None and arm != LEAK


def few_groups(data: Data) -> bool:
    """Whether some class has one source alone: then training and validation pictures can't but be siblings."""
    found: dict[int, set[str]] = defaultdict(set)
    for label, group in zip(data.all.labels.tolist(), data.groups, strict=True):
        found[label].add(group)
    return min(len(of_class) for of_class in found.values()) < 2


def _classes(sources: Sequence[Source], path: str) -> tuple[str, ...]:
    classes = tuple(sorted({source.label for source in sources}))
    if len(classes) < 2:
        one = f"one class only ({printable(classes[0])})" if classes and classes[0] else "no classes"
        raise PlanError(f"--dataset {printable(path)}: {one}; a classifier needs two or more: put pictures as DIR/CLASS/...")
    return classes


def _check_test(held: Sequence[Source], classes: Sequence[str], path: str) -> None:
    found = {source.label for source in held}
    if found <= {""}:
        raise PlanError(f"--test {printable(path)}: no class folders; put pictures as DIR/CLASS/..., in the classes of --dataset")
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
        for number, group in enumerate(ranked[: max(1, round(settings.fraction * len(ranked)))]):
            if room > 0 or number < len(SHARES):  # less can't be split
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
