"""What torchvision's geometric transforms become: their settings -> steps of a spec."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from augx.importers.calls import Expression
from augx.importers.pipeline import Part, part, ranged
from augx.importers.settings import natural, number
from augx.importers.torchvision.settings import Pipeline, Values

Handler = Callable[[Values, Pipeline], list[Part]]

_PADDINGS = {"constant": "constant", "edge": "nearest", "reflect": "reflect101", "symmetric": "reflect"}
_ASSUMED_SIDE = 256
_ANGLES = "a number of degrees of 0 or more, or [low, high]"
FACTORS = "a number of 0 or more, or [low, high]"


def plain(name: str, p: float = 0.5) -> Handler:
    """A transform of ours that has nothing but a probability."""

    def handle(s: Values, pipeline: Pipeline) -> list[Part]:
        likely = s.p(p)
        return [part(s.name, name, likely)] if likely else []

    return handle


def _rotation(s: Values, pipeline: Pipeline) -> list[Part]:
    edges = s.edges("degrees", _ANGLES)
    if "degrees" not in s.given:
        s.wrong("degrees", _ANGLES)
    _note_centre(s, pipeline)
    if s.flag("expand"):
        pipeline.notes.lose("RandomRotation: expand: copies keep their size; what leaves the canvas is cut off")
    found = ranged(pipeline.notes, s.name, ("rotate", "range"), edges or (0, 0))
    if found:
        pipeline.moves(s)
    return found


def _affine(s: Values, pipeline: Pipeline) -> list[Part]:
    """Source to copy: shear, scale, rotation, translation: the order of torchvision's matrix, whose angles turn clockwise."""
    degrees = s.edges("degrees", _ANGLES) or (0, 0)
    if "degrees" not in s.given:
        s.wrong("degrees", _ANGLES)
    shift = s.numbers("translate", (2,), "two fractions from 0 to 1", 0, 1) or [0, 0]
    scale = s.numbers("scale", (2,), "two factors above 0", 1e-9) or [1, 1]
    expected = "degrees, [low, high], or [x low, x high, y low, y high]"
    shear = s.edges("shear", expected) if number(s.given.get("shear")) else s.numbers("shear", (2, 4), expected)
    x_low, x_high, y_low, y_high = (*(shear or (0, 0)), 0, 0)[:4]
    _note_centre(s, pipeline)
    steps = [
        (("shear", "range"), (x_low, x_high)),
        (("shear_y", "range"), (-y_high, -y_low)),
        (("zoom", "range"), (scale[0], scale[1])),
        (("rotate", "range"), (-degrees[1], -degrees[0])),
        (("shift_x", "range"), (-shift[0], shift[0])),
        (("shift_y", "range"), (-shift[1], shift[1])),
    ]
    found = [each for where, edges in steps for each in ranged(pipeline.notes, s.name, where, edges)]
    if found:
        pipeline.moves(s)
    return found


def _note_centre(s: Values, pipeline: Pipeline) -> None:
    if s.given.get("center") is not None:
        pipeline.notes.lose(f"{s.name}: center: pictures turn about their own centre here")


def _perspective(s: Values, pipeline: Pipeline) -> list[Part]:
    if pipeline.printed and "distortion_scale" not in s.given:
        pipeline.notes.change("RandomPerspective: its distortion_scale is not printed; torchvision's default of 0.5 is taken")
    scale = s.number("distortion_scale", 0.5, "a number from 0 to 1", 0, 1)
    likely = s.p()
    found = ranged(pipeline.notes, s.name, ("perspective", "range"), (scale, scale), likely) if likely else []
    if found:
        pipeline.moves(s, "bilinear")
    return found


