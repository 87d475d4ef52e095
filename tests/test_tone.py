"""Tone curves against their definitions: Pillow's, Albumentations', scikit-image's, and the colours of black bodies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageOps

from augx import lut
from augx.transforms import TRANSFORMS
from augx.transforms.base import Tone

Array = np.ndarray
RAMP = np.arange(256, dtype=np.uint8)
UNIFORMS = np.random.default_rng(0).uniform(size=(1000, 15))
BEYOND = np.linspace(-0.5, 1.5, 2001)
"""Levels as other curves may hand them on: past black and white."""


def plain(name: str) -> Tone:
    """The transform with its range at its neutral value; a curve takes its numbers from params alone."""
    cls = TRANSFORMS[name]
    return cls.model_validate({field: {"fixed": quantity.neutral} for field, quantity in cls.quantities().items()})  # type: ignore[return-value]


def curve(name: str, **params: float) -> Callable[[Array], Array]:
    return partial(plain(name).curve, params={key: np.full((1, 1, 1), value) for key, value in params.items()})


def table(*curves: Callable[[Array], Array], dtype: type = np.uint8) -> Array:
    return lut.tables([(np.array([True]), each) for each in curves], 1, np.dtype(dtype))[0]


def at(name: str, x: Array, **params: float) -> Array:
    return curve(name, **params)(np.asarray(x, float).reshape(1, 1, -1))[0]


NEUTRAL = pytest.mark.parametrize(
    ("name", "params"),
    [
        ("channel_gain", {"red": 1.0, "green": 1.0, "blue": 1.0}),
        ("white_balance", {"temperature": 6500.0}),
        ("solarize", {"threshold": 256.0}),
        ("posterize", {"bits": 8}),
        ("tone_curve", {"shadows": 0.0, "highlights": 0.0}),
        ("log", {"strength": 0.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)


@NEUTRAL
def test_neutral_is_the_identity_to_the_bit(name: str, params: dict[str, float]) -> None:
    assert all(np.array_equal(row, BEYOND) for row in at(name, BEYOND, **params))
    for dtype in (np.uint8, np.uint16):
        levels = np.arange(np.iinfo(dtype).max + 1)
        assert all(np.array_equal(row, levels) for row in table(curve(name, **params), dtype=dtype))


@NEUTRAL
def test_a_fixed_neutral_draws_it(name: str, params: dict[str, float]) -> None:
    drawn = plain(name).draw(UNIFORMS[:4])
    assert {key: set(values.tolist()) for key, values in drawn.items()} == {key: {value} for key, value in params.items()}


@pytest.mark.parametrize("threshold", [0, 1, 100, 128, 255, 256])
def test_solarize_is_pillows(threshold: int) -> None:
    expected = np.asarray(ImageOps.solarize(Image.fromarray(RAMP[None]), threshold))
    assert np.array_equal(table(curve("solarize", threshold=threshold)), expected)


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_is_pillows(bits: int) -> None:
    expected = np.asarray(ImageOps.posterize(Image.fromarray(RAMP[None]), bits))
    assert np.array_equal(table(curve("posterize", bits=bits)), expected)


@pytest.mark.parametrize("bits", [1, 3, 7])
def test_posterize_keeps_the_same_steps_of_16_bits(bits: int) -> None:
    eight, sixteen = (table(curve("posterize", bits=bits), dtype=dtype) for dtype in (np.uint8, np.uint16))
    assert np.array_equal(np.unique(sixteen), np.unique(eight).astype(int) * 257)
    assert np.array_equal(sixteen[:, ::257], eight.astype(int) * 257)


@pytest.mark.parametrize(
    ("name", "params"),
    [("posterize", {"bits": bits}) for bits in range(1, 8)] + [("solarize", {"threshold": level}) for level in (1, 77, 128, 255)],
    ids=str,
)
def test_thresholds_are_met_by_levels_a_last_bit_short(name: str, params: dict[str, float]) -> None:
    expected = table(curve(name, **params))
    there_and_back = [curve("brightness", factor=0.1), curve("brightness", factor=10.0)]
    assert np.array_equal(table(*there_and_back, curve(name, **params)), expected)
    as_float32 = at(name, RAMP.astype(np.float32) / np.float32(255), **params)
    assert np.array_equal(np.rint(as_float32 * 255), expected)


@pytest.mark.parametrize(
    ("name", "params", "white"),
    [("posterize", {"bits": 4}, 240), ("solarize", {"threshold": 255.5}, 255), ("solarize", {"threshold": 255}, 0)],
    ids=["posterized white", "white below the threshold", "white at the threshold"],
)
def test_what_lies_past_white_is_white(name: str, params: dict[str, float], white: int) -> None:
    assert table(curve("brightness", factor=2.0), curve(name, **params))[0, 200] == white


def test_bits_are_whole_and_all_alike() -> None:
    drawn = TRANSFORMS["posterize"].model_validate(4).draw(UNIFORMS)["bits"]
    assert np.issubdtype(drawn.dtype, np.integer)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [4, 5, 6, 7, 8] and counts.min() > 150


@pytest.mark.parametrize(("shadows", "highlights"), [(0.2, -0.2), (-0.1, 0.3), (1 / 3, 1 / 3), (-1 / 3, -0.05)])
def test_tone_curve_is_albumentations(shadows: float, highlights: float) -> None:
    functional = pytest.importorskip("albumentations.augmentations.pixel.functional")
    expected = functional.move_tone_curve(RAMP[None], 1 / 3 + shadows, 2 / 3 + highlights)
    difference = table(curve("tone_curve", shadows=shadows, highlights=highlights)).astype(int) - expected
    assert np.abs(difference).max() <= 1 and np.count_nonzero(difference) <= 2  # levels that lie midway


@pytest.mark.parametrize("shadows", [-1 / 3, -0.1, 0.2, 1 / 3])
@pytest.mark.parametrize("highlights", [-1 / 3, -0.2, 0.1, 1 / 3])
def test_tone_curve_never_falls_and_keeps_black_and_white(shadows: float, highlights: float) -> None:
    (y,) = at("tone_curve", BEYOND, shadows=shadows, highlights=highlights)
    assert np.diff(y).min() > -1e-12
    outside = (BEYOND <= 0) | (BEYOND >= 1)
    assert np.array_equal(y[outside], BEYOND[outside])


def test_tone_curve_moves_its_third_points() -> None:
    # At a third of the way the Bernstein weights of the two inner points are 4/9 and 2/9.
    assert at("tone_curve", [1 / 3], shadows=0.09, highlights=0.18) == pytest.approx(1 / 3 + 0.04 + 0.04)


def test_log_of_strength_1_is_scikit_images() -> None:
    exposure = pytest.importorskip("skimage.exposure")
    expected = exposure.adjust_log(RAMP / 255)
    assert np.abs(at("log", RAMP / 255, strength=1.0)[0] - expected).max() < 1e-12


@pytest.mark.parametrize("strength", [1e-6, 0.5, 10.0, 1000.0])
def test_log_keeps_black_and_white_and_rises(strength: float) -> None:
    (y,) = at("log", BEYOND[BEYOND >= 0], strength=strength)
    assert y[0] == 0 and np.interp(1, BEYOND[BEYOND >= 0], y) == pytest.approx(1)
    assert np.diff(y).min() > 0 and at("log", [-0.3], strength=strength) == 0


def test_log_of_known_levels() -> None:
    assert at("log", [0, 1 / 9, 1 / 3, 1], strength=9.0)[0] == pytest.approx(np.log10([1, 2, 4, 10]))


def test_channel_gain_multiplies_red_green_and_blue() -> None:
    rows = table(curve("channel_gain", red=2.0, green=0.5, blue=0.0))
    assert rows[:, [0, 10, 200]].tolist() == [[0, 20, 255], [0, 5, 100], [0, 0, 0]]
    blue_green_red = np.full((1, 1, 3), 10, np.uint8)
    assert lut.look_up(blue_green_red, rows).tolist() == [[[0, 5, 20]]]
    assert lut.look_up(blue_green_red[:, :, 0], rows).tolist() == [[20]]


@pytest.mark.parametrize(
    ("name", "setting", "low", "high"), [("channel_gain", 0.3, 0.7, 1.3), ("tone_curve", 0.2, -0.2, 0.2)], ids=lambda value: str(value)
)
def test_each_number_is_drawn_apart_from_one_range(name: str, setting: float, low: float, high: float) -> None:
    drawn = np.array(list(TRANSFORMS[name].model_validate(setting).draw(UNIFORMS).values()))
    assert low <= drawn.min() < low + 0.01 and high - 0.01 < drawn.max() <= high
    assert np.abs(np.corrcoef(drawn) - np.eye(len(drawn))).max() < 0.15


def light(levels: Array) -> Array:
    """Linear light of sRGB levels, from the standard's text."""
    return np.array([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.ravel(levels)]).reshape(np.shape(levels))


