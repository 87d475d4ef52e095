"""Albumentations' levels, colours, noises, blurs and damages in our words."""

from __future__ import annotations

import math
from typing import Any

from augx.importers.albumentations.settings import Settings, Step, UnreadableError, about, between, one_of_these, plain, reads
from augx.ranges import shown


def _tone(name: str, **fields: Any) -> Step:
    return Step("tone", {name: fields})


def _then(name: str, **fields: Any) -> Step:
    return Step("then", {name: fields})


@reads("InvertImg", "ChannelShuffle", "ToSepia")
def _without_settings(t: Settings) -> list[Step]:
    if t.name == "InvertImg":
        return [_tone("invert")]
    if t.name == "ToSepia":
        return [_then("sepia", strength={"fixed": 1})]
    return [_then("channel_shuffle", p=5 / 6)]  # theirs may also leave the order as it is


@reads("RandomBrightnessContrast")
def _brightness_contrast(t: Settings) -> list[Step]:
    (low, high), beta = t.pair("contrast_limit", (-0.2, 0.2)), t.pair("brightness_limit", (-0.2, 0.2))
    white = 255.0
    if not t.flag("brightness_by_max", True):
        white = 127.5
        t.changed("brightness_by_max false: levels are shifted by shares of mid-grey, not of the picture's own mean")
    if t.flag("ensure_safe_range", False):
        t.changed("ensure_safe_range: here levels may go beyond black and white, and are clipped")
    # Its contrast multiplies the levels, which is what brightness does here, and its brightness adds to them.
    steps = [_tone("brightness", range=between(1 + low, 1 + high))] if low or high else []
    return steps + ([_tone("channel_shift", range=between(white * beta[0], white * beta[1]))] if any(beta) else [])


@reads("ColorJitter")
def _color_jitter(t: Settings) -> list[Step]:
    brightness, contrast, saturation = (t.pair(key, (0.8, 1.2)) for key in ("brightness", "contrast", "saturation"))
    hue = t.pair("hue", (-0.5, 0.5))
    if saturation == (1, 1) and hue == (0, 0):
        steps = [_tone("brightness", range=between(*brightness))] if brightness != (1, 1) else []
        if contrast != (1, 1):
            t.changed("its contrast turns about the picture's mean; here about mid-grey")
            steps.append(_tone("contrast", range=between(*contrast)))
        return steps
    steps = [_then("mean_contrast", factor=between(*contrast))] if contrast != (1, 1) else []
    if saturation != (1, 1):
        steps.append(_then("saturation", range=between(*saturation)))
    fields = {"hue": between(*(360 * part for part in hue))} if any(hue) else {}
    if brightness != (1, 1):
        fields["value"] = between(*brightness)
        t.changed("brightness is the factor of hsv's value here, which keeps colours that it drives past white")
    if len(steps) + bool(fields) > 1:
        t.changed("its parts come in a random order; here contrast, saturation, then hue and brightness")
    return steps + ([_then("hsv", **fields)] if fields else [])


@reads("HueSaturationValue")
def _hue_saturation_value(t: Settings) -> list[Step]:
    hue, *shifts = (t.pair(f"{key}_shift_limit", (-most, most)) for key, most in (("hue", 20), ("sat", 30), ("val", 20)))
    # A unit of their hue is two degrees.
    fields = {"hue": between(*(2 * part for part in hue))} if any(hue) else {}
    for name, shift in zip(("saturation", "value"), shifts, strict=True):
        if any(shift):
            fields[name] = about(*(1 + part / 128 for part in shift))
            t.changed(f"its shift of the {name} is a factor here, as large as the shift is to a middle level of 128")
    return [_then("hsv", **fields)] if fields else []


@reads("RGBShift")
def _rgb_shift(t: Settings) -> list[Step]:
    limits = [t.pair(f"{channel}_shift_limit", (-20, 20)) for channel in "rgb"]
    t.skip("approximation", "noise_params", "noise_type", "spatial_mode")
    if len(set(limits)) > 1:
        t.changed("its channels have ranges of their own; here all three have the mean of them")
    return [_tone("channel_shift", range=between(*(sum(ends) / 3 for ends in zip(*limits, strict=True))), channels="independent")]


@reads("RandomGamma")
def _random_gamma(t: Settings) -> list[Step]:
    return [_tone("gamma", range=between(*(part / 100 for part in t.pair("gamma_limit", (80, 120)))))]


@reads("RandomToneCurve")
def _random_tone_curve(t: Settings) -> list[Step]:
    if t.flag("per_channel", False):
        t.changed("per_channel: here one curve for all channels")
    t.changed("its curves lie about a slight S; here about the straight line, and at most a third either way")
    sd = min(abs(t.number("scale", 0.1)), 1)
    return [_tone("tone_curve", range={"normal": [0, plain(sd)]})] if sd else []


