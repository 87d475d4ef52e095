"""The driver: every arm, spec and seed in turn, each recorded when it ends, so that an interrupted experiment goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from augx.errors import OutputError, PlanError, WriteError, printable
from augx.experiment.backend import start_keras
from augx.experiment.data import Data, Part, Parts, parts_of, read_data
from augx.experiment.feeds import expanded_part, feed
from augx.experiment.models import build_model, compile_model
from augx.experiment.settings import BOTH, EXPAND, Run, Settings
from augx.experiment.training import Outcome, train
from augx.files import open_folder, write_whole

RECORD = "experiment.json"
_RUNS = "runs"
_EXPANDED = "expanded"
Records = dict[Run, Outcome]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an experiment stands: ``run`` is number ``number`` of ``runs``; ``left`` are the seconds that the rest will take."""

    run: Run
    number: int
    runs: int
    epoch: int
    epochs: int
    left: float
    accuracy: float
    """Of the validation part, after this epoch."""


OnProgress = Callable[[Progress], None]


def run_all(settings: Settings, output: str, backend: str, on_progress: OnProgress, on_note: Callable[[str], None]) -> tuple[Data, Records]:
    """Train what ``output`` has no record of; all records. Keras is imported when all else is in order.

    Raises ``PlanError`` and ``OutputError`` before the first training, ``TrainingError`` where a loss is no number any more.
    """
    data = read_data(settings)
    for note in data.notes:
        on_note(note)
    if settings.leak and not data.siblings:
        raise PlanError(
            f"--dataset-is-expanded: no manifest of augx in {printable(settings.dataset)} says which pictures are copies of one source; "
            "leave the option out, or name the folder that augx generate wrote"
        )
    runs = settings.runs()
    for run in runs:
        parts_of(data, run.seed, run.arm)  # what is wrong with the split is said before hours of work
    state = {**settings.state(), "backend": backend, "data": data.fingerprint}
    _claim(output, state)
    records = {run: found for run in runs if (found := _read(output, run, settings)) is not None}
    start_keras(backend, settings.seed)
    build_model(settings.model, settings.size, len(data.classes), 1)  # and so is what is wrong with the model
    _Driver(settings, output, data, records, on_progress).drive(runs)
    return data, {run: records[run] for run in runs}


