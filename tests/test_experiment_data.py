"""What an experiment takes for one source, how it divides them, and what it refuses to train on; no training is run here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from augx import PlanError, Source, expand_dataset, load_spec
from augx.cli import augx as command_line
from augx.experiment.data import Data, Part, parts_of, read_data, split_of
from augx.experiment.feeds import check_learnable, check_plan, expanded_part, feed, remove_set
from augx.experiment.settings import IN_PLACE, NONE, Run, Settings
from augx.experiment.stratified import stratify
from tests.conftest import NOBODY, picture, write_picture

FLIPS = load_spec({"augx": 1, "warp": {"flip_h": 0.5}})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of eight pictures of 16x16, all different."""
    for i in range(16):
        write_picture(tmp_path / "photos" / ("dark" if i < 8 else "light") / f"{i}.png", picture(16, 16, seed=i))
    return tmp_path / "photos"


def asked(dataset: object, **changes: object) -> Settings:
    return Settings(str(dataset), (("flips", FLIPS),), **{"size": 16, "copies": 3, "batch_size": 4, **changes})  # type: ignore[arg-type]


def held(root: Path, n: int = 3) -> Path:
    for i in range(2 * n):
        write_picture(root / "held" / ("dark" if i < n else "light") / f"new{i}.png", picture(16, 16, seed=100 + i))
    return root / "held"


SHARES = (("train", 0.6), ("val", 0.15), ("test", 0.25))


