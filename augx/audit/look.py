"""One file, looked at: what it holds, in digests and a thumbnail; and many of them, by processes or threads."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from augx.audit.likeness import SIDE
from augx.decode import decode, on_white
from augx.errors import SourceError
from augx.executors import Stop, can_fork, in_threads
from augx.files import read_bytes
from augx.pool import Processes
from augx.supervised import watched

Array = np.ndarray[Any, Any]

_UNIT = 64


class Look(NamedTuple):
    """What is kept of one file. ``fault`` says why it can't be read; then only ``digest`` may be known, and the rest is empty.

    ``digest``: SHA-256 of the bytes; ``pixels``: a digest of size, channels and pixels; ``thumbnail``: SIDE x SIDE grey levels.
    """

    fault: str
    width: int = 0
    height: int = 0
    digest: bytes = b""
    pixels: bytes = b""
    thumbnail: bytes = b""


def look_at(path: str, max_pixels: int) -> Look:
    """Read and decode one file; its fault is in what comes back."""
    digest = b""
    try:
        with watched():
            data = read_bytes(path)
            digest = hashlib.sha256(data).digest()
            image = decode(data, max_pixels)
    except SourceError as error:
        return Look(str(error), digest=digest)
    height, width = image.shape[:2]
    pixels = hashlib.blake2b(f"{image.shape} {image.dtype}".encode(), digest_size=16)
    pixels.update(image.data.cast("B"))
    return Look("", width, height, digest, pixels.digest(), thumbnail(image).tobytes())


def thumbnail(image: Array) -> Array:
    """A decoded picture as SIDE x SIDE grey levels, uint8; a mirrored one has the mirrored thumbnail."""
    image = on_white(image)
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    height, width = image.shape[:2]
    if max(width, height) > SIDE:
        image = cv2.resize(image, (min(width, SIDE), min(height, SIDE)), interpolation=cv2.INTER_AREA)
    if min(width, height) < SIDE:  # where it grows, INTER_AREA is not the same from the left and from the right
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


class _LookAtUnit:
    """``look_at`` over a unit of paths, picklable."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels

    def __call__(self, paths: Sequence[str]) -> list[Look]:
        return [look_at(path, self._max_pixels) for path in paths]


def _make(max_pixels: int, stop: Any) -> _LookAtUnit:
    cv2.setNumThreads(1)
    return _LookAtUnit(max_pixels)


def _singles(paths: Sequence[str]) -> list[Sequence[str]]:
    return [[path] for path in paths]


def look_at_all(paths: Sequence[str], jobs: int, max_pixels: int, stop: Stop | None = None, timeout: float = 60.0) -> Iterator[list[Look]]:
    """All files, in order, some at a time. Where this process can be forked, a decoder that crashes, or that is longer than
    ``timeout`` seconds at a file, costs that file; elsewhere nothing can end it.
    """
    stop = stop or Stop()
    units = [paths[start : start + _UNIT] for start in range(0, len(paths), _UNIT)]
    if units and can_fork():
        workers = min(jobs, len(units))
        pool = Processes(_make, max_pixels, workers, stop, lambda paths, reason: [Look(reason)], parts=_singles, timeout=timeout)
        yield from pool.run(units)
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with contextlib.closing(in_threads(_LookAtUnit(max_pixels), units, jobs, stop)) as looks:  # type: ignore[type-var]
        try:
            yield from looks
        finally:
            cv2.setNumThreads(threads)
