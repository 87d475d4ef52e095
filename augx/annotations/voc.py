"""Sets as Pascal VOC has them: ``Annotations/x.xml`` for ``JPEGImages/x.jpg``, lists of pictures in ``ImageSets/Main``.

``bndbox`` holds the first and the last pixel of a box, counted from 1 (the VOC2012 development kit's guide, section on
annotation; the first pixel is (1, 1)), so it covers ``xmin - 1`` to ``xmax`` here. ``robndbox`` (roLabelImg: middle, width,
height, clockwise angle in radians) and ``polygon`` (``x1 y1 x2 y2 ...``, or LabelMe's ``pt``) have coordinates as they are here.
The XML itself is read and written in ``voc_xml.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from augx.annotations.base import Category, Layout, Pictures, of_part
from augx.annotations.listing import files_below, plain_path
from augx.annotations.voc_xml import annotation_xml, objects_of, parse_xml
from augx.errors import PlanError, SourceError, printable
from augx.files import read_bytes
from augx.sample import Instance
from augx.sources import EXTENSIONS, Source, SourceSet

MAX_BYTES = 10_000_000
_MAX_LIST = 100_000_000
_PICTURES = ("JPEGImages", "images", "Images", "PNGImages")
_ANNOTATIONS = ("Annotations", "annotations")
_SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True, slots=True)
class VocAnnotations:
    """One picture's XML file, read when it is wanted."""

    path: str

    def read(self, size: tuple[int, int]) -> tuple[Instance, ...]:
        """Its objects, for a picture of this width and height. Raises ``SourceError`` with the line.

        Parts of an object (``part``, such as a head) and other nested elements are left out: nothing would move them.
        """
        name = printable(self.path)
        try:
            data = read_bytes(self.path, MAX_BYTES + 1)
        except SourceError as error:
            raise SourceError(f"its annotation {name}: {error}") from None
        if len(data) > MAX_BYTES:
            raise SourceError(f"{name}: more than {MAX_BYTES:,} bytes; an annotation is a short XML file")
        try:
            return objects_of(parse_xml(data), size)
        except ValueError as error:
            raise SourceError(f"{name}: {error}") from None


@dataclass(frozen=True)
class VocLayout(Layout):
    """``JPEGImages/...``, ``Annotations/...`` and ``ImageSets/Main/train.txt``, or another ``subset``'s list.

    A set that is divided has the pictures of all ``parts`` in one folder and a list for each, as VOC has it, and ``trainval``
    where there are both. Boxes keep their fractions of a pixel. VOC has no keypoints, and a region's outline is not looked for:
    of such an instance the box is written. The XML has no ``depth`` in ``size``.
    """

    kind: ClassVar[str] = "voc"
    pictures: ClassVar[str] = "JPEGImages"

    subset: str = "train"

    def beside(self, place: str, size: tuple[int, int], instances: Sequence[Instance]) -> list[tuple[str, bytes]]:
        """The XML file of one picture. Raises ``ValueError`` for an instance without a box and an outline."""
        return [(f"Annotations/{_stem(place)}.xml", annotation_xml(place, size, instances))]

    def top(self, part: str) -> str:
        """One folder for the pictures of all parts."""
        return self.pictures

    def closing(self, pictures: Pictures) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The lists of pictures, without extensions, a line each."""
        lists = {part: _stems(of_part(pictures, part)) for part in self.parts} or {self.subset: _stems(pictures)}
        if {"train", "val"} <= lists.keys() and "trainval" not in lists:
            lists["trainval"] = _stems(lambda: (picture for picture in pictures() if picture.part in ("train", "val")))
        for name, lines in lists.items():
            yield f"ImageSets/Main/{name}.txt", lines

    def state(self) -> dict[str, Any]:
        """JSON-plain: all that ``restored`` needs to make the same layout."""
        return {**super().state(), "subset": self.subset}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> VocLayout:
        """The layout of ``state``; raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        subset = state["subset"]
        if not isinstance(subset, str) or "/" in subset or not plain_path(subset):
            raise ValueError("subset is the name of a list")
        whole = Layout.restored(state)
        return cls(whole.categories, whole.parts, subset)


def _stems(pictures: Pictures) -> Iterator[bytes]:
    for picture in pictures():
        yield f"{_stem(picture.place)}\n".encode("utf-8", "surrogateescape")


def _stem(place: str) -> str:
    """A picture's place below the pictures' folder, without its extension."""
    return os.path.splitext(place.removeprefix(f"{VocLayout.pictures}/"))[0]