@given(st.lists(st.integers(3, 60), min_size=1, max_size=4), st.integers(0, 2**32))
@examples(max_examples=100)
def test_every_class_is_divided_to_the_picture(sizes: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    groups = [f"{label} {i}" for i, label in enumerate(labels)]
    parts = stratify(labels, groups, [str(i) for i in range(len(sizes))], SHARES, seed)
    counts = Counter(zip(labels.tolist(), parts, strict=True))
    for label, n in enumerate(sizes):
        found = {name: counts[label, name] for name, _ in SHARES}
        assert sum(found.values()) == n and min(found.values()) > 0
        if n >= 5:  # below, the rest for training comes first
            assert found["val"] == max(1, int(0.15 * n + 0.5)) and found["test"] == int(0.25 * n + 0.5)
    order = np.random.default_rng(seed).permutation(len(labels))
    again = stratify(labels[order], [groups[i] for i in order], [str(i) for i in range(len(sizes))], SHARES, seed)
    assert again == [parts[i] for i in order]


def families(data: Data) -> list[set[str]]:
    """The sources of each part by the file they were made of, as the names of copies tell."""
    group_of = {source.key: Path(source.key).name.partition(".")[0] for source in data.all.sources}
    parts = parts_of(data, 0)
    return [{group_of[source.key] for source in part.sources} for part in (parts.train, parts.val, parts.test)]


def as_it_is(made: Path) -> object:
    return made


def a_part_of_it(made: Path) -> object:
    shutil.rmtree(made)
    words = ["generate", "--input", str(made.parent / "photos"), "--output", str(made), "--split", "train=0.7,val=0.3", "--quiet"]
    assert CliRunner().invoke(command_line, [*words, "--copies", "4"]).exit_code == 0
    return made / "train"


def an_address(made: Path) -> object:
    return made.as_uri()


def a_link(made: Path) -> object:
    made.with_name("link").symlink_to(made)
    return made.with_name("link")


def a_table(made: Path) -> object:
    lines = [f"{path.relative_to(made.parent)},{path.parent.name}" for path in sorted(made.rglob("*.png"))]
    (made.parent / "table.csv").write_text("\n".join(["image,label", *lines]) + "\n")
    return made.parent / "table.csv"


def files_twice(made: Path) -> object:
    for path in sorted(made.rglob("*.png")):
        shutil.copy(path, path.with_name(f"{path.stem}-again.png"))
    return made


@pytest.mark.parametrize("named", [as_it_is, a_part_of_it, an_address, a_link, a_table, files_twice])
def test_siblings_stay_together_whatever_the_set_is_called(named: Callable[[Path], object], photos: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    expand_dataset(made, input=photos, spec=FLIPS, copies=4)
    data = read_data(asked(named(made)))
    sides = families(data)
    assert data.siblings and len(set(data.groups)) == len(set.union(*sides))
    assert not any(one & other for i, one in enumerate(sides) for other in sides[:i])


def test_a_packed_set_of_augx_is_refused(photos: Path, tmp_path: Path) -> None:
    words = ["generate", "--input", str(photos), "--output", str(tmp_path / "made"), "--to", "webdataset", "--quiet", "--copies", "4"]
    assert CliRunner().invoke(command_line, words).exit_code == 0
    with pytest.raises(PlanError, match=r"packed by augx, where siblings can't be told apart"):
        read_data(asked(next((tmp_path / "made").rglob("*.tar"))))


@pytest.mark.parametrize("expanded", ["dataset", "test"])
def test_no_byte_of_the_test_part_is_trained_on(expanded: str, photos: Path, tmp_path: Path) -> None:
    """One side is a set of augx, the other has copies of some of its files, which no manifest knows."""
    expand_dataset(tmp_path / "made", input=photos, spec=FLIPS, copies=4, originals=True)
    other = held(tmp_path)
    for path in sorted((tmp_path / "made" / "dark").glob("[0-3].png_0000[01].png")):
        shutil.copy(path, other / "dark" / path.name)
    one, two = (tmp_path / "made", other) if expanded == "dataset" else (other, tmp_path / "made")
    data = read_data(asked(one, test=str(two)))
    assert data.test is not None
    trained = {Path(source.path).read_bytes() for source in data.all.sources}
    assert not trained & {Path(source.path).read_bytes() for source in data.test.sources}
    assert any("not trained on" in note for note in data.notes)
    if expanded == "dataset":
        assert not any(source.name.startswith(("0", "1", "2", "3")) for source in data.all.sources if source.label == "dark")


def all_broken(photos: Path, test: Path) -> None:
    for path in (photos / "light").iterdir():
        path.write_bytes(path.read_bytes()[:40])


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root reads what nobody may."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("option", ["dataset", "test"])
def test_a_class_that_may_not_be_opened_is_named(option: str, photos: Path, open_to_all: Path) -> None:
    test = held(open_to_all)
    for path in ((photos if option == "dataset" else test) / "light").iterdir():
        path.chmod(0)
    with as_nobody(), pytest.raises(PlanError, match=rf"^--{option} .*: of class light no picture can be read; .*Permission denied"):
        read_data(asked(photos, test=str(test)))


def all_in_the_test(photos: Path, test: Path) -> None:
    for path in (photos / "light").iterdir():
        shutil.copy(path, test / "light" / path.name)


def empty_test(photos: Path, test: Path) -> None:
    for path in (test / "light").iterdir():
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param(all_broken, "--dataset .*: of class light no picture can be read", id="broken pictures"),
        pytest.param(all_in_the_test, "all pictures of class light are in --test .* as well", id="all are test pictures"),
        pytest.param(empty_test, "--test .*: of class light no picture can be read", id="empty test pictures"),
    ],
)
def test_a_class_that_vanishes_is_named(spoilt: Callable[[Path, Path], None], message: str, photos: Path, tmp_path: Path) -> None:
    test = held(tmp_path)
    spoilt(photos, test)
    with pytest.raises(PlanError, match=message) as error:
        read_data(asked(photos, test=str(test)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "tops", [("train", "test"), ("Train", "Test"), ("training", "testing"), ("train", "test", "unlabeled"), ("val", "test"), ("train",)]
)
def test_parts_are_no_classes(tops: tuple[str, ...], tmp_path: Path) -> None:
    for number, top in enumerate(tops):
        write_picture(tmp_path / "set" / top / "cats" / "a.png", picture(9, 9, seed=number))
    with pytest.raises(PlanError, match=r"its folders are parts .*; give --dataset DIR/train --test DIR/test"):
        read_data(asked(tmp_path / "set"))


def test_a_class_may_be_called_test(photos: Path) -> None:
    (photos / "dark").rename(photos / "test")
    assert read_data(asked(photos)).classes == ("light", "test")


def test_pictures_beside_the_class_folders_are_left_out_with_a_word(photos: Path) -> None:
    for i in range(3):
        write_picture(photos / f"loose{i}.png", picture(9, 9, seed=50 + i))
    data = read_data(asked(photos))
    assert data.classes == ("dark", "light") and len(data.all.labels) == 16
    assert [note for note in data.notes if "loose0.png and 2 more: outside the class folders" in note]


def test_names_that_are_not_utf_8(photos: Path) -> None:
    (photos / "dark").rename(photos / "d\udcff")
    (photos / "light" / "8.png").rename(photos / "light" / "\udcfe.png")
    data = read_data(asked(photos))
    assert data.classes == ("d\udcff", "light") and len(data.all.labels) == 16


def test_another_label_of_a_test_picture_is_another_experiment(photos: Path, tmp_path: Path) -> None:
    test = held(tmp_path)
    before = read_data(asked(photos, test=str(test))).fingerprint
    (test / "dark" / "new0.png").rename(test / "light" / "new0.png")
    assert read_data(asked(photos, test=str(test))).fingerprint != before


def test_many_classes_and_few_pictures_of_each(tmp_path: Path) -> None:
    for i in range(30 * 6):
        write_picture(tmp_path / "many" / f"c{i // 6:02}" / f"{i}.png", picture(8, 8, seed=i))
    data = read_data(asked(tmp_path / "many", most=40))
    assert np.bincount(data.all.labels).tolist() == [3] * 30
    assert set(split_of(data, 0)) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"fraction": 0.13}, "--fraction 0.13 leaves no more", id="a fraction"),
        pytest.param({}, "add pictures of it", id="a small set"),
    ],
)
def test_too_few_sources_and_what_to_do(changes: dict[str, object], message: str, photos: Path) -> None:
    if not changes:
        for path in sorted((photos / "dark").iterdir())[2:]:
            path.unlink()
    data = read_data(asked(photos, **changes))
    with pytest.raises(PlanError, match=rf"class dark has \d sources?, too few for train, val, test, which need one each; {message}"):
        split_of(data, 0)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        pytest.param("nowhere", "--dataset nowhere: No such file", id="nothing there"),
        pytest.param("test", "--test .*: no class folders", id="a test part without classes"),
        pytest.param("same", "all pictures of class dark are in --test", id="the dataset itself"),
    ],
)
def test_wrong_places(where: str, message: str, photos: Path, tmp_path: Path) -> None:
    dataset, test = {"nowhere": ("nowhere", None), "test": (photos, held(tmp_path) / "dark"), "same": (photos, photos)}[where]
    with pytest.raises(PlanError, match=message):
        read_data(asked(dataset, test=None if test is None else str(test)))


