"""A set in packages: what stands of it, the packer that goes on with it, and single pictures read from it."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from augx.decode import MAX_PIXELS, decode
from augx.errors import OutputError, SourceError, WriteError, printable
from augx.files import open_folder, read_bytes, write_whole
from augx.listed import Listed
from augx.manifest import Manifest
from augx.packing.arrays import PART, ArrayPacker, rows_there
from augx.packing.base import Packer
from augx.packing.shards import ShardPacker
from augx.packing.store import Store
from augx.plan import Plan
from augx.sample import Array
from augx.spec import Spec

INDEX = "index.json"
Stands = Callable[[str, int], bool]
"""Whether a package, by its name and size, is there."""
_HEAD = 4096  # bytes that hold the header of any array of pictures
_LOCAL = 30  # bytes of a ZIP member's own header before its name (APPNOTE.TXT, 4.3.7)


def classes_of(plan: Plan, recorded: Mapping[str, Any] | None) -> list[str]:
    """The classes in the order of their indices: those that the set has already, then new ones by name."""
    store = (recorded or {}).get("store")
    known = store.get("classes") if isinstance(store, dict) else None
    there = [label for label in known if isinstance(label, str)] if isinstance(known, list) else []
    return [*there, *sorted(set(plan.classes()) - {"", *there})]


def open_packer(plan: Plan, store: Store, spec: Spec, root: str, listed: Listed, classes: Sequence[str]) -> Packer:
    """The packer that goes on where ``listed`` ends. Raises ``OutputError`` for packages that are not as they are listed."""
    if store.form is not None:
        parts = plan.split.parts if plan.split is not None else ()
        done = {part: listed.rows.get(store.array(part), 0) for part in parts or ("",)}
        _remove_halves(store, listed, root, [part for part, rows in done.items() if not rows])
        return ArrayPacker(root, form=store.form, classes=classes, npz=store.kind == "npz", done=done, parts=parts)
    taken: dict[str, set[int]] = {}
    for name in listed.standing:
        part, _, number = name.removesuffix(".tar").rpartition("-")
        taken.setdefault("" if part == "shard" else part, set()).add(int(number))
    assert store.size is not None
    return ShardPacker(root, size=store.size, classes=classes, taken=taken, seed_key=str(spec.seed))


def _remove_halves(store: Store, listed: Listed, root: str, parts: Sequence[str]) -> None:
    """Remove an array of ours whose pictures or classes somebody has deleted: both are made again."""
    for name in {name for part in parts for name in store.arrays(part)} & listed.standing.keys():
        with contextlib.suppress(OSError), open_folder(root, "", create=False) as folder:
            os.unlink(name, dir_fd=folder)


def rows_of(root: str, verify: bool) -> Callable[[str], int]:
    """How many rows of an array are there, for ``find_listed``; none after a crash, as they may be torn."""
    return (lambda package: 0) if verify else (lambda package: rows_there(root, package))


def write_index(store: Store, manifest: Manifest, classes: Sequence[str], root: str, stands: Stands | None = None) -> None:
    """``index.json``: classes by their index, and the packages that stand. Raises ``WriteError``."""
    stand: dict[str, dict[str, Any]] = {}
    for _, fields in manifest.entries(packages=True):
        if "package" in fields and (stands or manifest.stands)(fields["package"], fields["size"]):
            stand[fields["package"]] = fields
    whole = [{"url": name, "nsamples": one["samples"], "filesize": one["size"]} for name, one in sorted(stand.items())]
    index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": whole} if store.mixed else {"arrays": whole}
    try:
        with open_folder(root, "") as folder:
            write_whole(folder, INDEX, (json.dumps({**index, "classes": list(classes)}, indent=1) + "\n").encode("ascii"))
    except OSError as error:
        place = printable(os.path.join(root, INDEX))
        raise WriteError(f"{place}: can't write: {error.strerror}; put that right, then the same command goes on") from None


def discard_unlisted(recorded: Mapping[str, Any] | None, root: str) -> None:
    """Remove what a packed set has besides its listed packages: its index, and arrays that were growing."""
    store = (recorded or {}).get("store")
    if not isinstance(store, dict):
        return
    arrays = re.compile(r"(x|y)(_[\w-]+)?\.npy|set(_[\w-]+)?\.npz") if store.get("kind") in ("npy", "npz") else None
    with contextlib.suppress(OSError), open_folder(root, "", create=False) as folder:
        for name in os.listdir(folder):
            if name == INDEX or name.startswith(PART) or (arrays is not None and arrays.fullmatch(name)):
                os.unlink(name, dir_fd=folder)


def check_no_foreign_packages(plan: Plan, store: Store, root: str) -> None:
    """In an output without a set of ours, a file with a package's name is somebody else's."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return
    for name in names:
        if name == INDEX or store.is_package(name, plan.split.parts if plan.split is not None else ("",)):
            raise OutputError(
                f"{printable(os.path.join(root, name))}: a file that augx did not make has the name of one that it would write; "
                "move it away or choose another --output"
            )


