"""What a set's pictures are packed into, instead of files of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from augx.packing.forms import ArrayForm
from augx.packing.sizes import ShardSize


@dataclass(frozen=True, slots=True)
class Store:
    """Tar shards (``webdataset``) of a ``size``, or arrays (``npy``, ``npz``) of a ``form``."""

    kind: str
    size: ShardSize | None = None
    form: ArrayForm | None = None

    @property
    def mixed(self) -> bool:
        """Whether neighbours are to be of many sources."""
        return self.kind == "webdataset"

    @property
    def run(self) -> int:
        """Copies of a source in a row, where they are mixed: enough that decoding it again costs little, few beside a shard's samples."""
        samples = self.size.samples if self.size is not None else 0
        return max(2, min(64, samples // 16)) if samples else 32

    @property
    def flat(self) -> bool:
        """Whether alpha is laid on white before a copy is made, whatever the format can hold: three channels have no room for it."""
        return self.form is not None and self.form.shape[2:] == (3,)

    def array(self, part: str) -> str:
        """The file that the pictures of a part are in."""
        suffix = f"_{part}" if part else ""
        return f"set{suffix}.npz" if self.kind == "npz" else f"x{suffix}.npy"

    def arrays(self, part: str) -> tuple[str, ...]:
        """All files of a part."""
        return (self.array(part),) if self.kind == "npz" else (self.array(part), self.array(part).replace("x", "y", 1))

    def is_package(self, name: str, parts: Sequence[str]) -> bool:
        """Whether a file with this name would be one of the set's packages."""
        if self.mixed:
            match = re.fullmatch(r"(.+)-\d{6,}\.tar", name)
            return match is not None and match[1] in [part or "shard" for part in parts]
        return any(name in self.arrays(part) for part in parts)

    def state(self, classes: Sequence[str]) -> dict[str, Any]:
        """JSON-plain, for run.json."""
        how = {"size": str(self.size)} if self.size is not None else {"form": str(self.form)}
        return {"kind": self.kind, **how, **({"flat": True} if self.flat else {}), "classes": list(classes)}
