"""``bare_loop.py PHOTO OUTPUT COPIES THREADS``: the same copies with cv2 and nothing around it.

Warp, encode, write, on as many threads as augx has, and nothing else: no spec, no reproducible draws, no hash, no record,
no resuming, and a kill leaves half a file. What augx takes longer than this is the price of all that.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

CHUNK = 64


def random_matrices(count: int, width: int, height: int) -> npt.NDArray[np.float64]:
    """``count`` affine matrices with the tutorial's ranges, of shape (count, 2, 3)."""
    random = np.random.default_rng(0)
    angle = np.deg2rad(random.uniform(-30, 30, count))
    zoom = random.uniform(0.85, 1.15, (count, 2))
    shift = random.uniform(-0.2, 0.2, (count, 2)) * (width, height)
    shear = np.tan(np.deg2rad(random.uniform(-0.15, 0.15, count)))
    flip = np.where(random.random(count) < 0.5, -1.0, 1.0)
    one, zero = np.ones(count), np.zeros(count)

    def stack(a: Any, b: Any, c: Any, d: Any) -> npt.NDArray[np.float64]:
        return np.stack([np.stack([a, b], axis=1), np.stack([c, d], axis=1)], axis=1)

    after = stack(flip, zero, zero, one) @ stack(one, -shear, zero, one)
    linear = after @ stack(zoom[:, 0], zero, zero, zoom[:, 1]) @ stack(np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle))
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre - linear @ centre + (after @ shift[:, :, None])[:, :, 0]
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def main() -> None:
    """Read the photo, draw all matrices, then one chunk of copies after the other on each thread."""
    path, output, copies, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    cv2.setNumThreads(1)  # as many threads as cores already: cv2's own would fight over the same ones
    photo = cv2.imread(path)
    if photo is None:
        sys.exit(f"{path}: can't read this photo")
    height, width = photo.shape[:2]
    matrices = random_matrices(copies, width, height)
    os.makedirs(output, exist_ok=True)

    def make(start: int) -> None:
        for i in range(start, min(start + CHUNK, copies)):
            copy = cv2.warpAffine(photo, matrices[i], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            _, data = cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 95])
            with open(f"{output}/copy_{i:06d}.jpg", "wb") as file:
                file.write(data.data)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(make, range(0, copies, CHUNK)))


main()
