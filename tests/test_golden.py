"""What must never change within a spec version: the streams, the draws, and (within a few levels) the pixels.

``python -m tests.test_golden`` writes the files anew; do that only with a new version of the spec's language.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from augx import document, load_spec
from augx.catalogue import catalogue
from augx.draws import draw
from augx.policies import POLICIES
from augx.randomness import uniforms, words
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.spec import Spec
from augx.transforms import TRANSFORMS
from augx.warp import Levels
from tests.conftest import PHOTOS, picture

GOLDEN = Path(__file__).parent / "golden"
KEY = "cats/chelsea \u00e9.png"
COPIES = range(3, 6)


def draws() -> dict[str, object]:
    return {
        "uniforms": uniforms(42, KEY, "warp.rotate", range(7, 9))[:, :4].tolist(),
        "words": words(123456789, 5, np.uint16).tolist(),
        **{preset: draw(load_spec(preset, ["seed=42"]), KEY, COPIES).plain for preset in ("tutorial", "gentle", "strong", "documents")},
    }


def copies(preset: str) -> list[np.ndarray]:
    spec = load_spec(preset, ["seed=42"])
    sample = Sample(KEY, "", Levels(cv2.GaussianBlur(picture(48, 64), (0, 0), 1.5)))
    return [apply(recipe, sample) for recipe in recipes(spec, draw(spec, KEY, COPIES), sample)]


def typical(name: str) -> Spec:
    """One transform at its documented example, always on; or one policy."""
    entry = next(entry for entry in catalogue() if entry.name == name)
    always = name not in POLICIES and not TRANSFORMS[name].quantities()
    example = entry.example.replace("0.5", "1") if always else entry.example
    return load_spec(document.parse(example.encode(), "example")[0])


EVERYTHING = [*TRANSFORMS, *POLICIES]


def one_draw(name: str) -> object:
    return json.loads(json.dumps(draw(typical(name), KEY, range(2)).plain))


def one_copy(name: str) -> np.ndarray:
    """The first copy that a transform or policy makes of a piece of a photo, 64 by 48."""
    photo = cv2.imdecode(np.fromfile(PHOTOS / "cats" / "chelsea.png", np.uint8), cv2.IMREAD_COLOR)
    sample = Sample(KEY, "", Levels(np.ascontiguousarray(photo[60:108, 90:154])))
    spec = typical(name)
    return apply(next(recipes(spec, draw(spec, KEY, range(1)), sample)), sample)


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_transform_draws_the_same_for_ever(name: str) -> None:
    """For a new transform run ``python -m tests.test_golden`` first, and look at its picture."""
    assert one_draw(name) == json.loads((GOLDEN / "transforms.json").read_text())[name]


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_transform_gives_the_same_pixels(name: str) -> None:
    expected = cv2.imdecode(np.frombuffer((GOLDEN / "transforms" / f"{name}.png").read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    difference = np.abs(one_copy(name).astype(int) - expected)
    warped = name in POLICIES or TRANSFORMS[name].section == "warp"
    if cv2.__version__.startswith("5"):
        assert difference.mean() <= 0.05 and difference.max() <= 2
    elif warped:
        assert difference.mean() <= 1.0 and difference.max() <= 16
    else:
        assert difference.mean() <= 0.1 and difference.max() <= 3


def test_draws_are_the_same_for_ever() -> None:
    assert json.loads(json.dumps(draws())) == json.loads((GOLDEN / "draws.json").read_text())


def test_pixels_stay_within_what_opencv_versions_differ_by() -> None:
    for preset in ("tutorial", "strong"):
        for i, copy in enumerate(copies(preset)):
            expected = cv2.imdecode(np.frombuffer((GOLDEN / f"{preset}_{i}.png").read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
            difference = np.abs(copy.astype(int) - expected)
            # 4.x interpolates on a grid of 1/32 pixel, 5.x exactly; made with 5.0.
            mean, largest = (0.05, 2) if cv2.__version__.startswith("5") else (1.0, 12)
            assert difference.mean() <= mean and difference.max() <= largest


if __name__ == "__main__":
    (GOLDEN / "transforms").mkdir(parents=True, exist_ok=True)
    (GOLDEN / "transforms.json").write_text(json.dumps({name: one_draw(name) for name in EVERYTHING}, indent=1) + "\n")
    for name in EVERYTHING:
        (GOLDEN / "transforms" / f"{name}.png").write_bytes(cv2.imencode(".png", one_copy(name))[1].tobytes())
    (GOLDEN / "draws.json").write_text(json.dumps(draws(), indent=1) + "\n")
    for name in ("tutorial", "strong"):
        for number, made in enumerate(copies(name)):
            (GOLDEN / f"{name}_{number}.png").write_bytes(cv2.imencode(".png", made)[1].tobytes())
