"""Damage: draw -> new pixels, as storage, transmission and things in the way leave them."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import BeforeValidator, Field

from augx.distributions import Fixed, LogUniform, Range, Uniform, Whole
from augx.randomness import words
from augx.ranges import Quantity, fault, shown
from augx.transforms.base import Array, Params, Pixel, as_levels, noise_seed, register, white

_JPEG_LONGEST = 65_488  # libjpeg takes 65,500 pixels a side; this is the last whole block of 16 below that
_ENLARGING = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}


@register
class Jpeg(Pixel):
    """Compress with JPEG and open again.

    ITU-T T.81 as libjpeg does it: its quality scale, its quantisation tables, and colour at half the resolution. A picture of 16 bit or
    floats suffers the differences that its 8-bit version suffers, and keeps its finer levels.
    """

    quality: Annotated[Range, Quantity("quality", "JPEG quality, 100 the best", 100, 1, 100, typical=20, whole=True)] = Field(
        description="quality on libjpeg's scale"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        eight = image if image.dtype == np.uint8 else np.rint(np.clip(image * (255 / white(image)), 0, 255)).astype(np.uint8)
        at_once = image.ndim == 2 or image.shape[2] in (1, 3)
        planes = [eight] if at_once else [eight[:, :, c] for c in range(image.shape[2])]
        suffered = [_compressed(plane, params["quality"]) for plane in planes]
        compressed = (suffered[0] if at_once else np.dstack(suffered)).reshape(image.shape)
        if image.dtype == np.uint8:
            return compressed
        return as_levels(image + (compressed.astype(np.float64) - eight) * (white(image) / 255), image)


def _compressed(image: Array, quality: int) -> Array:
    """An 8-bit picture of 1 or 3 channels after JPEG."""
    axis = int(image.shape[1] > image.shape[0])
    if image.shape[axis] > _JPEG_LONGEST:
        parts = np.split(image, range(_JPEG_LONGEST, image.shape[axis], _JPEG_LONGEST), axis)
        return np.concatenate([_compressed(part, quality).reshape(part.shape) for part in parts], axis)
    _, file = cv2.imencode(".jpg", np.ascontiguousarray(image), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_UNCHANGED))


@register
class Downscale(Pixel):
    """Shrink and enlarge again to the same size, as a camera of lower resolution would see.

    Each pixel of the small picture is the mean of the area that it covers, as a sensor's is.
    """

    scale: Annotated[Range, Quantity("scale", "fraction of the width and height that is kept", 1, 0.01, 1, typical=0.4)] = Field(
        description="size of the small picture"
    )
    interpolation: Literal["nearest", "linear", "cubic"] = Field("linear", description="how it is enlarged: nearest shows its pixels")

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        size = image.shape[1], image.shape[0]
        small = (max(1, round(size[0] * params["scale"])), max(1, round(size[1] * params["scale"])))
        if small == size:
            return image
        if image.ndim == 3 and image.shape[2] > 4:  # more than cv2 shrinks at once
            return np.dstack([self.apply(np.ascontiguousarray(image[:, :, c]), params) for c in range(image.shape[2])])
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        enlarged = cv2.resize(shrunk, size, interpolation=_ENLARGING[self.interpolation]).reshape(image.shape)
        # Cubic overshoots, and floats have no end to stop at.
        return np.clip(enlarged, 0, 1) if image.dtype.kind == "f" else enlarged


_FILLS = ("random", "mean", "black", "white")


def _known_fill(value: Any) -> Any:
    if value in _FILLS or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 255):
        return value
    raise fault(f"expected one of {', '.join(_FILLS)}, or a level from 0 to 255, found {shown(value)}")


Fill = Annotated[
    Literal["random", "mean", "black", "white"] | Annotated[float, Field(ge=0, le=255)],
    BeforeValidator(_known_fill),
]
"""What takes the place of pixels that are erased."""


def _block(fill: Literal["random", "mean", "black", "white"] | float, image: Array, shape: tuple[int, int], seed: int) -> Array:
    """Height and width full of a fill, in the channels and depth of ``image``."""
    level: Array
    block: Array = np.empty((*shape, *image.shape[2:]), image.dtype)
    if fill == "random":
        # Of 8 bit in any depth, so that the same draw gives the same picture.
        levels = words(seed, block.size, np.uint8).reshape(block.shape)
        return levels if image.dtype == np.uint8 else as_levels(levels * (white(image) / 255), image)
    if fill != "mean":
        level = np.array({"black": 0.0, "white": 255.0}.get(str(fill), fill)) * (white(image) / 255)
    elif image.ndim == 3 and image.shape[2] > 4:  # more than cv2 takes
        level = image.mean(axis=(0, 1), dtype=np.float64)
    else:
        level = np.array(cv2.mean(image)[: image[0, 0].size])
    block[:1] = as_levels(level, image)
    block[1:] = block[:1]  # by rows: pixel by pixel is ten times slower
    return block


Rectangle = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


def _covered(size: tuple[int, int], rectangles: Iterable[Rectangle]) -> Array | None:
    """1 in the rectangles' pixels, 0 elsewhere, (h, w) of uint8; None where there are none."""
    covered: Array = np.zeros(size[::-1], np.uint8)
    for left, top, w, h in rectangles:
        covered[max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)] = 1
    return covered if covered.any() else None


