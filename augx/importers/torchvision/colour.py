"""What torchvision's transforms of colour and pixels become, and its policies: their settings -> steps of a spec."""

from __future__ import annotations

from typing import Any

from augx.importers.calls import Expression
from augx.importers.pipeline import Part, part, ranged
from augx.importers.settings import natural, number
from augx.importers.torchvision.geometry import FACTORS, Handler, plain
from augx.importers.torchvision.settings import Pipeline, Values

_ALL_ORDERS = 5 / 6
"""The share of six orders of three channels that are another than their own, which is all that channel_shuffle draws."""


def _valued(name: str, setting: str, theirs: str, low: float, high: float) -> Handler:
    """A transform of ours with one fixed number, and a probability."""

    def handle(s: Values, pipeline: Pipeline) -> list[Part]:
        if theirs not in s.given:
            s.problems.append(f"{s.where}: {theirs}: missing; expected a number from {low:g} to {high:g}")
        value = s.number(theirs, low, f"a number from {low:g} to {high:g}", low, high)
        if name == "posterize" and value % 1:
            s.wrong(theirs, "a whole number from 0 to 8")
            value = 8
        value *= 255 if name == "solarize" and pipeline.floats and value <= 1 else 1
        likely = s.p()
        return ranged(pipeline.notes, s.name, (name, setting), (value, value), likely) if likely else []

    return handle


def _factors(s: Values, name: str, default: tuple[float, float] = (1, 1)) -> tuple[float, float]:
    """ColorJitter's factors: a number is a spread about 1, cut at 0."""
    value = s.given.get(name)
    if number(value):
        spread = s.number(name, 0, FACTORS, 0)
        return max(0.0, 1 - spread), 1 + spread
    found = s.numbers(name, (2,), FACTORS, 0)
    return (found[0], found[1]) if found else default


def _hue(s: Values, default: tuple[float, float] = (0, 0)) -> tuple[float, float]:
    """Degrees, of shares of the circle."""
    low, high = s.edges("hue", "a number from 0 to 0.5, or two from -0.5 to 0.5", -0.5, 0.5) or default
    return low * 360, high * 360


def _jitter(s: Values, pipeline: Pipeline) -> list[Part]:
    brightness, contrast, saturation = (_factors(s, name) for name in ("brightness", "contrast", "saturation"))
    hue = _hue(s)
    notes = pipeline.notes
    steps = ranged(notes, s.name, ("mean_contrast", "factor"), contrast)
    steps += ranged(notes, s.name, ("saturation", "range"), saturation)
    steps += ranged(notes, s.name, ("hsv", "hue"), hue)
    found = ranged(notes, s.name, ("brightness", "range"), brightness)
    if pipeline.depth and found and steps:
        # A chance or a choice must hold for all of it, so all of it is made of pixel steps.
        found = ranged(notes, s.name, ("hsv", "value"), brightness)
        notes.change("ColorJitter: brightness is that of hsv, which keeps the hue of what becomes too bright, and leaves grey pictures")
    found += steps
    if len(found) > 1:
        notes.change("ColorJitter: brightness, contrast, saturation and hue come in this order; in torchvision in a random one")
    return found


def _photometric(s: Values, pipeline: Pipeline) -> list[Part]:
    likely = s.p()
    brightness, contrast = _factors(s, "brightness", (0.875, 1.125)), _factors(s, "contrast", (0.5, 1.5))
    saturation, hue = _factors(s, "saturation", (0.5, 1.5)), _hue(s, (-0.05, 0.05))
    notes = pipeline.notes
    notes.change("RandomPhotometricDistort: contrast always comes before saturation and hue; in torchvision as often after them")
    found = ranged(notes, s.name, ("brightness", "range"), brightness, likely)
    found += ranged(notes, s.name, ("mean_contrast", "factor"), contrast, likely)
    found += ranged(notes, s.name, ("saturation", "range"), saturation, likely)
    found += ranged(notes, s.name, ("hsv", "hue"), hue, likely)
    found.append(part(s.name, "channel_shuffle", round(likely * _ALL_ORDERS, 6)))
    return found if likely else []


def _grayscale(s: Values, pipeline: Pipeline) -> list[Part]:
    channels = s.number("num_output_channels", 1, "1 or 3")
    if channels not in (1, 3):
        s.wrong("num_output_channels", "1 or 3")
    elif channels == 1:
        pipeline.notes.change("Grayscale: copies keep three channels, which are equal")
    return [part(s.name, "grayscale")]


