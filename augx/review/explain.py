"""One copy in words: what it drew, in the order in which it is applied, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augx.decode import MAX_PIXELS
from augx.draws import Draws, draw, relabelled
from augx.errors import CopyError, printable
from augx.matrices import inverse
from augx.plan import planned_format
from augx.recipe import Recipe, recipes
from augx.rows import Row
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
class Explanation:
    """Everything decided for one copy.

    ``matrix`` (3, 3) takes a pixel (x, y, 1) of the source to the copy, y down, None where fields bend it or nothing moves;
    ``tables`` hold a row of new levels for each of one or three channels (red, green, blue); ``border`` is the share of the
    copy that lies beyond the source; ``chains`` are the weights of a mix's chains.
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
    resamples: int
    matrix: Array | None
    fields: int
    border_mode: str
    border: float
    tables: Array | None
    chains: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON-plain."""
        names = ("file", "source", "copy", "label", "seed", "spec_hash", "resamples", "fields", "border")
        arrays = {name: None if (found := getattr(self, name)) is None else found.tolist() for name in ("matrix", "tables")}
        steps = [{"section": step.section, "place": step.place, "params": step.params} for step in self.drawn]
        sizes = {"size": list(self.size), "copy_size": list(self.copy_size), "chains": list(self.chains)}
        return {name: getattr(self, name) for name in names} | sizes | {"drawn": steps} | arrays

    def as_text(self) -> str:
        """For a terminal."""
        lines = [
            f"copy {self.copy} of {printable(self.source)}: {printable(self.file)}" + f" (class {printable(self.label)})" * bool(self.label)
        ]
        lines += [f"seed {self.seed}, spec {self.spec_hash[:12]}", "source {}x{}, copy {}x{}".format(*self.size, *self.copy_size)]
        for section in _SECTIONS:
            steps = [step for step in self.drawn if step.section == section]
            if steps or (section == "warp" and self.resamples):
                lines += ["", f"{section} ({_SECTIONS[section]})", *_listed(steps), *self._outcome(section)]
        return "\n".join(lines) + "\n"

    def _outcome(self, section: str) -> list[str]:
        if section == "warp":
            way = f"{self.resamples} resample{'s' * (self.resamples != 1)}" + " a picture that is blended" * bool(self.chains)
            bent = f", through {self.fields} displacement field{'s' * (self.fields > 1)}" if self.fields else ""
            moved = [f"  = {way}{bent}; {self.border:.1%} of the copy is border ({self.border_mode})"]
            if self.matrix is not None:
                moved.append("  matrix, source to copy:")
                moved += ["    " + "".join(f"{value:>12.6g}" for value in row) for row in self.matrix.tolist()]
            return moved
        if section == "tone" and self.tables is not None:
            at = np.linspace(0, self.tables.shape[1] - 1, _LEVELS).round().astype(int)
            names = ("",) if len(self.tables) == 1 else ("red", "green", "blue")
            rows = [("levels", at), *((f"become {name}".rstrip(), row[at]) for name, row in zip(names, self.tables, strict=True))]
            return ["  = 1 look-up", *(f"    {name:<12}" + "".join(f"{value:>7}" for value in row.tolist()) for name, row in rows)]
        if section == "tone":
            return ["  = no look-up"]
        return [f"  blended with {len(self.chains)} chains, weights " + ", ".join(f"{w:g}" for w in self.chains)] * bool(self.chains)


def _listed(steps: list[Drawn]) -> list[str]:
    width = max((len(step.place) for step in steps), default=0)
    return [f"  {step.place:<{width}}  {'off' if step.params is None else _spelled(step.params)}".rstrip() for step in steps]


def _spelled(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()) or "on"


def explain_copy(source: Source, spec: Spec, copy: int, *, max_pixels: int = MAX_PIXELS) -> Explanation:
    """What ``augx generate`` does for one copy of a source. Raises ``SourceError`` for a picture that can't be read."""
    row = Row(source, copy + 1, planned_format(source, spec))
    sample = load(source, max_pixels, flat=not FORMATS[row.format].alpha)
    own = spec.of_class(source.label)
    draws = draw(own, sample.key, range(copy, copy + 1))
    (recipe,) = recipes(own, draws, sample)
    if recipe.size == (0, 0):
        raise CopyError(f"copy {copy} can't be made: its transforms under warp shrink or stretch it beyond what can be undone")
    (label,) = relabelled(own, source.label, draws)
    sampling = recipe.sampling
    moved = sampling is not None and not is_window(sampling, sample.image.image, recipe.size)
    straight = sampling is not None and not sampling.fields
    return Explanation(
        file="/".join(filter(None, (row.folder(label), row.file_name(copy, label)))),
        source=source.path,
        copy=copy,
        label=label,
        seed=spec.seed,
        spec_hash=spec.hash,
        size=recipe.source,
        copy_size=recipe.size,
        drawn=tuple(_drawn(own, draws)),
        resamples=int(moved),
        matrix=inverse(sampling.matrix[None])[0] if sampling is not None and straight else None,
        fields=len(sampling.fields) if sampling is not None else 0,
        border_mode=recipe.canvas.border,
        border=sampling.beyond(recipe.source, recipe.size, 256) if sampling is not None else 0.0,
        tables=_levels(recipe),
        chains=tuple(weight for weight, _ in recipe.mix),
    )


def _levels(recipe: Recipe) -> Array | None:
    return None if recipe.table is None or isinstance(recipe.table, tuple) else np.asarray(recipe.table)


def _drawn(spec: Spec, draws: Draws) -> list[Drawn]:
    """Every place in the order applied; of a policy, which has many, only what this copy drew."""
    plain = draws.plain[0]
    nodes = [node for place, mix in spec.nodes if isinstance(mix, Mix) for node in mix.placed(place)]
    found = []
    for place, transform in (*leaves(spec.nodes), *leaves(nodes)):
        section = "warp" if isinstance(transform, Geometric) else "tone" if isinstance(transform, Tone) else "then"
        if place in plain or not place.startswith("policy"):
            found.append(Drawn(section, place, plain.get(place)))
    return found
