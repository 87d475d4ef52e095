"""The tutorial's ``train.py``, written anew in Keras 3: ``python -m augx.experiment --dataset DIR --augment 1 --plot plot.png``.

It splits by picture, as the tutorial does, and says so where that is a leak; ``augx experiment`` splits by source.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from augx.errors import AugxError, PlanError, printable

# All else is imported within what is guarded: so Ctrl-C gets its one line there, too.
if TYPE_CHECKING:
    import numpy as np

    from augx.experiment.data import Data

SIZE, BATCH, EPOCHS, RATE, SEED = 64, 8, 50, 0.1, 42
_RANGES: dict[str, Any] = {
    "rotation_range": 20,
    "zoom_range": 0.15,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.15,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as of every other command."""
        self.exit(2, f"augx: {message}; see `{self.prog} --help`\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and report; the exit status."""
    parser = _Parser("python -m augx.experiment", description="The tutorial's train.py: 64x64, a ResNet, 75/25 by picture.")
    parser.add_argument("-d", "--dataset", required=True, help="pictures in class folders")
    parser.add_argument("-a", "--augment", type=int, default=-1, help="above 0: augment in place, while training")
    parser.add_argument("-p", "--plot", default="plot.png", help="where the curves go")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="[default: 50]")
    options = parser.parse_args(arguments)
    return _guarded(lambda: _train(options.dataset, options.augment > 0, options.plot, options.epochs))


def _guarded(work: Callable[[], None]) -> int:
    """The exit status; whatever happens, the user reads one line and no traceback."""
    try:
        work()
    except AugxError as error:
        _warn(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        _warn("stopped; nothing was written")
        return 130
    except Exception as error:  # the last line of defence, as in augx/cli.py
        if os.environ.get("AUGX_DEBUG"):
            raise
        if isinstance(error, OSError):
            _warn(f"the system says: {error.strerror or error}" + (f" {error.filename!r}" if error.filename else ""))
        else:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            _warn(f"unexpected error: {text} (a bug: please report it; AUGX_DEBUG=1 shows where)")
        return 1
    return 0


def _say(text: str) -> None:
    """To standard output; a reader that has gone away (``| head``) does not stop the training."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains at its end, in its own way
        if error.errno not in (errno.EPIPE, errno.EBADF):
            raise


def _warn(text: str) -> None:
    """On standard error, if that takes it."""
    with contextlib.suppress(OSError):
        print(f"augx: {printable(text)}", file=sys.stderr, flush=True)


def _check(dataset: str, plot: str, epochs: int) -> None:
    """What would be in the way after the last epoch is said before the first. Raises ``PlanError``."""
    if not dataset:
        raise PlanError("--dataset is empty; name a folder of class folders")
    if epochs < 1:
        raise PlanError(f"--epochs {epochs}: expected at least 1")
    if not plot:
        raise PlanError("--plot is empty; name a file, such as plot.png")
    where, folder = f"--plot {printable(plot)}", os.path.dirname(plot) or "."
    if os.path.isdir(plot):
        raise PlanError(f"{where}: a folder; name a file in it, such as {printable(os.path.join(plot, 'plot.png'))}")
    if not os.path.isdir(folder):
        raise PlanError(f"{where}: there is no such folder; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PlanError(f"{where}: can't write in that folder; choose another one")


def _train(dataset: str, augment: bool, plot: str, epochs: int) -> None:
    _check(dataset, plot, epochs)
    import numpy as np

    from augx.experiment.backend import pick_backend, start_keras
    from augx.experiment.feeds import scaled

    backend = pick_backend()
    _say("[INFO] loading images...")
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
        _say("[INFO] performing 'on the fly' data augmentation")
        generator = ImageDataGenerator(**_RANGES, horizontal_flip=True, fill_mode="nearest")
    _say("[INFO] compiling model...")
    # Keras 2's decay: rate / (1 + decay * step).
    rate = keras.optimizers.schedules.InverseTimeDecay(RATE, 1, RATE / epochs)
    model = resnet(SIZE, len(data.classes))
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    _say(f"[INFO] training network for {epochs} epochs...")
    flow = generator.flow(train_x, train_y, batch_size=BATCH, seed=SEED)
    steps = max(1, len(train_x) // BATCH)
    history: dict[str, list[float]] = {name: [] for name in ("train_loss", "val_loss", "train_acc", "val_acc")}
    for epoch in range(1, epochs + 1):
        trained = np.mean([_step(model, *next(flow)) for _ in range(steps)], axis=0)
        tested = model.evaluate(test_x, test_y, batch_size=BATCH, verbose=0)
        for name, value in zip(history, (trained[0], tested[0], trained[1], tested[1]), strict=True):
            history[name].append(float(value))
        said = ", ".join(f"{name} {values[-1]:.4f}" for name, values in history.items())
        _say(f"Epoch {epoch}/{epochs}: {said}")
    _say("[INFO] evaluating network...")
    predicted = model.predict(test_x, batch_size=BATCH, verbose=0).argmax(axis=1)
    names, numbers = [printable(name) for name in data.classes], range(len(data.classes))
    _say(classification_report(test_y.argmax(axis=1), predicted, labels=numbers, target_names=names, zero_division=0))
    _plot(history, plot)
    _say(f"[INFO] plot: {printable(plot)}")


def _loaded(dataset: str) -> Data:
    """The pictures, and a word about what they can't show. Raises ``PlanError``."""
    from augx.experiment.data import read_data
    from augx.experiment.settings import Settings

    data = read_data(Settings(dataset, (), size=SIZE, leak=True))
    for note in data.notes:
        _warn(note)
    if data.siblings:
        _warn(
            "the test pictures are siblings of training pictures, made of the same sources: a leak, and the accuracy below means "
            "nothing; augx experiment --dataset-is-expanded shows what is left of it"
        )
    found, least = len(data.all.labels), 2 * BATCH
    if found < least:
        raise PlanError(f"--dataset {printable(dataset)}: {found} pictures; the tutorial's batches of {BATCH} need {least} or more")
    return data


def _step(model: object, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    model.reset_metrics()  # type: ignore[attr-defined]
    loss, accuracy = model.train_on_batch(images, labels)  # type: ignore[attr-defined]
    return float(loss), float(accuracy)


def _plot(history: Mapping[str, Sequence[float]], path: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from augx.experiment.curves import plain_drawing, whole_ticks
    from augx.files import open_folder, write_whole

    with plain_drawing("ggplot"):
        figure = Figure()
        axes = figure.subplots()
        for name, values in history.items():
            axes.plot(range(len(values)), values, marker="o" if len(values) == 1 else "", label=name)
        whole_ticks(axes)
        axes.set(title="Training Loss and Accuracy on Dataset", xlabel="Epoch #", ylabel="Loss/Accuracy")
        axes.legend(loc="lower left")
        drawn = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(drawn, format="png")
    folder, name = os.path.split(path)
    with open_folder(folder or ".", "") as descriptor:
        write_whole(descriptor, name, drawn.getvalue())


if __name__ == "__main__":
    sys.exit(main())
