"""Fleets are killed at random moments. Each must end, by the same commands and ``augx finalize``, in the tree of one undisturbed run.

``python -m tests.kills.fleets ROOT`` reads requests in JSON, one a line, and answers each with what came of it. A process of its own,
with one thread, so that it can fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.conftest import tree
from tests.kills.command import LONGEST, Command, processes_of, start
from tests.kills.killed import TRIES, Outcome, Undisturbed, undisturbed
from tests.kills.scheduler import Scheduler

WAYS = ("shard", "worker", "driver", "finalize", "side by side")
DASK_WAYS = ("dask worker", "dask driver", "dask scheduler")
_AGAIN = 3
"""How often one of three shards that run side by side is killed before it may end."""


class Fleet:
    """One set that many processes make in ``root / "killed"``, and what is wrong with it."""

    def __init__(self, words: list[str], whole: Undisturbed, root: Path, chance: random.Random, scheduler: Scheduler) -> None:
        self._words, self._whole, self._chance, self._scheduler = words, whole, chance, scheduler
        self._output, self._said, self._made = root / "killed", root / "said", root / "made"
        self._joining = 0.0
        self.problems: list[str] = []

    def kill(self, way: str, outcome: Outcome) -> int:
        """Kills in one of the ``WAYS``, and the end of the set; how many there were, 0 if they came too late, which counts for nothing."""
        ways = {"finalize": self._finalize, "side by side": self._side_by_side, "dask worker": self._dask_worker}
        ways |= {"dask driver": self._dask_driver, "dask scheduler": self._dask_scheduler}
        self.problems = []
        kills = ways[way]() if way in ways else self._share(way)
        if kills:
            self._end()
            outcome.kills += kills
            outcome.survived += 0 if self.problems else kills
        outcome.wrong += [f"{way}: {problem}" for problem in self.problems]
        shutil.rmtree(self._output, ignore_errors=True)
        self._said.unlink(missing_ok=True)
        return kills

    def _start(self, number: int, of: int, *more: str) -> Command:
        more = more or ("--engine", self._chance.choice(("threads", "processes")), "--jobs", "2")
        return start([*self._words, "--output", str(self._output), "--shard", f"{number}/{of}", "--quiet", *more], self._said)

    def _moment(self) -> float:
        return self._chance.uniform(0, self._whole.seconds)

    def _done(self, command: Command, what: str, allowed: tuple[int, ...] = (0,)) -> int:
        """The exit status of a command that has to end by itself."""
        status = command.status()
        if status not in allowed:
            self.problems.append(f"exit status {status} of {what}")
        return status

    def _gone(self, command: Command) -> None:
        """Nobody may outlive a command that was killed."""
        if not command.ended_within(LONGEST):
            self.problems.append(f"{len(processes_of(command.pid))} processes outlived it")

    def _struck(self, command: Command, *, to_all: bool) -> bool:
        """Kill a command that is in work; whether it was not too late."""
        command.send(signal.SIGKILL, to_all=to_all)
        self._gone(command)
        return command.status() == -signal.SIGKILL

    def _share(self, way: str) -> int:
        number = self._chance.randrange(2)
        if self._chance.random() < 0.3:
            self._done(self._start(1 - number, 2), "a shard")
        if way == "worker":
            run = self._start(number, 2, "--engine", "processes", "--jobs", "2")
            run.ended_within(self._moment())
            workers = run.workers()
            with contextlib.suppress(ProcessLookupError):
                for worker in self._chance.sample(workers, min(1, len(workers))):
                    os.kill(worker, signal.SIGKILL)
            self._done(run, "a shard that lost a worker")
            return int(bool(workers))
        run = self._start(number, 2)
        run.ended_within(self._moment())
        return int(self._struck(run, to_all=way == "shard"))

    def _finalize(self) -> int:
        if not self._made.exists():
            self._shares(2)
            shutil.copytree(self._output, self._made)
            began = time.monotonic()
            self._join()
            self._joining = time.monotonic() - began
            shutil.rmtree(self._output)
        shutil.copytree(self._made, self._output)
        kills = 0
        for _ in range(self._chance.choice((1, 1, 2))):
            run = start(["finalize", str(self._output)], self._said)
            run.ended_within(self._chance.uniform(0, self._joining))
            kills += self._struck(run, to_all=True)
        return kills

    def _side_by_side(self) -> int:
        victim, kills = self._chance.randrange(3), 0
        others = [self._start(number, 3) for number in range(3) if number != victim]
        for _ in range(_AGAIN):
            run = self._start(victim, 3)
            run.ended_within(self._moment() / 2)
            kills += self._struck(run, to_all=self._chance.random() < 0.5)
        for other in others:
            self._done(other, "a shard that nobody killed")
        self._shares(3)
        return kills

    def _far(self) -> Command:
        """A run on the scheduler's workers: a fleet's, or a single one."""
        more = ("--engine", "dask", "--address", self._scheduler.address)
        if self._chance.random() < 0.5:
            return self._start(0, 1, *more)
        return start([*self._words, "--output", str(self._output), "--quiet", *more], self._said)

    def _at_work(self, run: Command) -> bool:
        """Wait for a moment at random, in most cases one at which files are made; whether it has not ended by then."""
        if self._chance.random() < 0.8:
            while not next(self._output.glob("*/*.*"), None) and not next(self._output.glob("*.tar"), None):
                if run.ended_within(0.01):
                    return False
            return not run.ended_within(self._moment() / 4)
        return not run.ended_within(self._moment())

    def _dask_worker(self) -> int:
        run = self._far()
        kills = int(self._at_work(run))
        if kills:
            self._scheduler.kill_worker(self._chance)
        self._done(run, "a run that lost a worker")
        self._scheduler.mend()
        return kills

    def _dask_driver(self) -> int:
        run = self._far()
        self._at_work(run)
        return int(self._struck(run, to_all=False))

    def _dask_scheduler(self) -> int:
        run = self._far()
        kills = int(self._at_work(run))
        if kills:
            self._scheduler.kill()
        self._scheduler.mend()
        self._done(run, "a run that lost its scheduler", (0, 1, 2))
        return kills

    def _shares(self, of: int) -> None:
        for number in self._chance.sample(range(of), of):
            self._done(self._start(number, of), "a shard")

    def _join(self) -> None:
        self._done(start(["finalize", str(self._output), "--quiet"], self._said), "finalize")

    def _end(self) -> None:
        """The same commands again, and what is wrong with what they leave."""
        if (self._output / "run.json").exists() and not (self._output / ".augx-fleet.json").exists():
            self._done(start([*self._words, "--output", str(self._output), "--quiet"], self._said), "the same command again")
        else:
            self._shares(2)
        self._join()
        found, expected = tree(self._output), self._whole.tree
        if found != expected:
            names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
            self.problems.append(f"{len(names)} files differ: {names[:5]}")
        if "Traceback" in (said := self._said.read_text()) or self.problems:
            self.problems.append(f"it said: {said}")


def _answer(request: dict[str, Any], fleet: Callable[[list[str]], Fleet]) -> Outcome:
    outcome, one = Outcome(), fleet(request["words"])
    while outcome.kills < request["kills"]:
        if not any(one.kill(request["way"], outcome) for _ in range(TRIES)):
            outcome.wrong.append(f"{request['way']}: it came too late {TRIES} times")
            break
    return outcome


def main() -> None:
    """Do what the module says."""
    import cv2  # noqa: F401
    import yaml  # noqa: F401

    import augx.cli
    import augx.expand
    import augx.fleet.finalize
    import augx.fleet.shard  # noqa: F401

    root = Path(sys.argv[1])
    wholes: dict[str, Undisturbed] = {}
    with contextlib.ExitStack() as inside:
        scheduler = Scheduler(root)
        inside.callback(scheduler.end)
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            if request["way"] in DASK_WAYS:
                scheduler.begin()
            key = json.dumps(request["words"])
            if key not in wholes:
                wholes[key] = undisturbed(request["words"], root)
            chance = random.Random(f"{key} {request['way']}")

            def fleet(words: list[str], key: str = key, chance: random.Random = chance) -> Fleet:
                shutil.rmtree(root / "made", ignore_errors=True)
                return Fleet(words, wholes[key], root, chance, scheduler)

            print(json.dumps(asdict(_answer(request, fleet))), flush=True)


if __name__ == "__main__":
    main()
