"""``augx import``: other libraries' settings as a spec."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from augx.commands.options import write_out

if TYPE_CHECKING:
    from augx.importers import Imported

_MOST = 4_000_000
_OUTPUT = click.option("--output", metavar="FILE", help="Write the spec here; a new file.  [default: standard output]")


@click.group(name="import", short_help="Turn another library's settings into a spec.")
def importing() -> None:
    """Turn another library's settings into a spec; what has no equivalent is named."""


@importing.command(short_help="Keras' ImageDataGenerator: its arguments as text.")
@click.argument("settings")
@_OUTPUT
def keras(settings: str, output: str | None) -> None:
    """Of Keras' ImageDataGenerator: its arguments as text, or a file that holds the call, or - for standard input.

    \b
    augx import keras "rotation_range=30, zoom_range=0.15, horizontal_flip=True"
    """
    from augx.importers.keras import from_keras

    _write(from_keras(_text(settings, "keras")), output)


@importing.command(short_help="torchvision's transforms: code, or a printed Compose.")
@click.argument("settings")
@_OUTPUT
def torchvision(settings: str, output: str | None) -> None:
    """Of torchvision's transforms (v2 or v1): the code or the printed Compose as text, or a file that holds it, or -.

    \b
    augx import torchvision "Compose([RandomHorizontalFlip(0.5), ColorJitter(0.2, 0.2)])"
    """
    from augx.importers.torchvision import from_torchvision

    _write(from_torchvision(_text(settings, "torchvision")), output)


@importing.command(short_help="Albumentations: a file that A.save wrote.")
@click.argument("file")
@_OUTPUT
def albumentations(file: str, output: str | None) -> None:
    """Of Albumentations: a FILE that its A.save wrote, YAML or JSON, or - for standard input.

    \b
    augx import albumentations pipeline.yaml --output spec.yaml
    """
    from augx.importers.albumentations import from_albumentations

    _write(from_albumentations(_bytes(file), "standard input" if file == "-" else file), output)


def _text(given: str, what: str) -> str:
    from augx import SpecError

    # What can't be a call or arguments, and names a file, is that file.
    if given != "-" and not ("=" not in given and "(" not in given and os.path.isfile(given)):
        return given
    try:
        return _bytes(given).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError([f"{what}: {given}: not UTF-8 at byte {error.start}"]) from None


def _bytes(path: str) -> bytes:
    from augx.errors import SourceError, SpecError, printable
    from augx.files import read_bytes

    if path == "-":
        return sys.stdin.buffer.read(_MOST)
    try:
        return read_bytes(path, _MOST)
    except SourceError as error:
        raise SpecError([f"{printable(path)}: {error}"]) from None


def _write(found: Imported, output: str | None) -> None:
    from augx.errors import OutputError, printable

    text = found.as_yaml().encode()
    if output is None:
        write_out(text)
    else:
        try:
            with open(output, "xb") as file:
                file.write(text)
        except OSError as error:
            raise OutputError(f"{printable(output)}: can't write the spec: {error.strerror}; choose another --output") from None
    if output is not None or not sys.stdout.isatty():  # in a terminal they stand above the spec already
        for kind, notes in (("not here", found.lost), ("differs", found.changed)):
            for note in notes:
                click.echo(f"augx: {kind}: {printable(note)}", err=True)
