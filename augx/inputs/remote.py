"""Inputs in object stores: a tree of class folders by one listing, and files that are copied once to be read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from augx import stores
from augx.addresses import is_address, joined, last_name, parent
from augx.errors import PlanError, SourceError, printable
from augx.inputs.folders import in_tree
from augx.inputs.spool import spooled
from augx.sources import EXTENSIONS, SourceSet, key_below

_BLOCK = 1 << 23
_NAME_MAX = 255  # bytes in a file's name, on every common file system


def object_tree(address: str) -> SourceSet:
    """The images below an address, as ``class_tree`` has those below a folder: the same keys, labels and order.

    One listing. Raises ``PlanError`` where nobody answers or nothing is found.
    """
    if address.lower().startswith(("http://", "https://")):
        raise PlanError(f"--input {printable(address)}: the web has no lists of what lies there; give a table of the pictures below it")
    top = address.rstrip("/") if address.partition("://")[2] else address
    found = stores.keys_below(top)
    names = {key.partition("/")[0] for key in found}
    labels = any(key.startswith("train/labels/") for key in found)
    if labels or {"images", "labels"} <= names or {"data.yaml", "dataset.yaml"} & names:
        raise PlanError(f"--input {printable(address)}: this is a YOLO set, which is read from a folder; download it first")
    if "Annotations" in names and {"JPEGImages", "images"} & names:
        raise PlanError(f"--input {printable(address)}: this is a Pascal VOC set, which is read from a folder; download it first")
    pictures = [key for key in found if os.path.splitext(key)[1].lower() in EXTENSIONS and not _hidden(key)]
    keys = sorted(filter(_may_be_file, pictures))
    if not keys:
        if not found and stores.exists(top):
            raise PlanError(f"--input {printable(address)}: this is an object; a picture goes with --image")
        raise PlanError(f"--input {printable(address)}: no image below this address; images end in {', '.join(sorted(EXTENSIONS))}")
    lost = len(pictures) - len(keys)
    notes = (f"{printable(address)}: {lost:,} left out: names that no file can have",) if lost else ()
    folders: dict[str, str] = {}  # one string for all pictures of a folder
    sources = [in_tree(top, key, folders.setdefault(folder := key.rpartition("/")[0], folder)) for key in keys]
    return SourceSet(sources, found_in=(top,), notes=notes)


def _hidden(key: str) -> bool:
    return key.startswith(".") or "/." in key


def _may_be_file(key: str) -> bool:
    return "\0" not in key and all(0 < len(os.fsencode(part)) <= _NAME_MAX for part in key.split("/"))


def there(path: str) -> bool:
    """Whether there is such a file or object. Raises ``PlanError`` for a store that does not answer."""
    return stores.exists(path) if is_address(path) else os.path.exists(path)


def local_copy(path: str) -> str:
    """A local path to read a file at: its own, or, for an address, that of a temporary copy, which goes when this process ends.

    Raises ``PlanError`` for what can't be read, ``OutputError`` if there is no room for it.
    """
    if not is_address(path):
        return path
    stores.check_store(path, PlanError, whole=True)
    return spooled(_blocks(path), path)


def _blocks(address: str) -> Iterator[bytes]:
    place, size = 0, _BLOCK
    while size == _BLOCK:
        try:
            block = stores.read_bytes(address, _BLOCK, place)
        except SourceError as error:
            raise PlanError(f"{printable(address)}: {error}") from None
        yield block
        size = len(block)
        place += size


def listed_object(path: str, label: str | None, root: str | None, found_in: dict[str, None]) -> tuple[str, str, str]:
    """Key, address and class of a picture that a list names by its address, or below the address ``root``.

    Without a root the folder that it lies in is its class. Raises ``ValueError``.
    """
    if root is not None:
        key = key_below(path, root)
        return key, joined(root, key), key.rpartition("/")[0].partition("/")[0] if label is None else label
    folder = parent(path)
    own = last_name(folder) if label is None else label
    name = key_below(path, folder)
    if not own:
        raise ValueError(f"{printable(path)} lies in no folder whose name could be its class; say --label")
    found_in[parent(folder) if last_name(folder) == own else folder] = None
    return f"{own}/{name}", joined(folder, name), own
