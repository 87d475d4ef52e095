"""The name table of transforms. To add one, write its class into its family's file; nothing else."""

from augx.transforms import geometric, pixel, tone
from augx.transforms.base import REGISTRY as TRANSFORMS
from augx.transforms.base import Geometric, Pixel, Tone, Transform

__all__ = ["TRANSFORMS", "Geometric", "Pixel", "Tone", "Transform", "geometric", "pixel", "tone"]
