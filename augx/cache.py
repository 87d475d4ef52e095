"""The sources decoded last, each of them once however many threads ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict

from augx.errors import SourceError
from augx.sample import Sample
from augx.sources import Source, load
from augx.supervised import watched

_KEPT_BESIDE = 5  # a frame of half its size on each side, and a fourth channel
_ENTRY = 2000  # bytes of what holds a picture, however small it is


class Samples:
    """At most ``capacity`` decoded sources, or more while they have fewer bytes than ``room``. Threads may share it."""

    def __init__(self, max_pixels: int, capacity: int, room: int = 0) -> None:
        self._max_pixels, self._capacity, self._room = max_pixels, capacity, room
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0

    def get(self, source: Source, *, flat: bool) -> Sample:
        """The decoded source; raises its ``SourceError`` each time it is asked for."""
        with self._lock:
            entry = self._entries.setdefault(source.key, _Entry())
            self._entries.move_to_end(source.key)
            while len(self._entries) > self._capacity and self._bytes >= self._room:
                self._bytes -= self._entries.popitem(last=False)[1].bytes
        with entry.lock:
            if entry.found is None:
                try:
                    with watched():
                        entry.found = load(source, self._max_pixels, flat=flat)
                except SourceError as error:
                    entry.found = error
                with self._lock:
                    if self._entries.get(source.key) is entry:  # it may have gone already, for others
                        entry.bytes = _size(entry.found)
                        self._bytes += entry.bytes
        if isinstance(entry.found, SourceError):
            raise SourceError(*entry.found.args)  # a fresh one: several threads may be about to raise it
        return entry.found


class _Entry:
    __slots__ = ("bytes", "found", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: Sample | SourceError | None = None
        self.bytes = 0
        """What it counts for, once it is found."""


def _size(found: Sample | SourceError) -> int:
    """Bytes of a picture, and of what warps keep beside it."""
    return _ENTRY + (_KEPT_BESIDE * found.image.image.nbytes if isinstance(found, Sample) else 0)
