"""Tars as sources: class trees and WebDataset shards, read where they lie, never extracted.

In a WebDataset (https://github.com/webdataset/webdataset) a sample is the members that share their path up to the first dot of
the base name, and ``.cls`` is its class. Names of members are labels and keys, never places to write.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

from augx.addresses import is_address
from augx.errors import PlanError, printable
from augx.inputs.lists import check_label, folder_of, one_folder
from augx.inputs.remote import local_copy, there
from augx.inputs.spool import BLOCK, HEAD, MAX_HEADERS, DamageError, Spooled, Window, compression, opened, unpacked
from augx.sources import EXTENSIONS, Part, Source, SourceSet
from augx.stores import check_store

MAX_SHARDS = 100_000
MAX_TEXT = 64_000
"""Bytes of a .txt or .json that is carried along."""
MAX_CLASS = 1_000
MAX_NAME, MAX_PATH = 255, 2_000
STDIN = "the tar on standard input"


@dataclass
class _Tar:
    """What was found in one tar: pictures (key, where, fault), texts by sample, and what is wrong with a sample's class; what was
    left out, and why more can't be listed (rest). ``path`` is the tar itself, or its spool.
    """

    name: str
    path: str
    pictures: list[tuple[str, Part, str]] = field(default_factory=list)
    beside: dict[str, dict[str, str]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    rest: str = ""


def read_tars(paths: str | Sequence[str], *, label: str | None = None) -> SourceSet:
    """The pictures of one or more tars, plain or compressed; ``-`` is standard input, ``{000..099}`` in a path a range of shards.

    A picture's class is what its ``.cls`` says, else ``label``, else the first folder of its member. Its ``.txt`` and ``.json``
    go to ``columns``. Where a tar breaks off, what came before is kept and one source with a ``fault`` stands for the rest.
    Raises ``PlanError`` for what is no tar, holds no picture, or has a picture twice; ``OutputError`` if there is no room to unpack.
    """
    names = shards([paths] if isinstance(paths, str) else paths)
    if label:
        check_label(label)
    sources, notes = list[Source](), list[str]()
    for name in names:
        tar = _listed(name)
        sources += _sources(tar, label)
        notes += [f"{printable(tar.name)}: {note}" for note in tar.notes]
        notes += [f"{printable(tar.name)}: {count:,} left out: {what}" for what, count in tar.left_out.items()]
    if not any(source.part is not None for source in sources):
        why = [source.fault for source in sources] + notes
        place = printable(", ".join(STDIN if path == "-" else path for path in ([paths] if isinstance(paths, str) else paths[:3])))
        raise PlanError(f"{place}: no picture in it{f' ({why[0]})' if why else ''}; pictures end in {', '.join(sorted(EXTENSIONS))}")
    _refuse_twins(sources)
    return SourceSet(sources, found_in=tuple(name for name in names if name != "-"), notes=tuple(notes))


def shards(paths: Sequence[str]) -> list[str]:
    """The paths with their ranges written out, in order. Raises ``PlanError`` for shards that are missing, all of them at once."""
    found: list[str] = []
    for path in paths:
        if is_address(path):
            check_store(path, PlanError)
        names = [path] if path == "-" or there(path) else _written_out(path, MAX_SHARDS)
        missing = [name for name in names if name != "-" and not there(name)]
        if missing:
            more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
            of = f"{len(missing):,} of {len(names):,} shards are not there: " if len(names) > 1 else "no such file: "
            raise PlanError(f"{printable(path)}: {of}{', '.join(map(printable, missing[:3]))}{more}")
        found += names
    if not found or found.count("-") > 1:
        raise PlanError("no tar is given" if not found else "standard input (-) can be read once; it is given twice")
    return found


def _written_out(path: str, room: int) -> list[str]:
    match = re.search(r"\{(\d{1,18})\.\.(\d{1,18})\}", path)
    if match is None:
        return [path]
    first, last = match.groups()
    count = int(last) - int(first) + 1
    if not 0 < count <= room:
        fault = "runs backwards" if count < 1 else f"makes more than {MAX_SHARDS:,} shards"
        raise PlanError(f"{printable(path)}: the range {match.group()} {fault}; write {{first..last}}, such as {{000..099}}")
    width = max(len(first), len(last)) if "0" in (first[0], last[0]) else 0
    rests = _written_out(path[match.end() :], room // count)
    return [f"{path[: match.start()]}{number:0{width}}{rest}" for number in range(int(first), int(last) + 1) for rest in rests]


def _refuse_twins(sources: Sequence[Source]) -> None:
    first: dict[str, Source] = {}
    twins = [(first[source.key], source) for source in sources if first.setdefault(source.key, source) is not source]
    if twins:
        places = " and ".join(f"{printable(s.where)} (at byte {s.part.offset if s.part else 0:,})" for s in twins[0])
        more = f" and {len(twins) - 1:,} more" if len(twins) > 1 else ""
        raise PlanError(f"two pictures have the name {printable(twins[0][0].key)}: {places}{more}; give the members different names")


def _listed(name: str) -> _Tar:
    """All that is in one tar, from its headers alone."""
    if name == "-":
        path, fault = unpacked(sys.stdin.buffer, STDIN)
        return _collected(_Tar(STDIN, path, rest=fault))
    local = local_copy(name)
    with opened(local) as file:
        compressed = compression(file.read(HEAD), name)
        file.seek(0)
        path, fault = unpacked(file, name) if compressed else (local, "")
    return _collected(_Tar(name, path, rest=fault))


def _collected(tar: _Tar) -> _Tar:
    with open(tar.path, "rb") as file:
        try:
            for member in _members(file, tar):
                _take(tar, member, file)
        except DamageError as damage:
            tar.rest = str(damage) + (f" ({tar.rest})" if tar.rest else "")
    return tar


def _take(tar: _Tar, member: tarfile.TarInfo, file: IO[bytes]) -> None:
    if not member.isreg() or member.issparse():
        if not member.isdir():
            tar.left_out["links, devices and sparse files"] += 1
        return
    names = [name for name in member.name.split("/") if name not in ("", ".")]
    if not names or any(name == "__MACOSX" or (name.startswith(".") and name != "..") for name in names):
        return
    key, extension = "/".join(names), os.path.splitext(names[-1])[1].lower()
    kind = names[-1].partition(".")[2].lower()
    whole = member.offset_data + member.size <= os.fstat(file.fileno()).st_size
    if extension in EXTENSIONS:
        if not _is_below(member.name, names):
            tar.left_out[f"members whose name is no path below a folder, or longer than {MAX_NAME} bytes"] += 1
            return
        part = Part(member.offset_data, member.size, member.name)
        tar.pictures.append((key, part, "" if whole else "the tar ends in the middle of it"))
    elif whole and kind in ("cls", "txt", "json"):
        limit = MAX_CLASS if kind == "cls" else MAX_TEXT
        data = os.pread(file.fileno(), min(member.size, limit + 1), member.offset_data)
        text = _text(data, kind) if len(data) <= limit else None
        if text is None and kind != "cls":
            tar.left_out[f".{kind} members over {MAX_TEXT:,} bytes, not in UTF-8 or no JSON"] += 1
        else:
            tar.beside.setdefault(_sample(key), {})[kind] = text or ""
        if text is None and kind == "cls":
            what = "is no text in UTF-8" if len(data) <= limit else f"has more than {MAX_CLASS:,} bytes"
            tar.unread[_sample(key)] = f"its .cls {what}; it holds the name or the number of a class"
    if not whole:
        raise DamageError(f"the tar ends in the middle of {printable(key)}")


def _is_below(name: str, names: Sequence[str]) -> bool:
    """Whether a member's name leads to a file below a folder, and is one that a file can have."""
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in names]
    # Bytes that are not UTF-8 (surrogates) are a name's own affair; control characters are never meant.
    plain = all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in name)
    return plain and not name.startswith("/") and ".." not in names and max(sizes) <= MAX_NAME and sum(sizes) <= MAX_PATH


