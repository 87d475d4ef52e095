"""``augx remake``: the same bytes again, from a manifest line alone; or a clear word and nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import OutputError, PlanError, expand_dataset, find_sources, load_spec, plan_copies, run_plan
from augx.packed import read_picture
from augx.remake import remake_files
from tests.conftest import PHOTOS, ROOT, Run, picture, pictures, tree, write_picture
from tests.test_outputs import EVERY, SPLIT, contents, lines_of

SPECS = {
    "tutorial": {},
    "strong and small": {"output": {"format": "png", "size": [20, 16]}},
    "webp": {"output": {"format": "webp", "quality": 50}},
    "a policy": {"policy": "trivial_augment"},
    "augmix": {"policy": "augmix"},
    "fields and choices": {"warp": {"elastic": 0.05, "perspective": 0.3}, "then": [{"one_of": [{"noise": 9}, {"fog": 0.5}]}]},
    "another class' settings": {"warp": {"rotate": 30}, "classes": {"cats": {"warp": {"rotate": 3}}}},
    "relabelled": {"warp": {"flip_h": {"p": 0.5, "relabel": {"cats": "dogs"}}}, "classes": {"cats": {"tone": {"gamma": 0.5}}}},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_file_of_a_set_again(class_folders: Path, tmp_path: Path, spec: dict[str, object]) -> None:
    out = tmp_path / "out"
    expand_dataset(out, input=class_folders, spec={"augx": 1, "seed": 5, **spec}, copies=3, originals=True)
    before = pictures(out)
    remade = remake_files(out / "manifest.jsonl", list(before), output=tmp_path / "again")
    assert len(remade.made) == len(before) == 20 and not remade.failures
    assert tree(tmp_path / "again") == before


def test_where_they_were(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand_dataset(out, input=class_folders, copies=2)
    before = tree(out)
    (out / "cats" / "a_00001.jpg").unlink()
    (out / "dogs" / "d_00000.jpg").unlink()
    remade = remake_files(out / "manifest.jsonl", ["./cats/a_00001.jpg", out / "dogs" / "d_00000.jpg", "cats/b.png_00000.png"])
    assert remade.made == ("cats/a_00001.jpg", "dogs/d_00000.jpg") and remade.same == ("cats/b.png_00000.png",)
    assert tree(out) == before


def test_single_images_are_found_again(tmp_path: Path) -> None:
    images = [write_picture(tmp_path / "one" / "x.jpg"), write_picture(tmp_path / "two" / "y.png", picture(seed=3))]
    expand_dataset(tmp_path / "out", images=images, label="things", copies=2)
    before = pictures(tmp_path / "out")
    assert len(remake_files(tmp_path / "out", list(before), output=tmp_path / "again").made) == 4
    assert tree(tmp_path / "again") == before


def test_output_and_sources_moved_together(class_folders: Path, tmp_path: Path) -> None:
    expand_dataset(tmp_path / "out", input=class_folders, copies=1)
    (tmp_path / "elsewhere").mkdir()
    for name in ("photos", "out"):
        shutil.move(tmp_path / name, tmp_path / "elsewhere" / name)
    moved = tmp_path / "elsewhere" / "out"
    (moved / "cats" / "a_00000.jpg").unlink()
    assert remake_files(moved / "manifest.jsonl", ["cats/a_00000.jpg"]).made == ("cats/a_00000.jpg",)


def test_sources_moved_alone_are_named(class_folders: Path, tmp_path: Path) -> None:
    expand_dataset(tmp_path / "out", input=class_folders, copies=1)
    class_folders.rename(tmp_path / "pictures")
    (failure,) = remake_files(tmp_path / "out", ["cats/a_00000.jpg"]).failures
    assert "is not in" in failure.reason and "--input" in failure.reason
    assert remake_files(tmp_path / "out", ["cats/a_00000.jpg"], input=tmp_path / "pictures").same == ("cats/a_00000.jpg",)


SIZED = load_spec({"augx": 1, "warp": {"rotate": 20}, "tone": {"gamma": 0.3}, "output": {"size": [40, 30]}, "reject": {"border": 0.12}})


def spread(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A grey picture as the row of an array of colours has it."""
    return np.broadcast_to(array[:, :, None], like.shape) if array.ndim < like.ndim else array


