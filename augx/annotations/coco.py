"""COCO: one JSON of images, annotations and categories, read together with the pictures that it names.

The format's page is https://cocodataset.org/#format-data. Here is the file as a whole; ``coco_objects.py`` has the single
annotation, ``coco_layout.py`` writes a set.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augx.annotations.base import Category
from augx.annotations.coco_layout import CocoLayout
from augx.annotations.coco_objects import GEOMETRY, CocoAnnotations, Marked, checked, compact, picture_size, plain, shown
from augx.annotations.mirror import mirrored
from augx.errors import PlanError, SourceError, printable
from augx.files import read_bytes
from augx.sources import Source, SourceSet

__all__ = ["CocoLayout", "read_coco"]

_LOOKED_FOR = 1000
_SPLIT = re.compile(r"[a-z_]*?(?:instances|keypoints|captions|stuff)_(.+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def read_coco(path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> SourceSet:
    """The pictures of a COCO JSON with their annotations; ``root`` is the folder of its file names.

    Without ``root`` it is the first of these that has a picture of the file: the JSON's own folder, ``images`` in it, and
    ``images``, the JSON's stem, ``images/<stem>``, the split of ``instances_<split>.json`` and ``images/<split>`` beside it.

    Raises ``PlanError`` for a fault of the file as a whole; one of a single annotation is its picture's ``fault``.
    """
    name = os.fspath(path)
    faults = _Faults(name)
    data = _parsed(name)
    images, annotations, categories = (_entries(name, data, key) for key in ("images", "annotations", "categories"))
    if not images:
        raise PlanError(f"{printable(name)}: its list images is empty or missing; it must name the pictures")
    _check_kind(name, annotations)
    known = _categories(categories, faults)
    list(_identified(images, "images", faults))
    faults.stop()
    bases = [os.fspath(root)] if root is not None else _bases(name)
    keys = _keys(images, bases, faults)
    faults.stop()
    found = _of_pictures(images)
    _sort(annotations, known, found, faults)
    faults.stop()
    folder = _folder(name, keys, bases)
    places = _places(keys)
    sources = [_source(name, folder, key, place, picture) for key, place, picture in zip(keys, places, found.values(), strict=True)]
    return SourceSet(sources, CocoLayout(tuple(known.values())), (folder,), tuple(_notes(name, known, found)))


class _Faults:
    """Faults of the file as a whole: the first is named, the others are counted."""

    def __init__(self, path: str) -> None:
        self.path, self.found, self.first = path, 0, ""

    def add(self, text: str) -> None:
        self.first = self.first or text
        self.found += 1

    def stop(self) -> None:
        if self.found:
            more = f" (and {self.found - 1:,} more)" if self.found > 1 else ""
            raise PlanError(f"{printable(self.path)}: {self.first}{more}")


@dataclass(slots=True)
class _Found:
    """What the file says of one picture."""

    place: int
    id: int
    size: tuple[int, int] | None = None
    objects: list[Marked] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)


def _parsed(path: str) -> dict[str, Any]:
    where = printable(path)
    try:
        data = json.loads(read_bytes(path).decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise PlanError(f"{where}: not UTF-8 at byte {error.start}; JSON is UTF-8 text") from None
    except RecursionError:
        raise PlanError(f"{where}: not a COCO file: its brackets go too deep") from None
    except (SourceError, _TwiceError) as error:
        raise PlanError(f"{where}: {error}") from None
    except ValueError as error:
        raise PlanError(f"{where}: not JSON: {printable(error)}") from None
    if not isinstance(data, dict):
        raise PlanError(f"{where}: must be an object with the lists images, annotations and categories, found {shown(data)}")
    return data


class _TwiceError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        whose = f" with the id {shown(fields['id'])}" if "id" in fields else ""
        raise _TwiceError(f"the key {shown(key)} stands twice in an object{whose}; leave one")
    compact(fields)
    return fields


def _entries(path: str, data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    if value is not None and not isinstance(value, list):
        raise PlanError(f"{printable(path)}: {key} must be a list, found {shown(value)}")
    return value or []


def _check_kind(path: str, annotations: Sequence[Any]) -> None:
    if not annotations or any(isinstance(entry, dict) and any(key in entry for key in GEOMETRY) for entry in annotations):
        return
    first = annotations[0] if isinstance(annotations[0], dict) else {}
    kind = "a captions file: " if "caption" in first else "a panoptic file: " if "segments_info" in first else ""
    raise PlanError(f"{printable(path)}: {kind}none of its annotations has bbox, segmentation or keypoints; augx reads those")


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 63


def _identified(entries: Sequence[Any], section: str, faults: _Faults) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Place, id and entry of those that are objects with an id of their own."""
    seen: dict[int, int] = {}
    for place, entry in enumerate(entries):
        own = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(entry, dict):
            faults.add(f"{section}[{place}] must be an object, found {shown(entry)}")
        elif not isinstance(own, int) or not _whole(own):
            faults.add(f"{section}[{place}] must have an id, a whole number, found {shown(own)}")
        elif own in seen:
            faults.add(f"{section}[{seen[own]}] and {section}[{place}] have the same id {own}; each needs its own")
        else:
            seen[own] = place
            yield place, own, entry


