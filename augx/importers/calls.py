"""Calls given as text, as Python's source or as a library prints its objects -> names and plain values; nothing is ever run."""

from __future__ import annotations

import ast
import operator
import re
import textwrap
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from augx.errors import printable
from augx.importers.settings import number

MAX_CHARACTERS = 200_000
MAX_VALUES = 20_000
MAX_DEPTH = 100


_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class NotReadableError(Exception):
    """Text that is neither Python nor a printed object; its message is one line that says where and why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A value that is no literal: a name, a lambda, an attribute, as it was written."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the last part of its name, its values by position and by name (None: ``**``), and its line."""

    name: str
    args: tuple[Any, ...] = ()
    keywords: tuple[tuple[str | None, Any], ...] = ()
    line: int = 1

    def __repr__(self) -> str:
        return f"{self.name}(...)"


@dataclass(slots=True)
class Source:
    """Python text: its tree, and the values that names are given in it, so that ``size=SIDE`` can be followed."""

    tree: ast.Module
    assigned: dict[str, list[ast.expr]] = field(default_factory=dict)
    left: int = MAX_VALUES

    @classmethod
    def parse(cls, text: str) -> Source:
        """The source; raises ``NotReadableError`` for text that is not Python, or too long or too deep to be."""
        if len(text) > MAX_CHARACTERS:
            raise NotReadableError(f"at most {MAX_CHARACTERS} characters are read, found {len(text)}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes such as "\d", which are none of our business
                tree = ast.parse(textwrap.dedent(text))
        except SyntaxError as error:
            raise NotReadableError(f"line {error.lineno or 1}: {printable(error.msg)}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise NotReadableError("nested too deeply" if not isinstance(error, ValueError) else printable(error)) from None
        source = cls(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                source.assigned.setdefault(node.targets[0].id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                source.assigned.setdefault(node.target.id, []).append(node.value)
        return source

    def calls(self, names: Collection[str]) -> list[Call]:
        """The calls of these names that stand in no other of them, nor are named in one, in the order of the text."""
        found: list[ast.Call] = []
        stack: list[ast.AST] = [self.tree]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Call) and _last_name(node.func) in names:
                found.append(node)
            else:
                stack += reversed(list(ast.iter_child_nodes(node)))
        within = self._named_in(found)
        return [call for node in found if id(node) not in within and isinstance(call := self.value(node), Call)]

    def _named_in(self, calls: list[ast.Call]) -> set[int]:
        """The ids of all nodes of the values that these calls take by a name, directly or through other names."""
        seen: set[int] = set()
        waiting: list[ast.expr] = [*calls]
        while waiting:
            for inner in ast.walk(waiting.pop()):
                for value in self._earlier(inner) if isinstance(inner, ast.Name) else ():
                    if id(value) not in seen:
                        seen |= {id(part) for part in ast.walk(value)}
                        waiting.append(value)
        return seen

    def _earlier(self, name: ast.Name) -> list[ast.expr]:
        """What the name was set to on the lines above."""
        return [value for value in self.assigned.get(name.id, ()) if (value.end_lineno or value.lineno) < name.lineno]

    def value(self, node: ast.expr) -> Any:
        """The node's plain value: numbers, text, None, lists, calls; else an ``Expression``. Raises ``NotReadableError``."""
        try:
            return self._value(node)
        except RecursionError:
            raise NotReadableError("nested too deeply") from None

    def _value(self, node: ast.expr) -> Any:
        self.left -= 1  # a name may stand for a list of names, each of which stands for a list of names
        if self.left < 0:
            raise NotReadableError(f"more than {MAX_VALUES} values")
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as plain):
                return plain if type(plain) is not int or plain.bit_length() < 1000 else Expression("a huge number")
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()) if number(operand := self._value(node.operand)):
                return -operand if isinstance(node.op, ast.USub) else operand
            case ast.BinOp():
                return self._sum(node)
            case ast.List() | ast.Tuple():
                return [self._value(item) for item in node.elts]
            case ast.Dict(keys=keys) if keys and all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys):
                names = [str(getattr(key, "value", "")) for key in keys]
                pairs = zip(names, map(self._value, node.values), strict=True)
                return Call("dict", (), tuple(pairs), node.lineno)
            case ast.Call(args=args, keywords=keywords) if name := _last_name(node.func):
                by_name = tuple((keyword.arg, self._value(keyword.value)) for keyword in keywords)
                return Call(printable(name), tuple(map(self._value, args)), by_name, node.lineno)
            case ast.Call(func=ast.Call(), args=[]):  # RandomChoice(...)(p=[...]): torchvision prints its weights so
                inner = self._value(node.func)
                more = tuple((keyword.arg, self._value(keyword.value)) for keyword in node.keywords)
                return Call(inner.name, inner.args, inner.keywords + more, inner.line) if isinstance(inner, Call) else _written(node)
            case ast.Name() if earlier := self._earlier(node):
                return self._value(earlier[-1])
        return _written(node)

    def _sum(self, node: ast.BinOp) -> Any:
        left, right = self._value(node.left), self._value(node.right)
        operation = _OPERATIONS.get(type(node.op))
        if operation is None or not (number(left) and number(right)):
            return _written(node)
        try:
            found = operation(left, right)
        except ArithmeticError:
            return _written(node)
        return found if isinstance(found, float) or found.bit_length() < 1000 else Expression("a huge number")


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _written(node: ast.expr) -> Expression:
    try:
        text = printable(ast.unparse(node))
    except (ValueError, RecursionError):
        text = "an expression"
    return Expression(text if len(text) <= 60 else text[:57] + "...")


