"""Batches from arrays: Keras' order, numbers and attributes; what workers, indexing and epochs may not change."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx.keras.arrays import NumpyArrayIterator
from augx.keras.iterators import Iterator
from tests.keras_wrapped import AUGMENTED, OLD, Wrapped, reference, same

pytestmark = OLD

N = 11
X = np.random.default_rng(3).integers(0, 256, (N, 6, 7, 3)).astype(np.float32)
Y = np.arange(N) % 2
MISC = np.arange(N) * 10
WEIGHTS = np.linspace(0, 1, N)
FIRST = np.ascontiguousarray(np.moveaxis(X, 3, 1))

# The iterator's arguments, and the generator's.
EQUAL = [
    pytest.param((X, Y), {}, {}, id="no shuffle, no seed"),
    pytest.param((X, Y), {"shuffle": True}, {}, id="shuffle without a seed"),
    pytest.param((X, Y), {"shuffle": True, "seed": 5}, {}, id="shuffle with a seed"),
    pytest.param((X, Y), {"seed": 5}, {}, id="a seed without shuffle"),
    pytest.param((X, Y), {"shuffle": True, "seed": 0, "batch_size": 1}, {}, id="one by one"),
    pytest.param((X, Y), {"shuffle": True, "seed": 1, "batch_size": 11}, {}, id="an epoch is one batch"),
    pytest.param((X, Y), {"shuffle": True, "seed": 1, "batch_size": 32}, {}, id="a batch larger than the set"),
    pytest.param((X, None), {"shuffle": True, "seed": 2}, {}, id="no labels"),
    pytest.param((X, None), {"seed": 2, "sample_weight": WEIGHTS}, {}, id="weights without labels are not given"),
    pytest.param((X, Y), {"shuffle": True, "seed": 2, "sample_weight": WEIGHTS}, {}, id="weights"),
    pytest.param(((X, MISC), Y), {"shuffle": True, "seed": 2}, {}, id="an array that goes along"),
    pytest.param(((X, [MISC, WEIGHTS]), None), {"seed": 2}, {}, id="arrays that go along, no labels"),
    pytest.param(([X, MISC], np.eye(2)[Y]), {"seed": 2}, {}, id="a list, one-hot labels"),
    pytest.param((X, Y), {"seed": 4, "subset": "validation"}, {"validation_split": 0.4}, id="validation"),
    pytest.param((X, Y), {"seed": 4, "subset": "training", "shuffle": True}, {"validation_split": 0.4}, id="training"),
    pytest.param(
        (X, Y), {"seed": 4, "subset": "training", "sample_weight": WEIGHTS}, {"validation_split": 0.4}, id="weights not split, by law"
    ),
    pytest.param(((X, MISC), None), {"seed": 4, "subset": "training"}, {"validation_split": 0.29}, id="a split that is cut off"),
    pytest.param((X, Y), {"seed": 4, "dtype": "float64"}, {}, id="float64"),
    pytest.param((FIRST, Y), {"seed": 4, "data_format": "channels_first"}, {"data_format": "channels_first"}, id="channels first"),
    pytest.param((X.astype(np.uint8), Y), {"seed": 4}, {"samplewise_center": True}, id="whole numbers come as floats"),
]


def pair(data: tuple[Any, Any], options: dict[str, Any], **generator: Any) -> tuple[Any, Any]:
    chosen = {"batch_size": 4, **options}
    ours = NumpyArrayIterator(*data, Wrapped(**AUGMENTED, **generator), **chosen)
    return ours, reference.NumpyArrayIterator(*data, reference.ImageDataGenerator(**AUGMENTED, **generator), **chosen)


def plain(workers: int = 1, **options: Any) -> NumpyArrayIterator:
    chosen = {"batch_size": 4, "shuffle": True, "seed": 9, **options}
    return NumpyArrayIterator(X, Y, Wrapped(**AUGMENTED), workers=workers, **chosen)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("data", "options", "generator"), EQUAL)
def test_batches_equal_keras(data: tuple[Any, Any], options: dict[str, Any], generator: dict[str, Any], workers: int) -> None:
    ours, theirs = pair(data, options, **generator)
    ours.threads = workers
    found = []
    for iterator in (ours, theirs):
        np.random.seed(77)
        batches = []
        for _ in range(2 * len(theirs) + 2):
            batch = iterator.next() if len(batches) % 2 else next(iterator)
            batches.append((batch, iterator.index_array.copy(), iterator.batch_index, iterator.total_batches_seen))
        found.append(batches)
    ours.close()
    assert len(ours) == len(theirs)
    for name in ("n", "batch_size", "shuffle", "seed"):
        assert getattr(ours, name) == getattr(theirs, name)
    for (batch, order, *counts), (their_batch, their_order, *their_counts) in zip(*found, strict=True):
        same(batch, their_batch)
        np.testing.assert_array_equal(order, their_order)
        assert counts == their_counts


@given(n=st.integers(0, 40), size=st.integers(1, 45), shuffle=st.booleans(), seed=st.integers(0, 2**31))
def test_any_order_equals_keras(n: int, size: int, shuffle: bool, seed: int) -> None:
    iterators = [drawing(base)(n, size, shuffle, seed) for base in (Iterator, reference.Iterator)]
    assert len(iterators[0]) == len(iterators[1])
    for _ in range(2 * len(iterators[0]) + 3):
        same(next(iterators[0]), next(iterators[1]))


def test_first_epoch_by_index_equals_keras() -> None:
    ours, theirs = pair((X, Y), {"shuffle": True, "seed": 6})
    for batch in range(len(theirs)):
        same(ours[batch], theirs[batch])


def test_no_set_is_no_end() -> None:
    ours, theirs = pair((X[:0], Y[:0]), {"shuffle": True, "seed": 6})
    assert len(ours) == 0
    for _ in range(2):
        same(next(ours), next(theirs))


@settings(max_examples=25)
@given(
    workers=st.integers(1, 4),
    prefetch=st.integers(0, 5),
    size=st.integers(1, 12),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    taken=st.lists(st.integers(0, 10), max_size=4),
)
def test_a_batch_depends_on_seed_epoch_and_place_alone(
    workers: int, prefetch: int, size: int, shuffle: bool, seed: int, taken: list[int]
) -> None:
    """However many threads, however far ahead, whatever is taken by index or drawn by others in between."""
    options = {"batch_size": size, "shuffle": shuffle, "seed": seed}
    one, other = plain(**options), plain(workers, prefetch=prefetch, **options)
    expected = [next(one) for _ in range(2 * len(one))]
    for place, batch in enumerate(expected):
        np.random.random(3)
        same(next(other), batch)
        for index in taken:
            there = index % len(other)
            same(other[there], expected[place // len(one) * len(one) + there])
    other.close()


def test_epochs() -> None:
    iterator, again = plain(), plain()
    count = len(iterator)
    epochs = [[next(iterator) for _ in range(count)] for _ in range(3)]
    assert iterator.epoch == 2
    for number, epoch in enumerate(epochs):  # by index, as Keras' training loop takes them, last batch first
        for place in reversed(range(count)):
            same(again[place], epoch[place])
        same(again[-1], epoch[-1])
        assert again.epoch == number
        again.on_epoch_end()
    iterator.epoch = 1
    same(next(iterator), epochs[1][0])
    iterator.reset()  # within an epoch: on to the next one
    same(next(iterator), epochs[2][0])
    iterator.epoch = 0
    iterator.reset()  # at the start of one: nothing
    same([next(iterator) for _ in range(count)], epochs[0])
    iterator.reset()
    same(next(iterator), epochs[1][0])


def test_numpy_is_left_alone_with_a_seed_and_used_without() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    next(plain(2))
    assert np.random.get_state()[1].tolist() == before
    ours, theirs = pair((X, Y), {"shuffle": True})
    for seed in (1, 2, 3):  # set between batches: none is drawn before its turn
        np.random.seed(seed)
        expected, drawn = next(theirs), np.random.random()
        np.random.seed(seed)
        ours.threads = seed
        same(next(ours), expected)
        assert np.random.random() == drawn
    ours.close()


def drawing(base: Any) -> Any:
    class Own(base):  # as people write theirs
        def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
            return index_array + np.random.random(len(index_array))

    return Own


def remixing(base: Any) -> Any:
    class Mixed(base):
        def next(self) -> Any:
            with self.lock:
                index_array = next(self.index_generator)
            pictures, labels = self._get_batches_of_transformed_samples(index_array)
            return pictures[::-1].copy(), labels[::-1].copy(), index_array

    return Mixed


@pytest.mark.parametrize("seed", [None, 8])
def test_iterators_of_ones_own(seed: int | None) -> None:
    found = []
    for base in (Iterator, reference.Iterator):
        iterator = drawing(base)(10, 3, True, seed)
        np.random.seed(4)
        found.append([next(iterator) for _ in range(9)])
    same(found[0], found[1])
    found = []
    for base, generator in ((NumpyArrayIterator, Wrapped), (reference.NumpyArrayIterator, reference.ImageDataGenerator)):
        iterator = remixing(base)(X, Y, generator(**AUGMENTED), 4, True, None, seed)
        np.random.seed(4)
        found.append([next(iterator) for _ in range(5)])
    same(found[0], found[1])


def test_samples_of_ones_own_choice() -> None:
    ours, theirs = pair((X, Y), {})
    for chosen in (np.array([3, 3, 1]), np.arange(2)):
        np.random.seed(5)
        expected = theirs._get_batches_of_transformed_samples(chosen)
        np.random.seed(5)
        same(ours._get_batches_of_transformed_samples(chosen), expected)
    with pytest.raises(NotImplementedError, match="Iterator has no _get_batches"):
        next(Iterator(3, 2, False, None))


MISTAKES = [
    pytest.param({"x": X[0], "y": None}, ValueError, r"shape \(6, 7, 3\).* 4 axes", id="one picture is no set"),
    pytest.param({"y": Y[:3]}, ValueError, "y: 3 rows for 11 pictures", id="too few labels"),
    pytest.param({"sample_weight": Y[:3]}, ValueError, "sample_weight: 3 rows for 11", id="too few weights"),
    pytest.param({"x": (X, MISC[:2])}, ValueError, "11 pictures, but array 0 .* 2 rows", id="an array that is too short"),
    pytest.param({"x": [X, MISC, MISC]}, ValueError, "a list of 3", id="a list of three"),
    pytest.param({"subset": "test"}, ValueError, "'test' is neither", id="a subset that there is not"),
    pytest.param({"subset": "training", "y": np.arange(N)}, ValueError, "don't have the same classes", id="sorted by class"),
    pytest.param({"batch_size": 0}, ValueError, "batch_size: 0 is not a whole number from 1 on", id="empty batches"),
    pytest.param({"batch_size": 2.5}, ValueError, "batch_size: 2.5", id="half a picture"),
    pytest.param({"seed": -1}, ValueError, "seed: -1 is not a whole number from 0 to", id="a seed below 0"),
    pytest.param({"workers": 0}, ValueError, "workers: 0", id="no worker"),
    pytest.param({"prefetch": -1}, ValueError, "prefetch: -1", id="backwards"),
]


@pytest.mark.parametrize(("changed", "error", "words"), MISTAKES)
def test_mistakes_are_said_in_one_line(changed: dict[str, Any], error: type[Exception], words: str) -> None:
    arguments = {"x": X, "y": Y, "image_data_generator": Wrapped(validation_split=0.4), **changed}
    with pytest.raises(error, match=words) as caught:
        NumpyArrayIterator(**arguments)
    assert "\n" not in str(caught.value)


def test_more_of_mistakes() -> None:
    iterator = plain()
    for index in (3, -4):
        with pytest.raises(ValueError, match=f"batch {index}: an epoch has 3 batches"):
            iterator[index]
    with pytest.warns(UserWarning, match="2 channels on axis 3"):
        NumpyArrayIterator(X[..., :2], Y, Wrapped())
    ignored = NumpyArrayIterator(X, np.arange(N), Wrapped(validation_split=0.4), subset="training", ignore_class_split=True)
    assert ignored.n == 7


def test_weights_are_split_with_their_pictures() -> None:
    """Keras hands a training picture the weight of a validation picture."""
    fixed = Wrapped("fixed", validation_split=0.4)
    iterator = NumpyArrayIterator(X, Y, fixed, subset="training", sample_weight=WEIGHTS, batch_size=N)
    np.testing.assert_array_equal(next(iterator)[2], WEIGHTS[4:])


class Failing(Wrapped):
    """Can't make, or can't draw, some pictures; counts those that it made."""

    def __init__(self, marks: tuple[int, ...] = (), draws: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.marks, self.draws, self.made, self.drawn = marks, draws, 0, 0

    def get_random_transform(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        self.drawn += 1
        if self.drawn - 1 in self.draws:
            raise TypeError(f"draw {self.drawn - 1}")
        return super().get_random_transform(*arguments, **options)

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        self.made += 1
        if x.flat[0] in self.marks:
            raise RuntimeError(f"picture {int(x.flat[0])}")
        return x


MARKED = np.arange(20, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 1), np.float32)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_what_goes_wrong_is_said_at_its_batch(workers: int) -> None:
    generator = Failing(marks=(9, 11, 6), draws=(17,))
    iterator = NumpyArrayIterator(MARKED, None, generator, 4, seed=1, workers=workers, prefetch=3)
    for expected in (None, "picture 6", "picture 9", None, "draw 17"):
        with pytest.raises((RuntimeError, TypeError), match=expected) if expected else contextlib.nullcontext():
            next(iterator)
        # With one worker what follows a picture that fails is not drawn.
        generator.drawn = generator.drawn if workers > 1 else iterator.batch_index * 4
    iterator.close()


def test_only_so_many_batches_are_made_ahead() -> None:
    generator = Failing()
    iterator = NumpyArrayIterator(MARKED, None, generator, 2, seed=1, workers=2, prefetch=3)
    for place in range(10):
        next(iterator)
        assert generator.drawn == 2 * min(place + 4, 10)  # and none of the next epoch
    iterator.close()
    assert generator.made == 20


def ours_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("augx-keras")]


def test_no_thread_stays() -> None:
    iterator = plain(3)
    first = next(iterator)
    assert ours_alive()
    iterator.close()
    assert not ours_alive()
    next(iterator)  # goes on all the same
    iterator.epoch = 0
    same(next(iterator), first)
    del iterator
    gc.collect()
    for thread in ours_alive():
        thread.join(20)
    assert not ours_alive()


def test_a_fork_has_threads_of_its_own() -> None:
    iterator, expected = plain(2), plain()
    same([next(iterator), next(iterator)], [next(expected), next(expected)])
    wanted = next(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forking with threads
        child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            same(next(iterator), wanted)
            status = 0
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    iterator.close()
