"""A preview, or a finished run, as one HTML file: no script, no outside address, and every name escaped by its serialiser."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from xml.etree.ElementTree import Element

from augx import __version__
from augx.errors import OutputError, printable
from augx.files import open_folder, write_whole
from augx.plan import Plan
from augx.review.page import bars, chart, page, part, picture, table
from augx.review.preview import LEGEND, Picture, Preview
from augx.review.sheet import MARK, SOFTWARE, Cell, Strip, as_jpeg
from augx.review.spread import Spread
from augx.unit import Failure

COPIES, SOURCES = 11, 2
"""What a report shows of a class: so many sources with so many copies each."""


@dataclass(slots=True)
class Rejections:
    """How many draws were thrown away, how often each limit of the spec was broken by them, and how many copies break one still."""

    draws: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unmet: int = 0

    def words(self) -> str:
        """One line."""
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in self.reasons.most_common())
        first = f"{_counted(self.draws, 'draw')} {_were(self.draws)} rejected and drawn anew" + (
            f" (limits broken: {reasons})" if reasons else ""
        )
        if not self.unmet:
            return f"{first}; every copy keeps the limits of reject."
        return f"{first}; {_counted(self.unmet, 'copy', 'copies')} {_were(self.unmet)} kept all the same, since every draw broke a limit."


def _counted(n: int, one: str, several: str = "") -> str:
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def report(
    shown: Preview,
    spreads: Sequence[Spread],
    failures: Sequence[Failure],
    *,
    name: str,
    drawn: int,
    made: bool,
    rejections: Rejections | None = None,
) -> bytes:
    """The page; ``name`` is the spec's, ``drawn`` the number of copies behind the histograms, ``made`` says that the set stands.

    ``rejections`` are those of a finished set whose spec has limits.
    """
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
        table(("class", "sources", "copies", "files", "before and after"), [*rows, total, *_parts(shown.plan)]),
        *([part("p", rejections.words())] if rejections is not None else ()),
        part("h2", "Failures"),
        *_failures(failures),
        *_legend(shown),
        part("h2", "Each transform alone"),
        part("p", "At the low end of its range, in the middle and at the high end."),
        _cells([shown.source]),
        *(map(_strip, shown.alone) if shown.alone else [part("p", "No transform is on.")]),
        part("h2", "All together"),
        part("p", "Copies by their numbers, " + (_as_written(shown.plan) if made else "as augx generate will write them.")),
        *_sheets(shown.pictures),
        part("h2", "What is drawn"),
        part("p", f"Bars: what {drawn:,} copies drew. Line: the distribution that the spec declares."),
        *(_spread(spread) for spread in spreads),
    ]
    return page(title, MARK.decode(), body)


def _parts(plan: Plan) -> Iterator[tuple[Element | str | int, ...]]:
    """What each part of a split has of all."""
    for name in plan.split.parts if plan.split is not None else ():
        rows = [row for row in plan.rows if row.part == name]
        copies = sum(row.copies for row in rows)
        yield f"part {name}", len(rows), copies, copies + sum(row.with_original for row in rows), ""


def _as_written(plan: Plan) -> str:
    packed = plan.store is not None and any(row.source.masks for row in plan.rows)
    return "as they were written" + (" (their masks are in the shards too, and not drawn here)." if packed else ".")


def _failures(failures: Sequence[Failure]) -> Iterator[Element]:
    if failures:
        rows = [(part("bdi", failure.source), failure.reason, failure.missing) for failure in failures]
        yield table(("source", "reason", "files missing"), rows)
    else:
        yield part("p", "None.")


def _legend(shown: Preview) -> Iterator[Element]:
    """The colours of the categories that are marked on the pictures."""
    if not shown.legend:
        return
    yield part("h2", "Objects on the pictures")
    names = []
    for name, (blue, green, red) in shown.legend[:LEGEND]:
        names.append(part("span", part("span", class_="swatch", style=f"background: rgb({red}, {green}, {blue})"), part("bdi", name)))
    more = [f"and {len(shown.legend) - LEGEND} more"] if len(shown.legend) > LEGEND else []
    yield part("p", *names, *more, class_="legend")


def _cells(cells: Iterable[Cell]) -> Element:
    return part("div", *(_figure(cell) for cell in cells), class_="cells")


def _figure(cell: Cell) -> Element:
    if cell.picture is None:
        return part("figure", part("figcaption", cell.caption))
    return picture(as_jpeg(cell.picture), cell.caption)


def _strip(strip: Strip) -> Element:
    words = part("div", part("h3", *_breakable(strip.heading)), *(part("p", detail) for detail in strip.details))
    return part("div", words, _cells(strip.cells), class_="strip")


def _breakable(place: str) -> Iterator[Element | str]:
    """A place that may be broken after its dots and underscores."""
    for piece in re.split(r"(?<=[._])", place):
        yield piece
        yield Element("wbr")


def _sheets(pictures: Sequence[Picture]) -> Iterator[Element]:
    for label, of_class in groupby(pictures, key=lambda picture: picture.row.source.label):
        yield part("h3", part("bdi", label or "(none)"))
        for shown in of_class:
            yield part("h4", part("bdi", shown.row.source.key), f" ({shown.row.part})" if shown.row.part else "")
            yield _cells((shown.source, *shown.copies))
            yield from map(_strip, shown.alone)


def _spread(spread: Spread) -> Element:
    place = f"{spread.place} (class {spread.label})" if spread.label else spread.place
    share = f"on in {spread.on / max(spread.copies, 1):.1%} of {spread.copies:,} copies"
    declared = "" if spread.chance is None else f", declared are {spread.chance:.1%}"
    charts = part("div", *(chart(found) for found in spread.histograms), class_="charts")
    return part("div", part("h3", place), part("p", share + declared), charts)


def check_path(path: str | os.PathLike[str], new_folder: str | None = None) -> None:
    """Raise ``OutputError`` where what is not a sheet or a report has the name of the one to be written, or there is no folder.

    ``new_folder`` is the folder that it goes to, if that will be made before.
    """
    path = os.fspath(path)
    try:
        if new_folder is None and not os.path.isdir(os.path.dirname(path) or "."):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not os.path.lexists(path):
            return
        if os.path.isdir(path):
            raise OutputError(f"{printable(path)}: this is a folder; name a file")
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OutputError(f"{printable(path)}: a link or a device, not a plain file; choose another name")
        with open(path, "rb") as file:
            ours = is_ours(file.read(400))
    except (OSError, ValueError) as error:
        raise OutputError(f"{printable(path)}: can't write here: {getattr(error, 'strerror', error)}; choose another name") from None
    if not ours:
        raise OutputError(f"{printable(path)}: a file that is not a sheet or a report of augx; move it away or choose another name")


def is_ours(head: bytes) -> bool:
    """Whether a file that begins so is a sheet or a report: its mark stands where we put it, not just anywhere."""
    generator = b'<meta name="generator" content="' + MARK + b'">'
    return head[33:].startswith(SOFTWARE, 4) or (head.startswith(b"<!DOCTYPE html>\n<html") and generator in head)


def put(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a sheet or a report at one stroke, in place of an earlier one; ``OutputError`` where that can't be."""
    check_path(path)
    folder, name = os.path.split(os.fspath(path))
    try:
        with open_folder(folder or ".", "") as descriptor:
            write_whole(descriptor, name, data)
    except OSError as error:
        raise OutputError(f"{printable(os.fspath(path))}: can't write here: {error.strerror}; choose another name") from None
