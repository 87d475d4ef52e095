"""A preview, or a finished run, as one HTML file: no script, no outside address, and every name escaped by its serialiser."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from xml.etree.ElementTree import Element

from augx import __version__
from augx.errors import OutputError, printable
from augx.files import open_folder, write_whole
from augx.review.page import bars, chart, page, part, picture, table
from augx.review.preview import Picture, Preview
from augx.review.sheet import MARK, Cell, Strip, as_jpeg
from augx.review.spread import Spread
from augx.unit import Failure

COPIES, SOURCES = 11, 2
"""What a report shows of a class: so many sources with so many copies each."""


def report(shown: Preview, spreads: Sequence[Spread], failures: Sequence[Failure], *, name: str, drawn: int, made: bool) -> bytes:
    """The page; ``name`` is the spec's, ``drawn`` the number of copies behind the histograms, ``made`` says that the set stands."""
    title = "What augx made" if made else "What augx will make"
    facts = f"Spec {name}, {shown.spec.hash[:12]}, seed {shown.spec.seed}; augx {__version__}."
    classes = shown.plan.classes()
    most = max(files for _, _, files in classes.values())
    rows = [(part("bdi", label or "(none)"), s, c, f, bars(s, f, most)) for label, (s, c, f) in classes.items()]
    total = ("all", len(shown.plan.rows), shown.plan.copies, shown.plan.files, "")
    body = [
        part("h1", title),
        part("p", facts),
        part("h2", "Classes before and after"),
        table(("class", "sources", "copies", "files", "before and after"), [*rows, total]),
        part("h2", "Failures"),
        *_failures(failures),
        part("h2", "Each transform alone"),
        part("p", "On the first picture: at the low end of its range, in the middle and at the high end."),
        _cells([shown.pictures[0].source]),
        *(map(_strip, shown.alone) if shown.alone else [part("p", "No transform is on.")]),
        part("h2", "All together"),
        part("p", "Copies by their numbers, " + ("as they were written." if made else "as augx generate will write them.")),
        *_sheets(shown.pictures),
        part("h2", "What is drawn"),
        part("p", f"Bars: what {drawn:,} copies drew. Line: the distribution that the spec declares."),
        *(_spread(spread) for spread in spreads),
    ]
    return page(title, MARK.decode(), body)


def _failures(failures: Sequence[Failure]) -> Iterator[Element]:
    if failures:
        rows = [(part("bdi", failure.source), failure.reason, failure.missing) for failure in failures]
        yield table(("source", "reason", "files missing"), rows)
    else:
        yield part("p", "None.")


def _cells(cells: Iterable[Cell]) -> Element:
    return part("div", *(_figure(cell) for cell in cells), class_="cells")


def _figure(cell: Cell) -> Element:
    if cell.picture is None:
        return part("figure", part("figcaption", cell.caption))
    return picture(as_jpeg(cell.picture), cell.caption)


def _strip(strip: Strip) -> Element:
    words = part("div", part("h3", strip.heading), *(part("p", detail) for detail in strip.details))
    return part("div", words, _cells(strip.cells), class_="strip")


def _sheets(pictures: Sequence[Picture]) -> Iterator[Element]:
    for label, of_class in groupby(pictures, key=lambda picture: picture.row.source.label):
        yield part("h3", part("bdi", label or "(none)"))
        for shown in of_class:
            yield part("h4", part("bdi", shown.row.source.key))
            yield _cells((shown.source, *shown.copies))
            yield from map(_strip, shown.alone)


def _spread(spread: Spread) -> Element:
    place = f"{spread.place} (class {spread.label})" if spread.label else spread.place
    share = f"on in {spread.on / max(spread.copies, 1):.1%} of {spread.copies:,} copies"
    declared = "" if spread.p is None else f"; p is {spread.p:g}"
    charts = part("div", *(chart(found) for found in spread.histograms), class_="charts")
    return part("div", part("h3", place), part("p", share + declared), charts)


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise ``OutputError`` where a file that is not a sheet or a report has the name of the one to be written."""
    path = os.fspath(path)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            ours = MARK in file.read(4096)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        raise OutputError(f"{printable(path)}: this is a folder; name a file") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{printable(path)}: can't write here: {getattr(error, 'strerror', error)}; choose another name") from None
    if not ours:
        raise OutputError(f"{printable(path)}: a file that is not a sheet or a report of augx; move it away or choose another name")


def put(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a sheet or a report at one stroke, in place of an earlier one; ``OutputError`` where that can't be."""
    check_path(path)
    folder, name = os.path.split(os.fspath(path))
    try:
        with open_folder(folder or ".", "") as descriptor:
            write_whole(descriptor, name, data)
    except OSError as error:
        raise OutputError(f"{printable(os.fspath(path))}: can't write here: {error.strerror}; choose another name") from None
