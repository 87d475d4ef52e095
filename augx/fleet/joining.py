"""May this plan be made here by many? What a process looks at before its first unit, and what all find the same."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from augx.errors import OutputError, printable
from augx.files import pinned
from augx.fleet.cut import Cut
from augx.fleet.founding import Fleet, fleet_of, found_fleet, read_fleet
from augx.fleet.receipts import sweep_receipts
from augx.listed import Listed, find_listed
from augx.manifest import RUN, Manifest, read_run, run_of
from augx.output import check_apart, check_no_foreign, check_same_set, check_sources, check_surplus
from augx.packed import classes_of
from augx.places import Place, is_address, place_of
from augx.plan import Plan
from augx.record import found_in, reading, run_fields
from augx.spec import Spec

Paths = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Joined:
    """A fleet that this process belongs to. ``cut`` is None where the set stands already, whole; ``lock`` must not be inherited."""

    place: Place
    fleet: Fleet
    cut: Cut | None
    classes: tuple[str, ...]
    lock: int | None = None


@contextlib.contextmanager
def joined(plan: Plan, spec: Spec, root: str, input: Paths | None) -> Iterator[Joined]:
    """Begin or join the fleet that makes ``plan`` in ``root``, a folder or an address; while it lasts no single run can write there.

    Raises ``PlanError`` and ``OutputError`` before anything is written.
    """
    if is_address(root):
        _check_addresses(root, input)
        yield _at_address(plan, spec, root, input)
        return
    check_apart(plan, root, input)
    with Manifest(root, shared=True) as manifest, pinned(root):
        yield _in_folder(plan, spec, root, input, manifest)


def _in_folder(plan: Plan, spec: Spec, root: str, input: Paths | None, manifest: Manifest) -> Joined:
    place, recorded = place_of(root), read_run(root)
    at_work = read_fleet(place)
    if recorded is None and os.fstat(manifest.descriptor).st_size and at_work is None:
        raise OutputError(f"{printable(root)}: a manifest.jsonl without its run.json; not a set of augx, choose another --output")
    if recorded is not None:
        check_same_set(recorded, plan, spec, root)
        if recorded["state"] in ("running", "stopped"):
            raise OutputError(f"{printable(root)}: holds a set that is not finished; run the same command without --shard first")
    listed = find_listed(manifest, verify=False) if recorded is not None else Listed()
    check_surplus(plan, listed, root)
    check_sources(plan, listed)
    base = os.fstat(manifest.descriptor).st_size if at_work is None else at_work.base
    joined = _joined(plan, spec, root, place, input, recorded, listed, base)
    if at_work is None and recorded is None:
        try:
            check_no_foreign(plan, root)
        except OutputError:
            if read_fleet(place) is None:  # else they are the files of one that has begun in this moment
                raise
    _enter(joined, plan)
    return Joined(place, joined.fleet, joined.cut, joined.classes, manifest.descriptor)


def _at_address(plan: Plan, spec: Spec, root: str, input: Paths | None) -> Joined:
    place = place_of(root)
    place.prepare()
    at_work = read_fleet(place)
    found = _joined(plan, spec, root, place, input, None, Listed(), 0)
    if at_work is None:
        recorded = run_of(place.read(RUN), f"{root.rstrip('/')}/{RUN}")
        if recorded is not None:
            _check_whole(recorded, found.fleet, root)
            return Joined(place, found.fleet, None, found.classes)
        first = next((name for name in place.all_names() if not name.startswith(".augx-")), None)
        if first is not None and read_fleet(place) is None:
            raise OutputError(
                f"{printable(root)}: holds files that augx did not make, such as {printable(first)}; choose an empty --output"
            )
    _enter(found, plan)
    return found


def _joined(
    plan: Plan, spec: Spec, root: str, place: Place, input: Paths | None, recorded: Mapping[str, Any] | None, listed: Listed, base: int
) -> Joined:
    cut, classes = Cut(plan, listed), classes_of(plan, recorded)
    found = found_in(plan, input, root), reading(plan, root)
    return Joined(place, fleet_of(plan, spec, cut, base, run_fields(plan, spec, "complete", (), *found, classes)), cut, tuple(classes))


def _enter(joined: Joined, plan: Plan) -> None:
    if joined.cut is not None and len(joined.cut) and found_fleet(joined.place, joined.fleet, plan):
        sweep_receipts(joined.place, but=joined.fleet.digest)


def _check_whole(recorded: Mapping[str, Any], fleet: Fleet, root: str) -> None:
    """A set at an address that is finished must be just this one."""
    names = [name for name in fleet.run if name not in ("augx", "state", "failures", "versions", "cpu", "found_in")]
    different = [name for name in names if recorded.get(name) != fleet.run[name]]
    if different or recorded["state"] != "complete":
        what = f"another set ({', '.join(different)} differ)" if different else "a set that lacks the files of bad sources"
        raise OutputError(
            f"{printable(root)}: holds {what}, and sets at an address don't grow; choose another --output, or remove that one"
        )


def _check_addresses(root: str, input: Paths | None) -> None:
    """The output must not become input."""
    outer = os.fspath(input).rstrip("/") if input is not None else ""
    if is_address(outer) and f"{root.rstrip('/')}/".startswith(f"{outer}/"):
        raise OutputError(f"{printable(root)}: lies inside --input, so the copies would be sources next time; choose another --output")
