"""``augx verify``: a set against its manifest, file by file."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import JOBS, MAX_PIXELS, counted, write_out
from augx.commands.progress import files_bar

if TYPE_CHECKING:
    from augx.verify import Verified

_SHOWN = 20


@click.command(short_help="Compare every file of a set with its manifest.", context_settings={"max_content_width": 110})
@click.argument("folder", metavar="DIR")
@click.option("--sources", is_flag=True, help="Compare the sources that it was made from, not the set.")
@click.option("--remake", is_flag=True, help="Make what is missing or changed again, byte for byte.")
@click.option("--input", "input_root", metavar="PATH", help="Where the sources are now.  [default: where the run found them]")
@JOBS
@MAX_PIXELS
@click.option("--all", "show_all", is_flag=True, help=f"Show all differences, not the first {_SHOWN} of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print all differences as JSON.")
@click.option("--quiet", is_flag=True, help="No progress and no findings; the exit status tells.")
def verify(folder: str, **options: Any) -> None:
    """Read every file of the set in DIR and compare it with the SHA-256 in its manifest.

    \b
    augx verify expanded/
    augx verify expanded/ --remake
    augx verify expanded/ --sources --input photos/

    It tells what is missing, changed, torn (half a picture, or what a killed run left), extra (listed nowhere), and whether
    the counts add up; of a tar shard or an array that is damaged, also which pictures are hurt. Exit status: 0 all as it should be
    (also once --remake has made it so), 1 a difference is left, 2 wrong usage, no set, a damaged manifest, or a run at work.
    """
    from augx.verify import verify_set, verify_sources

    if options["sources"] and options["remake"]:
        raise click.UsageError("--remake makes files of the set again; sources can't be, so leave one of --sources and --remake out")
    if options["input_root"] is not None and not (options["sources"] or options["remake"]):
        raise click.UsageError("--input goes with --sources or --remake")
    gc.freeze()
    gc.enable()
    how = {"input": options["input_root"], "jobs": options["jobs"]}
    with files_bar(options) as (on_found, on_checked):
        if options["sources"]:
            found = verify_sources(folder, on_found=on_found, on_checked=on_checked, **how)
        else:
            more = {"remake": options["remake"], "max_pixels": options["max_pixels"]}
            found = verify_set(folder, on_found=on_found, on_checked=on_checked, **how, **more)
    if options["as_json"]:
        write_out(json.dumps(_as_json(found)).encode() + b"\n")
    elif not options["quiet"]:
        from augx.errors import printable

        lines = [*_differences(found, options["show_all"]), *_summary(found, "source" if options["sources"] else "picture")]
        write_out("".join(f"{printable(line)}\n" for line in lines).encode())
    if found.differences:
        raise click.exceptions.Exit(1)


def _differences(found: Verified, show_all: bool) -> Iterator[str]:
    from augx.verify import KINDS

    for kind in KINDS:
        lines = [f"{kind.upper()} {one.file}: {one.reason}" for one in found.differences if one.kind == kind]
        shown = len(lines) if show_all else _SHOWN
        yield from lines[:shown]
        if len(lines) > shown:
            yield f"... and {len(lines) - shown:,} more ({kind.upper()}); --all shows them"


def _summary(found: Verified, thing: str) -> Iterator[str]:
    from augx.verify import KINDS

    yield from (f"NOTE {note}" for note in found.notes)
    counts = Counter(one.kind for one in found.differences)
    kinds = ", ".join(f"{counts[kind]:,} {kind}" if kind != "sum" else "the counts don't add up" for kind in KINDS if counts[kind])
    again = f"; {counted(found.remade, 'file')} put in order" if found.remade else ""
    yield f"{found.root}: {counted(found.checked, thing)} checked{again}; {kinds or 'all as recorded'}"


def _as_json(found: Verified) -> dict[str, Any]:
    return {
        "set": found.root,
        "state": found.state,
        "checked": found.checked,
        "remade": found.remade,
        "differences": [{"kind": one.kind, "file": one.file, "reason": one.reason} for one in found.differences],
        "notes": list(found.notes),
    }
