"""The faults that no other test makes; ``catalogue.py`` has all of them. After each the same command again ends as if nothing had been."""

from __future__ import annotations

import io
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from augx import Options, OutputError, SpecError, WriteError, find_sources, load_spec, plan_copies, run_plan
from augx.decode import decode
from tests.conftest import ROOT, picture, pictures, tree, write_picture
from tests.faults.catalogue import FAULTS
from tests.test_decode import png_of

SPEC = load_spec({"augx": 1, "warp": {"rotate": 20, "flip_h": 0.5}, "output": {"size": [24, 16]}})
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
AUGX = [sys.executable, "-m", "augx"]


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Path]:
    """Six small pictures of two classes, which are the same afterwards."""
    root = tmp_path / "in"
    for i in range(6):
        write_picture(root / ("cats" if i % 2 else "dogs") / f"{i}.png", picture(16, 20, seed=i))
    before = tree(root)
    yield root
    assert tree(root) == before


@pytest.fixture
def generate(photos: Path, tmp_path: Path) -> list[str]:
    """The command that makes what ``expand`` makes."""
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.canonical()))
    return [*AUGX, "generate", "--input", str(photos), "--output", str(tmp_path / "out"), "--spec", str(tmp_path / "spec.json")]


def expand(output: Path, source: Path, copies: int, to: str = "", **how: Any) -> Any:
    report = run_plan(plan_copies(find_sources(source), SPEC, copies=copies, to=to), SPEC, output, input=source, **how)
    assert report.planned == report.made + report.kept + report.missing
    return report


def settled(output: Path, source: Path, copies: int, to: str = "") -> None:
    """The oracle: the same again ends in the set of a run that nobody disturbed, all of it whole, with nothing beside it."""
    assert expand(output, source, copies, to).missing == 0
    whole = output.parent / "undisturbed"
    expand(whole, source, copies, to)
    found = tree(output)
    assert found == tree(whole)
    assert not [name for name in found if ".augx-" in name]
    lines = [json.loads(line) for line in found["manifest.jsonl"].splitlines()]
    assert len(lines) == len({line.get("file", line.get("package")) for line in lines})
    for name in found:
        if name.endswith((".png", ".jpg")):
            assert decode(found[name]).shape[:2] == (16, 24)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.number))
def test_every_fault_has_its_tests(fault: Any) -> None:
    assert fault.tests
    for place in fault.tests:
        file, *names = place.split("::")
        text = (ROOT / file).read_text()
        for name in names:
            assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), place


def test_the_list_is_whole() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 26))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="workers are found as Linux lists them")
@pytest.mark.parametrize("seed", range(2))
def test_a_worker_is_killed(seed: int, generate: list[str], photos: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)
    words = [*generate, "--copies", "400", "--engine", "processes", "--jobs", "2", "--paths"]
    with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        for _ in range(chance.randrange(1, 400)):
            run.stdout.readline()
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(chance.choice(children)), signal.SIGKILL)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    settled(tmp_path / "out", photos, 400)


