"""Batches from class folders: Keras' files, classes, order and pixels, and what is said of files that can't be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx.errors import SourceError
from augx.keras.directory import DirectoryIterator, PictureError
from tests.conftest import picture, write_picture
from tests.keras_wrapped import AUGMENTED, OLD, Wrapped, reference, same

pytest.importorskip("PIL")
pytestmark = OLD

SIZE = (12, 15)
FILES = ["cats/b.png", "cats/a.JPG", "cats/z/a.png", "cats/y.bmp", "cats/y/9.jpg", "cats/y/10.jpg", "Dogs/a.jpeg", "Dogs/notjpg.png"]
FILES += ["Dogs/odd.ppm", "ants/1.tif", "ants/.hidden.png", "ants/x.PNG"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes with sub-folders, capitals, files that are no pictures, an empty class, pictures in no class, links."""
    root = tmp_path_factory.mktemp("pictures") / "train"
    for number, name in enumerate(FILES):
        channels = (3, 4, 1)[number % 3] if name.endswith(".png") else 3
        path = write_picture(root / name.lower(), picture(16 + number, 30 - number, channels, seed=number))
        (root / name).parent.mkdir(exist_ok=True)
        path.rename(root / name)
    write_picture(root / "loose.png")
    for name in ("cats/notes.txt", "cats/a.gif", "Dogs/a.webp", "Dogs/picturejpg"):
        (root / name).write_bytes(b"")
    (root / "Dogs" / "picturejpg").write_bytes((root / "Dogs" / "a.jpeg").read_bytes())
    (root / "zebras").mkdir()
    outside = write_picture(root.parent / "outside" / "far.png", picture(20, 20)).parent
    (root / "ants" / "link").symlink_to(outside, target_is_directory=True)
    (root / "birds").symlink_to(outside, target_is_directory=True)
    return root


def pair(root: Any, generator: dict[str, Any] | None = None, **options: Any) -> tuple[Any, Any]:
    chosen = {"target_size": SIZE, "batch_size": 5, "seed": 3, **options}
    settings = {**AUGMENTED, **(generator or {})}
    ours = DirectoryIterator(root, Wrapped(**settings), **chosen)
    return ours, reference.DirectoryIterator(str(root), reference.ImageDataGenerator(**settings), **chosen)


