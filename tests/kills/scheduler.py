"""A Dask scheduler on loopback with two workers, all of them processes of their own, which can be killed and begun again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.kills.command import LONGEST, Command

_QUIET = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
"""Reached from this machine alone, their pages too, which are served without a dashboard as well."""


@dataclass(slots=True)
class Scheduler:
    """Nothing runs before ``begin``. One worker has a nanny, which begins it again when it dies; the other has none."""

    root: Path
    address: str = ""
    _scheduler: Command | None = None
    _workers: dict[str, Command] = field(default_factory=dict)

    def begin(self) -> None:
        """Start what does not run, and wait for two workers."""
        if not self.address:
            import distributed.cli.dask_scheduler
            import distributed.cli.dask_worker  # noqa: F401

            with socket.create_server(("127.0.0.1", 0)) as free:
                self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
            os.environ["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = "10s"
        self.mend()

    def mend(self) -> None:
        """Start again what was killed. After a scheduler its workers go as well."""
        if self._scheduler is None:
            while self._workers:
                self._kill(self._workers.popitem()[1])
            port = self.address.rpartition(":")[2]
            self._scheduler = _forked(lambda: _run("scheduler", ["--port", port, *_QUIET]), self.root / "dask")
        for name in ("--no-nanny", "--nanny"):
            if name in self._workers and self._workers[name].ended_within(0):
                self._kill(self._workers.pop(name))
            if name not in self._workers:
                words = [self.address, name, "--nthreads", "1", "--local-directory", str(self.root / "local"), *_QUIET]
                self._workers[name] = _forked(lambda words=words: _run("worker", words), self.root / "dask")
        address = self.address
        waits = _forked(lambda: _wait(address), self.root / "dask")
        if status := waits.status():
            raise SystemExit(f"no two workers within {LONGEST:g} s: {status}: {(self.root / 'dask').read_text()[-2000:]}")

    def kill_worker(self, chance: random.Random) -> None:
        """``kill -9`` of one of the workers, or of the one that has a nanny, or of that nanny."""
        name = chance.choice(("--no-nanny", "--nanny"))
        worker = self._workers[name]
        below = worker.workers()
        if name == "--nanny" and below and chance.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(below), signal.SIGKILL)
        else:
            self._kill(self._workers.pop(name))

    def kill(self) -> None:
        """``kill -9`` of the scheduler alone."""
        if self._scheduler is not None:
            self._kill(self._scheduler)
            self._scheduler = None

    def end(self) -> None:
        """Everything."""
        self.kill()
        while self._workers:
            self._kill(self._workers.popitem()[1])

    @staticmethod
    def _kill(command: Command) -> None:
        command.send(signal.SIGKILL, to_all=True)
        command.status()


def _run(name: str, words: list[str]) -> None:
    from importlib import import_module

    import_module(f"distributed.cli.dask_{name}").main(words, standalone_mode=False)


def _wait(address: str) -> None:
    import distributed

    with distributed.Client(address, timeout=LONGEST / 2, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=LONGEST / 2)


def _forked(do: Callable[[], None], said: Path) -> Command:
    """``do`` in a process of its own, alone in its group."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(reader)
            os.setpgid(0, 0)
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            for number in (1, 2):
                os.dup2(out, number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            do()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    os.close(writer)
    return Command(pid, reader, 0.0)
