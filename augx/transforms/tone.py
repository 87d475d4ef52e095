"""Transforms of the levels: draw -> curves. All of them together cost one look-up table."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from augx.ranges import Quantity, Range
from augx.transforms.base import Array, Params, Tone, register


@register
class Brightness(Tone):
    """Multiply all levels."""

    range: Annotated[Range, Quantity("factor", "factor, above 1 brightens", 1, 0, 10)] = Field(description="factor")

    def curve(self, x: Array, params: Params) -> Array:
        return x * params["factor"]


@register
class Contrast(Tone):
    """Stretch the levels about mid-grey."""

    range: Annotated[Range, Quantity("factor", "factor, above 1 adds contrast", 1, 0, 10)] = Field(description="factor")

    def curve(self, x: Array, params: Params) -> Array:
        return (x - 0.5) * params["factor"] + 0.5


@register
class Gamma(Tone):
    """Raise the levels to a power; black and white stay.

    The power law of Gonzalez and Woods, "Digital Image Processing", section 3.2.
    """

    range: Annotated[Range, Quantity("exponent", "exponent, above 1 darkens", 1, 0.05, 20)] = Field(description="exponent")

    def curve(self, x: Array, params: Params) -> Array:
        return np.maximum(x, 0) ** params["exponent"]


@register
class ChannelShift(Tone):
    """Add to the levels."""

    range: Annotated[Range, Quantity("red", "levels of 0 to 255", 0, -255, 255)] = Field(description="levels to add")
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
