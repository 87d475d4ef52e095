"""The rows of a plan in a file: read when they are asked for; what all rows have (copies, originals, ranks) are arrays over it.

The file, from its beginning: a first line that says what it is; one line of JSON a row, in the plan's order (``plans/lines.py``);
the arrays of ``_ARRAYS``, little-endian; one line of JSON about the plan; 26 bytes that say where that begins, and its sum. What
is about the whole plan stands at the end, so that a plan is written in one go, while its sources are listed.
"""

from __future__ import annotations

import array
import contextlib
import itertools
import json
import mmap
import os
import stat
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from augx import __version__
from augx.errors import PlanError, WriteError, printable
from augx.files import TEMPORARY
from augx.plans.lines import TableDigest, check_inside, line_of, mixing_rank, row_of
from augx.rows import Row

MAGIC = b"augx plan 1\n"
MOST = 1 << 62
"""Copies that a saved plan can have in all."""
_ARRAYS = {"starts": "<u8", "copies": "<i8", "ranks": "<u8", "sums": "<u4", "parts": "<u2", "originals": "|u1"}
"""Names and types; one item a row, of the starts one more."""
_BLOCK = 512
_TAIL = 26

Classes = Mapping[str, tuple[int, int, int]]
"""Sources, copies and files of each class."""


class RowTable(Sequence[Row]):
    """The rows of a saved plan. Of each row without reading it: ``copies``, ``originals`` (whether the untouched source goes with
    them), ``ranks`` (what a mixed set is ordered by); ``digest`` is that of ``TableDigest``. Raises ``PlanError`` for damaged rows.
    """

    def __init__(self, path: str, descriptor: int, arrays: Mapping[str, NDArray[Any]], head: Mapping[str, Any]) -> None:
        self.path, self._descriptor = path, descriptor
        self._starts, self._sums, self._parts = arrays["starts"], arrays["sums"], arrays["parts"]
        self.copies: NDArray[np.int64] = arrays["copies"]
        self.ranks: NDArray[np.uint64] = arrays["ranks"]
        self.originals: NDArray[np.bool_] = arrays["originals"].view(np.bool_)
        self.digest = bytes.fromhex(head["digest"])
        self._places = [(str(part), str(top)) for part, top in head["parts"]]
        self._classes = {part: {label: (s, c, f) for label, (s, c, f) in of.items()} for part, of in head["classes"].items()}
        weakref.finalize(self, os.close, descriptor)  # last: where this fails, the caller closes it

    def classes(self, part: str | None = None) -> dict[str, tuple[int, int, int]]:
        """Sources, copies and files of each class; of one part of a split, or of all."""
        return dict(self._classes.get(part or "", {}))

    def of_parts(self, *parts: str) -> NDArray[np.bool_]:
        """Whether each row belongs to one of these parts of a split; ``""`` is that of a set which is not divided."""
        return np.isin(self._parts, [i for i, (part, _) in enumerate(self._places) if part in parts])

    def __len__(self) -> int:
        return len(self.copies)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, place: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        i = range(len(self))[place]
        return self._row(i, os.pread(self._descriptor, int(self._starts[i + 1] - self._starts[i]), int(self._starts[i])))

    def __iter__(self) -> Iterator[Row]:
        for first in range(0, len(self), _BLOCK):
            starts = self._starts[first : first + _BLOCK + 1].tolist()
            block = os.pread(self._descriptor, starts[-1] - starts[0], starts[0])
            for i, (start, stop) in enumerate(itertools.pairwise(starts), first):
                yield self._row(i, block[start - starts[0] : stop - starts[0]])

    def _row(self, i: int, line: bytes) -> Row:
        try:
            if zlib.crc32(line) != self._sums[i]:
                raise ValueError
            return row_of(line, int(self.copies[i]), bool(self.originals[i]), *self._places[self._parts[i]])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            raise broken(self.path, f"row {i + 1} is damaged") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (os.path.abspath(self.path),)


def table_digest(rows: Sequence[Row]) -> bytes:
    """The digest of a plan's rows, saved or not; see ``TableDigest``."""
    if isinstance(rows, RowTable):
        return rows.digest
    digest = TableDigest()
    for row in rows:
        digest.add(row)
    copies = np.fromiter((row.copies for row in rows), "<i8", len(rows))
    return digest.finish(copies.data, np.fromiter((row.with_original for row in rows), "|u1", len(rows)).data)


def broken(path: str, what: str) -> PlanError:
    """The error for a file that is no whole plan."""
    return PlanError(f"{printable(path)}: {what}; make the plan again by augx plan --save")


