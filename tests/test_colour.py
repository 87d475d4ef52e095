"""Colour transforms against colorsys, Pillow, torchvision and Albumentations, and on colours known by heart."""

from __future__ import annotations

import colorsys
import json
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from augx.transforms import TRANSFORMS
from augx.transforms.base import Pixel
from tests.conftest import PHOTOS, picture

Array = np.ndarray
DEPTHS = pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)], ids=["8 bit", "16 bit", "float"]
)
NEUTRAL_HSV = {"hue": 0.0, "saturation": 1.0, "value": 1.0, "saturation_power": 1.0, "value_power": 1.0}
UNIFORMS = np.random.default_rng(0).uniform(size=(1000, 15))


def plain(name: str) -> Pixel:
    """The transform with its ranges at their neutral values; ``apply`` takes its numbers from params alone."""
    cls = TRANSFORMS[name]
    return cls.model_validate({field: {"fixed": quantity.neutral} for field, quantity in cls.quantities().items()})  # type: ignore[return-value]


def apply(name: str, image: Array, **params: Any) -> Array:
    return plain(name).apply(image, params)


def hsv(image: Array, **changes: float) -> Array:
    return apply("hsv", image, **NEUTRAL_HSV | changes)


def photo() -> Array:
    image = cv2.imdecode(np.fromfile(PHOTOS / "cats" / "chelsea.png", np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(image, (120, 80), interpolation=cv2.INTER_AREA)


def rgb(image: Array) -> Array:
    return np.ascontiguousarray(image[:, :, ::-1])


def farthest(a: Array, b: Array) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).max())


@pytest.mark.parametrize(
    ("name", "params"),
    [("hsv", NEUTRAL_HSV), ("hsv", NEUTRAL_HSV | {"hue": -0.0}), ("saturation", {"factor": 1.0}), ("sepia", {"strength": 0.0})],
    ids=["hsv", "hue -0", "saturation", "sepia"],
)
def test_neutral_is_the_picture_itself(name: str, params: dict[str, float]) -> None:
    image = picture()
    assert apply(name, image, **params) is image


@pytest.mark.parametrize("name", ["hsv", "saturation", "grayscale", "channel_shuffle", "sepia"])
def test_is_of_colour(name: str) -> None:
    assert TRANSFORMS[name].of_colour


def test_one_number_turns_the_hue_alone() -> None:
    drawn = TRANSFORMS["hsv"].model_validate(10).draw(UNIFORMS)
    assert -10 <= drawn.pop("hue").min() < -9
    assert {name: set(values.tolist()) for name, values in drawn.items()} == {name: {1.0} for name in drawn}


RED, YELLOW, GREEN, CYAN, BLUE = ([0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 1, 0], [1, 0, 0])


@DEPTHS
@pytest.mark.parametrize(
    ("start", "hue", "end"),
    [(RED, 60, YELLOW), (RED, 120, GREEN), (RED, 180, CYAN), (RED, -180, CYAN), (RED, -120, BLUE), (BLUE, 120, RED), (YELLOW, -60, RED)],
    ids=["red +60", "red +120", "red +180", "red -180", "red -120", "blue +120", "yellow -60"],
)
def test_hue_turns_pure_colours(start: list[int], hue: float, end: list[int], dtype: type, white: float) -> None:
    turned = hsv((np.array([[start]]) * white).astype(dtype), hue=hue)
    # 8 bits keep the hue in steps of 1.4 degrees: 6 levels of 255 at full saturation.
    assert farthest(turned, np.array([[end]]) * white) <= (4 if dtype is np.uint8 else 1e-5 * white)


def by_colorsys(image: Array, changes: dict[str, float]) -> Array:
    p = NEUTRAL_HSV | changes

    def pixel(bgr: Array) -> list[float]:
        h, s, v = colorsys.rgb_to_hsv(*bgr[::-1])
        s, v = min(p["saturation"] * s ** p["saturation_power"], 1), min(p["value"] * v ** p["value_power"], 1)
        return list(colorsys.hsv_to_rgb((h + p["hue"] / 360) % 1, s, v))[::-1]

    return np.apply_along_axis(pixel, 2, image)


