"""The laws that every transform keeps; a new one is found by the registry, and by no list here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from statistics import NormalDist

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import lut
from augx.draws import Draws, draw
from augx.errors import CopyError, SourceError
from augx.ranges import Quantity
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.spec import Spec, load_spec
from augx.transforms import TRANSFORMS, Geometric, Transform
from augx.warp import Levels
from tests.conftest import picture

EVERY = pytest.mark.parametrize("name", sorted(TRANSFORMS))
KINDS = [(channels, dtype) for dtype in (np.uint8, np.uint16, np.float32) for channels in (1, 3, 4, 6)]
SIZES = [(24, 33), (1, 1), (1, 9), (7, 1)]
COPIES = range(5)


def wide(cls: type[Transform], p: float = 1.0) -> dict[str, object]:
    """Settings that show the transform plainly: each range some way out from its neutral value, to the side that has room."""
    return {"p": p} | {field: span(quantity) for field, quantity in cls.quantities().items()}


def span(quantity: Quantity) -> list[float]:
    """Half of a way, and the whole way, out from a quantity's neutral value."""
    up = quantity.high > quantity.neutral
    room = quantity.high - quantity.neutral if up else quantity.neutral - quantity.low
    spread = min(room, 0.4 if room <= 50 else 40 if room <= 1000 else room / 4)
    if quantity.whole:
        spread = max(spread, min(room, 4))
    return sorted([quantity.neutral + way * (spread if up else -spread) for way in (0.5, 1)])


def spec_of(name: str, **changes: object) -> Spec:
    cls = TRANSFORMS[name]
    body = {name: wide(cls) | changes}
    return load_spec({cls.section: [body] if cls.section == "then" else body})


def make(spec: Spec, image: np.ndarray, copies: range = COPIES, key: str = "cats/a.jpg") -> list[np.ndarray]:
    sample = Sample(key, "", Levels(image))
    return [apply(recipe, sample) for recipe in recipes(spec, draw(spec, key, copies), sample)]


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@EVERY
def test_shows(name: str) -> None:
    image = picture()
    assert any(not np.array_equal(image, copy) for copy in make(spec_of(name), image))


@EVERY
def test_p_0_is_the_identity(name: str) -> None:
    for channels, dtype in KINDS:
        image = picture(channels=channels, dtype=dtype)
        if served(name, channels):
            assert equal(make(spec_of(name, p=0), image), [image] * len(COPIES))


def served(name: str, channels: int) -> bool:
    """Whether a transform takes this many channels: those of colour refuse what is not red, green and blue."""
    image = picture(2, 2, channels)
    try:
        make(spec_of(name), image)
    except SourceError as error:
        assert f"{name} is about red, green and blue; this picture has {channels} channels" in str(error)
        return False
    return True