def _elastic(s: Values, pipeline: Pipeline) -> list[Part]:
    """Theirs smooths uniform noise of -1 to 1 and moves pixels by half of alpha times that."""
    alphas, sigmas = (
        [s.number(name, default, FACTORS, 0)] if not isinstance(s.given.get(name), list) else s.numbers(name, (1, 2), FACTORS, 0) or [0.0]
        for name, default in (("alpha", 50.0), ("sigma", 5.0))
    )
    side = min(pipeline.frame) if pipeline.frame else _ASSUMED_SIDE
    alpha, sigma = sum(alphas) / len(alphas), max(sum(sigmas) / len(sigmas), 0.3)
    # A Gaussian leaves 1 / (2 sqrt(pi) sigma) of white noise's standard deviation, which is 1 / sqrt(3) here.
    displacement = alpha / 2 / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma) / side
    bumps = min(max(sigma / side, 0.005), 1)
    where = ("elastic", "displacement")
    found = ranged(pipeline.notes, s.name, where, (round(displacement, 6),) * 2, sigma=natural(round(bumps, 6)))
    if found:
        of = f"{natural(side)} pixels" if pipeline.frame else f"{_ASSUMED_SIDE} pixels, as the pictures' size is not known"
        pipeline.notes.change(f"ElasticTransform: alpha and sigma are in pixels; here they are shares of a side of {of}")
        pipeline.moves(s, "bilinear")
    return found


def _resized_crop(s: Values, pipeline: Pipeline) -> list[Part]:
    size = s.size()
    low, high = s.numbers("scale", (2,), "two fractions of the area from 0 to 1", 1e-9, 1) or [0.08, 1.0]
    ratio = s.numbers("ratio", (2,), "two ratios above 0", 1e-9) or [3 / 4, 4 / 3]
    pipeline.interpolation(s, "bilinear")
    if size is None:
        return []
    pipeline.resize(s, size)
    first, last = (natural(round(min(max(edge, 0.05), 20), 4)) for edge in sorted(ratio))  # v1 prints no more digits
    shape: dict[str, Any] = {"ratio": first if first == last else {"log_uniform": [first, last]}}
    shape = {} if [first, last] == [0.75, 1.3333] else shape  # ours, without one
    found = ranged(pipeline.notes, s.name, ("random_resized_crop", "scale"), (low, high), **shape)
    return found or [part(s.name, "random_resized_crop", scale={"fixed": 1}, **shape)]


def _resize(s: Values, pipeline: Pipeline) -> list[Part]:
    value = s.given.get("size")
    pipeline.interpolation(s, "bilinear")
    if value is None and s.given.get("max_size") is not None:
        pipeline.kept_aspect = "Resize: max_size is the longer side, whose other side depends on the picture"
        return []
    size = s.size()
    if size is not None and (number(value) or (isinstance(value, list) and len(value) == 1)):
        pipeline.kept_aspect = f"Resize: {size[0]} is the shorter side, whose other side depends on the picture"
        pipeline.frame = (float(size[0]), float(size[0]))
    elif size is not None:
        pipeline.resize(s, size)
    return []


def _padding(s: Values, name: str = "padding") -> list[float]:
    """Left, top, right, bottom."""
    expected = "a whole number of pixels, or a list of 1, 2 or 4"
    value = s.given.get(name)
    found = (
        s.numbers(name, (1, 2, 4), expected, -65_500, 65_500) if isinstance(value, list) else [s.number(name, 0, expected, -65_500, 65_500)]
    )
    return {1: 4, 2: 2, 4: 1}[len(found)] * found if found else [0.0] * 4


def _mode(s: Values) -> str:
    mode = s.given.get("padding_mode", "constant")
    mode = mode.text.rpartition(".")[2] if isinstance(mode, Expression) else mode
    if not isinstance(mode, str) or mode not in _PADDINGS:
        s.wrong("padding_mode", "constant, edge, reflect or symmetric")
        return "constant"
    return _PADDINGS[mode]


def _crop(s: Values, pipeline: Pipeline) -> list[Part]:
    size, mode, (left, top, right, bottom) = s.size(), _mode(s), _padding(s)
    if size is None:
        return []
    found: list[Part] = []
    pads = max(left, right, 0), max(top, bottom, 0)
    if any(pads):
        notes = pipeline.notes
        for name, pad, side in (("shift_x", pads[0], size[0]), ("shift_y", pads[1], size[1])):
            found += ranged(notes, s.name, (name, "range"), (-min(pad / side, 1), min(pad / side, 1)))
        notes.change(f"RandomCrop: its padding becomes shifts, in shares of {size[0]}x{size[1]}, not in whole pixels")
        pipeline.border(s, mode)
    elif s.flag("pad_if_needed"):
        pipeline.border(s, mode)
    return found + _window(s, pipeline, size)


