"""All receipts of a fleet joined to what a single run would have left: the manifest, run.json, and the files about the whole set."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from augx.errors import OutputError, WriteError, printable
from augx.files import TEMPORARY, sweep
from augx.fleet.founding import KEYS, Fleet, read_fleet
from augx.fleet.receipts import Done, Receipt, done, read_receipt, receipts, sweep_receipts
from augx.inputs import layout_of
from augx.listed import find_listed
from augx.manifest import MANIFEST, RUN, Manifest, read_run, run_of, write_run
from augx.output import FLEET
from augx.packed import Stands, write_index
from augx.packing.sizes import ShardSize
from augx.packing.store import Store
from augx.places import Place, is_address, place_of
from augx.record import boot, close
from augx.unit import Failure

Paths = str | os.PathLike[str]
_NAMED = 5
_SOURCES = 1_000_000
_SOURCE = re.compile(r'"source":"(?P<key>(?:[^"\\]|\\.)*)".*"source_sha256":"(?P<digest>[0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Finalized:
    """What a fleet left: files that it made, those that were there before, and the failures of its sources; ``notes`` for the user."""

    output: str
    files: int
    kept: int
    units: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        return sum(failure.missing for failure in self.failures)


def finalize(output: Paths) -> Finalized:
    """End the fleet that is at work in ``output``: nothing of it stays but the set, as one run would have made it.

    Killed at any moment, the same again ends it. Raises ``OutputError`` where none is at work, ``WriteError`` where units are missing.
    """
    root = os.fspath(output)
    if not is_address(root):
        if not os.path.isdir(root):
            raise OutputError(f"{printable(root)}: no such folder; name the --output of the fleet")
        if read_fleet(place_of(root)) is None and read_run(root) is None:
            return _over(root, None, place_of(root))  # not one of ours: no lock is left there
        with Manifest(root) as manifest:
            return _in_folder(root, manifest)
    place = place_of(root)
    place.prepare()
    fleet = read_fleet(place)
    if fleet is None:
        return _over(root, run_of(place.read(RUN), f"{root}/{RUN}"), place)
    there = _all_there(fleet, place)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder, Manifest(folder) as manifest:
        kept_names = set(os.listdir(folder))
        ended = _joined(fleet, place, there, manifest, folder, root, lambda name, size: True)
        for name in sorted(_files(folder), key=lambda name: (name == RUN, name not in kept_names, name)):
            place.put_file(name, os.path.join(folder, name))
    _leave(place)
    return ended


def _in_folder(root: str, manifest: Manifest) -> Finalized:
    place = place_of(root)
    fleet = read_fleet(place)
    if fleet is None:
        ended = _over(root, read_run(root), place)
        _sweep(root)
        return ended
    there = _all_there(fleet, place)
    size = os.fstat(manifest.descriptor).st_size
    if size < fleet.base:
        raise OutputError(f"{printable(os.path.join(root, MANIFEST))}: is shorter than when the fleet began; restore it")
    os.ftruncate(manifest.descriptor, fleet.base)
    ended = _joined(fleet, place, there, manifest, root, root, None)
    _leave(place)
    _sweep(root)
    return ended


def _sweep(root: str) -> None:
    """Remove what killed processes left half written; none of them is at work any more, wherever it was."""
    for path, _, _ in os.walk(root):
        sweep(root, os.path.relpath(path, root))


def _over(root: str, run: dict[str, object] | None, place: Place) -> Finalized:
    """Where no fleet is at work: one has ended, or none began."""
    if run is None or run["state"] not in ("complete", "incomplete"):
        raise OutputError(
            f"{printable(root)}: no fleet is at work here; begin one by augx generate ... --output {printable(root)} --shard 0/2"
        )
    sweep_receipts(place)
    return Finalized(root, 0, 0, 0, (), ("the set is whole already; nothing to do",) if run["state"] == "complete" else ())


def _all_there(fleet: Fleet, place: Place) -> Done:
    there = done(place, fleet.digest)
    missing = sorted(set(range(fleet.units)) - there.all)
    if missing:
        named = ", ".join(map(str, missing[:_NAMED])) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
        raise WriteError(
            f"{printable(place.address)}: {len(missing)} of {fleet.units} units are not made yet ({named}); unit k belongs to the process "
            "--shard (k mod n)/n; run those again, then augx finalize"
        )
    return there


def _joined(fleet: Fleet, place: Place, there: Done, manifest: Manifest, folder: str, root: str, stands: Stands | None) -> Finalized:
    """Write everything into ``folder``: the set's own, or one from which it goes to an address."""
    made, kinds, failures = 0, set(), dict[str, Failure]()
    gone = find_listed(manifest, verify=False).gone if fleet.base else {}
    seen: dict[str, tuple[str, int]] = {}
    for receipt in _in_order(fleet, place, there):
        _check_sources(receipt, seen, root)
        lines = [line for line in receipt.lines if not gone or gone.pop(json.loads(line).get("file", ""), None) != line]
        manifest.append(lines)
        made += sum(not line.startswith('{"package":') for line in receipt.lines)
        kinds.add(json.dumps([receipt.about.get("versions"), receipt.about.get("cpu")]))
        for one in receipt.failures:
            missing = one.missing + (failures[one.source].missing if one.source in failures else 0)
            failures[one.source] = Failure(one.source, one.reason, missing)
    ended = Finalized(root, made, _planned(fleet) - fleet.files, fleet.units, tuple(failures.values()), _notes(kinds))
    if made + ended.missing != fleet.files:
        raise WriteError(f"{printable(root)}: {fleet.files - made - ended.missing} files are unaccounted for; please report this")
    store = fleet.run.get("store")
    if isinstance(store, dict):
        write_index(Store(store["kind"], ShardSize.parse(store["size"])), manifest, store["classes"], folder, stands)
    elif "layout" in fleet.run:
        keys = (place.read(fleet.order_name) or b"").decode("ascii").splitlines()
        close(map(json.loads, keys), layout_of(fleet.run["layout"]), manifest, gone, folder)
    told = [{"source": one.source, "reason": one.reason, "missing": one.missing} for one in ended.failures]
    fields = {**fleet.run, "state": "incomplete" if failures else "complete", "failures": told}
    write_run(folder, {**fields, "boot": boot()} if failures else fields)
    return ended


