"""What lies below a folder: the files of some kinds, in a fixed order, however deep."""

from __future__ import annotations

import os
from collections.abc import Collection

from augx.errors import PlanError, printable


def files_below(root: str, extensions: Collection[str], links: list[str]) -> list[str]:
    """Paths below ``root`` (with ``/``), sorted, of files that end so, in any case; hidden ones are passed over.

    Symbolic links are passed over too, and named in ``links``. Raises ``PlanError`` for a folder that can't be listed.
    """
    found = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(os.path.join(root, folder)))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PlanError(f"{printable(os.path.join(root, folder)).rstrip('/')}: can't list this folder: {reason}") from None
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                links.append(path)
            elif entry.is_dir():
                waiting.append(path)
            elif os.path.splitext(entry.name)[1].lower() in extensions and entry.is_file():
                found.append(path)
    return sorted(found)


def file_names(folder: str) -> frozenset[str]:
    """The names in a folder; none for one that is not there."""
    try:
        return frozenset(os.listdir(folder))
    except (OSError, ValueError):
        return frozenset()


def plain_path(path: str) -> bool:
    """Whether this is a relative path that stays below its folder, of names that a file may have and a terminal may show."""
    parts = path.split("/")
    return all(part not in ("", ".", "..") and part.isprintable() and len(part.encode("utf-8")) <= 255 for part in parts)
