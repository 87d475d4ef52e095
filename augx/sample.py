"""A source picture in memory with its targets, ready for its copies to be made.

Annotations have one convention, whatever the file that they come from: x to the right, y down, in pixels, from the left upper
corner of the picture. Pixel i covers i to i + 1, so the picture's right edge is its width, and pixel i's middle is i + 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augx.warp import Levels

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One object on a picture: its category, and where it is, as exactly as its file says.

    ``polygons`` are outlines (n, 2); ``oriented`` says that the only one has four corners and is a box at an angle.
    ``keypoints`` (n, 3) hold x, y and COCO's visibility: 0 not labelled (x and y are 0), 1 hidden, 2 visible. ``region`` is a
    run-length mask of the picture's size, as COCO has it: {"size": [h, w], "counts": "..."}, compressed. ``box`` stands by
    itself or is what encloses the others. ``extra`` are JSON-plain fields that are carried along.
    """

    category: str
    box: Box | None = None
    polygons: tuple[Array, ...] = ()
    oriented: bool = False
    keypoints: Array | None = None
    region: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mask:
    """A picture of labels: (h, w) or (h, w, c) in ``levels``, uint8 or uint16; ``palette`` is a PNG's PLTE and tRNS, kept.

    ``name`` is the folder that it goes to.
    """

    name: str
    levels: Levels
    palette: tuple[bytes, bytes] = (b"", b"")


@dataclass(frozen=True, slots=True)
class Sample:
    """One decoded source: ``key`` (its stable name), its picture, the SHA-256 of the bytes that it came from, and its targets.

    The picture is (h, w) grey, (h, w, 3) blue green red or (h, w, 4) with alpha, or (h, w, c) of any other number of channels;
    uint8, uint16 or float32 (black 0, white 1); upright. ``clipped`` counts instances that reached beyond it.
    """

    key: str
    sha256: str
    image: Levels
    instances: tuple[Instance, ...] = ()
    masks: tuple[Mask, ...] = ()
    clipped: int = 0
