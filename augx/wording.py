"""What is wrong with a spec, in words: each of pydantic's errors as one line with place, finding, what is allowed, and the nearest."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from augx.errors import printable
from augx.ranges import shown
from augx.sections import WhenUsed
from augx.transforms import TRANSFORMS
from augx.transforms.base import Node

Location = tuple[str | int, ...]


def worded(name: str, model: Any, positions: Mapping[Location, tuple[int, int]], error: Any) -> str:
    """One pydantic error as one line of ours."""
    path = nearest_position(error["loc"], positions)
    line = "line {}, column {}: ".format(*positions[path]) if path in positions and not name.startswith("--set") else ""
    key = ".".join(map(str, error["loc"])) or "the spec"
    found = error["input"]
    match error["type"]:
        case "extra_forbidden":
            allowed = _allowed(model, error["loc"][:-1])
            last = str(error["loc"][-1])
            if last in TRANSFORMS and TRANSFORMS[last].section not in error["loc"]:
                allowed = [f"{last} under {TRANSFORMS[last].section}", *allowed]
            what = f"unknown key{nearest(last, allowed)}; allowed: {', '.join(allowed)}"
        case "missing":
            what = "missing"
        case "augx":
            what = error["msg"]
        case "model_type" | "model_attributes_type" | "dict_type":
            what = f"expected a mapping (key: value), found {shown(found)}"
        case "tuple_type" | "list_type":
            what = f"expected a list, found {shown(found)}"
        case "literal_error":
            expected = error["ctx"]["expected"].replace("'", "")
            what = f"expected {expected}, found {shown(found)}{nearest(str(found), expected.replace(' or ', ', ').split(', '))}"
        case _:
            what = f"{error['msg'].removeprefix('Input ').replace('should be', 'must be')}, found {shown(found)}"
    return f"{printable(name)}: {line}{printable(key)}: {what}"


def nearest_position(loc: Location, positions: Mapping[Location, tuple[int, int]]) -> Location:
    """The part of an error's location that stands in the file: a missing key and a shorthand's own field don't."""
    return next((loc[:n] for n in range(len(loc), 0, -1) if loc[:n] in positions), ())


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is most like this one, if any is."""
    import difflib

    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _allowed(model: Any, path: Location) -> list[str]:
    """The keys of the model at this place of a spec."""
    if path[:1] == ("classes",) and len(path) > 2:
        path = path[2:]  # a class' sections are the spec's own
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part]) or model
    common = [name for name in ("p", "relabel") if name in model.model_fields]
    return [name for name in model.model_fields if name not in common] + common


def _model_in(annotation: Any) -> Any:
    """The model in a field or in its annotation, if there is one."""
    if isinstance(annotation, FieldInfo):
        return next((m.model for m in annotation.metadata if isinstance(m, WhenUsed)), None) or _model_in(annotation.annotation)
    if isinstance(annotation, WhenUsed):
        return annotation.model
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) and issubclass(annotation, Node):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
