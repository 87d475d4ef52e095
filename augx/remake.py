"""Copies made again from their manifest lines alone: the numbers drawn, the spec in run.json, and the source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from augx.decode import MAX_PIXELS
from augx.draws import Draws
from augx.errors import OutputError, PlanError, SourceError, WriteError, printable
from augx.files import put_files
from augx.made import renamings, targets_of
from augx.manifest import MANIFEST
from augx.recipe import apply, recipes, resized
from augx.recorded import Fields, Paths, Recorded, lines_of, load_recorded, picture_format, recorded_set, source_finder
from augx.sources import Source, source_bytes
from augx.unit import Failure, one_thread_cv2
from augx.writers import encode


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

    ``files`` are named as in the manifest, or by where they lie or lay; what is beside a picture is made with it. Pictures in
    packages come as files of their own, below ``output`` alone; those in arrays as the ``.npy`` that their rows were taken from.
    ``input`` is the folder where the sources are, if that is no longer where the run found them. A file is only written if its
    SHA-256 is that of its line, and never over another. Raises ``OutputError`` for a manifest that can't be read, ``PlanError``
    for a file that it does not list, or for a packed set without ``output``; then nothing is made.
    """
    path = os.path.join(manifest, MANIFEST) if os.path.isdir(manifest) else os.fspath(manifest)
    root = os.path.dirname(path) or "."
    found = recorded_set(root) if os.path.basename(path) == MANIFEST else None
    if found is None:
        raise OutputError(f"{printable(path)}: not the manifest.jsonl of a set; there must be a run.json beside it")
    if found.store and output is None:
        raise PlanError(f"{printable(root)}: its pictures are in packages ({printable(found.store)}); name a folder by --output")
    lines = lines_of(root, files)
    find = source_finder(found, lines.values(), input)
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
            source = find(fields)
            there = os.path.lexists(os.path.join(target, file))
            for at, data in _made(found, fields, source, max_pixels):
                folder, _, base = at.rpartition("/")
                if put_files(target, folder, [(base, data)]):
                    raise SourceError(f"another file has its name in {printable(target)}; move that away, or choose another --output")
            (same if there else made).append(file)
        except (SourceError, OutputError, WriteError) as error:
            failures.append(Failure(file, str(error), 1))
    return Remade(tuple(made), tuple(same), tuple(failures))


def _made(found: Recorded, fields: Fields, source: Source, max_pixels: int) -> list[tuple[str, bytes]]:
    """A line's file and those beside it, (place, bytes), the picture last; raises ``SourceError`` rather than give others."""
    try:
        with one_thread_cv2():
            made = _original(found, fields, source, max_pixels) if fields.get("original") else _copy(found, fields, source, max_pixels)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, cv2.error) as error:
        raise SourceError(f"the numbers in its line are not such as this spec draws ({type(error).__name__}: {error})") from None
    expected = {part["file"]: part["sha256"] for part in [fields, *fields.get("beside", ())]}
    if {place: hashlib.sha256(data).hexdigest() for place, data in made} != expected:
        versions = found.run.get("versions")
        made_with = ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, dict) else "other versions"
        raise SourceError(
            f"what comes out has other bytes than its line says; the set was made with {printable(made_with)} on a machine with "
            f"{printable(found.run.get('cpu', 'unknown features'))}, here is OpenCV {cv2.__version__}"
        )
    return made


def _original(found: Recorded, fields: Fields, source: Source, max_pixels: int) -> list[tuple[str, bytes]]:
    """The untouched source as its set holds it: its own bytes, or the array that a set in arrays made of it."""
    own = source_bytes(source) if source.pixels is None else None
    if own is not None and hashlib.sha256(own).hexdigest() != fields["sha256"]:
        if not found.store:
            raise SourceError("its line promises other bytes than those of its source; nothing is made")
        own = None
    if own is not None and "beside" not in fields:
        return [(fields["file"], own)]
    spec = found.spec
    kind = "npy" if source.pixels is None else picture_format(fields["file"])
    sample = load_recorded(source, fields, max_pixels, flat=found.flat(kind))
    if own is None:
        pixels = resized(spec, sample) if found.store and kind == "npy" else sample.image.image
        own = encode(pixels, kind, spec.output.quality)
    made = targets_of(found.layout, fields["file"], sample, None, spec.targets, {}).beside if found.layout is not None else ()
    return [*made, (fields["file"], own)]


def _copy(found: Recorded, fields: Fields, source: Source, max_pixels: int) -> list[tuple[str, bytes]]:
    """A copy from the numbers that its line says."""
    spec = found.spec.of_class(fields["source_label"] if "source_label" in fields else fields["label"])
    kind = picture_format(fields["file"])
    sample = load_recorded(source, fields, max_pixels, flat=found.flat(kind))
    draws = Draws.replayed([fields["params"]])
    (recipe,) = (one.shared() for one in recipes(spec, draws, sample))
    (renamed,) = renamings(spec, sample, draws)
    data = encode(apply(recipe, sample), kind, spec.output.quality)
    made = targets_of(found.layout, fields["file"], sample, recipe, spec.targets, renamed).beside if found.layout is not None else ()
    return [*made, (fields["file"], data)]
