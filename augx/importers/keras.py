"""Keras' ImageDataGenerator -> a spec.

What is followed is what Keras 2.9 and later document, without two of their faults: shifts go the way that they are named
after, and pictures that are not square turn about their own centre.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from augx.errors import SpecError, printable
from augx.importers.base import Imported
from augx.importers.generator_call import read
from augx.importers.settings import Settings, finite, natural, number, span
from augx.ranges import shown

_NORMALISED = "copies stay ordinary pictures; do this in training, on what the training reads"
_MOVING = ("rotate", "shift_x", "shift_y", "shear", "zoom")
# Border names: those that Keras documents, and the others that its interpolation, SciPy's, takes.
_BORDERS = {"nearest": "nearest", "constant": "constant", "reflect": "reflect", "wrap": "wrap"}
_BORDERS |= {"mirror": "reflect101", "grid-constant": "constant", "grid-mirror": "reflect", "grid-wrap": "wrap"}
_ORDERS = {0: "nearest", 1: "linear", 2: "cubic", 3: "cubic", 4: "cubic", 5: "lanczos"}


@dataclass(slots=True)
class _Generator(Settings):
    """The parameters of one ImageDataGenerator, and what has become of them."""

    warp: dict[str, Any] = field(default_factory=dict)
    tone: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def put(self, section: dict[str, Any], name: str, transform: str, setting: str, edges: Sequence[float]) -> None:
        """Draw a transform from between these edges, unless that would change nothing."""
        value, cut = span(transform, setting, edges[0], edges[-1])
        if cut:
            self.changed.append(f"{name}: {cut}")
        if value is not None:
            section[transform] = value


def from_keras(text: str) -> Imported:
    """The spec for the arguments of an ImageDataGenerator, given as text, alone or as the whole call: ``rotation_range=30, ...``.

    Nothing in the text is run. Raises ``SpecError`` with one line for each parameter that is unknown or has a wrong value.
    """
    generator = _Generator("keras", {})
    given, problems, generator.lost = read(text, tuple(PARAMETERS))
    generator.given.update(given)
    generator.problems += problems
    for name, handle in PARAMETERS.items():
        handle(generator, name)
    if generator.problems:
        raise SpecError(list(dict.fromkeys(generator.problems)))
    sections = {"warp": generator.warp, "tone": generator.tone}
    return Imported({"augx": 1, **{name: plain for name, plain in sections.items() if plain}}, generator.lost, generator.changed)


def _normalised(generator: _Generator, name: str) -> None:
    if generator.flag(name):
        generator.lost.append(f"{name}: {_NORMALISED}")


def _zca_epsilon(generator: _Generator, name: str) -> None:
    epsilon = generator.number(name, 1e-6, "a number")
    if epsilon != 1e-6 and generator.given.get("zca_whitening"):
        generator.lost.append(f"{name}: it belongs to zca_whitening, which is not here")


def _rotation(generator: _Generator, name: str) -> None:
    angle = abs(generator.number(name, 0, "a number of degrees"))
    generator.put(generator.warp, name, "rotate", "range", (-angle, angle))


def _shift(generator: _Generator, name: str) -> None:
    """Keras' four meanings: a fraction below 1, pixels from 1 on, whole pixels if the number is one, and the choices of a list."""
    value = generator.given.get(name)
    transform, side = ("shift_x", "width") if name.startswith("width") else ("shift_y", "height")
    if isinstance(value, list):
        _shift_choice(generator, name, transform, side)
        return
    found = generator.number(name, 0, "a fraction such as 0.2, or a list of fractions")
    if isinstance(value, int) and value == 1 and number(value):
        generator.lost.append(f"{name}: 1 is a whole number of pixels, of which Keras draws none; {transform}: 1 is a whole {side}")
    elif found >= 1:
        generator.lost.append(f"{name}: {natural(found)} is in pixels; write {transform}: {natural(found)} divided by the pictures' {side}")
    else:
        generator.put(generator.warp, name, transform, "range", (-abs(found), abs(found)))


