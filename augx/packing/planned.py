"""The form of a plan's arrays: one shape and one dtype for all its pictures, found before any work starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from augx.decode import decode
from augx.errors import PlanError, SourceError, printable
from augx.headers import Header, read_header
from augx.packing.forms import ArrayForm
from augx.plan import Plan
from augx.sources import Source, source_bytes
from augx.spec import Spec

_HEAD = 1 << 16  # bytes in which most JPEGs say what they are


@dataclass(frozen=True, slots=True)
class _Stored:
    size: tuple[int, int]
    channels: int
    dtype: str


def array_form(plan: Plan, spec: Spec) -> ArrayForm:
    """The form of all pictures of a plan, from what their sources' headers say.

    Grey ones are spread where some are in colour, and alpha is laid on white unless all have it.

    Raises ``PlanError`` for a set with masks or annotations, for pictures of two sizes without ``--size``, of two depths, or of
    channels that can't be joined. Sources that can't be read are left out: they fail later, when they are copied.
    """
    if plan.layout is not None:
        raise PlanError("arrays hold pictures and their classes, no masks and no annotations; write this set with another --to")
    sizes, depths, channels = dict[tuple[int, int], Source](), dict[str, Source](), dict[int, Source]()
    fault = "no pictures are given"
    for row in plan.rows:
        try:
            stored = _stored(row.source)
        except SourceError as error:
            fault = f"{printable(row.source.where)}: {error}"
            continue
        size = spec.output.size or stored.size
        sizes.setdefault(size, row.source)
        depths.setdefault(stored.dtype, row.source)
        channels.setdefault(stored.channels, row.source)
    if not sizes:
        raise PlanError(f"no picture can be read, so there is no form for the arrays: {fault}")
    if len(sizes) > 1:
        found = _two({"{}x{} pixels".format(*size): source for size, source in sizes.items()})
        raise PlanError(f"{found}; arrays hold pictures of one size: give --size, such as --size {'{}x{}'.format(*next(iter(sizes)))}")
    if len(depths) > 1:
        found = _two({str(np.dtype(dtype)): source for dtype, source in depths.items()})
        raise PlanError(f"{found}; arrays hold pictures of one depth: convert some, or write each depth to an --output of its own")
    if len(channels) > 1 and not channels.keys() <= {1, 3, 4}:
        found = _two({f"{n} channels": source for n, source in channels.items()})
        raise PlanError(f"{found}; in arrays only grey and colour go together: convert some, or write each kind to an --output of its own")
    ((width, height),), (dtype,), most = sizes, depths, 3 if len(channels) > 1 else max(channels)
    return ArrayForm((height, width) if most == 1 else (height, width, most), dtype)


def _two(first: Mapping[str, Source]) -> str:
    """The first two of what differs, each with the source that has it."""
    return " and ".join(f"{printable(source.where)} has {what}" for what, source in list(first.items())[:2])


def _stored(source: Source) -> _Stored:
    """What a source says of itself. Raises ``SourceError``."""
    if source.pixels is not None:
        dtype = np.dtype(source.pixels.dtype).newbyteorder("<").str
        return _Stored(source.pixels.size, source.pixels.channels, dtype)
    data = source_bytes(source, _HEAD)
    try:
        header = read_header(data)
    except SourceError:
        data = source_bytes(source)
        header = read_header(data)
    size = (header.width, header.height) if header.orientation < 5 else (header.height, header.width)
    return _Stored(size, _channels(header, data) or _decoded_channels(source), "<u2" if header.bits > 8 else "|u1")


def _channels(header: Header, data: bytes) -> int:
    """Channels of the decoded picture where a few bytes tell; else 0."""
    if header.format == "jpg":
        return _jpeg_channels(data)
    if header.format == "pnm":
        return 3 if data[1:2] in b"36" else 1
    if header.format == "png" and b"tRNS" not in data:
        return {0: 1, 2: 3, 3: 3, 6: 4}.get(data[25], 0)
    if header.format == "bmp" and data[28:30] == b"\x18\0":
        return 3
    return 0


def _jpeg_channels(data: bytes) -> int:
    """The components in a JPEG's frame header (ITU-T T.81, B.2.2), whose place ``read_header`` has found to be sound."""
    at = 2
    while True:
        while data[at] != 0xFF or data[at + 1] in (0x00, 0xFF):
            at += 1
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return 1 if data[at + 9] == 1 else 3
        at += 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _decoded_channels(source: Source) -> int:
    image = decode(source_bytes(source))
    return 1 if image.ndim == 2 else int(image.shape[2])
