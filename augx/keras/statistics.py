"""What ``fit`` finds in the training pictures, in one pass and bounded memory, and what it does to others.

Mean and variance by the pairwise update of Chan, Golub and LeVeque (1979), in float64; whitening in ``augx.keras.whitening``.
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
import zlib
from typing import Any, Literal

import numpy as np

from augx.errors import printable
from augx.files import open_folder, write_whole
from augx.keras.whitening import Exact, Gain, Sketched, Whitening

Array = np.ndarray[Any, Any]

MOST_FEATURES = 4096
"""Up to so many numbers a picture, the whole covariance is held."""

DEFAULT_RANK = 128
"""Above that, as many directions are whitened one by one."""

FORMAT = "augx-keras-statistics"
VERSION = 1
_PART = 1 << 20  # numbers of one batch that are looked at together
_ARRAYS = ("mean", "std", "centre", "basis", "gains")


class Statistics:
    """The mean and standard deviation of each channel, and the whitening, of a set of pictures of one shape.

    ``center``, ``std`` and ``zca`` say what ``standardize`` does, and so what is looked for; as with Keras, ``std`` and ``zca``
    centre too, and ``zca`` replaces ``std``. ``channel_axis`` is that of a picture: 2, or 0 for channels first. ``rank`` asks
    for that many whitened directions instead of the whole matrix, at any size: far less memory, see ``error``. ``rescale`` is only
    kept: what the pictures were multiplied by before they came here.

    After ``finish``: ``mean`` and ``std`` as Keras has them, (1, 1, c) or (c, 1, 1), float64, None where not asked for; ``count``
    of the pictures, their ``shape``; ``error``, the share of the variance that a whitening of limited rank leaves out.

    Laws: classic and keras2 whiten the second moments about the channels' means, as Keras does. ``fixed`` whitens the covariance
    and takes the mean picture off, so that what comes out has mean 0 and covariance 1. See ``augx.keras.whitening`` for epsilon.
    """

    def __init__(
        self,
        *,
        center: bool = False,
        std: bool = False,
        zca: bool = False,
        zca_epsilon: float = 1e-6,
        law: Literal["fixed", "keras2", "classic"] = "fixed",
        channel_axis: int = 2,
        rank: int | None = None,
        rescale: float | None = None,
    ) -> None:
        if law not in ("fixed", "keras2", "classic"):
            raise ValueError(f"law {law!r} is unknown; it must be fixed, keras2 or classic")
        if channel_axis not in (0, 1, 2):
            raise ValueError(f"channel_axis must be 0, 1 or 2, an axis of a picture, found {channel_axis!r}")
        if rank is not None and rank < 1:
            raise ValueError(f"rank must be 1 or more, or None, found {rank!r}")
        if not zca_epsilon >= 0 or zca_epsilon == np.inf:
            raise ValueError(f"zca_epsilon must be 0 or more, found {zca_epsilon!r}")
        self.center, self.uses_std, self.zca = bool(center or std or zca), bool(std and not zca), bool(zca)
        self.zca_epsilon, self.law, self.channel_axis, self.rank = float(zca_epsilon), law, channel_axis, rank
        self.rescale = rescale
        self.count = 0
        self.shape: tuple[int, ...] | None = None
        self.mean: Array | None = None
        self.std: Array | None = None
        self.error = 0.0
        self.finished = False
        self._centre: Array | None = None
        self._whitening: Whitening | None = None
        self._squares: Array | float = 0.0
        self._sums: Array | float = 0.0
        self._covariance: Exact | Sketched | None = None

    def update(self, batch: Any) -> None:
        """Look at pictures (n, h, w, c), n 0 or more, of any numeric type; ``ValueError`` for other shapes, NaN and infinity."""
        if self.finished:
            raise ValueError("these statistics are finished and take no more pictures; fit new ones to all pictures")
        batch = np.asarray(batch)
        if batch.ndim != 4 or not (np.issubdtype(batch.dtype, np.number) or batch.dtype == bool) or np.iscomplexobj(batch):
            raise ValueError(f"a batch of numbers with four axes, pictures first, is needed; found {batch.dtype} of shape {batch.shape}")
        if self.shape is None:
            if 0 in batch.shape[1:]:
                raise ValueError(f"the pictures have no pixels: their shape is {batch.shape[1:]}")
            if len(batch):
                self._begin(batch[0])
        if len(batch) and batch.shape[1:] != self.shape:
            raise ValueError(f"all pictures must have one shape: found {batch.shape[1:]} after {self.shape}; resize them")
        # A sketch makes its random signs anew for each part: worth it for some pictures at a time, whatever their size.
        step = max(32 if self.zca else 1, _PART // max(1, int(np.prod(batch.shape[1:]))))
        for start in range(0, len(batch), step):
            self._look(batch[start : start + step])

    def _begin(self, first: Array) -> None:
        self._checked(first[None])
        self.shape = first.shape
        # All is measured from here, near the mean: squares of what is far from 0 and hardly varies would lose all their digits.
        self._channel_origin = first.mean(axis=self._pixel_axes(0), dtype=np.float64, keepdims=True)
        if self.zca:
            self._origin = first.astype(np.float64)
            self._feature_sums = np.zeros(first.size)
            whole = self.rank is None and first.size <= MOST_FEATURES
            self._covariance = Exact(first.size) if whole else Sketched(first.size, self.rank or DEFAULT_RANK)

    def _pixel_axes(self, first: int) -> tuple[int, ...]:
        return tuple(first + axis for axis in range(3) if axis != self.channel_axis)

    def _checked(self, part: Array) -> None:
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            index = [int(i) for i in np.argwhere(~np.isfinite(part))[0]]
            value = part[tuple(index)]
            raise ValueError(f"picture {self.count + index[0]} (from 0) holds {value} at {tuple(index[1:])}; all numbers must be finite")

    def _look(self, part: Array) -> None:
        self._checked(part)
        near = part - self._channel_origin
        axes = (0, *self._pixel_axes(1))
        pixels = near.size // near.shape[self.channel_axis + 1]
        mean = near.mean(axis=axes, keepdims=True)
        squares = np.square(near - mean).sum(axis=axes, keepdims=True)[0]
        before = self.count * (pixels // len(part))
        apart = mean[0] - self._sums / max(before, 1)
        self._squares = self._squares + squares + apart**2 * (before * pixels / (before + pixels))
        self._sums = self._sums + mean[0] * pixels
        if self._covariance is not None:
            del near
            flat = (part - self._origin).reshape(len(part), -1)
            self._feature_sums += flat.sum(axis=0)
            self._covariance.add(flat)
        self.count += len(part)

    def finish(self) -> None:
        """Make the attributes of what was looked at, which ends the pass."""
        if self.finished:
            return
        if self.shape is None:
            raise ValueError("no pictures to fit to; update with at least one first")
        pixels = self.count * int(np.prod(self.shape)) // self.shape[self.channel_axis]
        mean = np.asarray(self._channel_origin + self._sums / pixels)
        if self._covariance is not None:
            features = self._feature_sums / self.count
            # The mean picture less the channels' means: what Keras leaves in.
            centre = self._origin - mean + features.reshape(self.shape)
            offset = np.zeros(features.size) if self.law == "fixed" else centre.ravel()
            gain = Gain(self.law, self.zca_epsilon, self.count)
            self._whitening = self._covariance.whitening(features, offset, gain)
            self._centre = centre if self.law == "fixed" else None
            self.error = self._whitening.error
            self._covariance = None
            del self._origin, self._feature_sums
        if self.center:
            self.mean = mean
        if self.uses_std:
            self.std = np.sqrt(np.asarray(self._squares) / pixels)
        self.finished = True

    @property
    def matrix(self) -> Array | None:
        """The whole whitening matrix (d, d), float32; None where there is none or only its factors."""
        return self._whitening.basis if self._whitening is not None and self._whitening.gains is None else None

    @property
    def principal_components(self) -> Array | None:
        """Keras' name for ``matrix`` up to 2.8."""
        return self.matrix

    @property
    def zca_whitening_matrix(self) -> Array | None:
        """Keras' name for ``matrix`` from 2.9 on."""
        return self.matrix

    def standardize(self, x: Any) -> Array:
        """A picture (h, w, c) or a batch of them, centred, scaled and whitened: a new array of ``x``'s float type, or float32.

        Warns, as Keras does, and changes nothing before ``finish``.
        """
        given: Array = np.asarray(x)
        wanted = {"featurewise_center": self.center, "featurewise_std_normalization": self.uses_std, "zca_whitening": self.zca}
        if not self.finished:
            for name in (name for name, on in wanted.items() if on):
                warnings.warn(
                    f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any training data. "
                    "Fit it first by calling `.fit(numpy_data)`.",
                    stacklevel=2,
                )
            return given
        self._fits(given)
        y: Array = np.array(given, given.dtype if given.dtype.kind == "f" else np.float32)
        for taken in (self.mean, self._centre):
            if taken is not None:
                y -= taken.astype(y.dtype)
        if self.std is not None:
            y /= (self.std + 1e-6).astype(y.dtype)
        if self._whitening is None:
            return y
        return self._whitening.apply(y.reshape(-1, self._whitening.basis.shape[0])).astype(y.dtype, copy=False).reshape(y.shape)

    def _fits(self, x: Array) -> None:
        shape = self.shape or ()
        same = x.shape[-3:] == shape if self.zca else x.shape[-3:][self.channel_axis : self.channel_axis + 1] == (shape[self.channel_axis],)
        if x.ndim not in (3, 4) or not same:
            raise ValueError(f"these statistics were fit to pictures of shape {shape}, found {x.shape}; resize it, or fit anew")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one ``.npz`` of arrays and a JSON text, whole or not at all, in place of what was there; no pickle."""
        if not self.finished:
            raise ValueError("these statistics are not finished: nothing to save; fit first")
        whitening = self._whitening
        about = {"format": FORMAT, "version": VERSION, "count": self.count, "shape": self.shape, "settings": self._settings()}
        about |= {"error": self.error, "rest": whitening.rest if whitening else 0.0}
        found = {"about": np.array(json.dumps(about)), "mean": self.mean, "std": self.std, "centre": self._centre}
        found |= {"basis": whitening.basis, "gains": whitening.gains} if whitening else {}
        kept: dict[str, Any] = {name: array for name, array in found.items() if array is not None}
        memory = io.BytesIO()
        np.savez(memory, **kept)
        folder, name = os.path.split(os.path.abspath(path))
        with open_folder(folder, "") as descriptor:
            write_whole(descriptor, name, memory.getvalue())

    def _settings(self) -> dict[str, Any]:
        settings = {"center": self.center, "std": self.uses_std, "zca": self.zca, "zca_epsilon": self.zca_epsilon}
        return settings | {"law": self.law, "channel_axis": self.channel_axis, "rank": self.rank, "rescale": self.rescale}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Statistics:
        """What ``save`` wrote, equal to the bit; ``ValueError`` with the reason for any other file."""
        with open(path, "rb") as file:
            try:
                with np.load(file, allow_pickle=False) as found:
                    return cls._restored({name: found[name] for name in ("about", *_ARRAYS) if name in found})
            except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, NotImplementedError, MemoryError) as error:
                reason = " ".join(str(error).split()) if isinstance(error, _UnfitError) else "it is damaged, or another kind of file"
            except (zipfile.BadZipFile, zlib.error):
                reason = "it is damaged, or another kind of file"
        raise ValueError(f"{printable(os.fspath(path))}: not statistics of augx.keras: {reason}; fit and save them anew")

    @classmethod
    def _restored(cls, found: dict[str, Array]) -> Statistics:
        about = json.loads(str(found["about"][()]))
        if about["format"] != FORMAT or about["version"] != VERSION:
            raise _UnfitError(f"this augx reads version {VERSION}, the file has {about['version']!r}")
        statistics = cls(**about["settings"])
        shape = statistics.shape = tuple(int(n) for n in about["shape"])
        statistics.count, statistics.error = int(about["count"]), float(about["error"])
        channels = tuple(n if axis == statistics.channel_axis else 1 for axis, n in enumerate(shape))
        features = int(np.prod(shape))
        basis, gains = found.get("basis"), found.get("gains")
        expected: dict[str, tuple[int, ...]] = {"mean": channels} if statistics.center else {}
        expected |= {"std": channels} if statistics.uses_std else {}
        if statistics.zca:
            expected |= {"basis": (features, features) if gains is None else (features, gains.size)}
            expected |= {"gains": (gains.size,)} if gains is not None else {}
            expected |= {"centre": shape} if statistics.law == "fixed" else {}
        if {name: array.shape for name, array in found.items() if name != "about"} != expected:
            raise _UnfitError("its arrays don't go with its settings")
        if not all(np.isfinite(array).all() for name, array in found.items() if name != "about"):
            raise _UnfitError("it holds numbers that are not finite")
        statistics.mean, statistics.std, statistics._centre = (found.get(name) for name in ("mean", "std", "centre"))
        if basis is not None:
            statistics._whitening = Whitening(basis, gains, float(about["rest"]), statistics.error)
        statistics.finished = True
        return statistics


class _UnfitError(ValueError):
    """A file that can be read, and can't be used."""
