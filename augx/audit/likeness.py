"""How alike two pictures look: a hash of 64 bits to find them by, and the correlation of their thumbnails to judge them by.

The hash is the usual perceptual one (C. Zauner: Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): the
8x8 lowest frequencies of a grey thumbnail's cosine transform, each above or below their median. A mirror changes the sign of
every other frequency and a transposition swaps the axes, so the hashes of all eight turns come from one transform.

A hash knows little of pictures with few shapes: nearly every handwritten digit has strangers within 8 bits. So a pair must also
stand out from the set. How many pictures are how alike to a given one is measured on a sample, and extrapolated: the number
that are at 1 - correlation < d grows as a power of d, the set's dimension around that picture (estimated as Hill, 1975, and
Levina and Bickel, 2004, do). Near-duplicates are where 0.003 pictures of the set would be so alike by chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SIDE = 32
TURNS = (
    "",
    "mirrored",
    "upside down",
    "turned by 180 degrees",
    "transposed",
    "turned by 90 degrees",
    "turned by 270 degrees",
    "transposed across the other diagonal",
)
"""The eight turns of a rectangle; bit 0 mirrors x, bit 1 mirrors y, bit 2 swaps the axes before that. Degrees are clockwise."""

FLAT = 2.0
"""Grey levels: a thumbnail whose standard deviation is below it has nothing that could be compared."""
_LEAST, _SURE = 0.86, 0.99
# Measured: of 12 million pairs of 5,000 handwritten digits 38,000 are within 8 bits and 1,600 above 0.93; none stands out. Of
# 60,000 photos of 32x32, 530 have a pair that does, and of 140 pairs that were looked at one did not show the same.
_BY_CHANCE = 3e-3
_SAMPLE = 2000
# The ranks between which the dimension is measured. Those before may be copies: a source may make up 2 % of the set, and its
# copies still stand out; above that hardly more than the ones that are sure.
_CLOSEST, _AROUND = 40, 100
_FEW = 12
_NEEDED_OF_FEW = 0.95

_LOW = 8
_ANGLES = np.pi * (2 * np.arange(SIDE)[None, :] + 1) * np.arange(_LOW)[:, None] / (2 * SIDE)
_COSINES = np.cos(_ANGLES).astype(np.float32)
_BIT = np.left_shift(np.uint64(1), np.arange(_LOW * _LOW, dtype=np.uint64))
_BLOCK = 2048


def perceptual_hashes(thumbnails: Array) -> Array:
    """Of uint8 thumbnails (n, SIDE, SIDE) the hashes (n, 8), uint64, in each of ``TURNS``."""
    hashes = np.empty((len(thumbnails), len(TURNS)), np.uint64)
    odd = np.where(np.arange(_LOW) % 2, np.float32(-1), np.float32(1))
    for start in range(0, len(thumbnails), _BLOCK):
        low = _COSINES @ thumbnails[start : start + _BLOCK].astype(np.float32) @ _COSINES.T
        # The mean level says nothing of what is shown: its bit is 0 in every hash.
        low[:, 0, 0] = 0
        for turn in range(len(TURNS)):
            turned = low.transpose(0, 2, 1) if turn & 4 else low
            signs = np.where(turn & 2, odd, 1)[:, None] * np.where(turn & 1, odd, 1)[None, :]
            values = (turned * signs).reshape(len(low), -1)
            above = values > np.median(values[:, 1:], axis=1, keepdims=True)
            above[:, 0] = False
            hashes[start : start + _BLOCK, turn] = np.where(above, _BIT, np.uint64(0)).sum(axis=1, dtype=np.uint64)
    return hashes


def turned(images: Array, turn: int) -> Array:
    """Pictures (n, h, w) in one of ``TURNS``."""
    images = images.swapaxes(1, 2) if turn & 4 else images
    return images[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def is_flat(thumbnails: Array) -> Array:
    """Whether there is nothing on a thumbnail, (n,) bool."""
    blocks = (thumbnails[start : start + _BLOCK] for start in range(0, len(thumbnails), _BLOCK))
    return np.concatenate([np.zeros(0, bool), *(block.std(axis=(1, 2)) < FLAT for block in blocks)])


class Likeness:
    """Judges pairs among thumbnails, uint8 (n, SIDE, SIDE)."""

    def __init__(self, thumbnails: Array) -> None:
        self._thumbnails = thumbnails
        self._needed = np.full(len(thumbnails), np.nan, np.float32)
        sample = np.unique(np.linspace(0, len(thumbnails) - 1, min(len(thumbnails), _SAMPLE)).astype(np.int64))
        self._sampled = np.zeros(len(thumbnails), bool)
        self._sampled[sample] = True
        self._sample = self._normal(sample)
        self._around = min(_AROUND, (len(sample) - 1) // 2)
        self._usual: float | None = None  # 1 / dimension, of the set's median

    def correlations(self, first: Array, second: Array, turns: Array) -> Array:
        """Of each pair, the correlation of the first with the second as it is turned."""
        found = np.empty(len(first), np.float32)
        for turn in np.unique(turns):
            rows = np.flatnonzero(turns == turn)
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                found[block] = np.einsum("ij,ij->i", self._normal(first[block]), self._normal(second[block], int(turn)))
        return found

    def stand_out(self, first: Array, second: Array, correlations: Array) -> Array:
        """Which pairs are near-duplicates."""
        near = correlations >= _LEAST
        self._look_up(np.unique(np.concatenate([first[near], second[near]])))
        near[near] = correlations[near] >= np.maximum(self._needed[first[near]], self._needed[second[near]])
        return np.asarray(near)

    def _look_up(self, rows: Array) -> None:
        """How near to 1 a correlation with each of some pictures has to be, by their likeness to the sample."""
        rows = rows[np.isnan(self._needed[rows])]
        if self._around < _FEW:
            self._needed[rows] = _NEEDED_OF_FEW
            return
        if self._usual is None:
            self._usual = float(np.median(self._neighbourhood(np.flatnonzero(self._sampled))[1]))
        expected = len(self._needed) * self._around / len(self._sample)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            radius, inverse = self._neighbourhood(block)
            # The estimate is rough, and a dimension that is taken too high makes chance look like a copy.
            factor = (_BY_CHANCE / expected) ** np.maximum(inverse, self._usual)
            self._needed[block] = np.clip(1 - radius * factor, _LEAST, _SURE)

    def _neighbourhood(self, rows: Array) -> tuple[Array, Array]:
        """Around each of some pictures: how far the farthest of the nearest in the sample is, and 1 / dimension there."""
        likest = np.sort(self._normal(rows) @ self._sample.T, axis=1)[:, ::-1]
        place = np.arange(self._around) + self._sampled[rows][:, None]  # itself, where it is in the sample, is no other
        distance = np.maximum(1 - np.take_along_axis(likest, place, axis=1), 1e-6)
        closest = self._around * _CLOSEST // _AROUND
        # What the logarithms are on average in one dimension, by the order statistics of a uniform distribution.
        unit = sum((rank - closest) / rank for rank in range(closest + 1, self._around))
        return distance[:, -1], np.log(distance[:, -1:] / distance[:, closest:-1]).sum(axis=1) / unit

    def _normal(self, rows: Array, turn: int = 0) -> Array:
        """Some thumbnails with mean 0 and length 1, float32 (n, SIDE * SIDE)."""
        values = turned(self._thumbnails[rows], turn).reshape(len(rows), SIDE * SIDE).astype(np.float32)
        values -= values.mean(axis=1, keepdims=True)
        lengths = np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
        return np.asarray(values / np.maximum(lengths, np.float32(1e-3)))
