"""Contrast held against Pillow, torchvision and Albumentations, whose definitions these are."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from augx.transforms import TRANSFORMS, Pixel
from tests.conftest import PHOTOS, picture

CHANNELS = pytest.mark.parametrize("channels", [1, 2, 3, 6])


def change(name: str, image: np.ndarray, **params: Any) -> np.ndarray:
    cls = TRANSFORMS[name]
    assert issubclass(cls, Pixel)
    return cls(**{field: {"fixed": quantity.neutral} for field, quantity in cls.quantities().items()}).apply(image, params)


def random(shape: tuple[int, ...], low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, shape, dtype=np.uint8)


def photo() -> np.ndarray:
    return cv2.resize(cv2.imread(str(PHOTOS / "cats" / "chelsea.png")), (150, 100), interpolation=cv2.INTER_AREA)


PICTURES = [
    pytest.param(photo(), id="a photo"),
    pytest.param(photo()[:, :, 1].copy(), id="a grey photo"),
    pytest.param(random((64, 50, 3)), id="all levels"),
    pytest.param(random((64, 50, 3), 90, 120), id="few levels"),
    pytest.param(random((64, 50, 3), 0, 2) * 200, id="two levels"),
    pytest.param(random((5, 7, 3)), id="fewer pixels than levels"),
    pytest.param(np.full((20, 20, 3), 77, np.uint8), id="one level"),
    pytest.param(random((1, 1)), id="one pixel"),
]
ADJUSTMENTS = [
    pytest.param("clahe", {"clip_limit": 1.0, "tiles": 8}, id="clahe, least"),
    pytest.param("clahe", {"clip_limit": 4.0, "tiles": 8}, id="clahe"),
    pytest.param("clahe", {"clip_limit": 4.0, "tiles": 3}, id="clahe, tiles that don't fit"),
    pytest.param("clahe", {"clip_limit": 40.0, "tiles": 1}, id="clahe, one tile"),
    pytest.param("equalize", {}, id="equalize"),
    pytest.param("autocontrast", {"cutoff": 0.0}, id="autocontrast"),
    pytest.param("autocontrast", {"cutoff": 5.0}, id="autocontrast, cut off"),
    pytest.param("mean_contrast", {"factor": 0.4}, id="mean contrast, less"),
    pytest.param("mean_contrast", {"factor": 2.0}, id="mean contrast, more"),
]


@pytest.mark.parametrize(("name", "params"), ADJUSTMENTS)
@CHANNELS
def test_depths_agree(name: str, params: dict[str, Any], channels: int) -> None:
    image = np.ascontiguousarray(np.dstack([photo(), photo()[::-1]])[:, :, :channels].squeeze())
    eight = change(name, image, **params).astype(float)
    assert (eight != image).any()
    for other, top in ((image.astype(np.uint16) * 257, 65535), ((image / 255).astype(np.float32), 1)):
        changed = change(name, other, **params)
        assert changed.dtype == other.dtype and changed.flags.c_contiguous and 0 <= changed.min() <= changed.max() <= top
        assert np.abs(changed * (255 / top) - eight).mean() < 0.7


@pytest.mark.parametrize(("name", "params"), ADJUSTMENTS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (9, 40)], ids=str)
@CHANNELS
def test_small_pictures(name: str, params: dict[str, Any], size: tuple[int, int], channels: int) -> None:
    for dtype in (np.uint8, np.uint16, np.float32):
        image = picture(*size, channels, dtype)
        before = image.copy()
        changed = change(name, image, **params)
        assert changed.shape == image.shape and changed.dtype == image.dtype
        assert np.array_equal(image, before)


@pytest.mark.parametrize("image", PICTURES)
def test_equalize_is_pillows(image: np.ndarray) -> None:
    assert np.array_equal(change("equalize", image), np.asarray(ImageOps.equalize(Image.fromarray(image))))


@pytest.mark.parametrize("cutoff", [0, 1, 2, 7, 25, 49])
@pytest.mark.parametrize("image", PICTURES)
def test_autocontrast_is_pillows(image: np.ndarray, cutoff: int) -> None:
    expected = np.asarray(ImageOps.autocontrast(Image.fromarray(image), cutoff))
    assert np.array_equal(change("autocontrast", image, cutoff=float(cutoff)), expected)


@pytest.mark.parametrize("factor", [0, 0.3, 0.7, 1, 1.5, 2])
@pytest.mark.parametrize("image", PICTURES)
def test_mean_contrast_is_pillows(image: np.ndarray, factor: float) -> None:
    """Within a level: Pillow rounds the mean grey, and cuts the fractions of the result off."""
    rgb = np.ascontiguousarray(image[:, :, ::-1]) if image.ndim == 3 else image
    expected = np.asarray(ImageEnhance.Contrast(Image.fromarray(rgb)).enhance(factor)).astype(int)
    changed = change("mean_contrast", image, factor=factor)
    assert np.abs((changed[:, :, ::-1] if image.ndim == 3 else changed) - expected).max() <= 1


@pytest.mark.parametrize("image", PICTURES)
@pytest.mark.parametrize(
    ("name", "params", "function", "tolerance"),
    [
        pytest.param("equalize", {}, "equalize", 0, id="equalize"),
        pytest.param("autocontrast", {"cutoff": 0.0}, "autocontrast", 1, id="autocontrast"),
        pytest.param("mean_contrast", {"factor": 0.5}, "adjust_contrast", 1, id="mean contrast, less"),
        pytest.param("mean_contrast", {"factor": 1.8}, "adjust_contrast", 1, id="mean contrast, more"),
    ],
)
def test_is_torchvisions(image: np.ndarray, name: str, params: dict[str, Any], function: str, tolerance: int) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    planes = np.atleast_3d(image)[:, :, ::-1].transpose(2, 0, 1)
    theirs = getattr(functional, function)(torch.from_numpy(np.ascontiguousarray(planes)), *(v for k, v in params.items() if k == "factor"))
    ours = np.atleast_3d(change(name, image, **params))[:, :, ::-1].transpose(2, 0, 1)
    assert np.abs(ours.astype(int) - theirs.numpy()).max() <= tolerance


def test_equalize_makes_all_levels_as_frequent() -> None:
    fine = (np.random.default_rng(0).beta(2, 5, (300, 300)) * 65535).astype(np.uint16)
    for image, top in ((fine, 65535), ((fine / 65535).astype(np.float32), 1)):
        shares = np.quantile(change("equalize", image) / top, [0.1, 0.5, 0.9])
        assert np.abs(shares - [0.1, 0.5, 0.9]).max() < 0.005
        assert len(np.unique(change("equalize", image))) > 30_000  # the levels between those of 8 bit are kept


def test_autocontrast_reaches_black_and_white_in_any_depth() -> None:
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1)):
        image = (np.linspace(0.3, 0.6, 200).reshape(10, 20) * top).astype(dtype)
        changed = change("autocontrast", image, cutoff=0.0)
        assert changed.min() == 0 and changed.max() == top


def test_mean_contrast_0_is_the_mean_grey_and_1_the_picture_itself() -> None:
    image = photo()
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean()
    assert (np.abs(change("mean_contrast", image, factor=0.0) - grey) <= 0.5).all()
    assert change("mean_contrast", image, factor=1) is image


@pytest.mark.parametrize(("clip_limit", "tiles"), [(1.0, 8), (3.0, 8), (2.5, 7), (40.0, 2)])
def test_clahe_is_opencvs(clip_limit: float, tiles: int) -> None:
    grey = photo()[:, :, 1].copy()
    expected = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(grey)
    assert np.array_equal(change("clahe", grey, clip_limit=clip_limit, tiles=tiles), expected)
    for fine, top in ((grey.astype(np.uint16) * 257, 65535), ((grey / 255).astype(np.float32), 1)):
        changed = change("clahe", fine, clip_limit=clip_limit, tiles=tiles) * (255 / top)
        assert np.abs(changed - expected).max() < 1.01  # cv2 rounds twice on its way
    assert np.array_equal(change("clahe", cv2.merge([grey] * 3), clip_limit=clip_limit, tiles=tiles), cv2.merge([expected] * 3))


def test_clahe_has_no_tiles_of_a_few_pixels() -> None:
    grey = cv2.resize(photo()[:, :, 1], (32, 17), interpolation=cv2.INTER_AREA)
    assert np.array_equal(change("clahe", grey, clip_limit=4.0, tiles=8), cv2.createCLAHE(4, (4, 2)).apply(grey))


def test_clahe_tells_16_bit_levels_apart() -> None:
    ramp = np.tile(np.linspace(20_000, 30_000, 256).astype(np.uint16), (128, 1))
    changed = change("clahe", ramp, clip_limit=4.0, tiles=1)
    assert (np.diff(changed[0].astype(int)) > 0).all()
    assert np.ptp(changed.astype(int)) > 3 * np.ptp(ramp.astype(int))


def test_clahe_resembles_albumentations() -> None:
    """Equal on a grey picture; in colour theirs equalizes L* in place of luma, and loses a level to an 8-bit L*a*b*."""
    functional = pytest.importorskip("albumentations.augmentations.pixel.functional")
    image = photo()
    grey = image[:, :, 1].copy()
    assert np.array_equal(change("clahe", grey, clip_limit=2.0, tiles=8), functional.clahe(grey, 2.0, (8, 8)))
    theirs = functional.clahe(image[:, :, ::-1].copy(), 2.0, (8, 8))[:, :, ::-1].astype(float)
    assert np.abs(change("clahe", image, clip_limit=2.0, tiles=8) - theirs).mean() < 5
