"""A written copy found in the record of its set: its manifest line, the spec that it was made by, and its source."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from augx.errors import PlanError, printable
from augx.manifest import MANIFEST, RUN
from augx.recorded import Recorded, lines_of, recorded_set, source_finder
from augx.sources import Source


@dataclass(frozen=True, slots=True)
class RecordedCopy:
    """A copy as its set records it: the fields of its line, and its source."""

    fields: dict[str, Any]
    source: Source
    set: Recorded


def recorded_copy(file: str, input: str | None = None) -> RecordedCopy:
    """The record of a copy, named by its path or that of a file beside it, in a set with ``manifest.jsonl`` and ``run.json``.

    One that is packed is named as if it lay below the set's folder, at the place that its line tells. ``input`` is where the
    sources are now, if that is not where the run found them. Raises ``PlanError`` for a file that no set lists or that is an
    untouched source, ``OutputError`` for a damaged record, ``SourceError`` for a source that is gone.
    """
    found = _set_of(file)
    inside = os.path.relpath(os.path.realpath(os.path.dirname(file) or "."), os.path.realpath(found.root))
    (fields,) = lines_of(found.root, [os.path.normpath(os.path.join(inside, os.path.basename(file)))]).values()
    if fields.get("original"):
        raise PlanError(f"{printable(file)}: the untouched source {printable(fields['source'])}; nothing was drawn for it")
    return RecordedCopy(fields, source_finder(found, [fields], input)(fields), found)


def _set_of(file: str) -> Recorded:
    """The set in the nearest folder above a file that holds one; the folders between them need not be there."""
    folder = os.path.dirname(file) or "."
    while not os.path.ismount(folder):
        if all(os.path.isfile(os.path.join(folder, name)) for name in (MANIFEST, RUN)):
            found = recorded_set(folder)
            assert found is not None
            return found
        folder = os.path.normpath(os.path.join(folder, os.pardir)) if not os.path.isabs(folder) else os.path.dirname(folder)
    raise PlanError(
        f"{printable(file)}: not in a set that augx made (no folder above it has {MANIFEST} and {RUN}); a source goes with --image"
    )
