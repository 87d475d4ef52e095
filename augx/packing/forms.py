"""What the rows of an array are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """A row: (h, w) or (h, w, channels), red first, and NumPy's name of its dtype, little-endian (``|u1``, ``<u2``, ``<f4``)."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'single'} {np.dtype(self.dtype)}"

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape) * self.item_bytes

    @property
    def grey(self) -> tuple[int, ...]:
        """The shape of grey pictures that can be spread to three equal channels; the shape itself where there are not three."""
        return self.shape[:2] if self.shape[2:] == (3,) else self.shape
