"""``keras_tutorial.py PHOTO OUTPUT COPIES``: the classic tutorial's script, with the ImageDataGenerator that it was written for.

Keras' own part of the tutorial is a package of its own, so no TensorFlow has to start, which makes this peer faster than
the tutorial is. Its JPEGs have Pillow's default quality of 75, as the tutorial's have.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from keras_preprocessing.image import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
    ImageDataGenerator,
    img_to_array,
    load_img,
)

photo, output, copies = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(output, exist_ok=True)
image = np.expand_dims(img_to_array(load_img(photo)), axis=0)
generator = ImageDataGenerator(
    rotation_range=30,
    zoom_range=0.15,
    width_shift_range=0.2,
    height_shift_range=0.2,
    shear_range=0.15,
    horizontal_flip=True,
    fill_mode="nearest",
)
made = generator.flow(image, batch_size=1, save_to_dir=output, save_prefix="image", save_format="jpg")
for _ in range(copies):
    next(made)
