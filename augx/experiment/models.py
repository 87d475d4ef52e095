"""The classifiers of an experiment, in Keras 3: pictures (n, size, size, 3) from 0 to 1 -> probabilities (n, classes)."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from augx.errors import PlanError, printable
from augx.wording import nearest

Model = Any
_EPSILON, _MOMENTUM = 2e-5, 0.9
_ARRIVED = 10  # averages of so few steps are worth little, and of 0.9 ** steps of where they began nothing is left
_ROUNDING = 1e-3
_SAID = 300  # characters of a library's own words


def build_model(name: str, size: int, classes: int, steps: int) -> Model:
    """``resnet``, ``small-cnn`` or ``PATH:FUNCTION``, a function of (input shape, classes) in a file. Raises ``PlanError``.

    Weights come from Keras' random state, so the same seed just before gives the same ones. ``steps``: gradient steps that it will take.
    """
    if name in _MODELS:
        # Moving averages that have not arrived after the last step would make of a model that has learnt one that guesses.
        return _MODELS[name](size, classes, momentum=min(_MOMENTUM, max(0.0, 1 - _ARRIVED / steps)))
    path, colon, function = name.rpartition(":")
    if not colon:
        raise PlanError(f"--model {printable(name)}: no such model{nearest(name, _MODELS)}; take {', '.join(_MODELS)} or PATH:FUNCTION")
    shape = (size, size, 3)
    made = _of_file(path, function)
    called = f"--model {printable(name)}: called with ({shape}, {classes}), it"
    with _foreign_code(f"{called} raised"):
        model = made(shape, classes)
    wanted = f"expected a Keras model of pictures (None, {size}, {size}, 3) with an output of (None, {classes}), probabilities"
    if getattr(model, "output_shape", None) != (None, classes):
        raise PlanError(f"{called} returned {printable(str(getattr(model, 'output_shape', type(model).__name__)))}; {wanted}")
    with _foreign_code(f"{called} returned a model that takes no such pictures ({wanted}):"):
        shares = np.asarray(model.predict_on_batch(np.full((1, *shape), 0.5, np.float32)), np.float64)
    # What is not finite is told by its loss, with the arm.
    if np.isfinite(shares).all() and ((shares < 0).any() or abs(shares.sum() - 1) > _ROUNDING):
        raise PlanError(f"{called} returned a model whose outputs add up to {shares.sum():.3g}, not to 1; {wanted}: end it in a softmax")
    return model


@contextlib.contextmanager
def _foreign_code(what: str) -> Iterator[None]:
    """The user's code: its mistakes are told as such, in one line, and what it prints is no result of ours."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise PlanError(f"{what} {type(error).__name__}: {printable(said[:_SAID])}") from None


def _of_file(path: str, function: str) -> Callable[..., Model]:
    if not os.path.isfile(path):
        raise PlanError(f"--model {printable(path)}: no such file; write PATH:FUNCTION, such as model.py:build")
    spec = importlib.util.spec_from_file_location("augx_experiment_model", path)
    if spec is None or spec.loader is None:
        raise PlanError(f"--model {printable(path)}: not a Python file; write PATH:FUNCTION, such as model.py:build")
    module = importlib.util.module_from_spec(spec)
    with _foreign_code(f"--model {printable(path)}: can't be run:"):
        spec.loader.exec_module(module)
    found = getattr(module, function, None)
    if not callable(found):
        raise PlanError(f"--model {printable(path)}: has no function {printable(function)}; it must take (input shape, classes)")
    return found  # type: ignore[no-any-return]


def _start(size: int) -> tuple[Any, Any, dict[str, Any]]:
    """Input, the first tensor, and where its channels are: on torch's CPU, channels first takes two thirds of the time."""
    import keras

    shown = keras.Input((size, size, 3))
    if keras.config.backend() == "torch":
        return shown, keras.layers.Permute((3, 1, 2))(shown), {"data_format": "channels_first"}
    return shown, shown, {"data_format": "channels_last"}


def _axis(form: dict[str, Any]) -> int:
    return 1 if form["data_format"] == "channels_first" else -1


def small_cnn(size: int, classes: int, filters: Sequence[int] = (32, 64, 128, 256), momentum: float = _MOMENTUM) -> Model:
    """Four convolutions, each but the last halved: 0.4 million weights with these ``filters``. Above 40 pixels the first has stride 2."""
    import keras
    from keras import layers

    shown, x, form = _start(size)
    for number, n in enumerate(filters):
        stem = number == 0 and size > 40
        x = layers.Conv2D(n, 5 if stem else 3, 2 if stem else 1, padding="same", use_bias=False, **form)(x)
        if number < len(filters) - 1:
            x = layers.MaxPooling2D(2, padding="same", **form)(x)  # before the next two, which then have a quarter to do
        x = layers.BatchNormalization(axis=_axis(form), momentum=momentum)(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D(**form)(x)
    return keras.Model(shown, layers.Dense(classes, activation="softmax")(x), name="small_cnn")


def resnet(
    size: int,
    classes: int,
    stages: Sequence[int] = (2, 3, 4),
    filters: Sequence[int] = (32, 64, 128, 256),
    decay: float = 1e-4,
    momentum: float = _MOMENTUM,
) -> Model:
    """The tutorial's ResNet: bottleneck modules with normalisation before each convolution, ``filters[0]`` for the first one."""
    import keras
    from keras import layers

    shown, x, form = _start(size)

    def conv(x: Any, n: int, side: int, stride: int = 1) -> Any:
        regular = keras.regularizers.L2(decay)
        return layers.Conv2D(n, side, stride, padding="same", use_bias=False, kernel_regularizer=regular, **form)(x)

    def normal(x: Any) -> Any:
        return layers.BatchNormalization(axis=_axis(form), epsilon=_EPSILON, momentum=momentum)(x)

    def module(x: Any, n: int, stride: int, first: bool) -> Any:
        before = layers.ReLU()(normal(x))
        inner = layers.ReLU()(normal(conv(before, n // 4, 1)))
        inner = layers.ReLU()(normal(conv(inner, n // 4, 3, stride)))
        return layers.Add()([conv(inner, n, 1), conv(before, n, 1, stride) if first else x])

    x = conv(normal(x), filters[0], 3)
    for number, (modules, n) in enumerate(zip(stages, filters[1:], strict=True)):
        for i in range(modules):
            x = module(x, n, 2 if i == 0 and number > 0 else 1, i == 0)
    x = layers.ReLU()(normal(x))
    side = (size + 3) // 4
    x = layers.AveragePooling2D(8, **form)(x) if side >= 8 else layers.GlobalAveragePooling2D(keepdims=True, **form)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(classes, activation="softmax", kernel_regularizer=keras.regularizers.L2(decay))(x)
    return keras.Model(shown, x, name="resnet")


_MODELS: dict[str, Callable[..., Model]] = {"resnet": resnet, "small-cnn": small_cnn}


def compile_model(model: Model, name: str, steps: int, rate: float | None) -> None:
    """Adam for ``small-cnn`` and the user's own, SGD with momentum for ``resnet``; the rate falls to 0 as a cosine over all steps."""
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(rate or (0.05 if name == "resnet" else 1e-3), max(1, steps))
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True) if name == "resnet" else keras.optimizers.Adam(schedule)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
