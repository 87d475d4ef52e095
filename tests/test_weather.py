"""Weather and light, each against its definition; what holds for every transform is in test_laws."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from augx.transforms import TRANSFORMS
from tests.conftest import picture

PARAMS: dict[str, dict[str, Any]] = {
    "fog": {"density": 0.5, "airlight": 210.0, "seed": 7},
    "rain": {"amount": 0.5, "angle": 12.0, "length": 0.15, "seed": 7},
    "snow": {"amount": 0.3, "size": 0.02, "angle": 10.0, "seed": 7},
    "shadow": {"strength": 0.5, "softness": 0.02, "count": 2, "seed": 7},
    "sun_flare": {"strength": 0.8, "x": 0.3, "y": 0.2, "seed": 7},
    "vignette": {"strength": 0.6},
}
MAIN = {"fog": "density", "rain": "amount", "snow": "amount", "shadow": "strength", "sun_flare": "strength", "vignette": "strength"}

EVERY = pytest.mark.parametrize("name", PARAMS)


def made(name: str, image: np.ndarray, **changes: Any) -> np.ndarray:
    transform = TRANSFORMS[name].model_validate({MAIN[name]: 0.5})
    return transform.apply(image, PARAMS[name] | changes)  # type: ignore[attr-defined, no-any-return]


def plain(level: float, height: int = 240, width: int = 320, dtype: type = np.uint8) -> np.ndarray:
    return np.full((height, width), level, dtype)


@EVERY
def test_none_of_it_is_the_picture_itself(name: str) -> None:
    for dtype in (np.uint8, np.uint16, np.float32):
        image = picture(dtype=dtype)
        assert made(name, image, **{MAIN[name]: 0.0}) is image


@pytest.mark.parametrize(
    ("name", "channels"), [(name, channels) for name in PARAMS for channels in (2, 3, 4, 6, 600) if (name, channels) != ("sun_flare", 3)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32], ids=lambda dtype: dtype.__name__)
def test_all_channels_are_treated_as_a_grey_picture_is(name: str, channels: int, dtype: type) -> None:
    grey = picture(24, 33, channels=1, dtype=dtype)
    image = np.dstack([grey] * channels)
    assert np.array_equal(made(name, image), np.dstack([made(name, grey)] * channels))


@EVERY
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (101, 37)], ids=str)
def test_the_depths_agree(name: str, size: tuple[int, int]) -> None:
    image = picture(*size, channels=6)
    eight = made(name, image).astype(float)
    sixteen = made(name, image.astype(np.uint16) * 257) / 257
    floats = made(name, image.astype(np.float32) / 255) * 255
    for other in (sixteen, floats):
        assert np.abs(eight - other).max() < 2.5  # three roundings to whole levels


@EVERY
def test_a_large_picture_looks_like_a_small_one(name: str) -> None:
    small, large = (made(name, plain(90, 300 * k, 400 * k)) for k in (1, 5))
    again = cv2.resize(large, (400, 300), interpolation=cv2.INTER_AREA)
    # Strokes are drawn in whole pixels; everything else is smooth. On average both have the same light.
    assert abs(small.mean() - again.mean()) < 3
    assert np.abs(small.astype(float) - again).mean() < {"rain": 1.5, "snow": 5}.get(name, 0.1)


@pytest.mark.parametrize("name", [name for name in PARAMS if "seed" in PARAMS[name]])
def test_a_seed_is_another_picture(name: str) -> None:
    assert not np.array_equal(made(name, plain(90)), made(name, plain(90), seed=8))


@EVERY
def test_threads_change_nothing(name: str) -> None:
    image, threads = picture(700, 500), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = made(name, image)
        cv2.setNumThreads(4)
        assert np.array_equal(made(name, image), alone)
    finally:
        cv2.setNumThreads(threads)


def test_fog_is_koschmieders_law() -> None:
    """One share t for each pixel, whatever its level: level * t + airlight * (1 - t)."""
    black, grey, white = (made("fog", plain(level, dtype=np.float32)) for level in (0, 0.5, 1))
    t = white - black
    assert np.allclose(black, 210 / 255 * (1 - t), atol=1e-5)
    assert np.allclose(grey, (black + white) / 2, atol=1e-5)
    assert 0.1 < t.min() < t.max() < 0.95 and t.std() > 0.05


def test_fog_takes_its_density_on_average() -> None:
    taken = [made("fog", plain(0, dtype=np.float32), airlight=255.0, density=0.4, seed=seed).mean() for seed in range(40)]
    assert abs(np.mean(taken) - 0.4) < 0.03


def test_fog_of_the_pictures_own_level_is_invisible() -> None:
    assert np.abs(made("fog", plain(210)).astype(int) - 210).max() <= 1


def test_denser_fog_is_denser_everywhere() -> None:
    thin, thick = (made("fog", plain(0, dtype=np.float32), density=density) for density in (0.3, 0.6))
    assert (thick > thin).all()


@pytest.mark.parametrize("angle", [-60, -25, 0, 25, 60])
def test_rain_falls_at_its_angle(angle: int) -> None:
    rain = made("rain", plain(0, 600, 600), angle=float(angle), length=0.3).astype(np.float32)
    dx, dy = cv2.Sobel(rain, cv2.CV_32F, 1, 0), cv2.Sobel(rain, cv2.CV_32F, 0, 1)
    # The structure tensor: levels change least along the streaks, (sin, cos) of the angle in x and y.
    (_, _), vectors = np.linalg.eigh([[(dx * dx).mean(), (dx * dy).mean()], [(dx * dy).mean(), (dy * dy).mean()]])
    x, y = vectors[:, 0] * np.sign(vectors[1, 0])
    assert abs(np.degrees(np.arctan2(x, y)) - angle) < 2


def test_rain_dims_what_it_leaves_and_brightens_dark_pixels() -> None:
    rain = made("rain", plain(100), amount=0.4)
    assert np.median(rain) == 90  # a quarter less at 1
    assert rain.min() == 90 and rain.max() > 105
    assert made("rain", plain(255)).max() < 255


def test_more_rain_is_more_streaks() -> None:
    lit = [(made("rain", plain(0), amount=amount) > 0).mean() for amount in (0.1, 0.3, 0.9)]
    assert 0 < lit[0] < lit[1] / 2 < lit[2] / 3


def test_snow_veils_and_covers_with_white() -> None:
    snow = made("snow", plain(0))
    assert snow.min() == np.median(snow) == round(round(255 * 0.25 * 0.3) * 0.97)
    assert snow.max() > 180


def test_the_first_flake_is_as_large_as_said() -> None:
    flake = made("snow", plain(0, 400, 400), amount=1 / 1500, size=0.1, seed=2)
    area = (flake > flake.max() / 2).sum()
    disc, streak = np.pi / 4 * 40**2, 0.7 * 40 * 40
    assert area == pytest.approx(disc + streak, rel=0.2)  # its blur makes the ends rounder


def test_more_snow_keeps_the_flakes_that_were_there() -> None:
    few, many = (made("snow", plain(0, 400, 400), amount=amount, size=0.05, seed=2) for amount in (1 / 1500, 20 / 1500))
    assert (many[few > few.max() / 2] > 60).mean() > 0.9


def test_a_shadow_multiplies_and_shadows_do_not_add_up() -> None:
    one, three = (made("shadow", plain(200), count=count, softness=0.0) for count in (1, 3))
    assert one.min() == three.min() == 100 and one.max() == 200
    assert ((one == 100) | (one == 200)).mean() > 0.97  # the rest is a rim of a pixel
    assert (three <= one).all() and (three < one).any()


def test_softness_widens_the_edge() -> None:
    rims = [((shadow > 102) & (shadow < 198)).mean() for shadow in (made("shadow", plain(200), softness=s) for s in (0.0, 0.01, 0.05))]
    assert rims[0] < rims[1] / 1.5 < rims[2] / 3


def test_shadow_draws_one_to_three() -> None:
    drawn = TRANSFORMS["shadow"].model_validate({"strength": 0.5}).draw(np.random.default_rng(0).random((300, 15)))
    assert set(drawn["count"].tolist()) == {1, 2, 3}


def test_a_shadow_is_that_of_albumentations() -> None:
    """Inside the same polygon the same levels, within the one that theirs loses by cutting decimals off."""
    functional = pytest.importorskip("albumentations.augmentations.pixel.functional")
    image = picture(200, 300)
    settings = {"count": 1, "softness": 0.0, "strength": 0.4}
    inside = (made("shadow", plain(255, 200, 300), **settings) == 153).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    theirs = functional.add_shadow(image, [outlines[0]], np.array([0.4]))
    difference = np.abs(made("shadow", image, **settings).astype(int) - theirs)
    assert inside.sum() > 1000
    assert difference[inside == 1].max() <= 1
    assert difference[cv2.dilate(inside, np.ones((5, 5), np.uint8)) == 0].max() == 0


def test_a_flare_is_brightest_at_the_sun_and_warm() -> None:
    flare = made("sun_flare", np.zeros((200, 300, 3), np.float32), x=0.3, y=0.2, strength=0.3)
    y, x = np.unravel_index(flare.sum(axis=2).argmax(), (200, 300))
    assert abs(x + 0.5 - 90) <= 1 and abs(y + 0.5 - 40) <= 1
    blue, green, red = flare[y, x]
    assert blue < green < red
    assert (flare > 0).all()


def test_a_flare_is_screened() -> None:
    """Never darker, white stays white, and the light lost to white is in proportion: 1 - (1 - level) * (1 - light)."""
    light, on_grey, on_white = (made("sun_flare", np.full((90, 120, 3), level, np.float32)) for level in (0, 0.5, 1))
    assert np.allclose(on_grey, 1 - 0.5 * (1 - light), atol=1e-6)
    assert (on_white == 1).all()
    assert (made("sun_flare", picture()) >= picture()).all()


def test_ghosts_lie_on_the_line_through_the_centre() -> None:
    """With the sun far left in the middle row, all edges of the right hand part are those of ghosts in middle rows."""
    for seed in range(10):
        flare = made("sun_flare", np.zeros((200, 800, 3), np.float32), x=0.05, y=0.5, strength=1.0, seed=seed)
        rows, _ = np.nonzero(np.abs(cv2.Laplacian(flare.sum(axis=2), cv2.CV_32F))[:, 250:] > 0.02)
        assert len(rows) > 50
        assert 100 - 0.15 * 200 < rows.min() < 100 < rows.max() < 100 + 0.15 * 200


def test_the_opposite_sun_turns_the_flare_by_half_a_turn() -> None:
    black = np.zeros((120, 200, 3), np.float32)
    flare, opposite = (made("sun_flare", black, x=x, y=y) for x, y in ((0.25, 0.1), (0.75, 0.9)))
    assert np.allclose(flare[::-1, ::-1], opposite, atol=1e-5)


@pytest.mark.parametrize("size", [(101, 151), (100, 150), (7, 300)], ids=str)
def test_vignette_is_the_cos4_law(size: tuple[int, int]) -> None:
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(y - height / 2, x - width / 2) / np.hypot(height / 2, width / 2)
    corner = np.arccos(0.4**0.25)  # cos^4 of it leaves 0.4 of the light
    expected = np.cos(np.arctan(distance * np.tan(corner))) ** 4
    assert np.allclose(made("vignette", plain(1, *size, dtype=np.float32)), expected, atol=1e-5)
    assert np.abs(made("vignette", plain(250, *size)) - 250 * expected).max() <= 1.01


def test_vignette_of_a_large_picture_is_right_to_half_a_level() -> None:
    large = made("vignette", plain(1, 1500, 2000, dtype=np.float32))
    y, x = np.mgrid[:1500, :2000] + 0.5
    squared = ((y - 750) ** 2 + (x - 1000) ** 2) / (750**2 + 1000**2)
    assert np.abs(large - (1 + (0.4**-0.5 - 1) * squared) ** -2).max() < 0.5 / 255
