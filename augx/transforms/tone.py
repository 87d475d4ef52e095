"""Levels: draw -> curves. All of them together cost one look-up table."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from augx.distributions import Range
from augx.ranges import Quantity
from augx.transforms.base import Array, Params, Tone, register


@register
class Brightness(Tone):
    """Multiply all levels."""

    range: Annotated[Range, Quantity("factor", "factor, above 1 brightens", 1, 0, 10, typical=1.3)] = Field(description="factor")

    def curve(self, x: Array, params: Params) -> Array:
        return x * params["factor"]


@register
class Contrast(Tone):
    """Stretch the levels about mid-grey."""

    range: Annotated[Range, Quantity("factor", "factor, above 1 adds contrast", 1, 0, 10, typical=1.3)] = Field(description="factor")

    def curve(self, x: Array, params: Params) -> Array:
        return (x - 0.5) * params["factor"] + 0.5


@register
class Gamma(Tone):
    """Raise the levels to a power; black and white stay.

    The power law of Gonzalez and Woods, "Digital Image Processing", section 3.2.
    """

    range: Annotated[Range, Quantity("exponent", "exponent, above 1 darkens", 1, 0.05, 20, typical=1.5)] = Field(description="exponent")

    def curve(self, x: Array, params: Params) -> Array:
        return np.maximum(x, 0) ** params["exponent"]


@register
class ChannelShift(Tone):
    """Add to the levels."""

    range: Annotated[Range, Quantity("red", "levels of 0 to 255", 0, -255, 255, typical=20)] = Field(description="levels to add")
    channels: Literal["together", "independent"] = Field(
        "together", description="together shifts all channels alike; independent tints (a grey picture takes red's shift)"
    )

    def draw(self, u: Array) -> Params:
        red = self.range.quantile(u[:, 0])
        if self.channels == "together":
            return {"red": red, "green": red, "blue": red}
        return {"red": red, "green": self.range.quantile(u[:, 1]), "blue": self.range.quantile(u[:, 2])}

    def curve(self, x: Array, params: Params) -> Array:
        if self.channels == "together":
            return x + params["red"] / 255
        return x + np.concatenate([params["red"], params["green"], params["blue"]], axis=1) / 255


@register
class Invert(Tone):
    """Turn into the negative."""

    def curve(self, x: Array, params: Params) -> Array:
        return 1 - x


@register
class ChannelGain(Tone):
    """Multiply red, green and blue, each by its own factor; a grey picture takes red's."""

    range: Annotated[Range, Quantity("red", "factor, above 1 brightens", 1, 0, 10, typical=1.15)] = Field(
        description="factor, drawn for each of red, green and blue"
    )

    def draw(self, u: Array) -> Params:
        return {name: self.range.quantile(u[:, i]) for i, name in enumerate(("red", "green", "blue"))}

    def curve(self, x: Array, params: Params) -> Array:
        gains: Array = np.concatenate([params["red"], params["green"], params["blue"]], axis=1)
        return x * gains


# XYZ of CIE 1931 -> linear sRGB, and what red, green and blue weigh in luminance: IEC 61966-2-1.
XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def _black_body(temperature: Array) -> Array:
    """Linear red, green and blue (n, 3) of a black body at ``temperature`` (n,) in kelvin, at luminance 1.

    The Planckian locus in the cubic splines of Kim et al., "Design of advanced color temperature control system for HDTV
    applications", Journal of the Korean Physical Society 41, 2002; they hold from 1667 to 25,000 K.
    """
    t = 1000 / temperature
    cool = np.polyval([-3.0258469, 2.1070379, 0.2226347, 0.240390], t)
    x = np.where(temperature <= 4000, np.polyval([-0.2661239, -0.2343589, 0.8776956, 0.179910], t), cool)
    low = np.polyval([-1.1063814, -1.34811020, 2.18555832, -0.20219683], x)
    middle = np.polyval([-0.9549476, -1.37418593, 2.09137015, -0.16748867], x)
    high = np.polyval([3.0817580, -5.87338670, 3.75112997, -0.37001483], x)
    y = np.select([temperature <= 2222, temperature <= 4000], [low, middle], high)
    rgb: Array = np.stack([x / y, np.ones_like(y), (1 - x - y) / y], axis=-1) @ XYZ_TO_RGB.T
    return rgb


