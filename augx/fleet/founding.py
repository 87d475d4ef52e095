"""What makes many processes one fleet: ``.augx-fleet.json`` in the output, put there by the first, compared by all others."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

from augx import __version__
from augx.errors import OutputError, printable
from augx.fleet.cut import Cut
from augx.output import FLEET
from augx.places import Place
from augx.plan import Plan
from augx.plans.table import table_digest
from augx.spec import Spec

KEYS = ".augx-keys-"
_FORM = 1


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all its processes agree on. ``run`` are the fields of the run.json to come, ``base`` the bytes of the manifest that it
    begins from, ``keys`` whether the plan's keys are kept beside it (for what is written about a whole annotated set).
    """

    digest: str
    units: int
    unit_size: int
    files: int
    base: int
    run: dict[str, Any]
    keys: bool

    @property
    def order_name(self) -> str:
        """The file with the keys of the sources, in the plan's order."""
        return f"{KEYS}{self.digest[:12]}"


def fleet_of(plan: Plan, spec: Spec, cut: Cut, base: int, run: dict[str, Any]) -> Fleet:
    """The fleet that would make this plan."""
    first = json.dumps(
        [_FORM, spec.hash, spec.seed, base, cut.size, len(cut), cut.files, run.get("layout"), run.get("store"), run.get("split")]
    )
    digest = hashlib.sha256(first.encode())
    digest.update(table_digest(plan.rows))
    return Fleet(digest.hexdigest(), len(cut), cut.size, cut.files, base, run, plan.layout is not None)


def read_fleet(place: Place) -> Fleet | None:
    """The fleet that is at work in a place; None where there is none. Raises ``OutputError`` for a file that is none of ours."""
    data = place.read(FLEET)
    if data is None:
        return None
    try:
        fields = json.loads(data)
        made_by = fields["augx"]
        found = Fleet(*(fields[name] for name in ("digest", "units", "unit_size", "files", "base", "run", "keys")))
        if (
            not isinstance(found.digest, str)
            or not isinstance(found.run, dict)
            or type(found.units) is not int
            or type(found.base) is not int
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OutputError(f"{printable(_where(place))}: not a file that augx wrote; move it away, or choose another --output") from None
    if made_by != __version__:
        raise OutputError(
            f"{printable(place.address)}: a fleet of augx {printable(str(made_by))} is at work here, this is {__version__}; "
            "use the same version everywhere, or choose another --output"
        )
    return found


def found_fleet(place: Place, fleet: Fleet, plan: Plan) -> bool:
    """Begin a fleet, or join the one that is there: whether it was begun. Raises ``OutputError`` for one with another plan."""
    there, begun = read_fleet(place), False
    if there is None:
        if fleet.keys:
            keys = "".join(f"{json.dumps(row.source.key)}\n" for row in plan.rows)
            place.put_new(fleet.order_name, keys.encode("ascii"))
        fields = {name: getattr(fleet, name) for name in ("digest", "units", "unit_size", "files", "base", "run", "keys")}
        begun = place.put_new(FLEET, (json.dumps({"augx": __version__, **fields}, indent=1) + "\n").encode("ascii"))
        there = read_fleet(place)
    if there is None or there.digest != fleet.digest:
        raise OutputError(f"{printable(place.address)}: {_difference(there, fleet)}")
    return begun


def _difference(there: Fleet | None, fleet: Fleet) -> str:
    """Why two plans are not the same, in words."""
    if there is None:
        return "another process has ended the fleet that was at work here; run the same command again"
    pairs = [
        (name, there.run.get(name), fleet.run.get(name))
        for name in ("spec_hash", "seed", "sources", "copies", "originals", "split", "store")
    ]
    pairs.append(("files", there.files, fleet.files))
    told = {"spec_hash": "spec"}
    differences = [f"{told.get(name, name)} {_short(old)}, here {_short(new)}" for name, old, new in pairs if old != new]
    what = "; ".join(differences) or "other sources, or other amounts of them"
    return (
        f"a fleet with another plan is at work here ({what}); give every process the same spec, input and amounts, "
        "end that one by augx finalize, or choose another --output"
    )


def _short(value: Any) -> str:
    text = str(value)
    return printable(text if len(text) < 40 else f"{text[:12]}...")


def _where(place: Place) -> str:
    return os.path.join(place.address, FLEET)
