"""``augx experiment``: does it help, on these pictures, and which spec helps most?"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import write_out

if TYPE_CHECKING:
    from augx.experiment.running import Progress
    from augx.spec import Spec

_BACKENDS = ["torch", "jax", "tensorflow"]
_ARMS = """\b
What is compared, with commas between; none is always there.
none: no augmentation
expand: a set expanded on disk
in-place: new copies in every epoch
both: new copies of the expanded set"""
_MODELS = (
    "small-cnn, resnet (hours without a GPU), or PATH:FUNCTION, called with ((size, size, 3), classes) and returning a Keras model "
    "that ends in softmax."
)
_MINUTE = 60.0
_QUICK = {"epochs": 3, "repeats": 2, "copies": 2, "size": 32, "most": 240}


@click.command(short_help="Train with and without augmentation: does it help?", context_settings={"max_content_width": 110})
@click.option("--dataset", required=True, metavar="DIR", help="Pictures in class folders, not expanded.")
@click.option("--test", metavar="DIR", help="Test pictures in the same class folders.  [default: a quarter of --dataset]")
@click.option("--spec", "specs", multiple=True, metavar="FILE|NAME", help="May be repeated.  [default: tutorial]")
@click.option("--arms", default="none,expand,in-place,both", show_default=True, help=_ARMS)
@click.option("--copies", type=int, default=10, show_default=True, help="Of each picture, in the arms that expand.")
@click.option("--repeats", type=int, default=5, show_default=True, help="Trainings of each arm, each with its own seed.")
@click.option("--epochs", type=int, default=50, show_default=True, help="Of the unaugmented set; each arm takes as many steps.")
@click.option("--size", type=int, default=64, show_default=True, help="Side that pictures are brought to, in pixels.")
@click.option("--model", default="small-cnn", show_default=True, help=_MODELS)
@click.option("--fraction", type=float, default=1.0, show_default=True, help="Use this share of each class.")
@click.option("--batch-size", type=int, default=32, show_default=True)
@click.option("--learning-rate", type=float, help="At the start.  [default: 0.001, resnet 0.05]")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=0,
    show_default=True,
    help="First seed; also decides which pictures --fraction takes.",
)
@click.option("--backend", type=click.Choice(_BACKENDS), help="Keras backend.  [default: $KERAS_BACKEND, or what is installed]")
@click.option("--output", default="results", show_default=True, metavar="DIR", help="Results, and one record per run.")
@click.option(
    "--dataset-is-expanded",
    "leak",
    is_flag=True,
    help="Show on purpose what splitting an expanded set by picture does; without --spec and --arms.",
)
@click.option("--quick", is_flag=True, help="A look at everything in under 3 minutes; proves nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json.")
@click.option("--quiet", is_flag=True, help="No progress, no table; --json still prints.")
def experiment(**options: Any) -> None:
    """Train the same model with and without augmentation, over several seeds, and say what that shows.

    \b
    augx experiment --dataset photos/ --spec tutorial --spec my.yaml
    augx experiment --dataset photos/ --quick

    Pictures are split by source before anything is expanded, and the test part is never augmented. Every arm has the same initial
    weights and takes as many steps. The same command again goes on where it was stopped. It needs augx-cli[train] and a
    backend of Keras 3. Exit status: 0 done, 1 a training broke off, 2 wrong usage, 130 stopped.
    """
    from augx.experiment import FILES, Settings, run_experiment

    for name in ("dataset", "test", "output"):
        if options[name] == "":
            raise click.UsageError(f"--{name} is empty; name a folder")
    arms = _arms(options["arms"])
    for name, option in {"specs": "--spec", "arms": "--arms"}.items():
        if options["leak"] and _given(name):
            raise click.UsageError(
                f"{option} and --dataset-is-expanded don't go together: the copies are there already, and its two arms are two ways "
                "of splitting them; leave one of the options out"
            )
    specs = () if options["leak"] else tuple(_named(spec) for spec in options["specs"] or ("tutorial",))
    chosen = {name: options[name] for name in Settings.__dataclass_fields__ if name in options and name not in ("specs", "arms")}
    if options["quick"]:
        chosen |= {name: value for name, value in _QUICK.items() if name == "most" or not _given(name)}
    settings = Settings(specs=specs, arms=arms, **chosen)
    gc.enable()
    quiet = options["quiet"]
    from augx.errors import printable

    def on_note(note: str) -> None:
        if not quiet:
            _say(f"augx: {printable(note)}")

    try:
        results = run_experiment(settings, options["output"], backend=options["backend"], on_progress=_Shown(quiet), on_note=on_note)
    except KeyboardInterrupt:
        _say("\naugx: stopped; the same command goes on with the run that was not ended, and with fewer --repeats it shows what is there")
        raise click.exceptions.Exit(130) from None
    from augx.experiment.outcome import as_json, as_text

    if options["as_json"]:
        write_out(as_json(results))
    elif not quiet:
        write_out("".join(f"{printable(line)}\n" for line in as_text(results)).encode())
    if not quiet:
        _say(f"augx: {printable(options['output'])}: {', '.join(FILES)}")


def _given(name: str) -> bool:
    """Whether an option was typed."""
    return click.get_current_context().get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _arms(text: str) -> tuple[str, ...]:
    """What --arms names. What an arm may be, ``Settings`` says."""
    from augx.errors import printable
    from augx.experiment.settings import ARMS

    arms = tuple(arm.strip() for arm in text.split(","))
    if not any(arms):
        raise click.UsageError(f"--arms is empty; name some of {', '.join(ARMS)}, with commas between")
    if not all(arms):
        raise click.UsageError(f"--arms {printable(text)}: nothing stands before or after a comma; write such as --arms none,in-place")
    return arms


def _say(text: str, *, end: bool = True) -> None:
    """On standard error, if that takes it: a reader that has gone away (``2>&1 | head``) does not stop hours of work."""
    try:
        click.echo(text, err=True, nl=end)
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # or the exit status would tell of what is left to be written
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _named(spec: str) -> tuple[str, Spec]:
    """A spec and its name in the results: its file's, without folders and ending."""
    from augx import load_spec

    return os.path.splitext(os.path.basename(spec))[0], load_spec(spec)


class _Shown:
    """Progress with the time left: one line that is written over on a terminal, elsewhere a line a run, and a minute in long ones."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._live, self._told = quiet, sys.stderr.isatty(), time.monotonic()

    def __call__(self, now: Progress) -> None:
        last = now.epoch == now.epochs
        if self._quiet or not (self._live or last or time.monotonic() - self._told > _MINUTE):
            return
        self._told = time.monotonic()
        from augx.errors import printable

        which = f"run {now.number} of {now.runs}: {printable(now.run)}; epoch {now.epoch} of {now.epochs}"
        text = f"augx: {which}, validation {100 * now.accuracy:.1f} %; {_lasting(now.left)} left"
        _say(f"\r\x1b[K{text}" if self._live else text, end=last or not self._live)


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
