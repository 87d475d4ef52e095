"""Arrays as sources: each row of a .npy or .npz is a picture, read where it lies. Pickles are never read.

Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, and ZIP's APPNOTE.TXT 4.3.7 for local headers.
"""

from __future__ import annotations

import functools
import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from augx.errors import PlanError, SourceError, printable
from augx.files import read_bytes
from augx.inputs.lists import Faults, check_label, one_folder
from augx.inputs.remote import local_copy
from augx.inputs.spool import BLOCK, Spooled, opened, spooled, within_ratio
from augx.sample import Array
from augx.sources import Part, Pixels, Source, SourceSet

DTYPES = ("|u1", "<u2", ">u2", "<f4", ">f4")
MAX_CHANNELS = 64
MAX_HEADER = 4096
"""Bytes of an array's header."""
WINDOW = 1 << 26
"""Bytes of an array that are in memory at once."""
_NEAR, _FAR = 0.5, 16.0
"""How far beyond black and white resampling may lead, and how far standardising (to mean 0 and deviation 1)."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, struct.error, ValueError, OverflowError)
PAIRS = {
    "x_train": ("y_train",),
    "X_train": ("y_train", "Y_train"),
    "train_images": ("train_labels",),
    "x": ("y",),
    "X": ("y", "Y"),
    "images": ("labels",),
    "data": ("target", "labels"),
    "arr_0": ("arr_1",),
}
"""Names that pictures have in an .npz, with those of their classes."""


@dataclass(frozen=True)
class _Table:
    """An array in a file: where its first row begins. ``name`` is the user's file (and member), for messages."""

    name: str
    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    notes: tuple[str, ...] = ()

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def blocks(self) -> Iterator[Array]:
        """The rows in C order, as many at a time as fit in the window."""
        rows = max(1, WINDOW // max(1, self.row))
        with open(self.path, "rb") as file:
            for first in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - first)
                yield self._columns(file, first, count) if self.fortran else self._rows(file, first, count)

    def _rows(self, file: IO[bytes], first: int, count: int) -> Array:
        data = os.pread(file.fileno(), count * self.row, self.offset + first * self.row)
        return np.frombuffer(self._whole(data, count * self.row), self.dtype).reshape(count, *self.shape[1:])

    def _columns(self, file: IO[bytes], first: int, count: int) -> Array:
        places, size = math.prod(self.shape[1:]), self.dtype.itemsize
        block = np.empty((count, places), self.dtype)
        for place in range(places):
            data = os.pread(file.fileno(), count * size, self.offset + (place * self.shape[0] + first) * size)
            block[:, place] = np.frombuffer(self._whole(data, count * size), self.dtype)
        # Column by column the first of the other axes runs fastest.
        axes = tuple(range(len(self.shape) - 1, 0, -1))
        return block.reshape(count, *self.shape[:0:-1]).transpose(0, *axes)

    def _whole(self, data: bytes, size: int) -> bytes:
        if len(data) < size:
            raise PlanError(f"{self.name}: it became shorter while it was read")
        return data


def read_arrays(path: str, *, channels_first: bool = False, labels: str | None = None, label: str | None = None) -> SourceSet:
    """The rows of an array (n, h, w) or (n, h, w, c), or (n, c, h, w) with ``channels_first``; c is 1 to 64.

    Pixels are uint8, uint16 or float32 (black 0, white 1), three channels red green blue. Classes: ``label`` for all rows, else the
    file ``labels`` (.npy, or text with one class a line), else the array that an .npz has for them (``PAIRS``), else none. They are
    whole numbers, text, or one-hot rows, of which the class is the index. Raises ``PlanError``, or ``OutputError`` if there is no
    room to unpack.
    """
    if label is not None and labels is not None:
        raise PlanError(f"--label {printable(label)} and --labels {printable(labels)}: give one of the two")
    if label:
        check_label(label)
    local = local_copy(path)
    with opened(local) as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"PK":
            pictures, said, notes = _from_zip(file, path, local, wanted=label is None and labels is None)
        elif magic == b"\x93NUM":
            pictures, said, notes = _table(printable(path), local, 0, os.fstat(file.fileno()).st_size), None, []
        else:
            raise PlanError(f"{printable(path)}: this is no .npy and no .npz; augx reads what numpy.save, savez and savez_compressed write")
    pixels, length = _form(pictures, channels_first), pictures.shape[0]
    notes, classes = [*notes, *pictures.notes, *_brightness(pictures)], [label or ""] * length
    if label is None and labels is not None:
        classes = _named_labels(labels)
    elif said is not None:
        classes = _classes(said)
        notes += said.notes
    if len(classes) != length:
        raise PlanError(f"{printable(labels or (said or pictures).name)}: {len(classes):,} labels for {length:,} pictures; each has one")
    where, offset, row = pictures.path, pictures.offset, pictures.row
    if pictures.fortran:
        where, offset = spooled((np.ascontiguousarray(block).tobytes() for block in pictures.blocks()), pictures.name), 0
    made = Source if where == path else functools.partial(Spooled, file=path)
    parts, none = (Part(offset + i * row, row, f"row {i}", pixels) for i in range(length)), dict[str, str]()
    keys = (f"{name}/{i}.png" if name else f"{i}.png" for i, name in enumerate(classes))
    sources = [made(where, key, name, name, part, none) for key, name, part in zip(keys, classes, parts, strict=True)]
    return SourceSet(sources, found_in=(path,), notes=tuple(f"{printable(path)}: {note}" for note in notes))


