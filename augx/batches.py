"""Batches of augmented pictures for training loops, in memory, with the pixels that ``augx generate`` would write.

for images, labels in iter_batches("photos/", "gentle", batch_size=32, size=(224, 224), epochs=10):
    ...

A batch is a pure function of the sources, the spec, the seed, the epoch and its number in the epoch: neither threads nor the
batches made before have a part in it. What is in an epoch: see ``epochs``.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from augx.decode import MAX_PIXELS
from augx.epochs import Order
from augx.errors import PlanError, SourceError, printable
from augx.pictures import CACHE_BYTES, AnySource, AnySpec, Array, Channels, Colour, Depth, Form, Pictures, one_of, whole
from augx.unit import one_thread_cv2

if TYPE_CHECKING:
    from concurrent.futures import Future

Labels = Literal["index", "name", "one_hot"]
OnError = Literal["raise", "skip"]
Batch = tuple[Array, Array]


@dataclass(frozen=True)
class _Settings:
    batch_size: int
    epoch: int
    epochs: int | None
    labels: Labels
    workers: int
    prefetch: int
    drop_last: bool
    on_error: OnError

    def __post_init__(self) -> None:
        for name, least in {"batch_size": 1, "epoch": 0, "workers": 0, "prefetch": 1}.items():
            whole(name, getattr(self, name), least)
        if self.epochs is not None:
            whole("epochs", self.epochs, 1)
        one_of("labels", self.labels, get_args(Labels))
        one_of("on_error", self.on_error, get_args(OnError))


@dataclass(frozen=True)
class _Made:
    """What came of one batch's copies: pictures (None: not one), indices of their classes, the last one's key, the failures."""

    images: Array | None
    indices: list[int]
    key: str
    failures: list[tuple[str, str]]


class Batches(Iterator[Batch]):
    """What ``iter_batches`` returns: an iterator over the batches of its epochs.

    ``classes``: names by index; ``class_indices``: the reverse; ``samples``: pictures in an epoch; ``len()``: batches in an
    epoch; ``failures``: what was left out so far, source to reason. Threads start with the first batch, and end with the
    last, with ``close()``, at the end of a ``with``, or when nobody holds the iterator any more.
    """

    def __init__(self, pictures: Pictures, order: Order, settings: _Settings) -> None:
        """Use ``iter_batches``."""
        self.classes = pictures.classes
        self.class_indices = pictures.class_indices
        self.samples = len(order)
        self.failures: dict[str, str] = {}
        self._pictures, self._order, self._settings = pictures, order, settings
        if not len(self):
            raise ValueError(f"drop_last=True leaves nothing of {self.samples} pictures in batches of {settings.batch_size}")
        # A generator that does not know of this object: so it ends, with its threads, when this one is let go.
        self._made = _made(pictures, order, settings, len(self))
        self._shape: tuple[int, ...] | None = None
        self._empty = 0

    def __len__(self) -> int:
        whole_ones, rest = divmod(self.samples, self._settings.batch_size)
        return whole_ones + (rest > 0 and not self._settings.drop_last)

    def __next__(self) -> Batch:
        while True:
            made = next(self._made)
            try:
                batch = self._batch(made)
            except BaseException:
                self.close()
                raise
            if batch is not None:
                return batch

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads, once they have made the batch in hand. There are no more batches then."""
        self._made.close()

    def of_epoch(self, epoch: int, epochs: int | None = 1) -> Batches:
        """The batches of another epoch, anew; what is decoded is shared."""
        return Batches(self._pictures, self._order, replace(self._settings, epoch=epoch, epochs=epochs))

    def batch(self, epoch: int, number: int) -> Batch:
        """One batch by its number in an epoch, made here and now. Raises ``IndexError`` beyond the last."""
        whole("epoch", epoch, 0)
        if not 0 <= number < len(self):
            raise IndexError(f"batch {number}: an epoch has the batches 0 to {len(self) - 1}")
        sources, copies = self._order.of(epoch)
        chosen = slice(number * self._settings.batch_size, (number + 1) * self._settings.batch_size)
        found = self._batch(_make(self._pictures, sources[chosen], copies[chosen], self._settings.on_error))
        if found is None:
            raise SourceError(f"batch {number}: none of its pictures could be made: {next(iter(self.failures.items()))}")
        return found

    def _batch(self, made: _Made) -> Batch | None:
        """The batch as arrays; None where all of its pictures failed."""
        for path, reason in made.failures:
            if path not in self.failures:
                self.failures[path] = reason
                warnings.warn(f"left out {reason}", stacklevel=3)
        if made.images is None:
            self._empty += 1
            if self._empty >= len(self):
                raise SourceError(f"none of {self.samples} pictures could be made; {next(iter(self.failures.values()))}")
            return None
        self._empty = 0
        self._shape = self._shape or made.images.shape[1:]
        _check_sizes([self._shape, made.images.shape[1:]], made.key, self._pictures.form)
        return made.images, self._labels(np.array(made.indices, np.int64))

    def _labels(self, indices: Array) -> Array:
        if self._settings.labels == "index":
            return indices
        if self._settings.labels == "name":
            return np.array(self.classes)[indices]
        return np.eye(len(self.classes), dtype=np.float32)[indices]


