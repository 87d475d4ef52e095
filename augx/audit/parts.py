"""What a set consists of: its parts (train, val, test ...), their classes, the files in them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from augx.errors import PlanError, printable
from augx.inputs.folders import must_exist
from augx.manifest import MANIFEST, RUN
from augx.sources import named_format

_PART = re.compile(r"((train|test)(ing)?|val(id(ation)?)?|dev|eval(uation)?|hold-?out|(fold|split|part)[-_ ]?\d+)([-_ ]?\d+)?", re.I)
_PICTURES = {"images", "JPEGImages"}
_TARGETS = {"labels", "masks", "annotations", "Annotations", "ImageSets", "SegmentationClass", "SegmentationObject"}
_OURS = (MANIFEST, RUN)


@dataclass(frozen=True, slots=True)
class File:
    """A file that ends as an image does: where it lies, its part (number), its class, the first folder below the part or none."""

    path: str
    part: int
    label: str


@dataclass(frozen=True)
class Parts:
    """The set: the parts' names, the one that is learned from first; the files, part by part, sorted; and what is no image.

    ``roots`` are the folders where a manifest may lie; ``others`` counts files by their extension, ``empty`` names class
    folders without an image, ``links`` counts symbolic links, which are not followed.
    """

    names: tuple[str, ...]
    files: list[File]
    roots: tuple[str, ...]
    others: dict[str, int] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    links: int = 0
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    images: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    links: int = 0


def find_parts(folders: Sequence[str | os.PathLike[str]]) -> Parts:
    """Of one folder the parts that its top folders are named for, else one part; of several folders one part each.

    What is an image goes by its extension; hidden files and links are passed over. Raises ``PlanError`` for folders that
    can't be read, that lie in each other, or that hold no image.
    """
    roots = [os.path.abspath(os.fspath(folder)) for folder in folders]
    for root in roots:
        must_exist(root)
        if not os.path.isdir(root):
            raise PlanError(f"{printable(root)}: this is a file; give the folder of a set")
    _check_apart(roots)
    above = [*(sorted({os.path.dirname(root) for root in roots}) if len(roots) > 1 else ()), *roots]
    given, roots = roots, [_pictures(root) for root in roots]
    notes: list[str] = []
    if len(roots) == 1:
        names = _split_folders(roots[0], notes)
        parts = [(name, os.path.join(roots[0], name)) for name in names] or [("", roots[0])]
    else:
        for root in roots:
            if inner := _split_folders(root, []):
                raise PlanError(f"{printable(root)}: has parts itself ({', '.join(inner)}); give it alone, or each of those folders")
        parts = list(zip(_short_names(given), roots, strict=True))
    above += [root for _, root in parts]
    scans = [(name, root, _scan(root)) for name, root in ((name, _pictures(root)) for name, root in parts)]
    if not any(found.images for _, _, found in scans):
        packed = any(name.endswith((".tar", ".npy", ".npz")) for root in given for name in os.listdir(root))
        why = "pictures in tars or arrays are not looked at: audit what they were made from" if packed else _ENDINGS
        raise PlanError(f"{', '.join(map(printable, roots))}: no image here; {why}")
    if len(scans) == 1 and (lists := _image_sets(given[0])):
        scans = _divided(*scans[0][1:], lists)
    # What is learned from comes first: of two files that match, the later one is the one in the wrong place.
    scans.sort(key=lambda scan: (not scan[0].lower().startswith("train"), -len(scan[2].images), scan[0]))
    files = [
        File(os.path.join(root, key), number, key.partition("/")[0] if "/" in key else "")
        for number, (_, root, found) in enumerate(scans)
        for key in sorted(found.images)
    ]
    return Parts(
        tuple(name for name, _, _ in scans),
        files,
        tuple(dict.fromkeys(above)),
        dict(sum((found.others for _, _, found in scans), Counter())),
        tuple(os.path.join(root, folder) for _, root, found in scans for folder in sorted(_empty(found))),
        sum(found.links for _, _, found in scans),
        tuple(notes),
    )


_ENDINGS = "images end in .jpg, .png, .webp, .tif, .bmp, .gif, .ppm and the like"


def _check_apart(roots: Sequence[str]) -> None:
    real = [os.path.realpath(root) for root in roots]
    for i, one in enumerate(real):
        for other in real[i + 1 :]:
            if os.path.commonpath([one, other]) in (one, other):
                raise PlanError(f"{printable(one)} and {printable(other)} are one folder, or one lies in the other; give each part once")


def _pictures(root: str) -> str:
    """Where the pictures of a set with targets lie: in images/, where nothing is beside it but targets; else ``root`` itself."""
    entries = [entry for entry in _listed(root) if not entry.name.startswith(".")]
    folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    pictures = folders & _PICTURES
    if len(pictures) != 1 or folders - pictures - _TARGETS or any(named_format(e.name) for e in entries if e.name not in folders):
        return root
    return os.path.join(root, *pictures)


def _split_folders(root: str, notes: list[str]) -> list[str]:
    """The top folders that are parts by their names: two of them, or one that is alone and has folders in it."""
    folders = [entry.name for entry in _listed(root) if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)]
    named = sorted(name for name in folders if _PART.fullmatch(name))
    alone = len(folders) == 1 and any(entry.is_dir(follow_symlinks=False) for name in named for entry in _listed(os.path.join(root, name)))
    if len(named) < 2 and not alone:
        return []
    if beside := sorted(set(folders) - set(named)):
        parts = ", ".join(named)
        notes.append(f"{', '.join(beside)}: beside the parts {parts}, and not looked at; give the folders one by one to compare them all")
    return named


def _image_sets(root: str) -> dict[str, set[str]]:
    """The parts of a Pascal VOC set by its lists: names of pictures without their extension; nothing where there are not two."""
    folder, found = os.path.join(root, "ImageSets", "Main"), {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.endswith(".txt") and _PART.fullmatch(name.removesuffix(".txt")):
            with open(os.path.join(folder, name), encoding="utf-8", errors="surrogateescape") as file:
                found[name.removesuffix(".txt")] = {line.split()[0] for line in file if line.strip()}
    return found if len(found) > 1 else {}


def _divided(root: str, found: _Found, lists: Mapping[str, set[str]]) -> list[tuple[str, str, _Found]]:
    """A folder's pictures by the lists that name them; those that none names are a part by themselves."""
    parts = {name: [key for key in found.images if os.path.splitext(key)[0] in stems] for name, stems in lists.items()}
    named = {key for keys in parts.values() for key in keys}
    if left := [key for key in found.images if key not in named]:
        parts["in no list"] = left
    rest = replace(found, images=[])
    return [(name, root, replace(rest if i == 0 else _Found(), images=keys)) for i, (name, keys) in enumerate(parts.items())]


def _short_names(roots: Sequence[str]) -> list[str]:
    """The folders' own names, or as much of their paths as tells them apart."""
    for length in range(1, max(root.count("/") for root in roots) + 1):
        names = ["/".join(root.split("/")[-length:]) for root in roots]
        if len(set(names)) == len(names):
            return names
    return list(roots)


def _scan(root: str) -> _Found:
    found = _Found()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for entry in _listed(os.path.join(root, folder)):
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                found.links += 1
            elif entry.is_dir():
                waiting.append(key)
                if not folder:
                    found.folders.add(key)
            elif named_format(entry.name) and entry.is_file():
                found.images.append(key)
            elif folder or entry.name not in _OURS:
                found.others[os.path.splitext(entry.name)[1].lower()] += 1
    return found


def _empty(found: _Found) -> set[str]:
    return found.folders - {key.partition("/")[0] for key in found.images if "/" in key}


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PlanError(f"{printable(folder)}: can't list this folder: {reason}") from None
