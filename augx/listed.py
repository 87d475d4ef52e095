"""What of a set is there: what its manifest lists and the disk has, as ranges of numbers."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from augx.manifest import MANIFEST, Manifest, read_run


class Numbers:
    """A set of whole numbers kept as sorted ranges: a million copies in order cost as much as one."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, n: int) -> None:
        i = bisect_right(self._starts, n)
        joins_left = i > 0 and self._stops[i - 1] >= n
        joins_right = i < len(self._starts) and self._starts[i] == n + 1
        if joins_left and self._stops[i - 1] > n:
            return
        if joins_left and joins_right:
            self._stops[i - 1] = self._stops.pop(i)
            del self._starts[i]
        elif joins_left:
            self._stops[i - 1] = n + 1
        elif joins_right:
            self._starts[i] = n
        else:
            self._starts.insert(i, n)
            self._stops.insert(i, n + 1)

    def ranges(self) -> Iterator[range]:
        return map(range, self._starts, self._stops)

    def __len__(self) -> int:
        return sum(map(len, self.ranges()))

    @property
    def stop(self) -> int:
        """One more than the largest number."""
        return self._stops[-1] if self._stops else 0


@dataclass
class Listed:
    """What a manifest lists and the disk has: copies by ``folder/stem.extension``, originals by their place."""

    copies: dict[str, Numbers] = field(default_factory=dict)
    originals: set[str] = field(default_factory=set)
    sources: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the source that the copies of a stem were made from."""
    gone: dict[str, str] = field(default_factory=dict)
    """Lines of files that the disk no longer has, by file: made again, they are the same."""
    packages: dict[str, str] = field(default_factory=dict)
    """Closing lines of packages, by name, also of those that the disk no longer has."""
    standing: dict[str, int] = field(default_factory=dict)
    """Packages that stand, and how many pictures each of them holds."""
    rows: Counter[str] = field(default_factory=Counter)
    """Pictures that stand in each array."""

    def gaps(self, series: Sequence[str], copies: int) -> Iterator[range]:
        """The copies below ``copies`` that are there in none of some series (a source's, one for each label)."""
        start = 0
        for present in sorted((p for one in series if one in self.copies for p in self.copies[one].ranges()), key=lambda p: p.start):
            if start < min(present.start, copies):
                yield range(start, min(present.start, copies))
            start = present.stop
        if start < copies:
            yield range(start, copies)

    def add(self, fields: dict[str, Any]) -> None:
        """Take a line's file for one that stands."""
        file = fields["file"]
        self.gone.pop(file, None)
        if fields.get("original"):
            self.originals.add(file)
            return
        extension = os.path.splitext(file)[1]
        stem = file.removesuffix(f"_{fields['copy']:05d}{extension}") + extension
        self.copies.setdefault(stem, Numbers()).add(fields["copy"])
        self.sources[stem] = fields["source_sha256"]


def find_listed(manifest: Manifest, *, verify: bool, rows: Callable[[str], int] = lambda package: 0) -> Listed:
    """What stands on disk as listed; the rest counts as gone. ``verify`` reads every file and removes what a crash tore.

    A picture in a package stands if that does; in an array that grows, if its row is one of the first ``rows``.
    """
    listed = Listed()
    pending: list[tuple[str, dict[str, Any]]] = []
    whole_lines = 0
    for number, (line, fields) in enumerate(manifest.entries(packages=True), 1):
        if "package" in fields:
            name = fields["package"]
            listed.packages[name] = line
            whole = manifest.stands(name, fields["size"], fields.get("sha256") if verify else None)
            if whole:
                listed.standing[name] = fields["samples"]
            _settle(listed, pending, whole)
            pending = []
        elif "row" in fields:
            there = fields["row"] < rows(fields["in"])
            if there:
                listed.rows[fields["in"]] = max(listed.rows[fields["in"]], fields["row"] + 1)
            _settle(listed, [(line, fields)], there)
        elif "in" in fields:
            pending.append((line, fields))
        else:
            parts = [fields, *fields.get("beside", ())]
            # Each is looked at, as those that a crash tore are removed.
            standing = [manifest.stands(part["file"], part["size"], part["sha256"] if verify else None) for part in parts]
            _settle(listed, [(line, fields)], all(standing))
        if not pending:
            whole_lines = number
    if pending:
        manifest.cut(whole_lines)
    return listed


def recorded_parts(root: str) -> dict[str, str]:
    """The part of a split that each source of a set belongs to, by its key; nothing where there is no set."""
    if not os.path.isfile(os.path.join(root, MANIFEST)) or read_run(root) is None:
        return {}
    with Manifest(root, look_only=True) as manifest:
        return {fields["source"]: fields["split"] for _, fields in manifest.entries() if isinstance(fields.get("split"), str)}


def _settle(listed: Listed, lines: Sequence[tuple[str, dict[str, Any]]], whole: bool) -> None:
    for line, fields in lines:
        if whole:
            listed.add(fields)
        else:
            listed.gone[fields["file"]] = line
