"""Keras' picture files: read, written, listed and resized as ``keras.preprocessing.image`` does it, on Pillow.

What each function takes, returns and refuses is that of keras-preprocessing 1.1.2 and Keras 2.15, Exif orientation (ignored)
included. ``read_image`` is the way of the iterators: the same numbers, sooner.
"""

from __future__ import annotations

import functools
import io
import os
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from augx.keras.resizing import smart_resize as smart_resize

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
Size = Sequence[int]
"""Height and width, in pixels."""

Source = str | bytes | os.PathLike[str] | io.BytesIO
COLOR_MODES = ("grayscale", "rgb", "rgba")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_EXTENSIONS = ("jpg", "jpeg", "bmp", "png", "ppm", "tif", "tiff")
_GREY_MODES = ("L", "I;16", "I")
# From here on Pillow warns of decompression bombs: such files are its own affair.
_FAST_PIXELS = 50_000_000


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise ImportError("augx.keras needs Pillow: pip install 'augx-cli[keras]'") from None
    return PIL.Image


def load_img(
    path: Source,
    color_mode: Any = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    *,
    grayscale: bool = False,
) -> Image:
    """The file, or the bytes of one, as a Pillow image: "L" ("I;16", "I" as they are stored) for "grayscale", "RGB" or "RGBA".

    ``target_size`` is (height, width); the shape is squashed into it unless ``keep_aspect_ratio``, which first cuts out the
    largest centred part of the target's shape. ``grayscale`` is deprecated, and still taken in ``color_mode``'s place.

    Raises ``ValueError`` for an unknown mode or interpolation, ``TypeError`` for a path that is none, and what Pillow raises
    for a file that it can't read.
    """
    pillow = _pillow()
    if isinstance(color_mode, bool):  # Keras had grayscale in this place until 2.12
        if isinstance(target_size, str):
            raise ValueError(f"load_img takes color_mode second and target_size third, found {color_mode} and {target_size!r}; name them")
        grayscale, color_mode = color_mode, "rgb"
    if grayscale:
        warnings.warn('grayscale is deprecated. Please use color_mode = "grayscale"', stacklevel=2)
        color_mode = "grayscale"
    picture = pillow.open(io.BytesIO(_contents(path)))
    if color_mode not in COLOR_MODES:
        raise ValueError(f'color_mode must be "grayscale", "rgb", or "rgba", found {color_mode!r}')
    if color_mode == "grayscale":
        if picture.mode not in _GREY_MODES:
            picture = picture.convert("L")
    elif picture.mode != color_mode.upper():
        picture = picture.convert(color_mode.upper())
    if target_size is None or picture.size == (target_size[1], target_size[0]):
        return picture  # type: ignore[no-any-return]
    _known(interpolation)
    height, width = target_size[0], target_size[1]
    box = _centred_box(picture.height, picture.width, height, width) if keep_aspect_ratio else None
    return picture.resize((width, height), getattr(pillow.Resampling, interpolation.upper()), box=box)  # type: ignore[no-any-return]


def _known(interpolation: str) -> None:
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"Invalid interpolation method {interpolation} specified. Supported methods are {', '.join(INTERPOLATIONS)}")


def _contents(path: Source) -> bytes:
    if isinstance(path, io.BytesIO):
        return path.getvalue()
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    with open(path, "rb") as file:
        return file.read()


