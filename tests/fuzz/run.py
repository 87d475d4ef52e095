"""Mutations of the shipped photos through augx's one way to decode, in worker processes.

``python -m tests.fuzz.run COUNT [SEED]`` prints in JSON what became of them; a number in what is wrong is a recipe, see ``mutation``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy, or this process could not fork

import cv2
import numpy as np

from augx.decode import decode
from augx.errors import SourceError
from augx.executors import Stop, available_cores
from augx.pool import Processes
from augx.supervised import watched
from tests.fuzz.mutations import mutation
from tests.fuzz.seeds import seeds

_UNIT = 200
_HANG = 20.0


@dataclasses.dataclass
class Outcome:
    """Numbers of mutations, and those among them with which something is wrong."""

    decoded: int = 0
    refused: int = 0
    halves: list[str] = dataclasses.field(default_factory=list)
    """Cut files that were taken for whole ones."""
    errors: list[str] = dataclasses.field(default_factory=list)
    """What came instead of a ``SourceError``."""
    lost: list[str] = dataclasses.field(default_factory=list)
    """Signals and hangs."""
    slowest: float = 0.0
    peak_mb: int = 0
    """The most memory that a worker had."""

    def add(self, other: Outcome) -> None:
        """Add a unit's."""
        self.decoded += other.decoded
        self.refused += other.refused
        self.halves += other.halves
        self.errors += other.errors
        self.lost += other.lost
        self.slowest = max(self.slowest, other.slowest)
        self.peak_mb = max(self.peak_mb, other.peak_mb)


@functools.cache
def whole(name: str) -> np.ndarray[Any, Any]:
    """What a seed shows."""
    return decode(seeds()[name][1])


def make(seed: str, stop: Any) -> Callable[[range], Outcome]:
    """What a worker does with a run of numbers."""
    import resource

    cv2.setNumThreads(1)

    def run(numbers: range) -> Outcome:
        outcome = Outcome()
        for number in numbers:
            name, how, data = mutation(seed, number)
            began = time.perf_counter()
            try:
                with watched():
                    image = decode(data)
            except SourceError as error:
                outcome.refused += 1
                if not str(error) or "\n" in str(error):
                    outcome.errors.append(f"{number} {name}: {error!r}")
            except Exception as error:
                outcome.errors.append(f"{number} {name}: {error!r}")
            else:
                outcome.decoded += 1
                if how != "broken" and not np.array_equal(image, whole(name)):
                    outcome.halves.append(f"{number} {name} {how} {len(data)}")
            outcome.slowest = max(outcome.slowest, time.perf_counter() - began)
        outcome.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return outcome

    return run


def lost(numbers: range, reason: str) -> Outcome:
    """A mutation that took its worker with it."""
    return Outcome(lost=[f"{numbers.start}: {reason}"])


def fuzz(count: int, seed: str) -> Outcome:
    """All mutations from 0 to ``count``."""
    outcome = Outcome()
    seeds()
    units = [range(start, min(start + _UNIT, count)) for start in range(0, count, _UNIT)]
    singles: Callable[[range], list[range]] = lambda numbers: [range(number, number + 1) for number in numbers]  # noqa: E731
    pool: Processes[range, Outcome] = Processes(make, seed, available_cores(), Stop(), lost, parts=singles, timeout=_HANG)
    for found in pool.run(units):
        outcome.add(found)
    return outcome


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(fuzz(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "augx"))))
