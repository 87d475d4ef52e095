"""VOC's XML, one file a picture: read without entities and within bounds, and written.

Reading goes through expat itself: a DOCTYPE, and with it every entity, is refused before anything of it is looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

import numpy as np

from augx.annotations.outlines import box_around, box_of, enclosing
from augx.errors import printable
from augx.sample import Array, Box, Instance

MAX_DEPTH = 16
MAX_ELEMENTS = 200_000
_FLAGS = ("truncated", "difficult", "occluded")
_OWN = {"name", "bndbox", "robndbox", "polygon", "part", "object", "type"}
_TAG = re.compile(r"(?!xml)[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_POINT = re.compile(r"([xy])(\d{1,6})")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Element:
    """One element: its name, the line that it begins on, its text without the spaces around it, what it holds."""

    tag: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def every(self, tag: str) -> Iterator[Element]:
        """The elements of this name right below."""
        return (child for child in self.children if child.tag == tag)

    def first(self, tag: str) -> Element | None:
        """The first of them, None without one."""
        return next(self.every(tag), None)

    def fault(self, message: str) -> ValueError:
        """An error about this element, with its line."""
        return ValueError(f"line {self.line}: {message}")


def parse_xml(data: bytes) -> Element:
    """The root of a document. Raises ``ValueError`` with the line for what is no XML, has a DOCTYPE, or goes too deep or on too long."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", 0)
    open_elements = [top]
    count = 0

    def refuse(*_: Any) -> None:
        raise ValueError(f"line {parser.CurrentLineNumber}: a DOCTYPE or an entity is declared; remove it, VOC has none")

    def start(tag: str, _: Any) -> None:
        nonlocal count
        count += 1
        if len(open_elements) > MAX_DEPTH or count > MAX_ELEMENTS:
            limit = f"{MAX_DEPTH} deep" if count <= MAX_ELEMENTS else f"{MAX_ELEMENTS:,} elements"
            raise ValueError(f"line {parser.CurrentLineNumber}: more than {limit}; a VOC annotation is a short file")
        element = Element(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        element = open_elements.pop()
        element.text = element.text.strip()

    def text(characters: str) -> None:
        open_elements[-1].text += characters

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"line {error.lineno}: not XML: {expat.ErrorString(error.code)}") from None
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"line 1: its encoding can't be read: {error}") from None
    return top.children[0]


def objects_of(root: Element, size: tuple[int, int]) -> tuple[Instance, ...]:
    """The objects of an ``annotation``. Raises ``ValueError`` with the line; also for another ``size`` than the picture's."""
    if root.tag != "annotation":
        raise root.fault(f"<{printable(root.tag[:40])}> where VOC has <annotation>")
    stated = root.first("size")
    if stated is not None:
        # Tools that did not open the picture write 0, or nothing.
        numbers = [_number(child) if (child := stated.first(tag)) is not None and child.text else 0.0 for tag in ("width", "height")]
        if all(number > 0 for number in numbers) and tuple(numbers) != size:
            message = f"the size is {numbers[0]:g}x{numbers[1]:g}, the picture has {size[0]}x{size[1]} pixels: made for another one?"
            raise stated.fault(message)
    return tuple(map(_object, root.every("object")))


def _object(element: Element) -> Instance:
    name = element.first("name")
    if name is None or not name.text or not name.text.isprintable() or len(name.text.encode("utf-8")) > 255:
        found = "no name" if name is None or not name.text else f"the name {printable(name.text[:40])!r}"
        raise element.fault(f"an object with {found}; its name is 1 to 255 bytes of printable text")
    extra = {child.tag: _plain(child) for child in element.children if not child.children and child.text and child.tag not in _OWN}
    turned, plain = element.first("robndbox"), element.first("bndbox")
    if turned is not None:
        corners = _corners(turned)
        return Instance(name.text, enclosing(corners), (corners,), oriented=True, extra=extra)
    outlines = tuple(map(_outline, element.every("polygon")))
    if plain is not None:
        return Instance(name.text, _bndbox(plain), outlines, extra=extra)
    if not outlines:
        raise element.fault(f"an object {printable(name.text)!r} without a bndbox")
    return Instance(name.text, enclosing(np.concatenate(outlines)), outlines, extra=extra)


def _plain(element: Element) -> str | int:
    return int(element.text) if element.tag in _FLAGS and element.text in ("0", "1") else element.text


def _number(element: Element) -> float:
    number = float(element.text) if _NUMBER.fullmatch(element.text) else math.inf
    if not math.isfinite(number):
        raise element.fault(f"<{printable(element.tag)}> is {printable(element.text[:40])!r}, no finite number")
    return number


def _needed(element: Element, *tags: str) -> list[float]:
    numbers = []
    for tag in tags:
        child = element.first(tag)
        if child is None:
            raise element.fault(f"<{element.tag}> without <{tag}>")
        numbers.append(_number(child))
    return numbers


def _bndbox(element: Element) -> Box:
    left, top, right, bottom = _needed(element, "xmin", "ymin", "xmax", "ymax")
    for low, high, axis in ((left, right, "x"), (top, bottom, "y")):
        if high - low + 1 <= 0:
            raise element.fault(f"{axis}min {low:g} is beyond {axis}max {high:g}; they are the first and the last pixel of the box")
    try:
        return box_of(left - 1, top - 1, right, bottom)
    except ValueError as error:
        raise element.fault(str(error)) from None


