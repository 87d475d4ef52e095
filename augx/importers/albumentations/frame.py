"""Albumentations' crops, pads and resizes in our words: what sets the size of a copy, or where in the picture it lies.

Where the pipeline has fixed the picture's size before, a window in pixels is a share of it, whatever size the source has.
"""

from __future__ import annotations

from typing import Any

from augx.importers.albumentations.settings import Settings, Step, UnreadableError, about, between, plain, reads
from augx.ranges import shown

Span = tuple[float, float]


def _warp(name: str, **fields: Any) -> Step:
    return Step("warp", {name: fields})


def _resized(t: Settings, width: int, height: int) -> None:
    t.course.size, t.course.resized = (width, height), True


@reads("Resize")
def _resize(t: Settings) -> list[Step]:
    t.canvas(border=False)
    _resized(t, t.side("width", t.raw("width")), t.side("height", t.raw("height")))
    return []


def _size(t: Settings) -> tuple[int, int]:
    """Width and height from ``size``, which has the height first, or from settings of their own as in older files."""
    size = t.raw("size")
    if size is None:
        return t.side("width", t.raw("width")), t.side("height", t.raw("height"))
    if not isinstance(size, list) or len(size) != 2:
        raise UnreadableError(f"size: expected [height, width], found {shown(size)}")
    return t.side("size", size[1]), t.side("size", size[0])


@reads("RandomResizedCrop")
def _random_resized_crop(t: Settings) -> list[Step]:
    t.canvas(border=False)
    t.changed("a window that would be too wide or too high keeps its area here, instead of being drawn again")
    scale, ratio = t.pair("scale", (0.08, 1)), t.pair("ratio", (0.75, 4 / 3))
    if ratio[0] <= 0:
        raise UnreadableError(f"ratio: expected numbers above 0, found {shown(list(ratio))}")
    _resized(t, *_size(t))
    shape = {"fixed": plain(ratio[0])} if ratio[0] == ratio[1] else {"log_uniform": [plain(part) for part in ratio]}
    is_default = tuple(map(plain, ratio)) == (0.75, plain(4 / 3))
    return [_warp("random_resized_crop", scale=between(*scale), **({} if is_default else {"ratio": shape}))]


@reads("RandomSizedCrop")
def _random_sized_crop(t: Settings) -> list[Step]:
    t.canvas(border=False)
    low, high = t.pair("min_max_height", (1, 1))
    ratio = t.number("w2h_ratio", 1)
    if low <= 0 or ratio <= 0:
        raise UnreadableError("min_max_height and w2h_ratio must lie above 0")
    before = t.course.size
    _resized(t, *_size(t))
    if before is None:
        t.lost("its window has a height in pixels of a picture whose size is not known here; random_resized_crop has a share of the area")
        return []
    width, height = before
    if abs(ratio * height / width - 1) < 0.01:
        return [_warp("crop", range=between(low / height, high / height))]
    t.changed("its window's area is drawn evenly here, not its height")
    area = [min(side * side * ratio / (width * height), 1.0) for side in (low, high)]
    return [_warp("random_resized_crop", scale=between(*area), ratio={"fixed": plain(ratio)})]


@reads("RandomCrop", "CenterCrop", "CropNonEmptyMaskIfExists")
def _crop(t: Settings) -> list[Step]:
    if t.flag("pad_if_needed", False):
        t.canvas()
        if t.course.size is None:
            t.changed("a picture that is too small lies at a random place in the frame here")
        t.skip("pad_position")
    t.skip("border_mode", "fill", "pad_position", "ignore_values", "ignore_channels")
    width, height = t.side("width", t.raw("width")), t.side("height", t.raw("height"))
    central = t.name == "CenterCrop"
    if t.name == "CropNonEmptyMaskIfExists":
        t.changed("masks are not looked at: its window may lie anywhere")
    before, t.course.size = t.course.size, (width, height)
    if before is None:
        if central:
            t.changed("its window lies at a random place, as the size of the picture is not known here")
        return [_warp("crop", size=[width, height])]
    t.course.resized = True
    shares = width / before[0], height / before[1]
    if shares == (1, 1):
        return []
    if abs(shares[0] / shares[1] - 1) < 1e-6 and shares[0] < 1:
        if central:
            return [_warp("zoom", range=between(1 / shares[0], 1 / shares[0]))]
        return [_warp("crop", range=between(shares[0], shares[0]))]
    rooms = [side - window for side, window in zip(before, (width, height), strict=True)]
    corners = [(room / 2, room / 2) if central or room < 0 else (0.0, float(room)) for room in rooms]
    return _view(before, (width, height), corners)


def _view(size: tuple[int, int], window: tuple[float, float], corners: list[Span]) -> list[Step]:
    """The window of the picture, stretched to its frame: ``corners`` are where it may begin, along x and y."""
    steps = []
    for axis, side, length in zip("xy", size, window, strict=True):
        if length != side:
            steps.append(_warp(f"scale_{axis}", range=between(side / length, side / length)))
    for axis, side, length, (first, last) in zip("xy", size, window, corners, strict=True):
        # How far the window's centre lies from the picture's, in windows.
        shift = [(side / 2 - (corner + length / 2)) / length for corner in (last, first)]
        if any(map(plain, shift)):
            steps.append(_warp(f"shift_{axis}", range=between(*shift)))
    return steps


