"""A set of pictures as Ultralytics' YOLO: ``images``, a label file for each picture below ``labels``, and ``data.yaml``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from augx.annotations.base import Category, Layout, Pictures
from augx.annotations.yolo_index import numbered
from augx.annotations.yolo_labels import LabelForm, line_of
from augx.errors import printable
from augx.sample import Instance

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*( [A-Za-z0-9_/-]+)*")
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


@dataclass(frozen=True)
class YoloLayout(Layout):
    """``images/...``, ``labels/...`` and ``data.yaml``. A class is its category's ``id``; ``renumbered`` gives those of another format.

    Categories with keypoints make it a set of poses: ``dims`` numbers a keypoint. In an ``oriented`` one every box has four
    corners. ``splits`` says where the pictures of each split lie: folders of this set, or absolute ones that were not read; a
    set's own ``parts`` go before them. A region is written as its box: its outline is not looked for. COCO's crowds are left
    out, as YOLO has no word for them and a model would learn each as one object.
    """

    kind: ClassVar[str] = "yolo"
    pictures: ClassVar[str] = "images"

    dims: int = 3
    oriented: bool = False
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def form(self) -> LabelForm:
        """What a line of its label files holds."""
        points = max((len(category.keypoints) for category in self.categories), default=0)
        names = {category.id: category.name for category in self.categories}
        known = tuple(names.get(number, "") for number in range(max(names, default=-1) + 1))
        return LabelForm(known, points, self.dims, self.oriented)

    def beside(self, place: str, size: tuple[int, int], instances: Sequence[Instance]) -> list[tuple[str, bytes]]:
        """The label file of one picture, empty for one without instances. Raises ``ValueError`` for an unknown category."""
        form = self.form
        numbers = {category.name: category.id for category in self.categories}
        instances = [instance for instance in instances if instance.extra.get("iscrowd") != 1]
        # Ultralytics takes every line of a file for an outline as soon as one is.
        corners = any(instance.polygons for instance in instances)
        lines = []
        for instance in instances:
            if instance.category not in numbers:
                raise ValueError(f"the category {instance.category!r} is not among the set's {len(numbers)}")
            lines.append(line_of(instance, numbers[instance.category], size, form, corners=corners) + "\n")
        return [(label_of(place), "".join(lines).encode("ascii"))]

    def closing(self, pictures: Pictures) -> Iterator[tuple[str, Iterator[bytes]]]:
        """``data.yaml``. It has no ``path:``, since without one Ultralytics takes the folder that the file lies in."""
        yield "data.yaml", iter([self._index(pictures).encode("utf-8")])

    def _index(self, pictures: Pictures) -> str:
        splits = {**self.splits, **{part: (self.top(part),) for part in self.parts}}
        if "train" not in splits:
            splits["train"] = (common_folder(picture.place.rpartition("/")[0] for picture in pictures()),)
        usual = [split for split in ("train", "val", "test") if split in splits]
        lines = [f"{_text(split)}: {_text_or_list(splits[split])}" for split in dict.fromkeys((*usual, *splits))]
        if "val" not in splits:
            lines.insert(1, "val:  # training needs pictures that are not among these: name their folder here")
        longest = max(self.categories, key=lambda category: len(category.keypoints), default=None)
        if longest is not None and longest.keypoints:
            lines += ["", f"kpt_shape: [{len(longest.keypoints)}, {self.dims}]"]
            if longest.swap:
                lines.append(f"flip_idx: {list(longest.swap)}")
            if longest.keypoints != numbered(len(longest.keypoints)):
                lines.append("kpt_names:")
                for category in self.categories:
                    lines.append(f"  {category.id}: [{', '.join(map(_text, category.keypoints or longest.keypoints))}]")
        names = [f"  {category.id}: {_text(category.name)}" for category in self.categories]
        return "\n".join([*lines, "", "names:" if names else "names: {}", *names, ""])

    def state(self) -> dict[str, Any]:
        """JSON-plain: all that ``restored`` needs to make the same layout."""
        splits = {split: list(folders) for split, folders in self.splits.items()}
        return {**super().state(), "dims": self.dims, "oriented": self.oriented, "splits": splits}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> YoloLayout:
        """The layout of ``state``; raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        splits = {str(split): tuple(map(str, folders)) for split, folders in dict(state["splits"]).items()}
        if state["dims"] not in (2, 3) or not isinstance(state["oriented"], bool):
            raise ValueError("dims is 2 or 3, oriented true or false")
        whole = Layout.restored(state)
        return cls(whole.categories, whole.parts, dims=state["dims"], oriented=state["oriented"], splits=splits)


def _text_or_list(paths: Sequence[str]) -> str:
    return _text(paths[0]) if len(paths) == 1 else f"[{', '.join(map(_text, paths))}]"


def _text(text: str) -> str:
    """As YAML 1.1 and 1.2 both read it: in quotes unless it is nothing but words."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    return text if plain else json.dumps(printable(text), ensure_ascii=False)


def renumbered(categories: Iterable[Category]) -> tuple[Category, ...]:
    """The categories of another format with YOLO's numbers: 0, 1, 2, ... as they stand."""
    return tuple(replace(category, id=number) for number, category in enumerate(categories))


def label_of(picture: str) -> str:
    """Ultralytics' rule: the last ``images`` of a path becomes ``labels``; without one, beside the picture."""
    head, found, tail = f"/{picture}".rpartition("/images/")
    return os.path.splitext(f"{head}/labels/{tail}"[1:] if found else picture)[0] + ".txt"


def common_folder(folders: Iterable[str]) -> str:
    """The folder that all of these lie in, or are; ``""`` is the set's own."""
    return os.path.commonpath([f"/{folder}" for folder in dict.fromkeys(folders)] or ["/"])[1:]
