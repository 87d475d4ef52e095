"""What a YOLO set says of itself: its ``data.yaml``, or, without one, its folders and a list of names.

``path`` is the root (by default the file's own folder); ``train``, ``val`` and ``test`` are each a folder, a list of folders or
a text file of pictures; ``names`` are numbered, by default from 0; ``kpt_shape``, ``flip_idx`` and ``kpt_names`` describe keypoints.
https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/pose/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augx import document
from augx.annotations.base import Category
from augx.annotations.mirror import mirrored
from augx.errors import PlanError, SourceError, SpecError, printable
from augx.files import read_bytes

MAX_POINTS = 1000
MAX_CLASSES = 100_000
_USUAL = ("data.yaml", "dataset.yaml", "config.yaml")
_NAME_LISTS = ("classes.txt", "obj.names", "labels.txt", "labels/classes.txt")
_SPELLINGS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class Index:
    """A set as its index has it. ``splits`` names folders and lists of pictures that are there; ``categories`` is None where
    nothing names the classes; ``points`` by ``dims`` is ``kpt_shape``. ``name`` is what messages call the set.
    """

    name: str
    root: str
    splits: Mapping[str, tuple[str, ...]]
    categories: tuple[Category, ...] | None
    points: int = 0
    dims: int = 3
    notes: tuple[str, ...] = field(default=())


def read_index(path: str) -> Index:
    """The index at ``path``: a YAML file, or a folder with one, or with pictures and labels alone. Raises ``PlanError``."""
    if not os.path.isdir(path):
        return _from_yaml(path, _parsed(path))
    for name in _USUAL:
        if os.path.lexists(os.path.join(path, name)):
            return read_index(os.path.join(path, name))
    found = {}
    for name in sorted(os.listdir(path)):
        if name.endswith((".yaml", ".yml")):
            data = _parsed(os.path.join(path, name))
            if isinstance(data[0], dict) and {"names", "train"} <= set(data[0]):
                found[name] = data
    if len(found) > 1:
        raise PlanError(f"{printable(path)}: {' and '.join(map(printable, found))} both describe a set; name one of them")
    for name, data in found.items():
        return _from_yaml(os.path.join(path, name), data)
    return _from_folders(path)


def numbered(count: int) -> tuple[str, ...]:
    """Names for what has none: its number."""
    return tuple(map(str, range(count)))


def _parsed(path: str) -> tuple[Any, Mapping[document.Path, document.Position]]:
    name = printable(path)
    try:
        data = read_bytes(path, document.MAX_BYTES + 1)
    except SourceError as error:
        raise PlanError(f"{name}: {error}") from None
    if len(data) > document.MAX_BYTES:
        raise PlanError(f"{name}: more than {document.MAX_BYTES:,} bytes; a set's index is a short YAML file")
    if not data.strip():
        raise PlanError(f"{name}: the file is empty; a set's index has at least train: and names:")
    try:
        return document.parse(data, path)
    except SpecError as error:
        raise PlanError(str(error).replace("the spec", "it")) from None


class _Fields:
    """The keys of a ``data.yaml``, and words for what is wrong with one."""

    def __init__(self, path: str, parsed: tuple[Any, Mapping[document.Path, document.Position]]) -> None:
        self.path = path
        data, self._lines = parsed
        if not isinstance(data, dict) or not ({"train", "val", "test", "validation", "valid"} & set(data)):
            raise PlanError(f"{printable(path)}: no index of a set; one has at least train: (a folder of pictures) and names:")
        self.data: dict[str, Any] = data

    def fault(self, message: str, *place: str | int) -> PlanError:
        line = self._lines.get(place, self._lines.get(place[:1], (1, 1)))[0]
        return PlanError(f"{printable(self.path)}: line {line}: {message}")


def _from_yaml(path: str, parsed: tuple[Any, Mapping[document.Path, document.Position]]) -> Index:
    fields = _Fields(path, parsed)
    own = os.path.dirname(path)
    notes: list[str] = []
    stated = fields.data.get("path")
    if stated is not None and not isinstance(stated, str):
        raise fields.fault(f"path: is a folder, found {stated!r}", "path")
    root = os.path.normpath(os.path.join(own, stated)) if stated else own
    if stated and not os.path.isdir(root):
        notes.append(f"{printable(path)}: path: {printable(stated)} is not there; the file's own folder is taken for it")
        root = own
    splits = {}
    for split, spellings in _SPELLINGS.items():
        for key in spellings:
            if fields.data.get(key) is not None and split not in splits:
                splits[split] = _entries(fields, key, root, own, notes, needed=split == "train")
    points, dims = _shape(fields)
    names = _names(fields)
    return Index(
        path,
        own if root == "." else root,
        {k: v for k, v in splits.items() if v},
        _categories(fields, names, points),
        points,
        dims,
        tuple(notes),
    )


def _entries(fields: _Fields, key: str, root: str, own: str, notes: list[str], *, needed: bool) -> tuple[str, ...]:
    """The folders and lists of one split that are there; one that is not is an error where ``needed``, else a note."""
    stated = fields.data[key]
    entries = stated if isinstance(stated, list) else [stated]
    found = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, str) or not entry or "\0" in entry:
            raise fields.fault(f"{key}: is a folder, a list of folders, or a .txt with paths of pictures; found {entry!r}", key, number)
        if "://" in entry and needed:
            cure = "augx never reads from the network: download it, and name its folder"
            raise fields.fault(f"{key}: {printable(entry)} is an address; {cure}", key, number)
        # Exports have ../train/images beside the file itself: Ultralytics, too, looks without the ../ where nothing is.
        tries = [os.path.join(folder, name) for name in (entry, entry.removeprefix("../")) for folder in dict.fromkeys((root, own))]
        place = next((place for place in tries if os.path.exists(place)), None)
        if place is None and needed:
            raise fields.fault(
                f"{key}: {printable(entry)} is not there, looked for as {printable(os.path.normpath(tries[0]))}", key, number
            )
        if place is None:
            notes.append(f"{printable(fields.path)}: {key}: {printable(entry)} is not there")
        else:
            found.append(os.path.normpath(place))
    return tuple(found)


def _names(fields: _Fields) -> dict[int, str]:
    """The classes by number. Sets with gaps between the numbers exist, though Ultralytics itself refuses them."""
    stated, count = fields.data.get("names"), fields.data.get("nc")
    if count is not None and (type(count) is not int or not 0 < count <= MAX_CLASSES):
        raise fields.fault(f"nc: is how many classes there are, found {count!r}", "nc")
    if stated is None and count is not None:
        return {number: f"class_{number}" for number in range(count)}  # as Ultralytics names them
    if stated is None:
        raise fields.fault("there is no names:, which says what the classes are called; write it, such as names: [cat, dog]", "names")
    if not isinstance(stated, (list, dict)) or not stated:
        raise fields.fault(f"names: is a list of the classes' names, or number: name for each; found {str(stated)[:60]!r}", "names")
    names: dict[int, str] = {}
    first: dict[str, int] = {}
    for key, name in stated.items() if isinstance(stated, dict) else enumerate(stated):
        if isinstance(key, str) and not (
            key.isdecimal() and key.isascii() and len(key) < 9 and int(key) < MAX_CLASSES and int(key) not in names
        ):
            raise fields.fault(f"names: a class is a whole number from 0 to {MAX_CLASSES - 1}, each another; found {key!r}", "names", key)
        if type(name) is int:
            name = str(name)
        problem = _unfit(name) or (f"{name!r} stands for class {first[name]} already; each has its own" if name in first else "")
        if problem:
            raise fields.fault(f"names: class {key}: {problem}", "names", key)
        names[int(key)] = name
        first[name] = int(key)
    if count is not None and count != len(names):
        raise fields.fault(f"nc: {count}, but the length of names: is {len(names)}; make them agree", "nc")
    return dict(sorted(names.items()))


def _unfit(name: object) -> str:
    if not isinstance(name, str):
        return f"a name is text, found {name!r}; write it in quotes"
    if not name.strip() or not name.isprintable() or len(name.encode("utf-8")) > 255:
        return f"a name is 1 to 255 bytes of printable text, found {printable(name[:40])!r}"
    return ""


def _shape(fields: _Fields) -> tuple[int, int]:
    shape = fields.data.get("kpt_shape")
    if shape is None:
        return 0, 3
    whole = isinstance(shape, list) and len(shape) == 2 and all(type(number) is int for number in shape)
    if not whole or not 1 <= shape[0] <= MAX_POINTS or shape[1] not in (2, 3):
        raise fields.fault(f"kpt_shape: is [keypoints (1 to {MAX_POINTS}), numbers a keypoint (2 or 3)], found {shape!r}", "kpt_shape")
    return shape[0], shape[1]


def _categories(fields: _Fields, names: Mapping[int, str], points: int) -> tuple[Category, ...]:
    if not points:
        return tuple(Category(name, number) for number, name in names.items())
    flip = fields.data.get("flip_idx")
    if flip is not None:
        numbers = set(range(points))
        if not isinstance(flip, list) or len(flip) != points or any(type(i) is not int or i not in numbers for i in flip):
            raise fields.fault(
                f"flip_idx: has a keypoint's number (0 to {points - 1}) for each of the {points}, found {flip!r}", "flip_idx"
            )
        single = next((i for i in range(points) if flip[flip[i]] != i), None)
        if single is not None:
            message = f"flip_idx: keypoint {single} becomes {flip[single]}, but that becomes {flip[flip[single]]}; two points change places"
            raise fields.fault(message, "flip_idx", single)
    stated = fields.data.get("kpt_names")
    found = []
    for number, name in names.items():
        own = stated.get(str(number)) if isinstance(stated, dict) else stated
        keypoints = numbered(points) if own is None else tuple(map(str, own)) if isinstance(own, list) else ()
        if len(keypoints) != points or len(set(keypoints)) != points or any(map(_unfit, keypoints)):
            raise fields.fault(f"kpt_names: for class {number} there are {points} names, each another; found {own!r}", "kpt_names")
        found.append(Category(name, number, keypoints, swap=tuple(flip) if flip is not None else mirrored(keypoints)))
    return tuple(found)


def _from_folders(path: str) -> Index:
    """A set without an index: ``images`` and ``labels``, or folders like ``train`` with both, or labels beside the pictures."""
    splits: dict[str, tuple[str, ...]] = {}
    for split, spellings in _SPELLINGS.items():
        for place in [place for name in spellings for place in (f"images/{name}", f"{name}/images")]:
            if os.path.isdir(os.path.join(path, place)):
                splits.setdefault(split, (os.path.join(path, place),))
    if "train" not in splits:
        whole = os.path.join(path, "images")
        splits = {"train": (whole if os.path.isdir(whole) else path,)}
    for name in _NAME_LISTS:
        place = os.path.join(path, name)
        if os.path.isfile(place):
            return Index(path, path, splits, _listed_names(place))
    note = f"{printable(path)}: nothing names the classes (data.yaml, {', '.join(_NAME_LISTS[:3])}): their numbers are their names"
    return Index(path, path, splits, None, notes=(note,))


def _listed_names(path: str) -> tuple[Category, ...]:
    try:
        lines = read_bytes(path, document.MAX_BYTES).decode("utf-8-sig").rstrip().splitlines()
    except (SourceError, UnicodeDecodeError) as error:
        raise PlanError(f"{printable(path)}: a list of names is UTF-8 text, one a line: {error}") from None
    found: dict[str, Category] = {}
    for number, line in enumerate(lines):
        name = line.strip()
        problem = _unfit(name) or (f"{name!r} stands twice" if name in found else "")
        if problem:
            raise PlanError(f"{printable(path)}: line {number + 1}: {problem}")
        found[name] = Category(name, number)
    return tuple(found.values())