def iter_batches(
    source: AnySource,
    spec: AnySpec = "tutorial",
    *,
    batch_size: int = 32,
    seed: int | None = None,
    epoch: int = 0,
    epochs: int | None = 1,
    shuffle: bool = True,
    balance: bool = False,
    size: tuple[int, int] | None = None,
    labels: Labels = "index",
    workers: int = 1,
    prefetch: int = 2,
    drop_last: bool = False,
    dtype: Depth = "uint8",
    channels: Channels = "last",
    colour: Colour = "rgb",
    max_pixels: int = MAX_PIXELS,
    on_error: OnError = "raise",
    cache_bytes: int = CACHE_BYTES,
) -> Batches:
    """Batches (images, labels) of ``epochs`` epochs (None: for ever) from number ``epoch`` on, each with new copies.

    ``source``: a folder of class folders, a list of ``Source``, or (pictures, labels); see ``Pictures``. ``spec``: a preset's
    name, a file, a mapping or a ``Spec``; ``seed`` and ``size`` (width, height) stand instead of its own. ``balance``: every
    class as often as the largest, with more copies of the rare ones' pictures. ``images``: (n, h, w, c), or (n, c, h, w) for
    ``channels="first"``, uint8 or, from 0 to 1, float32. ``labels``: int64 indices, names, or float32 (n, classes); they
    follow what the spec relabels.

    ``workers`` threads make up to ``prefetch`` batches ahead (0: this thread, when asked). A source that can't be read raises
    ``SourceError``; ``on_error="skip"`` leaves it out with a warning, and its batch is smaller. ``cache_bytes`` bounds what
    decoded pictures may take. Raises ``SpecError``, ``PlanError`` and ``ValueError`` at once for what can't work.
    """
    settings = _Settings(batch_size, epoch, epochs, labels, workers, prefetch, drop_last, on_error)
    form = Form(dtype, channels, colour)
    pictures = Pictures(source, spec, seed=seed, size=size, form=form, max_pixels=max_pixels, cache_bytes=cache_bytes)
    order = Order(tuple(source.label for source in pictures.sources), pictures.spec.seed, shuffle, balance)
    return Batches(pictures, order, settings)


def _make(pictures: Pictures, sources: Array, copies: Array, on_error: OnError) -> _Made:
    images: list[Array] = []
    indices, key, failures = [], "", []
    numbers = sources.tolist()
    for number, made in zip(numbers, pictures.each(numbers, copies.tolist()), strict=True):
        if isinstance(made, SourceError):
            if on_error == "raise":
                raise SourceError(f"{made}; on_error='skip' leaves such pictures out")
            failures.append((pictures.sources[number].where, str(made)))
            continue
        image, index = made
        images.append(image)
        indices.append(index)
        key = pictures.sources[number].key
        _check_sizes([images[0].shape, image.shape], key, pictures.form)
    return _Made(np.stack(images) if images else None, indices, key, failures)


def _check_sizes(shapes: Sequence[tuple[int, ...]], key: str, form: Form) -> None:
    if shapes[0] != shapes[1]:
        before, found = ("{1}x{0}".format(*(shape[1:] if form.channels == "first" else shape)) for shape in shapes)
        raise PlanError(
            f"{printable(key)}: a copy of {found} pixels after one of {before}, and a batch is one array; "
            "give size=(width, height), or output.size in the spec"
        )


def _chosen(order: Order, settings: _Settings, batches: int) -> Iterator[tuple[Array, Array]]:
    """Sources and copies of each batch, epoch after epoch."""
    epoch = settings.epoch
    while settings.epochs is None or epoch < settings.epoch + settings.epochs:
        sources, copies = order.of(epoch)
        for start in range(0, batches * settings.batch_size, settings.batch_size):
            yield sources[start : start + settings.batch_size], copies[start : start + settings.batch_size]
        epoch += 1


def _made(pictures: Pictures, order: Order, settings: _Settings, batches: int) -> Any:
    """A generator of what the threads make, in order, at most a few batches ahead."""
    work = _chosen(order, settings, batches)
    if not settings.workers:
        for sources, copies in work:
            yield _make(pictures, sources, copies, settings.on_error)
        return
    from concurrent.futures import ThreadPoolExecutor

    window: deque[Future[_Made]] = deque()
    with _one_thread():
        pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="augx-batches")
        try:
            for sources, copies in work:
                window.append(pool.submit(_make, pictures, sources, copies, settings.on_error))
                if len(window) > max(settings.prefetch, settings.workers):
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


_users = 0
_users_lock = threading.Lock()
_quiet: AbstractContextManager[None] | None = None


@contextmanager
def _one_thread() -> Iterator[None]:
    """``one_thread_cv2`` as long as any of several iterators, which end in any order, has threads of its own."""
    global _users, _quiet
    with _users_lock:
        _users += 1
        if _quiet is None:
            _quiet = one_thread_cv2()
            _quiet.__enter__()
    try:
        yield
    finally:
        with _users_lock:
            _users -= 1
            if not _users and _quiet is not None:
                _quiet.__exit__(None, None, None)
                _quiet = None