_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)"
    r"|(?P<text>'[^'\n]*'|\"[^\"\n]*\")|(?P<object><[^\n]*?>)|(?P<mark>[\[\](){}=,:])"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def printed(text: str) -> list[Any]:
    """The values of a printed object: calls whose parts stand on lines of their own, without commas, values without quotes.

    Raises ``NotReadableError``.
    """
    tokens: list[tuple[str, str, int]] = []
    place, line = 0, 1
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise NotReadableError(f"line {line}: can't be read from {printable(text[place : place + 20])!r} on")
        if found.lastgroup != "space":
            tokens.append((str(found.lastgroup), found.group(), line))
        line += found.group().count("\n")
        place = found.end()
    if len(tokens) > 5 * MAX_VALUES:
        raise NotReadableError(f"more than {5 * MAX_VALUES} words")
    stream = iter(tokens)
    values, keywords, _ = _items(stream, "", 0)
    return values + [value for _, value in keywords]


def _items(tokens: Iterator[tuple[str, str, int]], end: str, depth: int) -> tuple[list[Any], list[tuple[str | None, Any]], int]:
    """The values and the named values up to a closing bracket, and the line that it stands on."""
    values: list[Any] = []
    keywords: list[tuple[str | None, Any]] = []
    named: str | None = None
    line = 1
    if depth > MAX_DEPTH:
        raise NotReadableError("nested too deeply")
    for kind, text, line in tokens:
        value: Any = None
        if kind == "mark" and text in _CLOSING:
            inner, inner_keywords, _ = _items(tokens, _CLOSING[text], depth + 1)
            last = values[-1] if values and named is None else None
            if text == "(" and isinstance(last, Expression) and last.text[-1].isalnum():
                values[-1] = Call(last.text.rpartition(".")[2], tuple(inner), tuple(inner_keywords), line)
                continue
            if text == "(" and isinstance(last, Call) and not inner and inner_keywords:
                values[-1] = Call(last.name, last.args, last.keywords + tuple(inner_keywords), last.line)
                continue
            value = Expression("{...}") if text == "{" else inner
        elif kind == "mark":
            if text == end:
                return values, keywords, line
            if text == "=" and values and isinstance(values[-1], Expression):
                named = values.pop().text
            elif text == ":" and values:
                values.pop()  # the number that torch.nn.Sequential prints before each of its parts
            elif text != ",":
                break
            continue
        else:
            value = _word(kind, text)
        if named is None:
            values.append(value)
        else:
            keywords.append((named, value))
            named = None
    else:
        if not end:
            return values, keywords, line
    raise NotReadableError(f"line {line}: a bracket, a comma or a name is missing or too many")


def _word(kind: str, text: str) -> Any:
    if kind == "number":
        return int(text) if len(text) < 400 and text.lstrip("+-").isdigit() else float(text)
    if kind == "text":
        return text[1:-1]
    return {"True": True, "False": False, "None": None}.get(text, Expression(printable(text)[:60]))
