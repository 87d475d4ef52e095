"""Sets that augx made: which source a file is a copy of is in the manifest, so siblings are known and not guessed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from augx.errors import OutputError
from augx.manifest import MANIFEST, Manifest, read_run


@dataclass(frozen=True)
class Families:
    """By path: the SHA-256 of the source that a file was made of; the paths that are no pictures of their own, such as masks."""

    sources: dict[str, bytes] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def known_families(roots: Sequence[str]) -> Families:
    """What the manifests of augx' own sets in ``roots`` say. One that can't be read is a note."""
    known = Families()
    for root in roots:
        try:
            if os.path.lexists(os.path.join(root, MANIFEST)) and read_run(root) is not None:
                _read(root, known)
        except OutputError as error:
            known.notes.append(f"{error}; until then its siblings are not known")
    return known


def _read(root: str, known: Families) -> None:
    digests: dict[str, bytes] = {}  # by source: one that was changed later is still the same picture's family
    with Manifest(root, look_only=True) as manifest:
        for _, fields in manifest.entries():
            if "source" not in fields or "source_sha256" not in fields:
                continue
            try:
                digest = digests.setdefault(fields["source"], bytes.fromhex(fields["source_sha256"]))
            except ValueError:
                continue
            known.sources[os.path.join(root, fields["file"])] = digest
            known.beside.update(os.path.join(root, part["file"]) for part in fields.get("beside", ()))
