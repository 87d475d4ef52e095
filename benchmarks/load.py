"""Whether a long run stays as it began: memory, speed and open files of a million small copies in tar shards, and of 200,000 in folders.

python -m benchmarks load [--share 0.1] [--disk DIR] [--smoke]

Memory is the sum of VmRSS over the processes of the run, so what a worker shares with its parent counts in both. Files are counted by
their lines in the manifest. Only on Linux, which tells these figures of a process that runs.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.run import machine

HERE = Path(__file__).resolve().parent
PHOTO = HERE.parent / "sample_images" / "dogs" / "Dog.jpg"
LOADS = {"webdataset": 1_000_000, "folders": 200_000}
EVERY = 0.25
"""Seconds between two looks at the run."""
GROWTH, SLOWDOWN, DESCRIPTORS = 1.10, 0.85, 64
"""Targets: memory of the last tenth by that of the first at most, speed of the last by the first at least, open descriptors at most."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Look:
    """A moment of a run: seconds since it began, and of all its processes processor seconds, resident bytes, open descriptors."""

    seconds: float
    cpu: float
    files: int
    memory: int
    descriptors: int


class Lines:
    """How many lines a growing file has, reading only what is new."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._lines = path, 0, 0

    def count(self) -> int:
        """The lines of pictures, not those that close a package."""
        with suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(self._at)
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._at += len(whole)
            self._lines += whole.count(b"\n") - whole.count(b'{"package"')
        return self._lines


def look(group: int, began: float, lines: Lines) -> Look:
    """The state of a process group."""
    ticks = memory = descriptors = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):  # one that has just ended
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) != group:
                continue
            ticks += sum(map(int, fields[11:15]))  # also those of its children that have ended
            descriptors += len(os.listdir(process / "fd"))
            status = (process / "status").read_text().partition("VmRSS:")[2]
            memory += int(status.split(maxsplit=1)[0]) * 1024
    return Look(time.monotonic() - began, ticks / TICKS, lines.count(), memory, descriptors)


def watched(argv: Sequence[str], output: Path, errors: Path, files: int) -> list[Look]:
    """Run a command to its end, and look at it in between."""
    with open(errors, "wb") as said:
        began = time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
    ended, looks, lines = os.pidfd_open(process.pid), [], Lines(output / "manifest.jsonl")
    while not select.select([ended], [], [], EVERY)[0]:
        looks.append(look(process.pid, began, lines))
    os.close(ended)
    if process.wait():
        sys.exit(f"exit status {process.returncode} of {' '.join(argv)}\n{errors.read_text(errors='replace')[-2000:]}")
    if lines.count() != files:
        sys.exit(f"{lines.count()} files instead of {files} from {' '.join(argv)}")
    return looks


def speeds(looks: Sequence[Look], start: float, stop: float) -> tuple[float, float]:
    """Files a second, and files a second of the processors, from the first look with at least ``start`` files to that with ``stop``.

    Only looks that see more files than the one before: lines come in bursts, in shards one a shard.
    """
    seen = [after for before, after in pairwise(looks) if after.files > before.files]
    among = [one for one in seen if start <= one.files] or seen[-1:]
    first, last = among[0], next((one for one in among[1:] if one.files >= stop), among[-1])
    made = last.files - first.files
    return made / max(last.seconds - first.seconds, EVERY), made / max(last.cpu - first.cpu, 1 / TICKS)


def row(to: str, place: str, files: int, looks: Sequence[Look], judged: bool) -> str:
    """A line of the table."""
    early = max(one.memory for one in looks if one.files <= files * 0.1)
    late = max(one.memory for one in looks if one.files >= looks[-1].files * 0.9)
    (wall, cpu), (wall_late, cpu_late) = speeds(looks, 1, files * 0.1), speeds(looks, files * 0.9, files)
    descriptors = max(one.descriptors for one in looks)
    met = late <= GROWTH * early and wall_late >= SLOWDOWN * wall and descriptors <= DESCRIPTORS
    figures = [
        f"{early / 1e6:.1f} MB, {late / 1e6:.1f} MB",
        f"{late / early:.2f}",
        f"{wall:,.0f}, {wall_late:,.0f}",
        f"{wall_late / max(wall, 1e-9):.2f}",
        f"{cpu_late / max(cpu, 1e-9):.2f}",
        f"{descriptors}",
        ("yes" if met else "**no**") if judged else "not judged",
    ]
    return f"| {files:,} to {to}, {place} | {' | '.join(figures)} |"


def main() -> None:
    """Print a table; ``--smoke`` only shows that it works."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    parser.add_argument("_", nargs="?")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="That much of the load, such as 0.1.")
    parser.add_argument("--disk", metavar="DIR", help="Measure here as well, on a disk.")
    parser.add_argument("--trace", metavar="FILE", help="Every look, as CSV.")
    options = parser.parse_args()
    places = {"tmpfs": "/dev/shm"} if os.path.isdir("/dev/shm") else {"temporary files": tempfile.gettempdir()}
    places |= {"disk": options.disk} if options.disk else {}
    print(f"{machine()}; 32x32 JPEG, whole processes, looked at every {EVERY} s\n")
    print("| Copies | Memory in the first tenth, in the last | Ratio | A second in the first, in the last | Ratio ", end="")
    print("| In processor time | Descriptors | Met |\n|---|---:|---:|---:|---:|---:|---:|---|", flush=True)
    for place, root in places.items():
        for to, most in LOADS.items():
            files = 20_000 if options.smoke else int(most * options.share)
            looks = measured(to, files, root, ["--shard-size", str(files // 100)] if to == "webdataset" else [])
            if options.trace:
                write_trace(Path(options.trace), f"{to}, {place}", looks)
            print(row(to, place, files, looks, judged=not options.smoke), flush=True)


def measured(to: str, files: int, root: str, more: Sequence[str]) -> list[Look]:
    """One run, whose output is removed."""
    with tempfile.TemporaryDirectory(prefix="augx-load-", dir=root) as folder:
        prepare = [sys.executable, str(HERE / "prepare.py"), str(PHOTO), folder, "32x32"]
        subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
        output = Path(folder, "out")
        argv = [sys.executable, "-m", "augx", "generate", "--image", str(Path(folder, "32x32.jpg")), "--total", str(files)]
        return watched([*argv, "--to", to, "--output", str(output), *more], output, Path(folder, "errors"), files)


def write_trace(path: Path, run: str, looks: Sequence[Look]) -> None:
    """Add a run's looks to a file."""
    with open(path, "a") as file:
        for one in looks:
            file.write(f'"{run}",{one.seconds:.2f},{one.cpu:.2f},{one.files},{one.memory},{one.descriptors}\n')


if __name__ == "__main__":
    main()
