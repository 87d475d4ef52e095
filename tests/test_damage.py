"""What storage and things in the way do, held against the definitions and the libraries that set them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from augx.transforms import TRANSFORMS, Pixel
from tests.conftest import picture

CHANNELS = pytest.mark.parametrize("channels", [1, 2, 3, 6])


def make(name: str, **fields: Any) -> Pixel:
    cls = TRANSFORMS[name]
    assert issubclass(cls, Pixel)
    main, quantity = next(iter(cls.quantities().items()))
    return cls(**{main: {"fixed": quantity.neutral}} | fields)


def change(name: str, image: np.ndarray, params: dict[str, Any], **options: Any) -> np.ndarray:
    return make(name, **options).apply(image, params)


def uniforms(rows: int, value: float | None = None) -> np.ndarray:
    return np.random.default_rng(5).random((rows, 15)) if value is None else np.full((rows, 15), value)


DAMAGES = [
    pytest.param("jpeg", {"quality": 20}, {}, id="jpeg"),
    pytest.param("downscale", {"scale": 0.3}, {}, id="downscale, linear"),
    pytest.param("downscale", {"scale": 0.3}, {"interpolation": "nearest"}, id="downscale, nearest"),
    pytest.param("downscale", {"scale": 0.3}, {"interpolation": "cubic"}, id="downscale, cubic"),
    *(
        pytest.param(name, params | {"seed": 7}, {"fill": fill}, id=f"{name}, {fill}")
        for name, params in {
            "erase": {"area": 0.3, "aspect": 0.7, "x": 0.2, "y": 0.9},
            "cutout": {"side": 0.4, "count": 3},
            "grid_dropout": {"ratio": 0.5, "cell": 0.3, "x": 0.3, "y": 0.6},
        }.items()
        for fill in ("random", "mean", "black", "white", 100)
    ),
]


@pytest.mark.parametrize(("name", "params", "options"), DAMAGES)
@CHANNELS
def test_depths_agree(name: str, params: dict[str, Any], options: dict[str, Any], channels: int) -> None:
    image = cv2.GaussianBlur(picture(40, 51, channels), (0, 0), 1)
    eight = change(name, image, params, **options).astype(float)
    assert (eight != image).any()
    for other, top in ((image.astype(np.uint16) * 257, 65535), ((image / 255).astype(np.float32), 1)):
        changed = change(name, other, params, **options)
        assert changed.dtype == other.dtype and changed.flags.c_contiguous and changed.max() <= top
        assert np.abs(changed * (255 / top) - eight).mean() < 0.5


@pytest.mark.parametrize(("name", "params", "options"), DAMAGES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 3)], ids=str)
@CHANNELS
def test_tiny_pictures(name: str, params: dict[str, Any], options: dict[str, Any], size: tuple[int, int], channels: int) -> None:
    image = picture(*size, channels)
    changed = change(name, image, params, **options)
    assert changed.shape == image.shape and changed.dtype == image.dtype


NEUTRAL = [
    pytest.param("downscale", {"scale": 1.0}, id="nothing shrunk"),
    pytest.param("downscale", {"scale": 0.999}, id="shrunk by less than half a pixel"),
    pytest.param("erase", {"area": 0.0, "aspect": 1.0, "x": 0.5, "y": 0.5, "seed": 1}, id="no area"),
    pytest.param("cutout", {"side": 0.0, "count": 5, "seed": 1}, id="holes of no size"),
    pytest.param("grid_dropout", {"ratio": 0.0, "cell": 0.3, "x": 0.5, "y": 0.5}, id="a grid of no holes"),
]


@pytest.mark.parametrize(("name", "params"), NEUTRAL)
def test_neutral_returns_the_picture_itself(name: str, params: dict[str, Any]) -> None:
    image = picture()
    assert change(name, image, params) is image


def test_jpeg_is_that_of_the_codec() -> None:
    image = picture(50, 70)
    _, file = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 30))
    assert np.array_equal(change("jpeg", image, {"quality": 30}), cv2.imdecode(file, cv2.IMREAD_COLOR))


def test_jpeg_takes_other_channels_one_by_one() -> None:
    image = picture(50, 70, 6)
    changed = change("jpeg", image, {"quality": 30})
    for c in range(6):
        assert np.array_equal(changed[:, :, c], change("jpeg", np.ascontiguousarray(image[:, :, c]), {"quality": 30}))


def test_jpeg_keeps_the_levels_between() -> None:
    """What 8 bit can't tell apart: a flat picture that JPEG leaves alone stays at its own level."""
    image = np.full((16, 16), 128 * 257 + 60, np.uint16)
    assert np.array_equal(change("jpeg", image, {"quality": 90}), image)


