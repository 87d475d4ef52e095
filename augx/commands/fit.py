"""``augx fit``: mean, deviation and whitening of a set, kept for training and for data that come later."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings

import click


@click.command(short_help="Find a set's mean, deviation or whitening, for training.", context_settings={"max_content_width": 110})
@click.argument("settings", default="featurewise_center=True, featurewise_std_normalization=True")
@click.option("--input", "input_root", required=True, metavar="DIR", help="A folder of class folders.")
@click.option("--output", required=True, metavar="FILE", help="Where the statistics go, an .npz file.")
@click.option("--size", default="224x224", show_default=True, metavar="WxH", help="The size that pictures are brought to.")
@click.option("--colour", type=click.Choice(["rgb", "grayscale", "rgba"]), default="rgb", show_default=True, help="Channels.")
@click.option("--quiet", is_flag=True, help="Errors only.")
def fit(settings: str, input_root: str, output: str, size: str, colour: str, quiet: bool) -> None:
    """Look at all pictures once and keep what SETTINGS, arguments of ImageDataGenerator, need of them.

    \b
    augx fit --input photos/train --output stats.npz
    augx fit "zca_whitening=True, rescale=1./255" --input photos/train --output stats.npz --size 32x32

    In Python: ImageDataGenerator(...).load("stats.npz"), with the same settings. With validation_split only the training part
    is looked at.
    """
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", size)
    if not match or not int(match[1]) * int(match[2]):
        raise click.UsageError(f"--size {size!r}: write WIDTHxHEIGHT, for example 224x224")
    from augx.errors import PlanError, printable
    from augx.importers.generator_call import arguments
    from augx.importers.keras import PARAMETERS
    from augx.keras.generator import ImageDataGenerator

    given = arguments(settings, (*PARAMETERS, "law", "zca_rank"))
    wanted = ("featurewise_center", "featurewise_std_normalization", "zca_whitening")
    if not any(given.get(name) for name in wanted):
        raise PlanError(f"nothing to fit: of these arguments only {', '.join(wanted)} look at the whole set")
    if os.path.isdir(output):
        raise PlanError(f"--output {printable(output)}: this is a folder; name a file")
    subset = "training" if given.get("validation_split") else None
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # what Keras' class says goes there
            warnings.simplefilter("ignore")
            generator = ImageDataGenerator(**given)
            generator.fit_directory(input_root, (int(match[2]), int(match[1])), color_mode=colour, interpolation="bilinear", subset=subset)
        generator.save(output)
    except FileNotFoundError as error:
        raise PlanError(f"{printable(error.filename)}: No such file or directory; check the spelling") from None
    except (ValueError, TypeError, ImportError) as error:
        raise PlanError(printable(error)) from None
    if not quiet:
        statistics = generator.statistics
        whitened = f", whitening leaves out {statistics.error:.1%} of the variance" if generator.zca_whitening else ""
        click.echo(f"augx: {printable(output)}: of {statistics.count} pictures of {size}{whitened}", err=True)
