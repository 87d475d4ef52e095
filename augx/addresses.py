"""Addresses: what lies in an object store and not in a folder, such as ``s3://bucket/photos``; text alone, nothing is asked."""

from __future__ import annotations

import os
import re

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether this is an address: a scheme of two letters or more, then ``://``."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def joined(address: str, name: str) -> str:
    """The address of ``name`` (with ``/``) below another."""
    if not name:
        return address
    return address + name if address.endswith("/") else f"{address}/{name}"


def parent(address: str) -> str:
    """The address of the folder that something lies in; a store's own name has none above it."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rstrip('/').rpartition('/')[0]}"


def folder_of_path(path: str) -> str:
    """The folder, or the address, that a file lies in; ``""`` is here."""
    return parent(path) if is_address(path) else os.path.dirname(path)


def absolute(folder: str) -> str:
    """A folder's absolute path; an address is as it is."""
    return folder if is_address(folder) else os.path.abspath(folder or ".")


def below(path: str, root: str) -> str:
    """The name of an address, or of a relative path, below the address ``root``; raises ``ValueError`` for one that is not."""
    start = root if root.endswith("/") else root + "/"
    scheme, _, rest = (path if is_address(path) else start + path).partition("://")
    whole = f"{scheme}://{os.path.normpath('/' + rest).lstrip('/')}"
    if path.startswith("/") or not whole.startswith(start) or whole == start:
        raise ValueError(path)
    return whole.removeprefix(start)


def last_name(path: str) -> str:
    """The last part of an address."""
    return path.partition("://")[2].rstrip("/").rpartition("/")[2]


def seen_from(path: str, root: str) -> str:
    """A path relative to a folder, so that both can be moved together; an address is the same from everywhere."""
    return path if is_address(path) or is_address(root) else os.path.relpath(path or ".", root)


def put_back(path: str, root: str) -> str:
    """What ``seen_from`` was given, for the folder ``root`` as it is now."""
    return path if is_address(path) else os.path.normpath(os.path.join(root, path))
