"""Sources: where a picture's bytes lie, its stable name, its class and what is known about it; and one source, read and decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augx.addresses import below, is_address
from augx.annotations.base import Annotations, Layout
from augx.annotations.outlines import within
from augx.decode import MAX_PIXELS, decode, on_white
from augx.errors import SourceError, printable
from augx.files import read_bytes
from augx.headers import read_header
from augx.masks import read_mask
from augx.sample import Array, Sample
from augx.warp import Levels

EXTENSIONS = {
    ext: fmt
    for fmt, extensions in {
        "jpg": (".jpg", ".jpeg", ".jpe", ".jfif"),
        "png": (".png", ".apng"),
        "webp": (".webp",),
        "tiff": (".tif", ".tiff"),
        "bmp": (".bmp", ".dib"),
        "gif": (".gif",),
        "pnm": (".pbm", ".pgm", ".ppm", ".pnm"),
    }.items()
    for ext in extensions
}
"""Which files of a folder are taken for images; what they really hold is read from their first bytes."""
_NAME_MAX = 255  # bytes in a file's name, on every common file system


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes within a file: a member of a tar, or, with ``pixels``, a row of an array. ``name`` says which, for messages."""

    offset: int
    size: int
    name: str
    pixels: Pixels | None = None


@dataclass(frozen=True, slots=True)
class Pixels:
    """How raw bytes are a picture: NumPy's ``dtype`` (such as ``<u2``; 8 or 16 bits unsigned, or float32), its shape (h, w) or
    (h, w, channels), or (channels, h, w) where ``channels_first``. Three channels are red green blue, four have alpha last.
    """

    dtype: str
    shape: tuple[int, ...]
    channels_first: bool = False

    @property
    def channels(self) -> int:
        return 1 if len(self.shape) == 2 else self.shape[0 if self.channels_first else 2]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = (self.shape[1:] if self.channels_first and len(self.shape) == 3 else self.shape)[:2]
        return width, height


@dataclass(frozen=True, slots=True)
class Source:
    """One picture: where it lies, its stable name (``key``, with ``/``), its class, and the folder that its copies go to.

    ``part`` is where in the file at ``path``, if it is not the whole; ``columns`` what a table says of it besides;
    ``annotations`` and ``masks`` (name of their folder, path) its targets; ``fault`` why it can't be read, if that is known.
    """

    path: str
    key: str
    label: str
    folder: str
    part: Part | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    annotations: Annotations | None = None
    masks: tuple[tuple[str, str], ...] = ()
    fault: str = ""

    @property
    def name(self) -> str:
        """Its own name, without folders."""
        return self.key.rpartition("/")[2]

    @property
    def where(self) -> str:
        """Where it lies, for messages."""
        return self.path if self.part is None else f"{self.path}: {self.part.name}"

    @property
    def pixels(self) -> Pixels | None:
        """How its bytes are a picture, where they are no image file."""
        return self.part.pixels if self.part is not None else None


@dataclass(frozen=True)
class SourceSet:
    """What was found: sources, and how the set of their copies is laid out (None: class folders alone).

    ``found_in`` are the folders that the keys begin in, or files that hold the sources; ``reading`` is what ``find_sources``
    was given, JSON-plain, so that a source can be found again; ``notes`` are remarks for the user, one line each.
    """

    sources: list[Source]
    layout: Layout | None = None
    found_in: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)


def named_format(key: str) -> str:
    """The format that a key's extension stands for; nothing where it is no picture's."""
    return EXTENSIONS.get(os.path.splitext(key)[1].lower(), "")


def key_below(path: str, root: str) -> str:
    """The stable name of ``path``, relative to ``root`` or absolute, below the absolute ``root``; as text, no link is followed.

    Raises ``ValueError`` for what is no name of a file there.
    """
    if not path or path[0] in "/." or path[-1] == "/" or "/." in path or "//" in path or "\0" in path:
        path = _normal(path, root)
    if len(path) > _NAME_MAX // 4 and any(len(os.fsencode(part)) > _NAME_MAX for part in path.split("/")):
        raise ValueError(f"a name of more than {_NAME_MAX} bytes in {printable(path[:40])}...; no file can have it")
    return path


