"""The spec's language: what is read, what is refused and in which words."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import AugxError, SpecError, document, load_spec
from augx.catalogue import catalogue, json_schema
from augx.draws import draw
from augx.ranges import Quantity
from augx.spec import PRESETS, Spec
from augx.transforms import TRANSFORMS

ANGLE = Quantity("angle", "degrees", 0, -360, 360)
FACTOR = Quantity("factor", "factor", 1, 0, 10)
SIGMA = Quantity("sigma", "pixels", 0, 0, 100)
U = np.random.default_rng(0).random(20_000)


def load(tmp_path: Path, text: str | bytes, *overrides: str) -> Spec:
    path = tmp_path / "spec.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_spec(path, overrides)


def problems(tmp_path: Path, text: str | bytes, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text, *overrides)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("quantity", "value", "low", "high"),
    [
        pytest.param(ANGLE, 30, -30, 30, id="a number is symmetric about 0 for angles"),
        pytest.param(FACTOR, 0.2, 0.8, 1.2, id="a number is symmetric about 1 for factors"),
        pytest.param(SIGMA, 3, 0, 3, id="a number goes up from neutral where nothing lies below"),
        pytest.param(ANGLE, [10, 20], 10, 20, id="a pair is uniform"),
        pytest.param(ANGLE, {"log_uniform": [1, 100]}, 1, 100, id="log-uniform"),
        pytest.param(ANGLE, {"normal": [0, 5], "clip": [-8, 9]}, -8, 9, id="a normal is clipped"),
        pytest.param(ANGLE, {"choice": [-90, 0, 90]}, -90, 90, id="a choice"),
        pytest.param(ANGLE, {"fixed": 45}, 45, 45, id="fixed"),
        pytest.param(ANGLE, 0, 0, 0, id="nothing"),
    ],
)
def test_range_grammar(quantity: Quantity, value: object, low: float, high: float) -> None:
    drawn = quantity.parse(value).quantile(U)
    assert low <= drawn.min() and drawn.max() <= high
    assert drawn.min() <= low + 0.01 * (high - low) and drawn.max() >= high - 0.01 * (high - low)


@pytest.mark.parametrize("value", [[0, 1e-310], 1e-320, {"normal": [0, 1e-310]}, {"choice": [1, 2], "weights": [1e308, 1e308]}], ids=str)
def test_extreme_ranges_draw_numbers(value: object) -> None:
    drawn = ANGLE.parse(value).quantile(U)
    assert np.isfinite(drawn).all() and (isinstance(value, float | list) or len(set(drawn)) in (1, 2))


def test_quantiles_follow_their_distributions() -> None:
    normal = ANGLE.parse({"normal": [10, 5]}).quantile(U)
    assert abs(normal.mean() - 10) < 0.2 and abs(normal.std() - 5) < 0.2
    logarithms = np.log10(ANGLE.parse({"log_uniform": [1, 100]}).quantile(U))
    assert abs(logarithms.mean() - 1) < 0.02 and abs(logarithms.std() - 2 / 12**0.5) < 0.02
    weighted = ANGLE.parse({"choice": [0, 90], "weights": [1, 3]}).quantile(U)
    assert set(weighted) == {0, 90} and abs((weighted == 90).mean() - 0.75) < 0.02


@given(st.floats(-300, 300), st.floats(0.001, 50))
def test_drawn_values_are_short_decimals_that_survive_json(low: float, width: float) -> None:
    for value in ANGLE.parse([low, low + width]).quantile(U[:20]).tolist():
        assert json.loads(json.dumps(value)) == value
        assert low <= value <= low + width


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warp: {rotat: 3}", "line 1, column 8: warp.rotat: unknown key (did you mean rotate?)"),
        ("warp: {rotate: {degres: 3, range: 2}}", "line 1, column 17: warp.rotate.degres: unknown key; allowed: range, p, relabel"),
        ("wrap: {rotate: 3}", "line 1, column 1: wrap: unknown key (did you mean warp?)"),
        ("warp: {rotate: big}", "expected a number, [low, high], or one of"),
        ("warp: {rotate: -3}", "can't be negative"),
        ("warp: {rotate: true}", "found True"),
        ("warp: {rotate: .nan}", "expected a finite number, found nan"),
        ("warp: {rotate: .inf}", "expected a finite number"),
        ("warp: {rotate: 1e400}", "expected a finite number"),
        ("warp: {rotate: 400}", "values must lie in [-360, 360] (degrees, counter-clockwise), found [-400, 400]"),
        ("warp: {rotate: [5, 1]}", "needs low <= high"),
        ("warp: {rotate: [1, 2, 3]}", "expected [low, high]"),
        ("warp: {rotate: {choice: [1, 2], weights: [1]}}", "a list of 2 numbers"),
        ("warp: {rotate: {choice: [1, 2], weights: [0, 0]}}", "must not all be 0"),
        ("warp: {rotate: {choice: []}}", "expected a number"),
        ("warp: {rotate: {normal: [0, -1]}}", "can't be negative"),
        ("warp: {zoom: {log_uniform: [0, 2]}}", "needs 0 < low"),
        ("warp: {zoom: {range: 0.1, axes: both}}", "expected together or independent, found 'both'"),
        ("warp: {flip_h: 2}", "less than or equal to 1, found 2"),
        ("warp: {flip_h: true}", "expected a probability between 0 and 1"),
        ("warp: {border: edge}", "expected nearest, constant, reflect, reflect101, wrap or crop_safe"),
        ("warp: {border_value: [1, 2]}", "expected a level"),
        ("warp: {border_value: 300}", "less than or equal to 255"),
        ("warp: 3", "warp: expected a mapping"),
        ("warp: {blur: 3}", "warp.blur: unknown key"),
        ("then: {blur: 3}", "then: expected a list"),
        ("then: [{blur: 1, noise: 2}]", "a step is one transform, found noise, blur"),
        ("then: [{blur: 1, p: 0.5}]", "write blur: {..., p: 0.5}"),
        ("then: [{one_of: []}]", "one_of needs at least one option"),
        ("then: [{one_of: [{blur: 1}], weights: [1, 2]}]", "weights must be 1 numbers"),
        ("then: [{}]", "a step is one transform, found none"),
        ("output: {format: gif}", "expected source, jpg, png, webp, tiff, bmp or npy, found 'gif'"),
        ("output: {quality: 0}", "greater than or equal to 1, found 0"),
        ("output: {size: [10]}", "output.size"),
        ("output: {size: [10, 0]}", "output.size.1"),
        ("output: {size: [1.5, 2]}", "valid integer"),
        (
            "output: {size: [10001, 10000]}",
            "line 1, column 10: output.size: a copy may have 100,000,000 pixels, found 10001x10000, 100,010,000; write a smaller size",
        ),
        (
            "warp: {crop: {size: [65500, 65500]}}",
            "line 1, column 15: warp.crop.size: a copy may have 100,000,000 pixels, found 65500x65500",
        ),
        ("warp: {steps: [{crop: {size: [65500, 2000]}}]}", "warp.steps.0.crop.size: a copy may have 100,000,000 pixels"),
        ("seed: 1.5", "seed: must be a valid integer, found 1.5"),
        ("seed: -1", "greater than or equal to 0"),
        ("augx: 2", "augx: expected 1, found 2"),
        ("- 1", "the spec: expected a mapping"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("spec.yaml: ") and expected in problem and "\n" not in problem


def test_all_mistakes_of_a_file_come_in_one_go_in_order(tmp_path: Path) -> None:
    found = problems(tmp_path, "augx: 1\ntone:\n  gama: 2\nwarp:\n  zoom: big\nthen:\n  - blur: {sigma: -1}\n")
    assert [problem.split(":")[1] for problem in found] == [" line 3, column 3", " line 5, column 3", " line 7, column 12"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"a: [1, 2", "not YAML"),
        (b"a: b: c", "line 1, column 5: not YAML"),
        (b"a: 1\na: 2", "line 2, column 1: the key 'a' stands twice (first on line 1)"),
        (b"a: &x 1\nb: *x", "line 1, column 4: anchors"),
        (b"a: &x [*x]", "anchors"),
        (b"a: !!python/object:os.system {}", "tags (!) are not allowed"),
        (b"a: !!str 3", "tags (!) are not allowed"),
        (b"<<: {a: 1}", "a key must be plain text"),
        (b"{[1, 2]: 3}", "a key must be plain text"),
        (b"[" * 2000, "nested more than 32 deep"),
        (b"[" + b"1," * 30_000 + b"]", "more than 20000 values"),
        (b"#" * 1_000_001, "a spec may have 1000000 bytes"),
        (b"a: \x00", "not YAML"),
        (b"--- 1\n--- 2", "not YAML"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_documents_that_are_refused(tmp_path: Path, text: bytes, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert expected in problem and "\n" not in problem


def test_alias_bombs_cost_nothing(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20))
    assert "anchors" in problems(tmp_path, bomb)[0]
    merge = "a: &a {k: 1}\nb: {<<: [*a, *a, *a]}"
    assert "anchors" in problems(tmp_path, merge)[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("1e-6", 1e-6),
        ("1E5", 1e5),
        (".5", 0.5),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("2024-13-45", "2024-13-45"),
        ("1_000", "1_000"),
        ("-.inf", float("-inf")),
        ("'12'", "12"),
        ('"NO"', "NO"),
    ],
)
def test_scalars_are_yaml_1_2(text: str, value: object) -> None:
    assert document.parse(f"key: {text}".encode(), "x")[0] == {"key": value}


def test_keys_are_text() -> None:
    assert document.parse(b"NO: 1\n007: 2\n1e3: 3", "x")[0] == {"NO": 1, "007": 2, "1e3": 3}


def test_a_number_of_5000_digits(tmp_path: Path) -> None:
    assert "finite" in problems(tmp_path, f"warp: {{rotate: {'9' * 5000}}}")[0]


@given(st.binary(max_size=80) | st.text("aw:{}[]-?&*!|>'\"%@` \n\t0.,#", max_size=60).map(str.encode))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        load_spec(document.parse(data, "fuzz")[0])
    except (AugxError, TypeError) as error:
        assert isinstance(error, AugxError) or not isinstance(document.parse(data, "fuzz")[0], dict)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda v: (
            st.lists(v)
            | st.dictionaries(
                st.sampled_from(["warp", "then", "rotate", "range", "one_of", "blur", "choice", "normal", "size", "output"]), v
            )
        ),
        max_leaves=12,
    )
)
def test_no_values_break_the_checker(value: object) -> None:
    try:
        load_spec({"warp": value, "then": value, "output": value, "seed": value})
    except SpecError as error:
        assert error.problems and all(problem.startswith("spec: ") for problem in error.problems)


def test_a_key_without_a_value_is_omitted(tmp_path: Path) -> None:
    assert load(tmp_path, "warp:\n  rotate:\ntone:\nthen:").canonical() == {"augx": 1, "seed": 0}


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("warp.rotate=15", ["warp", "rotate"], {"range": [-15.0, 15.0]}),
        ("warp.rotate=[1, 2]", ["warp", "rotate"], {"range": [1.0, 2.0]}),
        ("warp.rotate.p=0.5", ["warp", "rotate"], {"range": [-30.0, 30.0], "p": 0.5}),
        ("warp.shear=", ["warp", "shear"], None),
        ("tone.gamma={log_uniform: [0.5, 2]}", ["tone", "gamma"], {"range": {"log_uniform": [0.5, 2.0]}}),
        ("then=[{blur: 1}]", ["then"], [{"blur": {"sigma": [0.0, 1.0]}}]),
        ("output.format=png", ["output", "format"], "png"),
        ("seed=7", ["seed"], 7),
    ],
)
def test_set(override: str, path: list[str], expected: object) -> None:
    found: object = load_spec("tutorial", [override]).canonical()
    for key in path:
        found = found.get(key) if isinstance(found, dict) else found
    assert found == expected


def test_set_reaches_into_a_list() -> None:
    assert load_spec("strong", ["then.0.blur.p=0.9"]).canonical()["then"][0]["blur"]["p"] == 0.9


@pytest.mark.parametrize("override", ["warp.rotate", "=3", "then.9.blur=1", "seed.x=1", "warp.rotate=[", "warp.border=odd"])
def test_set_mistakes_name_the_option(override: str) -> None:
    with pytest.raises(SpecError, match="--set") as caught:
        load_spec("strong", [override])
    assert override.split("=")[0] in str(caught.value)


def test_presets_are_specs_that_say_what_they_are_for() -> None:
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    assert names == ["documents", "gentle", "strong", "tutorial"]
    for name in names:
        assert (PRESETS / f"{name}.yaml").read_text().startswith("# ")
        spec = load_spec(name)
        assert draw(spec, "k", range(3)).plain[0]
    documents = load_spec("documents").canonical()["warp"]
    assert not {"flip_h", "flip_v", "rotate90"} & documents.keys()


def test_the_tutorial_preset_is_the_tutorial() -> None:
    (drawn,) = [draw(load_spec("tutorial"), "k", range(5000))]
    extremes = {place: {name: (v.min(), v.max()) for name, v in columns.items()} for place, columns in drawn.params.items()}
    assert extremes["warp.rotate"]["angle"] == pytest.approx((-30, 30), abs=0.1)
    assert extremes["warp.zoom"]["x"] == pytest.approx((0.85, 1.15), abs=0.01)
    assert not np.array_equal(drawn.params["warp.zoom"]["x"], drawn.params["warp.zoom"]["y"])
    assert extremes["warp.shift_x"]["shift"] == pytest.approx((-0.2, 0.2), abs=0.01)
    assert "warp.shear" not in extremes  # its 0.15 degrees are nothing
    assert abs(drawn.active["warp.flip_h"].mean() - 0.5) < 0.05


@pytest.mark.parametrize("name", ["tutorial", "gentle", "strong", "documents"])
def test_the_canonical_form_is_a_spec_of_the_same_hash(name: str) -> None:
    spec = load_spec(name)
    again = load_spec(json.loads(json.dumps(spec.canonical())))
    assert again.hash == spec.hash and again.canonical() == spec.canonical()


def test_the_hash_knows_what_matters() -> None:
    hashes = [
        load_spec(data).hash
        for data in (
            {"warp": {"rotate": 30, "shear": 5}},
            {"warp": {"shear": 5, "rotate": 30}},
            {"warp": {"rotate": 31, "shear": 5}},
            {"warp": {"rotate": 30, "shear": 5, "border": "wrap"}},
            {"warp": {"rotate": 30, "shear": 5}, "output": {"quality": 90}},
        )
    ]
    assert len(set(hashes)) == 5
    same = [{"rotate": 30}, {"rotate": [-30, 30]}, {"rotate": {"range": 30.0, "p": 1}}, {"rotate": 30, "border": "nearest"}]
    assert len({load_spec({"warp": warp, "seed": i}).hash for i, warp in enumerate(same)}) == 1


def test_json_schema_has_every_transform() -> None:
    schema = json.dumps(json_schema())
    for name, cls in TRANSFORMS.items():
        assert f'"{name}"' in schema and cls.__doc__ and json.dumps(cls.__doc__.splitlines()[0])[1:-1] in schema
    assert json.loads(schema)["additionalProperties"] is False


SPELLINGS = [
    {"warp": {"rotate": 30, "flip_h": 0.5, "crop": {"size": [20, 20]}}, "then": [{"noise": 3}, "equalize", {"jpeg": 30}]},
    {"warp": {"steps": [{"one_of": [{"elastic": 0.03}, {"all_of": []}], "p": 0.5, "weights": [1, 2]}]}},
    {"then": [{"some_of": [{"blur": 1}, {"erase": {"area": 0.1, "fill": "mean"}}], "count": 1}]},
    {"policy": "augmix", "classes": {"a": {"warp": {"flip_h": 0}, "policy": None}}},
    {"policy": {"auto_augment": "svhn"}, "tone": {"posterize": {"choice": [3, 4]}, "gamma": {"truncated_normal": [1, 0.1]}}},
    *({preset.stem: preset} for preset in sorted(PRESETS.glob("*.yaml"))),
    *({entry.name: entry.example} for entry in catalogue()),
]
MISSPELT = [
    {"warp": {"rotat": 30}},
    {"warp": {"rotate": {"range": [-500, 0]}}},
    {"then": [{"rotate": 3}]},
    {"then": [{"one_of": {"blur": 1}}]},
    {"policy": "auto"},
    {"policy": {"rand_augment": {"magnitude": 31}}},
    {"tone": {"posterize": 9}},
]


@functools.cache
def schema_of_specs() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("spec", [*SPELLINGS, *MISSPELT], ids=lambda spec: str(spec)[:60])
def test_the_json_schema_takes_what_is_a_spec(spec: dict[str, object]) -> None:
    value = next(iter(spec.values()))
    if isinstance(value, str) and ":" in value:
        data = document.parse(value.encode(), "example")[0]
    else:
        data = document.parse(value.read_bytes(), "preset")[0] if isinstance(value, Path) else spec
    assert schema_of_specs().is_valid(data) == (spec not in MISSPELT)
    if spec in MISSPELT:
        with pytest.raises(SpecError):
            load_spec(data)
    else:
        load_spec(data)


@pytest.mark.parametrize("name", ["tutoral", "nope"])
def test_an_unknown_preset_names_those_there_are(name: str) -> None:
    with pytest.raises(SpecError, match="there are documents, gentle, strong, tutorial"):
        load_spec(name)


@pytest.mark.parametrize("path", ["nope.yaml", ".", "a\0b.yaml"])
def test_a_spec_that_can_not_be_read(path: str) -> None:
    with pytest.raises(SpecError, match="can't read this spec"):
        load_spec(Path(path))
