"""``augx preview``: look before a hundred thousand files are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import AMOUNT, COUNT, MAX_PIXELS, SOURCES, SPEC, typed_plan, typed_sources, typed_spec

if TYPE_CHECKING:
    from augx.plan import Plan
    from augx.spec import Spec


@click.command(short_help="Show each transform alone, and the first copies.", context_settings={"max_content_width": 110})
@SOURCES
@SPEC
@click.option("--output", metavar="FILE", help="The contact sheet, a PNG.  [default: preview.png, or none with --html]")
@click.option("--html", metavar="FILE", help="A report as one HTML file: sheets by class, counts, histograms of what is drawn.")
@click.option("--show", type=COUNT, default=11, show_default=True, help="Copies to show of each picture.")
@click.option("--sources", type=COUNT, default=2, show_default=True, help="With --input: pictures to show of each class.")
@click.option("--no-targets", is_flag=True, help="Leave out the boxes, outlines, keypoints and masks of an annotated set.")
@AMOUNT
@MAX_PIXELS
@click.option("--quiet", is_flag=True, help="Errors only.")
def preview(images: tuple[str, ...], input_root: str | None, label: str | None, **options: Any) -> None:
    """Show what a spec does to pictures: each transform alone at its ends, and the first copies that generate would write.

    \b
    augx preview --image cat.jpg --spec strong
    augx preview --input photos/ --per-class 1000 --html report.html
    """
    for name in ("output", "html"):
        if options[name] == "":
            raise click.UsageError(f"--{name} is empty; name a file")
    if options["html"] is not None and options["html"] == options["output"]:
        raise click.UsageError("--output and --html name the same file")
    spec = typed_spec(options)
    sources = typed_sources(images, input_root, label, options)
    if not images and not any(options[name] for name in ("total", "copies", "per_class")):
        options["copies"] = options["show"]
    plan = typed_plan(images, sources, spec, options)
    output = options["output"] or (None if options["html"] else "preview.png")
    _write(plan, spec, output, None if images else options["sources"], options)


def _write(plan: Plan, spec: Spec, output: str | None, sources: int | None, options: dict[str, Any]) -> None:
    from augx.errors import PlanError, printable
    from augx.review.preview import chosen_rows, preview
    from augx.review.report import check_path, put, report
    from augx.review.sheet import MOST, as_png, contact_sheet
    from augx.review.spread import drawn_by

    if output is not None and (cells := len(chosen_rows(plan, sources)) * (options["show"] + 1)) > MOST:
        what = "--sources and --show, or take --html" if sources is not None else "--show, or take --html"
        raise PlanError(f"{printable(output)}: a sheet of {cells} pictures would be too high, {MOST} is the most; show fewer by {what}")
    for path in filter(None, (output, options["html"])):
        check_path(path)
    how: dict[str, Any] = {"copies": options["show"], "max_pixels": options["max_pixels"], "targets": not options["no_targets"]}
    shown = preview(plan, spec, sources=sources, **how)
    if output is not None:
        put(output, as_png(contact_sheet(shown.strips(options["spec"]))))
    if options["html"] is not None:
        drawn = drawn_by(plan, spec)
        spreads = list(drawn.spreads())
        put(options["html"], report(shown, spreads, shown.failures, name=options["spec"], drawn=drawn.copies, made=False))
    for failure in shown.failures:
        click.echo(f"augx: {printable(failure.source)}: {failure.reason}", err=True)
    if not options["quiet"]:
        pictures = f"{len(shown.pictures)} picture{'s' if len(shown.pictures) > 1 else ''}"
        copies = sum(len(picture.copies) for picture in shown.pictures)
        written = " and ".join(printable(path) for path in (output, options["html"]) if path is not None)
        click.echo(f"augx: {written}: {pictures} with {copies} copies, and each transform alone", err=True)
