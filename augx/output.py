"""May this plan go into this output? Each check refuses before anything is written, and says what to do."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any

from augx.errors import OutputError, SourceError, printable
from augx.files import open_folder
from augx.listed import Listed, find_listed
from augx.manifest import MANIFEST, Manifest, read_run
from augx.packed import check_no_foreign_packages, rows_of
from augx.plan import Plan
from augx.rows import COPY_NAME, joined
from augx.sources import source_bytes
from augx.spec import Spec

FLEET = ".augx-fleet.json"
"""What tells that many processes share an output (``fleet/``)."""
_LAYOUTS = {"folders": "pictures with masks", "coco": "COCO", "yolo": "YOLO", "voc": "Pascal VOC", "csv": "CSV", "hf": "Hugging Face"}


def look(plan: Plan, spec: Spec, root: str, input: str | os.PathLike[str] | None = None) -> int:
    """Every check of a run without ``--overwrite``, touching nothing; how many files of the plan are there already."""
    check_free(plan, root, input)
    recorded = read_run(root)
    if recorded is None:
        check_no_foreign(plan, root)
        return 0
    check_same_set(recorded, plan, spec, root)
    if not os.path.exists(os.path.join(root, MANIFEST)):
        return 0
    with Manifest(root, look_only=True) as manifest:
        listed = find_listed(manifest, verify=False, rows=rows_of(root, False))
    check_surplus(plan, listed, root)
    check_sources(plan, listed)
    return count_listed(plan, listed)


def count_listed(plan: Plan, listed: Listed) -> int:
    """Files of the plan that are there."""
    found = (listed.copies.get(series) for row in plan.rows for series in row.series)
    originals = sum(row.with_original and row.original in listed.originals for row in plan.rows)
    return sum(len(numbers) for numbers in found if numbers) + originals


def check_apart(plan: Plan, root: str, input: str | os.PathLike[str] | None) -> None:
    """The output must not become input, and no original may be written over itself."""
    if input is not None:
        inner, outer = os.path.realpath(root), os.path.realpath(input)
        if os.path.commonpath([inner, outer]) == outer:
            raise OutputError(f"{printable(root)}: lies inside --input, so the copies would be sources next time; choose another --output")
    for row in plan.rows:
        stays = row.with_original and row.source.part is None
        if stays and os.path.realpath(os.path.join(root, row.original)) == os.path.realpath(row.source.path):
            raise OutputError(
                f"{printable(row.source.where)}: lies in the output already; leave out --originals or choose another --output"
            )


def check_free(plan: Plan, root: str, input: str | os.PathLike[str] | None) -> None:
    """``check_apart`` and ``check_no_fleet``."""
    check_apart(plan, root, input)
    check_no_fleet(root)


def check_no_fleet(root: str) -> None:
    """A single run must not write where many are at work."""
    if os.path.lexists(os.path.join(root, FLEET)):
        raise OutputError(
            f"{printable(root)}: a fleet (--shard) is at work here; end it by augx finalize {printable(root)}, or choose another --output"
        )


def check_no_foreign(plan: Plan, root: str) -> None:
    """In an output without a set of ours, every file that has a planned name is somebody else's."""
    with contextlib.suppress(OSError):
        if os.stat(os.path.join(root, MANIFEST)).st_size:
            raise OutputError(
                f"{printable(root)}: a manifest.jsonl without its run.json, which says how the files that it lists were made; "
                "put that back, or choose another --output"
            )
    if plan.store is not None:
        check_no_foreign_packages(plan, plan.store, root)
        return
    _check_no_foreign_index(plan, root)
    planned = {series: row.copies for row in plan.rows for series in row.series}
    originals = {row.original for row in plan.rows if row.with_original}
    for folder in sorted({folder for row in plan.rows for folder in (*row.folders, row.folder(row.source.label))}):
        try:
            with open_folder(root, folder, create=False) as descriptor:
                names = os.listdir(descriptor)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise OutputError(f"{printable(os.path.join(root, folder))}: can't read this output: {error.strerror}") from None
        for name in names:
            place = f"{folder}/{name}" if folder else name
            match = COPY_NAME.fullmatch(name)
            stem = f"{folder}/{match['stem']}" if match and folder else match["stem"] if match else ""
            if place in originals or (match and int(match["copy"]) < planned.get(stem + match["extension"], 0)):
                raise OutputError(
                    f"{printable(os.path.join(root, place))}: a file that augx did not make has the name of a copy; "
                    "move it away or choose another --output"
                )


