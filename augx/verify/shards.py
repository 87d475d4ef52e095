"""Tar shards: whole by their SHA-256; of one that is not, which of its pictures are hurt."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augx.manifest import Manifest
from augx.packing.tar import BLOCK, padding
from augx.verify.found import Difference, compared
from augx.verify.lines import Task
from augx.verify.loose import judged

_KINDS = (tarfile.REGTYPE, tarfile.XHDTYPE)


class Shards:
    """The shards of a set; the lines of a damaged one's pictures are read again from the ``manifest``."""

    def __init__(self, root: str, manifest: Manifest, classes: Sequence[str], max_pixels: int) -> None:
        self._root, self._manifest, self._max_pixels = root, manifest, max_pixels
        self._numbers = {label: number for number, label in enumerate(classes)}

    def look_at(self, task: Task) -> list[Difference]:
        """The differences of a shard, by its closing line, and of its pictures."""
        (package,) = task.lines
        name = package["package"]
        path = os.path.join(self._root, name)
        kind, reason = compared(path, package["size"], package.get("sha256"))
        if not kind:
            return []
        if kind == "missing" or not os.path.isfile(path) or os.path.islink(path):
            return [Difference(kind, name, f"{reason}; {package['samples']:,} pictures were in it")]
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return [Difference(kind, name, reason)]
        try:
            hurt = [one for fields in self._lines(task) for one in self._sample(descriptor, fields)]
        finally:
            os.close(descriptor)
        pictures = len({one.picture for one in hurt})
        told = f"{pictures:,} of its {package['samples']:,} pictures are hurt" if hurt else "every picture in it is whole"
        return [Difference("changed", name, f"{reason}; {told}"), *hurt]

    def _lines(self, task: Task) -> Iterator[dict[str, Any]]:
        begin, stop = task.span
        with open(self._manifest.descriptor, "rb", closefd=False, buffering=0) as file:
            while begin < stop:  # with pread: other threads move the descriptor's own place
                block = os.pread(file.fileno(), min(stop - begin, 1 << 20), begin)
                end = block.rfind(b"\n") + 1
                if not end:
                    block = os.pread(file.fileno(), stop - begin, begin)
                    end = block.find(b"\n") + 1 or len(block)
                yield from map(json.loads, block[:end].splitlines())
                begin += end

    def _sample(self, descriptor: int, fields: Mapping[str, Any]) -> Iterator[Difference]:
        """What is wrong with a picture and what goes with it: its class, its line, the files beside it."""
        place, at, size = fields["file"], fields["at"], fields["size"]
        inside = f"in {fields['in']}"
        data = os.pread(descriptor, size, at)
        if len(data) < size:
            yield Difference("missing", place, f"{inside}: it ends before this picture does", place)
            return
        if hashlib.sha256(data).hexdigest() != fields["sha256"]:
            kind, reason = judged(data, self._max_pixels, "its SHA-256 is another one")
            yield Difference(kind, place, f"{inside}: {reason}", place)
        at += size + len(padding(size))
        try:
            if fields["label"]:
                number, at = _member(descriptor, at)
                if number != b"%d" % self._numbers[fields["label"]]:
                    yield Difference("changed", place, f"{inside}: the number of its class (.cls) is another one", place)
            line, at = _member(descriptor, at)
            if _plain(line) != {key: value for key, value in fields.items() if key not in ("in", "at")}:
                yield Difference("changed", place, f"{inside}: what is said of it (.json) is not its line", place)
            for part in fields.get("beside", ()):
                data, at = _member(descriptor, at)
                if hashlib.sha256(data).hexdigest() != part["sha256"]:
                    yield Difference("changed", part["file"], f"{inside}: its SHA-256 is another one", place)
        except (tarfile.TarError, KeyError):
            yield Difference("changed", place, f"{inside}: what follows this picture is damaged or cut off", place)


def _plain(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _member(descriptor: int, at: int) -> tuple[bytes, int]:
    """The bytes of the member whose header is there, and where the next one begins. Raises ``tarfile.TarError``."""
    whole = os.fstat(descriptor).st_size
    while True:
        info = tarfile.TarInfo.frombuf(os.pread(descriptor, BLOCK, at), "utf-8", "surrogateescape")
        if info.type not in _KINDS or not 0 <= info.size <= whole - at - BLOCK:
            raise tarfile.ReadError("not a member that augx wrote")
        begin = at + BLOCK
        at = begin + info.size + len(padding(info.size))
        if info.type == tarfile.REGTYPE:
            return os.pread(descriptor, info.size, begin), at