def _corners(element: Element) -> Array:
    x, y, width, height, angle = _needed(element, "cx", "cy", "w", "h", "angle")
    if width <= 0 or height <= 0 or max(map(abs, (x, y, width, height))) > 1e9:
        raise element.fault(f"a box of width {width:g} and height {height:g} at {x:g}, {y:g}; both are above 0, and all below a milliard")
    along = np.array([math.cos(angle), math.sin(angle)]) * width / 2
    down = np.array([-math.sin(angle), math.cos(angle)]) * height / 2
    corners: Array = np.array([x, y]) + np.array([-along - down, along - down, along + down, down - along])
    return corners


def _outline(element: Element) -> Array:
    if element.first("pt") is not None:
        points = [_needed(point, "x", "y") for point in element.every("pt")]
    else:
        numbered: dict[int, dict[str, float]] = {}
        for child in element.children:
            if match := _POINT.fullmatch(child.tag):
                numbered.setdefault(int(match[2]), {})[match[1]] = _number(child)
        half = next((number for number, point in numbered.items() if len(point) < 2), None)
        if half is not None:
            raise element.fault(f"point {half} of the polygon has x or y alone")
        points = [[numbered[number]["x"], numbered[number]["y"]] for number in sorted(numbered)]
    if len(points) < 3:
        raise element.fault(f"a polygon of {len(points)} point{'s' * (len(points) != 1)}; it has 3 or more")
    outline = np.array(points)
    left, top, right, bottom = enclosing(outline)
    if not (left < right and top < bottom):
        raise element.fault("the points of the polygon enclose nothing")
    return outline


def annotation_xml(place: str, size: tuple[int, int], instances: Sequence[Instance]) -> bytes:
    """The file about the picture at ``place``. Raises ``ValueError`` for an instance without a box and an outline."""
    folder, _, name = place.rpartition("/")
    lines = ["<annotation>", _simple("folder", printable(folder)), _simple("filename", printable(name))]
    lines += ["  <size>", _simple("width", size[0], 4), _simple("height", size[1], 4), "  </size>", _simple("segmented", 0)]
    for instance in instances:
        lines += ["  <object>", *_lines(instance), "  </object>"]
    return "\n".join([*lines, "</annotation>", ""]).encode("utf-8")


def _simple(tag: str, value: object, indent: int = 2) -> str:
    return f"{' ' * indent}<{tag}>{escape(_NO_XML.sub('', str(value)))}</{tag}>"


def _lines(instance: Instance) -> Iterator[str]:
    yield _simple("name", instance.category, 4)
    # A crowd is difficult in VOC's sense: evaluation passes it over.
    fields = {"pose": "Unspecified", "truncated": 0, "difficult": int(instance.extra.get("iscrowd") == 1)}
    fields |= {key: value for key, value in instance.extra.items() if _TAG.fullmatch(key) and key.lower() not in _OWN}
    for key, value in fields.items():
        if isinstance(value, (str, int, float)):
            yield _simple(key, int(value) if isinstance(value, bool) else value, 4)
    turned = _turned(instance.polygons[0]) if instance.oriented else None
    if turned is not None:
        yield _simple("type", "robndbox", 4)
    yield from _group("bndbox", zip(("xmin", "ymin", "xmax", "ymax"), _edges(instance), strict=True))
    if turned is not None:
        yield from _group("robndbox", zip(("cx", "cy", "w", "h", "angle"), turned, strict=True))
        return
    for polygon in instance.polygons:
        pairs = ((f"{axis}{i}", value) for i, point in enumerate(polygon.tolist(), 1) for axis, value in zip("xy", point, strict=True))
        yield from _group("polygon", pairs)


def _group(tag: str, numbers: Any) -> Iterator[str]:
    yield f"    <{tag}>"
    for name, value in numbers:
        yield _simple(name, _decimal(value), 6)
    yield f"    </{tag}>"


def _decimal(value: float) -> str:
    """9 digits behind the point, none for a whole number, never an exponent."""
    if not math.isfinite(value):
        raise ValueError(f"a coordinate is {value}")
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _edges(instance: Instance) -> Box:
    box = box_around(instance)
    if box is None:
        raise ValueError(f"an instance of {instance.category} has neither box nor outline")
    left, top, right, bottom = box
    return left + 1, top + 1, right, bottom


def _turned(corners: Array) -> tuple[float, float, float, float, float] | None:
    """Middle, width, height and angle of a rectangle by its corners; None for four corners that are none, such as a sheared one."""
    if len(corners) != 4:
        return None
    along, down = corners[1] - corners[0], corners[2] - corners[1]
    width, height = math.hypot(*along), math.hypot(*down)
    skew = abs(float(along @ down)) / (width * height) if width > 0 and height > 0 else 1.0
    if skew > 1e-6 or np.abs(corners[0] + corners[2] - corners[1] - corners[3]).max() > 1e-6 * max(width, height):
        return None
    x, y = corners.mean(axis=0).tolist()
    return x, y, width, height, math.atan2(along[1], along[0]) % math.pi
