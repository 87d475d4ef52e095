"""The results as one static page: it holds no script and loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from augx.errors import printable
from augx.experiment.curves import explained
from augx.experiment.outcome import HEADS, Results, Row, cells
from augx.experiment.settings import HONEST, LEAK
from augx.review.page import page, part, table

_MOST_CLASSES = 30  # of a confusion matrix that one can read
_WARNING = "color: var(--ink); border: 2px solid #c77700; padding: .5rem .8rem; margin: 1rem 0; font-weight: bold"
_VERDICT = "overflow-wrap: anywhere; margin: .4rem 0"


def webpage(results: Results, curves: bytes) -> bytes:
    """The page: verdicts, table, curves, and for each arm its classes and what was taken for what."""
    title = f"augx experiment: {printable(results.settings.dataset)}"
    return page(title, "augx experiment", _children(results, curves, title))


def _children(results: Results, curves: bytes, title: str) -> Iterator[Element]:
    settings = results.settings
    yield part("h1", title)
    yield part("p", f"{len(results.data.classes)} classes; {_pictures(results)}; {settings.model} at {settings.size}x{settings.size}")
    yield part(
        "p",
        f"{settings.epochs} epochs of the training part in batches of {settings.batch_size}, as many steps for every arm; "
        f"{settings.repeats} {'seed' if settings.repeats == 1 else 'seeds'}; Keras on {results.backend}",
    )
    if results.warning:
        yield part("p", f"Warning: {results.warning}", style=_WARNING, role="note")
    yield part("h2", "What can be said")
    yield part("ul", *(part("li", text, style=_VERDICT) for text in results.verdicts or ("Nothing: there is one arm only.",)))
    yield part("h2", "Arms")
    yield table(HEADS, cells(results))
    yield part("p", f"{_accuracy(results)} The difference is to the first row.")
    yield part(
        "p",
        '"train - val" is the accuracy of training pictures as they are, after training, less that of the validation part; the curves\' '
        "training accuracy is of the batches as they were trained on.",
    )
    yield part("h2", "Curves")
    data = "data:image/png;base64," + base64.b64encode(curves).decode("ascii")
    yield part("img", src=data, alt=f"loss and accuracy by epoch; {explained(results)}", style="max-width: 100%")
    for row in results.rows:
        yield from _row(results, row)
    yield part("h2", "Remarks")
    yield from (part("p", note) for note in results.notes)


def _pictures(results: Results) -> str:
    """How many pictures each part has; a leak's two arms have parts of their own."""

    def counts(row: Row) -> str:
        return ", ".join(f"{row.spread(name)} {name}" for name in ("train", "val", "test"))

    if results.settings.leak:
        return "pictures: " + "; ".join(f"{row.name}: {counts(row)}" for row in results.rows)
    return f"pictures: {counts(results.rows[0])}"


def _accuracy(results: Results) -> str:
    """What accuracy is measured on, which are untouched pictures only where the dataset holds such."""
    apart = results.settings.test is not None
    once = "looked at once, after the last epoch"
    if results.settings.leak:
        honest = "the pictures of --test" if apart else "copies whose sources it was not trained on"
        return f"Accuracy of the test part, {once}: for {HONEST} that is {honest}, for {LEAK} copies, siblings of training pictures."
    if results.data.siblings and not apart:
        return (
            f"Accuracy of the test part, {once}. The dataset is itself a set that augx made: test pictures are copies as well, of "
            "sources that the same seed does not train on; no arm augments them further."
        )
    return f"Accuracy of the test part, which no arm augments and which is {once}."


def _row(results: Results, row: Row) -> Iterator[Element]:
    classes = results.data.classes
    yield part("h2", row.name)
    made = f"{row.spread('copies')} copies on disk; " if row.spread("copies") != "0" else ""
    seeds = ", ".join(f"{100 * value:.1f} (seed {seed})" for seed, value in row.per_seed.items())
    yield part("p", f"{made}accuracy {seeds}")
    rows = [(name, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", support) for name, precision, recall, f1, support in row.report]
    yield table(("class", "precision", "recall", "F1", "pictures, all seeds"), rows)
    if len(classes) <= _MOST_CLASSES:
        yield part("h3", "What was taken for what (row: the class)")
        counts = row.confusion.tolist()
        counted = table(("", *classes), [(name, *map(int, of_class)) for name, of_class in zip(classes, counts, strict=True)])
        counted.set("style", "width: auto")
        yield part("div", counted, style="overflow-x: auto")
