"""What the formats of annotations have in common: categories, what a source says of its instances, and how a set is laid out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

from augx.sample import Instance

_PART = re.compile(r"[^\W_][\w-]{0,39}")


@dataclass(frozen=True, slots=True)
class Category:
    """What an instance may be. ``id`` is its number in the format; ``extra`` are other fields of its, JSON-plain.

    ``swap`` says for each keypoint which one it becomes in a mirror (left eye, right eye), by number; empty: none.
    """

    name: str
    id: int
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    swap: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


class Annotations(Protocol):
    """What a set says of one picture; small, and picklable. Files beside the picture are read when they are wanted."""

    def read(self, size: tuple[int, int]) -> tuple[Instance, ...]:
        """The instances, for a picture of this width and height; raises ``SourceError`` naming the file and the line."""
        ...


class Picture(NamedTuple):
    """One picture of a finished set: its place below the output (with ``/``), its width and height, its instances.

    ``part`` is that of a split, ``""`` without one; ``columns`` what a table said of its source; ``copy`` its number, None for
    an untouched original; ``masks`` the places of the pictures of labels beside it, by the name of their folder.
    """

    place: str
    size: tuple[int, int]
    instances: Sequence[Instance]
    label: str = ""
    part: str = ""
    columns: Mapping[str, str] = MappingProxyType({})
    source: str = ""
    copy: int | None = None
    masks: Mapping[str, str] = MappingProxyType({})

    @property
    def original(self) -> bool:
        """Whether it is an untouched source."""
        return self.copy is None


Pictures = Callable[[], Iterator[Picture]]
"""Goes through all pictures of a set, in an order that is always the same, as often as it is called."""


def of_part(pictures: Pictures, part: str) -> Pictures:
    """Those of one part of a split."""
    return lambda: (picture for picture in pictures() if picture.part == part)


@dataclass(frozen=True)
class Layout:
    """How a set and its annotations lie on disk. Pictures go below the folder ``pictures``; ``""`` is the set itself.

    ``parts`` are those of a split, in order; none where the set is not divided.
    """

    kind: ClassVar[str] = "folders"
    pictures: ClassVar[str] = "images"

    categories: tuple[Category, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def annotated(self) -> bool:
        """Whether its pictures have objects; a single one may have none."""
        return self.kind != Layout.kind

    def top(self, part: str) -> str:
        """The folder that pictures of a part of a split go to; ``""`` where there is no split."""
        return "/".join(filter(None, (self.pictures, part)))

    def beside(self, place: str, size: tuple[int, int], instances: Sequence[Instance]) -> list[tuple[str, bytes]]:
        """The files (place, bytes) about the one picture at ``place``, such as its labels; made again with the picture alone."""
        return []

    def closing(self, pictures: Pictures) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The files (place, bytes in pieces) about the whole set, written at the end of each run.

        Their places don't depend on the pictures, which are not gone through before a piece is asked for.
        """
        return iter(())

    def state(self) -> dict[str, Any]:
        """JSON-plain: all that ``restored`` needs to make the same layout."""
        parts = {"parts": list(self.parts)} if self.parts else {}
        return {"kind": self.kind, "categories": [_plain(category) for category in self.categories], **parts}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Layout:
        """The layout of ``state``; raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        parts = tuple(state.get("parts", ()))
        if not all(isinstance(part, str) and _PART.fullmatch(part) for part in parts):
            raise ValueError("parts are names of folders")
        return cls(categories=tuple(_category(fields) for fields in state["categories"]), parts=parts)


def _plain(category: Category) -> dict[str, Any]:
    fields = {name: getattr(category, name) for name in ("name", "id", "keypoints", "skeleton", "swap", "extra")}
    return {name: value for name, value in fields.items() if value or name in ("name", "id")}


def _category(fields: Mapping[str, Any]) -> Category:
    pairs = tuple((int(a), int(b)) for a, b in fields.get("skeleton", ()))
    keypoints, swap = tuple(fields.get("keypoints", ())), tuple(fields.get("swap", ()))
    return Category(str(fields["name"]), int(fields["id"]), keypoints, pairs, swap, fields.get("extra", {}))
