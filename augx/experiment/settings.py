"""What an experiment is asked to do, checked before anything is read."""

from __future__ import annotations

import contextlib
import hashlib
import math
from dataclasses import dataclass

from augx.errors import PlanError, printable
from augx.spec import Spec
from augx.wording import nearest

NONE, EXPAND, IN_PLACE, BOTH = "none", "expand", "in-place", "both"
ARMS = (NONE, EXPAND, IN_PLACE, BOTH)
"""No augmentation; a set expanded on disk (type 1); new copies in every epoch (type 2); these of the expanded set (type 3)."""
TRAININGS = 2
"""Raised when the same settings come to train otherwise, so that no average is taken over both."""
LEAK, HONEST = "split by picture", "split by source"
"""The arms of a set that is expanded already: siblings on both sides of the split, and on one."""


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
        names = [name for name, _ in self.specs]
        twice = [name for i, name in enumerate(names) if name in names[:i]]
        if twice:
            raise PlanError(f"--spec {printable(twice[0])}: two specs have this name; rename one of the files")
        for name, least in {"copies": 1, "repeats": 1, "epochs": 1, "size": 8, "batch_size": 1}.items():
            if getattr(self, name) < least:
                raise PlanError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected at least {least}")
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
