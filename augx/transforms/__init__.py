"""The name table of transforms. To add one, write its class into its family's file; nothing else."""

from augx.transforms import blur, colour, contrast, damage, fields, geometric, light, noise, tone, weather
from augx.transforms.base import REGISTRY, Field2D, Geometric, Pixel, Tone, Transform

FAMILIES = (geometric, fields, tone, colour, noise, blur, damage, contrast, weather, light)
TRANSFORMS = {name: cls for family in FAMILIES for name, cls in REGISTRY.items() if cls.__module__ == family.__name__}

__all__ = ["FAMILIES", "TRANSFORMS", "Field2D", "Geometric", "Pixel", "Tone", "Transform"]
