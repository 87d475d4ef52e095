"""Channel shift and brightness of ``augx.keras``, beside keras-preprocessing 1.1.2 and Pillow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augx.keras import colour
from augx.keras.colour import apply_brightness_shift, apply_channel_shift, brighten, shift_levels

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Array = np.ndarray[Any, Any]


def levels(shape: tuple[int, ...], low: float = 0, high: float = 255, dtype: str = "float32") -> Array:
    return np.random.RandomState(0).uniform(low, high, shape).astype(dtype)


def keras() -> Any:
    pytest.importorskip("PIL")
    return pytest.importorskip("keras_preprocessing.image")


PICTURES = {
    "RGB": levels((9, 7, 3)),
    "grey": levels((9, 7, 1), 60, 140),
    "RGBA": levels((9, 7, 4)),
    "8-bit": levels((9, 7, 3), dtype="uint8"),
    "0 to 1": levels((9, 7, 3), 0, 1),
    "centred": levels((9, 7, 3), -1, 1),
    "above white": levels((9, 7, 3), 10, 900, "float64"),
    "flat": np.full((4, 5, 3), 30, np.float32),
    "black": np.zeros((4, 5, 1), np.float32),
    "a few levels": np.array([50, 100, 180], np.float32).reshape(1, 3, 1),
}
FACTORS = [0.0, 0.3, 0.77, 1.0, 1.5, 4.0, -1.0]


@pytest.mark.parametrize("image", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("factor", FACTORS)
def test_brightness_is_keras_preprocessings_to_the_level(image: Array, factor: float) -> None:
    kept, expected = image.copy(), keras().apply_brightness_shift(image, factor)
    for found in (apply_brightness_shift(image, factor), brighten(image, factor, "classic")):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("image", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("factor", FACTORS)
def test_keras2_stretches_only_what_is_outside_and_back(image: Array, factor: float) -> None:
    keras()
    from PIL import Image, ImageEnhance

    low, high = image.min(), image.max()
    outside = low < 0 or high > 255
    plain = image.astype(np.float32)
    if outside:
        plain = plain - plain.min()
        plain = plain / plain.max() * 255
    picture = plain.astype(np.uint8)
    as_picture = Image.fromarray(picture[:, :, 0] if image.shape[2] == 1 else picture)
    expected = np.asarray(ImageEnhance.Brightness(as_picture).enhance(factor), np.float32).reshape(image.shape)
    if outside:
        expected = expected / 255 * (high - low) + low
    np.testing.assert_allclose(brighten(image, factor, "keras2"), expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(apply_brightness_shift(image, factor, scale=False), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("law", "expected"), [("classic", [0, 98, 255]), ("keras2", [50, 100, 180]), ("fixed", [50, 100, 180])], ids=lambda value: str(value)
)
def test_a_brightness_of_one(law: Any, expected: list[float]) -> None:
    assert brighten(PICTURES["a few levels"].copy(), 1.0, law).ravel().tolist() == expected


FIXED = {
    "no truncation": (np.array([10.6, 100]), 1.5, [15.9, 150]),
    "white at 255": (np.array([2.0, 200]), 2, [4, 255]),
    "white at 1": (np.array([0.2, 0.8]), 2, [0.4, 1]),
    "what was above white stays possible": (np.array([2.0, 300]), 1.1, [2.2, 300]),
    "what was below black stays possible": (np.array([-0.5, 0.8]), 0.5, [-0.25, 0.4]),
    "8-bit is rounded": (np.array([3, 5, 201], np.uint8), 1.5, [4, 8, 255]),
    "8-bit without a level above 1": (np.array([0, 1], np.uint8), 9, [0, 9]),
    "wide integers": (np.array([3, 200], np.int64), 0.5, [2, 100]),
}


@pytest.mark.parametrize(("given", "factor", "expected"), FIXED.values(), ids=FIXED)
def test_fixed_brightness(given: Array, factor: float, expected: list[float]) -> None:
    image = given.reshape(1, -1, 1)
    found = brighten(image.copy(), factor)
    assert found.dtype == image.dtype
    np.testing.assert_allclose(found.ravel(), expected)


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_alpha_is_kept(axis: int, dtype: str) -> None:
    image = np.moveaxis(levels((6, 5, 4), dtype=dtype), 2, axis)
    kept, found = image.copy(), brighten(image.copy(), 0.5, "fixed", axis)
    np.testing.assert_array_equal(found.take(3, axis), kept.take(3, axis))
    np.testing.assert_allclose(found.take([0, 1, 2], axis), kept.take([0, 1, 2], axis) * 0.5, atol=0.51 if dtype == "uint8" else 1e-4)


@pytest.mark.parametrize("image", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("intensity", [0, 20.5, -0.3, 1000.0])
def test_channel_shift_is_keras_preprocessings(image: Array, intensity: float) -> None:
    for axis in (0, 2):
        expected = keras().apply_channel_shift(image, intensity, axis)
        np.testing.assert_array_equal(apply_channel_shift(image, intensity, axis), expected)
        np.testing.assert_array_equal(shift_levels(image.copy(), intensity, "classic"), expected)


def test_fixed_channel_shift_keeps_integers_and_spares_memory() -> None:
    image = np.array([10, 20, 30], np.uint8).reshape(1, 3, 1)
    found = shift_levels(image, 2.6)
    assert found.dtype == np.uint8 and found.ravel().tolist() == [13, 23, 30]
    floats = image.astype(np.float32)
    assert shift_levels(floats, 2.5) is floats


@pytest.mark.parametrize(
    ("name", "amount"), [("random_channel_shift", 40.0), ("random_brightness", (0.5, 1.5)), ("random_brightness", [1, 2])]
)
def test_random_twins_draw_as_keras_preprocessing(name: str, amount: Any) -> None:
    for seed in range(5):
        np.random.seed(seed)
        expected = getattr(keras(), name)(PICTURES["RGB"], amount)
        np.random.seed(seed)
        np.testing.assert_array_equal(getattr(colour, name)(PICTURES["RGB"], amount), expected)


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "two channels": (lambda: apply_brightness_shift(np.zeros((3, 3, 2)), 1), "1, 3 or 4 channels on the last axis, found 2"),
    "no channels": (lambda: apply_brightness_shift(np.zeros((3, 3)), 1), r"three axes .*found shape \(3, 3\)"),
    "one brightness": (lambda: colour.random_brightness(np.zeros((3, 3, 3)), (1.0,)), "brightness_range: expected two"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("call", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_are_one_clear_line(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
