"""Shared fixtures: the shipped photos, small pictures made on the spot, and the command as users run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tests.fork_server import ForkServer

ROOT = Path(__file__).parent.parent
PHOTOS = ROOT / "sample_images"
SERVER = ForkServer()
NOBODY = 65534

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background has it ignored

settings.register_profile("augx", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("augx")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run what takes minutes: every fault at every call, fifty kills a writer")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; only with --slow")


def pytest_unconfigure() -> None:
    SERVER.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; --slow runs it"))


def picture(height: int = 24, width: int = 33, channels: int = 3, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """A picture with smooth shapes and some grain, so that both interpolation and tables have something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [(np.sin(x / (3 + c)) + np.cos(y / (2 + c)) + 2) / 4 * 220 + rng.uniform(0, 35, (height, width)) for c in range(channels)]
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    image = (np.dstack(planes) * (top / 255)).astype(dtype)
    return image[:, :, 0] if channels == 1 else image


def write_picture(path: Path, image: np.ndarray | None = None) -> Path:
    """The picture as a file of the format that the path's extension names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, picture() if image is None else image)
    assert done
    path.write_bytes(data.tobytes())
    return path


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path, with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def pictures(root: Path) -> dict[str, bytes]:
    """The files of a set without its manifest and run.json."""
    return {name: data for name, data in tree(root).items() if name not in ("manifest.jsonl", "run.json")}


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """photos/cats: 3 pictures, one of them in a sub-folder, photos/dogs: 2, one with alpha."""
    root = tmp_path / "photos"
    write_picture(root / "cats" / "a.jpg", picture(30, 40, seed=1))
    write_picture(root / "cats" / "b.png", picture(21, 34, seed=2))
    write_picture(root / "cats" / "persian" / "c.jpg", picture(25, 25, channels=1, seed=3))
    write_picture(root / "dogs" / "d.jpg", picture(33, 20, seed=4))
    write_picture(root / "dogs" / "e.png", picture(16, 48, channels=4, seed=5))
    return root


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def open_to_all(tmp_path: Path) -> Path:
    """``tmp_path``, with a way to it for a user that is not its owner."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent, tmp_path.parent.parent.parent):
        if os.getuid() == folder.stat().st_uid and folder != Path("/tmp"):
            folder.chmod(0o755)
    return tmp_path


@pytest.fixture
def augx(tmp_path: Path) -> Run:
    """``augx ...`` in a process of its own, in the test's folder."""

    def run(*args: str | bytes | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        done = None if options else SERVER.run([arg if isinstance(arg, bytes) else str(arg) for arg in args], tmp_path, environment, 120)
        if done is not None:
            return done  # type: ignore[no-any-return]
        command = [sys.executable, "-m", "augx", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]

    return run
