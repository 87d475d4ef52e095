"""Experiments with their trainings, of a tiny model on small pictures: equal arms, resuming, the same results twice, bad input."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import AugxError, OutputError, PlanError, expand_dataset, load_spec
from augx.experiment import FILES, Settings, run_experiment
from augx.experiment.settings import ARMS, HONEST, LEAK
from tests.conftest import Run, picture, write_picture

if any(find_spec(name) is None for name in ("keras", "torch", "matplotlib", "sklearn")):
    pytest.skip("needs augx-cli[train,train-torch]", allow_module_level=True)

# What Keras and its backends warn of is theirs.
pytestmark = [pytest.mark.filterwarnings("default::DeprecationWarning"), pytest.mark.filterwarnings("default::UserWarning")]

SHIFTS = load_spec({"augx": 1, "warp": {"shift_x": 0.2, "flip_h": 0.5}})
BLACK = load_spec({"augx": 1, "tone": {"brightness": [0.0, 0.0]}})
MODEL = """
import random

import keras
from keras import layers

def build(shape, classes):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(classes, activation="softmax")])

def wrong(shape, classes):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(classes + 1, activation="softmax")])

def logits(shape, classes):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(classes)])

def grey(shape, classes):
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(classes, activation="softmax")])

def alone():
    pass

def leaves(shape, classes):
    raise SystemExit(0)

def unseeded(shape, classes):
    start = keras.initializers.Constant(random.SystemRandom().random())
    last = layers.Dense(classes, activation="softmax", kernel_initializer=start)
    return keras.Sequential([keras.Input(shape), layers.Flatten(), last])

def endless(shape, classes):
    last = layers.Dense(classes, activation="softmax", kernel_initializer=keras.initializers.Constant(float("nan")))
    return keras.Sequential([keras.Input(shape), layers.Flatten(), last])
"""


@pytest.fixture(autouse=True)
def on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("KERAS_BACKEND", "torch")
    # The tests run side by side: threads of one that wait for a core that another one has take several times as long.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of a dozen pictures: dark ones and light ones."""
    rng = np.random.default_rng(7)
    for i in range(24):
        image = rng.integers(0, 180, (20, 24, 3)) + (0 if i < 12 else 75)
        write_picture(tmp_path / "photos" / ("dark" if i < 12 else "light") / f"{i}.png", image.astype(np.uint8))
    return tmp_path / "photos"


@pytest.fixture
def wanted(photos: Path, tmp_path: Path) -> Settings:
    (tmp_path / "model.py").write_text(MODEL)
    small: dict[str, Any] = {"size": 8, "copies": 2, "batch_size": 4, "epochs": 2, "repeats": 2}
    return Settings(str(photos), (("shifts", SHIFTS),), model=f"{tmp_path}/model.py:build", **small)


def records(output: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in (output / "runs").iterdir()}


def without_time(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "seconds"}


