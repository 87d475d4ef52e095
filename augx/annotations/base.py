"""What the formats of annotations have in common: categories, what a source says of its instances, and how a set is laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from augx.sample import Instance


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
    """One picture of a finished set: its place below the output (with ``/``), its width and height, its instances."""

    place: str
    size: tuple[int, int]
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Layout:
    """How a set and its annotations lie on disk. Pictures go below the folder ``pictures``; ``""`` is the set itself."""

    kind: ClassVar[str] = "folders"
    pictures: ClassVar[str] = "images"

    categories: tuple[Category, ...] = ()

    def top(self, part: str) -> str:
        """The folder that pictures of a part of a split go to; ``""`` where there is no split."""
        return "/".join(filter(None, (self.pictures, part)))

    def beside(self, place: str, size: tuple[int, int], instances: Sequence[Instance]) -> list[tuple[str, bytes]]:
        """The files (place, bytes) about the one picture at ``place``, such as its labels; made again with the picture alone."""
        return []

    def closing(self, pictures: Callable[[], Iterator[Picture]]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The files (place, bytes in pieces) about the whole set, written at the end of each run.

        ``pictures`` goes through all of them, in an order that is always the same, as often as it is called.
        """
        return iter(())

    def state(self) -> dict[str, Any]:
        """JSON-plain: all that ``restored`` needs to make the same layout."""
        return {"kind": self.kind, "categories": [_plain(category) for category in self.categories]}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Layout:
        """The layout of ``state``; raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        return cls(categories=tuple(_category(fields) for fields in state["categories"]))


def _plain(category: Category) -> dict[str, Any]:
    fields = {name: getattr(category, name) for name in ("name", "id", "keypoints", "skeleton", "swap", "extra")}
    return {name: value for name, value in fields.items() if value or name in ("name", "id")}


def _category(fields: Mapping[str, Any]) -> Category:
    pairs = tuple((int(a), int(b)) for a, b in fields.get("skeleton", ()))
    keypoints, swap = tuple(fields.get("keypoints", ())), tuple(fields.get("swap", ()))
    return Category(str(fields["name"]), int(fields["id"]), keypoints, pairs, swap, fields.get("extra", {}))