def _blur(s: Values, pipeline: Pipeline) -> list[Part]:
    expected = "a standard deviation above 0, or [low, high]"
    if number(s.given.get("sigma")):
        sigma = [s.number("sigma", 1, expected, 1e-9)] * 2
    else:
        sigma = s.numbers("sigma", (1, 2), expected, 1e-9) or [0.1, 2.0]
    kernel = s.given.get("kernel_size")
    sides = (
        [s.number("kernel_size", 3, "an odd number of pixels", 1)] if number(kernel) else s.numbers("kernel_size", (1, 2), "odd numbers", 1)
    )
    if sides is None or any(side % 2 != 1 for side in sides):
        s.wrong("kernel_size", "an odd number of pixels, or two")
    elif min(sides) < 6 * sigma[-1]:
        kernel = "x".join(str(natural(side)) for side in sides)
        pipeline.notes.change(f"GaussianBlur: a kernel of {kernel} cuts the Gaussian off; here it is as wide as sigma wants")
    return ranged(pipeline.notes, s.name, ("blur", "sigma"), (sigma[0], sigma[-1]))


def _noise(s: Values, pipeline: Pipeline) -> list[Part]:
    mean = s.number("mean", 0, "a number")
    if mean:
        shift = natural(round(min(max(mean, -1), 1) * 255, 2))
        pipeline.notes.lose(f"GaussianNoise: mean: noise has a mean of 0; tone: {{channel_shift: {{fixed: {shift}}}}} adds it")
    sigma = round(s.number("sigma", 0.1, "a standard deviation of 0 or more", 0) * 255, 6)
    return ranged(pipeline.notes, s.name, ("noise", "sigma"), (sigma, sigma))


def _jpeg(s: Values, pipeline: Pipeline) -> list[Part]:
    expected = "a whole number from 1 to 100, or [low, high]"
    value = s.given.get("quality")
    found = [s.number("quality", 100, expected, 1, 100)] if number(value) else s.numbers("quality", (2,), expected, 1, 100)
    if found is None or any(quality % 1 for quality in found):
        s.wrong("quality", expected)
        return []
    return ranged(pipeline.notes, s.name, ("jpeg", "quality"), (found[0], found[-1]))


def _erasing(s: Values, pipeline: Pipeline) -> list[Part]:
    likely = s.p()
    area = s.numbers("scale", (2,), "two fractions of the area from 0 to 1", 0, 1) or [0.02, 0.33]
    ratio = s.numbers("ratio", (2,), "two ratios above 0", 1e-9) or [0.3, 3.3]
    fill = _erased(s, pipeline)
    # torchvision's ratio is height by width.
    low, high = (natural(round(min(max(1 / edge, 0.05), 20), 6)) for edge in sorted(ratio, reverse=True))
    aspect = low if low == high else {"log_uniform": [low, high]}
    found = ranged(pipeline.notes, s.name, ("erase", "area"), (area[0], area[1]), likely, aspect=aspect, fill=fill)
    return found if likely else []


def _erased(s: Values, pipeline: Pipeline) -> Any:
    """What fills the hole, in the words of erase."""
    value, notes = s.given.get("value", 0), pipeline.notes
    if value == "random" or (isinstance(value, Expression) and value.text == "random"):
        notes.change("RandomErasing: random levels are drawn evenly from black to white; in torchvision from a normal distribution")
        return "random"
    if "value" not in s.given and {"p", "scale", "ratio", "inplace"} <= s.given.keys():
        notes.change("RandomErasing: its value is not printed, as of one that is random")
        return "random"
    levels = (
        s.numbers("value", (1, 3), "a level, [red, green, blue] or random")
        if isinstance(value, list)
        else [s.number("value", 0, "a level")]
    )
    level = sum(levels) / len(levels) if levels else 0
    if pipeline.normalised:
        notes.change("RandomErasing: after Normalize, its value is about the mean: here the picture's own mean")
        return "mean"
    level *= 255 if pipeline.floats else 1
    if len(set(levels or [])) > 1 or not 0 <= level <= 255:
        notes.change("RandomErasing: one level of 0 to 255 fills the hole")
    level = min(max(level, 0), 255)
    return "black" if level == 0 else "white" if level == 255 else natural(round(level, 3))


