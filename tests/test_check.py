"""``augx check`` as its users run it: what stands where, with which line, and the exit status."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augx import load_spec
from tests.conftest import PHOTOS, ROOT, Run, picture, write_picture

SPEC = """\
augx: 1
warp:
  rotate: 30
  shear: 0.15          # degrees
  flip_h: 0.5
then:
  - blur: 2
  - one_of:
      - noise: 5
      - noise: {sigma: 0.05}
      - some_of:
          - jpeg: [30, 90]
          - median: 5
        count: 1
classes:
  digits: {warp: {flip_h: 0, rotate: 0.1}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(SPEC)
    return path


def lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Each hint's line up to its message, and its code."""
    found = [line.split(": ") for line in done.stdout.decode().splitlines()]
    return [": ".join(parts[: 3 if parts[1].startswith("line") else 2]) + " " + parts[-1].rpartition(" ")[2] for parts in found]


def test_hints_with_their_lines(augx: Run, spec: Path) -> None:
    done = augx("check", "my.yaml")
    assert done.returncode == 0
    assert lines(done) == [
        "my.yaml: line 4, column 3: warp.shear [never-shows]",
        "my.yaml: line 10, column 9: then.one_of.noise#2 [never-shows]",
        "my.yaml: line 12, column 13: then.one_of.some_of.jpeg [double-jpeg]",
        "my.yaml: line 16, column 30: warp.rotate [never-shows]",
    ]
    assert done.stderr == b"augx: my.yaml: no mistakes, 4 hints\n"


@pytest.mark.parametrize("preset", ["tutorial", "gentle", "strong", "documents"])
def test_presets_have_none(augx: Run, preset: str) -> None:
    for sources in ((), ("--input", PHOTOS)):
        done = augx("check", preset, *sources, "--strict")
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr.decode() == f"augx: {preset}: no mistakes, no hints\n"


def test_one_hint_is_one_hint(augx: Run) -> None:
    done = augx("check", "tutorial", "--set", "warp.shear=0.15")
    assert done.stdout.startswith(b"--set warp.shear=0.15: warp.shear: moves no point of a picture of 640x480 by more than 0.63 pixels")
    assert done.stdout.endswith(b" [never-shows]\n") and done.stdout.count(b"\n") == 1
    assert done.stderr.endswith(b"no mistakes, 1 hint\n")


def test_strict_and_ignore(augx: Run, spec: Path) -> None:
    assert augx("check", "my.yaml", "--strict").returncode == 1
    some = augx("check", "my.yaml", "--strict", "--ignore", "never-shows")
    assert some.returncode == 1 and lines(some) == ["my.yaml: line 12, column 13: then.one_of.some_of.jpeg [double-jpeg]"]
    none = augx("check", "my.yaml", "--strict", "--ignore", "never-shows", "--ignore", "double-jpeg")
    assert (none.returncode, none.stdout) == (0, b"") and none.stderr.endswith(b"no hints\n")
    wrong = augx("check", "my.yaml", "--ignore", "nevershow")
    assert wrong.returncode == 2 and b"did you mean never-shows?" in wrong.stderr and wrong.stdout == b""


def test_json(augx: Run, spec: Path) -> None:
    done = augx("check", "my.yaml", "--json", "--strict", "--set", "tone.brightness=[2, 3]")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["spec"] == load_spec(spec, ["tone.brightness=[2, 3]"]).hash and (found["file"], found["pictures"]) == ("my.yaml", 0)
    first, *_, last = found["hints"]
    assert first == first | {"code": "never-shows", "place": "warp.shear", "loc": ["warp", "shear"], "line": 4, "column": 3, "label": ""}
    assert (last["code"], last["option"], last["line"]) == ("clipped", "--set tone.brightness=[2, 3]", None)
    assert [hint["label"] for hint in found["hints"]] == ["", "", "", "digits", ""]
    assert json.loads(augx("check", "gentle", "--json").stdout)["hints"] == []


def test_what_was_typed_is_named(augx: Run, spec: Path) -> None:
    done = augx("check", "my.yaml", "--set", "then.1.one_of.1.noise.sigma=0.01", "--set", "warp.border=wrap", "--set", "warp.shear.p=0.5")
    assert lines(done)[:2] == [
        "my.yaml: line 4, column 3: warp.shear [never-shows]",
        "my.yaml: line 10, column 9: then.one_of.noise#2 [never-shows]",
    ]
    done = augx("check", "my.yaml", "--set", "warp.shear=0.1", "--set", "then.1.one_of=[{noise: 0.1}, {noise: 5}]")
    assert b"\n--set warp.shear=0.1: warp.shear: moves" in done.stdout
    assert b"\n--set then.1.one_of=[{noise: 0.1}, {noise: 5}]: then.one_of.noise: changes" in done.stdout
    write_picture(spec.parent / "a.jpg")
    done = augx("check", "gentle", "--quality", "40", "--image", "a.jpg")
    assert lines(done) == ["--quality 40: output.quality [double-jpeg]"]


def test_pictures_tell_classes_formats_and_what_shows(augx: Run, spec: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "photos" / "digits" / "a.png", picture(40, 40, 1))
    write_picture(tmp_path / "photos" / "letters" / "b.png", picture(40, 40, 1))
    spec.write_text(SPEC + "seed: 3\n")
    done = augx("check", "my.yaml", "--input", "photos", "--set", "then.0={saturation: 0.5}")
    assert b"\n--set then.0={saturation: 0.5}: then.saturation: saturation is about colours" in done.stdout
    assert "my.yaml: line 5, column 3: warp.flip_h [flip-text]" in lines(done)  # letters; digits have it off
    assert b"mirrors letters: by their names text" in done.stdout and b"double-jpeg" not in done.stdout
    done = augx("check", "gentle", "--image", "photos/digits/a.png", "--label", "turn_left")
    assert "gentle: line 8, column 3: warp.flip_h [flip-side]" in lines(done)


def test_all_unchanged(augx: Run, tmp_path: Path) -> None:
    (tmp_path / "least.yaml").write_text("augx: 1\n")
    done = augx("check", "least.yaml")
    assert done.stdout.startswith(b"least.yaml: spec: all copies are the untouched picture")


def test_mistakes_come_as_generate_gives_them(augx: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("augx: 1\nwarp:\n  rotat: 3\nthen:\n  - blur: {sigma: -1}\n")
    done = augx("check", "bad.yaml")
    write_picture(tmp_path / "a.png")
    assert (done.returncode, done.stdout) == (2, b"") and done.stderr.count(b"\n") == 2
    assert done.stderr == augx("generate", "--image", "a.png", "--spec", "bad.yaml").stderr
    assert augx("check", "nope.yaml").returncode == 2 and augx("check", "tutoriel").returncode == 2
    assert b"did you mean tutorial?" in augx("check", "tutoriel").stderr
    assert augx("check").returncode == 2


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("--set", "classes.cat.warp.rotate=3", "--input", PHOTOS), 2, "classes.cat: no source has this label (did you mean cats?)"),
        (("--input", "empty"), 2, "--input empty: no image in this folder"),
        (("--input", "nowhere"), 2, "nowhere: No such file or directory"),
        (("--input", "empty", "--image", "a.png"), 2, "not more than one"),
        (("--label", "cats"), 2, "give the pictures by --image FILE, by --input PATH or by --images-from FILE"),
        (("--set", "warp.rotat=3"), 2, "--set warp.rotat=3: warp.rotat: unknown key (did you mean rotate?)"),
        (("--format", "jpg", "--image", "deep.png"), 2, "16 bits a channel, which jpg can't hold"),
        (("--size", "big"), 2, "write WIDTHxHEIGHT"),
        (("--image", "broken.jpg"), 1, "broken.jpg"),
        (("--image", "large.png", "--max-pixels", "10"), 1, "large.png"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_errors(augx: Run, tmp_path: Path, args: tuple[str, ...], status: int, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    write_picture(tmp_path / "large.png")
    write_picture(tmp_path / "deep.png", picture(dtype=np.uint16))
    done = augx("check", "tutorial", *args)
    assert (done.returncode, done.stdout) == (status, b"") and said in done.stderr.decode()
    assert b"no mistakes" not in done.stderr and b"unexpected" not in done.stderr


def test_of_pictures_that_all_fail_one_is_named(augx: Run, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(b"no picture")
    done = augx("check", "gentle", *(arg for name in "abc" for arg in ("--image", f"{name}.jpg")))
    assert done.returncode == 1 and done.stderr.startswith(b"augx: a.jpg: ") and done.stderr.endswith(b"; and 2 more can't be read\n")
    assert done.stderr.count(b"\n") == 1


def test_a_bad_picture_is_named_and_passed_over(augx: Run, tmp_path: Path) -> None:
    shutil.copytree(PHOTOS, tmp_path / "photos")
    (tmp_path / "photos" / "cats" / "Cat.jpg").write_bytes(b"no picture")
    done = augx("check", "gentle", "--input", "photos", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["pictures"] == 4
    first, last = done.stderr.decode().splitlines()
    assert first.startswith("augx: photos/cats/Cat.jpg: ") and last.endswith("no mistakes, no hints")


def test_a_spec_from_a_pipe_has_no_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "augx", "check", "/dev/stdin"]
    done = subprocess.run(command, input=SPEC.encode(), capture_output=True, cwd=ROOT, check=True, timeout=60)
    assert done.stdout.startswith(b"/dev/stdin: warp.shear: moves no point")


def test_a_reader_that_has_gone_away(spec: Path) -> None:
    command = f"{sys.executable} -m augx check {spec} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, check=True, timeout=60)
    assert b"Traceback" not in done.stderr and b"unexpected" not in done.stderr


def test_help_waits_for_no_engine() -> None:
    code = (
        "import sys\nfrom augx.cli import main\nsys.argv = ['augx', 'check', '--help']\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', [name for name in ('cv2', 'numpy', 'pydantic', 'yaml', 'tqdm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "LOADED []" in done.stdout and "--strict" in done.stdout


def test_an_annotated_set(augx: Run, tmp_path: Path) -> None:
    coco = json.loads((PHOTOS / "annotations.json").read_text())
    coco["categories"][0]["keypoints"] = ["left_eye", "right_ey", "nose", "left_ear", "right_ear"]
    (tmp_path / "a.json").write_text(json.dumps(coco))
    (tmp_path / "s.yaml").write_text("augx: 1\nwarp:\n  rotate: 30\n  flip_h: 0.5\n  border: reflect\n")
    done = augx("check", "s.yaml", "--input", "a.json", "--root", PHOTOS)
    assert done.returncode == 0 and lines(done) == [
        "s.yaml: line 4, column 3: warp.flip_h [flip-keypoints]",
        "s.yaml: line 5, column 3: warp.border [seen-twice]",
    ]
    assert augx("check", "s.yaml").stdout == b""
    assert augx("check", "s.yaml", "--input", PHOTOS, "--masks", ROOT / "sample_masks").stdout == b""
    assert augx("check", "s.yaml", "--input", "a.json", "--root", PHOTOS, "--strict", "--ignore", "seen-twice").returncode == 1
