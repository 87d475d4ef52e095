"""Commands in processes of their own that need not import everything again: each is forked off one that has.

A server that has imported the command line, and done nothing else, forks a child for each command, which runs ``python -m augx``
as the interpreter does and ends as it does. It is for tests that ask what a command does, not how it starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
Environment = frozenset[tuple[str, str]]

_FREE = ("AWS_", "PYTEST_CURRENT_TEST")
"""Variables that may change between commands; any other may have been read when a module was imported."""


class ForkServer:
    """Servers for one process of pytest, one for each environment that commands come with; they end with their sockets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[Environment, tuple[socket.socket, subprocess.Popen[bytes]]] = {}
        self._seen: Counter[Environment] = Counter()

    def run(self, arguments: Sequence[str | bytes], folder: Path, environment: dict[str, str], limit: float) -> Any:
        """``subprocess.run`` of ``python -m augx``, its output captured; None where it is to have an interpreter of its own."""
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, "rb") as nothing:
            with theirs, self._lock:
                requests = self._server(environment)
                if requests is None:
                    return None
                socket.send_fds(requests, [b"."], [theirs.fileno(), nothing.fileno(), out.fileno(), err.fileno()])
            asked = {"arguments": [os.fsdecode(one) for one in arguments], "folder": str(folder), "environment": environment}
            ours.sendall(json.dumps(asked).encode() + b"\n")
            ours.settimeout(limit)
            with ours.makefile("r") as answers:
                process = int(answers.readline())
                try:
                    status = int(answers.readline())
                except TimeoutError:
                    os.kill(process, signal.SIGKILL)
                    raise
            out.seek(0)
            err.seek(0)
            command = [sys.executable, "-m", "augx", *arguments]
            return subprocess.CompletedProcess(command, status, out.read(), err.read())

    def _server(self, environment: dict[str, str]) -> socket.socket | None:
        fixed = frozenset((name, value) for name, value in environment.items() if not name.startswith(_FREE))
        self._seen[fixed] += 1
        if self._servers and self._seen[fixed] == 1:
            return None  # most often of a single test
        if fixed not in self._servers:
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, str(Path(__file__).resolve()), str(theirs.fileno())]
                process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd="/")
            self._servers[fixed] = ours, process
        return self._servers[fixed][0]

    def close(self) -> None:
        """End the servers; commands that still run go on."""
        for requests, process in self._servers.values():
            requests.close()
            process.wait()
        self._servers.clear()


def _serve(requests: socket.socket) -> list[str] | None:
    """Fork for each request; what returns in a child are its arguments, and None in the server when there are no more."""
    while True:
        message, files, _, _ = socket.recv_fds(requests, 1, 4)
        if not message:
            return None
        if os.fork():
            for file in files:
                os.close(file)
            while True:  # those that ended meanwhile
                try:
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        break
                except ChildProcessError:
                    break
            continue
        # This one waits for the command, and tells how it ended.
        requests.close()
        answers = socket.socket(fileno=files[0])
        with answers.makefile("r") as lines:
            asked = json.loads(lines.readline())
        command = os.fork()
        if not command:
            answers.close()
            for i, file in enumerate(files[1:]):
                os.dup2(file, i)
                os.close(file)
            os.chdir(asked["folder"])
            os.environ.clear()
            os.environ.update(asked["environment"])
            return list(asked["arguments"])
        answers.sendall(b"%d\n" % command)
        status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        with contextlib.suppress(BrokenPipeError):  # who asked has given it up
            answers.sendall(b"%d\n" % status)
        os._exit(0)


def _main() -> None:
    sys.path[0] = str(ROOT)
    import augx.cli
    import augx.expand
    import augx.inputs
    import augx.spec

    with contextlib.suppress(ImportError):
        import s3fs  # noqa: F401
    for name in augx.cli.augx.list_commands(None):  # type: ignore[arg-type]
        augx.cli.augx.get_command(None, name)  # type: ignore[arg-type]
    arguments = _serve(socket.socket(fileno=int(sys.argv[1])))
    if arguments is not None:
        sys.path[0] = ""
        sys.argv = ["augx", *arguments]
        runpy.run_module("augx", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
