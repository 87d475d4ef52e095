"""Folders and files as sources: a tree of class folders, and files named one by one."""

from __future__ import annotations

import os
from collections.abc import Sequence

from augx import stores
from augx.addresses import is_address
from augx.annotations.listing import files_below
from augx.errors import PlanError, printable
from augx.sources import EXTENSIONS, Source


def named_images(paths: Sequence[str | os.PathLike[str]], label: str | None) -> list[Source]:
    """Single files. Copies go to ``label``'s folder, by default one of each file's own name; ``""`` is the root itself.

    A file's key is its name, below its label where one is given, as it would be in a class tree.
    """
    sources = []
    for path in [os.fspath(path) for path in paths]:
        name = os.path.basename(path)
        if is_address(path):
            stores.check_store(path, PlanError, whole=True)
        else:
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
    keys = files_below(root, EXTENSIONS, links)
    if not keys:
        linked = f" ({'1 symbolic link is' if len(links) == 1 else f'{len(links):,} symbolic links are'} not followed)" if links else ""
        raise PlanError(f"--input {printable(root)}: no image in this folder{linked}; images end in {', '.join(sorted(EXTENSIONS))}")
    folders: dict[str, str] = {}  # one string for all pictures of a folder
    return [in_tree(root, key, folders.setdefault(folder := key.rpartition("/")[0], folder)) for key in keys]


def in_tree(root: str, key: str, folder: str) -> Source:
    """The source with this key, which lies in the ``folder`` below ``root``."""
    return Source(os.path.join(root, key), key, folder.partition("/")[0], folder)


def must_exist(path: str) -> None:
    """Raise ``PlanError`` for a path where nothing is, or nothing that may be seen."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        cure = "no address is read here: download it first" if "://" in path else "check the spelling and the permissions"
        raise PlanError(f"{printable(path) or 'an empty path'}: {reason}; {cure}") from None
