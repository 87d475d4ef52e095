"""What must never change within a spec version: the streams, the draws, and (within a few levels) the pixels.

``python -m tests.test_golden`` writes the files anew; do that only with a new version of the spec's language.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from augx import load_spec
from augx.draws import draw
from augx.randomness import uniforms, words
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.warp import Levels
from tests.conftest import picture

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
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "draws.json").write_text(json.dumps(draws(), indent=1) + "\n")
    for name in ("tutorial", "strong"):
        for number, made in enumerate(copies(name)):
            (GOLDEN / f"{name}_{number}.png").write_bytes(cv2.imencode(".png", made)[1].tobytes())
