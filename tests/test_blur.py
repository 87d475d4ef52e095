"""Blur and sharpness: kernels, brute force, and the libraries that define them."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
import pytest

from augx.transforms import TRANSFORMS
from augx.transforms.blur import _disk, _filtered, _line
from tests.conftest import PHOTOS, picture

CASES = {
    "gaussian": ("blur", {"sigma": 2.0}),
    "short line": ("motion_blur", {"length": 6.5, "angle": 25.0}),
    "line summed in blocks": ("motion_blur", {"length": 34.0, "angle": -50.0}),
    "small disk": ("defocus", {"radius": 2.3}),
    "disk summed in blocks": ("defocus", {"radius": 7.0}),
    "large disk": ("defocus", {"radius": 15.0}),
    "small median": ("median", {"size": 5}),
    "large median": ("median", {"size": 9}),
    "sharper": ("sharpen", {"factor": 2.5}),
    "softer": ("sharpen", {"factor": 0.3}),
}
EVERY = pytest.mark.parametrize("case", CASES)


def made(name: str, image: np.ndarray, **params: float) -> np.ndarray:
    main = next(iter(TRANSFORMS[name].quantities()))
    return TRANSFORMS[name].model_validate({main: {"fixed": 1}}).apply(image, params)


def of_case(case: str, image: np.ndarray) -> np.ndarray:
    name, params = CASES[case]
    return made(name, image, **params)


@EVERY
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9, 3), (7, 1, 3), (2, 2), (19, 12), (19, 12, 2), (19, 12, 6)], ids=str)
def test_any_size_and_channels(case: str, dtype: type, shape: tuple[int, ...]) -> None:
    image = (np.random.default_rng(0).random(shape) * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    before = image.copy()
    copy = of_case(case, image)
    assert copy.shape == shape and copy.dtype == dtype and copy.flags.c_contiguous
    assert np.array_equal(image, before)
    planes = [of_case(case, np.ascontiguousarray(image[..., i])) for i in range(shape[-1])] if len(shape) == 3 else [copy]
    # A Fourier transform of more channels at a time rounds by other last bits.
    together = copy.reshape(*shape[:2], -1).astype(float)
    assert np.abs(together - np.dstack(planes)).max() <= (1e-5 if dtype is np.float32 else 1)


@EVERY
def test_depths_agree(case: str) -> None:
    image = picture(60, 70)
    eight = of_case(case, image).astype(float)
    sixteen = of_case(case, image.astype(np.uint16) * 257) / 257
    real = of_case(case, image.astype(np.float32) / 255) * 255.0
    assert np.abs(eight - sixteen).mean() < 0.6 and np.abs(eight - real).mean() < 0.6


@EVERY
def test_flat_stays_flat(case: str) -> None:
    for level in (0, 77, 255):
        image = np.full((40, 50, 3), level, np.uint8)
        assert np.array_equal(of_case(case, image), image)


@EVERY
def test_any_number_of_threads_gives_the_same(case: str) -> None:
    image, threads = picture(400, 500), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = of_case(case, image)
        cv2.setNumThreads(4)
        assert np.array_equal(one, of_case(case, image))
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("blur", {"sigma": 0.0}),
        ("motion_blur", {"length": 0.0, "angle": 30.0}),
        ("motion_blur", {"length": 1.0, "angle": 30.0}),
        ("defocus", {"radius": 0.0}),
        ("defocus", {"radius": 0.5}),
        ("median", {"size": 0}),
        ("median", {"size": 1}),
        ("sharpen", {"factor": 1.0}),
    ],
)
def test_neutral_is_the_picture_itself(name: str, params: dict[str, float]) -> None:
    image = picture()
    assert made(name, image, **params) is image


KNOWN_LINES = {
    "odd along the rows": (3, 0, [[1 / 3, 1 / 3, 1 / 3]]),
    "even along the rows": (2, 0, [[1 / 4, 1 / 2, 1 / 4]]),
    "a fraction along the rows": (1.5, 0, [[1 / 6, 2 / 3, 1 / 6]]),
    "along the columns": (3, 90, [[1 / 3], [1 / 3], [1 / 3]]),
    "up to the right": (3 * math.sqrt(2), 45, np.eye(3)[::-1] / 3),
    "down to the right": (3 * math.sqrt(2), -45, np.eye(3) / 3),
}


@pytest.mark.parametrize(("length", "angle", "expected"), KNOWN_LINES.values(), ids=list(KNOWN_LINES))
def test_lines_known_by_heart(length: float, angle: float, expected: np.ndarray) -> None:
    assert _line(length, angle) == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("angle", [0, 10, 33, 45, 60, 90, 135, -77, 180])
@pytest.mark.parametrize("length", [1.2, 4.0, 9.5, 40.0, 200.0])
def test_a_line_has_its_length_and_direction(length: float, angle: float) -> None:
    kernel = _line(length, angle).astype(float)
    rows, columns = (side // 2 for side in kernel.shape)
    y, x = np.mgrid[-rows : rows + 1, -columns : columns + 1]
    along = x * math.cos(math.radians(angle)) - y * math.sin(math.radians(angle))
    across = x * math.sin(math.radians(angle)) + y * math.cos(math.radians(angle))
    assert kernel.min() >= 0 and kernel.sum() == pytest.approx(1, abs=1e-6)
    assert np.array_equal(kernel, kernel[::-1, ::-1])
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, abs=0.26)
    assert (kernel * across**2).sum() < 0.26


@pytest.mark.parametrize("angle", [20.0, 70.0])
def test_half_a_turn_is_the_same_motion(angle: float) -> None:
    assert _line(11, angle) == pytest.approx(_line(11, angle - 180), abs=1e-6)


@pytest.mark.parametrize("radius", [0.7, 1.0, 2.3, 6.5, 20.0])
def test_a_disk_covers_its_area(radius: float) -> None:
    kernel = _disk(radius).astype(float)
    assert np.array_equal(kernel, kernel.T) and np.array_equal(kernel, kernel[::-1])
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    reach = len(kernel) // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    # A disk's variance along an axis is r^2 / 4; the pixels' own squares add 1 / 12 each.
    assert (kernel * x**2).sum() + 1 / 12 == pytest.approx(radius**2 / 4 + 1 / 6, abs=0.09)
    assert np.array_equal(kernel > 0, np.maximum(abs(x) - 0.5, 0) ** 2 + np.maximum(abs(y) - 0.5, 0) ** 2 < radius**2 - 1e-9)


def test_a_disk_of_radius_1_by_its_integral() -> None:
    # The middle pixel lies inside; of the one beside it the circle covers integral of sqrt(1 - y^2) - 1/2 over |y| < 1/2.
    side = math.sqrt(3) / 4 + math.pi / 6 - 0.5
    assert _disk(1.0)[1] * math.pi == pytest.approx([side, 1, side], abs=1e-3)


@pytest.mark.parametrize(
    "kernel", [_line(15, 0), _line(40, 30), _line(150, -70), _disk(4), _disk(7), _disk(12)], ids=lambda kernel: str(kernel.shape)
)
def test_filtered_is_the_plain_sum(kernel: np.ndarray) -> None:
    image = picture(45, 60)
    plain = cv2.filter2D(image.astype(np.float64), -1, kernel.astype(np.float64), borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(_filtered(image, kernel) - plain).max() < 0.6


@pytest.mark.parametrize(("size", "angle"), [(3, 0), (7, 0), (9, 90), (15, 0)])
def test_motion_is_that_of_albumentations_along_an_axis(size: int, angle: int) -> None:
    functional = pytest.importorskip("albumentations.augmentations.blur.functional")
    kernel = functional.create_motion_kernel(size, angle, 0.0, False, random.Random(0))
    theirs = functional.convolve(picture(60, 70), kernel / kernel.sum())
    assert np.abs(made("motion_blur", picture(60, 70), length=size, angle=angle).astype(int) - theirs).max() <= 1


def photo() -> np.ndarray:
    return cv2.resize(cv2.imread(str(PHOTOS / "dogs" / "Dog.jpg")), (200, 150), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("angle", [30, 60, 110, 135])
def test_motion_is_close_to_that_of_albumentations_aslant(angle: int) -> None:
    """Their line has steps, and its angle goes the other way; ours turned wrongly would be 6 levels off."""
    functional = pytest.importorskip("albumentations.augmentations.blur.functional")
    kernel = functional.create_motion_kernel(15, -angle, 0.0, False, random.Random(0))
    theirs = functional.convolve(photo(), kernel / kernel.sum())
    assert np.abs(made("motion_blur", photo(), length=15, angle=angle).astype(int) - theirs).mean() < 1


@pytest.mark.parametrize("radius", [3, 6, 10])
def test_defocus_is_that_of_albumentations(radius: int) -> None:
    """Their disk has whole pixels, and so the same area but for a rim; half a pixel more of radius would be 0.6 levels off."""
    functional = pytest.importorskip("albumentations.augmentations.blur.functional")
    theirs = functional.defocus(photo(), radius, 0.1)
    assert np.abs(made("defocus", photo(), radius=radius).astype(int) - theirs).mean() < 0.2


def brute_median(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape
    around = range(-(size // 2), size // 2 + 1)

    def window(y: int, x: int) -> list[float]:
        return [image[min(max(y + j, 0), height - 1), min(max(x + i, 0), width - 1)] for j in around for i in around]

    return np.array([[sorted(window(y, x))[size * size // 2] for x in range(width)] for y in range(height)], image.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [3, 5, 7, 15])
def test_median_by_brute_force(dtype: type, size: int) -> None:
    image = picture(9, 14, channels=1, dtype=dtype)
    # Of floats, larger ones are told apart to a 65,535th of white.
    tolerance = 0.51 / 65535 if dtype is np.float32 and size > 5 else 0
    assert np.abs(made("median", image, size=size).astype(float) - brute_median(image, size)).max() <= tolerance


def test_median_of_large_pictures_of_16_bits() -> None:
    image = picture(300, 400, channels=1, dtype=np.uint16)
    high_bytes = (image >> 8).astype(np.uint8)  # the median goes along with any rising curve
    assert np.array_equal(made("median", image, size=9) >> 8, made("median", high_bytes, size=9))


def test_median_is_that_of_pillow() -> None:
    filters, images = pytest.importorskip("PIL.ImageFilter"), pytest.importorskip("PIL.Image")
    image = picture(40, 50)
    theirs = np.asarray(images.fromarray(image).filter(filters.MedianFilter(5)))
    assert np.array_equal(made("median", image, size=5)[2:-2, 2:-2], theirs[2:-2, 2:-2])


@pytest.mark.parametrize(("even", "odd"), [(2, 3), (6, 7)])
def test_an_even_median_is_the_next_odd_one(even: int, odd: int) -> None:
    image = picture()
    assert np.array_equal(made("median", image, size=even), made("median", image, size=odd))


def test_sharpen_by_hand() -> None:
    image = np.array([[13, 13, 13, 13], [13, 26, 13, 13], [13, 13, 13, 13]], np.uint8)
    # Smoothed, the 26 is 13 + 13 * 5/13 = 18, and its neighbour inside 13 + 13/13 = 14.
    expected = {0: [18, 14], 0.5: [22, 14], 1: [26, 13], 2: [34, 12], 3: [42, 11]}
    for factor, middle in expected.items():
        copy = made("sharpen", image, factor=factor)
        assert copy[1, 1:3].tolist() == pytest.approx(middle, abs=0.5)
        copy[1, 1:3] = image[1, 1:3]
        assert np.array_equal(copy, image)


FACTORS = pytest.mark.parametrize("factor", [0.0, 0.4, 1.3, 2.0, 3.7, 5.0])


@FACTORS
def test_sharpen_is_that_of_pillow(factor: float) -> None:
    enhance, images = pytest.importorskip("PIL.ImageEnhance"), pytest.importorskip("PIL.Image")
    image = picture(40, 50)
    theirs = np.asarray(enhance.Sharpness(images.fromarray(image)).enhance(factor))
    assert np.abs(made("sharpen", image, factor=factor).astype(int) - theirs).max() <= 1


@FACTORS
def test_sharpen_is_that_of_torchvision(factor: float) -> None:
    torch, functional = pytest.importorskip("torch"), pytest.importorskip("torchvision.transforms.v2.functional")
    image = picture(40, 50)
    theirs = functional.adjust_sharpness(torch.from_numpy(image).permute(2, 0, 1), factor).permute(1, 2, 0).numpy()
    assert np.abs(made("sharpen", image, factor=factor).astype(int) - theirs).max() <= 1
