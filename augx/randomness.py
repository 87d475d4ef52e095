"""The counter-based random streams: every number is a pure function of (seed, key, place, copy).

A stream belongs to one transform's place in the spec and one source. Copy number ``i`` reads the fixed block
``counter = i * BLOCKS`` of a Philox-4x64 generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011) through ``random_raw`` alone, whose output NumPy guarantees (NEP 19), so neither the order of the copies, nor
their number, nor NumPy's distribution code can change a draw.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any

import numpy as np

BLOCKS = 4
COLUMNS = 4 * BLOCKS
"""Uniforms that each transform may read for one copy; column 0 is its gate. Fixed for ever: a changed width moves all draws."""

_DOMAIN = b"augx-1"


def _key(*parts: str) -> int:
    digest = hashlib.blake2b(_DOMAIN, digest_size=16)
    for part in parts:
        data = unicodedata.normalize("NFC", part).encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little") + data)  # lengths keep ("a", "bc") apart from ("ab", "c")
    return int.from_bytes(digest.digest(), "little")


def uniforms(seed: int, key: str, place: str, copies: range) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Uniforms in the open interval (0, 1), one row of ``COLUMNS`` a copy, for a run of copies with step 1."""
    stream = np.random.Philox(key=_key(str(seed), key, place), counter=copies.start * BLOCKS)
    words = stream.random_raw(len(copies) * COLUMNS).reshape(len(copies), COLUMNS)
    # 52 bits and half a step: never 0 or 1, so every quantile function is finite.
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def words(seed: int, count: int, dtype: type[np.unsignedinteger]) -> np.ndarray[Any, np.dtype[np.unsignedinteger]]:
    """``count`` random integers that fill ``dtype``, for noise that covers a picture; ``seed`` below 2**64."""
    size = np.dtype(dtype).itemsize
    raw = np.random.Philox(key=seed).random_raw(-(-count * size // 8))
    return raw.astype("<u8", copy=False).view(np.dtype(dtype).newbyteorder("<"))[:count]
