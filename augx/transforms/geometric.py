"""Geometry: draw -> matrices. All of them together cost one resample."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from augx.distributions import Fixed, LogUniform, Range
from augx.matrices import about_centre, cos_sin, onto, resize, stacked
from augx.ranges import Quantity, fault
from augx.transforms.base import Array, Geometric, Params, Size, chosen, register


@register
class Rotate(Geometric):
    """Rotate about the centre."""

    range: Annotated[Range, Quantity("angle", "degrees, counter-clockwise", 0, -360, 360, typical=30)] = Field(description="angle")

    def matrices(self, params: Params, size: Array) -> Array:
        cos, sin = cos_sin(params["angle"])
        return about_centre(stacked(len(size), xx=cos, xy=sin, yx=-sin, yy=cos), size)


@register
class ShiftX(Geometric):
    """Move to the right."""

    range: Annotated[Range, Quantity("shift", "fraction of the width, to the right", 0, -1, 1, typical=0.2)] = Field(description="distance")

    def matrices(self, params: Params, size: Array) -> Array:
        return stacked(len(size), xt=params["shift"] * size[:, 0])


@register
class ShiftY(Geometric):
    """Move down."""

    range: Annotated[Range, Quantity("shift", "fraction of the height, down", 0, -1, 1, typical=0.2)] = Field(description="distance")

    def matrices(self, params: Params, size: Array) -> Array:
        return stacked(len(size), yt=params["shift"] * size[:, 1])


@register
class Shear(Geometric):
    """Slide rows sideways about the centre, so that upright lines lean by the angle."""

    range: Annotated[Range, Quantity("angle", "degrees, the top to the right", 0, -80, 80, typical=15)] = Field(description="angle")

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), xy=-np.tan(np.deg2rad(params["angle"]))), size)


@register
class Zoom(Geometric):
    """Scale about the centre; above 1 magnifies."""

    range: Annotated[Range, Quantity("x", "factor, above 1 magnifies", 1, 0.05, 20, typical=1.2)] = Field(description="factor")
    axes: Literal["together", "independent"] = Field("together", description="together keeps the aspect ratio")

    def draw(self, u: Array) -> Params:
        x = self.range.quantile(u[:, 0])
        return {"x": x, "y": x if self.axes == "together" else self.range.quantile(u[:, 1])}

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), xx=params["x"], yy=params["y"]), size)


@register
class ShearY(Geometric):
    """Slide columns up and down about the centre, so that level lines slope by the angle."""

    range: Annotated[Range, Quantity("angle", "degrees, the right side down", 0, -80, 80, typical=15)] = Field(description="angle")

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), yx=np.tan(np.deg2rad(params["angle"]))), size)


@register
class ScaleX(Geometric):
    """Stretch in width about the centre."""

    range: Annotated[Range, Quantity("factor", "factor, above 1 widens", 1, 0.05, 20, typical=1.2)] = Field(description="factor")

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), xx=params["factor"]), size)


@register
class ScaleY(Geometric):
    """Stretch in height about the centre."""

    range: Annotated[Range, Quantity("factor", "factor, above 1 heightens", 1, 0.05, 20, typical=1.2)] = Field(description="factor")

    def matrices(self, params: Params, size: Array) -> Array:
        return about_centre(stacked(len(size), yy=params["factor"]), size)


_CORNERS = [f"{corner}_{axis}" for corner in ("top_left", "top_right", "bottom_right", "bottom_left") for axis in "xy"]


@register
class Perspective(Geometric):
    """Look at the picture from aside: each corner moves inwards by a share of its own.

    torchvision's RandomPerspective: a corner moves by up to ``range`` times half the width and half the height.
    """

    range: Annotated[Range, Quantity("distortion", "fraction of half the width and height", 0, 0, 0.6, typical=0.3)] = Field(
        description="how far a corner moves at most"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), **{name: np.round(u[:, 1 + i], 6) for i, name in enumerate(_CORNERS)}}

    def matrices(self, params: Params, size: Array) -> Array:
        shares = np.stack([params[name] for name in _CORNERS], axis=1).reshape(-1, 4, 2)
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
        inwards = (1 - 2 * corners) * shares * params["distortion"][:, None, None] / 2
        return onto((corners + inwards) * size[:, None] - 0.5, size)


@register
class Crop(Geometric):
    """Keep a window at a random place; the copy has its size.

    The window lies on whole pixels, so a crop alone resamples nothing.
    """

    range: Annotated[Range, Quantity("fraction", "fraction of the width and height that is kept", 1, 0.01, 1, typical=0.8)] = Field(
        Fixed(1.0), description="side of the window"
    )
    size: Size | None = Field(None, description="[width, height] of the window in pixels, instead of a fraction")

    @model_validator(mode="after")
    def _one_size(self) -> "Crop":
        if self.size is not None and self.range != Fixed(1.0):
            raise fault("a crop has either a fraction (range) or a size in pixels, not both")
        return self

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "x": np.round(u[:, 1], 6), "y": np.round(u[:, 2], 6)}

    def matrices(self, params: Params, size: Array) -> Array:
        room = size - self.resized(params, size)
        return stacked(len(size), xt=-np.rint(params["x"] * room[:, 0]), yt=-np.rint(params["y"] * room[:, 1]))

    def resized(self, params: Params, size: Array) -> Array:
        if self.size is not None:
            return np.tile(np.array(self.size, float), (len(size), 1))
        window: Array = np.maximum(np.rint(params["fraction"][:, None] * size), 1)
        return window


@register
class RandomResizedCrop(Geometric):
    """Keep a window of random area, shape and place, stretched to the copy's full size.

    Szegedy et al., "Going deeper with convolutions", 2015; as torchvision's, but that a window which would be too wide or too
    high keeps its area and becomes as wide or as high as the picture, instead of being drawn again.
    """

    scale: Annotated[Range, Quantity("scale", "fraction of the area that is kept", 1, 0.01, 1, typical=0.3)] = Field(
        description="area of the window"
    )
    ratio: Annotated[Range, Quantity("ratio", "width by height of the window, in pixels", 1, 0.05, 20, alone="value")] = Field(
        LogUniform(3 / 4, 4 / 3), description="shape of the window"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "x": np.round(u[:, 2], 6), "y": np.round(u[:, 3], 6)}

    def matrices(self, params: Params, size: Array) -> Array:
        area = params["scale"] * size[:, 0] * size[:, 1]
        ratio = np.clip(params["ratio"], area / size[:, 1] ** 2, size[:, 0] ** 2 / area)
        window = np.minimum(np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=1), size)
        corner = np.stack([params["x"], params["y"]], axis=1) * (size - window)
        return resize(window, size) @ stacked(len(size), xt=-corner[:, 0], yt=-corner[:, 1])


@register
class Transpose(Geometric):
    """Mirror about the diagonal from top left to bottom right; width and height change places."""

    def matrices(self, params: Params, size: Array) -> Array:
        return stacked(len(size), xx=0, xy=1, yx=1, yy=0)

    def resized(self, params: Params, size: Array) -> Array:
        return size[:, ::-1]


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
