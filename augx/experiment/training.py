"""One training: a model, its batches, as many steps as it is told to take; what came of it as plain numbers."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from augx.errors import AugxError
from augx.experiment.data import Part, Parts
from augx.experiment.feeds import Batch, scaled
from augx.experiment.models import Model
from augx.experiment.settings import Run
from augx.pictures import Array

_CHUNK = 256
_MOST = 2000  # training pictures that are looked at again at the end
_CURE = "look at what it is trained on by augx preview, or take a smaller --learning-rate"
OnEpoch = Callable[[int, dict[str, float]], None]
Outcome = dict[str, Any]


class TrainingError(AugxError):
    """A training that can't go on: its loss is no number any more."""

    exit_status = 1


def train(run: Run, model: Model, batches: Iterator[Batch], parts: Parts, epochs: int, steps: int, on_epoch: OnEpoch) -> Outcome:
    """``epochs`` times ``steps`` gradient steps, then the test part, once. Raises ``TrainingError`` with the arm's name.

    The outcome, JSON-plain: ``accuracy`` on the test part, ``train``, ``val`` (accuracy of the training pictures as they are, and of
    the validation part), ``history`` by epoch, ``confusion`` (row: the class, column: what was said), ``initial`` (a hash of the
    weights before the first step), ``pictures`` of each part, ``seconds``.
    """
    began = time.monotonic()
    outcome: Outcome = {"initial": weights_hash(model), "steps": epochs * steps}
    history: dict[str, list[float]] = {name: [] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    for epoch in range(1, epochs + 1):
        seen, sums = 0, {"loss": 0.0, "accuracy": 0.0}
        for step in range(1, steps + 1):
            images, labels = next(batches)
            model.reset_metrics()
            logs = model.train_on_batch(images, labels, return_dict=True)
            seen += len(labels)
            for name in sums:
                sums[name] += float(logs[name]) * len(labels)
            if not math.isfinite(sums["loss"]):
                raise TrainingError(f"arm {run}: the loss is {float(logs['loss'])} in epoch {epoch}, step {step}; {_CURE}")
        val_loss, val_accuracy, _ = evaluate(model, parts.val)
        if not math.isfinite(val_loss):
            raise TrainingError(f"arm {run}: after epoch {epoch} the loss on the validation part is {val_loss}; {_CURE}")
        now = {**{name: total / seen for name, total in sums.items()}, "val_loss": val_loss, "val_accuracy": val_accuracy}
        for name, value in now.items():
            history[name].append(round(value, 6))
        on_epoch(epoch, now)
    every = -(-len(parts.train.labels) // _MOST)
    again = parts.train.chosen(range(0, len(parts.train.labels), every))
    loss, accuracy, said = evaluate(model, parts.test)
    if not math.isfinite(loss):
        raise TrainingError(f"arm {run}: the loss on the test part is {loss}; {_CURE}")
    classes = model.output_shape[1]
    outcome |= {
        "accuracy": accuracy,
        "train": evaluate(model, again)[1],
        "val": history["val_accuracy"][-1],
        "history": history,
        "confusion": confusion(parts.test.labels, said, classes).tolist(),
        "pictures": {"train": len(parts.train.labels), "val": len(parts.val.labels), "test": len(parts.test.labels)},
        "seconds": round(time.monotonic() - began, 2),
    }
    return outcome


def evaluate(model: Model, part: Part) -> tuple[float, float, Array]:
    """Mean cross-entropy, accuracy, and the class that the model says (n,), of pictures as they are."""
    found = [model.predict_on_batch(scaled(part.images[i : i + _CHUNK])) for i in range(0, len(part.labels), _CHUNK)]
    shares = np.concatenate([np.asarray(chunk, np.float64) for chunk in found])
    own = shares[np.arange(len(shares)), part.labels]
    said: Array = shares.argmax(axis=1)
    return float(-np.log(np.clip(own, 1e-7, 1)).mean()), float((said == part.labels).mean()), said


def confusion(labels: Array, said: Array, classes: int) -> Array:
    """(classes, classes) int64: row, what a picture is, column, what was said."""
    counts: Array = np.bincount(labels * classes + said, minlength=classes * classes).reshape(classes, classes)
    return counts


def weights_hash(model: Model) -> str:
    """A hash of all weights, which shows that arms began alike."""
    import keras

    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight.value)).tobytes())
    return digest.hexdigest()[:16]
