"""Copies as arrays, never on disk: (source, copy number) -> the pixels that ``augx generate`` writes for it, before encoding."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from augx.decode import MAX_PIXELS, on_white
from augx.draws import draw_each, relabelled_each
from augx.errors import PlanError, SourceError, printable
from augx.inputs import find_sources
from augx.planning import check_classes
from augx.recipe import recipes_each
from augx.rejection import keep
from augx.sample import Sample
from augx.sections import leaves
from augx.sources import Source, SourceSet, load
from augx.spec import Spec, load_spec
from augx.warp import Levels

Array = np.ndarray[Any, Any]
Colour = Literal["rgb", "bgr", "grey"]
Channels = Literal["last", "first"]
Depth = Literal["uint8", "float32"]
AnySource = str | os.PathLike[str] | Sequence[Source] | tuple[Any, Any]
AnySpec = Spec | str | Path | Mapping[str, Any]

_CHOICES = {"colour": get_args(Colour), "channels": get_args(Channels), "dtype": get_args(Depth)}
Made = tuple[Array, int]
"""A copy, and the index of its class."""

CACHE_BYTES = 256_000_000
_AT_ONCE, _BYTES_AT_ONCE = 64, 16_000_000
"""Copies that are drawn together, and the bytes of their sources: what it saves is felt where pictures are small."""


@dataclass(frozen=True)
class Form:
    """What an array holds: uint8 (0 to 255) or float32 (0 to 1), its channels last or first, in this order or as one.

    Grey pictures have three equal channels in colour; ``grey`` is one channel, the luma of ITU-R BT.601 of what was
    augmented in colour. Of 16 bits, uint8 is the nearest of 256 levels, float32 keeps them all.
    """

    dtype: Depth = "uint8"
    channels: Channels = "last"
    colour: Colour = "rgb"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            one_of(name, getattr(self, name), choices)

    def of(self, image: Array) -> Array:
        """A copy, (h, w) or (h, w, 3) blue green red, uint8 or uint16, as a new array: (h, w, c), or (c, h, w) with channels first."""
        if self.colour == "grey" and image.ndim == 3:
            image = _luma(image)
        elif self.colour == "rgb" and image.ndim == 3:
            image = image[:, :, ::-1]
        if image.ndim == 2:
            image = np.broadcast_to(image[:, :, None], (*image.shape, 1 if self.colour == "grey" else 3))
        if self.channels == "first":
            image = image.transpose(2, 0, 1)
        if self.dtype == "float32":
            return np.divide(image, np.float32(np.iinfo(image.dtype).max), dtype=np.float32, order="C")
        if image.dtype == np.uint16:
            image = (image.astype(np.uint32) + 128) // 257
        return image.astype(np.uint8, order="C")


def _luma(image: Array) -> Array:
    # 0.299, 0.587 and 0.114 in 15 bits, rounded: what OpenCV has for 8 bits.
    blue, green, red = (image[:, :, i].astype(np.uint32) for i in range(3))
    return ((3735 * blue + 19235 * green + 9798 * red + 16384) >> 15).astype(image.dtype)


class Pictures:
    """Augmented copies of sources as arrays: ``picture(number of the source, number of the copy)``. Threads may share it.

    ``source`` is the root of a class tree, a list of ``Source``, or (pictures, labels): uint8 or uint16, red green blue,
    (n, h, w, 3), with alpha (n, h, w, 4), grey (n, h, w) or (n, h, w, 1). Row i of class L has the key ``L/i.png``, so it gives
    what ``generate`` makes of a file by that name. Labels that are whole numbers are the classes' indices, as they are.

    Pictures with alpha are laid on white first, as for every format without alpha. Decoded files are kept as long as they
    fit into ``cache_bytes``, the first ones that come. A pickle holds none of them.
    """

    def __init__(
        self,
        source: AnySource,
        spec: AnySpec = "tutorial",
        *,
        seed: int | None = None,
        size: tuple[int, int] | None = None,
        form: Form | None = None,
        max_pixels: int = MAX_PIXELS,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """``seed`` and ``size`` (width, height) stand instead of the spec's. Raises ``SpecError``, ``PlanError``, ``ValueError``."""
        self.spec = _spec(spec, seed, size)
        self.form = form or Form()
        self._max_pixels, self._room = max_pixels, cache_bytes
        self._kept: dict[int, Sample] = {}
        self._lock = threading.Lock()
        self._rows: Array | None = None
        names: Iterable[str] = ()
        if isinstance(source, tuple) and len(source) == 2 and not isinstance(source[0], Source):
            self._rows, self.sources, names = _of_arrays(*source)
        else:
            self.sources = _listed(source)
        self.classes: list[str] = list(names) or sorted({source.label for source in self.sources})
        self.classes += sorted(self._further_labels() - set(self.classes))
        if not names:
            self.classes.sort()
        self.class_indices = {label: i for i, label in enumerate(self.classes)}
        self._specs = {label: self.spec.of_class(label) for label in {source.label for source in self.sources}}
        check_classes(self.sources, self.spec)

    def _further_labels(self) -> set[str]:
        """What else copies may be called after what the spec relabels."""
        found: set[str] = set()
        for label in {source.label for source in self.sources}:
            possible = {label}
            for _, transform in leaves(self.spec.of_class(label).nodes) if self.spec.of_class(label).relabels else ():
                possible |= {transform.relabel[name] for name in possible & transform.relabel.keys()}
            found |= possible
        return found

    def picture(self, number: int, copy: int) -> tuple[Array, int]:
        """Copy ``copy`` of source ``number`` in the form asked for, and the index of its class. Raises ``SourceError``."""
        made = next(self.each([number], [copy]))
        if isinstance(made, SourceError):
            raise made
        return made

    def each(self, numbers: Sequence[int], copies: Sequence[int]) -> Iterator[Made | SourceError]:
        """``picture`` for each of several copies, drawn together, which is several times as fast; a failure is given, not raised."""
        loaded: list[tuple[int, int, Sample | SourceError]] = []
        size = 0
        for number, copy in zip(numbers, copies, strict=True):
            # Held by this list alone, so that a large picture is gone before the next one comes.
            loaded.append((number, copy, self._tried(number)))
            size += _bytes(loaded[-1][2])
            if len(loaded) >= _AT_ONCE or size >= _BYTES_AT_ONCE:
                yield from self._made(loaded)
                loaded, size = [], 0
        yield from self._made(loaded)

    def _made(self, loaded: Sequence[tuple[int, int, Sample | SourceError]]) -> Iterator[Made | SourceError]:
        """The copies of what is loaded; what has one spec, depth and number of channels is drawn together."""
        alike: dict[Any, list[tuple[int, int, Sample]]] = {}
        order: list[Any] = []
        for number, copy, sample in loaded:
            if isinstance(sample, SourceError):
                order.append(sample)
                continue
            spec, image = self._specs[self.sources[number].label], sample.image.image
            order.append((id(spec), image.dtype, image.shape[2:]))
            alike.setdefault(order[-1], []).append((number, copy, sample))
        made = {kind: self._alike(*zip(*group, strict=True)) for kind, group in alike.items()}
        for one in order:
            yield one if isinstance(one, SourceError) else next(made[one])

    def _alike(self, numbers: Sequence[int], copies: Sequence[int], samples: Sequence[Sample]) -> Iterator[Made | SourceError]:
        """Copies of sources that have one spec, depth and number of channels."""
        sources = [self.sources[number] for number in numbers]
        spec = self._specs[sources[0].label]
        draws = draw_each(spec, [source.key for source in sources], copies)
        labels = relabelled_each(spec, [source.label for source in sources], draws)
        try:
            recipes = recipes_each(spec, draws, samples)
        except SourceError as error:
            yield from [self._named(number, error) for number in numbers]
            return
        for number, sample, copy, recipe, params, label in zip(numbers, samples, copies, recipes, draws.plain, labels, strict=True):
            try:
                kept = keep(spec, _afresh(sample), copy, recipe, params)
                yield self.form.of(kept.picture), self.class_indices[label]
            except SourceError as error:
                yield self._named(number, error)

    def _tried(self, number: int) -> Sample | SourceError:
        try:
            return self._sample(number)
        except SourceError as error:
            return self._named(number, error)

    def _named(self, number: int, error: SourceError) -> SourceError:
        return SourceError(f"{printable(self.sources[number].where)}: {error}")

    def _sample(self, number: int) -> Sample:
        source, sample = self.sources[number], self._kept.get(number)
        if self._rows is not None:
            image = _blue_first(self._rows[number])
            sample = Sample(source.key, "", Levels(image))
        elif sample is None:
            sample = load(source, self._max_pixels, flat=True)
            with self._lock:
                if number not in self._kept and sample.image.image.nbytes <= self._room:
                    self._room -= sample.image.image.nbytes
                    self._kept[number] = _afresh(sample)
        else:
            sample = _afresh(sample)
        return sample

    def __getstate__(self) -> dict[str, Any]:
        room = self._room + sum(sample.image.image.nbytes for sample in self._kept.values())
        return {**self.__dict__, "_kept": {}, "_lock": None, "_room": room}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def _bytes(sample: Sample | SourceError) -> int:
    return 0 if isinstance(sample, SourceError) else int(sample.image.image.nbytes)