@reads("Crop")
def _fixed_crop(t: Settings) -> list[Step]:
    t.skip("border_mode", "fill", "pad_if_needed", "pad_position")
    left, top, right, bottom = (t.number(key, default) for key, default in (("x_min", 0), ("y_min", 0), ("x_max", 1024), ("y_max", 1024)))
    width, height = t.side("x_max", right - left), t.side("y_max", bottom - top)
    before, t.course.size = t.course.size, (width, height)
    if before is None:
        t.changed("its window lies at a random place, as the size of the picture is not known here")
        return [_warp("crop", size=[width, height])]
    t.course.resized = True
    return _view(before, (width, height), [(left, left), (top, top)])


@reads("RandomCropFromBorders")
def _crop_from_borders(t: Settings) -> list[Step]:
    sides = [t.number(f"crop_{side}", 0.1) for side in ("left", "right", "top", "bottom")]
    t.changed("each side gives up a share of its own there; here width and height give up one share, and the window lies anywhere")
    return [_warp("crop", range=between(1 - min(max(sum(sides) / 2, 0), 0.99), 1))]


@reads("CropAndPad")
def _crop_and_pad(t: Settings) -> list[Step]:
    t.canvas()
    if not t.flag("keep_size", True):
        t.changed("keep_size false: here the picture keeps its size")
    if t.flag("sample_independently", True):
        t.changed("its sides move each by a draw of its own; here all alike, about the centre")
    pixels, shares = t.raw("px"), t.raw("percent")
    unit = 1.0 if pixels is None else t.shorter_side()
    value = shares if pixels is None else pixels
    flat = [t.as_pair("px or percent", side) for side in (value if isinstance(value, list) and len(value) == 4 else [value])]
    low, high = (min(pair[0] for pair in flat) / unit, max(pair[1] for pair in flat) / unit)
    if low == high == 0:
        return []
    return [_warp("zoom", range=about(*(1 / max(1 + 2 * share, 0.05) for share in (low, high))))]


@reads("Pad", "PadIfNeeded")
def _pad(t: Settings) -> list[Step]:
    before = t.course.size
    if before is None:
        t.skip("border_mode", "fill")
    else:
        t.canvas()
    if t.name == "PadIfNeeded":
        return _padded_if_needed(t, before)
    padding = t.raw("padding", 0)
    sides = [t.number("padding", side) for side in (padding if isinstance(padding, list) else [padding])]
    if len(sides) not in (1, 2, 4):
        raise UnreadableError(f"padding: expected one number, two or four, found {shown(padding)}")
    left, top, right, bottom = sides * (4 // len(sides))
    if before is None:
        t.lost("it adds pixels to a picture whose size is not known here; zoom below 1 shows what lies outside")
        return []
    width, height = t.side("padding", before[0] + left + right), t.side("padding", before[1] + top + bottom)
    _resized(t, width, height)
    return _view(before, (width, height), [(-left, -left), (-top, -top)])


def _padded_if_needed(t: Settings, before: tuple[int, int] | None) -> list[Step]:
    t.skip("padding")
    position = t.word("position", "center")
    least = [None if (side := t.raw(f"min_{name}")) is None else t.side(f"min_{name}", side) for name in ("width", "height")]
    divisors = [t.raw(f"pad_{name}_divisor") for name in ("width", "height")]
    if any(divisor is not None for divisor in divisors):
        t.lost("sides that are multiples of a number: give output: {size: [width, height]}")
        return []
    if before is None:
        t.lost(
            "it pads pictures that are too small, and the size of these is not known here; output: {size: [width, height]} stretches them"
        )
        return []
    width, height = (max(side, wanted or 0) for side, wanted in zip(before, least, strict=True))
    if (width, height) == before:
        return []
    if position != "center":
        t.changed(f"position {shown(position)} is the centre here")
    _resized(t, width, height)
    corners = [((side - wide) / 2,) * 2 for side, wide in zip(before, (width, height), strict=True)]
    return _view(before, (width, height), corners)


@reads("LongestMaxSize", "SmallestMaxSize")
def _max_size(t: Settings) -> list[Step]:
    t.canvas(border=False)
    sides, both = t.raw("max_size"), t.raw("max_size_hw")
    if isinstance(both, list):
        sides = [side for side in both if side is not None]
    wanted = [t.side("max_size", side) for side in (sides if isinstance(sides, list) else [sides])]
    if not wanted:
        raise UnreadableError("max_size: expected a number of pixels, found none")
    if len(wanted) > 1:
        t.changed(f"of its sizes {shown(wanted)} only the last is taken here")
    if t.course.size is None:
        side = wanted[-1]
        t.changed(
            f"copies keep their source's shape there; here all become {side} x {side}, stretched: change output.size, or leave it out"
        )
        _resized(t, side, side)
        return []
    factor = wanted[-1] / (max if t.name == "LongestMaxSize" else min)(t.course.size)
    _resized(t, *(max(round(side * factor), 1) for side in t.course.size))
    return []


@reads("RandomSizedBBoxSafeCrop")
def _box_safe_crop(t: Settings) -> list[Step]:
    t.canvas(border=False)
    t.skip("erosion_rate")
    _resized(t, *_size(t))
    t.lost("its window follows boxes, which are not read here; only its size stays; random_resized_crop cuts at random")
    return []
