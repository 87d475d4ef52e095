"""``augx fit``: the statistics of a folder, as ImageDataGenerator then takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augx.keras import ImageDataGenerator, img_to_array, load_img
from tests.conftest import Run, tree


def test_mean_and_deviation_of_a_folder(augx: Run, class_folders: Path, tmp_path: Path) -> None:
    done = augx("fit", "--input", "photos", "--output", "stats.npz", "--size", "12x9")
    assert done.returncode == 0 and done.stdout == b"" and b"stats.npz: of 5 pictures of 12x9" in done.stderr
    made = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    made.load(tmp_path / "stats.npz")
    files = sorted(path for path in class_folders.rglob("*") if path.is_file())
    pictures = np.stack([img_to_array(load_img(path, target_size=(9, 12), interpolation="bilinear")) for path in files])
    assert made.mean.ravel() == pytest.approx(pictures.mean(axis=(0, 1, 2)), rel=1e-5)
    assert made.std.ravel() == pytest.approx(pictures.std(axis=(0, 1, 2)), rel=1e-5)


def test_whitening_with_settings_as_import_keras_reads_them(augx: Run, class_folders: Path, tmp_path: Path) -> None:
    settings = "ImageDataGenerator(zca_whitening=True, rescale=1./255)"
    assert augx("fit", settings, "--input", "photos", "--output", "s.npz", "--size", "6x6").returncode == 0
    made = ImageDataGenerator(zca_whitening=True, featurewise_center=True, rescale=1 / 255)
    made.load(tmp_path / "s.npz")
    assert made.standardize(np.full((6, 6, 3), 99, np.float32)).shape == (6, 6, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input", "nope", "--output", "s.npz"), "nope: No such file or directory"),
        (("--input", "empty", "--output", "s.npz"), "no pictures"),
        (("--input", "photos", "--output", "no/s.npz", "--size", "4x4"), "No such file or directory"),
        (("--input", "photos", "--output", "s.npz", "--size", "4"), "write WIDTHxHEIGHT"),
        (("--input", "photos", "--output", "s.npz", "--size", "0x4"), "write WIDTHxHEIGHT"),
        (("rotation=3", "--input", "photos", "--output", "s.npz"), "did you mean rotation_range?"),
        (("featurewise_center=True, zoom_range='x'", "--input", "photos", "--output", "s.npz"), "zoom_range"),
        (("rotation_range=30", "--input", "photos", "--output", "s.npz"), "nothing to fit"),
        (("--input", "photos", "--output", "empty"), "this is a folder"),
        (("preprocessing_function=f", "--input", "photos", "--output", "s.npz"), "can't be run here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_one_clear_line(augx: Run, class_folders: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty").mkdir()
    before = tree(tmp_path)
    done = augx("fit", *arguments)
    assert done.returncode == 2 and words in done.stderr.decode() and b"unexpected" not in done.stderr and tree(tmp_path) == before


def test_a_picture_that_can_not_be_read_is_named(augx: Run, class_folders: Path) -> None:
    (class_folders / "cats" / "a.jpg").write_bytes(b"no")
    done = augx("fit", "--input", "photos", "--output", "s.npz", "--size", "8x8")
    assert done.returncode == 2 and b"a.jpg" in done.stderr and done.stderr.count(b"\n") == 1
