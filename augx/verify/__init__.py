"""A set against its own record: every file by its SHA-256, what is missing, changed, torn or extra; and the sources of a set."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from augx.decode import MAX_PIXELS
from augx.errors import OutputError, printable
from augx.manifest import MANIFEST, RUN, Manifest
from augx.recorded import Paths, Recorded, recorded_set
from augx.verify.again import remade
from augx.verify.arrays import Arrays, growing_names
from augx.verify.found import KINDS as KINDS
from augx.verify.found import Difference as Difference
from augx.verify.found import in_threads
from augx.verify.indexes import index_places, look_at_indexes
from augx.verify.lines import Listing, Task, besides, read_listing, tasks
from augx.verify.loose import look_at_files
from augx.verify.shards import Shards
from augx.verify.sources import distinct, source_check

OnCount = Callable[[int], None]
_REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check came to: so many pictures, or sources, were looked at; ``differences`` are left, ``remade`` is how many are not."""

    root: str
    state: str
    checked: int
    differences: tuple[Difference, ...]
    remade: int = 0
    notes: tuple[str, ...] = ()


def verify_set(
    root: Paths,
    *,
    remake: bool = False,
    input: Paths | None = None,
    jobs: int | None = None,
    max_pixels: int = MAX_PIXELS,
    on_found: OnCount | None = None,
    on_checked: OnCount | None = None,
) -> Verified:
    """Compare every file of the set in ``root`` with its manifest, and the manifest with run.json.

    ``remake`` makes what is missing or changed again, from its line and its source (``input`` is where the sources are now), and
    puts it in its place; files of others and packages stay as they are. ``on_found`` gets the number of pictures, ``on_checked``
    how many more were looked at. Raises ``OutputError`` for a folder without a set, a damaged record, or one that a run writes.
    """
    root = os.fspath(root)
    found = _found(root)
    with Manifest(root, look_only=True) as manifest, _locked(manifest, root, alone=remake):
        listing = read_listing(manifest)
        (on_found or _ignore)(listing.pictures)
        differences = list(_differences(found, manifest, listing, jobs, max_pixels, on_checked or _ignore))
        notes = list(_notes(found, listing))
        ended = found.run["state"] in ("complete", "incomplete")
        own = {MANIFEST, RUN, _REPORT, *index_places(found)}
        if found.store and found.run["state"] != "complete":
            own |= growing_names([*listing.arrays])
        differences += sorted(besides(root, listing, own, ended=ended), key=lambda one: one.file)
        if ended:
            missing = {one.picture for one in differences if one.kind == "missing" and one.picture}
            if not found.store or not any(one.file in listing.packages for one in differences):
                differences += look_at_indexes(found, manifest, missing, input)
            else:
                notes.append("index.json is not checked, as it names packages that are damaged")
        again = 0
        if remake and found.store and differences:
            notes.append(
                "packages are not made again here: move the changed ones away, then the command that made the set makes them again"
            )
        elif remake and differences:
            differences, again = remade(found, manifest, differences, input, max_pixels)
    return Verified(root, str(found.run["state"]), listing.pictures, tuple(differences), again, tuple(notes))


def verify_sources(
    root: Paths,
    *,
    input: Paths | None = None,
    jobs: int | None = None,
    on_found: OnCount | None = None,
    on_checked: OnCount | None = None,
) -> Verified:
    """Compare the sources of the set in ``root`` with what they were when its copies were made.

    ``input`` is where they are now, if that is not where the run found them. Raises as ``verify_set``, and ``PlanError`` for an
    input that can't be read at all.
    """
    root = os.fspath(root)
    found = _found(root)
    check = source_check(found, input)
    differences, checked = [], 0
    with Manifest(root, look_only=True) as manifest, _locked(manifest, root, alone=False):
        (on_found or _ignore)(read_listing(manifest).sources)
        for one in in_threads(jobs, check, distinct(manifest)):
            checked += 1
            (on_checked or _ignore)(1)
            if one is not None:
                differences.append(one)
    return Verified(root, str(found.run["state"]), checked, tuple(differences))


def _ignore(_: int) -> None:
    pass


def _found(root: str) -> Recorded:
    found = recorded_set(root)
    if found is None:
        lacking = " and ".join(name for name in (RUN, MANIFEST) if not os.path.isfile(os.path.join(root, name)))
        raise OutputError(f"{printable(root)}: no set that augx made (there is no {lacking}); name the folder of one")
    return found