def test_arms_begin_alike_and_take_as_many_steps(wanted: Settings, tmp_path: Path) -> None:
    results = run_experiment(wanted, tmp_path / "results")
    assert [row.arm for row in results.rows] == [*ARMS]
    found = records(tmp_path / "results")
    assert len(found) == 8
    for seed in (0, 1):
        of_seed = [one for name, one in found.items() if name.endswith(f"--{seed}")]
        assert len({one["initial"] for one in of_seed}) == 1 and len({one["steps"] for one in of_seed}) == 1
        assert of_seed[0]["steps"] == 2 * -(-of_seed[0]["pictures"]["train"] // 4)
        assert len({json.dumps(one["pictures"]) for one in of_seed}) == 1
    assert len({one["initial"] for one in found.values()}) == 2
    for row in results.rows:
        assert row.confusion.sum() == sum(one["pictures"]["test"] for name, one in found.items() if name.startswith(f"{row.arm}--"))
        assert np.isclose(row.accuracy.mean, np.mean([*row.per_seed.values()]))
    assert not (tmp_path / "results" / "expanded").exists()


def test_the_same_results_twice(wanted: Settings, tmp_path: Path) -> None:
    for name in ("one", "other"):
        run_experiment(replace(wanted, repeats=1), tmp_path / name)
    one, other = records(tmp_path / "one"), records(tmp_path / "other")
    assert {name: without_time(fields) for name, fields in one.items()} == {name: without_time(fields) for name, fields in other.items()}


class StopError(Exception):
    """What stands for Ctrl-C."""


def test_it_goes_on_where_it_was_stopped(wanted: Settings, tmp_path: Path) -> None:
    whole = run_experiment(wanted, tmp_path / "whole")
    seen: list[str] = []

    def stop_in_the_third(progress: Any) -> None:
        seen.append(str(progress.run))
        if progress.number == 3:
            raise StopError

    with pytest.raises(StopError):
        run_experiment(wanted, tmp_path / "results", on_progress=stop_in_the_third)
    assert len(records(tmp_path / "results")) == 2
    left: list[tuple[str, float]] = []
    again = run_experiment(wanted, tmp_path / "results", on_progress=lambda now: left.append((str(now.run), now.left)))
    assert left[0][0] == seen[-1] and left[-1][1] == 0
    assert [row.per_seed for row in again.rows] == [row.per_seed for row in whole.rows]
    more = run_experiment(replace(wanted, repeats=3, specs=(*wanted.specs, ("more", SHIFTS))), tmp_path / "results")
    assert len(more.rows) == 7 and len(more.rows[0].per_seed) == 3
    assert {seed: more.rows[0].per_seed[seed] for seed in (0, 1)} == whole.rows[0].per_seed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"epochs": 3}, "holds another experiment (epochs was 2, is 3)", id="other epochs"),
        pytest.param({"fraction": 0.5}, "fraction was 1.0, is 0.5", id="a fraction"),
        pytest.param({"specs": (("shifts", BLACK),)}, "of another spec of this name", id="another spec by the same name"),
    ],
)
def test_results_of_something_else_are_left_alone(changes: dict[str, Any], message: str, wanted: Settings, tmp_path: Path) -> None:
    run_experiment(replace(wanted, repeats=1, arms=("in-place",)), tmp_path / "results")
    before = records(tmp_path / "results")
    with pytest.raises(OutputError, match=re.escape(message)):
        run_experiment(replace(wanted, **{"repeats": 1, "arms": ("in-place",), **changes}), tmp_path / "results")
    assert records(tmp_path / "results") == before


def test_a_folder_of_others_is_left_alone(wanted: Settings, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="lies inside --dataset"):
        run_experiment(wanted, wanted.dataset)


@pytest.mark.parametrize("arm", ARMS[1:])
def test_a_spec_that_leaves_nothing_is_named_with_its_arm(arm: str, wanted: Settings, tmp_path: Path) -> None:
    settings = replace(wanted, specs=(("black", BLACK),), arms=(arm,), repeats=1)
    with pytest.raises(PlanError, match=rf"arm {arm}: spec black: it leaves all of .* in one colour"):
        run_experiment(settings, tmp_path / "results")


def test_a_rate_that_is_too_large_stops_as_well(wanted: Settings, tmp_path: Path) -> None:
    """Weights that only the last step turns into no numbers."""
    with pytest.raises(AugxError, match=r"arm none, seed 0: .*the loss.* is (nan|inf).*; look at what it is trained on"):
        run_experiment(replace(wanted, learning_rate=1e38), tmp_path / "results")
    assert not records(tmp_path / "results")


def test_arms_that_would_not_begin_alike_are_named(wanted: Settings, tmp_path: Path) -> None:
    model = wanted.model.replace(":build", ":unseeded")
    with pytest.raises(AugxError, match="arm expand, shifts, seed 0: begins with other weights than arm none, seed 0; --model must make"):
        run_experiment(replace(wanted, model=model), tmp_path / "results")


def test_a_model_that_was_edited_is_not_gone_on_with(wanted: Settings, tmp_path: Path) -> None:
    run_experiment(replace(wanted, repeats=1, arms=("none",)), tmp_path / "results")
    (tmp_path / "model.py").write_text(MODEL + "\n# another one\n")
    with pytest.raises(OutputError, match="the file of --model has changed"):
        run_experiment(replace(wanted, repeats=1, arms=("none",)), tmp_path / "results")


