"""``augx generate`` as its users run it: whole processes, real files, exit statuses, what stands on which stream."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import NOBODY, PHOTOS, ROOT, Run, picture, pictures, tree, write_picture
from tests.test_decode import png_of

CAT = PHOTOS / "cats" / "Cat.jpg"


def start(*args: str | Path, cwd: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "augx", *map(str, args)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True)


class TestCounts:
    def test_one_photo_into_a_folder_of_its_name(self, augx: Run, tmp_path: Path) -> None:
        done = augx("generate", "--image", CAT, "--total", "12")
        assert done.returncode == 0 and done.stdout == b""
        assert b"12 files made from 1 picture in generated_dataset" in done.stderr
        names = sorted(pictures(tmp_path / "generated_dataset"))
        assert names == [f"Cat/Cat_{i:05d}.jpg" for i in range(12)]

    def test_straight_into_an_output_100_by_default(self, augx: Run, tmp_path: Path) -> None:
        source = write_picture(tmp_path / "cat.jpg")
        assert augx("generate", "--image", source, "--output", "generated_dataset/cats").returncode == 0
        assert sorted(pictures(tmp_path / "generated_dataset" / "cats")) == [f"cat_{i:05d}.jpg" for i in range(100)]

    def test_a_label(self, augx: Run, tmp_path: Path) -> None:
        source = write_picture(tmp_path / "x.jpg")
        augx(
            "generate", "--image", source, "--image", write_picture(tmp_path / "y.png"), "--label", "NO", "--total", "3", "--output", "out"
        )
        assert sorted(pictures(tmp_path / "out")) == ["NO/x_00000.jpg", "NO/x_00001.jpg", "NO/y.png_00000.png"]
        assert '"label":"NO"' in (tmp_path / "out" / "manifest.jsonl").read_text()

    @pytest.mark.parametrize(("amount", "files"), [(("--copies", "20"), 100), (("--total", "99"), 99), (("--per-class", "30"), 60)])
    def test_a_class_tree(self, augx: Run, class_folders: Path, tmp_path: Path, amount: tuple[str, str], files: int) -> None:
        done = augx("generate", "--input", "photos/", "--output", "expanded/", *amount)
        assert done.returncode == 0 and len(pictures(tmp_path / "expanded")) == files

    def test_every_option_at_once(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        spec = tmp_path / "my.yaml"
        spec.write_text("augx: 1\nwarp: {rotate: 10}\n")
        options = "--spec my.yaml --set warp.flip_h=0.5 --seed 9 --originals --format png --size 32x24 --jobs 2 --engine processes"
        more = "--on-error stop --overwrite --quiet --json --quality 80 --max-pixels 5000"
        done = augx("generate", "--input", "photos", "--output", "out", "--copies", "2", *options.split(), *more.split())
        assert done.returncode == 0 and done.stderr == b""
        assert json.loads(done.stdout)["made"] == 15
        run = json.loads((tmp_path / "out" / "run.json").read_text())
        assert run["seed"] == 9 and run["spec"]["output"] == {"format": "png", "quality": 80, "size": [32, 24]}


class TestStreams:
    def test_paths_are_what_was_written(self, augx: Run, tmp_path: Path) -> None:
        done = augx("generate", "--image", CAT, "--total", "5", "--output", "out", "--paths")
        written = done.stdout.decode().splitlines()
        assert written == [f"out/Cat_{i:05d}.jpg" for i in range(5)] and all((tmp_path / path).is_file() for path in written)
        again = augx("generate", "--image", CAT, "--total", "7", "--output", "out", "--paths")
        assert again.stdout.decode().splitlines() == ["out/Cat_00005.jpg", "out/Cat_00006.jpg"]

    def test_json_alone_on_standard_output(self, augx: Run, tmp_path: Path) -> None:
        (tmp_path / "bad.jpg").write_bytes(b"no")
        done = augx("generate", "--image", CAT, "--image", "bad.jpg", "--copies", "3", "--output", "out", "--json")
        summary = json.loads(done.stdout)
        assert done.returncode == 1
        assert {name: summary[name] for name in ("planned", "made", "kept", "missing")} == {
            "planned": 6,
            "made": 3,
            "kept": 0,
            "missing": 3,
        }
        assert summary["failures"][0]["source"] == "bad.jpg"

    def test_dry_run_touches_nothing(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        before = tree(tmp_path)
        done = augx("generate", "--input", "photos", "--output", "out", "--per-class", "50", "--originals", "--dry-run")
        rows = [line.split() for line in done.stdout.decode().splitlines()]
        assert [row[:4] for row in rows[1:4]] == [["cats", "3", "50", "53"], ["dogs", "2", "50", "52"], ["(all)", "5", "100", "105"]]
        assert done.returncode == 0 and tree(tmp_path) == before

    def test_dry_run_as_json(self, augx: Run, class_folders: Path) -> None:
        done = augx("generate", "--input", "photos", "--output", "out", "--copies", "4", "--dry-run", "--json")
        plan = json.loads(done.stdout)
        dogs = plan["classes"]["dogs"]
        assert plan["copies"] == 20 and (dogs["sources"], dogs["copies"], dogs["files"]) == (2, 8, 8)

    def test_dry_run_refuses_what_the_run_would_and_knows_what_is_there(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        common = ["generate", "--input", "photos"]
        assert augx(*common, "--output", "out", "--copies", "3").returncode == 0
        before = tree(tmp_path)
        grown = augx(*common, "--output", "out", "--copies", "5", "--dry-run")
        assert grown.returncode == 0 and b"15 are there already, 10 to make" in grown.stdout
        for words, args in {
            b"inside --input": ["--output", "photos/x", "--copies", "1"],
            b"more than the 1 of this plan": ["--output", "out", "--copies", "1"],
            b"(seed: 0, now 8)": ["--output", "out", "--copies", "3", "--seed", "8"],
            b"(warp.rotate.p: not set, now 0.5, output: not set": [
                "--output",
                "out",
                "--copies",
                "3",
                "--quality",
                "9",
                "--set",
                "warp.rotate.p=0.5",
            ],
        }.items():
            refused = augx(*common, *args, "--dry-run")
            assert refused.returncode == 2 and words in refused.stderr and refused.stdout == b""
        assert tree(tmp_path) == before

    def test_a_reader_that_goes_away_loses_no_work(self, tmp_path: Path) -> None:
        process = start("generate", "--image", CAT, "--total", "60", "--output", "out", "--paths", cwd=tmp_path)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        with process.stderr:
            assert b"Traceback" not in process.stderr.read()
        assert process.wait(60) == 0
        assert len(pictures(tmp_path / "out")) == 60

    @pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
    def test_closed_streams(self, tmp_path: Path, closed: str) -> None:
        command = f"exec '{sys.executable}' -m augx generate --image '{CAT}' --total 4 --output out --paths {closed}"
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        assert done.returncode == 0
        assert all(data[:3] == b"\xff\xd8\xff" for data in pictures(tmp_path / "out").values())


class TestSignals:
    @pytest.mark.parametrize("engine", ["threads", "processes"])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
    def test_a_signal_stops_and_the_same_command_goes_on(self, augx: Run, tmp_path: Path, number: signal.Signals, engine: str) -> None:
        args = ["generate", "--image", CAT, "--total", "300", "--output", "out", "--spec", "strong", "--engine", engine, "--paths"]
        process = start(*args, cwd=tmp_path)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert b"Traceback" not in errors and b"the same command goes on" in errors
        assert not list(tmp_path.rglob(".augx-tmp-*"))
        assert 0 < len(pictures(tmp_path / "out")) < 300
        assert augx(*args).returncode == 0
        assert augx(*[*args, "--output", "once"]).returncode == 0
        assert tree(tmp_path / "out") == tree(tmp_path / "once")

    @pytest.mark.parametrize("engine", ["auto", "threads", "processes"])
    def test_kill_9_leaves_nothing_torn_and_no_one_behind(self, augx: Run, tmp_path: Path, engine: str) -> None:
        args = ["generate", "--image", CAT, "--total", "200", "--output", "out", "--engine", engine, "--paths"]
        process = start(*args, cwd=tmp_path)
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ends = [os.pidfd_open(int(child)) for child in children]
        process.kill()
        process.communicate(timeout=60)
        for end in ends:
            assert select.select([end], [], [], 30)[0], "a worker outlived its parent"
            os.close(end)
        assert all(data[-2:] == b"\xff\xd9" for name, data in pictures(tmp_path / "out").items() if ".augx-tmp-" not in name)
        assert augx(*args).returncode == 0
        assert augx(*[*args, "--output", "once"]).returncode == 0
        assert tree(tmp_path / "out") == tree(tmp_path / "once")


def mistakes() -> list[object]:
    """(arguments, words of the one message): wrong usage, exit status 2, nothing written."""
    image = ["--image", "cat.jpg"]
    return [
        pytest.param([], "by --image FILE, by --input PATH or by --images-from FILE", id="no pictures"),
        pytest.param([*image, "--input", "photos"], "not more than one", id="image and input"),
        pytest.param(["--image", "nope.jpg"], "nope.jpg: No such file", id="missing path"),
        pytest.param(["--image", "photos"], "this is a folder; give it as --input", id="a folder as image"),
        pytest.param(["--input", "cat.jpg", "--output", "o", "--copies", "1"], "a picture goes with --image", id="a file as input"),
        pytest.param(["--input", "photos", "--copies", "1"], "--input needs --output", id="input without output"),
        pytest.param(["--input", "photos", "--output", "o"], "--total, --copies, --per-class", id="input without a count"),
        pytest.param(
            ["--input", "photos", "--output", "o", "--copies", "1", "--label", "x"], "this is a folder of class folders", id="label"
        ),
        pytest.param([*image, "--total", "5", "--copies", "5"], "exactly one of", id="two counts"),
        pytest.param([*image, "--total", "0"], "--total", id="zero"),
        pytest.param([*image, "--totl", "5"], "--total", id="unknown option"),
        pytest.param(["--input", "empty", "--output", "o", "--copies", "1"], "no image in this folder", id="no images"),
        pytest.param([*image, "--spec", "tutoral"], "did you mean tutorial?", id="unknown preset"),
        pytest.param([*image, "--spec", "nope.yaml"], "nope.yaml: can't read this spec: No such file", id="missing spec"),
        pytest.param([*image, "--set", "warp.rotat=3"], "did you mean rotate?", id="set"),
        pytest.param([*image, "--format", "gif"], "--format gif: output.format: expected source, jpg, png", id="format"),
        pytest.param([*image, "--quality", "101"], "less than or equal to 100", id="quality"),
        pytest.param([*image, "--size", "200"], "write WIDTHxHEIGHT", id="size"),
        pytest.param([*image, "--size", "0x5"], "output.size", id="no size"),
        pytest.param([*image, "--seed", "-1"], "--seed", id="seed"),
        pytest.param([*image, "--size", "20000x5", "--format", "webp"], "at most 16383", id="too wide for webp"),
        pytest.param(["--image", "deep.png", "--format", "jpg"], "16 bits a channel, which jpg can't hold", id="16 bit to jpg"),
        pytest.param([*image, "--output", "cat.jpg"], "cat.jpg: this is a file or a link, not a folder", id="output is a file"),
        pytest.param([*image, "--output", "cat.jpg/x"], "not a folder", id="output below a file"),
        pytest.param([*image, "--label", "../x"], "--label ../x", id="label that climbs"),
        pytest.param(["--image", "cat.jpg", "--image", "./cat.jpg"], "would have the same names", id="twice the same"),
        pytest.param(["--input", "photos", "--output", "photos/o", "--copies", "1"], "inside --input", id="output in input"),
    ]


@pytest.mark.parametrize(("args", "words"), mistakes())
def test_wrong_usage(augx: Run, tmp_path: Path, args: list[str], words: str) -> None:
    write_picture(tmp_path / "cat.jpg")
    write_picture(tmp_path / "deep.png", picture(dtype=np.uint16))
    write_picture(tmp_path / "photos" / "cats" / "a.jpg")
    (tmp_path / "empty").mkdir()
    before = tree(tmp_path)
    done = augx("generate", *args)
    errors = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b""
    assert words in errors and "Traceback" not in errors
    assert tree(tmp_path) == before and not (tmp_path / "generated_dataset").exists()


@pytest.mark.parametrize(
    ("to", "how"), [("folders", "--dry-run"), ("folders", "--quiet"), ("webdataset", "--quiet"), ("npy", "--quiet"), ("npz", "--quiet")]
)
def test_a_record_that_is_lost(augx: Run, class_folders: Path, tmp_path: Path, to: str, how: str) -> None:
    """What is missing is named, nothing is touched, and putting it back is all that is needed."""
    words = ["generate", "--input", "photos", "--output", "out", "--copies", "2", "--size", "20x20", "--to", to]
    assert augx(*words).returncode == 0
    whole = tree(tmp_path / "out")
    (tmp_path / "out" / "run.json").rename(tmp_path / "kept")
    done = augx(*words, how)
    assert done.returncode == 2 and b"a manifest.jsonl without its run.json, which says how" in done.stderr
    (tmp_path / "kept").rename(tmp_path / "out" / "run.json")
    if to in ("npy", "npz"):
        (tmp_path / "out" / "manifest.jsonl").rename(tmp_path / "kept")
        done = augx(*words, how)
        assert done.returncode == 2 and b"none of them in manifest.jsonl" in done.stderr and b"put it back" in done.stderr
        (tmp_path / "kept").rename(tmp_path / "out" / "manifest.jsonl")
    assert augx(*words).returncode == 0
    again = tree(tmp_path / "out")
    assert {name: again[name] for name in whole if name != "run.json"} == {name: data for name, data in whole.items() if name != "run.json"}


@pytest.mark.parametrize(
    ("words", "where"), [(["plan"], "here"), (["generate", "--dry-run", "--output", "new/out"], "for new/out")], ids=["plan", "generate"]
)
def test_what_does_not_fit_on_the_disk_is_said_before(augx: Run, class_folders: Path, words: list[str], where: str) -> None:
    little = augx(*words, "--input", class_folders, "--copies", "2")
    assert (little.returncode, little.stderr) == (0, b"") and b"B are free " in little.stdout
    much = augx(*words, "--input", class_folders, "--copies", "1000000000000")
    (line,) = much.stderr.decode().splitlines()
    assert much.returncode == 0 and "B would be written, and " in line and f"B are free {where}: make room" in line
    told = json.loads(augx(*words, "--input", class_folders, "--copies", "2", "--json").stdout)
    assert told["free"] > told["estimate"]["bytes"]


def test_the_same_split_in_another_order(augx: Run, tmp_path: Path) -> None:
    """It goes on with the set, and divides new pictures as the first run would have; another split is refused."""
    for number in range(12):
        write_picture(tmp_path / "in" / "cats" / f"{number}.png", picture(20, 20, seed=number))
    words = ["generate", "--input", "in", "--copies", "1"]
    for output in ("one", "two"):
        assert augx(*words, "--output", output, "--split", "train=0.6,val=0.3,test=0.1").returncode == 0
    for number in range(12, 30):
        write_picture(tmp_path / "in" / "cats" / f"{number}.png", picture(20, 20, seed=number))
    assert augx(*words, "--output", "one", "--split", "train=0.6,val=0.3,test=0.1").returncode == 0
    assert augx(*words, "--output", "two", "--split", "test=0.1,val=0.3,train=0.6").returncode == 0
    assert pictures(tmp_path / "one") == pictures(tmp_path / "two")
    assert (tmp_path / "one" / "manifest.jsonl").read_bytes() == (tmp_path / "two" / "manifest.jsonl").read_bytes()
    for other in (["test=0.3,val=0.1,train=0.6"], ["test=0.1,val=0.3,train=0.6", "--split-seed", "1"]):
        done = augx(*words, "--output", "two", "--split", *other)
        assert done.returncode == 2 and b"holds a set laid out as class folders, split as train=0.6,val=0.3,test=0.1" in done.stderr


def test_a_spec_with_three_mistakes(augx: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "cat.jpg")
    (tmp_path / "bad.yaml").write_text("augx: 1\nwarp:\n  rotat: 3\n  zoom: big\ntone:\n  brightness: [2, 1]\n")
    done = augx("generate", "--image", "cat.jpg", "--spec", "bad.yaml")
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and len(lines) == 3
    assert [line.split(": ")[2].split(",")[0] for line in lines] == ["line 3", "line 4", "line 6"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("text.jpg", b"hello", "not an image that augx reads"),
        ("empty.png", b"", "the file is empty"),
        ("cut.jpg", CAT.read_bytes()[:9000], "truncated"),
        ("bomb.png", png_of(20_000, 20_000, (b"IDAT", zlib.compress(bytes(20_000 * 2501)))), "400,000,000 pixels"),
        ("new\nline.jpg", b"hello", r"new\nline.jpg: not an image"),
    ],
    ids=["no image", "empty", "truncated", "20000x20000", "newline"],
)
def test_bad_sources_cost_themselves(augx: Run, tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    done = augx("generate", "--image", name, "--image", CAT, "--copies", "3", "--output", "out")
    errors = done.stderr.decode()
    assert done.returncode == 1 and words in errors and "3 files missing" in errors
    assert "Traceback" not in errors and len(errors.splitlines()) == 2
    assert sorted(pictures(tmp_path / "out")) == [f"Cat_0000{i}.jpg" for i in range(3)]


def test_names_that_are_not_utf_8(augx: Run, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/in/cl\xffass"
    os.makedirs(folder)
    source = folder + b"/\xfe.png"
    with open(source, "wb") as file:
        file.write((PHOTOS / "birds" / "Owl.png").read_bytes())
    args = ["generate", "--input", "in", "--output", "out", "--copies", "2", "--size", "40x40"]
    done = augx(*args, "--paths")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [b"out/cl\xffass/\xfe.png_0000%d.png" % i for i in range(2)]
    assert all(os.path.isfile(os.fsencode(tmp_path) + b"/" + path) for path in done.stdout.splitlines())
    assert augx(*args).returncode == 0
    os.truncate(source, 100)
    done = augx(*args[:-3], "9", "--overwrite")
    assert done.returncode == 1 and b"\\udcfe.png: the PNG is truncated" in done.stderr
    assert augx("generate", "--image", b"\xfd.jpg").returncode == 2


def as_nobody(tmp_path: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    """Root ignores permissions, so these runs give them up once their modules are loaded."""
    code = (
        "import os, sys, encodings.utf_8_sig, encodings.ascii, tqdm, augx.expand, augx.commands.generate as g\nfrom augx.cli import main\n"
    )
    code += f"os.getuid() or (os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY}))\nmain()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *args, "--jobs", "1"], cwd=tmp_path, env=environment, capture_output=True, check=False
    )


def test_an_output_that_can_not_be_written(open_to_all: Path) -> None:
    write_picture(open_to_all / "cat.jpg")
    (open_to_all / "out").mkdir(mode=0o555)
    done = as_nobody(open_to_all, "generate", "--image", "cat.jpg", "--output", "out")
    assert done.returncode == 2 and b"out: can't write to this output: Permission denied" in done.stderr
    assert b"Traceback" not in done.stderr and not tree(open_to_all / "out")


def test_sources_that_can_not_be_read(open_to_all: Path) -> None:
    write_picture(open_to_all / "in" / "a.jpg").chmod(0)
    write_picture(open_to_all / "in" / "b.jpg")
    (open_to_all / "out").mkdir()
    (open_to_all / "out").chmod(0o777)
    done = as_nobody(open_to_all, "generate", "--input", "in", "--output", "out", "--copies", "2")
    assert done.returncode == 1 and b"in/a.jpg: can't read it: Permission denied; 2 files missing" in done.stderr
    (open_to_all / "in").chmod(0)
    done = as_nobody(open_to_all, "generate", "--input", "in", "--output", "out", "--copies", "2")
    (open_to_all / "in").chmod(0o755)
    assert done.returncode == 2 and b"in: can't list this folder: Permission denied" in done.stderr


def test_a_file_size_limit_stops_the_run_and_it_goes_on(augx: Run, tmp_path: Path) -> None:
    args = ["generate", "--image", CAT, "--total", "8", "--output", "out", "--json"]
    limit = 60_000
    done = augx(*args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)))
    assert done.returncode == 1 and b"out: can't write: File too large" in done.stderr and b"Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob(".augx-tmp-*"))
    assert augx(*args).returncode == 0
    assert len(pictures(tmp_path / "out")) == 8


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("limit", ["size=600k", "nr_inodes=9"])
def test_a_full_disk_stops_the_run_and_it_goes_on(tmp_path: Path, limit: str) -> None:
    small = tmp_path / "small"
    small.mkdir()
    args = f"'{sys.executable}' -m augx generate --image '{CAT}' --total 20 --output small/out"
    script = f"""
        mount -t tmpfs -o {limit} tmpfs small || exit 99
        {args}; test $? = 1 || exit 98
        find small -name '.augx-tmp-*' | grep . && exit 97
        mount -o remount,size=20m,nr_inodes=1000 small && {args} && cp -r small/out kept
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    if done.returncode == 99 or b"unshare failed" in done.stderr:
        pytest.skip("this sandbox can't mount")
    assert done.returncode == 0, done.stderr
    assert b"No space left on device" in done.stderr and b"Traceback" not in done.stderr
    assert len(pictures(tmp_path / "kept")) == 20


def test_bugs_are_one_line_too(augx: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import augx.inputs.folders, sys\naugx.inputs.folders.named_images = lambda *a: 1 / 0\nfrom augx.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "generate", "--image", str(CAT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"unexpected error: ZeroDivisionError" in done.stderr
