"""The sources decoded last, each of them once however many threads ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict

from augx.errors import SourceError
from augx.sample import Sample
from augx.sources import Source, load
from augx.supervised import watched

_KEPT_BESIDE = 5  # a frame of half its size on each side, and a fourth channel


class Samples:
    """At most ``capacity`` decoded sources, or more while they have fewer bytes than ``room``. Threads may share it."""

    def __init__(self, max_pixels: int, capacity: int, room: int = 0) -> None:
        self._max_pixels, self._capacity, self._room = max_pixels, capacity, room
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: Source, *, flat: bool) -> Sample:
        """The decoded source; raises its ``SourceError`` each time it is asked for."""
        with self._lock:
            entry = self._entries.setdefault(source.key, _Entry())
            self._entries.move_to_end(source.key)
            while len(self._entries) > self._capacity and sum(one.bytes for one in self._entries.values()) >= self._room:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.found is None:
                try:
                    with watched():
                        entry.found = load(source, self._max_pixels, flat=flat)
                except SourceError as error:
                    entry.found = error
        if isinstance(entry.found, SourceError):
            raise SourceError(*entry.found.args)  # a fresh one: several threads may be about to raise it
        return entry.found


class _Entry:
    __slots__ = ("found", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: Sample | SourceError | None = None

    @property
    def bytes(self) -> int:
        """Of its picture, and of what warps keep beside it."""
        return _KEPT_BESIDE * self.found.image.image.nbytes if isinstance(self.found, Sample) else 0