@reads("Solarize")
def _solarize(t: Settings) -> list[Step]:
    return [_tone("solarize", threshold=between(*(255 * part for part in t.pair("threshold_range", (0.5, 0.5)))))]


@reads("Posterize")
def _posterize(t: Settings) -> list[Step]:
    bits = t.raw("num_bits", [4, 4])
    pairs = [t.as_pair("num_bits", pair) for pair in bits] if isinstance(bits, list) and len(bits) != 2 else [t.as_pair("num_bits", bits)]
    if not pairs:
        raise UnreadableError("num_bits: expected [low, high], found []")
    if len(set(pairs)) > 1:
        t.changed("its channels have ranges of their own; here all three have the widest")
    return [_tone("posterize", bits=between(min(pair[0] for pair in pairs), max(pair[1] for pair in pairs)))]


@reads("PlanckianJitter")
def _planckian(t: Settings) -> list[Step]:
    low, high = (min(max(part, 2000), 20000) for part in t.pair("temperature_limit", (3000, 15000)))
    t.skip("mode", "sampling_method")
    t.changed(
        "temperatures are drawn evenly on either side of 6000 K, warm ones as often as there, and the light is mixed in linear levels"
    )
    if not low < 6000 < high:
        return [_tone("white_balance", temperature=between(low, high))]
    sides = [{"white_balance": {"temperature": between(*side)}} for side in ((low, 6000), (6000, high))]
    return [Step("tone", {"one_of": sides, "weights": [2, 3]})]


@reads("MultiplicativeNoise")
def _multiplicative(t: Settings) -> list[Step]:
    low, high = t.pair("multiplier", (0.9, 1.1))
    each, by_channel = t.flag("elementwise", False), t.flag("per_channel", False)
    if not each:
        return [_tone("channel_gain" if by_channel else "brightness", range=between(low, high))]
    t.changed("its factors are uniform; here normal, with the same spread, about 1, and each channel has its own")
    sigma = (high - low) / math.sqrt(12)
    return [_then("speckle", sigma=about(sigma, sigma))]


@reads("ToGray")
def _to_gray(t: Settings) -> list[Step]:
    if (method := t.word("method", "weighted_average")) != "weighted_average":
        t.changed(f"method {shown(method)} is weighted_average here")
    if t.number("num_output_channels", 3) != 3:
        t.changed("the grey picture has three channels here")
    return [_then("grayscale")]


@reads("CLAHE")
def _clahe(t: Settings) -> list[Step]:
    tiles = t.raw("tile_grid_size", [8, 8])
    across, down = (t.side("tile_grid_size", part) for part in (tiles if isinstance(tiles, list) and len(tiles) == 2 else [tiles] * 2))
    if across != down:
        t.changed("its grid has as many tiles across as down here")
    t.changed("it is the luma that is equalized here, not the lightness of Lab")
    number = min(max(round((across + down) / 2), 1), 64)
    return [_then("clahe", clip_limit=between(*t.pair("clip_limit", (1, 4))), **({} if number == 8 else {"tiles": number}))]


@reads("Equalize", "AutoContrast")
def _equalize(t: Settings) -> list[Step]:
    if t.name == "AutoContrast":
        cutoff, method = t.number("cutoff", 0), t.word("method", "cdf")
        if t.raw("ignore") is not None:
            t.changed("ignore: here all levels count")
        if method == "pil":
            return [_then("autocontrast", **({"cutoff": between(cutoff, cutoff)} if cutoff else {}))]
        t.changed("its method cdf equalizes the histogram, so it is equalize here; method pil is autocontrast")
        return [_then("equalize")]
    if t.raw("mask") is not None:
        t.changed("mask: here the whole picture counts")
    t.skip("mode")
    t.changed("the definition is Pillow's, and levels differ by a few from those of either mode")
    if not t.flag("by_channels", True):
        t.changed("by_channels false: here each channel is equalized")
    return [_then("equalize")]


@reads("GaussNoise")
def _gauss_noise(t: Settings) -> list[Step]:
    low, high = t.pair("std_range", (0.2, 0.44))
    if not t.flag("per_channel", True):
        t.changed("per_channel false: here each channel has noise of its own")
    if any(t.pair("mean_range", (0, 0))):
        t.lost("mean_range: noise has no mean here; tone: {channel_shift: ...} adds levels")
    if t.number("noise_scale_factor", 1) != 1:
        t.changed("noise_scale_factor: here each pixel has noise of its own")
    return [_then("noise", sigma=between(255 * low, 255 * high))]


