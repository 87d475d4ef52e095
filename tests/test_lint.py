"""lint: each hint on a spec that is made for it, and not on one that only looks like it; never on the presets."""

from __future__ import annotations

import re
import time
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import class_tree, document, find_sources, load_spec
from augx.annotations import rle
from augx.annotations.base import Category
from augx.errors import SpecError
from augx.policies import POLICIES
from augx.review.lint import CODES, Hint, lint, loaded, named_labels, probes
from augx.review.lint_classes import words_of
from augx.review.lint_pictures import border_share, clipped_share, synthetic
from augx.sample import Instance, Sample
from augx.sections import leaves
from augx.sources import Source, load
from augx.transforms import TRANSFORMS
from augx.warp import Levels
from tests.conftest import PHOTOS, ROOT, picture
from tests.test_laws import wide

PRESETS = ["tutorial", "gentle", "strong", "documents"]
PLAIN = {"warp": {"rotate": 20}}  # so that copies are not mostly unchanged
BLUR_TOO_SMALL = {"blur": {"sigma": [0.05, 0.1]}}


def hints(spec: object, *labels: str, samples: list[Sample] | None = None, formats: tuple[str, ...] = ()) -> list[Hint]:
    given = [("cats", sample) for sample in samples or []]
    return lint(load_spec(spec), given, labels, formats=formats)  # type: ignore[arg-type]


def found(spec: object, *labels: str, samples: list[Sample] | None = None, formats: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(hint.code, hint.place) for hint in hints(spec, *labels, samples=samples, formats=formats)]


def sample(*args: int, **kwargs: object) -> Sample:
    return Sample("cats/a.jpg", "", Levels(picture(*args, **kwargs)))  # type: ignore[arg-type]


def warp(**settings: object) -> dict[str, object]:
    return {"warp": settings}


def beside(section: str, body: object) -> dict[str, object]:
    """A section beside a turn that shows on all copies."""
    return {"warp": {"rotate": 20}, section: body}