@EVERY
@pytest.mark.parametrize(("channels", "dtype"), KINDS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_keeps_depth_channels_and_the_source(name: str, channels: int, dtype: type, size: tuple[int, int]) -> None:
    image = picture(*size, channels=channels, dtype=dtype)
    before = image.copy()
    if not served(name, channels):
        assert channels == 6
        return
    spec, sample = spec_of(name), Sample("k", "", Levels(image))
    for recipe in recipes(spec, draw(spec, "k", COPIES), sample):
        copy = apply(recipe, sample)
        assert copy.dtype == dtype and copy.flags.c_contiguous
        assert copy.shape == (*recipe.size[::-1], *image.shape[2:])
        assert recipe.size[::-1] == size or issubclass(TRANSFORMS[name], Geometric)
        assert dtype is not np.float32 or (np.isfinite(copy).all() and copy.min() >= 0 and copy.max() <= 1)
    assert np.array_equal(image, before)


@EVERY
def test_alpha_is_moved_but_never_toned(name: str) -> None:
    image = picture(channels=4)
    image[:, :, 3] = 255
    assert all((copy[:, :, 3] == 255).all() for copy in make(spec_of(name), image))


@EVERY
@pytest.mark.parametrize("channels", [1, 3])
def test_depths_agree(name: str, channels: int) -> None:
    image = cv2.GaussianBlur(picture(40, 40, channels), (0, 0), 2)
    eight = make(spec_of(name), image)
    sixteen = make(spec_of(name), image.astype(np.uint16) * 257)
    real = make(spec_of(name), image.astype(np.float32) / 255)
    for a, b, c in zip(eight, sixteen, real, strict=True):
        assert np.abs(a.astype(float) - b / 257).mean() < 1.0
        assert np.abs(a.astype(float) - c * 255).mean() < 1.0


@EVERY
def test_same_draw_same_pixels(name: str) -> None:
    assert equal(make(spec_of(name), picture()), make(spec_of(name), picture()))


@EVERY
def test_each_copy_stands_alone(name: str) -> None:
    spec, image = spec_of(name, p=0.5), picture()
    together = make(spec, image, range(9))
    assert equal(together, [make(spec, image, range(i, i + 1))[0] for i in range(9)])


@EVERY
def test_remade_from_its_json(name: str) -> None:
    spec, image = spec_of(name, p=0.6), picture()
    sample = Sample("k", "", Levels(image))
    draws = draw(spec, "k", range(8))
    lines = [json.loads(json.dumps(params, allow_nan=False)) for params in draws.plain]
    again = Draws.replayed(lines)
    first = [apply(recipe, sample) for recipe in recipes(spec, draws, sample)]
    assert equal(first, [apply(recipe, sample) for recipe in recipes(spec, again, sample)])
    assert again.plain == draws.plain
    singly = [apply(next(recipes(spec, Draws.replayed([line]), sample)), sample) for line in lines]
    assert equal(first, singly)


@EVERY
def test_changing_one_moves_no_other_draw(name: str) -> None:
    everything: dict[str, object] = {"warp": {}, "tone": {}, "then": []}
    for other, cls in TRANSFORMS.items():
        if cls.section == "then":
            everything["then"].append({other: wide(cls)})  # type: ignore[attr-defined]
        else:
            everything[cls.section][other] = wide(cls)  # type: ignore[index]
    before = draw(load_spec(everything), "k", range(20)).plain

    section, place = TRANSFORMS[name].section, f"{TRANSFORMS[name].section}.{name}"
    changed = {field: {"fixed": quantity.neutral} for field, quantity in TRANSFORMS[name].quantities().items()} | {"p": 0.5}
    if section == "then":
        next(step for step in everything["then"] if name in step)[name] = changed  # type: ignore[attr-defined]
    else:
        everything[section][name] = changed  # type: ignore[index]
    after = draw(load_spec(everything), "k", range(20)).plain

    assert any(place not in copy for copy in after) and any(place in copy for copy in after)
    for old, new in zip(before, after, strict=True):
        assert {k: v for k, v in old.items() if k != place} == {k: v for k, v in new.items() if k != place}


@EVERY
def test_p_is_the_share_of_copies(name: str) -> None:
    active = draw(spec_of(name, p=0.3), "k", range(20_000)).active
    (mask,) = active.values()
    assert abs(mask.mean() - 0.3) < 0.015  # 4.6 standard deviations


@EVERY
def test_draws_lie_in_their_range(name: str) -> None:
    cls = TRANSFORMS[name]
    (params,) = draw(spec_of(name), "k", range(500)).params.values()
    for field, quantity in cls.quantities().items():
        low, high = wide(cls)[field]  # type: ignore[misc]
        values = params[quantity.param]
        assert low <= values.min() < values.max() <= high


FORMS = ["uniform", "normal", "truncated_normal", "log_uniform", "choice", "fixed"]
QUANTITIES = [
    (name, field, form)
    for name in sorted(TRANSFORMS)
    for field, quantity in TRANSFORMS[name].quantities().items()
    for form in FORMS
    if form != "log_uniform" or span(quantity)[0] > 0  # a logarithm needs numbers above 0
]


@pytest.mark.parametrize(("name", "field", "form"), QUANTITIES, ids=str)
def test_draws_are_distributed_as_declared(name: str, field: str, form: str) -> None:
    """Kolmogorov and Smirnov's test of 1,000 draws; the bound is passed by chance once in some 30,000 times."""
    quantity = TRANSFORMS[name].quantities()[field]
    low, high = span(quantity)
    middle, width = (low + high) / 2, high - low
    cdf: Callable[[float], float]
    match form:
        case "uniform":
            value: object = [low, high]
            cdf = lambda x: (x - low) / width  # noqa: E731
            if quantity.whole:
                first, last = math.ceil(low), math.floor(high)
                cdf = lambda x: (math.floor(x) - first + 1) / (last - first + 1)  # noqa: E731
        case "normal":
            value = {"normal": [middle, width], "clip": [low, high]}
            cdf = lambda x: 1.0 if x >= high else NormalDist(middle, width).cdf(x)  # noqa: E731
        case "truncated_normal":
            value, normal = {"truncated_normal": [low, width], "within": [low, high]}, NormalDist(low, width)
            cdf = lambda x: min((normal.cdf(x) - 0.5) / (normal.cdf(high) - 0.5), 1.0)  # noqa: E731
        case "log_uniform":
            value = {"log_uniform": [low, high]}
            cdf = lambda x: math.log(x / low) / math.log(high / low)  # noqa: E731
        case "choice":
            ends = [math.ceil(low), math.floor(high)] if quantity.whole else [low, high]
            value = {"choice": ends, "weights": [1, 3]}
            cdf = lambda x: 0.25 if x < high else 1.0  # noqa: E731
        case _:
            value = {"fixed": high}
            cdf = lambda x: float(x >= high)  # noqa: E731
    (params,) = draw(spec_of(name, **{field: value}), f"{field} {form}", range(1000)).params.values()
    drawn = np.sort(params[quantity.param])
    if quantity.whole:
        assert np.array_equal(drawn, np.rint(drawn))
        if form != "uniform":  # rounded: each whole number stands for half a unit to either side
            inner = cdf
            cdf = lambda x: 1.0 if x + 0.5 >= high else inner(x + 0.5)  # noqa: E731
    support, counts = np.unique(drawn, return_counts=True)
    expected = np.array([cdf(x) for x in support.tolist()])
    above = np.abs(np.cumsum(counts) / 1000 - expected).max()
    before = np.abs((np.cumsum(counts) - counts) / 1000 - expected).max() if len(support) == 1000 else 0
    assert max(above, before) < 2.35 / math.sqrt(1000)


@EVERY
def test_keys_and_seeds_draw_apart(name: str) -> None:
    spec = spec_of(name, p=0.5)

    def fingerprint(seed: int, key: str) -> str:
        return json.dumps(draw(spec.model_copy(update={"seed": seed}), key, range(40)).plain)

    assert len({fingerprint(0, "a"), fingerprint(1, "a"), fingerprint(0, "b"), fingerprint(1, "b")}) == 4


@EVERY
def test_is_documented(name: str) -> None:
    cls = TRANSFORMS[name]
    assert cls.__doc__ and cls.__doc__[0].isupper() and cls.__doc__.rstrip().endswith(".")
    for field, info in cls.model_fields.items():
        assert info.description, f"{name}.{field} has no description"
    for quantity in cls.quantities().values():
        assert quantity.unit and quantity.low <= quantity.neutral <= quantity.high


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
@pytest.mark.parametrize(("channels", "dtype"), KINDS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("size", [(24, 33), (25, 25), (18, 40)], ids=str)
def test_180_degrees_are_both_flips(interpolation: str, channels: int, dtype: type, size: tuple[int, int]) -> None:
    image = picture(*size, channels=channels, dtype=dtype)
    turned = load_spec({"warp": {"rotate": {"fixed": 180}, "interpolation": interpolation}})
    flipped = load_spec({"warp": {"flip_h": 1, "flip_v": 1, "interpolation": interpolation}})
    quarters = load_spec({"warp": {"rotate90": {"turns": [2]}, "interpolation": interpolation}})
    expected = [image[::-1, ::-1]] * len(COPIES)
    assert equal(make(turned, image), expected)
    assert equal(make(flipped, image), expected)
    assert equal(make(quarters, image), expected)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotate90_is_exact_and_counter_clockwise(turns: int) -> None:
    image = picture(24, 33)
    assert equal(make(load_spec({"warp": {"rotate90": {"turns": [turns]}}}), image), [np.rot90(image, turns)] * len(COPIES))


RESIZE = cv2.resize
GEOMETRIC = {name: wide(cls) for name, cls in TRANSFORMS.items() if cls.section == "warp"}


@pytest.mark.parametrize("without", [(), ("elastic", "grid_distortion"), ("elastic", "grid_distortion", "perspective")], ids=str)
def test_all_geometry_is_one_resample(without: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("warpAffine", "warpPerspective", "remap", "resize"):
        real = getattr(cv2, name)

        def counted(image, *args, real=real, **kwargs):  # type: ignore[no-untyped-def]
            if image.dtype == np.uint8:  # a displacement field is float
                calls.append((real, args[0]) if real is RESIZE else real)
            return real(image, *args, **kwargs)

        monkeypatch.setattr(cv2, name, counted)
    chosen = {name: body for name, body in GEOMETRIC.items() if name not in without}
    make(load_spec({"warp": chosen, "output": {"size": [40, 30]}}), picture(200, 300), range(7))
    # Reductions of the source for copies below half its size are made once each, and all copies read from them.
    reductions = [call for call in calls if isinstance(call, tuple)]
    assert len(calls) - len(reductions) == 7 and len(reductions) == len(set(reductions))


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("target", [None, [9, 7]], ids=["same size", "shrunk"])
def test_a_channel_is_warped_as_if_it_were_alone(interpolation: str, dtype: type, target: list[int] | None) -> None:
    image = picture(dtype=dtype)
    canvas = {"interpolation": interpolation, "border": "constant", "border_value": [50, 50, 50]}
    spec = load_spec({"warp": {"rotate": 30, "zoom": 0.2, **canvas}, "output": {} if target is None else {"size": target}})
    together = make(spec, image)
    for channel in range(3):
        assert equal([copy[:, :, channel] for copy in together], make(spec, np.ascontiguousarray(image[:, :, channel])))


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "lanczos"])
@pytest.mark.parametrize("border", ["nearest", "constant", "reflect", "reflect101", "wrap", "crop_safe"])
@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1), (2, 3)], ids=str)
def test_the_smallest_pictures_with_every_border(size: tuple[int, int], border: str, interpolation: str) -> None:
    geometry = {"rotate": 30, "perspective": 0.3, "elastic": 0.02}
    for chosen in ({"rotate": 30}, {"rotate": 30, "perspective": 0.3}, geometry):
        spec = load_spec({"warp": {**chosen, "border": border, "interpolation": interpolation}})
        assert all(copy.shape == (*size, 3) for copy in make(spec, picture(*size)))


