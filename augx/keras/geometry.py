"""Where the pixels of a copy come from: three generations of Keras' random geometry, their draws and their matrices.

``fixed`` is what Keras' documentation says: pictures of any shape turn about their own centre, a width shift goes sideways.
``classic`` is keras-preprocessing up to 1.1.2 (Keras 2.2 to 2.8): centre one pixel right and down, angles clockwise.
``keras2`` is Keras 2.9 to 2.15: width and height are swapped in the centre and in the shifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Any, Literal, get_args

import numpy as np

from augx.keras.warping import warp

__all__ = [
    "STREAM",
    "Law",
    "Ranges",
    "apply_affine_transform",
    "draw",
    "flip_axis",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "sampling",
    "transform_matrix_offset_center",
    "warp",
]

Array = np.ndarray[Any, Any]

Law = Literal["fixed", "keras2", "classic"]

STREAM: Any = np.random
"""NumPy's global legacy generator, which Keras draws from; whatever else draws here may be a ``RandomState`` instead."""

_RIGHT_ANGLES = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}


@dataclass(frozen=True, slots=True)
class Ranges:
    """What ``ImageDataGenerator`` draws from, in its own forms; ``zoom_range`` and ``brightness_range`` are (lowest, highest)."""

    rotation_range: Any = 0
    width_shift_range: Any = 0.0
    height_shift_range: Any = 0.0
    brightness_range: Any = None
    shear_range: Any = 0.0
    zoom_range: Any = (1, 1)
    channel_shift_range: Any = 0.0
    horizontal_flip: Any = False
    vertical_flip: Any = False


def draw(ranges: Ranges, size: tuple[int, int], law: Law, rng: Any = STREAM) -> dict[str, Any]:
    """Parameters of one copy of a picture of ``size`` (height, width), under Keras' names and from its order of draws.

    With the same seed the numbers are Keras' own under any law. Under ``classic`` and ``keras2`` ``tx`` is drawn from the height
    range and ``ty`` from the width range, as there; under ``fixed`` ``tx`` is the shift along the width. ``theta`` and
    ``shear`` are degrees, ``tx`` and ``ty`` pixels. A range that is 0 or None draws nothing; the flips always draw two numbers.
    """
    theta = rng.uniform(-ranges.rotation_range, ranges.rotation_range) if ranges.rotation_range else 0
    tx = _shift(ranges.height_shift_range, size[0], rng)
    ty = _shift(ranges.width_shift_range, size[1], rng)
    if law == "fixed":
        tx, ty = ty, tx
    shear = rng.uniform(-ranges.shear_range, ranges.shear_range) if ranges.shear_range else 0
    low, high = ranges.zoom_range
    zx, zy = (1, 1) if low == 1 and high == 1 else rng.uniform(low, high, 2).tolist()
    flip_horizontal = (rng.random() < 0.5) * ranges.horizontal_flip
    flip_vertical = (rng.random() < 0.5) * ranges.vertical_flip
    intensity, brightness = None, None
    if ranges.channel_shift_range != 0:
        intensity = rng.uniform(-ranges.channel_shift_range, ranges.channel_shift_range)
    if ranges.brightness_range is not None:
        brightness = rng.uniform(ranges.brightness_range[0], ranges.brightness_range[1])
    return {
        "theta": theta,
        "tx": tx,
        "ty": ty,
        "shear": shear,
        "zx": zx,
        "zy": zy,
        "flip_horizontal": flip_horizontal,
        "flip_vertical": flip_vertical,
        "channel_shift_intensity": intensity,
        "brightness": brightness,
    }


