"""A batch's pictures: numbers drawn in order, pictures made in threads, batches kept ahead, files written when a batch is given out.

All drawing happens in the thread that asks for a batch. What threads do (read, warp, standardize, encode) draws nothing, so
neither their number nor their pace is seen in a batch.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator as Iteration
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from augx.keras.iterators import Array, Augmenter, Iterator, Place, _whole
from augx.keras.saving import Levels, Saver

_NUMPY = threading.RLock()


@contextlib.contextmanager
def _numpy_as(rng: Any) -> Iteration[None]:
    """``numpy.random`` goes on where a batch's own generator stands; that goes on from there, and ``numpy.random`` is as before."""
    with _NUMPY:
        before = np.random.get_state()
        np.random.set_state(rng.get_state())
        try:
            yield
        finally:
            rng.set_state(np.random.get_state())
            np.random.set_state(before)


class Work:
    """A batch being made: what was drawn, the pictures, the files to write, and what went wrong at which picture."""

    def __init__(self, place: Place, shape: tuple[int, ...], dtype: Any) -> None:
        self.indices = [int(index) for index in place.indices]
        self.pictures: Array = np.zeros((len(self.indices), *shape), dtype=dtype)
        self.drawn: list[dict[str, Any] | None] = []
        self.files: list[tuple[bytes, Levels | None] | None] = [None] * len(self.indices)
        self.faults: dict[int, Exception] = {}
        self.futures: list[Future[None]] = []

    def wait(self) -> None:
        """Until all is made; raises what went wrong at the first picture where something did."""
        for future in self.futures:
            future.result()
        if self.faults:
            raise self.faults[min(self.faults)]