def _seeded(fill: object, params: Params, u: Array) -> Params:
    return {**params, "seed": noise_seed(u)} if fill == "random" else params


@register
class Erase(Pixel):
    """Erase one rectangle, as if something stood in front.

    Random erasing: Zhong, Zheng, Kang, Li, Yang, "Random erasing data augmentation", arXiv 1708.04896 (2017), whose own area is
    [0.02, 0.4]. Where a rectangle doesn't fit, the paper draws again; here it keeps its area and gives up some of its aspect ratio.
    """

    targets: ClassVar[Literal["moves", "keeps", "hides"]] = "hides"

    area: Annotated[Range, Quantity("area", "fraction of the picture's area", 0, 0, 1, typical=0.2)] = Field(
        description="area of the rectangle"
    )
    aspect: Annotated[Range, Quantity("aspect", "width / height", 1, 0.05, 20, alone="value")] = Field(
        LogUniform(0.3, 3.3), description="aspect ratio of the rectangle"
    )
    fill: Fill = Field("random", description="random levels for each pixel, the picture's mean, black, white, or a level of 0 to 255")

    def draw(self, u: Array) -> Params:
        place = {"x": np.round(u[:, 2], 6), "y": np.round(u[:, 3], 6)}
        return _seeded(self.fill, {**super().draw(u), **place}, u[:, 4])

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        left, top, w, h = self._rectangle(params, (image.shape[1], image.shape[0]))
        if not w or not h:
            return image
        erased = image.copy()
        erased[top : top + h, left : left + w] = _block(self.fill, image, (h, w), params.get("seed", 0))
        return erased

    def hides(self, params: dict[str, Any], size: tuple[int, int]) -> Array | None:
        left, top, w, h = self._rectangle(params, size)
        return _covered(size, [(left, top, w, h)])

    def _rectangle(self, params: dict[str, Any], size: tuple[int, int]) -> Rectangle:
        width, height = size
        area = params["area"] * width * height
        across = min(max(math.sqrt(area * params["aspect"]), area / height), width)
        w, h = round(across), round(area / across) if across else 0
        # A share of the free room: every place is as likely as any other.
        left, top = (min(int(share * (free + 1)), free) for share, free in ((params["x"], width - w), (params["y"], height - h)))
        return left, top, w, h


