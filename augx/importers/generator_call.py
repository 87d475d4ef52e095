"""The arguments of Keras' ImageDataGenerator from text, alone or as the whole call; nothing in it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from augx.errors import SpecError, printable
from augx.importers.calls import Call, Expression, NotReadableError, Source
from augx.ranges import shown
from augx.wording import nearest

GENERATOR = "ImageDataGenerator"
_ANY = ("preprocessing_function", "dtype")


def arguments(text: str, parameters: Sequence[str]) -> dict[str, Any]:
    """The arguments as plain values by name; raises ``SpecError`` with a line for each that is none."""
    given, problems, _ = read(text, parameters)
    problems += [f"keras: {name}: {value!r} can't be run here; leave it out" for name, value in given.items() if _is_code(value)]
    if problems:
        raise SpecError(problems)
    return given


def read(text: str, parameters: Sequence[str]) -> tuple[dict[str, Any], list[str], list[str]]:
    """The arguments by name, a line for each that can't be one of ``parameters``, and a line for each further call."""
    if not text.strip():
        raise SpecError(["keras: nothing to read; expected the arguments of ImageDataGenerator, such as rotation_range=30"])
    try:
        call, others = _found(text)
    except NotReadableError as error:
        raise SpecError([f"keras: not the arguments of ImageDataGenerator, such as rotation_range=30, zoom_range=0.2: {error}"]) from None
    lost = [f"ImageDataGenerator (line {other.line}): only the first one is read; import this one by itself" for other in others]
    problems = []
    for value in call.args:
        found = printable(shown(value))
        problems.append(f"keras: expected arguments by name, such as rotation_range=30, found {found} without one")
    given: list[tuple[str | None, Any]] = []
    for name, value in call.keywords:
        given += value.keywords if name is None and isinstance(value, Call) and value.name == "dict" else [(name, value)]
    for name, times in Counter(name for name, _ in given).items():
        if name is None:
            problems.append("keras: expected arguments by name, found **; write them out")
        elif name not in parameters:
            hint = nearest(name, parameters) or f"; ImageDataGenerator has {', '.join(parameters)}"
            problems.append(f"keras: {printable(name)}: unknown parameter{hint}")
        elif times > 1:
            problems.append(f"keras: {name}: expected once, found {times} times")
    plain = {name: value for name, value in given if name is not None and name in parameters}
    for name in [name for name, value in plain.items() if _is_code(value) and name not in _ANY]:
        problems.append(f"keras: {name}: expected a plain value, found {plain.pop(name)!r}; write the value out")
    return plain, problems, lost


def _is_code(value: Any) -> bool:
    return isinstance(value, Expression | Call)


def _found(text: str) -> tuple[Call, list[Call]]:
    """The call whose arguments are meant, and further ones; raises ``NotReadableError``."""
    try:
        bare = Source.parse(f"dict(\n{text}\n)").calls(["dict"])
        # The text may have closed the bracket itself, and an assignment reads like an argument.
        values = [*bare[0].args, *(value for _, value in bare[0].keywords)] if len(bare) == 1 else []
        if len(bare) == 1 and not any(isinstance(value, Call) and value.name == GENERATOR for value in values):
            return bare[0], []
    except NotReadableError:
        pass
    source = Source.parse(text)
    calls = source.calls([GENERATOR]) or source.calls(["dict"])
    if not calls:
        raise NotReadableError("there is no call of ImageDataGenerator")
    return calls[0], calls[1:]
