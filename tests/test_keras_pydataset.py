"""What Keras 3's ``fit``, ``evaluate`` and ``predict`` see of our iterators: the iterators' own batches, new ones every epoch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator as Iteration
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx.keras.arrays import NumpyArrayIterator
from augx.keras.dataframe import DataFrameIterator
from augx.keras.directory import DirectoryIterator
from augx.keras.generator import ImageDataGenerator
from augx.keras.iterators import Iterator
from augx.keras.pydataset import as_dataset, dataset
from tests.conftest import picture, write_picture

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Keras and its backends, which are not ours to mend
try:
    keras: Any = pytest.importorskip("keras")
except ModuleNotFoundError as error:  # Keras is there, its backend is not
    pytest.skip(f"Keras has no backend: {error}", allow_module_level=True)
if not hasattr(keras.utils, "PyDataset"):
    pytest.skip("Keras before 3", allow_module_level=True)

N, SIZE = 11, (6, 7)
X = np.random.default_rng(3).integers(0, 256, (N, *SIZE, 3)).astype(np.float32)
Y = np.arange(N) % 3
AUGMENTED = {"rotation_range": 30, "width_shift_range": 0.2, "horizontal_flip": True}
TAKEN = {"batch_size": 4, "seed": 9, "shuffle": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a: 5 pictures, b: 2, c: 4."""
    for label, n in {"a": 5, "b": 2, "c": 4}.items():
        for i in range(n):
            write_picture(tmp_path / label / f"{i}.png", picture(*SIZE, seed=10 * n + i))
    return tmp_path


def flow(x: Any = X, y: Any = Y, generator: dict[str, Any] = AUGMENTED, **options: Any) -> NumpyArrayIterator:
    return ImageDataGenerator(**generator).flow(x, y, **{**TAKEN, **options})


def model(outputs: int = 3, loss: str = "sparse_categorical_crossentropy") -> tuple[Any, list[Any]]:
    """A small one that is trained step by step, and the list of what it was given in ``fit`` and ``evaluate``."""
    seen: list[Any] = []

    class Watching(keras.Sequential):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            seen.append(tuple(np.asarray(keras.ops.convert_to_numpy(value)) for value in data))
            return super().train_step(data)

        def test_step(self, data: Any) -> Any:
            seen.append(tuple(np.asarray(keras.ops.convert_to_numpy(value)) for value in data))
            return super().test_step(data)

    made = Watching([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(outputs)])
    made.compile("sgd", loss, run_eagerly=True)
    return made, seen


def mirror() -> Any:
    """A model that returns what it is given."""
    return keras.Sequential([keras.layers.Identity()])


def keys(batches: Any) -> list[bytes]:
    """Batches in any order: ``fit`` shuffles it."""
    return sorted(b"".join(np.asarray(part, np.float32).tobytes() for part in batch) for batch in batches)


def epochs(iterator: Any, numbers: Any) -> Iteration[list[Any]]:
    """The iterator's own batches of these epochs."""
    for number in numbers:
        iterator.epoch = number
        yield [iterator[i] for i in range(len(iterator))]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("options", [{}, {"sample_weight": np.linspace(0.1, 1, N)}], ids=["labels", "labels and weights"])
def test_fit_sees_the_iterators_batches_new_ones_every_epoch(options: dict[str, Any], workers: int) -> None:
    watching, seen = model()
    watching.fit(flow(workers=workers, **options), epochs=3, verbose=0)
    expected = list(epochs(flow(**options), range(1, 4)))  # Keras ends an epoch before it begins the first
    assert [keys(seen[i : i + 3]) for i in (0, 3, 6)] == [keys(batches) for batches in expected]
    assert len({one.tobytes() for batch in seen for one in batch[0]}) == 3 * N


def test_a_second_run_sees_the_same() -> None:
    runs = []
    for _ in range(2):
        watching, seen = model()
        watching.fit(flow(), epochs=2, verbose=0, shuffle=False)
        runs.append([part.tobytes() for batch in seen for part in batch])
    assert runs[0] == runs[1]


def test_validation_data_are_all_seen_and_disturb_nothing() -> None:
    plain, alone = model()
    plain.fit(flow(), epochs=2, verbose=0, shuffle=False)
    watching, seen = model()
    held = X[:5] / 2
    validation = flow(held, Y[:5], generator={}, batch_size=2, shuffle=False)
    history = watching.fit(flow(), validation_data=validation, epochs=2, verbose=0, shuffle=False)
    assert len(history.history["val_loss"]) == 2
    assert [batch[0].tobytes() for batch in seen[:3] + seen[6:9]] == [batch[0].tobytes() for batch in alone]
    for found in (seen[3:6], seen[9:12]):
        np.testing.assert_array_equal(np.concatenate([batch[0] for batch in found]), held)
        np.testing.assert_array_equal(np.concatenate([batch[1].ravel() for batch in found]), Y[:5])


