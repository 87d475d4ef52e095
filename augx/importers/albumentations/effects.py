"""Albumentations' blurs of a camera, damages, weather and light in our words."""

from __future__ import annotations

import math
from typing import Any

from augx.importers.albumentations.settings import ASSUMED_SIDE, Settings, Step, UnreadableError, about, between, one_of_these, plain, reads
from augx.importers.albumentations.table import odd_sizes
from augx.ranges import shown


def _then(name: str, **fields: Any) -> Step:
    return Step("then", {name: fields})


@reads("MotionBlur")
def _motion_blur(t: Settings) -> list[Step]:
    sizes, direction = odd_sizes(t, (3, 7)), t.pair("direction_range", (-1, 1))
    if t.flag("allow_shifted", True):
        t.changed("allow_shifted moves the picture; here it stays in its place")
    # A direction of 1 leaves one half of the line.
    steps = [low + (high - low) * i / 50 for low, high in [direction] for i in range(51)]
    share = 1 - sum(min(abs(step), 1) for step in steps) / 51 / 2
    length = one_of_these(sizes)
    if any(direction):
        t.changed("direction_range lengthens or shortens one half of the line; here both are as long as they are there on average")
        length = about(*(1 + (size - 1) * share for size in (sizes[0], sizes[-1])))
    low, high = t.pair("angle_range", (0, 360))
    if high - low >= 180:
        return [_then("motion_blur", length=length)]
    # Theirs turns clockwise, and a line turned by half a circle is the same line.
    turns = 180 * round((low + high) / 360)
    return [_then("motion_blur", length=length, angle=between(turns - high, turns - low))]


@reads("Defocus")
def _defocus(t: Settings) -> list[Step]:
    if any(t.pair("alias_blur", (0.1, 0.5))):
        t.changed("alias_blur: the disk's edge is smooth by itself here")
    low, high = (int(part) for part in t.pair("radius", (3, 10)))
    return [_then("defocus", radius=one_of_these([float(size) for size in range(low, min(high, low + 500) + 1)]))]


@reads("AdvancedBlur")
def _advanced_blur(t: Settings) -> list[Step]:
    t.skip("beta_limit", "blur_limit", "noise_limit", "rotate_limit")
    (x0, x1), (y0, y1) = (t.pair(f"sigma_{axis}_limit", (0.2, 1)) for axis in "xy")
    t.changed("its kernel, longer one way than the other, is a round Gaussian here")
    return [_then("blur", sigma=between((x0 + y0) / 2, (x1 + y1) / 2))]


