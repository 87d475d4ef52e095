"""``augx audit``: leaks between the parts of an image set, label conflicts, and what else is wrong with it."""

from __future__ import annotations

import gc
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from augx.commands.options import JOBS, MAX_PIXELS, TIMEOUT, Whole, write_out
from augx.commands.progress import files_bar

if TYPE_CHECKING:
    from augx.audit import Findings
    from augx.audit.matches import Match

_SHOWN = 10
_CLASSES = 30
_HOWS = {
    "identical": "identical files",
    "pixels": "the same pixels in another file",
    "siblings": "made from one source, as the manifest says",
    "near": "near-duplicates",
}
_KINDS = {"leak": "LEAK", "conflict": "CONFLICT", "copy": "COPY"}


@click.command(short_help="Find leaks between train and val, and more.", context_settings={"max_content_width": 110})
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--near", type=Whole(0, 12), default=8, show_default=True, help="Bits of 64 that near-duplicates may differ in.")
@JOBS
@MAX_PIXELS
@TIMEOUT
@click.option("--all", "show_all", is_flag=True, help=f"Show all findings, not the first {_SHOWN} of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@click.option("--quiet", is_flag=True, help="No progress and no table; the exit status tells.")
def audit(folders: tuple[str, ...], **options: Any) -> None:
    """Look for what is wrong with an image set: pictures that are in train and val, or in two classes, and more.

    \b
    augx audit photos/              # photos/train/CLASS/..., photos/val/CLASS/..., or photos/CLASS/...
    augx audit train/ val/ test/    # a folder a part

    Identical files, near-duplicates (also mirrored and turned by 90, 180, 270 degrees), copies of one source in a set that augx
    made, classes out of balance or missing, files that can't be read, unusual sizes. Strong crops, turns by other angles and
    shifts are not found. Exit status: 0 no leak, 1 a picture is in two parts, 2 wrong usage.
    """
    from augx.audit import audit as look

    gc.freeze()
    gc.enable()
    with files_bar(options) as (on_found, on_looked):
        how = {name: options[name] for name in ("near", "jobs", "max_pixels", "timeout")}
        found = look(folders, on_found=on_found, on_looked=on_looked, **how)
    if options["as_json"]:
        write_out(json.dumps(_as_json(found)).encode() + b"\n")
    elif not options["quiet"]:
        from augx.errors import printable

        lines = [*_findings(found, options["show_all"]), *_table(found, options["show_all"]), *_summary(found)]
        write_out("".join(f"{printable(line)}\n" for line in lines).encode())
    if found.leaks:
        raise click.exceptions.Exit(1)


def _findings(found: Findings, show_all: bool) -> Iterator[str]:
    """The lines of findings, the worst first."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for match in found.matches:
        groups[match.kind, match.how].append(_match_line(found, match))
    for (kind, how), lines in groups.items():
        yield from _some(lines, f"{_KINDS[kind]}: {_HOWS[how]}", show_all)
    yield from _some([f"UNREADABLE {found.files[file].path}: {reason}" for file, reason in found.unreadable], "UNREADABLE", show_all)
    yield from _some([f"EMPTY {folder}: no image in this folder" for folder in found.empty], "EMPTY", show_all)
    yield from _some([f"MISSING class {label}: not in {part}" for part, label in found.missing], "MISSING", show_all)
    for one in found.imbalances:
        where = f"{one.part}: " if one.part else ""
        yield f"BALANCE {where}{one.most:,} {one.largest}, {one.least:,} {one.smallest}: {one.most / one.least:.0f} to 1"
    sizes = found.sizes
    median = f"the medians are {sizes.width:g}x{sizes.height:g} and {sizes.aspect:.2f} to 1"
    lines = [
        f"SIZE {found.files[one.file].path}: {one.width}x{one.height}, far in {' and '.join(one.measures)}; {median}"
        for one in sizes.outliers
    ]
    yield from _some(lines, "SIZE", show_all)
    yield from (f"NOTE {note}" for note in found.notes)


def _match_line(found: Findings, match: Match) -> str:
    from augx.audit.likeness import TURNS

    how = _HOWS[match.how]
    if match.how == "near":
        how = ", ".join(filter(None, (how, TURNS[match.turn], f"{match.bits} bits differ, correlation {match.correlation:.3f}")))
    return f"{_KINDS[match.kind]} {found.files[match.file].path} and {found.files[match.other].path}: {how}"


def _some(lines: Sequence[str], what: str, show_all: bool) -> Iterator[str]:
    shown = len(lines) if show_all else _SHOWN
    yield from lines[:shown]
    if len(lines) > shown:
        yield f"... and {len(lines) - shown:,} more ({what}); --all shows them"


def _table(found: Findings, show_all: bool) -> Iterator[str]:
    """Classes by parts, how many each has."""
    classes = list(next(iter(found.counts.values()), {}))
    if classes in ([], [""]) and len(found.parts) == 1:
        return
    shown = classes if show_all else classes[:_CLASSES]
    rows = [["class", *(part or "pictures" for part in found.parts)]]
    rows += [[label or "(none)", *(f"{each[label]:,}" for each in found.counts.values())] for label in shown]
    if len(classes) > 1:
        rows.append([f"{len(classes):,} classes", *(f"{sum(each.values()):,}" for each in found.counts.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    yield ""
    for number, row in enumerate(rows):
        if len(classes) > len(shown) and number == len(rows) - 1:
            yield f"... and {len(classes) - len(shown):,} more; --all shows them"
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells)
    yield ""


def _summary(found: Findings) -> Iterator[str]:
    pictures = len(found.files) - len(found.unreadable)
    parts = f" in {len(found.parts)} parts" if len(found.parts) > 1 else ""
    others = sum(found.others.values())
    asides = [
        f"{len(found.unreadable):,} unreadable" if found.unreadable else "",
        f"{others:,} files that are no images ({_endings(found.others)})" if others else "",
        f"{found.links:,} symbolic links, not followed" if found.links else "",
        f"{found.flat:,} of one colour, compared by their pixels alone" if found.flat else "",
        f"{found.made:,} made by augx" if found.made else "",
    ]
    yield "; ".join(filter(None, (f"{pictures:,} pictures{parts}", *asides)))
    for kind, name in (("leak", "leaks between parts"), ("conflict", "in two classes"), ("copy", "twice in a class")):
        counts = Counter[str](match.how for match in found.matches if match.kind == kind)
        if kind == "leak" and len(found.parts) == 1 and not counts:
            yield "one part only, so nothing can leak: name folders train, val, test, or give a folder a part"
        else:
            detail = ", ".join(f"{counts[how]:,} {_HOWS[how]}" for how in _HOWS if counts[how])
            yield f"{name}: {sum(counts.values()):,}{f' ({detail})' if detail else ''}"


def _endings(others: dict[str, int]) -> str:
    most = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {ending or 'without ending'}" for ending, count in most[:4]) + (", ..." if len(most) > 4 else "")


def _as_json(found: Findings) -> dict[str, Any]:
    from augx.audit.likeness import TURNS

    def named(number: int) -> dict[str, str]:
        file = found.files[number]
        return {"file": file.path, "part": found.parts[file.part], "class": file.label}

    def plain(match: Match) -> dict[str, Any]:
        near = {"turn": TURNS[match.turn], "bits": match.bits, "correlation": match.correlation} if match.how == "near" else {}
        return {"how": match.how, **named(match.file), "other": named(match.other), **near}

    names = {"leak": "leaks", "conflict": "conflicts", "copy": "copies"}
    sizes = found.sizes
    return {
        "pictures": len(found.files) - len(found.unreadable),
        "near": found.near,
        **{name: [plain(match) for match in found.matches if match.kind == kind] for kind, name in names.items()},
        "unreadable": [{**named(file), "reason": reason} for file, reason in found.unreadable],
        "counts": found.counts,
        "imbalances": [{name: getattr(one, name) for name in one.__slots__} for one in found.imbalances],
        "missing": [{"part": part, "class": label} for part, label in found.missing],
        "empty": list(found.empty),
        "sizes": {
            "median": {"width": sizes.width, "height": sizes.height, "aspect": sizes.aspect},
            "outliers": [{**named(one.file), "width": one.width, "height": one.height, "far": one.measures} for one in sizes.outliers],
        },
        "not_images": found.others,
        "links": found.links,
        "flat": found.flat,
        "made_by_augx": found.made,
        "notes": list(found.notes),
    }
