"""A set as its manifest and run.json record it: its spec and layout, lines by their files' names, and where its sources are now."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from augx.addresses import is_address, put_back
from augx.annotations.base import Layout
from augx.errors import OutputError, PlanError, SourceError, SpecError, printable
from augx.files import read_bytes
from augx.inputs import PATHS, find_sources, layout_of
from augx.manifest import MANIFEST, RUN, Manifest, read_run
from augx.sample import Sample
from augx.sources import EXTENSIONS, Source, load
from augx.spec import Spec, load_spec
from augx.split import Split
from augx.stores import exists
from augx.writers import FORMATS

Paths = str | os.PathLike[str]
Fields = dict[str, Any]
FindSource = Callable[[Mapping[str, Any]], Source]
"""The source of a manifest line's picture. Raises ``SourceError`` where it is gone or has changed."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A set below ``root``: the fields of its run.json, its spec, and how its annotations are laid out (None: there are none)."""

    root: str
    run: Mapping[str, Any]
    spec: Spec
    layout: Layout | None

    @property
    def store(self) -> str:
        """What its pictures are packed into; ``""`` for files of their own."""
        return str(_store(self.run).get("kind", ""))

    def flat(self, kind: str) -> bool:
        """Whether alpha was laid on white before a picture in the format ``kind`` was made."""
        return bool(_store(self.run).get("flat")) or not FORMATS[kind].alpha


def _store(run: Mapping[str, Any]) -> Mapping[str, Any]:
    found = run.get("store")
    return found if isinstance(found, dict) else {}


