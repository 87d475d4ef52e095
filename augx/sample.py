"""A source picture in memory, ready for its copies to be made."""

from __future__ import annotations

from dataclasses import dataclass

from augx.warp import Levels


@dataclass(frozen=True, slots=True)
class Sample:
    """One decoded source: ``key`` (its stable name), its picture, and the SHA-256 of the bytes that it came from.

    The picture is (h, w) grey, (h, w, 3) blue green red or (h, w, 4) with alpha, uint8 or uint16, upright.
    """

    key: str
    sha256: str
    image: Levels
