"""The results as one static page: it holds no script and loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from augx.errors import printable
from augx.experiment.outcome import HEADS, Results, Row, cells
from augx.review.page import page, part, table

_MOST_CLASSES = 30  # of a confusion matrix that one can read


def webpage(results: Results, curves: bytes) -> bytes:
    """The page: verdicts, table, curves, and for each arm its classes and what was taken for what."""
    title = f"augx experiment: {printable(results.settings.dataset)}"
    return page(title, "augx experiment", _children(results, curves, title))


def _children(results: Results, curves: bytes, title: str) -> Iterator[Element]:
    settings = results.settings
    pictures = results.base.pictures
    yield part("h1", title)
    facts = ", ".join(f"{count:,} {name}" for name, count in pictures.items() if name != "copies")
    yield part("p", f"{len(results.data.classes)} classes; pictures: {facts}; {settings.model} at {settings.size}x{settings.size}")
    yield part(
        "p",
        f"{settings.epochs} epochs of the training part in batches of {settings.batch_size}, as many steps for every arm; "
        f"{settings.repeats} seeds; Keras on {results.backend}",
    )
    yield part("h2", "What can be said")
    yield from (part("h3", text) for text in results.verdicts)
    yield part("h2", "Arms")
    yield table(HEADS, cells(results))
    yield part(
        "p",
        "Accuracy of the test part, which is never augmented and looked at once, after the last epoch. The difference is to the first row.",
    )
    yield part("h2", "Curves")
    data = "data:image/png;base64," + base64.b64encode(curves).decode("ascii")
    yield part("img", src=data, alt="loss and accuracy by epoch", style="max-width: 100%")
    for row in results.rows:
        yield from _row(results, row)
    yield part("h2", "Remarks")
    yield from (part("p", note) for note in results.notes)


def _row(results: Results, row: Row) -> Iterator[Element]:
    classes = results.data.classes
    yield part("h2", row.name)
    made = f"{row.pictures['copies']:,} copies on disk; " if row.pictures["copies"] else ""
    seeds = ", ".join(f"{100 * value:.1f} (seed {seed})" for seed, value in row.per_seed.items())
    yield part("p", f"{made}accuracy {seeds}")
    rows = [(name, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", support) for name, precision, recall, f1, support in row.report]
    yield table(("class", "precision", "recall", "F1", "pictures, all seeds"), rows)
    if len(classes) <= _MOST_CLASSES:
        yield part("h3", "What was taken for what (row: the class)")
        counts = row.confusion.tolist()
        yield table(("", *classes), [(name, *map(int, of_class)) for name, of_class in zip(classes, counts, strict=True)])
