"""Albumentations' geometry in our words. Both libraries turn, shift and lean the same way, but for shear along y."""

from __future__ import annotations

import math
from typing import Any

from augx.importers.albumentations.settings import Settings, Step, UnreadableError, about, between, plain, reads
from augx.ranges import shown


def _warp(name: str, **fields: Any) -> Step:
    return Step("warp", {name: fields})


@reads("HorizontalFlip", "VerticalFlip", "Transpose")
def _mirrors(t: Settings) -> list[Step]:
    return [_warp({"HorizontalFlip": "flip_h", "VerticalFlip": "flip_v", "Transpose": "transpose"}[t.name])]


@reads("RandomRotate90")
def _random_rotate_90(t: Settings) -> list[Step]:
    return [_warp("rotate90", p=0.75)]  # theirs may also turn by nothing


@reads("D4", "SquareSymmetry")
def _d4(t: Settings) -> list[Step]:
    return [_warp("rotate90", p=0.75), _warp("flip_h", p=0.5)]  # together all eight are equally likely


@reads("Rotate", "SafeRotate")
def _rotate(t: Settings) -> list[Step]:
    t.canvas()
    if t.name == "SafeRotate":
        t.changed("it shrinks the turned picture until all of it fits in; here it keeps its size and its corners leave the frame")
        t.skip("rotate", "scale", "shear", "translate_percent", "translate_px", "keep_ratio", "balanced_scale", "fit_output")
    elif t.flag("crop_border", False):
        t.changed("crop_border has no equivalent here; write border: crop_safe under warp to see no border")
    return _turned(t.pair("limit", (-90, 90)))


def _turned(angles: tuple[float, float]) -> list[Step]:
    return [_warp("rotate", range=between(*angles))] if any(angles) else []


@reads("Affine")
def _affine(t: Settings) -> list[Step]:
    t.canvas()
    if t.flag("fit_output", False):
        t.changed("fit_output grows the picture until all of it fits in; here it keeps its size")
    scale, shear = (_by_axis(t, key, t.raw(key), 1.0 if key == "scale" else 0.0) for key in ("scale", "shear"))
    steps = _scaled(t, scale["x"], scale["y"], together=t.flag("keep_ratio", False), balanced=t.flag("balanced_scale", False))
    steps += _turned(t.pair("rotate", (0, 0)))
    lean, slope = shear["x"], (-shear["y"][1], -shear["y"][0])
    steps += [_warp(name, range=between(*angles)) for name, angles in (("shear", lean), ("shear_y", slope)) if any(angles)]
    if any(lean) and any(slope):
        t.changed("it leans along both axes at once; here along x, then along y")
    fractions, pixels = t.raw("translate_percent"), t.raw("translate_px")
    if fractions is not None:
        shifts = _by_axis(t, "translate_percent", fractions, 0.0)
        return steps + _shifted(shifts["x"], shifts["y"])
    shifts = _by_axis(t, "translate_px", pixels, 0.0)
    if not any(shifts["x"] + shifts["y"]):
        return steps
    sides = t.course.size or (t.shorter_side(),) * 2
    parts = [(low / side, high / side) for (low, high), side in zip((shifts["x"], shifts["y"]), sides, strict=True)]
    return steps + _shifted(*parts)


def _by_axis(t: Settings, key: str, value: Any, default: float) -> dict[str, tuple[float, float]]:
    """Low and high for x and y: written for each, or once for both."""
    if not isinstance(value, dict):
        return dict.fromkeys("xy", t.as_pair(key, default if value is None else value))
    if value.keys() - {"x", "y"}:
        raise UnreadableError(f"{key}: expected x and y, found {shown(value)}")
    return {axis: t.as_pair(f"{key}.{axis}", value.get(axis, default)) for axis in "xy"}


def _scaled(t: Settings, x: tuple[float, float], y: tuple[float, float], *, together: bool, balanced: bool) -> list[Step]:
    if together or x == y:
        parts: list[tuple[str, tuple[float, float], dict[str, Any]]] = [("zoom", x, {})]
        if not together and x[0] != x[1]:
            parts = [("scale_x", x, {}), ("scale_y", y, {})] if balanced else [("zoom", x, {"axes": "independent"})]
    else:
        parts = [("scale_x", x, {}), ("scale_y", y, {})]
    steps = []
    for name, (low, high), options in parts:
        if low == high == 1:
            continue
        if balanced and low < 1 < high:
            # As often smaller as larger, however far either may go.
            halves = [{name: {"range": between(*half), **options}} for half in ((low, 1), (1, high))]
            steps.append(Step("warp", {"one_of": halves}))
        else:
            steps.append(_warp(name, range=between(low, high), **options))
    return steps