def recorded_set(root: str) -> Recorded | None:
    """The record of the set in a folder, None where there is none. Raises ``OutputError`` for one that is damaged."""
    run = read_run(root)
    if run is None or not os.path.isfile(os.path.join(root, MANIFEST)):
        return None
    place = printable(os.path.join(root, RUN))
    if not isinstance(run.get("spec"), dict):
        raise OutputError(f"{place}: holds no spec, so nothing can be made from it")
    try:
        return Recorded(root, run, load_spec(run["spec"]), layout_of(run["layout"]) if "layout" in run else None)
    except SpecError as error:
        raise OutputError(f"{place}: its spec is not one that this augx reads: {error.problems[0]}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise OutputError(f"{place}: holds no layout that augx wrote, so nothing can be made from it") from None


def as_recorded(split: Split, root: str) -> Split:
    """The split with its parts in the order that the set in ``root`` has, where nothing else differs: the order draws the bounds."""
    found = (read_run(root) or {}).get("split")
    order = [share.partition("=")[0] for share in str(found.get("shares")).split(",")] if isinstance(found, dict) else []
    if sorted(order) != sorted(split.parts):
        return split
    same = replace(split, shares=tuple(sorted(split.shares, key=lambda share: order.index(share[0]))))
    return same if same.state() == found else split


def lines_of(root: str, files: Sequence[Paths]) -> dict[str, Fields]:
    """The manifest's fields of some files, by the place of their picture, in the order asked for.

    Files are named as in the manifest, or by where they lie or would lie below the set's folder; one beside a picture, such as
    its mask, stands for that. Raises ``PlanError`` for what is not listed, ``OutputError`` for a damaged manifest.
    """
    names: dict[str, set[str]] = {}
    for path in [os.fspath(file) for file in files]:
        inside = os.path.relpath(os.path.realpath(os.path.dirname(path) or "."), os.path.realpath(root))
        names[path] = {os.path.normpath(path), os.path.normpath(os.path.join(inside, os.path.basename(path)))}
    asked = {name for both in names.values() for name in both}
    found: dict[str, Fields] = {}
    with Manifest(root, look_only=True) as manifest:
        for _, fields in manifest.entries():  # the last line of a file counts
            for name in asked.intersection([fields["file"], *(part["file"] for part in fields.get("beside", ()))]):
                found[name] = fields
    unknown = [path for path, both in names.items() if not both & found.keys()]
    if unknown:
        others = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        place, first = printable(os.path.join(root, MANIFEST)), printable(unknown[0]) or "file without a name"
        raise PlanError(f"{place}: lists no {first}{others}; name files as its lines do, or by their paths")
    lines = [found[name] for both in names.values() for name in sorted(both & found.keys())[:1]]
    return {fields["file"]: fields for fields in lines}


def picture_format(file: str) -> str:
    """The format that a listed file is in, by its name. Raises ``SourceError`` for what no copy is written in."""
    extension = os.path.splitext(file)[1]
    kind = EXTENSIONS.get(extension, extension[1:])
    if kind not in FORMATS:
        raise SourceError(f"its line in the manifest names no picture: {printable(file)}")
    return kind


def load_recorded(source: Source, fields: Mapping[str, Any], max_pixels: int, *, flat: bool) -> Sample:
    """The source as a line's picture was made from it. Raises ``SourceError``, also where it has changed since."""
    sample = load(source, max_pixels, flat=flat)
    if sample.sha256 != fields["source_sha256"]:
        raise SourceError(f"its source {printable(source.where)} has changed since (SHA-256 differs); no other picture can take its place")
    return sample


def source_finder(found: Recorded, lines: Iterable[Mapping[str, Any]], input: Paths | None = None) -> FindSource:
    """What finds the sources of lines; ``input`` is where they are now, if that is not where the run found them.

    Raises ``PlanError`` at once for an input that lacks one of them, ``OutputError`` for one without the set's annotations.
    """
    known = _reread(found, list(lines), input)
    if known is not None:
        return lambda fields: known[str(fields["source"])]
    stored = found.run.get("found_in")
    were = stored if isinstance(stored, list) and all(isinstance(folder, str) for folder in stored) else []
    folders = [os.fspath(input)] if input is not None else [put_back(folder, found.root) for folder in were]
    return lambda fields: _found(fields, folders, input is not None)


def _reread(found: Recorded, lines: Sequence[Mapping[str, Any]], input: Paths | None) -> dict[str, Source] | None:
    """The sources of a set that was no tree of pictures alone, found as the run found them; None for one that was."""
    reading = found.run.get("reading")
    if not isinstance(reading, dict) or "input" not in reading or not all(isinstance(reading.get(name, ""), str) for name in PATHS):
        return None
    options = {name: put_back(value, found.root) if name in PATHS else value for name, value in reading.items()}
    if input is None and (there_are := [value for name, value in options.items() if name in PATHS and is_address(value)]):
        raise PlanError(_not_asked(there_are[0]))
    path = options.pop("input")
    there = find_sources(input if input is not None else path, **options)
    if there.layout is None and any("objects" in fields or "beside" in fields for fields in lines):
        place = printable(os.path.join(found.root, RUN))
        raise OutputError(f"{place}: the set had annotations, its input has none now; name it by --input")
    sources = {source.key: source for source in there.sources}
    for fields in lines:
        if fields["source"] not in sources:
            place = printable(input if input is not None else path)
            raise PlanError(f"{place}: has no {printable(fields['source'])} any more; name the input by --input")
    return sources


def _not_asked(address: str) -> str:
    """A set that somebody else has made must not make anybody ask a server, with his credentials, by its run.json alone."""
    return f"run.json says that the sources are at {printable(address)}; name it by --input to have them read from there"


def _found(fields: Mapping[str, Any], folders: Sequence[str], asked: bool) -> Source:
    """Where the source lies that a line's picture was made from, known by its SHA-256."""
    if not folders:
        raise SourceError("run.json does not say where the sources were; name their folder by --input")
    key, changed = str(fields["source"]), None
    if os.path.isabs(key) or ".." in key.split("/") or "\0" in key:
        raise SourceError(f"its line names a source outside of the set's own: {printable(key)}")
    for folder in folders:
        if is_address(folder) and not asked:
            raise SourceError(_not_asked(folder))
        for path in dict.fromkeys(os.path.join(folder, part) for part in (key, os.path.basename(key))):
            if not (exists(path) if is_address(path) else os.path.isfile(path)):
                continue
            if hashlib.sha256(read_bytes(path)).hexdigest() == fields["source_sha256"]:
                return Source(path, key, fields.get("source_label", fields["label"]), "")
            changed = path
    if changed is not None:
        raise SourceError(f"its source {printable(changed)} has changed since (SHA-256 differs); no other picture can take its place")
    raise SourceError(f"its source {printable(key)} is not in {printable(folders[0])} any more; name the folder where it is by --input")
