"""The contract of a transform, and the register of all of them.

A transform is a frozen pydantic model whose fields are its YAML keys. It never sees a random generator: it gets a
matrix of uniforms, one row a copy, and returns plain numbers; what it then does with them is deterministic.

This file and the families do without ``from __future__ import annotations``: pydantic would have to read every annotation of
all these classes from text at each start.
"""

import re
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from augx.ranges import FORMS, Quantity, fault, shown

Array = np.ndarray[Any, Any]
Params = dict[str, Array]
"""Drawn values by name: one array of n values each, for n copies."""

Probability = Annotated[float, Field(strict=True, ge=0, le=1)]


def _one_folder(label: str) -> str:
    try:
        size = len(label.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        size = 0
    plain = 0 < size <= 255 and label.isprintable() and "/" not in label and not label.startswith(".")
    if not plain or label in ("manifest.jsonl", "run.json"):
        raise fault(f"a label is the name of one folder, found {shown(label)}")
    return label


Label = Annotated[str, AfterValidator(_one_folder)]

MAX_SIDE = 65_500
Side = Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
MAX_PIXELS = 100_000_000
"""Of a copy, as of a source: two sides that are allowed would together take 13 GB a channel."""


def _few_pixels(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > MAX_PIXELS:
        raise fault(f"a copy may have {MAX_PIXELS:,} pixels, found {size[0]}x{size[1]}, {size[0] * size[1]:,}; write a smaller size")
    return size


Size = Annotated[tuple[Side, Side], AfterValidator(_few_pixels)]
"""Width and height in pixels."""

REGISTRY: dict[str, type["Transform"]] = {}

T = TypeVar("T", bound="Transform")


def register(cls: type[T]) -> type[T]:
    """Enter a transform into the name table under its class name in snake case (``ShiftX`` -> ``shift_x``)."""
    cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
    REGISTRY[cls.name] = cls
    return cls


class Node(BaseModel):
    """A mapping of a spec: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Transform(Node):
    """One random change of a picture, applied to each copy with probability ``p``."""

    name: ClassVar[str]
    section: ClassVar[str]
    of_colour: ClassVar[bool] = False
    """It is about red, green and blue: nothing to a grey picture, and refused for one of other channels."""
    targets: ClassVar[Literal["moves", "keeps", "hides"]] = "keeps"
    """What it does to masks, boxes, outlines and keypoints: they move with the picture, stay as they are, or lie behind something."""

    p: Probability = Field(1.0, description="probability that a copy gets this transform at all")
    relabel: dict[Label, Label] = Field({}, description="classes that this turns into others: {left: right, right: left}")

    @classmethod
    def quantities(cls) -> dict[str, Quantity]:
        """The fields that are ranges, in the order of their columns of uniforms."""
        found = ((name, [m for m in f.metadata if isinstance(m, Quantity)]) for name, f in cls.model_fields.items())
        return {name: metadata[0] for name, metadata in found if metadata}

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        return cls.long_form(value)

    @classmethod
    def long_form(cls, value: Any) -> Any:
        """The mapping that a value stands for: ``name: value`` is its first range, or ``p`` where it has no range."""
        main = next(iter(cls.quantities()), "p")
        if isinstance(value, dict) and not (main != "p" and FORMS & value.keys()):
            return value
        if main == "p" and isinstance(value, bool):
            raise fault(f"expected a probability between 0 and 1 (0.5: every other copy), found {shown(value).lower()}")
        return {main: value}

    def draw(self, u: Array) -> Params:
        """Parameters of n copies from uniforms of shape (n, columns), pure and vectorised: each range maps one column."""
        return {q.param: getattr(self, field).quantile(u[:, i]) for i, (field, q) in enumerate(self.quantities().items())}


class Geometric(Transform):
    """A transform of the plane: its matrices join those of its neighbours in one warp."""

    section: ClassVar[str] = "warp"
    targets: ClassVar[Literal["moves", "keeps", "hides"]] = "moves"

    def matrices(self, params: Params, size: Array) -> Array:
        """Matrices (n, 3, 3) that take a pixel (x, y, 1) of a picture to its new place; ``size`` (n, 2) holds width, height."""
        raise NotImplementedError

    def resized(self, params: Params, size: Array) -> Array:
        """Width and height (n, 2) after the transform; turns and crops change them."""
        return size


class Field2D(Geometric):
    """A transform of the plane that no matrix can express: a displacement for each pixel, composed into the one warp."""

    def displaced(self, params: dict[str, Any], size: tuple[int, int], net: tuple[int, int]) -> Array:
        """How far from its own place a picture of width and height ``size`` is read, in its pixels.

        Float32 (rows, columns, 2), x and y, at the middles of a net of ``net`` (columns, rows) equal cells laid over it: one
        a pixel, or fewer for large pictures.
        """
        raise NotImplementedError

    def matrices(self, params: Params, size: Array) -> Array:
        return np.tile(np.eye(3), (len(size), 1, 1))


class Tone(Transform):
    """A transform of the levels alone: its curve joins those of its neighbours in one look-up table."""

    section: ClassVar[str] = "tone"

    def curve(self, x: Array, params: Params) -> Array:
        """New levels of shape (n, channels, levels) for levels ``x``, black 0 and white 1, not clipped; params have shape (n, 1, 1)."""
        raise NotImplementedError


class Pixel(Transform):
    """A transform that no matrix and no table can express: pixels in, new pixels out."""

    section: ClassVar[str] = "then"

    def apply(self, image: Array, params: dict[str, Any]) -> Array:
        """A new picture of the same shape and depth; ``image`` is left as it is.

        It is (h, w) grey, (h, w, 3) blue green red, or (h, w, c) of any other number of channels (unless ``of_colour``);
        uint8, uint16, or float32 with black 0 and white 1. Alpha never comes here.
        """
        raise NotImplementedError

    def hides(self, params: dict[str, Any], size: tuple[int, int]) -> Array | None:
        """Where ``apply`` puts something in front of a picture of width and height ``size``: 1 in (h, w) of uint8, else 0.

        None where nothing is in front. Objects behind it can't be seen; a mask keeps the labels of what lies behind.
        """
        return None


def chosen(u: Array, options: tuple[Any, ...]) -> Array:
    """One of the options for each uniform, all equally likely."""
    picked: Array = np.asarray(options)[np.minimum((u * len(options)).astype(int), len(options) - 1)]
    return picked


def noise_seed(u: Array) -> Array:
    """A seed below 2**48 for each uniform: the noise of a copy is a parameter like any other, and can be made again."""
    return (u * 2.0**48).astype(np.int64)


def white(image: Array) -> float:
    """The brightest level of this depth: 255, 65535, or 1.0 of float32; black is 0."""
    return {"u": 255.0 if image.dtype == np.uint8 else 65535.0, "f": 1.0}[image.dtype.kind]


def as_levels(values: Array, image: Array) -> Array:
    """Float values on the scale of ``image``, clipped to black and white, in its depth; uint8 and uint16 are rounded."""
    if image.dtype.kind == "f":
        return np.clip(values, 0, 1).astype(image.dtype, copy=False)
    rounded: Array = np.rint(np.clip(values, 0, white(image))).astype(image.dtype)
    return rounded
