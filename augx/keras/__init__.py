"""Keras' ImageDataGenerator and the functions beside it, on augx' engine: the same calls, the same draws, none of the lost files.

from augx.keras import ImageDataGenerator
"""

from typing import TYPE_CHECKING, Any

_HOMES = {
    "DataFrameIterator": "dataframe",
    "DirectoryIterator": "directory",
    "ImageDataGenerator": "generator",
    "Iterator": "iterators",
    "NumpyArrayIterator": "arrays",
    "apply_affine_transform": "geometry",
    "apply_brightness_shift": "colour",
    "apply_channel_shift": "colour",
    "array_to_img": "images",
    "dataset": "pydataset",
    "flip_axis": "geometry",
    "img_to_array": "images",
    "list_pictures": "images",
    "load_img": "images",
    "random_brightness": "colour",
    "random_channel_shift": "colour",
    "random_rotation": "geometry",
    "random_shear": "geometry",
    "random_shift": "geometry",
    "random_zoom": "geometry",
    "save_img": "images",
    "smart_resize": "images",
    "transform_matrix_offset_center": "geometry",
    "validate_filename": "images",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from augx.keras.generator import ImageDataGenerator as ImageDataGenerator


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'augx.keras' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"augx.keras.{_HOMES[name]}"), name)
