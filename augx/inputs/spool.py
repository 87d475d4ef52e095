"""Files under guard: headers read in bounds, and what can't be read in place (compressed, on standard input) copied once to a spool."""

from __future__ import annotations

import atexit
import bz2
import contextlib
import fcntl
import functools
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from augx.annotations.listing import file_names
from augx.errors import OutputError, PlanError, printable
from augx.files import write_all
from augx.sources import Source

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
PREFIX = "augx-spools-"
"""How the folders of spools begin, each a process'."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

HEAD = 6
"""Bytes that tell how a file is compressed."""


@dataclass(frozen=True, slots=True)
class Spooled(Source):
    """A source whose bytes lie in a spool; messages name the user's own file, ``file``, and not the spool."""

    file: str = ""

    @property
    def where(self) -> str:
        """Where it lies, for messages."""
        return f"{self.file}: {self.part.name}" if self.part is not None else self.file


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
    """The path of a new temporary file with these bytes; it goes when this process ends, or if ``pieces`` raises.

    ``name`` is the user's own file, for messages. Raises ``OutputError`` if there is no room for it.
    """
    try:
        descriptor, path = tempfile.mkstemp(dir=_own_folder(os.getpid(), tempfile.gettempdir()))
    except OSError as error:
        raise _no_room(name, error) from None
    try:
        for piece in pieces:
            try:
                write_all(descriptor, piece)
            except OSError as error:
                raise _no_room(name, error) from None
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    return path


@functools.cache
def _own_folder(process: int, below: str) -> str:
    """A new folder for the spools of one process, after those of dead ones are removed.

    The folder is locked for as long as the process lives, or a fork of it, so a lock that can be had tells that nobody reads there
    any more: not even a kill leaves a spool for longer than until the next one is made. Raises ``OSError``.
    """
    for name in file_names(below):
        if name.startswith(PREFIX):
            with contextlib.suppress(OSError):
                _sweep(os.path.join(below, name))
    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX, dir=below)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, _FOLDER)  # never closed, so that the lock ends with the process
            with contextlib.suppress(OSError):  # where a file system has no locks, what a killed process leaves is kept
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.isdir(folder):
                atexit.register(_remove, folder, process)
                return folder
            os.close(descriptor)  # another process' sweep was there before the lock


def _sweep(folder: str) -> None:
    """Remove a folder of this user's spools, unless somebody holds it, which raises ``OSError``."""
    descriptor = os.open(folder, _FOLDER | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder, os.getpid())
    finally:
        os.close(descriptor)


def _no_room(name: str, error: OSError) -> OutputError:
    folder = tempfile.tempdir or "the temporary folder"
    return OutputError(f"{printable(name)}: it is unpacked to {printable(folder)}: {error.strerror}; set TMPDIR to a folder with room")


def _remove(folder: str, process: int) -> None:
    # A forked process inherits this; the folder is its parent's.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


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
