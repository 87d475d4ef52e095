"""Copies made again from their manifest lines alone: the numbers drawn, the spec in run.json, and the source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2

from augx.decode import MAX_PIXELS
from augx.draws import Draws
from augx.errors import OutputError, PlanError, SourceError, SpecError, WriteError, printable
from augx.files import put_files
from augx.manifest import MANIFEST, RUN, Manifest, read_run
from augx.recipe import apply, recipes
from augx.sources import EXTENSIONS, Source, load, read_bytes
from augx.spec import Spec, load_spec
from augx.unit import Failure, one_thread_cv2
from augx.writers import FORMATS, encode

Paths = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Remade:
    """What came of it, by files of the manifest: made, there already with just these bytes, and not possible."""

    made: tuple[str, ...]
    same: tuple[str, ...]
    failures: tuple[Failure, ...]


def remake_files(
    manifest: Paths, files: Sequence[Paths], *, input: Paths | None = None, output: Paths | None = None, max_pixels: int = MAX_PIXELS
) -> Remade:
    """Write files of a set again, byte for byte, where they were or below ``output``.

    ``files`` are named as in the manifest, or by where they lie or lay. ``input`` is the folder where the sources are, if
    that is no longer where the run found them. A file is only written if its SHA-256 is that of its line, and never over
    another. Raises ``OutputError`` for a manifest that can't be read, ``PlanError`` for a file that it does not list; then
    nothing is made.
    """
    path = os.path.join(manifest, MANIFEST) if os.path.isdir(manifest) else os.fspath(manifest)
    root = os.path.dirname(path) or "."
    recorded = read_run(root) if os.path.basename(path) == MANIFEST and os.path.isfile(path) else None
    if recorded is None:
        raise OutputError(f"{printable(path)}: not the manifest.jsonl of a set; there must be a run.json beside it")
    lines = _wanted(root, files)
    spec = _recorded_spec(recorded, os.path.join(root, RUN))
    found_in = recorded.get("found_in")
    known = found_in if isinstance(found_in, list) and all(isinstance(folder, str) for folder in found_in) else []
    folders = [os.fspath(input)] if input is not None else [os.path.join(root, folder) for folder in known]
    target = os.fspath(output) if output is not None else root
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{printable(target)}: can't write to this output: {error.strerror}; choose another --output") from None
    made: list[str] = []
    same: list[str] = []
    failures: list[Failure] = []
    for file, fields in lines.items():
        try:
            data = _made(spec, fields, _found(fields, folders), max_pixels, recorded)
            place = os.path.join(target, file)
            there = os.path.lexists(place)
            folder, _, base = file.rpartition("/")
            if put_files(target, folder, [(base, data)]):
                raise SourceError(f"another file has its name in {printable(target)}; move that away, or choose another --output")
            (same if there else made).append(file)
        except (SourceError, OutputError, WriteError) as error:
            failures.append(Failure(file, str(error), 1))
    return Remade(tuple(made), tuple(same), tuple(failures))


def _recorded_spec(recorded: dict[str, Any], place: str) -> Spec:
    found = recorded.get("spec")
    if not isinstance(found, dict):
        raise OutputError(f"{printable(place)}: holds no spec, so nothing can be made from it")
    try:
        return load_spec(found)
    except SpecError as error:
        raise OutputError(f"{printable(place)}: its spec is not one that this augx reads: {error.problems[0]}") from None


def _wanted(root: str, files: Sequence[Paths]) -> dict[str, dict[str, Any]]:
    """The manifest's fields of some files, in the order asked for."""
    names: dict[str, set[str]] = {}
    for path in [os.fspath(file) for file in files]:
        inside = os.path.relpath(os.path.realpath(os.path.dirname(path) or "."), os.path.realpath(root))
        names[path] = {os.path.normpath(path), os.path.normpath(os.path.join(inside, os.path.basename(path)))}
    asked = {name for both in names.values() for name in both}
    with Manifest(root, look_only=True) as manifest:
        found = {fields["file"]: fields for _, fields in manifest.entries() if fields["file"] in asked}
    unknown = [path for path, both in names.items() if not both & found.keys()]
    if unknown:
        others = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        place, first = printable(os.path.join(root, MANIFEST)), printable(unknown[0]) or "file without a name"
        raise PlanError(f"{place}: lists no {first}{others}; name files as its lines do, or by their paths")
    return {file: found[file] for both in names.values() for file in sorted(both & found.keys())[:1]}


def _found(fields: dict[str, Any], folders: Sequence[str]) -> str:
    """Where the source lies that a line's copy was made from, known by its SHA-256."""
    if not folders:
        raise SourceError("run.json does not say where the sources were; name their folder by --input")
    key, changed = str(fields["source"]), None
    if os.path.isabs(key) or ".." in key.split("/") or "\0" in key:
        raise SourceError(f"its line names a source outside of the set's own: {printable(key)}")
    for folder in folders:
        for path in dict.fromkeys(os.path.join(folder, part) for part in (key, os.path.basename(key))):
            if not os.path.isfile(path):
                continue
            if hashlib.sha256(read_bytes(path)).hexdigest() == fields["source_sha256"]:
                return path
            changed = path
    if changed is not None:
        raise SourceError(f"its source {printable(changed)} has changed since (SHA-256 differs); nothing is made from another picture")
    raise SourceError(f"its source {printable(key)} is not in {printable(folders[0])} any more; name the folder where it is by --input")


def _made(spec: Spec, fields: dict[str, Any], path: str, max_pixels: int, recorded: dict[str, Any]) -> bytes:
    """The bytes of a line's file; raises ``SourceError`` rather than give others."""
    if fields.get("original"):
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != fields["sha256"]:
            raise SourceError("its line promises other bytes than those of its source; nothing is made")
        return data
    label = fields.get("source_label", fields["label"])
    kind = EXTENSIONS.get(os.path.splitext(fields["file"])[1], "")
    if kind not in FORMATS:
        raise SourceError("not a picture by its name")
    try:
        with one_thread_cv2():
            sample = load(Source(path, fields["source"], label, ""), max_pixels, flat=not FORMATS[kind].alpha)
            (recipe,) = recipes(spec.of_class(label), Draws.replayed([fields["params"]]), sample)
            data = encode(apply(recipe, sample), kind, spec.output.quality)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, cv2.error) as error:
        raise SourceError(f"the numbers in its line are not such as this spec draws ({type(error).__name__}: {error})") from None
    if hashlib.sha256(data).hexdigest() != fields["sha256"]:
        versions = recorded.get("versions")
        made_with = ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, dict) else "other versions"
        raise SourceError(
            f"what comes out has other bytes than its line says; the set was made with {printable(made_with)} on a machine with "
            f"{printable(recorded.get('cpu', 'unknown features'))}, here is OpenCV {cv2.__version__}"
        )
    return data