def _check_sources(receipt: Receipt, seen: dict[str, tuple[str, int]], root: str) -> None:
    """All units must be made from the same files. ``seen`` are sources (a million at most), their SHA-256 and a unit made from it."""
    for line in receipt.lines:
        match = _SOURCE.search(line)
        if match is None:
            continue
        if len(seen) > _SOURCES:
            seen.clear()  # copies of one source mostly lie in units side by side
        digest, unit = seen.setdefault(match["key"], (match["digest"], receipt.number))
        if digest != match["digest"]:
            key = printable(json.loads(f'"{match["key"]}"'))
            raise WriteError(
                f"{printable(root)}: {key} changed while the fleet was at work: units {unit} and {receipt.number} "
                "were made from different files; begin anew in an empty --output"
            )


def _in_order(fleet: Fleet, place: Place, there: Done) -> Iterator[Receipt]:
    """The receipts in the order in which one run would have committed their lines."""
    found: Iterable[Receipt] = receipts(place, fleet.digest, there)
    if not fleet.run.get("split") or not fleet.run.get("store"):
        yield from found  # by number is by order
        return
    for _, number in sorted((receipt.order, receipt.number) for receipt in found):
        again = read_receipt(place, fleet.digest, number, part=number not in there.whole)
        if again is not None:
            yield again


def _planned(fleet: Fleet) -> int:
    """All files of the plan, those that were there before among them."""
    return sum(numbers["files"] for numbers in fleet.run["classes"].values())


def _notes(kinds: set[str]) -> tuple[str, ...]:
    if len(kinds) < 2:
        return ()
    return (f"made by {len(kinds)} kinds of machines (versions of OpenCV or NumPy, or CPU features): pixels may differ by a grey level",)


def _leave(place: Place) -> None:
    """The fleet's own file first: receipts without it belong to nobody."""
    place.delete(FLEET)
    for name in place.names(KEYS):
        place.delete(name)
    sweep_receipts(place)


def _files(folder: str) -> Iterator[str]:
    for path, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(path, name), folder)
