"""What a check finds: one difference after the other, and how a file is compared with what is recorded of it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

KINDS = ("missing", "changed", "torn", "extra", "sum")
"""Gone; other bytes than recorded; half a picture, or what a dead run left; listed nowhere; counts that don't add up."""
_BLOCK = 1 << 20
_AHEAD = 4  # tasks that wait for each thread

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Difference:
    """A file (its place below the set's folder), of which ``KINDS`` it is, and why; ``picture`` is the one that it is made with."""

    kind: str
    file: str
    reason: str
    picture: str = ""


def compared(path: str, size: int, sha256: str | None) -> tuple[str, str]:
    """("", "") for a plain file with just these bytes, else a kind and a reason."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return "missing", "it is not there"
    except OSError as error:
        return "changed", "a symbolic link" if error.errno == errno.ELOOP else f"it can't be read: {error.strerror}"
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return "changed", "not a plain file"
        if found.st_size != size:
            return "changed", f"it has {found.st_size:,} bytes, recorded are {size:,}"
        digest = hashlib.sha256()
        while block := os.read(descriptor, _BLOCK):
            digest.update(block)
    except OSError as error:
        return "changed", f"it can't be read: {error.strerror}"
    finally:
        os.close(descriptor)
    return ("", "") if digest.hexdigest() == sha256 else ("changed", "its SHA-256 is another one")


def in_threads(jobs: int | None, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """The results in the order of the tasks, of which only a few are taken before they are needed."""
    jobs = jobs or os.cpu_count() or 1
    with ThreadPoolExecutor(jobs) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) >= _AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
