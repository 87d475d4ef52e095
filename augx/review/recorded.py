"""A written copy found in the record of its set: its manifest line, the spec that it was made by, and its source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from augx.annotations.base import Layout
from augx.errors import OutputError, PlanError, SourceError, SpecError, printable
from augx.files import read_bytes
from augx.inputs import PATHS, find_sources, layout_of
from augx.manifest import MANIFEST, RUN, Manifest, read_run
from augx.sources import Source
from augx.spec import Spec, load_spec


@dataclass(frozen=True, slots=True)
class Recorded:
    """A copy as its set records it: the fields of its line, the spec and its source; ``layout`` is that of an annotated set."""

    fields: dict[str, Any]
    spec: Spec
    source: Source
    layout: Layout | None


def recorded_copy(file: str, input: str | None = None) -> Recorded:
    """The record of a copy, named by its path or that of a file beside it, in a set with ``manifest.jsonl`` and ``run.json``.

    ``input`` is where the sources are now, if that is not where the run found them. Raises ``PlanError`` for a file that no
    set lists or that is an untouched source, ``OutputError`` for a damaged record, ``SourceError`` for a source that is gone.
    """
    root = _root_of(file)
    run = read_run(root)
    assert run is not None
    fields = _line(root, os.path.relpath(os.path.realpath(os.path.dirname(file) or "."), os.path.realpath(root)), file)
    if fields.get("original"):
        raise PlanError(f"{printable(file)}: the untouched source {printable(fields['source'])}; nothing was drawn for it")
    place = printable(os.path.join(root, RUN))
    try:
        spec = load_spec(run["spec"])
        layout = layout_of(run["layout"]) if "layout" in run else None
    except SpecError as error:
        raise OutputError(f"{place}: its spec is not one that this augx reads: {error.problems[0]}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise OutputError(f"{place}: holds no spec or no layout that augx wrote, so it can't say what was made") from None
    return Recorded(fields, spec, _source(run, fields, root, input), layout)


def _root_of(file: str) -> str:
    """The nearest folder above a file that is a set."""
    folder = os.path.dirname(file) or "."
    while not os.path.ismount(folder):
        if all(os.path.isfile(os.path.join(folder, name)) for name in (MANIFEST, RUN)):
            return folder
        folder = os.path.normpath(os.path.join(folder, os.pardir)) if not os.path.isabs(folder) else os.path.dirname(folder)
    raise PlanError(
        f"{printable(file)}: not in a set that augx made (no folder above it has {MANIFEST} and {RUN}); a source goes with --image"
    )


def _line(root: str, inside: str, file: str) -> dict[str, Any]:
    name = os.path.normpath(os.path.join(inside, os.path.basename(file)))
    with Manifest(root, look_only=True) as manifest:
        found: dict[str, Any] | None = None
        for _, fields in manifest.entries():  # the last line of a file counts
            if name in (fields["file"], *(part["file"] for part in fields.get("beside", ()))):
                found = fields
    if found is None:
        raise PlanError(f"{printable(os.path.join(root, MANIFEST))}: lists no {printable(name)}; name a file that it lists")
    return found


def _source(run: dict[str, Any], fields: dict[str, Any], root: str, input: str | None) -> Source:
    key = fields["source"]
    reading = run.get("reading")
    if isinstance(reading, dict) and all(isinstance(reading.get(name, ""), str) for name in PATHS) and "input" in reading:
        options = {name: os.path.normpath(os.path.join(root, value)) if name in PATHS else value for name, value in reading.items()}
        path = options.pop("input")
        path = path if input is None else input
        source = next((source for source in find_sources(path, **options).sources if source.key == key), None)
        if source is None:
            raise PlanError(f"{printable(path)}: has no {printable(key)} any more; name the input by --input")
        return source
    found_in = run.get("found_in")
    known = [os.path.join(root, folder) for folder in found_in if isinstance(folder, str)] if isinstance(found_in, list) else []
    return _file(fields, [input] if input is not None else known)


def _file(fields: dict[str, Any], folders: Sequence[str]) -> Source:
    """The source among folders, known by its SHA-256."""
    key = str(fields["source"])
    for folder in folders if not os.path.isabs(key) and ".." not in key.split("/") and "\0" not in key else ():
        for path in dict.fromkeys(os.path.join(folder, part) for part in (key, os.path.basename(key))):
            if os.path.isfile(path) and hashlib.sha256(read_bytes(path)).hexdigest() == fields["source_sha256"]:
                return Source(path, key, fields.get("source_label", fields["label"]), "")
    where = f" in {printable(folders[0])}" if folders else ""
    raise SourceError(f"its source {printable(key)} is not{where} any more, or has changed; name the folder where it is by --input")
