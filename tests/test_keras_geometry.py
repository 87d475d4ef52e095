"""The draws, matrices and pixels of ``augx.keras``, beside keras-preprocessing 1.1.2 and SciPy."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx.keras import geometry
from augx.keras.colour import brighten, shift_levels
from augx.keras.geometry import Law, Ranges, apply_affine_transform, draw, sampling, warp

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SciPy, by what keras-preprocessing calls
Array = np.ndarray[Any, Any]

LAWS = get_args(Law)
MODES = ["nearest", "constant", "reflect", "wrap"]
EXACT = int(cv2.__version__.partition(".")[0]) >= 5
"""OpenCV 5 interpolates where SciPy does; 4 places samples on a grid of 1/32 pixel, up to 8 levels of noise away, 1.4 in the mean."""
SHAPES = {"square": (40, 40, 3), "upright": (53, 37, 3), "lying": (31, 60, 1)}


def noise(shape: tuple[int, ...], seed: int = 0) -> Array:
    return (np.random.RandomState(seed).uniform(0, 255, shape)).astype(np.float32)


def close(ours: Array, theirs: Array, *, off_by: float = 0.02) -> None:
    assert ours.shape == theirs.shape
    apart = np.abs(ours.astype(float) - theirs)
    assert apart.max() <= (off_by if EXACT else 8 + off_by)
    assert EXACT or apart.mean() < 2


def keras() -> Any:
    pytest.importorskip("scipy")
    return pytest.importorskip("keras_preprocessing.image")


def generator(**arguments: Any) -> Any:
    return keras().ImageDataGenerator(**arguments)


def ranges_of(theirs: Any) -> Ranges:
    return Ranges(**{name: getattr(theirs, name) for name in Ranges.__slots__})


SHIFTS: list[Any] = [0.2, 1.0, 3.0, -0.2, 1, True, 2, 3, -2, [0.1, 0.3], [-10, 10], [0, 5], [-10, 0], (0.1, 0.3), [7], np.float32(0.2)]
FORMS = [
    {},
    *({"width_shift_range": form} for form in SHIFTS),
    *({"height_shift_range": form} for form in SHIFTS),
    {"width_shift_range": 0.1, "height_shift_range": [1, 4]},
    {"rotation_range": 30},
    {"rotation_range": -30},
    {"rotation_range": 0.5},
    {"shear_range": 0.15},
    {"shear_range": -20},
    {"zoom_range": 0.3},
    {"zoom_range": 2},
    {"zoom_range": [0.5, 1.0]},
    {"zoom_range": (1.2, 0.8)},
    {"zoom_range": (1, 1)},
    {"brightness_range": (0.5, 1.5)},
    {"brightness_range": [-1, 2]},
    {"channel_shift_range": 20},
    {"channel_shift_range": -3.5},
    {"horizontal_flip": True},
    {"vertical_flip": True},
    {"horizontal_flip": True, "vertical_flip": 1},
    {
        "rotation_range": 40,
        "width_shift_range": 0.2,
        "height_shift_range": 3,
        "shear_range": 0.2,
        "zoom_range": 0.2,
        "brightness_range": [0.2, 1.0],
        "channel_shift_range": 50.0,
        "horizontal_flip": True,
        "vertical_flip": True,
    },
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: " ".join(f"{k}={v!r}" for k, v in form.items()) or "nothing")
def test_draws_are_keras_own(form: dict[str, Any]) -> None:
    theirs = generator(**form)
    ranges = ranges_of(theirs)
    for seed in range(20):
        expected = theirs.get_random_transform((48, 32, 3), seed=seed)
        after = np.random.random()
        for law in LAWS:
            np.random.seed(seed)
            found = draw(ranges, (48, 32), law, np.random)
            assert np.random.random() == after
            if law == "fixed":
                found["tx"], found["ty"] = found["ty"], found["tx"]
            assert found == expected
            assert list(found) == list(expected)
        assert draw(ranges, (48, 32), "classic", np.random.RandomState(seed)) == expected


def ours(image: Array, params: dict[str, Any], law: Law, fill_mode: str, cval: float = 0.0) -> Array:
    copy = warp(image, sampling(params, (image.shape[0], image.shape[1]), law), fill_mode=fill_mode, cval=cval)
    if params["channel_shift_intensity"] is not None:
        copy = shift_levels(copy, params["channel_shift_intensity"], law)
    return copy if params["brightness"] is None else brighten(copy, params["brightness"], law)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("fill_mode", MODES)
def test_classic_is_keras_preprocessing(fill_mode: str, shape: tuple[int, ...]) -> None:
    image, sets = noise(shape), np.random.RandomState(len(fill_mode))
    for number in range(17):
        theirs = generator(
            rotation_range=sets.choice([0, 30, 180]),
            width_shift_range=sets.choice([0, 0.3, 0.05]),
            height_shift_range=[4] if number % 5 == 0 else 0.3,
            shear_range=sets.choice([0, 0.2, 40]),
            zoom_range=sets.choice([0, 0.4]),
            channel_shift_range=sets.choice([0, 60.0]),
            horizontal_flip=bool(sets.choice([False, True])),
            vertical_flip=True,
            fill_mode=fill_mode,
            cval=sets.choice([0, 77.5]),
        )
        params = theirs.get_random_transform(shape, seed=number)
        np.random.seed(number)
        assert draw(ranges_of(theirs), (shape[0], shape[1]), "classic") == params
        close(ours(image, params, "classic", fill_mode, theirs.cval), theirs.apply_transform(image, params))


@pytest.mark.parametrize("fill_mode", MODES)
def test_classic_brightness_follows_the_whole_chain(fill_mode: str) -> None:
    theirs = generator(
        rotation_range=20, zoom_range=0.2, brightness_range=(0.5, 1.5), channel_shift_range=20, horizontal_flip=True, fill_mode=fill_mode
    )
    image, apart = noise((41, 33, 3)), []
    for seed in range(10):
        params = theirs.get_random_transform(image.shape, seed=seed)
        apart.append(np.abs(ours(image, params, "classic", fill_mode) - theirs.apply_transform(image, params)))
    # Keras truncates twice: what is 0.005 off may be one whole level off, times the brightness.
    assert np.max(apart) <= (3 if EXACT else 16)
    assert np.mean(np.array(apart) > 0) < 0.02 or not EXACT


def modern_matrix(params: dict[str, Any], centre: tuple[float, float]) -> Array:
    """From an output's place (column, row) to the input's, as Keras 2.9 and later compose it: turn, shift, shear, zoom."""
    t, p = math.radians(params["theta"]), math.radians(params["shear"])
    turn = np.array([[math.cos(t), -math.sin(t), 0], [math.sin(t), math.cos(t), 0], [0, 0, 1]])
    shift = np.array([[1, 0, params["tx"]], [0, 1, params["ty"]], [0, 0, 1]])
    shear = np.array([[1, -math.sin(p), 0], [0, math.cos(p), 0], [0, 0, 1]])
    to, back = np.eye(3), np.eye(3)
    to[:2, 2], back[:2, 2] = centre, (-centre[0], -centre[1])
    composed: Array = to @ turn @ shift @ shear @ np.diag([params["zx"], params["zy"], 1]) @ back
    return composed


def by_scipy(image: Array, matrix: Array, fill_mode: str, cval: float) -> Array:
    ndimage = pytest.importorskip("scipy.ndimage")
    swapped = matrix[[1, 0, 2]][:, [1, 0, 2]]
    planes = [ndimage.affine_transform(plane, swapped, order=1, mode=fill_mode, cval=cval) for plane in np.moveaxis(image, 2, 0)]
    return np.stack(planes, axis=2)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("fill_mode", MODES)
@pytest.mark.parametrize("law", ["keras2", "fixed"])
def test_modern_laws_are_the_matrix_written_out(law: Law, fill_mode: str, shape: tuple[int, ...]) -> None:
    image, rng = noise(shape), np.random.RandomState(7)
    (height, width), centre = shape[:2], ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    ranges = Ranges(60, 0.3, 0.3, None, 30, (0.6, 1.5), 0, True, True)
    for _ in range(17):
        params = draw(ranges, (height, width), law, rng)
        expected = by_scipy(image, modern_matrix(params, centre[::-1] if law == "keras2" else centre), fill_mode, 12.0)
        expected = expected[:, ::-1] if params["flip_horizontal"] else expected
        expected = expected[::-1] if params["flip_vertical"] else expected
        close(ours(image, params, law, fill_mode, 12.0), expected)


LARGE: dict[str, dict[str, Any]] = {
    "turned": {"theta": 31, "tx": 40.5, "zy": 1.2},
    "upside down and mirrored": {"theta": 170, "flip_horizontal": True, "shear": 11},
    "far outside": {"tx": 3000, "theta": 2},
    "far outside the other way": {"ty": -3000, "zx": 1.7},
    "almost a point": {"zx": 40, "zy": 60, "theta": 5},
    "magnified": {"zx": 0.05, "zy": 0.1, "theta": -60},
    "negative zooms": {"zx": -0.8, "zy": -1.1},
}


@pytest.mark.parametrize("params", LARGE.values(), ids=LARGE)
def test_large_pictures_by_tiles_are_scipys(params: dict[str, Any]) -> None:
    image, matrix = noise((701, 900, 3)), sampling(params, (701, 900), "fixed")
    expected = by_scipy(image, matrix, "nearest", 0)
    # Coordinates are 32-bit floats in cv2: 20,000 pixels away from the picture they have 1/500 pixel left.
    off_by = 0.5 if params.get("zx", 1) > 10 else 0.02
    close(warp(image, matrix), expected, off_by=off_by)
    close(warp(image, matrix, fill_mode="constant", cval=20), by_scipy(image, matrix, "constant", 20), off_by=off_by)
    planes = np.ascontiguousarray(np.moveaxis(image, 2, 0)).transpose(1, 2, 0)
    np.testing.assert_array_equal(warp(planes, matrix), warp(image, matrix))
    close(warp(image.astype(np.uint8), matrix), np.rint(by_scipy(np.trunc(image), matrix, "nearest", 0)), off_by=1)


@pytest.mark.parametrize("fill_mode", ["mirror", "grid-mirror", "grid-constant", "grid-wrap"])
def test_other_modes_are_scipys(fill_mode: str) -> None:
    image, matrix = noise((24, 35, 3)), sampling({"theta": 25, "tx": 7.3, "zx": 1.3}, (24, 35), "fixed")
    close(warp(image, matrix, fill_mode=fill_mode, cval=9), by_scipy(image, matrix, fill_mode, 9))


@pytest.mark.parametrize("fill_mode", [*MODES, "mirror", "grid-wrap"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (9, 1, 3), (2, 1, 1), (12, 9, 2), (12, 9, 5), (12, 9, 9), (12, 9, 4)], ids=str)
def test_thin_pictures_and_any_number_of_channels(shape: tuple[int, int, int], fill_mode: str) -> None:
    image = noise(shape)
    for params in ({"theta": 33.0, "tx": 2.2, "zx": 1.4}, {"tx": 1, "ty": -1}, {"ty": 0.5}):
        matrix = sampling(params, shape[:2], "fixed")
        close(warp(image, matrix, fill_mode=fill_mode, cval=5), by_scipy(image, matrix, fill_mode, 5))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("fill_mode", MODES)
def test_dtypes_are_kept_and_integers_rounded(dtype: str, fill_mode: str) -> None:
    image = (noise((33, 47, 3)) / 2).astype(dtype)
    params: dict[str, Any] = {"theta": 21.0, "tx": 3.2, "flip_horizontal": True}
    matrix = sampling(params, (33, 47), "fixed")
    found = warp(image, matrix, fill_mode=fill_mode, cval=3.7)
    exact = by_scipy(image.astype(float), matrix, fill_mode, 4 if image.dtype.kind in "iu" else 3.7)
    assert found.dtype == image.dtype
    close(
        found,
        np.rint(exact) if image.dtype.kind in "iu" else exact,
        off_by=1 if image.dtype.kind in "iu" else 0.1 if dtype == "float16" else 0.02,
    )
    assert abs(np.mean(found.astype(float) - exact)) < 0.1  # truncation would be half a level


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("fill_mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_nothing_to_do_is_exact_and_new(law: Law, fill_mode: str, dtype: str, channels: int) -> None:
    image = noise((13, 20, channels)).astype(dtype)
    for across in (False, True):
        for down in (False, True):
            same = {"theta": 0, "zx": 1.0, "flip_horizontal": across, "flip_vertical": down}
            found = warp(image, sampling(same, (13, 20), law), fill_mode=fill_mode)
            np.testing.assert_array_equal(found, image[:: -1 if down else 1, :: -1 if across else 1])
            assert found.dtype == image.dtype and not np.shares_memory(found, image) and found.flags.c_contiguous


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_orders_are_scipys(order: int, dtype: str) -> None:
    keras()
    image = noise((30, 44, 3)).astype(dtype)
    params: dict[str, Any] = {"theta": 17.3, "shear": 5.1, "zx": 0.83}
    expected = keras().apply_affine_transform(image, **params, order=order)
    found = apply_affine_transform(image, **params, order=order, law="classic")
    assert found.dtype == image.dtype
    if order == 0 and not EXACT:
        assert np.mean(found != expected) < 0.02  # ties on the grid
    else:
        close(found, expected, off_by=1 if dtype == "uint8" else 0.02)


@settings(max_examples=60, deadline=None)
@given(
    theta=st.floats(-360, 360),
    zoom=st.floats(0.4, 2),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    tx=st.integers(-40, 40),
    fill_mode=st.sampled_from(MODES),
)
def test_any_parameters_are_scipys(theta: float, zoom: float, height: int, width: int, tx: int, fill_mode: str) -> None:
    image = noise((height, width, 3))
    matrix = sampling({"theta": theta, "zx": zoom, "tx": tx}, (height, width), "fixed")
    expected = by_scipy(image, matrix, fill_mode, 99.0)
    apart = np.abs(warp(image, matrix, fill_mode=fill_mode, cval=99.0) - expected)
    # Where a place falls on an edge to the last bit, either side of it is right.
    rows, columns = np.mgrid[:height, :width]
    at = [row[0] * columns + row[1] * rows + row[2] for row in matrix.tolist()[:2]]
    periods = [max(width - 1, 1), max(height - 1, 1)]
    tied = np.any([np.abs(a / period - np.rint(a / period)) < 1e-6 for a, period in zip(at, periods, strict=True)], axis=0)
    assert apart[~tied].max(initial=0) <= (0.02 if EXACT else 8.5)


# --- the fixed law ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 20), (21, 34), (50, 8)], ids=str)
@pytest.mark.parametrize("fill_mode", MODES)
def test_half_a_turn_is_both_flips(size: tuple[int, int], fill_mode: str) -> None:
    image = noise((*size, 3))
    np.testing.assert_array_equal(warp(image, sampling({"theta": 180}, size, "fixed"), fill_mode=fill_mode), image[::-1, ::-1])
    nearly = warp(image, sampling({"theta": 180.0001}, size, "fixed"), fill_mode=fill_mode)[2:-2, 2:-2]
    assert np.abs(nearly - image[::-1, ::-1][2:-2, 2:-2]).max() < (0.1 if EXACT else 20)


def test_the_centre_stays_for_any_shape() -> None:
    for size in [(10, 30), (31, 12), (7, 7)]:
        middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2, 1])
        for params in ({"theta": 30}, {"shear": 20}, {"zx": 0.5, "zy": 1.5}, {"theta": -100, "shear": 9, "zy": 2}):
            np.testing.assert_allclose(sampling(params, size, "fixed") @ middle, middle, atol=1e-12)


def test_a_width_shift_goes_sideways_and_a_height_shift_up_or_down() -> None:
    image = noise((20, 30, 1))
    for ranges, axis in ((Ranges(width_shift_range=[6]), 1), (Ranges(height_shift_range=[4]), 0)):
        params = draw(ranges, (20, 30), "fixed", np.random.RandomState(0))
        pixels = int(params["tx"] if axis == 1 else params["ty"])
        assert (params["ty"] if axis == 1 else params["tx"]) == 0 and abs(pixels) in (4, 6)
        found = warp(image, sampling(params, (20, 30), "fixed"), fill_mode="grid-wrap")
        np.testing.assert_allclose(found, np.roll(image, -pixels, axis=axis), atol=1e-4)


@pytest.mark.parametrize(("law", "quarters"), [("fixed", 1), ("classic", -1)])
def test_positive_angles_turn_counter_clockwise_and_clockwise_under_classic(law: Law, quarters: int) -> None:
    image = noise((9, 9, 1))
    found = warp(image, sampling({"theta": 90}, (9, 9), law))
    turned = np.rot90(image, quarters)
    if law == "classic":  # its centre is one pixel right and down: a quarter turn moves the picture by two columns
        found, turned = found[:, 2:], turned[:, :-2]
    np.testing.assert_allclose(found, turned, atol=1e-4)


def test_flips_fold_into_the_matrix() -> None:
    params: dict[str, Any] = {"theta": 13, "tx": 2.5, "zx": 0.9}
    plain, image = sampling(params, (17, 23), "fixed"), noise((17, 23, 3))
    both = sampling({**params, "flip_horizontal": True, "flip_vertical": 1}, (17, 23), "fixed")
    np.testing.assert_allclose(warp(image, both), warp(image, plain)[::-1, ::-1], atol=0.02 if EXACT else 16)


# --- Keras' functions ------------------------------------------------------------------------------------------------

AXES = {"first": (1, 2, 0), "last": (0, 1, 2)}
FUNCTIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("random_rotation", (45,)),
    ("random_shift", (0.3, 0.2)),
    ("random_shear", (25,)),
    ("random_zoom", ((0.7, 1.3),)),
    ("random_zoom", ([1, 1],)),
]


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
@pytest.mark.parametrize("fill_mode", MODES)
@pytest.mark.parametrize(("name", "amount"), FUNCTIONS, ids=lambda value: str(value))
def test_functions_are_keras_preprocessings(name: str, amount: tuple[Any, ...], fill_mode: str, axes: tuple[int, int, int]) -> None:
    image = noise((3, 30, 42) if axes[2] == 0 else (30, 42, 3))
    kept = image.copy()
    for seed in range(5):
        np.random.seed(seed)
        expected = getattr(keras(), name)(image, *amount, *axes, fill_mode, 3.0, 1)
        np.random.seed(seed)
        close(getattr(geometry, name)(image, *amount, *axes, fill_mode, 3.0, 1, law="classic"), expected)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("name", "amount"), FUNCTIONS, ids=lambda value: str(value))
def test_channels_first_and_last_agree_and_axes_may_be_swapped(name: str, amount: tuple[Any, ...], law: Law) -> None:
    if law == "classic":
        pytest.skip("1.1.2 takes the channel axis for a side of the picture")
    image, function = noise((30, 42, 3)), getattr(geometry, name)
    ways = []
    for axes in AXES.values():
        np.random.seed(3)
        given_ = np.moveaxis(image, 2, axes[2])
        ways.append(np.moveaxis(function(given_, *amount, *axes, law=law), axes[2], 2))
    np.testing.assert_allclose(ways[0], ways[1], atol=1e-3)


def test_default_axes_are_those_of_each_law() -> None:
    first, last = noise((3, 20, 20)), noise((20, 20, 3))
    defaults: list[tuple[Law, Array, tuple[int, int, int]]] = [
        ("fixed", first, (1, 2, 0)),
        ("keras2", first, (1, 2, 0)),
        ("classic", last, (0, 1, 2)),
    ]
    for law, image, axes in defaults:
        np.testing.assert_array_equal(
            apply_affine_transform(image, 20, law=law), apply_affine_transform(image, 20, 0, 0, 0, 1, 1, *axes, law=law)
        )


def test_helpers_are_keras_preprocessings() -> None:
    image, matrix = noise((5, 7, 3)), np.array([[0.8, 0.1, 3], [-0.2, 1.1, 5], [0, 0, 1]])
    for axis in (0, 1, 2):
        np.testing.assert_array_equal(geometry.flip_axis(image, axis), keras().flip_axis(image, axis))
    expected = keras().transform_matrix_offset_center(matrix, 5, 7)
    np.testing.assert_allclose(geometry.transform_matrix_offset_center(matrix, 5, 7, law="classic"), expected)
    centred = geometry.transform_matrix_offset_center(np.diag([2.0, 2, 1]), 5, 7)
    np.testing.assert_allclose(centred @ [2, 3, 1], [2, 3, 1])


IMAGE = np.zeros((4, 4, 3), np.float32)
FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown border": (
        lambda: warp(IMAGE, np.eye(3), fill_mode="edge"),
        "fill_mode: expected one of nearest, constant, reflect, wrap, .*'edge'",
    ),
    "unknown order": (lambda: warp(IMAGE, np.eye(3), order=6), "order: expected 0 .*found 6"),
    "unknown law": (lambda: sampling({}, (4, 4), "modern"), "law: expected one of fixed, keras2, classic; found 'modern'"),  # type: ignore[arg-type]
    "a batch": (lambda: apply_affine_transform(IMAGE[None], 10), "three axes .*found 4"),
    "an axis twice": (lambda: apply_affine_transform(IMAGE, 10, row_axis=0, col_axis=0, channel_axis=2), r"0, 1 and 2 .*found \[0, 0, 2\]"),
    "one zoom": (lambda: geometry.random_zoom(IMAGE, (0.5,)), r"zoom_range: expected two numbers .*\(0.5,\)"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("call", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_are_one_clear_line(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_spline_without_scipy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    with pytest.raises(ValueError, match="order: 3 is a spline, which needs SciPy"):
        warp(IMAGE, sampling({"theta": 3}, (4, 4), "fixed"), order=3)