@register
class Cutout(Pixel):
    """Cut out square holes, which may lie partly outside the picture.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", arXiv 1708.04552 (2017). The paper fills
    with the 0 of data whose mean is 0: in a picture that is its mean, not black.
    """

    targets: ClassVar[Literal["moves", "keeps", "hides"]] = "hides"

    side: Annotated[Range, Quantity("side", "fraction of the shorter side", 0, 0, 1, typical=0.35)] = Field(description="side of a hole")
    count: Annotated[Range, Quantity("count", "holes", 1, 1, 100, whole=True, alone="value")] = Field(
        Whole(Fixed(1)), description="number of holes"
    )
    fill: Fill = Field("mean", description="the picture's mean, black, white, a level of 0 to 255, or random levels for each pixel")

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 2])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        holes = self._holes(params, (image.shape[1], image.shape[0]))
        if not holes:
            return image
        cut = image.copy()
        for i, (left, top, side, _) in enumerate(holes):
            hole = cut[max(top, 0) : top + side, max(left, 0) : left + side]
            if i == 0 or self.fill == "random":
                block = _block(self.fill, image, (side, side), params["seed"] + i)
            hole[:] = block[: hole.shape[0], : hole.shape[1]]
        return cut

    def hides(self, params: dict[str, Any], size: tuple[int, int]) -> Array | None:
        return _covered(size, self._holes(params, size))

    def _holes(self, params: dict[str, Any], size: tuple[int, int]) -> list[Rectangle]:
        width, height = size
        side = round(params["side"] * min(height, width))
        if not side:
            return []
        # 2**48 lies beyond all seeds that are drawn: the centres have a stream of their own, apart from those of random levels.
        centres = words(params["seed"] + 2**48, 2 * params["count"], np.uint32).reshape(-1, 2).tolist()
        return [((x * width >> 32) - side // 2, (y * height >> 32) - side // 2, side, side) for x, y in centres]


@register
class GridDropout(Pixel):
    """Cut out a regular grid of square holes.

    Chen, Liu, Zhao, Jia, "GridMask data augmentation", arXiv 2001.04086 (2020), without its rotation; the ratio is that of
    Albumentations' GridDropout, and 1 minus the paper's. Filled with the mean for the reason that Cutout's holes are.
    """

    targets: ClassVar[Literal["moves", "keeps", "hides"]] = "hides"

    ratio: Annotated[Range, Quantity("ratio", "side of a hole / side of its cell", 0, 0, 1, typical=0.5)] = Field(
        description="side of the holes"
    )
    cell: Annotated[Range, Quantity("cell", "fraction of the shorter side", 0.01, 0.01, 1, alone="value")] = Field(
        Uniform(0.1, 0.4), description="distance from hole to hole"
    )
    fill: Fill = Field("mean", description="the picture's mean, black, white, a level of 0 to 255, or random levels for each pixel")

    def draw(self, u: Array) -> Params:
        place = {"x": np.round(u[:, 2], 6), "y": np.round(u[:, 3], 6)}
        return _seeded(self.fill, {**super().draw(u), **place}, u[:, 4])

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        height, width = image.shape[:2]
        cell, hole, left, top = self._grid(params, (width, height))
        if not hole:
            return image
        band: Array = np.empty((hole, width), np.uint8)
        band[:] = (np.arange(width) - left) % cell < hole
        all_rows = self.fill == "random"
        block = _block(self.fill, image, (height if all_rows else hole, width), params.get("seed", 0))
        cut = image.copy()
        for start in range(top, height, cell):
            rows = slice(max(start, 0), max(start + hole, 0))
            if (holes := cut[rows]).size:
                cv2.copyTo(block[rows] if all_rows else block[: len(holes)], band[: len(holes)], holes)
        return cut

    def hides(self, params: dict[str, Any], size: tuple[int, int]) -> Array | None:
        cell, hole, left, top = self._grid(params, size)
        columns, rows = ((np.arange(side) - start) % cell < hole for side, start in zip(size, (left, top), strict=True))
        covered: Array = np.logical_and(rows[:, None], columns).view(np.uint8)
        return covered if covered.any() else None

    def _grid(self, params: dict[str, Any], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The side of a cell and of a hole, and where the first cell begins, up to one cell outside."""
        cell = max(1, round(params["cell"] * min(size)))
        left, top = (min(int(params[axis] * cell), cell - 1) - cell for axis in ("x", "y"))
        return cell, round(params["ratio"] * cell), left, top
