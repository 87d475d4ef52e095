"""``augmentor_pipeline.py PHOTO OUTPUT COPIES``: an Augmentor pipeline with what it has of the tutorial's transforms.

It has no shifts, rotates by 25 degrees at most, and shears by whole degrees, so it does less than the others. It works on
folders: the photo is put into one of its own. Its JPEGs have Pillow's default quality of 75.
"""

from __future__ import annotations

import os
import shutil
import sys

import Augmentor  # type: ignore[import-untyped,import-not-found,unused-ignore]

photo, output, copies = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = os.path.join(output, "source")
os.makedirs(source)
shutil.copy(photo, os.path.join(source, "photo.jpeg"))
pipeline = Augmentor.Pipeline(source, os.path.abspath(output), save_format="jpg")
pipeline.rotate(probability=1, max_left_rotation=25, max_right_rotation=25)
pipeline.shear(probability=1, max_shear_left=1, max_shear_right=1)
pipeline.zoom_random(probability=1, percentage_area=0.85)
pipeline.flip_left_right(probability=0.5)
pipeline.sample(copies, multi_threaded=True)
