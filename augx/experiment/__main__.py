"""The tutorial's ``train.py``, written anew in Keras 3: ``python -m augx.experiment --dataset DIR --augment 1 --plot plot.png``.

It splits by picture, as the tutorial does, and says so where that is a leak; ``augx experiment`` splits by source.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from augx.errors import AugxError, PlanError, printable
from augx.experiment.backend import pick_backend, start_keras
from augx.experiment.data import Data, read_data
from augx.experiment.feeds import scaled
from augx.experiment.settings import Settings

SIZE, BATCH, EPOCHS, RATE, SEED = 64, 8, 50, 0.1, 42
_RANGES: dict[str, Any] = {
    "rotation_range": 20,
    "zoom_range": 0.15,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.15,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and report; the exit status."""
    parser = argparse.ArgumentParser("python -m augx.experiment", description="The tutorial's train.py: 64x64, a ResNet, 75/25 by picture.")
    parser.add_argument("-d", "--dataset", required=True, help="pictures in class folders")
    parser.add_argument("-a", "--augment", type=int, default=-1, help="above 0: augment in place, while training")
    parser.add_argument("-p", "--plot", default="plot.png", help="where the curves go")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="[default: 50]")
    options = parser.parse_args(arguments)
    try:
        _train(options.dataset, options.augment > 0, options.plot, options.epochs)
    except AugxError as error:
        print(f"augx: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    return 0


def _train(dataset: str, augment: bool, plot: str, epochs: int) -> None:
    if epochs < 1:
        raise PlanError(f"--epochs {epochs}: expected at least 1")
    if not os.path.isdir(os.path.dirname(plot) or "."):
        raise PlanError(f"--plot {printable(plot)}: there is no such folder; make it first")
    backend = pick_backend()
    print("[INFO] loading images...")
    data = _loaded(dataset)
    start_keras(backend, SEED)
    import keras
    from sklearn.metrics import classification_report
    from sklearn.model_selection import train_test_split

    from augx.experiment.models import resnet
    from augx.keras import ImageDataGenerator

    images, labels = scaled(data.all.images), keras.utils.to_categorical(data.all.labels, len(data.classes))
    train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=0.25, random_state=SEED)
    generator = ImageDataGenerator()
    if augment:
        print("[INFO] performing 'on the fly' data augmentation")
        generator = ImageDataGenerator(**_RANGES, horizontal_flip=True, fill_mode="nearest")
    print("[INFO] compiling model...")
    # Keras 2's decay: rate / (1 + decay * step).
    rate = keras.optimizers.schedules.InverseTimeDecay(RATE, 1, RATE / epochs)
    model = resnet(SIZE, len(data.classes))
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    print(f"[INFO] training network for {epochs} epochs...")
    flow = generator.flow(train_x, train_y, batch_size=BATCH, seed=SEED)
    steps = max(1, len(train_x) // BATCH)
    history: dict[str, list[float]] = {name: [] for name in ("train_loss", "val_loss", "train_acc", "val_acc")}
    for epoch in range(1, epochs + 1):
        trained = np.mean([_step(model, *next(flow)) for _ in range(steps)], axis=0)
        tested = model.evaluate(test_x, test_y, batch_size=BATCH, verbose=0)
        for name, value in zip(history, (trained[0], tested[0], trained[1], tested[1]), strict=True):
            history[name].append(float(value))
        said = ", ".join(f"{name} {values[-1]:.4f}" for name, values in history.items())
        print(f"Epoch {epoch}/{epochs}: {said}", flush=True)
    print("[INFO] evaluating network...")
    predicted = model.predict(test_x, batch_size=BATCH, verbose=0).argmax(axis=1)
    names, numbers = list(data.classes), range(len(data.classes))
    print(classification_report(test_y.argmax(axis=1), predicted, labels=numbers, target_names=names, zero_division=0))
    _plot(history, plot)


def _loaded(dataset: str) -> Data:
    """The pictures, and a word about what they can't show. Raises ``PlanError``."""
    data = read_data(Settings(dataset, (), size=SIZE, leak=True))
    for note in data.notes:
        print(f"augx: {note}", file=sys.stderr)
    if data.siblings:
        print("augx: the test pictures are siblings of training pictures, made of the same sources: a leak, and the accuracy below means "
              "nothing; augx experiment --dataset-is-expanded shows what is left of it", file=sys.stderr)  # fmt: skip
    found, least = len(data.all.labels), 2 * BATCH
    if found < least:
        raise PlanError(f"--dataset {printable(dataset)}: {found} pictures; the tutorial's batches of {BATCH} need {least} or more")
    return data


def _step(model: object, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    model.reset_metrics()  # type: ignore[attr-defined]
    loss, accuracy = model.train_on_batch(images, labels)  # type: ignore[attr-defined]
    return float(loss), float(accuracy)


def _plot(history: Mapping[str, Sequence[float]], path: str) -> None:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from augx.files import open_folder, write_whole

    with style.context("ggplot"):
        figure = Figure()
        axes = figure.subplots()
        for name, values in history.items():
            axes.plot(range(len(values)), values, label=name)
        axes.set(title="Training Loss and Accuracy on Dataset", xlabel="Epoch #", ylabel="Loss/Accuracy")
        axes.legend(loc="lower left")
        drawn = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(drawn, format="png")
    folder, name = os.path.split(path)
    with open_folder(folder or ".", "") as descriptor:
        write_whole(descriptor, name, drawn.getvalue())


if __name__ == "__main__":
    sys.exit(main())
