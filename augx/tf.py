"""TensorFlow's ``tf.data.Dataset`` over augmented batches: those of ``iter_batches``, with static shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

try:
    import tensorflow  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError as error:
    raise ImportError(f"augx.tf needs TensorFlow ({error}): pip install 'augx-cli[tf]'") from error

from augx.batches import Batch, iter_batches
from augx.pictures import AnySource, AnySpec


def dataset(source: AnySource, spec: AnySpec = "tutorial", *, epoch: int = 0, epochs: int | None = 1, **options: Any) -> Any:
    """A ``tf.data.Dataset`` of (images, labels); ``options`` are those of ``iter_batches``.

    The first pass over it has the epochs from ``epoch`` on, as many as ``epochs``, and each further pass the next ones: so
    ``model.fit(dataset(...), epochs=10)`` sees new pictures in each epoch, and so does who only takes a look at it use one up.
    Pictures' shape is that of the first one; the batches' is ``batch_size`` with ``drop_last=True``, else open. Labels by name are
    strings. ``epochs=None`` never ends: ``fit`` then needs ``steps_per_epoch``.
    """
    batches = iter_batches(source, spec, epoch=epoch, epochs=epochs, **options)
    skips = options.get("on_error") == "skip"
    images, labels = batches.batch(epoch, 0)
    size = options.get("batch_size", 32) if options.get("drop_last") and not skips else None
    names = labels.dtype.kind == "U"
    signature = (
        tensorflow.TensorSpec((size, *images.shape[1:]), images.dtype.name),
        tensorflow.TensorSpec((size, *labels.shape[1:]), "string" if names else labels.dtype.name),
    )
    passes = itertools.count()

    def one_pass() -> Iterator[Batch]:
        with batches.of_epoch(epoch + next(passes) * (epochs or 0), epochs) as found:
            for pictures, indices in found:
                yield pictures, indices.astype(object) if names else indices

    made = tensorflow.data.Dataset.from_generator(one_pass, output_signature=signature)
    if skips:
        return made  # how many batches there will be is not known
    many = tensorflow.data.INFINITE_CARDINALITY if epochs is None else len(batches) * epochs
    return made.apply(tensorflow.data.experimental.assert_cardinality(many))
