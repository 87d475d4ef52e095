"""Disks that are full, by bytes or by files, or that can't be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.oracle import ENVIRONMENT, differences, run

FULL = {
    "bytes": ("size=4m", "head -c 4000000 /dev/zero > small/filler"),
    "files": ("nr_inodes=150", "mkdir small/filler && for i in $(seq 145); do : > small/filler/$i || exit 96; done"),
}


@pytest.fixture
def mounted() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a shell script in a view of the file systems of its own, where it can mount; status 99 says that it can't."""
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("mounting a file system needs root, and unshare")

    def run(script: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-m", "sh", "-c", script, "sh", *words]
        done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode == 99 or "unshare failed" in done.stderr:
            pytest.skip("this sandbox can't mount")
        return done

    return run


@pytest.mark.parametrize("to", ["folders", "webdataset", "npz"])
@pytest.mark.parametrize("full", FULL)
def test_a_full_disk_is_freed(
    full: str,
    to: str,
    generate: list[str],
    mounted: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    limit, fill = FULL[full]
    (tmp_path / "small").mkdir()
    words = [*generate, "--copies", "20", "--to", to]
    script = f"""
        mount -t tmpfs -o {limit} tmpfs small || exit 99
        {fill}
        "$@" --output small/out; test $? = 1 || exit 98
        find small -name '.augx-tmp-*' | grep . && exit 97
        rm -r small/filler
        "$@" --output small/out --quiet && cp -r small/out kept
    """
    began = time.monotonic()
    done = mounted(script, *words, cwd=tmp_path)
    seconds = time.monotonic() - began
    assert done.returncode == 0, (done.returncode, done.stderr)
    (said,) = done.stderr.splitlines()
    assert said.startswith("augx: small/out") and "No space left on device" in said
    (tmp_path / "plain").mkdir()
    run(words, tmp_path / "plain" / "out")  # as deep: run.json has the way to the input
    assert differences(tmp_path / "kept", tmp_path / "plain" / "out") == []
    figure(f"{to}, no {full} left: one line, exit status 1; space freed, same command, equal trees; {seconds:.1f} s for both runs")


def test_an_output_on_a_read_only_file_system(
    generate: list[str], mounted: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    (tmp_path / "out").mkdir()
    script = f"mount -t tmpfs -o ro tmpfs '{tmp_path}/out' || exit 99; exec \"$@\""
    done = mounted(script, *generate, "--copies", "2", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Read-only file system" in done.stderr
    figure("refused before any work: exit status 2, one line")


def test_a_file_that_may_not_grow(generate: list[str], tmp_path: Path, figure: Callable[[str], None]) -> None:
    """As a quota would have it: ``prlimit --fsize``."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    words = [*generate, "--copies", "40"]
    done = subprocess.run(["prlimit", "--fsize=20000", *words, "--to", "npy"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "File too large" in done.stderr
    run([*words, "--to", "npy"], tmp_path / "out")
    run([*words, "--to", "npy"], tmp_path / "undisturbed")
    assert differences(tmp_path / "out", tmp_path / "undisturbed") == []
    figure("npy, files of 20,000 bytes at most: one line, exit status 1; then equal trees")
