"""What packages cost: tar shards and arrays beside class folders, the same copies, whole runs of one process after the other."""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import cv2

from augx import find_sources, load_spec, plan_copies, run_plan

PHOTOS = Path(__file__).parent.parent / "sample_images"
KINDS = ("webdataset", "npy")
SIZES = {"64x64": ((64, 64), 400), "640x480": ((640, 480), 24)}


def seconds(to: str, size: tuple[int, int], copies: int, root: Path) -> float:
    """One run with as many workers as there are cores."""
    spec = load_spec({"augx": 1, "warp": {"rotate": 20, "zoom": 0.2, "flip_h": 0.5}, "output": {"size": list(size), "format": "jpg"}})
    plan = plan_copies(find_sources(PHOTOS), spec, copies=copies * 10, to=to)
    with tempfile.TemporaryDirectory(dir=root) as output:
        began = time.perf_counter()
        run_plan(plan, spec, output)
        return time.perf_counter() - began


def main() -> None:
    """Print a table; ``--smoke`` only shows that it works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("_", nargs="?")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--disk", metavar="DIR", help="Measure here as well, on a disk.")
    options = parser.parse_args()
    rounds = 1 if options.smoke else 5
    places = {"tmpfs": Path("/dev/shm")} if Path("/dev/shm").is_dir() else {"temporary files": Path(tempfile.gettempdir())}
    places |= {"disk": Path(options.disk)} if options.disk else {}
    print(f"{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}; folders = 1, medians of {rounds} in turn\n")
    print("| | " + " | ".join(KINDS) + " |\n|---|---|---|")
    for place, root in places.items():
        for name, (size, copies) in SIZES.items():
            many = 1 if options.smoke else copies
            times = [[seconds(to, size, many, root) for to in ("", *KINDS)] for _ in range(rounds)]
            ratios = (statistics.median(row[0] / row[i] for row in times) for i in range(1, len(KINDS) + 1))
            print(f"| {5 * many * 10:,} of {name}, {place} | " + " | ".join(f"{ratio:.2f} x as fast" for ratio in ratios) + " |")
