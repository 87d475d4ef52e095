"""Experiments without their trainings: the split law for every arm, what arms are trained on, intervals, verdicts, wrong settings."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import PlanError, Source, expand_dataset, load_spec
from augx.experiment.data import Data, Part, parts_of, read_data
from augx.experiment.feeds import expanded_part, feed
from augx.experiment.intervals import interval, shown, verdict
from augx.experiment.settings import ARMS, BOTH, EXPAND, HONEST, IN_PLACE, LEAK, NONE, Run, Settings
from tests.conftest import ROOT, picture, write_picture

FLIPS = load_spec({"augx": 1, "warp": {"flip_h": 0.5}})


def made_up(groups: Sequence[Sequence[int]], apart: bool) -> Data:
    """A set with ``groups[class][i]`` pictures of source i, without any pixels."""
    rows = [(label, group) for label, sizes in enumerate(groups) for group, n in enumerate(sizes) for _ in range(n)]
    sources = tuple(Source(f"{i}", f"{label}/{i}.png", str(label), str(label)) for i, (label, _) in enumerate(rows))
    labels = np.array([label for label, _ in rows], np.int64)
    part = Part(sources, np.zeros((len(rows), 1, 1, 3), np.uint8), labels)
    held = Part(tuple(Source("t", f"{label}/t.png", str(label), str(label)) for label in range(len(groups))), part.images[:2], labels[:2])
    classes = tuple(map(str, range(len(groups))))
    return Data(classes, part, tuple(f"{label} {group}" for label, group in rows), held if apart else None, True, "", ())


@given(st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=9), min_size=2, max_size=4), st.integers(0, 2**32), st.booleans())
@settings(max_examples=60)
def test_no_source_is_on_both_sides(groups: list[list[int]], seed: int, apart: bool) -> None:
    data = made_up(groups, apart)
    group_of = dict(zip((source.key for source in data.all.sources), data.groups, strict=True))
    for arm in (*ARMS, HONEST):
        parts = parts_of(data, seed, arm)
        own = [parts.train, parts.val] if apart else [parts.train, parts.val, parts.test]
        sides = [{group_of[source.key] for source in part.sources} for part in own]
        assert not any(one & other for one, other in itertools.combinations(sides, 2))
        assert sum(len(part.sources) for part in own) == len(data.groups)
        assert all({*part.labels.tolist()} == {*range(len(groups))} for part in own)
        assert parts.test is data.test or not apart
    again = parts_of(data, seed)
    assert again.train.sources == parts_of(data, seed).train.sources


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_the_leak_is_there_when_it_is_asked_for(seed: int) -> None:
    data = made_up([[50], [50]], apart=False)
    leaky = parts_of(data, seed, LEAK)
    group_of = dict(zip((source.key for source in data.all.sources), data.groups, strict=True))
    assert {group_of[source.key] for source in leaky.test.sources} <= {group_of[source.key] for source in leaky.train.sources}
    with pytest.raises(PlanError, match="class 0 has 1 source, too few for train, val, test"):
        parts_of(data, seed, HONEST)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of nine pictures of 16x16, all different."""
    for i in range(18):
        write_picture(tmp_path / "photos" / ("cats" if i < 9 else "dogs") / f"{i}.png", picture(16, 16, seed=i))
    return tmp_path / "photos"


