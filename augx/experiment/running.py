"""The driver: every arm, spec and seed in turn, each recorded when it ends, so that an interrupted experiment goes on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from augx.errors import PlanError, printable
from augx.experiment.backend import start_keras
from augx.experiment.data import Data, Part, Parts, parts_of, read_data, split_of
from augx.experiment.feeds import check_plan, expanded_part, feed, remove_set
from augx.experiment.models import build_model, compile_model
from augx.experiment.records import claimed, read_record, write_record
from augx.experiment.settings import BOTH, EXPAND, Run, Settings, safe_name
from augx.experiment.training import Outcome, TrainingError, train, weights_hash
from augx.files import open_folder

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
    for seed, arm in {(run.seed, run.arm if settings.leak else ""): None for run in runs}:
        split_of(data, seed, arm)  # what is wrong with the split is said before hours of work
    if {EXPAND, BOTH} & {run.arm for run in runs}:
        first = parts_of(data, settings.seed).train
        for _, spec in settings.specs:
            check_plan(first, spec, settings, settings.seed)
    with claimed(output, {**settings.state(), "backend": backend, "data": data.fingerprint}, settings):
        records = {run: found for run in runs if (found := read_record(output, run, settings, len(data.classes))) is not None}
        start_keras(backend, settings.seed)
        build_model(settings.model, settings.size, len(data.classes), 1)  # and so is what is wrong with the model
        on_note(_before(data, runs, records, settings))
        _Driver(settings, output, data, records, on_progress).drive(runs)
    return data, {run: records[run] for run in runs}


def _before(data: Data, runs: list[Run], records: Records, settings: Settings) -> str:
    """What is about to be done."""
    pictures = len(data.all.labels) + (len(data.test.labels) if data.test is not None else 0)
    there = f"; {len(records)} are there already" if records else ""
    return f"{pictures:,} pictures, {len(data.classes)} classes: {len(runs)} runs of {settings.epochs} epochs{there}"


def steps_of(settings: Settings, parts: Parts) -> int:
    """Gradient steps of an epoch, the same for all arms: those of the training part as it is."""
    return -(-len(parts.train.labels) // settings.batch_size)


class _Driver:
    """Runs what is missing, a seed after the other, and tells how long the rest will take."""

    def __init__(self, settings: Settings, output: str, data: Data, records: Records, on_progress: OnProgress) -> None:
        self._settings, self._output, self._data, self._records, self._on_progress = settings, output, data, records, on_progress
        self._specs = dict(settings.specs)
        self._spent, self._done = 0.0, 0  # seconds and epochs of training, without what goes before
        self._prepared: list[float] = []

    def drive(self, runs: list[Run]) -> None:
        """All runs that have no record."""
        pending = [run for run in runs if run not in self._records]
        self._tidy()
        for number, run in enumerate(pending):
            outcome = self._one(run, runs.index(run) + 1, len(runs), len(pending) - number - 1)
            self._records[run] = outcome
            spec = self._specs.get(run.spec)
            write_record(self._output, run, {**outcome, "spec_hash": spec.hash if spec else ""})
            if run.spec and not any((later.spec, later.seed) == (run.spec, run.seed) for later in pending[number + 1 :]):
                remove_set(self._expanded(run))
        self._tidy()

    def _tidy(self) -> None:
        """Remove the sets that killed runs left, but for those that are wanted again; nothing that others put there."""
        folder = os.path.join(self._output, _EXPANDED)
        wanted = {self._expanded(run) for run in self._settings.runs() if run.spec and run not in self._records}
        with contextlib.suppress(OSError):
            if not os.path.islink(folder):
                for name in os.listdir(folder):
                    if os.path.join(folder, name) not in wanted:
                        remove_set(os.path.join(folder, name))
                os.rmdir(folder)

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
            with open_folder(self._output, os.path.relpath(self._expanded(run), self._output)):
                pass  # made, and no link to elsewhere
            copies = expanded_part(parts.train, spec, self._expanded(run), settings, run.seed, classes)
        batches = feed(run, parts.train, copies, settings, spec, classes)
        keras.utils.clear_session()
        keras.utils.set_random_seed(run.seed)
        model = build_model(settings.model, settings.size, len(classes), steps * settings.epochs)
        self._check_weights(run, weights_hash(model))
        compile_model(model, settings.model, steps * settings.epochs, settings.learning_rate)

        ready = time.monotonic()
        self._prepared.append(ready - began)

        def on_epoch(epoch: int, now: dict[str, float]) -> None:
            pace = (self._spent + time.monotonic() - ready) / (self._done + epoch)
            left = pace * (after * settings.epochs + settings.epochs - epoch) + after * sum(self._prepared) / len(self._prepared)
            self._on_progress(Progress(run, number, runs, epoch, settings.epochs, left, now["val_accuracy"]))

        outcome = train(run, model, batches, parts, settings.epochs, steps, on_epoch)
        self._spent += time.monotonic() - ready
        self._done += settings.epochs
        return {**outcome, "seconds": round(time.monotonic() - began, 2), "copies": 0 if copies is None else len(copies.labels)}

    def _check_weights(self, run: Run, initial: str) -> None:
        """Raise ``TrainingError`` where the arms of a seed would not begin alike: then a difference says nothing of the arms."""
        for other, outcome in self._records.items():
            if other.seed == run.seed and outcome["initial"] != initial:
                raise TrainingError(
                    f"arm {run}: begins with other weights than arm {other}; --model must make a new model in each call, and draw its "
                    "weights from Keras' initializers"
                )

    def _expanded(self, run: Run) -> str:
        form = dict(self._settings.specs)[run.spec].hash[:8]
        return os.path.join(self._output, _EXPANDED, f"{safe_name(run.spec)}-{run.seed}-{form}")
