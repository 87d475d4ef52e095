"""``augx import`` as its users run it: a spec on standard output, what it lacks on standard error, and one line for what is no input."""

from __future__ import annotations

from pathlib import Path

import pytest

from augx import document, load_spec
from tests.conftest import ROOT, Run

SAVED = sorted((ROOT / "tests" / "golden" / "albumentations").glob("*.*"))


def spec_of(text: bytes) -> object:
    return load_spec(document.parse(text, "imported")[0])


def test_keras(augx: Run, tmp_path: Path) -> None:
    done = augx("import", "keras", "rotation_range=30, rescale=1./255, horizontal_flip=True")
    assert done.returncode == 0 and document.parse(done.stdout, "x")[0] == {"augx": 1, "warp": {"rotate": 30, "flip_h": 0.5}}
    assert done.stderr.startswith(b"augx: not here: rescale: ") and done.stdout.startswith(b"# not here: rescale: ")
    (tmp_path / "spec.yaml").write_bytes(done.stdout)
    assert augx("check", "spec.yaml", "--strict").returncode == 0


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.name)
def test_albumentations(augx: Run, tmp_path: Path, path: Path) -> None:
    done = augx("import", "albumentations", path, "--output", "spec.yaml")
    assert done.returncode == 0 and done.stdout == b""
    assert spec_of((tmp_path / "spec.yaml").read_bytes())
    assert augx("check", "spec.yaml").returncode == 0
    before = (tmp_path / "spec.yaml").read_bytes()
    again = augx("import", "albumentations", path, "--output", "spec.yaml")
    assert again.returncode == 2 and b"spec.yaml: can't write the spec: File exists" in again.stderr
    assert (tmp_path / "spec.yaml").read_bytes() == before


def test_torchvision_from_a_file_and_from_standard_input(augx: Run, tmp_path: Path) -> None:
    code = "from torchvision.transforms import v2\nt = v2.Compose([v2.RandomHorizontalFlip(0.3), v2.ToImage()])\n"
    (tmp_path / "transforms.py").write_text(code)
    of_file = augx("import", "torchvision", "transforms.py")
    assert of_file.returncode == 0 and spec_of(of_file.stdout) and b"not here: ToImage" in of_file.stderr
    for given in (augx("import", "torchvision", "-", input=code.encode()), augx("import", "torchvision", code)):
        assert given.stdout == of_file.stdout and given.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keras", ""), "keras: "),
        (("keras", "rotation_rang=3"), "did you mean rotation_range?"),
        (("keras", "rotation_range='x', zoom_range=None, 3"), "keras: "),
        (("keras", "bytes.bin"), "bytes.bin: not UTF-8 at byte 0"),
        (("torchvision", "hello"), "torchvision: "),
        (("torchvision", "-"), "torchvision: "),
        (("albumentations", "nope.yaml"), "nope.yaml: can't read it: No such file or directory"),
        (("albumentations", "."), ".: "),
        (("albumentations", "bytes.bin"), "bytes.bin: "),
        (("albumentations", "other.yaml"), "other.yaml: "),
        (("albumentations", "empty.json"), "empty.json: "),
        (("albumentations", "-"), "standard input: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_what_it_says(augx: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "bytes.bin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "other.yaml").write_text("augx: 1\nwarp: {rotate: 3}\n")
    (tmp_path / "empty.json").write_bytes(b"")
    done = augx("import", *arguments, input=b"")
    assert done.returncode == 2 and done.stdout == b"" and words in done.stderr.decode() and b"unexpected" not in done.stderr


def test_a_note_that_names_what_it_does_not_know(augx: Run) -> None:
    done = augx("import", "torchvision", "Compose([RandomWizardry(3), RandomVerticalFlip()])")
    assert done.returncode == 0 and b"not here: RandomWizardry" in done.stderr
