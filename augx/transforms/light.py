"""Light: draw -> new pixels."""

import math
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Range, Uniform
from augx.ranges import Quantity
from augx.transforms.base import Array, Params, Pixel, chosen, noise_seed, register
from augx.transforms.layers import COUNT, SEED, blended, parts, reduced


@register
class Shadow(Pixel):
    """Cast one to three shadows: random polygons with soft edges.

    After RandomShadow of Saxena's Automold; the levels inside are multiplied, and where shadows meet they do not add up,
    as they have one sun.
    """

    strength: Annotated[Range, Quantity("strength", "share of the light", 0, 0, 1, typical=0.6)] = Field(
        description="share of the light that is lost"
    )
    softness: Annotated[Range, Quantity("softness", "fraction of the shorter side", 0, 0, 0.5, alone="value")] = Field(
        Uniform(0.005, 0.03), description="standard deviation of the edge's blur"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "count": chosen(u[:, COUNT], (1, 2, 3)), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        height, width = reduced(image)
        short = min(height, width)
        mask = np.zeros((height, width), np.uint8)
        for drawn in parts(params["seed"], params["count"], 12):
            turns = np.radians(72) * (np.arange(5) + 0.8 * drawn[2:7])
            spread = (0.25 + 0.55 * drawn[7:12]) * short
            corners = drawn[:2] * (width, height) + np.column_stack([np.cos(turns), np.sin(turns)]) * spread[:, None]
            cv2.fillPoly(mask, [np.rint((corners - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        shares: Array = mask * np.float32(params["strength"] / 255)
        sigma = params["softness"] * short
        if sigma > 0.1:
            shares = cv2.GaussianBlur(shares, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return blended(image, shares, 0)


@register
class SunFlare(Pixel):
    """Let the sun shine into the lens: a glare with rays, and ghosts on the line through the centre.

    The light is screened onto the picture, warm where the picture has colours.
    """

    strength: Annotated[Range, Quantity("strength", "0 is none, 1 a white sun", 0, 0, 1, typical=0.8)] = Field(
        description="brightness of the flare"
    )
    x: Annotated[Range, Quantity("x", "fraction of the width", 0.5, -0.5, 1.5, alone="value")] = Field(
        Uniform(0.0, 1.0), description="the sun's place"
    )
    y: Annotated[Range, Quantity("y", "fraction of the height", 0.5, -0.5, 1.5, alone="value")] = Field(
        Uniform(0.0, 0.4), description="the sun's place"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, SEED])}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        light = _flare(reduced(image), params)
        return blended(image, light if image[0, 0].size == 3 else light @ np.full(3, 1 / 3, np.float32), 1)


def _flare(size: tuple[int, int], params: dict[str, Any]) -> Array:
    """Light of a flare, float32 (h, w, 3) blue green red; lengths are in shorter sides from the picture's centre."""
    height, width = size
    short = min(size)
    y = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / short)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / short)[None, :]
    sun_x, sun_y = (params["x"] - 0.5) * width / short, (params["y"] - 0.5) * height / short
    (turn, *_), *ghosts = parts(params["seed"], 8, 6).tolist()  # plain numbers: NumPy's would make all maps float64
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

    strength: Annotated[Range, Quantity("strength", "share of the light", 0, 0, 0.99, typical=0.6)] = Field(
        description="loss in the corners"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        height, width = reduced(image, 512)
        # cos(angle) = 1 / sqrt(1 + tan(angle)**2), and the tangent grows in proportion to the distance from the centre.
        steep = ((1 - params["strength"]) ** -0.5 - 1) / (height**2 + width**2)
        y, x = (steep * (2 * np.arange(side) + 1.0 - side) ** 2 for side in (height, width))
        inverse_root = (1 + y.astype(np.float32))[:, None] + x.astype(np.float32)
        return blended(image, 1 - 1 / (inverse_root * inverse_root), 0)
