"""Headers of tar members, the same bytes for the same file: time, owner and order are fixed.

POSIX.1-2017, pax: a ustar header, before it an extended one where a name does not fit. Several times as fast as ``tarfile``.
"""

from __future__ import annotations

BLOCK = 512
RECORD = 10_240
"""A tar's size is a multiple of it."""
_NAME, _PREFIX = 100, 155  # bytes
_MOST = 0o77777777777  # what eleven octal digits hold: 8 GiB
_OWNER = b"".join((b"0000644\0", b"0000000\0", b"0000000\0"))
_TIME = b"00000000000\0"
_MAGIC = b"".join((bytes(100), b"ustar\0", b"00", bytes(64), b"0000000\0", b"0000000\0"))
_FIXED = sum(_OWNER) + sum(_TIME) + sum(_MAGIC) + sum(b" " * 8)


def header(name: str, size: int) -> bytes:
    """The header of a plain file; its ``size`` bytes follow, then ``padding``. Bytes that are not UTF-8 are surrogates, as in ``os``."""
    encoded = name.encode("utf-8", "surrogateescape")
    cut = _cut(encoded)
    if cut is not None and name.isascii() and size <= _MOST:
        return _block(encoded[cut + 1 :] if cut else encoded, encoded[:cut], size, b"0")
    # Bytes that are not UTF-8 would want hdrcharset=BINARY before them; GNU tar warns of that, and all read them without.
    records = _record(b"path", encoded)
    if size > _MOST:
        records += _record(b"size", b"%d" % size)
    short = name.encode("ascii", "replace")[:_NAME]
    extended = _block(b"././@PaxHeader", b"", len(records), b"x") + records + padding(len(records))
    return extended + _block(short, b"", size if size <= _MOST else 0, b"0")


def padding(size: int) -> bytes:
    """What fills a member of this size up to a whole block."""
    return bytes(-size % BLOCK)


def end(size: int) -> bytes:
    """What closes an archive of so many bytes: two empty blocks, and what fills the record up."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD)


def _block(name: bytes, prefix: bytes, size: int, kind: bytes) -> bytes:
    digits = b"%011o\0" % size
    checksum = _FIXED + sum(name) + sum(prefix) + sum(digits) + kind[0]
    return b"%b%b%b%b%06o\0 %b%b%b" % (name.ljust(_NAME, b"\0"), _OWNER, digits, _TIME, checksum, kind, _MAGIC, prefix.ljust(167, b"\0"))


def _cut(name: bytes) -> int | None:
    """Where a name is cut into prefix and name; 0 where it need not be, None where it can't."""
    if len(name) <= _NAME:
        return 0
    cut = name.find(b"/", len(name) - _NAME - 1, _PREFIX + 1)
    return cut if cut > 0 else None


def _record(key: bytes, value: bytes) -> bytes:
    """One record of an extended header; the length that it begins with counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)
