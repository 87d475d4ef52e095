"""The sources of an input one by one, in the order of their keys, without ever holding all of them."""

from __future__ import annotations

import heapq
import itertools
import marshal
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, BinaryIO

from augx.addresses import absolute, is_address
from augx.errors import printable
from augx.inputs import PATHS, tables
from augx.inputs import _kind as kind_of
from augx.inputs.lists import Faults, Names, check_label, checked_root, opened
from augx.sources import EXTENSIONS, Source

_RUN = 100_000
"""Sources that are sorted in memory; with their strings some 70 MB."""
_BLOCK = 1000


class HeldError(Exception):
    """What can't be told source by source: the list must be held."""


@dataclass
class Ordered:
    """``sources`` come once, sorted by key; ``notes`` are whole after the last. The rest is as in ``SourceSet``.

    Going through them raises ``PlanError`` for an input that can't be used, ``HeldError`` for one that must be held.
    """

    sources: Iterator[Source]
    found_in: tuple[str, ...]
    reading: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)


def ordered_sources(input: str, **options: Any) -> Ordered:
    """The sources that ``find_sources`` finds. Raises ``HeldError`` where only that can tell, and ``PlanError``."""
    given = {name: value for name, value in options.items() if value not in (None, False, (), [])}
    kind = kind_of(input) if not is_address(input) else ""
    if kind == "folders" and not given:
        return Ordered(_tree(input), (input,), {})
    if kind != "table" or given.keys() - {"image_column", "label_column", "root", "label"} or is_address(given.get("root", "")):
        raise HeldError
    reading = {name: os.fspath(value) if name in PATHS else value for name, value in {"input": input, **given}.items()}
    folder = os.fspath(given["root"]) if "root" in given else os.path.dirname(input)
    found = Ordered(iter(()), (folder or ".",), reading)
    found.sources = _table(input, found.notes, **given)
    return found


def _tree(root: str) -> Iterator[Source]:
    """As ``class_tree``; a folder's entries are held at a time."""
    waiting: list[Iterator[tuple[str, bool]]] = [_entries(root, "")]
    empty = True
    while waiting:
        path, is_folder = next(waiting[-1], ("", False))
        if not path:
            waiting.pop()
        elif is_folder:
            waiting.append(_entries(root, path))
        else:
            folder = path.rpartition("/")[0]
            yield Source(os.path.join(root, path), path, folder.partition("/")[0], folder)
            empty = False
    if empty:
        raise HeldError  # which says why


def _entries(root: str, folder: str) -> Iterator[tuple[str, bool]]:
    """The pictures and folders in a folder, each with whether it is one, in the order of all that lies below them."""
    found = []
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.is_symlink():
                    continue
                if entry.is_dir():
                    found.append(entry.name + "/")
                elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS and entry.is_file():
                    found.append(entry.name)
    except OSError:
        raise HeldError from None
    start = f"{folder}/" if folder else ""
    for name in sorted(found):
        yield start + name.removesuffix("/"), name.endswith("/")


def _table(
    path: str,
    notes: list[str],
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    root: Any = None,
    label: str | None = None,
) -> Iterator[Source]:
    """As ``read_table``: sorted runs of sources in temporary files, merged."""
    name = printable(path) or "an empty path"
    reader = tables._READERS.get(os.path.splitext(path)[1].lower())
    if reader is None or (label is not None and label_column is not None):
        raise HeldError
    if label is not None:
        check_label(label)
    folder = os.fspath(root) if root is not None else os.path.dirname(path)
    top = absolute(folder) if root is None else checked_root(root)
    faults = Faults(name, "row" if reader is tables._parquet else "line")
    labels: set[str] = set()
    with opened(path, name) as file, tempfile.TemporaryFile() as spool:
        table = reader(file, faults)
        image = tables._chosen(table, [], image_column, tables._IMAGE, "file names", "--image-column")
        said = "--label-column (or --label, one class for all)"
        column = tables._chosen(table, [image], label_column, tables._LABEL, "classes", said) if label is None else None
        names = Names(folder, top)
        rows = iter(table.rows)
        runs = []
        for first in rows:
            some = tables._Table(table.name, table.columns, itertools.chain([first], itertools.islice(rows, _RUN - 1)))
            found = tables._sources(some, [(image, names)], column, label, faults)
            if some.notes:
                raise HeldError  # a row twice
            labels |= {source.label for source in found.values()}
            runs.append(_spooled(spool, found))
            del found
        faults.check()
        if not labels:
            raise HeldError
        yield from _merged(spool, runs)
    told = list(table.notes)
    if names.extension:
        told.append(f"names without extension in {tables._listed([image])}: read as {names.extension}")
    if alike := tables._alike(labels):
        told.append(f"two classes that differ only in case or in spaces at their ends: '{printable(alike[0])}' and '{printable(alike[1])}'")
    notes += [f"{name}: {note}" for note in told]


def _spooled(spool: BinaryIO, found: Mapping[str, Source]) -> list[int]:
    """Write a sorted run, in blocks; where each begins, and where the last ends."""
    places = [spool.seek(0, os.SEEK_END)]
    keys = sorted(found)
    for first in range(0, len(keys), _BLOCK):
        block = [found[key] for key in keys[first : first + _BLOCK]]
        data = marshal.dumps([(one.key, one.path, one.label, one.folder, dict(one.columns) or None) for one in block])
        places.append(places[-1] + spool.write(data))
    return places


def _merged(spool: BinaryIO, runs: Sequence[Sequence[int]]) -> Iterator[Source]:
    """All runs' sources in order. Raises ``HeldError`` for one that is there twice."""
    before = None
    labels: dict[str, str] = {}
    for key, path, label, folder, columns in heapq.merge(*(_run(spool, run) for run in runs), key=itemgetter(0)):
        if key == before:
            raise HeldError
        before = key
        label = labels.setdefault(label, label)
        yield Source(path, key, label, folder, columns=columns or {})


def _run(spool: BinaryIO, places: Sequence[int]) -> Iterator[tuple[str, str, str, str, dict[str, str] | None]]:
    for begin, end in itertools.pairwise(places):
        spool.seek(begin)
        yield from marshal.loads(spool.read(end - begin))
