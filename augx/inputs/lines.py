"""Text in lines: UTF-8 with the lines' numbers, and JSON lines, read strictly."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from augx.inputs.lists import Faults

_LONGEST = 1 << 24  # bytes of a line of text


def text_lines(file: BinaryIO, faults: Faults) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8 with their numbers, line ends included. Raises ``PlanError`` where it is none."""
    for number, raw in enumerate(iter(functools.partial(file.readline, _LONGEST), b""), 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            kind = (
                "it is UTF-16" if number == 1 and raw[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{raw[error.start]:02x} is not UTF-8"
            )
            raise faults.stop(number, f"{kind}; save the table as UTF-8") from None
        if "\0" in line:
            raise faults.stop(number, "a NUL character; this is no text, or damaged")
        if len(raw) == _LONGEST:
            raise faults.stop(number, f"a line of more than {_LONGEST >> 20} MiB; this is no table")
        yield number, line


def json_rows(file: BinaryIO, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON lines with the numbers of their lines; what is no object is a fault."""
    for number, line in text_lines(file, faults):
        if not line.strip():
            continue
        try:
            row = _STRICT.decode(line)
            if type(row) is not dict:
                raise ValueError('expected one object a line, such as {"file_name": "a.jpg", "label": "cat"}')
            if "\\ud" in line.lower():
                json.dumps(row, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            faults.add(number, f"no JSON: {error.msg} at column {error.colno}; each line is one whole object")
        except (ValueError, RecursionError) as error:
            faults.add(number, error)
        else:
            yield number, row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(row := dict(pairs)) != len(pairs):
        raise ValueError("an object has one key twice")
    return row


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python refuses what would take it long
        raise ValueError(f"a whole number of {len(digits.lstrip('-'))} digits; put it in quotation marks, so that it is text") from None


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_whole)