class TestAPackedSet:
    """A set in packages, or split, comes back as the files that its lines name."""

    def made(self, sources: Path, out: Path, **how: Any) -> list[dict[str, Any]]:
        plan = plan_copies(find_sources(sources), SIZED, copies=3, originals=True, **how)
        assert run_plan(plan, SIZED, out).failures == ()
        return lines_of(out)

    @EVERY
    @SPLIT
    def test_every_line_is_what_the_set_holds(
        self, how: dict[str, str], split: dict[str, str], class_folders: Path, tmp_path: Path
    ) -> None:
        """Grey pictures are spread in arrays, alpha is laid on white there; the files are those that the lines' SHA-256 are of."""
        write_picture(class_folders / "dogs" / "f.g%.bmp", picture(30, 40, seed=6))
        lines = self.made(class_folders, tmp_path / "out", **how, **split)
        held, before = contents(tmp_path / "out"), tree(tmp_path / "out")
        remade = remake_files(tmp_path / "out", list(held), output=tmp_path / "again")
        assert remade.failures == () and sorted(remade.made) == sorted(held) and tree(tmp_path / "out") == before
        again = tree(tmp_path / "again")
        assert again.keys() == held.keys()
        for fields in lines:
            data = again[fields["file"]]
            assert (len(data), hashlib.sha256(data).hexdigest()) == (fields["size"], fields["sha256"])
            there = held[fields["file"]]
            if isinstance(there, np.ndarray):
                array = np.load(io.BytesIO(data))
                assert array.dtype == there.dtype and np.array_equal(spread(array, there), there)
            else:
                assert data == there
            pixels = read_picture(str(tmp_path / "out"), fields)
            assert np.array_equal(spread(read_picture(str(tmp_path / "again"), {"file": fields["file"]}), pixels), pixels)

    @pytest.mark.parametrize("to", ["webdataset", "npy", "npz"])
    def test_needs_a_folder_of_its_own(self, to: str, class_folders: Path, augx: Run, tmp_path: Path) -> None:
        self.made(class_folders, tmp_path / "out", to=to)
        before = tree(tmp_path)
        done = augx("remake", "out/manifest.jsonl", "cats/a_00000.jpg")
        words = f"augx: out: its pictures are in packages ({to}); name a folder by --output\n"
        assert done.returncode == 2 and done.stderr.decode() == words and tree(tmp_path) == before

    def test_named_by_where_it_would_lie(self, class_folders: Path, augx: Run, tmp_path: Path) -> None:
        self.made(class_folders, tmp_path / "out", to="webdataset")
        done = augx("remake", "out/manifest.jsonl", "out/cats/persian/c_00001.jpg", "--output", "again")
        assert done.returncode == 0 and list(tree(tmp_path / "again")) == ["cats/persian/c_00001.jpg"]

    @pytest.mark.parametrize("to", ["", "webdataset"])
    def test_masks_and_objects_come_with_their_pictures(self, to: str, tmp_path: Path) -> None:
        sources = find_sources(PHOTOS / "annotations.json", masks=ROOT / "sample_masks")
        run_plan(plan_copies(sources, SIZED, copies=2, originals=True, to=to, split="train=0.5,val=0.5"), SIZED, tmp_path / "out")
        lines = lines_of(tmp_path / "out")
        beside = {part["file"]: part["sha256"] for line in lines for part in line["beside"]}
        made = remake_files(tmp_path / "out", [line["file"] for line in lines], output=tmp_path / "again")
        assert made.failures == () and len(beside) == len(lines)
        digests = {place: hashlib.sha256(data).hexdigest() for place, data in tree(tmp_path / "again").items()}
        assert digests == beside | {line["file"]: line["sha256"] for line in lines}

    def test_by_a_file_beside_it(self, tmp_path: Path) -> None:
        run_plan(plan_copies(find_sources(PHOTOS, masks=ROOT / "sample_masks"), SIZED, copies=1), SIZED, tmp_path / "out")
        line = lines_of(tmp_path / "out")[0]
        place = line["beside"][0]["file"]
        (tmp_path / "out" / place).unlink()
        assert remake_files(tmp_path / "out", [tmp_path / "out" / place]).same == (line["file"],)
        assert (tmp_path / "out" / place).is_file()

    @pytest.mark.parametrize("to", ["csv", "hf"])
    def test_a_table_of_a_table(self, to: str, class_folders: Path, tmp_path: Path) -> None:
        """A layout that no source had is none that the sources have lost."""
        (tmp_path / "photos.csv").write_text("file,label\nphotos/cats/a.jpg,cats\nphotos/dogs/d.jpg,dogs\n")
        lines = self.made(tmp_path / "photos.csv", tmp_path / "out", to=to)
        assert len(remake_files(tmp_path / "out", [line["file"] for line in lines], output=tmp_path / "again").made) == len(lines) == 8

    @pytest.mark.parametrize("to", ["", "webdataset", "npy", "npz"])
    @pytest.mark.parametrize("shape", [(12, 14), (12, 14, 2), (12, 14, 3), (12, 14, 4)], ids=str)
    def test_rows_of_floats(self, to: str, shape: tuple[int, ...], tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.random.default_rng(1).random((4, *shape), np.float32))
        spec = load_spec({"augx": 1, "warp": {"flip_h": 0.5}, "tone": {"brightness": 0.1}})
        plan = plan_copies(find_sources(tmp_path / "x.npy"), spec, copies=2, originals=True, to=to)
        run_plan(plan, spec, tmp_path / "out")
        lines = lines_of(tmp_path / "out")
        assert remake_files(tmp_path / "out", [line["file"] for line in lines], output=tmp_path / "again").failures == ()
        for line in lines:
            array = np.load(tmp_path / "again" / line["file"])
            pixels = read_picture(str(tmp_path / "out"), line)
            order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(shape[-1], slice(None)) if len(shape) == 3 else slice(None)
            assert pixels.dtype == np.float32 and np.array_equal(pixels, array[..., order] if len(shape) == 3 else array)


