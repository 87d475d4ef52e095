"""Whether the files of many sources would have the same names, from a hash of each name; those alike are read again to be sure."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from augx.planning import NAME_MAX, SHORT, long_name, named_as_copy, number_bytes, original_as_copy, same_copies, same_originals
from augx.rows import Row, folded

_DIGITS = 20  # of a copy's number, with the line before it
_MOST = 1 << 62
RowOf = Callable[[int], Row]


class Names:
    """The names that rows would have, told one by one; 8 bytes a row, 16 with originals and 40 for one named as a copy would be."""

    def __init__(self, *, originals: bool) -> None:
        self._originals = originals
        self._series, self._own = array("Q"), array("Q")
        self._long: list[tuple[int, int]] = []
        self._as_copies = array("Q"), array("Q"), array("Q")

    def add(self, row: Row) -> None:
        """The next row, which has one series of copies."""
        i, (series,) = len(self._series), row.series
        self._series.append(_hash(folded(series)))
        if len(series) > SHORT and (size := len(os.fsencode(series.rpartition("/")[2]))) + _DIGITS > NAME_MAX:
            self._long.append((i, size))
        if not self._originals:
            return
        self._own.append(_hash(folded(row.original)))
        named = named_as_copy(row)
        if named is not None and named[1] < _MOST:
            for column, value in zip(self._as_copies, (i, _hash(named[0]), named[1]), strict=True):
                column.append(value)

    def check(self, copies: NDArray[np.int64], row: RowOf) -> None:
        """Raise ``PlanError`` for the first row that ``planning`` would find fault with; ``row`` reads one again."""
        long = next((i for i, size in self._long if size + number_bytes(int(copies[i])) > NAME_MAX), len(copies))
        twice = _first_twice(np.frombuffer(self._series, np.uint64), lambda i: folded(row(i).series[0]))
        if long < len(copies) and (twice is None or long <= twice[1]):
            raise long_name(row(long).source)
        if twice is not None:
            raise same_copies(*(row(i).source for i in twice))
        if self._originals:
            self._check_originals(copies, row)

    def _check_originals(self, copies: NDArray[np.int64], row: RowOf) -> None:
        same = _first_twice(np.frombuffer(self._own, np.uint64), lambda i: folded(row(i).original))
        named = min(self._named_as_copies(copies, row), default=None)
        if same is not None and (named is None or same[1] <= named[0]):
            raise same_originals(*(row(i).source for i in same))
        if named is not None:
            raise original_as_copy(row(named[0]).source, row(named[1]).source)

    def _named_as_copies(self, copies: NDArray[np.int64], row: RowOf) -> Iterator[tuple[int, int]]:
        """Originals that have the name of a copy, each with the source of that; of each such source the first."""
        rows, targets, numbers = (np.frombuffer(column, np.uint64) for column in self._as_copies)
        series = np.frombuffer(self._series, np.uint64)
        for other in np.flatnonzero(np.isin(series, np.unique(targets))).tolist():
            text = folded(row(other).series[0])
            for at in np.flatnonzero((targets == series[other]) & (numbers < np.uint64(copies[other]))).tolist():
                named = named_as_copy(row(int(rows[at])))
                if named is not None and named[0] == text:
                    yield int(rows[at]), other
                    break


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _first_twice(hashes: NDArray[np.uint64], text: Callable[[int], str]) -> tuple[int, int] | None:
    """The first item that is the same as one before it, behind that one; hashes that chance made equal are told apart by their text."""
    ordered = np.sort(hashes)
    alike = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(alike):
        return None
    first: dict[str, int] = {}
    for i in np.flatnonzero(np.isin(hashes, alike)).tolist():
        if (before := first.setdefault(text(i), i)) != i:
            return before, i
    return None
