"""Blur and sharpness: draw -> new pixels."""

from collections.abc import Callable
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Range, Uniform
from augx.ranges import Quantity
from augx.transforms.base import Array, Pixel, as_levels, register


@register
class Blur(Pixel):
    """Blur with a Gaussian."""

    sigma: Annotated[Range, Quantity("sigma", "standard deviation in pixels", 0, 0, 100, typical=2)] = Field(
        description="standard deviation"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["sigma"] < 0.01:  # cv2 reads 0 as "choose for me"
            return image
        # The kernel that GaussianBlur would take; on 8 bits its own way is slower and rounds twice.
        reach = 3 if image.dtype == np.uint8 else 4
        kernel = cv2.getGaussianKernel(round(2 * reach * params["sigma"] + 1) | 1, params["sigma"], cv2.CV_32F)
        blurred = cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
        return as_levels(blurred, image) if image.dtype.kind == "f" else blurred


_DIRECT = 11
"""The side of the largest square kernel that cv2 sums pixel by pixel; a larger one goes through a Fourier transform of the picture."""


def _filtered(image: Array, kernel: Array) -> Array:
    """The picture under an odd-sized kernel that sums to 1, mirrored at its borders."""
    rows, columns = kernel.shape
    if image.dtype != np.uint8 or kernel.size <= _DIRECT**2 or np.count_nonzero(kernel) > 2 * _DIRECT**2:
        result = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        # The Fourier transform may leave black and white by a float's last bits.
        return np.clip(result, 0, 1) if image.dtype.kind == "f" else result
    # Summed block by block, what is empty costs nothing: a long slanted line is ten times faster than the Fourier transform.
    height, width = image.shape[:2]
    margin = (rows // 2, rows // 2, columns // 2, columns // 2)
    padded = cv2.copyMakeBorder(image, *margin, cv2.BORDER_REFLECT_101)
    total = np.zeros(image.shape, np.int16)
    for y in range(0, rows, _DIRECT):
        for x in range(0, columns, _DIRECT):
            block = kernel[y : y + _DIRECT, x : x + _DIRECT]
            if block.any():
                part = padded[y : y + height + block.shape[0] - 1, x : x + width + block.shape[1] - 1]
                summed = cv2.filter2D(part, cv2.CV_16S, block * 128, anchor=(0, 0))[:height, :width]
                cv2.add(total, summed, dst=total)
    return cv2.convertScaleAbs(total, alpha=1 / 128)


def _line(length: float, angle: float) -> Array:
    """The kernel of a straight path one pixel wide: what it covers of each column goes to the two pixels nearest to it there."""
    along, across = np.cos(np.radians(angle)), -np.sin(np.radians(angle))
    steep = bool(abs(across) > abs(along))
    if steep:
        along, across = across, along
    # Rounded, so that a path along an axis has a kernel of one row or column.
    half, slope = abs(np.round(length / 2 * along, 9)), np.round(across / along, 9)
    reach = max(int(np.ceil(half - 0.5)), 0)
    columns = np.arange(-reach, reach + 1)
    first, last = np.maximum(columns - 0.5, -half), np.minimum(columns + 0.5, half)
    places = slope * (first + last) / 2
    rise = int(np.ceil(np.abs(places).max()))
    nearness = np.maximum(1 - np.abs(np.arange(-rise, rise + 1)[:, None] - places), 0)
    kernel = nearness * (last - first) / (2 * half)
    evened: Array = ((kernel + kernel[::-1, ::-1]) / 2).astype(np.float32)
    return np.ascontiguousarray(evened.T) if steep else evened


@register
class MotionBlur(Pixel):
    """Blur along a line, as a moving camera does.

    A point is smeared evenly over a path of ``length`` pixels about its own place; up to 1 it stays one pixel. The path is
    anti-aliased and need not end at whole pixels. Along an axis an odd length is the kernel size of Albumentations' MotionBlur.
    """

    length: Annotated[Range, Quantity("length", "length of the path in pixels", 0, 0, 200, typical=15)] = Field(
        description="length of the smear"
    )
    angle: Annotated[Range, Quantity("angle", "degrees counter-clockwise from the x axis", 0, -180, 180, alone="value")] = Field(
        Uniform(-90.0, 90.0), description="direction of the motion"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["length"] <= 1:
            return image
        return _filtered(image, _line(params["length"], params["angle"]))


def _disk(radius: float) -> Array:
    """The kernel of a disk: the share of each pixel's square that it covers."""
    reach = int(np.ceil(radius - 0.5))
    places = np.arange(-reach, reach + 1)
    strips = (places[:, None] + (np.arange(32) + 0.5) / 32 - 0.5).ravel()
    half_chord = np.sqrt(np.maximum(radius**2 - strips**2, 0))[:, None]
    covered = np.clip(half_chord - np.abs(places) + 0.5, 0, np.minimum(1, 2 * half_chord))
    kernel = covered.reshape(len(places), 32, -1).sum(axis=1)
    evened: Array = ((kernel + kernel.T) / (2 * kernel.sum())).astype(np.float32)
    return evened


@register
class Defocus(Pixel):
    """Blur with a disk, as a lens out of focus does.

    Each pixel of the kernel weighs as much as the disk covers of it, so that the radius may be any number; up to 0.5 it is one pixel.
    """

    radius: Annotated[Range, Quantity("radius", "radius of the disk in pixels", 0, 0, 100, typical=4)] = Field(
        description="radius of the disk"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["radius"] <= 0.5:
            return image
        return _filtered(image, _disk(params["radius"]))


def _deep_median(plane: Array, size: int) -> Array:
    """The median of 16 bits by those of 8: it goes through any rising function, so first through the upper byte.

    Then, for each upper byte that came out, through the lower byte with all levels below it at black and all above at white.
    """
    upper = cv2.medianBlur((plane >> 8).astype(np.uint8), size)
    median = np.empty_like(plane)
    for byte in np.unique(upper).tolist():
        there = upper == byte
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        window = tuple(slice(max(found[0] - size, 0), found[-1] + size + 1) for found in (rows, columns))
        lower = np.clip(plane[window].astype(np.int32) - 256 * byte, 0, 255).astype(np.uint8)
        median[window][there[window]] = 256 * byte + cv2.medianBlur(lower, size)[there[window]].astype(np.uint16)
    return median


def _real_median(plane: Array, size: int) -> Array:
    """The median of float32 to the 65,535th part of white."""
    levels = np.rint(np.clip(plane, 0, 1) * np.float32(65535)).astype(np.uint16)
    return _deep_median(levels, size).astype(np.float32) / np.float32(65535)


@register
class Median(Pixel):
    """Replace each pixel by the median of the square around it, as denoising does."""

    size: Annotated[Range, Quantity("size", "side of the square in pixels", 0, 0, 99, typical=5, whole=True)] = Field(
        description="side of the square; an even one stands for the next odd one, and 0 for 1"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        size = params["size"] | 1
        if size == 1:
            return image
        # cv2 knows larger squares of uint8 alone, and pictures of 1, 3 or 4 channels.
        median: Callable[[Array, int], Array] = cv2.medianBlur
        if size > 5 and image.dtype != np.uint8:
            median = _deep_median if image.dtype == np.uint16 else _real_median
        if image.ndim == 2 or (median is cv2.medianBlur and image.shape[2] == 3):
            return median(image, size)
        return np.dstack([median(np.ascontiguousarray(image[:, :, i]), size) for i in range(image.shape[2])])


_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


@register
class Sharpen(Pixel):
    """Sharpen, or soften: move away from the smoothed picture, or towards it.

    Pillow's ``ImageEnhance.Sharpness`` and torchvision's ``adjust_sharpness``: a blend with the picture smoothed by a 3x3
    kernel; pixels on the picture's edge stay as they are.
    """

    factor: Annotated[Range, Quantity("factor", "0 smooth, 1 as it was, 2 sharper", 1, 0, 5, typical=2)] = Field(description="sharpness")

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        factor = params["factor"]
        if factor == 1 or min(image.shape[:2]) < 3:
            return image
        smooth = cv2.filter2D(image, -1, _SMOOTH)  # of uint8 rounded, as both libraries have it
        blend = cv2.addWeighted(image, factor, smooth, 1 - factor, 0, dst=smooth)
        for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            blend[edge] = image[edge]
        return np.clip(blend, 0, 1) if image.dtype.kind == "f" else blend
