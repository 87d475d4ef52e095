"""YAML text -> plain data and the line of every key, and back: strict, safe, and read as YAML 1.2 reads it.

``yaml.safe_load`` runs no code, but it has no limits and follows YAML 1.1: ``NO`` is false, ``1e-6`` is a string, ``012``
is 10, the last of two equal keys wins, and a few hundred bytes of aliases fill the memory. Here a key is always text,
scalars follow YAML 1.2's core schema, and whatever a spec has no use for is an error with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from augx.errors import SpecError, printable

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000

Path = tuple[str | int, ...]
Position = tuple[int, int]
"""Line and column, counted from 1."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _FaultError(Exception):
    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        self.message = message


def parse(data: bytes, name: str) -> tuple[Any, dict[Path, Position]]:
    """The document's plain data, and where each key and item stands; raises ``SpecError`` naming file, line and fault."""
    if len(data) > MAX_BYTES:
        raise SpecError([f"{printable(name)}: a spec may have {MAX_BYTES} bytes, this one has {len(data)}"])
    try:
        text = data.decode("utf-8-sig")
        root = _compose(text)
        positions: dict[Path, Position] = {}
        return _plain(root, (), positions), positions
    except UnicodeDecodeError as error:
        raise SpecError([f"{printable(name)}: not UTF-8 at byte {error.start}: save the spec as UTF-8 text"]) from None
    except _FaultError as fault:
        raise SpecError([f"{printable(name)}: {fault.place}{fault.message}"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(filter(None, (error.context, error.problem)))
        raise SpecError([f"{printable(name)}: {_FaultError(mark, what).place}not YAML: {what}"]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError([f"{printable(name)}: not YAML: {' '.join(str(error).split())}"]) from None


def emit(data: Any) -> str:
    """Plain data as YAML that ``parse`` reads back: a transform or a step a line, what belongs to it in brackets."""
    dumper = yaml.SafeDumper(None, sort_keys=False)  # type: ignore[arg-type]
    root = dumper.represent_data(data)
    below: list[tuple[int, yaml.Node]] = [(0, root)]
    for depth, node in below:
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = depth > 1
            pairs = node.value if isinstance(node, yaml.MappingNode) else [(item,) for item in node.value]
            below += [(depth + 1, child) for pair in pairs for child in pair]
    return yaml.serialize(root, Dumper=yaml.SafeDumper, allow_unicode=True, width=120)


def scalar(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema (YAML 1.2.2, section 10.3.2)."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        if len(text) > 400:  # Python refuses to read very long integers; a float says "too large" as well
            return float(text) if text.lstrip("+-").isdigit() else float("inf")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1) if text.lstrip("+-")[1:].isalpha() else text)
    return text


def _compose(text: str) -> yaml.Node:
    _check_events(yaml.parse(text, Loader=yaml.SafeLoader))
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
    finally:
        loader.dispose()
    if root is None:
        raise _FaultError(None, "the file is empty; the least spec is: augx: 1")
    return root


def _check_events(events: Iterator[yaml.Event]) -> None:
    depth = nodes = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _FaultError(event.start_mark, "anchors (&) and aliases (*) are not allowed; write the value out")
        if getattr(event, "tag", None):
            raise _FaultError(event.start_mark, "tags (!) are not allowed; write the plain value")
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _FaultError(event.start_mark, f"nested more than {MAX_DEPTH} deep")
        if nodes > MAX_NODES:
            raise _FaultError(event.start_mark, f"more than {MAX_NODES} values")


def _plain(node: yaml.Node, path: Path, positions: dict[Path, Position]) -> Any:
    positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), positions) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise _FaultError(key.start_mark, "a key must be plain text")
            if key.value in mapping:
                first = positions[(*path, key.value)][0]
                raise _FaultError(key.start_mark, f"the key {key.value!r} stands twice (first on line {first})")
            positions[(*path, key.value)] = (key.start_mark.line + 1, key.start_mark.column + 1)
            mapping[key.value] = _plain(value, (*path, key.value), positions)
        return mapping
    assert isinstance(node, yaml.ScalarNode)
    return scalar(node.value) if node.style is None else str(node.value)