class PictureIterator(Iterator):
    """An iterator over pictures. ``workers`` threads make a batch's pictures; one, the default, means the calling thread.

    With a seed and two workers or more, up to ``prefetch`` further batches of the epoch are made ahead. Without a seed numbers
    come from ``numpy.random`` when a batch is asked for, so that no batch is drawn before its turn.

    What users write themselves (``preprocessing_function``, overridden methods) may draw from ``numpy.random``: with one worker it
    draws what Keras' seeding gives it; with more it has to be safe in threads, and ``seed`` does not reach its own draws.
    """

    _sets_numpy = False
    _hash_range = 10_000_000
    image_data_generator: Augmenter | None
    data_format: str
    dtype: Any
    save_to_dir: Any
    save_prefix: str
    save_format: str

    def __init__(
        self,
        n: int,
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        *,
        save_in_class_folders: bool = False,
        workers: int = 1,
        prefetch: int = 2,
    ) -> None:
        super().__init__(n, batch_size, shuffle, seed)
        self.threads = _whole("workers", workers, 1, None)
        self.prefetch = _whole("prefetch", prefetch, 0, None)
        self.save_in_class_folders = save_in_class_folders
        self._ahead: deque[Place] = deque()
        self._pool_lock = threading.Lock()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._saver_of: tuple[Any, Saver] | None = None
        if self.save_to_dir:
            self._saver()  # a format that can't be written is said now, not at the first batch

    def close(self) -> None:
        """End the threads and forget what was made ahead; iterating goes on all the same, with new threads."""
        with self.lock:
            self._ahead.clear()
            pool, self._pool = self._pool, None
        if pool is not None and pool[0] == os.getpid():
            pool[1].shutdown(wait=True, cancel_futures=True)

    def _shape(self) -> tuple[int, ...]:
        """The shape of one picture."""
        raise NotImplementedError

    def _picture(self, index: int) -> tuple[Array, Levels]:
        """A fresh array of floats, and which of its values are black and white."""
        raise NotImplementedError

    def _described(self, index: int) -> tuple[str | None, Any]:
        """Where a picture comes from (None for arrays) and its label, as the manifest says them."""
        raise NotImplementedError

    def _next_place(self) -> Place:
        place = super()._next_place()
        if self.seed is None or self.threads < 2:
            return place
        if self._pool is not None and self._pool[0] != os.getpid():
            self._ahead.clear()  # this is a fork: the threads that were making them are the parent's
        if self._ahead and self._ahead[0].is_as(place):
            place = self._ahead.popleft()
        else:  # the first batch, or the iterator was reset, or somebody changed what is next
            self._forget_ahead()
            place.work = self._start(place)
        for batch in range(place.batch + 1 + len(self._ahead), min(place.batch + self.prefetch + 1, len(self))):
            following = self._place(batch)
            following.work = self._start(following)
            self._ahead.append(following)
        return place

    def _forget_ahead(self) -> None:
        for place in self._ahead:
            for future in place.work.futures:
                future.cancel()
        self._ahead.clear()

    def _threads(self) -> ThreadPoolExecutor:
        """The pool, made when first needed, and anew after a fork: threads don't come along."""
        with self._pool_lock:
            if self._pool is None or self._pool[0] != os.getpid():
                executor = ThreadPoolExecutor(self.threads, thread_name_prefix="augx-keras")
                weakref.finalize(self, executor.shutdown, wait=False, cancel_futures=True)
                self._pool = (os.getpid(), executor)
            return self._pool[1]

    def _draw(self, rng: np.random.RandomState | None) -> dict[str, Any] | None:
        if self.image_data_generator is None:
            return None
        draw = self.image_data_generator.get_random_transform
        if rng is None:
            return draw(self._shape())
        if "rng" in inspect.signature(draw).parameters:
            return draw(self._shape(), rng=rng)
        with _numpy_as(rng):  # overridden, with Keras' own signature
            return draw(self._shape())

    def _start(self, place: Place) -> Work:
        """Begin a batch; what goes wrong is kept in it until the batch is asked for."""
        work = Work(place, self._shape(), self.dtype)
        if self.threads < 2:
            # Drawn one by one: a preprocessing_function that draws too does it between pictures, as in Keras.
            own = place.rng is not None and getattr(self.image_data_generator, "runs_own_code", False)
            with _numpy_as(place.rng) if own else contextlib.nullcontext():
                self._make(work, self._drawing(work, None if own else place.rng))
            return work
        count = sum(1 for _ in self._drawing(work, place.rng))
        pool = self._threads()
        shares = [range(first, count, self.threads) for first in range(min(self.threads, count))]
        work.futures = [pool.submit(self._make, work, iter(share)) for share in shares]
        return work

    def _drawing(self, work: Work, rng: np.random.RandomState | None) -> Iteration[int]:
        """Draw for one picture after the other, up to the first whose numbers can't be drawn."""
        for i in range(len(work.indices)):
            try:
                work.drawn.append(self._draw(rng))
            except Exception as error:
                work.faults[i] = error
                return
            yield i

    def _make(self, work: Work, places: Iteration[int]) -> None:
        """Make the pictures at these places of a batch, up to the first that can't be made."""
        for i in places:
            try:
                self._make_one(work, i)
            except Exception as error:
                work.faults[i] = error
                return

    def _make_one(self, work: Work, i: int) -> None:
        picture, levels = self._picture(work.indices[i])
        saver = self._saver() if self.save_to_dir else None
        before: Array | None = None
        generator, params = self.image_data_generator, work.drawn[i]
        if generator is not None and params is not None:
            picture = generator.apply_transform(picture, params)
            before = picture.copy() if saver is not None and not saver.stretched else None
            picture = generator.standardize(picture)
        work.pictures[i] = picture
        if saver is not None:
            shown = None if saver.stretched else levels
            work.files[i] = saver.encode(work.pictures[i] if shown is None or before is None else before, shown), shown

    def _pictures(self, index_array: Any) -> Array:
        """The batch of these samples, its files written: only batches that are given out leave files behind."""
        place = self._current(index_array)
        work, place.work = place.work or self._start(place), None
        work.wait()
        if self.save_to_dir:
            self._save(place, work)
        pictures: Array = work.pictures
        return pictures

    def _save(self, place: Place, work: Work) -> None:
        for i, file in enumerate(work.files):
            if place.rng is None:
                np.random.randint(self._hash_range)  # Keras' file names take a number of the global stream; so it stays in step
            assert file is not None
            data, levels = file
            source, label = self._described(work.indices[i])
            fields = {"source": source, "index": work.indices[i], "label": label, "seed": self.seed, "epoch": place.epoch}
            fields |= {"batch": place.batch, "params": work.drawn[i] or {}, "levels": levels}
            self._saver().write(data, fields)

    def _saver(self) -> Saver:
        """What writes the files; another one when the attributes that say how have been changed."""
        law = "fixed" if self.image_data_generator is None else self.image_data_generator.law
        wanted = (self.save_to_dir, self.save_prefix, self.save_format, self.data_format, law != "fixed", self.save_in_class_folders)
        known = self._saver_of
        if known is None or known[0] != wanted:
            known = self._saver_of = (wanted, Saver(*wanted))
        return known[1]
