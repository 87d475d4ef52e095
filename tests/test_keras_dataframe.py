"""Batches from frames: Keras' rows, classes, labels and weights in every class mode; what is said of columns that don't fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx.keras.dataframe import DataFrameIterator
from tests.conftest import picture, write_picture
from tests.keras_wrapped import AUGMENTED, OLD, Wrapped, reference, same

pd = pytest.importorskip("pandas")
pytest.importorskip("PIL")
pytestmark = OLD

N = 9
NAMES = [f"{'cats' if number % 2 else 'dogs'}/{number}.{('png', 'JPG', 'bmp')[number % 3]}" for number in range(N)]
MISSING = ["dogs/none.png", "notes.txt", "dogs"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frame")
    for number, name in enumerate(NAMES):
        path = write_picture(root / name.lower(), picture(14 + number, 22 - number, seed=number))
        path.rename(root / name)
    (root / "notes.txt").write_bytes(b"")
    return root


def frame(rows: int = N) -> Any:
    names = NAMES[:rows]
    return pd.DataFrame(
        {
            "filename": names,
            "class": [name.split("/")[0] for name in names],
            "third": [("b", "a", "c")[number % 3] for number in range(len(names))],
            "many": [(["a", "b"], "c", ("b",), ["c", "a"], [])[number % 5] for number in range(len(names))],
            "x": np.arange(len(names)) / 4,
            "y": np.arange(len(names)) * 3,
            "weight": np.linspace(1, 2, len(names)),
        },
        index=np.arange(len(names))[::-1] + 100,
    )


EQUAL = [
    pytest.param({}, 0, id="as it comes"),
    pytest.param({"shuffle": False}, 0, id="in order"),
    pytest.param({"class_mode": "binary"}, 0, id="binary"),
    pytest.param({"class_mode": "sparse", "y_col": "third"}, 0, id="sparse"),
    pytest.param({"y_col": "third"}, 0, id="three classes"),
    pytest.param({"y_col": "third", "classes": ["c", "b"]}, 0, id="two of three classes, sorted"),
    pytest.param({"y_col": "third", "classes": ["c", "b"], "class_mode": "binary"}, 0, id="binary of listed classes"),
    pytest.param({"y_col": "third", "classes": ["c", "z"]}, 0, id="a class that no row has"),
    pytest.param({"y_col": "many"}, 0, id="lists of classes"),
    pytest.param({"y_col": "many", "classes": ["c", "b"]}, 0, id="lists cut down to the listed classes"),
    pytest.param({"class_mode": "raw", "y_col": "x"}, 0, id="raw"),
    pytest.param({"class_mode": "raw", "y_col": ["x", "y"]}, 0, id="raw columns"),
    pytest.param({"class_mode": "multi_output", "y_col": ["x", "third"]}, 0, id="several outputs"),
    pytest.param({"class_mode": "input"}, 0, id="input"),
    pytest.param({"class_mode": None}, 0, id="no labels"),
    pytest.param({"weight_col": "weight"}, 0, id="weights"),
    pytest.param({"weight_col": "y", "class_mode": "raw", "y_col": "x"}, 0, id="whole numbers as weights"),
    pytest.param({"weight_col": "weight", "class_mode": None}, 0, id="weights without labels are not given"),
    pytest.param({"subset": "training"}, 0.34, id="training"),
    pytest.param({"subset": "validation", "weight_col": "weight"}, 0.34, id="validation"),
    pytest.param({"subset": "training", "y_col": "third", "classes": ["a", "b"]}, 0.5, id="split after the classes"),
    pytest.param({"subset": "validation", "class_mode": "multi_output", "y_col": ["x", "y"]}, 0.5, id="several outputs, validation"),
    pytest.param({"validate_filenames": False}, 0, id="names unchecked"),
    pytest.param({"color_mode": "grayscale", "dtype": "float64", "interpolation": "bilinear"}, 0, id="grey, float64"),
]


def pair(table: Any, root: Path | None, share: float = 0, **options: Any) -> tuple[Any, Any]:
    chosen = {"target_size": (9, 8), "batch_size": 4, "seed": 3, **options}
    settings = {**AUGMENTED, "validation_split": share}
    ours = DataFrameIterator(table, root, Wrapped(**settings), **chosen)
    theirs = reference.DataFrameIterator(table, None if root is None else str(root), reference.ImageDataGenerator(**settings), **chosen)
    return ours, theirs


def compare(ours: Any, theirs: Any) -> None:
    for name in ("filenames", "filepaths", "samples", "n", "class_mode", "class_indices", "allowed_class_modes"):
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    if hasattr(theirs, "classes"):
        assert ours.classes == theirs.classes == ours.labels
    elif theirs.class_mode in ("raw", "multi_output"):
        same(ours.labels, theirs.labels)
    for _ in range(2 * len(theirs) + 1):
        same(next(ours), next(theirs))


@pytest.mark.parametrize(("options", "share"), EQUAL)
def test_rows_and_batches_equal_keras(root: Path, options: dict[str, Any], share: float, capsys: pytest.CaptureFixture[str]) -> None:
    table = frame()
    before = table.copy()
    ours, theirs = pair(table, root, share, **options)
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    compare(ours, theirs)
    pd.testing.assert_frame_equal(table, before)


def test_missing_files_are_left_out_and_said(root: Path) -> None:
    table = pd.DataFrame({"filename": [MISSING[0], *NAMES[:4], *MISSING[1:]], "class": list("abababa")})
    with pytest.warns(UserWarning) as caught:
        ours, theirs = pair(table, root, 0.5, subset="validation")
    assert any(
        "x_col: 3 of 7 files are missing or no pictures and are left out, the first is 'dogs/none.png'" in str(w.message) for w in caught
    )
    compare(ours, theirs)
    assert ours.filenames == NAMES[:2]


def test_paths_without_a_directory(root: Path) -> None:
    compare(*pair(frame().assign(filename=lambda table: [str(root / name) for name in table["filename"]]), None))


def test_an_empty_frame(root: Path) -> None:
    iterator = DataFrameIterator(frame(0), root, Wrapped(), target_size=(9, 8))
    pictures, labels = next(iterator)
    assert (len(iterator), pictures.shape, labels.shape) == (0, (0, 9, 8, 3), (0, 0))


def test_listed_classes_keep_their_order_but_in_the_classic_law(root: Path) -> None:
    options = {"y_col": "third", "classes": ["c", "a", "b"]}
    assert DataFrameIterator(frame(), root, Wrapped("fixed"), **options).class_indices == {"c": 0, "a": 1, "b": 2}
    assert DataFrameIterator(frame(), root, None, **options).class_indices == {"c": 0, "a": 1, "b": 2}
    assert DataFrameIterator(frame(), root, Wrapped(), **options).class_indices == {"a": 0, "b": 1, "c": 2}


def test_get_classes(root: Path) -> None:
    iterator = DataFrameIterator(frame(), root, None, y_col="many")
    assert iterator.get_classes(frame(3), "many") == [[0, 1], 2, [1]] == iterator.classes[:3]


MISTAKES = [
    pytest.param({"class_mode": "other"}, ValueError, "class_mode: 'other' is none of binary", id="class mode"),
    pytest.param(
        {"class_mode": "multi_output"}, TypeError, "y_col: class_mode multi_output needs a list of columns, and got str", id="column"
    ),
    pytest.param({"x_col": "x"}, TypeError, r"x_col: column 'x' has to hold text; row 0 has 0\.0 \(float\)", id="names that are numbers"),
    pytest.param(
        {"class_mode": "sparse", "y_col": "x"}, TypeError, "y_col: column 'x' has to hold text for class_mode sparse", id="sparse"
    ),
    pytest.param({"class_mode": "binary", "y_col": "many"}, TypeError, "for class_mode binary; row 0", id="binary lists"),
    pytest.param({"y_col": "y"}, TypeError, "text, or a list or tuple of texts", id="categorical numbers"),
    pytest.param({"class_mode": "binary", "y_col": "third"}, ValueError, "binary is for 2 classes, and there are 3", id="three classes"),
    pytest.param(
        {"class_mode": "binary", "classes": ["cats"]}, ValueError, "binary is for 2 classes, and there are 1", id="one listed class"
    ),
    pytest.param({"weight_col": "class"}, TypeError, "weight_col: column 'class' has to hold numbers", id="weights that are text"),
    pytest.param({"x_col": "file"}, KeyError, "the frame has no column 'file', only filename, class", id="no such column"),
    pytest.param({"subset": "test"}, ValueError, "subset: 'test' is neither", id="subset"),
]


@pytest.mark.parametrize(("options", "error", "words"), MISTAKES)
def test_mistakes_are_said_in_one_line(root: Path, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        DataFrameIterator(frame(), root, Wrapped(), **options)
    assert "\n" not in str(caught.value)
    if options.get("x_col") != "file":
        with pytest.raises(error):
            reference.DataFrameIterator(frame(), str(root), reference.ImageDataGenerator(), **options)


def test_classes_that_are_not_used_are_said(root: Path) -> None:
    with pytest.warns(UserWarning, match="classes: not used with class_mode raw"):
        DataFrameIterator(frame(), root, Wrapped(), y_col="x", class_mode="raw", classes=["a"])
