"""``albumentations_loop.py PHOTO OUTPUT COPIES PROCESSES``: Albumentations and cv2 in a plain loop, or one in each process of a pool."""

from __future__ import annotations

import multiprocessing
import os
import sys
from functools import partial

import albumentations  # type: ignore[import-untyped,import-not-found,unused-ignore]
import cv2


def make(copies: range, photo: str, output: str, threads: int | None = None) -> None:
    """Read the photo once and make these copies of it."""
    if threads is not None:
        cv2.setNumThreads(threads)
    image = cv2.imread(photo)
    transform = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Affine(
                rotate=(-30, 30),
                scale={"x": (0.85, 1.15), "y": (0.85, 1.15)},
                translate_percent={"x": (-0.2, 0.2), "y": (-0.2, 0.2)},
                shear=(-0.15, 0.15),
                border_mode=cv2.BORDER_REPLICATE,
                p=1,
            ),
        ]
    )
    for i in copies:
        cv2.imwrite(f"{output}/copy_{i:06d}.jpg", transform(image=image)["image"], [cv2.IMWRITE_JPEG_QUALITY, 95])


if __name__ == "__main__":
    photo, output, copies, processes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    os.makedirs(output, exist_ok=True)
    if processes == 1:
        make(range(copies), photo, output)
    else:
        # Forked children need not import everything again, the best that a pool can do.
        context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
        shares = [range(copies * i // processes, copies * (i + 1) // processes) for i in range(processes)]
        with context.Pool(processes) as pool:
            pool.map(partial(make, photo=photo, output=output, threads=1), shares, chunksize=1)