class TestNeverShows:
    @pytest.mark.parametrize(
        ("section", "body", "place"),
        [
            pytest.param("warp", {"flip_h": 1, "shear": 0.15}, "warp.shear", id="the tutorials' shear"),
            pytest.param(
                "warp", {"flip_h": 1, "rotate": {"normal": [0, 0.01]}}, "warp.rotate", id="a narrow normal, which may be anything"
            ),
            pytest.param("warp", {"flip_h": 1, "rotate": {"choice": [0, 360, -360]}}, "warp.rotate", id="whole turns"),
            pytest.param("warp", {"flip_h": 1, "shift_x": 0.001}, "warp.shift_x", id="a shift below a pixel"),
            pytest.param("warp", {"flip_h": 1, "zoom": {"fixed": 1}}, "warp.zoom", id="the value that changes nothing"),
            pytest.param("warp", {"flip_h": 1, "elastic": 0.0002}, "warp.elastic", id="a field"),
            pytest.param("warp", {"flip_h": 1, "perspective": 0.001}, "warp.perspective", id="a perspective"),
            pytest.param("warp", {"flip_h": 1, "crop": 1}, "warp.crop", id="a crop of everything"),
            pytest.param("tone", {"channel_shift": 0.1}, "tone.channel_shift", id="a fraction of a level"),
            pytest.param("tone", {"brightness": 0.004}, "tone.brightness", id="a level of 255 and no more"),
            pytest.param("tone", {"solarize": {"fixed": 256}}, "tone.solarize", id="a threshold beyond white"),
            pytest.param("tone", {"posterize": [7, 8]}, "tone.posterize", id="the last bit"),
            pytest.param("then", [BLUR_TOO_SMALL], "then.blur", id="a blur within a pixel"),
            pytest.param("then", [{"noise": 0.05}], "then.noise", id="noise below a level"),
            pytest.param("then", [{"hsv": {"hue": 0.05}}], "then.hsv", id="hue as a fraction, which only rounding shows"),
            pytest.param("then", [{"saturation": {"fixed": 1}}], "then.saturation", id="as much colour as before"),
            pytest.param("then", [{"erase": {"area": {"fixed": 0}}}], "then.erase", id="nothing erased"),
        ],
    )
    def test_what_nobody_sees(self, section: str, body: object, place: str) -> None:
        spec = beside(section, body)
        (hint,) = hints(spec)
        assert (hint.code, hint.place) == ("never-shows", place) and "no copy shows it" in hint.message and "\n" not in hint.message

    @pytest.mark.parametrize(
        ("section", "body"),
        [
            ("warp", {"shear": 0.5, "flip_h": 1}),
            ("warp", {"rotate": {"choice": [0, 180, 360]}}),
            ("warp", {"rotate": {"choice": [0, 90], "weights": [1, 1e-3]}, "flip_h": 1}),
            ("warp", {"crop": {"size": [100, 100]}}),
            ("warp", {"shift_x": 0.005, "flip_h": 1}),
            ("warp", {"rotate90": {"turns": [2]}}),
            ("tone", {"channel_shift": 2}),
            ("tone", {"posterize": [6, 8]}),
            ("tone", {"white_balance": 6000}),
            ("then", [{"blur": {"sigma": [0.05, 0.6]}}]),
            ("then", [{"noise": 1}]),
            ("then", [{"hsv": {"hue": 5}}]),
            ("then", [{"grayscale": {"p": 1}}]),
            ("then", [{"salt_pepper": 0.0005}]),
        ],
        ids=str,
    )
    def test_what_can_be_seen(self, section: str, body: object) -> None:
        assert "never-shows" not in [code for code, _ in found(beside(section, body))]

    @pytest.mark.parametrize("name", sorted(TRANSFORMS))
    def test_plain_settings_of_each_show(self, name: str) -> None:
        cls = TRANSFORMS[name]
        body = {name: wide(cls)}
        assert "never-shows" not in [code for code, _ in found({cls.section: [body] if cls.section == "then" else body})]

    def test_off_on_purpose_is_no_fault(self) -> None:
        spec = {
            "warp": {"rotate": 20, "flip_h": 0, "shear": {"range": 0.1, "p": 0}},
            "then": [
                {"one_of": [{"noise": 5}, BLUR_TOO_SMALL], "weights": [1, 0]},
                {"one_of": [BLUR_TOO_SMALL], "p": 0},
                {"some_of": [BLUR_TOO_SMALL], "count": 0},
            ],
        }
        assert hints(spec) == []

    def test_it_says_what_was_found_and_the_unit_that_was_meant(self) -> None:
        (shear,) = hints(warp(flip_h=1, shear=0.15))
        assert "640x480" in shear.message and "0.63 pixels" in shear.message and "radians, write 8.59" in shear.message
        (hue,) = hints(beside("then", [{"hsv": {"hue": 0.05}}]))
        assert "a fraction of the circle, write 18" in hue.message
        (noise,) = hints(beside("then", [{"noise": 0.05}]))
        assert "a fraction of white, write 12.7" in noise.message or "write 12.8" in noise.message

    def test_a_pixel_of_a_small_picture_is_no_pixel_of_a_large_one(self) -> None:
        spec = warp(flip_h=1, shift_x=0.0015)
        assert found(spec, samples=[sample(480, 640)]) == [("never-shows", "warp.shift_x")]
        assert found(warp(flip_h=1, shift_x=0.02), samples=[sample(28, 28, 1)]) == []  # half a pixel of 28 shows
        assert found(warp(flip_h=1, shift_x={"fixed": 0.004}), samples=[sample(480, 640), sample(300, 3000)]) == []

    def test_colours_of_grey_pictures(self) -> None:
        spec = beside("then", [{"saturation": 0.5}])
        grey = picture(40, 40, 1)
        assert found(spec, samples=[sample(40, 40, 1)]) == [("never-shows", "then.saturation")]
        assert found(spec, samples=[Sample("k", "", Levels(np.dstack([grey] * 3)))]) == [("never-shows", "then.saturation")]
        assert found(spec, samples=[Sample("k", "", Levels(np.dstack([grey] * 3))), sample(40, 40, 3)]) == []
        assert found(beside("tone", {"white_balance": 4000}), samples=[sample(40, 40, 1)]) == [("never-shows", "tone.white_balance")]

    def test_places_lead_to_the_document(self) -> None:
        spec = {
            "warp": {"rotate": 20, "steps": [{"rotate": 5}, {"one_of": [{"all_of": [{"shear": 0.1}]}]}]},
            "then": ["grayscale", {"one_of": [{"noise": 5}, {"noise": 0.01}, {"some_of": [BLUR_TOO_SMALL, BLUR_TOO_SMALL], "count": 1}]}],
        }
        assert {hint.place: hint.loc for hint in hints(spec)} == {
            "warp.steps.one_of.all_of.shear": ("warp", "steps", 1, "one_of", 0, "all_of", 0, "shear"),
            "then.one_of.noise#2": ("then", 1, "one_of", 1, "noise"),
            "then.one_of.some_of.blur": ("then", 1, "one_of", 2, "some_of", 0, "blur"),
            "then.one_of.some_of.blur#2": ("then", 1, "one_of", 2, "some_of", 1, "blur"),
        }
        assert {hint.place for hint in hints(spec)} <= {place for place, _ in leaves(load_spec(spec).nodes)}


