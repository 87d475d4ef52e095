"""Measure augx.keras and augx.batches beside keras-preprocessing in one run: single copies, batches, ``fit`` with ZCA.

python -m benchmarks keras                    all rows, some two minutes
python -m benchmarks keras --pictures DIR     the photos of your own folder of class folders instead of the 2,000 that it makes
python -m benchmarks keras --smoke            all rows once in tiny sizes, to see that the benchmark works; nothing is judged

With augx.keras both make the same copies: with one seed they draw the same numbers. Nothing is measured where
keras-preprocessing, or what it needs, is not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from benchmarks.run import _tmpfs, machine
from benchmarks.transforms import Make, timed

HERE = Path(__file__).resolve().parent
PHOTOS = HERE.parent / "sample_images"
TUTORIAL: dict[str, Any] = {
    "rotation_range": 30,
    "zoom_range": 0.15,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.15,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}
SIZES = {(64, 64): 8, (224, 224): 12, (512, 512): 15, (1024, 768): 12}  # width and height; how many times as fast
COPIES = 16  # drawn anew from one seed in every measurement
SIDE, BATCH, WORKERS = 150, 32, 2
SMALL = 32
RANK = 128
PEER = "keras-preprocessing"

Array = np.ndarray[Any, Any]
Who = Literal["exact", "rank", "peer"]


def generator(ours: bool, **settings: Any) -> Any:
    """An ``ImageDataGenerator`` of ours or of the peer's."""
    if ours:
        from augx.keras import ImageDataGenerator

        return ImageDataGenerator(**settings)
    from keras_preprocessing import image  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return image.ImageDataGenerator(**settings)


def photos() -> list[Array]:
    """The sample pictures, in order of name."""
    found = [cv2.imread(str(path)) for path in sorted(PHOTOS.glob("*/*")) if path.suffix in (".jpg", ".png")]
    return [photo for photo in found if photo is not None]


def transforming(ours: bool, picture: Array, copies: int) -> Make:
    """Random copies of a picture, the same ones each time."""
    made = generator(ours, **TUTORIAL)

    def make() -> int:
        np.random.seed(0)
        for _ in range(copies):
            made.random_transform(picture)
        return copies

    return make


def random_transform(rounds: int) -> Iterator[str]:
    """A row for each size: CPU time in one thread."""
    photo = cv2.cvtColor(photos()[-1], cv2.COLOR_BGR2RGB)
    for (width, height), target in SIZES.items():
        picture = cv2.resize(photo, (width, height)).astype(np.float32)
        makes = [transforming(ours, picture, COPIES if rounds > 1 else 1) for ours in (True, False)]
        taken = [[seconds * 1e3 for seconds in each] for each in timed(makes, rounds)]
        yield row(f"`random_transform`, {width}x{height}", taken, "ms CPU", "at least", target)


def put_photos(folder: Path, count: int) -> None:
    """Two class folders of JPEGs of 400x350 in quality 90: the sample pictures in turn."""
    small = [cv2.resize(photo, (400, 350), interpolation=cv2.INTER_AREA) for photo in photos()]
    files = [cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for photo in small]
    for i in range(count):
        kind = folder / f"class {i % 2}"
        kind.mkdir(parents=True, exist_ok=True)
        (kind / f"{i}.jpg").write_bytes(files[i % len(files)])


def one_epoch(ours: bool, folder: Path) -> tuple[float, int]:
    """Wall seconds from the call of ``flow_from_directory`` to the last batch of an epoch, and the number of pictures."""
    made = generator(ours, **TUTORIAL)
    how: dict[str, Any] = {"workers": WORKERS} if ours else {}
    with contextlib.redirect_stdout(io.StringIO()):  # "Found 2000 images ..."
        began = time.perf_counter()
        flow = made.flow_from_directory(str(folder), target_size=(SIDE, SIDE), batch_size=BATCH, seed=1, **how)
        pictures = sum(len(next(flow)[0]) for _ in range(len(flow)))
        seconds = time.perf_counter() - began
    if ours:
        flow.close()
    return seconds, pictures


