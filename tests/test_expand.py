"""The laws of a set on disk: exact counts, the same bytes however it is run, growth, resume, nothing lost."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import Options, OutputError, PlanError, SourceError, Stop, WriteError, expand_dataset, load_spec
from augx.decode import decode
from augx.draws import Draws
from augx.recipe import apply, recipes
from augx.sample import Sample
from augx.warp import Levels
from augx.writers import encode
from tests.conftest import picture, pictures, tree, write_picture

SPEC = {"warp": {"rotate": 20, "zoom": 0.1, "flip_h": 0.5}, "tone": {"brightness": 0.2}, "then": [{"noise": {"sigma": 4, "p": 0.5}}]}


def expand(output: Path, source: Path, **options: Any) -> Any:
    return expand_dataset(output, input=source, **({"spec": SPEC, "copies": 3} | options))


def manifest(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]


def test_a_class_tree_keeps_its_folders(class_folders: Path, tmp_path: Path) -> None:
    report = expand(tmp_path / "out", class_folders, copies=2)
    assert sorted(pictures(tmp_path / "out")) == [
        "cats/a_00000.jpg",
        "cats/a_00001.jpg",
        "cats/b.png_00000.png",
        "cats/b.png_00001.png",
        "cats/persian/c_00000.jpg",
        "cats/persian/c_00001.jpg",
        "dogs/d_00000.jpg",
        "dogs/d_00001.jpg",
        "dogs/e.png_00000.png",
        "dogs/e.png_00001.png",
    ]
    assert (report.planned, report.made, report.kept, report.missing) == (10, 10, 0, 0)


def test_pictures_without_a_class_go_to_the_root(tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "x.jpg")
    write_picture(tmp_path / "in" / "cats" / "y.jpg")
    expand(tmp_path / "out", tmp_path / "in", copies=1)
    assert sorted(pictures(tmp_path / "out")) == ["cats/y_00000.jpg", "x_00000.jpg"]


@pytest.mark.parametrize("amount", [{"total": 13}, {"total": 2}, {"copies": 4}, {"per_class": 7}], ids=str)
def test_counts_are_exact_and_even(class_folders: Path, tmp_path: Path, amount: dict[str, int]) -> None:
    expand(tmp_path / "out", class_folders, copies=amount.pop("copies", None), **amount)
    lines = manifest(tmp_path / "out")
    assert len(lines) == len(pictures(tmp_path / "out")) == len({line["file"] for line in lines})
    counts = {key: sum(line["source"] == key for line in lines) for key in {line["source"] for line in lines}}
    if "total" in amount:
        assert len(lines) == amount["total"]
        assert max(counts.values()) - min(counts.values()) <= 1
    if "per_class" in amount:
        assert sum(line["label"] == "cats" for line in lines) == sum(line["label"] == "dogs" for line in lines) == 7


def test_the_same_bytes_for_any_number_and_kind_of_workers(class_folders: Path, tmp_path: Path) -> None:
    runs = [Options(jobs=1), Options(jobs=2), Options(jobs=5), Options(jobs=2, engine="processes")]
    trees = []
    for i, options in enumerate(runs):
        expand(tmp_path / str(i), class_folders, copies=21, options=options)
        trees.append(tree(tmp_path / str(i)))
    assert all(other == trees[0] for other in trees[1:])
    assert len(trees[0]) == 5 * 21 + 2


def test_growth_rewrites_nothing_and_ends_where_one_run_would(class_folders: Path, tmp_path: Path) -> None:
    expand(tmp_path / "grown", class_folders, copies=10)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "grown").rglob("*_0*")}
    report = expand(tmp_path / "grown", class_folders, copies=20)
    assert (report.made, report.kept) == (50, 50)
    assert all(path.stat().st_mtime_ns == mtime for path, mtime in before.items())
    expand(tmp_path / "once", class_folders, copies=20)
    assert pictures(tmp_path / "grown") == pictures(tmp_path / "once")


def test_a_new_source_and_a_new_class_leave_the_old_alone(class_folders: Path, tmp_path: Path) -> None:
    expand(tmp_path / "out", class_folders)
    before = pictures(tmp_path / "out")
    write_picture(class_folders / "cats" / "0_first.jpg", picture(seed=8))
    write_picture(class_folders / "birds" / "owl.jpg", picture(seed=9))
    report = expand(tmp_path / "out", class_folders)
    after = pictures(tmp_path / "out")
    assert report.made == 6 and before.items() <= after.items() and len(after) == len(before) + 6


def test_a_copy_does_not_depend_on_where_its_root_lies(class_folders: Path, tmp_path: Path) -> None:
    expand(tmp_path / "out", class_folders)
    alone = tmp_path / "alone"
    expand_dataset(alone, images=[class_folders / "cats" / "a.jpg"], label="cats", spec=SPEC, copies=3)
    assert pictures(alone).items() <= pictures(tmp_path / "out").items()


def test_the_same_again_does_nothing(class_folders: Path, tmp_path: Path) -> None:
    expand(tmp_path / "out", class_folders)
    before = tree(tmp_path / "out")
    report = expand(tmp_path / "out", class_folders)
    assert (report.made, report.kept) == (0, 15) and tree(tmp_path / "out") == before


def test_what_was_deleted_comes_back_the_same(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, class_folders)
    before = tree(out)
    (out / "cats" / "a_00001.jpg").unlink()
    (out / "dogs" / "e.png_00002.png").unlink()
    report = expand(out, class_folders)
    assert report.made == 2 and tree(out) == before


@pytest.mark.parametrize("lines", [0, 1, 7, 14])
def test_files_without_their_lines_are_made_again_and_kept(class_folders: Path, tmp_path: Path, lines: int) -> None:
    """What a kill leaves: files that are renamed, lines that are not written, one of them torn."""
    out = tmp_path / "out"
    expand(out, class_folders)
    before = tree(out)
    data = before["manifest.jsonl"].splitlines(keepends=True)
    (out / "manifest.jsonl").write_bytes(b"".join(data[:lines]) + data[lines][:40])
    expand(out, class_folders)
    assert tree(out) == before


def test_a_run_that_never_wrote_its_first_line_goes_on(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, class_folders)
    before = tree(out)
    (out / "manifest.jsonl").unlink()
    expand(out, class_folders)
    assert tree(out) == before


def test_torn_files_of_a_power_cut_are_made_again(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, class_folders)
    before = tree(out)
    (out / "cats" / "a_00000.jpg").write_bytes(b"")
    half = before["dogs/d_00001.jpg"]
    (out / "dogs" / "d_00001.jpg").write_bytes(half[: len(half) // 2] + bytes(len(half) - len(half) // 2))
    run = json.loads(before["run.json"])
    (out / "run.json").write_text(json.dumps({**run, "state": "running", "boot": "the boot before this one"}))
    expand(out, class_folders)
    assert tree(out) == before


def test_temporary_files_of_a_dead_run_are_swept(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, class_folders)
    before = tree(out)
    (out / "cats" / ".augx-tmp-999999999-5-1").write_bytes(b"torn")
    # The same number, but another process: numbers are given out again.
    (out / "cats" / f".augx-tmp-{os.getpid()}-1-1").write_bytes(b"torn")
    expand(out, class_folders)
    assert tree(out) == before


def test_a_temporary_file_of_a_living_process_stays(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, class_folders)
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    theirs = out / "cats" / f".augx-tmp-{os.getpid()}-{started}-1"
    theirs.write_bytes(b"in work")
    expand(out, class_folders)
    assert theirs.read_bytes() == b"in work"


def test_a_copy_is_remade_from_its_manifest_line(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(out, class_folders, copies=6)
    run = json.loads((out / "run.json").read_text())
    spec = load_spec(run["spec"])
    assert spec.hash == run["spec_hash"]
    for line in manifest(out):
        data = (class_folders / line["source"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == line["source_sha256"]
        sample = Sample("", "", Levels(decode(data)))
        remade = apply(next(recipes(spec, Draws.replayed([line["params"]]), sample)), sample)
        written = (out / line["file"]).read_bytes()
        assert encode(remade, Path(line["file"]).suffix[1:], 95) == written
        assert (len(written), hashlib.sha256(written).hexdigest()) == (line["size"], line["sha256"])


def test_originals_are_put_beside_byte_for_byte(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = expand(out, class_folders, originals=True)
    assert report.made == 20
    found = pictures(out)
    assert all(found[name] == data for name, data in tree(class_folders).items())
    assert expand(out, class_folders, originals=True).made == 0
    assert sum(line.get("original", False) for line in manifest(out)) == 5


def test_originals_can_be_added_later(class_folders: Path, tmp_path: Path) -> None:
    expand(tmp_path / "out", class_folders)
    assert expand(tmp_path / "out", class_folders, originals=True).made == 5


def test_an_original_is_not_written_over_itself(class_folders: Path) -> None:
    with pytest.raises(OutputError, match="lies in the output already"):
        expand_dataset(class_folders / "cats", images=[class_folders / "cats" / "a.jpg"], originals=True, total=2)


def test_metadata_are_no_folders(class_folders: Path, tmp_path: Path) -> None:
    expand(tmp_path / "out", class_folders)
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["cats", "dogs"]


class TestRefusals:
    """Each before anything is written, and nothing is lost."""

    @pytest.mark.parametrize("changed", [{"spec": {"warp": {"rotate": 5}}}, {"spec": SPEC | {"seed": 1}}], ids=["spec", "seed"])
    def test_another_spec_or_seed(self, class_folders: Path, tmp_path: Path, changed: dict[str, Any]) -> None:
        expand(tmp_path / "out", class_folders)
        before = tree(tmp_path / "out")
        with pytest.raises(OutputError, match="made with another"):
            expand(tmp_path / "out", class_folders, **changed)
        assert tree(tmp_path / "out") == before
        expand(tmp_path / "out", class_folders, **changed, options=Options(overwrite=True))
        expand(tmp_path / "fresh", class_folders, **changed)
        assert tree(tmp_path / "out") == tree(tmp_path / "fresh")

    def test_overwrite_removes_only_what_augx_made(self, class_folders: Path, tmp_path: Path) -> None:
        expand(tmp_path / "out", class_folders, copies=5)
        (tmp_path / "out" / "cats" / "mine.txt").write_text("keep")
        expand(tmp_path / "out", class_folders, copies=1, options=Options(overwrite=True))
        assert len(pictures(tmp_path / "out")) == 5 + 1
        assert (tmp_path / "out" / "cats" / "mine.txt").read_text() == "keep"

    def test_overwrite_leaves_an_edited_copy(self, class_folders: Path, tmp_path: Path) -> None:
        expand(tmp_path / "out", class_folders, copies=2)
        (tmp_path / "out" / "cats" / "a_00001.jpg").write_bytes(b"mine now")
        report = expand(tmp_path / "out", class_folders, copies=2, options=Options(overwrite=True))
        assert (report.made, report.missing) == (9, 1)
        assert (tmp_path / "out" / "cats" / "a_00001.jpg").read_bytes() == b"mine now"

    def test_a_foreign_manifest_without_a_line_end(self, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "manifest.jsonl").write_text("my notes")
        with pytest.raises(OutputError, match=r"without its run\.json"):
            expand(tmp_path / "out", class_folders)
        assert (tmp_path / "out" / "manifest.jsonl").read_text() == "my notes"

    def test_a_pipe_in_place_of_run_json(self, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        os.mkfifo(tmp_path / "out" / "run.json")
        with pytest.raises(OutputError, match=r"not a run\.json"):
            expand(tmp_path / "out", class_folders)

    def test_a_lock_that_somebody_else_holds_on_a_folder(self, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "out" / "cats").mkdir(parents=True)
        descriptor = os.open(tmp_path / "out" / "cats", os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert expand(tmp_path / "out", class_folders, copies=1).made == 5
        os.close(descriptor)

    def test_fewer_copies_than_there_are(self, class_folders: Path, tmp_path: Path) -> None:
        expand(tmp_path / "out", class_folders, copies=5)
        with pytest.raises(OutputError, match="more than the 4 of this plan"):
            expand(tmp_path / "out", class_folders, copies=4)

    def test_a_changed_source(self, class_folders: Path, tmp_path: Path) -> None:
        expand(tmp_path / "out", class_folders)
        write_picture(class_folders / "dogs" / "d.jpg", picture(seed=99))
        with pytest.raises(OutputError, match=r"d\.jpg: not the file that the copies"):
            expand(tmp_path / "out", class_folders, copies=4)

    def test_a_foreign_file_in_a_new_output(self, class_folders: Path, tmp_path: Path) -> None:
        mine = tmp_path / "out" / "cats" / "a_00001.jpg"
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        with pytest.raises(OutputError, match="augx did not make"):
            expand(tmp_path / "out", class_folders)
        assert tree(tmp_path / "out") == {"cats/a_00001.jpg": b"mine"}

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_a_foreign_file_in_an_output_of_ours(self, class_folders: Path, tmp_path: Path, kind: str) -> None:
        expand(tmp_path / "out", class_folders, copies=3)
        mine = tmp_path / "out" / "cats" / "a_00003.jpg"
        target = tmp_path / "target"
        target.write_text("mine")
        match kind:
            case "file":
                mine.write_text("mine")
            case "folder":
                mine.mkdir()
            case "link":
                mine.symlink_to(target)
        report = expand(tmp_path / "out", class_folders, copies=5)
        assert (report.made, report.missing) == (9, 1)
        (failure,) = report.failures
        assert "a_00003.jpg" in failure.reason and failure.missing == 1
        assert target.read_text() == "mine" and (mine.is_dir() or mine.read_text() == "mine")

    def test_an_edited_copy_is_not_overwritten(self, class_folders: Path, tmp_path: Path) -> None:
        expand(tmp_path / "out", class_folders)
        (tmp_path / "out" / "cats" / "a_00000.jpg").write_bytes(b"retouched")
        report = expand(tmp_path / "out", class_folders)
        assert report.missing == 1 and (tmp_path / "out" / "cats" / "a_00000.jpg").read_bytes() == b"retouched"

    @pytest.mark.parametrize("name", ["run.json", "manifest.jsonl"])
    def test_metadata_that_augx_did_not_write(self, class_folders: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / name).write_text('{"some": "thing"}\n')
        with pytest.raises(OutputError):
            expand(tmp_path / "out", class_folders)
        assert tree(tmp_path / "out") == {name: b'{"some": "thing"}\n'}

    @pytest.mark.parametrize(
        "line", ['{"file": "../../x", "copy": 0, "size": 1, "sha256": "", "source_sha256": ""}', "\0" * 50, "{}", "[]"]
    )
    def test_a_damaged_manifest(self, class_folders: Path, tmp_path: Path, line: str) -> None:
        out = tmp_path / "out"
        expand(out, class_folders)
        lines = (out / "manifest.jsonl").read_text().splitlines()
        (out / "manifest.jsonl").write_text("\n".join([*lines[:3], line, *lines[4:], ""]))
        before = tree(out)
        for options in (Options(), Options(overwrite=True)):
            with pytest.raises(OutputError, match="line 4 is damaged"):
                expand(out, class_folders, options=options)
        (out / "manifest.jsonl").write_text("\n".join([line, *lines[1:], ""]))
        assert pictures(out) == {name: data for name, data in before.items() if name not in ("manifest.jsonl", "run.json")}

    def test_an_output_inside_the_input(self, class_folders: Path) -> None:
        with pytest.raises(OutputError, match="inside --input"):
            expand(class_folders / "out", class_folders)

    def test_two_runs_at_once(self, class_folders: Path, tmp_path: Path) -> None:
        def second(paths: object) -> None:
            with pytest.raises(OutputError, match="another augx run"):
                expand(tmp_path / "out", class_folders)

        expand(tmp_path / "out", class_folders, options=Options(jobs=1), on_commit=second)
        assert len(pictures(tmp_path / "out")) == 15

    def test_a_linked_class_folder(self, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "cats").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OutputError, match="a link, not a folder"):
            expand(tmp_path / "out", class_folders)
        assert not tree(tmp_path / "elsewhere")

    @pytest.mark.parametrize("amount", [{}, {"total": 3, "copies": 2}, {"total": 0}], ids=["none", "two", "zero"])
    def test_no_clear_count(self, class_folders: Path, tmp_path: Path, amount: dict[str, int]) -> None:
        with pytest.raises(PlanError):
            expand_dataset(tmp_path / "out", input=class_folders, **amount)
        assert not (tmp_path / "out").exists()


class TestFailures:
    def test_a_copy_that_can_not_be_made_costs_itself_alone(self, tmp_path: Path) -> None:
        spec = load_spec({"warp": {"steps": [{"zoom": {"range": {"fixed": 0.05}, "p": 0.5}}] * 4}})
        write_picture(tmp_path / "photos" / "cats" / "a.png")
        made = []
        for jobs in (1, 3):
            out = tmp_path / f"out{jobs}"
            report = expand_dataset(out, input=tmp_path / "photos", spec=spec, copies=90, options=Options(jobs=jobs))
            assert 0 < report.missing < 20 and "beyond what can be undone" in report.failures[0].reason
            made.append(pictures(out))
        assert made[0] == made[1]

    def test_a_bad_source_costs_only_itself(self, class_folders: Path, tmp_path: Path) -> None:
        (class_folders / "cats" / "bad.jpg").write_bytes((class_folders / "cats" / "a.jpg").read_bytes()[:-200])
        report = expand(tmp_path / "out", class_folders, copies=70, options=Options(jobs=2))
        assert (report.made, report.missing) == (350, 70)
        (failure,) = report.failures
        assert failure.source.endswith("bad.jpg") and "truncated" in failure.reason and failure.missing == 70
        run = json.loads((tmp_path / "out" / "run.json").read_text())
        assert run["state"] == "incomplete" and run["failures"][0]["missing"] == 70
        write_picture(class_folders / "cats" / "bad.jpg")
        assert expand(tmp_path / "out", class_folders, copies=70).made == 70

    def test_on_error_stop(self, class_folders: Path, tmp_path: Path) -> None:
        (class_folders / "cats" / "0.jpg").write_bytes(b"no picture")
        with pytest.raises(SourceError, match=r"0\.jpg: not an image"):
            expand(tmp_path / "out", class_folders, options=Options(on_error="stop"))
        write_picture(class_folders / "cats" / "0.jpg")
        assert expand(tmp_path / "out", class_folders).missing == 0

    @pytest.mark.parametrize("engine", ["threads", "processes"])
    def test_a_source_that_is_too_large(self, class_folders: Path, tmp_path: Path, engine: Any) -> None:
        report = expand(tmp_path / "out", class_folders, options=Options(max_pixels=1000, engine=engine, jobs=2))
        assert {Path(failure.source).name for failure in report.failures} == {"a.jpg"}

    def test_an_output_that_vanishes_stops_the_run(self, class_folders: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"

        def vanish(paths: object) -> None:
            os.rename(out / "cats", out / "moved")
            (out / "cats").write_text("a file now")

        with pytest.raises((OutputError, WriteError)):
            expand(out, class_folders, copies=50, options=Options(jobs=1), on_commit=vanish)

    @pytest.mark.parametrize("back", [False, True], ids=["gone", "replaced"])
    def test_an_output_that_is_removed_stops_the_run(self, class_folders: Path, tmp_path: Path, back: bool) -> None:
        out = tmp_path / "out"

        def remove(paths: object) -> None:
            shutil.rmtree(out, ignore_errors=True)
            if back:
                out.mkdir()

        with pytest.raises(WriteError, match=r"removed or replaced|No such file"):
            expand(out, class_folders, copies=50, options=Options(jobs=1), on_commit=remove)
        assert not list(tmp_path.glob("out/*/*")) or back
        shutil.rmtree(out, ignore_errors=True)
        assert expand(out, class_folders, copies=50).made == 250


class TestStops:
    @pytest.mark.parametrize("engine", ["threads", "processes"])
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_a_stopped_run_goes_on_to_the_same_end(self, class_folders: Path, tmp_path: Path, jobs: int, engine: Any) -> None:
        out, stop = tmp_path / "out", Stop()
        options = Options(jobs=jobs, engine=engine)
        report = expand(out, class_folders, copies=80, options=options, on_commit=lambda paths: stop.set(), stop=stop)
        assert report.stopped and 0 < report.made < 400
        assert json.loads((out / "run.json").read_text())["state"] == "stopped"
        assert not list(out.rglob(".augx-tmp-*"))
        expand(out, class_folders, copies=80, options=options)
        expand(tmp_path / "once", class_folders, copies=80)
        assert tree(out) == tree(tmp_path / "once")

    @pytest.mark.parametrize("engine", ["threads", "processes"])
    def test_an_exception_of_the_caller_is_a_stop(self, class_folders: Path, tmp_path: Path, engine: Any) -> None:
        def interrupt(paths: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            expand(tmp_path / "out", class_folders, copies=80, options=Options(jobs=2, engine=engine), on_commit=interrupt)
        expand(tmp_path / "out", class_folders, copies=80)
        expand(tmp_path / "once", class_folders, copies=80)
        assert tree(tmp_path / "out") == tree(tmp_path / "once")

    @settings(max_examples=12)
    @given(stops=st.lists(st.integers(1, 9), min_size=1, max_size=3))
    def test_however_often_it_is_stopped(self, class_folders: Path, tmp_path_factory: pytest.TempPathFactory, stops: list[int]) -> None:
        out = tmp_path_factory.mktemp("out")
        for commits in stops:
            stop, counter = Stop(), itertools.count(1)
            expand(out, class_folders, copies=9, stop=stop, on_commit=lambda _, n=commits, c=counter, s=stop: next(c) >= n and s.set())
        expand(out, class_folders, copies=9)
        once = tmp_path_factory.mktemp("once")
        expand(once, class_folders, copies=9)
        assert tree(out) == tree(once)


class TestPixels:
    """What a format can hold is kept, what it can't is refused or laid on white, never lost in silence."""

    def one_copy(self, tmp_path: Path, source: Path, **output: Any) -> np.ndarray:
        spec = {"warp": {"flip_h": 1}, "output": output}
        expand_dataset(tmp_path / "out", images=[source], spec=spec, total=1)
        (name,) = pictures(tmp_path / "out")
        return decode((tmp_path / "out" / name).read_bytes())

    @pytest.mark.parametrize("fmt", ["png", "tiff"])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_lossless_formats_lose_nothing(self, tmp_path: Path, fmt: str, channels: int, dtype: type) -> None:
        image = picture(channels=channels, dtype=dtype)
        source = write_picture(tmp_path / f"a.{fmt}", image)
        assert np.array_equal(self.one_copy(tmp_path, source), image[:, ::-1])

    @pytest.mark.parametrize("fmt", ["jpg", "png", "webp", "tiff", "bmp"])
    def test_grey_stays_grey(self, tmp_path: Path, fmt: str) -> None:
        copy = self.one_copy(tmp_path, write_picture(tmp_path / "a.png", picture(channels=1)), format=fmt)
        # WebP has no grey; its three channels are equal there.
        assert copy.ndim == 2 if fmt != "webp" else np.ptp(copy.astype(int), axis=2).max() <= 2

    @pytest.mark.parametrize("fmt", ["jpg", "bmp"])
    def test_alpha_is_laid_on_white(self, tmp_path: Path, fmt: str) -> None:
        image = np.zeros((16, 16, 4), np.uint8)
        image[:, 8:, 3] = 255
        copy = self.one_copy(tmp_path, write_picture(tmp_path / "a.png", image), format=fmt)
        assert copy.shape == (16, 16, 3) and (copy[:, :8] < 5).all() and (copy[:, 8:] > 250).all()

    @pytest.mark.parametrize("fmt", ["jpg", "bmp"])
    def test_hidden_colours_do_not_bleed(self, tmp_path: Path, fmt: str) -> None:
        """A green disc on red that is fully transparent: no red anywhere, however it is warped and blurred."""
        image = np.zeros((64, 64, 4), np.uint8)
        image[:, :, 2] = 255
        cv2.circle(image, (32, 32), 20, (0, 255, 0, 255), -1)
        spec = {"warp": {"rotate": 40, "zoom": 0.2}, "then": [{"blur": {"sigma": {"fixed": 2}}}], "output": {"format": fmt, "quality": 100}}
        expand_dataset(tmp_path / "out", images=[write_picture(tmp_path / "a.png", image)], spec=spec, total=3)
        for data in pictures(tmp_path / "out").values():
            copy = decode(data).astype(int)
            # From white to green, red and blue fall together.
            assert np.abs(copy[:, :, 2] - copy[:, :, 0]).max() <= (0 if fmt == "bmp" else 40)

    def test_alpha_stays_in_webp(self, tmp_path: Path) -> None:
        image = picture(channels=4)
        copy = self.one_copy(tmp_path, write_picture(tmp_path / "a.png", image), format="webp")
        assert np.array_equal(copy[:, :, 3], image[:, ::-1, 3])

    @pytest.mark.parametrize("fmt", ["jpg", "webp", "bmp"])
    @pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
    def test_16_bit_into_8_is_refused_before_any_work(self, tmp_path: Path, fmt: str, suffix: str) -> None:
        source = write_picture(tmp_path / f"a{suffix}", picture(channels=1, dtype=np.uint16))
        with pytest.raises(PlanError, match=rf"16 bits a channel, which {fmt} can't hold"):
            self.one_copy(tmp_path, source, format=fmt)
        assert not (tmp_path / "out").exists()

    def test_16_bit_that_only_looks_like_a_jpeg_costs_itself_alone(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.png", picture(dtype=np.uint16)).rename(tmp_path / "a.jpg")
        report = expand_dataset(tmp_path / "out", images=[tmp_path / "a.jpg"], spec={}, total=2)
        (failure,) = report.failures
        assert report.made == 0 and failure.missing == 2 and "16 bits" in failure.reason

    @pytest.mark.parametrize(("suffix", "extension"), [(".pgm", ".png"), (".jpeg", ".jpg"), (".tif", ".tiff"), (".bmp", ".bmp")])
    def test_source_keeps_each_format(self, tmp_path: Path, suffix: str, extension: str) -> None:
        source = write_picture(tmp_path / f"a{suffix}", picture(channels=1))
        self.one_copy(tmp_path, source)
        assert sorted(pictures(tmp_path / "out")) == [f"a{suffix}_00000{extension}"]

    def test_size_is_part_of_the_one_warp(self, tmp_path: Path) -> None:
        copy = self.one_copy(tmp_path, write_picture(tmp_path / "a.png", picture(20, 30)), size=[64, 48])
        assert copy.shape == (48, 64, 3)

    def test_quality_is_heard(self, tmp_path: Path) -> None:
        source = write_picture(tmp_path / "a.png", picture(200, 200))
        sizes = []
        for quality in (10, 50, 100):
            out = tmp_path / str(quality)
            expand_dataset(out, images=[source], total=1, spec={"output": {"format": "jpg", "quality": quality}})
            sizes.append(len(next(iter(pictures(out).values()))))
        assert sizes == sorted(sizes) and sizes[0] * 3 < sizes[2]

    def test_too_wide_for_webp(self, tmp_path: Path) -> None:
        source = write_picture(tmp_path / "a.png", np.zeros((1, 17000), np.uint8))
        report = expand_dataset(tmp_path / "out", images=[source], total=1, spec={"output": {"format": "webp"}})
        assert "at most 16383" in report.failures[0].reason

    def test_shrinking_does_not_alias(self, tmp_path: Path) -> None:
        """Stripes one pixel wide, shrunk eight times, are grey; point sampling would give black or white."""
        stripes = np.zeros((256, 256), np.uint8)
        stripes[:, ::2] = 255
        copy = self.one_copy(tmp_path, write_picture(tmp_path / "a.png", stripes), size=[32, 32])
        assert np.abs(copy.astype(int) - 127).max() <= 2

    def test_cv2_threads_are_given_back(self, class_folders: Path, tmp_path: Path) -> None:
        before = cv2.getNumThreads()
        expand(tmp_path / "out", class_folders)
        assert cv2.getNumThreads() == before