def _shift(range_: Any, side: int, rng: Any) -> Any:
    """Pixels to shift along a side: one of an integer's or a list's values with either sign, or uniform for a float.

    Ranges below 1 are fractions of the side, also a list whose values are all below 1 and an integer below 0, as in Keras.
    """
    if isinstance(range_, float):  # what most people give, without the exception that Keras goes by
        return rng.uniform(-range_, range_) * (side if range_ < 1 else 1) if range_ else 0
    if not range_:
        return 0
    try:
        shift = rng.choice(range_)
        shift *= rng.choice([-1, 1])
    except ValueError:  # a number that is no count
        shift = rng.uniform(-range_, range_)
    return shift * side if np.max(range_) < 1 else shift


def sampling(params: dict[str, Any], size: tuple[int, int], law: Law) -> Array:
    """The matrix (3, 3) from a pixel (column, row, 1) of the copy to the one of the picture that it shows, flips included.

    ``size`` is (height, width); a parameter that is not there changes nothing. Zooms below 1 magnify; positive ``tx`` and ``ty``
    move the content left and up (``classic``: up and left). Pixel centres are at whole numbers.
    """
    (height, width), get = size, params.get
    angle, slant, zx, zy = get("theta", 0), get("shear", 0), get("zx", 1), get("zy", 1)
    tx, ty = get("tx", 0), get("ty", 0)
    c, s = _cos_sin(angle)
    sheared_c, sheared_s = _cos_sin(angle + slant) if slant else (c, s)
    if law == "classic":  # Keras' x counts rows
        xx, xy, yx, yy = zy * sheared_c, zx * s, -zy * sheared_s, zx * c
        x_centre, y_centre = width / 2 + 0.5, height / 2 + 0.5
        x_shift, y_shift = tx * s + ty * c, tx * c - ty * s
    elif law in get_args(Law):
        xx, xy, yx, yy = zx * c, -zy * sheared_s, zx * s, zy * sheared_c
        x_centre, y_centre = width / 2 - 0.5, height / 2 - 0.5
        if law == "keras2":
            x_centre, y_centre = y_centre, x_centre
        x_shift, y_shift = tx * c - ty * s, tx * s + ty * c
    else:
        raise ValueError(f"law: expected one of {', '.join(get_args(Law))}; found {law!r}")
    xt = x_centre - xx * x_centre - xy * y_centre + x_shift
    yt = y_centre - yx * x_centre - yy * y_centre + y_shift
    if get("flip_horizontal"):
        xx, yx, xt, yt = -xx, -yx, xt + xx * (width - 1), yt + yx * (width - 1)
    if get("flip_vertical"):
        xy, yy, xt, yt = -xy, -yy, xt + xy * (height - 1), yt + yy * (height - 1)
    return np.array([[xx, xy, xt], [yx, yy, yt], [0.0, 0.0, 1.0]])


