"""What engines cost beside the work: units of 60 ms by threads, processes and Dask's workers; then very many of next to nothing.

python -m benchmarks engines [--repeats 5] [--units 100000] [--smoke]

The work is warps and JPEG, as augx's own; the engines take turns. Dask is a LocalCluster with a worker a core. Needs psutil.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import cv2
import numpy as np
import psutil

from augx.cluster import Cluster
from augx.executors import Stop, available_cores, in_order
from augx.memory import keep_freed
from augx.pool import Processes
from benchmarks.run import machine

UNIT = 0.060
"""Seconds of work in a unit, on a core of its own."""
TARGETS = {"processes": 1.05, "Dask": 1.20}
"""Time beside threads, at most."""
Results = Iterator[int]


def work(rounds: int) -> int:
    """Some rounds of what a copy is made of; the bytes of the last."""
    image = _photo()
    data = np.zeros(0, np.uint8)
    for turn in range(rounds):
        matrix = cv2.getRotationMatrix2D((320, 240), turn % 30 + 1.0, 1.0)
        data = cv2.imencode(".jpg", cv2.warpAffine(image, matrix, (640, 480), borderMode=cv2.BORDER_REFLECT_101))[1]
    return len(data)


def _photo() -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:480, :640]
    return np.dstack([(np.sin(x / (9 + c)) + np.cos(y / (7 + c)) + 2) * 60 for c in range(3)]).astype(np.uint8)


def make_work(rounds: int, flag: object) -> Callable[[int], int]:
    """A worker that does ``rounds`` for every unit; with none of them 0 to 3 ms of waiting, by the unit's number."""
    cv2.setNumThreads(1)
    keep_freed()  # as every worker does

    def run(unit: int) -> int:
        if rounds:
            return work(rounds)
        time.sleep(unit * 2654435761 % 4 / 1000)
        return unit

    return run


def lost(unit: int, reason: str) -> int:
    """Nothing may be."""
    raise RuntimeError(f"unit {unit}: {reason}")


class Engines:
    """The three, each with ``jobs`` workers; Dask's are those of ``cluster``."""

    def __init__(self, jobs: int, cluster: Cluster) -> None:
        self._jobs, self._cluster = jobs, cluster

    def threads(self, rounds: int, units: Iterable[int]) -> Results:
        make = partial(ThreadPoolExecutor, self._jobs)
        return in_order(make, make_work(rounds, None), units, Stop(), window=2 * self._jobs + 1, lost=lost)

    def processes(self, rounds: int, units: Iterable[int]) -> Results:
        return Processes(make_work, rounds, self._jobs, Stop(), lost).run(units)

    def dask(self, rounds: int, units: Iterable[int]) -> Results:
        return self._cluster.results(make_work, rounds, units, Stop(), lost)


def processor_time() -> float:
    """Seconds of this process, of its children, and of those that have ended; other work on the machine moves it less than wall time."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def seconds(results: Results) -> tuple[float, float]:
    """Wall and processor time from the first result to the last, as a long run goes: not what it takes to start."""
    next(results)
    began, spent = time.perf_counter(), processor_time()
    for _ in results:
        pass
    return time.perf_counter() - began, processor_time() - spent


def rounds_of_a_unit() -> int:
    """How much work fills ``UNIT`` here."""
    work(3)
    began = time.process_time()
    work(20)
    return max(1, round(UNIT / ((time.process_time() - began) / 20)))


def units_of_work(engines: Engines, repeats: int, count: int, judged: bool) -> None:
    """The first table."""
    rounds = rounds_of_a_unit()
    ways = {"threads": engines.threads, "processes": engines.processes, "Dask": engines.dask}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            spent = seconds(way(rounds, range(count)))
            if turn:
                taken[name].append(spent)
    print(f"{count} units of {rounds} copies (some {UNIT * 1000:.0f} ms), median of {repeats} in turn\n")
    print("| Engine | ms a unit | Beside threads | In processor time | Target | Met |\n|---|---:|---:|---:|---:|---|")
    for name, times in taken.items():
        beside = list(zip(times, taken["threads"], strict=True))
        wall, cpu = (statistics.median(mine[which] / threads[which] for mine, threads in beside) for which in (0, 1))
        met = "" if name not in TARGETS else "not judged" if not judged else "yes" if wall <= TARGETS[name] else "**no**"
        each = statistics.median(one for one, _ in times) * 1000 / (count - 1)
        print(f"| {name} | {each:.1f} | {wall:.3f} | {cpu:.3f} | {TARGETS.get(name, '')} | {met} |", flush=True)
    print()


def one_engine(name: str, count: int, jobs: int) -> None:
    """A row of the second table, printed by a process of its own, as memory is counted. Dask's scheduler is part of the driver there."""
    process, cluster = psutil.Process(), Cluster(jobs=jobs)
    engines = Engines(jobs, cluster)
    with cluster if name == "Dask" else contextlib.nullcontext():
        way = {"threads": engines.threads, "processes": engines.processes, "Dask": engines.dask}[name]
        for _ in way(0, range(100)):
            pass
        gc.collect()
        rss, most, began, spent = process.memory_info().rss, 0, time.perf_counter(), process.cpu_times()
        for number, _ in enumerate(way(0, range(count))):
            if number % 500 == 0:
                most = max(most, process.memory_info().rss)
        wall, now = time.perf_counter() - began, process.cpu_times()
    cpu = now.user + now.system - spent.user - spent.system
    slept = sum(unit * 2654435761 % 4 for unit in range(count)) / 1000 / jobs
    mb = f"{rss / 1e6:.0f}, {most / 1e6:.0f}"
    figures = [f"{wall * 1e6 / count:,.0f}", f"{(wall - slept) * 1e6 / count:,.0f}", f"{cpu * 1e6 / count:,.0f}", f"{cpu / wall:.0%}", mb]
    print(f"| {name} | {' | '.join(figures)} |", flush=True)


def main() -> None:
    """Print both tables; ``--smoke`` only shows that they work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks engines", description=__doc__)
    parser.add_argument("_", nargs="?")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--units", type=int, default=100_000, metavar="N", help="Of the second table.")
    parser.add_argument("--one", metavar="ENGINE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    jobs, many = min(2, available_cores()), 300 if options.smoke else options.units
    if options.one:
        one_engine(options.one, many, jobs)
        return
    print(f"{machine()}; {jobs} workers\n")
    with Cluster(jobs=jobs) as cluster:
        units_of_work(Engines(jobs, cluster), 1 if options.smoke else options.repeats, 8 if options.smoke else 200, not options.smoke)
    print(f"{many:,} units that wait 0 to 3 ms\n")
    print("| Engine | us a unit | Of these not waiting | Driver's CPU us a unit | Driver's load | Driver MB at first, at most |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for name in ("threads", "processes", "Dask"):
        command = [sys.executable, "-m", "benchmarks", "engines", "--one", name, "--units", str(many)]
        subprocess.run(command + ["--smoke"] * options.smoke, check=True)


if __name__ == "__main__":
    main()
