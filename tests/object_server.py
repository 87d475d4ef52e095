"""A real S3 server on loopback (moto's), and a gate before it that can be shut for some connections, or cut them short."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request

import pytest

_SERVE = """
import logging, sys
from moto.moto_server.werkzeug_app import MotoRequestHandler
from moto.server import ThreadedMotoServer
MotoRequestHandler.send_response = MotoRequestHandler.send_response_only  # moto says "Server" itself, and aiohttp wants it once
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_numbers = itertools.count()


@functools.cache
def server_port() -> int:
    """The port of a server in a process of its own, one for all tests; it ends with this process."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    server = subprocess.Popen([sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    assert server.stdin is not None and server.stdout is not None

    def end() -> None:
        server.communicate()  # which closes its input

    atexit.register(end)
    return int(server.stdout.readline())


class Gate:
    """A port that leads to another. The next ``shut`` connections are closed at once, the next ``mute`` ones where an answer would
    come; each other ends after ``limit`` bytes of the client's. ``listings`` were asked for.
    """

    def __init__(self, port: int) -> None:
        self.shut, self.mute, self.limit, self.listings = 0, 0, 1 << 60, 0
        gate, self._there = self, set[socket.socket]()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if gate.shut > 0:
                    gate.shut -= 1
                    return
                gate._there.add(self.request)
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
                    _forward(self.request, server, gate)
                gate._there.discard(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close_for(self, connections: int) -> None:
        """Close all that are open, and the next ones."""
        self.shut = connections
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections that are open."""
        for one in list(self._there):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """No more connections at all: nobody listens here then."""
        self._server.shutdown()
        self._server.server_close()
        self.hang_up()


def _forward(client: socket.socket, server: socket.socket, gate: Gate) -> None:
    given = 0
    mute = gate.mute > 0
    gate.mute -= mute
    while True:
        for one in select.select([client, server], [], [])[0]:
            data = one.recv(1 << 16)
            if not data:
                return
            if one is client:
                given += len(data)
                gate.listings += data.count(b"list-type=2")
                if given > gate.limit:
                    return
            elif mute:
                return
            (server if one is client else client).sendall(data)


def asked(method: str, path: str, data: bytes | None = None) -> bytes:
    """What the server says, past any gate and any library."""
    request = urllib.request.Request(f"http://127.0.0.1:{server_port()}/{path}", data, {"Content-Type": "text/plain"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        body: bytes = answer.read()
        return body


def settings(port: int) -> dict[str, str]:
    """The environment of a user of the server behind this port."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def new_bucket(monkeypatch: pytest.MonkeyPatch, port: int | None = None) -> str:
    """A new bucket's name; this process and those that it starts reach it through ``port``, by default the server's own."""
    for name, value in settings(port or server_port()).items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    asked("PUT", name)
    return name