def test_jpeg_gets_worse() -> None:
    image = picture(64, 64)
    errors = [np.abs(change("jpeg", image, {"quality": q}).astype(float) - image).mean() for q in (100, 80, 50, 20, 5)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("shape", [(3, 70_001), (70_001, 3, 3)], ids=str)
def test_jpeg_of_a_side_that_no_file_could_have(shape: tuple[int, ...]) -> None:
    image = np.broadcast_to(np.uint8(200), shape)
    assert np.array_equal(change("jpeg", image, {"quality": 90}), image)


def test_downscale_averages_areas() -> None:
    image = np.array([[0, 100, 40, 60], [100, 200, 60, 40]], np.uint8)
    expected = np.array([[100, 100, 50, 50]] * 2)
    assert np.array_equal(change("downscale", image, {"scale": 0.5}, interpolation="nearest"), expected)


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_downscale_is_albumentations(interpolation: str) -> None:
    """Equal, where the small size is whole: elsewhere theirs leaves out the fraction of a pixel at the right and the bottom."""
    functional = pytest.importorskip("albumentations.augmentations.pixel.functional")
    image = picture(60, 80)
    enlarging = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[interpolation]
    expected = functional.downscale(image, 0.25, cv2.INTER_AREA, enlarging)
    assert np.array_equal(change("downscale", image, {"scale": 0.25}, interpolation=interpolation), expected)


def holes(changed: np.ndarray, image: np.ndarray) -> np.ndarray:
    different: np.ndarray = changed != image
    return different if image.ndim == 2 else different.any(axis=2)


RECTANGLES = [
    pytest.param(0.25, 1.0, 0.0, 0.0, (0, 0, 50, 50), id="a square at the top left"),
    pytest.param(0.25, 1.0, 1.0, 1.0, (50, 50, 100, 100), id="a square at the bottom right"),
    pytest.param(0.25, 1.0, 0.5, 0.0, (25, 0, 75, 50), id="half way across"),
    pytest.param(0.04, 4.0, 0.0, 0.0, (0, 0, 40, 10), id="aspect is width by height"),
    pytest.param(0.5, 3.0, 0.0, 1.0, (0, 50, 100, 100), id="too wide: gives up aspect and keeps area"),
    pytest.param(0.5, 0.3, 1.0, 0.0, (50, 0, 100, 100), id="too high: gives up aspect and keeps area"),
    pytest.param(1.0, 0.3, 0.5, 0.5, (0, 0, 100, 100), id="everything"),
]


@pytest.mark.parametrize(("area", "aspect", "x", "y", "box"), RECTANGLES)
def test_erase_where_its_numbers_say(area: float, aspect: float, x: float, y: float, box: tuple[int, int, int, int]) -> None:
    image = np.full((100, 100, 3), 10, np.uint8)
    expected = np.zeros((100, 100), bool)
    left, top, right, bottom = box
    expected[top:bottom, left:right] = True
    changed = change("erase", image, {"area": area, "aspect": aspect, "x": x, "y": y}, fill="white")
    assert np.array_equal(holes(changed, image), expected)


def test_erase_is_uniform_over_levels_places_and_aspects() -> None:
    transform = make("erase", area={"fixed": 0.5})
    params = transform.draw(uniforms(4000))
    assert abs(np.median(np.log(params["aspect"]))) < 0.06  # as often wide as high
    image = np.zeros((64, 64, 3), np.uint8)
    lefts, levels = [], np.zeros(256, int)
    for row in range(400):
        one = {name: column[row].item() for name, column in params.items()} | {"aspect": 1.0, "area": 0.0157}  # 8 by 8
        changed = transform.apply(image, one)
        lefts.append(np.flatnonzero(changed.any(axis=(0, 2)))[0])
        levels += np.bincount(changed.ravel(), minlength=256)
    assert set(range(57)) >= set(lefts) and len(set(lefts)) == 57
    assert levels[1:].min() > 0.7 * 400 * 192 / 256


FILLS = [
    pytest.param("black", (0, 0, 0), id="black"),
    pytest.param("white", (255, 255, 255), id="white"),
    pytest.param(77, (77, 77, 77), id="a level"),
    pytest.param("mean", (20, 60, 100), id="the mean of each channel"),
]


@pytest.mark.parametrize(("fill", "level"), FILLS)
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("erase", {"area": 1.0, "aspect": 1.0, "x": 0.5, "y": 0.5}),
        ("cutout", {"side": 1.0, "count": 100, "seed": 1}),
        ("grid_dropout", {"ratio": 1.0, "cell": 0.3, "x": 0.5, "y": 0.5}),
    ],
    ids=["erase", "cutout", "grid dropout"],
)
def test_fills(name: str, params: dict[str, Any], fill: str | int, level: tuple[int, ...]) -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, ::2] = 40, 120, 200
    assert (change(name, image, params, fill=fill) == level).all()
    wide = np.dstack([image, image])
    assert (change(name, wide, params, fill=fill) == level * 2).all()


