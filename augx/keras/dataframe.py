"""``DataFrameIterator``: batches from files that a pandas frame lists, with their labels.

pandas itself is not imported: what is asked of a frame is asked of the one that is given.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from augx.keras.directory import BatchFromFilesMixin
from augx.keras.iterators import Array, Augmenter

_WITHOUT_CLASSES = ("input", "multi_output", "raw", None)


class DataFrameIterator(BatchFromFilesMixin):
    """Batches from the files in the column ``x_col`` of a frame, paths below ``directory``, with labels from ``y_col``.

    ``class_mode``: ``categorical`` (a class, or a list of classes for multi-label rows), ``binary``, ``sparse``: classes as text;
    ``raw``: the column's or columns' values; ``multi_output``: a list with one array a column; ``input``: the pictures; None.
    Rows whose file is missing or no picture by its extension are left out with a warning unless ``validate_filenames`` is
    False; rows of no listed class are left out; ``subset`` takes the first ``int(validation_split * n)`` of the rows that are
    left, or the others. Classes are numbered in the order of ``classes`` (under law ``classic`` sorted), else sorted.

    ``TypeError`` for file names, labels or weights of the wrong type, ``ValueError`` for a ``class_mode`` that there is not and
    ``binary`` with other than two classes, ``KeyError`` for a column that the frame has not.
    """

    allowed_class_modes = frozenset({"binary", "categorical", "input", "multi_output", "raw", "sparse", None})

    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: Augmenter | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        validate_filenames: bool = True,
        *,
        save_in_class_folders: bool = False,
        workers: int = 1,
        prefetch: int = 2,
    ) -> None:
        save = (save_to_dir, save_prefix, save_format)
        self.set_processing_attrs(
            image_data_generator, target_size, color_mode, data_format, *save, subset, interpolation, keep_aspect_ratio
        )
        self.directory = directory or ""
        self.class_mode = class_mode
        self.dtype = dtype or "float32"
        listed = list(classes) if classes is not None else []
        self._check(dataframe, x_col, y_col, weight_col, listed)
        frame = self._with_files(dataframe, x_col) if validate_filenames else dataframe
        self._take(frame, x_col, y_col, weight_col, listed)
        text = f"Found {self.samples} {'validated' if validate_filenames else 'non-validated'} image filenames"
        print(text + ("." if class_mode in _WITHOUT_CLASSES else f" belonging to {self.num_classes} classes."))
        if save_in_class_folders:
            self._check_class_folders()
        making: dict[str, Any] = {"save_in_class_folders": save_in_class_folders, "workers": workers, "prefetch": prefetch}
        super().__init__(self.samples, batch_size, shuffle, seed, **making)

    def _take(self, frame: Any, x_col: str, y_col: Any, weight_col: str | None, listed: list[str]) -> None:
        """Files, labels and weights of the rows that are left after those of other classes and of the other subset."""
        labels: list[Any] = []
        if self.class_mode not in _WITHOUT_CLASSES:
            wanted = frozenset(listed)
            labels = [_of_classes(label, wanted) for label in frame[y_col]]
            kept = np.array([label is not None for label in labels], dtype=bool)
            frame, labels = frame[kept], [label for label in labels if label is not None]
            self._number(listed or {name for label in labels for name in ([label] if isinstance(label, str) else label)})
        if self.split is not None:
            part = slice(int(self.split[0] * len(frame)), int(self.split[1] * len(frame)))
            frame, labels = frame.iloc[part], labels[part]
        if self.class_mode not in _WITHOUT_CLASSES:
            numbers = self.class_indices
            self.classes = [numbers[label] if isinstance(label, str) else [numbers[name] for name in label] for label in labels]
        self.filenames = frame[x_col].tolist()
        self.samples = len(self.filenames)
        self._filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self._sample_weight = frame[weight_col].to_numpy() if weight_col else None
        if self.class_mode == "multi_output":
            self._targets: Any = [np.array(frame[column].tolist()) for column in y_col]
        elif self.class_mode == "raw":
            self._targets = frame[y_col].to_numpy()

    def _number(self, names: Any) -> None:
        law = "fixed" if self.image_data_generator is None else self.image_data_generator.law
        in_order = list(dict.fromkeys(names)) if isinstance(names, list) and law != "classic" else sorted(set(names))
        self.num_classes = len(in_order)
        self.class_indices = {name: number for number, name in enumerate(in_order)}

    def _check(self, frame: Any, x_col: str, y_col: Any, weight_col: str | None, listed: list[str]) -> None:
        mode = self.class_mode
        if mode not in self.allowed_class_modes:
            raise ValueError(f"class_mode: {mode!r} is none of binary, categorical, input, multi_output, raw, sparse, None")
        if mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(f"y_col: class_mode multi_output needs a list of columns, and got {type(y_col).__name__}")
        labelled = [] if mode in ("input", None) else y_col if isinstance(y_col, list) else [y_col]
        for column in [x_col, *labelled, *([weight_col] if weight_col else [])]:
            if column not in frame.columns:
                raise KeyError(f"the frame has no column {column!r}, only {', '.join(map(str, frame.columns))}")
        _check_types("x_col", x_col, frame, (str,), "text")
        if mode in ("binary", "sparse"):
            _check_types("y_col", y_col, frame, (str,), f"text for class_mode {mode}")
        if mode == "categorical":
            _check_types("y_col", y_col, frame, (str, list, tuple), "text, or a list or tuple of texts, for class_mode categorical")
        if mode == "binary" and (count := len(set(listed or frame[y_col]))) != 2:
            raise ValueError(f"class_mode: binary is for 2 classes, and there are {count}; use categorical or sparse, or give classes")
        if listed and mode in _WITHOUT_CLASSES:
            warnings.warn(f"classes: not used with class_mode {mode}", stacklevel=4)
        if weight_col and not issubclass(frame[weight_col].dtype.type, np.number):
            raise TypeError(f"weight_col: column {weight_col!r} has to hold numbers, and is {frame[weight_col].dtype}")

    def _with_files(self, frame: Any, x_col: str) -> Any:
        """The rows whose file is there and has a picture's extension."""
        paths = (os.path.join(self.directory, name) for name in frame[x_col])
        kept = np.array([path.lower().endswith(self.white_list_formats) and os.path.isfile(path) for path in paths], dtype=bool)
        if missing := int(np.count_nonzero(~kept)):
            first = frame[x_col].tolist()[int(np.argmin(kept))]
            warnings.warn(
                f"x_col: {missing} of {len(kept)} files are missing or no pictures and are left out, the first is {first!r}", stacklevel=3
            )
        return frame[kept]

    def get_classes(self, df: Any, y_col: str) -> list[Any]:
        """The class numbers of a frame's labels: one for a text, a list for a list."""
        numbers = self.class_indices
        return [[numbers[name] for name in label] if isinstance(label, (list, tuple)) else numbers[label] for label in df[y_col]]

    @property
    def filepaths(self) -> list[str]:
        """The path of every file, in the order of ``filenames``."""
        return self._filepaths

    @property
    def labels(self) -> Any:
        """The class' number, or list of numbers, of every file; the columns' values for ``raw`` and ``multi_output``."""
        return self._targets if self.class_mode in ("multi_output", "raw") else self.classes

    @property
    def sample_weight(self) -> Array | None:
        """The column ``weight_col``, if one was named."""
        return self._sample_weight


def _check_types(parameter: str, column: str, frame: Any, types: tuple[type, ...], wanted: str) -> None:
    for row, value in enumerate(frame[column]):
        if not isinstance(value, types):
            raise TypeError(f"{parameter}: column {column!r} has to hold {wanted}; row {row} has {value!r} ({type(value).__name__})")


def _of_classes(label: Any, listed: frozenset[str]) -> Any:
    """What of a label is among the listed classes; None where nothing is."""
    if not listed:
        return label
    if isinstance(label, str):
        return label if label in listed else None
    return [name for name in label if name in listed] or None