EQUAL = [
    pytest.param({}, {}, id="as it comes"),
    pytest.param({"shuffle": False}, {}, id="in order"),
    pytest.param({"class_mode": "sparse"}, {}, id="sparse"),
    pytest.param({"class_mode": "binary", "classes": ["cats", "Dogs"]}, {}, id="binary, classes listed"),
    pytest.param({"class_mode": "input"}, {}, id="input"),
    pytest.param({"class_mode": None}, {}, id="no labels"),
    pytest.param({"classes": ["zebras", "cats"]}, {}, id="an empty class"),
    pytest.param({"follow_links": True}, {}, id="links"),
    pytest.param({"color_mode": "grayscale"}, {}, id="grey"),
    pytest.param({"color_mode": "rgba"}, {}, id="alpha"),
    pytest.param({"interpolation": "bilinear"}, {}, id="bilinear"),
    pytest.param({"interpolation": "lanczos", "target_size": [7, 9]}, {}, id="lanczos"),
    pytest.param({"dtype": "float64", "class_mode": "sparse"}, {}, id="float64"),
    pytest.param({"data_format": "channels_first"}, {"data_format": "channels_first"}, id="channels first"),
    pytest.param({"subset": "training"}, {"validation_split": 0.34}, id="training"),
    pytest.param({"subset": "validation"}, {"validation_split": 0.34}, id="validation"),
    pytest.param({"subset": "validation", "follow_links": True}, {"validation_split": 0.5}, id="validation with links"),
]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("options", "generator"), EQUAL)
def test_files_and_batches_equal_keras(
    root: Path, options: dict[str, Any], generator: dict[str, Any], workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pair(root, generator, **options)
    ours.threads = workers
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    for name in ("filenames", "filepaths", "class_indices", "num_classes", "samples", "n", "image_shape", "target_size", "split"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("color_mode", "class_mode", "data_format", "interpolation", "subset", "sample_weight", "allowed_class_modes"):
        assert getattr(ours, name) == getattr(theirs, name), name
    same(ours.classes, theirs.classes)
    same(ours.labels, theirs.labels)
    for _ in range(2 * len(theirs) + 1):
        same(next(ours), next(theirs))
    ours.close()


@pytest.mark.parametrize("count", [1, 3, 7, 100])
@pytest.mark.parametrize("share", [0.01, 0.29, 0.5, 0.99])
def test_split_is_by_order_and_cut_off(tmp_path: Path, share: float, count: int) -> None:
    for number in range(count):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / f"{number:03}.png").write_bytes(b"")
    ours, theirs = zip(*(pair(tmp_path, {"validation_split": share}, subset=name) for name in ("validation", "training")), strict=True)
    assert [one.filenames for one in ours] == [one.filenames for one in theirs]
    assert len(ours[0].filenames) == int(share * count)
    assert ours[0].filenames + ours[1].filenames == [f"one/{number:03}.png" for number in range(count)]


def test_without_a_generator_pictures_come_as_they_are(root: Path) -> None:
    theirs = reference.DirectoryIterator(str(root), None, SIZE, seed=3)
    same(next(DirectoryIterator(root, None, SIZE, seed=3)), next(theirs))


def test_a_link_as_class_counts(root: Path) -> None:
    assert "birds/far.png" in pair(root)[0].filenames


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_files_are_named_at_their_batch(tmp_path: Path, workers: int) -> None:
    for number in range(8):
        write_picture(tmp_path / "one" / f"{number}.png", picture(seed=number))
    (tmp_path / "one" / "2.png").write_bytes(b"no picture")
    whole = (tmp_path / "one" / "5.png").read_bytes()
    (tmp_path / "one" / "5.png").write_bytes(whole[: len(whole) // 2])
    iterator = DirectoryIterator(tmp_path, Wrapped(), SIZE, batch_size=2, seed=1, shuffle=False, workers=workers)
    (tmp_path / "one" / "7.png").unlink()
    for name in (None, "2", "5", "7"):
        if name is None:
            next(iterator)
            continue
        with pytest.raises(PictureError, match=rf"/one/{name}\.png: can't read this picture: .+; mend it or take it out$") as caught:
            next(iterator)
        assert isinstance(caught.value, ValueError) and isinstance(caught.value, SourceError)
        assert "\n" not in str(caught.value) and "0x" not in str(caught.value)
    next(iterator)
    iterator.close()


MISTAKES = [
    pytest.param({"class_mode": "raw"}, "class_mode: 'raw' is none of categorical", id="a class mode of frames"),
    pytest.param({"color_mode": "bgr"}, "color_mode: 'bgr' is none of rgb, rgba, grayscale", id="colour mode"),
    pytest.param({"subset": "test"}, "subset: 'test' is neither", id="subset"),
    pytest.param({"interpolation": "cubic"}, "interpolation: 'cubic' is none of nearest", id="interpolation"),
    pytest.param({"target_size": (150, 150, 3)}, r"target_size: \(150, 150, 3\) is not \(height, width\)", id="size with channels"),
    pytest.param({"target_size": (0, 150)}, "target_size: 0 is not a whole number from 1", id="no height"),
    pytest.param({"save_to_dir": "x", "save_format": "jpgg"}, "save_format: 'jpgg' is no format", id="save format"),
]


@pytest.mark.parametrize(("options", "words"), MISTAKES)
def test_mistakes_are_said_before_the_first_batch(root: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        DirectoryIterator(root, Wrapped(), **options)
    assert "\n" not in str(caught.value)


def test_a_subset_needs_a_generator(root: Path) -> None:
    with pytest.raises(ValueError, match="validation_split is the generator's"):
        DirectoryIterator(root, None, subset="training")
    with pytest.raises(FileNotFoundError):
        DirectoryIterator(root / "nowhere", Wrapped())


def test_what_is_missing_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="has no folder 'cows'"):
        DirectoryIterator(root, Wrapped(), classes=["cats", "cows"])
    write_picture(tmp_path / "a.png")
    with pytest.warns(UserWarning, match="1 pictures lie in no class"):
        assert len(DirectoryIterator(tmp_path, Wrapped())) == 0
    with pytest.warns(UserWarning, match='"validation" is empty'):
        assert DirectoryIterator(root, Wrapped(), subset="validation").samples == 0
    os.rename(write_picture(tmp_path / "one" / "b.tif"), tmp_path / "one" / "b.tiff")
    with pytest.warns(UserWarning, match=r"\.tiff"):
        assert DirectoryIterator(tmp_path, Wrapped()).filenames == ["one/b.tiff"]


def test_aspect_is_kept_by_a_cut_in_the_middle(tmp_path: Path) -> None:
    write_picture(tmp_path / "wide" / "one" / "a.png", picture(20, 40))
    write_picture(tmp_path / "square" / "one" / "a.png", picture(20, 40)[:, 10:30])
    for size in ((10, 10), (20, 20)):
        wide = DirectoryIterator(tmp_path / "wide", None, size, keep_aspect_ratio=True)
        same(next(wide), next(DirectoryIterator(tmp_path / "square", None, size)))


def test_deep_greys_are_whole(tmp_path: Path) -> None:
    write_picture(tmp_path / "one" / "deep.png", picture(channels=1, dtype=np.uint16))
    options = {"color_mode": "grayscale", "target_size": (24, 33)}
    ours, theirs = pair(tmp_path, **options)
    same(next(ours), next(theirs))
    batch = next(DirectoryIterator(tmp_path, None, **options))[0]
    np.testing.assert_array_equal(batch[0, :, :, 0], picture(channels=1, dtype=np.uint16))
