"""``augx plan``: what a run would make and cost, before it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import AMOUNT, JOBS, MAX_PIXELS, SOURCES, SPEC, typed_plan, typed_sources, typed_spec, write_out
from augx.commands.saved import PLAN, opened_plan, saved_plan

if TYPE_CHECKING:
    from augx.plan import Plan
    from augx.review.estimate import Cost, Estimate
    from augx.spec import Spec


def _prices(context: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """Two prices: of a core-hour, of a GB (1,000,000,000 bytes) kept for a month."""
    try:
        prices = tuple(map(float, value.split(","))) if value is not None else None
        if prices is None or (len(prices) == 2 and all(math.isfinite(price) and price >= 0 for price in prices)):
            return prices
    except ValueError:
        pass
    raise click.BadParameter(f"found {value!r}; expected the price of a core-hour and of a GB kept for a month, such as 0.04,0.023")


@click.command(short_help="Count files, bytes and minutes before a run.", context_settings={"max_content_width": 110})
@SOURCES
@SPEC
@AMOUNT
@JOBS
@MAX_PIXELS
@click.option("--save", metavar="FILE", help="Write the plan into one file, for `augx generate --plan FILE`.")
@PLAN
@click.option("--price", callback=_prices, metavar="CORE_HOUR,GB_MONTH", help="Say what making it and keeping it for a month costs.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def plan(images: tuple[str, ...], input_root: str | None, label: str | None, **options: Any) -> None:
    """Say how many pictures a run would make, of which class, and about how many bytes and minutes they cost.

    \b
    augx plan --input photos/ --per-class 1000 --spec strong

    Some copies of some pictures are made in memory and measured; nothing is written but what --save names.
    """
    if options["saved"] is not None:
        if options["save"] is not None:
            raise click.UsageError("--save does not go with --plan, which is saved already; leave out one")
        found, spec = opened_plan(options)
    else:
        spec = typed_spec(options)
        if options["save"] is not None:
            found = saved_plan(images, input_root, label, spec, options)
        else:
            found = typed_plan(images, typed_sources(images, input_root, label, options), spec, options)
    print_plan(found, spec, options)


def print_plan(plan: Plan, spec: Spec, options: dict[str, Any], root: str | None = None, there: int = 0) -> None:
    """The plan as a table or as JSON; ``there`` files of it are in ``root`` already."""
    from augx.errors import printable
    from augx.review.estimate import estimate_plan
    from augx.review.room import free_bytes

    free = None if root is not None and (root == "-" or "://" in root) else free_bytes(root or ".")
    price = options.get("price")
    estimate = estimate_plan(plan, spec, jobs=options["jobs"], max_pixels=options["max_pixels"])
    if options["as_json"]:
        told = _as_json(plan, estimate, root, there) | {"free": free}
        if price is not None:
            names = {"core_hour": price[0], "gb_month": price[1]}
            told["cost"] = dict(zip(("compute", "storage_month"), _cost(plan, estimate, price, there), strict=True)) | names
        write_out(json.dumps(told).encode() + b"\n")
    else:
        text = _table(plan, estimate) + _answer(plan, estimate, root, there, price)
        if free is not None:
            text = f"{text[:-1]}; {_counted(free)}B are free {'here' if root is None else 'there'}\n"
        write_out(text.encode())
    for failure in estimate.failures:
        click.echo(f"augx: {printable(failure.source)}: {failure.reason}; {failure.missing} files would be missing", err=True)
    needed = estimate.total.bytes * (plan.files - there) / plan.files
    if free is not None and needed > free:
        where = "here" if root is None else f"for {printable(root)}"
        click.echo(
            f"augx: about {_counted(needed)}B would be written, and {_counted(free)}B are free {where}: make room, ask for fewer, smaller "
            "or more compressed copies, or choose an --output elsewhere",
            err=True,
        )


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
        "estimate": cost(estimate.total) | {"wall": round(estimate.wall(), 3), "core_hours": estimate.total.seconds / 3600},
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


def _cost(plan: Plan, estimate: Estimate, price: tuple[float, ...], there: int) -> tuple[float, float]:
    """What the files that are not there cost to make, and all of them to keep for a month."""
    share = (plan.files - there) / plan.files
    return estimate.total.seconds * share / 3600 * price[0], estimate.total.bytes / 1e9 * price[1]


def _answer(plan: Plan, estimate: Estimate, root: str | None, there: int, price: tuple[float, ...] | None) -> str:
    """How many images will I get?"""
    from augx.errors import printable

    sources, least, most = plan.shares()
    each = f"{least}" if least == most else f"{least} to {most}"
    pictures = f"{sources} pictures" if sources > 1 else "1 picture"
    originals = f", and {plan.originals} originals" if plan.originals else ""
    share = (plan.files - there) / plan.files
    written = f"about {_counted(estimate.total.bytes * share)}B and {_lasting(estimate.wall(share))}"
    workers = f"{estimate.jobs} workers" if estimate.jobs > 1 else "1 worker"
    trial = f"by {estimate.copies} trial copies of {estimate.probed}"
    spent = f"; {_cores(estimate.total.seconds * share)} in all"
    if price is not None:
        compute, storage = map(_money, _cost(plan, estimate, price, there))
        spent += f": {compute} to make and {storage} a month to keep, at {price[0]:g} a core-hour and {price[1]:g} a GB and month"
    text = f"{plan.files} files: {each} copies of each of {pictures}{originals}"
    text = text.replace("each of 1 picture", "1 picture").replace("1 copies", "1 copy")
    if root is None:
        return f"{text}; {written} with {workers} ({trial}){spent}\n"
    kept = f"{there} are there already, {plan.files - there} to make, " if there else ""
    return f"{text}\ninto {printable(root)}, {kept}{written} with {workers} ({trial}){spent}; nothing was written (--dry-run)\n"


def _counted(n: float) -> str:
    """A large number in three digits: 12.3 M."""
    for unit in (" ", " k", " M", " G", " T"):
        if n < 999.5 or unit == " T":
            digits = 0 if unit == " " or n >= 99.95 else 1 if n >= 9.995 else 2
            return f"{n:.{digits}f}{unit}"
        n /= 1000
    raise AssertionError


_UNITS = (("hour", 3600, 6000), ("minute", 60, 100), ("second", 1, 0))
"""Of a core's work, with the seconds of each and those from which on it is told in it."""


def _cores(seconds: float) -> str:
    """What work there is for one core, in a unit that leaves something before the point."""
    if 0 < seconds < 1:
        return "less than 1 core-second"
    unit, size = next((unit, size) for unit, size, least in _UNITS if seconds >= least)
    number = f"{seconds / size:,.{int(seconds < 10 * size and size > 1)}f}"
    return f"{number} core-{unit}{'' if number == '1' else 's'}"


def _money(amount: float) -> str:
    """An amount in the unit of the prices given."""
    if 0 < amount < 0.01:
        return "less than 0.01"
    return f"{amount:,.{2 if amount < 100 else 0}f}" if amount else "0"


def _lasting(seconds: float) -> str:
    if seconds < 1:
        return "< 1 s" if seconds > 0 else "0 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
