"""Measure augx beside a bare loop and beside other tools, in whole processes, and print the table as Markdown.

python -m benchmarks            all rows, some minutes
python -m benchmarks --smoke    all rows once in tiny sizes, and those of transforms.py and keras.py, to see that the benchmarks work

Nothing here imports OpenCV: a child's peak memory counts from its parent's, so this process must be a small one.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent
PHOTO = HERE.parent / "sample_images" / "dogs" / "Dog.jpg"
ENVIRONMENT = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
MEASURES = {"seconds": ("s", 3), "cpu": ("s CPU", 3), "peak": ("MB", 1)}


@dataclass(frozen=True)
class Usage:
    """What a process took: wall seconds, CPU seconds (user and system), and its peak of resident memory in MB."""

    seconds: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Command:
    """A process to measure, the files that it must leave in the output, and how many of them it may lose."""

    argv: tuple[str, ...]
    files: int = 0
    may_lose: int = 0


@dataclass(frozen=True)
class Row:
    """A line of the table: what is measured of which processes, and the target.

    ``bound``: "at most" for ours / other, "at least" for other / ours, "below" for our own figure.
    """

    what: str
    measure: Literal["seconds", "cpu", "peak"]
    bound: Literal["at most", "at least", "below"]
    target: float
    ours: Command
    other: Command | None = None
    needs: str | None = None
    """The module that the other one can't do without."""


