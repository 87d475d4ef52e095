"""The algebra of matrices, the canvas, and the one ``cv2.warpAffine``.

Pixel centres lie at integer indices and a transform pivots about ((w-1)/2, (h-1)/2), so that a turn by 180 degrees equals
both flips bit for bit. Matrices are float64 of shape (n, 3, 3), one a copy, and take a source pixel (x, y, 1), y down, to
its new place. Only this file knows what cv2 wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np

Array = np.ndarray[Any, Any]

Border = Literal["nearest", "constant", "reflect", "reflect101", "wrap"]
Interpolation = Literal["nearest", "linear", "cubic", "lanczos"]

_BORDERS: dict[Border, int] = {
    "nearest": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT,
    "reflect101": cv2.BORDER_REFLECT_101,
    "wrap": cv2.BORDER_WRAP,
}
_INTERPOLATIONS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
assert _BORDERS.keys() == set(get_args(Border)) and _INTERPOLATIONS.keys() == set(get_args(Interpolation))

IDENTITY = np.eye(3)

# OpenCV 5 reads four channels with one load a pixel: 1.2 ms for 640x480 with the conversion back, 1.9 ms for three
# channels, the same bytes. 4.x has no such path, and neither has cubic or lanczos.
_FOUR_ARE_FASTER = int(cv2.__version__.partition(".")[0]) >= 5


def stacked(n: int, **entries: Array | float) -> Array:
    """Identity matrices (n, 3, 3) with some entries replaced: ``stacked(2, xy=..., yt=...)``; t is the shift column."""
    row = {"x": 0, "y": 1, "t": 2}
    matrices = np.tile(IDENTITY, (n, 1, 1))
    for name, value in entries.items():
        matrices[:, row[name[0]], row[name[1]]] = value
    return matrices


def about_centre(matrices: Array, size: Array) -> Array:
    """The same maps with the pivot moved from pixel (0, 0) to the centre of pictures of ``size`` (n, 2)."""
    centre = (size - 1) / 2
    moved = matrices.copy()
    moved[:, :2, 2] += centre - (matrices[:, :2, :2] @ centre[:, :, None])[:, :, 0]
    return moved


def cos_sin(degrees: Array) -> tuple[Array, Array]:
    """Cosine and sine, exact at right angles, where cos(radians) would leave 6e-17."""
    radians = np.deg2rad(degrees)
    cos, sin = np.cos(radians), np.sin(radians)
    quarter = np.mod(degrees, 360) / 90
    right = quarter == np.rint(quarter)
    turns = np.where(right, quarter, 0).astype(int)
    return np.where(right, np.array([1, 0, -1, 0])[turns % 4], cos), np.where(right, np.array([0, 1, 0, -1])[turns % 4], sin)


def resize(source: Array, target: Array) -> Array:
    """Matrices that stretch pictures of ``source`` size (n, 2) to ``target`` size (n, 2): edges onto edges, not centres."""
    scale = target / source
    shift = (scale - 1) / 2
    return stacked(len(source), xx=scale[:, 0], yy=scale[:, 1], xt=shift[:, 0], yt=shift[:, 1])


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a warp draws on: how pixels are interpolated, and what lies outside the picture."""

    border: Border = "nearest"
    border_value: tuple[float, ...] = (0.0,)
    interpolation: Interpolation = "linear"

    def fill(self, image: Array) -> tuple[float, ...]:
        """``border_value`` (one level, or red, green, blue, alpha; 0 to 255) in the channels and depth of ``image``."""
        channels = 1 if image.ndim == 2 else image.shape[2]
        top = 65535 if image.dtype == np.uint16 else 255
        value = tuple(v * top / 255 for v in self.border_value)
        if len(value) == 1:
            return (*value * min(channels, 3), top)[:channels]
        red, green, blue, alpha = (*value, top)[:4]
        if channels == 1:
            return (0.299 * red + 0.587 * green + 0.114 * blue,)
        return (blue, green, red, alpha)[:channels]


class Levels:
    """A picture and its box-filtered reductions by powers of two along each axis, made when first wanted.

    Interpolation reads a few neighbours only; a copy shrunk below half size starts from the reduction that leaves at
    least half, or it would skip pixels and alias (the mip map of Williams, "Pyramidal parametrics", SIGGRAPH 1983).
    """

    def __init__(self, image: Array) -> None:
        self.image = image
        self._reduced: dict[tuple[int, int], tuple[Array, Array]] = {}
        self._four: dict[tuple[int, int], Array] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    def reduced(self, x: int, y: int) -> tuple[Array, Array]:
        """The picture halved ``x`` and ``y`` times, and the matrix (3, 3) from the whole picture to it."""
        if (x, y) == (0, 0):
            return self.image, IDENTITY
        if (x, y) not in self._reduced:
            width, height = (max(1, round(side / 2**times)) for side, times in zip(self.size, (x, y), strict=True))
            matrix = resize(np.array([self.size], float), np.array([(width, height)], float))[0]
            self._reduced[x, y] = cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA), matrix
        return self._reduced[x, y]

    def four_channels(self, x: int, y: int) -> Array:
        """``reduced`` with a fourth channel that means nothing."""
        if (x, y) not in self._four:
            self._four[x, y] = cv2.cvtColor(self.reduced(x, y)[0], cv2.COLOR_BGR2BGRA)
        return self._four[x, y]


def inverse(matrices: Array) -> Array:
    """Inverses (n, 3, 3) by the adjugate: plain products, so that no linear algebra library's last bit reaches a pixel."""
    a, b, c = (matrices[:, row] for row in range(3))
    adjugate = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=2)
    determinant = np.einsum("ni,ni->n", a, adjugate[:, :, 0])
    inverted: Array = adjugate / determinant[:, None, None]
    return inverted


def halvings(samplings: Array) -> Array:
    """How often each axis of the source can be halved for a copy to keep its detail: whole numbers (n, 2)."""
    linear = samplings[:, :2, :2]
    area = np.abs(linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0])
    # Source pixels in one pixel of the copy, along the source's x and y.
    steps = area[:, None] / np.maximum(np.hypot(linear[:, :, 0], linear[:, :, 1])[:, ::-1], 1e-12)
    counts: Array = np.log2(np.maximum(steps, 1)).astype(int)
    return counts


def warp(levels: Levels, sampling: Array, halved: tuple[int, int], size: tuple[int, int], canvas: Canvas) -> Array:
    """The picture on a canvas of ``size`` (width, height), each pixel read where ``sampling`` (3, 3) says: the one resample.

    ``sampling`` takes a pixel of the canvas to its place in the source, the inverse of what transforms multiply up;
    ``halved`` is its row of ``halvings``. The result is a new array.
    """
    image = levels.image
    if halved != (0, 0) and canvas.interpolation != "nearest":
        image, to_reduced = levels.reduced(*halved)
        sampling = to_reduced @ sampling
    else:
        halved = (0, 0)
    by_four = _FOUR_ARE_FASTER and canvas.interpolation == "linear" and image.ndim == 3 and image.shape[2] == 3
    warped = cv2.warpAffine(
        levels.four_channels(*halved) if by_four else image,
        sampling[:2],
        size,
        flags=_INTERPOLATIONS[canvas.interpolation] | cv2.WARP_INVERSE_MAP,
        borderMode=_BORDERS[canvas.border],
        borderValue=canvas.fill(image) if canvas.border == "constant" else 0,
    )
    return cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR) if by_four else warped
