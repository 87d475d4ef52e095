"""Amounts: how many copies of each source, from one number for all, for each source or class, or so that classes are balanced.

Pure counting; nothing here knows names, formats or pixels.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from augx.errors import PlanError, SourceError, printable
from augx.headers import read_header
from augx.sources import Source, source_bytes
from augx.wording import nearest


def copies_of(
    sources: Sequence[Source],
    *,
    total: int | None = None,
    copies: int | None = None,
    per_class: int | None = None,
    balance: str | int | None = None,
    class_totals: Mapping[str, int] | None = None,
    annotated: bool = False,
) -> tuple[list[int], list[str]]:
    """The number of copies of each source, and notes for the user, one line each.

    Exactly one of: ``total`` copies in all, ``copies`` of each source, ``per_class`` of each class, or ``balance``: ``max``,
    ``median`` (the upper one) or a number, to which classes are brought by copies, originals counted and never over it.
    ``class_totals`` say for single classes how many copies they get instead; they may stand alone if they name every class.
    Shares are even: sources of one plan (or class) differ by one copy at most. Where sources are ``annotated``, what is
    balanced are the instances of their categories. Raises ``PlanError``.
    """
    totals = class_totals or {}
    given = {"--total": total, "--copies": copies, "--per-class": per_class, "--balance": balance}
    chosen = {name: n for name, n in given.items() if n is not None}
    if len(chosen) > 1 or not (chosen or totals):
        names = ", ".join(given)
        raise PlanError(f"say how many copies, by exactly one of {names}; found {' and '.join(chosen) or 'none'}")
    if not sources:
        raise PlanError("no pictures are given")
    groups = _by_label(sources)
    _check_numbers(chosen, totals, groups, annotated)
    if balance is not None and annotated:
        return _balanced_instances(sources, _target(balance))
    if total is not None:
        return _in_turn(total, list(groups.values())), _left_out(total, groups)
    notes: list[str] = []
    if copies is not None:
        amounts = {label: copies * len(group) for label, group in groups.items()}
    elif per_class is not None:
        amounts = dict.fromkeys(groups, per_class)
    elif balance is not None:
        sizes = {label: len(group) for label, group in groups.items()}
        target = _reached(_target(balance), list(sizes.values()))
        amounts = {label: max(0, target - size) for label, size in sizes.items()}
        notes = _above({label: n for label, n in sizes.items() if label not in totals}, target, "class", "files")
    else:
        amounts = {}
    counts = [0] * len(sources)
    for label, group in groups.items():
        base, rest = divmod(totals.get(label, amounts.get(label, 0)), len(group))
        for rank, i in enumerate(group):
            counts[i] = base + (rank < rest)
    return counts, notes


def _by_label(sources: Sequence[Source]) -> dict[str, list[int]]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, source in enumerate(sources):
        groups[source.label].append(i)
    return groups


def _check_numbers(chosen: Mapping[str, str | int], totals: Mapping[str, int], labels: Mapping[str, list[int]], annotated: bool) -> None:
    for name, n in chosen.items():
        if name != "--balance" and (type(n) is not int or n < 1):
            raise PlanError(f"{name} {n}: expected a whole number, at least 1")
    if not totals:
        return
    if "--total" in chosen:
        raise PlanError(f"--total {chosen['--total']}: the spec says how many copies single classes get; give one or the other")
    if annotated:
        raise PlanError("the spec says how many copies single classes get, but these pictures are annotated, without classes; leave it out")
    for label, n in totals.items():
        place = f"how many copies class {printable(label)} gets"
        if label not in labels:
            raise PlanError(f"{place}: no source has this label{printable(nearest(label, labels))}")
        if type(n) is not int or n < 0:
            raise PlanError(f"{place}: found {printable(n)}; expected a whole number, at least 0")
    left = [label for label in labels if label not in totals] if not chosen else []
    if left:
        more = f" and {len(left) - 1:,} more" if len(left) > 1 else ""
        raise PlanError(
            f"the spec doesn't say how many copies class {printable(left[0])}{more} gets; "
            f"say it there, or for all others by one of --copies, --per-class, --balance"
        )


def _left_out(total: int, groups: Mapping[str, list[int]]) -> list[str]:
    """The note for classes that a total is too small for."""
    left = len(groups) - total
    if left < 1:
        return []
    last = max(groups, key=lambda label: groups[label][0])
    which = f"1 class gets no copy ({printable(last)})" if left == 1 else f"{left:,} classes get no copies (such as {printable(last)})"
    return [f"--total {total:,}: {which}, as there are {len(groups):,} of them; ask for more, or say --per-class"]


def _in_turn(total: int, groups: Sequence[Sequence[int]]) -> list[int]:
    """Even shares; what can't be divided goes to the first source of each class in order, then to each second, and so on."""
    size = sum(map(len, groups))
    base, rest = divmod(total, size)
    counts = [base] * size
    longest = max(map(len, groups))
    whole = bisect_right(range(longest + 1), rest, key=lambda rank: sum(min(len(group), rank) for group in groups)) - 1
    more = [i for group in groups for i in group[:whole]]
    more += sorted(group[whole] for group in groups if len(group) > whole)[: rest - len(more)]
    for i in more:
        counts[i] += 1
    return counts


