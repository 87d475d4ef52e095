"""What is missing or changed in a set of files of their own, made again and put in its place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence

from augx.errors import OutputError, PlanError, SourceError, printable
from augx.files import open_folder, read_bytes, sweep, write_whole
from augx.manifest import Manifest
from augx.recorded import Paths, Recorded
from augx.remake import remake_files
from augx.verify.found import Difference
from augx.verify.indexes import index_places, write_indexes

_MANY = 5_000  # pictures that lie in the temporary folder together


def remade(
    found: Recorded, manifest: Manifest, differences: Sequence[Difference], input: Paths | None, max_pixels: int
) -> tuple[list[Difference], int]:
    """What is still different afterwards, with the reason why, and how many files were put in order.

    A file is replaced at one stroke, and only by bytes with the SHA-256 that its line says. What is extra stays.
    """
    wanted: dict[str, list[Difference]] = {}
    for one in differences:
        if one.picture:
            wanted.setdefault(one.picture, []).append(one)
    failed: dict[str, str] = {}
    pictures = list(wanted)
    for first in range(0, len(pictures), _MANY):
        failed |= _pictures(found, {picture: wanted[picture] for picture in pictures[first : first + _MANY]}, input, max_pixels)
    indexes = [one.file for one in differences if one.file in index_places(found)]
    if indexes:
        try:
            write_indexes(found, manifest, indexes, input)
        except (OSError, OutputError) as error:
            failed |= dict.fromkeys(indexes, _why(error))
    for folder in {os.path.dirname(one.file) for one in differences if not one.picture and one.kind == "torn"}:
        sweep(found.root, folder)
    left, done = [], 0
    for one in differences:
        if one.picture or one.file in indexes:
            if one.file in failed:
                left.append(Difference(one.kind, one.file, f"{one.reason}; not made again: {failed[one.file]}", one.picture))
            else:
                done += 1
        elif one.kind != "torn" or os.path.lexists(os.path.join(found.root, one.file)):
            left.append(one)
        else:
            done += 1
    return left, done


def _pictures(found: Recorded, wanted: dict[str, list[Difference]], input: Paths | None, max_pixels: int) -> dict[str, str]:
    """Why some files were not put in their places."""
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for picture, reason in _made(found, list(wanted), folder, input, max_pixels):
            for one in wanted[picture]:
                try:
                    if reason:
                        raise SourceError(reason)
                    data = read_bytes(os.path.join(folder, one.file))
                    place, _, name = one.file.rpartition("/")
                    with open_folder(found.root, place) as descriptor:
                        write_whole(descriptor, name, data)
                except (OSError, OutputError, SourceError) as error:
                    failed[one.file] = _why(error)
    return failed


def _made(found: Recorded, pictures: Sequence[str], folder: str, input: Paths | None, max_pixels: int) -> Iterator[tuple[str, str]]:
    """The pictures that are in ``folder`` now, each with the reason why not, if so.

    An input that lacks one source refuses all that are asked for together; so they are asked for in halves then.
    """
    try:
        report = remake_files(found.root, pictures, input=input, output=folder, max_pixels=max_pixels)
    except PlanError as error:
        half = len(pictures) // 2
        for some in (pictures[:half], pictures[half:]) if half else ():
            yield from _made(found, some, folder, input, max_pixels)
        if not half:
            yield pictures[0], str(error)
        return
    reasons = {failure.source: failure.reason for failure in report.failures}
    for picture in pictures:
        yield picture, reasons.get(picture, "")


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else printable(error)