def _afresh(sample: Sample) -> Sample:
    """The same without what warps have added to its levels, or will: that is several times the picture, and is not kept."""
    return replace(sample, image=Levels(sample.image.image))


def one_of(name: str, found: object, choices: Sequence[object]) -> None:
    """Raise ``ValueError`` unless ``found`` is one of the choices."""
    if found not in choices:
        raise ValueError(f"{name}={found!r}: expected one of {', '.join(map(repr, choices))}")


def whole(name: str, found: object, least: int) -> None:
    """Raise ``ValueError`` unless ``found`` is a whole number, at least ``least``."""
    if isinstance(found, bool) or not isinstance(found, int | np.integer) or found < least:
        raise ValueError(f"{name}={found!r}: expected a whole number, at least {least}")


def _spec(spec: AnySpec, seed: int | None, size: tuple[int, int] | None) -> Spec:
    found = spec if isinstance(spec, Spec) else load_spec(spec)
    if seed is None and size is None:
        return found
    if size is not None and (not isinstance(size, Sequence) or len(size) != 2):
        raise ValueError(f"size={size!r}: expected (width, height) in pixels")
    form = found.canonical()
    changes = {} if seed is None else {"seed": int(seed) if isinstance(seed, np.integer) else seed}
    output = form.get("output", {}) | (
        {} if size is None else {"size": [int(side) if isinstance(side, np.integer) else side for side in size]}
    )
    return load_spec({**form, **changes, "output": output})


