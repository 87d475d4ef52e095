"""A contact sheet: pictures small enough to stand side by side, with our own words beside them.

Only our own words: OpenCV draws letters of ASCII one at a time, from constants, and never sees a name from outside. A
character that it has no letter for stands as its escape; the HTML report shows names in any script.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from augx.errors import printable

Array = np.ndarray[Any, Any]

CELL = 192
"""Width and height of a cell's picture, in pixels."""
COLUMNS = 4
MARK = b"augx preview"
"""Stands in every sheet and report, so that they may be replaced by the next."""
SOFTWARE = b"tEXtSoftware\0" + MARK

_GAP = 10
_LINE = 18
_INK, _FAINT, _PAPER = 32, 120, 255
_BOLD, _PLAIN = cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture (h, w, 3), uint8, as ``thumbnail`` gives it, or None; and a line of words under it."""

    picture: Array | None
    caption: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Cells that belong together: what they show (a heading and lines of small print), and whether that takes a cell of its own."""

    heading: str
    details: tuple[str, ...]
    cells: tuple[Cell, ...]
    beside: bool = False


def thumbnail(image: Array, side: int = CELL) -> Array:
    """A picture of any depth, with or without alpha, as (h, w, 3) blue green red, uint8, its longer side at most ``side``.

    Large ones are averaged; tiny ones are enlarged by a whole number, so that their pixels are seen; what is transparent
    lies on a chequerboard; of two channels the first is shown, of five or more the first three, as red, green and blue.
    """
    shown = _eight_bits(image)
    if shown.ndim == 3 and shown.shape[2] not in (1, 3, 4):
        shown = np.ascontiguousarray(shown[:, :, 2::-1] if shown.shape[2] > 3 else shown[:, :, :1])
    if shown.ndim == 2 or shown.shape[2] == 1:
        shown = cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR)
    height, width = shown.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        shown = _premultiplied(shown)
        shown = cv2.resize(shown, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    elif scale >= 2:
        shown = _premultiplied(shown.repeat(int(scale), axis=0).repeat(int(scale), axis=1))
    else:
        shown = _premultiplied(shown)
    return _on_squares(shown)


def _eight_bits(image: Array) -> Array:
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    return image if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _premultiplied(image: Array) -> Array:
    """Colours by their share of visibility, or hidden ones would show at soft edges."""
    if image.shape[2] == 3:
        return image
    alpha = image[:, :, 3:].astype(np.uint16)
    return np.dstack([((image[:, :, :3] * alpha + 127) // 255).astype(np.uint8), image[:, :, 3]])


def _on_squares(image: Array) -> Array:
    if image.shape[2] == 3:
        return image
    y, x = np.indices(image.shape[:2]) // 8
    squares = np.where((x + y) % 2, 204, 255)[:, :, None]
    hidden = 255 - image[:, :, 3:].astype(np.int32)
    return np.minimum(image[:, :, :3] + (squares * hidden + 127) // 255, 255).astype(np.uint8)


MOST = 1500
"""Cells on one sheet at most: what shows pictures opens none that are much higher."""


def contact_sheet(strips: Sequence[Strip]) -> Array:
    """The strips below each other as one picture (h, w, 3), uint8."""
    width = COLUMNS * (CELL + _GAP) + _GAP
    return np.concatenate([_spacer(_GAP, width), *(_drawn(strip, width) for strip in strips), _spacer(_GAP, width)])


def as_png(sheet: Array) -> bytes:
    """The sheet as a file, with ``MARK`` in it (a tEXt chunk, PNG specification, section 11.3.3)."""
    done, data = cv2.imencode(".png", sheet)
    assert done
    content = SOFTWARE
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    plain = data.tobytes()
    return plain[:33] + chunk + plain[33:]  # after the header


def as_jpeg(picture: Array) -> bytes:
    """A cell's picture as a small file."""
    # Colours at full resolution: at half of it, a line one pixel wide is grey.
    how = [cv2.IMWRITE_JPEG_QUALITY, 88, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(".jpg", picture, how)
    assert done
    return data.tobytes()


def _spacer(height: int, width: int) -> Array:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _drawn(strip: Strip, width: int) -> Array:
    cells = [_cell(cell) for cell in strip.cells]
    if strip.beside:
        return np.concatenate([_rows(cells, width, _words(strip)), _spacer(_GAP, width)])
    lines = [(_BOLD, _INK, line) for line in _wrapped(_BOLD, strip.heading, width - 2 * _GAP)]
    lines += [(_PLAIN, _FAINT, line) for detail in strip.details for line in _wrapped(_PLAIN, detail, width - 2 * _GAP)]
    head = _spacer(_GAP + _LINE * len(lines) + _GAP, width)
    head[: _GAP // 5] = 224
    for i, (font, ink, line) in enumerate(lines):
        _write(head, _GAP, _GAP + i * _LINE, font, line, ink)
    return np.concatenate([head, *([_rows(cells, width)] if cells else [])])


def _rows(cells: Sequence[Array], width: int, words: Array | None = None) -> Array:
    """Cells in rows as high as their highest picture; words in the first place stand at the top, pictures on one line."""
    rows = []
    first = 0 if words is None else 1
    for start in range(-first, len(cells), COLUMNS):
        line = cells[max(start, 0) : start + COLUMNS]
        head = words if words is not None and start < 0 else None
        height = max(cell.shape[0] for cell in (*line, *([] if head is None else [head])))
        row = _spacer(height + _GAP, width)
        if head is not None:
            row[: head.shape[0], _GAP : _GAP + CELL] = head
        for i, cell in enumerate(line, first if head is not None else 0):
            left = _GAP + i * (CELL + _GAP)
            row[height - cell.shape[0] : height, left : left + CELL] = cell
        rows.append(row)
    return np.concatenate(rows)


def _cell(cell: Cell) -> Array:
    height, width = cell.picture.shape[:2] if cell.picture is not None else (0, 0)
    drawn = _spacer(height + _LINE, CELL)
    left = (CELL - width) // 2
    if cell.picture is not None:
        drawn[:height, left : left + width] = cell.picture
    caption = _wrapped(_PLAIN, cell.caption, CELL)[0]
    _write(drawn, max(0, (CELL - _length(_PLAIN, caption)) // 2), height, _PLAIN, caption, _INK)
    return drawn


def _words(strip: Strip) -> Array:
    lines = [(_BOLD, _INK, line) for line in _wrapped(_BOLD, strip.heading, CELL - _GAP)]
    lines += [(_PLAIN, _FAINT, line) for detail in strip.details for line in _wrapped(_PLAIN, detail, CELL - _GAP)]
    drawn = _spacer(_LINE * len(lines), CELL)
    for i, (font, ink, line) in enumerate(lines):
        _write(drawn, 0, i * _LINE, font, line, ink)
    return drawn


def _wrapped(font: int, text: str, width: int) -> list[str]:
    """The text in lines that fit, broken at spaces and dots where it can be."""
    lines, line = [], ""
    for word in _ascii(text).replace(".", ".\0").replace("_", "_\0").replace(" ", " \0").split("\0"):
        rest = word
        while rest:
            if _length(font, (line + rest).rstrip()) <= width:
                line, rest = line + rest, ""
            elif line:
                lines.append(line.rstrip())
                line = ""
            else:
                fits = next(n for n in range(len(rest), 0, -1) if n == 1 or _length(font, rest[:n]) <= width)
                line, rest = rest[:fits], rest[fits:]
    return [*lines, line.rstrip()]


def _ascii(text: str) -> str:
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")


@cache
def _letter(font: int, letter: str) -> tuple[Array, int]:
    """How dark a letter makes each pixel of its box (``_LINE``, w), 0 to 1, and how far the next one stands."""
    assert len(letter) == 1 and " " <= letter <= "~"
    step = cv2.getTextSize(f"n{letter}n", font, 0.42, 1)[0][0] - cv2.getTextSize("nn", font, 0.42, 1)[0][0]
    drawn = np.zeros((_LINE, step + 8), np.uint8)
    cv2.putText(drawn, letter, (3, _LINE - 5), font, 0.42, 255, 1, cv2.LINE_AA)
    return drawn.astype(np.float32)[:, :, None] / 255, step


def _length(font: int, text: str) -> int:
    return sum(_letter(font, letter)[1] for letter in text)


def _write(page: Array, x: int, y: int, font: int, text: str, ink: int) -> None:
    """A line of ASCII whose box begins at (x, y)."""
    for letter in text:
        shape, step = _letter(font, letter)
        left = x - 3
        skipped = max(0, -left)
        area = page[y : y + _LINE, left + skipped : left + shape.shape[1]]
        part = shape[: area.shape[0], skipped : skipped + area.shape[1]]
        area[:] = np.rint(area * (1 - part) + ink * part).astype(np.uint8)
        x += step