class TestMostlyUnchanged:
    @pytest.mark.parametrize(
        ("spec", "share"),
        [
            ({}, "all copies are"),
            ({"output": {"size": [32, 32]}}, "all copies are"),
            (warp(flip_h=0.25), "75%"),
            (warp(flip_h=0), "all copies are"),
            (warp(flip_h=0.3, shear={"range": 0.15, "p": 0.1}), "63%"),
            ({"then": [{"one_of": [{"noise": 9}, {"blur": 3}], "p": 0.2}, {"saturation": {"range": 0.5, "p": 0.1}}]}, "72%"),
            ({"policy": {"trivial_augment": {"p": 0.3}}}, "7"),
            ({"policy": {"augmix": {"p": 0.3}}}, "7"),
        ],
        ids=str,
    )
    def test_found(self, spec: object, share: str) -> None:
        (hint,) = [hint for hint in hints(spec) if hint.code == "mostly-unchanged"]
        number = re.match(r"(\d+)%", hint.message)
        expected = re.fullmatch(r"(\d\d)%", share)
        assert abs(int(number[1]) - int(expected[1])) <= 2 if number and expected else hint.message.startswith(share)

    @pytest.mark.parametrize("spec", [warp(flip_h=0.5), warp(rotate=3), {"policy": "augmix"}, {"policy": "auto_augment"}], ids=str)
    def test_not_found(self, spec: object) -> None:
        assert hints(spec) == []

    def test_of_a_class(self) -> None:
        spec = {"warp": {"rotate": 20}, "classes": {"digits": {"warp": {"rotate": {"p": 0.1}}}, "cats": {"warp": {"rotate": 5}}}}
        (hint,) = hints(spec)
        assert (hint.code, hint.label, hint.loc) == ("mostly-unchanged", "digits", ("classes", "digits"))
        assert hint.message.startswith("for class digits: ")


class TestPictures:
    @pytest.mark.parametrize(
        "settings",
        [{"shift_x": 1}, {"shift_x": 0.5, "shift_y": 0.5}, {"zoom": [0.3, 0.6]}, {"rotate": 180, "shift_x": 0.4, "shift_y": 0.4}],
    )
    def test_much_border(self, settings: dict[str, object]) -> None:
        (hint,) = hints(warp(**settings))
        assert (hint.code, hint.place, hint.loc) == ("much-border", "warp", ("warp",))
        assert "border: nearest" in hint.message and "crop_safe" in hint.message and "worst tenth" in hint.message
        assert hints(warp(**settings, border="crop_safe")) == []

    @pytest.mark.parametrize("settings", [{"rotate": 180}, {"shift_x": 0.3, "shift_y": 0.3}, {"zoom": [1, 3]}, {"elastic": 0.1}], ids=str)
    def test_some_border(self, settings: dict[str, object]) -> None:
        assert hints(warp(**settings)) == []

    def test_the_share_is_that_of_the_pixels(self) -> None:
        mean, worst = border_share(load_spec(warp(shift_x={"fixed": 0.25})), [sample(64, 64)])
        assert mean == worst == pytest.approx(0.25, abs=0.02)
        assert border_share(load_spec({}), [sample(64, 64)]) == (0, 0)

    @pytest.mark.parametrize("tone", [{"brightness": [2, 3]}, {"channel_shift": 200}, {"contrast": [3, 5]}], ids=str)
    def test_clipped(self, tone: dict[str, object]) -> None:
        (hint,) = hints(beside("tone", tone))
        assert (hint.code, hint.place, hint.loc) == ("clipped", "tone", ("tone",)) and "%" in hint.message

    @pytest.mark.parametrize(
        "tone",
        [{"brightness": 0.4}, {"invert": 1}, {"solarize": [0, 100]}, {"posterize": [1, 3]}, {"gamma": [0.1, 9]}, {"log": 1000}],
        ids=str,
    )
    def test_not_clipped(self, tone: dict[str, object]) -> None:
        assert hints(beside("tone", tone)) == []

    def test_what_goes_out_and_comes_back_is_not_lost(self) -> None:
        there_and_back = {"brightness": {"fixed": 3}, "steps": [{"brightness": {"fixed": 0.3}}]}
        assert hints(beside("tone", there_and_back)) == []

    def test_the_share_is_that_of_the_levels(self) -> None:
        half = np.full((10, 10, 3), 50, np.uint8)
        half[:5] = 200
        for image in (half, half[:, :, 0], half.astype(np.uint16) * 257, half.astype(np.float32) / 255):
            share = clipped_share(load_spec({"tone": {"brightness": {"fixed": 2}}}), [Sample("k", "", Levels(image))])
            assert share == pytest.approx((0.5, 0.5))
        paper = np.full((10, 10, 3), 245, np.uint8)
        assert clipped_share(load_spec({"tone": {"brightness": {"fixed": 2}}}), [Sample("k", "", Levels(paper))]) == (0, 0)

    @pytest.mark.parametrize(
        ("output", "formats", "twice"),
        [
            ({}, (), True),
            ({}, (".jpg", ".png"), True),
            ({}, (".JPEG",), True),
            ({}, (".png", ".tif"), False),
            ({}, (".gif",), False),
            ({"format": "jpg"}, (".png",), True),
            ({"format": "webp"}, (), True),
            ({"format": "png"}, (".jpg",), False),
        ],
        ids=str,
    )
    def test_double_jpeg(self, output: object, formats: tuple[str, ...], twice: bool) -> None:
        spec = {"warp": {"rotate": 20}, "then": [{"one_of": [{"noise": 5}, {"jpeg": [20, 60]}]}], "output": output}
        assert found(spec, formats=formats) == [("double-jpeg", "then.one_of.jpeg")] * twice

    @pytest.mark.parametrize(
        ("quality", "formats", "hard"),
        [(74, (".jpg",), True), (75, (".jpg",), False), (10, (".png",), False), (10, (), True), (60, (), False)],
    )
    def test_low_quality(self, quality: int, formats: tuple[str, ...], hard: bool) -> None:
        spec = {"warp": {"rotate": 20}, "output": {"quality": quality}}
        assert found(spec, formats=formats) == [("double-jpeg", "output.quality")] * hard


