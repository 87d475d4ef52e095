"""Measure every transform by itself beside Albumentations and torchvision, in one thread, and print the tables as Markdown.

python -m benchmarks transforms                all of them, some minutes
python -m benchmarks transforms rotate blur    these alone
python -m benchmarks transforms --smoke        each once, to see that the benchmark works; nothing is judged

Ours is timed from drawn numbers to pixels: ``recipes`` and ``apply`` of a spec with this transform alone, for 128 different
copies. Of Albumentations it is the call of a transform with ``image=...``, of torchvision that of a function on a uint8 tensor
with the channels first. They draw within the call; what ours takes to draw is told below the table. A peer that is not
installed is skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from augx.draws import draw
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.spec import Spec, load_spec
from augx.transforms import TRANSFORMS
from augx.warp import Levels
from augx.writers import encode
from benchmarks.cases import CASES, FIFTH, SIDE, Case
from benchmarks.run import machine

PHOTO = Path(__file__).resolve().parent.parent / "sample_images" / "dogs" / "Dog.jpg"
UNIT, UNITS = 64, 2  # copies whose recipes are made at once, as augx does, and how many times over
FEWEST, SHORTEST = 16, 0.04  # pictures, and seconds of CPU time, in one measurement

Array = np.ndarray[Any, Any]
Make = Callable[[], int]
"""Makes some pictures and tells how many."""


def spec_of(name: str) -> Spec:
    """A spec with this transform alone; what lies outside the picture is black, as the peers have it."""
    cls = TRANSFORMS[name]
    ranges = {field: q.example() for field, q in cls.quantities().items() if cls.model_fields[field].is_required()}
    settings = CASES[name].ours if name in CASES else ranges or {"p": 1}
    if cls.section == "then":
        return load_spec({"then": [{name: settings}]})
    sections: dict[str, Any] = {"warp": {"border": "constant"}, "tone": {}}
    sections[cls.section][name] = settings
    return load_spec(sections)


def ours(spec: Spec, sample: Sample, copies: int, units: int) -> Make:
    """From recipes to pixels, for copies that were drawn beforehand."""
    drawn = [draw(spec, sample.key, range(copies * unit, copies * (unit + 1))) for unit in range(units)]

    def make() -> int:
        for draws in drawn:
            for recipe in recipes(spec, draws, sample):
                apply(recipe, sample)
        return copies * units

    return make


def drawing(spec: Spec) -> Make:
    """Drawing alone, with the numbers of each copy by itself."""

    def make() -> int:
        return len(draw(spec, "photo", range(UNIT)).plain)

    return make


def whole(spec: Spec, sample: Sample, copies: int, quality: int | None) -> Make:
    """From drawing to pixels, and with a ``quality`` the bytes of a JPEG file."""

    def make() -> int:
        for recipe in recipes(spec, draw(spec, sample.key, range(copies)), sample):
            copy = apply(recipe, sample)
            if quality is not None:
                encode(copy, "jpg", quality)
        return copies

    return make


def albumentations_call(case: Case, photo: Array) -> Make | None:
    """The peer's call, if it has one and is installed."""
    if case.albumentations is None or importlib.util.find_spec("albumentations") is None:
        return None
    import albumentations  # type: ignore[import-untyped,import-not-found,unused-ignore]

    name, settings = case.albumentations
    transform = getattr(albumentations, name)(**settings)
    transform.set_random_seed(0)

    def make() -> int:
        transform(image=photo)
        return 1

    return make


def torchvision_call(case: Case, photo: Array) -> Make | None:
    """The peer's call, if it has one and is installed."""
    call = case.torchvision
    if call is None or importlib.util.find_spec("torchvision") is None:
        return None
    import torch  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped,import-not-found,unused-ignore]

    torch.set_num_threads(1)
    tensor = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))

    def make() -> int:
        call(functional, tensor)
        return 1

    return make


def timed(makes: Sequence[Make], rounds: int) -> list[list[float]]:
    """Seconds a picture of each, a list a round; in each round all in turn and back again: ours, theirs, theirs, ours."""
    calls = [_enough(make) if rounds > 1 else 1 for make in makes]
    found = []
    for _ in range(rounds):
        taken = [0.0] * len(makes)
        for i in (*range(len(makes)), *reversed(range(len(makes)))):
            began = time.process_time()
            pictures = sum(makes[i]() for _ in range(calls[i]))
            taken[i] += (time.process_time() - began) / pictures / 2
        found.append(taken)
    return found


def _enough(make: Make) -> int:
    """How many calls make one measurement; the first, which fills caches, is not counted."""
    make()
    began, pictures, calls = time.process_time(), 0, 0
    while pictures < FEWEST or time.process_time() - began < SHORTEST:
        pictures, calls = pictures + make(), calls + 1
    return calls