@pytest.mark.parametrize("interpolation", ["cubic", "lanczos"])
def test_float_pictures_stay_between_black_and_white(interpolation: str) -> None:
    image = np.random.default_rng(0).choice(np.array([0, 1], np.float32), (30, 40, 3))
    for border in ("nearest", "wrap"):
        for copy in make(load_spec({"warp": {"rotate": 30, "interpolation": interpolation, "border": border}}), image):
            assert copy.min() >= 0 and copy.max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_many_channels_shrink_as_one_does(dtype: type) -> None:
    image = picture(60, 80, 6, dtype)
    spec = load_spec({"warp": {"zoom": {"fixed": 0.3}}, "output": {"size": [20, 15]}})
    (copy,) = make(spec, image, range(1))
    for channel in range(6):
        (alone,) = make(spec, np.ascontiguousarray(image[:, :, channel]), range(1))
        assert np.array_equal(copy[:, :, channel], alone)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_steepest_tones_stay_numbers(dtype: type) -> None:
    steep = [{"brightness": {"fixed": 10}}, {"gamma": {"fixed": 20}}, {"gamma": {"fixed": 20}}, {"contrast": {"fixed": 0}}]
    (copy,) = make(load_spec({"tone": {"steps": steep}}), picture(dtype=dtype), range(1))
    assert len(np.unique(copy)) == 1 and np.isfinite(copy).all()