@pytest.mark.parametrize("fill", ["grey", -1, 256, True, [1, 2, 3]], ids=repr)
def test_a_fill_that_is_none_is_refused_in_words(fill: object) -> None:
    with pytest.raises(ValidationError, match="expected one of random, mean, black, white, or a level from 0 to 255, found"):
        make("erase", fill=fill)


def test_a_seed_is_drawn_only_where_something_needs_it() -> None:
    for name in ("erase", "grid_dropout"):
        assert "seed" in make(name, fill="random").draw(uniforms(3))
        assert "seed" not in make(name, fill="mean").draw(uniforms(3))


def test_cutout_as_its_paper_has_it() -> None:
    """Squares about centres that lie anywhere in the picture, cut off at its edges."""
    image = np.full((40, 60, 3), 10, np.uint8)
    centres, areas = set(), set()
    for seed in range(3000):
        erased = holes(change("cutout", image, {"side": 0.25, "count": 1, "seed": seed}, fill="white"), image)
        rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
        areas.add(int(erased.sum()))
        assert erased.sum() == len(rows) * len(columns) and erased[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        centres.add((rows[0] + 5 if rows[0] else rows[-1] - 4, columns[0] + 5 if columns[0] else columns[-1] - 4))
    assert max(areas) == 100 and min(areas) == 25  # the whole hole, and a quarter of it where the centre is a corner
    assert {y for y, _ in centres} == set(range(40)) and {x for _, x in centres} == set(range(60))


def test_cutout_keeps_its_first_holes_when_there_are_more() -> None:
    image = picture(60, 60)
    one, five = (holes(change("cutout", image, {"side": 0.2, "count": n, "seed": 3}, fill="white"), image) for n in (1, 5))
    assert (five & one).sum() == one.sum() < five.sum()


@pytest.mark.parametrize("fill", ["random", "white"])
def test_grid_dropout_against_each_pixel_by_itself(fill: str) -> None:
    image = np.full((50, 83), 10, np.uint8)
    changed = change("grid_dropout", image, {"ratio": 0.5, "cell": 0.2, "x": 0.31, "y": 0.77, "seed": 3}, fill=fill)
    y, x = np.mgrid[:50, :83]
    expected = ((x - 3) % 10 < 5) & ((y - 7) % 10 < 5)
    assert (changed[~expected] == 10).all()
    if fill == "white":
        assert (changed[expected] == 255).all()
    else:
        assert len(np.unique(changed[expected])) > 200


def test_grid_dropout_is_albumentations() -> None:
    """Equal, where their grid has whole cells and no offset."""
    functional = pytest.importorskip("albumentations.augmentations.dropout.functional")
    image = picture(60, 60)
    rng = np.random.default_rng(0)
    expected = functional.cutout(image, functional.generate_grid_holes((60, 60), (5, 5), 0.5, False, (0, 0), rng), 0, rng)
    assert np.array_equal(change("grid_dropout", image, {"ratio": 0.5, "cell": 0.2, "x": 0.0, "y": 0.0}, fill="black"), expected)


def test_positions_are_rounded() -> None:
    for name in ("erase", "grid_dropout"):
        params = make(name).draw(uniforms(50))
        for axis in ("x", "y"):
            assert np.array_equal(params[axis], np.round(params[axis], 6)) and np.unique(params[axis]).size == 50


@pytest.mark.parametrize("end", [1e-12, 1 - 1e-12], ids=["the first uniform", "the last uniform"])
def test_ends_of_a_draw(end: float) -> None:
    image = picture(23, 31)
    for name in ("erase", "cutout", "grid_dropout"):
        drawn = make(name, **{next(iter(TRANSFORMS[name].quantities())): {"fixed": 0.5}}).draw(uniforms(1, end))
        params = {key: column[0].item() for key, column in drawn.items()}
        assert (change(name, image, params, fill="white") != image).any()