@pytest.mark.parametrize(
    "changes",
    [
        {"hue": 33.3},
        {"hue": -1.2},
        {"saturation": 0.4},
        {"saturation": 1.8},
        {"value": 0.4},
        {"value": 1.8},
        {"saturation_power": 0.5},
        {"saturation_power": 4.0},
        {"value_power": 0.25},
        {"value_power": 2.5},
        {"hue": -150.0, "saturation": 1.3, "value": 0.9, "saturation_power": 1.4, "value_power": 0.7},
    ],
    ids=str,
)
def test_hsv_is_colorsys(changes: dict[str, float]) -> None:
    image = photo()[::3, ::3]
    expected = by_colorsys(image / 255, changes)
    assert farthest(hsv((image / 255).astype(np.float32), **changes), expected) < 2e-5
    sixteen = hsv(image.astype(np.uint16) * 257, **changes)
    assert farthest(sixteen, expected * 65535) <= 2
    eight = hsv(np.ascontiguousarray(image), **changes)
    assert np.abs(eight - expected * 255).mean() < 0.6 and farthest(eight, expected * 255) <= 5


@DEPTHS
def test_grey_has_no_hue_and_no_saturation_to_change(dtype: type, white: float) -> None:
    greys = np.repeat((np.arange(256).reshape(1, 256, 1) * (white / 255)).astype(dtype), 3, axis=2)
    turned = hsv(greys, hue=90.0, saturation=5.0, saturation_power=0.25)
    assert farthest(turned, greys) <= 1e-6 * white


def test_each_row_of_a_picture_stands_alone() -> None:
    image = picture(700, 150)
    turned = hsv(image, hue=40.0, saturation=1.5)
    assert all(np.array_equal(hsv(image[top : top + 7], hue=40.0, saturation=1.5), turned[top : top + 7]) for top in range(0, 700, 7))


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.9, 1.4, 2.0])
def test_saturation_is_pillows(factor: float) -> None:
    image = photo()
    expected = np.asarray(ImageEnhance.Color(Image.fromarray(rgb(image))).enhance(factor))
    assert farthest(rgb(apply("saturation", image, factor=factor)), expected) <= 1


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.9, 1.4, 2.0])
def test_saturation_is_torchvisions(factor: float) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    image = photo()
    pixels = torch.from_numpy(rgb(image).transpose(2, 0, 1).copy())
    expected = functional.adjust_saturation(pixels, factor).numpy().transpose(1, 2, 0)
    # On 8 bits it cuts off the fraction of the grey before it blends, and that of the sum after.
    difference = np.abs(rgb(apply("saturation", image, factor=factor)).astype(int) - expected)
    assert difference.max() <= 2 and difference.mean() < 1
    as_float = apply("saturation", (image / 255).astype(np.float32), factor=factor)
    assert farthest(rgb(as_float), functional.adjust_saturation(pixels / 255, factor).numpy().transpose(1, 2, 0)) < 1e-3


@DEPTHS
def test_saturation_0_is_grayscale(dtype: type, white: float) -> None:
    image = picture(dtype=dtype)
    assert farthest(apply("saturation", image, factor=0.0), apply("grayscale", image)) <= (2 if white > 1 else 1e-5)


@DEPTHS
def test_grayscale_is_luma(dtype: type, white: float) -> None:
    image = picture(dtype=dtype)
    grey = apply("grayscale", image)
    assert np.array_equal(grey[:, :, 0], grey[:, :, 1]) and np.array_equal(grey[:, :, 0], grey[:, :, 2])
    assert farthest(grey[:, :, 0], image @ [0.114, 0.587, 0.299]) <= (2 if white > 1 else 1e-5)


