"""What is wrong with a spec, in words: each of pydantic's errors as one line with place, finding, what is allowed, and the nearest."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from augx.errors import printable
from augx.policies import POLICIES
from augx.ranges import shown
from augx.sections import GROUPS, WhenUsed
from augx.transforms import TRANSFORMS
from augx.transforms.base import Node

Location = tuple[str | int, ...]


def worded(name: str, model: Any, positions: Mapping[Location, tuple[int, int]], error: Any) -> str:
    """One pydantic error as one line of ours."""
    path = nearest_position(error["loc"], positions)
    line = "line {}, column {}: ".format(*positions[path]) if path in positions and not name.startswith("--set") else ""
    key = ".".join(map(str, error["loc"])) or "the spec"
    found = error["input"]
    match error["type"]:
        case "extra_forbidden":
            what = _unknown(model, error["loc"])
        case "missing":
            what = "missing"
        case "augx":
            what = error["msg"]
        case "model_type" | "model_attributes_type" | "dict_type":
            what = f"expected a mapping (key: value), found {shown(found)}"
        case "tuple_type" | "list_type":
            what = f"expected a list, each item on a line of its own that begins with a dash, found {shown(found)}"
        case "literal_error":
            expected = error["ctx"]["expected"].replace("'", "")
            what = f"expected {expected}, found {shown(found)}{nearest(str(found), expected.replace(' or ', ', ').split(', '))}"
        case _:
            what = f"{error['msg'].removeprefix('Input ').replace('should be', 'must be')}, found {shown(found)}"
    return f"{printable(name)}: {line}{printable(key)}: {what}"


def nearest_position(loc: Location, positions: Mapping[Location, tuple[int, int]]) -> Location:
    """The part of an error's location that stands in the file: a missing key and a shorthand's own field don't."""
    return next((loc[:n] for n in range(len(loc), 0, -1) if loc[:n] in positions), ())


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at the known word that is most like this one, whatever its case and its dashes, if any is."""
    import difflib

    plain = {_plain(name): name for name in known}
    close = difflib.get_close_matches(_plain(word), list(plain), 1, likeness)
    return f" (did you mean {plain[close[0]]}?)" if close else ""


def known_elsewhere(word: str) -> str | None:
    """The transform that other libraries call so."""
    return _ELSEWHERE.get(_plain(word))


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()


_ELSEWHERE = {
    _plain(other): ours
    for ours, others in {
        "flip_h": "horizontal_flip hflip flip_lr mirror random_horizontal_flip",
        "flip_v": "vertical_flip vflip flip_ud random_vertical_flip",
        "rotate90": "random_rotate_90 rot90",
        "rotate": "rotation rotation_range random_rotation safe_rotate",
        "shift_x": "translate_x width_shift width_shift_range",
        "shift_y": "translate_y height_shift height_shift_range",
        "shear": "shear_x shear_range",
        "zoom": "scale random_scale zoom_range affine",
        "perspective": "random_perspective",
        "crop": "random_crop center_crop",
        "random_resized_crop": "random_sized_crop",
        "elastic": "elastic_transform",
        "gamma": "random_gamma",
        "brightness": "random_brightness random_brightness_contrast brightness_range color_jitter",
        "channel_shift": "rgb_shift channel_shift_range",
        "tone_curve": "random_tone_curve",
        "invert": "invert_img negative",
        "white_balance": "temperature planckian_jitter",
        "hsv": "hue hue_saturation_value hue_saturation",
        "saturation": "color",
        "grayscale": "to_gray gray greyscale random_grayscale",
        "sepia": "to_sepia",
        "noise": "gauss_noise gaussian_noise additive_noise",
        "salt_pepper": "salt_and_pepper s&p",
        "shot": "shot_noise poisson poisson_noise",
        "speckle": "multiplicative_noise",
        "iso": "iso_noise",
        "blur": "gaussian_blur gauss_blur",
        "median": "median_blur",
        "sharpen": "sharpness random_adjust_sharpness unsharp_mask",
        "jpeg": "image_compression jpeg_compression",
        "downscale": "pixelate pixelation",
        "erase": "random_erasing",
        "cutout": "coarse_dropout",
        "grid_dropout": "grid_mask",
        "fog": "random_fog",
        "rain": "random_rain",
        "snow": "random_snow",
        "shadow": "random_shadow",
        "sun_flare": "random_sun_flare",
    }.items()
    for other in others.split()
}


_SETTINGS_ELSEWHERE = {
    "fillmode paddingmode bordermode": "here it is called border, and belongs under warp",
    "cval fill bordervalue": "here it is called border_value, and belongs under warp",
    "interpolationorder resample": "here it is called interpolation, and belongs under warp",
    "rescale normalize normalise mean std totensor totensorv2 samplewisecenter featurewisecenter samplewisestdnormalization "
    "featurewisestdnormalization zcawhitening preprocessingfunction": "copies stay ordinary pictures: scale and normalise in training",
    "targetsize imagesize resize": "the size of copies is output: {size: [width, height]}",
    "validationsplit": "split the sources before expanding, so that no copies leak",
    "batchsize epochs": "that is a matter of training",
}
"""What other libraries' settings are called here, or where they belong."""


def _unknown(model: Any, path: Location) -> str:
    """What to say of a key that is not one: where it belongs, what it may have been meant for, or what is allowed."""
    last, above = str(path[-1]), path[:-1]
    place = "policy" if last in POLICIES else TRANSFORMS[last].section if last in TRANSFORMS else None
    if place is not None and place not in path:
        return f"unknown key here; {last} belongs under {place}: `augx transforms {last}` shows how"
    if last in GROUPS and above and above[-1] in ("warp", "tone"):
        return f"unknown key here; choices stand in a list: write steps: [{{{last}: [...]}}] under {above[-1]}"
    if last in ("p", "relabel") and above and above[-1] in ("warp", "tone"):
        return f"unknown key here; {last} belongs to a single transform: rotate: {{range: 30, {last}: ...}}"
    allowed = _allowed(model, above)
    other = next((text for names, text in _SETTINGS_ELSEWHERE.items() if _plain(last) in names.split()), None)
    if other is not None and last not in allowed:
        return f"unknown key; {other}"
    ours = known_elsewhere(last)
    if ours is not None:
        under = TRANSFORMS[ours].section
        return f"unknown key; here it is called {ours}" + ("" if ours in allowed else f", and belongs under {under}")
    if _plain(last) in ("uniform", "loguniform", "gaussian", "min", "max"):
        return "unknown key; a distribution stands in a number's place: [low, high], {log_uniform: [low, high]}, {normal: [mean, sd]}"
    hint = nearest(last, allowed)
    if len(allowed) > 12 and hint:
        return f"unknown key{hint}; `augx transforms` lists what there is"
    return f"unknown key{hint}; allowed: {', '.join(allowed)}"


def _allowed(model: Any, path: Location) -> list[str]:
    """The keys of the model at this place of a spec."""
    if path[:1] == ("classes",) and len(path) > 2:
        path = path[2:]  # a class' sections are the spec's own
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part]) or model
    common = [name for name in ("p", "relabel") if name in model.model_fields]
    return [name for name in model.model_fields if name not in common] + common


def _model_in(annotation: Any) -> Any:
    """The model in a field or in its annotation, if there is one."""
    if isinstance(annotation, FieldInfo):
        return next((m.model for m in annotation.metadata if isinstance(m, WhenUsed)), None) or _model_in(annotation.annotation)
    if isinstance(annotation, WhenUsed):
        return annotation.model
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) and issubclass(annotation, Node):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
