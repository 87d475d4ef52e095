"""One copy in words: what it drew, in the order in which it is applied, and what comes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from augx.annotations.base import Layout
from augx.decode import MAX_PIXELS
from augx.draws import CopyParams, Draws, relabelled
from augx.errors import CopyError, SourceError, printable
from augx.made import renamings
from augx.matrices import inverse
from augx.planning import planned_format
from augx.recipe import Recipe, recipes
from augx.recorded import load_recorded, picture_format
from augx.rejection import final_draws
from augx.review.marking import Marking
from augx.review.recorded import RecordedCopy
from augx.rows import Row
from augx.sample import Sample
from augx.sections import Mix, leaves
from augx.sources import Source, load
from augx.spec import Spec
from augx.transforms import Geometric, Tone
from augx.warp import is_window
from augx.writers import FORMATS

Array = np.ndarray[Any, Any]
_LEVELS = 9
_SECTIONS = {"warp": "geometry", "tone": "levels", "then": "pixel steps"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one place of the spec gave this copy: its numbers, or None where it is off."""

    section: str
    place: str
    params: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of the numbers.

    ``matrix`` (3, 3) takes a pixel (x, y, 1) of the source to the copy, y down, None where fields bend it or nothing moves;
    ``border`` is the share of the copy that lies beyond the source; ``tables`` hold a row of new levels for each of one or
    three channels (red, green, blue), or None.
    """

    resamples: int
    matrix: Array | None
    fields: int
    border: float
    tables: Array | None

    def as_json(self) -> dict[str, Any]:
        """JSON-plain."""
        arrays = {name: None if (found := getattr(self, name)) is None else found.tolist() for name in ("matrix", "tables")}
        return {"resamples": self.resamples, "fields": self.fields, "border": self.border, **arrays}


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a source's targets: how many objects of each category were kept and dropped, and the masks that moved along.

    An object is dropped where a copy shows less of it than ``min_visibility``. ``kept`` has the categories as on the copy.
    """

    kept: dict[str, int]
    dropped: dict[str, int]
    min_visibility: float
    masks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON-plain."""
        return {"kept": self.kept, "dropped": self.dropped, "min_visibility": self.min_visibility, "masks": list(self.masks)}

    def lines(self) -> list[str]:
        """For a terminal."""
        kept, dropped = sum(self.kept.values()), sum(self.dropped.values())
        lines = []
        if kept or dropped or not self.masks:
            why = f"less than {100 * self.min_visibility:g} % to be seen" if self.min_visibility else "nothing to be seen"
            lines.append(f"{_count(kept + dropped, 'object')}" + (f", {dropped} dropped ({why})" if dropped else ""))
            for what, found in (("on the copy", self.kept), ("dropped", self.dropped)):
                if found:
                    lines.append(f"{what}: " + ", ".join(f"{n} {printable(category)}" for category, n in found.items()))
        if self.masks:
            lines.append(f"{_count(len(self.masks), 'mask')}, moved the same way: " + ", ".join(map(printable, self.masks)))
        return [f"  {line}" for line in lines]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything decided for one copy; ``chains`` are what a mix blends with it: weights, and what comes of each.

    ``targets`` is what became of an annotated source's; None where it has none.
    """

    file: str
    source: str
    copy: int
    label: str
    seed: int
    spec_hash: str
    size: tuple[int, int]
    copy_size: tuple[int, int]
    drawn: tuple[Drawn, ...]
    border_mode: str
    outcome: Outcome
    chains: tuple[tuple[float, Outcome], ...]
    targets: Followed | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON-plain."""
        names = ("file", "source", "copy", "label", "seed", "spec_hash")
        steps = [{"section": step.section, "place": step.place, "params": step.params} for step in self.drawn]
        chains = [{"weight": weight, **outcome.as_json()} for weight, outcome in self.chains]
        sizes = {"size": list(self.size), "copy_size": list(self.copy_size)}
        targets = {"targets": self.targets.as_json()} if self.targets is not None else {}
        plain = {name: getattr(self, name) for name in names} | sizes | {"drawn": steps} | self.outcome.as_json()
        return plain | {"chains": chains} | targets

    def as_text(self) -> str:
        """For a terminal."""
        label = f" (class {printable(self.label)})" if self.label else ""
        lines = [f"copy {self.copy} of {printable(self.source)}: {printable(self.file)}{label}"]
        lines += [f"seed {self.seed}, spec {self.spec_hash[:12]}", "source {}x{}, copy {}x{}".format(*self.size, *self.copy_size)]
        for section, what in _SECTIONS.items():
            steps = [step for step in self.drawn if step.section == section]
            if steps or (section == "warp" and self.outcome.resamples):
                lines += ["", f"{section} ({what})", *_listed(steps), *self._of(section)]
        if self.targets is not None:
            lines += ["", "targets", *self.targets.lines()]
        return "\n".join(lines) + "\n"

    def _of(self, section: str) -> list[str]:
        if section == "warp":
            lines = [f"  = {self._moved(self.outcome)}"]
            if self.outcome.matrix is not None:
                lines.append("  matrix, source to copy:")
                lines += ["    " + "".join(f"{value:>12.6g}" for value in row) for row in self.outcome.matrix.tolist()]
            return lines
        tables = self.outcome.tables
        if section == "tone" and tables is not None:
            at = np.linspace(0, tables.shape[1] - 1, _LEVELS).round().astype(int)
            names = ("",) if len(tables) == 1 else ("red", "green", "blue")
            rows = [("levels", at), *((f"become {name}".rstrip(), row[at]) for name, row in zip(names, tables, strict=True))]
            return ["  = 1 look-up", *(f"    {name:<12}" + "".join(f"{value:>7}" for value in row.tolist()) for name, row in rows)]
        if section == "tone":
            return ["  = no look-up"]
        lines = []
        for i, (weight, chain) in enumerate(self.chains, 1):
            lines.append(f"  chain {i}: weight {weight:g}; {self._moved(chain)}; {'1' if chain.tables is not None else 'no'} look-up")
        return lines

    def _moved(self, outcome: Outcome) -> str:
        bent = f", through {outcome.fields} displacement field{'s' * (outcome.fields > 1)}" if outcome.fields else ""
        times = f"{outcome.resamples} resample{'s' * (outcome.resamples != 1)}"
        return f"{times}{bent}; {outcome.border:.1%} of the copy is border ({self.border_mode})"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _listed(steps: list[Drawn]) -> list[str]:
    width = max((len(step.place) for step in steps), default=0)
    return [f"  {step.place:<{width}}  {'off' if step.params is None else _spelled(step.params)}".rstrip() for step in steps]


def _spelled(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()) or "on"


def explain_copy(source: Source, spec: Spec, copy: int, *, max_pixels: int = MAX_PIXELS, layout: Layout | None = None) -> Explanation:
    """What ``augx generate`` does for one copy of a source, and, with the set's ``layout``, for its targets.

    Raises ``SourceError`` for a picture or for targets that can't be read.
    """
    row = Row(source, copy + 1, planned_format(source, spec))
    sample = load(source, max_pixels, flat=not FORMATS[row.format].alpha)
    own = spec.of_class(source.label)
    draws = final_draws(own, sample, range(copy, copy + 1))
    (label,) = relabelled(own, source.label, draws)
    file = "/".join(filter(None, (row.folder(label), row.file_name(copy, label))))
    return _explained(file, source, spec, copy, draws, sample, layout)


def explain_recorded(found: RecordedCopy, *, max_pixels: int = MAX_PIXELS) -> Explanation:
    """What was done for a copy in its set: the numbers of its manifest line. Raises ``SourceError`` also where its source has changed."""
    fields, source = found.fields, found.source
    sample = load_recorded(source, fields, max_pixels, flat=found.set.flat(picture_format(fields["file"])))
    params: CopyParams = fields["params"]
    try:
        return _explained(fields["file"], source, found.set.spec, fields["copy"], Draws.replayed([params]), sample, found.set.layout)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise SourceError(f"the numbers in its line are not such as this spec draws ({type(error).__name__}: {error})") from None


def _explained(file: str, source: Source, spec: Spec, copy: int, draws: Draws, sample: Sample, layout: Layout | None) -> Explanation:
    own = spec.of_class(source.label)
    (recipe,) = recipes(own, draws, sample)
    if recipe.size == (0, 0):
        raise CopyError(f"copy {copy} can't be made: its transforms under warp shrink or stretch it beyond what can be undone")
    (label,) = relabelled(own, source.label, draws)
    return Explanation(
        file=file,
        source=source.where,
        copy=copy,
        label=label,
        seed=spec.seed,
        spec_hash=spec.hash,
        size=recipe.source,
        copy_size=recipe.size,
        drawn=tuple(_drawn(own, draws)),
        border_mode=recipe.canvas.border,
        outcome=_outcome(recipe, sample.image.image),
        chains=tuple((weight, _outcome(chain, sample.image.image)) for weight, chain in recipe.mix),
        targets=_followed(own, draws, sample, recipe, layout),
    )


def _followed(spec: Spec, draws: Draws, sample: Sample, recipe: Recipe, layout: Layout | None) -> Followed | None:
    if layout is None or not (layout.annotated or sample.masks):
        return None
    kept: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    (renamed,) = renamings(spec, sample, draws)
    marking = Marking(layout)
    for one in sample.instances:  # one by one, or nothing would say which was dropped
        moved = marking.of_copy(spec, replace(sample, instances=(one,), masks=()), recipe, renamed)
        if moved is not None and moved.instances:
            kept[moved.instances[0].category] += 1
        else:
            dropped[one.category] += 1
    return Followed(dict(kept), dict(dropped), spec.targets.min_visibility, tuple(mask.name for mask in sample.masks))


def _outcome(recipe: Recipe, image: Array) -> Outcome:
    sampling, table = recipe.sampling, recipe.table
    if sampling is None:
        moved = (0, None, 0, 0.0)
    else:
        matrix = inverse(sampling.matrix[None])[0] if not sampling.fields else None
        resamples = int(not is_window(sampling, image, recipe.size))
        moved = (resamples, matrix, len(sampling.fields), sampling.beyond(recipe.source, recipe.size, 256))
    return Outcome(*moved, None if table is None or isinstance(table, tuple) else np.asarray(table))


def _drawn(spec: Spec, draws: Draws) -> list[Drawn]:
    """Every place in the order applied; of a policy, which has many, only what this copy drew."""
    plain = draws.plain[0]
    mixes = [(place, node) for place, node in spec.nodes if isinstance(node, Mix)]
    found = []
    for place, transform in (*leaves(spec.nodes), *leaves([node for where, mix in mixes for node in mix.placed(where)])):
        section = "warp" if isinstance(transform, Geometric) else "tone" if isinstance(transform, Tone) else "then"
        if place in plain or not place.startswith("policy"):
            found.append(Drawn(section, place, plain.get(place)))
    return found + [Drawn("then", place, plain.get(place)) for place, _ in mixes]
