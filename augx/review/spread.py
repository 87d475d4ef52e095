"""What copies drew, beside what their spec declares: a histogram for each number, and how often each transform was on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from augx.draws import CopyParams, Draws, draw
from augx.errors import SourceError
from augx.plan import Plan
from augx.randomness import uniforms
from augx.sections import Group, Mix, Placed, leaves, placed
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

    ``chance`` is the share that should have, 0 to 1; None where options of unequal weight are taken several at a time.
    """

    place: str
    label: str
    chance: float | None
    copies: int
    on: int
    histograms: tuple[Histogram, ...]


@dataclass(slots=True)
class Tally:
    """Counts what copies drew, a batch at a time, whatever their number."""

    spec: Spec
    _entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)
    _places: dict[int, list[tuple[str, _Entry]]] = field(default_factory=dict)
    _declared: dict[str, tuple[_Declared, ...]] = field(default_factory=dict)
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
                columns = {one.param: np.array([params[one.param] for params in found]) for one in entry.declared} if found else {}
                entry.add(columns, np.ones(len(found), bool))
            except (KeyError, TypeError, ValueError) as error:
                raise SourceError(f"the manifest's {place} is not what this spec draws ({error})") from None

    def spreads(self) -> Iterator[Spread]:
        """What was counted so far, in the order applied."""
        for (place, _), entry in self._entries.items():
            drawn = zip(entry.declared, entry.counts, strict=True)
            histograms = (Histogram(one.name, one.unit, counts, one.shares, one.edges, one.names) for one, counts in drawn)
            yield Spread(place, entry.label, entry.chance, entry.copies, entry.on, tuple(histograms))

    def _of(self, label: str) -> list[tuple[str, _Entry]]:
        own = self.spec.of_class(label)
        if id(own) not in self._places:
            found = self._places[id(own)] = []
            every = chances(own.nodes)
            for place, transform in leaves(_with_chains(own.nodes)):
                same = transform.model_dump_json()
                kind = f"{transform.name} {same}"
                if kind not in self._declared:
                    self._declared[kind] = tuple(_declared(transform))
                new = _Entry(label, every[place], self._declared[kind])
                found.append((place, self._entries.setdefault((place, same), new)))
            if own is self.spec:
                for _, entry in found:
                    entry.label = ""
        return self._places[id(own)]


def chances(nodes: Iterable[Placed], above: float | None = 1.0) -> dict[str, float | None]:
    """The share of copies that get each transform below some nodes, if a share ``above`` gets as far; None where it is not known."""
    found: dict[str, float | None] = {}
    for place, node in nodes:
        here = None if above is None else above * node.p
        if isinstance(node, Transform):
            found[place] = here
        elif isinstance(node, Mix):
            found |= chances(node.placed(place), here)
        else:
            for option, share in zip(placed(node.options, place), _shares(node), strict=True):
                found |= chances([option], None if here is None or share is None else here * share)
    return found


def _shares(group: Group) -> list[float | None]:
    """How often each option of a group is taken."""
    n = len(group.options)
    if group.kind == "all_of":
        return [1.0] * n
    if group.kind == "one_of":
        return [share / sum(group.shares) for share in group.shares]
    assert group.count is not None
    taken = float(np.mean(group.count.quantile((np.arange(_EXPECTED) + 0.5) / _EXPECTED)))
    return [taken / n if len(set(group.shares)) == 1 else None] * n


def _with_chains(nodes: Sequence[Placed]) -> Iterator[Placed]:
    for place, node in nodes:
        if isinstance(node, Mix):
            yield from node.placed(place)
        else:
            yield place, node


@dataclass(frozen=True, slots=True)
class _Declared:
    """One parameter of a transform, what to call it, its bins (edges or the values themselves), and their declared shares."""

    param: str
    name: str
    unit: str
    edges: Array | None
    values: Array
    names: tuple[str, ...]
    shares: Array

    def counted(self, drawn: Array) -> Array:
        if self.edges is None:
            places = np.searchsorted(self.values, drawn)
        else:
            places = np.floor((drawn - self.edges[0]) / (self.edges[1] - self.edges[0])).astype(int)
        return np.bincount(np.clip(places, 0, len(self.values) - 1), minlength=len(self.values))


@dataclass(slots=True)
class _Entry:
    label: str
    chance: float | None
    declared: tuple[_Declared, ...]
    copies: int = 0
    on: int = 0
    counts: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [np.zeros(len(one.values), int) for one in self.declared]

    def add(self, columns: dict[str, Array], on: Array) -> None:
        self.on += int(on.sum())
        for one, counts in zip(self.declared, self.counts, strict=True) if columns else ():
            counts += one.counted(columns[one.param][on])


@cache
def _even() -> Array:
    """Uniforms (n, columns): each column is spread evenly, and shuffled against the others. So there is no chance in them."""
    shuffled = np.argsort(uniforms(0, "declared", "", range(_EXPECTED)), axis=0, kind="stable")
    return (np.argsort(shuffled, axis=0, kind="stable") + 0.5) / _EXPECTED


def _declared(transform: Transform) -> Iterator[_Declared]:
    """What a transform's parameters are drawn from; of those that are always equal, as a zoom's x and y may be, the first."""
    expected = {name: values for name, values in transform.draw(_even()[:, 1:]).items() if name not in _HIDDEN}
    quantities = {quantity.param: (field, quantity) for field, quantity in transform.quantities().items()}
    seen: list[Array] = []
    for name, values in expected.items():
        if len(np.unique(values)) < 2 or any(np.array_equal(values, other) for other in seen):
            continue
        seen.append(values)
        equal = sum(np.array_equal(values, other) for other in expected.values()) > 1
        field, quantity = quantities.get(name, ("", None))
        bounds = getattr(transform, field).bounds() if quantity is not None else None
        edges, middles = _bins(values, bounds)
        names = () if edges is not None else tuple(f"{m:g}" if middles.dtype.kind == "f" else str(m) for m in middles)
        one = _Declared(name, transform.name if equal else name, quantity.unit if quantity else "", edges, middles, names, middles)
        yield replace(one, shares=one.counted(values) / len(values))


def _bins(values: Array, bounds: tuple[float, float] | None) -> tuple[Array | None, Array]:
    """Edges of equal bins and their middles, or None and the values themselves where they are few."""
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        return None, distinct
    low, high = float(distinct[0]), float(distinct[-1])
    if values.dtype.kind == "i":
        width = -(-int(high - low + 1) // BINS)  # whole numbers, as many in each bin
        edges = low - 0.5 + width * np.arange(-(-int(high - low + 1) // width) + 1)
        return edges, (edges[1:] + edges[:-1]) / 2
    step = (high - low) / 1000
    ends = bounds if bounds is not None else (round(low / step) * step, round(high / step) * step)
    if max(abs(ends[0] - low), abs(ends[1] - high)) <= 50 * step:  # else they are limits that next to nothing reaches
        low, high = ends
    edges = np.linspace(low, high, BINS + 1)
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
