"""All records of an experiment, summed up: a row an arm and spec, verdicts, results.json and a table for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augx.experiment.data import Data
from augx.experiment.intervals import Interval, interval, points, shown, verdict
from augx.experiment.settings import LEAK, NONE, Run, Settings
from augx.experiment.training import Outcome
from augx.pictures import Array

QUICK = "--quick proves nothing: few pictures, few epochs, two seeds; it shows that everything works."


@dataclass(frozen=True)
class Row:
    """An arm and spec over all seeds.

    ``gap``: accuracy of training pictures, as they are, less that of validation pictures; ``confusion``: all seeds added;
    ``history``: (seeds, epochs) by name; ``report``: precision, recall, F1 and support by class.
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
    pictures: dict[str, int]

    @property
    def name(self) -> str:
        return f"{self.arm} ({self.spec})" if self.spec else self.arm


@dataclass(frozen=True)
class Results:
    """What an experiment found."""

    settings: Settings
    backend: str
    data: Data
    rows: tuple[Row, ...]
    verdicts: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def base(self) -> Row:
        return self.rows[0]


def summed_up(settings: Settings, backend: str, data: Data, records: Mapping[Run, Outcome]) -> Results:
    """The results of all records."""
    groups: dict[tuple[str, str], dict[int, Outcome]] = {}
    for run, outcome in records.items():
        groups.setdefault(run.group, {})[run.seed] = outcome
    base = next(iter(groups.values()))
    rows = tuple(_row(data, *group, of_seeds, None if of_seeds is base else base) for group, of_seeds in groups.items())
    return Results(settings, backend, data, rows, tuple(_verdicts(settings, rows)), tuple(_notes(settings, data)))


def _row(data: Data, arm: str, spec: str, of_seeds: Mapping[int, Outcome], base: Mapping[int, Outcome] | None) -> Row:
    outcomes = list(of_seeds.values())
    step = 1 / min(outcome["pictures"]["test"] for outcome in outcomes)
    differences = None if base is None else [outcome["accuracy"] - base[seed]["accuracy"] for seed, outcome in of_seeds.items()]
    counts = np.sum([outcome["confusion"] for outcome in outcomes], axis=0)
    return Row(
        arm,
        spec,
        interval([outcome["accuracy"] for outcome in outcomes], step),
        None if differences is None else interval(differences, step),
        interval([outcome["val"] for outcome in outcomes], step),
        interval([outcome["train"] - outcome["val"] for outcome in outcomes], step),
        sum(outcome["seconds"] for outcome in outcomes),
        {seed: outcome["accuracy"] for seed, outcome in of_seeds.items()},
        counts,
        tuple(class_report(counts, data.classes)),
        {name: np.array([outcome["history"][name] for outcome in outcomes]) for name in outcomes[0]["history"]},
        {**outcomes[0]["pictures"], "copies": outcomes[0].get("copies", 0)},
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


def _verdicts(settings: Settings, rows: Sequence[Row]) -> Iterator[str]:
    if settings.quick:
        yield QUICK
    if settings.leak:
        yield from _leak(settings, rows)
        return
    for row in rows[1:]:
        if row.difference is not None:
            yield verdict(row.name, NONE, row.difference)
    if len(rows) > 2:
        best = max(rows, key=lambda row: row.val.mean)
        yield (
            f"Highest on the validation part: {best.name} ({points(best.val.mean)} %). The test part has no say in that, "
            "so its figure for this arm is not flattered by the choice."
        )


def _leak(settings: Settings, rows: Sequence[Row]) -> Iterator[str]:
    honest, leaky = rows
    where = "on pictures held apart" if settings.test is not None else "where no source is on both sides"
    yield (
        f"{LEAK} says {points(leaky.accuracy.mean)} %, and that is a leak: its test pictures are siblings of training pictures, "
        f"made of the same sources. The same model, trained as long, is right in {points(honest.accuracy.mean)} % {where}. "
        "Only this figure means anything."
    )
    found = leaky.difference
    if found is not None and found.low is not None and found.low > 0:
        yield f"The leak flatters by {shown(found, sign=True)} points, {found.n} seeds."
    else:
        yield "How much it flatters can't be shown from these seeds; take more --repeats."


def _notes(settings: Settings, data: Data) -> Iterator[str]:
    yield from data.notes
    over = "the validation part, " if settings.test is not None else "the split, "
    yield (
        f"Seeds differ in {over}the weights, the order and what is drawn; an interval is Student's t over {settings.repeats} "
        f"seed{'s' if settings.repeats > 1 else ''} at 95 %, differences are paired by seed. It says what other seeds would give "
        "on this dataset, and nothing of other datasets, models or lengths of training."
    )


def as_json(results: Results) -> bytes:
    """results.json."""

    def plain(found: Interval | None) -> dict[str, Any] | None:
        return None if found is None else {"mean": found.mean, "low": found.low, "high": found.high, "seeds": found.n}

    rows = [
        {
            "arm": row.arm,
            "spec": row.spec,
            "accuracy": plain(row.accuracy),
            "difference": plain(row.difference),
            "validation": plain(row.val),
            "gap": plain(row.gap),
            "seconds": round(row.seconds, 2),
            "per_seed": {str(seed): value for seed, value in row.per_seed.items()},
            "pictures": row.pictures,
            "classes": {name: dict(zip(("precision", "recall", "f1", "support"), figures, strict=True)) for name, *figures in row.report},
            "confusion": row.confusion.tolist(),
            "history": {name: values.tolist() for name, values in row.history.items()},
        }
        for row in results.rows
    ]
    settings = results.settings
    asked = {**settings.state(), "repeats": settings.repeats, "seed": settings.seed, "quick": settings.quick, "backend": results.backend}
    specs = {name: spec.canonical() for name, spec in settings.specs}
    whole = {"settings": asked, "specs": specs, "classes": results.data.classes, "rows": rows}
    return json.dumps({**whole, "verdicts": results.verdicts, "notes": results.notes}, indent=1).encode("ascii") + b"\n"


HEADS = ("arm", "spec", "accuracy % (95 %)", "difference", "train - val", "seconds")


def cells(results: Results) -> list[tuple[str, ...]]:
    """The table: a row an arm and spec."""
    return [
        (
            row.arm,
            row.spec or "-",
            shown(row.accuracy),
            "-" if row.difference is None else shown(row.difference, sign=True),
            shown(row.gap, sign=True),
            f"{row.seconds:.0f}",
        )
        for row in results.rows
    ]


def as_text(results: Results) -> Iterator[str]:
    """The table and the verdicts, line by line."""
    rows = [HEADS, *cells(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield from results.verdicts