def test_grayscale_is_pillows() -> None:
    image = photo()
    assert farthest(apply("grayscale", image)[:, :, 0], np.asarray(Image.fromarray(rgb(image)).convert("L"))) <= 1


def test_grayscale_takes_p_alone() -> None:
    assert TRANSFORMS["grayscale"].model_validate(0.1).p == 0.1


ORDERS = ["rbg", "grb", "gbr", "brg", "bgr"]


@DEPTHS
@pytest.mark.parametrize("order", ORDERS)
def test_channel_shuffle_moves_whole_channels(order: str, dtype: type, white: float) -> None:
    image = picture(dtype=dtype)
    image[0, 0] = white
    source = dict(zip("bgr", cv2.split(image), strict=True))
    shuffled = rgb(apply("channel_shuffle", image, order=order))
    assert all(np.array_equal(shuffled[:, :, i], source[name]) for i, name in enumerate(order))


def test_every_level_survives_a_shuffle() -> None:
    image = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = np.dstack([image, image.T, image[::-1]])
    assert np.array_equal(apply("channel_shuffle", image, order="bgr"), image[:, :, ::-1])


def test_all_orders_but_the_own_are_drawn_alike_and_survive_json() -> None:
    drawn = plain("channel_shuffle").draw(UNIFORMS)["order"]
    names, counts = np.unique(drawn, return_counts=True)
    assert sorted(names.tolist()) == sorted(ORDERS) and counts.min() > 150
    assert np.array(json.loads(json.dumps(drawn.tolist()))).tolist() == drawn.tolist()


@pytest.mark.parametrize(
    ("colour", "brown"),
    [((255, 255, 255), (255, 255, 239)), ((0, 0, 0), (0, 0, 0)), ((100, 0, 0), (39, 35, 27)), ((100, 100, 100), (135, 120, 94))],
    ids=["white", "black", "red", "grey"],
)
def test_sepia_of_known_colours(colour: tuple[int, ...], brown: tuple[int, ...]) -> None:
    assert farthest(rgb(apply("sepia", np.uint8([[colour[::-1]]]), strength=1.0)), np.array([[brown]])) <= 1


def test_sepia_is_albumentations() -> None:
    albumentations = pytest.importorskip("albumentations")
    image = photo()
    expected = albumentations.ToSepia(p=1)(image=rgb(image))["image"]
    assert farthest(rgb(apply("sepia", image, strength=1.0)), expected) <= 1


@DEPTHS
def test_sepia_blends(dtype: type, white: float) -> None:
    image = picture(dtype=dtype) // 2 if white > 1 else picture(dtype=dtype) / np.float32(2)  # nothing clips
    whole = apply("sepia", image, strength=1.0).astype(float)
    assert farthest(apply("sepia", image, strength=0.25), 0.75 * image + 0.25 * whole) <= (1.5 if white > 1 else 1e-5)


@pytest.mark.parametrize(("name", "params"), [("saturation", {"factor": 10.0}), ("sepia", {"strength": 1.0})], ids=["saturation", "sepia"])
def test_floats_stay_between_black_and_white(name: str, params: dict[str, float]) -> None:
    changed = apply(name, picture(dtype=np.float32), **params)
    assert changed.dtype == np.float32 and changed.min() >= 0 and changed.max() == 1


@DEPTHS
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1)], ids=str)
def test_the_smallest_pictures(size: tuple[int, int], dtype: type, white: float) -> None:
    image = picture(*size, dtype=dtype)
    before = image.copy()
    for changed in (
        hsv(image, hue=50.0, value=0.7),
        apply("saturation", image, factor=0.5),
        apply("grayscale", image),
        apply("channel_shuffle", image, order="gbr"),
        apply("sepia", image, strength=0.5),
    ):
        assert changed.shape == image.shape and changed.dtype == dtype and changed.flags.c_contiguous
    assert np.array_equal(image, before)