def read_voc(path: str | os.PathLike[str], *, subset: str | None = None) -> SourceSet:
    """The pictures of a set that have an XML file; ``path`` holds ``Annotations``, or XML files beside the pictures.

    Of a set that comes with lists (``ImageSets/Main``) or with folders like ``train`` and ``valid``, only ``train`` is read (or
    ``trainval``, where there is no ``train``), or the ``subset`` that is named, or ``all``. A file belongs to the picture of its
    own name; what it says in ``filename`` is not followed. Raises ``PlanError`` for what is wrong with the set as a whole.
    """
    root = os.fspath(path)
    if not os.path.isdir(root):
        raise PlanError(f"{printable(root)}: a set in VOC's form is a folder with Annotations and JPEGImages")
    links: list[str] = []
    annotated = next((name for name in _ANNOTATIONS if os.path.isdir(os.path.join(root, name))), "")
    shown = next((name for name in _PICTURES if os.path.isdir(os.path.join(root, name))), "") if annotated else ""
    marked = _by_stem(os.path.join(root, annotated), (".xml",), links)
    pictures = _by_stem(os.path.join(root, shown), EXTENSIONS, links)
    if not marked:
        raise PlanError(f"{printable(root)}: no .xml file in {annotated or 'it'}; VOC has one a picture")
    lists = _lists(root) or _folders(marked, annotated)
    name = _chosen(root, lists, subset)
    stems = _listed(lists[name]) if name in lists else dict.fromkeys(marked, "")
    notes = []
    if name in lists and len(others := marked.keys() - stems.keys()):
        reason = " (copies of a test set must not be trained on)" if name.startswith("train") else ""
        notes.append(f"left out, since they are annotated but not in {name}: {_pictures(len(others))}{reason}")
    bare = pictures.keys() - marked.keys()
    if bare:
        notes.append(f"left out, since there is no .xml file for them: {_pictures(len(bare))}, such as {printable(min(bare))}")
    if links:
        notes.append(f"symbolic links are not followed: {len(links):,}")
    sources = [_source(root, stem, where, (annotated, shown), marked, pictures) for stem, where in sorted(stems.items())]
    if not sources:
        raise PlanError(f"{printable(root)}: {name} lists no picture")
    return SourceSet(sorted(sources, key=lambda source: source.key), VocLayout(subset=_list_name(name)), (root,), tuple(notes))


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"


def categories_of(sources: Sequence[Source]) -> tuple[Category, ...]:
    """The categories that the XML files of these sources name, sorted, numbered from 0: VOC itself has no list of them.

    Reads every file; one that can't be read names none here, and fails in words with its picture.
    """
    names: set[str] = set()
    for source in sources:
        if isinstance(source.annotations, VocAnnotations):
            try:
                root = parse_xml(read_bytes(source.annotations.path, MAX_BYTES))
            except (SourceError, ValueError):
                continue
            names.update(child.text for thing in root.every("object") for child in thing.every("name") if child.text.isprintable())
    return tuple(Category(name, number) for number, name in enumerate(sorted(names - {""})))


def _by_stem(folder: str, extensions: Any, links: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in files_below(folder, extensions, links):
        found.setdefault(os.path.splitext(path)[0], []).append(path)
    return found


def _source(
    root: str,
    stem: str,
    where: str,
    folders: tuple[str, str],
    marked: Mapping[str, list[str]],
    pictures: Mapping[str, list[str]],
) -> Source:
    annotated, shown = folders
    names = pictures.get(stem, [])
    key = os.path.join(shown, names[0] if names else f"{stem}.jpg")
    annotation = os.path.join(root, annotated, marked[stem][0]) if stem in marked else ""
    fault = ""
    if not annotation:
        fault = f"{where} lists it, but there is no {printable(os.path.join(annotated, stem))}.xml"
    elif not names:
        fault = f"{printable(annotation)}: there is no picture of this name in {printable(os.path.join(root, shown))}"
    elif len(names) > 1:
        fault = f"{printable(annotation)} could be for {' or '.join(map(printable, names))}; keep one picture of this name"
    held = VocAnnotations(annotation) if annotation else None
    return Source(os.path.join(root, key), key, "", os.path.dirname(stem), annotations=held, fault=fault)


def _lists(root: str) -> dict[str, str | dict[str, str]]:
    """The lists in ``ImageSets/Main``, by name, as paths."""
    folder = os.path.join(root, "ImageSets", "Main")
    names = [name for name in files_below(folder, (".txt",), []) if "/" not in name] if os.path.isdir(folder) else []
    return {name[:-4]: os.path.join(folder, name) for name in names}


def _folders(marked: Mapping[str, list[str]], annotated: str) -> dict[str, str | dict[str, str]]:
    """Folders that are named as the parts of a split, with the pictures in each; none where there is only one part."""
    tops = {stem.partition("/")[0] for stem in marked if "/" in stem}
    spelled = {split: name for split, names in _SPLITS.items() for name in names if name in tops}
    if len(spelled) < 2:
        return {}
    return {split: {stem: "" for stem in marked if stem.startswith(f"{name}/")} for split, name in spelled.items()}


def _chosen(root: str, lists: Mapping[str, object], subset: str | None) -> str:
    if subset == "all" or (subset is None and not lists.keys() & {"train", "trainval", "val", "test"}):
        return "all"
    wanted = ("train", "trainval") if subset is None else (subset,)
    for name in wanted:
        if name in lists:
            return name
    missing = "it has lists, but none of train" if subset is None else f"it has no list {printable(subset)!r}"
    raise PlanError(f"{printable(root)}: {missing}; there are: {', '.join(map(printable, lists)) or 'none'} (or all pictures: all)")


def _list_name(name: str) -> str:
    return {"all": "trainval"}.get(name, name)


def _listed(found: str | dict[str, str]) -> dict[str, str]:
    """The pictures of a list, without extensions, with the line that names each; those marked -1 (of a class's list) are not of it."""
    if not isinstance(found, str):
        return found
    try:
        data = read_bytes(found, _MAX_LIST + 1)
    except SourceError as error:
        raise PlanError(f"{printable(found)}: {error}") from None
    if len(data) > _MAX_LIST:
        raise PlanError(f"{printable(found)}: more than {_MAX_LIST:,} bytes; a list has a picture's name a line")
    stems: dict[str, str] = {}
    for number, line in enumerate(os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")).splitlines(), 1):
        head, _, mark = line.strip().rpartition(" ")
        stem = head.strip() if head and mark in ("-1", "0", "1") else line.strip()
        if not stem or (head and mark == "-1"):
            continue
        where = f"{printable(found)}: line {number}"
        if not plain_path(stem):
            raise PlanError(f"{where}: {printable(stem[:200])} is no name of a picture below Annotations, without its extension")
        stems.setdefault(stem, where)
    return stems
