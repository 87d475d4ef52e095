"""Sets as arrays: ``x.npy`` and ``y.npy``, or both in one ``set.npz``, grown row by row and never whole in memory.

Rows are appended to files of their own name (``PART``), which later runs go on with. A finished array has its rows from them.
Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, and ZIP's APPNOTE.TXT.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import numpy as np

from augx.errors import OutputError, SourceError, printable
from augx.files import TEMPORARY, open_folder
from augx.manifest import copy_line
from augx.packing.base import Item, class_number, placing, write_buffers, writing
from augx.packing.forms import ArrayForm

PART = ".augx-part-"
"""What the names of growing arrays begin with; they stay until the set is finished."""
HEADER = 128
"""Bytes of an array's header, whatever its length: it is written anew when rows were added."""
_BLOCK = 1 << 20
_BROKEN = (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, KeyError, EOFError, struct.error, RuntimeError)
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def array_header(form: ArrayForm, rows: int) -> bytes:
    """What stands before so many rows in a .npy, as NumPy writes it (version 1.0)."""
    text = f"{{'descr': '{form.dtype}', 'fortran_order': False, 'shape': {(rows, *form.shape)}, }}"
    return b"\x93NUMPY\1\0" + struct.pack("<H", HEADER - 10) + text.ljust(HEADER - 11).encode("ascii") + b"\n"


def rows_there(root: str, package: str) -> int:
    """The pictures with a class that ``package`` (``x.npy``, ``set.npz``, or of a part) holds, finished or growing; 0 for no array."""
    suffix = package.partition(".")[0].removeprefix("set" if package.endswith(".npz") else "x")
    names = (f"x{suffix}.npy", f"y{suffix}.npy")
    growing = [_rows(root, PART + name) for name in names]
    finished = (
        [_rows(root, package, member) for member in ("x.npy", "y.npy")] if package.endswith(".npz") else [_rows(root, n) for n in names]
    )
    return min(map(max, growing, finished))