class TestClasses:
    @pytest.mark.parametrize(
        "label", ["digits", "Digit", "street_signs", "licensePlate", "OCR", "mnist", "old-documents", "QRCode", "page 3"]
    )
    @pytest.mark.parametrize("settings", [{"flip_h": 0.6}, {"flip_v": 0.6}, {"transpose": 0.6}, {"rotate90": 0.6}, {"rotate": 90}], ids=str)
    def test_text(self, label: str, settings: dict[str, object]) -> None:
        (hint,) = hints(warp(**settings), label, "cats")
        (name,) = settings
        assert (hint.code, hint.place, hint.label, hint.loc) == ("flip-text", f"warp.{name}", label, ("warp", name))
        assert label in hint.message and "classes: {" in hint.message

    @pytest.mark.parametrize("label", ["cats", "assignment", "texture", "fontaine", "pager", "keyword", "", "copyright"])
    def test_no_text(self, label: str) -> None:
        assert hints(warp(flip_h=0.6), label, "dogs") == []

    @pytest.mark.parametrize(
        "settings", [{"rotate": 45}, {"flip_h": 0, "rotate": 9}, {"rotate": {"choice": [0, 360, -359]}, "flip_h": 0, "shear": 9}]
    )
    def test_what_leaves_text_upright(self, settings: dict[str, object]) -> None:
        assert hints(warp(**settings), "digits") == []

    def test_single_characters(self) -> None:
        assert found(warp(flip_h=0.6), *"0123456789") == [("flip-text", "warp.flip_h")]
        assert found(warp(flip_h=0.6), *"ABCDEF", "other") == [("flip-text", "warp.flip_h")]
        assert found(warp(flip_h=0.6), "0", "1") == []  # no and yes
        assert found(warp(flip_h=0.6), *"01234") == []  # grades
        assert found(warp(flip_h=0.6), *"ABCDEF", *map(str, range(100, 110))) == []

    @pytest.mark.parametrize(
        ("label", "settings"),
        [
            ("turn_left", {"flip_h": 0.6}),
            ("LeftHand", {"flip_h": 0.6}),
            ("wind east", {"flip_h": 0.6}),
            ("starboard", {"flip_h": 0.6}),
            ("counterclockwise", {"flip_v": 0.6}),
            ("clockwise", {"flip_h": 0.6}),
            ("north_arrow", {"flip_v": 0.6}),
            ("NORTH", {"flip_v": 0.6}),
            ("south2", {"transpose": 0.6}),
            ("arrow-left", {"rotate90": 0.6}),
            ("arrow-left", {"rotate": [170, 190]}),
            ("west side", {"rotate": 90}),
        ],
        ids=str,
    )
    def test_side(self, label: str, settings: dict[str, object]) -> None:
        assert found(warp(**settings), label, "cats") == [("flip-side", f"warp.{next(iter(settings))}")]

    @pytest.mark.parametrize(
        ("label", "settings"),
        [
            ("turn_left", {"flip_v": 0.6}),
            ("thumb_up", {"flip_h": 0.6}),
            ("clockwise", {"rotate": 180}),
            ("leftover", {"flip_h": 0.6}),
            ("usb_port", {"flip_h": 0.6}),
            ("turn_left", {"rotate": 30}),
            ("upright piano", {"flip_v": 0.6}),
            ("tank_top", {"flip_v": 0.6}),
            ("down jacket", {"flip_v": 0.6}),
            ("letter_opener", {"flip_h": 0.6}),
            ("dinner_plate", {"flip_h": 0.6}),
        ],
        ids=str,
    )
    def test_no_side(self, label: str, settings: dict[str, object]) -> None:
        assert hints(warp(**settings), label, "cats") == []

    def test_port_has_a_starboard(self) -> None:
        (hint,) = hints(warp(flip_h=0.6), "port", "starboard", "usb_port")
        assert "port, starboard and leaves" in hint.message and "relabel: {port: starboard, starboard: port}" in hint.message

    def test_relabel_and_classes_answer_it(self) -> None:
        labels = ("turn_left", "turn_right", "digits", "cats")
        pair = {"turn_left": "turn_right", "turn_right": "turn_left"}
        spec = {"warp": {"flip_h": {"p": 0.6, "relabel": pair}}, "classes": {"digits": {"warp": {"flip_h": 0, "rotate": 9}}}}
        assert hints(spec, *labels) == []
        del spec["classes"]
        assert found(spec, *labels) == [("flip-text", "warp.flip_h")]
        half = warp(flip_h={"p": 0.6, "relabel": {"turn_left": "turn_right"}})
        assert [hint.label for hint in hints(half, *labels[:2])] == ["turn_right"]

    @pytest.mark.parametrize("labels", [("turn left", "turn right"), ("left: 1", "right: 1"), ('"left"', '"right"'), ("left", "right")])
    def test_the_remedy_it_names_is_one(self, labels: tuple[str, str]) -> None:
        (hint,) = hints(warp(flip_h=0.6), *labels, "cats")
        written = re.findall(r"(flip_h: \{.*?\}\}|classes: \{.*\})", hint.message)
        for text in written:
            data, _ = document.parse(text.encode(), "hint")
            spec = data if "classes" in data else {"warp": data}
            assert load_spec(spec).canonical()
        relabel = document.parse(written[0].encode(), "hint")[0]
        assert hints({"warp": relabel}, *labels, "cats") == []

    def test_one_hint_for_all_classes_of_a_place(self) -> None:
        (hint,) = hints(warp(flip_h=0.6), "digits", "letters", "words", "signs", "cats")
        assert hint.label == "" and "digits, letters, words and 1 more" in hint.message

    def test_of_a_class_own_settings(self) -> None:
        spec = {"warp": {"rotate": 9}, "classes": {"digits": {"warp": {"flip_h": 0.5}}}}
        (hint,) = hints(spec, "digits", "cats")
        assert (hint.code, hint.loc) == ("flip-text", ("classes", "digits", "warp", "flip_h"))
        assert [hint.code for hint in hints(spec, "cats")] == ["unused-class"]

    def test_labels_come_from_the_spec_where_none_are_known(self) -> None:
        spec = load_spec({"warp": {"flip_h": {"p": 0.6, "relabel": {"b": "c"}}}, "classes": {"digits": {"warp": {"rotate": 9}}}})
        assert named_labels(spec) == ["digits", "b", "c"]
        assert [hint.label for hint in lint(spec)] == ["digits"]

    def test_a_faulty_class_is_told_once_and_only_for_what_is_different(self) -> None:
        general = {"warp": {"rotate": 20, "shear": 0.1}}
        spec = general | {"classes": {"a": {"warp": {"rotate": 10}}, "b": {"warp": {"shift_x": 0.0001}}, "c": {"then": [BLUR_TOO_SMALL]}}}
        assert [(hint.label, hint.place) for hint in hints(spec)] == [("", "warp.shear"), ("b", "warp.shift_x"), ("c", "then.blur")]

    @pytest.mark.parametrize(
        ("label", "words"),
        [
            ("turn_left", ["turn", "left"]),
            ("LeftHand", ["left", "hand"]),
            ("USBPort2", ["usb", "port"]),
            ("a-b c.d", ["a", "b", "c", "d"]),
            ("", []),
        ],
    )
    def test_words(self, label: str, words: list[str]) -> None:
        assert words_of(label) == words


