"""Iterators that Keras 3 takes in ``fit``, ``evaluate`` and ``predict``: they become a ``keras.utils.PyDataset`` as well.

Keras asks ``isinstance(x, PyDataset)``. Importing it costs seconds, so an iterator joins it when it is made, if Keras is imported
by then; later by ``dataset``. Keras takes batches by their index, and calls ``on_epoch_end`` after each pass; newer ones (3.15,
not 3.3) also before the first.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import Any, TypeVar

from augx.keras.iterators import Iterator, _whole

Kind = TypeVar("Kind", bound=Iterator)


def as_dataset(iterator: Kind) -> Kind:
    """The same object, now a ``PyDataset`` too; unchanged where Keras is not imported. It keeps its type's name and parents."""
    pydataset = _pydataset()
    if pydataset is not None:
        _join(iterator, pydataset)
    return iterator


def dataset(iterator: Kind, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> Kind:
    """The same iterator as a ``keras.utils.PyDataset``; what ``flow`` and its like return after ``import keras`` is one already.

    The other arguments are ``PyDataset``'s: threads or processes of Keras' that hold ``max_queue_size`` batches ready. With a
    seed they change no batch. But Keras (3.15) gives the batches that a pass left in its queue to the next one: an ``evaluate``
    of a new model then sees some twice and others never. The threads that ``flow(workers=...)`` has do not do that.

    ``ImportError`` without Keras 3, ``TypeError`` for what is no ``augx.keras`` iterator, ``ValueError`` for counts below 1 and
    for processes without a seed: every one would draw the same numbers.
    """
    if not isinstance(iterator, Iterator):
        raise TypeError(f"dataset: {type(iterator).__name__} is no iterator of augx.keras; give what flow or flow_from_... returns")
    settings = _whole("workers", workers, 1, None), bool(use_multiprocessing), _whole("max_queue_size", max_queue_size, 1, None)
    if use_multiprocessing and iterator.seed is None:
        raise ValueError("use_multiprocessing: every process would draw the same numbers; give the iterator a seed")
    try:
        keras = importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise  # Keras is there, its backend is not, and Keras says which
        raise ImportError("dataset: needs Keras 3, which is not installed; pip install keras") from None
    pydataset = _pydataset()
    if pydataset is None:
        raise ImportError(f"dataset: keras {getattr(keras, '__version__', '?')} has no utils.PyDataset; pip install 'keras>=3'")
    _join(iterator, pydataset)
    pydataset.__init__(iterator, *settings)
    return iterator


def _pydataset() -> Any:
    """Keras' class, if Keras is imported and has it; else None."""
    found = getattr(getattr(sys.modules.get("keras"), "utils", None), "PyDataset", None)
    return found if isinstance(found, type) else None


def _join(iterator: Iterator, pydataset: Any) -> None:
    if not isinstance(iterator, pydataset):
        iterator.__class__ = _joined(type(iterator), pydataset)  # type: ignore[arg-type]  # both are plain classes
        pydataset.__init__(iterator)


@cache
def _joined(kind: Any, pydataset: type) -> Any:
    """The iterator's methods go before Keras'; what only ``PyDataset`` has is added."""

    def batch(self: Any, idx: int) -> Any:
        # TensorFlow takes no lists, and Keras takes a list for (pictures, labels).
        found = kind.__getitem__(self, idx)
        if isinstance(found, list):
            return (tuple(found),)
        return tuple(tuple(part) if isinstance(part, list) else part for part in found) if isinstance(found, tuple) else found

    likeness: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind, pydataset), {**likeness, "__getitem__": batch})