@pytest.mark.parametrize("workers", [1, 2])
def test_predict_is_in_order(workers: int) -> None:
    augmented = flow(y=None, shuffle=False, workers=workers)
    expected = np.concatenate(next(epochs(flow(y=None, shuffle=False), [0])))
    np.testing.assert_array_equal(mirror().predict(augmented, verbose=0), expected)


def test_evaluate_of_a_new_model_sees_every_picture_once() -> None:
    for workers in (1, 4):
        watching, seen = model()
        watching.evaluate(flow(generator={}, batch_size=1, shuffle=False, workers=workers), verbose=0)
        np.testing.assert_array_equal(np.concatenate([batch[0] for batch in seen]), X)


def test_steps_per_epoch_cuts_an_epoch_short() -> None:
    watching, seen = model()
    watching.fit(flow(batch_size=2), steps_per_epoch=3, epochs=2, verbose=0)
    assert len(seen) == 6
    assert len({one.tobytes() for batch in seen for one in batch[0]}) == sum(len(batch[0]) for batch in seen)


def test_a_generator_of_batches_goes_on_for_any_number_of_steps() -> None:
    watching, seen = model()
    watching.fit((batch for batch in flow()), steps_per_epoch=5, epochs=2, verbose=0)
    expected = [batch for found in epochs(flow(), range(4)) for batch in found][:10]
    assert keys(seen) == keys(expected)


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_keras_own_workers_change_no_batch(processes: bool) -> None:
    if processes and (sys.platform != "linux" or keras.backend.backend() == "tensorflow"):
        pytest.skip("needs processes that are forked, and TensorFlow does not live through that")
    iterator = dataset(flow(y=None, shuffle=True), workers=3, use_multiprocessing=processes, max_queue_size=2)
    found = [mirror().predict(iterator, verbose=0) for _ in range(2)]
    for result, expected in zip(found, epochs(flow(y=None), range(2)), strict=True):
        np.testing.assert_array_equal(result, np.concatenate(expected))


MODES = [("sparse", 3, "sparse_categorical_crossentropy"), ("categorical", 3, "categorical_crossentropy"), ("binary", 1, "mse")]


@pytest.mark.parametrize(("mode", "outputs", "loss"), MODES)
def test_fit_from_directory(folder: Path, mode: str, outputs: int, loss: str) -> None:
    def taken() -> DirectoryIterator:
        return ImageDataGenerator(**AUGMENTED).flow_from_directory(folder, SIZE, class_mode=mode, **TAKEN)

    watching, seen = model(outputs, loss)
    watching.fit(taken(), epochs=2, verbose=0)
    assert [keys(seen[:3]), keys(seen[3:])] == [keys(batches) for batches in epochs(taken(), (1, 2))]
    assert isinstance(taken(), DirectoryIterator)


@pytest.mark.parametrize("mode", ["input", None])
def test_pictures_without_classes_from_directory(folder: Path, mode: str | None) -> None:
    options = {"batch_size": 4, "shuffle": False, "seed": 1, "class_mode": mode}
    iterator = ImageDataGenerator(**AUGMENTED).flow_from_directory(folder, SIZE, **options)
    own = [batch[0] if mode else batch for batch in next(epochs(iterator, [2]))]
    iterator.epoch = 2
    np.testing.assert_array_equal(mirror().predict(iterator, verbose=0), np.concatenate(own))
    if mode:
        autoencoder = keras.Sequential([keras.layers.Conv2D(3, 1)])
        autoencoder.compile("sgd", "mse")
        assert np.isfinite(autoencoder.evaluate(iterator, verbose=0))


@pytest.mark.parametrize(("mode", "outputs", "loss"), [*MODES[:2], ("raw", 1, "mse")])
def test_fit_from_dataframe(folder: Path, mode: str, outputs: int, loss: str) -> None:
    pandas = pytest.importorskip("pandas")
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.png"))
    frame = pandas.DataFrame({"filename": names, "class": [n[0] for n in names], "weight": np.linspace(0.1, 1, N), "number": Y * 0.5})

    def taken() -> DataFrameIterator:
        columns = {"y_col": "number" if mode == "raw" else "class", "weight_col": "weight", "class_mode": mode}
        return ImageDataGenerator(**AUGMENTED).flow_from_dataframe(frame, folder, target_size=SIZE, **columns, **TAKEN)

    watching, seen = model(outputs, loss)
    watching.fit(taken(), epochs=2, verbose=0)
    assert [keys(seen[:3]), keys(seen[3:])] == [keys(batches) for batches in epochs(taken(), (1, 2))]