PROBES = {
    "a tall one": sample(900, 200),
    "a wide one": sample(100, 1600),
    "a tiny one": sample(12, 9),
    "a single pixel": sample(1, 1),
    "a grey one": sample(60, 80, 1),
    "16 bits": sample(60, 80, dtype=np.uint16),
    "alpha": sample(60, 80, 4),
    "floats": sample(60, 80, dtype=np.float32),
}


@pytest.mark.parametrize("preset", PRESETS)
class TestPresets:
    def test_without_pictures(self, preset: str) -> None:
        assert hints(preset) == [] and hints(preset, "cats", "dogs") == []

    def test_with_the_photos(self, preset: str) -> None:
        samples, failures = loaded(probes(class_tree(PHOTOS)))
        assert lint(load_spec(preset), samples, ["birds", "cats", "dogs"], formats=[".jpg", ".png"]) == []
        assert len(samples) == 5 and not failures

    @pytest.mark.parametrize("kind", PROBES)
    def test_with_pictures_of_all_kinds(self, preset: str, kind: str) -> None:
        assert hints(preset, samples=[PROBES[kind]]) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_are_not_judged_one_by_one(policy: str) -> None:
    assert hints({"policy": policy}, "digits", "turn_left") == []


README = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_specs_of_the_readme() -> None:
    first, choices, classes = (document.parse(text.encode(), "README.md")[0] for text in README)
    assert found(first) == [] and found(first, "cats", formats=(".jpg",)) == []
    assert found(choices) == [("double-jpeg", "then.some_of.jpeg")]
    assert found(classes) == []


