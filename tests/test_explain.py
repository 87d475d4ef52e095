"""``augx explain``: the numbers are those of the copy that generate writes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import expand_dataset, find_sources, load_spec, named_images, plan_copies, run_plan
from augx.draws import draw
from augx.recipe import apply, move_points, recipes
from augx.review.explain import Explanation, explain_copy, explain_recorded
from augx.review.recorded import recorded_copy
from augx.sources import load
from tests.conftest import PHOTOS, Run, picture, write_picture
from tests.test_outputs import EVERY, SPLIT, lines_of
from tests.test_sets import COCO, INPUTS, MASKS, SPEC

CAT = PHOTOS / "cats" / "Cat.jpg"


def explained(spec: dict[str, object], copy: int = 0, image: Path = CAT) -> Explanation:
    (source,) = named_images([image], "")
    return explain_copy(source, load_spec({"augx": 1, **spec}), copy)


@pytest.mark.parametrize("preset", ["tutorial", "gentle", "strong", "documents"])
def test_it_says_what_the_manifest_says(preset: str, tmp_path: Path) -> None:
    spec = load_spec(preset)
    expand_dataset(tmp_path / "out", images=CAT, spec=spec, copies=6)
    (source,) = named_images([CAT], "")
    for line in map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()):
        found = explain_copy(source, spec, line["copy"])
        assert {step.place: step.params for step in found.drawn if step.params is not None} == line["params"]
        assert found.file == line["file"]


def test_the_matrix_and_the_tables_make_the_copy() -> None:
    spec = load_spec("strong")
    (source,) = named_images([CAT], "")
    found, sample = explain_copy(source, spec, 3), load(source)
    (recipe,) = recipes(spec, draw(spec, sample.key, range(3, 4)), sample)
    points = np.array([[0, 0], [511, 0], [100, 300.5]])
    assert found.outcome.matrix is not None and found.outcome.tables is not None
    carried = np.c_[points, np.ones(3)] @ found.outcome.matrix.T
    assert carried[:, :2] / carried[:, 2:] == pytest.approx(move_points(recipe, points))
    assert np.array_equal(found.outcome.tables, recipe.table) and found.copy_size == apply(recipe, sample).shape[1::-1]


@pytest.mark.parametrize(
    ("warp", "resamples", "border"),
    [
        ({}, 0, 0),
        ({"flip_h": 1.0}, 0, 0),
        ({"rotate90": 1.0}, 0, 0),
        ({"shift_x": {"fixed": 0.25}}, 1, 0.25),
        ({"shift_x": {"fixed": 0.25}, "shift_y": {"fixed": 0.5}}, 1, 0.625),
        ({"zoom": {"fixed": 0.5}}, 1, 0.75),
        ({"zoom": {"fixed": 0.5}, "border": "crop_safe"}, 1, 0),
        ({"rotate": {"fixed": 45}}, 1, 3 - 2 * 2**0.5),
        ({"rotate": {"fixed": 45}, "shift_x": 0.3, "shear": 10, "zoom": 0.3, "perspective": 0.3, "elastic": 0.05}, 1, None),
        ({"shift_x": {"fixed": 1}}, 1, 1),
    ],
    ids=[
        "nothing",
        "a flip",
        "quarter turns",
        "a shift",
        "two shifts",
        "smaller",
        "crop_safe",
        "an eighth turn",
        "six transforms",
        "all gone",
    ],
)
def test_resamples_and_border(warp: dict[str, object], resamples: int, border: float | None) -> None:
    found = explained({"warp": warp})
    assert found.outcome.resamples == resamples
    if border is not None:
        assert found.outcome.border == pytest.approx(border, abs=0.02)


def test_border_of_a_half_turn_behind_a_horizon_is_a_share() -> None:
    for copy in range(20):
        assert 0 <= explained({"warp": {"perspective": 0.6, "rotate": 180, "zoom": [0.1, 3]}}, copy).outcome.border <= 1


def test_text_in_run_order(augx: Run) -> None:
    done = augx("explain", "--image", CAT, "--copy", "3", "--spec", "strong", "--set", "then.2.fog={density: 0.5, p: 0}")
    text = done.stdout.decode()
    assert done.returncode == 0 and "Cat_00003.jpg" in text and "1 resample;" in text and "= 1 look-up" in text
    places = ["warp.rotate", "warp.flip_h", "matrix, source to copy", "tone.brightness", "1 look-up", "then.blur", "then.fog"]
    assert [text.index(place) for place in places] == sorted(text.index(place) for place in places)
    assert text.splitlines()[-1].split() == ["then.fog", "off"]


def test_json_holds_the_whole_table(augx: Run) -> None:
    found = json.loads(augx("explain", "--image", CAT, "--copy", "3", "--spec", "strong", "--json").stdout)
    assert np.shape(found["tables"]) == (3, 256) and np.shape(found["matrix"]) == (3, 3)
    assert found["resamples"] == 1 and found["size"] == [512, 512] and 0 < found["border"] < 1


def test_a_class_and_its_own_settings(augx: Run, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("{augx: 1, warp: {rotate: 30}, classes: {cats: {warp: {rotate: 0.5}, tone: {gamma: 0.2}}}}")
    common = ("explain", "--image", CAT, "--copy", "0", "--spec", "s.yaml", "--json")
    plain, cats = json.loads(augx(*common).stdout), json.loads(augx(*common, "--label", "cats").stdout)
    assert [step["place"] for step in plain["drawn"]] == ["warp.rotate"]
    assert [step["place"] for step in cats["drawn"]] == ["warp.rotate", "tone.gamma"]
    assert abs(cats["drawn"][0]["params"]["angle"]) <= 0.5 and cats["file"] == "cats/Cat_00000.jpg"


def test_a_picture_of_a_class_tree(augx: Run, class_folders: Path, tmp_path: Path) -> None:
    expand_dataset(tmp_path / "out", input=class_folders, copies=2)
    lines = {line["file"]: line["params"] for line in map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())}
    for image in ("photos/cats/persian/c.jpg", "cats/persian/c.jpg"):
        found = json.loads(augx("explain", "--image", image, "--input", "photos", "--copy", "1", "--json").stdout)
        assert found["file"] == "cats/persian/c_00001.jpg"
        assert {step["place"]: step["params"] for step in found["drawn"] if step["params"] is not None} == lines[found["file"]]
    refused = augx("explain", "--image", "nope.jpg", "--input", "photos", "--copy", "1")
    assert refused.returncode == 2 and refused.stderr == b"augx: nope.jpg: not one of the pictures in photos\n"


@pytest.mark.parametrize("policy", ["rand_augment", "trivial_augment", "auto_augment", "augmix"])
def test_policies_name_what_they_drew(policy: str) -> None:
    texts = [explained({"policy": policy}, copy).as_text() for copy in range(4)]
    assert any(f"policy.{policy}" in text for text in texts) and all(len(text.splitlines()) < 60 for text in texts)
    assert ("chain 3: weight" in texts[0]) == (policy == "augmix")


def test_a_mix_with_its_chains(tmp_path: Path) -> None:
    spec = load_spec({"augx": 1, "policy": "augmix"})
    (source,) = named_images([CAT], "")
    for copy in range(4):
        found, sample = explain_copy(source, spec, copy), load(source)
        draws = draw(spec, sample.key, range(copy, copy + 1))
        (recipe,) = recipes(spec, draws, sample)
        assert {step.place: step.params for step in found.drawn if step.params is not None} == draws.plain[0]
        assert [weight for weight, _ in found.chains] == [weight for weight, _ in recipe.mix]
        for (_, outcome), (_, chain) in zip(found.chains, recipe.mix, strict=True):
            assert outcome.resamples == (chain.sampling is not None)
            assert (outcome.tables is None) == (chain.table is None)
        assert len(json.loads(json.dumps(found.as_json()))["chains"]) == 3


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_every_kind(channels: int, dtype: type, tmp_path: Path) -> None:
    image = write_picture(tmp_path / "x.png", picture(channels=channels, dtype=dtype))
    found = explained({"tone": {"brightness": 0.2}, "then": [{"saturation": 0.2}]}, image=image)
    assert found.outcome.tables is not None and found.outcome.tables.shape == (1, np.iinfo(dtype).max + 1)
    assert found.as_text() and json.dumps(found.as_json())


class TestACopyInItsSet:
    """``augx explain FILE``: the numbers of the file's own line, whatever its source came from."""

    @INPUTS
    def test_says_what_its_line_says(self, make, options, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
        for name in ("yolo", "voc"):
            (tmp_path / name).mkdir()
        plan = plan_copies(find_sources(make(tmp_path), **options), SPEC, copies=2)
        assert run_plan(plan, SPEC, tmp_path / "out").missing == 0
        for line in map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()):
            recorded = recorded_copy(str(tmp_path / "out" / line["file"]))
            found = explain_recorded(recorded)
            assert {step.place: step.params for step in found.drawn if step.params is not None} == line["params"]
            assert (found.file, found.copy, found.label, found.seed) == (line["file"], line["copy"], line["label"], SPEC.seed)
            assert recorded.source.key == line["source"] and found.as_text() and json.dumps(found.as_json())
            assert (found.targets is None) == (plan.layout is None)
            if found.targets is not None:
                assert sum(found.targets.kept.values()) == len(line.get("objects", ()))
                assert sum(found.targets.dropped.values()) == line.get("dropped", 0)
                assert (
                    len(found.targets.masks) == sum(part["file"].endswith(".png") for part in line["beside"]) if "beside" in line else True
                )
                assert Counter(one["category"] for one in line.get("objects", ())) == found.targets.kept

    def test_on_the_command_line(self, augx: Run, tmp_path: Path) -> None:
        assert augx("generate", "--input", COCO, "--output", "out", "--copies", "9", "--set", "warp.zoom=[2, 4]").returncode == 0
        lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
        line = next(line for line in lines if line.get("dropped"))
        n = len(line["objects"]) + line["dropped"]
        done = augx("explain", tmp_path / "out" / line["file"])
        assert done.returncode == 0 and done.stdout.startswith(f"copy {line['copy']} of ".encode())
        assert f"{n} object{'s' * (n > 1)}, {line['dropped']} dropped (less than 10 % to be seen)" in done.stdout.decode()
        found = json.loads(augx("explain", f"out/{line['file']}", "--json").stdout)
        assert sum(found["targets"]["dropped"].values()) == line["dropped"] and found["targets"]["min_visibility"] == 0.1

    @EVERY
    @SPLIT
    def test_wherever_its_set_has_it(self, how: dict[str, Any], split: dict[str, Any], class_folders: Path, tmp_path: Path) -> None:
        """A packed copy is named as if it lay where its line says; in arrays alpha was laid on white before."""
        spec = load_spec({**SPEC.canonical(), "tone": {"gamma": 0.3}, "output": {"size": [40, 30]}})
        plan = plan_copies(find_sources(class_folders), spec, copies=2, **how, **split)
        assert run_plan(plan, spec, tmp_path / "out").failures == ()
        lines = [line for line in lines_of(tmp_path / "out") if not line.get("original")]
        for line in lines:
            found = explain_recorded(recorded_copy(str(tmp_path / "out" / line["file"])))
            assert {step.place: step.params for step in found.drawn if step.params is not None} == line["params"]
            assert (found.file, found.copy, found.label, found.copy_size) == (line["file"], line["copy"], line["label"], (40, 30))
            assert found.targets is None and found.as_text() and json.dumps(found.as_json())
        assert len(lines) == 2 * sum(row.part in ("", "train") for row in plan.rows)

    def test_of_a_packed_set_on_the_command_line(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        for to in ("", "webdataset"):
            command = ("generate", "--input", "photos", "--copies", "2", "--split", "train=0.5,val=0.5", "--output", f"out{to}")
            assert augx(*command, *(("--to", to) if to else ())).returncode == 0
        place = next(line["file"] for line in lines_of(tmp_path / "out") if not line.get("original"))
        loose, packed = augx("explain", f"out/{place}"), augx("explain", f"outwebdataset/{place}")
        assert loose.returncode == packed.returncode == 0 and packed.stdout.replace(b"outwebdataset", b"out") == loose.stdout
        untouched = next(line["file"] for line in lines_of(tmp_path / "out") if line["split"] == "val")
        refused = augx("explain", f"outwebdataset/{untouched}")
        assert refused.returncode == 2 and b"the untouched source" in refused.stderr
        unknown = augx("explain", "outwebdataset/cats/nope_00000.jpg")
        assert unknown.returncode == 2 and b"lists no cats/nope_00000.jpg; name files as its lines do" in unknown.stderr

    def test_by_a_file_beside_it(self, augx: Run, tmp_path: Path) -> None:
        assert augx("generate", "--input", PHOTOS, "--masks", MASKS, "--output", "out", "--copies", "1").returncode == 0
        line = json.loads((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()[0])
        (mask,) = (part["file"] for part in line["beside"])
        done = augx("explain", f"out/{mask}")
        assert done.returncode == 0 and done.stdout == augx("explain", f"out/{line['file']}").stdout
        assert b"1 mask, moved the same way: masks" in done.stdout and b"object" not in done.stdout

    def test_of_a_class_tree_and_of_one_that_has_moved(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        assert (
            augx(
                "generate", "--input", "photos", "--output", "out", "--copies", "1", "--set", "warp.flip_h.relabel={cats: dogs}"
            ).returncode
            == 0
        )
        for line in map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()):
            done = augx("explain", f"out/{line['file']}", "--json")
            assert done.returncode == 0 and json.loads(done.stdout)["label"] == line["label"] and "targets" not in json.loads(done.stdout)
        class_folders.rename(tmp_path / "moved")
        gone = augx("explain", f"out/{line['file']}")
        assert gone.returncode == 1 and b"name the folder where it is by --input" in gone.stderr and gone.stderr.count(b"\n") == 1
        assert augx("explain", f"out/{line['file']}", "--input", "moved", "--json").stdout == done.stdout.replace(
            b"photos", b"moved"
        ).replace(b"out/../", b"")

    @pytest.mark.parametrize(
        "options", [("--image", CAT), ("--copy", "1"), ("--spec", "strong"), ("--set", "seed=1"), ("--label", "x")], ids=str
    )
    def test_its_record_says_the_rest(self, augx: Run, tmp_path: Path, options: tuple[str, str]) -> None:
        done = augx("explain", "out/x.jpg", *options)
        assert done.returncode == 2 and f"{options[0]} goes with --image".encode() in done.stderr

    def test_what_can_not_be_explained(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        assert augx("generate", "--input", "photos", "--output", "out", "--copies", "1", "--originals").returncode == 0
        (tmp_path / "out" / "cats" / "foreign.jpg").write_bytes(b"")
        cases = [
            ("photos/cats/a.jpg", b"not in a set that augx made"),
            ("out/cats/foreign.jpg", b"lists no cats/foreign.jpg"),
            ("", b"not in a set"),
        ]
        cases += [("out/cats/a.jpg", b"the untouched source cats/a.jpg"), ("nowhere/a.jpg", b"not in a set that augx made")]
        for file, words in cases:
            done = augx("explain", file)
            assert done.returncode == 2 and words in done.stderr and done.stderr.count(b"\n") == 1
        write_picture(tmp_path / "photos" / "cats" / "a.jpg", picture(seed=99))
        done = augx("explain", "out/cats/a_00000.jpg")
        assert done.returncode == 1 and b"has changed since (SHA-256 differs)" in done.stderr
        run = json.loads((tmp_path / "out" / "run.json").read_text())
        for changes in ({"spec": None}, {"spec": {"warp": {"nope": 1}}}, {"layout": {"kind": "x"}}, {"layout": 1}):
            (tmp_path / "out" / "run.json").write_text(json.dumps({**run, **changes}))
            done = augx("explain", "out/cats/b.png_00000.png")
            assert done.returncode == 2 and b"run.json: " in done.stderr and done.stderr.count(b"\n") == 1

    def test_a_line_whose_numbers_are_none(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        assert augx("generate", "--input", "photos", "--output", "out", "--copies", "1").returncode == 0
        first, *others = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
        fields = json.loads(first)
        several: list[dict[str, object]] = [{}, {"angle": "x"}, {"angle": None}]
        for drawn in several:
            (tmp_path / "out" / "manifest.jsonl").write_text(
                "\n".join([json.dumps({**fields, "params": {"warp.rotate": drawn}}), *others]) + "\n"
            )
            done = augx("explain", f"out/{fields['file']}")
            assert done.returncode == 1 and b"the numbers in its line" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_picture_of_an_annotated_set(augx: Run) -> None:
    done = augx("explain", "--image", "cats/Cat.jpg", "--input", COCO, "--copy", "1")
    assert done.returncode == 0 and b"targets\n  1 object\n  on the copy: 1 cat\n" in done.stdout


class TestWhatCanNotBe:
    def test_a_picture_that_is_not_there(self, augx: Run) -> None:
        done = augx("explain", "--image", "nope.jpg", "--copy", "1")
        assert done.returncode == 2 and done.stderr.startswith(b"augx: nope.jpg: No such file")

    def test_a_picture_that_does_not_decode(self, augx: Run, tmp_path: Path) -> None:
        (tmp_path / "bad.jpg").write_bytes(CAT.read_bytes()[:5000])
        done = augx("explain", "--image", "bad.jpg", "--copy", "1")
        assert done.returncode == 1 and done.stderr.startswith(b"augx: bad.jpg: ") and done.stderr.count(b"\n") == 1

    @pytest.mark.parametrize("copy", ["-1", "x", "1.5"])
    def test_a_number_that_is_none(self, augx: Run, copy: str) -> None:
        assert augx("explain", "--image", CAT, "--copy", copy).returncode == 2

    def test_a_copy_beyond_what_can_be_counted(self, augx: Run) -> None:
        done = augx("explain", "--image", CAT, "--copy", str(10**60))
        assert done.returncode == 2 and b"expected a whole number from 0 to" in done.stderr

    def test_a_copy_that_can_not_be_made(self, augx: Run) -> None:
        flat = [f"--set=warp.steps.{i}.scale_x={{fixed: 0.05}}" for i in range(8)]
        done = augx("explain", "--image", CAT, "--copy", "1", *flat)
        assert done.returncode == 1 and b"can't be made" in done.stderr
