"""Displacement fields: draw -> how far from its own place each pixel is read. They join the matrices in the one warp."""

import math
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from augx.distributions import Fixed, Range, Whole
from augx.randomness import words
from augx.ranges import Quantity
from augx.transforms.base import Array, Field2D, Params, noise_seed, register


def _noise(seed: int, shape: tuple[int, ...]) -> Array:
    """Uniform in (-1, 1), float32."""
    return words(seed, math.prod(shape), np.uint16).reshape(shape).astype(np.float32) / np.float32(32767.5) - np.float32(1)


@register
class Elastic(Field2D):
    """Bend the picture like rubber, by a smooth random field.

    Simard et al., "Best practices for convolutional neural networks applied to visual document analysis", ICDAR 2003: uniform
    noise, smoothed by a Gaussian and scaled. Their 4 and 34 pixels for 28x28 digits are a ``sigma`` of 0.14 and a
    ``displacement`` of 0.05 here. The field folds over itself where the displacement is more than about a third of sigma.
    """

    displacement: Annotated[
        Range, Quantity("displacement", "standard deviation along each axis, fraction of the shorter side", 0, 0, 0.3, typical=0.03)
    ] = Field(description="how far pixels move")
    sigma: Annotated[Range, Quantity("sigma", "fraction of the shorter side", 0.1, 0.005, 1, alone="value")] = Field(
        Fixed(0.1), description="standard deviation of the Gaussian, the size of the bumps"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 2])}

    def displaced(self, params: dict[str, Any], size: tuple[int, int], net: tuple[int, int]) -> Array:
        shorter = min(size)
        sigma = params["sigma"] * shorter
        # Three cells to a sigma say all that a Gaussian leaves; in between, cubic interpolation.
        cells = [max(1, min(side, math.ceil(3 * side / sigma))) for side in size]
        deviations = [max(sigma * count / side, 1e-3) for count, side in zip(cells, size, strict=True)]
        margins = [math.ceil(4 * deviation) for deviation in deviations]
        shape = (cells[1] + 2 * margins[1], cells[0] + 2 * margins[0], 2)
        kernels = [cv2.getGaussianKernel(2 * m + 1, d, cv2.CV_32F) for m, d in zip(margins, deviations, strict=True)]
        smooth = cv2.sepFilter2D(_noise(params["seed"], shape), -1, kernels[0], kernels[1], borderType=cv2.BORDER_REPLICATE)
        inner = smooth[margins[1] : margins[1] + cells[1], margins[0] : margins[0] + cells[0]]
        # Of uniform noise in (-1, 1), which has a variance of 1/3, each smoothing leaves the sum of its squared weights.
        left = math.sqrt(math.prod(float((kernel**2).sum()) for kernel in kernels) / 3)
        return cv2.resize(inner * np.float32(params["displacement"] * shorter / left), net, interpolation=cv2.INTER_CUBIC)


@register
class GridDistortion(Field2D):
    """Shake the nodes of a grid and stretch what lies between; the picture's rim stays on the rim.

    The grid of Albumentations' GridDistortion, with nodes that move in both directions.
    """

    distortion: Annotated[Range, Quantity("distortion", "fraction of a cell", 0, 0, 0.45, typical=0.3)] = Field(
        description="how far a node moves at most"
    )
    cells: Annotated[Range, Quantity("cells", "cells along each side", 5, 1, 50, whole=True, alone="value")] = Field(
        Whole(Fixed(5.0)), description="fineness of the grid"
    )

    def draw(self, u: Array) -> Params:
        return {**super().draw(u), "seed": noise_seed(u[:, 2])}

    def displaced(self, params: dict[str, Any], size: tuple[int, int], net: tuple[int, int]) -> Array:
        cells = params["cells"]
        nodes = _noise(params["seed"], (cells + 1, cells + 1, 2)) * np.float32(params["distortion"] / cells) * np.array(size, np.float32)
        nodes[:, [0, -1], 0] = 0
        nodes[[0, -1], :, 1] = 0
        # Along x on the few rows of nodes; then along y, cell by cell.
        left, share = _cells(cells, net[0])
        rows = (nodes[:, left] * (1 - share)[:, None] + nodes[:, left + 1] * share[:, None]).reshape(cells + 1, -1)
        field = np.empty((net[1], 2 * net[0]), np.float32)
        top, share = _cells(cells, net[1])
        edges = np.searchsorted(top, range(cells + 1))
        for cell, inside in enumerate(map(slice, edges[:-1], edges[1:])):
            np.multiply(rows[cell + 1] - rows[cell], share[inside, None], out=field[inside])
            field[inside] += rows[cell]
        return field.reshape(net[1], net[0], 2)


def _cells(cells: int, points: int) -> tuple[Array, Array]:
    """For each of some points spread over a side, the cell that it lies in, and how far across it."""
    place = (np.arange(points, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / points)
    index = np.minimum(place.astype(int), cells - 1)
    return index, place - index.astype(np.float32)
