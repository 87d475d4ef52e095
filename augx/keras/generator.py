"""``ImageDataGenerator``: Keras' class, knob for knob, with one warp a picture.

The definitions are those of keras-preprocessing 1.1.2 and Keras 2.15; ``law`` says whose geometry, brightness and saving are meant.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from augx.keras.arguments import GONE, check, inexact, taken, zoom
from augx.keras.arrays import NumpyArrayIterator
from augx.keras.colour import brighten, shift_levels
from augx.keras.dataframe import DataFrameIterator
from augx.keras.directory import DirectoryIterator
from augx.keras.geometry import STREAM, Law, Ranges, draw, sampling, warp
from augx.keras.pydataset import as_dataset
from augx.keras.statistics import Statistics

Array = np.ndarray[Any, Any]
_BLOCK = 64  # pictures that fit looks at together


class ImageDataGenerator:
    """Endless batches of randomly changed pictures, as Keras' class of this name makes them.

    All 23 parameters are Keras', with its forms and defaults. ``law``: "fixed" does what Keras' documentation says (pictures turn
    about their true centre, a width shift goes sideways, levels are not stretched); "classic" is keras-preprocessing up to 1.1.2
    (Keras 2.2 to 2.8), "keras2" is Keras 2.9 to 2.15, each with its faults, for papers that must be run again. Under the same
    ``numpy.random.seed`` the drawn numbers are Keras' own. ``zca_rank`` whitens so many directions only, see ``Statistics``.

    Raises ``ValueError`` for values that Keras refuses. ``mean``, ``std``, ``principal_components`` and ``zca_whitening_matrix``
    are what ``fit`` has found (``statistics`` has all of it); ``mean`` and ``std`` may be set by hand.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: Any = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: Any = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: Any = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        data_format: Literal["channels_last", "channels_first"] | None = "channels_last",
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = "float32",
        *,
        law: Law = "fixed",
        zca_rank: int | None = None,
    ) -> None:
        check(law, data_format, validation_split, brightness_range)
        self.law: Law = law
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon, self.zca_rank = zca_whitening, zca_epsilon, zca_rank
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.channel_shift_range = brightness_range, channel_shift_range
        self.zoom_range = zoom(zoom_range)
        self.fill_mode, self.cval, self.interpolation_order = fill_mode, cval, interpolation_order
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.dtype = dtype or "float32"
        self.data_format = data_format or "channels_last"
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self._validation_split = validation_split
        self._imply()
        self.statistics = self._unfitted()
        self.mean: Any = None
        self.std: Any = None
        self.principal_components: Array | None = None
        self.zca_whitening_matrix: Array | None = None

    def _imply(self) -> None:
        """What Keras switches on and off beside what was asked for, with a warning."""

        def implied(what: str, by: str) -> None:
            warnings.warn(f"{by}=True needs {what}; it is set so", stacklevel=4)

        if self.zca_whitening and not self.featurewise_center:
            self.featurewise_center = True
            implied("featurewise_center=True", "zca_whitening")
        if self.zca_whitening and self.featurewise_std_normalization:
            self.featurewise_std_normalization = False
            implied("featurewise_std_normalization=False", "zca_whitening")
        if self.featurewise_std_normalization and not self.featurewise_center:
            self.featurewise_center = True
            implied("featurewise_center=True", "featurewise_std_normalization")
        if self.samplewise_std_normalization and not self.samplewise_center:
            self.samplewise_center = True
            implied("samplewise_center=True", "samplewise_std_normalization")

    def _unfitted(self) -> Statistics:
        return Statistics(
            center=self.featurewise_center,
            std=self.featurewise_std_normalization,
            zca=self.zca_whitening,
            zca_epsilon=self.zca_epsilon,
            law=self.law,
            channel_axis=self.channel_axis - 1,
            rank=self.zca_rank,
            rescale=self.rescale,
        )

    def flow(self, x: Any, y: Any = None, batch_size: int = 32, shuffle: bool = True, *args: Any, **kwargs: Any) -> NumpyArrayIterator:
        """Batches of pictures that are in memory (n, h, w, c), and their labels; the arguments are Keras' (``NumpyArrayIterator``)."""
        names = "sample_weight seed save_to_dir save_prefix save_format ignore_class_split subset"
        given = taken(self, names, args, kwargs)
        format_: dict[str, Any] = {"data_format": self.data_format, "dtype": self.dtype}
        return as_dataset(NumpyArrayIterator(x, y, self, batch_size=batch_size, shuffle=shuffle, **format_, **given))

    def flow_from_directory(self, directory: Any, *args: Any, **kwargs: Any) -> DirectoryIterator:
        """Batches of the pictures below a folder of class folders; the arguments are Keras' (``DirectoryIterator``)."""
        names = "target_size color_mode classes class_mode batch_size shuffle seed save_to_dir save_prefix save_format follow_links"
        names += " subset interpolation keep_aspect_ratio"
        given = taken(self, names, args, kwargs)
        return as_dataset(DirectoryIterator(directory, self, data_format=self.data_format, **{"dtype": self.dtype, **given}))

    def flow_from_dataframe(self, dataframe: Any, directory: Any = None, *args: Any, **kwargs: Any) -> DataFrameIterator:
        """Batches of the pictures that a pandas frame lists; the arguments are Keras' (``DataFrameIterator``)."""
        names = "x_col y_col weight_col target_size color_mode classes class_mode batch_size shuffle seed save_to_dir save_prefix"
        names += " save_format subset interpolation validate_filenames"
        given = taken(self, names, args, kwargs)
        for gone, advice in GONE.items():
            if given.pop(gone, None) is not None:
                warnings.warn(f"{gone} is not used any more: {advice}", DeprecationWarning, stacklevel=2)
        if given.get("class_mode") == "other":
            warnings.warn('class_mode "other" is deprecated: write "raw"', DeprecationWarning, stacklevel=2)
            given["class_mode"] = "raw"
        return as_dataset(DataFrameIterator(dataframe, directory, self, data_format=self.data_format, **{"dtype": self.dtype, **given}))

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None, rng: Any = None) -> dict[str, Any]:
        """The numbers of one copy under Keras' names, for a picture of this shape; from ``rng``, or from ``numpy.random``."""
        if seed is not None:
            STREAM.seed(seed)
        size = int(img_shape[self.row_axis - 1]), int(img_shape[self.col_axis - 1])
        return draw(self._ranges(), size, self.law, STREAM if rng is None else rng)

    def _ranges(self) -> Ranges:
        shifts = {"width_shift_range": self.width_shift_range, "height_shift_range": self.height_shift_range}
        flips = {"horizontal_flip": self.horizontal_flip, "vertical_flip": self.vertical_flip}
        levels = {"brightness_range": self.brightness_range, "channel_shift_range": self.channel_shift_range}
        turns = {"rotation_range": self.rotation_range, "shear_range": self.shear_range, "zoom_range": self.zoom_range}
        return Ranges(**turns, **shifts, **levels, **flips)

    def apply_transform(self, x: Array, transform_parameters: dict[str, Any]) -> Array:
        """A new picture: ``x`` (three axes), moved, shifted in its levels and brightened by these numbers; any may be left out."""
        first = self.data_format == "channels_first"
        picture = np.moveaxis(x, 0, 2) if first else np.asarray(x)
        matrix = sampling(transform_parameters, picture.shape[:2], self.law)
        moved = warp(picture, matrix, fill_mode=self.fill_mode, cval=self.cval, order=self.interpolation_order)
        intensity, brightness = (transform_parameters.get(name) for name in ("channel_shift_intensity", "brightness"))
        if intensity is not None:
            moved = shift_levels(moved, intensity, self.law)
        if brightness is not None:
            moved = brighten(moved, brightness, self.law)
        return np.ascontiguousarray(np.moveaxis(moved, 2, 0)) if first else moved

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """A new picture: ``x`` with numbers drawn for it."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def standardize(self, x: Array) -> Array:
        """A picture as a model gets it: preprocessing, rescaling, then its own and the fitted mean and deviation. May change ``x``."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x = inexact(x)
            x *= self.rescale
        if self.samplewise_center:
            x = inexact(x)
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + 1e-6
        if not (self.featurewise_center or self.featurewise_std_normalization or self.zca_whitening):
            return x
        if self._is_as_fitted():
            return self.statistics.standardize(x)
        x = inexact(x)
        if self.featurewise_center and self.mean is not None:
            x -= self.mean
        if self.featurewise_std_normalization and self.std is not None:
            x /= self.std + 1e-6
        matrix = self.principal_components if self.zca_whitening_matrix is None else self.zca_whitening_matrix
        if self.zca_whitening and matrix is not None:
            x = (x.reshape(-1, len(matrix)) @ matrix).reshape(x.shape)
        return x

    def _is_as_fitted(self) -> bool:
        """Whether what ``fit`` has found is what is asked for: no flag was switched since, and nothing was set by hand."""
        found = self.statistics
        wanted = (self.featurewise_center, self.featurewise_std_normalization, self.zca_whitening)
        same = all(getattr(self, name) is getattr(found, name) for name in ("mean", "std", "principal_components"))
        return same and (found.center, found.uses_std, found.zca) == tuple(map(bool, wanted))

    @property
    def runs_own_code(self) -> bool:
        """Whether code of the user's runs on every picture, which may draw from ``numpy.random`` itself."""
        return self.preprocessing_function is not None or type(self) is not ImageDataGenerator

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find mean, deviation and whitening of pictures (n, h, w, c), in one pass over blocks of them.

        With ``augment``, of ``rounds`` random copies of each instead. Under "fixed" the pictures go through
        ``preprocessing_function`` and ``rescale`` as in ``standardize``, after they are changed; Keras left the first out and
        rescaled before. ``ValueError`` unless there are four axes.
        """
        pictures = np.asarray(x)
        if pictures.ndim != 4:
            raise ValueError(f"fit needs pictures of four axes (n, height, width, channels), found shape {pictures.shape}")
        if pictures.shape[self.channel_axis] not in (1, 3, 4):
            warnings.warn(f"{pictures.shape[self.channel_axis]} channels on axis {self.channel_axis}: 1, 3 or 4 are usual", stacklevel=2)
        if seed is not None:
            STREAM.seed(seed)
        blocks = (pictures[i : i + _BLOCK] for _ in range(rounds if augment else 1) for i in range(0, len(pictures), _BLOCK))
        self._fit(np.stack([self._fitted_on(one, augment) for one in block]) for block in blocks)

    def _fitted_on(self, picture: Array, augment: bool) -> Array:
        x = np.array(picture, dtype=self.dtype)
        if self.law != "fixed":
            x = x * self.rescale if self.rescale else x
            return self.random_transform(x) if augment else x
        x = self.random_transform(x) if augment else x
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        return x * self.rescale if self.rescale else x

    def fit_directory(self, directory: str | os.PathLike[str], target_size: Sequence[int] = (256, 256), **kwargs: Any) -> None:
        """``fit`` for sets that do not fit in memory: the pictures below ``directory``, read in batches and looked at once.

        ``kwargs`` are those of ``flow_from_directory``, such as ``color_mode`` and ``subset="training"``.
        """
        plain = ImageDataGenerator(data_format=self.data_format, dtype=self.dtype, law=self.law, validation_split=self._validation_split)
        settings = {"batch_size": _BLOCK, **kwargs, "class_mode": None, "shuffle": False}
        batches = plain.flow_from_directory(directory, target_size, **settings)
        if not batches.n:
            raise ValueError(f"{directory}: no pictures in its class folders to fit on")
        self._fit(np.stack([self._fitted_on(one, False) for one in batches[i]]) for i in range(len(batches)))

    def _fit(self, batches: Iterator[Array]) -> None:
        statistics = self._unfitted()
        for batch in batches:
            statistics.update(batch)
        statistics.finish()
        self._take(statistics)

    def _take(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self.mean, self.std = statistics.mean, statistics.std
        self.principal_components, self.zca_whitening_matrix = statistics.principal_components, statistics.zca_whitening_matrix

    def save(self, path: str | os.PathLike[str]) -> None:
        """Keep what ``fit`` has found in one ``.npz`` file, for data that come later; ``ValueError`` before ``fit``."""
        self.statistics.save(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Take what an earlier ``fit`` has found; ``ValueError`` for a file that is none, or was fitted for other settings."""
        found = Statistics.load(path)
        wanted = self.statistics
        for name in ("center", "uses_std", "zca", "law", "channel_axis", "rescale"):
            if getattr(found, name) != getattr(wanted, name):
                settings = f"{name} is {getattr(found, name)} there and {getattr(wanted, name)} here"
                raise ValueError(f"{os.fspath(path)}: fitted for another generator: {settings}; fit again, or make the generator alike")
        self._take(found)
