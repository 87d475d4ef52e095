"""One source of a plan, and the names of the files that are made from it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from augx.sources import Source
from augx.writers import FORMATS

COPY_NAME = re.compile(r"(?P<stem>.+)_(?P<copy>\d{5,})(?P<extension>\.[a-z]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One source of a plan: copies 0 ... ``copies`` - 1 are written in ``format`` as ``stem``_00000.extension and so on.

    ``relabelled`` holds the labels besides the source's own that its copies may get from the spec, and how many get them;
    ``with_original`` puts the untouched source beside them; ``part`` is that of a split that it belongs to, ``top`` the folder
    that its own folder lies in.
    """

    source: Source
    copies: int
    format: str
    relabelled: tuple[tuple[str, int], ...] = ()
    with_original: bool = False
    part: str = ""
    top: str = ""

    @property
    def extension(self) -> str:
        return FORMATS[self.format].extension

    def folder(self, label: str) -> str:
        """Where copies with this label go: the source's folder, with the label in its class' place."""
        own, folder = self.source.label, self.source.folder
        if label != own and own:
            parts = folder.split("/")
            parts[parts.index(own)] = label
            folder = "/".join(parts)
        return f"{self.top}/{folder}" if self.top and folder else self.top or folder

    def stem(self, label: str) -> str:
        """The copies' name without number; every extension but ``.jpg`` stays in it, so ``a.jpg`` and ``a.png`` don't clash.

        A copy that changed class says where it came from, so it does not clash with its new class' own pictures.
        """
        # A row of an array has no file, so no extension of its own.
        stem = self.source.name.removesuffix(".jpg" if self.source.pixels is None else ".png")
        return stem if label == self.source.label else f"{stem}_from_{self.source.label}"

    @property
    def series(self) -> tuple[str, ...]:
        """Folder, stem and extension of the copies with each label: what the places of their files have in common."""
        return (self._series(self.source.label), *[self._series(label) for label, _ in self.relabelled])

    def _series(self, label: str) -> str:
        return joined(self.folder(label), self.stem(label)) + self.extension

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that its copies go to."""
        return tuple(dict.fromkeys(one.rpartition("/")[0] for one in self.series))

    @property
    def original(self) -> str:
        """The place of the untouched source."""
        name = self.source.name if self.source.pixels is None else self.stem(self.source.label) + self.extension
        return joined(self.folder(self.source.label), name)

    def file_name(self, copy: int, label: str) -> str:
        """The name of one copy, without its folder."""
        return copy_name(self.stem(label), copy, self.extension)


def copy_name(stem: str, copy: int, extension: str) -> str:
    """The name of a copy from what its series has in common, and its number."""
    return f"{stem}_{copy:05d}{extension}"


def joined(folder: str, name: str) -> str:
    """A name with its folder below the output, with ``/``."""
    return f"{folder}/{name}" if folder else name


def folded(path: str) -> str:
    """A path as a file system sees it that ignores case and Unicode form, as those of macOS and Windows do."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