def _cos_sin(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at right angles, where cos(radians) would leave 6e-17 and push an edge outside."""
    return _RIGHT_ANGLES.get(degrees % 360) or (cos(radians(degrees)), sin(radians(degrees)))


def transform_matrix_offset_center(matrix: Array, x: float, y: float, law: Law = "fixed") -> Array:
    """The matrix (3, 3) about the centre of a picture of ``x`` by ``y`` pixels instead of about its first pixel."""
    half = 0.5 if law == "classic" else -0.5
    to, back = np.eye(3), np.eye(3)
    to[:2, 2] = float(x) / 2 + half, float(y) / 2 + half
    back[:2, 2] = -to[:2, 2]
    centred: Array = to @ np.asarray(matrix) @ back
    return centred


def flip_axis(x: Any, axis: int, law: Law = "fixed") -> Array:
    """The array with one axis reversed, a view; all laws agree."""
    return np.flip(np.asarray(x), axis)


def apply_affine_transform(
    x: Array,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int | None = None,
    col_axis: int | None = None,
    channel_axis: int | None = None,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
    law: Law = "fixed",
) -> Array:
    """A new picture, turned, shifted, sheared and zoomed by these amounts (degrees, pixels, factors) in one resample.

    The axes default to Keras' own: 1, 2, 0 (channels first), and under ``classic`` 0, 1, 2 (channels last).
    Raises ``ValueError`` unless ``x`` has three axes, named once each (``classic``: its row and column axes only give the centre).
    """
    defaults = (0, 1, 2) if law == "classic" else (1, 2, 0)
    axes = [default if axis is None else axis for axis, default in zip((row_axis, col_axis, channel_axis), defaults, strict=True)]
    if np.ndim(x) != 3:
        raise ValueError(f"x: expected a picture with three axes (rows, columns, channels in some order), found {np.ndim(x)}")
    if law != "classic" and sorted(axes) != [0, 1, 2]:
        raise ValueError(f"row_axis, col_axis, channel_axis: expected 0, 1 and 2 in some order, found {axes}")
    size = x.shape[axes[0]], x.shape[axes[1]]
    kept = [axis for axis in (0, 1, 2) if axis != axes[2] % 3] if law == "classic" else axes[:2]
    order_of_axes = (*kept, axes[2] % 3)
    matrix = sampling({"theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy}, size, law)
    warped = warp(np.transpose(x, order_of_axes), matrix, fill_mode=fill_mode, cval=cval, order=order)
    return np.transpose(warped, np.argsort(order_of_axes))


def random_rotation(
    x: Array,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
    law: Law = "fixed",
) -> Array:
    """The picture turned by an angle from -``rg`` to ``rg`` degrees, drawn from NumPy's global generator."""
    theta = STREAM.uniform(-rg, rg)
    return _moved(x, {"theta": theta}, (row_axis, col_axis, channel_axis), (fill_mode, cval, interpolation_order), law)


def random_shift(
    x: Array,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
    law: Law = "fixed",
) -> Array:
    """The picture shifted by up to a fraction ``wrg`` of its width and ``hrg`` of its height, from NumPy's global generator."""
    tx = STREAM.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = STREAM.uniform(-wrg, wrg) * x.shape[col_axis]
    shifts = {"tx": ty, "ty": tx} if law == "fixed" else {"tx": tx, "ty": ty}
    return _moved(x, shifts, (row_axis, col_axis, channel_axis), (fill_mode, cval, interpolation_order), law)


def random_shear(
    x: Array,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
    law: Law = "fixed",
) -> Array:
    """The picture sheared by an angle from -``intensity`` to ``intensity`` degrees, drawn from NumPy's global generator."""
    shear = STREAM.uniform(-intensity, intensity)
    return _moved(x, {"shear": shear}, (row_axis, col_axis, channel_axis), (fill_mode, cval, interpolation_order), law)


def random_zoom(
    x: Array,
    zoom_range: tuple[float, float] | list[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
    law: Law = "fixed",
) -> Array:
    """The picture with each side stretched by its own factor from ``zoom_range`` (below 1 magnifies), from NumPy's generator.

    Raises ``ValueError`` unless ``zoom_range`` has two values.
    """
    if len(zoom_range) != 2:
        raise ValueError(f"zoom_range: expected two numbers (lowest, highest), found {zoom_range!r}")
    zx, zy = (1, 1) if zoom_range[0] == 1 and zoom_range[1] == 1 else STREAM.uniform(zoom_range[0], zoom_range[1], 2)
    return _moved(x, {"zx": zx, "zy": zy}, (row_axis, col_axis, channel_axis), (fill_mode, cval, interpolation_order), law)


def _moved(x: Array, amounts: dict[str, Any], axes: tuple[int, int, int], how: tuple[str, float, int], law: Law) -> Array:
    """The picture with these amounts applied; keras-preprocessing 1.1.2 hands on no row and no column axis here."""
    row_axis, col_axis, channel_axis = (None, None, axes[2]) if law == "classic" else axes
    fill_mode, cval, order = how
    named: dict[str, Any] = {"row_axis": row_axis, "col_axis": col_axis, "channel_axis": channel_axis}
    return apply_affine_transform(x, **amounts, **named, fill_mode=fill_mode, cval=cval, order=order, law=law)