def _shift_choice(generator: _Generator, name: str, transform: str, side: str) -> None:
    found = [finite(v) for v in generator.given[name]]
    values = [v for v in found if v is not None]
    if len(values) < len(found) or len(values) > 1000:
        generator.wrong(name, "a fraction such as 0.2, or a list of at most 1000 fractions")
    elif values and max(values) >= 1:
        generator.lost.append(
            f"{name}: its values are in pixels; write {transform}: {{choice: [...]}} in fractions of the pictures' {side}"
        )
    elif any(values):
        inside = [max(v, -1.0) for v in values]
        if inside != values:
            generator.changed.append(f"{name}: {transform} goes from -1 to 1 here")
        # Keras draws the sign by itself.
        shares = Counter(natural(sign * v) for v in inside for sign in (-1, 1))
        choice: dict[str, Any] = {"choice": sorted(shares)}
        if len(set(shares.values())) > 1:
            choice["weights"] = [shares[v] for v in choice["choice"]]
        generator.warp[transform] = choice


def _brightness(generator: _Generator, name: str) -> None:
    edges = generator.numbers(name, (2,), "two factors such as [0.8, 1.2]")
    if edges is not None:
        generator.put(generator.tone, name, "brightness", "range", edges)


def _shear(generator: _Generator, name: str) -> None:
    angle = abs(generator.number(name, 0, "a number of degrees"))
    generator.put(generator.warp, name, "shear", "range", (-angle, angle))
    if 0 < angle < 1:
        radians = natural(round(math.degrees(angle), 2))
        generator.changed.append(
            f"{name}: {natural(angle)} degrees, as in Keras since 2.1.3, are next to nothing; radians: shear: {radians}"
        )
    elif angle:
        stretch = natural(round(100 / max(math.cos(math.radians(min(angle, 80))), 0.01) - 100, 1))
        generator.changed.append(f"{name}: Keras also stretches the height by 1 / cos(angle), here {stretch} % at most; shear does not")


def _zoom(generator: _Generator, name: str) -> None:
    value = generator.given.get(name, 0)
    spread = finite(value)
    expected = "a number such as 0.2, or two factors above 0 such as [0.8, 1.2]"
    edges = [1 - abs(spread), 1 + abs(spread)] if spread is not None else sorted(generator.numbers(name, (2,), expected) or ())
    if value is None or (edges and edges[1] <= 0):
        generator.wrong(name, expected)
    elif edges and edges != [1, 1]:
        # Keras' factor is how far apart pixels are read, so it is one over ours.
        low, high = 1 / max(edges[1], 1e-9), 1 / max(edges[0], 1e-9)
        if edges[0] <= 0:
            generator.changed.append(f"{name}: factors of 0 and below, which mirror the picture in Keras, are left out")
        zoom, cut = span("zoom", "range", float(f"{low:.6g}"), float(f"{high:.6g}"))
        generator.changed += [f"{name}: {cut}"] if cut else []
        if zoom is not None:
            generator.warp["zoom"] = {"range": zoom, "axes": "independent"}
        if edges[0] < edges[1] and not cut:
            keras = f"Keras' [{natural(edges[0])}, {natural(edges[1])}]"
            generator.changed.append(f"{name}: zoom above 1 magnifies: [{low:.6g}, {high:.6g}] is one over {keras}, drawn evenly by itself")


def _channel_shift(generator: _Generator, name: str) -> None:
    levels = abs(generator.number(name, 0, "a number of levels of 0 to 255"))
    generator.put(generator.tone, name, "channel_shift", "range", (-levels, levels))
    if levels:
        generator.changed.append(f"{name}: levels end at black and white; in Keras, at the picture's own darkest and brightest")


