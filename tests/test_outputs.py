"""Whole runs into every kind of output, split and balanced: exact counts, the same bytes whatever the way, stopped and gone on with."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import Options, OutputError, PlanError, Stop, find_sources, load_spec, plan_copies, run_plan
from augx.decode import decode
from augx.plan import Plan
from tests.conftest import PHOTOS, ROOT, Run, picture, tree, write_picture

COCO = PHOTOS / "annotations.json"
SPEC = load_spec({"augx": 1, "warp": {"rotate": 20, "flip_h": 0.5, "border": "constant"}, "output": {"size": [40, 30]}})

OUTPUTS = [
    pytest.param({}, id="folders"),
    pytest.param({"to": "webdataset", "shard_size": "7"}, id="shards of 7"),
    pytest.param({"to": "webdataset", "shard_size": "20kB"}, id="shards of 20 kB"),
    pytest.param({"to": "npy"}, id="npy"),
    pytest.param({"to": "npz"}, id="npz"),
    pytest.param({"to": "csv"}, id="csv"),
    pytest.param({"to": "hf"}, id="hf"),
]
SPLITS = [pytest.param({}, id="whole"), pytest.param({"split": "train=0.5,val=0.5"}, id="split")]
EVERY = pytest.mark.parametrize("how", OUTPUTS)
SPLIT = pytest.mark.parametrize("split", SPLITS)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight pictures of two classes."""
    for i in range(8):
        write_picture(tmp_path / "in" / ("cats" if i % 2 else "dogs") / f"{i}.jpg", picture(40, 60, seed=i))
    return tmp_path / "in"


def planned(photos: Path, copies: int = 5, **how: Any) -> Plan:
    return plan_copies(find_sources(photos), SPEC, copies=copies, **how)


def lines_of(root: Path) -> list[dict[str, Any]]:
    """The manifest's lines of pictures."""
    every = map(json.loads, (root / "manifest.jsonl").read_text().splitlines())
    return [fields for fields in every if "package" not in fields]


def contents(root: Path) -> dict[str, bytes | np.ndarray]:
    """Every picture of a set by the place in its manifest line, wherever it is."""
    found: dict[str, Any] = {}
    for fields in lines_of(root):
        if "at" in fields:
            with open(root / fields["in"], "rb") as file:
                file.seek(fields["at"])
                found[fields["file"]] = file.read(fields["size"])
        elif "row" in fields:
            array = np.load(root / fields["in"])
            found[fields["file"]] = (array["x"] if fields["in"].endswith(".npz") else array)[fields["row"]]
        else:
            found[fields["file"]] = (root / fields["file"]).read_bytes()
    return found