def open_table(path: str) -> tuple[RowTable, dict[str, Any]]:
    """The rows of a saved plan, and what it says besides. Raises ``PlanError`` for what is none, or is damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PlanError(f"{printable(path) or 'an empty path'}: can't read this plan: {reason}; check the spelling") from None
    try:
        status = os.fstat(descriptor)
        first = os.pread(descriptor, len(MAGIC), 0) if stat.S_ISREG(status.st_mode) else b""
        if first != MAGIC:
            later = first.startswith(MAGIC[:10])
            what = "a plan of another augx" if later else "this is no plan of augx" if first else "this is empty, or no file"
            raise broken(path, what)
        head, arrays = _read(path, descriptor, status.st_size)
        return RowTable(path, descriptor, arrays, head), head["about"]
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError)):
            raise broken(path, "this plan is damaged or cut short") from None
        raise


def _reopened(path: str) -> RowTable:
    return open_table(path)[0]


def _read(path: str, descriptor: int, size: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What stands behind the rows, checked; raises ``ValueError`` or the like for what is damaged."""
    tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    begin, total = int(tail[:16], 16), int(tail[17:25], 16)
    if not len(MAGIC) <= begin <= size - _TAIL:
        raise ValueError
    text = os.pread(descriptor, size - _TAIL - begin, begin)
    if zlib.crc32(text) != total:
        raise ValueError
    head = json.loads(text)
    if head["augx"] != __version__:
        raise broken(path, f"a plan of augx {printable(head['augx'])}, this is {__version__}")
    rows, at, arrays = int(head["rows"]), int(head["table"]), {}
    mapped = mmap.mmap(descriptor, begin, access=mmap.ACCESS_READ)
    for name, kind in _ARRAYS.items():
        found = np.frombuffer(mapped, kind, rows + (name == "starts"), at)
        if zlib.crc32(found.data) != head["sums"][name]:
            raise ValueError
        arrays[name] = found
        at += found.nbytes
    starts, copies = arrays["starts"], arrays["copies"]
    ordered = starts[0] >= len(MAGIC) and starts[-1] <= head["table"] and bool((starts[1:] > starts[:-1]).all())
    if at != begin or not ordered or (rows and (copies.min() < 0 or arrays["parts"].max() >= len(head["parts"]))):
        raise ValueError
    for place in head["parts"]:
        check_inside(place[1])
    return head, arrays


class TableWriter:
    """Rows to a file, as they come; ``row`` gives back one of those written, without copies."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._here = file, os.getcwd()
        self._starts, self._ranks, self._sums = array.array("Q", [file.write(MAGIC)]), array.array("Q"), array.array("I")
        self._digest = TableDigest()

    def __len__(self) -> int:
        return len(self._ranks)

    def add(self, row: Row) -> None:
        """The next row; its copies, its original and its part come at the end."""
        line = line_of(row, self._here)
        self._starts.append(self._starts[-1] + self._file.write(line))
        self._sums.append(zlib.crc32(line))
        self._ranks.append(mixing_rank(row.source.key))
        self._digest.add(row)

    def row(self, i: int) -> Row:
        """One of the rows again."""
        self._file.flush()
        line = os.pread(self._file.fileno(), self._starts[i + 1] - self._starts[i], self._starts[i])
        return row_of(line, 0, False, "", "")

    def finish(
        self, copies: NDArray[np.int64], originals: NDArray[np.bool_], places: tuple[NDArray[np.uint16], list[tuple[str, str]]],
        classes: Mapping[str, Classes], about: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """What stands behind the rows; ``places`` are the number of each row's part and top, and these."""
        numbers, parts = places
        starts, ranks, sums = (np.frombuffer(found, f"=u{found.itemsize}") for found in (self._starts, self._ranks, self._sums))
        arrays: tuple[NDArray[Any], ...] = (starts, copies, ranks, sums, numbers, originals)
        self._file.write(b"\n" * (-self._starts[-1] % 8))
        head: dict[str, Any] = {"augx": __version__, "rows": len(self), "table": self._file.tell(), "sums": {}}
        stored = {name: found.astype(kind, copy=False).data for (name, kind), found in zip(_ARRAYS.items(), arrays, strict=True)}
        for name, data in stored.items():
            head["sums"][name] = zlib.crc32(data)
            self._file.write(data)
        digest = self._digest.finish(stored["copies"], stored["originals"]).hex()
        head |= {"parts": parts, "classes": classes, "digest": digest, "about": about}
        begin, text = self._file.tell(), json.dumps(head, separators=(",", ":")).encode("ascii") + b"\n"
        self._file.write(text + f"{begin:016x} {zlib.crc32(text):08x}\n".encode("ascii"))


@contextlib.contextmanager
def new_plan_file(path: str) -> Iterator[BinaryIO]:
    """A file to write and read, which gets its name when all is written; another plan may have had it, nothing else.

    Raises ``PlanError`` for a name that is taken, ``WriteError`` for a folder that takes no file.
    """
    if not path or "\0" in path or path.endswith("/"):
        raise PlanError(f"--save {printable(path)}: this is no name of a file")
    temporary = os.path.join(os.path.dirname(path), f"{TEMPORARY}{os.getpid()}-plan")
    try:
        if os.path.lexists(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            there = os.pread(descriptor, 10, 0) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
            os.close(descriptor)
            if there != MAGIC[:10]:
                raise PlanError(f"--save {printable(path)}: there is a file of this name that is no plan; move it away or choose another")
        try:
            with open(temporary, "w+b", buffering=1 << 20) as file:
                yield file
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise WriteError(f"--save {printable(path)}: can't write this plan: {error.strerror}; put that right, or choose another") from None