def test_a_usual_spec_takes_no_time() -> None:
    start = time.process_time()
    lint(load_spec("strong"))
    assert time.process_time() - start < 1


def test_a_hint_is_a_value() -> None:
    (hint,) = hints(warp(flip_h=1, shear=0.15))
    assert hint == hints(warp(flip_h=1, shear=0.15))[0] and hint.code in CODES
    with pytest.raises(FrozenInstanceError):
        hint.code = "other"  # type: ignore[misc]


def test_nothing_is_changed() -> None:
    probe, spec = (
        synthetic(),
        load_spec({"warp": {"rotate": 20}, "then": [BLUR_TOO_SMALL, {"hsv": {"hue": 9}}], "classes": {"a": {"then": []}}}),
    )
    before, image = spec.canonical(), probe.image.image.copy()
    lint(spec, [("a", probe)])
    assert spec.canonical() == before and np.array_equal(image, probe.image.image)


@pytest.mark.parametrize(
    ("sizes", "expected"), [([3, 1, 2], [3, 1, 2]), ([100], [12]), ([50, 50], [6, 6]), ([1] * 40, [1] * 12), ([90, 1, 9], [4, 1, 4])]
)
def test_probes_are_spread_over_the_classes(sizes: list[int], expected: list[int]) -> None:
    sources = [Source(f"/{c:02}/{i}", f"{c:02}/{i}", f"{c:02}", "") for c, n in enumerate(sizes) for i in range(n)]
    chosen = probes(sources)
    counts = [sum(source.label == label for source in chosen) for label in dict.fromkeys(source.label for source in chosen)]
    assert counts == expected and [sources.index(source) for source in chosen] == sorted(map(sources.index, chosen))


def test_pictures_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    samples, failures = loaded(
        [Source(str(tmp_path / "a.jpg"), "a.jpg", "", ""), Source(str(PHOTOS / "cats" / "Cat.jpg"), "c", "cats", "")]
    )
    assert [label for label, _ in samples] == ["cats"] and [path for path, _ in failures] == [str(tmp_path / "a.jpg")]


LABELS = st.sampled_from(["cats", "digits", "turn_left", "turn_right", "7", "up", "clockwise", "port", "é ü", "a: b", "{x}", ""])


@st.composite
def transforms(draw: st.DrawFn, section: str) -> dict[str, object]:
    name = draw(st.sampled_from(sorted(name for name, cls in TRANSFORMS.items() if cls.section == section)))
    cls = TRANSFORMS[name]
    still = draw(st.sets(st.sampled_from(sorted(cls.quantities()) or ["p"])))  # these stay at the value that changes nothing
    neutral = {field: {"fixed": quantity.neutral} for field, quantity in cls.quantities().items() if field in still}
    return {name: wide(cls, draw(st.sampled_from([0, 0.3, 1.0]))) | neutral}


