"""What a packer is: it takes finished pictures in plan order and puts them into packages, each visible whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from augx.errors import SourceError, WriteError, printable
from augx.manifest import copy_line

_MOST_BUFFERS = 1024  # what one call takes on Linux and macOS (IOV_MAX)


@dataclass(frozen=True, slots=True)
class Item:
    """A finished picture: its ``place`` as in folders, its manifest ``line``, and the files ``beside`` it (place, bytes).

    ``data`` is the encoded picture; for arrays a .npy file of it, red first. ``part`` is that of a split, ``""`` without one.
    """

    place: str
    line: str
    data: bytes
    label: str
    part: str = ""
    beside: tuple[tuple[str, bytes], ...] = ()


class Packer(Protocol):
    """What is made depends on the sequence of items and the options alone, not on how the items are handed over."""

    def add(self, items: Sequence[Item]) -> list[str]:
        """The manifest lines of all items whose package stands now; ``SourceError`` for an item that can't be held."""
        ...

    def finish(self) -> list[str]:
        """Close the packages that are not full; their lines."""
        ...

    def abandon(self) -> None:
        """After an error or a stop: remove what no later run goes on with."""
        ...


def placing(package: str, word: str) -> Callable[[str, int], str]:
    """What puts into manifest lines in which package their pictures are, and where in it."""
    more = f',{copy_line(**{"in": package})[1:-1]},"{word}":'
    return lambda line, where: f"{line[:-1]}{more}{where}}}"


def class_number(numbers: Mapping[str, int], item: Item) -> int:
    """The index of an item's label among the classes. Raises ``SourceError``."""
    try:
        return numbers[item.label]
    except KeyError:
        raise SourceError(f"{printable(item.place)}: its class {printable(item.label)} is none of the set's {len(numbers)}") from None


@contextlib.contextmanager
def writing(place: str) -> Iterator[None]:
    """``OSError`` becomes ``WriteError``."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{printable(place)}: can't write: {error.strerror}; put that right, then the same command goes on") from None


def write_buffers(descriptor: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write many pieces with few calls, all of them. Raises ``OSError``."""
    rest = iter(buffers)
    while batch := list(islice(rest, _MOST_BUFFERS)):
        written = os.writev(descriptor, batch)
        if written < sum(map(len, batch)):
            # A call may end early: when the disk is nearly full, or after 2 GB.
            left = memoryview(b"".join(batch))[written:]
            while left:
                left = left[os.write(descriptor, left) :]
