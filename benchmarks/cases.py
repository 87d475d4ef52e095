"""What ``python -m benchmarks transforms`` measures: each transform's settings, and what comes nearest in the other libraries."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2

SIDE = 512
LINEAR = 2  # torchvision's number for bilinear
AREA_LINEAR = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}
uniform = random.uniform

TorchCall = Callable[[Any, Any], Any]
"""Takes ``torchvision.transforms.v2.functional`` and a picture, and gives a new one."""


@dataclass(frozen=True)
class Case:
    """Settings of ours, and what does nearest to the same elsewhere."""

    ours: Any
    albumentations: tuple[str, dict[str, Any]] | None = None
    torchvision: TorchCall | None = None


def a(name: str, **settings: Any) -> tuple[str, dict[str, Any]]:
    """A class of Albumentations and its settings."""
    return name, {**settings, "p": 1}


def tv(name: str, **settings: Any) -> TorchCall:
    """A class of torchvision, which draws for itself; made when first called."""

    @functools.cache
    def made() -> Any:
        from torchvision.transforms import v2  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return getattr(v2, name)(**settings)

    return lambda f, x: made()(x)


def moved(f: Any, x: Any, *, shift: tuple[float, float] = (0, 0), scale: float = 1, shear: tuple[float, float] = (0, 0)) -> Any:
    """An affine map; shifts in pixels."""
    return f.affine(x, 0, list(shift), scale, list(shear), LINEAR)


def hsv(f: Any, x: Any) -> Any:
    """Hue, saturation and brightness, which torchvision changes one after the other."""
    return f.adjust_brightness(f.adjust_saturation(f.adjust_hue(x, uniform(-0.11, 0.11)), uniform(0.75, 1.25)), uniform(0.85, 1.15))


def blurred(f: Any, x: Any) -> Any:
    """A Gaussian blur with a kernel of three sigma to each side, as cv2 takes for 8 bits."""
    sigma = uniform(0.5, 3)
    return f.gaussian_blur(x, [2 * round(3 * sigma) + 1] * 2, [sigma, sigma])


SHIFT = SIDE * 0.2
JITTER = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
ERASED = {"scale": (0.02, 0.33), "ratio": (0.3, 3.3)}
FIFTH = [0.8, 1.2]

CASES: dict[str, Case] = {
    "rotate": Case(30, a("Affine", rotate=(-30, 30)), lambda f, x: f.rotate(x, uniform(-30, 30), LINEAR)),
    "shift_x": Case(
        0.2, a("Affine", translate_percent={"x": (-0.2, 0.2), "y": (0, 0)}), lambda f, x: moved(f, x, shift=(uniform(-SHIFT, SHIFT), 0))
    ),
    "shift_y": Case(
        0.2, a("Affine", translate_percent={"x": (0, 0), "y": (-0.2, 0.2)}), lambda f, x: moved(f, x, shift=(0, uniform(-SHIFT, SHIFT)))
    ),
    "shear": Case(10, a("Affine", shear={"x": (-10, 10), "y": (0, 0)}), lambda f, x: moved(f, x, shear=(uniform(-10, 10), 0))),
    "shear_y": Case(10, a("Affine", shear={"x": (0, 0), "y": (-10, 10)}), lambda f, x: moved(f, x, shear=(0, uniform(-10, 10)))),
    "zoom": Case(FIFTH, a("Affine", scale=(0.8, 1.2), keep_ratio=True), lambda f, x: moved(f, x, scale=uniform(0.8, 1.2))),
    "scale_x": Case(FIFTH, a("Affine", scale={"x": (0.8, 1.2), "y": (1, 1)})),
    "scale_y": Case(FIFTH, a("Affine", scale={"x": (1, 1), "y": (0.8, 1.2)})),
    # Albumentations moves corners by a share of the side, normally distributed; ours and torchvision's evenly, of half the side.
    "perspective": Case(0.3, a("Perspective", scale=(0.05, 0.1)), tv("RandomPerspective", distortion_scale=0.3, p=1, interpolation=LINEAR)),
    # torchvision's crop is a view; a copy of it is timed, as the others make one.
    "crop": Case(
        {"size": [384, 384]},
        a("RandomCrop", height=384, width=384),
        lambda f, x: f.crop(x, random.randrange(129), random.randrange(129), 384, 384).contiguous(),
    ),
    "random_resized_crop": Case(
        [0.08, 1], a("RandomResizedCrop", size=(SIDE, SIDE), scale=(0.08, 1)), tv("RandomResizedCrop", size=SIDE, scale=(0.08, 1))
    ),
    "transpose": Case(1, a("Transpose")),
    "flip_h": Case(1, a("HorizontalFlip"), lambda f, x: f.horizontal_flip(x)),
    "flip_v": Case(1, a("VerticalFlip"), lambda f, x: f.vertical_flip(x)),
    "rotate90": Case({"p": 0.75}, a("RandomRotate90")),  # all four directions alike, and so one in four is no turn, in both
    # Fields of a standard deviation of 10 pixels. torchvision's convolves with the whole square kernel, which takes half a minute.
    "elastic": Case({"displacement": {"fixed": 0.02}, "sigma": {"fixed": 0.1}}, a("ElasticTransform", alpha=1850, sigma=51.2)),
    "grid_distortion": Case({"distortion": 0.3, "cells": {"fixed": 5}}, a("GridDistortion", num_steps=5, distort_limit=0.3)),
    # Albumentations' contrast is a plain factor, and its brightness a summand; torchvision's contrast is about the mean.
    "brightness": Case(
        0.2,
        a("RandomBrightnessContrast", brightness_limit=0.2, contrast_limit=0),
        lambda f, x: f.adjust_brightness(x, uniform(0.8, 1.2)),
    ),
    "contrast": Case(
        0.2, a("RandomBrightnessContrast", brightness_limit=0, contrast_limit=0.2), lambda f, x: f.adjust_contrast(x, uniform(0.8, 1.2))
    ),
    "gamma": Case(0.2, a("RandomGamma", gamma_limit=(80, 120)), lambda f, x: f.adjust_gamma(x, uniform(0.8, 1.2))),
    "channel_shift": Case({"range": 20, "channels": "independent"}, a("RGBShift")),
    "invert": Case(1, a("InvertImg"), lambda f, x: f.invert(x)),
    "channel_gain": Case(0.2, a("MultiplicativeNoise", multiplier=(0.8, 1.2), per_channel=True)),
    "white_balance": Case([4000, 9000], a("PlanckianJitter", temperature_limit=(4000, 9000))),
    "solarize": Case([100, 156], a("Solarize", threshold_range=(0.4, 0.6)), lambda f, x: f.solarize(x, uniform(100, 156))),
    "posterize": Case([3, 6], a("Posterize", num_bits=(3, 6)), lambda f, x: f.posterize(x, random.randint(3, 6))),
    "tone_curve": Case(0.2, a("RandomToneCurve", scale=0.1)),  # a normal distribution there
    "log": Case([1, 10]),
    "hsv": Case(
        {"hue": 40, "saturation": 0.25, "value": 0.15},
        a("HueSaturationValue", hue_shift_limit=20, sat_shift_limit=32, val_shift_limit=20),
        hsv,
    ),
    "saturation": Case(
        0.5, a("ColorJitter", **{**JITTER, "saturation": (0.5, 1.5)}), lambda f, x: f.adjust_saturation(x, uniform(0.5, 1.5))
    ),
    "grayscale": Case(1, a("ToGray"), lambda f, x: f.rgb_to_grayscale(x, 3)),
    "channel_shuffle": Case(1, a("ChannelShuffle"), tv("RandomChannelPermutation")),  # in both peers one in six is the picture itself
    "sepia": Case({"strength": {"fixed": 1}}, a("ToSepia")),
    "noise": Case([2.55, 10.2], a("GaussNoise", std_range=(0.01, 0.04)), lambda f, x: f.gaussian_noise(x, 0.0, uniform(0.01, 0.04))),
    "salt_pepper": Case([0.01, 0.05], a("SaltAndPepper", amount=(0.01, 0.05), salt_vs_pepper=(0.5, 0.5))),
    "shot": Case([0.1, 0.3], a("ShotNoise")),
    "speckle": Case([0.05, 0.2], a("MultiplicativeNoise", multiplier=(0.8, 1.2), per_channel=True, elementwise=True)),  # uniform there
    "iso": Case([5, 20], a("ISONoise")),
    "blur": Case([0.5, 3], a("GaussianBlur", sigma_limit=(0.5, 3)), blurred),
    "motion_blur": Case([3, 7], a("MotionBlur", blur_limit=(3, 7))),
    "defocus": Case([3, 10], a("Defocus", radius=(3, 10))),
    "median": Case({"choice": [3, 5, 7]}, a("MedianBlur", blur_limit=(3, 7))),
    "sharpen": Case([1.2, 2], a("Sharpen"), lambda f, x: f.adjust_sharpness(x, uniform(1.2, 2))),
    "jpeg": Case([30, 90], a("ImageCompression", quality_range=(30, 90)), lambda f, x: f.jpeg(x, random.randint(30, 90))),
    "downscale": Case([0.25, 0.5], a("Downscale", scale_range=(0.25, 0.5), interpolation_pair=AREA_LINEAR)),
    "erase": Case([0.02, 0.33], a("Erasing", **ERASED, fill="random"), tv("RandomErasing", p=1, **ERASED, value="random")),
    "cutout": Case(
        {"side": [0.1, 0.25], "count": [1, 4], "fill": "black"},
        a("CoarseDropout", num_holes_range=(1, 4), hole_height_range=(0.1, 0.25), hole_width_range=(0.1, 0.25)),
    ),
    "grid_dropout": Case({"ratio": {"fixed": 0.5}, "fill": "black"}, a("GridDropout", random_offset=True, unit_size_range=(51, 205))),
    "clahe": Case([1, 4], a("CLAHE", clip_limit=(1, 4))),
    "equalize": Case(1, a("Equalize"), lambda f, x: f.equalize(x)),
    "autocontrast": Case({}, a("AutoContrast"), lambda f, x: f.autocontrast(x)),
    "mean_contrast": Case(
        0.2, a("ColorJitter", **{**JITTER, "contrast": (0.8, 1.2)}), lambda f, x: f.adjust_contrast(x, uniform(0.8, 1.2))
    ),
    "fog": Case([0.3, 0.7], a("RandomFog", fog_coef_range=(0.3, 0.7))),
    "rain": Case([0.3, 0.7], a("RandomRain", rain_type="heavy", slant_range=(-20, 20))),  # 512 drops; ours has 600 on average
    "snow": Case([0.3, 0.7], a("RandomSnow")),  # lights up the ground there; flakes fall in ours
    "shadow": Case([0.3, 0.7], a("RandomShadow", num_shadows_limit=(1, 3), shadow_intensity_range=(0.3, 0.7))),
    "sun_flare": Case([0.5, 1], a("RandomSunFlare", method="physics_based")),
    "vignette": Case([0.3, 0.7]),
}