def steps(section: str) -> st.SearchStrategy[list[dict[str, object]]]:
    step = st.recursive(
        transforms(section),
        lambda inner: st.fixed_dictionaries({"one_of": st.lists(inner, min_size=1, max_size=2), "p": st.sampled_from([0, 0.5, 1])}),
        max_leaves=3,
    )
    return st.lists(step, max_size=2)


PARTS = st.fixed_dictionaries(
    {},
    optional={
        "warp": st.builds(
            lambda a, b, c: a | {"steps": b, "border": c}, transforms("warp"), steps("warp"), st.sampled_from(["wrap", "crop_safe"])
        ),
        "tone": st.builds(lambda a, b: a | {"steps": b}, transforms("tone"), steps("tone")),
        "then": steps("then"),
        "policy": st.sampled_from(sorted(POLICIES)),
    },
)
SPECS = st.builds(
    lambda parts, classes, output: parts | {"classes": classes, "output": output},
    PARTS,
    st.dictionaries(LABELS, PARTS, max_size=2),
    st.sampled_from([{}, {"size": [30, 20]}, {"format": "jpg", "quality": 30}]),
)


@settings(max_examples=60)
@given(SPECS, st.lists(LABELS, max_size=8), st.sampled_from([None, *PROBES]))
def test_no_spec_breaks_it(data: dict[str, object], labels: list[str], kind: str | None) -> None:
    try:
        spec = load_spec(data)
    except SpecError:
        return
    samples = [("cats", PROBES[kind])] if kind else []
    hints = lint(spec, samples, labels, formats=[".jpg"])
    assert hints == lint(spec, samples, labels, formats=[".jpg"])
    for hint in hints:
        assert hint.code in CODES and "\n" not in hint.message and hint.message
        node: object = data
        for key in hint.loc:  # the way leads to something that stands there
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list):
                node = node[key]  # type: ignore[index]
            else:
                assert hint.loc == ("output", "quality")


def annotated() -> list[Sample]:
    return [load(source) for source in find_sources(PHOTOS / "annotations.json").sources]


def categories(*names: str, swap: tuple[int, ...] = ()) -> list[Category]:
    return [Category("cat", 1, names, swap=swap)]


class TestSeenTwice:
    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize("border", ["nearest", "reflect", "reflect101", "wrap"])
    def test_where_a_border_repeats_objects(self, preset: str, border: str) -> None:
        spec = load_spec(preset, [f"warp.border={border}"])
        (hint,) = [hint for hint in lint(spec, [("", sample) for sample in annotated()]) if hint.code == "seen-twice"]
        assert (hint.place, hint.loc) == ("warp.border", ("warp", "border"))
        assert f"border: {border}" in hint.message and "write border: constant, or crop_safe" in hint.message

    @pytest.mark.parametrize(
        "spec",
        [
            pytest.param({"warp": {"rotate": 30, "border": "constant"}}, id="constant"),
            pytest.param({"warp": {"rotate": 30, "border": "crop_safe"}}, id="crop_safe"),
            pytest.param({"warp": {"flip_h": 0.5, "rotate90": 0.5, "border": "reflect"}}, id="no border to be seen"),
            pytest.param({"warp": {"crop": [0.5, 1], "border": "wrap"}}, id="a crop inside"),
            pytest.param({"warp": {"shift_x": 0.004, "flip_h": 0.5, "border": "wrap"}}, id="hardly a border"),
            pytest.param({"tone": {"brightness": 0.3}}, id="no geometry"),
        ],
    )
    def test_not_where_none_shows(self, spec: dict[str, object]) -> None:
        assert "seen-twice" not in [code for code, _ in found(spec, samples=annotated())]

    def test_not_of_pictures_without_objects(self) -> None:
        plain = [replace(sample, instances=()) for sample in annotated()]
        points = [
            replace(sample, instances=tuple(replace(one, box=None, polygons=()) for one in sample.instances)) for sample in annotated()
        ]
        for samples in (plain, points):
            assert "seen-twice" not in [code for code, _ in found(warp(rotate=30, border="reflect"), samples=samples)]

    def test_not_of_objects_far_from_the_edge(self) -> None:
        far = Sample("k", "", Levels(picture(200, 200)), (Instance("cat", (90, 90, 110, 110)),))
        near = replace(far, instances=(Instance("cat", (0, 90, 40, 140)),))
        assert found(warp(shift_x=0.2, border="reflect"), samples=[far]) == []
        assert found(warp(shift_x=0.2, border="reflect"), samples=[near]) == [("seen-twice", "warp.border")]

    def test_a_region_counts_by_its_pixels(self) -> None:
        inside = np.zeros((200, 200), np.uint8)
        inside[90:140, :40] = 1
        one = Instance("cat", (0, 0, 200, 200), region=rle.encode(inside))
        sample = Sample("k", "", Levels(picture(200, 200)), (one,))
        assert found(warp(shift_x=0.2, border="reflect"), samples=[sample]) == [("seen-twice", "warp.border")]
        assert found(warp(shift_y=0.2, border="reflect"), samples=[sample]) == []


