"""The samples of a shard, kept until it is full, in the order that they will have in it.

Copies of one source come one after the other, and no reader's shuffle buffer undoes that. So a shard's samples lie in an
order of their own, by a keyed hash. They wait for it in a file without a name, which a kill takes with it.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from typing import NamedTuple

from augx.files import TEMPORARY
from augx.packing.base import Item, placing, write_buffers
from augx.packing.tar import end, header, padding

_BLOCK = 1 << 20  # bytes that are written or read in one go
_SKIPPED = re.compile(r"__[^/]*__/")


class Sample(NamedTuple):
    """A sample as it is in a tar: one member after the other, the picture first; its own bytes begin at ``picture``."""

    key: str
    pieces: list[bytes]
    size: int
    picture: int


class _Kept(NamedTuple):
    """Where a sample lies in the file, and what its place in the shard is decided by."""

    rank: bytes
    at: int
    size: int
    picture: int
    line: str


class Filling:
    """A shard that is being filled, with the first number that is not ``taken``.

    ``folder`` is where its samples wait (None: among the system's temporary files).
    """

    def __init__(self, part: str, taken: Collection[int], seed_key: str, folder: str | None) -> None:
        self._part, self._seed_key = part, hashlib.blake2b(seed_key.encode("utf-8", "surrogatepass")).digest()
        self._file = tempfile.TemporaryFile(prefix=TEMPORARY, dir=folder, buffering=0)  # noqa: SIM115 - as long as the run
        self._numbers = (number for number in itertools.count() if number not in taken)
        self._begin()

    def _begin(self) -> None:
        self._number = next(self._numbers)
        self._kept: list[_Kept] = []
        self._keys: set[str] = set()
        self._size = 0
        self._unwritten: list[bytes] = []
        self._written = 0
        self._ranks = hashlib.blake2b(digest_size=16, key=self._seed_key, person=b"augx-shard-1")
        self._ranks.update(self.name.encode("utf-8", "surrogatepass") + b"\0")

    def next(self) -> None:
        """Begin the next shard of this part, in the same file: writing over it is faster than new room."""
        self._file.seek(0)
        self._begin()

    def drop(self) -> None:
        """Give the samples up."""
        self._file.close()

    @property
    def name(self) -> str:
        """The shard's file."""
        return f"{self._part or 'shard'}-{self._number:06d}.tar"

    def __len__(self) -> int:
        return len(self._kept)

    def size_with(self, more: int = 0) -> int:
        """Bytes of the shard's file, if so many more come."""
        size = self._size + more
        return size + len(end(size))

    def sample(self, item: Item, number: int | None, place: str) -> Sample:
        """The item as this shard would hold it, named by ``place``; ``number`` is that of its class."""
        key, extension = self._free_key(place)
        data, line = item.data, item.line.encode("ascii")
        first = header(key + extension, len(data))
        pieces = [first, data, padding(len(data))]
        if number is not None:
            text = b"%d" % number
            pieces += header(f"{key}.cls", len(text)), text, padding(len(text))
        pieces += header(f"{key}.json", len(line)), line, padding(len(line))
        for beside, more in item.beside:
            folder = beside.removeprefix(f"{item.part}/" if item.part else "").partition("/")[0]
            pieces += header(f"{key}.{folder}{os.path.splitext(beside)[1]}", len(more)), more, padding(len(more))
        return Sample(key, pieces, sum(map(len, pieces)), len(first))

    def _free_key(self, place: str) -> tuple[str, str]:
        """What names a sample's members up to the first dot, and the picture's extension.

        Of two originals that differ in their extension alone, the second keeps it in its key.
        """
        at = place.rfind("/") + 1
        dot = place.rfind(".", at + 1)
        stem, extension = (place[at:dot], place[dot:]) if dot > 0 else (place[at:], "")
        if "." in stem or "%" in stem:
            stem = stem.replace("%", "%25").replace(".", "%2E")
        key = place[:at] + stem
        # Readers skip a folder such as __background__, and what has a line break before its last slash.
        if key.startswith("__") and _SKIPPED.match(key):
            key = f"%5F{key[1:]}"
        if "\n" in key:
            key = key.replace("\n", "%0A")
        while key in self._keys:
            key += extension.replace(".", "%2E") or "%2E"
        return key, extension

    def put(self, sample: Sample, item: Item) -> None:
        """Keep a sample. Raises ``OSError``."""
        rank = self._ranks.copy()
        rank.update(item.place.encode("utf-8", "surrogatepass"))
        self._kept.append(_Kept(rank.digest(), self._size, sample.size, sample.picture, item.line))
        self._keys.add(sample.key)
        self._size += sample.size
        self._unwritten += sample.pieces
        if self._size - self._written >= _BLOCK:
            self._write()

    def _write(self) -> None:
        write_buffers(self._file.fileno(), self._unwritten)
        self._unwritten, self._written = [], self._size

    def _mixed(self) -> list[_Kept]:
        return sorted(self._kept, key=lambda kept: kept.rank)

    def lines(self, package: str, start: int) -> list[str]:
        """The samples' lines in the order in which they came; the first sample of the shard begins at ``start``."""
        found: dict[int, int] = {}
        for kept in self._mixed():
            found[kept.at] = start + kept.picture
            start += kept.size
        told = placing(package, "at")
        return [told(kept.line, found[kept.at]) for kept in self._kept]

    def samples(self) -> Iterator[memoryview]:
        """The samples' bytes, in the order of the shard; a block is good until the second after it. Raises ``OSError``."""
        self._write()
        buffers, used = [memoryview(bytearray(_BLOCK)), memoryview(bytearray(_BLOCK))], 0
        for kept in self._mixed():
            at, stop = kept.at, kept.at + kept.size
            while at < stop:
                read = os.preadv(self._file.fileno(), [buffers[0][used : used + stop - at]], at)
                if not read:
                    raise OSError(errno.EIO, "the file in which samples wait became shorter")
                at, used = at + read, used + read
                if used == _BLOCK:
                    yield buffers[0]
                    buffers, used = buffers[::-1], 0
        yield buffers[0][:used]

    def whole(self) -> Iterator[bytes | memoryview]:
        """The bytes of the shard's file, as ``samples``. Raises ``OSError``."""
        yield from self.samples()
        yield end(self._size)
