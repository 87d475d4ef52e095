"""Transforms that no matrix and no table can express: draw -> new pixels."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.randomness import words
from augx.ranges import Quantity, Range
from augx.transforms.base import Array, Params, Pixel, noise_seed, register, scale16


@cache
def _normal_quantiles() -> Array:
    """The standard normal's quantiles at the middles of 65,536 equal steps (cut at 4.3 sigma), symmetric to the bit."""
    from statistics import NormalDist

    half = np.array([NormalDist().inv_cdf((i + 0.5) / 65536) for i in range(32768)], np.float32)
    return np.concatenate([half, -half[::-1]])


@register
class Noise(Pixel):
    """Add Gaussian noise, each pixel and channel its own."""

    sigma: Annotated[Range, Quantity("sigma", "standard deviation in levels of 0 to 255", 0, 0, 255)] = Field(
        description="standard deviation"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 1])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        # One table look-up a sample is four times faster than a generator's normals, and does not hang on NumPy's version.
        table = np.rint(_normal_quantiles() * (params["sigma"] * scale16(image)))
        table = table.astype(np.int16 if image.dtype == np.uint8 else np.float32)
        grain = table[words(params["seed"], image.size, np.uint16)].reshape(image.shape)
        return cv2.add(image, grain, dtype=cv2.CV_8U if image.dtype == np.uint8 else cv2.CV_16U)


@register
class SaltPepper(Pixel):
    """Turn single pixels white or black, half each."""

    amount: Annotated[Range, Quantity("amount", "fraction of the pixels", 0, 0, 1)] = Field(description="share of the pixels")

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 1])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        share = round(params["amount"] * 2**31)
        grain = words(params["seed"], image.shape[0] * image.shape[1], np.uint32).reshape(image.shape[:2])
        speckled = image.copy()
        speckled[grain < share] = np.iinfo(image.dtype).max
        speckled[grain > 2**32 - 1 - share] = 0
        return speckled


@register
class Blur(Pixel):
    """Blur with a Gaussian."""

    sigma: Annotated[Range, Quantity("sigma", "standard deviation in pixels", 0, 0, 100)] = Field(description="standard deviation")

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["sigma"] < 0.01:  # cv2 reads 0 as "choose for me"
            return image
        return cv2.GaussianBlur(image, (0, 0), params["sigma"], borderType=cv2.BORDER_REFLECT_101)
