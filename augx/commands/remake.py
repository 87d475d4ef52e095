"""``augx remake``: files of a set again, from their manifest lines."""

from __future__ import annotations

import click

from augx.commands.options import MAX_PIXELS


@click.command(short_help="Make single files of a set again, byte for byte.", context_settings={"max_content_width": 110})
@click.argument("manifest", metavar="MANIFEST")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--output", metavar="DIR", help="Write them below this folder.  [default: where they were; a packed set needs it]")
@click.option("--input", "input_root", metavar="DIR", help="Where the sources are now.  [default: where the run found them]")
@MAX_PIXELS
@click.option("--quiet", is_flag=True, help="Errors only.")
def remake(manifest: str, files: tuple[str, ...], output: str | None, input_root: str | None, max_pixels: int, quiet: bool) -> None:
    """Make single copies again, byte for byte, from their lines in MANIFEST.

    \b
    augx remake expanded/manifest.jsonl cats/Cat_00012.jpg
    augx remake expanded/manifest.jsonl expanded/cats/Cat_00012.jpg --output again/

    A file is written only if its SHA-256 is the one that its line says, and never over another file. Pictures of a set in tar
    shards or arrays come as files of their own, at the places that its lines name, below --output; those in arrays as .npy.
    """
    from augx.errors import printable
    from augx.remake import remake_files

    if output == "":
        raise click.UsageError("--output is empty; name a folder")
    report = remake_files(manifest, files, input=input_root, output=output, max_pixels=max_pixels)
    for failure in report.failures:
        click.echo(f"augx: {printable(failure.source)}: {failure.reason}", err=True)
    if not quiet:
        same = f", {len(report.same)} there already with the same bytes" if report.same else ""
        failed = f", {len(report.failures)} not made" if report.failures else ""
        click.echo(f"augx: {len(report.made)} made again{same}{failed}", err=True)
    if report.failures:
        raise click.exceptions.Exit(1)