def _listed(source: Any) -> list[Source]:
    if isinstance(source, str | os.PathLike):
        return find_sources(source).sources
    return _checked(source.sources if isinstance(source, SourceSet) else source)


def _checked(sources: Any) -> list[Source]:
    found = list(sources)
    for source in found:
        if not isinstance(source, Source):
            raise ValueError(f"source: a list with {type(source).__name__}; expected Source (see augx.named_images)")
    if not found:
        raise PlanError("no pictures are given")
    return found


def _of_arrays(pictures: Any, labels: Any) -> tuple[Array, list[Source], list[str]]:
    """The pictures, a source for each, and the names of the classes in the order of their indices."""
    rows, names = np.asarray(pictures), np.asarray(labels)
    names = names[:, 0] if names.ndim == 2 and names.shape[1] == 1 else names
    if rows.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"source: pictures of {rows.dtype}; expected uint8 (0 to 255) or uint16 (0 to 65535)")
    if rows.ndim not in (3, 4) or (rows.ndim == 4 and rows.shape[3] not in (1, 3, 4)) or 0 in rows.shape[1:]:
        raise ValueError(f"source: pictures of shape {rows.shape}; expected (n, h, w), or (n, h, w, channels) with 1, 3 or 4 channels")
    if names.shape != rows.shape[:1]:
        raise ValueError(f"source: labels of shape {names.shape} for {len(rows)} pictures; expected one each, an index or a name")
    if not len(rows):
        raise PlanError("no pictures are given")
    if names.dtype.kind in "iu":
        if int(names.min()) < 0 or int(names.max()) >= 1_000_000:
            raise ValueError(f"source: labels from {names.min()} to {names.max()}; expected indices of classes, from 0, or names")
        classes = [str(i) for i in range(int(names.max()) + 1)]
    elif names.dtype.kind in "UO" and all(isinstance(name, str) for name in names.tolist()):
        classes = sorted(Counter(names.tolist()))
    else:
        raise ValueError(f"source: labels of {names.dtype}; expected whole numbers (indices of classes) or names")
    sources = [Source(f"picture {i}", f"{label}/{i}.png", label, label) for i, label in enumerate(map(str, names.tolist()))]
    return rows, sources, classes


def _blue_first(image: Array) -> Array:
    """A row of the caller's as ``decode`` would give it, alpha laid on white."""
    if image.ndim == 2 or image.shape[2] == 1:
        return np.ascontiguousarray(image.reshape(image.shape[:2]))
    return on_white(np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]]))