class Bench:
    """The folder that processes write to, and the running of them."""

    def __init__(self, work: Path) -> None:
        self.work, self.out = work, work / "out"

    def once(self, command: Command) -> Usage:
        """Run a process, check that it did its work, and empty the output (outside the timing)."""
        with open(self.work / "stderr", "w+b") as errors:
            began = time.perf_counter()
            process = subprocess.Popen(
                command.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, cwd=self.work, env=ENVIRONMENT
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                errors.seek(0)
                tail = errors.read().decode(errors="replace")[-2000:]
                sys.exit(f"exit status {process.returncode} of {' '.join(command.argv)}\n{tail}")
        made = len(list(self.out.glob("*.jpg")))
        if not command.files - command.may_lose <= made <= command.files:
            sys.exit(f"{made} files instead of {command.files} from {' '.join(command.argv)}")
        shutil.rmtree(self.out, ignore_errors=True)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
        return Usage(seconds, usage.ru_utime + usage.ru_stime, peak)

    def line(self, row: Row, repeats: int, judged: bool) -> str:
        """Measure a row: ours, other, ours, other, ... and the median of the ratios of neighbours."""
        self._say(row.what)
        if row.needs is not None and importlib.util.find_spec(row.needs) is None:
            return f"| {row.what} | | | | {_target(row)} | skipped: {row.needs} is not installed |"
        commands = [command for command in (row.ours, row.other) if command is not None]
        if judged:
            for command in commands:  # fills the caches of the disk and of Python, and is not counted
                self.once(command)
        pairs = []
        for _ in range(repeats):
            pairs.append([getattr(self.once(command), row.measure) for command in commands])
            self._say("  " + "  ".join(f"{value:.3f}" for value in pairs[-1]))
        ours = statistics.median(pair[0] for pair in pairs)
        unit, digits = MEASURES[row.measure]
        if row.other is None:
            value, figures = ours, f"{ours:.{digits}f} {unit} | | |"
        else:
            other = statistics.median(pair[1] for pair in pairs)
            value = statistics.median(pair[1] / pair[0] if row.bound == "at least" else pair[0] / pair[1] for pair in pairs)
            figures = f"{ours:.{digits}f} {unit} | {other:.{digits}f} {unit} | {value:.2f} |"
        met = value >= row.target if row.bound == "at least" else value <= row.target if row.bound == "at most" else value < row.target
        return f"| {row.what} | {figures} {_target(row)} | {('yes' if met else '**no**') if judged else 'not judged'} |"

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _target(row: Row) -> str:
    if row.bound == "below":
        return f"below {row.target:g} {MEASURES[row.measure][0]}"
    return f"{'augx / other' if row.bound == 'at most' else 'other / augx'} {row.bound} {row.target:g}"


def rows(work: Path, smoke: bool) -> Iterator[Row]:
    """All rows; ``smoke`` makes them tiny."""
    out, python, cores = str(work / "out"), sys.executable, str(available_cores())
    photo, small = str(work / "640x480.jpg"), str(work / "64x64.jpg")

    def augx(image: str, copies: int) -> Command:
        argv = (python, "-m", "augx", "generate", "--image", image, "--output", out, "--total", str(copies), "--spec", "tutorial")
        return Command(argv, copies)

    def bare(image: str, copies: int) -> Command:
        return Command((python, str(HERE / "bare_loop.py"), image, out, str(copies), cores), copies)

    def peer(script: str, *more: str, may_lose: int = 0) -> Command:
        return Command((python, str(HERE / "peers" / script), photo, out, str(some), *more), some, may_lose)

    large, many, few, some = (16, 64, 32, 8) if smoke else (1200, 20_000, 2000, 200)
    loop = f"a bare cv2 loop on {cores} threads"
    yield Row(f"{large} copies of 640x480, beside {loop}", "seconds", "at most", 1.10, augx(photo, large), bare(photo, large))
    yield Row(f"{many} copies of 64x64, beside {loop}", "seconds", "at most", 1.5, augx(small, many), bare(small, many))

    tutorial = f"{some} copies of 640x480, beside "
    # The generator names files by one of 10,000 random numbers, so some copies overwrite others.
    keras = peer("keras_tutorial.py", may_lose=some // 10)
    augmentor, plain = peer("augmentor_pipeline.py"), peer("albumentations_loop.py", "1")
    pool = peer("albumentations_loop.py", cores)
    ours, albumentations = augx(photo, some), "albumentations"
    yield Row(tutorial + "the Keras tutorial's script", "seconds", "at least", 15, ours, keras, "keras_preprocessing")
    yield Row(tutorial + "Augmentor, its own threads", "seconds", "at least", 10, ours, augmentor, "Augmentor")
    yield Row(tutorial + "an Albumentations + cv2 loop", "seconds", "at least", 2, ours, plain, albumentations)
    yield Row(tutorial + f"that loop in {cores} processes", "seconds", "at least", 1.2, ours, pool, albumentations)

    yield Row(f"Peak memory: {many} copies of 64x64, beside {few}", "peak", "at most", 1.10, augx(small, many), augx(small, few))
    plan = Command((python, "-m", "augx", "generate", "--image", small, "--total", "1000000000", "--dry-run"))
    yield Row("Plan of a billion copies (--dry-run)", "seconds", "below", 2, plan)
    yield Row("Plan of a billion copies (--dry-run), peak memory", "peak", "below", 150, plan)

    yield Row("`augx --help`", "cpu", "below", 0.2, Command((python, "-m", "augx", "--help")))
    bare_import = Command((python, "-c", "import cv2"))
    yield Row("One copy of one 64x64 photo, beside `import cv2`", "cpu", "at most", 2, augx(small, 1), bare_import)


def available_cores() -> int:
    """Cores that this process may use: what augx takes for its default."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tmpfs() -> str | None:
    """Memory to write to, so that no disk's mood is measured; the default folder where there is none or too little of it."""
    shm = "/dev/shm"
    return shm if os.path.isdir(shm) and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 1_000_000_000 else None


def machine() -> str:
    """The processor, and how many cores this process may use."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        cpu = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), cpu)
    return f"{cpu}, {available_cores()} cores"


def _setting(libraries: str, folder: str | None) -> str:
    where = "tmpfs" if folder else "the disk of the temporary folder"
    return f"{machine()}; Python {platform.python_version()}, {libraries}, augx {version('augx-cli')}; output on {where}"


def main() -> None:
    """Parse, prepare the photo, and print the table line by line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure augx beside a bare loop and other tools.")
    parser.add_argument("--smoke", action="store_true", help="every row once in tiny sizes; nothing is judged")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each process a row (default 5)")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats must be at least 1")
    repeats = 1 if arguments.smoke else arguments.repeats
    folder = _tmpfs()
    with tempfile.TemporaryDirectory(prefix="augx-benchmark-", dir=folder) as name:
        work = Path(name)
        prepare = [sys.executable, str(HERE / "prepare.py"), str(PHOTO), name, "640x480", "64x64"]
        libraries = subprocess.run(prepare, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        print(f"{_setting(libraries, folder)}; median of {repeats}.\n")
        print("| What | augx | Other | Ratio | Target | Met |\n|---|---:|---:|---:|---|---|", flush=True)
        bench = Bench(work)
        for row in rows(work, arguments.smoke):
            print(bench.line(row, repeats, judged=not arguments.smoke), flush=True)
    if arguments.smoke:
        for other in ("transforms", "keras"):
            print(flush=True)
            subprocess.run([sys.executable, "-m", "benchmarks", other, "--smoke"], check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