@EVERY
@SPLIT
def test_the_same_bytes_for_any_workers(how: dict[str, Any], split: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    plan = planned(photos, **how, **split)
    report = run_plan(plan, SPEC, tmp_path / "one", options=Options(jobs=1))
    assert report.made == plan.files == len(contents(tmp_path / "one")) and not report.failures
    run_plan(plan, SPEC, tmp_path / "two", options=Options(jobs=2, engine="processes"))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert run_plan(plan, SPEC, tmp_path / "two").kept == plan.files
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@EVERY
@SPLIT
def test_a_set_that_grows_keeps_what_it_has(how: dict[str, Any], split: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    run_plan(planned(photos, 3, **how, **split), SPEC, tmp_path / "out")
    before = contents(tmp_path / "out")
    shards = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.tar")}
    report = run_plan(planned(photos, 6, **how, **split), SPEC, tmp_path / "out")
    after = contents(tmp_path / "out")
    assert report.kept == len(before) and report.made == len(after) - len(before) > 0
    assert all(np.array_equal(after[place], before[place]) for place in before)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in shards} == shards
    fresh = tmp_path / "fresh"
    run_plan(planned(photos, 6, **how, **split), SPEC, fresh)
    assert contents(fresh).keys() == after.keys()


@EVERY
@SPLIT
def test_one_set_whatever_it_is_packed_into(how: dict[str, Any], split: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    run_plan(planned(photos, 3, **split), SPEC, tmp_path / "folders")
    run_plan(planned(photos, 3, **how, **split), SPEC, tmp_path / "packed")
    loose, packed = contents(tmp_path / "folders"), contents(tmp_path / "packed")
    if how.get("to", "").startswith("np"):
        loose = {place.rpartition(".")[0]: value for place, value in loose.items()}
        assert {place.rpartition(".")[0] for place in packed} == loose.keys()
        return
    assert packed == loose


@EVERY
def test_stopped_and_gone_on_with(how: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    plan = planned(photos, **how)
    run_plan(plan, SPEC, tmp_path / "whole")
    for after in (1, 9, 20):
        stop, seen = Stop(), Counter[str]()

        def on_progress(pictures: int, stop: Stop = stop, seen: Counter[str] = seen, after: int = after) -> None:
            seen["made"] += pictures
            if seen["made"] >= after:
                stop.set()

        report = run_plan(plan, SPEC, tmp_path / "out", options=Options(jobs=2, engine="threads"), on_progress=on_progress, stop=stop)
        assert report.made + report.kept + report.missing == plan.files
        assert not [path.name for path in (tmp_path / "out").rglob(".augx-tmp-*")]
    run_plan(plan, SPEC, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@EVERY
def test_what_is_deleted_is_made_again(how: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    plan = planned(photos, **how)
    run_plan(plan, SPEC, tmp_path / "out")
    before = tree(tmp_path / "out")
    packages = [*sorted((tmp_path / "out").glob("*.tar")), *(tmp_path / "out").glob("*.np?"), *sorted((tmp_path / "out").rglob("*.jpg"))]
    packages[len(packages) // 2].unlink()
    assert run_plan(plan, SPEC, tmp_path / "out").missing == 0
    assert tree(tmp_path / "out") == before


@EVERY
def test_overwriting_leaves_nothing_of_the_other_set(how: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    stop = Stop()
    run_plan(planned(photos, **how), SPEC, tmp_path / "out", on_progress=lambda pictures: stop.set(), stop=stop)
    run_plan(planned(photos, 1), SPEC, tmp_path / "out", options=Options(overwrite=True))
    run_plan(planned(photos, 1), SPEC, tmp_path / "fresh")
    run_plan(planned(photos, **how), SPEC, tmp_path / "out", options=Options(overwrite=True))
    run_plan(planned(photos, 1), SPEC, tmp_path / "out", options=Options(overwrite=True))
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


@EVERY
def test_nothing_of_others_is_touched(how: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    run_plan(planned(photos, **how), SPEC, tmp_path / "set")
    listed = {"manifest.jsonl", "run.json"}
    name = next(name for name in sorted(tree(tmp_path / "set"), reverse=True) if name not in listed)
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match="did not make"):
        run_plan(planned(photos, **how), SPEC, tmp_path / "out")
    assert tree(tmp_path / "out") == {name: b"mine"}


def test_one_output_has_one_form(photos: Path, tmp_path: Path) -> None:
    forms: list[dict[str, Any]] = [
        {},
        {"to": "webdataset"},
        {"to": "webdataset", "shard_size": "5"},
        {"to": "npy"},
        {"split": "train=0.5,val=0.5"},
    ]
    forms += [{"split": "train=0.6,val=0.4"}, {"to": "csv"}]
    for i, form in enumerate(forms):
        run_plan(planned(photos, **form), SPEC, tmp_path / str(i))
        for other in forms:
            if other != form:
                with pytest.raises(OutputError, match="holds a set laid out as"):
                    run_plan(planned(photos, **other), SPEC, tmp_path / str(i))


class TestShards:
    def test_classes_are_mixed(self, photos: Path, tmp_path: Path) -> None:
        run_plan(planned(photos, 100, to="webdataset", shard_size="100"), SPEC, tmp_path / "out")
        for path in (tmp_path / "out").glob("*.tar"):
            with tarfile.open(path) as file:
                members = [member for member in file if member.name.endswith(".cls")]
                labels = [file.extractfile(member).read() for member in members]  # type: ignore[union-attr]
            runs = 1 + sum(a != b for a, b in pairwise(labels))
            assert set(labels) == {b"0", b"1"} and runs > len(labels) / 4

    def test_a_new_class_leaves_the_others_their_index(self, photos: Path, tmp_path: Path) -> None:
        run_plan(planned(photos, to="webdataset"), SPEC, tmp_path / "out")
        write_picture(photos / "birds" / "a.jpg")
        run_plan(planned(photos, to="webdataset"), SPEC, tmp_path / "out")
        assert json.loads((tmp_path / "out" / "index.json").read_text())["classes"] == ["cats", "dogs", "birds"]

    def test_a_sample_says_where_it_comes_from(self, photos: Path, tmp_path: Path) -> None:
        run_plan(planned(photos, 2, to="webdataset"), SPEC, tmp_path / "out")
        with tarfile.open(tmp_path / "out" / "shard-000000.tar") as file:
            fields = json.load(file.extractfile("cats/1_00001.json"))  # type: ignore[arg-type]
        assert (fields["source"], fields["copy"], fields["label"]) == ("cats/1.jpg", 1, "cats") and "warp.rotate" in fields["params"]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files open
    def test_webdataset_reads_them(self, photos: Path, tmp_path: Path) -> None:
        webdataset = pytest.importorskip("webdataset")
        run_plan(planned(photos, 3, to="webdataset", shard_size="10"), SPEC, tmp_path / "out")
        urls = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
        read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("jpg", "cls", "__key__"))
        places = {fields["file"].removesuffix(".jpg") for fields in lines_of(tmp_path / "out")}
        assert len(read) == 24 and {key for *_, key in read} == places
        assert all(image.shape == (30, 40, 3) and label == (not key.startswith("cats")) for image, label, key in read)


class TestStreams:
    def test_a_stream_is_the_set(self, augx: Run, photos: Path, tmp_path: Path) -> None:
        command = ("generate", "--input", str(photos), "--copies", "3", "--size", "40x30", "--to", "webdataset")
        streamed = augx(*command, "--output", "-")
        assert streamed.returncode == 0 and b"24 files made" in streamed.stderr
        assert augx(*command, "--output", "out", "--jobs", "1").returncode == 0
        with tarfile.open(fileobj=io.BytesIO(streamed.stdout)) as file:
            names = file.getnames()
            there = {name: file.extractfile(name).read() for name in names}  # type: ignore[union-attr]
        assert names[-1] == "index.json" and json.loads(there["index.json"])["samples"] == 24
        with tarfile.open(tmp_path / "out" / "shard-000000.tar") as file:
            assert {name: file.extractfile(name).read() for name in file.getnames()} == {n: there[n] for n in names[:-1]}  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            pytest.param([], "goes with --to webdataset", id="no tar"),
            pytest.param(["--to", "webdataset", "--json"], "--json does not go with", id="two things on standard output"),
            pytest.param(["--to", "webdataset", "--overwrite"], "--overwrite does not go with", id="nothing to overwrite"),
        ],
    )
    def test_what_does_not_go_with_a_stream(self, args: list[str], words: str, augx: Run, photos: Path) -> None:
        done = augx("generate", "--input", str(photos), "--copies", "1", "--output", "-", *args)
        assert done.returncode == 2 and words in done.stderr.decode() and not done.stdout

    def test_a_reader_that_goes_away_is_told(self, photos: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "augx",
            "generate",
            "--input",
            str(photos),
            "--copies",
            "400",
            "--to",
            "webdataset",
            "--output",
            "-",
        ]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            assert run.stdout is not None and run.stderr is not None
            run.stdout.read(100)
            run.stdout.close()
            said = run.stderr.read().decode()
        assert run.returncode == 1 and "standard output was closed" in said and "Traceback" not in said


class TestArrays:
    def test_rows_are_the_pictures(self, photos: Path, tmp_path: Path) -> None:
        spec = load_spec({"augx": 1, "warp": {"flip_h": 1}, "output": {"format": "png", "size": [40, 30]}})
        for to in ("", "npz"):
            run_plan(plan_copies(find_sources(photos), spec, copies=2, to=to), spec, tmp_path / f"out{to}")
        with np.load(tmp_path / "outnpz" / "set.npz") as arrays:
            x, y = arrays["x"], arrays["y"]
        rows = lines_of(tmp_path / "outnpz")
        assert x.shape == (16, 30, 40, 3) and len(rows) == 16
        for fields in rows:
            image = decode((tmp_path / "out" / fields["file"].replace(".npy", ".png")).read_bytes())
            assert np.array_equal(x[fields["row"]], image[:, :, ::-1]) and y[fields["row"]] == (fields["label"] == "dogs")

    def test_they_are_of_one_size(self, photos: Path, tmp_path: Path) -> None:
        write_picture(photos / "cats" / "large.jpg", picture(80, 90))
        with pytest.raises(PlanError, match="give --size"):
            plan_copies(find_sources(photos), load_spec("gentle"), copies=1, to="npy")

    def test_grey_and_alpha_become_colour(self, photos: Path, tmp_path: Path) -> None:
        write_picture(photos / "cats" / "grey.png", picture(40, 60, channels=1))
        write_picture(photos / "cats" / "alpha.png", picture(40, 60, channels=4))
        report = run_plan(planned(photos, 2, to="npy"), SPEC, tmp_path / "out")
        assert not report.failures and np.load(tmp_path / "out" / "x.npy").shape == (20, 30, 40, 3)

    def test_an_annotated_set_is_refused(self) -> None:
        with pytest.raises(PlanError, match="arrays hold pictures and their classes"):
            plan_copies(find_sources(COCO), SPEC, copies=1, to="npz")


class TestSplits:
    def test_no_source_is_on_both_sides_and_only_train_is_augmented(self, photos: Path, tmp_path: Path) -> None:
        for i in range(8, 40):
            write_picture(photos / ("cats" if i % 2 else "dogs") / f"{i}.jpg", picture(10, 12, seed=i))
        run_plan(planned(photos, 2, split="train=0.6,val=0.2,test=0.2", originals=True), SPEC, tmp_path / "out")
        lines = lines_of(tmp_path / "out")
        parts = {line["source"]: {other["split"] for other in lines if other["source"] == line["source"]} for line in lines}
        assert all(len(found) == 1 for found in parts.values()) and {p for (p,) in parts.values()} == {"train", "val", "test"}
        for line in lines:
            place = tmp_path / "out" / line["file"]
            assert line["file"].startswith(f"{line['split']}/{line['label']}/")
            assert line["split"] == "train" or (line["original"] and place.read_bytes() == (photos / line["source"]).read_bytes())
        assert all(n == 3 for n in Counter(line["source"] for line in lines if line["split"] == "train").values())

    def test_a_split_stays_put_when_the_set_grows(self, photos: Path, augx: Run, tmp_path: Path) -> None:
        command = ("generate", "--input", str(photos), "--copies", "1", "--split", "train=0.5,val=0.5", "--output", "out")
        assert augx(*command).returncode == 0
        before = tree(tmp_path / "out")
        for i in range(8, 60):
            write_picture(photos / ("cats" if i % 2 else "dogs") / f"{i}.jpg", picture(10, 12, seed=i))
        assert augx(*command).returncode == 0
        after = tree(tmp_path / "out")
        assert {name: after[name] for name in before if name.endswith(".jpg")} == {n: d for n, d in before.items() if n.endswith(".jpg")}

    def test_groups_stay_together(self, augx: Run, tmp_path: Path) -> None:
        rows = ["file,label,scene"]
        for i in range(24):
            write_picture(tmp_path / f"{i}.jpg", picture(10, 12, seed=i))
            rows.append(f"{i}.jpg,{'cats' if i % 2 else 'dogs'},{i // 4}")
        (tmp_path / "set.csv").write_text("\n".join(rows) + "\n")
        command = ("generate", "--input", "set.csv", "--copies", "1", "--split", "train=0.5,val=0.5", "--output", "out", "--group-by")
        assert augx(*command, "scene").returncode == 0
        lines = lines_of(tmp_path / "out")
        sides: dict[str, set[str]] = {}
        for line in lines:
            sides.setdefault(line["columns"]["scene"], set()).add(line["split"])
        assert len(sides) == 6 and all(len(found) == 1 for found in sides.values())

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            pytest.param(["--split", "train=0.8,val=0.3"], "add up to 1.1", id="shares that are not 1"),
            pytest.param(["--split", "a=0.8,b=0.2"], "no part is called train", id="nothing to augment"),
            pytest.param(["--split", "train=0.2,a=0.2,b=0.2,c=0.2,d=0.2"], "too few for 5 parts", id="a class would be empty"),
            pytest.param(["--split", "train=0.5,val=0.5", "--group-by", "scene("], "scene(", id="a broken expression"),
            pytest.param(["--group-by", "scene"], "goes with --split", id="groups without a split"),
            pytest.param(["--to", "tfrecord"], "expected folders, webdataset", id="no such format"),
            pytest.param(["--shard-size", "10"], "goes with --to webdataset", id="shards of nothing"),
            pytest.param(["--to", "webdataset", "--shard-size", "many"], "expected samples or bytes", id="a size that is none"),
            pytest.param(["--hf", "--to", "csv"], "--hf is --to hf", id="two formats"),
            pytest.param(["--balance", "most"], "exactly one of", id="two amounts"),
        ],
    )
    def test_bad_input_is_told_before_work_starts(self, args: list[str], words: str, augx: Run, photos: Path, tmp_path: Path) -> None:
        done = augx("generate", "--input", str(photos), "--copies", "1", "--output", "out", *args)
        assert done.returncode == 2 and words in done.stderr.decode() and not (tmp_path / "out").exists()


class TestBalance:
    def counts(self, root: Path) -> dict[str, int]:
        return {path.name: len(list(path.iterdir())) for path in sorted(root.iterdir()) if path.is_dir()}

    @pytest.mark.parametrize(("balance", "counts"), [("max", (6, 6, 6)), ("median", (6, 3, 3)), ("8", (8, 8, 8))])
    def test_classes_are_brought_to_one_count(self, balance: str, counts: tuple[int, ...], augx: Run, tmp_path: Path) -> None:
        for label, n in (("cats", 6), ("dogs", 3), ("birds", 1)):
            for i in range(n):
                write_picture(tmp_path / "in" / label / f"{i}.jpg", picture(10, 12, seed=i))
        done = augx("generate", "--input", "in", "--balance", balance, "--output", "out")
        assert done.returncode == 0, done.stderr
        assert self.counts(tmp_path / "out") == dict(zip(("cats", "dogs", "birds"), counts, strict=True))
        assert (b"1 class has more than 3" in done.stderr) == (balance == "median")

    def test_totals_in_the_spec(self, photos: Path, tmp_path: Path) -> None:
        spec = load_spec({"augx": 1, "warp": {"flip_h": 0.5}, "classes": {"cats": {"total": 7}}})
        assert spec.hash == load_spec({"augx": 1, "warp": {"flip_h": 0.5}}).hash
        run_plan(plan_copies(find_sources(photos), spec, per_class=3), spec, tmp_path / "out")
        assert self.counts(tmp_path / "out") == {"cats": 7, "dogs": 3}
        with pytest.raises(PlanError, match="no source has this label"):
            plan_copies(find_sources(photos), load_spec({"augx": 1, "classes": {"cat": {"total": 7}}}), per_class=3)

    def test_an_annotated_set_is_balanced_by_objects(self, tmp_path: Path) -> None:
        plan = plan_copies(find_sources(COCO), SPEC, balance="max")
        run_plan(plan, SPEC, tmp_path / "out")
        written = json.loads((tmp_path / "out" / "annotations.json").read_text())
        names = {category["id"]: category["name"] for category in written["categories"]}
        dropped = sum(line.get("dropped", 0) for line in lines_of(tmp_path / "out"))
        found = Counter(names[one["category_id"]] for one in written["annotations"])
        assert max(found.values()) - min(found.values()) <= dropped


@pytest.mark.parametrize("label", ["run.json", "labels.csv", "index.json"])
def test_a_class_called_as_a_file_of_the_set_is_refused_before_work_starts(label: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / label / "a.jpg")
    to = {"labels.csv": "csv", "index.json": "webdataset"}.get(label, "")
    with pytest.raises(PlanError, match="the name of a file of the set"):
        planned(tmp_path / "in", to=to)


def test_a_plan_of_originals_alone_has_a_cost(augx: Run, photos: Path) -> None:
    done = augx("plan", "--input", str(photos), "--balance", "3")
    assert done.returncode == 0 and b"0 copies of each of 8 pictures, and 8 originals" in done.stdout


def test_overwriting_leaves_no_empty_folders(photos: Path, tmp_path: Path) -> None:
    run_plan(planned(photos, split="train=0.5,val=0.5"), SPEC, tmp_path / "out")
    run_plan(planned(photos, to="npy"), SPEC, tmp_path / "out", options=Options(overwrite=True))
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]


def test_a_closed_standard_output_is_no_place_for_a_tar(photos: Path) -> None:
    command = f"'{sys.executable}' -m augx generate --input '{photos}' --copies 1 --to webdataset --output - >&-"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1 and b"standard output" in done.stderr and b"Traceback" not in done.stderr
