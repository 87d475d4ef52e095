"""torchvision's pipelines -> a spec: every transform as source and as printed, chances and choices, what is wrong with an input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import document, load_spec
from augx.draws import Draws
from augx.errors import SpecError
from augx.importers import Imported
from augx.importers.torchvision import TRANSFORMS, from_torchvision
from augx.recipe import recipes
from augx.sample import Sample
from augx.warp import Levels
from tests.conftest import picture

BLACK = {"border": "constant"}
ROUGH = {"border": "constant", "interpolation": "nearest"}
RRC = {"random_resized_crop": 0.08}
HOLE = {"area": [0.02, 0.33], "aspect": {"log_uniform": [0.30303, 3.333333]}}

# As source, as v1 and v2 print it ("" where it has none), what it gives, and words of its note.
CASES: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("RandomHorizontalFlip()", "RandomHorizontalFlip(p=0.5)", "RandomHorizontalFlip(p=0.5)", {"warp": {"flip_h": 0.5}}, ""),
    ("RandomVerticalFlip(.2)", "RandomVerticalFlip(p=0.2)", "RandomVerticalFlip(p=0.2)", {"warp": {"flip_v": 0.2}}, ""),
    (
        "RandomRotation(30)",
        "RandomRotation(degrees=[-30.0, 30.0], interpolation=nearest, expand=False, fill=0)",
        "RandomRotation(degrees=[-30.0, 30.0], interpolation=nearest, expand=False, fill=0)",
        {"warp": {"rotate": 30, **ROUGH}},
        "",
    ),
    (
        "RandomRotation((0, 90), InterpolationMode.BILINEAR, expand=True, fill=(255, 0, 0))",
        "RandomRotation(degrees=[0.0, 90.0], interpolation=bilinear, expand=True, fill=(255, 0, 0))",
        "RandomRotation(degrees=[0.0, 90.0], interpolation=InterpolationMode.BILINEAR, expand=True, fill=[255, 0, 0])",
        {"warp": {"rotate": [0, 90], **BLACK, "border_value": [255, 0, 0]}},
        "RandomRotation: expand",
    ),
    (
        "RandomAffine((-10, 20), (.1, .2), (.8, 1.2), [1, 2, 3, 4], interpolation=Image.BICUBIC)",
        "RandomAffine(degrees=[-10.0, 20.0], translate=(0.1, 0.2), scale=(0.8, 1.2), shear=[1, 2, 3, 4], interpolation=bicubic)",
        "RandomAffine(degrees=[-10.0, 20.0], translate=(0.1, 0.2), scale=(0.8, 1.2), shear=[1, 2, 3, 4], interpolation=bicubic, fill=0)",
        {
            "warp": {"shear": [1, 2], "shear_y": [-4, -3], "zoom": 0.2, "rotate": [-20, 10], "shift_x": 0.1, "shift_y": 0.2}
            | BLACK
            | {"interpolation": "cubic"}
        },
        "",
    ),
    (
        "RandomPerspective(0.5, p=0.3)",
        "RandomPerspective(p=0.3)",
        "RandomPerspective(p=0.3, distortion_scale=0.5, interpolation=bilinear, fill=0)",
        {"warp": {"perspective": {"range": {"fixed": 0.5}, "p": 0.3}, **BLACK}},
        "distortion_scale is not printed",
    ),
    (
        "RandomResizedCrop(size=(100, 200))",
        "RandomResizedCrop(size=(100, 200), scale=(0.08, 1.0), ratio=(0.75, 1.3333333), interpolation=bilinear, antialias=None)",
        "RandomResizedCrop(size=(100, 200), scale=(0.08, 1.0), ratio=(0.75, 1.3333333333333333), interpolation=bilinear, antialias=True)",
        {"warp": RRC, "output": {"size": [200, 100]}},
        "",
    ),
    (
        "RandomCrop(32, padding=4)",
        "RandomCrop(size=(32, 32), padding=4)",
        "RandomCrop(size=(32, 32), padding=[4, 4, 4, 4], pad_if_needed=False, fill=0, padding_mode=constant)",
        {"warp": {"shift_x": 0.125, "shift_y": 0.125, "crop": {"size": [32, 32]}, **BLACK}},
        "RandomCrop: its padding becomes shifts",
    ),
    (
        "CenterCrop(24)",
        "CenterCrop(size=(24, 24))",
        "CenterCrop(size=(24, 24))",
        {"warp": {"crop": {"size": [24, 24]}}},
        "at a random place",
    ),
    (
        "Resize((256, 300))",
        "Resize(size=(256, 300), interpolation=bilinear, max_size=None, antialias=True)",
        "Resize(size=[256, 300], interpolation=bilinear, antialias=True)",
        {"output": {"size": [300, 256]}},
        "",
    ),
    (
        "Resize(256)",
        "Resize(size=256, interpolation=bilinear, max_size=None, antialias=True)",
        "Resize(size=[256], interpolation=bilinear, antialias=True)",
        {},
        "Resize: 256 is the shorter side",
    ),
    (
        "Pad(4)",
        "Pad(padding=4, fill=0, padding_mode=constant)",
        "Pad(padding=4, fill=0, padding_mode=constant)",
        {},
        "Pad: its pixels are a share",
    ),
    (
        "ColorJitter(0.2, (.5, 1.5), 0.3, 0.1)",
        "ColorJitter(brightness=(0.8, 1.2), contrast=(0.5, 1.5), saturation=(0.7, 1.3), hue=(-0.1, 0.1))",
        "ColorJitter(brightness=(0.8, 1.2), contrast=(0.5, 1.5), saturation=(0.7, 1.3), hue=(-0.1, 0.1))",
        {"tone": {"brightness": 0.2}, "then": [{"mean_contrast": 0.5}, {"saturation": 0.3}, {"hsv": 36}]},
        "in torchvision in a random one",
    ),
    (
        "ColorJitter(brightness=2)",
        "ColorJitter(brightness=(0, 3.0), contrast=None, saturation=None, hue=None)",
        "ColorJitter(brightness=(0, 3.0))",
        {"tone": {"brightness": [0, 3]}},
        "",
    ),
    ("RandomGrayscale()", "RandomGrayscale(p=0.1)", "RandomGrayscale(p=0.1)", {"then": [{"grayscale": 0.1}]}, ""),
    ("Grayscale(3)", "Grayscale(num_output_channels=3)", "Grayscale(num_output_channels=3)", {"then": [{"grayscale": 1}]}, ""),
    (
        "GaussianBlur(3)",
        "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))",
        "GaussianBlur(kernel_size=(3, 3), sigma=[0.1, 2.0])",
        {"then": [{"blur": [0.1, 2]}]},
        "cuts the Gaussian off",
    ),
    (
        "RandomAdjustSharpness(2)",
        "RandomAdjustSharpness(sharpness_factor=2,p=0.5)",
        "RandomAdjustSharpness(p=0.5, sharpness_factor=2)",
        {"then": [{"sharpen": {"factor": {"fixed": 2}, "p": 0.5}}]},
        "",
    ),
    ("RandomAutocontrast()", "RandomAutocontrast(p=0.5)", "RandomAutocontrast(p=0.5)", {"then": [{"autocontrast": {"p": 0.5}}]}, ""),
    ("RandomEqualize(1)", "RandomEqualize(p=1)", "RandomEqualize(p=1)", {"then": [{"equalize": 1}]}, ""),
    ("RandomInvert()", "RandomInvert(p=0.5)", "RandomInvert(p=0.5)", {"tone": {"invert": 0.5}}, ""),
    (
        "RandomPosterize(4)",
        "RandomPosterize(bits=4,p=0.5)",
        "RandomPosterize(p=0.5, bits=4)",
        {"tone": {"posterize": {"bits": {"fixed": 4}, "p": 0.5}}},
        "",
    ),
    (
        "RandomSolarize(threshold=128., p=1)",
        "RandomSolarize(threshold=128.0,p=1)",
        "RandomSolarize(p=1, threshold=128.0)",
        {"tone": {"solarize": {"fixed": 128}}},
        "",
    ),
    (
        "RandomErasing(value=1)",
        "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=1, inplace=False)",
        "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=[1.0], inplace=False)",
        {"then": [{"erase": {**HOLE, "fill": 1, "p": 0.5}}]},
        "",
    ),
    (
        "RandomErasing(value='random')",
        "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=random, inplace=False)",
        "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), inplace=False)",
        {"then": [{"erase": {**HOLE, "fill": "random", "p": 0.5}}]},
        "RandomErasing: ",
    ),
    (
        "ElasticTransform(250.)",
        "ElasticTransform(alpha=[250.0, 250.0], sigma=[5.0, 5.0], interpolation=InterpolationMode.BILINEAR, fill=[0.0])",
        "ElasticTransform(alpha=[250.0, 250.0], sigma=[5.0, 5.0], interpolation=bilinear, fill=0)",
        {"warp": {"elastic": {"displacement": {"fixed": 0.015905}, "sigma": 0.019531}, **BLACK}},
        "shares of a side of 256 pixels",
    ),
    (
        "AutoAugment(AutoAugmentPolicy.CIFAR10)",
        "AutoAugment(policy=AutoAugmentPolicy.CIFAR10, fill=None)",
        "AutoAugment(interpolation=nearest, policy=AutoAugmentPolicy.CIFAR10)",
        {"warp": ROUGH, "policy": {"auto_augment": {"dataset": "cifar10"}}},
        "",
    ),
    (
        "RandAugment(magnitude=5)",
        "RandAugment(num_ops=2, magnitude=5, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None)",
        "RandAugment(interpolation=nearest, num_ops=2, magnitude=5, num_magnitude_bins=31)",
        {"warp": ROUGH, "policy": {"rand_augment": {"n": 2, "magnitude": 5}}},
        "",
    ),
    (
        "TrivialAugmentWide()",
        "TrivialAugmentWide(num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None)",
        "TrivialAugmentWide(interpolation=nearest, num_magnitude_bins=31)",
        {"warp": ROUGH, "policy": "trivial_augment"},
        "",
    ),
    (
        "AugMix(all_ops=False)",
        "AugMix(severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=False, interpolation=Mode.BILINEAR, fill=None)",
        "AugMix(interpolation=bilinear, severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=False)",
        {"warp": BLACK, "policy": {"augmix": {"severity": 3, "width": 3, "depth": 3}}},
        "",
    ),
    (
        "RandomPhotometricDistort(p=0.6)",
        "",
        "RandomPhotometricDistort(brightness=(0.875, 1.125), contrast=(0.5, 1.5), hue=(-0.05, 0.05), saturation=(0.5, 1.5), p=0.6)",
        {
            "tone": {"brightness": {"range": 0.125, "p": 0.6}},
            "then": [
                {"mean_contrast": {"factor": 0.5, "p": 0.6}},
                {"saturation": {"range": 0.5, "p": 0.6}},
                {"hsv": {"hue": 18, "p": 0.6}},
                {"channel_shuffle": 0.5},
            ],
        },
        "contrast always comes before saturation",
    ),
    ("RandomChannelPermutation()", "", "RandomChannelPermutation()", {"then": [{"channel_shuffle": 0.833333}]}, ""),
    ("GaussianNoise()", "", "GaussianNoise(mean=0.0, sigma=0.1, clip=True)", {"then": [{"noise": {"fixed": 25.5}}]}, ""),
    ("JPEG((50, 80))", "", "JPEG(quality=(50, 80))", {"then": [{"jpeg": [50, 80]}]}, ""),
]
BY_NAME = pytest.mark.parametrize(("source", "v1", "v2", "spec", "note"), CASES, ids=[case[0] for case in CASES])


def checked(found: Imported) -> Imported:
    """An import that keeps its promises: its spec loads, and its file says the same."""
    load_spec(found.spec)
    assert document.parse(found.as_yaml().encode(), "x")[0] == found.spec
    return found


def spec_of(text: str) -> dict[str, Any]:
    """The spec without its version."""
    found = dict(checked(from_torchvision(text)).spec)
    assert found.pop("augx") == 1
    return found


@BY_NAME
def test_each_transform_as_source(source: str, v1: str, v2: str, spec: dict[str, Any], note: str) -> None:
    found = checked(
        from_torchvision(f"import torch\nfrom torchvision.transforms import v2\n\ntrain = v2.Compose([\n    v2.{source},\n])\n")
    )
    assert found.spec == {"augx": 1, **spec}
    assert list(found.spec.get("warp", ())) == list(spec.get("warp", ()))  # order counts
    if "not printed" not in note:
        notes = found.lost + found.changed
        assert bool(notes) == bool(note) and all(line.startswith(source.partition("(")[0]) for line in notes)
        assert not note or any(note in line for line in notes)
    assert spec_of(source) == spec


@BY_NAME
def test_each_transform_as_printed(source: str, v1: str, v2: str, spec: dict[str, Any], note: str) -> None:
    assert spec_of(f"Compose(\n      {v2}\n)") == spec
    assert spec_of(f"Sequential(\n  (0): RandomHorizontalFlip(p=0)\n  (1): {v2}\n)") == spec
    if v1:
        assert spec_of(f"Compose(\n    {v1}\n)") == spec
        notes = from_torchvision(f"Compose(\n    ToTensor()\n    {v1.replace('value=1,', 'value=0.5,')}\n)")
        assert notes.lost[0].startswith("ToTensor: belongs to training")


def test_every_transform_has_a_case() -> None:
    assert {case[0].partition("(")[0] for case in CASES} == TRANSFORMS.keys()


@pytest.mark.parametrize(
    ("text", "spec", "note"),
    [
        pytest.param(
            "RandomApply([ColorJitter(.8, .8, .8, .2)], p=0.8)",
            {"then": [{"all_of": [{"hsv": {"value": 0.8}}, {"mean_contrast": 0.8}, {"saturation": 0.8}, {"hsv": 72}], "p": 0.8}]},
            "in this order",
            id="one chance for several steps",
        ),
        pytest.param(
            "RandomApply(torch.nn.ModuleList([GaussianBlur(9, 1.5)]))",
            {"then": [{"blur": {"sigma": {"fixed": 1.5}, "p": 0.5}}]},
            "",
            id="of one",
        ),
        pytest.param(
            "Compose(\n    RandomApply(\n    p=0.3\n    RandomInvert(p=0.5)\n)\n)", {"tone": {"invert": 0.15}}, "", id="v1's print"
        ),
        pytest.param(
            "Compose(\n      RandomApply(    RandomInvert(p=0.5))\n)", {"tone": {"invert": 0.25}}, "its p is not printed", id="v2's print"
        ),
        pytest.param(
            "RandomApply([RandomRotation(9, 'bilinear'), RandomInvert()], .5)",
            {"warp": {"rotate": {"range": 9, "p": 0.5}, **BLACK}, "tone": {"invert": 0.25}},
            "drawn apart for warp and tone",
            id="a chance over two sections",
        ),
        pytest.param(
            "RandomChoice([RandomHorizontalFlip(1), RandomVerticalFlip(1), Identity()], p=[1, 2, 3])",
            {"warp": {"steps": [{"one_of": [{"flip_h": 1}, {"flip_v": 1}, {"all_of": []}], "weights": [1, 2, 3]}]}},
            "",
            id="a choice",
        ),
        pytest.param(
            "RandomChoice(\n    RandomHorizontalFlip(p=1)\n    RandomVerticalFlip(p=1)\n)(p=[1, 2])",
            {"warp": {"steps": [{"one_of": [{"flip_h": 1}, {"flip_v": 1}], "weights": [1, 2]}]}},
            "",
            id="v1's print of a choice",
        ),
        pytest.param(
            "Compose(\n      RandomChoice(transforms=[RandomHorizontalFlip(p=1), RandomInvert(p=1)], p=[0.5, 0.5])\n      "
            "RandomVerticalFlip(p=0.5)\n)",
            {
                "warp": {"steps": [{"one_of": [{"flip_h": 1}, {"all_of": []}]}, {"flip_v": 0.5}]},
                "tone": {"steps": [{"one_of": [{"all_of": []}, {"invert": 1}]}]},
            },
            "a copy may get one of each, or none",
            id="v2's print, of two sections",
        ),
        pytest.param(
            "RandomOrder([RandomHorizontalFlip(), RandomVerticalFlip()])",
            {"warp": {"flip_h": 0.5, "flip_v": 0.5}},
            "order is fixed",
            id="order",
        ),
        pytest.param(
            "RandomChoice([AutoAugment(), RandAugment()])",
            {"warp": ROUGH, "policy": {"auto_augment": {"p": 0.5}}},
            "RandAugment: a spec has one policy",
            id="two policies",
        ),
        pytest.param(
            "[RandomRotation(9), RandomRotation(5)]", {"warp": {"steps": [{"rotate": 9}, {"rotate": 5}], **ROUGH}}, "", id="the same twice"
        ),
        pytest.param(
            "[GaussianBlur(9, 1), RandomRotation(9)]",
            {"warp": {"rotate": 9, **ROUGH}, "then": [{"blur": {"fixed": 1}}]},
            "RandomRotation: comes before GaussianBlur here",
            id="geometry after pixels",
        ),
        pytest.param(
            "[Resize(256), CenterCrop(224)]",
            {"warp": {"zoom": {"fixed": 1.142857}}, "output": {"size": [224, 224]}},
            "the middle",
            id="centre",
        ),
        pytest.param(
            "[Resize((40, 40)), RandomCrop(32)]", {"warp": {"crop": {"fixed": 0.8}}, "output": {"size": [32, 32]}}, "", id="crop of a size"
        ),
        pytest.param(
            "[Resize((32, 32)), Pad([8, 0, 0, 0], padding_mode='symmetric')]",
            {"warp": {"scale_x": {"fixed": 0.8}, "shift_x": {"fixed": 0.1}, "border": "reflect"}, "output": {"size": [40, 32]}},
            "",
            id="pad of a size",
        ),
        pytest.param(
            "[RandomResizedCrop(64), RandomRotation(9)]",
            {"warp": {**RRC, "rotate": 9, **BLACK}, "output": {"size": [64, 64]}},
            "RandomRotation works on the pictures' own shape",
            id="geometry after a resize",
        ),
        pytest.param(
            "[ToTensor(), Normalize([.5], [.5]), RandomErasing()]",
            {"then": [{"erase": {**HOLE, "fill": "mean", "p": 0.5}}]},
            "own mean",
            id="mean",
        ),
        pytest.param(
            "[ToDtype(torch.float32, scale=True), RandomSolarize(0.5, 1)]", {"tone": {"solarize": {"fixed": 127.5}}}, "", id="floats"
        ),
        pytest.param("[Foo(1), MixUp(), Lambda(f), g]", {}, "Foo: none of torchvision's transforms", id="what is not known"),
    ],
)
def test_pipelines(text: str, spec: dict[str, Any], note: str) -> None:
    found = checked(from_torchvision(text if text.startswith("Compose") else f"T.Compose({text})"))
    assert found.spec == {"augx": 1, **spec}
    assert any(note in line for line in [*found.lost, *found.changed, ""])


def test_groups_as_deep_as_they_may_be_are_read_back() -> None:
    within = "[RandomInvert(), RandomPosterize(4), ColorJitter(.1, .1), "
    checked(from_torchvision(f"RandomChoice([Compose({within}" * 6 + "])])" * 6))
    checked(
        from_torchvision("RandomChoice([" + "RandomPhotometricDistort(), RandomAffine(9, (.1, .1), (.5, 2), (1, 2, 3, 4))," * 149 + "])")
    )


def test_source_with_names_and_two_pipelines() -> None:
    text = (
        "SIDE = 64\nnormalize = T.Normalize([.5], [.5])\nflips = [T.RandomHorizontalFlip(), T.RandomVerticalFlip()]\n"
        "train = T.Compose([T.Resize((SIDE, SIDE)), *more, T.Compose(flips), T.ToTensor(), normalize])\n"
        "data = Folder('x', transform=T.Compose([T.Resize(9)]))\n"
    )
    found = checked(from_torchvision(text))
    assert found.spec == {"augx": 1, "warp": {"flip_h": 0.5, "flip_v": 0.5}, "output": {"size": [64, 64]}}
    assert [line.partition(":")[0] for line in found.lost] == ["Compose (line 5)", "*more", "ToTensor", "Normalize"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("", ["nothing to read"], id="empty"),
        pytest.param("flip them all", ["not a pipeline", "line 1: invalid syntax"], id="prose"),
        pytest.param("print(3)", ["there is none of torchvision's transforms"], id="nothing of torchvision"),
        pytest.param(
            "Compose([RandomRotation(degres=3)])", ["RandomRotation: unknown setting degres (did you mean degrees?)"], id="a typo"
        ),
        pytest.param("RandomRotation()", ["RandomRotation: degrees: expected"], id="missing"),
        pytest.param(
            "RandomRotation('30')",
            ["RandomRotation: degrees: expected a number of degrees of 0 or more, or [low, high], found '30'"],
            id="text",
        ),
        pytest.param("RandomRotation(args.angle)", ["RandomRotation: degrees: expected", "found args.angle"], id="a name"),
        pytest.param("RandomRotation(-3)", ["degrees: expected"], id="below 0"),
        pytest.param("RandomRotation(1, degrees=2)", ["RandomRotation: degrees: expected once, found twice"], id="twice"),
        pytest.param("RandomHorizontalFlip(2)", ["RandomHorizontalFlip: p: expected a probability between 0 and 1, found 2"], id="p"),
        pytest.param("RandomHorizontalFlip(.5, 1)", ["expected at most 1 settings (p), found one more: 1"], id="too many"),
        pytest.param("RandomHorizontalFlip(**a)", ["unknown setting **"], id="stars"),
        pytest.param("ColorJitter(hue=.7)", ["ColorJitter: hue: expected a number from 0 to 0.5"], id="hue"),
        pytest.param("GaussianBlur(4)", ["GaussianBlur: kernel_size: expected an odd number"], id="even kernel"),
        pytest.param("RandomResizedCrop(0)", ["RandomResizedCrop: size: expected"], id="no size"),
        pytest.param("RandomRotation(9, fill=300)", ["RandomRotation: fill: expected a level of 0 to 255"], id="fill"),
        pytest.param("RandomChoice([RandomInvert()], p=[1, 2])", ["RandomChoice: p: expected 1 weights"], id="weights"),
        pytest.param("RandomApply([RandomInvert()], p='a')", ["RandomApply: p: expected a probability"], id="p of a group"),
        pytest.param(
            "Compose([3, RandomAffine(0, translate=9)])", ["expected transforms, found 3", "translate: expected"], id="all at once"
        ),
        pytest.param("RandomChoice([RandomInvert()," * 7 + "])" * 7, ["RandomChoice: expected at most 6 groups"], id="groups"),
        pytest.param("Compose([" + "RandomInvert()," * 301 + "])", ["expected at most 300 transforms, found more"], id="many"),
        pytest.param("Compose([" * 3000, ["not a pipeline"], id="deep"),
        pytest.param("Compose(\n" * 300, ["not a pipeline"], id="deep, printed"),
        pytest.param("Compose(\n RandomRotation(degrees=1e999)\n RandomInvert(p=\ud800)\n)", ["not a pipeline"], id="a surrogate"),
        pytest.param("Compose(\n RandomRotation(degrees=1e999)\n RandomInvert()\n)", ["degrees: expected"], id="infinite, printed"),
    ],
)
def test_what_is_wrong(text: str, problems: list[str]) -> None:
    with pytest.raises(SpecError) as raised:
        from_torchvision(text)
    lines = raised.value.problems
    assert all(line.startswith("torchvision: ") and line.isprintable() for line in lines)
    for problem in problems:
        assert any(problem in line for line in lines), lines


_VALUES = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.lists(st.floats(0, 3) | st.integers(-3, 300), max_size=4).map(repr),
    st.sampled_from(["None", "True", "'random'", "nearest", "x.BILINEAR", "'edge'", "(0.5, 0.9)", "{'a': 1}", "{}", "[None]", "'\\ud800'"]),
)
_PARAMETERS = {name: parameters.split() for name, (parameters, _) in TRANSFORMS.items()} | {
    "ToTensor": [],
    "Normalize": ["mean"],
    "Foo": ["x"],
}


@st.composite
def _call(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(_PARAMETERS)))
    given_values = draw(st.dictionaries(st.sampled_from([*_PARAMETERS[name], *_PARAMETERS[name], "p"]), _VALUES, max_size=4))
    return f"{name}({', '.join(f'{key}={value}' for key, value in given_values.items())})"


_TREE = st.recursive(
    _call(),
    lambda inner: st.builds(
        lambda name, steps, p: f"{name}([{', '.join(steps)}]{p})",
        st.sampled_from(["Compose", "RandomApply", "RandomChoice", "RandomOrder", "Sequential"]),
        st.lists(inner, max_size=3),
        st.sampled_from(["", ", p=0.5", ", p=[1, 2]", ", 1", ", p=0", ", p='a'"]),
    ),
    max_leaves=6,
)


def fails_in_words(text: str) -> None:
    """Any text gives a spec that loads, or an error in lines."""
    try:
        checked(from_torchvision(text))
    except SpecError as error:
        assert all(line.startswith("torchvision: ") and line.isprintable() for line in error.problems)


@settings(max_examples=300)
@given(_TREE)
def test_any_pipeline_gives_a_spec_or_an_error(text: str) -> None:
    fails_in_words(text)
    fails_in_words(f"Compose(\n    {text}\n    ToTensor()\n)")


@settings(max_examples=150)
@given(
    st.text()
    | st.text(alphabet="()[]{}<>=,.:'\"#\\\n ComposeRdInvt01")
    | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
)
def test_any_text_gives_a_spec_or_an_error(text: str) -> None:
    fails_in_words(text)


def test_what_torchvision_prints_and_does() -> None:
    """The installed torchvision: pipelines as it prints them, and the matrix of its affine transform."""
    transforms = pytest.importorskip("torchvision.transforms")
    v2 = pytest.importorskip("torchvision.transforms.v2")
    for module, which in ((transforms, 1), (v2, 2)):
        names = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
        for case in CASES:
            if case[which]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    text = case[0].replace("Image.BICUBIC", "InterpolationMode.BICUBIC")
                    pipeline = module.Compose([module.RandomHorizontalFlip(0.25), eval(text, names)])
                expected = from_torchvision(f"Compose([RandomHorizontalFlip(0.25), {text}])").spec
                assert checked(from_torchvision(repr(pipeline))).spec == expected, repr(pipeline)
    spec = load_spec(from_torchvision("RandomAffine(90, (.5, .5), (.5, 2), [-40, 40, -40, 40], 'bilinear')").spec)
    params = {"shear": {"angle": 12}, "shear_y": {"angle": -7}, "zoom": {"x": 1.3, "y": 1.3}, "rotate": {"angle": -25}}
    params |= {"shift_x": {"shift": 3 / 44}, "shift_y": {"shift": -2 / 30}}
    draws = Draws.replayed([{f"warp.{name}": values for name, values in params.items()}])
    recipe = next(recipes(spec, draws, Sample("a", "", Levels(picture(30, 44)))))
    # Their centre is that of the picture's area, and their pixels' places are counted from it; ours count from the first pixel.
    theirs = np.eye(3)
    inverse = transforms.functional._get_inverse_affine_matrix([0.0, 0.0], 25, [3.0, -2.0], 1.3, [12.0, 7.0])
    theirs[:2] = np.array(inverse).reshape(2, 3)
    centre, back = np.eye(3), np.eye(3)
    centre[:2, 2], back[:2, 2] = (43 / 2, 29 / 2), (-43 / 2, -29 / 2)
    assert recipe.sampling is not None
    np.testing.assert_allclose(recipe.sampling.matrices[0], centre @ theirs @ back, atol=1e-6)
