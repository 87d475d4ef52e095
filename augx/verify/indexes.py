"""The files about a whole set, such as ``labels.csv``: against what its manifest's lines give when they are written again."""

from __future__ import annotations

import filecmp
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from augx.errors import AugxError
from augx.files import open_folder, write_whole
from augx.inputs import PATHS, find_sources
from augx.manifest import Manifest
from augx.packed import INDEX, write_index
from augx.packing.store import Store
from augx.record import close
from augx.recorded import Paths, Recorded
from augx.rows import Row
from augx.verify.found import Difference

_BLOCK = 1 << 20


def index_places(found: Recorded) -> list[str]:
    """The places of the files about the whole set."""
    if found.store:
        return [INDEX]
    return [place for place, _ in found.layout.closing(lambda: iter(()))] if found.layout is not None else []


def look_at_indexes(found: Recorded, manifest: Manifest, missing: Collection[str], input: Paths | None) -> Iterator[Difference]:
    """Those that are missing or not as they would be written.

    A finished run lists all pictures, or leaves out the ``missing`` ones that it could not make. Sources come in the order that
    the run found them in, which is nearly always the one in which the manifest first names them.
    """
    left = dict.fromkeys(index_places(found))
    for order, gone in _ways(found, missing, input):
        if not left:
            break
        with tempfile.TemporaryDirectory() as folder:
            _write(found, manifest, order, gone, folder)
            for place in [place for place in left if _same(os.path.join(folder, place), os.path.join(found.root, place))]:
                del left[place]
    for place in left:
        if not os.path.lexists(os.path.join(found.root, place)):
            yield Difference("missing", place, "it is not there")
        else:
            yield Difference("changed", place, "it is not what the manifest's lines give")


def write_indexes(found: Recorded, manifest: Manifest, places: Sequence[str], input: Paths | None) -> None:
    """Put the files at some places in order. Raises ``OSError``, ``OutputError``."""
    orders = [order for order, gone in _ways(found, (), input)]
    with tempfile.TemporaryDirectory() as temporary:
        _write(found, manifest, orders[-1], (), temporary)
        for place in places:
            folder, _, name = place.rpartition("/")
            with open(os.path.join(temporary, place), "rb") as file, open_folder(found.root, folder) as descriptor:
                write_whole(descriptor, name, iter(lambda: file.read(_BLOCK), b""))


def _ways(found: Recorded, missing: Collection[str], input: Paths | None) -> Iterator[tuple[tuple[Row, ...], Collection[str]]]:
    """Orders of sources, and pictures that are left out; the likeliest first, as each costs another look at the manifest."""
    orders: list[tuple[Row, ...]] = [()]
    for number in (0, 1):
        if number:
            orders.append(_order(found, input))
            if found.store or not orders[1]:
                return
        yield orders[number], ()
        if missing:
            yield orders[number], missing


def _order(found: Recorded, input: Paths | None) -> tuple[Row, ...]:
    """The sources as they are found now; nothing where they aren't."""
    reading: Mapping[str, Any] = found.run.get("reading") or {}
    folders = found.run.get("found_in") or []
    try:
        if "input" in reading:
            options = dict(reading)
            options |= {name: os.path.normpath(os.path.join(found.root, reading[name])) for name in PATHS if name in reading}
            path = options.pop("input")
            there = find_sources(input if input is not None else path, **options)
        else:
            path = os.path.normpath(os.path.join(found.root, folders[0])) if len(folders) == 1 else ""
            there = find_sources(input if input is not None else path)
    except (AugxError, OSError, TypeError, ValueError, AttributeError):
        return ()
    return tuple(Row(source, 0, "jpg") for source in there.sources)


def _write(found: Recorded, manifest: Manifest, order: tuple[Row, ...], gone: Collection[str], folder: str) -> None:
    if found.store:
        classes = found.run["store"].get("classes", ())
        write_index(Store(found.store), manifest, classes, folder)
    elif found.layout is not None:
        close((row.source.key for row in order), found.layout, manifest, gone, folder)


def _same(one: str, other: str) -> bool:
    try:
        return os.path.isfile(other) and not os.path.islink(other) and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
