"""``augx experiment``: does it help, on these pictures, and which spec helps most?"""

from __future__ import annotations

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
_MINUTE = 60.0
_QUICK = {"epochs": 3, "repeats": 2, "copies": 2, "size": 32, "most": 240}


@click.command(short_help="Train with and without augmentation: does it help?", context_settings={"max_content_width": 110})
@click.option("--dataset", required=True, metavar="DIR", help="Pictures in class folders, not expanded.")
@click.option("--test", metavar="DIR", help="Test pictures in the same class folders.  [default: a quarter of --dataset]")
@click.option("--spec", "specs", multiple=True, metavar="FILE|NAME", help="May be repeated.  [default: tutorial]")
@click.option("--arms", default="none,expand,in-place,both", show_default=True, help="Of these; none is always there.")
@click.option("--copies", type=int, default=10, show_default=True, help="Of each picture, in the arms that expand.")
@click.option("--repeats", type=int, default=5, show_default=True, help="Seeds.")
@click.option("--epochs", type=int, default=50, show_default=True, help="Of the unaugmented set; each arm takes as many steps.")
@click.option("--size", type=int, default=64, show_default=True, help="Side that pictures are brought to, in pixels.")
@click.option("--model", default="small-cnn", show_default=True, help="small-cnn, resnet (hours without a GPU), or PATH:FUNCTION.")
@click.option("--fraction", type=float, default=1.0, show_default=True, help="Use this share of each class.")
@click.option("--batch-size", type=int, default=32, show_default=True)
@click.option("--learning-rate", type=float, help="At the start.  [default: 0.001, resnet 0.05]")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="The first seed.")
@click.option("--backend", type=click.Choice(_BACKENDS), help="Of Keras.  [default: $KERAS_BACKEND, or what is installed]")
@click.option("--output", default="results", show_default=True, metavar="DIR", help="Results, and a record a run.")
@click.option("--dataset-is-expanded", "leak", is_flag=True, help="Show on purpose what splitting an expanded set by picture does.")
@click.option("--quick", is_flag=True, help="A look at everything in under 3 minutes; proves nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json.")
@click.option("--quiet", is_flag=True, help="No progress, no table.")
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
    specs = () if options["leak"] else tuple(_named(spec) for spec in options["specs"] or ("tutorial",))
    arms = tuple(arm.strip() for arm in options["arms"].split(","))
    chosen = {name: options[name] for name in Settings.__dataclass_fields__ if name in options and name not in ("specs", "arms")}
    if options["quick"]:
        given = click.get_current_context().get_parameter_source
        chosen |= {name: value for name, value in _QUICK.items() if name == "most" or given(name) is click.core.ParameterSource.DEFAULT}
    settings = Settings(specs=specs, arms=arms, **chosen)
    gc.enable()
    quiet = options["quiet"]
    try:
        on_note = (lambda note: None) if quiet else (lambda note: click.echo(f"augx: {note}", err=True))
        results = run_experiment(settings, options["output"], backend=options["backend"], on_progress=_Shown(quiet), on_note=on_note)
    except KeyboardInterrupt:
        click.echo("\naugx: stopped; the same command goes on with the run that was not ended", err=True)
        raise click.exceptions.Exit(130) from None
    from augx.errors import printable
    from augx.experiment.outcome import as_json, as_text

    if options["as_json"]:
        write_out(as_json(results))
    elif not quiet:
        write_out("".join(f"{printable(line)}\n" for line in as_text(results)).encode())
    if not quiet:
        click.echo(f"augx: {printable(options['output'])}: {', '.join(FILES)}", err=True)


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
        click.echo(f"\r\x1b[K{text}" if self._live else text, err=True, nl=last or not self._live)


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
