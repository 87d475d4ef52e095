"""``augx.tf``: the batches of ``iter_batches`` as a ``tf.data.Dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx.batches import iter_batches
from tests.conftest import picture, write_picture

tensorflow = pytest.importorskip("tensorflow")

from augx.tf import dataset  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """cats: 5 pictures, dogs: 2; all 20x16."""
    for label, n in {"cats": 5, "dogs": 2}.items():
        for i in range(n):
            write_picture(tmp_path / "photos" / label / f"{i}.png", picture(16, 20, seed=10 * n + i))
    return tmp_path / "photos"


def equal(found: Any, wanted: Any) -> None:
    pairs = [(images.numpy(), labels.numpy()) for images, labels in found]
    wanted = list(wanted)
    assert len(pairs) == len(wanted) > 0
    for (a, b), (c, d) in zip(pairs, wanted, strict=True):
        assert a.dtype == c.dtype and np.array_equal(a, c)
        assert np.array_equal([x.decode() for x in b] if b.dtype == object else b, d)


@pytest.mark.parametrize("labels", ["index", "name", "one_hot"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_it_has_the_batches_of_iter_batches(folder: Path, labels: Any, dtype: Any) -> None:
    options = {"batch_size": 3, "labels": labels, "dtype": dtype, "size": (10, 8), "balance": True}
    equal(dataset(folder, "strong", epoch=2, epochs=2, **options), iter_batches(folder, "strong", epoch=2, epochs=2, **options))


def test_each_pass_has_epochs_of_its_own(folder: Path) -> None:
    data = dataset(folder, "gentle", batch_size=4, epoch=1)
    for epoch in (1, 2, 3):
        equal(data, iter_batches(folder, "gentle", batch_size=4, epoch=epoch))


@pytest.mark.parametrize(("drop_last", "batch"), [(False, None), (True, 3)])
def test_shapes_are_static(folder: Path, drop_last: bool, batch: int | None) -> None:
    data = dataset(folder, "gentle", batch_size=3, drop_last=drop_last, labels="one_hot", channels="first", size=(10, 8))
    images, labels = data.element_spec
    assert images.shape.as_list() == [batch, 3, 8, 10] and labels.shape.as_list() == [batch, 2]
    assert int(data.cardinality()) == (2 if drop_last else 3)


def test_without_end_and_with_pictures_left_out(folder: Path) -> None:
    data = dataset(folder, "gentle", batch_size=4, epochs=None)
    assert int(data.cardinality()) == tensorflow.data.INFINITE_CARDINALITY
    equal(data.take(5), [iter_batches(folder, "gentle", batch_size=4).batch(*divmod(i, 2)) for i in range(5)])
    (folder / "cats" / "1.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="left out"):
        assert sum(len(images) for images, _ in dataset(folder, "gentle", batch_size=4, drop_last=False, on_error="skip")) == 6


def test_keras_trains_on_it(folder: Path) -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(dataset(folder, "gentle", batch_size=4, dtype="float32"), epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
