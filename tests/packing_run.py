"""A run of a packer as plainly as may be, in a process of its own that can be killed."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from augx import files
from augx.manifest import copy_line
from augx.packing.arrays import ArrayPacker
from augx.packing.base import Item
from augx.packing.forms import ArrayForm
from augx.packing.shards import ShardPacker
from augx.packing.sizes import ShardSize
from augx.writers import encode
from tests.conftest import picture

CLASSES = ["cats", "dogs"]
FORM = ArrayForm((5, 4, 3), "|u1")
SEED = "seed 0"


def item(place: str, data: bytes = b"picture", label: str = "cats", **more: Any) -> Item:
    return Item(place, copy_line(file=place, label=label, size=len(data)), data, label, **more)


def samples(count: int, parts: Sequence[str] = ("",), size: int = 900) -> list[Item]:
    """Pictures of both classes, in turn in the parts; as bytes of a .npy, with a tail for shards so that no two have one size."""
    found = []
    for i in range(count):
        part, label = parts[i % len(parts)], CLASSES[i % 3 % 2]
        data = encode(picture(5, 4, seed=i), "npy", 95)
        place = f"{part}/{label}/{i:05d}.npy".lstrip("/")
        line = copy_line(file=place, label=label, copy=i, params={"then.0.x": "y" * (i * 7 % size)})
        found.append(Item(place, line, data, label, part))
    return found


def packer(kind: str, root: Path | str, lines: Sequence[str] = (), parts: Sequence[str] = ()) -> ShardPacker | ArrayPacker:
    """A packer that goes on where committed lines end."""
    fields = [json.loads(line) for line in lines]
    if kind.startswith("shards"):
        done = Counter(one["package"].rpartition("-")[0].removeprefix("shard") for one in fields if "package" in one)
        size = ShardSize(4) if kind == "shards" else ShardSize(0, 15_000)
        return ShardPacker(str(root), size=size, classes=CLASSES, taken={part: range(count) for part, count in done.items()}, seed_key=SEED)
    rows = Counter(one["file"].split("/")[0] if parts else "" for one in fields if "in" in one)
    return ArrayPacker(str(root), form=FORM, classes=CLASSES, npz=kind == "npz", done=rows, parts=parts)


def left(items: Sequence[Item], lines: Sequence[str]) -> list[Item]:
    done = {json.loads(line).get("file") for line in lines}
    return [one for one in items if one.place not in done]


def whole_lines(kind: str, root: Path) -> bytes:
    """The manifest up to where a later run goes on: whole lines, and of shards whole packages."""
    path = root / "manifest.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    lines = [line for line in lines if line.endswith(b"\n")]
    while kind == "shards" and lines and not lines[-1].startswith(b'{"package"'):
        lines.pop()
    return b"".join(lines)


def drive(kind: str, place: str, told: Connection) -> None:
    """Go on with a set where its manifest ends; each chunk is told of."""
    root, parts = Path(place), ("train", "val")
    root.mkdir(exist_ok=True)
    files.sweep(place, "")
    committed = whole_lines(kind, root)
    descriptor = os.open(root / "manifest.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.ftruncate(descriptor, len(committed))
    lines = committed.decode().splitlines()
    one = packer(kind, root, lines, parts)
    items = left(samples(120, ("train", "train", "val")), lines)
    for at in range(0, len(items), 3):
        files.write_all(descriptor, "".join(f"{line}\n" for line in one.add(items[at : at + 3])).encode())
        told.send(at)
    last = [line for line in one.finish() if line not in lines]
    files.write_all(descriptor, "".join(f"{line}\n" for line in last).encode())
