"""Which pictures of an experiment are of one source, so that no split takes them apart: siblings, and files with the same bytes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from augx.audit.siblings import Families, known_families
from augx.errors import PlanError, SourceError, printable
from augx.inputs import find_sources
from augx.manifest import MANIFEST
from augx.sources import Source, source_bytes

_TRAINED = {"train", "training"}
_PARTS = _TRAINED | {"test", "testing", "val", "valid", "validation", "dev", "eval"}


@dataclass(frozen=True)
class Found:
    """Pictures, and of each the SHA-256 of its source (``families``, its own where no manifest tells of one) and of its bytes."""

    sources: Sequence[Source]
    families: Sequence[str]
    contents: Sequence[str]
    siblings: bool
    """Whether a manifest of augx says that some are copies of one source."""


def find_families(path: str, option: str, notes: list[str]) -> Found:
    """The pictures of a dataset with their families. Raises ``PlanError``."""
    try:
        found = find_sources(path)
    except PlanError as error:
        text = str(error).replace("--input", option)
        raise PlanError(text if option in text else f"{option} {text}") from None
    sources = _labelled(found.sources, option, notes)
    _check_tops({source.folder.partition("/")[0] for source in sources}, option, path)
    known = _known(sources, option, path)
    notes += known.notes
    kept, families, contents = [], [], []
    closed: dict[str, str] = {}
    for source in sources:
        place = _place(source)
        if place in known.beside:
            continue
        try:
            content = hashlib.sha256(source_bytes(source)).hexdigest()
        except SourceError as error:
            notes.append(f"left out {printable(source.where)}: {error}")
            closed[source.label] = notes[-1]
            continue
        family = known.sources.get(place)
        kept.append(source)
        families.append(family.hex() if family else content)
        contents.append(content)
    gone = min({*closed} - {source.label for source in kept}, default=None)
    if gone is not None:  # an experiment with a class less would be another one
        raise PlanError(f"{option} {printable(path)}: of class {printable(gone)} no picture can be read; {closed[gone]}")
    siblings = bool(known.sources) and len(set(families)) < len(kept)
    same = sum(n for n in Counter(contents).values() if n > 1)
    if same and not siblings:
        notes.append(f"{option}: {same:,} files have the bytes of another one; they count as one source and stay in one part")
    return Found(kept, families, contents, siblings)


def groups_of(own: Found, other: Found | None) -> tuple[list[str], list[str]]:
    """The group of each picture of both: what is of one source or has the same bytes, whatever a manifest knows of it, is one."""
    joined: dict[str, str] = {}

    def top(name: str) -> str:
        while (above := joined.setdefault(name, name)) != name:
            joined[name] = joined[above]
            name = above
        return name

    both = [own] if other is None else [own, other]
    for found in both:
        for family, content in zip(found.families, found.contents, strict=True):
            joined[top(content)] = top(family)
    names: dict[str, str] = {}
    for found in both:
        for family in found.families:
            names[top(family)] = min(family, names.get(top(family), family))
    groups = [[names[top(family)] for family in found.families] for found in both]
    return groups[0], groups[1] if other is not None else []


def _labelled(sources: Sequence[Source], option: str, notes: list[str]) -> list[Source]:
    """Those in class folders; pictures beside such folders would be a class without a name."""
    loose = [source for source in sources if not source.label]
    if loose and len(loose) < len(sources):
        more = f" and {len(loose) - 1:,} more" if len(loose) > 1 else ""
        notes.append(f"{option}: left out {printable(loose[0].where)}{more}: outside the class folders")
        return [source for source in sources if source.label]
    return list(sources)


def _check_tops(tops: set[str], option: str, path: str) -> None:
    """Raise ``PlanError`` for folders that are parts of a set: a classifier of train and test is not what anybody wants."""
    parts = sorted(top for top in tops if top.casefold() in _PARTS)
    if parts and (len(parts) == len(tops) or (len(parts) > 1 and _TRAINED & {part.casefold() for part in parts})):
        raise PlanError(
            f"{option} {printable(path)}: its folders are parts ({printable(', '.join(parts))}); give --dataset DIR/train --test DIR/test"
        )


def _place(source: Source) -> str:
    """A source's path with all links of its folder followed, so that it is found by whatever way it was named."""
    folder, name = os.path.split(source.path)
    return os.path.join(os.path.realpath(folder), name)


def _known(sources: Sequence[Source], option: str, path: str) -> Families:
    """What manifests say, in the folders of the pictures and in all above them: the dataset may be a part of a set."""
    roots: dict[str, None] = {}
    seen: set[str] = set()
    for folder in {os.path.dirname(source.path): None for source in sources if "://" not in source.path}:
        above = os.path.realpath(folder)
        while above not in seen:
            seen.add(above)
            if os.path.lexists(os.path.join(above, MANIFEST)):
                roots[above] = None
            above = os.path.dirname(above)
    families = known_families(list(roots))
    if any(source.part is not None and _below(source.path, roots) for source in sources):
        raise PlanError(
            f"{option} {printable(path)}: packed by augx, where siblings can't be told apart; give the set as class folders "
            "(augx generate without --to), or the pictures that it was made from"
        )
    return families


def _below(path: str, roots: dict[str, None]) -> bool:
    real = os.path.realpath(path)
    return any(os.path.commonpath([real, root]) == root for root in roots)