def _sharpness(alpha: float, sigma: float, size: int) -> float:
    """The factor of sharpen that lifts a single pixel as much as ``alpha`` times what a Gaussian takes away."""
    sigma = sigma if sigma > 0 else 0.3 * ((size - 1) / 2 - 1) + 0.8
    total = sum(math.exp(-0.5 * (x / sigma) ** 2) for x in range(-(size // 2), size // 2 + 1))
    return 1 + alpha * (1 - 1 / total**2) * 13 / 8


@reads("Sharpen")
def _sharpen(t: Settings) -> list[Step]:
    alpha = t.pair("alpha", (0.2, 0.5))
    if t.word("method", "kernel") == "gaussian":
        size, sigma = int(min(t.number("kernel_size", 5), 99)), t.number("sigma", 1)
        t.skip("lightness")
        t.changed("its Gaussian is sharpen's kernel of 3 x 3 here, as strong for a single pixel")
        return [_then("sharpen", factor=about(*(_sharpness(part, sigma, size) for part in alpha)))]
    t.skip("kernel_size", "sigma")
    if t.pair("lightness", (0.5, 1)) != (1, 1):
        t.changed("lightness below 1 darkens, above it brightens; here the levels stay, as with a lightness of 1")
    # alpha * (8 c - the neighbours' sum), and ours is (factor - 1) / 13 times that.
    return [_then("sharpen", factor=between(*(1 + 13 * part for part in alpha)))]


@reads("UnsharpMask")
def _unsharp_mask(t: Settings) -> list[Step]:
    sizes = odd_sizes(t, (3, 7))
    sigma, alpha = sum(t.pair("sigma_limit", (0, 0))) / 2, t.pair("alpha", (0.2, 0.5))
    t.skip("threshold")
    t.changed("its Gaussian is sharpen's kernel of 3 x 3 here, as strong for a single pixel, and there is no threshold")
    return [_then("sharpen", factor=about(*(_sharpness(part, sigma, int(sizes[len(sizes) // 2])) for part in alpha)))]


@reads("ImageCompression")
def _compression(t: Settings) -> list[Step]:
    if t.word("compression_type", "jpeg") != "jpeg":
        t.changed("compression_type webp is JPEG here")
    return [_then("jpeg", quality=between(*t.pair("quality_range", (99, 100))))]


@reads("Downscale")
def _downscale(t: Settings) -> list[Step]:
    found = t.raw("interpolation_pair")
    pair = found if isinstance(found, dict) else {}
    up, down = (t.as_pair("interpolation_pair", pair.get(key, 0))[0] for key in ("upscale", "downscale"))
    if down != 3:
        t.changed("a pixel of the small picture is the mean of the area that it covers here")
    if up not in (0, 1, 2, 5, 6):
        t.changed(f"enlarged with interpolation {plain(up)} there, with cubic here")
    how = {0: "nearest", 6: "nearest", 1: "linear", 5: "linear"}.get(int(up), "cubic")
    scale = between(*t.pair("scale_range", (0.25, 0.25)))
    return [_then("downscale", scale=scale, **({} if how == "linear" else {"interpolation": how}))]


@reads("CoarseDropout")
def _coarse_dropout(t: Settings) -> list[Step]:
    fill = t.hole_fill()
    low, high = t.pair("num_holes_range", (1, 2))
    heights, widths = (t.pair(f"hole_{side}_range", (0.1, 0.2)) for side in ("height", "width"))
    if heights[1] >= 1:
        sides = t.course.size or (t.shorter_side(),) * 2
        heights, widths = ((pair[0] / side, pair[1] / side) for pair, side in zip((heights, widths), sides[::-1], strict=True))
    if low == high == 1 and min(heights + widths) > 0:
        t.changed("height and width are drawn apart; here area and aspect ratio, from the smallest to the largest")
        aspect = [min(max(part, 0.05), 20.0) for part in (widths[0] / heights[1], widths[1] / heights[0])]
        shape = {"fixed": 1} if plain(aspect[0]) == plain(aspect[1]) == 1 else {"log_uniform": [plain(part) for part in aspect]}
        return [_then("erase", area=about(heights[0] * widths[0], heights[1] * widths[1]), aspect=shape, fill=fill)]
    t.changed("its holes are rectangles inside the picture; here squares of the mean side, which may lie partly outside")
    side = [(height + width) / 2 for height, width in zip(heights, widths, strict=True)]
    count = between(max(low, 1), max(high, 1))
    return [_then("cutout", side=about(*side), count=count, fill=fill)]


@reads("GridDropout")
def _grid_dropout(t: Settings) -> list[Step]:
    fill, ratio = t.hole_fill(), t.number("ratio", 0.5)
    units, holes = t.raw("unit_size_range"), t.raw("holes_number_xy")
    t.skip("random_offset", "shift_xy")
    t.changed("its cells are of random sizes; here they are equal squares, and the grid begins anywhere")
    cell: Any = {"fixed": 0.1}
    if units is not None:
        cell = about(*(part / t.shorter_side() for part in t.as_pair("unit_size_range", units)))
    elif holes is not None:
        numbers = [t.side("holes_number_xy", number) for number in (holes if isinstance(holes, list) and holes else [holes])]
        cell = about(1 / max(numbers), 1 / max(numbers))
    return [_then("grid_dropout", ratio=between(ratio, ratio), cell=cell, fill=fill)]


@reads("Erasing")
def _erasing(t: Settings) -> list[Step]:
    fill, ratio = t.hole_fill(), t.pair("ratio", (0.3, 3.3))
    t.changed("a rectangle that would not fit keeps its area here and gives up some of its aspect ratio")
    return [_then("erase", area=between(*t.pair("scale", (0.02, 0.33))), aspect=between(*ratio), fill=fill)]


@reads("RandomFog")
def _fog(t: Settings) -> list[Step]:
    share = min(max(t.number("alpha_coef", 0.08), 0), 1)
    t.changed("its white discs, densest at the centre, are banks of fog over the whole picture, about as dense")
    # At full strength five or six discs lie over a point, on average over the picture.
    coefficients = (min(max(part, 0), 1) for part in t.pair("fog_coef_range", (0.3, 1)))
    return [_then("fog", density=about(*(1 - (1 - share * part) ** (5.5 * part) for part in coefficients)), airlight={"fixed": 255})]


@reads("RandomRain")
def _rain(t: Settings) -> list[Step]:
    kind, length = t.word("rain_type", "default"), t.raw("drop_length")
    t.skip("blur_value", "brightness_coefficient", "drop_color", "drop_width")
    t.changed("its streaks, all alike, are near and distant ones here, and their colour, width and darkening are rain's own")
    amount = {"drizzle": 0.1, "heavy": 0.4, "torrential": 0.85}.get(kind, 0.15)
    side = min(t.course.size or (ASSUMED_SIDE,))
    pixels = side / 8 if length is None else t.side("drop_length", length)
    share = 1 / 8 if length is None else pixels / t.shorter_side()
    # Its slant is how many pixels a streak goes aside.
    angles = [math.degrees(math.atan2(part, pixels)) for part in t.pair("slant_range", (-10, 10))]
    return [_then("rain", amount=between(amount, amount), angle=about(*angles), length=about(share, share))]


@reads("RandomSnow")
def _snow(t: Settings) -> list[Step]:
    t.skip("brightness_coeff", "method")
    t.changed("it bleaches dark places as though snow lay there; here snow is falling")
    return [_then("snow", amount=between(*t.pair("snow_point_range", (0.1, 0.3))))]


@reads("RandomSunFlare")
def _sun_flare(t: Settings) -> list[Step]:
    t.skip("angle_range", "method", "num_flare_circles_range", "src_color", "src_radius")
    roi = t.raw("flare_roi", [0, 0, 1, 0.5])
    if not isinstance(roi, list) or len(roi) != 4:
        raise UnreadableError(f"flare_roi: expected four numbers, found {shown(roi)}")
    (x0, x1), (y0, y1) = t.as_pair("flare_roi", roi[::2]), t.as_pair("flare_roi", roi[1::2])
    t.changed("only the sun's place is taken over; size, colour and ghosts are sun_flare's own")
    return [_then("sun_flare", strength={"fixed": 0.8}, x=between(x0, x1), y=between(y0, y1))]


@reads("RandomShadow", "PlasmaShadow")
def _shadow(t: Settings) -> list[Step]:
    t.skip("num_shadows_limit", "shadow_dimension", "shadow_roi")
    t.changed("its shadows become one to three anywhere in the picture, with soft edges, as dark as there")
    default = (0.5, 0.5) if t.name == "RandomShadow" else (0.3, 0.7)
    return [_then("shadow", strength=between(*t.pair("shadow_intensity_range", default)))]