def test_several_outputs_from_a_dataframe(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.png"))
    frame = pandas.DataFrame({"filename": names, "one": np.arange(N) * 0.1, "two": np.arange(N) * -0.2})
    columns = {"y_col": ["one", "two"], "class_mode": "multi_output", "batch_size": 4}
    iterator = ImageDataGenerator(rescale=1 / 255).flow_from_dataframe(frame, folder, target_size=SIZE, **columns)
    given = keras.Input((*SIZE, 3))
    flat = keras.layers.GlobalAveragePooling2D()(given)
    both = keras.Model(given, [keras.layers.Dense(1)(flat), keras.layers.Dense(1)(flat)])
    both.compile("sgd", ["mse", "mse"])
    assert np.isfinite(both.fit(iterator, epochs=2, verbose=0).history["loss"]).all()


def test_arrays_that_go_along() -> None:
    given, along = keras.Input((*SIZE, 3)), keras.Input((1,))
    joined = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(given), along])
    both = keras.Model([given, along], keras.layers.Dense(1)(joined))
    both.compile("sgd", "mse")
    data = X / 255, np.arange(N, dtype=np.float32)[:, None]
    assert np.isfinite(both.fit(flow(data), epochs=2, verbose=0).history["loss"]).all()
    second = keras.Model([given, along], keras.layers.Identity()(along))
    assert second.predict(flow(data, None, shuffle=False), verbose=0).ravel().tolist() == list(range(N))
    assert isinstance(next(flow(data))[0], list) and isinstance(flow(data)[0][0], tuple)


def test_an_iterator_is_still_one() -> None:
    iterator = flow(workers=2)
    assert isinstance(iterator, keras.utils.PyDataset) and isinstance(iterator, NumpyArrayIterator)
    assert type(iterator) is type(flow()) and type(iterator).__name__ == "NumpyArrayIterator"
    assert len(iterator) == iterator.num_batches == 3 and iter(iterator) is iterator
    plain = NumpyArrayIterator(X, Y, ImageDataGenerator(**AUGMENTED), **TAKEN)
    assert keys(next(iterator) for _ in range(7)) == keys(next(plain) for _ in range(7))
    assert keys([iterator[-1]]) == keys([plain[-1]])
    assert iterator.threads == 2 and iterator.workers == 1  # type: ignore[attr-defined]
    assert dataset(iterator, workers=5) is iterator and iterator.threads == 2 and iterator.workers == 5  # type: ignore[attr-defined]
    for one in (iterator, plain):
        one.on_epoch_end()
    assert keys([next(iterator)]) == keys([next(plain)])


def test_iterators_made_by_hand() -> None:
    plain = NumpyArrayIterator(X, Y, ImageDataGenerator())
    assert not isinstance(plain, keras.utils.PyDataset)
    assert dataset(plain) is plain and isinstance(plain, keras.utils.PyDataset) and plain.threads == 1


def test_a_class_of_ones_own() -> None:
    class Numbers(Iterator):
        def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
            return np.asarray(index_array, np.float32)[:, None]

    iterator = as_dataset(as_dataset(Numbers(5, 2, False, None)))
    assert mirror().predict(iterator, verbose=0).ravel().tolist() == [0, 1, 2, 3, 4]
    assert isinstance(iterator, Numbers)


def test_refusals() -> None:
    with pytest.raises(TypeError, match="list is no iterator of augx"):
        dataset([])  # type: ignore[type-var]
    with pytest.raises(ValueError, match="workers: 0 is not a whole number from 1"):
        dataset(flow(), workers=0)
    with pytest.raises(ValueError, match="give the iterator a seed"):
        dataset(flow(seed=None), use_multiprocessing=True)


LATE = """
import sys
import numpy as np
from augx.keras import ImageDataGenerator, NumpyArrayIterator
from augx.keras import dataset
it = ImageDataGenerator().flow(np.zeros((3, 4, 4, 3)), batch_size=2, workers=2)
assert type(it) is NumpyArrayIterator and len(it) == 2 and next(it).shape == (2, 4, 4, 3)
assert "keras" not in sys.modules
import keras
assert not isinstance(it, keras.utils.PyDataset) and isinstance(dataset(it), keras.utils.PyDataset) and it.threads == 2
assert type(it) is type(ImageDataGenerator().flow(np.zeros((3, 4, 4, 3))))
assert keras.Sequential([keras.layers.Identity()]).predict(it, verbose=0).shape == (3, 4, 4, 3)
"""
WITHOUT = """
import sys
sys.modules["keras"] = None
import numpy as np
from augx.keras import ImageDataGenerator, NumpyArrayIterator
from augx.keras.pydataset import dataset
it = ImageDataGenerator().flow(np.zeros((3, 4, 4, 3)), batch_size=2)
assert type(it) is NumpyArrayIterator and next(it).shape == (2, 4, 4, 3)
try:
    dataset(it)
except ImportError as error:
    assert "pip install keras" in str(error)
else:
    raise AssertionError
"""


@pytest.mark.parametrize("code", [LATE, WITHOUT], ids=["keras is imported after the iterator is made", "no keras"])
def test_in_a_fresh_interpreter(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr
