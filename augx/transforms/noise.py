"""Noise: draw -> new pixels."""

from functools import cache
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Range, Uniform
from augx.randomness import words
from augx.ranges import Quantity
from augx.transforms.base import Array, Params, Pixel, as_levels, noise_seed, register, white


@cache
def _normal_quantiles() -> Array:
    """The standard normal's quantiles at the middles of 65,536 equal steps (cut at 4.3 sigma), symmetric to the bit."""
    from statistics import NormalDist

    half = np.array([NormalDist().inv_cdf((i + 0.5) / 65536) for i in range(32768)], np.float32)
    return np.concatenate([half, -half[::-1]])


@register
class Noise(Pixel):
    """Add Gaussian noise, each pixel and channel its own."""

    sigma: Annotated[Range, Quantity("sigma", "standard deviation in levels of 0 to 255", 0, 0, 255, typical=12)] = Field(
        description="standard deviation"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 1])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        # One table look-up a sample is four times faster than a generator's normals, and does not hang on NumPy's version.
        table = _normal_quantiles() * np.float32(params["sigma"] * white(image) / 255)
        if image.dtype == np.uint8:
            table = np.rint(table).astype(np.int16)
        grain = table[words(params["seed"], image.size, np.uint16)].reshape(image.shape)
        if image.dtype == np.uint8:
            return cv2.add(image, grain, dtype=cv2.CV_8U)
        return as_levels(image + grain, image)


@register
class SaltPepper(Pixel):
    """Turn single pixels white or black, half each."""

    amount: Annotated[Range, Quantity("amount", "fraction of the pixels", 0, 0, 1, typical=0.01)] = Field(description="share of the pixels")

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 1])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        share = round(params["amount"] * 2**31)
        grain = words(params["seed"], image.shape[0] * image.shape[1], np.uint32).reshape(image.shape[:2])
        speckled = image.copy()
        speckled[grain < share] = white(image)
        speckled[grain > 2**32 - 1 - share] = 0
        return speckled


_STEPS = 1024
"""Quantiles of each level's photon counts in the table of shot noise."""

_EXACT = 25.0
"""Mean counts below this take exact Poisson quantiles; above it those of Cornish-Fisher have their mean and variance to 1 %."""


def _photons(mean: Array) -> Array:
    """Poisson quantiles at the middles of ``_STEPS`` equal steps, one row for each of the ascending means."""
    few = mean[mean < _EXACT]
    k = np.arange(1, 64)  # 25 photons on average are more than 63 once in 10**10
    chances = np.exp(-few)[:, None] * np.cumprod(np.hstack([np.ones((len(few), 1)), few[:, None] / k]), axis=1)
    # How many of the steps lie below each count: the row is every count as often as its own steps.
    edges = np.rint(np.minimum(np.cumsum(chances, axis=1), 1) * _STEPS).astype(np.int64)
    edges[:, -1] = _STEPS
    times = np.diff(edges, axis=1, prepend=0)
    exact = np.repeat(np.tile(np.arange(64, dtype=np.float32), len(few)), times.ravel()).reshape(-1, _STEPS)
    many = mean[mean >= _EXACT, None].astype(np.float32)
    z = _normal_quantiles().reshape(_STEPS, -1).mean(axis=1)
    return np.vstack([exact, np.rint(many + np.sqrt(many) * z + (z * z - 1) / 6)])


