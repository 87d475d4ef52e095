"""Pipelines saved by Albumentations itself: ten as people publish them, every transform, and what both libraries do alike.

``python -m tests.test_import_albumentations_saved`` writes the ten files anew, with Albumentations 2.0.8 and PyTorch.
"""

from __future__ import annotations

import importlib
import io
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from augx import load_spec
from augx.draws import draw
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.warp import Levels
from tests.conftest import picture
from tests.test_import_albumentations import FILES, GOLDEN, checked


def library() -> Any:
    """Albumentations, or the test is skipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks PyPI for its version otherwise
        try:
            return importlib.import_module("albumentations")
        except ImportError as error:
            pytest.skip(f"albumentations can't be imported: {error}")


def saved(transform: Any, data_format: str = "json") -> bytes:
    file = io.StringIO()
    library().save(transform, file, data_format=data_format)
    return file.getvalue().encode()


def pipelines(a: Any) -> dict[str, Any]:
    """Ten pipelines such as people publish, by name."""
    tensor = [a.Normalize(), *([a.ToTensorV2()] if hasattr(a, "ToTensorV2") else [])]  # which is there with PyTorch only
    heavy_blur = a.OneOf([a.MotionBlur(p=0.2), a.MedianBlur(blur_limit=3, p=0.1), a.Blur(blur_limit=3, p=0.1)], p=0.2)
    heavy_bend = a.OneOf([a.OpticalDistortion(p=0.3), a.GridDistortion(p=0.1), a.PiecewiseAffine(p=0.3)], p=0.2)
    heavy_tone = a.OneOf([a.CLAHE(clip_limit=2), a.Sharpen(), a.Emboss(), a.RandomBrightnessContrast()], p=0.3)
    d4 = [a.RandomRotate90(p=0.5), a.HorizontalFlip(p=0.5), a.VerticalFlip(p=0.5), a.Transpose(p=0.5)]
    weather = [a.RandomRain(p=1), a.RandomFog(p=1), a.RandomSnow(p=1), a.RandomSunFlare(flare_roi=(0, 0, 1, 0.4), p=1), a.RandomShadow(p=1)]
    return {
        "classification": a.Compose(
            [a.RandomResizedCrop((224, 224), scale=(0.35, 1)), a.HorizontalFlip(p=0.5), a.ColorJitter(0.2, 0.2, 0.2, 0.05, p=0.8), *tensor]
        ),
        "kaggle_heavy": a.Compose(
            [
                *d4[:2], a.Transpose(),
                a.OneOf([a.GaussNoise(std_range=(0.02, 0.1)), a.MultiplicativeNoise((0.8, 1.2), elementwise=True)], p=0.2),
                heavy_blur, a.ShiftScaleRotate(shift_limit=0.0625, scale_limit=0.2, rotate_limit=45, p=0.2), heavy_bend, heavy_tone,
                a.HueSaturationValue(p=0.3),
            ]
        ),
        "segmentation": a.Compose(
            [
                a.RandomScale(scale_limit=0.5, p=1), a.PadIfNeeded(320, 320), a.RandomCrop(320, 320), a.HorizontalFlip(),
                a.Affine(scale=(0.9, 1.1), translate_percent=(-0.05, 0.05), rotate=(-15, 15), border_mode=cv2.BORDER_REFLECT_101, p=0.7),
                a.RandomGamma(p=0.3), *tensor,
            ]
        ),
        "medical": a.Compose(
            [
                a.Resize(256, 256), a.Rotate(limit=20, p=0.7), a.ElasticTransform(alpha=120, sigma=7, p=0.3), a.CLAHE(p=0.3),
                a.RandomBrightnessContrast(0.1, 0.15, p=0.5), a.GaussNoise(std_range=(0.01, 0.05), p=0.3), a.CenterCrop(224, 224),
                a.Normalize(mean=0.5, std=0.5),
            ]
        ),
        "documents": a.Compose(
            [
                a.LongestMaxSize(640), a.PadIfNeeded(640, 640, fill=255), a.Perspective(scale=(0.02, 0.05), fill=255, p=0.4),
                a.SafeRotate(limit=3, fill=255, p=0.5), a.ImageCompression(quality_range=(40, 95), p=0.5),
                a.Downscale(scale_range=(0.5, 0.9), p=0.3), a.ToGray(p=0.2), a.Morphological(p=0.1), a.Posterize(num_bits=(4, 6), p=0.1),
            ]
        ),
        "satellite": a.Compose(
            [a.RandomCrop(256, 256), a.D4(p=1), a.RandomToneCurve(p=0.3), a.RGBShift(10, 10, 10, p=0.3), a.GridDropout(p=0.2), *tensor[:1]]
        ),
        "driving": a.Compose(
            [
                a.Resize(360, 640), a.HorizontalFlip(), a.OneOf(weather, p=0.4),
                a.MotionBlur(blur_limit=(3, 9), allow_shifted=False, p=0.3),
                a.PlanckianJitter(p=0.3), a.ISONoise(p=0.2),
            ],
            bbox_params=a.BboxParams("yolo", label_fields=["labels"]),
        ),
        "faces": a.Compose(
            [
                a.HorizontalFlip(), a.SomeOf([a.GaussianBlur(p=1), a.Downscale(p=1), a.ImageCompression(quality_range=(30, 80), p=1)], n=2),
                a.OneOf([a.ToGray(p=1), a.ToSepia(p=0.5), a.ChannelShuffle(p=0.5)], p=0.2), a.CoarseDropout(p=0.3),
                a.Resize(112, 112), *tensor,
            ],
            keypoint_params=a.KeypointParams("xy"),
        ),
        "low_light": a.Compose(
            [
                a.RandomGamma(gamma_limit=(120, 300), p=0.8), a.Sequential([a.ShotNoise(p=1), a.ISONoise(p=0.5)], p=0.6),
                a.RandomOrder([a.UnsharpMask(p=1), a.Defocus(radius=(2, 4), p=1), a.SaltAndPepper(p=1)], n=2, p=0.3), a.FancyPCA(p=0.1),
            ]
        ),
        "plants": a.Compose(
            [
                a.SmallestMaxSize(256), a.RandomCrop(224, 224), *d4, a.OneOf([a.Rotate(limit=45, p=0.5), a.GaussianBlur(p=0.5)], p=0.6),
                a.Erasing(fill="random", p=0.2), a.Solarize(p=0.1), a.OneOrOther(a.AutoContrast(p=1), a.Equalize(p=1), p=0.5),
            ]
        ),
    }  # fmt: skip


LOST = {
    "classification": ["Normalize", "ToTensorV2"],
    "kaggle_heavy": ["OpticalDistortion", "Emboss"],
    "segmentation": ["PadIfNeeded", "Normalize", "ToTensorV2"],
    "medical": ["Normalize"],
    "documents": ["Morphological"],
    "satellite": ["Normalize"],
    "driving": ["bbox_params"],
    "faces": ["keypoint_params", "Normalize", "ToTensorV2"],
    "low_light": ["FancyPCA"],
    "plants": [],
}
SIZES = {
    "classification": (224, 224), "segmentation": (320, 320), "medical": (224, 224), "documents": (640, 640), "satellite": (256, 256),
    "driving": (640, 360), "faces": (112, 112), "plants": (224, 224),
}  # fmt: skip


def copies(spec: dict[str, Any], image: np.ndarray, number: int) -> list[np.ndarray]:
    sample, loaded = Sample("k", "", Levels(image)), load_spec(spec)
    return [apply(recipe, sample) for recipe in recipes(loaded, draw(loaded, "k", range(number)), sample)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_ten_pipelines(path: Path) -> None:
    found = checked(path.read_bytes())
    assert [line.partition(":")[0] for line in found.lost] == LOST[path.stem]
    image = picture(400, 420)
    made = copies(found.spec, image, 12)
    if path.stem in SIZES:
        assert {(copy.shape[1], copy.shape[0]) for copy in made} == {SIZES[path.stem]}
    assert sum(copy.shape != image.shape or not np.array_equal(copy, image) for copy in made) >= 6


@pytest.mark.parametrize("name", LOST)
def test_both_formats_say_the_same_and_are_as_kept(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = pipelines(library())[name]
    found = [checked(saved(pipeline, data_format)) for data_format in ("yaml", "json")]
    kept = checked(next(path for path in FILES if path.stem == name).read_bytes())
    if not hasattr(library(), "ToTensorV2"):
        kept.lost = [line for line in kept.lost if not line.startswith("ToTensorV2")]
    assert found[0] == found[1] == kept


FIXED: list[tuple[str, dict[str, Any]]] = [  # what both libraries do alike, pixel for pixel but for rounding
    ("HorizontalFlip", {}), ("VerticalFlip", {}), ("Transpose", {}), ("InvertImg", {}), ("ToGray", {}), ("ToSepia", {}),
    ("Rotate", {"limit": (25, 25)}), ("Affine", {"shear": {"x": 20, "y": (0, 0)}}), ("Affine", {"shear": {"x": (0, 0), "y": 20}}),
    ("Affine", {"scale": {"x": 0.8, "y": 1.3}, "rotate": 30, "translate_percent": {"x": 0.1, "y": -0.2}}),
    ("ShiftScaleRotate", {"shift_limit": (0.1, 0.1), "scale_limit": (0.2, 0.2), "rotate_limit": (40, 40)}),
    ("RandomBrightnessContrast", {"brightness_limit": (0.2, 0.2), "contrast_limit": (-0.3, -0.3)}),
    ("RandomGamma", {"gamma_limit": (150, 150)}), ("Solarize", {"threshold_range": (0.3, 0.3)}), ("Posterize", {"num_bits": (3, 3)}),
    ("MultiplicativeNoise", {"multiplier": (1.3, 1.3)}), ("GaussianBlur", {"sigma_limit": (1.5, 1.5)}),
    ("MedianBlur", {"blur_limit": (5, 5)}),
    ("Equalize", {"mode": "pil"}), ("AutoContrast", {"method": "pil"}), ("ImageCompression", {"quality_range": (30, 30)}),
    ("Sharpen", {"alpha": (0.1, 0.1), "lightness": (1, 1)}), ("UnsharpMask", {"threshold": 0}),
    ("HueSaturationValue", {"hue_shift_limit": (20, 20), "sat_shift_limit": (0, 0), "val_shift_limit": (0, 0)}),
    ("ColorJitter", {"brightness": (1.3, 1.3), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}),
    ("ColorJitter", {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1.5, 1.5), "hue": (0, 0)}),
    ("ColorJitter", {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0.1, 0.1)}),
    ("ColorJitter", {"brightness": (1, 1), "contrast": (1.4, 1.4), "saturation": (1.2, 1.2), "hue": (0, 0)}),
    ("MotionBlur", {"blur_limit": (7, 7), "angle_range": (30, 30), "direction_range": (0, 0), "allow_shifted": False}),
    ("Blur", {"blur_limit": (5, 5)}), ("Affine", {"translate_px": {"x": 9, "y": -6}}),
    ("CenterCrop", {"height": 40, "width": 50}), ("Crop", {"x_min": 10, "y_min": 5, "x_max": 70, "y_max": 55}),
    ("PadIfNeeded", {"min_height": 80, "min_width": 100}), ("Pad", {"padding": (3, 4, 5, 6)}),
]  # fmt: skip
OF_A_SIZE = ("CenterCrop", "Crop", "PadIfNeeded", "Pad")


@pytest.mark.parametrize(("name", "settings"), FIXED)
@pytest.mark.filterwarnings("ignore")
def test_same_pixels(name: str, settings: dict[str, Any]) -> None:
    a = library()
    transform = getattr(a, name)(**settings, p=1)
    before = a.Resize(120, 180) if name in OF_A_SIZE or "translate_px" in settings else a.NoOp()
    image = cv2.GaussianBlur(picture(120, 180, seed=3), (0, 0), 2)
    # ImageCompression hands red, green and blue to a coder that takes them for blue, green and red.
    order = slice(None, None, 1 if name == "ImageCompression" else -1)
    theirs = a.Compose([before, transform])(image=np.ascontiguousarray(image[:, :, order]))["image"][:, :, order]
    found = checked(saved(a.Compose([before, transform])))
    ours = copies(found.spec, image, 1)[0]
    assert not found.lost and ours.shape == theirs.shape
    assert np.abs(ours.astype(float) - theirs).mean() < (2 if name == "Equalize" else 1.2)


ARGUMENTS: dict[str, dict[str, Any]] = {
    **{key: {"height": 32, "width": 48} for key in ("RandomCrop", "CenterCrop", "CropNonEmptyMaskIfExists", "Resize")},
    **{key: {"height": 32, "width": 48} for key in ("AtLeastOneBBoxRandomCrop", "RandomSizedBBoxSafeCrop")},
    **{key: {"size": (2, 2, 2)} for key in ("CenterCrop3D", "RandomCrop3D")},
    **{key: {"max_size": 64} for key in ("LongestMaxSize", "SmallestMaxSize")},
    "RandomResizedCrop": {"size": (32, 32)}, "RandomSizedCrop": {"size": (32, 32), "min_max_height": (20, 30)},
    "CropAndPad": {"percent": (-0.1, 0.1)}, "GridElasticDeform": {"num_grid_xy": (4, 4), "magnitude": 5}, "Pad3D": {"padding": 1},
    "PadIfNeeded3D": {"min_zyx": (1, 1, 1)}, "TextImage": {"font_path": "x.ttf"},
}  # fmt: skip
NOTHING = ["Affine", "NoOp"]  # by default they change nothing


@pytest.mark.filterwarnings("ignore")
def test_every_transform_is_accounted_for() -> None:
    a = library()
    seen = 0
    for name, cls in sorted(vars(a).items()):
        if not (isinstance(cls, type) and issubclass(cls, a.BasicTransform)) or name in ("BasicTransform", "HistogramMatching", "FDA"):
            continue
        if name in ("PixelDistributionAdaptation", "Lambda"):  # albumentations.save refuses these
            continue
        try:
            transform = cls(**ARGUMENTS.get(name, {}))
        except (TypeError, ValueError):
            assert "Base" in name or name == "MaxSizeTransform", name
            continue
        found, seen = checked(saved(transform)), seen + 1
        named = any(line.startswith(f"{name}: ") for line in found.lost)
        assert named or len(found.spec) > 1 or name in NOTHING, name
        assert not any("no equivalent here" in line or "no such" in line for line in found.lost) or "Transform" in name or "3D" in name
    assert seen > 90


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for number, (stem, pipeline) in enumerate(pipelines(library()).items()):
        kind = ("yaml", "json")[number % 2]
        (GOLDEN / f"{stem}.{kind}").write_bytes(saved(pipeline, kind))
