"""Keras 3 and the backend that it runs on: what the user has, or picks."""

from __future__ import annotations

import logging
import os
import sys
from importlib.util import find_spec

from augx.errors import PlanError, printable
from augx.wording import nearest

_SAID = 300  # characters of a library's own words
BACKENDS = ("torch", "jax", "tensorflow")
_CURE = "pip install 'augx-cli[train,train-torch]' (the README says how to get torch without CUDA), or [train,train-jax]"


def pick_backend(backend: str | None = None) -> str:
    """``backend``, $KERAS_BACKEND, or the first that is installed. Imports nothing, so what is wrong is said at once.

    Raises ``PlanError`` where something is not installed, in words that say what to install.
    """
    missing = [name for name in ("keras", "matplotlib", "sklearn", "scipy") if find_spec(name) is None]
    if missing:
        raise PlanError(f"not installed: {', '.join(missing)}, which augx experiment trains and reports with; {_CURE}")
    chosen = backend or os.environ.get("KERAS_BACKEND") or None
    if chosen is not None and chosen not in BACKENDS:
        raise PlanError(f"backend {printable(chosen)}: not one of {', '.join(BACKENDS)}{nearest(chosen, BACKENDS)}; pick one by --backend")
    installed = [name for name in BACKENDS if find_spec(name) is not None]
    if not installed:
        raise PlanError(f"no backend of Keras is installed ({', '.join(BACKENDS)}): {_CURE}")
    if chosen is not None and chosen not in installed:
        raise PlanError(f"the backend {chosen} is not installed (installed: {', '.join(installed)}): pick another by --backend, or {_CURE}")
    return chosen or installed[0]


def start_keras(backend: str, seed: int = 0) -> None:
    """Import Keras on a backend that ``pick_backend`` named, and make it repeatable. Raises ``PlanError`` for another Keras than 3."""
    os.environ["KERAS_BACKEND"] = backend
    # Lines of TensorFlow's own log would stand among ours, such as that it compiles anew for each model.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if "matplotlib" not in sys.modules:
        os.environ["MPLBACKEND"] = "agg"  # no window is opened, whatever the user's is
    try:
        import keras
    except Exception as error:  # a broken installation breaks in many ways
        said = " ".join(str(error).split())[:_SAID]
        raise PlanError(
            f"Keras can't be imported on the backend {backend}: {type(error).__name__}: {printable(said)}; install it anew, or pick "
            "another by --backend"
        ) from None
    if not keras.__version__.startswith("3"):
        raise PlanError(f"Keras {keras.__version__} is installed; augx experiment needs Keras 3: {_CURE}")
    if keras.config.backend() != backend:
        raise PlanError(f"Keras was imported before, on {keras.config.backend()}; start a new process for {backend}")
    keras.utils.set_random_seed(seed)
