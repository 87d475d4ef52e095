"""``Iterator``: which pictures are in which batch, in which order, and the random numbers that each batch has for itself.

Keras seeds NumPy's global generator with ``seed + batches seen so far`` before every batch. Here a batch has a generator of its
own, ``RandomState(seed + epoch * len + batch)``: the same numbers when batches are taken one after the other, and the same again
whoever else draws, however many threads work, and whichever batches were looked at before.
"""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Iterator as Iteration
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]

_SEEDS = 2**32  # what the generator of NumPy's that Keras uses takes


class Augmenter(Protocol):
    """What an iterator asks of its ``image_data_generator``."""

    @property
    def law(self) -> str:
        """``fixed``, ``keras2`` or ``classic``."""

    @property
    def _validation_split(self) -> float | None:
        """The share of the pictures that ``subset="validation"`` gets."""

    def get_random_transform(self, img_shape: tuple[int, ...], seed: int | None = None, rng: Any = None) -> dict[str, Any]:
        """The numbers drawn for one picture of this shape, from ``rng``; from ``numpy.random`` where it is None."""

    def apply_transform(self, x: Array, transform_parameters: dict[str, Any]) -> Array:
        """One picture (three axes), moved and coloured by those numbers. Threads call this at the same time."""

    def standardize(self, x: Array) -> Array:
        """One picture as the model gets it; may change ``x`` in place. Threads call this at the same time."""


@dataclass(eq=False)
class Place:
    """One batch of one epoch: the pictures' indices, in order, and where their random numbers come from.

    ``rng`` is None without a seed: ``numpy.random`` itself. ``work`` is the batch if it is already being made.
    """

    epoch: int
    batch: int
    indices: Array
    seed: int | None = None
    rng: np.random.RandomState | None = None
    work: Any = None

    def is_as(self, other: Place) -> bool:
        """Whether both are one batch with the same numbers."""
        same = (self.epoch, self.batch, self.seed) == (other.epoch, other.batch, other.seed)
        return same and np.array_equal(self.indices, other.indices)


class Iterator:
    """The base of the iterators: goes over ``n`` samples in batches, for ever; the last batch of an epoch may be short.

    ``batch_index``, ``total_batches_seen`` and ``index_array`` are Keras'. ``epoch`` is the epoch that ``index_array`` belongs to.
    A class of your own gives ``_get_batches_of_transformed_samples(index_array)``; with a seed, ``numpy.random`` is then set
    for every batch, as Keras does it. The iterators of this package leave ``numpy.random`` alone when they have a seed.

    What differs from Keras: batches that are taken by index have the numbers that iterating would give them, whatever was
    taken before; ``on_epoch_end`` and a ``reset`` within an epoch go on to the next epoch's order and numbers.
    ``ValueError`` for a ``batch_size`` below 1 and a ``seed`` outside of 0 ... 2**32 - 1.
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
    _sets_numpy = True

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        self.n = n
        self.batch_size = _whole("batch_size", batch_size, 1, None)
        self.shuffle = shuffle
        self.seed = None if seed is None else _whole("seed", seed, 0, _SEEDS - 1)
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array: Any = None
        self.index_generator = self._flow_index()
        self._epoch = 0
        self._begun = False  # whether iteration has taken the first batch of this epoch
        self._here = threading.local()

    @property
    def epoch(self) -> int:
        """The number of the present epoch, from 0; set it to have that epoch again, or a later one, from its first batch."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        with self.lock:
            self._epoch = _whole("epoch", epoch, 0, None)
            self.index_array, self.batch_index, self._begun = None, 0, False

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return -(-self.n // self.batch_size)

    def __getitem__(self, idx: int) -> Any:
        """Batch ``idx`` of the present epoch; from -1 back, counted from the end. ``ValueError`` where there is none."""
        batch = idx + len(self) if idx < 0 else idx
        if not 0 <= batch < len(self):
            raise ValueError(f"batch {idx}: an epoch has {len(self)} batches, counted from 0")
        with self.lock:
            if self.index_array is None:
                self._set_index_array()
            place = self._place(batch)
            self.total_batches_seen += 1
        return self._get_batches_of_transformed_samples(self._enter(place))

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self) -> Any:
        """The next batch."""
        with self.lock:
            indices = next(self.index_generator)
        return self._get_batches_of_transformed_samples(indices)

    def reset(self) -> None:
        """Iteration goes on with the first batch of a new epoch; nothing happens at the end of an epoch."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """The next epoch, for those who take batches by their index."""
        with self.lock:
            self._epoch += 1
            self._begun = False
            self._set_index_array()

    def _set_index_array(self) -> None:
        """The order of the present epoch."""
        if not self.shuffle:
            self.index_array = np.arange(self.n)
        elif self.seed is None:
            self.index_array = np.random.permutation(self.n)
        else:
            self.index_array = np.random.RandomState(self._seed_of(0)).permutation(self.n)

    def _seed_of(self, batch: int) -> int:
        assert self.seed is not None
        return (self.seed + self._epoch * len(self) + batch) % _SEEDS

    def _place(self, batch: int) -> Place:
        """A batch of the present epoch, its generator where Keras' global one would stand."""
        indices = self.index_array[self.batch_size * batch : self.batch_size * (batch + 1)]
        if self.seed is None:
            return Place(self._epoch, batch, indices)
        seed = self._seed_of(batch)
        rng = np.random.RandomState(seed)
        if batch == 0 and self.shuffle:
            rng.permutation(self.n)  # Keras draws the order, then the first batch, from one stream
        return Place(self._epoch, batch, indices, seed, rng)

    def _next_place(self) -> Place:
        """The next batch of iteration; the caller holds the lock."""
        if self.batch_index == 0:
            self._epoch += self._begun
            self._begun = True
            self._set_index_array()
        elif self.index_array is None:
            self._set_index_array()
        place = self._place(self.batch_index)
        more = self.n > (self.batch_index + 1) * self.batch_size
        self.batch_index = self.batch_index + 1 if more else 0
        self.total_batches_seen += 1
        return place

    def _enter(self, place: Place) -> Array:
        """Make this the batch that this thread works on; its indices."""
        self._here.place = place
        if self._sets_numpy and place.rng is not None:
            np.random.set_state(place.rng.get_state())
        return place.indices

    def _current(self, index_array: Any) -> Place:
        """The place that these indices were given out for; for other indices a place that draws on from the last one's numbers."""
        place: Place | None = getattr(self._here, "place", None)
        if place is not None and place.indices is index_array:
            return place
        if place is None:
            return Place(self._epoch, self.batch_index, np.asarray(index_array))
        return Place(place.epoch, place.batch, np.asarray(index_array), place.seed, place.rng)

    def _flow_index(self) -> Iteration[Array]:
        """The batches' indices, for ever; each one taken moves the iterator on."""
        return _flow(weakref.ref(self))

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        """The batch of these samples."""
        raise NotImplementedError(f"{type(self).__name__} has no _get_batches_of_transformed_samples")


def _flow(iterator: weakref.ref[Iterator]) -> Iteration[Array]:
    """Holds the iterator weakly: a generator that held it would keep it, and its threads, until the next collection of cycles."""
    while (alive := iterator()) is not None:
        indices = alive._enter(alive._next_place())
        del alive
        yield indices


def _whole(name: str, value: Any, low: int, high: int | None) -> int:
    """``value`` as a whole number from ``low`` to ``high``; raises ``ValueError``."""
    allowed = f"a whole number from {low} on" if high is None else f"a whole number from {low} to {high}"
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name}: {value!r} is not {allowed}") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: {value!r} is not {allowed}")
    return number
