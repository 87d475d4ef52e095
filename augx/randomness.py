"""The counter-based random streams: every number is a pure function of (seed, key, place, copy).

A stream belongs to one transform's place in the spec and one source. Copy number ``i`` reads the fixed block
``counter = i * BLOCKS`` of a Philox-4x64 generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011) through ``random_raw`` alone, whose output NumPy guarantees (NEP 19), so neither the order of the copies, nor
their number, nor NumPy's distribution code can change a draw.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

BLOCKS = 4
COLUMNS = 4 * BLOCKS
"""Uniforms that each transform may read for one copy; column 0 is its gate. Fixed for ever: a changed width moves all draws."""

Words = np.ndarray[Any, np.dtype[np.uint64]]

_DOMAIN = b"augx-1"

_FEW = 24
"""Streams for which NumPy's own generator, made anew for each, is as fast as ``philox``."""
_FAR = 2**61
"""Copies below this have counters that 64 bits hold."""
_MULTIPLIERS = np.array([0xD2E7470EE14C6C93, 0xCA5A826395121157], np.uint64)[:, None, None]
_WEYL = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64)[:, None, None]
_WORD, _HALF, _BITS = 2**64 - 1, np.uint64(2**32 - 1), np.uint64(32)
_LOW, _HIGH = _MULTIPLIERS & _HALF, _MULTIPLIERS >> _BITS


def _digest(digest: Any, *parts: str) -> Any:
    for part in parts:
        data = unicodedata.normalize("NFC", part).encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little") + data)  # lengths keep ("a", "bc") apart from ("ab", "c")
    return digest


def _source(seed: int, key: str) -> Any:
    return _digest(hashlib.blake2b(_DOMAIN, digest_size=16), str(seed), key)


def _key(source: Any, place: str) -> int:
    return int.from_bytes(_digest(source, place).digest(), "little")


def uniforms(seed: int, key: str, place: str, copies: range) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Uniforms in the open interval (0, 1), one row of ``COLUMNS`` a copy, for a run of copies with step 1."""
    stream = np.random.Philox(key=_key(_source(seed, key), place), counter=copies.start * BLOCKS)
    return _open(stream.random_raw(len(copies) * COLUMNS).reshape(len(copies), COLUMNS))


def _open(words: Words) -> np.ndarray[Any, np.dtype[np.float64]]:
    # 52 bits and half a step: never 0 or 1, so every quantile function is finite.
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniforms_each(seed: int, keys: Sequence[str], places: Sequence[str], copies: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """``uniforms`` of single copies, (places, n, ``COLUMNS``): of copy ``copies[i]`` of the source named ``keys[i]``."""
    shape = (len(places), len(keys), COLUMNS)
    if len(places) * len(keys) < _FEW or not 0 <= min(copies) <= max(copies) < _FAR:
        each = [uniforms(seed, key, place, range(copy, copy + 1)) for place in places for key, copy in zip(keys, copies, strict=True)]
        return np.array(each).reshape(shape)
    sources = [_source(seed, key) for key in keys]
    streams = [_key(source.copy(), place) for place in places for source in sources]
    counters = np.tile(np.asarray(copies, np.uint64) * np.uint64(BLOCKS), len(places))
    return _open(philox(streams, counters, BLOCKS)).reshape(shape)


def philox(keys: Sequence[int], counters: Words, blocks: int) -> Words:
    """Words (n, 4 * ``blocks``): row i is ``Philox(key=keys[i], counter=counters[i]).random_raw``, computed for all n at once.

    Philox-4x64-10, with its authors' constants (Salmon et al., SC 2011, section 3.3); counters (n,) and what they come to are
    below 2**64. NumPy raises the counter before it makes a block.
    """
    even, odd = np.zeros((2, 2, len(keys), blocks), np.uint64)
    even[0] = counters[:, None] + np.arange(1, blocks + 1, dtype=np.uint64)
    key = np.array([[one & _WORD for one in keys], [one >> 64 for one in keys]], np.uint64)[:, :, None]
    for _ in range(10):
        low, high = even & _HALF, even >> _BITS
        cross = _HIGH * low + ((_LOW * low) >> _BITS)
        other = _LOW * high + (cross & _HALF)
        upper = _HIGH * high + (cross >> _BITS) + (other >> _BITS)
        even, odd = upper[::-1] ^ odd ^ key, (even * _MULTIPLIERS)[::-1]
        key = key + _WEYL
    return np.stack([even[0], odd[0], even[1], odd[1]], axis=-1).reshape(len(keys), 4 * blocks)


def words(seed: int, count: int, dtype: type[np.unsignedinteger]) -> np.ndarray[Any, np.dtype[np.unsignedinteger]]:
    """``count`` random integers that fill ``dtype``, for noise that covers a picture; ``seed`` below 2**64."""
    size = np.dtype(dtype).itemsize
    raw = np.random.Philox(key=seed).random_raw(-(-count * size // 8))
    return raw.astype("<u8", copy=False).view(np.dtype(dtype).newbyteorder("<"))[:count]