def test_what_others_put_beside_an_expanded_set_stays(wanted: Settings, tmp_path: Path) -> None:
    run_experiment(replace(wanted, repeats=1, arms=("none",)), tmp_path / "results")
    (tmp_path / "elsewhere" / f"shifts-0-{SHIFTS.hash[:8]}").mkdir(parents=True)
    theirs = tmp_path / "elsewhere" / f"shifts-0-{SHIFTS.hash[:8]}" / "thesis.txt"
    theirs.write_text("mine")
    (tmp_path / "results" / "expanded").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=r"not a folder"):
        run_experiment(replace(wanted, repeats=1, arms=("expand",)), tmp_path / "results")
    assert theirs.read_text() == "mine" and [*theirs.parent.iterdir()] == [theirs]


def test_short_trainings_are_measured_too(photos: Path, tmp_path: Path) -> None:
    """Averages of batch normalisation arrive: what is known by heart is not called a coin's toss."""
    settings = Settings(str(photos), (), arms=("none",), size=16, epochs=8, repeats=1, batch_size=4, model="small-cnn")
    results = run_experiment(settings, tmp_path / "results")
    assert results.rows[0].gap.mean + results.rows[0].val.mean > 0.8


def test_a_loss_that_is_no_number_stops_and_names_the_arm(wanted: Settings, tmp_path: Path) -> None:
    with pytest.raises(AugxError, match=r"arm none, seed 0: the loss is nan in epoch 1, step 1"):
        run_experiment(replace(wanted, model=wanted.model.replace(":build", ":endless")), tmp_path / "results")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param("small_cnn", "no such model (did you mean small-cnn?)", id="a name"),
        pytest.param("nowhere.py:build", "no such file", id="a file"),
        pytest.param("{}/model.py:biuld", "has no function biuld", id="a function"),
        pytest.param("{}/model.py:wrong", "it returned (None, 3); expected a Keras model of pictures (None, 8, 8, 3)", id="its output"),
        pytest.param("{}/broken.py:build", "can't be run: ZeroDivisionError", id="what it does"),
        pytest.param("{}/model.py:logits", "not to 1; expected a Keras model", id="no probabilities"),
        pytest.param("{}/model.py:grey", "returned a model that takes no such pictures", id="grey pictures"),
        pytest.param("{}/model.py:alone", "called with ((8, 8, 3), 2), it raised TypeError", id="its arguments"),
        pytest.param("{}/model.py:leaves", "it raised SystemExit: 0", id="it ends the process"),
    ],
)
def test_wrong_models(model: str, message: str, wanted: Settings, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(PlanError, match=re.escape(message)) as error:
        run_experiment(replace(wanted, model=model.format(tmp_path)), tmp_path / "results")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["small-cnn", "resnet"])
