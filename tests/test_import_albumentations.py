"""What albumentations.save writes, read as a spec: settings and their units, what is told, and files that can't be read."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import SpecError, document, load_spec
from augx.importers.albumentations import from_albumentations

GOLDEN = Path(__file__).parent / "golden" / "albumentations"
FILES = sorted(GOLDEN.glob("*.*"))


def checked(data: bytes, name: str = "x") -> Any:
    """What the importer makes of a file, which must load, as data and as a file."""
    found = from_albumentations(data, name)
    assert next(iter(found.spec)) == "augx"
    again = document.parse(found.as_yaml().encode(), "x")[0]
    assert again == found.spec and load_spec(again).hash == load_spec(found.spec).hash
    return found


def of(name: str, **settings: Any) -> dict[str, Any]:
    return {"__class_fullname__": name, "p": 1.0, **settings}


def read(*transforms: dict[str, Any], **settings: Any) -> Any:
    return checked(json.dumps({"__version__": "2.0.8", "transform": of("Compose", transforms=list(transforms), **settings)}).encode())


def group(name: str, *transforms: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return of(name, transforms=list(transforms), **settings)


FLIP, GREY, BLUR = of("HorizontalFlip"), of("ToGray"), of("GaussianBlur", sigma_limit=[1, 2])
WIDE = {"border": "constant"}
SINGLE = [
    pytest.param([of("RandomRotate90", p=0.5)], {"warp": {"rotate90": 0.375}}, id="a quarter of its turns is none"),
    pytest.param([of("D4")], {"warp": {"rotate90": 0.75, "flip_h": 0.5}}, id="eight symmetries"),
    pytest.param([of("Rotate", limit=[-20, 40])], {"warp": {"rotate": [-20, 40], **WIDE}}, id="angles keep their sign"),
    pytest.param([of("Rotate", limit=[-5, 5], border_mode=4)], {"warp": {"rotate": 5, "border": "reflect101"}}, id="border"),
    pytest.param([of("Affine", shear={"x": [-5, 10], "y": 0}, p=0.5)],
                 {"warp": {"shear": {"range": [-5, 10], "p": 0.5}, **WIDE}}, id="shear"),
    pytest.param([of("Affine", shear={"x": 0, "y": [-5, 10]})], {"warp": {"shear_y": [-10, 5], **WIDE}}, id="shear along y is mirrored"),
    pytest.param(
        [of("Affine", scale={"x": [0.5, 1.2], "y": [0.5, 1.2]}, keep_ratio=True, balanced_scale=True)],
        {"warp": {"steps": [{"one_of": [{"zoom": [0.5, 1]}, {"zoom": [1, 1.2]}]}], **WIDE}},
        id="balanced scale",
    ),
    pytest.param([of("Resize", height=10, width=20)], {"output": {"size": [20, 10]}}, id="resize"),
    pytest.param(
        [of("Resize", height=200, width=100), of("RandomCrop", height=160, width=80)],
        {"warp": {"crop": {"fixed": 0.8}}, "output": {"size": [80, 160]}},
        id="a crop of a known size is a share",
    ),
    pytest.param(
        [of("Resize", height=200, width=100), of("CenterCrop", height=160, width=80)],
        {"warp": {"zoom": {"fixed": 1.25}}, "output": {"size": [80, 160]}},
        id="a crop of the centre is a zoom",
    ),
    pytest.param(
        [of("Resize", height=100, width=100), of("RandomCrop", height=100, width=80)],
        {"warp": {"scale_x": {"fixed": 1.25}, "shift_x": 0.125}, "output": {"size": [80, 100]}},
        id="a crop of one side",
    ),
    pytest.param(
        [of("RandomBrightnessContrast", brightness_limit=[-0.2, 0.2], contrast_limit=[0, 0.5], p=0.4)],
        {"tone": {"steps": [{"all_of": [{"brightness": [1, 1.5]}, {"channel_shift": 51}], "p": 0.4}]}},
        id="its contrast multiplies, its brightness adds",
    ),
    pytest.param([of("RandomGamma", gamma_limit=[80, 150])], {"tone": {"gamma": [0.8, 1.5]}}, id="gamma is in percent"),
    pytest.param([of("Solarize", threshold_range=[0.2, 0.6])], {"tone": {"solarize": [51, 153]}}, id="a threshold is a share"),
    pytest.param([of("GaussNoise", std_range=[0.1, 0.2])], {"then": [{"noise": [25.5, 51]}]}, id="noise is a share of 255"),
    pytest.param([of("ChannelShuffle")], {"then": [{"channel_shuffle": 0.833333}]}, id="a sixth of the orders is their own"),
    pytest.param([of("MedianBlur", blur_limit=[3, 6])], {"then": [{"median": {"choice": [3, 5, 7]}}]}, id="odd sizes"),
    pytest.param([of("MultiplicativeNoise", multiplier=[0.8, 1.2], per_channel=True)], {"tone": {"channel_gain": 0.2}}, id="gains"),
    pytest.param([of("GaussianBlur", p=0)], {}, id="what never happens"),
    pytest.param([group("OneOf", FLIP, of("VerticalFlip", p=0.5), p=0.6)],
                 {"warp": {"steps": [{"one_of": [{"flip_h": 1}, {"flip_v": 1}], "weights": [1, 0.5], "p": 0.6}]}}, id="p are weights"),
    pytest.param([group("OneOf", FLIP, of("GlassBlur"), p=0.6)], {"warp": {"flip_h": 0.3}}, id="what is lost takes its share with it"),
    pytest.param([group("OneOf", FLIP, of("NoOp", p=3 / 4), of("Emboss", p=1 / 4))], {"warp": {"flip_h": 0.5}}, id="nothing is an option"),
    pytest.param([group("OneOf", FLIP, BLUR, GREY, p=0.6)],
                 {"warp": {"flip_h": 0.2}, "then": [{"one_of": [{"blur": [1, 2]}, {"grayscale": 1}], "p": 0.4}]}, id="several sections"),
    pytest.param([group("OneOrOther", BLUR, GREY, p=0.2)],
                 {"then": [{"one_of": [{"blur": [1, 2]}, {"grayscale": 1}], "weights": [0.2, 0.8]}]}, id="one or other"),
    pytest.param([group("SomeOf", BLUR, of("ToGray", p=0.5), of("GlassBlur"), n=2, p=0.5)],
                 {"then": [{"some_of": [{"blur": [1, 2]}, {"grayscale": 0.5}, {"all_of": []}], "count": 2, "p": 0.5}]}, id="some"),
    pytest.param([group("Sequential", BLUR, GREY, p=0.5)],
                 {"then": [{"all_of": [{"blur": [1, 2]}, {"grayscale": 1}], "p": 0.5}]}, id="all"),
    pytest.param([FLIP, FLIP, GREY], {"warp": {"flip_h": 1, "steps": [{"flip_h": 1}]}, "then": [{"grayscale": 1}]}, id="twice"),
]  # fmt: skip


@pytest.mark.parametrize(("transforms", "expected"), SINGLE)
def test_settings(transforms: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert read(*transforms).spec == {"augx": 1, **expected}


NOTES = [
    pytest.param([BLUR, FLIP], "changed", "there GaussianBlur comes before HorizontalFlip", id="order"),
    pytest.param([group("OneOf", FLIP, BLUR)], "changed", "OneOf(HorizontalFlip, GaussianBlur): its options are of several", id="sections"),
    pytest.param([group("SelectiveChannelTransform", BLUR)], "changed", "SelectiveChannelTransform: the file doesn't say", id="channels"),
    pytest.param([of("Affine", scale=30)], "changed", "Affine: range of zoom would be", id="beyond what is allowed"),
    pytest.param(
        [of("Rotate"), of("Affine", rotate=9, border_mode=1)], "changed", "Affine: border nearest 0 is constant 0", id="two borders"
    ),
    pytest.param([of("Rotate", mask_interpolation=2)], "lost", "Rotate: mask_interpolation 2: masks are", id="masks"),
    pytest.param([of("ToGray", tint=3)], "lost", "ToGray: tint 3 has no equivalent", id="an unknown setting"),
    pytest.param([of("my.own.Dream")], "lost", "Dream: no such transform is known", id="an unknown transform"),
    pytest.param([group("Shuffled", FLIP)], "lost", "taken over: HorizontalFlip", id="an unknown composition"),
    pytest.param([of("Resize", height=9, width=9, p=0.5)], "changed", "every copy becomes 9 x 9", id="a size by chance"),
]


@pytest.mark.parametrize(("transforms", "kind", "line"), NOTES)
def test_notes(transforms: list[dict[str, Any]], kind: str, line: str) -> None:
    lines = getattr(read(*transforms), kind)
    assert sum(line in found for found in lines) == 1, lines
    assert len(set(lines)) == len(lines) and all("\n" not in found and ": " in found for found in lines)


def test_an_older_file() -> None:
    old = of("albumentations.augmentations.transforms.GaussNoise", var_limit=[10, 50], always_apply=True) | {"p": 0.5}
    found = checked(json.dumps({"__version__": "1.3.1", "transform": of("Compose", transforms=[old])}).encode())
    assert found.spec["then"] == [{"noise": [51, 112.2]}]
    assert found.changed == ["Albumentations: version 1.3.1 wrote this file, which is read as 2.0.8's"]
    assert found.lost == ["GaussNoise: var_limit [10, 50] has no equivalent here"]


FAULTS = [
    pytest.param(b"", "x.json: the file is empty", id="empty"),
    pytest.param(b"{", "x.json: line 1, column 2: not JSON", id="half"),
    pytest.param(b"augx: 1", "x.json: not a pipeline of Albumentations", id="a spec of ours"),
    pytest.param(b"[1, 2]", "x.json: not a pipeline of Albumentations", id="a list"),
    pytest.param(b"{\"a\": " * 500 + b"1" + b"}" * 500, "x.json: more than", id="deep"),
    pytest.param(b"[" * 100_000, "x.json: not JSON", id="very deep"),
    pytest.param(b"transform: !!python/tuple [1]", "x.json: line 1, column 12: tags", id="a tag"),
    pytest.param(b"\xff\xfe", "x.json: not UTF-8", id="bytes"),
    pytest.param(b'{"transform": {"__class_fullname__": "Rotate", "limit": NaN}}',
                 "x.json: Rotate: limit: expected a number", id="not a number"),
    pytest.param(b'{"transform": {"__class_fullname__": "Rotate", "limit": [9, 1]}}',
                 "x.json: Rotate: limit: expected low <= high", id="order"),
    pytest.param(b'{"transform": {"__class_fullname__": "Blur", "p": 2}}', "x.json: Blur: p: expected a probability", id="p"),
    pytest.param(b'{"transform": {"__class_fullname__": "OneOf", "transforms": [3]}}', "x.json: OneOf: expected a transform", id="child"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), FAULTS)
def test_faults(data: bytes, message: str) -> None:
    with pytest.raises(SpecError) as error:
        from_albumentations(data, "x.json")
    assert error.value.problems[0].startswith(message)
    assert all(problem.startswith("x.json: ") and "\n" not in problem for problem in error.value.problems)


ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    0.5,
    3,
    1e9,
    1e300,
    10**50,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800\n",
    [],
    [1],
    [-5, 1e6],
    [[1]],
    {},
]


@given(st.sampled_from(FILES), st.integers(0, 2**32))
def test_never_a_traceback(path: Path, seed: int) -> None:
    drawn = random.Random(seed)
    text = path.read_bytes()
    data = json.loads(text) if path.suffix == ".json" else document.parse(text, "x")[0]
    for _ in range(drawn.randint(1, 4)):
        node, key = data, "transform"
        while isinstance(node[key], dict | list) and node[key] and (key == "transform" or drawn.random() < 0.8):
            node = node[key]
            key = drawn.choice(list(node) if isinstance(node, dict) else range(len(node)))
        node[key] = drawn.choice(ODD)
        if not isinstance(data.get("transform"), dict):
            break
    content = json.dumps(data).encode()
    if drawn.random() < 0.3:
        place = drawn.randrange(len(text))
        content = text[:place] + bytes(drawn.randrange(256) for _ in range(3)) + text[place + drawn.randint(0, 9) :]
    try:
        checked(content, "x")
    except SpecError as error:
        assert all(problem.startswith("x: ") and "\n" not in problem for problem in error.problems)