def test_a_warp_that_can_not_be_undone_is_refused() -> None:
    shears = [{"shear": {"fixed": 80}}, {"shear_y": {"fixed": 80}}]
    for steps in ([{"zoom": {"fixed": 20}}] * 200, [{"zoom": {"fixed": 0.05}}] * 200, shears * 9):
        with pytest.raises(CopyError, match="beyond what can be undone"):
            make(load_spec({"warp": {"steps": steps}}), picture())


def test_only_the_copies_that_can_not_be_made_are_refused() -> None:
    spec = load_spec({"warp": {"steps": [{"zoom": {"range": {"fixed": 0.05}, "p": 0.5}}] * 4}})
    sample = Sample("k", "", Levels(picture()))
    able = [recipe.size != (0, 0) for recipe in recipes(spec, draw(spec, "k", range(40)), sample)]
    alone = [next(recipes(spec, draw(spec, "k", range(i, i + 1)), sample)).size != (0, 0) for i in range(40)]
    assert able == alone and any(able) and not all(able)


def test_white_stays_white_at_most() -> None:
    for name in TRANSFORMS:
        for copy in make(spec_of(name), np.ones((30, 40, 3), np.float32)):
            assert copy.max() <= 1, name


def test_what_is_refused_does_not_hang_on_the_draw() -> None:
    image = picture(channels=6)
    with pytest.raises(SourceError, match="hsv is about red"):
        make(load_spec({"then": [{"one_of": [{"hsv": 5}, {"noise": 3}], "weights": [0, 1]}]}), image, range(1))
    make(load_spec({"then": [{"hsv": {"hue": 5, "p": 0}}]}), image)


