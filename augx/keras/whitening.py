"""ZCA whitening: x -> x W, W the symmetric inverse square root of the pictures' covariance (Bell and Sejnowski 1997).

Two ways to it, each in one pass over pictures that are never kept. ``Exact`` holds the covariance of d features, d x d numbers.
``Sketched`` holds its product with random signs, d x l numbers, and finds the directions that matter from it by Nystroem's
formula: Halko, Martinsson and Tropp 2011, section 5.5; the stable form is that of Tropp, Yurtsever, Udell and Cevher 2017
(NIPS, algorithm 3). Both take differences from one picture that is near the mean, so that nothing large cancels.

How much a direction of variance v is scaled, by law; n pictures, eps as ``zca_epsilon``:

- classic: 1 / sqrt(v + eps), also where nothing varies: 1000 times whatever an unseen picture has there;
- keras2: 1 / (sqrt(v) + eps / sqrt(n)) for the first min(n, d) directions, 0 for the others;
- fixed: 1 / sqrt(v + eps), 0 where the training pictures don't vary at all: such a direction can't be whitened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augx.randomness import words

Array = np.ndarray[Any, Any]

_BLOCK = 512
_SEED = 0
_NOISE = 1e-12  # of the greatest variance: below, a direction in float32 is rounding of the others


@dataclass(frozen=True, eq=False)
class Whitening:
    """W, whole or in factors: ``basis`` (d, d) is W itself where ``gains`` is None, else W = B diag(gains - rest) B' + rest I.

    ``error`` is the share of the variance that the factors leave to ``rest``, one scale for all other directions: 0 for the whole W.
    """

    basis: Array
    gains: Array | None = None
    rest: float = 0.0
    error: float = 0.0

    def apply(self, x: Array) -> Array:
        """(n, d) -> (n, d)."""
        if self.gains is None:
            return np.asarray(x @ self.basis)
        return np.asarray((x @ self.basis * (self.gains - self.rest).astype(x.dtype)) @ self.basis.T + x.dtype.type(self.rest) * x)


@dataclass(frozen=True)
class Gain:
    """How much each direction is scaled, from its variance; see the module."""

    law: str
    epsilon: float
    count: int

    def __call__(self, variances: Array, features: int, greatest: float) -> Array:
        """For variances in falling order, out of ``features`` directions, the greatest of all given."""
        v = np.maximum(variances, 0)
        with np.errstate(divide="ignore"):
            if self.law == "keras2":
                gains = 1 / (np.sqrt(v) + self.epsilon / np.sqrt(self.count))
                gains[np.arange(v.size) >= min(self.count, features)] = 0
            else:
                gains = 1 / np.sqrt(v + self.epsilon)
            if self.law == "fixed":
                gains[v <= greatest * features * np.finfo(np.float64).eps] = 0
        if not np.isfinite(gains).all():
            raise ValueError("zca_epsilon is 0 and the pictures don't vary in some direction, which can't be whitened: give it more than 0")
        return np.asarray(gains)


class Exact:
    """The covariance, summed in blocks; only what lies on and below the diagonal is kept up to date."""

    def __init__(self, features: int) -> None:
        self._sum = np.zeros((features, features))

    def add(self, x: Array) -> None:
        """Pictures (n, d), float64, less the reference."""
        for start in range(0, x.shape[1], _BLOCK):
            stop = start + _BLOCK
            self._sum[start:stop, :stop] += x[:, start:stop].T @ x[:, :stop]

    def whitening(self, mean: Array, offset: Array, gain: Gain) -> Whitening:
        """``mean`` of all that was added; the second moments are taken about ``offset`` from it. Uses the sums up."""
        matrix = self._sum
        del self._sum
        for start in range(0, mean.size, _BLOCK):
            stop = start + _BLOCK
            block = matrix[start:stop, :stop]
            block /= gain.count
            block -= np.outer(mean[start:stop], mean[:stop])
            block += np.outer(offset[start:stop], offset[:stop])
        variances, directions = np.linalg.eigh(matrix, UPLO="L")
        del matrix
        gains = gain(variances[::-1], mean.size, float(variances[-1]))[::-1]
        whole = np.empty(directions.shape, np.float32)
        for start in range(0, mean.size, _BLOCK):
            whole[start : start + _BLOCK] = (directions[start : start + _BLOCK] * gains) @ directions.T
        return Whitening(whole)


class Sketched:
    """The covariance's product with ``2 * rank`` columns of random signs, always the same ones; float64."""

    def __init__(self, features: int, rank: int) -> None:
        self.rank = min(rank, features)
        self._columns = min(2 * self.rank + 8, features)
        self._sum = np.zeros((features, self._columns))
        self._squares = 0.0
        self._bits = words(_SEED, -(-features * self._columns // 8), np.uint8)

    def _signs(self, start: int, stop: int) -> Array:
        """Rows of the random matrix, -1 and 1; kept as bits."""
        first, last = start * self._columns, min(stop, len(self._sum)) * self._columns
        bits = np.unpackbits(self._bits[first // 8 : -(-last // 8)])[first % 8 :][: last - first]
        return bits.reshape(-1, self._columns) * 2.0 - 1.0

    def _blocks(self) -> list[slice]:
        return [slice(start, start + _BLOCK) for start in range(0, len(self._sum), _BLOCK)]

    def _projected(self, x: Array) -> Array:
        """(n, d) times the signs."""
        return np.asarray(sum(x[:, block] @ self._signs(block.start, block.stop) for block in self._blocks()))

    def add(self, x: Array) -> None:
        """Pictures (n, d), float64, less the reference."""
        projected = self._projected(x)
        for block in self._blocks():
            self._sum[block] += x[:, block].T @ projected
        self._squares += float(np.vdot(x, x))

    def whitening(self, mean: Array, offset: Array, gain: Gain) -> Whitening:
        """As ``Exact.whitening``, by the sketch's own room alone."""
        product = self._sum
        mean_signs, offset_signs = self._projected(np.stack([mean, offset]))
        for block in self._blocks():
            product[block] *= 1 / gain.count
            product[block] += np.outer(offset[block], offset_signs) - np.outer(mean[block], mean_signs)
        total = self._squares / gain.count - float(mean @ mean) + float(offset @ offset)
        variances, basis = self._directions(product)
        del self._sum, product
        captured = float(variances.sum())
        greatest = float(variances[0]) if variances.size else 0.0
        # All other directions are scaled as the last that is known, so that none comes out above 1; or there is nothing in them.
        left = total - captured > greatest * np.sqrt(np.finfo(np.float64).eps)
        rest = float(gain(variances[-1:] if left else np.zeros(1), mean.size, greatest)[0])
        if gain.law == "keras2" and not left:
            rest = 0.0
        error = min(max(1 - captured / total, 0.0), 1.0) if total > 0 else 0.0
        return Whitening(basis, gain(variances, mean.size, greatest), rest, error)

    def _directions(self, product: Array) -> tuple[Array, Array]:
        """The greatest variances, falling, at most ``rank``, and their directions (d, k) as float32; writes over ``product``.

        Nystroem: Y (S'Y)^-1 Y', Y the product with the signs S. A little of the identity goes in before the root and comes out again.
        """
        size = float(np.sqrt(np.vdot(product, product)))
        if size == 0:
            return np.zeros(0), np.zeros((len(product), 0), np.float32)
        shift = np.finfo(np.float64).eps * size * np.sqrt(self._columns)
        core = np.zeros((self._columns, self._columns))
        for block in self._blocks():
            signs = self._signs(block.start, block.stop)
            product[block] += shift * signs
            core += signs.T @ product[block]
        values, vectors = np.linalg.eigh((core + core.T) / 2)
        kept = values > values[-1] * self._columns * np.finfo(np.float64).eps
        root = vectors[:, kept] / np.sqrt(values[kept])
        gram = np.zeros((root.shape[1],) * 2)
        for block in self._blocks():
            half = product[block] @ root
            gram += half.T @ half
        variances, turned = np.linalg.eigh(gram)
        variances, turned = variances[::-1][: self.rank], turned[:, ::-1][:, : self.rank]
        found = variances > variances[0] * _NOISE
        to_basis = (root @ turned)[:, found] / np.sqrt(variances[found])
        basis = np.empty((len(product), to_basis.shape[1]), np.float32)
        for block in self._blocks():
            basis[block] = product[block] @ to_basis
        return np.maximum(variances[found] - shift, 0), basis