@reads("AdditiveNoise")
def _additive_noise(t: Settings) -> list[Step]:
    kind, mode = t.word("noise_type", "uniform"), t.word("spatial_mode", "constant")
    found = t.raw("noise_params")
    params = found if isinstance(found, dict) else {}
    t.skip("approximation")
    if kind == "uniform":
        ranges = params.get("ranges", [[-0.1, 0.1]])
        pairs = [t.as_pair("ranges", pair) for pair in ranges] if isinstance(ranges, list) and ranges else [(-0.1, 0.1)]
        pairs = pairs if mode == "constant" else pairs[:1]
        low, high = (255 * sum(ends) / len(pairs) for ends in zip(*pairs, strict=True))
        if len(set(pairs)) > 1:
            t.changed("its channels have ranges of their own; here all have the mean of them")
        if mode == "constant":
            return [_tone("channel_shift", range=between(low, high), channels="independent")]
        sigma = ((high - low) / math.sqrt(12),) * 2
    elif kind in ("gaussian", "laplace"):
        key, factor = ("std_range", 255.0) if kind == "gaussian" else ("scale_range", 255 * math.sqrt(2))
        low, high = t.as_pair(key, params.get(key, [0.1, 0.1]))
        sigma = (abs(low) * factor, abs(high) * factor)
        if mode == "constant":
            t.changed("one level for each channel, normal as there")
            return [_tone("channel_shift", range={"normal": [0, plain(min(sum(sigma) / 2, 255))]}, channels="independent")]
    else:
        t.lost(f"noise_type {shown(kind)} has no equivalent; noise is Gaussian")
        return []
    t.changed("it is Gaussian noise of the same spread about 0 here, each pixel's and each channel's own")
    return [_then("noise", sigma=about(*sigma))]


@reads("ISONoise")
def _iso_noise(t: Settings) -> list[Step]:
    t.skip("color_shift")
    # Poisson counts of a mean of 0.2 * i, times i and half of white: what they amount to in middle levels.
    grain = [255 * math.sqrt(0.2) * abs(part) ** 1.5 / 2 for part in t.pair("intensity", (0.1, 0.5))]
    t.changed("its grain becomes one of about the same strength; color_shift turns hues by less than a degree there, so colour is 0 here")
    return [_then("iso", intensity=about(*grain), colour=0)]


@reads("ShotNoise")
def _shot_noise(t: Settings) -> list[Step]:
    return [_then("shot", scale=between(*t.pair("scale_range", (0.1, 0.3))))]


@reads("SaltAndPepper", "PixelDropout")
def _salt_and_pepper(t: Settings) -> list[Step]:
    if t.name == "PixelDropout":
        t.skip("drop_value", "per_channel")
        t.changed("its pixels turn white or black here, half each")
        share = t.number("dropout_prob", 0.01)
        return [_then("salt_pepper", amount=between(share, share))]
    if t.pair("salt_vs_pepper", (0.4, 0.6)) != (0.5, 0.5):
        t.changed("half of its pixels turn white here, half black")
    return [_then("salt_pepper", amount=between(*t.pair("amount", (0.01, 0.06))))]


def odd_sizes(t: Settings, default: tuple[float, float]) -> list[float]:
    """The odd kernel sizes of ``blur_limit``."""
    low, high = (max(3, int(part) | 1) for part in t.pair("blur_limit", default))
    return [float(size) for size in range(low, min(high, 999) + 1, 2)] or [float(low)]


@reads("Blur", "MedianBlur")
def _box_blur(t: Settings) -> list[Step]:
    sizes = odd_sizes(t, (3, 7))
    if t.name == "MedianBlur":
        return [_then("median", size=one_of_these(sizes))]
    t.changed("its box is a Gaussian of the same standard deviation here")
    return [_then("blur", sigma=about(*(math.sqrt((size**2 - 1) / 12) for size in (sizes[0], sizes[-1]))))]


@reads("GaussianBlur")
def _gaussian_blur(t: Settings) -> list[Step]:
    sigmas, sizes = t.pair("sigma_limit", (0.5, 3)), t.pair("blur_limit", (0, 0))
    if sizes == (0, 0):
        return [_then("blur", sigma=between(*(max(sigma, 0) for sigma in sigmas)))]
    t.changed("its kernels cut the Gaussian short; here it is whole, with the standard deviation that the cut leaves")
    cut = [_deviation(sigma, size) for sigma, size in zip(sigmas, sizes, strict=True)]
    return [_then("blur", sigma=about(*cut))]


def _deviation(sigma: float, size: float) -> float:
    """The standard deviation of a Gaussian that ends at the rim of a kernel of odd ``size``."""
    if sigma <= 0:
        return 0.0
    reach = min(int(size) // 2, 500) if size else math.ceil(4 * min(sigma, 125))
    weights = {x: math.exp(-0.5 * (x / sigma) ** 2) for x in range(-reach, reach + 1)}
    return math.sqrt(sum(x * x * weight for x, weight in weights.items()) / sum(weights.values()))
