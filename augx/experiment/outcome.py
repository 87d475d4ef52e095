"""All records of an experiment, summed up: a row an arm and spec, verdicts, results.json and a table for the terminal."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from augx import __version__
from augx.errors import printable
from augx.experiment.data import Data, few_groups
from augx.experiment.intervals import Interval, between, interval, plain, points, shown, verdict
from augx.experiment.settings import HONEST, LEAK, Run, Settings
from augx.experiment.training import Outcome
from augx.pictures import Array

QUICK = "--quick proves nothing: few pictures, few epochs, few seeds; it shows that everything works."


@dataclass(frozen=True)
class Row:
    """An arm and spec over all seeds.

    ``gap``: accuracy of training pictures, as they are, less that of validation pictures; ``confusion``: all seeds added;
    ``history``: (seeds, epochs) by name; ``report``: precision, recall, F1 and support by class; ``pictures``: of each part, and
    copies, by seed.
    """

    arm: str
    spec: str
    accuracy: Interval
    difference: Interval | None
    val: Interval
    gap: Interval
    seconds: float
    per_seed: dict[int, float]
    confusion: Array
    report: tuple[tuple[str, float, float, float, int], ...]
    history: dict[str, Array]
    pictures: dict[int, dict[str, int]]

    @property
    def name(self) -> str:
        return f"{self.arm} ({self.spec})" if self.spec else self.arm

    def spread(self, part: str) -> str:
        """How many pictures a part has: ``8``, or ``8 to 12`` where seeds differ."""
        counts = [counts[part] for counts in self.pictures.values()]
        least, most = min(counts), max(counts)
        return f"{least:,}" if least == most else f"{least:,} to {most:,}"


@dataclass(frozen=True)
class Results:
    """What an experiment found; ``remarks`` say what its figures mean."""

    settings: Settings
    backend: str
    data: Data
    rows: tuple[Row, ...]
    verdicts: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the dataset, then the remarks."""
        return (*self.data.notes, *self.remarks)

    @property
    def warning(self) -> str:
        """What stands ahead of everything, if anything."""
        return QUICK if self.settings.quick else ""


def summed_up(settings: Settings, backend: str, data: Data, records: Mapping[Run, Outcome]) -> Results:
    """The results of all records."""
    groups: dict[tuple[str, str], dict[int, Outcome]] = {}
    for run, outcome in records.items():
        groups.setdefault(run.group, {})[run.seed] = outcome
    base = next(iter(groups.values()))
    rows = tuple(_row(data, *group, of_seeds, None if of_seeds is base else base) for group, of_seeds in groups.items())
    verdicts, remarks = (tuple(say(settings, data, rows)) for say in (_verdicts, _remarks))
    return Results(settings, backend, data, rows, verdicts, remarks)


def _row(data: Data, arm: str, spec: str, of_seeds: Mapping[int, Outcome], base: Mapping[int, Outcome] | None) -> Row:
    outcomes = list(of_seeds.values())
    step, val_step = (1 / min(outcome["pictures"][part] for outcome in outcomes) for part in ("test", "val"))
    differences = None if base is None else [outcome["accuracy"] - base[seed]["accuracy"] for seed, outcome in of_seeds.items()]
    counts = np.sum([outcome["confusion"] for outcome in outcomes], axis=0)
    return Row(
        arm,
        spec,
        interval([outcome["accuracy"] for outcome in outcomes], step),
        None if differences is None else interval(differences, step),
        interval([outcome["val"] for outcome in outcomes], val_step),
        interval([outcome["train"] - outcome["val"] for outcome in outcomes], val_step),
        sum(outcome["seconds"] for outcome in outcomes),
        {seed: outcome["accuracy"] for seed, outcome in of_seeds.items()},
        counts,
        tuple(class_report(counts, data.classes)),
        {name: np.array([outcome["history"][name] for outcome in outcomes]) for name in outcomes[0]["history"]},
        {seed: {**outcome["pictures"], "copies": outcome.get("copies", 0)} for seed, outcome in of_seeds.items()},
    )