@register
class Shot(Pixel):
    """Add shot noise: each pixel counts photons, and darkness has few of them.

    The counts are Poisson in linear light (gamma 2.2), as in Albumentations' ShotNoise; see Hasinoff, "Photon, Poisson noise"
    (Computer Vision: A Reference Guide, 2014). A count is drawn as one of 1024 equally likely quantiles of its level, so
    that a picture is look-ups in one table: its mean is right to a thousandth of a photon, its variance to 1 %, tails end at 3.3 sigma.
    """

    scale: Annotated[Range, Quantity("scale", "1 / the number of photons that make white", 0, 0, 1, typical=0.05)] = Field(
        description="strength: one over the photons that white stands for; 0.01 is slight, 0.1 strong"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 1])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        scale = params["scale"]
        if scale == 0:
            return image
        light = np.minimum(_photons((np.arange(256) / 255) ** 2.2 / scale) * np.float32(scale), 1)
        table = cv2.pow(light, 1 / 2.2).ravel() * np.float32(white(image))
        column = words(params["seed"], image.size, np.uint16).reshape(image.shape) >> np.uint16(6)
        if image.dtype == np.uint8:
            index = image.astype(np.intp)
            index *= _STEPS
            index += column
            counted: Array = np.rint(table).astype(np.uint8).take(index)
            return counted
        # Between two levels of 8 bit lies what lies between their quantiles.
        level = image * np.float32(255 / white(image))
        below = np.minimum(level.astype(np.intp), 254)
        index = below * _STEPS + column
        low, high = table.take(index), table.take(index + _STEPS)
        return as_levels(low + (high - low) * (level - below), image)


@register
class Speckle(Pixel):
    """Multiply each pixel and channel by noise of its own, as radar and ultrasound do.

    ``x + x * n`` with Gaussian n: scikit-image's ``random_noise(mode="speckle")``, whose ``var`` is sigma squared.
    """

    sigma: Annotated[Range, Quantity("sigma", "standard deviation as a fraction of the level", 0, 0, 1, typical=0.25)] = Field(
        description="standard deviation of the factor"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 1])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["sigma"] == 0:
            return image
        table = 1 + _normal_quantiles() * np.float32(params["sigma"])
        factor = table.take(words(params["seed"], image.size, np.uint16)).reshape(image.shape)
        if image.dtype == np.uint8:
            return cv2.multiply(image, factor, dtype=cv2.CV_8U)
        return as_levels(image * factor, image)


@register
class Iso(Pixel):
    """Add the noise of a camera at high ISO: fine grain in brightness, coarser blotches in colour.

    The parts are those of Albumentations' ISONoise. The grain is one normal for all three channels of a pixel; the blotches are
    normals in Cb and Cr (BT.601, so that they leave brightness alone) at half the resolution, as demosaicing leaves them.
    After a gamma of 2.2 the noise of photons is about as strong in all levels, so neither depends on the level.
    """

    of_colour: ClassVar[bool] = True

    intensity: Annotated[Range, Quantity("intensity", "standard deviation of brightness in levels of 0 to 255", 0, 0, 100, typical=15)] = (
        Field(description="standard deviation of the grain")
    )
    colour: Annotated[
        Range, Quantity("colour", "standard deviation of Cb and Cr as a multiple of the intensity", 0, 0, 3, alone="value")
    ] = Field(Uniform(0.2, 0.6), description="strength of the blotches in colour beside the grain")

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 2])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        if params["intensity"] == 0:
            return image
        height, width = image.shape[:2]
        # One row and column of blotches more than needed: at its rim an enlarged grid is not smoothed as it is inside.
        rows, columns = (height + 1) // 2 + 1, (width + 1) // 2 + 1
        sd = np.float32(params["intensity"] * white(image) / 255)
        normals = _normal_quantiles().take(words(params["seed"], height * width + rows * columns * 2, np.uint16)) * sd
        grain = normals[: height * width].reshape(height, width)
        # Doubling weighs (3/4, 1/4) along each axis and so keeps 5/8 of the standard deviation.
        blotches = normals[height * width :].reshape(rows, columns, 2) * np.float32(params["colour"] / 0.625)
        colours = cv2.transform(blotches, np.array([[1.772, 0], [-0.344136, -0.714136], [0, 1.402]], np.float32))
        noise = cv2.resize(colours, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)[1 : height + 1, 1 : width + 1]
        noise = cv2.add(noise, cv2.merge([grain, grain, grain]))
        if image.dtype == np.uint8:
            return cv2.add(image, noise, dtype=cv2.CV_8U)
        return as_levels(image + noise, image)
