"""What each arm is trained on: endless batches of its pictures, the training part's and nothing else's."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence

import numpy as np

from augx.audit.siblings import known_families
from augx.batches import iter_batches
from augx.epochs import Order
from augx.errors import AugxError, PlanError, SourceError, printable
from augx.expand import Options, run_plan
from augx.experiment.data import Part, load_part
from augx.experiment.settings import BOTH, EXPAND, IN_PLACE, Run, Settings
from augx.files import sweep
from augx.inputs.folders import class_tree
from augx.manifest import MANIFEST, RUN
from augx.pictures import Array
from augx.planning import plan_copies
from augx.sources import Source, stored_bits
from augx.spec import Spec, load_spec

Batch = tuple[Array, Array]
"""Pictures (n, size, size, 3) float32 from 0 to 1, and indices of their classes (n,) int64."""
_CACHE_BYTES = 2_000_000_000
_LOOKED_AT = 200
_MOST_COPIES = 10_000_000
_FURTHER = 1_000_003  # what is drawn in place is none of the copies on disk


def expanded_part(train: Part, spec: Spec, folder: str, settings: Settings, seed: int, classes: Sequence[str]) -> Part:
    """The copies of a training part, as ``augx generate --copies`` writes them, below ``folder``; what is there already is kept."""
    spec = _sized(spec, settings, seed, train)
    os.makedirs(folder, exist_ok=True)
    # Threads: a process that has a backend in it must not be forked.
    report = run_plan(plan_copies(list(train.sources), spec, copies=settings.copies), spec, folder, options=Options(engine="threads"))
    if report.missing:
        first = report.failures[0]
        raise SourceError(
            f"{printable(first.source)}: {first.reason}; the expanded set lacks {report.missing} copies, so nothing was trained on it"
        )
    made = known_families([folder]).sources  # whatever else somebody put there
    return load_part([source for source in class_tree(folder) if source.path in made], classes, settings.size)


def _sized(spec: Spec, settings: Settings, seed: int, train: Part) -> Spec:
    """The spec of an expanded set: pictures of the experiment's size, stored without loss, drawn by the run's seed."""
    form = spec.canonical()
    # BMP has no alpha channel, so a picture with one is laid on white as early as the other arms do it; it has no 16 bits either.
    stored = "png" if any(stored_bits(source) > 8 for source in train.sources) else "bmp"
    sized = {**form.get("output", {}), "format": stored, "size": [settings.size, settings.size]}
    sized.pop("quality", None)
    by_class = dict(form.get("classes", {}))
    for label, total in spec.class_totals.items():  # no part of the form, since they change no picture
        by_class[label] = {**by_class.get(label, {}), "total": total}
    return load_spec({**form, **({"classes": by_class} if by_class else {}), "seed": seed, "output": sized})


def remove_set(folder: str) -> None:
    """Remove an expanded set that ``expanded_part`` made: what its manifest lists, and nothing that others put there."""
    if os.path.islink(folder) or not os.path.isdir(folder):
        return
    with contextlib.suppress(OSError, AugxError):
        for path in known_families([folder]).sources:
            with contextlib.suppress(OSError):
                if not os.path.islink(os.path.dirname(path)):
                    os.unlink(path)
        for name in (MANIFEST, RUN):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
        for below, _, _ in os.walk(folder, topdown=False):
            sweep(below, "")
            os.rmdir(below)


def check_plan(train: Part, spec: Spec, settings: Settings, seed: int) -> None:
    """Raise ``PlanError`` where a training part can't be expanded, before anything is trained."""
    plan = plan_copies(list(train.sources), _sized(spec, settings, seed, train), copies=settings.copies)
    if plan.files > _MOST_COPIES:
        raise PlanError(f"--copies {settings.copies}: {plan.files:,} files, which an experiment holds in memory; at most {_MOST_COPIES:,}")


def feed(run: Run, train: Part, copies: Part | None, settings: Settings, spec: Spec | None, classes: Sequence[str]) -> Iterator[Batch]:
    """Batches for ever, in the order of the run's seed; ``copies`` are those on disk. The first one is looked at.

    Raises ``PlanError`` for a spec that leaves nothing to be learnt.
    """
    if run.arm in (EXPAND, BOTH):
        assert copies is not None
        check_learnable(run, copies.images[:: 1 + len(copies.images) // _LOOKED_AT])
        train = joined(train, copies)
    if run.arm in (IN_PLACE, BOTH):
        assert spec is not None
        batches = _in_place(train.sources, spec, run.seed, settings, classes)
    else:
        batches = _as_they_are(train, run.seed, settings.batch_size)
    first: list[Batch] = []
    while sum(len(labels) for _, labels in first) < min(_LOOKED_AT, len(train.labels)):
        first.append(next(batches))
    check_learnable(run, np.concatenate([images for images, _ in first]))
    return itertools.chain(first, batches)


def joined(one: Part, other: Part) -> Part:
    """Two parts as one."""
    images, labels = (np.concatenate(both) for both in ((one.images, other.images), (one.labels, other.labels)))
    return Part(one.sources + other.sources, images, labels)


def check_learnable(run: Run, images: Array) -> None:
    """Raise ``PlanError`` where every one of these pictures is of one colour."""
    flat = images.reshape(len(images), -1)
    if (np.ptp(flat, axis=1) == 0).all():
        what = f"spec {printable(run.spec)}: it" if run.spec else "the dataset:"
        raise PlanError(
            f"arm {run.arm}: {what} leaves all of the {len(images)} pictures that were looked at in one colour, so nothing can be learnt "
            "from them; look at it by augx preview"
        )


def scaled(images: Array) -> Array:
    """uint8 -> float32 from 0 to 1, as ``iter_batches`` gives it: the same for every arm."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def _as_they_are(part: Part, seed: int, size: int) -> Iterator[Batch]:
    order = Order(tuple(map(str, part.labels.tolist())), seed, True, False)
    for epoch in itertools.count():
        sources, _ = order.of(epoch)
        for start in range(0, len(sources), size):
            chosen = sources[start : start + size]
            yield scaled(part.images[chosen]), part.labels[chosen]


def _in_place(sources: Sequence[Source], spec: Spec, seed: int, settings: Settings, classes: Sequence[str]) -> Iterator[Batch]:
    side = (settings.size, settings.size)
    how = {"batch_size": settings.batch_size, "seed": seed + _FURTHER, "size": side, "epochs": None, "dtype": "float32"}
    with iter_batches(list(sources), spec, workers=1, prefetch=4, cache_bytes=_CACHE_BYTES, **how) as batches:  # type: ignore[arg-type]
        ours = {name: i for i, name in enumerate(classes)}
        further = [name for name in batches.classes if name not in ours]
        if further:
            raise PlanError(f"the spec makes copies of a class that the dataset lacks: {printable(further[0])}; leave its relabel out")
        index = np.array([ours[name] for name in batches.classes], np.int64)
        try:
            for images, labels in batches:
                yield images, index[labels]
        except SourceError as error:
            found = str(error).partition("; on_error")[0]
            raise SourceError(f"{found}; put the picture back, or remove it and start anew with another --output") from None
