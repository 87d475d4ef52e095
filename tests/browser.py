"""A real browser for tests: headless Chromium, spoken to by its DevTools protocol over a pipe."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SECONDS = 120


@dataclass
class Seen:
    """What came of a page: its text, its addresses outside of itself, and whatever the browser complained about."""

    text: str
    title: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    pictures: int = 0
    broken: int = 0
    scripts: int = 0


class Browser:
    """One browser process; ``see`` opens a file in a tab of its own."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-extensions"
        flags += f" --disable-background-networking --user-data-dir={folder} --remote-debugging-pipe about:blank"
        command = ["bash", "-c", f'exec "$0" {flags} 3<&{to_browser} 4>&{from_browser}', CHROMIUM]
        self._process = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number = 0
        self._rest = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._to)
        os.killpg(self._process.pid, 9)
        self._process.wait()
        os.close(self._from)

    def see(self, page: Path) -> Seen:
        """Open a file and wait until it has loaded."""
        address = page.resolve().as_uri()
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network", "Runtime", "Log", "Page"):
            self._ask(f"{domain}.enable", session)
        self._events.clear()
        self._ask("Page.navigate", session, url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._message())
        facts = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
        ask = f"[document.body.innerText, document.title, document.images.length, {facts}, document.scripts.length]"
        found = self._ask("Runtime.evaluate", session, expression=ask, returnByValue=True)["result"]["value"]
        seen = Seen(found[0], found[1], pictures=found[2], broken=found[3], scripts=found[4])
        for event in self._events:
            self._note(event["method"], event["params"], address, seen)
        self._ask("Target.closeTarget", targetId=target)
        return seen

    @staticmethod
    def _note(method: str, params: dict[str, Any], address: str, seen: Seen) -> None:
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if url != address and not url.startswith("data:"):
                seen.requests.append(url)
        elif method in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.loadingFailed"):
            seen.complaints.append(f"{method}: {json.dumps(params)[:300]}")

    def _ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._events.append(answer)

    def _message(self) -> dict[str, Any]:
        limit = time.monotonic() + _SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, limit - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            assert data, "the browser has gone, or says nothing"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))
