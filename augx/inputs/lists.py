"""Lists of pictures: paths, one a line or with NUL between them, as ``find`` prints them; how a path becomes a key below a folder,
and what is wrong with the lines of a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from augx import stores
from augx.addresses import is_address
from augx.errors import PlanError, printable
from augx.inputs.folders import must_exist
from augx.inputs.remote import listed_object, local_copy
from augx.sources import EXTENSIONS, Source, SourceSet, key_below, named_format

_MOST = 1 << 28  # bytes of a list: some millions of paths, all of which are held in memory
_NAME_MAX = 255  # bytes in a file's name, on every common file system


def read_list(
    stream_or_path: BinaryIO | str | os.PathLike[str],
    *,
    null: bool = False,
    root: str | os.PathLike[str] | None = None,
    label: str | None = None,
) -> SourceSet:
    """The pictures that a list names, sorted by key; the list is a file, a pipe by its path, or a binary stream.

    ``null`` says that NUL stands between the paths (``find -print0``), not a line end. With ``root``, keys begin there and the
    first folder below it is the class, as in a class tree. Without it the folder that a picture lies in is its class, and keys
    are that folder's name and the picture's. ``label`` is the class of all. No path is looked at: one that is missing or a
    folder fails by itself when it is read. Names need not be UTF-8.

    Raises ``PlanError`` for a list that can't be read or is empty, for paths outside ``root``, named twice, or of one key.
    """
    name, data = _content(stream_or_path)
    unit = "entry" if null else "line"
    if label is not None:
        check_label(label)
    top = checked_root(root) if root is not None else None
    here = os.getcwd()
    faults = Faults(name, unit)
    seen: dict[str, tuple[int, Source]] = {}
    found_in: dict[str, None] = {} if root is None else {os.fspath(root): None}
    for number, path in _entries(data, null, name, faults):
        try:
            whole = os.path.join(here, path)
            if is_address(path) or is_address(top or ""):
                key, address, own = listed_object(path, label, top, found_in)
                source = Source(address, key, own, folder_of(key, one_folder(own)) if own else "")
            else:
                source = _beside(path, whole, label, found_in) if top is None else _below(path, whole, label, top)
            known, first = seen.setdefault(source.key, (number, source))
            if first is not source:
                raise ValueError(_twice(first.path, path, here, f"{unit} {known}"))
        except ValueError as fault:
            faults.add(number, fault)
    faults.check()
    if not seen:
        raise PlanError(f"{name}: no path in it; " + ("NUL stands between paths" if null else "one path a line"))
    return SourceSet([seen[key][1] for key in sorted(seen)], None, tuple(found_in))


class Faults:
    """What is wrong with a file's lines: the first in words, the others counted."""

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.count = 0
        self._first = ""

    def add(self, number: int, fault: str | Exception) -> None:
        """One more, of a line (or entry, or row) by its number from 1."""
        self.count += 1
        if isinstance(fault, RecursionError):
            fault = "brackets go too deep; a cell is a text, a number, or a list or object of few levels"
        elif isinstance(fault, UnicodeEncodeError):
            fault = "half a character (one of \\ud800 to \\udfff alone); write both halves, or the character itself"
        self._first = self._first or f"{self.name}: {self.unit} {number}: {fault}"

    def stop(self, number: int, text: str) -> PlanError:
        """The error to raise for one that nothing after it can be read beyond."""
        self.add(number, text)
        return self._error()

    def check(self) -> None:
        """Raises ``PlanError`` if there are any."""
        if self.count:
            raise self._error()

    def _error(self) -> PlanError:
        return PlanError(self._first + (f" (and {self.count - 1:,} more)" if self.count > 1 else ""))


class Names:
    """A column of file names: paths below ``root``; ``top`` is that folder, absolute. If the first has no extension of a picture,
    that of the file that is there goes for all such.
    """

    def __init__(self, root: str, top: str) -> None:
        self.root = root if not root or root.endswith("/") else root + "/"
        self.top = top
        self.extension: str | None = None  # what is put behind names that have none; None before the first

    def of(self, name: str) -> tuple[str, str]:
        """Path and key of a picture; raises ``ValueError``."""
        key = key_below(name, self.top)
        if self.extension is None:
            self.extension = ""
            self.extension = "" if named_format(key) else self._found(key)
        if self.extension and not named_format(key):
            key += self.extension
        return self.root + key, key

    def _found(self, key: str) -> str:
        there = stores.exists if is_address(self.root) else os.path.isfile
        if there(self.root + key):
            return ""
        for change in (str.lower, str.upper):
            ends = [end for end in map(change, EXTENSIONS) if there(self.root + key + end)]
            if len(ends) > 1:
                raise ValueError(f"{printable(key)} may be {' or '.join(printable(key) + end for end in ends)}; write which")
            if ends:
                return ends[0]
        return ""


def folder_of(key: str, label: str) -> str:
    """The folder below the output for the copies of a picture with this key: that of its label, then the key's own folders."""
    folder = key.rpartition("/")[0]
    if folder == label:
        return label  # one string for all pictures of a class
    if folder.startswith(f"{label}/"):
        return folder
    return f"{label}/{folder}" if folder else label


