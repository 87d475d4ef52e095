"""Hashes that differ in few bits, found without comparing all with all: multi-index hashing.

Norouzi, Punjani, Fleet: Fast search in Hamming space with multi-index hashing, CVPR 2012. A hash is cut into m chunks. Two
hashes that differ in at most r = m q + a bits (a < m) differ by at most q bits in one of the first a + 1 chunks, or by at
most q - 1 in one of the others: so each chunk has a table of its own, and only its buckets that lie so near are looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

BITS = 64
CROWD = 512
"""How much of a bucket is compared with one hash at most: where more hashes than that agree in a chunk, those next in order."""

_BLOCK = 1 << 20  # buckets, and candidates, at a time: some tens of MB


class Pairs(NamedTuple):
    """Pairs in columns: ``first`` < ``second``, rows of the hashes; the turn of the second; the bits that differ."""

    first: Array
    second: Array
    turn: Array
    distance: Array


def near_pairs(hashes: Array, bits: int, crowd: int = CROWD) -> Iterator[Pairs]:
    """All pairs of pictures whose hashes differ in at most ``bits`` bits, block by block; some of them more than once.

    ``hashes``: uint64, (n, turns), of each picture as it is (column 0) and turned. A pair is near in a turn where the second
    picture's turned hash is near to the first's own. Without buckets of more than ``crowd`` hashes that is all of them.
    """
    own = np.ascontiguousarray(hashes[:, 0])
    if len(own) < 2:
        return
    edges = chunk_edges(len(own))
    least, more = divmod(bits, len(edges) - 1)
    for number, (low, high) in enumerate(pairwise(edges)):
        reach = least if number <= more else least - 1
        if reach >= 0:
            table = _Table(own, low, high)
            for turn in range(hashes.shape[1]):
                for first, second in table.candidates(hashes[:, turn], reach, crowd):
                    distance = popcount(own[first] ^ hashes[second, turn])
                    near = distance <= bits
                    yield Pairs(first[near], second[near], np.full(int(near.sum()), turn, np.int8), distance[near])


def chunk_edges(count: int) -> list[int]:
    """Where a hash is cut: chunks of about log2(count) bits, so that a bucket holds about one hash, however many there are."""
    chunks = min(8, max(3, round(BITS / np.log2(max(count, 2)))))
    return [BITS * i // chunks for i in range(chunks + 1)]


class _Table:
    """The rows of hashes by the value of one chunk, bits ``low`` to ``high``; those of one bucket are ordered by the other bits."""

    def __init__(self, own: Array, low: int, high: int) -> None:
        self._low, self._high = np.uint64(low), np.uint64(high)
        self._width = high - low
        turned = self._chunk_first(own)
        self._order = np.argsort(turned, kind="stable").astype(np.int32)
        self._sorted = turned[self._order]
        values = (self._sorted >> np.uint64(BITS - self._width)).astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=1 << self._width))])
        self._crowded = int(np.diff(self._starts).max())

    def _chunk_first(self, hashes: Array) -> Array:
        """The hashes rotated so that the chunk is their highest bits."""
        left = (np.uint64(BITS) - self._high) % np.uint64(BITS)
        return hashes if left == 0 else (hashes << left) | (hashes >> (np.uint64(BITS) - left))

    def candidates(self, queries: Array, reach: int, crowd: int) -> Iterator[tuple[Array, Array]]:
        """Rows (first, second), first < second, where the first lies in a bucket within ``reach`` bits of the second's query."""
        masks = _masks(self._width, reach)
        step = max(1, _BLOCK // len(masks))
        top = np.uint64(BITS - self._width)
        for start in range(0, len(queries), step):
            turned = self._chunk_first(queries[start : start + step])
            buckets = (turned >> top).astype(np.int64)[:, None] ^ masks
            begin, end = self._starts[buckets], self._starts[buckets + 1]
            if self._crowded > crowd:
                begin, end = self._thinned(turned, masks, begin, end, crowd)
            size = (end - begin).ravel()
            filled = np.flatnonzero(size)
            begin, size, second = begin.ravel()[filled], size[filled], filled // len(masks) + start
            yield from self._expanded(begin, size, second)

    def _thinned(self, turned: Array, masks: Array, begin: Array, end: Array, crowd: int) -> tuple[Array, Array]:
        """Of a crowded bucket, the hashes that come next before and after the query in order."""
        row, column = np.nonzero(end - begin > crowd)
        place = np.searchsorted(self._sorted, turned[row] ^ (masks[column].astype(np.uint64) << np.uint64(BITS - self._width)))
        nearest = np.clip(place - crowd // 2, begin[row, column], end[row, column] - crowd)
        begin[row, column], end[row, column] = nearest, nearest + crowd
        return begin, end

    def _expanded(self, begin: Array, size: Array, second: Array) -> Iterator[tuple[Array, Array]]:
        ends = np.cumsum(size)
        start = 0
        while start < len(size):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, "right")))
            sizes = size[start:stop]
            offsets = np.arange(ends[stop - 1] - before) - np.repeat(ends[start:stop] - sizes - before, sizes)
            first = self._order[np.repeat(begin[start:stop], sizes) + offsets]
            twice = np.repeat(second[start:stop], sizes)
            earlier = first < twice
            yield first[earlier], twice[earlier]
            start = stop


def _masks(width: int, reach: int) -> Array:
    """All numbers of ``width`` bits with at most ``reach`` bits set."""
    return np.array([sum(1 << bit for bit in bits) for count in range(reach + 1) for bits in combinations(range(width), count)], np.int64)


def popcount(numbers: Array) -> Array:
    """The bits set in each uint64."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(numbers))
    odd, pairs, nibbles = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
    numbers = numbers - ((numbers >> np.uint64(1)) & odd)
    numbers = (numbers & pairs) + ((numbers >> np.uint64(2)) & pairs)
    numbers = (numbers + (numbers >> np.uint64(4))) & nibbles
    return ((numbers * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)
