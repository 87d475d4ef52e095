"""Tables: a row a picture, with its file name, its class and whatever else is known of it; CSV, TSV, JSON lines, Parquet.

CSV is read as RFC 4180 has it, strictly; JSON lines as https://jsonlines.org; all in UTF-8.
"""

from __future__ import annotations

import csv
import functools
import importlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from augx.addresses import absolute, folder_of_path
from augx.errors import PlanError, printable
from augx.inputs.lines import json_rows, text_lines
from augx.inputs.lists import Faults, Names, check_label, checked_root, folder_of, one_folder, opened
from augx.sources import Source, SourceSet, named_format

_IMAGE = (r"((image|img)_)?file_?(names?|path)?|path|(image|img|picture|photo)_?(name|path)?", r"((image|img|file)_)?id|id_code")
_LABEL = (r"labels?|(class|category|label)_?name|class|category|target|y", r"(class|label|category)_id")
"""Usual names of columns, as patterns; those of the second kind count where there is none of the first."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


@dataclass
class _Table:
    """Columns, and rows as they come: the number of the line (or row) that one begins in, its cells by column."""

    name: str
    columns: Sequence[str]
    rows: Iterable[tuple[int, dict[str, Any]]]
    notes: list[str] = field(default_factory=list)


def read_table(
    path: str | os.PathLike[str],
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    root: str | os.PathLike[str] | None = None,
    mask_columns: Sequence[str] = (),
    label: str | None = None,
) -> SourceSet:
    """The pictures of a table (``.csv .tsv .tab .jsonl .ndjson .parquet .pq``), sorted by key, other columns with them as text.

    File names are paths below ``root``, by default the table's own folder; if the first has no extension of a picture, the one
    of the file that is there goes for all of that kind. Columns that are not named are known by their usual names; ``label``
    is the class of all. ``mask_columns`` hold paths of masks; an empty cell there costs that picture alone (``Source.fault``).
    Cells stay as written, so ``007`` and ``NO`` are classes; a whole float of JSON or Parquet is its integer (pandas makes floats
    of a column with holes). Equal rows count once. No picture is looked at but the first.

    Raises ``PlanError``: a table that can't be read, and rows that can't be used, the first by its line, the others counted.
    """
    place = os.fspath(path)
    name = printable(place) or "an empty path"
    reader = _READERS.get(os.path.splitext(place)[1].lower())
    if reader is None:
        raise PlanError(f"{name}: a table's name ends in {', '.join(_READERS)}")
    if label is not None:
        check_label(label)
        if label_column is not None:
            raise PlanError(f"{name}: --label gives all rows one class, --label-column each its own; leave out one")
    folder = os.fspath(root) if root is not None else folder_of_path(place)
    top = absolute(folder) if root is None else checked_root(root)
    faults = Faults(name, "row" if reader is _parquet else "line")
    with opened(place, name) as file:
        table = reader(file, faults)
        image = _chosen(table, [], image_column, _IMAGE, "file names", "--image-column")
        said = "--label-column (or --label, one class for all)"
        column = _chosen(table, [image], label_column, _LABEL, "classes", said) if label is None else None
        masks = tuple(dict.fromkeys(mask_columns))
        for one in masks:
            _chosen(table, [image, column], one, (), "masks", "--mask-column")
            check_label(one, "--mask-column")
        paths = [(one, Names(folder, top)) for one in (image, *masks)]
        sources = _sources(table, paths, column, label, faults)
    faults.check()
    if not sources:
        raise PlanError(f"{name}: no rows, only the columns {_listed(table.columns)}")
    if all(source.fault for source in sources.values()):
        raise PlanError(f"{name}: no row has all its masks, in {_listed(masks)}; say which --mask-column has them, or leave it out")
    notes = [*table.notes, *(f"names without extension in {_listed([one])}: read as {of.extension}" for one, of in paths if of.extension)]
    if alike := _alike({source.label for source in sources.values()}):
        notes.append(
            f"two classes that differ only in case or in spaces at their ends: '{printable(alike[0])}' and '{printable(alike[1])}'"
        )
    return SourceSet([sources[key] for key in sorted(sources)], None, (folder or ".",), tuple(f"{name}: {note}" for note in notes))


def _sources(table: _Table, paths: Sequence[tuple[str, Names]], column: str | None, label: str | None, faults: Faults) -> dict[str, Source]:
    """The sources by key; ``paths`` are the columns of file names: the picture's first, then the masks'."""
    (image, names), *masks = paths
    found: dict[str, Source] = {}
    lines: dict[str, int] = {}
    classes: dict[str, str] = {}
    again = 0
    for line, row in table.rows:
        row.pop("", None)
        try:
            path, key = names.of(_name(row.pop(image, None), image))
            own = label if label is not None else _name(row.pop(column or "", None), column or "")
            if own not in classes:
                classes[own] = one_folder(own)
            own = classes[own]  # one string for all pictures of a class
            targets, lacking = _masks(row, masks, f"{faults.unit} {line}") if masks else ((), "")
            rest = {k: text for k, v in row.items() if (text := v if type(v) is str else _text(v))}
            source = Source(path, key, own, folder_of(key, own), columns=rest, masks=targets, fault=lacking)
            if (first := found.setdefault(key, source)) is source:
                lines[key] = line
            elif replace(source, fault=first.fault) == first:
                again += 1
            else:
                raise ValueError(
                    f"{printable(key)} is in {faults.unit} {lines[key]} too, with other cells; a picture has one row here "
                    "(boxes, many to a picture, are read from COCO, YOLO and Pascal VOC)"
                )
        except (ValueError, RecursionError) as fault:
            faults.add(line, fault)
    if again:
        table.notes.append(f"rows that say again what another says, and count once: {again:,}")
    return found


def _masks(row: dict[str, Any], masks: Iterable[tuple[str, Names]], place: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The masks that a row names, by their columns, and why its picture can't be made if a cell is empty."""
    cells = [(one, names, row.pop(one, None)) for one, names in masks]
    found = tuple([(one, names.of(_name(cell, one))[0]) for one, names, cell in cells if not _hole(cell)])
    empty = [one for one, _, cell in cells if _hole(cell)]
    return found, f"no mask in column {_listed(empty)}, {place}" if empty else ""


