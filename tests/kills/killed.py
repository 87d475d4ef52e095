"""Kills at random moments. Each must end in the tree of a run that nobody disturbed, byte for byte.

``python -m tests.kills.killed ROOT`` reads requests in JSON, one a line, and answers each with what came of it. A process of its own,
with one thread, so that it can fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import tree
from tests.kills.command import LONGEST, Command, processes_of, start

SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP, "second SIGINT": signal.SIGINT}
WAYS = ("whole group", "command alone", "one worker", "during resume", *SIGNALS)
TRIES = 20
"""How often a kill that came too late is made again."""


@dataclass(slots=True)
class Outcome:
    """Of so many kills that came before the run's end: how many had no consequence, the seconds until all had gone, what was wrong."""

    kills: int = 0
    survived: int = 0
    stops: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a command makes, and how long it takes."""

    tree: dict[str, bytes]
    seconds: float


class Killer:
    """A command that is killed in one of the ``WAYS``; ``root`` is a folder for what it makes."""

    def __init__(self, words: list[str], whole: Undisturbed, root: Path, way: str, chance: random.Random) -> None:
        self._words, self._whole, self._way, self._chance = words, whole, way, chance
        self._output, self._said = root / "killed", root / "said"

    def kill(self, outcome: Outcome) -> bool:
        """One kill, and the run that goes on; False, and nothing is counted, if the kill came too late."""
        problems: list[str] = []
        took = self._struck(problems)
        if took is not None:
            status = self._start().status()
            if status:
                problems.append(f"exit status {status} of the same command again")
            found, expected = tree(self._output), self._whole.tree
            if found != expected:
                names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
                problems.append(f"{len(names)} files differ: {names[:5]}")
            if "Traceback" in (said := self._said.read_text()) or problems:
                problems.append(f"it said: {said}")
            outcome.kills += 1
            outcome.survived += not problems
            outcome.stops += [] if self._way == "one worker" else [took]
        for problem in problems:
            print(f"{' '.join(self._words)}: {self._way}: {problem}", file=sys.stderr, flush=True)
        outcome.wrong += [f"{self._way}: {problem}" for problem in problems]
        shutil.rmtree(self._output, ignore_errors=True)
        self._said.unlink(missing_ok=True)
        return took is not None

    def _start(self) -> Command:
        engine = "processes" if self._way == "one worker" else self._chance.choice(("threads", "processes"))
        return start([*self._words, "--output", str(self._output), "--jobs", "2", "--engine", engine], self._said)

    def _struck(self, problems: list[str]) -> float | None:
        """How long it took after the kill until all had gone; None if it came too late."""
        if self._way == "during resume":
            first = self._start()
            first.ended_within(self._moment() / 2)
            first.send(signal.SIGKILL, to_all=True)
            first.status()
        run = self._start()
        late = run.ended_within(self._moment())
        began = time.monotonic()
        late = not self._strike(run) or late
        if not run.ended_within(LONGEST):
            problems.append(f"it did not end within {LONGEST:g} s")
        took = time.monotonic() - began
        status = run.status()
        if left := self._left(run.pid):
            problems.append(f"{left} processes outlived it")
        late = late or (self._way != "one worker" and self._state() == "complete")
        if not late:
            problems += self._judged(status)
        return None if late else took

    def _moment(self) -> float:
        return self._chance.uniform(0, self._whole.seconds)

    def _strike(self, run: Command) -> bool:
        """Kill it, or one of its workers; whether there was one."""
        match self._way:
            case "whole group" | "during resume":
                run.send(signal.SIGKILL, to_all=True)
            case "command alone":
                run.send(signal.SIGKILL, to_all=False)
            case "one worker":
                workers = run.workers()
                if not workers:
                    return False
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._chance.choice(workers), signal.SIGKILL)
            case _:
                run.send(SIGNALS[self._way], to_all=self._chance.random() < 0.5)
                if self._way == "second SIGINT":
                    run.ended_within(self._chance.uniform(0, 0.05))
                    run.send(signal.SIGINT, to_all=self._chance.random() < 0.5)
        return True

    def _judged(self, status: int) -> list[str]:
        """What is wrong with how a command ended, and with what it left."""
        if self._way == "one worker":
            return [] if status == 0 else [f"exit status {status} after the loss of a worker"]
        if self._way not in SIGNALS:
            return [] if status == -signal.SIGKILL else [f"exit status {status} after a kill"]
        number = SIGNALS[self._way]
        state = self._state()
        # Before the run, and after it, a command is ended by the signal itself; a shell says 128 + number of that as well.
        outside = state is None or self._way == "second SIGINT"
        if status != 128 + number and not (outside and status == -number):
            return [f"exit status {status} after {self._way}, its run.json says {state}"]
        left = [path.name for path in self._output.rglob(".augx-tmp-*")] if state is not None else []
        wrong = [f"temporary files stayed: {left}"] if left else []
        return wrong if state in (None, "stopped") else [*wrong, f"stopped, and its run.json says {state}"]

    def _state(self) -> str | None:
        """What the output's run.json says about the run."""
        try:
            return str(json.loads((self._output / "run.json").read_bytes())["state"])
        except FileNotFoundError:
            return None

    def _left(self, group: int) -> int:
        """How many processes of a command run on; those that are just ending have a second for it."""
        for _ in range(20):
            if not (found := processes_of(group)):
                return 0
            select.select([], [], [], 0.05)
        return len(found)


def undisturbed(words: list[str], root: Path) -> Undisturbed:
    """What a command makes when nobody kills it."""
    output, said = root / "whole", root / "said"
    began = time.monotonic()
    status = start([*words, "--output", str(output), "--jobs", "2", "--engine", "processes"], said).status()
    seconds = time.monotonic() - began
    if status:
        raise SystemExit(f"exit status {status} of an undisturbed run: {said.read_text()}")
    made = tree(output)
    shutil.rmtree(output)
    said.unlink()
    return Undisturbed(made, seconds)


def main() -> None:
    """Do what the module says."""
    import cv2  # noqa: F401
    import yaml  # noqa: F401

    import augx.cli
    import augx.expand  # noqa: F401

    root = Path(sys.argv[1])
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        chance = random.Random(request["seed"])
        wholes = [(words, undisturbed(words, root)) for words in request["commands"]]
        outcome = Outcome()
        for number in range(request["kills"]):
            way, (words, whole) = WAYS[number % len(WAYS)], wholes[number // len(WAYS) % len(wholes)]
            killer = Killer(words, whole, root, way, chance)
            if not any(killer.kill(outcome) for _ in range(TRIES)):
                outcome.wrong.append(f"{way}: it came too late {TRIES} times")
                break
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
