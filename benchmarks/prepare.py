"""``prepare.py SOURCE FOLDER WIDTHxHEIGHT...``: put the photo there as WIDTHxHEIGHT.jpg, and print what it was made with.

A process of its own, so that the one that measures stays small: a child's peak memory counts from its parent's.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

source, folder, *sizes = sys.argv[1:]
photo = cv2.imread(source)
if photo is None:
    sys.exit(f"{source}: can't read this photo")
for size in sizes:
    width, height = map(int, size.split("x"))
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    if not cv2.imwrite(f"{folder}/{size}.jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        sys.exit(f"{folder}: can't write {size}.jpg")
print(f"OpenCV {cv2.__version__}, NumPy {np.__version__}")
