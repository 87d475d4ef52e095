"""ImageDataGenerator's arguments -> a spec: every parameter, the matrix, what is wrong with an input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import document, load_spec
from augx.draws import Draws
from augx.errors import SpecError
from augx.importers import Imported
from augx.importers.keras import PARAMETERS, from_keras
from augx.recipe import recipes
from augx.sample import Sample
from augx.warp import Levels
from tests.conftest import picture

# Parameter, value, what it gives in the spec, and the words that a note about it has: "" for none.
CASES = [
    pytest.param("rotation_range", "30", {"warp": {"rotate": 30}}, "", id="rotation"),
    pytest.param("rotation_range", "-30", {"warp": {"rotate": 30}}, "", id="rotation below 0 is the same range"),
    pytest.param("rotation_range", "400", {"warp": {"rotate": 360}}, "rotate goes from -360 to 360", id="rotation by more than a turn"),
    pytest.param("width_shift_range", "0.2", {"warp": {"shift_x": 0.2}}, "", id="shift by a fraction"),
    pytest.param("height_shift_range", "1/8", {"warp": {"shift_y": 0.125}}, "", id="shift by a quotient"),
    pytest.param("width_shift_range", "1.0", {}, "1 is in pixels", id="a float from 1 on is in pixels"),
    pytest.param("width_shift_range", "1", {}, "of which Keras draws none", id="one whole pixel never moves"),
    pytest.param("width_shift_range", "20", {}, "20 is in pixels", id="whole pixels"),
    pytest.param("width_shift_range", "-2", {"warp": {"shift_x": 1}}, "shift_x goes from -1 to 1", id="below -1 Keras takes the side"),
    pytest.param("height_shift_range", "[.1, .3]", {"warp": {"shift_y": {"choice": [-0.3, -0.1, 0.1, 0.3]}}}, "", id="choices"),
    pytest.param(
        "height_shift_range", "(0, .5)", {"warp": {"shift_y": {"choice": [-0.5, 0, 0.5], "weights": [1, 2, 1]}}}, "", id="0 twice"
    ),
    pytest.param("height_shift_range", "[-10, 10]", {}, "in pixels", id="choices of pixels"),
    pytest.param("height_shift_range", "[]", {}, "", id="no choices"),
    pytest.param("shear_range", "10", {"warp": {"shear": 10}}, "1.5 % at most", id="shear"),
    pytest.param("shear_range", "0.15", {"warp": {"shear": 0.15}}, "radians: shear: 8.59", id="shear in the radians of old"),
    pytest.param("shear_range", "90", {"warp": {"shear": 80}}, "shear goes from -80 to 80", id="shear too steep"),
    pytest.param(
        "zoom_range", "0.5", {"warp": {"zoom": {"range": [0.666667, 2], "axes": "independent"}}}, "one over Keras' [0.5, 1.5]", id="zoom"
    ),
    pytest.param("zoom_range", "[.5, .5]", {"warp": {"zoom": {"range": {"fixed": 2}, "axes": "independent"}}}, "", id="zoom by one factor"),
    pytest.param(
        "zoom_range", "[2, .5]", {"warp": {"zoom": {"range": [0.5, 2], "axes": "independent"}}}, "[0.5, 2]", id="zoom the wrong way"
    ),
    pytest.param("zoom_range", "1", {"warp": {"zoom": {"range": [0.5, 20], "axes": "independent"}}}, "mirror", id="zoom that would mirror"),
    pytest.param("zoom_range", "[1, 1]", {}, "", id="no zoom"),
    pytest.param("brightness_range", "[0.5, 1.5]", {"tone": {"brightness": 0.5}}, "", id="brightness"),
    pytest.param("brightness_range", "(0.2, 1.0)", {"tone": {"brightness": [0.2, 1]}}, "", id="brightness to one side"),
    pytest.param("brightness_range", "(-1, 2)", {"tone": {"brightness": 1}}, "brightness goes from 0 to 10", id="brightness below 0"),
    pytest.param("channel_shift_range", "20", {"tone": {"channel_shift": 20}}, "the picture's own darkest", id="channel shift"),
    pytest.param("horizontal_flip", "True", {"warp": {"flip_h": 0.5}}, "", id="horizontal flip"),
    pytest.param("vertical_flip", "1", {"warp": {"flip_v": 0.5}}, "", id="vertical flip"),
    pytest.param("fill_mode", "'reflect'", {}, "", id="a border of what never moves"),
    pytest.param("cval", "7", {}, "", id="a level of no border"),
    pytest.param("interpolation_order", "0", {}, "", id="an interpolation of what never moves"),
    pytest.param("rescale", "1./255", {}, "in training", id="rescale"),
    pytest.param("preprocessing_function", "lambda x: x / 2", {}, "lambda x: x / 2", id="a function"),
    pytest.param("preprocessing_function", "preprocess_input", {}, "preprocess_input", id="a function's name"),
    pytest.param("data_format", "'channels_first'", {}, "order of axes", id="data format"),
    pytest.param("validation_split", "0.2", {}, "before expanding", id="validation split"),
    pytest.param("dtype", "np.float16", {}, "np.float16", id="dtype"),
    pytest.param("zca_epsilon", "1e-5", {}, "", id="an epsilon of no whitening"),
    pytest.param("zca_whitening", "True", {}, "in training", id="whitening"),
    pytest.param("featurewise_center", "True", {}, "in training", id="featurewise center"),
    pytest.param("samplewise_center", "True", {}, "in training", id="samplewise center"),
    pytest.param("featurewise_std_normalization", "True", {}, "in training", id="featurewise std"),
    pytest.param("samplewise_std_normalization", "True", {}, "in training", id="samplewise std"),
]
DEFAULTS = dict.fromkeys(PARAMETERS, "0") | {
    **dict.fromkeys((name for name in PARAMETERS if name.endswith(("center", "std_normalization", "whitening", "flip"))), "False"),
    **dict.fromkeys(("brightness_range", "rescale", "preprocessing_function", "data_format"), "None"),
    "zca_epsilon": "1e-6",
    "fill_mode": "'nearest'",
    "interpolation_order": "1",
    "dtype": "'float32'",
}


def checked(found: Imported) -> Imported:
    """An import that keeps its promises: its spec loads, and its file says the same."""
    load_spec(found.spec)
    assert document.parse(found.as_yaml().encode(), "x")[0] == found.spec
    return found


@pytest.mark.parametrize(("name", "value", "spec", "note"), CASES)
def test_each_parameter(name: str, value: str, spec: dict[str, Any], note: str) -> None:
    found = checked(from_keras(f"{name}={value}"))
    assert found.spec == {"augx": 1, **spec}
    notes = found.lost + found.changed
    assert bool(notes) == bool(note)
    assert not note or (any(note in line for line in notes) and all(line.startswith(f"{name}: ") for line in notes))


def test_all_23_parameters_and_no_others() -> None:
    assert PARAMETERS.keys() == DEFAULTS.keys() == {case.values[0] for case in CASES}
    assert len(PARAMETERS) == 23


def test_defaults_make_nothing() -> None:
    assert from_keras(", ".join(f"{name}={value}" for name, value in DEFAULTS.items())) == Imported({"augx": 1})


@pytest.mark.parametrize(
    ("arguments", "warp"),
    [
        pytest.param("fill_mode='constant', cval=125", {"border": "constant", "border_value": 125}, id="constant"),
        pytest.param("fill_mode='constant', cval=-3", {"border": "constant", "border_value": 0}, id="constant below black"),
        pytest.param("fill_mode='constant'", {"border": "constant"}, id="black"),
        pytest.param("fill_mode='reflect'", {"border": "reflect"}, id="reflect repeats the edge"),
        pytest.param("fill_mode='mirror'", {"border": "reflect101"}, id="mirror does not"),
        pytest.param("fill_mode='wrap'", {"border": "wrap"}, id="wrap"),
        pytest.param("fill_mode='nearest', cval=9", {}, id="nearest has no level"),
        pytest.param("interpolation_order=0", {"interpolation": "nearest"}, id="order 0"),
        pytest.param("interpolation_order=3", {"interpolation": "cubic"}, id="order 3"),
    ],
)
def test_the_canvas_of_what_moves(arguments: str, warp: dict[str, Any]) -> None:
    assert checked(from_keras(f"rotation_range=9, {arguments}")).spec["warp"] == {"rotate": 9, **warp}


TUTORIAL = {
    "warp": {
        "rotate": 30,
        "shift_x": 0.2,
        "shift_y": 0.2,
        "shear": 0.15,
        "zoom": {"range": [0.869565, 1.17647], "axes": "independent"},
        "flip_h": 0.5,
    }
}
ARGUMENTS = (
    "rotation_range=30, zoom_range=0.15, width_shift_range=0.2, height_shift_range=0.2, shear_range=0.15, "
    'horizontal_flip=True, fill_mode="nearest"'
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ARGUMENTS, id="arguments alone"),
        pytest.param(f"  {ARGUMENTS},  # all of them\n", id="a comma and a comment at the end"),
        pytest.param(ARGUMENTS.replace(", ", ",\n    # next\n    "), id="several lines"),
        pytest.param(f"ImageDataGenerator({ARGUMENTS})", id="the call"),
        pytest.param(f"    aug = keras.preprocessing.image.ImageDataGenerator({ARGUMENTS})", id="an indented assignment"),
        pytest.param(f"import keras\nargs = dict({ARGUMENTS})\naug = ImageDataGenerator(**args)\naug.flow(x)", id="arguments by a name"),
        pytest.param(ARGUMENTS.replace("30", "TURN").join(("TURN = 30\nImageDataGenerator(", ")")), id="a value by a name"),
    ],
)
def test_the_classic_tutorial(text: str) -> None:
    found = checked(from_keras(text))
    assert found.spec == {"augx": 1, **TUTORIAL}
    assert list(found.spec["warp"]) == list(TUTORIAL["warp"])  # order counts
    assert found.lost == []


def test_a_second_generator_is_named() -> None:
    found = from_keras("train = ImageDataGenerator(rotation_range=5)\n\ntest = ImageDataGenerator(rescale=1./255)")
    assert found.spec == {"augx": 1, "warp": {"rotate": 5}}
    assert found.lost == ["ImageDataGenerator (line 3): only the first one is read; import this one by itself"]


def keras_matrix(theta: float, phi: float, tx: float, ty: float, zx: float, zy: float, size: tuple[int, int], flips: str) -> np.ndarray:
    """Keras 2.9's matrix from the copy to the source, x to the right, y down: C R(theta) T(tx, ty) S(phi) Z(zx, zy) C^-1, and flips.

    Keras' centre is (n/2 - 0.5), which is the (n - 1)/2 of ours; it has the two sides the wrong way round, which only shows
    in pictures that are not square, and is mended here.
    """
    t, p, (w, h) = math.radians(theta), math.radians(phi), size
    centre, back = np.eye(3), np.eye(3)
    centre[:2, 2] = w / 2 - 0.5, h / 2 - 0.5
    back[:2, 2] = -centre[:2, 2]
    turn = np.array([[math.cos(t), -math.sin(t), 0], [math.sin(t), math.cos(t), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    shear = np.array([[1, -math.sin(p), 0], [0, math.cos(p), 0], [0, 0, 1]])
    mirror = np.eye(3)
    if "h" in flips:
        mirror = np.array([[-1, 0, w - 1], [0, 1, 0], [0, 0, 1]]) @ mirror
    if "v" in flips:
        mirror = np.array([[1, 0, 0], [0, -1, h - 1], [0, 0, 1]]) @ mirror
    return centre @ turn @ shift @ shear @ np.diag([zx, zy, 1]) @ back @ mirror


@pytest.mark.parametrize(
    ("theta", "phi", "tx", "ty", "zx", "zy", "flips"),
    [
        pytest.param(25, 0, 0, 0, 1, 1, "", id="rotation"),
        pytest.param(0, 0, 4.5, -3, 1, 1, "", id="shift"),
        pytest.param(0, 20, 0, 0, 1, 1, "", id="shear"),
        pytest.param(0, 0, 0, 0, 0.8, 1.3, "", id="zoom"),
        pytest.param(-40, 0, 6, -5, 1.4, 0.7, "", id="rotation before shift before zoom"),
        pytest.param(33, -12, -3, 8, 0.9, 1.2, "h", id="all of them, and a flip"),
        pytest.param(-7, 30, 2, 2, 1.1, 0.6, "hv", id="all of them, and both flips"),
    ],
)
def test_the_warp_is_keras_matrix(theta: float, phi: float, tx: float, ty: float, zx: float, zy: float, flips: str) -> None:
    everything = "rotation_range=90, width_shift_range=.9, height_shift_range=.9, shear_range=45, zoom_range=.5"
    spec = load_spec(from_keras(f"{everything}, horizontal_flip=True, vertical_flip=True").spec)
    image = picture(30, 44)
    # Keras' numbers lead from the copy to the source, and its shear also stretches the height by 1 / cos(phi).
    params: dict[str, dict[str, float]] = {
        "warp.rotate": {"angle": theta},
        "warp.shift_x": {"shift": -tx / 44},
        "warp.shift_y": {"shift": -ty / 30},
        "warp.shear": {"angle": -phi},
        "warp.zoom": {"x": 1 / zx, "y": 1 / (zy * math.cos(math.radians(phi)))},
        **({"warp.flip_h": {}} if "h" in flips else {}),
        **({"warp.flip_v": {}} if "v" in flips else {}),
    }
    recipe = next(recipes(spec, Draws.replayed([params]), Sample("a", "", Levels(image))))
    assert recipe.sampling is not None
    expected = keras_matrix(theta, phi, tx, ty, zx, zy, (44, 30), flips)
    np.testing.assert_allclose(recipe.sampling.matrices[0], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("", ["nothing to read"], id="empty"),
        pytest.param(" \n\t", ["nothing to read"], id="blank"),
        pytest.param("rotate 30 degrees", ["line 1: invalid syntax"], id="prose"),
        pytest.param("print(1)", ["expected arguments by name, such as rotation_range=30, found print(...)"], id="another call"),
        pytest.param("rotatoin_range=3", ["rotatoin_range: unknown parameter (did you mean rotation_range?)"], id="a typo"),
        pytest.param("blur=3", ["blur: unknown parameter; ImageDataGenerator has featurewise_center"], id="unknown"),
        pytest.param('rotation_range="30"', ["rotation_range: expected a number of degrees, found '30'"], id="text for a number"),
        pytest.param("rotation_range=[1, 2]", ["rotation_range: expected a number of degrees, found [1, 2]"], id="a list for a number"),
        pytest.param("rotation_range=float('nan')", ["rotation_range: expected a plain value, found float(...)"], id="nan"),
        pytest.param("rotation_range=1e999", ["rotation_range: expected a number of degrees, found inf"], id="infinite"),
        pytest.param("rotation_range=turn", ["rotation_range: expected a plain value, found turn; write the value out"], id="a name"),
        pytest.param("rotation_range=1/0", ["expected a plain value, found 1 / 0"], id="by zero"),
        pytest.param("zoom_range=None", ["zoom_range: expected a number such as 0.2"], id="no zoom"),
        pytest.param("zoom_range=[.8]", ["zoom_range: expected a number such as 0.2"], id="one factor"),
        pytest.param("zoom_range=(-2, -1)", ["zoom_range: expected a number such as 0.2"], id="zoom that only mirrors"),
        pytest.param("brightness_range=0.5", ["brightness_range: expected two factors such as [0.8, 1.2], found 0.5"], id="one brightness"),
        pytest.param("width_shift_range=True", ["width_shift_range: expected a fraction such as 0.2"], id="a flag for a number"),
        pytest.param("width_shift_range=['a']", ["width_shift_range: expected a fraction such as 0.2"], id="choices of text"),
        pytest.param("horizontal_flip=0.5", ["horizontal_flip: expected True or False, found 0.5"], id="a chance for a flag"),
        pytest.param("fill_mode='edge'", ["fill_mode: expected one of nearest, constant, reflect, wrap, found 'edge'"], id="fill mode"),
        pytest.param("interpolation_order=6", ["interpolation_order: expected a whole number from 0 to 5, found 6"], id="order"),
        pytest.param("validation_split=1.5", ["validation_split: expected a share between 0 and 1, found 1.5"], id="split"),
        pytest.param("data_format='CHW'", ["data_format: expected channels_last or channels_first, found 'CHW'"], id="format"),
        pytest.param("ImageDataGenerator(True)", ["expected arguments by name, such as rotation_range=30, found True"], id="by position"),
        pytest.param("rotation_range=1, rotation_range=2", ["rotation_range: expected once, found 2 times"], id="twice"),
        pytest.param("**settings", ["expected arguments by name, found **"], id="stars"),
        pytest.param("cval='a', shear_range='b', zom=1", ["zom: unknown", "shear_range: expected", "cval: expected"], id="all at once"),
        pytest.param("rotation_range=3) + dict(a=1", ["not the arguments"], id="a bracket of its own"),
        pytest.param("(" * 10_000, ["not the arguments"], id="deep brackets"),
        pytest.param("rotation_range=" + "-" * 100_000 + "1", ["nested too deeply"], id="deep signs"),
        pytest.param("rotation_range=" + "9" * 5000, ["not the arguments"], id="a number of 5000 digits"),
        pytest.param("rotation_range=0x" + "f" * 50_000, ["expected a plain value, found a huge number"], id="a number of many bits"),
        pytest.param("rotation_range=1\0", ["not the arguments"], id="NUL"),
        pytest.param("rotation_range='\ud800'", ["not the arguments"], id="a lone surrogate"),
        pytest.param("rotation_range='\\ud800\\n'", ["found '\\ud800\\n'"], id="an escaped surrogate"),
        pytest.param("drehung=1, größe=2", ["größe: unknown"], id="not English"),
        pytest.param("x" * 300_000, ["at most 200000 characters"], id="long"),
    ],
)
def test_what_is_wrong(text: str, problems: list[str]) -> None:
    with pytest.raises(SpecError) as raised:
        from_keras(text)
    lines = raised.value.problems
    assert all(line.startswith("keras: ") and line.isprintable() for line in lines)
    for problem in problems:
        assert any(problem in line for line in lines), lines


_VALUES = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.lists(st.floats(-3, 3) | st.integers(-3, 3), max_size=3).map(repr),
    st.text(max_size=8).map(repr),
    st.sampled_from(["None", "True", "x", "1./255", "lambda: 1", "np.array([1])", "(1, (2, 3))", "-(-1)", "not 1", "*[1]", "1e308 * 10"]),
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from([*PARAMETERS, "other"]), _VALUES, max_size=4))
def test_any_values_give_a_spec_or_an_error(given_values: dict[str, str]) -> None:
    try:
        checked(from_keras("ImageDataGenerator(" + ", ".join(f"{name}={value}" for name, value in given_values.items()) + ")"))
    except SpecError as error:
        assert all(line.startswith("keras: ") and line.isprintable() for line in error.problems)


@settings(max_examples=150)
@given(
    st.text() | st.text(alphabet="()[]{}=,.*'\"#\\\n rotatin_ge01") | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
)
def test_any_text_gives_a_spec_or_an_error(text: str) -> None:
    try:
        checked(from_keras(text))
    except SpecError as error:
        assert all(line.startswith("keras: ") and line.isprintable() for line in error.problems)