def _fill_mode(generator: _Generator, name: str) -> None:
    mode = generator.given.get(name) or "nearest"
    if not isinstance(mode, str) or mode not in _BORDERS:
        generator.wrong(name, f"one of {', '.join(list(_BORDERS)[:4])}")
        return
    level = generator.number("cval", 0, "a level of 0 to 255")
    if _BORDERS[mode] == "nearest" or not any(moved in generator.warp for moved in _MOVING):
        return
    generator.warp["border"] = _BORDERS[mode]
    if mode == "wrap":
        generator.changed.append(f"{name}: wrap repeats the whole picture; in Keras the copies overlap by a pixel")
    if _BORDERS[mode] == "constant" and level:
        generator.warp["border_value"] = natural(min(max(level, 0), 255))
        if not 0 <= level <= 255:
            generator.changed.append(f"cval: a level lies between 0 and 255: {generator.warp['border_value']}")


def _flip(generator: _Generator, name: str) -> None:
    if generator.flag(name):
        generator.warp["flip_h" if name.startswith("horizontal") else "flip_v"] = 0.5


def _rescale(generator: _Generator, name: str) -> None:
    if generator.number(name, 0, "a number such as 1/255"):
        generator.lost.append(f"{name}: {_NORMALISED}")


def _function(generator: _Generator, name: str) -> None:
    value = generator.given.get(name)
    if value is not None and not (name == "dtype" and str(value).endswith("float32")):
        what = {"dtype": "copies have the depth of their sources; convert in training"}.get(
            name, "nothing is run here; call it in training"
        )
        generator.lost.append(f"{name}: {printable(shown(value))}: {what}")


def _data_format(generator: _Generator, name: str) -> None:
    value = generator.given.get(name)
    if value not in (None, "channels_last", "channels_first"):
        generator.wrong(name, "channels_last or channels_first")
    elif value == "channels_first":
        generator.lost.append(f"{name}: files have no order of axes; arrange them in training")


def _validation_split(generator: _Generator, name: str) -> None:
    share = generator.number(name, 0, "a share between 0 and 1")
    if share and not 0 < share < 1:
        generator.wrong(name, "a share between 0 and 1")
    elif share:
        generator.lost.append(f"{name}: split the sources before expanding, and expand the training part only, so that no copies leak")


def _interpolation(generator: _Generator, name: str) -> None:
    order = generator.number(name, 1, "a whole number from 0 to 5")
    if order not in _ORDERS:
        generator.wrong(name, "a whole number from 0 to 5")
    elif order != 1 and any(moved in generator.warp for moved in _MOVING):
        generator.warp["interpolation"] = _ORDERS[int(order)]
        if order:
            kernel = f"{_ORDERS[int(order)]} is another kernel than Keras' spline of order {natural(order)}, and as smooth"
            generator.changed.append(f"{name}: {kernel}")


# The order is that of the spec's sections. Keras' matrix is the product of rotation, shift, shear and zoom in this order, but
# leads from the copy to the source; so a warp, from the source to the copy, undoes them in turn. Flips come last in both.
PARAMETERS: dict[str, Callable[[_Generator, str], None]] = {
    **{f"{of}_center": _normalised for of in ("featurewise", "samplewise")},
    **{f"{of}_std_normalization": _normalised for of in ("featurewise", "samplewise")},
    "zca_whitening": _normalised,
    "zca_epsilon": _zca_epsilon,
    "rotation_range": _rotation,
    "width_shift_range": _shift,
    "height_shift_range": _shift,
    "shear_range": _shear,
    "zoom_range": _zoom,
    "channel_shift_range": _channel_shift,
    "brightness_range": _brightness,
    "horizontal_flip": _flip,
    "vertical_flip": _flip,
    "rescale": _rescale,
    "preprocessing_function": _function,
    "data_format": _data_format,
    "validation_split": _validation_split,
    "fill_mode": _fill_mode,
    "cval": lambda generator, name: None,  # read with fill_mode
    "interpolation_order": _interpolation,
    "dtype": _function,
}
"""What each of Keras' 23 parameters becomes."""