def flow_from_directory(folder: Path, rounds: int) -> Iterator[str]:
    """The row of batches read from files: wall time."""
    _, pictures = one_epoch(True, folder)  # fills the caches of the disk, and is not counted
    if not pictures:
        sys.exit(f"{folder}: no pictures in its class folders")
    taken = []
    for _ in range(rounds):
        found = [one_epoch(ours, folder) for ours in (True, False)]
        if any(count != pictures for _, count in found):
            sys.exit(f"{folder}: {found[0][1]} and {found[1][1]} pictures instead of {pictures}")
        taken.append([seconds for seconds, _ in found])
    what = f"`flow_from_directory`, {pictures:,} photos to {SIDE}x{SIDE} in batches of {BATCH}, `workers={WORKERS}`"
    yield row(what, taken, "s", "at least", 5)


def array_epoch(ours: bool, pictures: Array, labels: Array) -> Make:
    """An epoch of float32 batches from 0 to 1 of an array; ours are what the preset ``tutorial`` makes."""

    def make() -> int:
        if ours:
            from augx.batches import iter_batches

            return sum(len(images) for images, _ in iter_batches((pictures, labels), dtype="float32", batch_size=64, workers=0))
        flow = generator(False, rescale=1 / 255, **TUTORIAL).flow(pictures, labels, batch_size=64, seed=1)
        return sum(len(next(flow)[0]) for _ in range(len(flow)))

    return make


def small_arrays(count: int, rounds: int) -> Iterator[str]:
    """The row of batches of small pictures in memory: CPU time of a picture in one thread."""
    random = np.random.default_rng(0)
    pictures, labels = random.integers(0, 256, (count, SMALL, SMALL, 3), dtype=np.uint8), random.integers(0, 10, count)
    makes = [array_epoch(ours, pictures, labels) for ours in (True, False)]
    taken = [[seconds * 1e3 for seconds in each] for each in timed(makes, rounds)]
    yield row(f"`iter_batches`, {count:,} pictures of {SMALL}x{SMALL} in batches of 64, a picture", taken, "ms CPU", "at least", 2)


def put_pictures(path: Path, count: int, side: int) -> None:
    """Square pieces of the sample pictures, made small, as floats from 0 to 1: an array (n, side, side, 3) in a file."""
    rng, found = np.random.default_rng(0), np.empty((count, side, side, 3), np.float32)
    sources = photos()
    for i in range(count):
        photo = sources[i % len(sources)]
        edge = int(rng.integers(2 * side, min(photo.shape[:2]), endpoint=True))
        top, left = (int(rng.integers(0, length - edge, endpoint=True)) for length in photo.shape[:2])
        found[i] = cv2.resize(photo[top : top + edge, left : left + edge], (side, side), interpolation=cv2.INTER_AREA) / 255
    np.save(path, found)