def linear_srgb(x: float, y: float) -> Array:
    return np.linalg.solve([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], [x / y, 1, (1 - x - y) / y])


# Published chromaticities: CIE standard illuminant A (a black body of 2856 K), and black bodies of 6500 and 10,000 K.
REFERENCE = linear_srgb(0.3135, 0.3237)


@pytest.mark.parametrize(
    ("temperature", "xy"), [(2856.0, (0.44757, 0.40745)), (10000.0, (0.2807, 0.2884))], ids=["illuminant A", "black body of 10,000 K"]
)
def test_white_balance_turns_white_into_the_black_bodys_colour(temperature: float, xy: tuple[float, float]) -> None:
    gains = linear_srgb(*xy) / REFERENCE
    gains /= gains @ [0.2126, 0.7152, 0.0722]
    assert light(at("white_balance", [1.0], temperature=temperature)[:, 0]) == pytest.approx(gains, rel=0.01)


@pytest.mark.parametrize("temperature", [2000.0, 2500.0, 3999.0, 4001.0, 9000.0, 20000.0])
def test_white_balance_is_gains_of_light_that_keep_whites_luminance(temperature: float) -> None:
    levels = np.array([0.01, 0.03, 0.2, 0.5, 1.0])
    gains = light(at("white_balance", levels, temperature=temperature)) / light(levels)
    # Where the standard's line meets its power there is a step of 1e-6.
    assert np.abs(gains / gains[:, -1:] - 1).max() < 1e-4
    assert gains[:, -1] @ [0.2126, 0.7152, 0.0722] == pytest.approx(1)


def test_white_balance_is_warm_below_6500_and_cool_above() -> None:
    reds, _, blues = np.array([at("white_balance", [0.5], temperature=t)[:, 0] for t in range(2000, 20001, 250)]).T
    assert np.diff(reds).max() < 0 < np.diff(blues).min()
