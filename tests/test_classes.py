"""What is different for single classes, and copies that change class."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from augx import PlanError, expand_dataset, load_spec, plan_copies
from augx.draws import draw, labels
from augx.inputs.folders import class_tree
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.spec import Spec
from augx.warp import Levels
from tests.conftest import Run, picture, pictures, write_picture


def made(spec: Spec, image: np.ndarray, copies: range = range(6)) -> list[np.ndarray]:
    sample = Sample("k", "", Levels(image))
    return [apply(recipe, sample) for recipe in recipes(spec, draw(spec, "k", copies), sample)]


BOTH_WAYS = {"p": 0.5, "relabel": {"left": "right", "right": "left"}}


@pytest.fixture
def turns(tmp_path: Path) -> Path:
    """photos/left, photos/right: two pictures each, one of the same name in both and one in a folder below; photos/stop: one."""
    root = tmp_path / "photos"
    write_picture(root / "left" / "a.jpg", picture(30, 40, seed=1))
    write_picture(root / "left" / "night" / "b.png", picture(21, 34, seed=2))
    write_picture(root / "right" / "a.jpg", picture(25, 25, seed=3))
    write_picture(root / "right" / "c.jpg", picture(33, 20, seed=4))
    write_picture(root / "stop" / "d.jpg", picture(16, 48, seed=5))
    return root


def test_a_class_may_forbid_what_others_get() -> None:
    spec = load_spec(
        {"warp": {"flip_h": 1, "rotate": {"range": 30, "p": 0.5}}, "classes": {"digits": {"warp": {"flip_h": 0, "rotate": {"p": 0}}}}}
    )
    image = picture()
    assert all(np.array_equal(copy, image) for copy in made(spec.of_class("digits"), image))
    assert spec.of_class("cats") is spec and not np.array_equal(made(spec, image)[0], image)
    assert spec.of_class("digits").warp.transforms[1].range == spec.warp.transforms[1].range  # type: ignore[attr-defined]


def test_a_class_draws_what_is_not_changed_as_all_do() -> None:
    spec = load_spec({"warp": {"rotate": 30, "zoom": 0.2}, "then": [{"blur": 1}], "classes": {"a": {"warp": {"zoom": [2, 3]}, "then": []}}})
    everyone, own = draw(spec, "a/x.jpg", range(9)), draw(spec.of_class("a"), "a/x.jpg", range(9))
    assert own.params["warp.rotate"]["angle"].tolist() == everyone.params["warp.rotate"]["angle"].tolist()
    assert own.params["warp.zoom"]["x"].min() >= 2 and "then.blur" not in own.params


def test_a_class_merges_settings_replaces_lists_and_takes_away() -> None:
    base = {
        "warp": {"rotate": {"range": 30, "p": 0.1}, "zoom": 0.1},
        "then": [{"blur": 1}],
        "policy": "augmix",
        "classes": {
            "a": {"warp": {"rotate": 20, "zoom": None}},
            "b": {"then": [{"noise": 2}], "policy": None},
            "c": {"then": None, "warp": None},
        },
    }
    spec = load_spec(base)
    assert spec.of_class("a").canonical()["warp"] == {"rotate": {"p": 0.1, "range": [-20.0, 20.0]}}
    assert [step.name for step in spec.of_class("b").then] == ["noise"] and spec.of_class("b").policy is None
    assert spec.of_class("c").then == () and not spec.of_class("c").canonical().get("warp")
    assert spec.of_class("c").policy is not None


def test_classes_are_part_of_the_spec() -> None:
    plain, other = load_spec({"warp": {"flip_h": 1}}), load_spec({"warp": {"flip_h": 1}, "classes": {"a": {"warp": {"flip_h": 0}}}})
    assert plain.hash != other.hash
    assert other.canonical()["classes"] == {"a": {"warp": {"flip_h": {"p": 0.0, "relabel": {}}}}}
    assert load_spec(other.canonical()).hash == other.hash
    assert other.model_copy(update={"seed": 9}).of_class("a").seed == 9


EVERYTHING = {
    "seed": 5,
    "warp": {
        "zoom": {"range": 0.1, "axes": "independent", "p": 0.5},
        "rotate": 5,
        "border": "reflect",
        "steps": [{"one_of": [{"shear": 5}]}],
    },
    "tone": {"steps": [{"some_of": [{"gamma": 0.2}, {"invert": 0.5}], "count": [0, 2]}], "contrast": 0.1},
    "policy": {"augmix": {"depth": 2}},
    "then": [{"blur": 1}, {"one_of": [{"all_of": []}, {"jpeg": [20, 90]}], "p": 0.5, "weights": [1, 2]}],
    "classes": {
        "a": {"warp": {"zoom": {"p": 1, "axes": "together"}, "border": "nearest", "flip_v": 1}, "policy": "none", "then": []},
        "b": {"warp": {"steps": []}, "tone": {"contrast": {"p": 0}}, "policy": "trivial_augment"},
        "c": {},
        "d": {"warp": {"rotate": None}, "tone": None, "policy": None},
    },
    "output": {"format": "png"},
}


@pytest.mark.parametrize("how", ["its canonical form", "JSON", "a pickle"])
def test_a_spec_survives(how: str) -> None:
    spec = load_spec(EVERYTHING)
    form = spec.canonical()
    again = {
        "its canonical form": lambda: load_spec(form),
        "JSON": lambda: load_spec(json.loads(json.dumps(form))),
        "a pickle": lambda: pickle.loads(pickle.dumps(spec)),
    }[how]()
    assert again.canonical() == form and again.hash == spec.hash
    for label in ("", "a", "b", "c", "d"):
        assert draw(again.of_class(label), "k", range(20)).plain == draw(spec.of_class(label), "k", range(20)).plain


def test_a_policy_may_be_taken_from_a_class() -> None:
    spec = load_spec({"policy": "trivial_augment", "classes": {"a": {"policy": "none"}, "b": {"policy": {"rand_augment": {"n": 1}}}}})
    assert spec.of_class("a").policy is None
    assert spec.of_class("b").nodes[0][0] == "policy.rand_augment"


def test_a_flip_turns_left_into_right(turns: Path, tmp_path: Path) -> None:
    spec = load_spec({"warp": {"flip_h": BOTH_WAYS}, "output": {"format": "png"}})
    report = expand_dataset(tmp_path / "out", input=turns, spec=spec, copies=20)
    assert (report.made, report.missing) == (100, 0)
    made = pictures(tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert {line["file"] for line in lines} == set(made)
    for line in lines:
        source = line["source"].split("/")[0]
        flipped = "warp.flip_h" in line["params"] and source != "stop"
        assert line.get("source_label") == (source if flipped else None)
        assert line["label"] == ({"left": "right", "right": "left"}[source] if flipped else source)
        assert line["file"].startswith(line["label"] + "/") and (f"_from_{source}_" in line["file"]) == flipped
        assert ("/night/" in line["file"]) == ("/night/" in line["source"])
    planned = plan_copies(class_tree(turns), spec, copies=20).classes()
    assert {label: files for label, (_, _, files) in planned.items()} == Counter(name.split("/")[0] for name in made)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["classes"]["left"]["files"] == planned["left"][2]


def test_relabelled_sets_resume_grow_and_do_not_depend_on_workers(turns: Path, tmp_path: Path) -> None:
    spec = load_spec({"warp": {"flip_h": BOTH_WAYS, "rotate": 10}})
    whole = expand_dataset(tmp_path / "whole", input=turns, spec=spec, copies=12, originals=True)
    assert whole.made == 65
    grown = tmp_path / "grown"
    expand_dataset(grown, input=turns, spec=spec, copies=5, originals=True)
    for name in sorted(pictures(grown))[::3]:
        (grown / name).unlink()
    again = expand_dataset(grown, input=turns, spec=spec, copies=12, originals=True)
    assert again.planned == again.made + again.kept == 65
    assert pictures(grown) == pictures(tmp_path / "whole")
    assert expand_dataset(grown, input=turns, spec=spec, copies=12, originals=True).made == 0


def test_labels_follow_every_step_that_a_copy_drew() -> None:
    flips = {"flip_h": {"p": 0.5, "relabel": {"left": "right", "right": "left"}}, "flip_v": {"p": 0.5, "relabel": {"right": "down"}}}
    spec = load_spec({"warp": flips})
    found = labels(spec, "left", "k", range(400))
    drawn = draw(spec, "k", range(400)).plain
    for label, copy in zip(found, drawn, strict=True):
        expected = "left" if "warp.flip_h" not in copy else "down" if "warp.flip_v" in copy else "right"
        assert label == expected


def test_a_clash_after_relabelling_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "p" / "left" / "a.jpg")
    write_picture(tmp_path / "p" / "right" / "a_from_left.jpg")
    spec = load_spec({"warp": {"flip_h": BOTH_WAYS}})
    with pytest.raises(PlanError, match="would have the same names"):
        plan_copies(class_tree(tmp_path / "p"), spec, copies=2)


def test_a_slip_in_a_class_name_is_noticed(turns: Path) -> None:
    with pytest.raises(PlanError, match=r"classes.lefft: no source has this label \(did you mean left\?\)"):
        plan_copies(class_tree(turns), load_spec({"classes": {"lefft": {"warp": {"flip_h": 0}}}}), copies=2)
    plan_copies(class_tree(turns), load_spec({"classes": {"slight": {"warp": {"flip_h": 0}}}}), copies=2)
    plan_copies(class_tree(turns), load_spec({"classes": {"elsewhere": {"warp": {"flip_h": 0}}}}), copies=2)


def test_a_slip_in_a_relabelled_class_is_noticed(turns: Path) -> None:
    spec = load_spec({"warp": {"flip_h": {"p": 0.5, "relabel": {"rigth": "left"}}}})
    with pytest.raises(PlanError, match=r"relabel: \{rigth: ...\}: no source has this label \(did you mean right\?\)"):
        plan_copies(class_tree(turns), spec, copies=2)


def test_the_command_says_what_classes_become(augx: Run, turns: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("warp: {flip_h: {p: 1, relabel: {left: right}}}\nclasses: {stop: {warp: {flip_h: 0}}}\n")
    done = augx("generate", "--input", turns, "--output", "out", "--spec", "my.yaml", "--copies", "3", "--dry-run", "--json")
    classes = json.loads(done.stdout)["classes"]
    assert {label: row["copies"] for label, row in classes.items()} == {"left": 0, "right": 12, "stop": 3}
