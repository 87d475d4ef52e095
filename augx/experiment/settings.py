"""What an experiment is asked to do, checked before anything is read."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from dataclasses import dataclass

from augx.errors import PlanError, printable
from augx.spec import Spec
from augx.wording import nearest

NONE, EXPAND, IN_PLACE, BOTH = "none", "expand", "in-place", "both"
ARMS = (NONE, EXPAND, IN_PLACE, BOTH)
"""No augmentation; a set expanded on disk (type 1); new copies in every epoch (type 2); these of the expanded set (type 3)."""
FILES = ("results.json", "results.html", "curves.png")
"""What a finished experiment leaves in its output."""
TRAININGS = 2
"""Raised when the same settings come to train otherwise, so that no average is taken over both."""
LEAK, HONEST = "split by picture", "split by source"
"""The arms of a set that is expanded already: siblings on both sides of the split, and on one."""


_BOUNDS = {"copies": (1, 10_000), "repeats": (1, 1000), "epochs": (1, 100_000), "size": (8, 2048), "batch_size": (1, 65_536)}
_LONGEST = 150  # bytes, of a spec's name, which stands in names of files


def safe_name(name: str) -> str:
    """A name that can stand in a file's."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "_"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: an arm, the name of its spec (``""`` for none), a seed."""

    arm: str
    spec: str
    seed: int

    @property
    def group(self) -> tuple[str, str]:
        """What seeds are the repeats of."""
        return self.arm, self.spec

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.arm, self.spec, f"seed {self.seed}")))


@dataclass(frozen=True, slots=True)
class Settings:
    """An experiment.

    ``dataset``: what ``find_sources`` reads; ``test``: pictures held apart by the user, else a part is split off; ``specs`` by name;
    ``copies`` of each picture in the expanded set; ``repeats``: seeds, from ``seed`` on; ``epochs`` of the unaugmented training
    part, which give the number of steps of every arm; ``size``: side of the square that pictures are brought to, in pixels;
    ``fraction`` of each class that is used; ``most``: pictures of a part at most (0: all); ``leak``: the dataset is expanded,
    show what splitting it by picture does. Raises ``PlanError``.
    """

    dataset: str
    specs: tuple[tuple[str, Spec], ...]
    arms: tuple[str, ...] = ARMS
    test: str | None = None
    copies: int = 10
    repeats: int = 5
    epochs: int = 50
    size: int = 64
    model: str = "small-cnn"
    fraction: float = 1.0
    batch_size: int = 32
    learning_rate: float | None = None
    seed: int = 0
    most: int = 0
    leak: bool = False
    quick: bool = False

    def __post_init__(self) -> None:
        for arm in self.arms:
            if arm not in ARMS:
                raise PlanError(f"--arms {printable(arm)}: no such arm{nearest(arm, ARMS)}; expected some of {', '.join(ARMS)}")
        if not self.arms:
            raise PlanError(f"--arms is empty; name some of {', '.join(ARMS)}")
        names = [safe_name(name).casefold() for name, _ in self.specs]
        for i, (name, _) in enumerate(self.specs):
            if names[i] in names[:i]:
                raise PlanError(f"--spec {printable(name)}: the results call two specs {printable(names[i])}; rename one of the files")
            if len(os.fsencode(names[i])) > _LONGEST:
                raise PlanError(f"--spec {printable(name)}: its name is longer than {_LONGEST} bytes; rename the file")
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise PlanError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected {least:,} to {most:,}")
        if not 0 < self.fraction <= 1:
            raise PlanError(f"--fraction {self.fraction:g}: expected more than 0, at most 1")
        rate = self.learning_rate
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise PlanError(f"--learning-rate {rate:g}: expected a number above 0")

    def runs(self) -> list[Run]:
        """All trainings, those of a seed together; the one that others are compared with comes first."""
        arms: list[tuple[str, str]] = [(HONEST, ""), (LEAK, "")]
        if not self.leak:
            chosen = [arm for arm in ARMS[1:] if arm in self.arms]
            arms = [(NONE, ""), *((arm, name) for name, _ in self.specs for arm in chosen)]
        return [Run(arm, spec, seed) for seed in range(self.seed, self.seed + self.repeats) for arm, spec in arms]

    def state(self) -> dict[str, object]:
        """JSON-plain: what must be the same for runs to be compared. Arms, specs and repeats may be added later."""
        names = ("copies", "epochs", "size", "model", "fraction", "batch_size", "learning_rate", "most", "leak")
        state = {name: getattr(self, name) for name in names}
        path, colon, _ = self.model.rpartition(":")
        if colon:
            with contextlib.suppress(OSError), open(path, "rb") as file:
                state["model_file"] = hashlib.sha256(file.read()).hexdigest()[:16]
        return {**state, "trainings": TRAININGS}