def _categories(entries: Sequence[Any], faults: _Faults) -> dict[int, Category]:
    found: dict[int, Category] = {}
    named: dict[str, int] = {}
    for place, number, entry in _identified(entries, "categories", faults):
        where = f"categories[{place}] (id {number})"
        name, keypoints, skeleton = entry.get("name"), entry.get("keypoints") or [], entry.get("skeleton") or []
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.encode()) <= 255:
            faults.add(f"{where}: its name must be 1 to 255 bytes of printable text, found {shown(name)}")
        elif name in named:
            faults.add(f"categories[{named[name]}] and {where} have the same name {shown(name)}; give each its own")
        elif not isinstance(keypoints, list) or not all(isinstance(point, str) for point in keypoints):
            faults.add(f"{where}: its keypoints must be a list of names, found {shown(keypoints)}")
        elif not isinstance(skeleton, list) or not all(isinstance(p, list) and len(p) == 2 and all(map(_whole, p)) for p in skeleton):
            faults.add(f"{where}: its skeleton must be a list of pairs of whole numbers, found {shown(skeleton)}")
        else:
            named[name] = place
            try:
                extra = plain({key: value for key, value in entry.items() if key not in ("id", "name", "keypoints", "skeleton")})
            except ValueError as error:
                faults.add(f"{where}: {error}")
                continue
            found[number] = Category(name, number, tuple(keypoints), tuple((a, b) for a, b in skeleton), mirrored(keypoints), extra)
    return found


def _of_pictures(images: Sequence[Mapping[str, Any]]) -> dict[int, _Found]:
    found = {}
    for place, entry in enumerate(images):
        found[entry["id"]] = picture = _Found(place, entry["id"])
        try:
            picture.size = picture_size(entry)
        except ValueError as error:
            picture.faults.append(f"images[{place}] (id {picture.id}): {error}")
    return found


def _sort(annotations: Sequence[Any], categories: Mapping[int, Category], pictures: Mapping[int, _Found], faults: _Faults) -> None:
    """Each annotation, or what is wrong with it, to its picture."""
    for place, number, entry in _identified(annotations, "annotations", faults):
        where = f"annotations[{place}] (id {number})"
        image_id, category_id = entry.get("image_id"), entry.get("category_id")
        picture = pictures.get(image_id) if isinstance(image_id, int) and _whole(image_id) else None
        category = categories.get(category_id) if isinstance(category_id, int) and _whole(category_id) else None
        if picture is None:
            faults.add(f"{where}: its image_id {shown(image_id)} is none of the ids of images")
        elif category is None:
            faults.add(f"{where}: its category_id {shown(category_id)} is none of the ids of categories")
        else:
            try:
                marked, lost = checked(place, entry, category, picture.size)
            except ValueError as error:
                picture.faults.append(f"{where}: {error}")
            else:
                picture.objects.append(marked)
                picture.lost.update(lost)


def _bases(path: str) -> list[str]:
    """Where the pictures of a JSON may lie, in the order of search."""
    folder = os.path.dirname(path)
    above = os.path.dirname(folder) if os.path.basename(folder) not in ("", ".", "..") else os.path.join(folder, "..")
    stem = os.path.splitext(os.path.basename(path))[0]
    split = _SPLIT.fullmatch(stem)
    names = ["images", stem, f"images/{stem}", *((split[1], f"images/{split[1]}") if split else ())]
    return [folder or ".", os.path.join(folder, "images"), *(os.path.join(above, name) for name in names)]


