"""What a run says of the whole set: run.json's fields, and the files that a layout closes a set with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from augx import __version__
from augx.addresses import seen_from
from augx.annotations.base import Layout, Picture
from augx.annotations.rle import compressed
from augx.errors import OutputError, WriteError, printable
from augx.files import open_folder, write_whole
from augx.inputs import PATHS, layout_of
from augx.made import of_plain
from augx.manifest import MANIFEST, Manifest
from augx.plan import Plan
from augx.sample import Instance
from augx.spec import Spec

Paths = str | os.PathLike[str]


def close(keys: Iterable[str], layout: Layout, manifest: Manifest, gone: Container[str], root: str) -> None:
    """Write the files about the whole set, from the lines of all files but those ``gone``, sources in the order of their ``keys``.

    Raises ``OutputError`` for a line that holds no such objects as augx writes.
    """
    numbers = {key: i for i, key in enumerate(keys)}

    def rank(fields: dict[str, Any]) -> tuple[int, int] | None:
        if fields["file"] in gone:
            return None
        return numbers.setdefault(fields["source"], len(numbers)), -1 if fields.get("original") else fields["copy"]

    in_order = manifest.in_order(rank)

    def pictures() -> Iterator[Picture]:
        for fields in in_order():
            with _damaged(root, fields["file"]):
                picture = _picture(root, fields)
            yield picture

    for place, pieces in layout.closing(pictures):
        folder, _, name = place.rpartition("/")
        try:
            with open_folder(root, folder) as descriptor:
                write_whole(descriptor, name, pieces)
        except OSError as error:
            raise WriteError(
                f"{printable(os.path.join(root, place))}: can't write: {error.strerror}; put that right, then the same command goes on"
            ) from None


@contextlib.contextmanager
def _damaged(root: str, file: str) -> Iterator[None]:
    """What a line that is none of ours ends in becomes ``OutputError``."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        place = printable(os.path.join(root, MANIFEST))
        raise OutputError(
            f"{place}: the line of {printable(file)} is damaged: its size, its objects or its columns can't be read; "
            "restore the file, or move the folder away"
        ) from None


class _Objects(Sequence[Instance]):
    """The objects of a line, made when they are asked for, as most files about a set say nothing of them."""

    __slots__ = ("_fields", "_made", "_root")

    def __init__(self, root: str, fields: dict[str, Any]) -> None:
        self._root, self._fields = root, fields
        self._made: tuple[Instance, ...] | None = None

    def _all(self) -> tuple[Instance, ...]:
        if self._made is None:
            with _damaged(self._root, self._fields["file"]):
                made = tuple(map(of_plain, self._fields.get("objects", ())))
                for one in made:
                    if one.region is not None:
                        compressed(one.region)  # raises for one that is none
                self._made = made
        return self._made

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, place: Any) -> Any:
        return self._all()[place]

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._all())


def _picture(root: str, fields: dict[str, Any]) -> Picture:
    """What a line says of its picture; raises ``AttributeError``, ``KeyError``, ``TypeError`` or ``ValueError`` if it is no such line."""
    size = int(fields["width"]), int(fields["height"])
    columns = {str(name): str(text) for name, text in fields.get("columns", {}).items()}
    masks = {place.partition("/")[0]: place for part in fields.get("beside", ()) if (place := str(part["file"])).endswith(".png")}
    copy = None if fields.get("original") else int(fields["copy"])
    about = fields["label"], str(fields.get("split", "")), columns, fields["source"], copy, masks
    return Picture(fields["file"], size, _Objects(root, fields), *about)


def discard_index(recorded: dict[str, Any] | None, root: str) -> None:
    """Remove the files about the whole set that a run.json tells of: another set takes its place."""
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
        for place, _ in layout_of((recorded or {})["layout"]).closing(lambda: iter(())):
            folder, _, name = place.rpartition("/")
            with contextlib.suppress(OSError), open_folder(root, folder, create=False) as descriptor:
                os.unlink(name, dir_fd=descriptor)


def boot() -> str:
    """A name for the time since this machine started: what was written before may not have reached the disk."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return ""


def found_in(plan: Plan, input: Paths | None, root: str) -> list[str]:
    """The folders that the sources' keys begin in, as seen from the output, so that both can be moved together."""
    folders = set(plan.found_in) or ({os.fspath(input)} if input is not None else {os.path.dirname(row.source.path) for row in plan.rows})
    return sorted(seen_from(folder, root) for folder in folders)


def reading(plan: Plan, root: str) -> dict[str, Any]:
    """How the sources were found, with its paths as seen from the output."""
    return {name: seen_from(value, root) if name in PATHS else value for name, value in plan.reading.items()}


def machine() -> dict[str, Any]:
    """What pixels hang on besides the plan: versions and CPU features; bytes are the same on one of each."""
    versions = {"augx": __version__, "opencv": cv2.__version__, "numpy": np.__version__}
    return {"versions": versions, "cpu": cv2.getCPUFeaturesLine()}


def run_fields(
    plan: Plan, spec: Spec, state: str, failures: Any, found_in: list[str], reading: dict[str, Any], classes: Sequence[str]
) -> dict[str, Any]:
    """The fields of run.json; ``found_in`` and ``reading`` are what the functions of these names gave, ``classes`` those of packages."""
    fields = {
        "augx": __version__,
        "state": state,
        "spec": spec.canonical(),
        "spec_hash": spec.hash,
        "seed": spec.seed,
        "sources": len(plan.rows),
        "found_in": found_in,
        **({"reading": reading} if reading else {}),
        **({"layout": plan.layout.state()} if plan.layout is not None else {}),
        **({"store": plan.store.state(classes)} if plan.store is not None else {}),
        **({"split": plan.split.state()} if plan.split is not None else {}),
        "copies": plan.copies,
        "originals": bool(plan.originals),
        "classes": {label: {"sources": s, "copies": c, "files": f} for label, (s, c, f) in plan.classes().items()},
        "failures": [{"source": f.source, "reason": f.reason, "missing": f.missing} for f in failures],
        **machine(),
    }
    return fields if state == "complete" else {**fields, "boot": boot()}
