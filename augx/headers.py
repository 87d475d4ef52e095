"""What an image file says of itself, read without decoding: format, size, depth, orientation, and whether it is whole.

cv2 allocates what a file claims before it looks at what the file holds: a PNG of 753 bytes can cost 2 GB, a flipped byte
in an APNG's frames crashes the process. So every file passes here first, and only what is understood goes on.
Definitions: ITU-T T.81 (JPEG), W3C PNG third edition, RFC 9649 (WebP), TIFF 6.0, GIF89a, Netpbm, CIPA DC-008 (Exif).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from augx.errors import SourceError


@dataclass(frozen=True, slots=True)
class Header:
    """``width`` and ``height`` as stored, before ``orientation`` (Exif 1 to 8) is applied; ``bits`` a channel."""

    format: str
    width: int
    height: int
    bits: int = 8
    orientation: int = 1


def read_header(data: bytes) -> Header:
    """The header of a whole file's bytes; raises ``SourceError`` with the reason why this is no picture that augx reads."""
    if not data:
        raise SourceError("the file is empty")
    for magic, read in _READERS:
        if magic.match(data):
            try:
                header = read(data)
            except (struct.error, IndexError, ValueError):
                raise SourceError("the file is truncated or damaged: its header is cut short") from None
            if header.width < 1 or header.height < 1:
                raise SourceError(f"damaged: the header says {header.width}x{header.height} pixels")
            return header
    raise SourceError("not an image that augx reads (JPEG, PNG, WebP, TIFF, BMP, GIF, PBM/PGM/PPM)")


def plain_png(data: bytes) -> bytes:
    """The PNG reduced to what its still picture needs: animation, orientation, text and colour profiles are left out."""
    kept = (data[start:stop] for kind, start, stop in _png_chunks(data) if kind in _PNG_KEPT)
    return data[:8] + b"".join(kept)


def plain_jpeg(data: bytes) -> bytes:
    """The JPEG with a few bits of padding for its end mark, where that shows whether its data are whole.

    At an end mark libjpeg fills up what is missing with grey, and at the end of the bytes it gives up; so a JPEG of one scan gets
    the bits that its decoder wants to look ahead, all of them 1, which is no code (T.81, C.2). A cut is missed only within the
    last two or three blocks. Of many scans (progressive) all must be there; of the last one nothing shows where it ends.
    """
    frame, scans, end = _jpeg_parts(data)
    if end < 0:
        raise SourceError("the jpg is truncated: it ends before its end mark")
    kind, components = data[frame + 1], data[frame + 9]
    if kind in (0xC0, 0xC1) and data[scans[0] + 4] == components:
        begins = scans[0] + 2 + int.from_bytes(data[scans[0] + 2 : scans[0] + 4], "big")
        after = _MARKER.search(data, begins)
        return data[: after.start() if after else end] + _LOOKED_AHEAD
    _check_scans(data, frame, scans)
    return data


def plain_webp(data: bytes) -> bytes:
    """The WebP reduced to its pixels: libwebp goes on reading behind those that are cut short, in whatever chunk comes next."""
    kept = b"".join(data[start:stop] for kind, start, stop in _webp_chunks(data) if kind in _WEBP_KEPT)
    return b"RIFF" + struct.pack("<I", len(kept) + 4) + b"WEBP" + kept


def plain_tiff(data: bytes) -> bytes:
    """The TIFF with its alpha called associated, or libtiff would multiply the colours by it on the way in."""
    order = _order(data)
    (at,) = struct.unpack_from(order + "I", data, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from(order + "H", data, at)[0], 12):
        if struct.unpack_from(order + "HHIH", data, entry) == (338, 3, 1, 2):
            return data[: entry + 8] + struct.pack(order + "H", 1) + data[entry + 10 :]
    return data