def _rows(root: str, name: str, member: str = "") -> int:
    """The rows of an array of ours, or of a ``member`` of an archive, by its header and size."""
    try:
        with open_folder(root, "") as folder, open(os.open(name, os.O_RDONLY | _FILE, dir_fd=folder), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not member:
                return _counted(file.read(HEADER), size)[1]
            with zipfile.ZipFile(file) as archive, archive.open(member) as stored:
                return _counted(stored.read(HEADER), min(size, archive.getinfo(member).file_size))[1]
    except (*_BROKEN, OutputError):
        return 0


def _counted(head: bytes, size: int) -> tuple[ArrayForm, int]:
    """What rows a .npy holds and how many, by its header and its size. Raises ``ValueError`` for one that augx did not write."""
    file = io.BytesIO(head)
    np.lib.format.read_magic(file)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    form = ArrayForm(shape[1:], dtype.str)
    if fortran or not shape or file.tell() != HEADER or not form.row_bytes:
        raise ValueError("its header is another one")
    return form, (size - HEADER) // form.row_bytes


class ArrayPacker:
    """Appends pictures to ``x.npy`` and the index of their class to ``y.npy`` (int64; -1 without a class), below ``root``.

    With ``parts`` they are ``x_train.npy`` and so on; with ``npz`` a ``set.npz`` (``set_train.npz``) holds both. ``done`` is how
    many rows of each part are committed; what is on disk beyond them is cut off. Raises ``OutputError`` where fewer are there,
    or where a file that augx did not make has an array's name.
    """

    def __init__(
        self, root: str, *, form: ArrayForm, classes: Sequence[str], npz: bool, done: Mapping[str, int], parts: Sequence[str]
    ) -> None:
        self._root, self._form = root, form
        self._numbers = {**{label: number for number, label in enumerate(classes)}, **({} if "" in classes else {"": -1})}
        self._heads: dict[bytes, bool] = {}
        with writing(root):
            self._pairs = {part: _Pair(root, part, form, npz, done.get(part, 0)) for part in (parts or [""])}

    def add(self, items: Sequence[Item]) -> list[str]:
        """The items' lines, all of them. Raises ``SourceError`` before any is taken, ``WriteError``."""
        labels = [class_number(self._numbers, item) for item in items]
        rows = [self._row(item) for item in items]
        lines, more = [], dict[str, tuple[list[bytes | memoryview], list[bytes | memoryview]]]()
        for item, label, row in zip(items, labels, rows, strict=True):
            pair = self._pairs[item.part]
            pictures, numbers = more.setdefault(item.part, ([], []))
            lines.append(pair.placed(item.line, pair.rows + len(pictures)))
            pictures.append(row)
            numbers.append(struct.pack("<q", label))
        with writing(self._root):
            for part, of_part in more.items():
                self._pairs[part].append(*of_part)
        return lines

    def finish(self) -> list[str]:
        """A line for each array file: its size and rows. There is no SHA-256 in it: that would read everything once more."""
        with writing(self._root):
            return [line for _, pair in sorted(self._pairs.items()) for line in pair.finish()]

    def abandon(self) -> None:
        """All rows are kept."""
        for pair in self._pairs.values():
            pair.close()

    def _row(self, item: Item) -> bytes | memoryview:
        """A picture's bytes in the arrays' form. Raises ``SourceError``."""
        length = 10 + int.from_bytes(item.data[8:10], "little")
        head = item.data[:length]
        if head not in self._heads:
            self._heads[head] = self._spread(item)
        body = memoryview(item.data)[length:]
        if self._form.row_bytes != len(body) * (3 if self._heads[head] else 1):
            raise SourceError(f"{printable(item.place)}: its array has {len(body)} bytes, a row {self._form.row_bytes}")
        if not self._heads[head]:
            return body
        return np.repeat(np.frombuffer(body, np.uint8).reshape(-1, 1, self._form.item_bytes), 3, axis=1).tobytes()

    def _spread(self, item: Item) -> bool:
        """Whether a picture is grey and the arrays are not. Raises ``SourceError`` for one that does not fit at all."""
        file = io.BytesIO(item.data)
        try:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except ValueError as error:
            raise SourceError(f"{printable(item.place)}: no array: {printable(error)}") from None
        if dtype.str == self._form.dtype and shape in (self._form.shape, self._form.grey):
            return shape != self._form.shape
        raise SourceError(f"{printable(item.place)}: it is {ArrayForm(shape, dtype.str)}, the arrays hold {self._form}")


class _Pair:
    """The pictures and classes of one part of a set: finished, or growing in files of their own."""

    def __init__(self, root: str, part: str, form: ArrayForm, npz: bool, done: int) -> None:
        suffix = f"_{part}" if part else ""
        self._root, self._npz, self.rows = root, npz, done
        self._names = (f"x{suffix}.npy", f"y{suffix}.npy")
        self._forms = (form, ArrayForm((), "<i8"))
        self._set = f"set{suffix}.npz"
        self.placed = placing(self._place(0), "row")
        self._open: list[int] = []
        finished = [self._finished(i) for i in (0, 1)]
        foreign = [i for i in (0, 1) if finished[i] and not done]
        if foreign:
            lost = "augx did not make them, or that file was lost (then put it back)"
            self._refuse(self._place(foreign[0]), f"it holds {finished[foreign[0]]} rows, none of them in manifest.jsonl: {lost}")
        if finished != [done, done]:
            self._grow()

    def _place(self, i: int) -> str:
        return self._set if self._npz else self._names[i]

    def _refuse(self, name: str, why: str) -> None:
        place = printable(os.path.join(self._root, name))
        raise OutputError(f"{place}: {why}; move it away, choose another --output, or --overwrite to replace the set")

    def _finished(self, i: int) -> int | None:
        """The rows of a finished array; None where there is none."""
        with self._standing(i) as rows:
            return rows[1] if rows is not None else None

    @contextlib.contextmanager
    def _standing(self, i: int) -> Iterator[tuple[IO[bytes], int] | None]:
        """A finished array, at its first row, and how many there are. Raises ``OutputError`` for what is none of ours."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(open_folder(self._root, ""))
            try:
                try:
                    file: IO[bytes] = stack.enter_context(open(os.open(self._place(i), os.O_RDONLY | _FILE, dir_fd=folder), "rb"))
                except FileNotFoundError:
                    found = None
                else:
                    size = os.fstat(file.fileno()).st_size
                    if self._npz:
                        archive = stack.enter_context(zipfile.ZipFile(file))
                        size = archive.getinfo("xy"[i] + ".npy").file_size
                        file = stack.enter_context(archive.open("xy"[i] + ".npy"))
                    found = file, self._counted(i, file.read(HEADER), size)
            except _BROKEN as error:
                self._refuse(self._place(i), f"not an array that augx wrote ({printable(error)})")
            yield found

    def _counted(self, i: int, head: bytes, size: int) -> int:
        """The rows of an array. Raises ``ValueError`` for one of another form."""
        found, rows = _counted(head, size)
        if found != self._forms[i]:
            raise ValueError(f"its rows are {found}, those of this set {self._forms[i]}")
        return rows

    def _grow(self) -> None:
        """Open the growing arrays with just the committed rows in them. Raises ``OutputError`` where rows are missing."""
        with open_folder(self._root, "") as folder:
            for i in (0, 1):
                name, row = PART + self._names[i], self._forms[i].row_bytes
                descriptor = os.open(name, os.O_RDWR | os.O_CREAT | _FILE, 0o666, dir_fd=folder)
                self._open.append(descriptor)
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    self._refuse(name, "not a plain file")
                if found.st_size < HEADER + self.rows * row or not self._is_ours(i, descriptor):
                    self._begin(i, descriptor)
                os.ftruncate(descriptor, HEADER + self.rows * row)
                os.lseek(descriptor, 0, os.SEEK_END)

    def _is_ours(self, i: int, descriptor: int) -> bool:
        try:
            self._counted(i, os.pread(descriptor, HEADER, 0), os.fstat(descriptor).st_size)
        except ValueError:
            return False
        return True

    def _begin(self, i: int, descriptor: int) -> None:
        """Begin a growing array with the rows of the finished one."""
        with self._standing(i) as standing:
            if self.rows and (standing is None or standing[1] < self.rows):
                held = "none" if standing is None else str(standing[1])
                self._refuse(self._place(i), f"{self.rows} rows are in the manifest, {held} in the file")
            os.ftruncate(descriptor, 0)
            write_buffers(descriptor, [array_header(self._forms[i], 0)])
            left = self.rows * self._forms[i].row_bytes
            while standing is not None and left:
                block = standing[0].read(min(left, _BLOCK))
                if not block:
                    self._refuse(self._place(i), "it became shorter while it was read")
                write_buffers(descriptor, [block])
                left -= len(block)

    def append(self, pictures: Sequence[bytes | memoryview], labels: Sequence[bytes | memoryview]) -> None:
        """Add rows. Raises ``OSError``."""
        if not self._open:
            self._grow()
        for descriptor, rows in zip(self._open, (pictures, labels), strict=True):
            write_buffers(descriptor, rows)
        self.rows += len(pictures)

    def finish(self) -> list[str]:
        """Give the arrays their names; the lines about them. Raises ``OSError``."""
        with open_folder(self._root, "") as folder:
            for form, descriptor in zip(self._forms, self._open, strict=False):
                os.pwrite(descriptor, array_header(form, self.rows), 0)
            if self._open and self._npz:
                self._zip(folder)
            elif self._open:
                for name in self._names:
                    os.rename(PART + name, name, src_dir_fd=folder, dst_dir_fd=folder)
            self.close()
            for name in self._names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(PART + name, dir_fd=folder)
            names = [self._set] if self._npz else self._names
            sizes = [os.stat(name, dir_fd=folder, follow_symlinks=False).st_size for name in names]
        return [copy_line(package=name, size=size, samples=self.rows) for name, size in zip(names, sizes, strict=True)]

    def _zip(self, folder: int) -> None:
        """Both arrays in one archive, as ``numpy.savez`` would lay it out, with fixed dates."""
        temporary = TEMPORARY + self._set
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | _FILE
        try:
            with (
                open(os.open(temporary, flags, 0o666, dir_fd=folder), "w+b") as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
            ):
                for name, descriptor in zip("xy", self._open, strict=True):
                    info = zipfile.ZipInfo(f"{name}.npy")  # of 1980
                    info.create_system, info.external_attr = 3, 0o644 << 16
                    with archive.open(info, "w", force_zip64=True) as member:
                        at = 0
                        while block := os.pread(descriptor, _BLOCK, at):
                            member.write(block)
                            at += len(block)
            os.rename(temporary, self._set, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())
