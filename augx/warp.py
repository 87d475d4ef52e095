"""The canvas, and the one resample: ``warpAffine``, ``warpPerspective`` or ``remap``. Here and in ``sampling`` lives what cv2 wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np

from augx.errors import SourceError
from augx.matrices import IDENTITY, resize
from augx.sampling import Sampling

Array = np.ndarray[Any, Any]

Border = Literal["nearest", "constant", "reflect", "reflect101", "wrap", "crop_safe"]
Interpolation = Literal["nearest", "linear", "cubic", "lanczos"]

_BORDERS: dict[Border, int] = {
    "nearest": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT,
    "reflect101": cv2.BORDER_REFLECT_101,
    "wrap": cv2.BORDER_WRAP,
    "crop_safe": cv2.BORDER_REPLICATE,  # half a pixel at most: the sampling has been zoomed in
}
_INTERPOLATIONS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
assert _BORDERS.keys() == set(get_args(Border)) and _INTERPOLATIONS.keys() == set(get_args(Interpolation))

# OpenCV 5 reads four channels with one load a pixel: 1.2 ms for 640x480 with the conversion back, 1.9 ms for three
# channels, the same bytes. 4.x has no such path, and neither has cubic or lanczos.
_FOUR_ARE_FASTER = int(cv2.__version__.partition(".")[0]) >= 5


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a warp draws on: how pixels are interpolated, and what lies outside the picture."""

    border: Border = "nearest"
    border_value: tuple[float, ...] = (0.0,)
    interpolation: Interpolation = "linear"

    def fill(self, image: Array) -> tuple[float, ...]:
        """``border_value`` (one level, or red, green, blue, alpha; 0 to 255) in the channels and depth of ``image``."""
        channels = 1 if image.ndim == 2 else image.shape[2]
        top = {"u1": 255, "u2": 65535, "f4": 1}[image.dtype.str[1:]]
        value = tuple(v * top / 255 for v in self.border_value)
        if len(value) == 1:
            return (*value * min(channels, 3), top)[:channels] if channels <= 4 else value * channels
        red, green, blue, alpha = (*value, top)[:4]
        if channels not in (3, 4):
            return (0.299 * red + 0.587 * green + 0.114 * blue,) * channels
        return (blue, green, red, alpha)[:channels]


# OpenCV 5 reads the pixels beyond an edge one by one, which takes three times as long as the whole of a warp inside; a picture
# that is laid into a frame once has its border's pixels in memory.
_FRAMED_ARE_FASTER = _FOUR_ARE_FASTER
_FRAMED_PIXELS = 8_000_000

REMAP_SIDE = 32_766
"""What ``cv2.remap`` can address."""


class Levels:
    """A picture and its box-filtered reductions by powers of two along each axis, made when first wanted.

    Interpolation reads a few neighbours only; a copy shrunk below half size starts from the reduction that leaves at
    least half, or it would skip pixels and alias (the mip map of Williams, "Pyramidal parametrics", SIGGRAPH 1983).
    """

    def __init__(self, image: Array) -> None:
        self.image = image
        self._reduced: dict[tuple[int, int], tuple[Array, Array]] = {}
        self._four: dict[tuple[int, int], Array] = {}
        self._framed: dict[tuple[int, int, int], Array] = {}

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
            parts = [cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA) for part in by_fours(self.image)]
            self._reduced[x, y] = parts[0] if len(parts) == 1 else np.dstack(parts), matrix
        return self._reduced[x, y]

    def four_channels(self, x: int, y: int) -> Array:
        """``reduced`` with a fourth channel that means nothing."""
        if (x, y) not in self._four:
            self._four[x, y] = cv2.cvtColor(self.reduced(x, y)[0], cv2.COLOR_BGR2BGRA)
        return self._four[x, y]

    def framed(self, x: int, y: int, border: int, frame: int, *, four: bool) -> Array:
        """``four_channels`` or ``reduced`` with a frame of the border's pixels around it."""
        if (x, y, border) not in self._framed:
            image = self.four_channels(x, y) if four else self.reduced(x, y)[0]
            self._framed[x, y, border] = cv2.copyMakeBorder(image, frame, frame, frame, frame, border)
        return self._framed[x, y, border]


