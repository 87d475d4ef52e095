"""Arrays: rows against their lines; the bytes around the rows against what augx writes there."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from augx.errors import OutputError, printable
from augx.manifest import RUN
from augx.packing.arrays import HEADER, PART, array_header
from augx.packing.forms import ArrayForm
from augx.verify.found import Difference

_BLOCK = 1 << 20
_LOCAL = 30 + len("x.npy") + 20  # bytes before a member of a .npz: its header, its name, and its sizes in 64 bits
_NUMBERS = ArrayForm((), "<i8")


class _Rows(NamedTuple):
    """An open file that holds rows, where the first one begins, and how many there are."""

    name: str
    descriptor: int
    begin: int
    rows: int


class Arrays:
    """The arrays of a set, as run.json's ``store`` tells of them. Use as a context manager."""

    def __init__(self, root: str, store: Mapping[str, Any], packages: Mapping[str, Mapping[str, Any]], *, running: bool) -> None:
        self._root, self._npz, self._packages, self._running = root, store["kind"] == "npz", packages, running
        self._numbers = {"": -1, **{label: number for number, label in enumerate(store["classes"])}}
        self._form = _form(root, str(store.get("form")))
        shapes = dict.fromkeys((self._form.shape, self._form.grey))
        self._heads = [_head(ArrayForm(shape, self._form.dtype)) for shape in shapes]
        self._open: dict[str, tuple[list[_Rows], list[_Rows]]] = {}
        self._descriptors: list[int] = []
        self._hurt = Counter[str]()
        self._lock = threading.Lock()

    def __enter__(self) -> Arrays:
        return self

    def __exit__(self, *_: object) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    def look_at_row(self, fields: Mapping[str, Any]) -> Iterator[Difference]:
        """The differences of a line's picture and of its class."""
        place, package, row = fields["file"], fields["in"], fields["row"]
        pictures, numbers = self._files(package)
        inside = f"row {row} in {package}"
        found = [data for one in pictures if (data := _row(one, row, self._form.row_bytes)) is not None]
        if not found and (pictures or package not in self._packages):
            self._count(pictures)
            yield Difference("missing", place, f"{inside}: it is not there", place)
        if found and not any(self._is(data, fields["sha256"]) for data in found):
            self._count(pictures)
            yield Difference("changed", place, f"{inside}: its SHA-256 is another one", place)
        classes = [data for one in numbers if (data := _row(one, row, _NUMBERS.row_bytes)) is not None]
        if numbers and struct.pack("<q", self._numbers.get(fields["label"], -2)) not in classes:
            self._count(numbers)
            yield Difference("changed", place, f"{inside}: the number of its class is {'another one' if classes else 'not there'}", place)

    def _count(self, files: Sequence[_Rows]) -> None:
        with self._lock:
            self._hurt.update(one.name for one in files[:1])

    def hurt(self) -> Iterator[Difference]:
        """The files that hurt rows are in, once all rows were looked at."""
        for name, rows in sorted(self._hurt.items()):
            yield Difference("changed", name, f"{rows:,} of its rows are not what their lines say")

    def look_at(self, package: Mapping[str, Any]) -> Iterator[Difference]:
        """The differences of a finished file: its size, and all that is not rows."""
        name, size, rows = package["package"], package["size"], package["samples"]
        descriptor = self._opened(name)
        if descriptor is None:
            yield Difference("missing", name, f"it is not there; {rows:,} rows were in it")
            return
        found = os.fstat(descriptor).st_size
        if found != size and not (self._running and found > size):
            yield Difference("changed", name, f"it has {found:,} bytes, recorded are {size:,}")
        elif found == size:
            try:
                whole = self._zip_is_whole(descriptor, rows) if self._npz else self._header_is(descriptor, name, rows)
            except OSError as error:
                yield Difference("changed", name, f"it can't be read: {error.strerror}")
                return
            if not whole:
                what = "the sums or names of its ZIP, or an array's header," if self._npz else "its header"
                yield Difference("changed", name, f"{what} is not what augx wrote")

    def _is(self, row: bytes, sha256: str) -> bool:
        """Whether a row is of the picture with this digest, as a .npy; grey ones were spread."""
        if hashlib.sha256(self._heads[0] + row).hexdigest() == sha256:
            return True
        if len(self._heads) == 1:
            return False
        levels = np.frombuffer(row, self._form.dtype).reshape(self._form.shape)
        grey = np.ascontiguousarray(levels[:, :, 0])
        return bool((levels == grey[:, :, None]).all()) and hashlib.sha256(self._heads[1] + grey.tobytes()).hexdigest() == sha256

    def _header_is(self, descriptor: int, name: str, rows: int) -> bool:
        form = _NUMBERS if name.startswith("y") else self._form
        return os.pread(descriptor, HEADER, 0) == array_header(form, rows)

    def _zip_is_whole(self, descriptor: int, rows: int) -> bool:
        """Whether an archive is what comes out if its arrays, as they are, are put into one again."""
        again = _Compared(descriptor)
        begin = 0
        with zipfile.ZipFile(again, "w", zipfile.ZIP_STORED) as archive:
            for name, form in (("x.npy", self._form), ("y.npy", _NUMBERS)):
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, 0o644 << 16
                at, stop = begin + _LOCAL, begin + _LOCAL + HEADER + rows * form.row_bytes
                begin = stop
                with archive.open(info, "w", force_zip64=True) as member:
                    member.write(array_header(form, rows))
                    at += HEADER
                    while at < stop and (block := os.pread(descriptor, min(_BLOCK, stop - at), at)):
                        member.write(block)
                        at += len(block)
        return again.is_same()

    def _files(self, package: str) -> tuple[list[_Rows], list[_Rows]]:
        """What holds the pictures and what the classes of a part: finished first, then growing."""
        with self._lock:
            if package not in self._open:
                suffix = package.partition(".")[0].removeprefix("set" if self._npz else "x")
                names = (f"x{suffix}.npy", f"y{suffix}.npy")
                found: tuple[list[_Rows], list[_Rows]] = ([], [])
                for i, form in enumerate((self._form, _NUMBERS)):
                    if self._npz and (descriptor := self._opened(package)) is not None:
                        rows = self._packages.get(package, {"samples": 0})["samples"]
                        begin = _LOCAL + HEADER + i * (rows * self._form.row_bytes + _LOCAL + HEADER)
                        found[i].append(_Rows(package, descriptor, begin, rows))
                    for name in (PART + names[i],) if self._npz else (names[i], PART + names[i]):
                        descriptor = self._opened(name)
                        if descriptor is not None:
                            size = os.fstat(descriptor).st_size
                            found[i].append(_Rows(name, descriptor, HEADER, max(0, size - HEADER) // form.row_bytes))
                self._open[package] = found
            return self._open[package]

    def _opened(self, name: str) -> int | None:
        try:
            descriptor = os.open(os.path.join(self._root, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        self._descriptors.append(descriptor)
        return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _form(root: str, text: str) -> ArrayForm:
    """The form that its text tells. Raises ``OutputError``."""
    try:
        shape, dtype = text.rpartition(" ")[::2]
        return ArrayForm(tuple(int(side) for side in shape.split(" x ")), np.dtype(dtype).newbyteorder("<").str)
    except (ValueError, TypeError):
        raise OutputError(f"{printable(os.path.join(root, RUN))}: says of no arrays that augx wrote: {printable(text)}") from None


def _head(form: ArrayForm) -> bytes:
    """What stands before a single picture's numbers in the .npy whose SHA-256 its line has."""
    file = io.BytesIO()
    np.save(file, np.zeros(form.shape, form.dtype), allow_pickle=False)
    return file.getvalue()[: -form.row_bytes]


def _row(rows: _Rows, row: int, size: int) -> bytes | None:
    """A row's bytes, None where it is not there or cut."""
    if row >= rows.rows:
        return None
    try:
        data = os.pread(rows.descriptor, size, rows.begin + row * size)
    except OSError:
        return None
    return data if len(data) == size else None


class _Compared(io.RawIOBase):
    """A file to write to that keeps nothing but short pieces, such as headers, which may be written again."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._at, self._same, self._end = descriptor, 0, True, 0
        self._short: dict[int, bytes] = {}

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next piece goes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """From the beginning or from the end."""
        self._at = offset + (self._end if whence == os.SEEK_END else self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def write(self, data: Any) -> int:
        """Compare a long piece at once, keep a short one."""
        piece = bytes(data)
        if len(piece) <= HEADER:
            self._short[self._at] = piece
        else:
            self._same = self._same and os.pread(self._descriptor, len(piece), self._at) == piece
        self._at += len(piece)
        self._end = max(self._end, self._at)
        return len(piece)

    def is_same(self) -> bool:
        """Whether the file has all that was written, and no more."""
        short = all(os.pread(self._descriptor, len(piece), at) == piece for at, piece in self._short.items())
        return self._same and short and os.fstat(self._descriptor).st_size == self._end


def growing_names(packages: Sequence[str]) -> set[str]:
    """What a set's arrays may be called while they grow."""
    suffixes = {name.partition(".")[0].removeprefix("set").removeprefix("x").removeprefix("y") for name in packages}
    return {f"{PART}{letter}{suffix}.npy" for letter in "xy" for suffix in suffixes}
