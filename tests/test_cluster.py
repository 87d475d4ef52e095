"""Dask's workers, our own and a scheduler's that is there already: the same bytes, and a worker that dies costs nothing but time."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from augx import __version__, find_sources, load_spec, plan_copies
from augx import cluster as rooms
from augx.cluster import Cluster
from augx.copies import Job
from augx.errors import OutputError, WriteError
from augx.executors import Stop
from augx.listed import Listed
from augx.tasks import check_versions
from augx.unit import UnitResult, make_run_unit
from tests.cluster_run import make_happen, ran, spawned
from tests.conftest import ROOT, Run, pictures, tree
from tests.pool_run import in_units

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    with Cluster(jobs=2) as cluster:
        yield cluster


@contextlib.contextmanager
def started(*words: str | Path, path: Path = ROOT) -> Iterator[None]:
    """A process of Dask, which finds augx in ``path``, until it is no longer needed."""
    command = [sys.executable, "-m", "distributed.cli.dask_" + str(words[0]), *words[1:]]
    environment = {**os.environ, "PYTHONPATH": str(path), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with subprocess.Popen(command, cwd=path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait()


_QUIET = ("--host", "127.0.0.1", "--no-dashboard")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a scheduler with two workers, all of them processes of their own."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    worker = ("worker", "--scheduler-file", file, "--nthreads", "1", "--local-directory", folder, *_QUIET)
    with started("scheduler", "--scheduler-file", file, "--port", "0", *_QUIET), started(*worker), started(*worker):
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield file


@pytest.fixture
def theirs(scheduler: Path) -> Iterator[Cluster]:
    with Cluster(scheduler_file=str(scheduler)) as cluster:
        yield cluster


@pytest.mark.parametrize("engine", ["spawned", "own", "theirs"])
@pytest.mark.parametrize("size", [1, 4])
def test_a_worker_killed_once_costs_nothing(engine: str, size: int, request: Any, tmp_path: Path) -> None:
    run = spawned if engine == "spawned" else partial(ran, request.getfixturevalue(engine))
    assert run(in_units(16, size), once=(5,), seen=str(tmp_path)) == ([n * n for n in range(16)], {})


@pytest.mark.parametrize("engine", ["spawned", "own"])
def test_a_unit_that_kills_its_worker_costs_itself_alone(engine: str, request: Any) -> None:
    run = spawned if engine == "spawned" else partial(ran, request.getfixturevalue(engine))
    squares, reasons = run(in_units(24, 3), dies=(7,), signal=signal.SIGKILL)
    assert squares == [-n if n == 7 else n * n for n in range(24)]
    assert reasons == {7: "its worker died of it, 3 times"}


@pytest.mark.parametrize("engine", ["spawned", "own"])
def test_an_error_comes_when_it_is_its_turn(engine: str, request: Any) -> None:
    run = spawned if engine == "spawned" else partial(ran, request.getfixturevalue(engine))
    with pytest.raises(ValueError, match=r"^5$"):
        run(in_units(20, 1), raises=(5, 6))


def test_our_own_are_reached_from_this_machine_alone(own: Cluster) -> None:
    psutil = pytest.importorskip("psutil")
    numbers = [os.getpid(), *own._client.run(os.getpid).values()]
    found = [one.laddr.ip for number in numbers for one in psutil.Process(number).net_connections() if one.status == "LISTEN"]
    assert found and set(found) == {"127.0.0.1"}


def test_a_unit_that_one_worker_can_t_write_is_another_s(own: Cluster, tmp_path: Path) -> None:
    assert ran(own, in_units(8, 1), full=3, seen=str(tmp_path)) == ([n * n for n in range(8)], {})


def test_a_unit_that_nobody_can_write_costs_itself_alone(own: Cluster) -> None:
    squares, reasons = ran(own, in_units(8, 1), refused=(3,))
    assert (squares, reasons) == ([-n if n == 3 else n * n for n in range(8)], {3: "no space left here"})


def test_nobody_can_write_any_more(own: Cluster) -> None:
    with pytest.raises(WriteError, match="no space left here"):
        ran(own, in_units(40, 1), refused=tuple(range(5, 40)))


def test_a_stop_ends_units_in_work() -> None:
    """One of them would never end."""
    stop = Stop()
    with Cluster(jobs=1) as cluster:
        found = cluster.results(make_happen, {"hangs": (3,)}, in_units(100, 1), stop, lambda unit, reason: [])
        assert [next(found) for _ in range(3)] == [[0], [1], [4]]
        stop.set()
        assert list(found) == []


def test_any_order_of_units_makes_the_same_files(own: Cluster, class_folders: Path, tmp_path: Path, augx: Run) -> None:
    assert augx("generate", "--input", class_folders, "--output", "whole", "--copies", "9").returncode == 0
    plan, spec = plan_copies(find_sources(class_folders), load_spec("tutorial"), copies=9), load_spec("tutorial")
    units = list(plan.units(Listed(), 4))
    random.Random(4).shuffle(units)
    (tmp_path / "out").mkdir()
    job = Job(spec, str(tmp_path / "out"), 10**8)
    found = list(own.results(make_run_unit, job, units, Stop(), lambda unit, reason: UnitResult()))
    assert [len(result.made) for result in found] == [sum(map(len, unit)) for unit in units]
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")


LAYOUTS = [("folders", ()), ("webdataset", ("--shard-size", "7"))]


@pytest.mark.parametrize(("to", "words"), LAYOUTS, ids=[to for to, _ in LAYOUTS])
def test_every_engine_makes_the_same_bytes(to: str, words: tuple[str, ...], class_folders: Path, scheduler: Path, augx: Run) -> None:
    """Paths are relative: workers of others are in another folder."""
    assert class_folders.name == "photos"
    made = {}
    for engine in ("threads", "processes", "dask"):
        how = ("--engine", engine, *(("--scheduler-file", scheduler) if engine == "dask" else ("--jobs", "2")))
        done = augx("generate", "--input", "photos", "--output", engine, "--copies", "6", "--to", to, *words, *how, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        made[engine] = {name: data for name, data in tree(class_folders.parent / engine).items() if name != "run.json"}
    assert made["threads"] == made["processes"] == made["dask"]


def test_workers_of_our_own_need_no_scheduler(class_folders: Path, tmp_path: Path, augx: Run) -> None:
    """A bad source is told as by other engines; then the same command goes on."""
    (class_folders / "cats" / "bad.jpg").write_bytes((class_folders / "cats" / "a.jpg").read_bytes()[:-40])
    words = ("generate", "--input", class_folders, "--copies", "6", "--jobs", "2")
    whole = augx(*words, "--output", "whole", "--engine", "threads", "--quiet")
    done = augx(*words, "--output", "out", "--engine", "dask", "--quiet")
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (1, b"", whole.stderr.splitlines()[0])
    assert len(done.stderr.splitlines()) == 2
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")


def test_nobody_answers(class_folders: Path, augx: Run) -> None:
    with socket.socket() as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        done = augx("generate", "--input", class_folders, "--output", "out", "--copies", "2", "--engine", "dask", "--address", address)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"augx: {address}: nobody answers (5 s); give the address that `dask scheduler` prints, such as tcp://host:8786\n"
    )
    assert not (class_folders.parent / "out").exists()
    assert time.monotonic() - began < 20  # 10 on a machine with nothing else to do


def test_somebody_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_CONNECT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OutputError, match=f"^{address}: nobody answers"), Cluster(address):
            pass


ADDRESSES = [("host", "host"), ("tcp://", "tcp://"), ("carrier-pigeon://host:1", "carrier-pigeon"), ("tcp://host:port", "port")]


@pytest.mark.parametrize(("address", "told"), ADDRESSES, ids=[address for address, _ in ADDRESSES])
def test_an_address_that_is_none(address: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_CONNECT", 0.5)
    with pytest.raises(OutputError, match=told) as caught, Cluster(address):
        pass
    assert "dask scheduler" in str(caught.value) and "\n" not in str(caught.value)


FILES = [(None, "No such file or directory"), ("[]", "no JSON with an address"), ("{", "no JSON with an address"), ('{"id": 1}', "no JSON")]


@pytest.mark.parametrize(("text", "told"), FILES, ids=["absent", "a list", "broken", "without address"])
def test_a_scheduler_file_that_is_none(text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "scheduler.json").write_text(text)
    with pytest.raises(OutputError, match=told), Cluster(scheduler_file=str(tmp_path / "scheduler.json")):
        pass


OTHERS = [
    ('__version__ = "0.0.1"', f"has augx 0.0.1, and here is {__version__}; install the same there: pip install augx-cli=={__version__}")
]
OTHERS += [("raise ModuleNotFoundError('No module named augx')", f"has no augx that works .*, and here is {__version__}")]


@pytest.mark.parametrize(
    ("code", "told", "late"), [(*OTHERS[0], False), (*OTHERS[0], True), (*OTHERS[1], False)], ids=["other", "late", "none"]
)
def test_a_worker_that_does_not_fit(code: str, told: str, late: bool, scheduler: Path, tmp_path: Path) -> None:
    (tmp_path / "augx").mkdir()
    (tmp_path / "augx" / "__init__.py").write_text(code)
    worker = started("worker", "--scheduler-file", scheduler, "--nthreads", "1", "--local-directory", tmp_path, *_QUIET, path=tmp_path)

    def arrive() -> None:
        inside.enter_context(worker)
        with distributed.Client(scheduler_file=str(scheduler), set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)

    with contextlib.ExitStack() as inside, pytest.raises(OutputError, match=rf"^the worker at tcp://127.0.0.1:\d+ {told}"):
        if not late:
            arrive()
        cluster = inside.enter_context(Cluster(scheduler_file=str(scheduler)))
        if late:
            arrive()
        ran(cluster, in_units(300, 1))


def test_versions_are_compared() -> None:
    check_versions("w", ("1", "5"), ("1", "5"))
    with pytest.raises(OutputError, match=r"^the worker at w has OpenCV 4, and here is 5; .* opencv-python-headless==5$"):
        check_versions("w", ("1", "4"), ("1", "5"))


def test_a_scheduler_that_goes_away(class_folders: Path, tmp_path: Path, augx: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_CONNECT", 2.0)
    file = tmp_path / "scheduler.json"
    with contextlib.ExitStack() as inside:
        theirs = contextlib.ExitStack()
        inside.push(theirs)
        theirs.enter_context(started("scheduler", "--scheduler-file", file, "--port", "0", *_QUIET))
        inside.enter_context(started("worker", "--scheduler-file", file, "--nthreads", "1", "--local-directory", tmp_path, *_QUIET))
        with distributed.Client(scheduler_file=str(file), timeout=60, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
        cluster = inside.enter_context(Cluster(scheduler_file=str(file)))
        found = cluster.results(make_happen, {"hangs": (3,)}, in_units(20, 1), Stop(), lambda unit, reason: [])
        assert [next(found) for _ in range(3)] == [[0], [1], [4]]
        theirs.close()
        with pytest.raises(WriteError, match=r"^the scheduler at tcp://.* went away; what is made stays, and the same command goes on$"):
            next(found)


BAD = [
    (("--address", "tcp://a:1"), "--address goes with --engine dask"),
    (("--engine", "threads", "--scheduler-file", "x"), "--scheduler-file goes with --engine dask"),
    (("--engine", "dask", "--address", "tcp://a:1", "--scheduler-file", "x"), "both say which scheduler"),
    (("--engine", "dask", "--address", ""), "--address is empty"),
]


@pytest.mark.parametrize(("words", "told"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_options_that_do_not_go_together(words: tuple[str, ...], told: str, augx: Run) -> None:
    done = augx("generate", "--image", "a.jpg", *words)
    assert done.returncode == 2 and told in done.stderr.decode()


def test_without_dask_a_line_says_what_to_install(class_folders: Path, tmp_path: Path) -> None:
    code = "import sys\nsys.modules['distributed'] = None\nfrom augx.cli import main\nmain()\n"
    command = [
        sys.executable,
        "-c",
        code,
        "generate",
        "--input",
        class_folders,
        "--output",
        tmp_path / "out",
        "--copies",
        "1",
        "--engine",
        "dask",
    ]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "augx: --engine dask needs Dask's distributed; install it: pip install 'augx-cli[dask]'\n",
    )