def line(name: str, sample: Sample, rgb: Array, rounds: int) -> str:
    """The row of a transform."""
    case = CASES.get(name, Case(None))
    found = [
        ours(spec_of(name), sample, *((UNIT, UNITS) if rounds > 1 else (1, 1))),
        albumentations_call(case, rgb),
        torchvision_call(case, rgb),
    ]
    there = [column for column, make in enumerate(found) if make is not None]
    taken = timed([make for make in found if make is not None], rounds)
    seconds = dict(zip(there, map(statistics.median, zip(*taken, strict=True)), strict=True))
    figures = [f"{1 / seconds[column]:,.0f}" if column in seconds else "" for column in range(3)]
    ratio = met = ""
    if len(there) > 1:
        faster = min(range(1, len(there)), key=lambda i: seconds[there[i]])
        value = statistics.median(each[faster] / each[0] for each in taken)
        ratio, met = f"{value:.2f}", "not judged" if rounds == 1 else _met(value)
    return f"| `{name}` | {' | '.join(figures)} | {ratio} | {met} |"


def _met(ratio: float) -> str:
    return "yes" if ratio >= 1 else "equal" if ratio >= 0.95 else "**no**"


def ten_beside_two(sample: Sample, rounds: int) -> Iterator[str]:
    """Rows: what five geometric and five tone transforms cost beside one of each."""
    two = {"warp": {"rotate": 30}, "tone": {"brightness": 0.2}}
    ten = {
        "warp": {"rotate": 30, "shift_x": 0.2, "shift_y": 0.2, "zoom": FIFTH, "shear": 10},
        "tone": {"brightness": 0.2, "contrast": 0.2, "gamma": 0.2, "channel_shift": 20, "channel_gain": 0.2},
    }
    for what, quality in (("pixels", None), ("the bytes of a JPEG file of quality 95", 95)):
        taken = timed([whole(load_spec(spec), sample, UNIT if rounds > 1 else 1, quality) for spec in (ten, two)], rounds)
        more, less = (statistics.median(column) for column in zip(*taken, strict=True))
        value = statistics.median(of_ten / of_two for of_ten, of_two in taken)
        met = "not judged" if rounds == 1 else "yes" if value <= 1.25 else "**no**"
        yield f"| From drawing to {what} | {1 / more:,.0f} | {1 / less:,.0f} | {value:.2f} | at most 1.25 | {met} |"


def _heading() -> str:
    found = [f"Python {platform.python_version()}", f"OpenCV {cv2.__version__}", f"NumPy {np.__version__}"]
    for peer in ("albumentations", "torchvision"):
        found.append(f"{peer} {version(peer)}" if importlib.util.find_spec(peer) is not None else f"{peer} is not installed: skipped")
    return ", ".join(found)


def main() -> None:
    """Parse, prepare the photo, and print both tables line by line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks transforms", description="Measure each transform beside other libraries.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="transforms to measure (default: all, and ten beside two)")
    parser.add_argument("--smoke", action="store_true", help="each once; nothing is judged")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds a row (default 7)")
    arguments = parser.parse_args(sys.argv[2:])
    if unknown := [name for name in arguments.names if name not in TRANSFORMS]:
        parser.error(f"no transform is called {', '.join(unknown)}")
    if arguments.rounds < 2:
        parser.error("--rounds must be at least 2")
    rounds = 1 if arguments.smoke else arguments.rounds
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    np.empty(31_000_000, np.uint8)  # freed at once; from here on glibc keeps freed pictures, and no page is faulted in anew
    random.seed(0)
    photo = cv2.imread(str(PHOTO))
    assert photo is not None
    photo = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    sample, rgb = Sample("photo", "", Levels(photo)), cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)

    print(f"{machine()}; {_heading()}. Pictures a second of {SIDE}x{SIDE} in one thread, median of {rounds}.\n")
    print(
        "| Transform | augx | Albumentations | torchvision | augx / faster peer | Not slower |\n|---|---:|---:|---:|---:|---|", flush=True
    )
    for name in arguments.names or TRANSFORMS:
        print(line(name, sample, rgb, rounds), flush=True)
    draws = [statistics.median(taken for (taken,) in timed([drawing(spec_of(name))], rounds)) for name in arguments.names or TRANSFORMS]
    print(f"\nDrawing, not in augx's figures: {statistics.median(draws) * 1e6:.0f} µs a copy, at most {max(draws) * 1e6:.0f}.")
    if not arguments.names:
        print(f"\n| {UNIT} copies | ten transforms | rotate and brightness | time of ten / of two | Target | Met |")
        print("|---|---:|---:|---:|---|---|", flush=True)
        for row in ten_beside_two(sample, rounds):
            print(row, flush=True)


if __name__ == "__main__":
    main()