def _keys(images: Sequence[Mapping[str, Any]], bases: Sequence[str], faults: _Faults) -> list[str]:
    roots = [os.path.abspath(base).rstrip("/") + "/" for base in bases]
    seen: dict[str, int] = {}
    for place, entry in enumerate(images):
        where = f"images[{place}] (id {entry['id']})"
        try:
            key = _key(entry.get("file_name"), roots)
        except ValueError as error:
            faults.add(f"{where}: {error}")
            continue
        if key in seen:
            faults.add(f"images[{seen[key]}] (id {images[seen[key]]['id']}) and {where} have the same file_name {printable(key)}")
        seen.setdefault(key, place)
    return list(seen)


def _key(name: Any, roots: Sequence[str]) -> str:
    """A file name as a path below the root; raises ``ValueError`` for one that is none. Windows' ``\\`` is read as ``/``."""
    if not isinstance(name, str) or not name or _CONTROL.search(name):
        raise ValueError(f"its file_name must be a path without control characters, found {shown(name)}")
    path = posixpath.normpath(name.replace("\\", "/"))
    if path.startswith("/"):
        path = next((path[len(root) :] for root in roots if path.startswith(root)), path)
    parts = path.split("/")
    if path.startswith("/") or parts[0] in ("..", "."):
        raise ValueError(f"its file_name {shown(name)} leads outside the folder of the pictures")
    try:
        longest = max(len(os.fsencode(part)) for part in parts)
    except UnicodeEncodeError:
        raise ValueError(f"its file_name {shown(name)} is no text of characters") from None
    if longest > 255:
        raise ValueError(f"its file_name {shown(name)} has a part of more than 255 bytes")
    return path


def _folder(path: str, keys: Sequence[str], bases: Sequence[str]) -> str:
    """The folder that the keys begin in: the first picture that is found, among up to 1000 of the whole file, decides."""
    for key in keys[:: -(-len(keys) // _LOOKED_FOR)]:
        for base in bases:
            if os.path.isfile(os.path.join(base, key)):
                return base
    places = ", ".join(printable(base) for base in bases)
    raise PlanError(
        f"{printable(path)}: none of its pictures, such as {printable(keys[0])}, lies in {places}; name their folder with --root"
    )


def _places(keys: Sequence[str]) -> Iterator[str]:
    """The keys below the layout's folder of pictures, whose name is not said twice, unless that would make one place of two keys."""
    taken = set(keys)
    for key in keys:
        place = key.removeprefix(f"{CocoLayout.pictures}/")
        yield key if place in taken else place


def _source(path: str, folder: str, key: str, place: str, picture: _Found) -> Source:
    held = CocoAnnotations(path, picture.place, picture.id, picture.size, tuple(picture.objects))
    more = f" (and {len(picture.faults) - 1:,} more)" if len(picture.faults) > 1 else ""
    fault = f"{printable(path)}: {picture.faults[0]}{more}" if picture.faults else ""
    return Source(os.path.join(folder, key), key, "", posixpath.dirname(place), annotations=held, fault=fault)


def _notes(path: str, categories: Mapping[int, Category], pictures: Mapping[int, _Found]) -> Iterator[str]:
    where = printable(path)
    bare = sum(not picture.objects and not picture.faults for picture in pictures.values())
    if bare:
        yield f"{where}: {bare:,} of {len(pictures):,} pictures {'has' if bare == 1 else 'have'} no annotations"
    nameless = {item.category for picture in pictures.values() for item in picture.objects if item.keypoints}
    nameless -= {category.name for category in categories.values() if category.keypoints}
    for name in sorted(nameless):
        yield f"{where}: the category {printable(name)} names no keypoints, so left and right ones keep their places in a mirror"
    lost = sorted(set[str]().union(*(picture.lost for picture in pictures.values())))
    if lost:
        names = printable(", ".join(lost))
        yield f"{where}: these fields of annotations hold positions that augx doesn't move, so copies leave them out: {names}"
