"""Where samples come from: image files named one by one, or a tree of class folders."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from augx.decode import MAX_PIXELS, decode, on_white
from augx.errors import PlanError, SourceError, printable
from augx.headers import read_header
from augx.sample import Sample
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


@dataclass(frozen=True, slots=True)
class Source:
    """One image file: where it lies, its stable name (``key``, with ``/``), its class, and the folder that its copies go to."""

    path: str
    key: str
    label: str
    folder: str

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return os.path.basename(self.path)


def named_images(paths: Sequence[str | os.PathLike[str]], label: str | None) -> list[Source]:
    """Single files. Copies go to ``label``'s folder, by default one of each file's own name; ``""`` is the root itself.

    A file's key is its name, below its label where one is given, as it would be in a class tree.
    """
    sources = []
    for path in [os.fspath(path) for path in paths]:
        name = os.path.basename(path)
        _must_exist(path)
        if os.path.isdir(path):
            raise PlanError(f"--image {printable(path)}: this is a folder; give it as --input")
        folder = os.path.splitext(name)[0] if label is None else label
        if label is not None and (label in (".", "..") or "/" in label or "\0" in label):
            raise PlanError(f"--label {printable(label)}: a label is the name of one folder")
        sources.append(Source(path, f"{label}/{name}" if label else name, folder, folder))
    return sources


def class_tree(root: str | os.PathLike[str]) -> list[Source]:
    """The images below ``root``, sorted by key; the first folder on the way to one is its class, below it folders are kept.

    Hidden files and symbolic links are passed over.
    """
    root = os.fspath(root)
    _must_exist(root)
    if not os.path.isdir(root):
        raise PlanError(f"--input {printable(root)}: this is a file; give it as --image")
    links: list[str] = []
    sources = sorted(_walk(root, "", links), key=lambda source: source.key)
    if not sources:
        raise PlanError(
            f"--input {printable(root)}: no image in this folder"
            + (f" ({len(links)} symbolic links are not followed)" if links else "")
            + f"; images end in {', '.join(sorted(EXTENSIONS))}"
        )
    return sources


def _must_exist(path: str) -> None:
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PlanError(f"{printable(path) or 'an empty path'}: {reason}; check the spelling and the permissions") from None


def _walk(root: str, folder: str, links: list[str]) -> Iterator[Source]:
    try:
        entries = list(os.scandir(os.path.join(root, folder)))
    except OSError as error:
        raise PlanError(f"{printable(os.path.join(root, folder).rstrip('/'))}: can't list this folder: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        key = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_symlink():
            links.append(key)
        elif entry.is_dir():
            yield from _walk(root, key, links)
        elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS and entry.is_file():
            yield Source(os.path.join(root, key), key, folder.partition("/")[0], folder)


def read_bytes(path: str, limit: int = -1) -> bytes:
    """A regular file's bytes (at most ``limit``); never waits on a pipe or a device. Raises ``SourceError``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SourceError("not a regular file")
            return file.read(limit)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"can't read it: {reason}") from None


def stored_bits(path: str) -> int:
    """Bits a channel of a file, from as few bytes as may be; 8 for one that can't be read, which fails later in words."""
    try:
        head = read_bytes(path, 32)
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return head[24] if len(head) > 24 else 8
        if head[:2] in (b"II", b"MM") or head[:1] == b"P":
            return read_header(read_bytes(path)).bits
    except SourceError:
        pass
    return 8


def load(source: Source, max_pixels: int = MAX_PIXELS, *, flat: bool = False) -> Sample:
    """The source, read and decoded whole; ``flat`` lays alpha on white. Raises ``SourceError`` with the reason."""
    data = read_bytes(source.path)
    image = decode(data, max_pixels)
    return Sample(source.key, hashlib.sha256(data).hexdigest(), Levels(on_white(image) if flat else image))