def test_there_and_back_again_loses_nothing() -> None:
    """What two resamples would blur and crop, one leaves alone: a shift out of the picture and back, with more between."""
    image = picture()
    there_and_back = {"shift_x": {"fixed": 0.5}, "rotate": {"fixed": 180}, "flip_h": 1, "flip_v": 1, "shift_y": {"fixed": 0}}
    copy = make(load_spec({"warp": there_and_back}), image)[0]
    shifted = make(load_spec({"warp": {"shift_x": {"fixed": 0.5}}}), image)[0]
    assert np.array_equal(copy, shifted)


def test_all_tone_is_one_table_rounded_once() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    # To a tenth, up to the middle, and ten times apart again: rounding in between would leave 26 levels.
    there_and_back = {"brightness": {"fixed": 0.1}, "channel_shift": {"fixed": 114.75}, "contrast": {"fixed": 10}}
    assert np.array_equal(make(load_spec({"tone": there_and_back}), ramp)[0], ramp)


@pytest.mark.parametrize(("channels", "rows"), [(1, 1), (3, 1), (4, 1), (6, 1), (1, 3), (3, 3), (4, 3)])
def test_look_ups_are_the_same_with_and_without_the_fast_extra(channels: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(31, 47, channels)[:, 3:41]
    tables = np.random.default_rng(0).integers(0, 256, (rows, 256), dtype=np.uint8)
    expected = image.copy()
    for c in range(min(channels, 6 if channels == 6 else 3)):
        row = tables[0] if rows == 1 or channels == 1 else tables[::-1][c]
        np.atleast_3d(expected)[:, :, c] = row[np.atleast_3d(image)[:, :, c]]
    assert np.array_equal(lut.look_up(image, tables), expected)
    monkeypatch.setattr(lut, "translate", None)
    assert np.array_equal(lut.look_up(image, tables), expected)


def test_the_order_written_is_the_order_applied() -> None:
    image = picture()
    a = make(load_spec({"warp": {"rotate": {"fixed": 90}, "shift_x": {"fixed": 0.25}}}), image)
    b = make(load_spec({"warp": {"shift_x": {"fixed": 0.25}, "rotate": {"fixed": 90}}}), image)
    assert not equal(a, b)
    c = make(load_spec({"tone": {"brightness": {"fixed": 0.5}, "invert": 1}}), image)
    d = make(load_spec({"tone": {"invert": 1, "brightness": {"fixed": 0.5}}}), image)
    assert not equal(c, d)


def test_one_of_applies_one() -> None:
    spec = load_spec({"then": [{"one_of": [{"blur": {"sigma": 1}}, {"noise": {"sigma": 5}}], "p": 0.5, "weights": [3, 1]}]})
    copies = draw(spec, "k", range(8000)).plain
    counts = [sum(place in copy for copy in copies) for place in ("then.one_of.blur", "then.one_of.noise")]
    assert all(len(copy) <= 1 for copy in copies)
    assert abs(counts[0] / 8000 - 0.375) < 0.03 and abs(counts[1] / 8000 - 0.125) < 0.02


def test_equal_steps_draw_apart_and_nest() -> None:
    spec = load_spec({"then": [{"noise": 5}, {"noise": 5}, {"one_of": [{"one_of": [{"noise": 5}, {"noise": 9}]}, {"blur": 2}]}]})
    places = set(draw(spec, "k", range(200)).params)
    inner = {"then.one_of.one_of.noise", "then.one_of.one_of.noise#2", "then.one_of.blur"}
    assert places == {"then.noise", "then.noise#2"} | inner
    first = draw(spec, "k", range(3)).plain[0]
    assert first["then.noise"] != first["then.noise#2"]


@given(
    angle=st.floats(-360, 360),
    zoom=st.floats(0.05, 20),
    shift=st.floats(-1, 1),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    target=st.none() | st.tuples(st.integers(1, 60), st.integers(1, 60)),
    border=st.sampled_from(["nearest", "constant", "reflect", "reflect101", "wrap"]),
    interpolation=st.sampled_from(["nearest", "linear", "cubic", "lanczos"]),
)
def test_any_warp_fills_its_canvas(angle, zoom, shift, size, target, border, interpolation) -> None:  # type: ignore[no-untyped-def]
    transforms = {"rotate": {"fixed": angle}, "zoom": {"fixed": zoom}, "shift_x": {"fixed": shift}}
    output = {} if target is None else {"size": list(target)}
    spec = load_spec({"warp": transforms | {"border": border, "interpolation": interpolation}, "output": output})
    image = np.full((*size, 3), 77, np.uint8)
    copy = make(spec, image, range(1))[0]
    assert copy.shape[:2] == (size if target is None else target[::-1])
    if border != "constant":
        assert (np.abs(copy.astype(int) - 77) <= 1).all()
