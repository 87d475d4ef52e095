"""Files of their own: a picture and what is beside it, against its line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from augx.decode import decode
from augx.errors import SourceError
from augx.files import read_bytes
from augx.sources import EXTENSIONS
from augx.verify.found import Difference, compared


def look_at_files(root: str, fields: Mapping[str, Any], max_pixels: int) -> Iterator[Difference]:
    """The differences of a line's picture and of the files beside it."""
    for part in (fields, *fields.get("beside", ())):
        place = part["file"]
        path = os.path.join(root, place)
        kind, reason = compared(path, part["size"], part.get("sha256"))
        if kind == "changed" and os.path.splitext(place)[1] in EXTENSIONS and os.path.isfile(path) and not os.path.islink(path):
            try:
                kind, reason = judged(read_bytes(path), max_pixels, reason)
            except SourceError as error:
                reason = str(error)
        if kind:
            yield Difference(kind, place, reason, fields["file"])


def judged(data: bytes, max_pixels: int, reason: str) -> tuple[str, str]:
    """A kind and a reason for a picture that has other bytes than recorded: torn, where it does not decode."""
    try:
        decode(data, max_pixels)
    except SourceError as error:
        return "torn", str(error) if data else "it is empty"
    return "changed", reason
