"""Weather and light: draw -> new pixels."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Range, Uniform
from augx.randomness import words
from augx.ranges import Quantity
from augx.transforms.base import Array, Params, Pixel, as_levels, chosen, noise_seed, register, white

SEED, COUNT = 8, 9  # columns of uniforms for what is no range; those before leave room for further ranges

Angle = Annotated[Range, Quantity("angle", "degrees from the vertical, above 0 falls to the right", 0, -75, 75)]


def _parts(seed: int, rows: int, columns: int) -> Array:
    """``rows`` lines of uniforms in [0, 1) from a seed; fewer rows are the first of more."""
    return words(seed, rows * columns, np.uint32).reshape(rows, columns) / 2.0**32


def _reduced(image: Array, short: int = 256) -> tuple[int, int]:
    """Height and width of the map for smooth light: at most ``short`` on the shorter side."""
    height, width = image.shape[:2]
    scale = min(1.0, short / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _spread(shares: Array, image: Array) -> Array:
    """Shares of (h, w) or (h, w, channels) for each sample of ``image`` as (h, w * channels)."""
    channels = image[0, 0].size
    if shares.ndim == 2 and channels > 1:
        shares = cv2.merge([shares] * 3) if channels == 3 else np.repeat(shares, channels, axis=1)
    return shares.reshape(len(shares), -1)


def _blended(image: Array, shares: Array, light: float, gain: float = 1.0) -> Array:
    """``image * gain`` behind a layer of brightness ``light`` that is opaque by ``shares``; black 0 and white 1.

    Shares are uint8 of 0 to 255 or floats of 0 to 1; a smaller map of them is scaled up. None at all leave the image itself.
    """
    height, width = image.shape[:2]
    if image.dtype == np.uint8 and shares.dtype != np.uint8:
        shares = np.rint(shares * 255).astype(np.uint8)
    elif image.dtype != np.uint8:
        shares = shares.astype(np.float32) / (255 if shares.dtype == np.uint8 else 1)
    if gain == 1 and not shares.any():
        return image
    if shares.shape[:2] != (height, width):
        shares = cv2.resize(shares, (width, height), interpolation=cv2.INTER_LINEAR)
    flat = np.ascontiguousarray(image).reshape(height, -1)
    if image.dtype != np.uint8:
        cover = _spread(shares, image)
        return as_levels(flat * (gain * (1 - cover)) + cover * (light * white(image)), image).reshape(image.shape)
    blended = np.empty_like(flat)
    band = max(1, 2**17 // flat.shape[1])  # rows whose samples stay in the cache: three times as fast as all at once
    for top in range(0, height, band):
        rows = slice(top, top + band)
        cover, out = _spread(shares[rows], image), blended[rows]
        cv2.multiply(flat[rows], cv2.bitwise_not(cover, out), out, gain / 255)
        if light:
            cv2.addWeighted(out, 1, cover, light, 0, out)
    return blended.reshape(image.shape)


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
    parts = _parts(seed, round(amount * squares), 3)
    return parts[:, :2] * (size + 2 * margin) - margin - 0.5, parts[:, 2]


@register
class Fog(Pixel):
    """Veil with fog of uneven density.

    The scattering model of Koschmieder, "Theorie der horizontalen Sichtweite" (1924): a share ``t`` of each pixel's light
    arrives and the air adds ``airlight * (1 - t)``, where ``t = (1 - density) ** thickness``. The thickness is 1 on
    average: banks of value noise in three octaves.
    """

    density: Annotated[Range, Quantity("density", "share of the light", 0, 0, 0.99)] = Field(description="share that the fog takes")
    airlight: Annotated[Range, Quantity("airlight", "levels of 0 to 255", 200, 0, 255)] = Field(
        Uniform(190.0, 230.0), description="brightness of the fog itself"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        taken = 1 - (1 - params["density"]) ** _banks(image, params["seed"])
        return _blended(image, taken, params["airlight"] / 255)


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

    amount: Annotated[Range, Quantity("amount", "0 is none, 1 a cloudburst", 0, 0, 1)] = Field(description="amount of rain")
    angle: Angle = Field(Uniform(-20.0, 20.0), description="slant of the streaks")
    length: Annotated[Range, Quantity("length", "fraction of the shorter side", 0, 0, 1)] = Field(
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
        return _blended(image, _softened(mask, width, width / 2), 0.9, 1 - 0.25 * params["amount"])


# Groups of flakes, the nearest first: their size beside the nearest, their share of all, and their opacity.
FLAKES = ((1.0, 0.04, 0.7), (0.7, 0.1, 0.75), (0.5, 0.16, 0.8), (0.36, 0.28, 0.75), (0.26, 0.42, 0.7))


@register
class Snow(Pixel):
    """Let it snow: falling flakes, near ones large and blurred, and a paler picture.

    Flakes in the air, not snow on the ground. An amount of 1 is 1,500 flakes to a square of the shorter side, and a
    veil of those too far to see that takes a quarter of the light.
    """

    amount: Annotated[Range, Quantity("amount", "0 is none, 1 a blizzard", 0, 0, 1)] = Field(description="amount of snow")
    size: Annotated[Range, Quantity("size", "fraction of the shorter side", 0, 0, 0.5)] = Field(
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
        return _blended(image, mask, 0.97)


@register
class Shadow(Pixel):
    """Cast one to three shadows: random polygons with soft edges.

    After RandomShadow of Saxena's Automold; the levels inside are multiplied, and where shadows meet they do not add up,
    as they have one sun.
    """

    strength: Annotated[Range, Quantity("strength", "share of the light", 0, 0, 1)] = Field(description="share of the light that is lost")
    softness: Annotated[Range, Quantity("softness", "fraction of the shorter side", 0, 0, 0.5)] = Field(
        Uniform(0.005, 0.03), description="standard deviation of the edge's blur"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "count": chosen(u[:, COUNT], (1, 2, 3)), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        height, width = _reduced(image)
        short = min(height, width)
        mask = np.zeros((height, width), np.uint8)
        for parts in _parts(params["seed"], params["count"], 12):
            turns = np.radians(72) * (np.arange(5) + 0.8 * parts[2:7])
            spread = (0.25 + 0.55 * parts[7:12]) * short
            corners = parts[:2] * (width, height) + np.column_stack([np.cos(turns), np.sin(turns)]) * spread[:, None]
            cv2.fillPoly(mask, [np.rint((corners - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        shares: Array = mask * np.float32(params["strength"] / 255)
        sigma = params["softness"] * short
        if sigma > 0.1:
            shares = cv2.GaussianBlur(shares, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return _blended(image, shares, 0)


@register
class SunFlare(Pixel):
    """Let the sun shine into the lens: a glare with rays, and ghosts on the line through the centre.

    The light is screened onto the picture, warm where the picture has colours.
    """

    strength: Annotated[Range, Quantity("strength", "0 is none, 1 a white sun", 0, 0, 1)] = Field(description="brightness of the flare")
    x: Annotated[Range, Quantity("x", "fraction of the width", 0.5, -0.5, 1.5)] = Field(Uniform(0.0, 1.0), description="the sun's place")
    y: Annotated[Range, Quantity("y", "fraction of the height", 0.5, -0.5, 1.5)] = Field(Uniform(0.0, 0.4), description="the sun's place")

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        light = _flare(_reduced(image), params)
        return _blended(image, light if image[0, 0].size == 3 else light @ np.full(3, 1 / 3, np.float32), 1)


def _flare(size: tuple[int, int], params: dict[str, Any]) -> Array:
    """Light of a flare, float32 (h, w, 3) blue green red; lengths are in shorter sides from the picture's centre."""
    height, width = size
    short = min(size)
    y = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / short)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / short)[None, :]
    sun_x, sun_y = (params["x"] - 0.5) * width / short, (params["y"] - 0.5) * height / short
    (turn, *_), *ghosts = _parts(params["seed"], 8, 6).tolist()  # plain numbers: NumPy's would make all maps float64
    blades = [(math.cos(angle), math.sin(angle)) for angle in (math.pi / 3 * (k + turn) for k in range(3))]

    dx, dy = x - sun_x, y - sun_y
    far = cv2.sqrt(dx * dx + dy * dy)
    rays = sum(1 / (1 + (dx * (sin / 0.008) - dy * (cos / 0.008)) ** 2) for cos, sin in blades)
    glare = 1.5 * cv2.exp((far * far) * -250) + (0.45 + 0.5 * rays) * cv2.exp(far * -4) + 0.25 * cv2.exp(far * -1.5)
    light: Array = cv2.merge([glare * 0.72, glare * 0.9, glare])

    for place, radius, level, *tint in ghosts:
        at = 0.5 - 1.8 * place  # 1 is the sun, 0 the centre, -1 the sun's mirror image
        wide = 0.025 + 0.1 * radius**2
        inside = np.ix_(np.abs(y[:, 0] - at * sun_y) < 1.3 * wide, np.abs(x[0] - at * sun_x) < 1.3 * wide)
        gx, gy = x[:, inside[1][0]] - at * sun_x, y[inside[0][:, 0]] - at * sun_y
        # An iris of six blades: the largest of the distances from three pairs of parallel edges.
        edge = np.maximum.reduce([np.abs(gx * (cos / wide) + gy * (sin / wide)) for cos, sin in blades])
        disc = np.clip((1 - edge) * (wide / 0.008) + 0.5, 0, 1) * (0.55 + 0.45 * np.minimum(edge, 1) ** 2)
        colour = np.array([(0.1 + 0.22 * level) * (0.35 + 0.65 * part) for part in tint], np.float32)
        light[inside] += disc[:, :, None] * colour
    return np.minimum(light * np.float32(params["strength"]), 1)


@register
class Vignette(Pixel):
    """Darken towards the corners.

    The cos^4 law of natural vignetting (Goldman and Chen, "Vignette and Exposure Calibration and Compensation", ICCV 2005)
    about the centre, for the angle of view that leaves ``1 - strength`` of the light in the corners of the frame.
    """

    strength: Annotated[Range, Quantity("strength", "share of the light", 0, 0, 0.99)] = Field(description="loss in the corners")

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        height, width = _reduced(image, 512)
        # cos(angle) = 1 / sqrt(1 + tan(angle)**2), and the tangent grows in proportion to the distance from the centre.
        steep = ((1 - params["strength"]) ** -0.5 - 1) / (height**2 + width**2)
        y, x = (steep * (2 * np.arange(side) + 1.0 - side) ** 2 for side in (height, width))
        inverse_root = (1 + y.astype(np.float32))[:, None] + x.astype(np.float32)
        return _blended(image, 1 - 1 / (inverse_root * inverse_root), 0)