@contextlib.contextmanager
def _locked(manifest: Manifest, root: str, *, alone: bool) -> Iterator[None]:
    """No run writes here meanwhile; several may look at once."""
    try:
        fcntl.flock(manifest.descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"{printable(root)}: an augx run is at work here, so nothing stands still; wait for it, then verify") from None
    except OSError:
        pass  # a file system without locks
    yield


def _differences(
    found: Recorded, manifest: Manifest, listing: Listing, jobs: int | None, max_pixels: int, on_checked: OnCount
) -> Iterator[Difference]:
    """Those of the record itself, then those of files, in the order of the manifest."""
    yield from _of_record(found, listing)
    with contextlib.ExitStack() as stack:
        store = found.run.get("store")
        shards = arrays = None
        if found.store == "webdataset":
            shards = Shards(found.root, manifest, _classes(found), max_pixels)
        elif found.store:
            running = found.run["state"] == "running"
            whole = {**store, "classes": _classes(found)} if isinstance(store, dict) else {}
            arrays = stack.enter_context(Arrays(found.root, whole, listing.packages, running=running))

        def look_at(task: Task) -> tuple[int, list[Difference]]:
            first = task.lines[0]
            if "package" in first:
                if shards is not None:
                    return first["samples"], shards.look_at(task)
                return 0, list(arrays.look_at(first)) if arrays is not None else []
            one_line = arrays.look_at_row if arrays is not None else lambda fields: look_at_files(found.root, fields, max_pixels)
            return len(task.lines), [one for fields in task.lines for one in one_line(fields)]

        named: set[str] = set()
        for checked, differences in in_threads(jobs, look_at, tasks(manifest, listing)):
            on_checked(checked)
            named.update(one.file for one in differences if one.file in listing.packages)
            yield from differences
        if arrays is not None:
            yield from (one for one in arrays.hurt() if one.file not in named)


def _classes(found: Recorded) -> list[str]:
    classes = found.run["store"].get("classes")
    if not isinstance(classes, list) or not all(isinstance(label, str) for label in classes):
        raise OutputError(f"{printable(os.path.join(found.root, RUN))}: does not say the classes of its packages; restore the file")
    return classes


def _of_record(found: Recorded, listing: Listing) -> Iterator[Difference]:
    """The record beside itself: run.json's spec and its hash, its counts and the manifest's lines."""
    if listing.torn:
        yield Difference("torn", MANIFEST, "its last line is cut off; the command that made the set puts that right")
    run = found.run
    if (found.spec.hash, found.spec.seed) != (run["spec_hash"], run["seed"]):
        yield Difference("changed", RUN, "its spec or seed is not the one that it was written with (spec_hash)")
    planned, missing = _counts(found)
    if run["state"] in ("complete", "incomplete") and listing.pictures < planned - missing:
        reason = f"{run['state']}, {planned:,} planned and {missing:,} missing; {MANIFEST} lists {listing.pictures:,}"
        yield Difference("sum", RUN, reason)
    # Sources that left the input keep their copies, so more lines than planned are wrong only if no more sources have any.
    if listing.pictures > planned and listing.sources <= run.get("sources", 0):
        yield Difference("sum", RUN, f"{planned:,} pictures are planned; {MANIFEST} lists {listing.pictures:,}")


def _counts(found: Recorded) -> tuple[int, int]:
    """Pictures planned, and those that the run could not make. Raises ``OutputError``."""
    try:
        classes: Mapping[str, Any] = found.run["classes"]
        planned = sum(int(one["files"]) for one in classes.values())
        return planned, sum(int(one["missing"]) for one in found.run["failures"])
    except (KeyError, TypeError, ValueError, AttributeError):
        place = printable(os.path.join(found.root, RUN))
        raise OutputError(f"{place}: does not say how many pictures were planned and failed; restore the file") from None


def _notes(found: Recorded, listing: Listing) -> Iterator[str]:
    planned, missing = _counts(found)
    if found.run["state"] in ("running", "stopped"):
        yield f"the run that made it did not end: {listing.pictures:,} of {planned:,} pictures are listed; the same command goes on"
    elif missing:
        yield f"{missing:,} of {planned:,} pictures could not be made, as run.json tells"
    if listing.unfinished:
        yield f"{listing.unfinished:,} lines are of a shard that was not finished; the next run makes it anew"
