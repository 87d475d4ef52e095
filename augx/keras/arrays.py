"""``NumpyArrayIterator``: batches of augmented pictures from arrays in memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from augx.keras.iterators import Array, Augmenter
from augx.keras.making import PictureIterator
from augx.keras.saving import Levels, class_folder


class NumpyArrayIterator(PictureIterator):
    """Batches ``x``, ``(x, y)`` or ``(x, y, sample_weight)`` of pictures ``x`` (n, height, width, channels) or channels first.

    ``x`` may be ``(pictures, array)`` or ``(pictures, [arrays])``: the arrays go along unchanged, and a batch's ``x`` is a list.
    ``subset``: ``validation`` is the first ``int(validation_split * n)`` of the arrays, ``training`` the rest; both need the
    same classes in ``y`` unless ``ignore_class_split``. Keras leaves ``sample_weight`` whole then, so a training picture gets
    another one's weight; under law ``fixed`` it is split as the others are.

    Saved pictures: black and white are 0 and 255 in ``x``; 0 and 1, or -1 and 1, where ``x`` has floats that are all within
    those; and for an ``x`` that goes below 0 or above 255 otherwise, its lowest and highest value.
    """

    _hash_range = 10_000

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Augmenter,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = "float32",
        *,
        save_in_class_folders: bool = False,
        workers: int = 1,
        prefetch: int = 2,
    ) -> None:
        self.dtype = dtype or "float32"
        self.image_data_generator = image_data_generator
        self.data_format = data_format or "channels_last"
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        pictures, along = _parts(x)
        _same_length(pictures, y, sample_weight)
        if subset is not None:
            part = _part(subset, len(pictures), image_data_generator._validation_split)
            if y is not None and not ignore_class_split:
                _same_classes(y, max(part.start or 0, part.stop or 0))
            pictures, along, y = pictures[part], [one[part] for one in along], None if y is None else y[part]
            if sample_weight is not None and image_data_generator.law == "fixed":
                sample_weight = sample_weight[part]
        self.x: Array = np.asarray(pictures, dtype=self.dtype)
        self.x_misc = along
        self.y = None if y is None else np.asarray(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        self._check_shape()
        if save_in_class_folders:
            self._check_labels()
        self._given = np.asarray(pictures).dtype
        self._levels: Levels | None = None
        making: dict[str, Any] = {"save_in_class_folders": save_in_class_folders, "workers": workers, "prefetch": prefetch}
        super().__init__(len(self.x), batch_size, shuffle, seed, **making)

    def _check_shape(self) -> None:
        if self.x.ndim != 4:
            raise ValueError(f"x: an array of shape {self.x.shape}, but pictures need 4 axes; give (n, height, width, channels)")
        axis = 1 if self.data_format == "channels_first" else 3
        if self.x.shape[axis] not in (1, 3, 4):
            warnings.warn(
                f"x: shape {self.x.shape} has {self.x.shape[axis]} channels on axis {axis} ({self.data_format}), and not 1, 3 or 4",
                stacklevel=4,
            )

    def _check_labels(self) -> None:
        if self.y is None or self.y.ndim > 2:
            raise ValueError("save_in_class_folders: needs one class a picture in y; leave the option out")
        if self.y.ndim == 2 and not np.all(np.count_nonzero(self.y, axis=1) == 1):
            raise ValueError("save_in_class_folders: y has pictures of several classes, or of none; leave the option out")
        for label in np.unique(self.y) if self.y.ndim == 1 else ():
            class_folder(_text(label))

    def _shape(self) -> tuple[int, ...]:
        return tuple(self.x.shape[1:])

    def _picture(self, index: int) -> tuple[Array, Levels]:
        if self.save_to_dir and self._levels is None:  # over all pictures, and only for those who save them
            self._levels = _levels(self.x, self._given)
        return self.x[index].copy(), self._levels or (0, 255)

    def _described(self, index: int) -> tuple[str | None, Any]:
        if self.y is None:
            return None, None
        label = self.y[index]
        if self.save_in_class_folders:
            return None, str(int(np.argmax(label))) if np.ndim(label) else _text(label)
        return None, label

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        """The pictures of these indices, drawn and made; with their labels and weights where there are any."""
        pictures = self._pictures(index_array)
        batch = [pictures, *(one[index_array] for one in self.x_misc)] if self.x_misc else pictures
        if self.y is None:
            return batch
        if self.sample_weight is None:
            return batch, self.y[index_array]
        return batch, self.y[index_array], self.sample_weight[index_array]


def _parts(x: Any) -> tuple[Any, list[Array]]:
    """The pictures, and the arrays that go along with them."""
    if type(x) not in (tuple, list):
        return x, []
    if len(x) != 2:
        raise ValueError(f"x: a {type(x).__name__} of {len(x)}; give one array of pictures, or (pictures, array or list of arrays)")
    pictures, others = x
    along = [np.asarray(one) for one in (others if type(others) is list else [others])]
    for place, one in enumerate(along):
        if one.ndim == 0 or len(one) != len(pictures):
            count = len(one) if one.ndim else "no"
            raise ValueError(f"x: {len(pictures)} pictures, but array {place} that goes along has {count} rows; give as many")
    return pictures, along


def _same_length(x: Any, y: Any, sample_weight: Any) -> None:
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and len(other) != len(x):
            raise ValueError(f"{name}: {len(other)} rows for {len(x)} pictures in x; give as many")


def _part(subset: str, n: int, share: float | None) -> slice:
    if subset not in ("training", "validation"):
        raise ValueError(f'subset: {subset!r} is neither "training" nor "validation"')
    first = int(n * (share or 0))
    return slice(0, first) if subset == "validation" else slice(first, None)


def _same_classes(y: Any, first: int) -> None:
    if not np.array_equal(np.unique(y[:first]), np.unique(y[first:])):
        raise ValueError(
            f"y: the first {first} rows, which validation_split takes, and the others don't have the same classes; "
            "shuffle x and y together before, or give ignore_class_split=True"
        )


def _text(label: Any) -> str:
    """A label as a name: 3.0 is ``3``."""
    plain = label.item() if isinstance(label, np.generic) else label
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _levels(x: Array, given: np.dtype[Any]) -> Levels:
    """The values that are black and white in ``x`` as a whole, never in one picture."""
    if not x.size or not np.issubdtype(given, np.floating):
        low, high = 0.0, 255.0
        return (low, high) if not x.size or (x.min() >= 0 and x.max() <= high) else (float(x.min()), float(x.max()))
    low, high = float(np.nanmin(x)), float(np.nanmax(x))
    for bottom, top in ((0, 1), (0, 255), (-1, 1)):
        if bottom <= low and high <= top:
            return bottom, top
    return low, high