def _centred_box(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the largest centred part that has the target's shape, in whole pixels."""
    tall = max(1, min(height, width * target_height // target_width))
    wide = max(1, min(width, height * target_width // target_height))
    top, left = (height - tall) // 2, (width - wide) // 2
    return left, top, left + wide, top + tall


def read_image(
    path: Source,
    *,
    color_mode: str = "rgb",
    target_size: Size | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    dtype: Any = "float32",
) -> Array:
    """``img_to_array(load_img(path, ...), dtype=dtype)``: (height, width, channels), to the bit; sooner for plain JPEGs."""
    data = _contents(path)
    # Without Pillow the answer must not depend on the kind of file.
    fast = _decoded_jpeg(data, color_mode) if _pillow() and (target_size is None or interpolation == "nearest") else None
    if fast is None:
        return img_to_array(load_img(io.BytesIO(data), color_mode, target_size, interpolation, keep_aspect_ratio), dtype=dtype)
    if target_size is not None:
        fast = _nearest(fast, target_size[0], target_size[1], keep_aspect_ratio)
    return np.asarray(fast, dtype=dtype)


def _decoded_jpeg(data: bytes, color_mode: str) -> Array | None:
    """The pixels that Pillow would find in a plain, whole JPEG, by OpenCV; None where that is not certain."""
    components = _jpeg_components(data)
    if (components, color_mode) not in ((1, "grayscale"), (1, "rgb"), (3, "rgb")) or not _decoders_agree():
        return None
    flags = cv2.IMREAD_GRAYSCALE if color_mode == "grayscale" else cv2.IMREAD_COLOR_RGB
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    # Damage that OpenCV refuses has an error of Pillow's that Keras' users know.
    return None if pixels is None else pixels.reshape(*pixels.shape[:2], -1)


def _jpeg_components(data: bytes) -> int:
    """1 or 3 for a Huffman-coded JPEG of 8 bits that reaches its end mark, so that no decoder runs dry; 0 for all else.

    Frame headers: ITU-T T.81, B.2.2.
    """
    if data[:2] != b"\xff\xd8" or data[-2:] != b"\xff\xd9":
        return 0
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xC2:
            bits, height, width = data[at + 4], int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            plain = bits == 8 and data[at + 9] in (1, 3) and 0 < height * width <= _FAST_PIXELS
            return data[at + 9] if plain else 0
        if marker not in (0xC4, 0xDB, 0xDD, 0xFE) and not 0xE0 <= marker <= 0xEF:
            return 0
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


@functools.cache
def _decoders_agree() -> bool:
    """Whether Pillow and OpenCV were built with JPEG decoders of the same arithmetic: both bring libjpeg-turbo, a system's may not."""
    wave = (np.arange(37)[:, None, None] * 40503 + np.arange(29)[:, None] * 30011) * np.array([1, 3, 7])
    colours = (wave >> 4 & 255).astype(np.uint8)
    for options in ([cv2.IMWRITE_JPEG_QUALITY, 75], [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]):
        data = cv2.imencode(".jpg", colours, options)[1]
        ours = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        if ours is None or not np.array_equal(ours, np.asarray(_pillow().open(io.BytesIO(data.tobytes())))):
            return False
    return True


def _nearest(pixels: Array, height: int, width: int, keep_aspect_ratio: bool) -> Array:
    """Pillow's NEAREST: the pixel under each target pixel's centre, found by adding up steps as Pillow does, ties included."""
    if pixels.shape[:2] == (height, width):
        return pixels
    whole = (0, 0, pixels.shape[1], pixels.shape[0])
    left, top, right, bottom = _centred_box(pixels.shape[0], pixels.shape[1], height, width) if keep_aspect_ratio else whole
    return pixels.take(_steps(top, bottom, height), axis=0).take(_steps(left, right, width), axis=1)


@lru_cache(maxsize=256)
def _steps(start: int, stop: int, count: int) -> Array:
    step = (stop - start) / count
    steps = np.full(count, step)
    steps[:1] = start + step * 0.5
    return steps.cumsum().astype(np.intp)


def img_to_array(img: Any, data_format: str | None = "channels_last", dtype: Any = "float32") -> Array:
    """A Pillow image as (height, width, channels), or (channels, height, width) for "channels_first"; the values as they are."""
    if data_format not in (None, "channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format: {data_format}; it must be channels_first or channels_last")
    x = np.asarray(img, dtype=dtype or "float32")
    if x.ndim not in (2, 3):
        raise ValueError(f"Unsupported image shape: {x.shape}; it must have 2 or 3 axes")
    if x.ndim == 2:
        x = x[:, :, None]
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def array_to_img(x: Any, data_format: str | None = "channels_last", scale: bool = True, dtype: Any = "float32") -> Image:
    """An array of 1, 3 or 4 channels as a Pillow image; one channel with values above 255 becomes a 32-bit one (mode "I").

    ``scale`` stretches the picture's own least and greatest value to 0 and 255, as Keras does: False keeps the values. The
    fractions are cut off, not rounded.
    """
    pillow = _pillow()
    x = np.asarray(x, dtype=dtype or "float32")
    if x.ndim != 3:
        raise ValueError(f"Expected image array to have rank 3 (single image). Got array with shape: {x.shape}")
    if data_format not in (None, "channels_first", "channels_last"):
        raise ValueError(f"Invalid data_format: {data_format}; it must be channels_first or channels_last")
    if data_format == "channels_first":
        x = x.transpose(1, 2, 0)
    if x.shape[2] not in (1, 3, 4):
        raise ValueError(f"Unsupported channel number: {x.shape[2]}; it must be 1, 3 or 4")
    if scale:
        x = x - np.min(x)
        top = np.max(x)
        x = (x / top if top != 0 else x) * 255
    if x.shape[2] == 1:
        return pillow.fromarray(x[:, :, 0].astype(np.int32 if np.max(x) > 255 else np.uint8))  # type: ignore[no-any-return]
    return pillow.fromarray(x.astype(np.uint8))  # type: ignore[no-any-return]


def save_img(
    path: Any, x: Any, data_format: str | None = "channels_last", file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Write an array to a path or an open file by ``array_to_img`` and Pillow's ``save``, which gets ``kwargs``; see ``scale`` there.

    A JPEG holds no alpha: it is dropped with a warning.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    named = str(os.fspath(path)).lower() if file_format is None and isinstance(path, str | os.PathLike) else f".{file_format}".lower()
    if img.mode == "RGBA" and named.endswith((".jpg", ".jpeg")):
        warnings.warn("The JPG format does not support RGBA images, converting to RGB.", stacklevel=2)
        img = img.convert("RGB")
    img.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


def list_pictures(directory: str | os.PathLike[str], ext: str | Iterable[str] = _EXTENSIONS) -> list[str]:
    """The paths of the files below ``directory`` whose names end in one of the extensions (no dots), in the order of ``os.walk``."""
    endings = tuple(f".{one}" for one in ([ext] if isinstance(ext, str) else ext))
    return [os.path.join(root, name) for root, _, names in os.walk(directory) for name in names if name.lower().endswith(endings)]


def validate_filename(filename: str, white_list_formats: str | Iterable[str]) -> bool:
    """Whether a file is there and its name ends, in lower case, in one of the formats."""
    endings = white_list_formats if isinstance(white_list_formats, str) else tuple(white_list_formats)
    return filename.lower().endswith(endings) and os.path.isfile(filename)
