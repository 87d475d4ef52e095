"""Weather: draw -> new pixels."""

import math
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Range, Uniform
from augx.randomness import words
from augx.ranges import Quantity
from augx.transforms.base import Array, Params, Pixel, noise_seed, register
from augx.transforms.layers import SEED, blended, parts

Angle = Annotated[Range, Quantity("angle", "degrees from the vertical, above 0 falls to the right", 0, -75, 75, alone="value")]


def _strokes(mask: Array, centres: Array, angles: Array, length: float, width: float, opacity: float) -> None:
    """Draw straight strokes, all alike but for place and angle, onto a mask of 8 bits; lengths in pixels, ``angles`` in radians.

    Strokes finer than a pixel are a pixel wide and so much fainter, as a camera would see them. The edges of those wider
    are left for a blur to smooth, which is much faster than to draw them smooth.
    """
    thickness = max(1, round(width))
    level = min(1.0, opacity * width / thickness)
    half = length / 2 * np.column_stack([np.sin(angles), np.cos(angles)])
    # Sixteenths of a pixel, and only what fits into cv2's integers.
    ends = np.rint(np.clip(np.stack([centres - half, centres + half], axis=1), -1e7, 1e7) * 16).astype(np.int32)
    cv2.polylines(mask, list(ends), False, round(255 * level), thickness, cv2.LINE_AA if thickness == 1 else cv2.LINE_8, 4)


def _softened(mask: Array, width: float, extent: float) -> Array:
    """The mask after a mean filter of about ``extent`` pixels, if its strokes are wider than a pixel."""
    kernel = 2 * math.ceil(extent / 2) + 1
    return cv2.blur(mask, (kernel, kernel)) if width >= 1.5 else mask


def _scattered(image: Array, amount: float, seed: int, margin: float) -> tuple[Array, Array]:
    """Places (n, 2) of ``amount`` things to each square of the shorter side, some just outside the frame; and a uniform for each."""
    size = np.array(image.shape[1::-1])
    squares = min(16.0, size.max() / size.min())  # no end of them in the narrowest picture
    drawn = parts(seed, round(amount * squares), 3)
    return drawn[:, :2] * (size + 2 * margin) - margin - 0.5, drawn[:, 2]


