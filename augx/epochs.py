"""Which copies each epoch has.

Without ``balance`` one of every source, with the epoch's number, so that the first E epochs are what ``generate --copies E``
writes. With ``balance`` every class has as many as the largest one. The copies of a class then stand in one endless row, its
sources in turn: place ``s`` is copy ``s // sources`` of source ``s % sources``, and epoch ``e`` has the places ``e * largest``
and on. So no epoch sees a copy twice or again, sources of a class are at most one copy apart at any time, and the first E epochs
are what ``generate --per-class`` writes for E * largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from augx.randomness import uniforms, words

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Order:
    """Which copies each epoch has, in which order: a pure function of these fields and the epoch's number."""

    labels: tuple[str, ...]
    seed: int
    shuffle: bool
    balance: bool

    @cached_property
    def _classes(self) -> list[Array]:
        indices: dict[str, list[int]] = {}
        for i, label in enumerate(self.labels):
            indices.setdefault(label, []).append(i)
        return [np.array(of_class) for of_class in indices.values()]

    def __len__(self) -> int:
        largest = max(len(of_class) for of_class in self._classes)
        return len(self._classes) * largest if self.balance else len(self.labels)

    def of(self, epoch: int) -> tuple[Array, Array]:
        """Numbers of sources (n,) and of copies (n,) of an epoch."""
        n = len(self)
        if self.balance:
            largest = n // len(self._classes)
            places = [divmod(np.arange(epoch * largest, (epoch + 1) * largest), len(of_class)) for of_class in self._classes]
            sources = np.concatenate([of_class[i] for of_class, (_, i) in zip(self._classes, places, strict=True)])
            copies = np.concatenate([copy for copy, _ in places])
        else:
            sources, copies = np.arange(n), np.full(n, epoch)
        if not self.shuffle:
            return sources, copies
        high, low = uniforms(self.seed, "", "epoch's order", range(epoch, epoch + 1))[0, :2] * 2.0**32
        order = np.argsort(words(int(high) << 32 | int(low), n, np.uint64), kind="stable")
        return sources[order], copies[order]
