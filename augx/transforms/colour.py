"""Colour: draw -> new pixels, each with one conversion."""

from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Fixed, Range
from augx.lut import look_up
from augx.ranges import Quantity
from augx.transforms.base import Array, Params, Pixel, as_levels, chosen, register, white

LUMA = np.array([0.114, 0.587, 0.299])
"""ITU-R BT.601: what blue, green and red weigh in a grey picture."""

SEPIA = np.array([[0.131, 0.534, 0.272], [0.168, 0.686, 0.349], [0.189, 0.769, 0.393]])
"""Blue, green and red of the toned picture from blue, green and red: the matrix that all image editors share."""


@register
class Hsv(Pixel):
    """Turn the hue, and scale or bend saturation and value.

    Saturation becomes ``saturation * S ** saturation_power``, value likewise: the colour changes of Dosovitskiy et al.,
    "Discriminative unsupervised feature learning with exemplar convolutional neural networks", TPAMI 2016, on the hexcone
    of Smith, "Color gamut transform pairs", SIGGRAPH 1978.
    """

    of_colour: ClassVar[bool] = True

    hue: Annotated[Range, Quantity("hue", "degrees; red, yellow, green are 60 apart", 0, -180, 180, typical=15)] = Field(
        Fixed(0.0), description="turn of the hue"
    )
    saturation: Annotated[Range, Quantity("saturation", "factor, 0 is grey", 1, 0, 10, typical=1.3)] = Field(
        Fixed(1.0), description="factor of the saturation"
    )
    value: Annotated[Range, Quantity("value", "factor, above 1 brightens", 1, 0, 10, typical=1.3)] = Field(
        Fixed(1.0), description="factor of the value, the brightest of red, green and blue"
    )
    saturation_power: Annotated[
        Range, Quantity("saturation_power", "exponent, above 1 pales the pale colours", 1, 0.25, 4, typical=1.5)
    ] = Field(Fixed(1.0), description="exponent of the saturation")
    value_power: Annotated[Range, Quantity("value_power", "exponent, above 1 darkens", 1, 0.25, 4, typical=1.5)] = Field(
        Fixed(1.0), description="exponent of the value"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        hue, *bends = (params[name] for name in ("hue", "saturation", "value", "saturation_power", "value_power"))
        if hue % 360 == 0 and bends == [1, 1, 1, 1]:
            return image
        if image.dtype == np.uint8:
            return _hsv_by_table(image, params)
        hsv = cv2.cvtColor(image.astype(np.float32) * np.float32(1 / white(image)), cv2.COLOR_BGR2HSV)
        hsv[:, :, 0] = (hsv[:, :, 0] + np.float32(hue)) % 360
        for channel, name in ((1, "saturation"), (2, "value")):
            hsv[:, :, channel] = _bent(hsv[:, :, channel], name, params)
        return as_levels(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * np.float32(white(image)), image)


def _bent(x: Array, name: str, params: dict[str, Any]) -> Array:
    bent: Array = np.clip(params[name] * np.clip(x, 0, 1) ** params[f"{name}_power"], 0, 1)
    return bent


def _hsv_by_table(image: Array, params: dict[str, Any]) -> Array:
    levels = np.arange(256)
    # cv2 makes 256 steps of the circle on the way to HSV, and reads 255 on the way back.
    turned = (levels / 256 + params["hue"] / 360) % 1 * 255
    tables = [turned, 255 * _bent(levels / 255, "saturation", params), 255 * _bent(levels / 255, "value", params)]
    rounded = np.rint(tables).astype(np.uint8)
    channels = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL))
    looked_up = [x if np.array_equal(row, levels) else look_up(x, row[None]) for x, row in zip(channels, rounded, strict=True)]
    return cv2.cvtColor(cv2.merge(looked_up), cv2.COLOR_HSV2BGR_FULL)


@register
class Saturation(Pixel):
    """Blend with the grey picture: 0 is grey, above 1 is more colourful.

    As Pillow's ``ImageEnhance.Color`` and torchvision's ``adjust_saturation``: luma of ITU-R BT.601.
    """

    of_colour: ClassVar[bool] = True

    range: Annotated[Range, Quantity("factor", "factor, above 1 is more colourful", 1, 0, 10, typical=1.5)] = Field(description="factor")

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        factor = params["factor"]
        if factor == 1:
            return image
        return _mixed(image, factor * np.eye(3) + (1 - factor) * LUMA)


def _mixed(image: Array, matrix: Array) -> Array:
    """Blue, green and red that are these sums of blue, green and red, clipped."""
    mixed = cv2.transform(image, matrix)
    return mixed if image.dtype.kind == "u" else as_levels(mixed, image)


@register
class Grayscale(Pixel):
    """Take all colour away: luma of ITU-R BT.601 in all three channels."""

    of_colour: ClassVar[bool] = True

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


@register
class ChannelShuffle(Pixel):
    """Exchange red, green and blue: one of the five orders other than their own.

    The drawn ``order`` tells what red, green and blue are taken from: ``gbr`` makes red of green, green of blue, blue of red.
    """

    of_colour: ClassVar[bool] = True

    def draw(self, u: Array) -> Params:
        return {"order": chosen(u[:, 0], ("rbg", "grb", "gbr", "brg", "bgr"))}

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        sources = ["bgr".index(source) for source in reversed(params["order"])]
        return _mixed(image, np.eye(3)[sources])  # exact, and half the time of moving the channels one by one


@register
class Sepia(Pixel):
    """Tone brown, as old photographs are."""

    of_colour: ClassVar[bool] = True

    strength: Annotated[Range, Quantity("strength", "0 is the picture itself, 1 is all brown", 0, 0, 1, typical=0.6)] = Field(
        description="share of the toned picture in the blend"
    )

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        strength = params["strength"]
        if strength == 0:
            return image
        return _mixed(image, (1 - strength) * np.eye(3) + strength * SEPIA)
