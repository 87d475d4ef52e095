"""Files under guard: headers read in bounds, and what can't be read in place (compressed, on standard input) copied once to a spool."""

from __future__ import annotations

import atexit
import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

from augx.errors import OutputError, PlanError, printable
from augx.files import write_all

BLOCK = 1 << 20
MAX_RATIO = 100
"""Photos hardly shrink and plain arrays about 20 times; zeros shrink 1,000 times with gzip, and far more with xz."""
HEADROOM = 64 << 20
"""Bytes that may come out whatever went in, so that small sets of flat pictures pass."""

MAX_HEADERS = 1 << 15
"""Bytes of headers that one member may have, long names and pax records included: tarfile takes quadratic time and memory for them."""

_OPENERS: tuple[tuple[bytes, str, Any], ...] = (
    (b"\x1f\x8b", "gzip", gzip.open),
    (b"BZh", "bzip2", bz2.open),
    (b"\xfd7zXZ\x00", "xz", lzma.open),
)
_REFUSED = {b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"), b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc")}
HEAD = 6
"""Bytes that tell how a file is compressed."""


class Unpacked(NamedTuple):
    """A spool, and why it holds less than it should (``""``: it is whole)."""

    path: str
    fault: str


def opened(path: str) -> IO[bytes]:
    """A regular file, for the caller to close; never waits on a pipe. Raises ``PlanError``."""
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115 - the caller's
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PlanError(f"{printable(path)}: can't read it: {reason}; check the spelling and the permissions") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise PlanError(f"{printable(path)}: a pipe or a device, not a regular file; a tar in a stream is given on standard input, as -")
    return file


def spooled(pieces: Iterable[bytes], name: str) -> str:
    """The path of a new temporary file with these bytes; it is removed when this process ends, and if ``pieces`` raises.

    ``name`` is the user's own file, for messages. Raises ``OutputError`` if there is no room for it.
    """
    try:
        descriptor, path = tempfile.mkstemp(prefix="augx-")
    except OSError as error:
        raise _no_room(name, error) from None
    atexit.register(_remove, path, os.getpid())
    try:
        for piece in pieces:
            try:
                write_all(descriptor, piece)
            except OSError as error:
                raise _no_room(name, error) from None
    except BaseException:
        _remove(path, os.getpid())
        raise
    finally:
        os.close(descriptor)
    return path


def _no_room(name: str, error: OSError) -> OutputError:
    folder = tempfile.tempdir or "the temporary folder"
    return OutputError(f"{printable(name)}: it is unpacked to {printable(folder)}: {error.strerror}; set TMPDIR to a folder with room")


def _remove(path: str, process: int) -> None:
    # A forked process inherits this; the file is its parent's.
    if os.getpid() == process:
        with contextlib.suppress(OSError):
            os.unlink(path)


def compression(head: bytes, name: str) -> str:
    """How bytes that begin so are compressed: gzip, bzip2, xz or ``""``. Raises ``PlanError`` for what can't be unpacked here."""
    for magic, (kind, command) in _REFUSED.items():
        if head.startswith(magic):
            raise PlanError(
                f"{printable(name)}: this is {kind}, which augx does not unpack (gzip, bzip2 and xz it does); "
                f"give it on standard input: {command} FILE | augx ..."
            )
    return next((kind for magic, kind, _ in _OPENERS if head.startswith(magic)), "")


def unpacked(stream: IO[bytes], name: str) -> Unpacked:
    """All of a stream, decompressed if need be, in a spool. What is cut short is kept up to there, with its ``fault``.

    Raises ``PlanError`` for damaged data and for a bomb.
    """
    counted = _Counted(stream)
    head = counted.peek(HEAD)
    kind = compression(head, name)
    source: IO[bytes] = io.BufferedReader(counted, BLOCK)
    if kind:
        source = next(opener for _, found, opener in _OPENERS if found == kind)(source)
    faults: list[str] = []
    path = spooled(within_ratio(_blocks(source, kind, name, faults), counted.taken, name), name)
    return Unpacked(path, faults[0] if faults else "")


def _blocks(source: Any, kind: str, name: str, faults: list[str]) -> Iterator[bytes]:
    while True:
        try:
            # read1, so that nothing that came before a fault is lost with it.
            block = source.read1(BLOCK)
        except EOFError:
            faults.append(f"its {kind} data is cut short")
            return
        except (OSError, zlib.error, lzma.LZMAError, ValueError) as error:
            what = f"its {kind} data is damaged" if kind else "can't read it"
            raise PlanError(f"{printable(name)}: {what}: {printable(error)}; make the file again") from None
        if not block:
            return
        yield block


def within_ratio(pieces: Iterable[bytes], taken: Any, name: str) -> Iterator[bytes]:
    """The pieces, as long as they are not far more than the bytes (``taken()``) that they come from. Raises ``PlanError``."""
    given = 0
    for piece in pieces:
        given += len(piece)
        if given > MAX_RATIO * taken() + HEADROOM:
            raise PlanError(
                f"{printable(name)}: {taken():,} bytes of it unpack to {given:,} and more, over {MAX_RATIO} times as much, "
                "as no photos do; if that is right, unpack it yourself and give that file"
            )
        yield piece


class _Counted(io.RawIOBase):
    """A stream that says how much was read from it, and lets its first bytes be seen beforehand."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._ahead, self._count = stream, b"", 0

    def readable(self) -> bool:
        return True

    def taken(self) -> int:
        return self._count

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (piece := self._stream.read(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead

    def readinto(self, buffer: Any) -> int:
        data = self._ahead[: len(buffer)] or self._stream.read(len(buffer)) or b""
        self._ahead = self._ahead[len(data) :] if self._ahead else b""
        buffer[: len(data)] = data
        self._count += len(data)
        return len(data)


class DamageError(Exception):
    """Why a tar can't be read on from some place."""


class Window:
    """A file for tarfile: it goes forwards only, not beyond the end, and gives only so many bytes of headers a member."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.length, self.left = file, os.fstat(file.fileno()).st_size, MAX_HEADERS

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int) -> int:
        if place < self._file.tell():
            raise DamageError("a member's size is negative")
        if place >= self.length:
            raise DamageError("the tar ends in the middle of a member")
        return self._file.seek(place)

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise DamageError(f"a member has more than {MAX_HEADERS:,} bytes of headers")
        data = self._file.read(size)
        # A pax record's length is searched for in quadratic time (CVE-2024-6232).
        if re.search(rb"[0-9]{1000}", data):
            raise DamageError("a member's header is no header")
        return data
