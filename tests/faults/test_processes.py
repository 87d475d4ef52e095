"""Workers that are killed, and runs that are told to stop, once or twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import pictures
from tests.faults.oracle import ENVIRONMENT, settled

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found as Linux lists them")

SIGNALS = {"SIGINT": [signal.SIGINT], "SIGTERM": [signal.SIGTERM], "SIGHUP": [signal.SIGHUP], "a second SIGINT": [signal.SIGINT] * 2}


def session(leader: int) -> list[int]:
    """The processes that a run began, wherever they hang now, without the dead that nobody has asked for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid, *_ = path.read_text(errors="replace").rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(sid) == leader and state not in "ZX":
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_worker_is_killed(seed: int, generate: list[str], photos: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    chance = random.Random(seed)
    words = [*generate, "--copies", "400", "--engine", "processes", "--jobs", "2", "--paths"]
    with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        for _ in range(lines := chance.randrange(1, 400)):
            run.stdout.readline()
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(chance.choice(children)), signal.SIGKILL)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert len(pictures(tmp_path / "out")) == 2400
    settled(tmp_path / "out", photos, 400)
    figure(f"after {lines} of 2400 files: the run went on, all 2400 made")


@pytest.mark.parametrize("engine", ["threads", "processes"])
@pytest.mark.parametrize("kind", SIGNALS)
def test_a_stop_in_time(
    kind: str, engine: str, generate: list[str], photos: Path, tmp_path: Path, figure: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    """At some file, not only the first; a second signal comes while the first is obeyed."""
    words = [*generate, "--copies", "300", "--paths", "--engine", engine, "--jobs", "2"]
    times = []
    for seed in range(8 if request.config.getoption("--slow") else 2):
        chance = random.Random(f"{kind} {engine} {seed}")
        with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as run:
            assert run.stdout is not None
            for _ in range(chance.randrange(1, 200)):
                run.stdout.readline()
            began = time.monotonic()
            for number in SIGNALS[kind]:
                run.send_signal(number)
            _, said = run.communicate(timeout=60)
            times.append(time.monotonic() - began)
        assert run.returncode in (0, 128 + SIGNALS[kind][0]) and b"Traceback" not in said, said
        assert run.returncode or len(pictures(tmp_path / "out")) == 1800  # it had just ended
        assert session(run.pid) == []
    assert max(times) < 15  # the promise is 5, and machines are shared
    settled(tmp_path / "out", photos, 300)
    stopped = f"stopped in {max(times):.2f} s at most of {len(times)}, no orphan, exit status {128 + SIGNALS[kind][0]}"
    figure(f"{kind}, {engine}: {stopped}; equal trees")


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_second_interrupt(engine: str, generate: list[str], photos: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    """As from a terminal, to the whole group; and again as soon as the first is seen to work."""
    words = [*generate, "--copies", "300", "--paths", "--engine", engine, "--jobs", "2"]
    with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as run:
        assert run.stdout is not None
        run.stdout.readline()
        began = time.monotonic()
        for _ in range(5):
            os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
        seconds = time.monotonic() - began
    assert run.returncode == 130 and b"Traceback" not in said and session(run.pid) == []
    settled(tmp_path / "out", photos, 300)
    figure(f"five SIGINT to the group, {engine}: stopped in {seconds:.2f} s, no orphan, exit status 130; equal trees")