def _normal(path: str, root: str) -> str:
    if not path:
        raise ValueError("no file name")
    if "\0" in path:
        raise ValueError(f"a NUL character in the file name {printable(path)}")
    if is_address(root):
        try:
            return below(path, root)
        except ValueError:
            raise ValueError(f"{printable(path)} lies outside {printable(root)}; name the address that all lie below by --root") from None
    if "://" in path:
        raise ValueError(f"{printable(path)} is an address, not a file; name the address that all pictures lie below by --root")
    whole = "/" + os.path.normpath(os.path.join(root, path)).lstrip("/")
    prefix = root.rstrip("/") + "/"
    if whole == root:
        raise ValueError(f"{printable(path)} is the pictures' own folder, not a file in it")
    if not whole.startswith(prefix):
        raise ValueError(f"{printable(path)} lies outside {printable(root)}; name the folder that all pictures lie below by --root")
    return whole.removeprefix(prefix)


def source_bytes(source: Source, limit: int = -1) -> bytes:
    """The bytes that a source is made of, at most ``limit`` of them. Raises ``SourceError``."""
    if source.fault:
        raise SourceError(source.fault)
    if source.part is None:
        return read_bytes(source.path, limit)
    size = source.part.size if limit < 0 else min(limit, source.part.size)
    data = read_bytes(source.path, size, source.part.offset)
    if len(data) < size:
        raise SourceError(f"{printable(source.path)} ends before it; it was cut short")
    return data


def stored_bits(source: Source) -> int:
    """Bits a channel of a source, from as few bytes as may be: none, where its extension stands for a format of 8 bits.

    Also 8 for one that can't be read. That, and a deeper picture by a wrong extension, fails later in words, when it is copied.
    """
    if source.pixels is not None:
        return 8 * np.dtype(source.pixels.dtype).itemsize
    if is_address(source.path):
        return 8  # a request for each picture is too dear
    if named_format(source.key) in ("jpg", "webp", "bmp", "gif"):
        return 8
    try:
        head = source_bytes(source, 32)
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return head[24] if len(head) > 24 else 8
        if head[:2] in (b"II", b"MM") or head[:1] == b"P":
            return read_header(source_bytes(source)).bits
    except SourceError:
        pass
    return 8


def stored_size(source: Source) -> tuple[int, int]:
    """Width and height as stored, before Exif orientation. Raises ``SourceError``."""
    if source.pixels is not None:
        return source.pixels.size
    header = read_header(source_bytes(source))
    return header.width, header.height


def load(source: Source, max_pixels: int = MAX_PIXELS, *, flat: bool = False) -> Sample:
    """The source, read and decoded whole, with its targets; ``flat`` lays alpha on white.

    Raises ``SourceError`` with the reason; also for targets that can't be read or don't fit the picture.
    """
    data = source_bytes(source)
    image = decode(data, max_pixels) if source.pixels is None else _pixels(data, source.pixels, max_pixels)
    levels = Levels(on_white(image) if flat else image)
    if source.annotations is None and not source.masks:
        return Sample(source.key, hashlib.sha256(data).hexdigest(), levels)
    masks = []
    for name, path in source.masks:
        mask = read_mask(name, path, max_pixels)
        if mask.levels.size != levels.size:
            found, wanted = ("{}x{}".format(*size) for size in (mask.levels.size, levels.size))
            raise SourceError(f"its mask {printable(path)} has {found} pixels, the picture {wanted}; they must be the same size")
        masks.append(mask)
    instances = source.annotations.read(levels.size) if source.annotations is not None else ()
    inside, clipped = within(instances, levels.size)
    return Sample(source.key, hashlib.sha256(data).hexdigest(), levels, inside, tuple(masks), clipped)


def _pixels(data: bytes, form: Pixels, max_pixels: int) -> Array:
    """A row of an array as ``decode`` would give it: blue first, alpha last."""
    width, height = form.size
    if width * height > max_pixels:
        raise SourceError(f"{width}x{height} is {width * height:,} pixels, more than --max-pixels {max_pixels} allows")
    image = np.frombuffer(data, form.dtype).reshape(form.shape)
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise SourceError("it holds NaN or infinite values; augx reads finite ones, black 0 and white 1")
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    if form.channels_first:
        image = image.transpose(1, 2, 0)
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(image.shape[2], list(range(image.shape[2])))
    return np.ascontiguousarray(image[:, :, order] if len(order) > 1 else image[:, :, 0])