def _linear(x: Array) -> Array:
    """Light, black 0 and white 1, of levels of sRGB: IEC 61966-2-1."""
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0) + 0.055) / 1.055) ** 2.4)


def _encoded(light: Array) -> Array:
    """Levels of sRGB for light: the inverse of ``_linear``."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


@register
class WhiteBalance(Tone):
    """Give the light another colour temperature: below 6500 K the picture turns warmer, above it cooler.

    Von Kries' gains of red, green and blue light (sRGB linearised), as a black body of this temperature has them beside one
    of 6500 K; the luminance of white stays.
    """

    of_colour: ClassVar[bool] = True

    temperature: Annotated[
        Range,
        Quantity("temperature", "kelvin of the light that the picture seems taken under", 6500, 2000, 20000, typical=4500, alone="end"),
    ] = Field(description="colour temperature of the light: 2800 a bulb, 6500 as it is, 10000 the blue sky")

    def curve(self, x: Array, params: Params) -> Array:
        temperature = params["temperature"]
        gains = _black_body(temperature[:, 0, 0]) / _black_body(np.array([6500.0]))
        gains /= (gains @ LUMINANCE)[:, None]
        return np.where(temperature == 6500, x, _encoded(_linear(x) * gains[:, :, None]))


def _levels(x: Array) -> Array:
    """Levels of 0 to 255 that can be told from a threshold: what lies past white is white.

    A hair is added, as float32, or another curve, may have left a level a last bit short of itself.
    """
    return np.clip(x, 0, 1) * 255 + 1e-4


@register
class Solarize(Tone):
    """Invert the levels at or above a threshold.

    As ``ImageOps.solarize`` of Pillow; 256 inverts none, 0 all.
    """

    threshold: Annotated[Range, Quantity("threshold", "level of 0 to 255", 256, 0, 256, typical=160)] = Field(
        description="lowest level that is inverted"
    )

    def curve(self, x: Array, params: Params) -> Array:
        return np.where(_levels(x) >= params["threshold"], 1 - x, x)


@register
class Posterize(Tone):
    """Keep only the upper bits of each level.

    As ``ImageOps.posterize`` of Pillow: a level falls to the nearest of 2 ** bits steps below it.
    """

    bits: Annotated[Range, Quantity("bits", "upper bits of 8 that stay", 8, 1, 8, typical=4, whole=True)] = Field(
        description="bits to keep"
    )

    def curve(self, x: Array, params: Params) -> Array:
        step = 2.0 ** (8 - params["bits"])
        kept = np.floor(_levels(x) / step) * step / 255
        return np.where(params["bits"] == 8, x, kept)


@register
class ToneCurve(Tone):
    """Raise or lower shadows and highlights along an S curve; black and white stay.

    The heights of the inner control points of a cubic Bezier curve, each moved by a draw of its own, as Albumentations'
    ``RandomToneCurve`` does; up to a third either way the curve never falls.
    """

    range: Annotated[Range, Quantity("shadows", "shift of a control point, white is 1", 0, -1 / 3, 1 / 3, typical=0.2)] = Field(
        description="shift, drawn for each of shadows and highlights"
    )

    def draw(self, u: Array) -> Params:
        return {"shadows": self.range.quantile(u[:, 0]), "highlights": self.range.quantile(u[:, 1])}

    def curve(self, x: Array, params: Params) -> Array:
        t = np.clip(x, 0, 1)
        lift: Array = 3 * t * (1 - t) * ((1 - t) * params["shadows"] + t * params["highlights"])
        return x + lift


@register
class Log(Tone):
    """Raise the dark levels along a logarithm; black and white stay.

    The log transformation of Gonzalez and Woods, "Digital Image Processing", section 3.2: log(1 + k x) / log(1 + k).
    """

    strength: Annotated[Range, Quantity("strength", "k of log(1 + k x)", 0, 0, 1000, typical=5)] = Field(description="strength k")

    def curve(self, x: Array, params: Params) -> Array:
        k = params["strength"]
        bent = np.log1p(k * np.maximum(x, 0)) / np.where(k > 0, np.log1p(k), 1)
        return np.where(k > 0, bent, x)
