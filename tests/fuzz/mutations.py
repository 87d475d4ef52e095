"""Ways to break a file, by chance and by knowing its format; each a function of its number alone."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence

from tests.fuzz.seeds import seeds

Chance = random.Random

_WORDS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def mutation(seed: str, number: int) -> tuple[str, str, bytes]:
    """The kind that was broken, how ("cut" and "closed" are halves, which must be refused), and the bytes."""
    chance = Chance(f"{seed} {number}")
    name = chance.choice(sorted(seeds()))
    kind, data = seeds()[name]
    how = chance.choices(["cut", "closed", "broken"], [1, 1, 6])[0]
    if how == "cut":
        return name, how, data[: chance.randrange(len(data))]
    if how == "closed":
        return name, how, closed(kind, data, chance)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        data = chance.choice(_BLIND + [lambda data, chance: _of_parts(kind, data, chance)] * 4)(data, chance)
    return name, how, data


def _flip(data: bytes, chance: Chance) -> bytes:
    broken = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 8])):
        broken[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(broken)


def _replace(data: bytes, chance: Chance) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.randbytes(min(len(data) - at, chance.choice([1, 2, 4, 16]))) + data[at + 1 :]


def _number(data: bytes, chance: Chance) -> bytes:
    """A number of 1, 2 or 4 bytes that programs stumble over."""
    size = chance.choice([1, 2, 4])
    word = (chance.choice(_WORDS) % 256**size).to_bytes(size, chance.choice(["little", "big"]))
    at = _place(data, chance)
    return data[:at] + word + data[at + size :]


def _insert(data: bytes, chance: Chance) -> bytes:
    at, start = _place(data, chance), _place(data, chance)
    more = chance.randbytes(chance.randrange(1, 40)) if chance.random() < 0.5 else data[start : start + chance.randrange(1, 200)]
    return data[:at] + more + data[at:]


def _remove(data: bytes, chance: Chance) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice([1, 2, 3, 4, 16, 100]) :] or b"\0"


_BLIND: list[Callable[[bytes, Chance], bytes]] = [_flip, _flip, _replace, _number, _number, _insert, _remove]


def _place(data: bytes, chance: Chance) -> int:
    """Somewhere, more often near the start, where headers lie."""
    return int(chance.random() ** chance.choice([1, 3]) * len(data))


def _of_parts(kind: str, data: bytes, chance: Chance) -> bytes:
    """The file's chunks or segments doubled, left out, exchanged, mixed with another's, or broken with a right checksum."""
    parts = _PARTS.get(kind, _blocks)(data)
    at = chance.randrange(len(parts))
    way = chance.randrange(5)
    if way == 0:
        parts[at:at] = [chance.choice(parts)]
    elif way == 1 and len(parts) > 1:
        del parts[at]
    elif way == 2:
        other = chance.randrange(len(parts))
        parts[at], parts[other] = parts[other], parts[at]
    elif way == 3:
        others = [data for of_kind, data in seeds().values() if of_kind == kind]
        rest = _PARTS.get(kind, _blocks)(chance.choice(others))
        parts[at:] = rest[chance.randrange(len(rest)) :]
    elif len(parts[at]) > 12:
        body = parts[at]
        parts[at] = body[:8] + _flip(body[8:-4], chance) + body[-4:]
        if kind == "png":
            parts[at] = _chunk(body[4:8], parts[at][8:-4])
    return b"".join(parts) or b"\0"


def _blocks(data: bytes) -> list[bytes]:
    return [data[at : at + 16] for at in range(0, len(data), 16)] or [b""]


def _png_parts(data: bytes) -> list[bytes]:
    parts, at = [data[:8]], 8
    while at < len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at:stop])
        at = stop
    return parts


def _jpg_parts(data: bytes) -> list[bytes]:
    starts = [found.start() for found in re.finditer(rb"\xff[\x01-\xfe]", data)]
    return [data[start:stop] for start, stop in zip([0, *starts[1:]], [*starts[1:], len(data)], strict=True)] if starts else [data]


def _webp_parts(data: bytes) -> list[bytes]:
    parts, at = [data[:12]], 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        parts.append(data[at : at + 8 + length + length % 2])
        at += 8 + length + length % 2
    return parts


_PARTS: dict[str, Callable[[bytes], list[bytes]]] = {"png": _png_parts, "jpg": _jpg_parts, "webp": _webp_parts}


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def closed(kind: str, data: bytes, chance: Chance) -> bytes:
    """The file cut somewhere in its pixels, with all the rest made to look whole."""
    if kind == "jpg":
        starts = [found.start() for found in re.finditer(rb"\xff\xda", data)]
        return data[: chance.randrange(chance.choice(starts) + 14, len(data) - 2)] + b"\xff\xd9"
    if kind == "png":
        parts = _png_parts(data)
        return b"".join(_shorter(part, chance) if part[4:8] == b"IDAT" else part for part in parts)
    if kind == "webp":
        return _closed_webp(_webp_parts(data), chance)
    if kind == "gif":
        return data[: chance.randrange(len(data) // 2, len(data) - 1)] + b"\0;"
    if kind == "tiff":
        return _closed_tiff(data, chance)
    data = data[: chance.randrange(60, len(data)) if kind == "bmp" else chance.randrange(12, len(data))]
    return data[:2] + struct.pack("<I", len(data)) + data[6:] if kind == "bmp" else data


def _shorter(part: bytes, chance: Chance) -> bytes:
    return _chunk(part[4:8], part[8 : 8 + chance.randrange(len(part) - 12)])


def _closed_webp(parts: Sequence[bytes], chance: Chance) -> bytes:
    at = next(at for at, part in enumerate(parts) if part[:4] in (b"VP8 ", b"VP8L", b"ANMF"))
    length = chance.randrange(24, len(parts[at]) - 8 - 4)  # what the last bytes hold, its decoder can't tell from zeros
    cut = parts[at][:4] + struct.pack("<I", length) + parts[at][8 : 8 + length] + b"\0" * (length % 2)
    body = b"".join([*parts[1:at], cut, *(part for part in parts[at + 1 :] if part[:4] == b"EXIF")])
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _closed_tiff(data: bytes, chance: Chance) -> bytes:
    """Fewer bytes in its strips than there are."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    broken = bytearray(data)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from(order + "H", data, at)[0], 12):
        tag, kind, count = struct.unpack_from(order + "HHI", data, entry)
        if tag == 279:
            code, width = {3: ("H", 2), 4: ("I", 4)}[kind]
            where = entry + 8 if count * width <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
            strip = where + width * chance.randrange(count)
            (length,) = struct.unpack_from(order + code, data, strip)
            struct.pack_into(order + code, broken, strip, chance.randrange(length))
    return bytes(broken)
