"""The forms of ``ImageDataGenerator``'s arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from augx.keras.geometry import Law

Array = np.ndarray[Any, Any]

GONE = {
    "has_ext": "file names are taken as they stand",
    "sort": "the frame's order is kept",
    "drop_duplicates": "drop them from the frame",
}
"""Arguments of flow_from_dataframe that Keras took once, and what to do."""


def check(law: str, data_format: str | None, validation_split: float, brightness_range: Any) -> None:
    """Raise ``ValueError`` for what Keras refuses too."""
    if law not in get_args(Law):
        raise ValueError(f"law {law!r} is unknown; it must be fixed, keras2 or classic")
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"data_format must be channels_last or channels_first, found {data_format!r}")
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"validation_split must lie between 0 and 1, found {validation_split!r}")
    if brightness_range is not None and not (isinstance(brightness_range, tuple | list) and len(brightness_range) == 2):
        raise ValueError(f"brightness_range must be a tuple or list of two numbers, found {brightness_range!r}")


def zoom(zoom_range: Any) -> tuple[float, float]:
    """The lowest and highest factor that a ``zoom_range`` means."""
    if isinstance(zoom_range, float | int):
        return 1 - zoom_range, 1 + zoom_range
    if len(zoom_range) == 2 and all(isinstance(value, float | int) for value in zoom_range):
        return zoom_range[0], zoom_range[1]
    raise ValueError(f"zoom_range must be a number or a tuple or list of two numbers, found {zoom_range!r}")


def named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Positional arguments by their names."""
    if len(values) > len(names):
        raise TypeError(f"{len(values)} positional arguments after the first ones, at most {len(names)}: {', '.join(names)}")
    return dict(zip(names, values, strict=False))


def inexact(x: Array) -> Array:
    """The picture in a type that can be scaled in place."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)


_SCALING = (
    "rescale",
    "samplewise_center",
    "samplewise_std_normalization",
    "featurewise_center",
    "featurewise_std_normalization",
    "zca_whitening",
)


def taken(generator: Any, names: str, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``flow`` and its like by name; raises ``ValueError`` for a type that can't hold what comes."""
    given = {**named(names.split(), args), **kwargs}
    dtype = np.dtype(given.get("dtype") or generator.dtype)
    scaled = [name for name in _SCALING if getattr(generator, name)]
    if dtype.kind in "iub" and scaled:
        raise ValueError(f"dtype {dtype} can't hold what {scaled[0]} makes of levels; use float32")
    return given