def class_report(counts: Array, classes: Sequence[str]) -> Iterator[tuple[str, float, float, float, int]]:
    """Name, precision, recall, F1 and support of each class, of a confusion matrix (row: what it is)."""
    from sklearn.metrics import precision_recall_fscore_support

    cells = np.argwhere(counts >= 0)
    weights = counts.ravel()
    how: Any = {"labels": range(len(classes)), "sample_weight": weights, "zero_division": 0.0}
    precision, recall, f1, _ = precision_recall_fscore_support(cells[:, 0], cells[:, 1], **how)
    for i, name in enumerate(classes):
        yield name, float(precision[i]), float(recall[i]), float(f1[i]), int(counts[i].sum())


def _verdicts(settings: Settings, data: Data, rows: Sequence[Row]) -> Iterator[str]:
    if settings.leak:
        for row in rows:
            yield from _learnt_nothing(row, data.classes)
        yield from _leak(settings, rows)
        return
    for row in rows:
        yield from _learnt_nothing(row, data.classes)
        if row.difference is not None:
            yield (
                f"{row.name}: no verdict from --quick ({between(row.difference)})." if settings.quick else verdict(row.name, row.difference)
            )
    if len(rows) > 2 and not settings.quick:
        yield from _highest(settings, rows)


def _learnt_nothing(row: Row, classes: Sequence[str]) -> Iterator[str]:
    """A word ahead of a verdict that would be about a model that says the same whatever it is shown."""
    said = np.flatnonzero(row.confusion.sum(axis=0))
    if len(said) == 1:
        yield f"{row.name}: calls every test picture {classes[said[0]]}; it has learnt nothing, so take more --epochs."


def _highest(settings: Settings, rows: Sequence[Row]) -> Iterator[str]:
    figure = points(max(row.val.mean for row in rows))
    names = [row.name for row in rows if points(row.val.mean) == figure]
    found = f"{names[0]} ({figure} %)" if len(names) == 1 else f"tied at {figure} %: {', '.join(names)}"
    # Without --test, what is in the validation part for one seed is in the test part for another.
    apart = " The test part has no say in that, so its figure for what is chosen by it is not flattered by the choice."
    yield f"Highest on the validation part: {found}.{apart if settings.test is not None else ''}"


def _leak(settings: Settings, rows: Sequence[Row]) -> Iterator[str]:
    honest, leaky = rows
    where = "of the pictures held apart" if settings.test is not None else "where no source is on both sides"
    yield (
        f"{LEAK} says {points(leaky.accuracy.mean)} %, and that is a leak: its test pictures are siblings of training pictures, "
        f"made of the same sources. The same model, trained as long, is right on {points(honest.accuracy.mean)} % {where}. "
        "Only this figure means anything."
    )
    found = leaky.difference
    assert found is not None
    if found.mean <= 0:
        yield f"Here nothing was flattered ({between(found)}); it is a leak all the same."
    elif found.low is not None and found.low > 0:
        yield f"The leak flatters by {shown(found, sign=True)} points, {found.n} seeds."
    else:
        yield f"How much it flatters can't be shown from so few seeds ({between(found)}); take more --repeats."


def _remarks(settings: Settings, data: Data, rows: Sequence[Row]) -> Iterator[str]:
    """What the figures mean, and what they don't."""
    seeds, others = settings.repeats, len(rows) - 1
    if seeds == 1:
        yield "One seed has no interval and can show no difference; take --repeats 5."
    else:
        over = "validation part" if settings.test is not None and not settings.leak else "split"
        yield (
            f"Seeds differ in the {over}, the weights, the order and what is drawn; an interval is Student's t over {seeds} seeds at "
            "95 %, differences are paired by seed. It says what other seeds would give on this dataset, and nothing of other "
            "datasets, models or lengths of training."
        )
    if seeds == 2:
        yield "Two seeds can show next to nothing; take --repeats 5."
    yield _tested(settings, rows)
    if others > 1 and seeds > 1:
        yield f"{others} comparisons, each at 95 % on its own: about one in twenty shows a difference where there is none."
    if settings.leak and data.test is not None and few_groups(data):
        yield (
            f"A class has one source alone, so that {HONEST} too is split by picture between training and validation part: its "
            "validation figure is of siblings, and worth nothing. Its test pictures are apart."
        )


