"""The command ``augx``: a table of contents. Each command parses, calls the library, prints."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import Any

import click

from augx import __version__, words
from augx.commands.audit import audit
from augx.commands.check import check
from augx.commands.experiment import experiment
from augx.commands.explain import explain
from augx.commands.finalize import finalize
from augx.commands.fit import fit
from augx.commands.generate import generate
from augx.commands.importing import importing
from augx.commands.plan import plan
from augx.commands.preview import preview
from augx.commands.remake import remake
from augx.commands.schema import schema
from augx.commands.status import status
from augx.commands.transforms import transforms
from augx.commands.verify import verify
from augx.errors import AugxError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="augx")
def augx() -> None:
    """Turn a small labelled image set into a large one, on disk, reproducibly."""


for command in (
    generate,
    finalize,
    status,
    plan,
    preview,
    check,
    audit,
    experiment,
    explain,
    remake,
    verify,
    importing,
    fit,
    schema,
    transforms,
):
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
        ended = _interruptible()
        status = ended if isinstance(ended, int) else 0
    except click.ClickException as error:
        _tell(_usage(error))
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except AugxError as error:
        _tell("\n".join(f"augx: {line}" for line in str(error).splitlines()))
        status = error.exit_status
    except OSError as error:
        if os.environ.get("AUGX_DEBUG"):
            raise
        place = f" {error.filename!r}" if error.filename else ""
        text = f"augx: the system says: {error.strerror or error}{place}".encode("utf-8", "backslashreplace").decode()
        _tell(text)
        status = 1
        _forget_output()
    except Exception as error:  # the last line of defence
        if os.environ.get("AUGX_DEBUG"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode().split())
        _tell(f"augx: unexpected error: {text} (a bug: please report it; AUGX_DEBUG=1 shows where)")
        status = 1
    _on_interrupt(signal.SIG_DFL)  # what is left is Python's own end, which would complain in its own way
    sys.exit(status)


def _tell(text: str) -> None:
    """Say it on standard error, if that takes it."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _interruptible() -> Any:
    """Run what was typed. Ctrl-C is an exception there, which commands see; a second one ends the process at once."""
    interrupted = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    try:
        _on_interrupt(interrupt)
        return augx.main(prog_name="augx", standalone_mode=False)
    except Exception:
        if interrupted:  # whatever a library has made of it on its way up
            raise KeyboardInterrupt from None
        raise


def _on_interrupt(action: Any) -> None:
    """What Ctrl-C does, where the shell does not have it ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, action)


def _usage(error: click.ClickException) -> str:
    """What was typed wrong, in one line; the whole help where nothing was typed."""
    from augx.errors import printable

    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error.format_message()
    message = printable(" ".join(error.format_message().split()).rstrip("."))
    context = getattr(error, "ctx", None)
    return f"augx: {message}; see `{context.command_path} --help`" if context else f"augx: {message}"


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