def peak() -> float:
    """The most memory that this process has had resident, in MB; without what its parent had where the kernel tells it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def fit_here(who: Who, path: str) -> None:
    """Fit to the pictures of a file, in a process of its own, and print the seconds, the memory on top, and the error."""
    warnings.simplefilter("ignore")
    made = generator(who != "peer", zca_whitening=True, **({"zca_rank": RANK} if who == "rank" else {}))
    pictures = np.load(path)
    before, began = peak(), time.perf_counter()
    made.fit(pictures)
    seconds, more = time.perf_counter() - began, peak() - before
    error = 0.0 if who == "peer" else made.statistics.error
    print(json.dumps([seconds, more, error]))


def fit(path: Path, count: int, side: int, rounds: int) -> Iterator[str]:
    """Rows of time (wall, with BLAS' own threads) and of memory, of the whole matrix and of so many directions."""
    everybody: tuple[Who, ...] = ("exact", "rank", "peer")
    found: dict[Who, list[list[float]]] = {who: [] for who in everybody}
    for _ in range(rounds):
        for who in everybody:
            code = f"from benchmarks.keras import fit_here; fit_here({who!r}, {str(path)!r})"
            child = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
            found[who].append(json.loads(child.stdout))
    ours: tuple[tuple[Who, str], ...] = (("exact", "exact"), ("rank", f"`zca_rank={RANK}`"))
    for who, how in ours:
        pairs = list(zip(found[who], found["peer"], strict=True))
        what = f"`fit` with ZCA, {count:,} pictures of {side}x{side}x3, {how} (`error` {found[who][0][2]:.2g})"
        yield row(f"{what}: time", [[a[0], b[0]] for a, b in pairs], "s", "at least", 1)
        yield row(f"{what}: memory", [[a[1], b[1]] for a, b in pairs], "MB", "at most", 0.1)


def row(what: str, taken: Sequence[Sequence[float]], unit: str, bound: Literal["at least", "at most"], target: float) -> str:
    """A line from pairs of (ours, other); its ratio is the median of the pairs' ratios. A single pair is not judged."""
    ours, other = (statistics.median(column) for column in zip(*taken, strict=True))
    least = bound == "at least"
    value = statistics.median(b / max(a, 1e-9) if least else a / max(b, 1e-9) for a, b in taken)
    met = "not judged" if len(taken) == 1 else "yes" if (value >= target if least else value <= target) else "**no**"
    digits = 0 if unit == "MB" else 2 if unit == "s" else 3
    sides = "other / augx" if least else "augx / other"
    return f"| {what} | {ours:,.{digits}f} {unit} | {other:,.{digits}f} {unit} | {value:.2f} | {sides} {bound} {target:g} | {met} |"


def rows(work: Path, folder: Path | None, rounds: int) -> Iterator[str]:
    """All lines; a single round has tiny sets."""
    smoke = rounds == 1
    count, side = (64, 8) if smoke else (2000, 32)
    yield from random_transform(rounds)
    if folder is None:
        folder = work / "photos"
        put_photos(folder, 10 if smoke else 2000)
    yield from flow_from_directory(folder, rounds)
    yield from small_arrays(100 if smoke else 5000, rounds)
    put_pictures(work / "pictures.npy", count, side)
    yield from fit(work / "pictures.npy", count, side, rounds)


def main() -> None:
    """Parse, and print the table line by line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks keras", description="Measure augx.keras beside keras-preprocessing.")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="class folders for flow_from_directory (default: 2,000 photos, made)")
    parser.add_argument("--smoke", action="store_true", help="every row once in tiny sizes; nothing is judged")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds a row (default 5)")
    arguments = parser.parse_args(sys.argv[2:])
    if arguments.rounds < 2:
        parser.error("--rounds must be at least 2")
    if arguments.pictures is not None and not arguments.pictures.is_dir():
        parser.error(f"--pictures: {arguments.pictures} is no folder")
    rounds = 1 if arguments.smoke else arguments.rounds
    for module in ("keras_preprocessing", "scipy", "PIL"):
        if importlib.util.find_spec(module) is None:
            print(f"augx.keras beside {PEER}: skipped: {module} is not installed")
            return
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    np.empty(31_000_000, np.uint8)  # freed at once; from here on glibc keeps freed pictures, and no page is faulted in anew
    folder = _tmpfs()
    where = "tmpfs" if folder and arguments.pictures is None else os.fspath(arguments.pictures or "the disk of the temporary folder")
    versions = ", ".join(f"{name} {version(name)}" for name in (PEER, "scipy", "pillow"))
    print(f"{machine()}; Python {platform.python_version()}, OpenCV {cv2.__version__}, NumPy {np.__version__}, {versions};", end=" ")
    print(f"photos on {where}; median of {rounds}.\n")
    print(f"| What | augx | {PEER} | Ratio | Target | Met |\n|---|---:|---:|---:|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="augx-benchmark-", dir=folder) as name:
        for line in rows(Path(name), arguments.pictures and arguments.pictures.resolve(), rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