def _whole(s: Values, name: str, default: int, low: int, high: int) -> int:
    found = s.number(name, default, f"a whole number from {low} to {high}", low, high)
    if found % 1:
        s.wrong(name, f"a whole number from {low} to {high}")
    return int(found)


def _auto_augment(s: Values, pipeline: Pipeline) -> list[Part]:
    value = s.given.get("policy", "imagenet")
    name = str(value).rpartition(".")[2].lower() if isinstance(value, str | Expression) else ""
    if name not in ("imagenet", "cifar10", "svhn"):
        s.wrong("policy", "AutoAugmentPolicy.IMAGENET, CIFAR10 or SVHN")
    pipeline.moves(s)
    return [part(s.name, "auto_augment", dataset=name) if name in ("cifar10", "svhn") else part(s.name, "auto_augment")]


def _rand_augment(s: Values, pipeline: Pipeline) -> list[Part]:
    n, bins = _whole(s, "num_ops", 2, 1, 14), _whole(s, "num_magnitude_bins", 31, 2, 10_000)
    magnitude = _whole(s, "magnitude", 9, 0, bins - 1)
    if bins != 31:
        magnitude, theirs = round(magnitude * 30 / (bins - 1)), magnitude
        pipeline.notes.change(f"RandAugment: a magnitude of {theirs} in {bins} bins is {magnitude} in 31")
    pipeline.moves(s)
    return [part(s.name, "rand_augment", n=n, magnitude=magnitude)]


def _trivial(s: Values, pipeline: Pipeline) -> list[Part]:
    if _whole(s, "num_magnitude_bins", 31, 2, 10_000) != 31:
        pipeline.notes.change("TrivialAugmentWide: magnitudes have 31 bins, from the same weakest to the same strongest")
    pipeline.moves(s)
    return [part(s.name, "trivial_augment")]


def _augmix(s: Values, pipeline: Pipeline) -> list[Part]:
    severity, width = _whole(s, "severity", 3, 1, 10), _whole(s, "mixture_width", 3, 1, 10)
    depth = _whole(s, "chain_depth", -1, -1, 10)
    if depth > 0:
        pipeline.notes.change(f"AugMix: a chain has from 1 to {depth} operations, not always {depth}")
    if s.number("alpha", 1, "a number above 0", 1e-9) != 1:
        pipeline.notes.change("AugMix: alpha: chains are weighed as with an alpha of 1")
    if s.given.get("all_ops", True) is not False:
        pipeline.notes.change("AugMix: all_ops: operations are the paper's nine, without brightness, contrast, colour and sharpness")
    pipeline.moves(s, "bilinear")
    return [part(s.name, "augmix", severity=severity, width=width, depth=depth if depth > 0 else 3)]


def _permutation(s: Values, pipeline: Pipeline) -> list[Part]:
    return [part(s.name, "channel_shuffle", round(_ALL_ORDERS, 6))]


# By name: the settings, in the order of their positions, and what becomes of them.
COLOUR: dict[str, tuple[str, Handler]] = {
    "ColorJitter": ("brightness contrast saturation hue", _jitter),
    "RandomPhotometricDistort": ("brightness contrast saturation hue p", _photometric),
    "RandomChannelPermutation": ("", _permutation),
    "RandomGrayscale": ("p", plain("grayscale", 0.1)),
    "Grayscale": ("num_output_channels", _grayscale),
    "RandomInvert": ("p", plain("invert")),
    "RandomPosterize": ("bits p", _valued("posterize", "bits", "bits", 0, 8)),
    "RandomSolarize": ("threshold p", _valued("solarize", "threshold", "threshold", 0, 256)),
    "RandomAdjustSharpness": ("sharpness_factor p", _valued("sharpen", "factor", "sharpness_factor", 0, 1000)),
    "RandomAutocontrast": ("p", plain("autocontrast")),
    "RandomEqualize": ("p", plain("equalize")),
    "GaussianBlur": ("kernel_size sigma", _blur),
    "GaussianNoise": ("mean sigma clip", _noise),
    "JPEG": ("quality", _jpeg),
    "RandomErasing": ("p scale ratio value inplace", _erasing),
    "AutoAugment": ("policy interpolation fill", _auto_augment),
    "RandAugment": ("num_ops magnitude num_magnitude_bins interpolation fill", _rand_augment),
    "TrivialAugmentWide": ("num_magnitude_bins interpolation fill", _trivial),
    "AugMix": ("severity mixture_width chain_depth alpha all_ops interpolation fill", _augmix),
}