_WEBP_KEPT = {b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}
_PNG_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, stop) of each chunk up to IEND, checked for length and CRC."""
    at = 8
    while True:
        if at + 12 > len(data):
            raise SourceError("the PNG is truncated: it ends before its IEND chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        stop = at + 12 + length
        if stop > len(data):
            raise SourceError(f"the PNG is truncated or damaged: a chunk of {length} bytes runs past its end")
        if zlib.crc32(memoryview(data)[at + 4 : stop - 4]) != int.from_bytes(data[stop - 4 : stop], "big"):
            raise SourceError("the PNG is damaged: a chunk's checksum is wrong")
        if not kind[0] & 0x20 and kind not in _PNG_KEPT:
            raise SourceError(f"the PNG has an unknown critical chunk {kind!r}")
        yield kind, at, stop
        if kind == b"IEND":
            return
        at = stop


def _png(data: bytes) -> Header:
    chunks = {kind: (start, stop) for kind, start, stop in _png_chunks(data)}
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    start, stop = chunks.get(b"eXIf", (0, 0))
    return Header("png", width, height, bits, _exif_orientation(data[start + 8 : max(stop - 4, 0)]))


def _jpeg(data: bytes) -> Header:
    at, orientation = 2, 1
    while True:
        found = _MARKER.search(data, at)  # stray bytes between segments are common and harmless
        if found is None:
            raise IndexError
        at = found.end()
        marker = data[at - 1]
        if marker in (0x01, 0xD8):
            continue
        if marker in (0xD9, 0xDA):
            raise SourceError("the JPEG is damaged: no frame header before its data")
        (length,) = struct.unpack_from(">H", data, at)
        if marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0" and orientation == 1:
            orientation = _exif_orientation(data[at + 8 : at + length])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width = struct.unpack_from(">BHH", data, at + 2)
            if bits != 8:
                raise SourceError(f"a JPEG of {bits} bits a channel, augx reads 8; convert it to PNG")
            return Header("jpg", width, height, bits, orientation)
        at += length


_MOST_SCANS = 500
_LOOKED_AHEAD = b"\xff\x00" * 7
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # FF 00 is a byte of data, FF D0 to D7 are restarts within them, FF FF fills


def _jpeg_parts(data: bytes) -> tuple[int, list[int], int]:
    """Where the frame header, each scan's header and the end mark begin (-1: it has none). ``data`` passed ``read_header``."""
    at, frame, scans = 2, 0, list[int]()
    while (found := _MARKER.search(data, at)) is not None:
        at, marker = found.start(), data[found.end() - 1]
        if marker == 0xD9 and scans:
            return frame, scans, at
        if marker in (0x01, 0xD8, 0xD9):
            at += 2
            continue
        if marker == 0xDA:
            scans.append(at)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not frame:
            frame = at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return frame, scans, -1