def _alike(labels: Iterable[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    pairs = ((first.setdefault(label.strip().casefold(), label), label) for label in sorted(labels))
    return next((pair for pair in pairs if pair[0] != pair[1]), ())


def _name(value: object, column: str) -> str:
    """The text of a file name or a class; raises ``ValueError`` for what is none."""
    if type(value) is str and value:
        return value
    if _hole(value):
        raise ValueError(f"nothing in the column {_listed([column])}")
    if type(value) is int or (isinstance(value, float) and value.is_integer() and abs(value) < 2**53):
        return str(int(value))
    shown = printable(json.dumps(value, default=str))
    raise ValueError(f"the column {_listed([column])} has {shown[:60]}; file names and classes are text or whole numbers")


def _text(value: object) -> str:
    """Any other cell: compact JSON, nothing for a hole."""
    return "" if _hole(value) else _COMPACT.encode(value)


def _hole(value: object) -> bool:
    return value is None or value == "" or value != value  # NaN, which is what pandas has for a hole


def _chosen(table: _Table, taken: Sequence[str | None], given: str | None, usual: Sequence[str], what: str, option: str) -> str:
    """The column that holds ``what``: the one given, or the one of a usual name."""
    left = [column for column in table.columns if column and column not in taken]
    there = "; ".join([f"columns: {_listed(left)}", *table.notes])
    if given is not None:
        if given in left:
            return given
        raise PlanError(
            f"{table.name}: {option.split()[0]} {printable(given)}: no such column{' is left' if given in taken else ''}; {there}"
        )
    for names in usual:
        found = [column for column in left if re.fullmatch(names, re.sub("[ -]", "_", column.strip()), re.IGNORECASE)]
        if len(found) > 1:
            raise PlanError(f"{table.name}: the {what} may be in {' or '.join(map(printable, found))}; say {option}")
        if found:
            return found[0]
    raise PlanError(f"{table.name}: no column is known to hold the {what}; say {option}; {there}")


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(printable(column[:60]) for column in columns[:20])
    return shown + (f" and {len(columns) - 20} more" if len(columns) > 20 else "") or "none"


def _csv(file: BinaryIO, faults: Faults, delimiters: str = ",;\t") -> _Table:
    lines = text_lines(file, faults)
    number, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    if not number:
        raise PlanError(f"{faults.name}: this table is empty")
    # Spreadsheets write the separator of their country into .csv: the one that ends the first cell, or stands before any quote.
    quoted = re.match(r'"(?:[^"]|"")*"(. ?)', first)
    head = quoted[1] if quoted and quoted[1][0] in delimiters else first.split('"')[0]
    delimiter = next((one for one in delimiters if one in head), delimiters[0])
    spaced = head.partition(delimiter)[2].startswith(" ")  # a, b, c
    texts = itertools.chain([first], (line for _, line in lines))
    reader = csv.reader(texts, delimiter=delimiter, strict=True, skipinitialspace=spaced)
    _, header = next(_records(reader, number - 1, faults))
    columns = [cell.strip() for cell in header]
    for i, column in enumerate(columns):
        if column and column in columns[:i]:
            raise faults.stop(number, f"two columns are called {_listed([column])} ({columns.index(column) + 1} and {i + 1}); rename one")
        if named_format(column):
            raise faults.stop(number, f"{_listed([column])} is a file's name; the first line names the columns, such as filename,label")
    nameless = columns.count("")
    notes = [f"{nameless} column{'s' * (nameless > 1)} without a name left out"] if nameless else []
    return _Table(faults.name, columns, _csv_rows(reader, columns, number - 1, faults), notes)


def _csv_rows(reader: Any, columns: Sequence[str], before: int, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, cells in _records(reader, before, faults):
        if not any(cells) or (len(cells) == 1 and not cells[0].strip()):
            continue
        if len(cells) != len(columns):
            cure = "; a cell with the separator in it stands in quotation marks" if len(cells) > len(columns) else ""
            there = f"are {len(columns)} columns" if len(columns) > 1 else "is 1 column"
            faults.add(line, f"{len(cells)} cell{'s' * (len(cells) > 1)}, but there {there}{cure}")
            continue
        yield line, dict(zip(columns, cells, strict=True))


def _records(reader: Any, before: int, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it begins in; ``before`` are the lines that the reader did not see."""
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise faults.stop(line, next((words for part, words in _CSV_FAULTS.items() if part in str(error)), str(error))) from None
        yield line, cells


_CSV_FAULTS = {
    "unexpected end": 'a quotation mark (") opens a cell here that is never closed',
    "field limit": 'a cell of more than 131072 characters, or a quotation mark (") here that is never closed',
    "expected after": 'text after a closing quotation mark; a mark within a quoted cell is written twice ("")',
    "new-line character": "a carriage return within a line; save the table with ordinary line ends (LF or CRLF)",
}


def _json_lines(file: BinaryIO, faults: Faults) -> _Table:
    rows = json_rows(file, faults)
    first = next(rows, None)
    if first is None:
        faults.check()
        raise PlanError(f"{faults.name}: this table is empty")
    return _Table(faults.name, list(first[1]), itertools.chain([first], rows))


def _parquet(file: BinaryIO, faults: Faults) -> _Table:
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise PlanError(f"{faults.name}: Parquet is read by pyarrow, which is not here: pip install 'augx-cli[parquet]'") from None
    try:
        whole = parquet.ParquetFile(file)
        fields = list(whole.schema_arrow)
    except (arrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise PlanError(f"{faults.name}: can't read this Parquet: {printable(error)[:200]}") from None
    columns = [one.name for one in fields if "binary" not in str(one.type)]
    if len({one.name for one in fields}) < len(fields):
        raise PlanError(f"{faults.name}: two columns have one name; rename one")
    notes = [f"the column {_listed([one.name])} holds bytes, left out" for one in fields if one.name not in columns]
    return _Table(faults.name, columns, _parquet_rows(arrow, whole, columns, faults), notes)


def _parquet_rows(arrow: Any, whole: Any, columns: Sequence[str], faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    done = 0
    has_text = (arrow.types.is_temporal, arrow.types.is_decimal)  # dates, times and decimals: no JSON, but a text of their own
    try:
        for batch in whole.iter_batches(batch_size=8192, columns=columns):
            cells = [(c.cast(arrow.string()) if any(of(c.type) for of in has_text) else c).to_pylist() for c in batch.columns]
            for n, values in enumerate(zip(*cells, strict=True), done + 1):
                yield n, dict(zip(batch.schema.names, values, strict=True))
            done += batch.num_rows
    except (arrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise faults.stop(done + 1, f"can't read on: {printable(error)[:200]}") from None


_READERS: dict[str, Callable[[BinaryIO, Faults], _Table]] = {
    ".csv": _csv,
    **dict.fromkeys((".tsv", ".tab"), functools.partial(_csv, delimiters="\t")),
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
    **dict.fromkeys((".parquet", ".pq"), _parquet),
}
