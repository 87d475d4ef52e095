"""The targets of pictures that are looked at: a source's, those of a copy that is only shown, and those of a copy on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2

from augx.annotations.base import Layout
from augx.decode import MAX_PIXELS
from augx.errors import SourceError
from augx.made import of_plain, targets_of
from augx.masks import read_mask
from augx.recipe import Recipe
from augx.review.marks import Colour, Marks, colour_of, marked
from augx.review.sheet import Array, thumbnail
from augx.sample import Mask, Sample
from augx.sections import leaves
from augx.spec import Spec
from augx.targets import move_mask
from augx.warp import Levels


@dataclass(frozen=True)
class Marking:
    """How the targets of a set's pictures are shown; without a ``layout`` there are none."""

    layout: Layout | None = None

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Each category's place among the set's: what its colour goes by."""
        return {category.name: i for i, category in enumerate(self.layout.categories if self.layout is not None else ())}

    def thumbnail(self, image: Array, marks: Marks | None) -> Array:
        """The picture small, with what is marked on it."""
        small = thumbnail(image)
        return small if marks is None else marked(small, marks, self.places)

    def of_source(self, sample: Sample) -> Marks | None:
        """The targets as they are on the source."""
        return None if self.layout is None else Marks(sample.image.size, sample.instances, sample.masks)

    def of_copy(self, spec: Spec, sample: Sample, recipe: Recipe, renamed: Mapping[str, str]) -> Marks | None:
        """The targets such as ``augx generate`` writes them for a copy. Raises ``SourceError`` where it can't."""
        if self.layout is None or recipe.size == (0, 0):
            return None
        try:
            made = targets_of(self.layout, f"{self.layout.pictures}/copy.png", replace(sample, masks=()), recipe, spec.targets, renamed)
            masks = [Mask(one.name, Levels(move_mask(recipe, one, spec.targets.mask_border)), one.palette) for one in sample.masks]
        except (SourceError, ValueError, cv2.error) as error:
            raise SourceError(f"its targets can't be moved: {error}") from None
        return Marks(recipe.size, tuple(map(of_plain, made.fields.get("objects", ()))), tuple(masks))

    def of_line(self, fields: Mapping[str, Any], root: str, max_pixels: int = MAX_PIXELS) -> Marks | None:
        """The targets of a copy in its set, by its manifest line and the masks beside it. Raises ``SourceError``.

        Those of a packed copy are without masks, which are in its shard.
        """
        if self.layout is None:
            return None
        beside = fields.get("beside", ()) if "in" not in fields else ()
        pictures = [part["file"] for part in beside if os.path.splitext(part["file"])[1] == ".png"]
        masks = tuple(read_mask(place.partition("/")[0], os.path.join(root, place), max_pixels) for place in pictures)
        try:
            size = int(fields["width"]), int(fields["height"])
            return Marks(size, tuple(map(of_plain, fields.get("objects", ()))), masks)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(f"its line in the manifest holds no such objects as augx writes ({type(error).__name__})") from None

    def legend(self, spec: Spec, sample: Sample) -> dict[str, Colour]:
        """The categories on a source, and what the spec makes of them, each with its colour."""
        names = [one.category for one in sample.instances] if self.layout is not None else []
        for _, transform in leaves(spec.nodes) if spec.relabels else ():
            names += [becomes for name, becomes in transform.relabel.items() if name in names]
        return {name: colour_of(name, self.places) for name in names}