@register
class Fog(Pixel):
    """Veil with fog of uneven density.

    The scattering model of Koschmieder, "Theorie der horizontalen Sichtweite" (1924): a share ``t`` of each pixel's light
    arrives and the air adds ``airlight * (1 - t)``, where ``t = (1 - density) ** thickness``. The thickness is 1 on
    average: banks of value noise in three octaves.
    """

    density: Annotated[Range, Quantity("density", "share of the light", 0, 0, 0.99, typical=0.6)] = Field(
        description="share that the fog takes"
    )
    airlight: Annotated[Range, Quantity("airlight", "levels of 0 to 255", 200, 0, 255, alone="value")] = Field(
        Uniform(190.0, 230.0), description="brightness of the fog itself"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        taken = 1 - (1 - params["density"]) ** _banks(image, params["seed"])
        return blended(image, taken, params["airlight"] / 255)


def _banks(image: Array, seed: int) -> Array:
    """Thickness of fog, 1 on average, on a map of 32 to a cell of the coarsest octave; banks are wider than high."""
    height, width = image.shape[:2]
    short = min(height, width)
    rows, columns = (min(32, max(1, round(cells * side / short))) + 2 for cells, side in ((3, height), (2, width)))
    cells = rows * columns
    grain = words(seed, 21 * cells, np.uint32).astype(np.float32) / np.float32(2**31) - 1
    noise = np.zeros((32 * rows, 32 * columns), np.float32)
    for octave, part in zip((1, 2, 4), np.split(grain, (cells, 5 * cells)), strict=True):
        noise += cv2.resize(part.reshape(rows * octave, -1), noise.shape[::-1], interpolation=cv2.INTER_CUBIC) / octave
    inner = noise[32:-32, 32:-32]  # a cell of margin, since resizing holds the outermost half cell constant
    return np.clip(1 + 0.75 * inner, 0.15, 2.5)


@register
class Rain(Pixel):
    """Let it rain: slanting streaks, semi-transparent, and a duller light.

    Streaks are bright and mix with what is behind them (Garg and Nayar, "Vision and Rain", IJCV 2007): near ones are few,
    long and plain, distant ones many, short and faint. An amount of 1 is 1,200 streaks to a square of the shorter side.
    """

    amount: Annotated[Range, Quantity("amount", "0 is none, 1 a cloudburst", 0, 0, 1, typical=0.6)] = Field(description="amount of rain")
    angle: Angle = Field(Uniform(-20.0, 20.0), description="slant of the streaks")
    length: Annotated[Range, Quantity("length", "fraction of the shorter side", 0, 0, 1, alone="value")] = Field(
        Uniform(0.1, 0.2), description="length of the nearest streaks"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        short = min(image.shape[:2])
        length, width = params["length"] * short, 0.004 * short
        places, own = _scattered(image, 1200 * params["amount"], params["seed"], length / 2)
        angles = np.radians(params["angle"] + 4 * (own - 0.5))
        mask = np.zeros(image.shape[:2], np.uint8)
        far, near = len(own) * 3 // 5, len(own) * 9 // 10
        _strokes(mask, places[:far], angles[:far], 0.3 * length, 0.4 * width, 0.2)
        for part, depth, opacity in ((slice(far, near), 0.65, 0.3), (slice(near, None), 1.0, 0.36)):
            # Once whole and faint, once without its ends and plain: as a falling drop's blur begins and ends.
            _strokes(mask, places[part], angles[part], length * depth, width * depth, opacity / 2)
            _strokes(mask, places[part], angles[part], length * depth * 0.6, width * depth, opacity)
        return blended(image, _softened(mask, width, width / 2), 0.9, 1 - 0.25 * params["amount"])


# Groups of flakes, the nearest first: their size beside the nearest, their share of all, and their opacity.
FLAKES = ((1.0, 0.04, 0.7), (0.7, 0.1, 0.75), (0.5, 0.16, 0.8), (0.36, 0.28, 0.75), (0.26, 0.42, 0.7))


@register
class Snow(Pixel):
    """Let it snow: falling flakes, near ones large and blurred, and a paler picture.

    Flakes in the air, not snow on the ground. An amount of 1 is 1,500 flakes to a square of the shorter side, and a
    veil of those too far to see that takes a quarter of the light.
    """

    amount: Annotated[Range, Quantity("amount", "0 is none, 1 a blizzard", 0, 0, 1, typical=0.6)] = Field(description="amount of snow")
    size: Annotated[Range, Quantity("size", "fraction of the shorter side", 0, 0, 0.5, alone="value")] = Field(
        Uniform(0.012, 0.02), description="diameter of the nearest flakes"
    )
    angle: Angle = Field(Uniform(-40.0, 40.0), description="slant of the fall")

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        size = params["size"] * min(image.shape[:2])
        places, own = _scattered(image, 1500 * params["amount"], params["seed"], size)
        angles = np.radians(params["angle"] + 30 * (own - 0.5))
        mask = np.full(image.shape[:2], round(255 * 0.25 * params["amount"]), np.uint8)
        start = 0
        for groups, extent in ((FLAKES[:2], 0.8), (FLAKES[2:], 0.2)):
            for depth, share, opacity in groups:
                stop, width = start + math.ceil(share * len(own)), size * depth
                # A flake finer than a pixel is as much shorter as it is thinner.
                _strokes(mask, places[start:stop], angles[start:stop], 0.7 * width, width, opacity * min(1.0, width))
                start = stop
            mask = _softened(mask, size * groups[0][0], size * extent)
        return blended(image, mask, 0.97)
