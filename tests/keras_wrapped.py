"""keras-preprocessing's own ImageDataGenerator as an ``Augmenter``: what iterators do is compared with it picture by picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

reference = pytest.importorskip("keras_preprocessing.image", reason="keras-preprocessing 1.1.2 is what iterators are compared with")

# What the reference does that later SciPy and Pillow warn of.
OLD = [
    pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning"),
]


class Wrapped:
    """Draws from ``rng`` what the reference would draw from the global generator in the same state."""

    def __init__(self, law: str = "classic", **settings: Any) -> None:
        self.law = law
        self.generator = reference.ImageDataGenerator(**settings)
        self._validation_split = self.generator._validation_split

    def get_random_transform(self, img_shape: tuple[int, ...], seed: int | None = None, rng: Any = None) -> dict[str, Any]:
        if rng is None:
            return dict(self.generator.get_random_transform(img_shape, seed))
        kept = np.random.get_state()
        np.random.set_state(rng.get_state())
        params = self.generator.get_random_transform(img_shape, seed)
        rng.set_state(np.random.get_state())
        np.random.set_state(kept)
        return dict(params)

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        return self.generator.apply_transform(x, transform_parameters)

    def standardize(self, x: np.ndarray) -> np.ndarray:
        return self.generator.standardize(x)


AUGMENTED = {"rotation_range": 30, "width_shift_range": 0.2, "zoom_range": 0.3, "horizontal_flip": True, "rescale": 1 / 255}


def same(ours: Any, theirs: Any) -> None:
    """The same arrays in the same nest of tuples and lists, value for value and type for type."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
        return
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_array_equal(ours, theirs)