def steps_of(settings: Settings, parts: Parts) -> int:
    """Gradient steps of an epoch, the same for all arms: those of the training part as it is."""
    return -(-len(parts.train.labels) // settings.batch_size)


class _Driver:
    """Runs what is missing, a seed after the other, and tells how long the rest will take."""

    def __init__(self, settings: Settings, output: str, data: Data, records: Records, on_progress: OnProgress) -> None:
        self._settings, self._output, self._data, self._records, self._on_progress = settings, output, data, records, on_progress
        self._specs = dict(settings.specs)
        self._spent, self._done = 0.0, 0

    def drive(self, runs: list[Run]) -> None:
        """All runs that have no record."""
        pending = [run for run in runs if run not in self._records]
        for number, run in enumerate(pending):
            outcome = self._one(run, runs.index(run) + 1, len(runs), len(pending) - number - 1)
            self._records[run] = outcome
            spec = self._specs.get(run.spec)
            _write(self._output, f"{_RUNS}/{_name(run)}.json", {**outcome, "spec_hash": spec.hash if spec else ""})
            if not any((later.spec, later.seed) == (run.spec, run.seed) for later in pending[number + 1 :]):
                shutil.rmtree(self._expanded(run), ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(self._output, _EXPANDED))

    def _one(self, run: Run, number: int, runs: int, after: int) -> Outcome:
        import keras

        began = time.monotonic()
        settings, classes = self._settings, self._data.classes
        parts = parts_of(self._data, run.seed, run.arm)
        # The leak's two arms have other training parts, and yet the same number of steps.
        steps = steps_of(settings, parts if not settings.leak else parts_of(self._data, run.seed, settings.runs()[1].arm))
        spec = self._specs.get(run.spec)
        copies: Part | None = None
        if run.arm in (EXPAND, BOTH):
            assert spec is not None
            copies = expanded_part(parts.train, spec, self._expanded(run), settings, run.seed, classes)
        batches = feed(run, parts.train, copies, settings, spec, classes)
        keras.utils.clear_session()
        keras.utils.set_random_seed(run.seed)
        model = build_model(settings.model, settings.size, len(classes), steps * settings.epochs)
        compile_model(model, settings.model, steps * settings.epochs, settings.learning_rate)

        def on_epoch(epoch: int, now: dict[str, float]) -> None:
            # The first epoch of a run has its preparation in it, as those of later runs will have.
            spent = self._spent + time.monotonic() - began
            pace = spent / (self._done + epoch)
            left = pace * (after * settings.epochs + settings.epochs - epoch)
            self._on_progress(Progress(run, number, runs, epoch, settings.epochs, left, now["val_accuracy"]))

        outcome = train(run, model, batches, parts, settings.epochs, steps, on_epoch)
        self._spent += time.monotonic() - began
        self._done += settings.epochs
        return {**outcome, "seconds": round(time.monotonic() - began, 2), "copies": 0 if copies is None else len(copies.labels)}

    def _expanded(self, run: Run) -> str:
        return os.path.join(self._output, _EXPANDED, f"{_safe(run.spec)}-{run.seed}")


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "_"


def _name(run: Run) -> str:
    return "--".join(_safe(part) for part in (run.arm, run.spec, str(run.seed)) if part)


def _claim(output: str, state: dict[str, Any]) -> None:
    """Make the output, or find in it an experiment with the same settings. Raises ``OutputError``."""
    place = printable(output)
    try:
        os.makedirs(os.path.join(output, _RUNS), exist_ok=True)
        with open(os.path.join(output, RECORD), "rb") as file:
            found = json.loads(file.read())
        if not isinstance(found, dict):
            raise ValueError
    except FileNotFoundError:
        if set(os.listdir(output)) - {_RUNS}:
            raise OutputError(f"{place}: a folder with other things in it; choose an empty or a new --output") from None
        _write(output, RECORD, state)
        return
    except OSError as error:
        raise OutputError(f"{place}: can't write here: {error.strerror}; choose another --output") from None
    except ValueError:
        raise OutputError(f"{place}/{RECORD}: not one that augx wrote; choose another --output") from None
    for name, value in state.items():
        if found.get(name) != value:
            what = "of other pictures" if name == "data" else f"{name} was {found.get(name)}, is {value}"
            raise OutputError(f"{place}: holds another experiment ({what}); go on with its settings, or choose another --output")


def _read(output: str, run: Run, settings: Settings) -> Outcome | None:
    """What was recorded of a run; None where it did not end, and for another spec of the same name. Raises ``OutputError``."""
    path = os.path.join(output, _RUNS, f"{_name(run)}.json")
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read())
        stored = found.pop("spec_hash")
        if not {"accuracy", "train", "val", "history", "confusion", "pictures", "seconds"} <= found.keys():
            raise ValueError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError):
        raise OutputError(f"{printable(path)}: not a record that augx wrote; remove it, and the run is made again") from None
    spec = dict(settings.specs).get(run.spec)
    if stored != (spec.hash if spec else ""):
        raise OutputError(f"{printable(path)}: of another spec of this name; choose another --output, or remove the file")
    return dict(found)


def _write(output: str, file: str, fields: dict[str, Any]) -> None:
    folder, _, name = file.rpartition("/")
    try:
        with open_folder(output, folder) as descriptor:
            write_whole(descriptor, name, (json.dumps(fields) + "\n").encode("ascii"))
    except OSError as error:
        place = printable(os.path.join(output, file))
        raise WriteError(f"{place}: can't write: {error.strerror}; put that right, then the same command goes on") from None
