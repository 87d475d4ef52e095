"""Which part each picture of an experiment is in: whole sources, of every class the same share of them, to the picture.

``augx.split`` keeps a source where it is when a set grows, at the price of shares that chance bends. Nothing grows here, and with
little data a test part of three cats and nine dogs, another in each seed, says more of the draw than of the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from augx.errors import PlanError, printable
from augx.pictures import Array


def stratify(
    labels: Array, groups: Sequence[str], classes: Sequence[str], shares: Sequence[tuple[str, float]], seed: int, cure: str = "add some"
) -> list[str]:
    """The part of each picture, of ``labels`` (n,), its class' number, and ``groups`` (n,), its source.

    Of a class with m sources, ``round(share * m)`` and at least one go to each part but the first of ``shares``, which has the rest;
    which ones is a hash of the seed and the source. ``cure``: what to do about too few. Raises ``PlanError`` for a class with fewer
    sources than parts, and for one that has none of its own in a part, since it shares them with other classes.
    """
    of_class: list[dict[str, None]] = [{} for _ in classes]
    first: dict[str, int] = {}
    for label, group in zip(labels.tolist(), groups, strict=True):
        of_class[first.setdefault(group, label)].setdefault(group)
    part: dict[str, str] = {}
    (rest, _), *others = shares
    for name, found in zip(classes, of_class, strict=True):
        _enough(name, len(found), [rest, *(other for other, _ in others)], cure)
        ranked = iter(sorted(found, key=lambda group: hashlib.blake2b(f"{seed}\0{group}".encode(), person=b"augx-experiment").digest()))
        sizes = _sizes(len(found), [share for _, share in others])
        for (other, _), size in zip(others, sizes, strict=True):
            part |= {next(ranked): other for _ in range(size)}
        part |= dict.fromkeys(ranked, rest)
    parts = [part[group] for group in groups]
    _check(labels, parts, classes, [name for name, _ in shares])
    return parts


def _sizes(n: int, shares: Sequence[float]) -> list[int]:
    """How many of ``n`` go to each share: rounded, at least 1, and one at least is left over."""
    sizes = [max(1, int(share * n + 0.5)) for share in shares]
    while sum(sizes) >= n:
        sizes[int(np.argmax(sizes))] -= 1
    return sizes


def _enough(name: str, n: int, parts: Sequence[str], cure: str) -> None:
    if n < len(parts):
        raise PlanError(
            f"class {printable(name)} has {n} source{'' if n == 1 else 's'}, too few for {', '.join(parts)}, which need one each; {cure}"
        )


def _check(labels: Array, parts: Sequence[str], classes: Sequence[str], names: Sequence[str]) -> None:
    there = {*zip(labels.tolist(), parts, strict=True)}
    for label, name in enumerate(classes):
        for part in names:
            if (label, part) not in there:
                raise PlanError(
                    f"class {printable(name)} has nothing in the part {part}: the same pictures are in other classes too, and stay "
                    "together; remove them from one of the classes"
                )