def test_totals_of_classes_are_those_that_generate_makes(photos: Path, tmp_path: Path) -> None:
    spec = load_spec({"augx": 1, "warp": {"flip_h": 0.5}, "classes": {"light": {"total": 0}, "dark": {"total": 7}}})
    wanted = asked(photos)
    data = read_data(wanted)
    made = expanded_part(parts_of(data, 0).train, spec, str(tmp_path / "made"), wanted, 0, data.classes)
    assert np.bincount(made.labels, minlength=2).tolist() == [7, 0]


@pytest.mark.parametrize("deep", [False, True], ids=["alpha", "16 bits"])
def test_pictures_of_all_kinds_are_the_same_in_every_arm(deep: bool, photos: Path, tmp_path: Path) -> None:
    """What changes nothing must leave no difference between arms, or it would be taken for an effect."""
    for name, kind in {"grey": 1, "alpha": 4}.items():
        write_picture(photos / "dark" / f"{name}.png", picture(41, 30, channels=kind))
    if deep:
        (photos / "dark" / "alpha.png").unlink()
        write_picture(photos / "dark" / "deep.png", picture(33, 52, dtype=np.uint16))
    write_picture(photos / "light" / "wide.jpg", picture(9, 70))
    plain, wanted = load_spec({"augx": 1}), asked(photos, copies=1)
    data = read_data(wanted)
    made = expanded_part(data.all, plain, str(tmp_path / "made"), wanted, 0, data.classes)
    by_name = {re.split("[._]", source.name)[0]: image for source, image in zip(made.sources, made.images, strict=True)}
    for source, image in zip(data.all.sources, data.all.images, strict=True):
        assert (by_name[re.split("[._]", source.name)[0]] == image).all(), source.name