def asked(dataset: Path, **changes: object) -> Settings:
    return Settings(str(dataset), (("flips", FLIPS),), **{"size": 16, "copies": 3, "batch_size": 4, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_arm_sees_training_pictures_alone(arm: str, seed: int, photos: Path, tmp_path: Path) -> None:
    """Each picture of its batches, or its mirror image, is one of the training part; also those that were expanded on disk."""
    wanted = asked(photos)
    data = read_data(wanted)
    parts = parts_of(data, seed, arm)
    copies = None
    if arm in (EXPAND, BOTH):
        copies = expanded_part(parts.train, FLIPS, str(tmp_path / "expanded"), wanted, seed, data.classes)
        lines = [json.loads(line) for line in (tmp_path / "expanded" / "manifest.jsonl").read_text().splitlines()]
        assert {line["source"] for line in lines} == {source.key for source in parts.train.sources}
        assert len(copies.labels) == 3 * len(parts.train.labels)
    allowed = {image.tobytes(): label for image, label in zip(parts.train.images, parts.train.labels.tolist(), strict=True)}
    allowed |= {image[:, ::-1].tobytes(): label for image, label in zip(parts.train.images, parts.train.labels.tolist(), strict=True)}
    batches = feed(Run(arm, "flips" if arm != NONE else "", seed), parts.train, copies, wanted, FLIPS, data.classes)
    seen = set()
    for images, labels in itertools.islice(batches, 30):
        assert images.dtype == np.float32 and images.max() <= 1
        for image, label in zip(np.rint(images * 255).astype(np.uint8), labels.tolist(), strict=True):
            assert allowed[image.tobytes()] == label
            seen.add(image.tobytes())
    originals = {image.tobytes() for image in parts.train.images}
    assert seen == originals if arm == NONE else seen - originals


def test_copies_of_one_source_stay_together(photos: Path, tmp_path: Path) -> None:
    expand_dataset(tmp_path / "expanded", input=photos, spec=FLIPS, copies=4)
    data = read_data(asked(tmp_path / "expanded"))
    assert data.siblings and len(set(data.groups)) == 18 and len(data.groups) == 72
    assert any("72 pictures are copies of 18 sources" in note for note in data.notes)


def test_identical_files_are_one_source(photos: Path) -> None:
    (photos / "cats" / "again.png").write_bytes((photos / "cats" / "0.png").read_bytes())
    data = read_data(asked(photos))
    assert len(set(data.groups)) == 18 and any("2 files have the bytes of another one" in note for note in data.notes)


def test_test_pictures_are_not_trained_on(photos: Path, tmp_path: Path) -> None:
    for i, label in enumerate(("cats", "dogs")):
        write_picture(tmp_path / "held" / label / "new.png", picture(16, 16, seed=90 + i))
    (tmp_path / "held" / "cats" / "old.png").write_bytes((photos / "cats" / "0.png").read_bytes())
    data = read_data(asked(photos, test=str(tmp_path / "held")))
    assert data.test is not None and len(data.test.labels) == 3 and len(data.all.labels) == 17
    assert any("1 pictures are in --test as well" in note for note in data.notes)


def test_pictures_of_all_kinds_and_sizes(photos: Path) -> None:
    write_picture(photos / "cats" / "wide.jpg", picture(9, 70))
    write_picture(photos / "cats" / "grey.png", picture(30, 20, channels=1))
    write_picture(photos / "dogs" / "alpha.png", picture(200, 150, channels=4))
    write_picture(photos / "dogs" / "deep.png", picture(33, 12, dtype=np.uint16))
    (photos / "dogs" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    data = read_data(asked(photos))
    assert data.all.images.shape == (22, 16, 16, 3)
    assert [note for note in data.notes if "broken.jpg" in note and note.startswith("left out")]


@pytest.mark.parametrize("fraction", [0.1, 0.34, 0.5, 1.0])
def test_a_fraction_of_each_class(fraction: float, photos: Path) -> None:
    labels = read_data(asked(photos, fraction=fraction)).all.labels
    assert np.bincount(labels).tolist() == [max(1, round(9 * fraction))] * 2


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param([0.6], "60.0 (one seed)", id="one seed has no interval"),
        pytest.param([0.60, 0.62, 0.64], "62.0 (57.0 to 67.0)", id="three seeds: t is 4.303"),
        pytest.param([0.5, 0.5, 0.5, 0.5], "50.0 (49.5 to 50.5)", id="no narrower than a test picture allows"),
        pytest.param([1.0, 1.0], "100.0 (94.8 to 100.0)", id="not beyond 100"),
    ],
)
def test_intervals(values: list[float], text: str) -> None:
    pytest.importorskip("scipy")
    step = 0.01 if len(values) == 4 else 0.02
    assert shown(interval(values, step)) == text


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        pytest.param(
            [0.04, 0.05, 0.06], "better than training without augmentation (+5.0 points, 95 % interval +2.5 to +7.5, 3 seeds)", id="above"
        ),
        pytest.param([-0.04, -0.05, -0.06], "worse than training without augmentation (-5.0 points", id="below"),
        pytest.param([0.1, -0.02, 0.05], "no difference to training without augmentation can be shown (+4.3 points", id="includes zero"),
        pytest.param([0.2], "training without augmentation can be shown from one seed (+20.0 points)", id="one seed"),
        pytest.param([0.0, 0.0, 0.0], "no difference to training without augmentation can be shown", id="none at all"),
    ],
)
def test_a_verdict_claims_no_more_than_its_interval(differences: list[float], words: str) -> None:
    pytest.importorskip("scipy")
    assert words in verdict("in-place (a)", interval(differences, 0.01))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_a_verdict_and_its_interval_agree(differences: list[float]) -> None:
    pytest.importorskip("scipy")
    found = interval(differences, 0.002)
    text = verdict("a", found)
    assert found.low is not None and found.high is not None
    assert ("better" in text) == (found.low > 0) and ("worse" in text) == (found.high < 0)


