"""``DirectoryIterator``: batches from folders of pictures, one folder a class; ``BatchFromFilesMixin``: batches from files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator as Iteration
from collections.abc import Sequence
from typing import Any

import numpy as np

from augx.errors import SourceError, printable
from augx.keras.images import INTERPOLATIONS, read_image
from augx.keras.iterators import Array, Augmenter, _whole
from augx.keras.making import PictureIterator
from augx.keras.saving import Levels, class_folder

CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}


class PictureError(SourceError, ValueError, OSError):
    """A file of a batch that can't be read as a picture: which, and why, in one line."""


class BatchFromFilesMixin(PictureIterator):
    """Batches from ``self.filepaths``, with labels by ``self.class_mode`` from ``self.classes``, or ``self.labels`` as they are.

    A file that can't be read raises ``PictureError``, a ``ValueError``, at its batch; the next batch comes all the same.
    """

    class_mode: str | None
    classes: Any
    class_indices: dict[str, int]
    filenames: list[str]

    def set_processing_attrs(
        self,
        image_data_generator: Augmenter | None,
        target_size: Sequence[int],
        color_mode: str,
        data_format: str | None,
        save_to_dir: Any,
        save_prefix: str,
        save_format: str,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool = False,
    ) -> None:
        """How files become pictures: ``target_size`` (height, width) in pixels, ``color_mode``, and the share that ``subset`` is.

        Raises ``ValueError`` for a mode, size, interpolation or subset that there is not.
        """
        self.image_data_generator = image_data_generator
        self.target_size = tuple(_whole("target_size", side, 1, None) for side in target_size)
        if len(self.target_size) != 2:
            raise ValueError(f"target_size: {tuple(target_size)} is not (height, width)")
        if color_mode not in CHANNELS:
            raise ValueError(f"color_mode: {color_mode!r} is none of {', '.join(CHANNELS)}")
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation: {interpolation!r} is none of {', '.join(INTERPOLATIONS)}")
        self.color_mode = color_mode
        self.data_format = data_format or "channels_last"
        channels = (CHANNELS[color_mode],)
        self.image_shape = self.target_size + channels if self.data_format == "channels_last" else channels + self.target_size
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.interpolation = interpolation
        self.keep_aspect_ratio = keep_aspect_ratio
        self.subset = subset
        self.split = self._split_of(subset)

    def _split_of(self, subset: str | None) -> tuple[float, float] | None:
        """Where the subset begins and ends, as shares."""
        if subset is None:
            return None
        if subset not in ("training", "validation"):
            raise ValueError(f'subset: {subset!r} is neither "training" nor "validation"')
        if self.image_data_generator is None:
            raise ValueError("subset: validation_split is the generator's, and there is none; give image_data_generator")
        share = self.image_data_generator._validation_split or 0
        if subset == "validation" and not share:
            warnings.warn('subset: "validation" is empty, for the generator has no validation_split', stacklevel=4)
        return (0, share) if subset == "validation" else (share, 1)

    @property
    def filepaths(self) -> list[str]:
        """The path of every file."""
        raise NotImplementedError(f"{type(self).__name__} has no filepaths")

    @property
    def labels(self) -> Any:
        """The label of every file: its class' number, or what the frame says."""
        raise NotImplementedError(f"{type(self).__name__} has no labels")

    @property
    def sample_weight(self) -> Array | None:
        """The weight of every file, if they have any."""
        raise NotImplementedError(f"{type(self).__name__} has no sample_weight")

    def _shape(self) -> tuple[int, ...]:
        return self.image_shape

    def _picture(self, index: int) -> tuple[Array, Levels]:
        path = self.filepaths[index]
        try:
            picture = read_image(
                path,
                color_mode=self.color_mode,
                target_size=self.target_size,
                interpolation=self.interpolation,
                keep_aspect_ratio=self.keep_aspect_ratio,
            )
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # decoders raise what they like: OSError, ValueError, SyntaxError, struct.error, ...
            raise PictureError(f"{printable(path)}: can't read this picture: {_reason(error)}; mend it or take it out") from error
        levels = (0, 255) if picture.max(initial=0) <= 255 else (0, 65_535)
        floats = np.array(picture, dtype=np.float32)
        return (np.ascontiguousarray(np.moveaxis(floats, 2, 0)) if self.data_format == "channels_first" else floats), levels

    def _described(self, index: int) -> tuple[str | None, Any]:
        return self.filenames[index], self._label(index)

    def _label(self, index: int) -> Any:
        """The class' name, a list of names, or what a frame's columns hold."""
        if self.class_mode == "multi_output":
            return [column[index] for column in self.labels]
        if self.class_mode == "raw":
            return self.labels[index]
        if not hasattr(self, "class_indices"):
            return None
        names, number = list(self.class_indices), self.classes[index]
        return [names[one] for one in number] if isinstance(number, list) else names[number]

    def _check_class_folders(self) -> None:
        """That every file has one class whose name can name a folder; raises ``ValueError``."""
        if not hasattr(self, "class_indices") or any(isinstance(number, list) for number in self.classes):
            raise ValueError("save_in_class_folders: needs one class a picture; leave the option out")
        for name in self.class_indices:
            class_folder(name)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        """The pictures of these files, drawn and made, with their labels and weights where there are any."""
        pictures = self._pictures(index_array)
        targets = self._targets_of(pictures, index_array)
        if targets is None:
            return pictures
        return (pictures, targets) if self.sample_weight is None else (pictures, targets, self.sample_weight[index_array])

    def _targets_of(self, pictures: Array, index_array: Any) -> Any:
        if self.class_mode == "input":
            return pictures.copy()
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.classes[index] for index in index_array], dtype=self.dtype)
        if self.class_mode == "categorical":
            rows = np.zeros((len(pictures), len(self.class_indices)), dtype=self.dtype)
            for row, index in zip(rows, index_array, strict=True):
                row[self.classes[index]] = 1
            return rows
        if self.class_mode == "multi_output":
            return [column[index_array] for column in self.labels]
        return self.labels[index_array] if self.class_mode == "raw" else None


