"""How large a shard may become."""

from __future__ import annotations

import re
from dataclasses import dataclass

from augx.errors import PlanError, printable
from augx.packing.tar import RECORD

_UNITS = {f"{letter}{i}b": (1024 if i else 1000) ** power for power, letter in enumerate(("", *"kmgt")) for i in ("", "i")}


@dataclass(frozen=True, slots=True)
class ShardSize:
    """When a shard is full: it holds so many ``samples``, or one more would give its file more ``bytes``; 0 is no limit."""

    samples: int = 10_000
    bytes: int = 0

    @staticmethod
    def parse(text: str) -> ShardSize:
        """``10000`` samples, ``500MB`` or ``1GiB``. Raises ``PlanError``."""
        match = re.fullmatch(r"(\d{1,15})(?:(\.\d{1,6})?\s*((?:[KMGT]i?)?B))?", text.strip(), re.ASCII | re.IGNORECASE)
        number = float(match[1] + (match[2] or "")) if match else 0.0
        if match is None or not number:
            raise PlanError(f"--shard-size {printable(text)}: expected samples or bytes, such as 10000, 500MB or 1GiB")
        if match[3] is None:
            return ShardSize(int(match[1]))
        size = round(number * _UNITS[match[3].lower()])
        if size < RECORD:
            raise PlanError(f"--shard-size {printable(text)}: an empty tar has {RECORD:,} bytes already; ask for more")
        return ShardSize(0, size)

    def __str__(self) -> str:
        """As ``parse`` reads it."""
        return f"{self.bytes}B" if self.bytes else str(self.samples)
