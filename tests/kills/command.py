"""A whole ``augx`` command as a process that can be killed: forked from one that has imported everything, so that it starts at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST = 60.0
"""Seconds after which a command that should have ended hangs."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, alone in its process group, and the end of a pipe that each of its processes holds open."""

    pid: int
    alive: int
    began: float

    def ended_within(self, seconds: float) -> bool:
        """Whether the last of its processes has gone; waits so long for it."""
        return bool(select.select([self.alive], [], [], max(0.0, seconds))[0])

    def send(self, number: signal.Signals, *, to_all: bool) -> None:
        """A signal to its group, as a terminal and the system send it, or to the command alone."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if to_all else os.kill)(self.pid, number)

    def workers(self) -> list[int]:
        """Its processes but for the first one."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:
            return []

    def status(self) -> int:
        """Its exit status, or minus the signal that ended it, once all of it has gone; whatever is left is killed."""
        if not self.ended_within(LONGEST):
            self.send(signal.SIGKILL, to_all=True)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.alive)
        return status


def start(words: list[str], said: Path) -> Command:
    """Begin ``augx WORDS``; what it says on standard error goes to a file."""
    reader, writer = os.pipe()
    began = time.monotonic()
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until it can be told from this process
    pid = os.fork()
    if not pid:
        os.close(reader)
        _become(words, said)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)  # whichever of the two is first
    signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    os.close(writer)
    return Command(pid, reader, began)


def _become(words: list[str], said: Path) -> NoReturn:
    status = 1
    try:
        os.setpgid(0, 0)
        from augx.__main__ import main

        # As a terminal starts it, also where this process was started to ignore them.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in STOPS[1:]:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), 2)
        sys.argv = ["augx", *words]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:  # so early that the command had not begun
        status = 130
    finally:
        os._exit(status)


def processes_of(group: int) -> list[int]:
    """The processes of a group that run."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = place.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state not in "ZX":
                found.append(int(place.parent.name))
    return found