def _shifted(x: tuple[float, float], y: tuple[float, float]) -> list[Step]:
    return [_warp(name, range=between(*shift)) for name, shift in (("shift_x", x), ("shift_y", y)) if any(shift)]


@reads("ShiftScaleRotate")
def _shift_scale_rotate(t: Settings) -> list[Step]:
    t.canvas()
    low, high = t.pair("scale_limit", (-0.1, 0.1))
    shift = t.pair("shift_limit", (-0.0625, 0.0625))
    scale = (1 + low, 1 + high)
    turned = _turned(t.pair("rotate_limit", (-45, 45)))
    return (
        _scaled(t, scale, scale, together=False, balanced=False)
        + turned
        + _shifted(t.pair("shift_limit_x", shift), t.pair("shift_limit_y", shift))
    )


@reads("RandomScale")
def _random_scale(t: Settings) -> list[Step]:
    t.canvas(border=False)
    t.changed("the picture keeps its size here: it is zoomed about its centre")
    low, high = t.pair("scale_limit", (-0.1, 0.1))
    return [_warp("zoom", range=between(1 + low, 1 + high))]


@reads("Perspective")
def _perspective(t: Settings) -> list[Step]:
    t.canvas()
    t.skip("fit_output")
    if not t.flag("keep_size", True):
        t.changed("keep_size false: here the picture keeps its size")
    low, high = t.pair("scale", (0.05, 0.1))
    t.changed(
        "its corners' moves are normal, and what lies between fills the frame; here they are uniform, and the picture shrinks by them"
    )
    # The mean of a half normal, and that of a uniform share of half the side.
    return [_warp("perspective", range=about(*(4 * math.sqrt(2 / math.pi) * part for part in (low, high))))]


@reads("ElasticTransform")
def _elastic(t: Settings) -> list[Step]:
    t.canvas()
    side = t.shorter_side()
    alpha, sigma = abs(t.number("alpha", 1)), max(t.number("sigma", 50), 0.1)
    if t.flag("same_dxdy", False):
        t.changed("same_dxdy: here x and y move apart")
    if t.flag("approximate", False) and sigma > 4:
        t.changed("approximate cuts its Gaussian to 17 pixels, which leaves stronger and rougher bends; here it is whole")
    # Gaussian noise is divided by its largest value, about five standard deviations; a Gaussian of sigma leaves 1 / (2 sqrt(pi) sigma).
    noise = 1 / math.sqrt(3) if t.word("noise_distribution", "gaussian") == "uniform" else 0.2
    moved = alpha * noise * min(1 / (2 * math.sqrt(math.pi) * sigma), 1)
    t.changed(
        f"alpha {plain(alpha)} and sigma {plain(sigma)} move pixels by about {moved:.2g}, which is displacement here, of the shorter side"
    )
    return [_warp("elastic", displacement=about(*(moved / side,) * 2), sigma=about(*(sigma / side,) * 2))]


@reads("GridDistortion")
def _grid_distortion(t: Settings) -> list[Step]:
    t.canvas(border=False)
    t.skip("normalized")
    most = max(map(abs, t.pair("distort_limit", (-0.3, 0.3))))
    t.changed("its rows and columns become wider or narrower; here each node of the grid moves by itself, and the rim stays")
    return [_warp("grid_distortion", distortion=between(most, most), cells=_cells(t.number("num_steps", 5)))]


@reads("PiecewiseAffine")
def _piecewise_affine(t: Settings) -> list[Step]:
    t.canvas(border=False)
    t.changed("its grid of points becomes that of grid_distortion, which moves each node by as much")
    cells = max(sum(t.pair("nb_rows", (4, 4)) + t.pair("nb_cols", (4, 4))) / 4 - 1, 1)
    side = t.shorter_side() if t.flag("absolute_scale", False) else 1
    low, high = t.pair("scale", (0.03, 0.05))
    return [_warp("grid_distortion", distortion=about(*(part / side * cells / math.sqrt(3) for part in (low, high))), cells=_cells(cells))]


@reads("GridElasticDeform")
def _grid_elastic(t: Settings) -> list[Step]:
    t.canvas(border=False)
    grid = t.raw("num_grid_xy", [4, 4])
    if not isinstance(grid, list) or len(grid) != 2:
        raise UnreadableError(f"num_grid_xy: expected two numbers, found {shown(grid)}")
    across, down = (float(t.side("num_grid_xy", cells)) for cells in grid)
    most = t.number("magnitude", 10) / t.shorter_side() * across
    t.changed("its cells become those of grid_distortion, as many in each direction")
    return [_warp("grid_distortion", distortion=about(most, most), cells=_cells((across + down) / 2))]


def _cells(number: float) -> Any:
    return min(max(round(number), 1), 50)
