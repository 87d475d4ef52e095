"""Noise: its distribution, what it leaves alone, and the libraries that define it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from augx.transforms import TRANSFORMS
from augx.transforms.noise import _STEPS, _photons
from tests.conftest import picture

DEFAULTS = {
    "noise": {"sigma": 12.0},
    "salt_pepper": {"amount": 0.1},
    "shot": {"scale": 0.05},
    "speckle": {"sigma": 0.2},
    "iso": {"intensity": 15.0, "colour": 0.5},
}
EVERY = pytest.mark.parametrize("name", DEFAULTS)


def noisy(name: str, image: np.ndarray, seed: int = 7, **params: float) -> np.ndarray:
    main = next(iter(DEFAULTS[name]))
    chosen = {**DEFAULTS[name], **params}
    return TRANSFORMS[name].model_validate({main: 0.1}).apply(image, {**chosen, "seed": seed})


def flat(level: float, dtype: type = np.float32, shape: tuple[int, ...] = (200, 300)) -> np.ndarray:
    return np.full(shape, level, dtype)


@EVERY
def test_other_seed_other_noise(name: str) -> None:
    image = picture()
    assert not np.array_equal(noisy(name, image, seed=1), noisy(name, image, seed=2))


@EVERY
def test_depths_agree(name: str) -> None:
    image = picture(60, 70)
    eight = noisy(name, image).astype(float)
    sixteen = noisy(name, image.astype(np.uint16) * 257) / 257
    real = noisy(name, image.astype(np.float32) / 255) * 255.0
    assert np.abs(eight - sixteen).mean() < 0.35 and np.abs(eight - real).mean() < 0.35  # a level's rounding alone is 0.25


COLOURS = [(1, 1, 3), (1, 9, 3), (7, 1, 3), (8, 11, 3)]
OTHERS = [(8, 11), (1, 1), (8, 11, 2), (8, 11, 6)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, shape) for name in DEFAULTS for shape in COLOURS + ([] if TRANSFORMS[name].of_colour else OTHERS)],
    ids=str,
)
def test_any_size_and_channels(name: str, dtype: type, shape: tuple[int, ...]) -> None:
    image = flat(0.5 if dtype is np.float32 else np.iinfo(dtype).max // 2, dtype, shape)
    before = image.copy()
    copy = noisy(name, image)
    assert copy.shape == shape and copy.dtype == dtype and copy.flags.c_contiguous
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", ["shot", "speckle", "iso"])
def test_neutral_is_the_picture_itself(name: str) -> None:
    image = picture()
    assert noisy(name, image, **{next(iter(DEFAULTS[name])): 0.0}) is image


@EVERY
def test_channels_and_rows_have_their_own_grain(name: str) -> None:
    grain = noisy(name, flat(0.5, shape=(100, 100, 3)), **({"colour": 0.0} if name == "iso" else {})) - 0.5
    assert abs(np.corrcoef(grain[1:].ravel(), grain[:-1].ravel())[0, 1]) < 0.05
    shared = name in ("iso", "salt_pepper")
    assert np.corrcoef(grain[:, :, 0].ravel(), grain[:, :, 1].ravel())[0, 1] == pytest.approx(1 if shared else 0, abs=0.05)


def test_noise_has_its_sigma() -> None:
    grain = noisy("noise", flat(128, np.uint8), sigma=20.0).astype(float) - 128
    assert grain.mean() == pytest.approx(0, abs=0.4) and grain.std() == pytest.approx(20, rel=0.02)


def test_salt_and_pepper_are_half_each() -> None:
    copy = noisy("salt_pepper", flat(128, np.uint8), amount=0.2)
    assert (copy == 255).mean() == pytest.approx(0.1, abs=0.006) and (copy == 0).mean() == pytest.approx(0.1, abs=0.006)


def poisson_quantile(mean: float, share: float) -> int:
    """The least count whose cumulative probability reaches the share, by the definition."""
    count, chance = 0, math.exp(-mean)
    total = chance
    while total < share:
        count += 1
        chance *= mean / count
        total += chance
    return count


@pytest.mark.parametrize("mean", [0.02, 0.5, 1.0, 7.3, 24.0])
def test_few_photons_are_counted_exactly(mean: float) -> None:
    expected = [poisson_quantile(mean, (i + 0.5) / _STEPS) for i in range(_STEPS)]
    assert _photons(np.array([mean]))[0].tolist() == expected


@pytest.mark.parametrize("mean", [25.0, 60.0, 300.0])
def test_many_photons_are_counted_almost_exactly(mean: float) -> None:
    expected = np.array([poisson_quantile(mean, (i + 0.5) / _STEPS) for i in range(_STEPS)])
    off = np.abs(_photons(np.array([mean]))[0] - expected)
    assert off.max() <= 2 and (off > 0).mean() < 0.02


@pytest.mark.parametrize(("scale", "level"), [(0.2, 0.5), (0.05, 0.3), (0.01, 0.6), (0.001, 0.7)])
def test_shot_counts_photons(scale: float, level: float) -> None:
    """In linear light the counts are whole, and their variance is their mean."""
    level = round(level * 255) / 255
    counts = noisy("shot", flat(level), scale=scale).astype(float) ** 2.2 / scale
    mean = level**2.2 / scale
    assert np.abs(counts - np.rint(counts)).max() < 0.01
    assert counts.mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / counts.size) + 0.001)
    assert counts.var() == pytest.approx(mean, rel=0.04)


def test_shot_leaves_black_and_never_grows_past_white() -> None:
    assert not noisy("shot", flat(0, np.uint8), scale=0.3).any()
    assert noisy("shot", flat(1.0), scale=0.3).max() == 1


def test_shot_is_that_of_albumentations() -> None:
    functional = pytest.importorskip("albumentations.augmentations.pixel.functional")
    levels = np.repeat(np.linspace(0.05, 0.95, 10, dtype=np.float32), 20_000).reshape(10, -1)
    for scale in (0.01, 0.1):
        ours = noisy("shot", levels, scale=scale)
        theirs = functional.shot_noise(levels, scale, np.random.default_rng(0))
        # 20,000 samples know a mean to 0.007 of a standard deviation (at most 0.3), and that to 1 %.
        assert np.abs(ours.mean(axis=1) - theirs.mean(axis=1)).max() < 0.008
        assert np.allclose(ours.std(axis=1), theirs.std(axis=1), rtol=0.04)


@pytest.mark.parametrize("level", [0.1, 0.5])
def test_speckle_grows_with_the_level(level: float) -> None:
    factor = noisy("speckle", flat(level), sigma=0.2) / level - 1
    assert factor.mean() == pytest.approx(0, abs=0.004) and factor.std() == pytest.approx(0.2, rel=0.02)


def test_speckle_leaves_black() -> None:
    assert not noisy("speckle", flat(0, np.uint8), sigma=1.0).any()


def test_speckle_is_that_of_scikit_image() -> None:
    util = pytest.importorskip("skimage.util")
    levels = np.repeat(np.linspace(0.1, 1, 10, dtype=np.float32), 20_000).reshape(10, -1)
    ours = noisy("speckle", levels, sigma=0.3)
    theirs = util.random_noise(levels, mode="speckle", var=0.09, rng=0)
    assert np.abs(ours.mean(axis=1) - theirs.mean(axis=1)).max() < 0.008
    assert np.allclose(ours.std(axis=1), theirs.std(axis=1), rtol=0.04)


LUMA = np.array([0.114, 0.587, 0.299])


def test_iso_grain_has_its_intensity() -> None:
    grain = (noisy("iso", flat(0.5, shape=(200, 301, 3)), intensity=10.0, colour=0.0) - 0.5) * 255
    assert np.abs(grain - grain[:, :, :1]).max() < 1e-4
    assert grain[:, :, 0].std() == pytest.approx(10, rel=0.02)


def test_iso_colour_leaves_brightness_alone() -> None:
    image = flat(0.5, shape=(200, 301, 3))
    grey, coloured = (noisy("iso", image, intensity=10.0, colour=colour) for colour in (0.0, 0.8))
    assert np.abs((coloured - grey) @ LUMA).max() < 1e-5
    assert np.abs(coloured - grey).max() > 0.05


@pytest.mark.parametrize("shape", [(200, 300, 3), (201, 301, 3)], ids=["even", "odd"])
def test_iso_blotches_are_as_strong_as_asked_up_to_the_rim(shape: tuple[int, ...]) -> None:
    coloured = (noisy("iso", flat(0.5, shape=shape), intensity=10.0, colour=0.8) - 0.5) * 255
    brightness = coloured @ LUMA
    for channel, share in ((0, 1.772), (2, 1.402)):
        difference = (coloured[:, :, channel] - brightness) / share
        assert difference.std() == pytest.approx(8, rel=0.03)
        rim = np.concatenate([difference[0], difference[-1], difference[:, 0], difference[:, -1]])
        assert rim.std() == pytest.approx(8, rel=0.12)
        assert np.corrcoef(difference[:, 1:].ravel(), difference[:, :-1].ravel())[0, 1] > 0.5