def _target(balance: str | int) -> str | int:
    """What ``--balance`` says: ``max``, ``median`` or a whole number."""
    if isinstance(balance, str) and balance in ("max", "median"):
        return balance
    if isinstance(balance, str) and balance.isascii() and balance.isdigit() and len(balance) < 20:
        balance = int(balance)
    if type(balance) is not int or balance < 1:
        hint = nearest(balance, ("max", "median")) if isinstance(balance, str) else ""
        raise PlanError(f"--balance {printable(balance)}: expected max, median or a whole number, at least 1{hint}")
    return balance


def _reached(target: str | int, counts: Sequence[int]) -> int:
    """The number that classes of these sizes are brought to."""
    if isinstance(target, int):
        return target
    return max(counts) if target == "max" else sorted(counts)[len(counts) // 2]


def _above(counts: Mapping[str, int], target: int, kind: str, things: str) -> list[str]:
    """The note for what has more than the target already."""
    over = {name: n for name, n in counts.items() if n > target}
    if not over:
        return []
    most = max(sorted(over), key=over.__getitem__)
    have = {"class": "1 class has", "category": "1 category has"}[kind]
    if len(over) > 1:
        have = f"{len(over):,} {'classes' if kind == 'class' else 'categories'} have"
    which = f"{'most of all ' if len(over) > 1 else ''}{printable(most)}, {over[most]:,}" if most else f"{over[most]:,}"
    get = "it gets" if len(over) == 1 else "they get"
    end = f"{get} no copies" if kind == "class" else "no picture that shows one of them gets copies"
    return [f"--balance: {have} more than {target:,} {things} already ({which}): {end}"]


def _balanced_instances(sources: Sequence[Source], balance: str | int) -> tuple[list[int], list[str]]:
    """Copies that bring the categories' instances to the target, each taken to show all instances of its source."""
    shown, unread = _shown(sources)
    names = sorted({name for counts in shown for name in counts})
    if not names:
        raise PlanError(f"--balance {balance}: no instances are found with these {len(sources):,} pictures; give --total or --copies")
    number = {name: i for i, name in enumerate(names)}
    pictures = [tuple((number[name], n) for name, n in counts.items()) for counts in shown]
    have = [0] * len(names)
    for picture in pictures:
        for category, n in picture:
            have[category] += n
    target = _reached(balance, have)
    notes = [f"--balance: the instances of {unread:,} {'picture' if unread == 1 else 'pictures'} can't be read, and are not counted"]
    notes = (notes if unread else []) + _above(dict(zip(names, have, strict=True)), target, "category", "instances")
    copies = _filled(pictures, have, target)
    used, most = sum(n > 0 for n in copies), max(copies)
    if used:
        notes.append(f"--balance: the copies are of {used:,} of the {len(sources):,} pictures, at most {most:,} of one")
    for name, n in zip(names, have, strict=True):
        if n < target:
            shown_by = "each picture that shows it would take it or another category over that"
            notes.append(f"--balance: {printable(name)} gets to {n:,} of {target:,} instances: {shown_by}")
    return copies, notes


def _shown(sources: Sequence[Source]) -> tuple[list[Counter[str]], int]:
    """The instances of each category on each source, and of how many sources they can't be read (which fail later, in words)."""
    shown, unread = [], 0
    for source in sources:
        counts: Counter[str] = Counter()
        if source.annotations is not None:
            try:
                counts.update(instance.category for instance in source.annotations.read(_upright_size(source)))
            except SourceError:
                unread += 1
        shown.append(counts)
    return shown, unread


def _upright_size(source: Source) -> tuple[int, int]:
    """Width and height as annotations mean them, Exif orientation undone. Raises ``SourceError``."""
    if source.pixels is not None:
        return source.pixels.size
    header = read_header(source_bytes(source))
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def _filled(pictures: Sequence[tuple[tuple[int, int], ...]], have: list[int], target: int) -> list[int]:
    """Copies of each picture, given as (category, number of instances) pairs, that bring ``have`` near ``target``, never over it.

    The category with the fewest is next; of the pictures that show it and fit, the one with the fewest copies so far, then the
    fewest other instances. What ``have`` holds only grows, so a picture that no longer fits is out for good, and the places of
    pictures and categories in their heaps only get worse: an entry that is out of date is put back when it comes up.
    """
    copies = [0] * len(pictures)
    # A heap's entries are (copies, other instances, number of the picture) as one integer each: these compare several times as fast.
    size = len(pictures)
    round_ = size * (1 + max((sum(n for _, n in picture) for picture in pictures), default=0))
    queues: list[list[int]] = [[] for _ in have]
    for i, picture in enumerate(pictures):
        if all(have[category] + n <= target for category, n in picture):
            total = sum(n for _, n in picture)
            for category, n in picture:
                queues[category].append((total - n) * size + i)
    for queue in queues:
        heapq.heapify(queue)
    rarest = [(n, category) for category, n in enumerate(have) if n < target]
    heapq.heapify(rarest)
    while rarest:
        n, category = rarest[0]
        if have[category] > n:
            heapq.heapreplace(rarest, (have[category], category)) if have[category] < target else heapq.heappop(rarest)
            continue
        queue = queues[category]
        while queue:
            entry = queue[0]
            i = entry % size
            late = copies[i] - entry // round_
            if late:
                heapq.heapreplace(queue, entry + late * round_)
                continue
            for shown, more in pictures[i]:
                if have[shown] + more > target:
                    heapq.heappop(queue)
                    break
            else:
                for shown, more in pictures[i]:
                    have[shown] += more
                copies[i] += 1
                heapq.heapreplace(queue, entry + round_)
                break
        else:
            heapq.heappop(rarest)
    return copies
