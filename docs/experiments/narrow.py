"""Half as wide as small-cnn, 0.1 million weights: ``augx experiment --model docs/experiments/narrow.py:build``."""

from augx.experiment.models import small_cnn


def build(shape, classes):
    """A model for pictures of ``shape`` (height, width, 3)."""
    return small_cnn(shape[0], classes, filters=(16, 32, 64, 128))
