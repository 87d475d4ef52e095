"""``augx plan``: what a run would make and cost, before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import AMOUNT, JOBS, MAX_PIXELS, SOURCES, SPEC, typed_plan, typed_sources, typed_spec, write_out

if TYPE_CHECKING:
    from augx.plan import Plan
    from augx.review.estimate import Cost, Estimate
    from augx.spec import Spec


@click.command(short_help="Count files, bytes and minutes before a run.", context_settings={"max_content_width": 110})
@SOURCES
@SPEC
@AMOUNT
@JOBS
@MAX_PIXELS
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def plan(images: tuple[str, ...], input_root: str | None, label: str | None, **options: Any) -> None:
    """Say how many pictures a run would make, of which class, and about how many bytes and minutes they cost.

    \b
    augx plan --input photos/ --per-class 1000 --spec strong

    Some copies of some pictures are made in memory and measured; nothing is written.
    """
    spec = typed_spec(options)
    sources = typed_sources(images, input_root, label, options)
    print_plan(typed_plan(images, sources, spec, options), spec, options)


def print_plan(plan: Plan, spec: Spec, options: dict[str, Any], root: str | None = None, there: int = 0) -> None:
    """The plan as a table or as JSON; ``there`` files of it are in ``root`` already."""
    from augx.errors import printable
    from augx.review.estimate import estimate_plan

    estimate = estimate_plan(plan, spec, jobs=options["jobs"], max_pixels=options["max_pixels"])
    if options["as_json"]:
        write_out(json.dumps(_as_json(plan, estimate, root, there)).encode() + b"\n")
    else:
        text = _table(plan, estimate) + _answer(plan, estimate, root, there)
        write_out(text.encode())
    for failure in estimate.failures:
        click.echo(f"augx: {printable(failure.source)}: {failure.reason}; {failure.missing} files would be missing", err=True)


def _as_json(plan: Plan, estimate: Estimate, root: str | None, there: int) -> dict[str, Any]:
    def cost(found: Cost) -> dict[str, Any]:
        return {"pixels": round(found.pixels), "bytes": round(found.bytes), "seconds": round(estimate.seconds(found), 3)}

    rows = {
        label: {"sources": s, "copies": c, "files": f, "estimate": cost(estimate.classes[label])}
        for label, (s, c, f) in plan.classes().items()
    }
    counts: dict[str, Any] = {"sources": len(plan.rows), "copies": plan.copies, "files": plan.files, "there": there}
    if plan.split is not None:
        counts["split"] = {part: {label: list(numbers) for label, numbers in plan.classes(part).items()} for part in plan.split.parts}
    probe = {"sources": estimate.probed, "copies": estimate.copies, "jobs": estimate.jobs}
    failures = [{"source": f.source, "reason": f.reason, "missing": f.missing} for f in estimate.failures]
    return {
        "output": root,
        **counts,
        "estimate": cost(estimate.total) | {"wall": round(estimate.wall(), 3)},
        "classes": rows,
        "probe": probe,
        "failures": failures,
    }


def _table(plan: Plan, estimate: Estimate) -> str:
    from augx.errors import printable

    def cost(found: Cost) -> tuple[str, ...]:
        return _counted(found.pixels), f"{_counted(found.bytes)}B", _lasting(estimate.seconds(found))

    lines: list[tuple[object, ...]] = [("class", "sources", "copies", "files", "pixels", "size", "time")]
    every = plan.classes().items()
    lines += [(printable(label) or "(none)", *counts, *cost(estimate.classes[label])) for label, counts in every]
    lines.append(("(all)", len(plan.rows), plan.copies, plan.files, *cost(estimate.total)))
    if plan.split is not None:
        lines += [(f"{part}/{printable(label)}".rstrip("/"), *n) for part in plan.split.parts for label, n in plan.classes(part).items()]
    width = max(len(str(line[0])) for line in lines)
    return "".join(f"{name:<{width}}" + "".join(f"{n:>12}" for n in counts) + "\n" for name, *counts in lines)


def _answer(plan: Plan, estimate: Estimate, root: str | None, there: int) -> str:
    """How many images will I get?"""
    from augx.errors import printable
    from augx.split import TRAIN

    copies = sorted({row.copies for row in plan.rows if row.part in ("", TRAIN)})
    each = f"{copies[0]}" if len(copies) == 1 else f"{copies[0]} to {copies[-1]}"
    sources = sum(row.part in ("", TRAIN) for row in plan.rows)
    pictures = f"{sources} pictures" if sources > 1 else "1 picture"
    originals = f", and {plan.originals} originals" if plan.originals else ""
    share = (plan.files - there) / plan.files
    written = f"about {_counted(estimate.total.bytes * share)}B and {_lasting(estimate.wall(share))}"
    workers = f"{estimate.jobs} workers" if estimate.jobs > 1 else "1 worker"
    trial = f"by {estimate.copies} trial copies of {estimate.probed}"
    text = f"{plan.files} files: {each} copies of each of {pictures}{originals}"
    text = text.replace("each of 1 picture", "1 picture").replace("1 copies", "1 copy")
    if root is None:
        return f"{text}; {written} with {workers} ({trial})\n"
    kept = f"{there} are there already, {plan.files - there} to make, " if there else ""
    return f"{text}\ninto {printable(root)}, {kept}{written} with {workers} ({trial}); nothing was written (--dry-run)\n"


def _counted(n: float) -> str:
    """A large number in three digits: 12.3 M."""
    for unit in (" ", " k", " M", " G", " T"):
        if n < 999.5 or unit == " T":
            digits = 0 if unit == " " or n >= 99.95 else 1 if n >= 9.995 else 2
            return f"{n:.{digits}f}{unit}"
        n /= 1000
    raise AssertionError


def _lasting(seconds: float) -> str:
    if seconds < 1:
        return "< 1 s" if seconds > 0 else "0 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
