"""draw: every random choice of a run of copies at once, as plain numbers. Nothing random happens anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from augx.distributions import pick
from augx.randomness import uniforms, uniforms_each
from augx.sections import Group, Mix, Placed, leaves, placed
from augx.spec import Spec
from augx.transforms import Transform

Array = np.ndarray[Any, Any]
CopyParams = dict[str, dict[str, Any]]
"""What one copy drew: place -> parameter -> number, JSON-plain. A place that is absent is off."""


@dataclass(frozen=True)
class Draws:
    """What n copies drew: for each place its parameters, arrays (n,), and a mask (n,) of the copies where it is on."""

    n: int
    params: dict[str, dict[str, Array]]
    active: dict[str, Array]

    @cached_property
    def plain(self) -> list[CopyParams]:
        """One JSON-plain mapping a copy, for the manifest."""
        copies: list[CopyParams] = [{} for _ in range(self.n)]
        for place, columns in self.params.items():
            names = list(columns)
            rows = zip(*(column.tolist() for column in columns.values()), strict=True) if names else iter([()] * self.n)
            for copy, on, row in zip(copies, self.active[place].tolist(), rows, strict=True):
                if on:
                    copy[place] = dict(zip(names, row, strict=True))
        return copies

    @staticmethod
    def replayed(copies: Sequence[CopyParams]) -> Draws:
        """The draws that gave these parameters, as a manifest tells them."""
        params: dict[str, dict[str, Array]] = {}
        for place in dict.fromkeys(place for copy in copies for place in copy):
            known = next(copy[place] for copy in copies if place in copy)
            params[place] = {name: np.array([copy.get(place, known)[name] for copy in copies]) for name in known}
        active = {place: np.array([place in copy for copy in copies]) for place in params}
        return Draws(len(copies), params, active)


_APART = 2**126
"""Copies from one attempt to the next in a stream, more than any source has: so no attempt meets another copy's block."""


def draw(spec: Spec, key: str, copies: range, attempt: int = 0) -> Draws:
    """All random choices for a run of copies of the source named ``key``.

    Each ``attempt`` reads other blocks of the same streams, for copies that are drawn anew. What a label hangs on is the same in
    all of them: a plan counts labels, and names files by them, before it is known which attempts are kept.
    """
    anew = range(copies.start + attempt * _APART, copies.stop + attempt * _APART)
    fixed = attempt > 0 and spec.relabels

    def read(places: Sequence[str], relabels: Sequence[bool]) -> Iterable[Array]:
        return (uniforms(spec.seed, key, place, copies if fixed and one else anew) for place, one in zip(places, relabels, strict=True))

    return _walked(spec, len(copies), read)


def draw_each(spec: Spec, keys: Sequence[str], copies: Sequence[int]) -> Draws:
    """What ``draw`` finds for copy ``copies[i]`` of the source named ``keys[i]``, for all i at once."""
    return _walked(spec, len(copies), lambda places, _: uniforms_each(spec.seed, keys, places, copies))


def _walked(spec: Spec, n: int, read: Callable[[Sequence[str], Sequence[bool]], Iterable[Array]]) -> Draws:
    """The spec's tree, drawn for n copies; ``read`` gives the uniforms (n, columns) of places, told whether labels hang on each."""
    found = Draws(n, {}, {})

    def visit(nodes: Iterable[Placed], allowed: Sequence[Array]) -> None:
        due = [(place, node, mask) for (place, node), mask in zip(nodes, allowed, strict=True) if mask.any()]
        relabels = [spec.relabels and any(leaf.relabel for _, leaf in leaves([(place, node)])) for place, node, _ in due]
        for i, u in enumerate(read([place for place, _, _ in due], relabels)):
            place, node, mask = due[i]
            on = mask & (u[:, 0] < node.p)
            if isinstance(node, Transform):
                found.params[place], found.active[place] = node.draw(u[:, 1:]), on
            elif isinstance(node, Mix):
                found.params[place], found.active[place] = _shares(u[:, 1:], len(node.chains)), on
                visit(node.placed(place), [on] * len(node.chains))
            else:
                options = [f"{place}/{k}" for k in range(len(node.options))] if node.kind == "some_of" else []
                each = [clock[:, 0] for clock in read(options, [relabels[i]] * len(options))]
                visit(placed(node.options, place), [on & taken for taken in _taken(node, u[:, 1:], each)])

    nodes = spec.nodes
    visit(nodes, [np.ones(n, bool)] * len(nodes))
    return found


def _taken(group: Group, u: Array, each: Sequence[Array]) -> list[Array]:
    """Which copies take each of a group's options; ``each`` holds a uniform a copy for each option of some_of."""
    if group.kind == "all_of":
        return [np.ones(len(u), bool)] * len(group.options)
    if group.kind == "one_of":
        choice = pick(u[:, 0], group.shares)
        return [choice == i for i in range(len(group.options))]
    assert group.count is not None
    # The options whose clocks ring first: drawn without replacement (Efraimidis and Spirakis, "Weighted random sampling with
    # a reservoir", 2006).
    shares = np.array(group.shares) / max(group.shares)
    clocks = np.array([-np.log(v) / share if share > 0 else np.full_like(v, np.inf) for v, share in zip(each, shares, strict=True)])
    ranks = np.argsort(np.argsort(clocks, axis=0, kind="stable"), axis=0, kind="stable")
    return list(ranks < group.count.quantile(u[:, 0]))


def _shares(u: Array, chains: int) -> dict[str, Array]:
    """AugMix's weights: the chains' together uniform, one chain's share of that from a Dirichlet distribution of ones."""
    clocks = -np.log(u[:, 1 : 1 + chains])
    weights = u[:, :1] * clocks / clocks.sum(axis=1, keepdims=True)
    return {f"chain_{i + 1}": np.round(weights[:, i], 6) for i in range(chains)}


def labels(spec: Spec, label: str, key: str, copies: range) -> list[str]:
    """The labels of copies of a source: its own, or what the transforms that a copy drew make of it, one after the other."""
    if not spec.relabels:
        return [label] * len(copies)
    return relabelled(spec, label, draw(spec, key, copies))


def relabelled(spec: Spec, label: str, draws: Draws) -> list[str]:
    """``labels`` for what has been drawn."""
    return relabelled_each(spec, [label] * draws.n, draws)


def relabelled_each(spec: Spec, labels: Sequence[str], draws: Draws) -> list[str]:
    """What becomes of each copy's own label by what it drew."""
    found = list(labels)
    for place, transform in leaves(spec.nodes):
        if transform.relabel and place in draws.active:
            on = draws.active[place].tolist()
            found = [transform.relabel.get(name, name) if active else name for name, active in zip(found, on, strict=True)]
    return found
