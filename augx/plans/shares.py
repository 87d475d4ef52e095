"""How many copies of each source, as ``amounts.copies_of`` has it, from the sources' classes alone, for all of them at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def shares(
    classes: NDArray[np.int32],
    labels: Sequence[str],
    *,
    total: int | None,
    copies: int | None,
    per_class: int | None,
    totals: Mapping[str, int],
) -> NDArray[np.int64]:
    """Copies of each source; ``classes`` are their classes by number, ``labels`` these in the order in which they come.

    ``total``, ``copies`` and ``per_class`` are as in ``copies_of``, which has found no fault with them; ``totals`` are single classes'.
    """
    sizes = np.bincount(classes, minlength=len(labels))
    rank = _ranks(classes, sizes)
    if total is not None:
        return _in_turn(total, rank, sizes)
    amounts = [copies * int(size) if copies is not None else per_class or 0 for size in sizes]
    amounts = [totals.get(label, amount) for label, amount in zip(labels, amounts, strict=True)]
    base, rest = np.divmod(np.array(amounts, np.int64), sizes)
    found: NDArray[np.int64] = base[classes]
    found += rank < rest[classes]
    return found


def _ranks(classes: NDArray[np.int32], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each source among those of its class."""
    order = np.argsort(classes, kind="stable")
    rank = np.empty(len(classes), np.int64)
    starts = np.cumsum(sizes) - sizes
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        rank[order[start : start + size]] = np.arange(size)
    return rank


def _in_turn(total: int, rank: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    base, rest = divmod(total, len(rank))
    found = np.full(len(rank), base, np.int64)
    whole = bisect_right(range(int(sizes.max()) + 1), rest, key=lambda rank: int(np.minimum(sizes, rank).sum())) - 1
    found += rank < whole
    left = rest - int(np.minimum(sizes, whole).sum())
    found[np.flatnonzero(rank == whole)[:left]] += 1
    return found