def test_every_seed_has_the_same_arms() -> None:
    runs = Settings("d", (("a", FLIPS), ("b", FLIPS)), repeats=2, seed=5).runs()
    arms = [(NONE, ""), (EXPAND, "a"), (IN_PLACE, "a"), (BOTH, "a"), (EXPAND, "b"), (IN_PLACE, "b"), (BOTH, "b")]
    assert [(run.arm, run.spec, run.seed) for run in runs] == [(*arm, seed) for seed in (5, 6) for arm in arms]
    assert [run.arm for run in Settings("d", (("a", FLIPS),), arms=("both",), repeats=1).runs()] == [NONE, BOTH]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"arms": ("none", "inplace")}, "no such arm (did you mean in-place?)", id="an arm"),
        pytest.param({"copies": 0}, "--copies 0: expected 1 to 10,000", id="no copies"),
        pytest.param({"repeats": 0}, "--repeats 0", id="no seeds"),
        pytest.param({"epochs": 0}, "--epochs 0", id="no epochs"),
        pytest.param({"size": 4}, "--size 4: expected 8 to 2,048", id="a size that is too small"),
        pytest.param({"fraction": 0.0}, "--fraction 0", id="a fraction of nothing"),
        pytest.param({"fraction": float("nan")}, "--fraction nan", id="a fraction that is no number"),
        pytest.param({"learning_rate": float("inf")}, "--learning-rate inf", id="an endless rate"),
        pytest.param({"specs": (("a", FLIPS), ("a", FLIPS))}, "the results call two specs a; rename", id="a name twice"),
    ],
)
def test_wrong_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=re.escape(message)) as error:
        Settings(**{"dataset": "d", "specs": (("a", FLIPS),), **changes})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_importing_it_imports_no_keras() -> None:
    code = (
        "import sys, augx, augx.experiment, augx.experiment.data, augx.experiment.feeds, augx.commands.experiment\n"
        "print([name for name in ('keras', 'torch', 'jax', 'tensorflow', 'matplotlib', 'sklearn', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param(["torch", "jax", "tensorflow"], "no backend of Keras is installed", id="no backend"),
        pytest.param(["keras"], "not installed: keras, which", id="no Keras"),
        pytest.param(["matplotlib", "sklearn"], "not installed: matplotlib, sklearn, which", id="nothing of the extra"),
    ],
)
def test_what_is_not_installed_is_named(missing: list[str], message: str, photos: Path, tmp_path: Path) -> None:
    if any(find_spec(name) is None for name in ("keras", "matplotlib", "sklearn")):
        pytest.skip("needs augx-cli[train]")
    code = f"import sys\nfor name in {missing}: sys.modules[name] = None\nfrom augx.__main__ import main\nmain()"
    command = [sys.executable, "-c", code, "experiment", "--dataset", str(photos), "--output", str(tmp_path / "results")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and message in done.stderr and "pip install 'augx-cli[train,train-torch]'" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "results").exists()