@pytest.mark.parametrize("to", ["folders", "webdataset", "npz"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_every_call_fails_in_turn(error: str, to: str, tmp_path: Path) -> None:
    for label in ("cats", "dogs"):
        write_picture(tmp_path / "in" / label / "a.png", picture(12, 16))
    before = tree(tmp_path / "in")
    words = ["generate", "--input", str(tmp_path / "in"), "--copies", "2", "--to", to, "--jobs", "1", "--engine", "threads"]
    command = [sys.executable, "-m", "tests.faults.failing_call", str(tmp_path), error, *words]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == [] and found["calls"] >= 20
    assert set(found["names"]) >= {"open", "mkdir", "write", "ftruncate", "rename"}
    assert tree(tmp_path / "in") == before


def test_an_output_on_a_read_only_file_system(generate: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    script = f"mount -t tmpfs -o ro tmpfs '{tmp_path}/out' || exit 99; exec \"$@\""
    command = ["unshare", "-m", "sh", "-c", script, "sh", *generate, "--copies", "2"]
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("mounting a file system needs root, and unshare")
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip("this sandbox can't mount")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Read-only file system" in done.stderr


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_few_open_files(engine: str, tmp_path: Path) -> None:
    """Many sources, in many tars and folders, and no more than 40 files open."""
    tars = tmp_path / "in"
    tars.mkdir()
    for i in range(100):
        data = write_picture(tmp_path / "a.png", picture(16, 20, seed=i)).read_bytes()
        with tarfile.open(tars / f"{i:03d}.tar", "w") as file:
            info = tarfile.TarInfo(f"class{i:03d}/a{i}.png")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.canonical()))
    words = ["--input", "in/{000..099}.tar", "--copies", "2", "--spec", "spec.json", "--engine", engine, "--jobs", "2"]
    few: Callable[[], None] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))  # noqa: E731
    command = [*AUGX, "generate", *words, "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, preexec_fn=few, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert len(pictures(tmp_path / "out")) == 200


@pytest.mark.parametrize(
    ("what", "to"), [("class folder", ""), ("output", ""), ("output", "webdataset"), ("output", "npy"), ("output", "npz")]
)
def test_a_folder_is_swapped_for_a_link_during_a_run(what: str, to: str, photos: Path, tmp_path: Path) -> None:
    out, elsewhere, moved = tmp_path / "out", tmp_path / "elsewhere", tmp_path / "moved"
    (elsewhere / "cats").mkdir(parents=True)
    (elsewhere / "dogs").mkdir()
    place = out if what == "output" else out / "cats"

    def swap(pictures: int) -> None:
        if not moved.exists():
            os.rename(place, moved)
            place.symlink_to(elsewhere)

    with pytest.raises((OutputError, WriteError)):
        expand(out, photos, 40, to, options=Options(jobs=1), on_progress=swap)
    assert not tree(elsewhere)
    place.unlink()
    os.rename(moved, place)
    settled(out, photos, 40, to)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


CHANGES = [
    pytest.param(Path.unlink, id="it vanishes"),
    pytest.param(lambda path: os.truncate(path, path.stat().st_size // 2), id="it shrinks"),
    pytest.param(lambda path: path.write_bytes(b"no picture" + path.read_bytes()), id="it grows"),
    pytest.param(fifo, id="it turns to a pipe"),
    pytest.param(folder, id="it turns to a folder"),
    pytest.param(device, id="it turns to an endless device"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_changes_during_a_run(change: Callable[[Path], None], photos: Path, tmp_path: Path) -> None:
    last = photos / "dogs" / "4.png"
    data = last.read_bytes()
    changed: list[int] = []

    def once(pictures: int) -> None:
        if not changed:
            change(last)
        changed.append(pictures)

    report = expand(tmp_path / "out", photos, 9, options=Options(jobs=1), on_progress=once)
    (failure,) = report.failures
    assert (report.made, report.missing) == (45, 9) and failure.source.endswith("4.png") and failure.reason
    last.rmdir() if last.is_dir() else last.unlink(missing_ok=True)
    last.write_bytes(data)
    settled(tmp_path / "out", photos, 9)


def test_links_that_lead_in_circles_and_out(photos: Path, tmp_path: Path) -> None:
    source = tmp_path / "links"
    shutil.copytree(photos, source)
    for name, target in {"up": "..", "self": "self", "proc": "/proc", "dev": "/dev", "out": str(photos), "zero.png": "/dev/zero"}.items():
        (source / "cats" / name).symlink_to(target)
    os.mkfifo(source / "cats" / "pipe.png")
    expand(tmp_path / "out", source, 2)
    expand(tmp_path / "plain", photos, 2)
    assert pictures(tmp_path / "out") == pictures(tmp_path / "plain")


def test_a_second_interrupt(generate: list[str], photos: Path, tmp_path: Path) -> None:
    words = [*generate, "--copies", "300", "--paths"]
    with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130 and b"Traceback" not in said
    settled(tmp_path / "out", photos, 300)


CLOCKS = {"ten years ago": "b - 315e6", "in ten years": "b + 315e6", "in 1970": "0.0", "back and forth": "b + (-1) ** next(n) * 315e6"}


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
def test_the_clock_jumps(clock: str, generate: list[str], photos: Path, tmp_path: Path) -> None:
    """As Python sees it."""
    code = f"import itertools, time\nn = itertools.count()\nb = time.time()\ntime.time = lambda: {clock}\n"
    code += "time.time_ns = lambda: int(time.time() * 1e9)\nfrom augx.cli import main\nmain()"
    done = subprocess.run([generate[0], "-c", code, *generate[3:], "--copies", "5", "--to", "npz"], env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    settled(tmp_path / "out", photos, 5, "npz")


@pytest.mark.skipif(shutil.which("faketime") is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("clock", ["-10y", "+10y", "@1971-01-01 00:00:00"])
def test_the_clock_of_the_system_jumps(clock: str, generate: list[str], photos: Path, tmp_path: Path) -> None:
    assert subprocess.run(["faketime", "-f", clock, *generate, "--copies", "5"], env=ENVIRONMENT, check=False).returncode == 0
    settled(tmp_path / "out", photos, 5)


def most_memory(words: list[str]) -> tuple[int, int, str]:
    """Exit status, the most bytes of memory held at once, standard error. Not by getrusage, which counts what it was forked from."""
    code = "from augx.cli import main\ntry: main()\nfinally: print(*(line for line in open('/proc/self/status') if 'VmHWM' in line))"
    done = subprocess.run([words[0], "-c", code, *words[3:]], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return done.returncode, int(done.stdout.split()[-2]) * 1024, done.stderr


def test_a_plan_of_a_billion_copies(generate: list[str]) -> None:
    status, memory, said = most_memory([*generate, "--total", "1000000000", "--dry-run"])
    assert (status, said) == (0, "") and memory < 150e6


def test_bombs_take_no_memory(generate: list[str], photos: Path) -> None:
    """A picture of 20,000 x 20,000 pixels, and a chunk that says it has 2 GB."""
    _, usual, _ = most_memory([*generate, "--copies", "2"])
    bombs = [
        png_of(20_000, 20_000, (b"IDAT", zlib.compress(bytes(20_000 * 2501)))),
        png_of(5, 5)[:33] + b"\x7f\xff\xff\xf0IDAT" + bytes(99),
    ]
    for i, data in enumerate(bombs):
        (photos / f"bomb{i}.png").write_bytes(data)
    status, memory, said = most_memory([*generate, "--copies", "3", "--jobs", "1"])
    for i in range(len(bombs)):
        (photos / f"bomb{i}.png").unlink()
    assert status == 1 and said.count("\n") == 3 and said.count("; 3 files missing") == 2
    assert memory < usual + 100e6


NUMBERS = [".nan", ".inf", "-.inf", "1e308", "-1e308", "1" + "0" * 400, '"NO"', "true", "{}", "[0, .nan]", "[1e308, -1e308]"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:9])
@pytest.mark.parametrize("field", ["warp.rotate", "warp.zoom", "warp.translate", "tone.brightness", "output.quality", "seed"])
def test_bad_numbers_name_their_field(field: str, number: str) -> None:
    with pytest.raises(SpecError, match=re.escape(field)):
        load_spec("gentle", [f"{field}={number}"])


def test_memory_is_flat(tmp_path: Path) -> None:
    """Six thousand copies hold no more than the first six hundred did, within a tenth."""
    write_picture(tmp_path / "a.png", picture(16, 16))
    code = """
import sys
from augx import Options, expand_dataset, load_spec
made, most, early = 0, 0, 0
def measure(paths):
    global made, most, early
    made += len(paths)
    most = max(most, int(open("/proc/self/statm").read().split()[1]))
    early = early or (most if made >= 600 else 0)
expand_dataset(sys.argv[1] + "/out", images=[sys.argv[1] + "/a.png"], total=6000, options=Options(jobs=1), on_commit=measure)
print(most / early)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and float(done.stdout) < 1.1, done


@pytest.mark.parametrize("damage", ["cut", "deleted", "NULs", "a gigabyte of NULs"])
def test_a_damaged_manifest(damage: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, photos, 8)
    before, path = pictures(out), out / "manifest.jsonl"
    match damage:
        case "cut":
            os.truncate(path, path.stat().st_size - 40)
        case "deleted":
            path.unlink()
        case _:
            os.truncate(path, 0)
            os.truncate(path, 5000 if damage == "NULs" else 1 << 30)
    if damage == "a gigabyte of NULs":  # fewer are a torn last line
        with pytest.raises(OutputError, match="line 1 is damaged"):
            expand(out, photos, 8)
        path.unlink()
    assert pictures(out) == before
    settled(out, photos, 8)


def test_a_flipped_byte_in_the_manifest_changes_no_picture(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, photos, 8)
    before, path, chance = pictures(out), out / "manifest.jsonl", random.Random(0)
    whole = path.read_bytes()
    for _ in range(40):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            expand(out, photos, 8)
        except (OutputError, WriteError) as error:
            assert "\n" not in str(error)
        assert pictures(out).items() >= before.items()
        for name in pictures(out).keys() - before.keys():
            (out / name).unlink()
    path.write_bytes(whole)
    settled(out, photos, 8)


def test_a_pipe_that_ends_half_way(photos: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for path in sorted(photos.rglob("*.png")):
            file.add(path, str(path.relative_to(photos)))
    data = buffer.getvalue()
    words = [*AUGX, "generate", "--input", "-", "--output", "out", "--copies", "2"]
    with subprocess.Popen(words, cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdin is not None
        for at in range(0, 4000, 100):
            run.stdin.write(data[at : at + 100])
            run.stdin.flush()
        _, said = run.communicate(timeout=60)
    made = len(pictures(tmp_path / "out"))
    assert run.returncode == 1 and b"; 2 files missing" in said and 0 < made < 12 and made % 2 == 0