class TestSlivers:
    @pytest.mark.parametrize(
        ("settings", "least", "expected"),
        [
            pytest.param({"zoom": [3, 5], "shift_x": 0.3}, 0, True, id="a window that sees next to nothing"),
            pytest.param({"zoom": [3, 5], "shift_x": 0.3}, 0.01, True, id="a hundredth of an object"),
            pytest.param({"zoom": [3, 5], "shift_x": 0.3}, 0.1, False, id="the default"),
            pytest.param({"rotate": 5}, 0, False, id="nothing is cut off"),
            pytest.param({"flip_h": 0.5, "rotate90": 0.5}, 0, False, id="flips"),
        ],
    )
    def test_objects_of_which_next_to_nothing_is_left(self, settings: dict[str, object], least: float, expected: bool) -> None:
        spec = warp(**settings, border="constant") | {"targets": {"min_visibility": least}}
        codes = [hint for hint in hints(spec, samples=annotated()) if hint.code == "slivers"]
        assert bool(codes) == expected
        assert all("write min_visibility: 0.1" in hint.message and hint.loc == ("targets", "min_visibility") for hint in codes)


FLIP: dict[str, object] = {"warp": {"flip_h": 0.5, "rotate": 10}}


class TestMirroredKeypoints:
    @pytest.mark.parametrize(
        ("names", "swap", "targets", "expected"),
        [
            pytest.param(("left_eye", "right_eye", "nose"), (1, 0, 2), {}, False, id="known by their names"),
            pytest.param(("left_eye", "right_ear", "nose"), (0, 1, 2), {}, True, id="no counterpart"),
            pytest.param(("left_eye", "right_eye"), (0, 1), {}, True, id="the set says that they stay"),
            pytest.param(("left_eye", "right_eye"), (), {}, True, id="the set says nothing"),
            pytest.param(("left_eye", "right_eye"), (0, 1), {"swap": [["left_eye", "right_eye"]]}, False, id="the spec says it"),
            pytest.param(
                ("L_Eye", "R_Eye", "L_Ear", "R_Ear"), (1, 0, 3, 2), {"swap": [["L_Eye", "R_Eye"]]}, True, id="the spec says a part"
            ),
            pytest.param(("nose", "chin", "upright", "bright"), (), {}, False, id="no sides"),
            pytest.param((), (), {}, False, id="no keypoints"),
        ],
    )
    def test_sides_that_stay(self, names: tuple[str, ...], swap: tuple[int, ...], targets: dict[str, object], expected: bool) -> None:
        told = lint(load_spec(FLIP | {"targets": targets}), categories=categories(*names, swap=swap))
        assert [(hint.code, hint.place, hint.loc) for hint in told] == [("flip-keypoints", "warp.flip_h", ("warp", "flip_h"))] * expected

    @pytest.mark.parametrize("transform", [{"flip_v": 0.5}, {"transpose": 0.5}, {"steps": [{"flip_h": 0.5}]}], ids=str)
    def test_of_every_mirror(self, transform: dict[str, object]) -> None:
        told = lint(load_spec({"warp": {"rotate": 10, **transform}}), categories=categories("left_eye"))
        assert [hint.code for hint in told] == ["flip-keypoints"] and "left_eye of cat keeps its name" in told[0].message

    @pytest.mark.parametrize("transform", [{"flip_h": 0}, {"rotate90": 0.5}, {"rotate": 180}], ids=str)
    def test_not_of_turns(self, transform: dict[str, object]) -> None:
        assert lint(load_spec({"warp": {"shear": 10, **transform}}), categories=categories("left_eye")) == []

    def test_the_shipped_set_is_known(self) -> None:
        layout = find_sources(PHOTOS / "annotations.json").layout
        assert layout is not None and lint(load_spec(FLIP), categories=layout.categories) == []
