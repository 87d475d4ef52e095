"""``augx check``: a spec's mistakes, and what in it will not do what it seems to."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import CHANGES, MAX_PIXELS, SOURCES, typed_sources, typed_spec, write_out

if TYPE_CHECKING:
    from augx.document import Path, Position
    from augx.review.lint import Hint
    from augx.spec import Spec

_TYPED: dict[Path, str] = {("output", "quality"): "quality"}


@click.command(short_help="Find mistakes, and what will not do what it seems to.", context_settings={"max_content_width": 110})
@click.argument("spec", metavar="FILE|NAME")
@SOURCES
@CHANGES
@MAX_PIXELS
@click.option("--strict", is_flag=True, help="Exit with status 1 if there is a hint.")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave out this kind of hint; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the hints as JSON.")
def check(images: tuple[str, ...], input_root: str | None, label: str | None, **options: Any) -> None:
    """Find the mistakes of a spec, and what in it will not do what it seems to.

    \b
    augx check my.yaml
    augx check my.yaml --input photos/

    With pictures it is tried on some of them, and their classes are known. Exit status: 0 a good spec, hints or not;
    1 hints and --strict; 2 mistakes.
    """
    spec = typed_spec(options)
    from augx.errors import SourceError, printable
    from augx.review.lint import CODES, lint, loaded, probes

    _check_codes(options["ignore"], CODES)
    given = images or input_root is not None or label is not None or options["images_from"] is not None
    found = typed_sources(images, input_root, label, options) if given else None
    sources = found.sources if found is not None else []
    if found is not None:
        from augx import plan_copies

        plan_copies(found, spec, copies=1)  # for its errors: a class that is spelled otherwise, a format that can't hold a picture
    samples, failures = loaded(probes(sources), options["max_pixels"])
    if sources and not samples:
        (path, reason), *others = failures
        raise SourceError(f"{printable(path)}: {reason}" + (f"; and {len(others)} more can't be read" if others else ""))
    for path, reason in failures:
        click.echo(f"augx: {printable(path)}: {reason}; tried without it", err=True)
    labels = list(dict.fromkeys(source.label for source in sources))
    formats = list(dict.fromkeys(os.path.splitext(source.name)[1] for source in sources))
    categories = found.layout.categories if found is not None and found.layout is not None else ()
    hints = [hint for hint in lint(spec, samples, labels, formats=formats, categories=categories) if hint.code not in options["ignore"]]
    _print(spec, hints, len(samples), options)
    if hints and options["strict"]:
        raise click.exceptions.Exit(1)


def _check_codes(ignored: Sequence[str], codes: Sequence[str]) -> None:
    from augx.wording import nearest

    for code in ignored:
        if code not in codes:
            raise click.UsageError(f"--ignore {code!r}: no hint is called so{nearest(code, codes)}; there are {', '.join(codes)}")


def _print(spec: Spec, hints: Sequence[Hint], tried: int, options: dict[str, Any]) -> None:
    from augx import SpecError, document
    from augx.errors import printable
    from augx.spec import preset_or_file

    path = preset_or_file(options["spec"])
    positions: Mapping[Path, Position] = {}
    with contextlib.suppress(OSError, SpecError):
        if path.is_file():  # a pipe can't be read twice
            positions = document.parse(path.read_bytes(), str(path))[1]
    found = [(hint, *_where(hint, positions, options)) for hint in hints]
    found.sort(key=lambda each: (each[1] is not None, each[2] is None, each[2] or (0, 0)))
    if options["as_json"]:
        write_out(json.dumps(_as_json(spec, str(path), tried, found)).encode() + b"\n")
    else:
        name = printable(options["spec"])
        lines = [
            f"{printable(option) if option else name}: {_line(at)}{printable(hint.place)}: {hint.message} [{hint.code}]\n"
            for hint, option, at in found
        ]
        write_out("".join(lines).encode())
    count = f"{len(hints)} hint{'s' if len(hints) > 1 else ''}" if hints else "no hints"
    click.echo(f"augx: {printable(options['spec'])}: no mistakes, {count}", err=True)


def _as_json(spec: Spec, path: str, tried: int, found: Sequence[tuple[Hint, str | None, Position | None]]) -> dict[str, Any]:
    hints = [
        {"code": hint.code, "place": hint.place, "label": hint.label, "message": hint.message, "loc": list(hint.loc), "option": option}
        | dict(zip(("line", "column"), at or (None, None), strict=True))
        for hint, option, at in found
    ]
    return {"file": path, "spec": spec.hash, "pictures": tried, "hints": hints}


def _line(at: Position | None) -> str:
    return "line {}, column {}: ".format(*at) if at else ""


def _where(hint: Hint, positions: Mapping[Path, Position], options: dict[str, Any]) -> tuple[str | None, Position | None]:
    """The option that what a hint is about was typed in, or else where it stands in the file."""
    from augx.wording import nearest_position

    short = _TYPED.get(hint.loc)
    if short is not None and options[short] is not None:
        return f"--{short.rstrip('_')} {options[short]}", None
    own = tuple(map(str, hint.loc))
    there = nearest_position(hint.loc, positions)
    for override in options["overrides"]:
        key = tuple(override.partition("=")[0].split("."))
        # What is typed takes the place of what it names and of all below it; of what is not in the file, it is a part.
        if own and (own[: len(key)] == key or (there != hint.loc and key[: len(own)] == own)):
            return f"--set {override}", None
    return None, positions[there] if there else None
