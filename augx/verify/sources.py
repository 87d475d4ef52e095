"""The sources of a set against the SHA-256 that its manifest has of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from augx.errors import SourceError
from augx.manifest import Manifest
from augx.recorded import FindSource, Paths, Recorded, source_finder
from augx.sources import source_bytes
from augx.verify.found import Difference

Key = tuple[str, str, str]


def distinct(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """A line of each source; those that were made from different bytes of one source are told apart."""
    seen: set[int] = set()
    for _, fields in manifest.entries():
        key = hash((fields["source"], fields["source_sha256"]))
        if key not in seen:
            seen.add(key)
            yield fields


def source_check(found: Recorded, input: Paths | None) -> partial[Difference | None]:
    """What compares a line's source. Raises ``PlanError`` or ``OutputError`` for an input that can't be read at all."""
    reading = found.run.get("reading")
    reread = isinstance(reading, dict) and "input" in reading
    return partial(_look_at, source_finder(found, (), input), reread)


def _look_at(find: FindSource, reread: bool, fields: Mapping[str, Any]) -> Difference | None:
    key = str(fields["source"])
    try:
        source = find(fields)
        # One that was looked for by its SHA-256 has been read for that.
        if reread and hashlib.sha256(source_bytes(source)).hexdigest() != fields["source_sha256"]:
            return Difference("changed", key, f"{source.where}: its SHA-256 is another one than when the copies were made")
    except KeyError:
        return Difference("missing", key, "the input has it no more; --input says where it is now")
    except SourceError as error:
        return Difference("changed" if "SHA-256" in str(error) else "missing", key, str(error))
    return None
