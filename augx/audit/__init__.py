"""What is wrong with an image set before anything is learned from it: leaks between its parts, and what else its files tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from augx.audit.likeness import SIDE
from augx.audit.look import Look, look_at_all
from augx.audit.matches import Match, Traits, find_matches
from augx.audit.parts import File, find_parts
from augx.audit.siblings import known_families
from augx.audit.sums import Imbalance, Sizes, counted, imbalances, missing, size_outliers
from augx.decode import MAX_PIXELS
from augx.executors import Stop, available_cores

NEAR = 8
"""Bits that the hashes of near-duplicates differ in at most, by default."""


@dataclass(frozen=True)
class Findings:
    """All that an audit found; files by their numbers in ``files``, which are sorted, the part that is learned from first.

    ``counts``: by part, by class, the files that can be read; ``unreadable``: (file, reason); ``missing``: (part, class);
    ``others``: files that are no images, by extension; ``empty``: class folders; ``flat``: pictures too flat to compare;
    ``made``: copies whose source a manifest names.
    """

    parts: tuple[str, ...]
    files: list[File]
    matches: list[Match]
    counts: dict[str, dict[str, int]]
    unreadable: list[tuple[int, str]]
    imbalances: list[Imbalance]
    missing: list[tuple[str, str]]
    sizes: Sizes
    others: dict[str, int]
    empty: tuple[str, ...]
    links: int
    flat: int
    made: int
    near: int
    notes: tuple[str, ...]

    @property
    def leaks(self) -> bool:
        """Whether a picture, or a copy of it, is in two parts."""
        return any(match.kind == "leak" for match in self.matches)


def audit(
    folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    near: int = NEAR,
    jobs: int | None = None,
    max_pixels: int = MAX_PIXELS,
    timeout: float = 60.0,
    on_found: Callable[[int], None] | None = None,
    on_looked: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> Findings:
    """Look at all images of a set: of one folder, with its parts (train, val ...) on top or none, or of one folder a part.

    ``near``: bits that near-duplicates' hashes differ in at most, 0 to 12; ``timeout``: seconds for a file, where this process can
    be forked. ``on_found`` gets the number of files, ``on_looked`` those read since. Raises ``PlanError`` for folders that are no set.
    """
    parts = find_parts([folders] if isinstance(folders, str | os.PathLike) else folders)
    known = known_families(parts.roots)
    files = [file for file in parts.files if file.path not in known.beside]
    if on_found is not None:
        on_found(len(files))
    thumbnails = np.zeros((len(files), SIDE, SIDE), np.uint8)
    looks: list[Look] = []
    for some in look_at_all([file.path for file in files], jobs or available_cores(), max_pixels, stop, timeout):
        for look in some:
            if not look.fault:
                thumbnails[len(looks)] = np.frombuffer(look.thumbnail, np.uint8).reshape(SIDE, SIDE)
            looks.append(look._replace(thumbnail=b""))
        if on_looked is not None:
            on_looked(len(some))
    labels = {label: number for number, label in enumerate(sorted({file.label for file in files if file.label}))}
    traits = Traits(
        np.array([file.part for file in files], np.int32),
        np.array([labels.get(file.label, -1) for file in files], np.int32),
        [look.digest or None for look in looks],
        [look.pixels or None for look in looks],
        [known.sources.get(file.path) for file in files],
        thumbnails,
    )
    matches, flat = find_matches(traits, near)
    whole = np.array([number for number, look in enumerate(looks) if not look.fault], np.int64)
    sizes = np.array([looks[number][1:3] for number in whole], np.int64).reshape(-1, 2)
    counts = counted(parts.names, [(files[number].part, files[number].label) for number in whole])
    return Findings(
        parts=parts.names,
        files=files,
        matches=matches,
        counts=counts,
        unreadable=[(number, look.fault) for number, look in enumerate(looks) if look.fault],
        imbalances=imbalances(counts),
        missing=missing(counts),
        sizes=size_outliers(whole, sizes[:, 0], sizes[:, 1]),
        others=parts.others,
        empty=parts.empty,
        links=parts.links,
        flat=flat,
        made=sum(family is not None for family in traits.families),
        near=near,
        notes=(*parts.notes, *known.notes),
    )
