"""The command ``augx``: a table of contents. Each command parses, calls the library, prints."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

import click

from augx import __version__, words
from augx.commands.audit import audit
from augx.commands.check import check
from augx.commands.explain import explain
from augx.commands.fit import fit
from augx.commands.generate import generate
from augx.commands.importing import importing
from augx.commands.plan import plan
from augx.commands.preview import preview
from augx.commands.remake import remake
from augx.commands.schema import schema
from augx.commands.transforms import transforms
from augx.commands.verify import verify
from augx.errors import AugxError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="augx")
def augx() -> None:
    """Turn a small labelled image set into a large one, on disk, reproducibly."""


for command in (generate, plan, preview, check, audit, explain, remake, verify, importing, fit, schema, transforms):
    augx.add_command(command)


def main() -> None:
    """Run the command line; whatever happens, the user reads one line a mistake and never a traceback."""
    _open_standard_streams()
    words.capture()
    # The matrices here are 3x3: NumPy's pool of threads would only be in the way of forking.
    gc.disable()  # importing makes many objects and no garbage; a command turns it on before it works
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # or it looks through every installed package for them
    try:
        ended = augx.main(standalone_mode=False)
        status = ended if isinstance(ended, int) else 0
    except click.ClickException as error:
        from augx.errors import printable

        error.message = printable(error.message)  # type: ignore[misc]
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except AugxError as error:
        click.echo("\n".join(f"augx: {line}" for line in str(error).splitlines()), err=True)
        status = error.exit_status
    except OSError as error:
        if os.environ.get("AUGX_DEBUG"):
            raise
        place = f" {error.filename!r}" if error.filename else ""
        text = f"augx: the system says: {error.strerror or error}{place}".encode("utf-8", "backslashreplace").decode()
        with contextlib.suppress(OSError):
            click.echo(text, err=True)
        status = 1
        _forget_output()
    except Exception as error:  # the last line of defence
        if os.environ.get("AUGX_DEBUG"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode().split())
        click.echo(f"augx: unexpected error: {text} (a bug: please report it; AUGX_DEBUG=1 shows where)", err=True)
        status = 1
    sys.exit(status)


def _forget_output() -> None:
    """What could not be written to standard output can't be at the end either, where Python would complain in its own way."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_standard_streams() -> None:
    """A closed descriptor 1 or 2 would be given to the next file that is opened, and messages would land in a picture."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # One that says so where somebody writes to standard output, which nobody reads.
            os.open(os.devnull, os.O_RDONLY if descriptor == 1 else os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