def _text(data: bytes, kind: str) -> str | None:
    """A member as one text, JSON compact; None for what is neither UTF-8 nor, where it should be, JSON."""
    try:
        text = data.decode("utf-8-sig").strip()
        if kind == "json":
            text = json.dumps(json.loads(text), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            text.encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return text


def _sources(tar: _Tar, label: str | None) -> list[Source]:
    classed = any("cls" in tar.beside.get(_sample(key), ()) for key, _, _ in tar.pictures)
    whole = {_sample(key) for key, _, _ in tar.pictures if not _has_dots(key)}
    further: list[str] = []
    sources: list[Source] = []
    known = functools.cache(_label_fault)
    for key, part, fault in tar.pictures:
        beside = tar.beside.get(_sample(key), {})
        # x.seg.png next to x.jpg or x.cls is a part of the sample x; with neither it is a picture like any other, named x.seg.
        if _has_dots(key) and (beside or _sample(key) in whole):
            further.append(key)
            continue
        said = beside.get("cls")
        own = label if label is not None else key.partition("/")[0] if "/" in key else ""
        if said is None and classed and label is None:
            fault = fault or "it has no .cls, as other pictures of this tar have"
        elif said is not None and known(said):
            fault = fault or tar.unread.get(_sample(key)) or f"its .cls: {known(said)}"
        elif said is not None:
            own = said
        elif own and known(own):
            tar.left_out["members in a folder whose name can't be a class"] += 1
            continue
        folder = folder_of(key, own) if own else key.rpartition("/")[0]
        columns: dict[str, str] = {kind: beside[kind] for kind in ("txt", "json") if kind in beside}
        made = Source if tar.path == tar.name else functools.partial(Spooled, file=tar.name)
        sources.append(made(tar.path, key, own, folder, part, columns, fault=fault))
    if further:
        tar.left_out[
            f"parts of a sample and no pictures of their own, such as {printable(further[0])} "
            f"(a sample's names are the same up to the first dot; masks are read from a folder, not from a tar)"
        ] = len(further)
    cut = bool(sources) and sources[-1].fault.startswith("the tar ends")
    if tar.rest and not cut:
        last = sources[-1] if sources else Source("", "", label or "", label or "")
        # It takes the class of the picture before it, so that no class appears that is not in the set.
        rest = f"{tar.name}, the rest".lstrip("./").replace("/", "_")
        sources.append(replace(last, path=tar.name, key=rest, part=None, columns={}, fault=f"{tar.rest}; what follows is lost"))
    return sources


def _label_fault(label: str) -> str:
    try:
        one_folder(label)
    except ValueError as fault:
        return str(fault)
    return ""


def _has_dots(key: str) -> bool:
    """Whether a member's name goes on between its first dot and its extension."""
    return key.rpartition("/")[2].count(".") > 1


def _sample(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return folder + slash + name.partition(".")[0]


class _Header(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, tarfile: Any) -> Any:
        """As tarfile's own; the archive keeps why it ended, which tarfile does not tell."""
        try:
            return super().fromtarfile(tarfile)
        except Exception as error:
            tarfile.ended = type(error).__name__
            raise


class _Archive(tarfile.TarFile):
    ended = ""
    members: list[tarfile.TarInfo]


def _members(file: IO[bytes], tar: _Tar) -> Iterator[tarfile.TarInfo]:
    """The members, one at a time. Raises ``DamageError`` where they can't be read on, ``PlanError`` if it is no tar at all."""
    window: Any = Window(file)
    archive = None
    while True:
        window.left = MAX_HEADERS
        try:
            if archive is None:
                archive = _Archive(fileobj=window, tarinfo=_Header, encoding="utf-8", errors="surrogateescape")
            # Some versions read on from an end that the first look has found.
            member = archive.next() if not archive.ended else None
        except Exception as error:  # hostile headers make tarfile raise whatever int(), split() and indexing raise
            if isinstance(error, DamageError):
                raise
            if archive is None:
                raise PlanError(f"{printable(tar.name)}: this is no tar ({printable(error)})") from None
            raise DamageError(f"a header in it is damaged ({printable(error)})") from None
        if member is None:
            break
        if member.size < 0:
            raise DamageError(f"the size of {printable(member.name)} is negative")
        # tarfile keeps every member that it ever saw.
        archive.members.clear()
        yield member
    if archive.ended == "EmptyHeaderError":
        tar.notes.append("its end mark is missing, so it may have been cut short between two members")
    elif archive.ended != "EOFHeaderError":
        raise DamageError("a header in it is cut short" if archive.ended == "TruncatedHeaderError" else "a header in it is damaged")
    elif file.read(BLOCK).strip(b"\0"):
        tar.notes.append("more data follows its end mark and is not read; give joined tars one by one")