class TestWhatCanNotBe:
    @pytest.fixture
    def out(self, class_folders: Path, tmp_path: Path) -> Path:
        expand_dataset(tmp_path / "out", input=class_folders, copies=2)
        return tmp_path / "out"

    def rewritten(self, out: Path, **changes: object) -> None:
        """The manifest with the line of cats/a_00000.jpg changed."""
        lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
        changed = [{**line, **changes} if line["file"] == "cats/a_00000.jpg" else line for line in lines]
        (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
        (out / "cats" / "a_00000.jpg").unlink()

    def test_a_source_that_has_changed(self, augx: Run, class_folders: Path, out: Path) -> None:
        write_picture(class_folders / "cats" / "a.jpg", picture(30, 40, seed=99))
        (out / "cats" / "a_00000.jpg").unlink()
        before = tree(out)
        done = augx("remake", "out/manifest.jsonl", "cats/a_00000.jpg", "dogs/d_00000.jpg")
        assert done.returncode == 1 and tree(out) == before
        assert b"has changed since (SHA-256 differs)" in done.stderr and b"Traceback" not in done.stderr
        assert b"0 made again, 1 there already with the same bytes, 1 not made" in done.stderr

    def test_a_file_that_is_not_listed(self, augx: Run, out: Path) -> None:
        (out / "cats" / "a_00000.jpg").unlink()
        before = tree(out)
        done = augx("remake", "out/manifest.jsonl", "cats/a_00000.jpg", "cats/z_00000.jpg")
        assert done.returncode == 2 and tree(out) == before
        assert done.stderr == b"augx: out/manifest.jsonl: lists no cats/z_00000.jpg; name files as its lines do, or by their paths\n"

    def test_another_file_is_never_replaced(self, out: Path) -> None:
        (out / "cats" / "a_00000.jpg").write_bytes(b"precious")
        (failure,) = remake_files(out, ["cats/a_00000.jpg"]).failures
        assert "another file has its name" in failure.reason and (out / "cats" / "a_00000.jpg").read_bytes() == b"precious"

    def test_a_line_that_promises_other_bytes(self, out: Path) -> None:
        self.rewritten(out, sha256="0" * 64)
        (failure,) = remake_files(out, ["cats/a_00000.jpg"]).failures
        assert "other bytes than its line says; the set was made with augx" in failure.reason
        assert not (out / "cats" / "a_00000.jpg").exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"params": None},
            {"params": []},
            {"params": {"warp.rotate": 3}},
            {"params": {"warp.rotate": {}}},
            {"params": {"warp.rotate": {"angle": "x"}}},
            {"params": {"warp.rotate": {"angle": [1, 2]}}},
            {"params": {"warp.rotate": {"angle": 1e308}}},
            {"params": {}},
            {"label": ["x"]},
            {"source": None},
            {"source": "../../etc/passwd"},
            {"source_sha256": ""},
        ],
        ids=str,
    )
    def test_a_line_that_is_not_one(self, out: Path, changes: dict[str, object]) -> None:
        self.rewritten(out, **changes)
        try:
            (failure,) = remake_files(out, ["cats/a_00000.jpg"]).failures
            reason = failure.reason
        except OutputError as error:
            reason = str(error)
        assert reason and "\n" not in reason and not (out / "cats" / "a_00000.jpg").exists()

    @pytest.mark.parametrize("path", ["nowhere/manifest.jsonl", "out/run.json", "out/cats/a_00000.jpg", "photos", ""])
    def test_what_is_no_manifest(self, class_folders: Path, out: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(out.parent)
        with pytest.raises(OutputError, match=r"not the manifest\.jsonl of a set"):
            remake_files(path, ["cats/a_00000.jpg"])

    def test_a_damaged_manifest(self, augx: Run, out: Path) -> None:
        with open(out / "manifest.jsonl", "a") as file:
            file.write("nonsense\n")
        done = augx("remake", "out/manifest.jsonl", "cats/a_00000.jpg")
        assert done.returncode == 2 and b"line 11 is damaged" in done.stderr

    def test_a_spec_in_run_json_that_is_not_one(self, augx: Run, out: Path) -> None:
        run = json.loads((out / "run.json").read_text())
        for spec in ({"augx": 1, "warp": {"nope": 1}}, None, [1], "tutorial"):
            (out / "run.json").write_text(json.dumps({**run, "spec": spec}))
            done = augx("remake", "out/manifest.jsonl", "cats/a_00000.jpg")
            assert done.returncode == 2 and done.stderr.startswith(b"augx: ") and b"unexpected" not in done.stderr

    @pytest.mark.parametrize("found_in", [None, 1, True, [1], {"a": 1}, [["x"]], "photos"], ids=str)
    def test_folders_in_run_json_that_are_none(self, out: Path, found_in: object) -> None:
        run = json.loads((out / "run.json").read_text())
        (out / "run.json").write_text(json.dumps({**run, "found_in": found_in}))
        (failure,) = remake_files(out, ["cats/a_00000.jpg"]).failures
        assert "--input" in failure.reason

    def test_an_original_is_only_what_its_line_says(self, class_folders: Path, tmp_path: Path) -> None:
        out = tmp_path / "with"
        expand_dataset(out, input=class_folders, copies=1, originals=True)
        lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
        secret = tmp_path / "secret.txt"
        secret.write_bytes(b"secret")
        digest = hashlib.sha256(b"secret").hexdigest()
        for changes in ({"sha256": "0" * 64}, {"source": "../secret.txt", "sha256": digest, "source_sha256": digest}):
            changed = [{**line, **changes} if line["file"] == "cats/a.jpg" else line for line in lines]
            (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
            remade = remake_files(out, ["cats/a.jpg", "dogs/d.jpg"], output=tmp_path / "again")
            assert [failure.source for failure in remade.failures] == ["cats/a.jpg"] and not (tmp_path / "again" / "cats").exists()

    def test_one_place_that_can_not_be_written_costs_itself(self, out: Path, tmp_path: Path) -> None:
        (tmp_path / "again").mkdir()
        (tmp_path / "again" / "cats").symlink_to(tmp_path)
        remade = remake_files(out, ["cats/a_00000.jpg", "dogs/d_00000.jpg"], output=tmp_path / "again")
        assert remade.made == ("dogs/d_00000.jpg",) and "a file or a link" in remade.failures[0].reason

    def test_a_place_that_can_not_be_written(self, out: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OutputError, match="choose another --output"):
            remake_files(out, ["cats/a_00000.jpg"], output=tmp_path / "file" / "below")

    def test_no_file_at_all(self, augx: Run, out: Path) -> None:
        assert augx("remake", "out/manifest.jsonl").returncode == 2

    def test_a_set_from_before_run_json_knew_its_sources(self, out: Path) -> None:
        run = json.loads((out / "run.json").read_text())
        del run["found_in"]
        (out / "run.json").write_text(json.dumps(run))
        (failure,) = remake_files(out, ["cats/a_00000.jpg"]).failures
        assert "does not say where the sources were" in failure.reason

    def test_unknown_names_raise(self, out: Path) -> None:
        with pytest.raises(PlanError, match="and 1 more"):
            remake_files(out, ["x", os.fsdecode(b"\xff\n")])
