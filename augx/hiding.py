"""What a copy's erasing steps put in front of its instances."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from augx.annotations import rle
from augx.annotations.outlines import enclosing
from augx.recipe import Recipe
from augx.sample import Instance

Array = np.ndarray[Any, Any]


def covered_by(recipe: Recipe) -> Array | None:
    """Where any step has put something in front, (h, w) of uint8; None where none has."""
    maps = [hidden for step, params in recipe.steps if (hidden := step.hides(params, recipe.size)) is not None]
    return np.bitwise_or.reduce(maps) if maps else None


def behind(instance: Instance, shown: float, covered: Array) -> tuple[Instance, float]:
    """An instance whose covered keypoints are hidden, and the share of it that is still to be seen."""
    keypoints = instance.keypoints
    if keypoints is not None:
        x, y = (np.clip(keypoints[:, k].astype(int), 0, covered.shape[1 - k] - 1) for k in (0, 1))
        hidden = (covered[y, x] > 0) & (keypoints[:, 2] == 2)
        if hidden.any():
            keypoints = keypoints.copy()
            keypoints[hidden, 2] = 1
            instance = replace(instance, keypoints=keypoints)
    box = instance.box if instance.box is not None else enclosing(np.concatenate(instance.polygons)) if instance.polygons else None
    if instance.region is not None:
        inside = rle.decode(instance.region) > 0
        part = covered[inside]
    elif box is not None:
        # The pixels whose middles lie inside, and one at least.
        left, top = (min(max(math.ceil(box[k] - 0.5), 0), covered.shape[1 - k] - 1) for k in (0, 1))
        right, bottom = (max(math.ceil(box[k + 2] - 0.5), start + 1) for k, start in ((0, left), (1, top)))
        part = covered[top:bottom, left:right]
        if instance.polygons:
            outlined: Array = np.zeros(part.shape, np.uint8)
            # OpenCV's pixels have their middles at whole numbers, in eighths here.
            rings = [np.rint((ring - 0.5 - (left, top)) * 8).astype(np.int32) for ring in instance.polygons]
            cv2.fillPoly(outlined, rings, 1, shift=3)
            part = part[outlined > 0]
    else:
        return instance, shown
    return instance, shown * (1 - float(part.mean())) if part.size else shown