@pytest.mark.parametrize("size", [28, 64])
def test_models_take_any_size(name: str, size: int) -> None:
    from augx.experiment.models import build_model

    model = build_model(name, size, 3, 100)
    shares = model.predict_on_batch(np.zeros((2, size, size, 3), np.float32))
    assert shares.shape == (2, 3) and np.allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_the_page_is_static(wanted: Settings, tmp_path: Path) -> None:
    results = run_experiment(replace(wanted, arms=("in-place",)), tmp_path / "results")
    text = (tmp_path / "results" / "results.html").read_text()
    assert "default-src 'none'; img-src data:" in text and "<script" not in text and "http:" not in text and "https:" not in text
    for part in (*results.verdicts, "in-place (shifts)", "precision", "What was taken for what", "data:image/png;base64,"):
        assert part in text.replace("&amp;", "&")
    found = json.loads((tmp_path / "results" / "results.json").read_text())
    assert found["rows"][1]["difference"]["seeds"] == 2 and found["specs"]["shifts"]["warp"] and found["versions"]["keras"]
    assert (tmp_path / "results" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_a_leak_does_stands_beside_the_honest_split(wanted: Settings, tmp_path: Path) -> None:
    expand_dataset(tmp_path / "expanded", input=wanted.dataset, spec=SHIFTS, copies=4)
    leak = replace(wanted, dataset=str(tmp_path / "expanded"), specs=(), leak=True)
    results = run_experiment(leak, tmp_path / "results")
    assert [row.arm for row in results.rows] == [HONEST, LEAK]
    said = next(text for text in results.verdicts if "that is a leak" in text)
    assert "Only this figure means anything" in said and "have test parts of their own" in results.remarks[-1]
    with pytest.raises(PlanError, match=r"no manifest of augx in .* says which pictures are copies"):
        run_experiment(replace(wanted, leak=True), tmp_path / "other")


def test_two_photos_and_pictures_held_apart(wanted: Settings, tmp_path: Path) -> None:
    """With one source a class only pictures of others can tell anything."""
    for label, seed in (("dark", 1), ("light", 2)):
        write_picture(tmp_path / "two" / label / "a.png", picture(20, 20, seed=seed))
    expand_dataset(tmp_path / "expanded", input=tmp_path / "two", spec=SHIFTS, copies=20)
    leak = replace(wanted, dataset=str(tmp_path / "expanded"), specs=(), leak=True)
    with pytest.raises(PlanError, match=r"too few for train, val, test, .*--dataset-is-expanded --test DIR"):
        run_experiment(leak, tmp_path / "results")
    results = run_experiment(replace(leak, test=wanted.dataset), tmp_path / "results")
    assert results.rows[0].pictures[0]["test"] == 24 and any("of the pictures held apart" in text for text in results.verdicts)


def bad_sets(root: Path) -> Iterator[tuple[str, list[str], str]]:
    yield "one class", ["--dataset", str(root / "photos" / "dark")], "no classes; a classifier needs two or more"
    yield "too few", ["--dataset", str(root / "few")], "class cats has 2 sources, too few for train, val, test"
    yield "nothing", ["--dataset", str(root / "nowhere")], "No such file"
    yield "parts", ["--dataset", str(root / "set")], "give --dataset DIR/train --test DIR/test"
    yield "classes", ["--dataset", str(root / "photos"), "--test", str(root / "few")], "has classes that --dataset lacks: cats"
    yield "spec", ["--dataset", str(root / "photos"), "--spec", "tutorail"], "did you mean tutorial"


@pytest.mark.parametrize("number", range(6), ids=["one class", "too few", "nothing there", "its parts", "other classes", "no such spec"])
def test_bad_input_is_one_line(number: int, photos: Path, tmp_path: Path, augx: Run) -> None:
    for label in ("cats", "dogs"):
        for i in range(2):
            write_picture(tmp_path / "few" / label / f"{i}.png", picture(9, 9, seed=i + 2 * (label == "dogs")))
            write_picture(tmp_path / "set" / ("train", "test")[i] / label / "a.png")
    _, args, message = list(bad_sets(tmp_path))[number]
    done = augx("experiment", *args, "--output", "results")
    text = done.stderr.decode()
    assert done.returncode == 2 and message in text and text.count("\n") == 1 and "Traceback" not in text


def test_quick_ends_and_says_that_it_proves_nothing(photos: Path, tmp_path: Path, augx: Run) -> None:
    done = augx("experiment", "--dataset", photos, "--quick", "--output", "results")
    assert done.returncode == 0, done.stderr
    assert b"--quick proves nothing" in done.stdout and done.stdout.startswith(b"arm ") and b"Two seeds can show next to" in done.stdout
    assert {*FILES} <= {*os.listdir(tmp_path / "results")}
    assert len(re.findall(rb"^augx: run \d of 8: .*; epoch 3 of 3,", done.stderr, re.MULTILINE)) == 8 and b" left\n" in done.stderr
    again = augx("experiment", "--dataset", photos, "--quick", "--output", "results", "--json")
    assert len(json.loads(again.stdout)["rows"]) == 4 and b"run " not in again.stderr


@pytest.mark.parametrize("augment", ["-1", "1"])
def test_the_tutorials_own_entry(augment: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from augx.experiment.__main__ import main

    plot = tmp_path / "plot.png"
    assert main(["--dataset", str(photos), "--augment", augment, "--plot", str(plot), "--epochs", "1"]) == 0
    said = capsys.readouterr().out
    assert "[INFO] training network for 1 epochs..." in said and re.search(r"^ +dark +\d", said, re.MULTILINE) and "f1-score" in said
    assert ("on the fly" in said) == (augment == "1") and f"[INFO] plot: {plot}" in said and plot.read_bytes().startswith(b"\x89PNG")


def test_the_tutorials_own_entry_names_the_leak(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from augx.experiment.__main__ import main

    expand_dataset(tmp_path / "expanded", input=photos, spec=SHIFTS, copies=1, originals=True)
    assert main(["--dataset", str(tmp_path / "expanded"), "--plot", str(tmp_path / "plot.png"), "--epochs", "1"]) == 0
    assert "siblings of training pictures" in capsys.readouterr().err
    assert main(["--dataset", str(tmp_path / "nowhere")]) == 2