def _tested(settings: Settings, rows: Sequence[Row]) -> str:
    """How many pictures the figures are of, and whether an interval knows of others."""
    n = rows[0].spread("test")
    overlap = "overlap each other and other seeds' training parts, so an interval is narrower than one of fresh pictures would be"
    if settings.leak:
        own = rows[1].spread("test")
        if settings.test is not None:
            return (
                f"{HONEST} is tested on the {n} pictures of --test, where others could give another answer, {LEAK} on {own} of "
                "--dataset: their difference is one of pictures too."
            )
        both = f"The two arms have test parts of their own, of {n} and {own} pictures: their difference is one of pictures too."
        return both if settings.repeats == 1 else f"{both} Those of several seeds {overlap}."
    if settings.test is not None:
        return f"All this is on these {n} test pictures; others could give another answer."
    if settings.repeats == 1:
        return f"All this is on {n} test pictures; others could give another answer."
    return f"The test parts of the seeds, of {n} pictures each, {overlap}."


def as_json(results: Results) -> bytes:
    """results.json."""
    rows = [
        {
            "arm": row.arm,
            "spec": row.spec,
            "accuracy": plain(row.accuracy),
            "difference": None if row.difference is None else plain(row.difference, sign=True),
            "validation": plain(row.val),
            "gap": plain(row.gap, sign=True),
            "seconds": round(row.seconds, 2),
            "per_seed": {str(seed): value for seed, value in row.per_seed.items()},
            "pictures": {str(seed): counts for seed, counts in row.pictures.items()},
            "classes": {name: dict(zip(("precision", "recall", "f1", "support"), figures, strict=True)) for name, *figures in row.report},
            "confusion": row.confusion.tolist(),
            "history": {name: _finite(values) for name, values in row.history.items()},
        }
        for row in results.rows
    ]
    asked = {**_asked(results), "arms": list(dict.fromkeys(row.arm for row in results.rows)), "backend": results.backend}
    specs = {name: spec.canonical() for name, spec in results.settings.specs}
    whole = {"settings": asked, "versions": _versions(), "specs": specs, "classes": results.data.classes, "rows": rows}
    said = {"warning": results.warning or None, "verdicts": results.verdicts, "notes": results.notes}
    return json.dumps({**whole, **said}, indent=1, allow_nan=False).encode("ascii") + b"\n"


def _finite(values: Array) -> list[list[float | None]]:
    """JSON has no word for what is no number."""
    return [[value if math.isfinite(value) else None for value in of_seed] for of_seed in values.tolist()]


def _asked(results: Results) -> dict[str, Any]:
    settings = results.settings
    more = {name: getattr(settings, name) for name in ("dataset", "test", "repeats", "seed", "quick")}
    # As ``compile_model`` takes it where none is given.
    rate = settings.learning_rate or (0.05 if settings.model == "resnet" else 0.001)
    return {**settings.state(), **more, "learning_rate": rate}


def _versions() -> dict[str, str | None]:
    """Of augx and Keras; the latter is not imported for it, as all runs may have been there already."""
    keras = None
    with contextlib.suppress(PackageNotFoundError):
        keras = version("keras")
    return {"augx": __version__, "keras": keras}


HEADS = ("arm", "spec", "accuracy % (95 %)", "difference", "validation %", "train - val", "seconds")


def cells(results: Results) -> list[tuple[str, ...]]:
    """The table: a row an arm and spec."""
    return [
        (
            row.arm,
            printable(row.spec) or "-",
            shown(row.accuracy),
            "-" if row.difference is None else shown(row.difference, sign=True),
            points(row.val.mean),
            shown(row.gap, sign=True),
            f"{row.seconds:.0f}",
        )
        for row in results.rows
    ]


def as_text(results: Results) -> Iterator[str]:
    """The table, the verdicts and what they mean, line by line."""
    rows = [HEADS, *cells(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    if results.warning:
        yield results.warning
    yield from results.verdicts
    yield ""
    yield from results.remarks