def closing_lines(lines: Sequence[str]) -> Iterator[str]:
    """The names of the packages that some lines close."""
    return (json.loads(line)["package"] for line in lines if line.startswith('{"package":'))


def read_picture(root: str, fields: Mapping[str, Any], max_pixels: int = MAX_PIXELS) -> Array:
    """The pixels of a listed picture, from its file, its shard or its row, as ``decode`` gives them; floats are float32.

    ``fields`` are those of its manifest line. Raises ``SourceError`` for what is not there or can't be read.
    """
    package = fields.get("in")
    if package is None:
        return _pixels(read_bytes(os.path.join(root, fields["file"])), max_pixels)
    at = fields.get("at", fields.get("row"))
    if not isinstance(package, str) or "/" in package or type(at) is not int or at < 0:
        raise SourceError("its line in the manifest does not say where in a package it is")
    path = os.path.join(root, package)
    if "row" in fields:
        return _row(path, at, max_pixels)
    data = read_bytes(path, fields["size"], at)
    if len(data) < fields["size"]:
        raise SourceError(f"{printable(path)} ends before it; it was cut short")
    return _pixels(data, max_pixels)


def _pixels(data: bytes, max_pixels: int) -> Array:
    """A picture that augx has written, of any format."""
    if not data.startswith(b"\x93NUMPY"):
        return decode(data, max_pixels)
    try:
        shape, dtype, at = _array_header(data)
        return _blue_first(np.frombuffer(data, dtype, math.prod(shape), at).reshape(shape), max_pixels)
    except ValueError as error:
        raise SourceError(f"no array that augx wrote: {printable(error)}") from None


def _row(path: str, row: int, max_pixels: int) -> Array:
    """One picture of an array in a .npy, or of the member ``x.npy`` of a .npz, which is stored as it is."""
    try:
        start = _member(path) if path.endswith(".npz") else 0
        (rows, *shape), dtype, at = _array_header(read_bytes(path, _HEAD, start))
        if row >= rows:
            raise ValueError(f"row {row} of {rows}")
        count = math.prod(shape)
        data = read_bytes(path, count * dtype.itemsize, start + at + row * count * dtype.itemsize)
        return _blue_first(np.frombuffer(data, dtype, count).reshape(shape), max_pixels)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{printable(path)}: not an array that augx wrote, or cut short ({printable(error)})") from None


def _member(path: str) -> int:
    """Where the bytes of ``x.npy`` begin in an archive."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("x.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError("it is compressed")
    head = read_bytes(path, _LOCAL, info.header_offset)
    return info.header_offset + _LOCAL + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


def _array_header(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype and where the numbers begin. Raises ``ValueError`` for what augx does not write."""
    file = io.BytesIO(data)
    np.lib.format.read_magic(file)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran or dtype.hasobject:
        raise ValueError("its header is another one")
    return shape, dtype, file.tell()


def _blue_first(image: Array, max_pixels: int) -> Array:
    """An array's picture, red first, as ``decode`` would give it."""
    if image.ndim not in (2, 3) or not image.size or image.shape[0] * image.shape[1] > max_pixels:
        raise ValueError(f"its shape is {' x '.join(map(str, image.shape))}")
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(image.shape[2] if image.ndim == 3 else 1)
    return np.ascontiguousarray(image if order is None else image[:, :, order], image.dtype.newbyteorder("="))
