"""What copies drew, beside what their spec declares: a histogram for each number, and how often each transform was on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augx.draws import CopyParams, Draws, draw
from augx.errors import SourceError
from augx.plan import Plan
from augx.randomness import uniforms
from augx.sections import Mix, Placed, leaves
from augx.spec import Spec
from augx.transforms import Transform

Array = np.ndarray[Any, Any]

BINS = 24
_EXPECTED = 16384
_SOURCES = 400
_HIDDEN = ("seed",)
"""Parameters that say nothing to the eye."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Drawn values of one parameter in bins, ``counts`` (n,), and the shares (n,) that the spec declares; ``edges`` (n + 1,)
    of a number that varies without steps, else ``names`` of its n values.
    """

    param: str
    unit: str
    counts: Array
    declared: Array
    edges: Array | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """One transform at its place in the spec (of ``label``'s class, if it is the class' own): ``on`` of ``copies`` copies got it.

    ``p`` is the share that should have, None where that depends on the choices around it.
    """

    place: str
    label: str
    p: float | None
    copies: int
    on: int
    histograms: tuple[Histogram, ...]


@dataclass(slots=True)
class Tally:
    """Counts what copies drew, a batch at a time, whatever their number."""

    spec: Spec
    _entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)
    _places: dict[int, list[tuple[str, _Entry]]] = field(default_factory=dict)
    copies: int = 0

    def add(self, label: str, draws: Draws) -> None:
        """What some copies of sources with this label drew."""
        self.copies += draws.n
        for place, entry in self._of(label):
            entry.copies += draws.n
            if place in draws.params:
                entry.add(draws.params[place], draws.active[place])

    def add_lines(self, label: str, lines: Sequence[CopyParams]) -> None:
        """The same from manifest lines; numbers that the spec can't have drawn raise ``SourceError``."""
        self.copies += len(lines)
        for place, entry in self._of(label):
            entry.copies += len(lines)
            found = [line[place] for line in lines if place in line]
            try:
                columns = {name: np.array([params[name] for params in found]) for name in entry.expected} if found else {}
                entry.add(columns, np.ones(len(found), bool))
            except (KeyError, TypeError, ValueError) as error:
                raise SourceError(f"the manifest's {place} is not what this spec draws ({error})") from None

    def spreads(self) -> Iterator[Spread]:
        """What was counted so far, in the order applied."""
        for (place, _), entry in self._entries.items():
            yield Spread(place, entry.label, entry.p, entry.copies, entry.on, tuple(entry.histograms()))

    def _of(self, label: str) -> list[tuple[str, _Entry]]:
        own = self.spec.of_class(label)
        if id(own) not in self._places:
            sure = {place for place, node in own.nodes if isinstance(node, Transform)}
            self._places[id(own)] = [
                (place, self._entries.setdefault((place, transform.model_dump_json()), _Entry.of(place, transform, place in sure, label)))
                for place, transform in leaves(_with_chains(own.nodes))
            ]
            if own is self.spec:
                for _, entry in self._places[id(own)]:
                    entry.label = ""
        return self._places[id(own)]


def _with_chains(nodes: Sequence[Placed]) -> Iterator[Placed]:
    for place, node in nodes:
        if isinstance(node, Mix):
            yield from node.placed(place)
        else:
            yield place, node


@dataclass(slots=True)
class _Entry:
    label: str
    p: float | None
    units: dict[str, str]
    expected: dict[str, Array]
    bins: dict[str, tuple[Array | None, Array]]
    counts: dict[str, Array]
    copies: int = 0
    on: int = 0

    @staticmethod
    def of(place: str, transform: Transform, sure: bool, label: str) -> _Entry:
        # Each column is spread evenly, and shuffled against the others: the declared distribution, without chance.
        shuffled = np.argsort(uniforms(0, "declared", place, range(_EXPECTED)), axis=0, kind="stable")
        u = (np.argsort(shuffled, axis=0, kind="stable") + 0.5) / _EXPECTED
        expected = {name: values for name, values in transform.draw(u[:, 1:]).items() if name not in _HIDDEN}
        units = {quantity.param: quantity.unit for quantity in transform.quantities().values()}
        bins = {name: _bins(values) for name, values in expected.items()}
        counts = {name: np.zeros(len(middles), int) for name, (_, middles) in bins.items()}
        return _Entry(label, transform.p if sure else None, units, expected, bins, counts)

    def add(self, columns: dict[str, Array], on: Array) -> None:
        self.on += int(on.sum())
        for name in self.expected if self.on and columns else ():
            self.counts[name] += self._counted(name, columns[name][on])

    def _counted(self, name: str, values: Array) -> Array:
        edges, middles = self.bins[name]
        if edges is None:
            places = np.searchsorted(middles, values)
        else:
            places = np.floor((values - edges[0]) / (edges[-1] - edges[0]) * BINS).astype(int)
        return np.bincount(np.clip(places, 0, len(middles) - 1), minlength=len(middles))

    def histograms(self) -> Iterator[Histogram]:
        for name, values in self.expected.items():
            edges, middles = self.bins[name]
            if len(middles) < 2:
                continue
            names = () if edges is not None else tuple(f"{m:g}" if middles.dtype.kind == "f" else str(m) for m in middles)
            yield Histogram(name, self.units.get(name, ""), self.counts[name], self._counted(name, values) / len(values), edges, names)


def _bins(values: Array) -> tuple[Array | None, Array]:
    """Edges of bins and their middles, or None and the values themselves where they are few."""
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        return None, distinct
    edges = np.linspace(distinct[0], distinct[-1], BINS + 1)
    return edges, (edges[1:] + edges[:-1]) / 2


def drawn_by(plan: Plan, spec: Spec, most: int = 20_000) -> Tally:
    """What the plan's copies draw, or where there are more than ``most``, the first ones of sources spread over it."""
    tally = Tally(spec)
    rows = plan.rows[:: -(-len(plan.rows) // _SOURCES)]
    share = min(1.0, most / max(sum(row.copies for row in rows), 1))
    for row in rows:
        if row.copies:
            copies = range(max(1, round(row.copies * share)))
            tally.add(row.source.label, draw(spec.of_class(row.source.label), row.source.key, copies))
    return tally