def test_only_what_the_manifest_lists_is_trained_on_and_removed(photos: Path, tmp_path: Path) -> None:
    wanted = asked(photos)
    data = read_data(wanted)
    train, folder = parts_of(data, 0).train, tmp_path / "made"
    expanded_part(train, FLIPS, str(folder), wanted, 0, data.classes)
    theirs = write_picture(folder / "dark" / "mine.bmp", picture(9, 9, seed=77))
    assert len(expanded_part(train, FLIPS, str(folder), wanted, 0, data.classes).labels) == 3 * len(train.labels)
    (tmp_path / "link").symlink_to(folder)
    remove_set(str(tmp_path / "link"))
    assert len([*folder.rglob("*.bmp")]) == 3 * len(train.labels) + 1
    remove_set(str(folder))
    assert [path for path in folder.rglob("*") if path.is_file()] == [theirs]
    theirs.unlink()
    expanded_part(train, FLIPS, str(folder), wanted, 0, data.classes)
    remove_set(str(folder))
    assert not folder.exists()


def test_what_can_not_be_expanded_is_said_first(photos: Path) -> None:
    (photos / "dark" / "0.png").rename(photos / "dark" / f"{'n' * 249}.png")
    wanted = asked(photos)
    data = read_data(wanted)
    with pytest.raises(PlanError, match="longer than 255 bytes"):
        check_plan(data.all, FLIPS, wanted, 0)
    with pytest.raises(PlanError, match=r"--copies 9000: .* files, which an experiment holds in memory"):
        many = tuple(Source(f"{i}.png", f"dark/{i}.png", "dark", "dark") for i in range(1200))
        check_plan(Part(many, data.all.images, data.all.labels), FLIPS, asked(photos, copies=9000), 0)


@pytest.mark.parametrize("arm", [NONE, IN_PLACE])
def test_a_few_blank_pictures_in_small_batches_are_no_blank_set(arm: str, photos: Path) -> None:
    for i in range(3):
        write_picture(photos / "dark" / f"blank{i}.png", np.full((9, 9, 3), 60 * i, np.uint8))
    wanted = asked(photos, batch_size=1)
    data = read_data(wanted)
    for seed in range(4):
        images, _ = next(feed(Run(arm, "flips", seed), data.all, None, wanted, FLIPS, data.classes))
        assert images.shape == (1, 16, 16, 3)
    with pytest.raises(PlanError, match="in one colour"):
        check_learnable(Run(arm, "flips", 0), np.zeros((5, 16, 16, 3), np.uint8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"copies": 10**30}, "--copies 1000000000000000000000000000000: expected 1 to 10,000", id="copies"),
        pytest.param({"repeats": 10**9}, "--repeats 1000000000: expected 1 to 1,000", id="seeds"),
        pytest.param({"size": 65_500}, "--size 65500: expected 8 to 2,048", id="a side"),
        pytest.param({"arms": ()}, "--arms is empty", id="no arms"),
        pytest.param({"specs": (("a b", FLIPS), ("A_b", FLIPS))}, "the results call two specs a_b", id="names alike in files"),
        pytest.param({"specs": (("文" * 80, FLIPS),)}, "its name is longer than 150 bytes", id="a name too long for a file's"),
    ],
)
def test_what_is_out_of_bounds(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=re.escape(message)):
        Settings(**{"dataset": "d", "specs": (("a", FLIPS),), **changes})  # type: ignore[arg-type]


def test_a_model_that_was_edited_has_another_state(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("one")
    wanted = asked("d", model=f"{tmp_path}/model.py:build")
    before = json.dumps(wanted.state())
    (tmp_path / "model.py").write_text("another")
    assert json.dumps(wanted.state()) != before
