"""What a set's pictures are packed into, instead of files of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Store:
    """Tar shards (``webdataset``), or arrays (``npy``, ``npz``)."""

    kind: str
    size: str = ""

    @property
    def mixed(self) -> bool:
        """Whether neighbours are to be of many sources."""
        return self.kind == "webdataset"

    def state(self) -> dict[str, Any]:
        """JSON-plain, for run.json."""
        return {"kind": self.kind, **({"size": self.size} if self.size else {})}
