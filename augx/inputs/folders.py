"""Folders and files as sources: a tree of class folders, and files named one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from augx.errors import PlanError, printable
from augx.sources import EXTENSIONS, Source


def named_images(paths: Sequence[str | os.PathLike[str]], label: str | None) -> list[Source]:
    """Single files. Copies go to ``label``'s folder, by default one of each file's own name; ``""`` is the root itself.

    A file's key is its name, below its label where one is given, as it would be in a class tree.
    """
    sources = []
    for path in [os.fspath(path) for path in paths]:
        name = os.path.basename(path)
        must_exist(path)
        if os.path.isdir(path):
            raise PlanError(f"--image {printable(path)}: this is a folder; give it as --input")
        folder = os.path.splitext(name)[0] if label is None else label
        if label is not None and (label in (".", "..") or "/" in label or "\0" in label):
            raise PlanError(f"--label {printable(label)}: a label is the name of one folder")
        sources.append(Source(path, f"{label}/{name}" if label else name, folder, folder))
    return sources


def class_tree(root: str | os.PathLike[str]) -> list[Source]:
    """The images below ``root``, sorted by key; the first folder on the way to one is its class, below it folders are kept.

    Hidden files and symbolic links are passed over.
    """
    root = os.fspath(root)
    must_exist(root)
    if not os.path.isdir(root):
        raise PlanError(f"--input {printable(root)}: this is a file; give it as --image")
    links: list[str] = []
    sources = sorted(_walk(root, "", links), key=lambda source: source.key)
    if not sources:
        raise PlanError(
            f"--input {printable(root)}: no image in this folder"
            + (f" ({len(links)} symbolic links are not followed)" if links else "")
            + f"; images end in {', '.join(sorted(EXTENSIONS))}"
        )
    return sources


def must_exist(path: str) -> None:
    """Raise ``PlanError`` for a path where nothing is, or nothing that may be seen."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PlanError(f"{printable(path) or 'an empty path'}: {reason}; check the spelling and the permissions") from None


def _walk(root: str, folder: str, links: list[str]) -> Iterator[Source]:
    try:
        entries = list(os.scandir(os.path.join(root, folder)))
    except OSError as error:
        raise PlanError(f"{printable(os.path.join(root, folder).rstrip('/'))}: can't list this folder: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        key = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_symlink():
            links.append(key)
        elif entry.is_dir():
            yield from _walk(root, key, links)
        elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS and entry.is_file():
            yield Source(os.path.join(root, key), key, folder.partition("/")[0], folder)
