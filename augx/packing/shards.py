"""WebDataset tar shards (https://github.com/webdataset/webdataset), as files or as one tar on a pipe."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from augx.errors import OutputError, WriteError, printable
from augx.files import open_folder, write_whole
from augx.manifest import copy_line
from augx.packing.base import Item, class_number, writing
from augx.packing.mixing import Filling
from augx.packing.sizes import ShardSize
from augx.packing.tar import end, header, padding

_BLOCK = 1 << 20


class ShardPacker:
    """Puts samples into ``shard-000000.tar`` and so on, with parts ``train-000000.tar``, below ``root``.

    A sample's members have its place as their name, without the part in front and with the dots in its stem escaped. ``taken``
    are the numbers of the shards of each part that stand already. Each shard's lines end with one of its own: its size, SHA-256
    and samples.
    """

    def __init__(self, root: str, *, size: ShardSize, classes: Sequence[str], taken: Mapping[str, Collection[int]], seed_key: str) -> None:
        self._root = root
        self._shards = _Shards(size, classes, taken, seed_key, root, self._put)

    def add(self, items: Sequence[Item]) -> list[str]:
        """The lines of the shards that these items filled. Raises ``SourceError`` before any is taken, ``OutputError``, ``WriteError``."""
        with writing(self._root):
            return self._shards.add([(item, item.place.removeprefix(f"{item.part}/" if item.part else "")) for item in items])

    def finish(self) -> list[str]:
        """The lines of the shards that were not full. Raises ``OutputError``, ``WriteError``."""
        with writing(self._root):
            return self._shards.finish()

    def abandon(self) -> None:
        """Samples of shards that are not full are given up."""
        self._shards.drop()

    def _put(self, filling: Filling) -> list[str]:
        name, digest = filling.name, hashlib.sha256()
        lines = filling.lines(name, 0)
        with open_folder(self._root, "") as folder:
            blocks = _hashed(filling.whole(), digest)
            standing = _digest(folder, name)
            if standing is None:
                write_whole(folder, name, blocks)
            else:
                for _ in blocks:
                    pass
        if standing not in (None, digest.hexdigest()):  # the same: a run that was killed after its rename had made it
            place = printable(os.path.join(self._root, name))
            raise OutputError(
                f"{place}: another file has the name of this shard; move it away (a shard of this set that was damaged is then made anew), "
                "or choose another --output"
            )
        return [*lines, copy_line(package=name, size=filling.size_with(), sha256=digest.hexdigest(), samples=len(filling))]


class StreamPacker:
    """As ``ShardPacker``, but all shards' samples go into one tar that is written to ``file``, such as a pipe.

    Names keep the part in front; lines say where in the stream a picture is (``"in":"-"``), and none stands for a shard.
    """

    def __init__(self, file: BinaryIO, *, size: ShardSize, classes: Sequence[str], seed_key: str) -> None:
        self._file, self._at = file, 0
        self._shards = _Shards(size, classes, {}, seed_key, None, self._send)

    def add(self, items: Sequence[Item]) -> list[str]:
        """The lines of the samples that these items sent out. Raises ``SourceError`` before any is taken, ``WriteError``."""
        with _piping():
            return self._shards.add([(item, item.place) for item in items])

    def flush(self) -> list[str]:
        """Send the samples that still wait, without an end of the archive; their lines. Raises ``WriteError``."""
        with _piping():
            return self._shards.finish()

    def finish(self, closing: Mapping[str, bytes] | None = None) -> list[str]:
        """``flush``, then the members ``closing`` (name, bytes) and the end of the archive. Raises ``WriteError``."""
        lines = self.flush()
        with _piping():
            for name, data in (closing or {}).items():
                self._write((header(name, len(data)), data, padding(len(data))))
            self._write((end(self._at),))
            self._file.flush()
        return lines

    def abandon(self) -> None:
        """Samples that were not sent are given up, and the archive has no end."""
        self._shards.drop()

    def _send(self, filling: Filling) -> list[str]:
        lines = filling.lines("-", self._at)
        self._write(filling.samples())
        return lines

    def _write(self, pieces: Iterable[bytes | memoryview]) -> None:
        for piece in pieces:
            self._file.write(piece)
            self._at += len(piece)


@contextlib.contextmanager
def _piping() -> Iterator[None]:
    with writing("standard output"):
        try:
            yield
        except BrokenPipeError:
            why = "standard output was closed before the tar was whole; look at the command that reads it, then run this one again"
            raise WriteError(why) from None


class _Shards:
    """The shards that are being filled, one a part; ``close`` takes one that is full and gives its lines."""

    def __init__(
        self,
        size: ShardSize,
        classes: Sequence[str],
        taken: Mapping[str, Collection[int]],
        seed_key: str,
        folder: str | None,
        close: Callable[[Filling], list[str]],
    ) -> None:
        self._size, self._taken, self._seed_key, self._folder, self._close = size, taken, seed_key, folder, close
        self._numbers = {label: number for number, label in enumerate(classes)}
        self._filling: dict[str, Filling] = {}

    def add(self, items: Sequence[tuple[Item, str]]) -> list[str]:
        """Take items, each with the place that names it; the lines of what they filled."""
        numbers = [class_number(self._numbers, item) if item.label else None for item, _ in items]
        lines: list[str] = []
        for (item, place), number in zip(items, numbers, strict=True):
            filling = self._of(item.part)
            sample = filling.sample(item, number, place)
            if self._size.bytes and len(filling) and filling.size_with(sample.size) > self._size.bytes:
                lines += self._closed(filling)
                sample = filling.sample(item, number, place)
            filling.put(sample, item)
            if len(filling) == self._size.samples:
                lines += self._closed(filling)
        return lines

    def _of(self, part: str) -> Filling:
        if part not in self._filling:
            self._filling[part] = Filling(part, self._taken.get(part, ()), self._seed_key, self._folder)
        return self._filling[part]

    def _closed(self, filling: Filling) -> list[str]:
        lines = self._close(filling)
        filling.next()
        return lines

    def finish(self) -> list[str]:
        # In the order of their names: that of their first samples is another one in a run that goes on after half of them.
        lines = [line for _, filling in sorted(self._filling.items()) if len(filling) for line in self._closed(filling)]
        self.drop()
        return lines

    def drop(self) -> None:
        for filling in self._filling.values():
            filling.drop()
        self._filling.clear()


def _hashed(blocks: Iterable[Any], digest: hashlib._Hash) -> Iterator[Any]:
    """The blocks, each hashed by another thread while it is written and the next one is read."""
    with ThreadPoolExecutor(1) as thread:
        last = None
        for block in blocks:
            if last is not None:
                last.result()
            last = thread.submit(digest.update, block)
            yield block


def _digest(folder: int, name: str) -> str | None:
    """SHA-256 of what a name holds; None where it is free, nothing for what is no plain file that can be read: not ours."""
    if not os.access(name, os.F_OK, dir_fd=folder, follow_symlinks=False):
        return None
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    digest = hashlib.sha256()
    try:
        with open(descriptor, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