class DirectoryIterator(BatchFromFilesMixin):
    """Batches from ``directory``, each of whose folders is a class, in order of name unless ``classes`` lists them.

    Files count by their extension, in sub-folders of a class too: sorted by folder, then by name. ``subset`` takes of every
    class, in that order, the first ``int(validation_split * n)`` files for ``validation`` and the others for ``training``.
    Prints how many were found. Warns where ``classes`` names a folder that is missing, and of pictures that are in no class.
    """

    allowed_class_modes = frozenset({"categorical", "binary", "sparse", "input", None})

    def __init__(
        self,
        directory: Any,
        image_data_generator: Augmenter | None,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        *,
        save_in_class_folders: bool = False,
        workers: int = 1,
        prefetch: int = 2,
    ) -> None:
        save = (save_to_dir, save_prefix, save_format)
        self.set_processing_attrs(
            image_data_generator, target_size, color_mode, data_format, *save, subset, interpolation, keep_aspect_ratio
        )
        if class_mode not in self.allowed_class_modes:
            raise ValueError(f"class_mode: {class_mode!r} is none of categorical, binary, sparse, input, None")
        self.directory = directory
        self.class_mode = class_mode
        self.dtype = dtype or "float32"
        root = os.fspath(directory)
        names = list(classes) if classes is not None and len(classes) else _folders(root)
        self.num_classes = len(names)
        self.class_indices = dict(zip(names, range(len(names)), strict=True))
        found = [_part_of(list(_files(root, name, self.white_list_formats, follow_links)), self.split) for name in names]
        self.filenames = [file for files in found for file in files]
        self.samples = len(self.filenames)
        numbers = [self.class_indices[name] for name in names]
        self.classes = np.repeat(np.array(numbers, dtype=np.int32), [len(files) for files in found])
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        _warn_of_missing(root, classes, bool(self.samples) or self.split is not None, self.white_list_formats)
        self._filepaths = [os.path.join(root, file) for file in self.filenames]
        if save_in_class_folders:
            self._check_class_folders()
        making: dict[str, Any] = {"save_in_class_folders": save_in_class_folders, "workers": workers, "prefetch": prefetch}
        super().__init__(self.samples, batch_size, shuffle, seed, **making)

    @property
    def filepaths(self) -> list[str]:
        """The path of every file, in the order of ``filenames``."""
        return self._filepaths

    @property
    def labels(self) -> Any:
        """The class' number of every file."""
        return self.classes

    @property
    def sample_weight(self) -> None:
        """None: folders have no weights."""
        return None


def _reason(error: Exception) -> str:
    """What a decoder says, in one line; what it says of a file that is no picture is an address in memory."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "no picture of a format that Pillow knows"
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())


def _folders(root: str) -> list[str]:
    return sorted(name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name)))


def _files(root: str, name: str, extensions: tuple[str, ...], follow_links: bool) -> Iteration[str]:
    """The pictures of a class as paths below ``root``, in order."""
    folder = os.path.join(root, name)
    for below, _, files in sorted(os.walk(folder, followlinks=follow_links), key=lambda step: step[0]):
        for file in sorted(files):
            if file.lower().endswith(".tiff"):
                warnings.warn(".tiff files with several pages or bands come out wrong; look at what is read of them", stacklevel=4)
            if file.lower().endswith(extensions):
                yield os.path.join(name, os.path.relpath(os.path.join(below, file), folder))


def _part_of(files: list[str], split: tuple[float, float] | None) -> list[str]:
    return files if split is None else files[int(split[0] * len(files)) : int(split[1] * len(files))]


def _warn_of_missing(root: str, classes: Any, some: bool, extensions: tuple[str, ...]) -> None:
    """Keras says nothing of either, and its users look for hours."""
    for name in classes if classes is not None else ():
        if not os.path.isdir(os.path.join(root, name)):
            warnings.warn(f"classes: {printable(root)} has no folder {name!r}", stacklevel=3)
    if not some and os.path.isdir(root) and (loose := sum(name.lower().endswith(extensions) for name in os.listdir(root))):
        warnings.warn(f"{printable(root)}: {loose} pictures lie in no class; put them into a folder below it", stacklevel=3)