def _check_scans(data: bytes, frame: int, scans: list[int]) -> None:
    """Each coefficient of each component must have come, down to its last bit (T.81, G.1.1)."""
    if len(scans) > _MOST_SCANS:  # each of them takes the time of a whole picture, be it ever so short
        raise SourceError(f"a JPEG of {len(scans)} scans, augx reads {_MOST_SCANS}")
    progressive = data[frame + 1] in (0xC2, 0xCA)
    missing = {(data[frame + 10 + 3 * n], place) for n in range(data[frame + 9]) for place in range(64)}
    for at in scans:
        many = data[at + 4]
        first, last, bits = data[at + 5 + 2 * many : at + 8 + 2 * many] if progressive else (0, 63, 0)
        if bits & 15 == 0:
            missing -= {(data[at + 5 + 2 * n], place) for n in range(many) for place in range(first, last + 1)}
    if missing:
        raise SourceError("the jpg is truncated: it ends before its last scans")


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, stop) of each chunk, checked for length."""
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise SourceError(f"the WebP is truncated: {len(data)} of {size + 8} bytes")
    at = 12
    while at + 8 <= size + 8:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise SourceError("the WebP is truncated or damaged: a chunk runs past its end")
        stop = at + 8 + length + length % 2
        yield kind, at, stop
        at = stop


def _webp(data: bytes) -> Header:
    header = None
    for kind, start, stop in _webp_chunks(data):
        body = start + 8
        if kind == b"VP8X":
            width, height = (int.from_bytes(data[body + i : body + i + 3], "little") + 1 for i in (4, 7))
            header = Header("webp", width, height)
        elif kind == b"VP8 " and header is None:
            width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, body + 6))
            header = Header("webp", width, height)
        elif kind == b"VP8L" and header is None:
            (word,) = struct.unpack_from("<I", data, body + 1)
            header = Header("webp", (word & 0x3FFF) + 1, (word >> 14 & 0x3FFF) + 1)
        elif kind == b"EXIF" and header is not None:
            exif = data[body:stop].removeprefix(b"Exif\0\0")
            header = replace(header, orientation=_exif_orientation(exif))
    if header is None:
        raise SourceError("the WebP is damaged: it holds no picture")
    return header


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return Header("bmp", abs(width), abs(height))


def _gif(data: bytes) -> Header:
    return Header("gif", *struct.unpack_from("<HH", data, 6))


def _pnm(data: bytes) -> Header:
    numbers = re.findall(rb"[0-9]+", re.sub(rb"#[^\n]*", b"", data[2:4096]))
    if max(map(len, numbers[:3])) > 9:
        raise SourceError("damaged: its header has numbers of more than 9 digits")
    bilevel = data[1:2] in b"14"
    return Header("pnm", int(numbers[0]), int(numbers[1]), 8 if bilevel else max(8, int(numbers[2]).bit_length()))


def _tiff(data: bytes) -> Header:
    order = _order(data)
    (at,) = struct.unpack_from(order + "I", data, 4)
    tags = _ifd(data, order, at)
    bits = max(tags.get(258, (1,)))
    if tags.get(284, (1,))[0] == 2 and bits > 8:
        raise SourceError("a planar TIFF above 8 bits, which OpenCV reads wrongly; store it interleaved (PlanarConfiguration 1)")
    if bits > 16 or tags.get(339, (1,))[0] not in (1, 4):
        raise SourceError(f"a TIFF of {bits} bits, or of signed or float samples; augx reads 8 and 16 bits, unsigned")
    # OpenCV turns a TIFF upright itself.
    return Header("tiff", tags[256][0], tags[257][0], bits) if {256, 257} <= tags.keys() else Header("tiff", 0, 0)


def _order(tiff: bytes) -> str:
    return "<" if tiff[:2] == b"II" else ">"


def _exif_orientation(exif: bytes) -> int:
    """Tag 274 of an Exif block; 1 (upright) where there is none or it makes no sense."""
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    order = _order(exif)
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (orientation,) = _ifd(exif, order, at).get(274, (1,))[:1]
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _ifd(data: bytes, order: str, at: int) -> dict[int, tuple[int, ...]]:
    """The integer tags of one image file directory (TIFF 6.0, section 2), at most 64 values each."""
    tags = {}
    (count,) = struct.unpack_from(order + "H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, n = struct.unpack_from(order + "HHI", data, entry)
        code, width = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4)}.get(kind, ("", 1))
        if code and 1 <= n <= 64:
            where = entry + 8 if n * width <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
            tags[tag] = struct.unpack_from(f"{order}{n}{code}", data, where)
    return tags


_READERS = [
    (re.compile(magic, re.DOTALL), read)
    for magic, read in (
        (rb"\xff\xd8\xff", _jpeg),
        (rb"\x89PNG\r\n\x1a\n", _png),
        (rb"RIFF....WEBP", _webp),
        (rb"II\*\0|MM\0\*", _tiff),
        (rb"BM", _bmp),
        (rb"GIF8[79]a", _gif),
        (rb"P[1-6][\s#]", _pnm),
    )
]
