"""A row of a plan as a line of JSON, and back. What the cut of a plan needs (copies, part, original) is no part of the line."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from augx.addresses import is_address
from augx.errors import PlanError, printable
from augx.inputs.spool import Spooled
from augx.rows import Row
from augx.sources import Part, Pixels, Source
from augx.writers import FORMATS

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_COMPACT = json.JSONEncoder(separators=(",", ":"))


def lasting(path: str, here: str) -> str:
    """A path as it is right from every folder; an address is left as it is."""
    return path if path.startswith("/") or is_address(path) else os.path.join(here, path)


def line_of(row: Row, here: str) -> bytes:
    """The row as a line (ASCII, its end included), with paths as seen from the folder ``here``.

    Raises ``PlanError`` for a source with objects, which lie in its set's own files, and for one in a temporary file.
    """
    source = row.source
    if isinstance(source, Spooled):
        raise PlanError(
            f"{printable(source.where)}: it lies in a temporary copy that ends with this command, so this plan can't be saved; "
            "unpack the input to a file or a folder, and give that"
        )
    if source.annotations is not None:
        raise PlanError(
            f"{printable(source.where)}: its objects are read from its own set, so this plan can't be saved; "
            "plan annotated sets where they are made, without --save and --plan"
        )
    fields: dict[str, Any] = {"key": source.key, "path": lasting(source.path, here), "label": source.label, "format": row.format}
    if source.folder != source.label:
        fields["folder"] = source.folder
    if source.part is not None:
        fields["in"] = _of_part(source.part)
    if source.columns:
        fields["columns"] = dict(source.columns)
    if source.masks:
        fields["masks"] = [[name, lasting(path, here)] for name, path in source.masks]
    if source.fault:
        fields["fault"] = source.fault
    if row.relabelled:
        fields["relabelled"] = row.relabelled
    return _COMPACT.encode(fields).encode("ascii") + b"\n"


def row_of(line: bytes, copies: int, with_original: bool, part: str, top: str) -> Row:
    """The row of a line. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what ``line_of`` doesn't write.

    A plan may come from somebody else: a folder or a name that leads out of the output is refused.
    """
    fields = json.loads(line)
    key, path, label, kind = (_text(fields.pop(name)) for name in ("key", "path", "label", "format"))
    folder = _text(fields.pop("folder", label))
    within = _part(fields.pop("in")) if "in" in fields else None
    columns = {_text(name): _text(cell) for name, cell in fields.pop("columns", {}).items()}
    masks = tuple((_text(name), _text(its)) for name, its in fields.pop("masks", ()))
    relabelled = tuple((_text(other), _whole(n)) for other, n in fields.pop("relabelled", ()))
    source = Source(path, key, label, folder, within, columns, None, masks, _text(fields.pop("fault", "")))
    if fields or kind not in FORMATS or (relabelled and label and label not in folder.split("/")):
        raise ValueError
    for place in (folder, top, *(name for name, _ in masks), *(other for other, _ in relabelled)):
        check_inside(place)
    if source.name in ("", ".", "..") or "\0" in key + path:
        raise ValueError
    return Row(source, copies, kind, relabelled, with_original, part, top)


def check_inside(place: str) -> None:
    """Raise ``ValueError`` for a path that is not of plain names below its folder; ``""`` is that folder."""
    if place and ("\0" in place or any(name in ("", ".", "..") for name in place.split("/"))):
        raise ValueError


class TableDigest:
    """SHA-256 of all that decides which files a plan has: keys, labels, folders, formats, then all numbers. Paths are no part of it."""

    def __init__(self) -> None:
        self._rows = hashlib.sha256()

    def add(self, row: Row) -> None:
        """The next row in order; its numbers come at the end."""
        source = row.source
        fields = source.key, source.label, source.folder, row.format, row.part, row.top
        more = (f"{label}={copies}" for label, copies in row.relabelled) if row.relabelled else ()
        self._rows.update("\0".join((*fields, *more, "\n")).encode("utf-8", "surrogatepass"))

    def finish(self, copies: Buffer, originals: Buffer) -> bytes:
        """The digest, with copies as little-endian int64 and originals as a byte each."""
        numbers = hashlib.sha256(copies)
        numbers.update(originals)
        return hashlib.sha256(self._rows.digest() + numbers.digest()).digest()


def mixing_rank(key: str) -> int:
    """The number that sources of a mixed set are ordered by: neighbours are of many classes."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def _of_part(part: Part) -> list[Any]:
    pixels = part.pixels
    form = [] if pixels is None else [[pixels.dtype, pixels.shape, pixels.channels_first]]
    return [part.offset, part.size, part.name, *form]


def _part(plain: Any) -> Part:
    offset, size, name, *form = plain
    pixels = None
    if form:
        ((dtype, shape, first),) = form
        if _text(dtype) not in ("|u1", "<u2", ">u2", "<f4", ">f4") or len(shape) not in (2, 3) or type(first) is not bool:
            raise ValueError
        pixels = Pixels(dtype, tuple(_whole(n) for n in shape), first)
    return Part(_whole(offset), _whole(size), _text(name), pixels)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value
