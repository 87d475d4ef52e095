"""A manifest gone through: what it lists, by hashes of names, so that a million lines cost some megabytes; and what lies besides."""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from augx.files import TEMPORARY
from augx.manifest import Manifest
from augx.verify.found import Difference

_MANY = 10_000  # names that are looked up together
_TOGETHER = 32  # lines that a thread takes at once

Fields = dict[str, Any]
Hashes = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a manifest says, in numbers; a later line of a file counts instead of an earlier one."""

    lines: int
    pictures: int
    sources: int
    stale: frozenset[int]
    """Numbers of lines, from 0, that later ones take the place of."""
    unfinished: int
    """Lines at the end whose tar shard was never closed: the next run drops them."""
    torn: bool
    """Whether its last line is half a line."""
    names: Hashes
    """Of all files that must be on disk, sorted."""
    packages: dict[str, Fields]
    """Their closing lines."""
    arrays: frozenset[str]
    """The arrays that rows are said to be in."""


@dataclass(frozen=True, slots=True)
class Task:
    """Lines to check: of files of their own or rows, or the closing line of a package alone."""

    lines: tuple[Fields, ...]
    span: tuple[int, int] = (0, 0)
    """Where in the manifest the lines of a closed package's pictures stand, in bytes."""


def read_listing(manifest: Manifest) -> Listing:
    """Raises ``OutputError`` for a manifest that is damaged."""
    own, names, sources = array("q"), array("q"), array("q")
    packages: dict[str, Fields] = {}
    arrays: set[str] = set()
    waiting = size = pictures = 0
    for line, fields in manifest.entries(packages=True):
        size += len(line) + 1
        if "package" in fields:
            packages[fields["package"]] = fields
            own.append(_closing(fields["package"]))
            names.append(hash(fields["package"]))
            waiting = 0
            continue
        own.append(hash(fields["file"]))
        sources.append(hash(fields["source"]))
        pictures += 1
        waiting = waiting + 1 if "at" in fields else 0
        if "row" in fields:
            arrays.add(fields["in"])
        if "in" not in fields:
            names.append(hash(fields["file"]))
            names.extend(hash(part["file"]) for part in fields.get("beside", ()))
    stale = _earlier(own)
    torn = size < os.fstat(manifest.descriptor).st_size
    closing = {_closing(name) for name in packages}
    pictures -= sum(1 for number in stale if own[number] not in closing) + waiting
    known, keys = (np.unique(np.array(hashes, np.int64)) for hashes in (names, sources))
    return Listing(len(own), pictures, len(keys), stale, waiting, torn, known, packages, frozenset(arrays))


def _closing(package: str) -> int:
    """A hash that no picture's place has."""
    return hash(f"\0{package}")


def _earlier(own: array[int]) -> frozenset[int]:
    """The places of all but the last of equal hashes."""
    hashes = np.array(own, np.int64)
    last = np.unique(hashes[::-1], return_index=True)[1]
    earlier = np.ones(len(hashes), bool)
    earlier[len(hashes) - 1 - last] = False
    return frozenset(np.flatnonzero(earlier).tolist())


def tasks(manifest: Manifest, listing: Listing) -> Iterator[Task]:
    """All that is to be checked, in the order of the manifest."""
    together: list[Fields] = []
    at = begin = 0
    last = listing.lines - listing.unfinished
    for number, (line, fields) in enumerate(manifest.entries(packages=True)):
        stop = at + len(line) + 1
        if "package" in fields:
            if number not in listing.stale:
                yield Task((fields,), (begin, at))
            begin = stop
        elif "at" not in fields and number not in listing.stale and number < last:
            together.append(fields)
            if len(together) == _TOGETHER:
                yield Task(tuple(together))
                together = []
        at = stop
    if together:
        yield Task(tuple(together))


def besides(root: str, listing: Listing, own: Collection[str], *, ended: bool) -> Iterator[Difference]:
    """Files below a set's folder that are neither listed nor among its ``own``; links to folders are not followed."""
    unlisted = "no line lists it" if ended else "no line lists it; the run that did not end may have made it, and goes on with it then"
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as found:
                while some := list(islice(found, _MANY)):
                    places = [f"{folder}/{entry.name}" if folder else entry.name for entry in some]
                    listed = _among(listing.names, places)
                    for place, entry, known in zip(places, some, listed, strict=True):
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(place)
                        elif entry.name.startswith(TEMPORARY):
                            yield Difference("torn", place, "a temporary file that a dead run left; the next run removes it")
                        elif not known and place not in own:
                            link = entry.is_symlink()
                            yield Difference("extra", place, "a symbolic link that no line lists" if link else unlisted)
        except OSError as error:
            yield Difference("changed", folder or ".", f"this folder can't be read: {error.strerror}")


def _among(names: Hashes, places: list[str]) -> list[bool]:
    if not len(names):
        return [False] * len(places)
    hashes = np.array([hash(place) for place in places], np.int64)
    at = np.minimum(np.searchsorted(names, hashes), len(names) - 1)
    return (names[at] == hashes).tolist()  # type: ignore[no-any-return]
