"""What an audit costs: distinct pictures of 128x128 in two parts, a thousandth of them planted, on a file system in memory."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from augx.decode import decode

PICTURES, SIDE = 100_000, 128
PHOTOS = Path(__file__).parent.parent / "sample_images"


def photo_set(root: Path, pictures: int) -> int:
    """Pieces of the photos, each with a pattern of its own: train and val, ten classes. Every thousandth is in val too, in a mirror
    and at another quality; how many these are.
    """
    photos = [decode(path.read_bytes())[:, :, :3] for path in sorted(PHOTOS.rglob("*.jpg"))]
    photos = [cv2.resize(photo, (400, 400), interpolation=cv2.INTER_AREA) for photo in photos]
    rng = np.random.default_rng(0)
    planted = 0
    for number in range(pictures):
        photo, (left, top) = photos[number % len(photos)], rng.integers(0, 400 - SIDE, 2)
        shapes = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        image = cv2.addWeighted(photo[top : top + SIDE, left : left + SIDE], 0.5, shapes, 0.5, 0)
        part = "val" if number % 5 == 4 else "train"
        folder = root / part / f"class_{number // 5 % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06d}.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        if number % 1000 == 0:
            planted += 1
            twin = root / "val" / folder.name
            twin.mkdir(parents=True, exist_ok=True)
            (twin / f"{number:06d}_twin.jpg").write_bytes(cv2.imencode(".jpg", image[:, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes())
    return planted


def main() -> None:
    """Print a table; ``--smoke`` only shows that it works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("_", nargs="?")
    parser.add_argument("--smoke", action="store_true")
    largest = 2000 if parser.parse_args().smoke else PICTURES
    versions = f"{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}"
    print(f"{versions}; {SIDE}x{SIDE} JPEG, whole processes, one worker a core\n")
    print("| pictures | seconds | a second | planted in val and found | other leaks |\n|---|---|---|---|---|")
    for pictures in (largest // 4, largest // 2, largest):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            planted = photo_set(Path(folder), pictures)
            began = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", "augx", "audit", folder, "--json"], stdout=subprocess.PIPE, check=False)
            took = time.perf_counter() - began
        found = json.loads(done.stdout)
        twins = sum("twin" in leak["file"] for leak in found["leaks"])
        count = found["pictures"]
        print(f"| {count:,} | {took:.1f} | {count / took:,.0f} | {twins} of {planted} | {len(found['leaks']) - twins} |", flush=True)
    print(f"\nAt most {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10:,.0f} MB in one process.")
