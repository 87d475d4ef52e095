"""The report of a finished run: what its manifest lists, and the files that stand."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from augx.draws import CopyParams
from augx.errors import SourceError
from augx.expand import Report
from augx.manifest import Manifest
from augx.packed import read_picture
from augx.plan import Plan
from augx.review.marking import Marking
from augx.review.preview import MOST, chosen_rows, preview
from augx.review.report import COPIES, SOURCES, Rejections, report
from augx.review.sheet import Cell
from augx.review.spread import Tally
from augx.rows import Row
from augx.spec import Spec

_BATCH = 4096


def run_report(plan: Plan, spec: Spec, run: Report, *, name: str, max_pixels: int) -> bytes:
    """The page; ``name`` is the spec's. Raises ``SourceError`` where no source can be read, ``OutputError`` for a damaged manifest."""
    classes = len({row.source.label for row in plan.rows})
    sources, copies = (SOURCES if classes * SOURCES * (COPIES + 1) <= MOST else 1), max(1, min(COPIES, MOST // classes - 1))
    rows = tuple(chosen_rows(plan, sources)[: MOST // (copies + 1)])
    wanted = {(row.source.key, copy) for row in rows for copy in range(min(copies, row.copies))}
    lines: dict[tuple[str, int], dict[str, Any]] = {}
    marking = Marking(plan.layout)
    tally = Tally(spec)
    rejections = Rejections() if any(spec.of_class(label).reject.limits for label in plan.classes()) else None
    batches: dict[str, list[CopyParams]] = defaultdict(list)
    for fields in _copies(run.output, {row.source.key for row in plan.rows}):
        place = fields["source"], fields["copy"]
        if place in wanted:
            lines[place] = {name: value for name, value in fields.items() if name != "params"}
        if rejections is not None:
            _count_rejected(rejections, fields)
        batch = batches[fields.get("source_label", fields["label"])]
        batch.append(fields["params"])
        if len(batch) == _BATCH:
            tally.add_lines(fields.get("source_label", fields["label"]), batch)
            batch.clear()
    for label, batch in batches.items():
        tally.add_lines(label, batch)

    def written(row: Row, copies: range) -> Iterator[Cell]:
        for copy in copies:
            caption = f"copy {copy}"
            fields = lines.get((row.source.key, copy))
            if fields is None:
                yield Cell(None, f"{caption}: missing")
                continue
            caption += f", {fields['label']}" * (fields["label"] != row.source.label)
            try:
                image = read_picture(run.output, fields, max_pixels)
                yield Cell(marking.thumbnail(image, marking.of_line(fields, run.output, max_pixels)), caption)
            except (SourceError, ValueError) as error:  # a region that is none shows when it is drawn
                yield Cell(None, f"{caption}: {error}")

    shown = preview(replace(plan, rows=rows), spec, copies=copies, max_pixels=max_pixels, shown=written)
    found = replace(shown, plan=plan), list(tally.spreads()), run.failures
    return report(*found, name=name, drawn=tally.copies, made=True, rejections=rejections)


def _count_rejected(rejections: Rejections, fields: Mapping[str, Any]) -> None:
    """What a line says of the draws that its copy rejected. Raises ``SourceError`` for what augx does not write."""
    try:
        rejections.draws += int(fields.get("tried", 1)) - 1
        rejections.reasons.update(Counter({str(reason): int(n) for reason, n in fields.get("rejected", {}).items()}))
        rejections.unmet += "unmet" in fields
    except (TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"the manifest does not say what {fields['file']} rejected ({error})") from None


def _copies(root: str, keys: set[str]) -> Iterator[dict[str, Any]]:
    """The manifest's lines of copies of some sources."""
    with Manifest(root, look_only=True) as manifest:
        for _, fields in manifest.entries():
            if not fields.get("original") and fields.get("source") in keys:
                yield fields
