"""What an experiment leaves on disk: whose output it is, what a record must hold, what is done with what others put there."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augx import OutputError, load_spec
from augx.experiment.records import claimed, read_record, write_record
from augx.experiment.settings import IN_PLACE, Run, Settings

FLIPS = load_spec({"augx": 1, "warp": {"flip_h": 0.5}})
RUN = Run(IN_PLACE, "flips", 3)
WANTED = Settings("photos", (("flips", FLIPS),), epochs=2)
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


def record(**changes: Any) -> dict[str, Any]:
    fields = {
        "initial": "0f",
        "steps": 4,
        "history": {name: [0.5, 0.25] for name in CURVES},
        "accuracy": 0.75,
        "train": 1.0,
        "val": 0.5,
        "confusion": [[2, 0], [1, 1]],
        "pictures": {"train": 8, "val": 2, "test": 4},
        "seconds": 1.5,
        "copies": 0,
        "spec_hash": FLIPS.hash,
    }
    return {**fields, **changes}


def kept(root: Path, text: str) -> Path:
    (root / "runs").mkdir(exist_ok=True)
    path = root / "runs" / "in-place--flips--3.json"
    path.write_text(text)
    return path


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    assert read_record(str(tmp_path), RUN, WANTED, 2) is None
    write_record(str(tmp_path), RUN, record())
    found = read_record(str(tmp_path), RUN, WANTED, 2)
    assert found == {name: value for name, value in record().items() if name != "spec_hash"}


BROKEN: dict[str, str] = {
    "no JSON": "{",
    "a list": "[1]",
    "endless brackets": "[" * 200_000,
    "no object": '"text"',
    **{f"{name} is {value!r}": json.dumps(record(**{name: value})) for name, value in [
        ("accuracy", 5), ("accuracy", "abc"), ("accuracy", None), ("accuracy", float("nan")), ("accuracy", True), ("accuracy", 0.5),
        ("train", "x"), ("val", -0.1), ("seconds", "1"), ("seconds", float("inf")), ("initial", None), ("copies", 1.5), ("spec_hash", 7),
        ("history", {}), ("history", 3), ("history", {name: [0.5] for name in CURVES}), ("history", {name: [0.5, "x"] for name in CURVES}),
        ("confusion", []), ("confusion", [[1]]), ("confusion", [[2, 0], [2, -1]]), ("confusion", [[2, 0], [1.0, 1]]),
        ("pictures", {}), ("pictures", {"train": 0, "val": 0, "test": 0}), ("pictures", {"train": 8, "val": 2, "test": 5}),
    ]},
    **{f"no {name}": json.dumps({k: v for k, v in record().items() if k != name}) for name in record() if name != "steps"},
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    path = kept(tmp_path, text)
    with pytest.raises(OutputError, match=rf"{re.escape(str(path))}: not a record that augx wrote; remove it, and the run is made again"):
        read_record(str(tmp_path), RUN, WANTED, 2)
    assert path.read_text() == text


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link"])
def test_what_is_no_file_is_named_and_not_waited_for(kind: str, tmp_path: Path) -> None:
    path = kept(tmp_path, json.dumps(record()))
    path.rename(tmp_path / "elsewhere")
    {"a pipe": os.mkfifo, "a folder": os.mkdir, "a link": lambda at: os.symlink(tmp_path / "elsewhere", at)}[kind](path)
    with pytest.raises(OutputError, match="remove it, and the run is made again"):
        read_record(str(tmp_path), RUN, WANTED, 2)


def test_of_another_spec_by_this_name(tmp_path: Path) -> None:
    kept(tmp_path, json.dumps(record(spec_hash="other")))
    with pytest.raises(OutputError, match=r"of another spec of this name; .*runs/\*--flips--\*\.json"):
        read_record(str(tmp_path), RUN, WANTED, 2)


def test_one_at_a_time_and_again(tmp_path: Path) -> None:
    output = str(tmp_path / "results")
    with contextlib.ExitStack() as first:
        first.enter_context(claimed(output, {"epochs": 2}, WANTED))
        with pytest.raises(OutputError, match="another augx experiment is at work here"), claimed(output, {"epochs": 2}, WANTED):
            pass
    with claimed(output, {"epochs": 2}, WANTED):
        pass
    with pytest.raises(OutputError, match="epochs was 2, is 3"), claimed(output, {"epochs": 3}, WANTED):
        pass


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "runs"):
        folder.mkdir(exist_ok=True)
        (folder / ".augx-tmp-999999999-1-1").write_text("{")
    with claimed(str(tmp_path), {"epochs": 2}, WANTED):
        assert sorted(os.listdir(tmp_path)) == ["experiment.json", "runs"] and not os.listdir(tmp_path / "runs")


def foreign_files(output: Path) -> None:
    (output / "thesis.txt").write_text("mine")


def a_link_for_runs(output: Path) -> None:
    (output.parent / "elsewhere").mkdir()
    (output / "runs").symlink_to(output.parent / "elsewhere")


def a_folder_for_results(output: Path) -> None:
    (output / "results.json").mkdir()


def no_settings(output: Path) -> None:
    (output / "experiment.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param(foreign_files, "a folder with other things in it", id="other files"),
        pytest.param(a_link_for_runs, "runs: this is a file or a link, not a folder", id="runs is a link"),
        pytest.param(a_folder_for_results, "results.json: not a plain file", id="a folder in place of results"),
        pytest.param(no_settings, "experiment.json: not one that augx wrote", id="broken settings"),
    ],
)
def test_an_output_of_others_is_left_as_it_is(spoilt: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    output = tmp_path / "results"
    output.mkdir()
    spoilt(output)
    before = sorted((path, path.is_symlink()) for path in tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=message), claimed(str(output), {"epochs": 2}, WANTED):
        pass
    assert sorted((path, path.is_symlink()) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["dataset", "test"])
@pytest.mark.parametrize("below", ["", "results", "a/results"])
def test_not_inside_the_pictures(option: str, below: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    wanted = Settings(**{"dataset": "elsewhere", "specs": (), option: str(tmp_path / "photos")})
    with pytest.raises(OutputError, match=f"lies inside --{option}"), claimed(str(tmp_path / "photos" / below), {}, wanted):
        pass
    assert not list((tmp_path / "photos").iterdir())
