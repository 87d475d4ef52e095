"""Transforms of the plane: draw -> matrices. All of them together cost one resample."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from augx.ranges import Quantity, Range
from augx.transforms.base import Array, Geometric, Params, chosen, register
from augx.warp import about_centre, cos_sin, stacked


@register
class Rotate(Geometric):
    """Rotate about the centre."""

    range: Annotated[Range, Quantity("angle", "degrees, counter-clockwise", 0, -360, 360)] = Field(description="angle")

    def matrices(self, params: Params, size: Array) -> Array:
        cos, sin = cos_sin(params["angle"])
        return about_centre(stacked(len(size), xx=cos, xy=sin, yx=-sin, yy=cos), size)


@register
class ShiftX(Geometric):
    """Move to the right."""

    range: Annotated[Range, Quantity("shift", "fraction of the width, to the right", 0, -1, 1)] = Field(description="distance")

    def matrices(self, params: Params, size: Array) -> Array:
        return stacked(len(size), xt=params["shift"] * size[:, 0])


@register
class ShiftY(Geometric):
    """Move down."""

    range: Annotated[Range, Quantity("shift", "fraction of the height, down", 0, -1, 1)] = Field(description="distance")

    def matrices(self, params: Params, size: Array) -> Array:
        return stacked(len(size), yt=params["shift"] * size[:, 1])


@register
class Shear(Geometric):
    """Slide rows sideways about the centre, so that upright lines lean by the angle."""

    range: Annotated[Range, Quantity("angle", "degrees, the top to the right", 0, -80, 80)] = Field(description="angle")

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), xy=-np.tan(np.deg2rad(params["angle"]))), size)


@register
class Zoom(Geometric):
    """Scale about the centre; above 1 magnifies."""

    range: Annotated[Range, Quantity("x", "factor, above 1 magnifies", 1, 0.05, 20)] = Field(description="factor")
    axes: Literal["together", "independent"] = Field("together", description="together keeps the aspect ratio")

    def draw(self, u: Array) -> Params:
        x = self.range.quantile(u[:, 0])
        return {"x": x, "y": x if self.axes == "together" else self.range.quantile(u[:, 1])}

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), xx=params["x"], yy=params["y"]), size)


@register
class FlipH(Geometric):
    """Mirror left and right."""

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), xx=-1), size)


@register
class FlipV(Geometric):
    """Mirror top and bottom."""

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), yy=-1), size)


@register
class Rotate90(Geometric):
    """Turn by quarters, counter-clockwise; width and height change places.

    ``p: 0.75`` makes all four directions equally likely.
    """

    turns: tuple[Literal[1, 2, 3], ...] = Field((1, 2, 3), min_length=1, description="quarter turns to choose from")

    def draw(self, u: Array) -> Params:
        return {"turns": chosen(u[:, 0], self.turns)}

    def matrices(self, params: Params, size: Array) -> Array:
        cos, sin = cos_sin(params["turns"] * 90.0)
        turn = stacked(len(size), xx=cos, xy=sin, yx=-sin, yy=cos)
        # From centre to centre, which lie apart when width and height differ.
        turn[:, :2, 2] = (self.resized(params, size) - 1) / 2 - (turn[:, :2, :2] @ ((size - 1) / 2)[:, :, None])[:, :, 0]
        return turn

    def resized(self, params: Params, size: Array) -> Array:
        return np.where((params["turns"] % 2 == 1)[:, None], size[:, ::-1], size)