def one_folder(label: str) -> str:
    """The label, if it can be the name of one folder; bytes that are not UTF-8 are no fault. Raises ``ValueError``."""
    try:
        size = len(os.fsencode(label))
    except UnicodeEncodeError:  # half a character
        size = 0
    text = "".join(c for c in label if not "\udc80" <= c <= "\udcff")
    plain = 0 < size <= _NAME_MAX and text.isprintable() and "/" not in label and label[0] != "."
    if plain and label not in ("manifest.jsonl", "run.json"):
        return label
    shown = f"'{printable(label[:60])}'" + (f"... ({len(label)} characters)" if len(label) > 60 else "")
    raise ValueError(
        f"{shown} can't be a class: a label is the name of one folder, so 1 to {_NAME_MAX} bytes without / and control characters, "
        "not beginning with a dot, not manifest.jsonl or run.json"
    )


def check_label(label: str, option: str = "--label") -> None:
    """Raises ``PlanError`` for what is no name of one folder."""
    try:
        one_folder(label)
    except ValueError as fault:
        raise PlanError(f"{option}: {fault}") from None


def checked_root(root: str | os.PathLike[str]) -> str:
    """The folder, absolute, or the address. Raises ``PlanError`` for a folder that is not there."""
    if is_address(where := os.fspath(root)):
        return where.rstrip("/") if where.partition("://")[2] else where
    must_exist(os.fspath(root))
    if not os.path.isdir(root):
        raise PlanError(f"--root {printable(root)}: this is a file; name the folder that the pictures lie below")
    return os.path.abspath(root)


def opened(path: str, name: str) -> BinaryIO:
    """A regular file that is not empty, for the caller to close; what lies at an address is copied first. Raises ``PlanError``."""
    try:
        descriptor = os.open(local_copy(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PlanError(f"{name}: can't read this table: {reason}; check the spelling and the permissions") from None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return open(descriptor, "rb")
    os.close(descriptor)
    raise PlanError(f"{name}: this table is {'empty' if stat.S_ISREG(status.st_mode) else 'a folder, a pipe or a device, not a file'}")


def _content(stream_or_path: BinaryIO | str | os.PathLike[str]) -> tuple[str, bytes]:
    """What a list is called in messages, and all its bytes."""
    if isinstance(stream_or_path, (str, os.PathLike)):
        name = printable(os.fspath(stream_or_path)) or "an empty path"
        try:
            with open(stream_or_path, "rb") as file:  # may be a pipe: --images-from <(find ...)
                data = file.read(_MOST + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PlanError(f"{name}: can't read this list: {reason}; check the spelling and the permissions") from None
    else:
        name = "the list on standard input"
        data = stream_or_path.read(_MOST + 1)
    if len(data) > _MOST:
        raise PlanError(f"{name}: more than {_MOST >> 20} MiB; split it, or give the pictures as a folder")
    return name, data


def _entries(data: bytes, null: bool, name: str, faults: Faults) -> Iterator[tuple[int, str]]:
    """Number from 1 and path of each entry; blank lines are passed over."""
    if null and b"\n" in data and b"\0" not in data:
        raise PlanError(f"{name}: no NUL in it, but line ends; leave out -0 / --null")
    whole = data.removesuffix(b"\0") if null else data.removeprefix(b"\xef\xbb\xbf")
    for number, entry in enumerate(whole.split(b"\0" if null else b"\n") if data else (), 1):
        if null:
            yield number, os.fsdecode(entry)
        elif b"\0" in entry:
            raise faults.stop(number, "a NUL character; if NUL stands between the paths (find -print0), add -0 / --null")
        elif entry.strip():
            yield number, os.fsdecode(entry.removesuffix(b"\r"))


def _below(path: str, whole: str, label: str | None, root: str) -> Source:
    """With a root: as a class tree has it."""
    key = key_below(whole if path else path, root)
    own = key.rpartition("/")[0].partition("/")[0] if label is None else label
    return Source(path, key, own, folder_of(key, one_folder(own)) if own else "")


def _beside(path: str, whole: str, label: str | None, found_in: dict[str, None]) -> Source:
    """Without a root: the class is the label that is given, or the folder's own name."""
    name = key_below(whole if path else path, "/").rpartition("/")[2]
    folder = os.path.dirname(path.rstrip("/"))
    parent = os.path.basename(folder)
    if parent in ("", ".", ".."):  # a.jpg, ./a.jpg, ../a.jpg: the folder has a name all the same
        folder = os.path.dirname(os.path.normpath(whole))
        parent = os.path.basename(folder)
    own = parent if label is None else label
    if not own:
        raise ValueError(f"{printable(path)} lies in no folder whose name could be its class; say --label")
    one_folder(own)
    # The folder that the key begins in; where the label is no folder, the one that the name alone is found in.
    found_in[(os.path.dirname(folder) or ".") if parent == own else folder] = None
    return Source(path, f"{own}/{name}", own, own)


def _twice(first: str, second: str, here: str, place: str) -> str:
    one, other = (os.path.normpath(os.path.join(here, path)) for path in (first, second))
    if one == other:
        return f"{printable(second)} is listed already ({place}); each picture once, --copies says how many copies it gets"
    return (
        f"{printable(second)} and {printable(first)} ({place}) would have the same name in the set; "
        "name a folder above both by --root, so that their folders tell them apart"
    )