def _check_no_foreign_index(plan: Plan, root: str) -> None:
    """A file such as data.yaml as well."""
    for place, _ in plan.layout.closing(lambda: iter(())) if plan.layout is not None else ():
        if os.path.lexists(os.path.join(root, place)):
            raise OutputError(
                f"{printable(os.path.join(root, place))}: a file that augx did not make has the name of one that it would write; "
                "move it away or choose another --output"
            )


def touched_folders(plan: Plan) -> set[str]:
    """The folders below the output that a run writes to."""
    if plan.store is not None:
        return set()
    folders = {folder for row in plan.rows for folder in (*row.folders, row.folder(row.source.label))}
    if plan.layout is None:
        return folders
    names = {name for row in plan.rows for name, _ in row.source.masks}
    inner = {folder.removeprefix(plan.layout.pictures).strip("/") for folder in folders}
    tops = {place.partition("/")[0] for place, _ in plan.layout.beside(f"{plan.layout.pictures}/a.jpg", (1, 1), ()) if "/" in place}
    closing = {place.rpartition("/")[0] for place, _ in plan.layout.closing(lambda: iter(()))}
    return folders | closing | {joined(top, folder).rstrip("/") for top in names | tops for folder in inner}


def check_same_set(recorded: dict[str, Any], plan: Plan, spec: Spec, root: str) -> None:
    """A set is made with one spec and one seed, and laid out, packed and split in one way."""
    found, wanted = _form(recorded.get("layout"), recorded.get("store"), recorded.get("split")), _form_of(plan)
    if found != wanted:
        raise OutputError(
            f"{printable(root)}: holds a set laid out as {printable(found)}, this would be {wanted}; "
            "choose another --output, or --overwrite to replace that set"
        )
    if (recorded["spec_hash"], recorded["seed"]) == (spec.hash, spec.seed):
        return
    differences = ", ".join(_differences(recorded.get("spec"), spec.canonical(), "")) or "spec"
    raise OutputError(
        f"{printable(root)}: holds a set made with another spec or seed ({differences}); "
        "choose another --output, or --overwrite to replace that set"
    )


def _form_of(plan: Plan) -> str:
    layout = {"kind": plan.layout.kind} if plan.layout is not None else None
    store = plan.store.state([]) if plan.store is not None else None
    return _form(layout, store, plan.split.state() if plan.split is not None else None)


def _form(layout: Any, store: Any, split: Any) -> str:
    """How a set lies on disk, in words, by what run.json says of it."""
    kind = layout.get("kind") if isinstance(layout, dict) else None
    words = _LAYOUTS.get(str(kind), str(kind)) if kind is not None else "class folders"
    if isinstance(store, dict):
        words = f"{store.get('kind')} of {store.get('size') or store.get('form')}"
    if isinstance(split, dict):
        words += f", split as {split.get('shares')}"
        words += "".join(f", {name.replace('_', ' ')} {split[name]}" for name in ("group_by", "seed") if split.get(name))
    return words


def _differences(old: Any, new: Any, key: str) -> Iterator[str]:
    """Each setting that differs between two canonical specs, with what it was and is."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
        if list(old) != list(new) and old.keys() == new.keys():
            yield f"the order of {key}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and any(isinstance(item, dict) for item in new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{key}.{i}")
    elif old != new:
        yield printable(f"{key}: {'not set' if old is None else old}, now {'not set' if new is None else new}")


def check_surplus(plan: Plan, listed: Listed, root: str) -> None:
    """A plan smaller than what is there would leave files that it does not count."""
    for row in plan.rows:
        stop = max((listed.copies[series].stop for series in row.series if series in listed.copies), default=0)
        if stop > row.copies:
            raise OutputError(
                f"{printable(root)}: holds {stop} copies of {printable(row.source.where)}, more than the {row.copies} of this plan; "
                "ask for more, choose another --output, or --overwrite to replace the set"
            )


def check_sources(plan: Plan, listed: Listed) -> None:
    """A source that has copies already must be the same file still, or its set would be a mixture."""
    for row in plan.rows:
        expected = next((listed.sources[series] for series in row.series if series in listed.sources), None)
        if expected is None:
            continue
        try:
            data = source_bytes(row.source)
        except SourceError:
            continue  # if a copy is missing, the run will say so
        if hashlib.sha256(data).hexdigest() != expected:
            raise OutputError(
                f"{printable(row.source.where)}: not the file that the copies in this output were made from; "
                "choose another --output, or --overwrite to replace the set"
            )
