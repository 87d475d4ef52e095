"""Sources as people have them: what an input is, and who reads it. One file a kind of input."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from augx.addresses import is_address
from augx.annotations.base import Layout
from augx.errors import PlanError, printable
from augx.inputs.folders import class_tree, must_exist
from augx.inputs.remote import object_tree
from augx.sources import SourceSet

PATHS = ("input", "root", "labels", "masks")
"""Which of the options of ``find_sources`` are paths."""

_KINDS = {
    "folders": ("a folder of class folders", ("masks",)),
    "table": ("a table", ("image_column", "label_column", "mask_columns", "root", "label", "masks")),
    "arrays": ("arrays", ("channels_first", "labels", "label")),
    "tar": ("a tar", ("label",)),
    "coco": ("a COCO file", ("root", "masks")),
    "yolo": ("a YOLO set", ("subset", "oriented", "masks")),
    "voc": ("a Pascal VOC set", ("subset", "masks")),
}
"""What an input may be: in words, and the options that go with it."""

# Imported when used: most runs read one kind.
_READERS = {
    "table": ("augx.inputs.tables", "read_table"),
    "arrays": ("augx.inputs.arrays", "read_arrays"),
    "tar": ("augx.inputs.tars", "read_tars"),
    "coco": ("augx.annotations.coco", "read_coco"),
    "yolo": ("augx.annotations.yolo", "read_yolo"),
    "voc": ("augx.annotations.voc", "read_voc"),
}
_LAYOUTS = {
    "coco": ("augx.annotations.coco", "CocoLayout"),
    "yolo": ("augx.annotations.yolo", "YoloLayout"),
    "voc": ("augx.annotations.voc", "VocLayout"),
    "csv": ("augx.annotations.indexes", "CsvLayout"),
    "hf": ("augx.annotations.indexes", "HfLayout"),
}
_EXTENSIONS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq"), "table"),
    **dict.fromkeys((".npy", ".npz"), "arrays"),
    **dict.fromkeys((".tar", ".tgz", ".tbz2", ".txz"), "tar"),
    **dict.fromkeys((".yaml", ".yml"), "yolo"),
    ".json": "coco",
}
_NAMES = {"channels_first": "--layout channels_first", "mask_columns": "--mask-column"}


def find_sources(input: str | os.PathLike[str], **options: Any) -> SourceSet:
    """The sources of ``input``: a folder of class folders, a YOLO or Pascal VOC folder, a table (CSV, TSV, JSON lines, Parquet),
    arrays (``.npy``, ``.npz``), tars (``{000..099}.tar``; ``-`` is one on standard input), a COCO JSON, a YOLO ``data.yaml``.
    Class folders, tables, arrays and tars may lie in an object store, at an address (``s3://bucket/photos/``).

    Options, each for what it fits: ``image_column``, ``label_column``, ``mask_columns``, ``root``, ``label``, ``labels`` (a file),
    ``channels_first``, ``subset`` (train, val, test, all), ``oriented`` (four corners are a box at an angle), ``masks`` (a folder of
    pictures with the same stems). Raises ``PlanError`` for what is wrong with the set; what is wrong with one picture costs that
    picture alone, when it is read.
    """
    path = os.fspath(input).removeprefix("file://")
    given = {name: value for name, value in options.items() if value not in (None, False, (), [])}
    kind = _kind(path)
    words, allowed = _KINDS[kind]
    for name in given:
        if name not in allowed:
            fits = " or ".join(words for words, names in _KINDS.values() if name in names)
            raise PlanError(f"--input {printable(path)}: {as_typed(name)} goes with {fits or 'nothing'}; this is {words}")
    masks = given.pop("masks", None)
    found = _read(kind, path, given)
    if masks is not None:
        from augx.inputs.masks import with_masks

        found = with_masks(found, os.fspath(masks))
        given["masks"] = os.fspath(masks)
    if masks is not None or any(source.masks for source in found.sources):
        from augx.inputs.masks import lossy_masks

        found = replace(found, layout=found.layout or Layout(), notes=(*found.notes, *lossy_masks(found.sources)))
    elif kind == "folders":
        return found
    if path == "-":
        return found  # what was on standard input can't be found again
    reading = {name: _plain(name, value) for name, value in {"input": path, **given}.items()}
    return replace(found, reading=reading)


def as_typed(option: str) -> str:
    """An option of ``find_sources`` as the command has it: ``--label-column`` for ``label_column``."""
    return _NAMES.get(option, f"--{option.replace('_', '-')}")


def layout_of(state: Mapping[str, Any]) -> Layout:
    """The layout that ``Layout.state`` told; raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
    if state["kind"] == Layout.kind:
        return Layout.restored(state)
    module, name = _LAYOUTS[state["kind"]]
    found: type[Layout] = getattr(importlib.import_module(module), name)
    return found.restored(state)


def _plain(name: str, value: Any) -> Any:
    """An option as run.json holds it: a path as text, columns as a list."""
    if name in PATHS:
        return os.fspath(value)
    return list(value) if isinstance(value, tuple) else value


def _read(kind: str, path: str, options: Mapping[str, Any]) -> SourceSet:
    if kind == "folders" and is_address(path):
        return object_tree(path)
    if kind == "folders":
        return SourceSet(class_tree(path), found_in=(path,))
    module, name = _READERS[kind]
    found = getattr(importlib.import_module(module), name)(path, **options)
    assert isinstance(found, SourceSet)
    return found


def _kind(path: str) -> str:
    if path == "-":
        return "tar"
    base = re.sub(r"\.(gz|bz2|xz|zst)$", "", path.lower())
    extension = os.path.splitext(base)[1]
    if extension == ".tar" and re.search(r"\{\d+\.\.\d+\}", path):
        return "tar"
    if is_address(path):
        found = _EXTENSIONS.get(extension if extension == ".tar" or base == path.lower() else "", "folders")
        if found in ("coco", "yolo"):
            raise PlanError(f"--input {printable(path)}: {_KINDS[found][0]} is read from a folder; download it first")
        return found
    must_exist(path)
    if not os.path.isdir(path):
        kind = _EXTENSIONS.get(extension if extension == ".tar" or base == path.lower() else "")
        if kind is None:
            raise PlanError(
                f"--input {printable(path)}: augx reads folders, tables (.csv, .tsv, .jsonl, .parquet), "
                "arrays (.npy, .npz), tars, COCO (.json) and YOLO (.yaml) here; a picture goes with --image"
            )
        return kind
    return _kind_of_folder(path)


def _kind_of_folder(path: str) -> str:
    """What lies in a folder says what it is: YOLO has labels beside images, Pascal VOC has its Annotations."""
    inside = set(os.listdir(path)) if os.access(path, os.R_OK | os.X_OK) else set()
    if "Annotations" in inside and ("JPEGImages" in inside or "images" in inside):
        return "voc"
    yolo = {"data.yaml", "dataset.yaml"} & inside or {"images", "labels"} <= inside or os.path.isdir(os.path.join(path, "train", "labels"))
    return "yolo" if yolo else "folders"