def warp(levels: Levels, sampling: Sampling, halved: tuple[int, int], size: tuple[int, int], canvas: Canvas) -> Array:
    """The picture on a canvas of ``size`` (width, height), each pixel read where ``sampling`` says: the one resample.

    ``halved`` is the row of ``halvings`` of its matrix. The result is a new array.
    """
    image = levels.image
    if halved != (0, 0) and canvas.interpolation != "nearest":
        image, to_reduced = levels.reduced(*halved)
        sampling = sampling.then(to_reduced)
    else:
        halved = (0, 0)
    rows = sampling.matrices[0].tolist() if sampling.is_affine() else None  # plain numbers: NumPy's sums cost more than a flip
    window = _window(rows, image, size) if rows else None
    if window is not None:
        return window
    channels = 1 if image.ndim == 2 else image.shape[2]
    fill = canvas.fill(image)[:4] if canvas.border == "constant" else (0.0,) * 4  # beyond four, all are alike
    flags, border = _INTERPOLATIONS[canvas.interpolation], _BORDERS[canvas.border]
    if border == cv2.BORDER_REFLECT_101 and min(image.shape[:2]) == 1:
        border = cv2.BORDER_REPLICATE  # the same, and OpenCV 5's cubic never returns from the other
    by_four = _FOUR_ARE_FASTER and canvas.interpolation == "linear" and channels == 3
    read = levels.four_channels(*halved) if by_four else image
    frame = 3 * max(image.shape[:2]) // 4
    if _FRAMED_ARE_FASTER and rows and canvas.border != "constant" and _fits(rows, image, size, frame):
        read, sampling = levels.framed(*halved, border, frame, four=by_four), sampling.shifted(frame)
    parts = [_resampled(part, sampling, size, flags, border, fill) for part in by_fours(read)]
    warped = parts[0] if len(parts) == 1 else np.dstack(parts)
    return _inside_white(cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR) if by_four else warped)


def is_window(sampling: Sampling, image: Array, size: tuple[int, int]) -> bool:
    """Whether a copy of ``size`` is a part of the picture pixel for pixel, turned by quarters or mirrored: no resample at all."""
    return sampling.is_affine() and _window(sampling.matrices[0].tolist(), image, size) is not None


def by_fours(image: Array) -> list[Array]:
    """The picture in parts of one, three or four channels: cv2 takes no more, and of two makes less exact ones."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels in (1, 3, 4):
        return [image]
    parts = np.array_split(np.arange(channels), -(-channels // 4))
    singly = [part for pair in parts for part in (pair[:1], pair[1:]) if len(pair) == 2]
    return [np.ascontiguousarray(image[:, :, part]) for part in (*(p for p in parts if len(p) != 2), *singly)]


def _inside_white(image: Array) -> Array:
    """A float picture without what cubic and lanczos overshoot."""
    return np.clip(image, 0, 1, out=image) if image.dtype.kind == "f" else image


def _window(rows: list[list[float]], image: Array, size: tuple[int, int]) -> Array | None:
    """The copy, where it is a window of the picture pixel for pixel, turned by quarters or mirrored or neither; else None."""
    (xx, xy, xt), (yx, yy, yt), _ = rows
    turned = xx == yy == 0 and abs(xy) == abs(yx) == 1
    if not turned and not (xy == yx == 0 and abs(xx) == abs(yy) == 1):
        return None
    left, right = sorted((xt, xx * (size[0] - 1) + xy * (size[1] - 1) + xt))
    top, bottom = sorted((yt, yx * (size[0] - 1) + yy * (size[1] - 1) + yt))
    if left < 0 or top < 0 or right >= image.shape[1] or bottom >= image.shape[0] or left % 1 or top % 1:
        return None
    window = image[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    if turned:
        window = cv2.transpose(window)
    x, y = (yx, xy) if turned else (xx, yy)
    if x > 0 and y > 0:
        return window if turned else window.copy()
    return cv2.flip(window, -1 if x < 0 and y < 0 else 1 if x < 0 else 0)


def _fits(rows: list[list[float]], image: Array, size: tuple[int, int], frame: int) -> bool:
    """Whether a copy reads beyond the picture, and no further than its frame; the frame must not be too large to keep."""
    height, width = image.shape[:2]
    if (width + 2 * frame) * (height + 2 * frame) > _FRAMED_PIXELS:
        return False
    (xx, xy, xt), (yx, yy, yt), _ = rows
    x, y = size[0] - 1, size[1] - 1
    left, right = xt + min(0, xx * x) + min(0, xy * y), xt + max(0, xx * x) + max(0, xy * y)
    top, bottom = yt + min(0, yx * x) + min(0, yy * y), yt + max(0, yx * x) + max(0, yy * y)
    beyond = max(-left, -top, right - width + 1, bottom - height + 1)
    return bool(0 < beyond <= frame - 5)  # less what the widest interpolation reads around a point


def _resampled(image: Array, sampling: Sampling, size: tuple[int, int], flags: int, border: int, fill: tuple[float, ...]) -> Array:
    """The one call that reads pixels: the cheapest of three that can go this way."""
    how: dict[str, Any] = {"borderMode": border, "borderValue": fill}
    if sampling.is_affine():
        return cv2.warpAffine(image, sampling.matrices[0][:2], size, flags=flags | cv2.WARP_INVERSE_MAP, **how)
    if not sampling.fields and not sampling.sees_the_horizon(size):
        return cv2.warpPerspective(image, sampling.matrices[0], size, flags=flags | cv2.WARP_INVERSE_MAP, **how)
    if max(*size, *image.shape[:2]) > REMAP_SIDE:
        raise SourceError(f"a displacement field or a steep perspective needs sides of at most {REMAP_SIDE} pixels, before and after")
    return cv2.remap(image, *sampling.maps(size), flags, **how)
