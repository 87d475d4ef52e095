"""Copies made again from their manifest lines alone: the numbers drawn, the spec in run.json, and the source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2

from augx.decode import MAX_PIXELS
from augx.draws import Draws
from augx.errors import OutputError, PlanError, SourceError, SpecError, WriteError, printable
from augx.files import put_files, read_bytes
from augx.inputs import PATHS, find_sources, layout_of
from augx.made import renamings, targets_of
from augx.manifest import MANIFEST, RUN, Manifest, read_run
from augx.recipe import Recipe, apply, recipes
from augx.sources import EXTENSIONS, Source, load, source_bytes
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
    known_sources = _reread(recorded, lines, root, input)
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
            source = known_sources[str(fields["source"])] if known_sources is not None else _found(fields, folders)
            place = os.path.join(target, file)
            there = os.path.lexists(place)
            for at, data in _made(spec, fields, source, max_pixels, recorded):
                folder, _, base = at.rpartition("/")
                if put_files(target, folder, [(base, data)]):
                    raise SourceError(f"another file has its name in {printable(target)}; move that away, or choose another --output")
            (same if there else made).append(file)
        except (SourceError, OutputError, WriteError) as error:
            failures.append(Failure(file, str(error), 1))
    return Remade(tuple(made), tuple(same), tuple(failures))


def _reread(recorded: dict[str, Any], lines: dict[str, dict[str, Any]], root: str, input: Paths | None) -> dict[str, Source] | None:
    """The sources of a set that was no tree of pictures alone, found as the run found them; None for one that was."""
    reading = recorded.get("reading")
    if not isinstance(reading, dict) or not all(isinstance(reading.get(name, ""), str) for name in PATHS):
        return None
    options = {name: os.path.normpath(os.path.join(root, value)) if name in PATHS else value for name, value in reading.items()}
    path = options.pop("input")
    found = find_sources(input if input is not None else path, **options)
    layout = recorded.get("layout")
    if found.layout is None and layout is not None:
        raise OutputError(f"{printable(os.path.join(root, RUN))}: the set had annotations, its input has none now; name it by --input")
    sources = {source.key: source for source in found.sources}
    for fields in lines.values():
        if fields["source"] not in sources:
            place = printable(input if input is not None else path)
            raise PlanError(f"{place}: has no {printable(fields['source'])} any more; name the input by --input")
    return sources


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


def _found(fields: dict[str, Any], folders: Sequence[str]) -> Source:
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
                return Source(path, key, fields.get("source_label", fields["label"]), "")
            changed = path
    if changed is not None:
        raise SourceError(f"its source {printable(changed)} has changed since (SHA-256 differs); nothing is made from another picture")
    raise SourceError(f"its source {printable(key)} is not in {printable(folders[0])} any more; name the folder where it is by --input")


def _made(spec: Spec, fields: dict[str, Any], source: Source, max_pixels: int, recorded: dict[str, Any]) -> list[tuple[str, bytes]]:
    """A line's file and those beside it, (place, bytes), the picture last; raises ``SourceError`` rather than give others."""
    if fields.get("original") and source.part is None and "beside" not in fields:
        data = source_bytes(source)
        if hashlib.sha256(data).hexdigest() != fields["sha256"]:
            raise SourceError("its line promises other bytes than those of its source; nothing is made")
        return [(fields["file"], data)]
    label = fields.get("source_label", fields["label"])
    extension = os.path.splitext(fields["file"])[1]
    kind = EXTENSIONS.get(extension, extension[1:])
    if kind not in FORMATS:
        raise SourceError("not a picture by its name")
    try:
        with one_thread_cv2():
            made = _again(spec.of_class(label), fields, source, kind, max_pixels, recorded)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, cv2.error) as error:
        raise SourceError(f"the numbers in its line are not such as this spec draws ({type(error).__name__}: {error})") from None
    expected = {part["file"]: part["sha256"] for part in [fields, *fields.get("beside", ())]}
    if {place: hashlib.sha256(data).hexdigest() for place, data in made} != expected:
        versions = recorded.get("versions")
        made_with = ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, dict) else "other versions"
        raise SourceError(
            f"what comes out has other bytes than its line says; the set was made with {printable(made_with)} on a machine with "
            f"{printable(recorded.get('cpu', 'unknown features'))}, here is OpenCV {cv2.__version__}"
        )
    return made


def _again(
    spec: Spec, fields: dict[str, Any], source: Source, kind: str, max_pixels: int, recorded: dict[str, Any]
) -> list[tuple[str, bytes]]:
    sample = load(source, max_pixels, flat=not FORMATS[kind].alpha and not fields.get("original"))
    if sample.sha256 != fields["source_sha256"]:
        raise SourceError(f"its source {printable(source.where)} has changed since (SHA-256 differs); nothing is made from another picture")
    recipe: Recipe | None = None
    renamed: Mapping[str, str] = {}
    if fields.get("original"):
        data = source_bytes(source) if source.pixels is None else encode(sample.image.image, kind, spec.output.quality)
    else:
        draws = Draws.replayed([fields["params"]])
        (recipe,) = (one.shared() for one in recipes(spec, draws, sample))
        (renamed,) = renamings(spec, sample, draws)
        data = encode(apply(recipe, sample), kind, spec.output.quality)
    if "layout" not in recorded:
        return [(fields["file"], data)]
    layout = layout_of(recorded["layout"])
    return [*targets_of(layout, fields["file"], sample, recipe, spec.targets, renamed).beside, (fields["file"], data)]