def _window(s: Values, pipeline: Pipeline, size: tuple[int, int]) -> list[Part]:
    """A window of this size at a random place."""
    if pipeline.frame is None:
        pipeline.frame = (float(size[0]), float(size[1]))
        return [part(s.name, "crop", size=list(size))]
    shares = [side / whole for side, whole in zip(size, pipeline.frame, strict=True)]
    share = min(math.sqrt(shares[0] * shares[1]), 1)
    if pipeline.kept_aspect or shares[0] != shares[1]:
        what = f"the window is {natural(round(share, 4))} of width and height, stretched to {size[0]}x{size[1]}"
        pipeline.notes.change(f"{s.name}: {what}, as the crop comes before the resize here")
    pipeline.resize(s, size)
    return ranged(pipeline.notes, s.name, ("crop", "range"), (share, share))


def _centre_crop(s: Values, pipeline: Pipeline) -> list[Part]:
    """The middle: scaled up about the centre until only it is left, if the size is known of which it is the middle."""
    size = s.size()
    if size is None:
        return []
    if pipeline.frame is None:
        pipeline.notes.change(f"CenterCrop: the window of {size[0]}x{size[1]} is at a random place here, not in the middle")
        return _window(s, pipeline, size)
    x, y = (whole / side for side, whole in zip(size, pipeline.frame, strict=True))
    if pipeline.kept_aspect:
        x = y = math.sqrt(x * y)
        pipeline.notes.change(f"CenterCrop: the middle has the picture's shape, and is stretched to {size[0]}x{size[1]}")
    pipeline.resize(s, size)
    if min(x, y) < 1:
        pipeline.border(s)
    steps = [("zoom", x)] if x == y else [("scale_x", x), ("scale_y", y)]
    return [each for name, factor in steps for each in ranged(pipeline.notes, s.name, (name, "range"), (round(factor, 6),) * 2)]


def _pad(s: Values, pipeline: Pipeline) -> list[Part]:
    left, top, right, bottom = _padding(s)
    mode = _mode(s)
    if "padding" not in s.given:
        s.wrong("padding", "a whole number of pixels, or a list of 1, 2 or 4")
    if pipeline.frame is None or pipeline.kept_aspect:
        pipeline.notes.lose("Pad: its pixels are a share of a size that is not known here; zoom below 1 leaves a border as well")
        return []
    width, height = pipeline.frame[0] + left + right, pipeline.frame[1] + top + bottom
    if width < 1 or height < 1 or max(width, height) > 65_500 or width % 1 or height % 1:
        s.wrong("padding", "as many pixels as leave sides of 1 to 65500")
        return []
    steps = [("scale_x", pipeline.frame[0] / width), ("scale_y", pipeline.frame[1] / height)]
    steps += [("shift_x", (left - right) / 2 / width), ("shift_y", (top - bottom) / 2 / height)]
    pipeline.border(s, mode)
    pipeline.resize(s, (int(width), int(height)))
    return [each for name, v in steps for each in ranged(pipeline.notes, s.name, (name, "range"), (round(v, 6),) * 2)]


# By name: the settings, in the order of their positions, and what becomes of them.
GEOMETRY: dict[str, tuple[str, Handler]] = {
    "RandomHorizontalFlip": ("p", plain("flip_h")),
    "RandomVerticalFlip": ("p", plain("flip_v")),
    "RandomRotation": ("degrees interpolation expand center fill", _rotation),
    "RandomAffine": ("degrees translate scale shear interpolation fill center", _affine),
    "RandomPerspective": ("distortion_scale p interpolation fill", _perspective),
    "ElasticTransform": ("alpha sigma interpolation fill", _elastic),
    "RandomResizedCrop": ("size scale ratio interpolation antialias", _resized_crop),
    "RandomCrop": ("size padding pad_if_needed fill padding_mode", _crop),
    "CenterCrop": ("size", _centre_crop),
    "Resize": ("size interpolation max_size antialias", _resize),
    "Pad": ("padding fill padding_mode", _pad),
}