def _table(name: str, path: str, offset: int, size: int) -> _Table:
    """The array whose ``size`` bytes begin at ``offset``, by its header, which is checked against them."""
    with open(path, "rb") as file:
        file.seek(offset)
        head = io.BytesIO(file.read(min(size, MAX_HEADER + 16)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(head)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
            if read is None:
                raise ValueError("its version is {}.{}; augx reads 1.0 and 2.0".format(*version))
            shape, fortran, dtype = read(head, max_header_size=MAX_HEADER)
    except Exception as error:  # a hostile header makes Python's parser raise nearly anything
        reason = printable(error).partition("\\n")[0][:200]
        raise PlanError(f"{name}: this is no array that NumPy wrote: {reason}") from None
    if dtype.hasobject:
        raise PlanError(f"{name}: an array of objects is a pickle, which can run code and is never read; save numbers or text")
    if not shape or min(shape) < 0:
        raise PlanError(f"{name}: its shape is {shape}; pictures are n x height x width (x channels), labels n")
    found, wanted = size - head.tell(), math.prod(shape) * dtype.itemsize
    if found < wanted:
        raise PlanError(f"{name}: cut short: {found:,} of {wanted:,} bytes are there; copy the file again")
    notes = ("there is more after the array, which is not read",) if found > wanted else ()
    return _Table(name, path, offset + head.tell(), tuple(int(n) for n in shape), dtype, fortran and len(shape) > 1, notes)


def _form(table: _Table, channels_first: bool) -> Pixels:
    """How a row is a picture."""
    name, shape, dtype, sizes = table.name, table.shape, table.dtype, " x ".join(map(str, table.shape))
    if dtype.str not in DTYPES:
        cast = {"b": "(pictures * 255).astype(np.uint8)", "f": "pictures.astype(np.float32)"}.get(dtype.kind, "them as one of these")
        raise PlanError(f"{name}: its pixels are {dtype}; augx reads uint8, uint16 and float32 (black 0, white 1): save {cast}")
    if len(shape) not in (3, 4) or (len(shape) == 3 and shape[2] <= 4):
        hint = {1: "", 2: "; rows of pixels are unfolded by pictures.reshape(n, height, width)"}.get(len(shape), "")
        hint = "; a single picture is saved as picture[None]" if len(shape) == 3 else hint
        raise PlanError(f"{name}: its shape is {sizes}; pictures are n x height x width or n x height x width x channels{hint}")
    if 0 in shape:
        raise PlanError(f"{name}: its shape is {sizes}: there is no pixel in it")
    if len(shape) == 3:
        return Pixels(dtype.str, shape[1:])
    found, other = (shape[1], shape[3]) if channels_first else (shape[3], shape[1])
    # No picture is four pixels high: 3 x 32 x 32 is never 32 channels.
    turned = (found > MAX_CHANNELS and other <= MAX_CHANNELS) or (found > 4 and other <= 4)
    if found > MAX_CHANNELS or turned:
        hint = ("; leave out --layout channels_first" if channels_first else "; give --layout channels_first") if turned else ""
        axis = "second" if channels_first else "last"
        raise PlanError(f"{name}: its shape is {sizes}, so the {axis} axis, channels, has {found}; augx reads 1 to {MAX_CHANNELS}{hint}")
    return Pixels(dtype.str, shape[1:], channels_first)


def _brightness(table: _Table) -> list[str]:
    """A remark on floats beyond black and white, judged by some of the first pictures. Raises ``PlanError`` for those far beyond."""
    if table.dtype.kind != "f":
        return []
    first = next(table.blocks())
    values = first[:: -(-len(first) // 64)]
    values = values[np.isfinite(values)]
    low, top = float(values.min(initial=0)), float(values.max(initial=0))
    found = f"float32 from {low:g} to {top:g}, where black is 0 and white is 1"
    if low < -_FAR or top > _FAR:
        cure = "divide by 255, or save pictures.astype(np.uint8)" if low >= 0 and top <= 255 else "scale them to 0 to 1, and save that"
        raise PlanError(f"{table.name}: {found}; {cure}")
    note = f"{found}: tone and pixel steps cut off what lies beyond; give pictures before they are standardised"
    return [note] if low < -_NEAR or top > 1 + _NEAR else []


def _named_labels(path: str) -> list[str]:
    with opened(path) as file:
        head, size = file.read(6), os.fstat(file.fileno()).st_size
    if head == np.lib.format.MAGIC_PREFIX:
        return _classes(_table(printable(path), path, 0, size))
    try:
        lines = read_bytes(path).decode("utf-8-sig").split("\n")
    except (SourceError, UnicodeDecodeError) as error:
        raise PlanError(f"{printable(path)}: labels are an .npy, or text in UTF-8 with one label a line; {printable(error)}") from None
    return _checked((line.strip() for line in (lines if lines[-1] else lines[:-1])), printable(path), "line", 1)


def _classes(table: _Table) -> list[str]:
    """The class of each row: numbers and text as they are, of one-hot rows the index."""
    kind, shape = table.dtype.kind, table.shape
    columns = shape[1] if len(shape) == 2 else 1
    if len(shape) > 2 or columns == 0 or kind not in ("iubf" if columns > 1 else "iuUS"):
        cast = "; save labels.astype(np.int64)" if kind in "fb" and columns == 1 else ""
        found = f"found {table.dtype} of shape {' x '.join(map(str, shape))}{cast}"
        raise PlanError(f"{table.name}: labels are whole numbers or text, one a picture, or one-hot rows; {found}")
    return _checked(_one_hot(table) if columns > 1 else _single(table), table.name, "row", 0)


def _single(table: _Table) -> Iterator[str]:
    for block in table.blocks():
        for value in block.reshape(-1).tolist():
            yield value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _one_hot(table: _Table) -> Iterator[str]:
    done = 0
    for block in table.blocks():
        wrong = np.flatnonzero(((block != 0).sum(axis=1) != 1) | (block.max(axis=1) != 1))
        if wrong.size:
            raise PlanError(f"{table.name}: row {done + wrong[0]} is not one-hot: one 1, else 0; other labels are whole numbers or text")
        yield from map(str, block.argmax(axis=1).tolist())
        done += len(block)


def _checked(labels: Iterable[str], name: str, unit: str, start: int) -> list[str]:
    known: dict[str, str] = {}
    faults, classes = Faults(name, unit), []
    for place, label in enumerate(labels, start):
        try:
            # One string for all rows of a class.
            classes.append(known.get(label) or known.setdefault(label, one_folder(label)))
        except ValueError as fault:
            faults.add(place, str(fault))
    faults.check()
    return classes


def _from_zip(file: IO[bytes], path: str, local: str, *, wanted: bool) -> tuple[_Table, _Table | None, list[str]]:
    """Pictures, classes if there are any and they are ``wanted``, and remarks."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}
            if len(members) < sum(info.filename.endswith(".npy") for info in archive.infolist()):
                raise PlanError(f"{printable(path)}: two members of it have the same name")
            x, y = _pair(list(members), path)
            pictures = _member(archive, members[x], file, path, local)
            said = _member(archive, members[y], file, path, local) if y and wanted else None
    except _BROKEN as error:
        raise PlanError(f"{printable(path)}: it is damaged, or no .npz: {printable(error)}") from None
    rest = sorted(set(members) - {x, y})
    why = ", since copies of test data would leak into training" if any("test" in name for name in rest) else ""
    classes = f"classes {y!r}" if y else "without classes"
    return pictures, said, [printable(f"pictures are {x!r}, {classes}; left alone: {', '.join(rest)}{why}")] if rest else []


def _pair(names: Sequence[str], path: str) -> tuple[str, str]:
    found = [name for name in PAIRS if name in names] or (list(names) if len(names) == 1 else [])
    if len(found) != 1:
        wanted = ", ".join(f"{x} and {'/'.join(ys)}" for x, ys in PAIRS.items())
        held = printable(", ".join(sorted(names)[:20])) or "no array"
        raise PlanError(f"{printable(path)}: it holds {held}; which are the pictures? augx looks for one of: {wanted}")
    return found[0], next((y for y in PAIRS.get(found[0], ()) if y in names), "")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes], path: str, local: str) -> _Table:
    """A member's array: in place if it is stored, else in a spool; read through once, which checks its CRC."""
    name = f"{printable(path)}: {printable(info.filename)}"
    if info.flag_bits & 1:
        raise PlanError(f"{name}: it is encrypted, which augx does not read")
    size = os.fstat(file.fileno()).st_size
    with archive.open(info) as stored:
        pieces = iter(lambda: stored.read(BLOCK), b"")
        if info.compress_type != zipfile.ZIP_STORED:
            where = spooled(within_ratio(pieces, lambda: min(info.compress_size, size), path), path)
            return _table(name, where, 0, os.path.getsize(where))
        held = sum(map(len, pieces))
    header = os.pread(file.fileno(), 30, info.header_offset)
    offset = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
    if held != info.file_size or offset + held > size:
        raise PlanError(f"{name}: cut short: {held:,} of {info.file_size:,} bytes are there; copy the file again")
    return _table(name, local, offset, held)
