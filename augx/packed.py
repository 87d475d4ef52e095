"""A set in packages: what stands of it, and the packer that goes on with it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augx.errors import OutputError, WriteError, printable
from augx.files import open_folder, write_whole
from augx.listed import Listed
from augx.manifest import Manifest
from augx.packing.arrays import PART, ArrayPacker, rows_there
from augx.packing.base import Packer
from augx.packing.shards import ShardPacker
from augx.packing.store import Store
from augx.plan import Plan
from augx.spec import Spec

INDEX = "index.json"


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


def rows_of(root: str, verify: bool) -> Any:
    """How many rows of an array are there, for ``find_listed``; none after a crash, as they may be torn."""
    return (lambda package: 0) if verify else (lambda package: rows_there(root, package))


def write_index(store: Store, manifest: Manifest, classes: Sequence[str], root: str) -> None:
    """``index.json``: classes by their index, and the packages that stand. Raises ``WriteError``."""
    stand: dict[str, dict[str, Any]] = {}
    for _, fields in manifest.entries(packages=True):
        if "package" in fields and manifest.stands(fields["package"], fields["size"]):
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
    if not isinstance((recorded or {}).get("store"), dict):
        return
    with contextlib.suppress(OSError), open_folder(root, "", create=False) as folder:
        for name in os.listdir(folder):
            if name == INDEX or name.startswith(PART):
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
