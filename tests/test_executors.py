"""Results in order, a bounded window, and a worker that dies or hangs costs one part of its unit."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augx.executors import Stop, in_threads
from augx.pool import Processes
from tests.conftest import ROOT, Run, picture, pictures, tree, write_picture
from tests.pool_run import Unit, in_units, make_squares, ran


def forked(count: int, size: int, **settings: Any) -> tuple[list[int], dict[int, str]]:
    """``ran`` in a process that can fork: this one has threads."""
    text = json.dumps({"count": count, "size": size, **settings}, default=str)
    command = [sys.executable, "-m", "tests.pool_run", text]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    squares, reasons = json.loads(done.stdout)
    return squares, {int(number): reason for number, reason in reasons.items()}


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_threads_keep_the_order(jobs: int) -> None:
    assert list(in_threads(lambda unit: unit * unit, range(50), jobs, Stop())) == [n * n for n in range(50)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_take_units_as_they_go(jobs: int) -> None:
    taken = itertools.count()
    results = in_threads(lambda unit: unit, (next(taken) for _ in itertools.count()), jobs, Stop())
    assert [next(results) for _ in range(10)] == list(range(10))
    assert next(taken) <= 10 + 2 * jobs + 1
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("jobs", [1, 5])
@pytest.mark.parametrize("size", [1, 4])
def test_processes_keep_the_order(jobs: int, size: int) -> None:
    assert forked(30, size, jobs=jobs) == ([n * n for n in range(30)], {})


def test_processes_take_units_as_they_go() -> None:
    taken = itertools.count()
    pool: Processes[Unit, list[int]] = Processes(make_squares, {}, 2, Stop(), lambda unit, reason: [])
    results = pool.run((next(taken),) for _ in itertools.count())
    assert [next(results) for _ in range(10)] == [[n * n] for n in range(10)]
    assert next(taken) <= 10 + 2 * 2 + 1
    results.close()  # type: ignore[attr-defined]


def test_units_larger_than_a_pipe() -> None:
    assert forked(240_000, 60_000)[0] == [n * n for n in range(240_000)]


CRASHES = [(signal.SIGSEGV, 1), (signal.SIGSEGV, 3), (signal.SIGSEGV, 20), (signal.SIGABRT, 3), (signal.SIGKILL, 3), (signal.SIGBUS, 3)]


@pytest.mark.parametrize(("number", "size"), CRASHES, ids=[f"{number.name} in units of {size}" for number, size in CRASHES])
def test_a_crash_costs_only_the_part_that_it_is_in(number: signal.Signals, size: int) -> None:
    """Two of them are in one unit."""
    squares, reasons = forked(20, size, dies=(4, 5, 17), signal=number)
    assert squares == [-n if n in (4, 5, 17) else n * n for n in range(20)]
    assert set(reasons) == {4, 5, 17}
    assert all(reason.startswith(f"the decoder was killed by {number.name}") for reason in reasons.values())


def test_a_crash_in_a_python_started_anew() -> None:
    """Where forking is not sound."""
    squares, reasons = ran(in_units(6, 2), dies=(3,), signal=signal.SIGSEGV)
    assert (squares, reasons) == ([0, 1, 4, -3, 16, 25], {3: "the decoder was killed by SIGSEGV"})


def test_a_worker_that_is_killed_once_from_outside_costs_nothing(tmp_path: Path) -> None:
    assert forked(12, 1, once=(3, 4, 9), seen=tmp_path) == ([n * n for n in range(12)], {})


def test_a_library_that_ends_the_process() -> None:
    assert forked(4, 2, exits=(1,)) == ([0, -1, 4, 9], {1: "its worker ended its process with status 3"})


@pytest.mark.parametrize("size", [1, 4])
def test_a_hang_costs_only_the_part_that_it_is_in(size: int) -> None:
    squares, reasons = forked(12, size, timeout=1.5, hangs=(2, 7))
    assert squares == [-n if n in (2, 7) else n * n for n in range(12)]
    assert reasons == dict.fromkeys((2, 7), "took longer than --timeout 1.5 s")


def test_only_what_is_watched_has_a_limit() -> None:
    assert forked(4, 2, timeout=0.3, waits=(1,)) == ([0, 1, 4, 9], {})


def test_an_error_comes_when_it_is_its_turn() -> None:
    pool: Processes[Unit, list[int]] = Processes(make_squares, {"raises": (5,)}, 2, Stop(), lambda unit, reason: [])
    results = pool.run((n,) for n in range(20))
    assert [next(results) for _ in range(5)] == [[n * n] for n in range(5)]
    with pytest.raises(ValueError, match="5"):
        next(results)


def make_nothing(argument: Any, flag: Any) -> Callable[[Unit], list[int]]:
    raise ModuleNotFoundError("a broken installation")


def test_a_worker_that_can_t_begin_says_why() -> None:
    pool: Processes[Unit, list[int]] = Processes(make_nothing, {}, 2, Stop(), lambda unit, reason: [])
    with pytest.raises(ModuleNotFoundError, match="a broken installation"):
        list(pool.run([(1,)]))


def test_a_stop_takes_no_new_units() -> None:
    stop = Stop()
    results = in_threads(lambda unit: unit, itertools.count(), 2, stop)
    next(results)
    stop.set()
    assert len(list(results)) <= 6


@pytest.mark.parametrize("hangs", [(), (3,)], ids=["nothing hangs", "one hangs"])
def test_a_stop_ends_whatever_hangs(hangs: tuple[int, ...]) -> None:
    stop = Stop()
    pool: Processes[Unit, list[int]] = Processes(make_squares, {"hangs": hangs}, 2, stop, lambda unit, reason: [])
    results = pool.run((n,) for n in itertools.count())
    assert [next(results) for _ in range(3)] == [[0], [1], [4]]
    stop.set()
    assert len(list(results)) <= 6


HOOK = """
import os, signal, threading
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import augx.cache
load = augx.cache.load
def hooked(source, *rest, **options):
    if source.path.endswith("crash.png"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if source.path.endswith("hang.png"):
        threading.Event().wait()
    return load(source, *rest, **options)
augx.cache.load = hooked
from augx.cli import main
main()
"""


def test_a_decoder_that_crashes_or_hangs_costs_its_source(class_folders: Path, tmp_path: Path, augx: Run) -> None:
    """Everything else is as in a run without the two."""
    whole = augx("generate", "--input", class_folders, "--output", "whole", "--copies", "3")
    assert whole.returncode == 0
    for name in ("crash.png", "hang.png"):
        write_picture(class_folders / "cats" / name)
    words = ["generate", "--input", class_folders, "--output", "out", "--copies", "3"]
    command = [sys.executable, "-c", HOOK, *words, "--engine", "processes", "--jobs", "2", "--timeout", "0.5"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[0].endswith("crash.png: the decoder was killed by SIGSEGV; 3 files missing")
    assert lines[1].endswith("hang.png: took longer than --timeout 0.5 s; 3 files missing")
    assert len(lines) == 3 and ", 6 of 21 missing" in lines[2]
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan"])
def test_a_timeout_is_a_number_of_seconds(seconds: str, augx: Run) -> None:
    done = augx("generate", "--image", "a.jpg", "--timeout", seconds)
    assert done.returncode == 2 and b"--timeout" in done.stderr


def test_no_folder_is_needed_for_what_workers_share(class_folders: Path, tmp_path: Path) -> None:
    """Neither /dev/shm nor a folder for temporary files has room."""
    code = f"import tempfile\ntempfile.tempdir = {str(tmp_path / 'nowhere')!r}\nfrom multiprocessing import util\n"
    code += "util.get_temp_dir = lambda: 1 / 0\nimport multiprocessing.heap\nmultiprocessing.heap.Arena._dir_candidates = []\n"
    words = ["generate", "--input", class_folders, "--output", tmp_path / "out", "--copies", "3", "--engine", "processes", "--jobs", "2"]
    command = [sys.executable, "-c", code + "from augx.cli import main\nmain()", *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_processes_beside_opencv_s_own_threads(tmp_path: Path) -> None:
    """A copy of a process whose OpenCV has threads would wait for threads that it lacks."""
    write_picture(tmp_path / "in" / "a.png", picture(40, 40))
    code = (
        "import sys, cv2, numpy as np\nfrom augx import Options, expand_dataset\n"
        "if __name__ == '__main__':\n"
        "    cv2.setNumThreads(4)\n"
        "    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (9, 9), 3)\n"
        "    how = Options(jobs=2, engine='processes')\n"
        "    print(expand_dataset(sys.argv[2], input=sys.argv[1], copies=20, options=how).made, cv2.getNumThreads())\n"
    )
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, tmp_path / "script.py", tmp_path / "in", tmp_path / "out"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("20 4\n", "")
    assert len(tree(tmp_path / "out")) == 22
