"""``augx verify``: a fresh set is clean, each single damage is found and named, and what can be made again is, byte for byte."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import Options, OutputError, PlanError, Stop, expand_dataset, find_sources, load_spec, plan_copies, run_plan
from augx.verify import Verified, verify_set, verify_sources
from tests.conftest import Run, picture, tree, write_picture
from tests.test_formats import coco_set

SPEC = load_spec({"augx": 1, "warp": {"rotate": 20, "border": "constant"}, "output": {"size": [24, 20]}})
SPLIT = {"split": "train=0.5,val=0.5"}
RECORD = ("manifest.jsonl", "run.json")
PACKED = ("webdataset", "npy", "npz")

SETS: dict[str, dict[str, Any]] = {
    "folders": {"to": "folders", "originals": True},
    "folders, split": {"to": "folders", **SPLIT},
    "folders with masks": {"to": "folders", "of": "masks"},
    "csv": {"to": "csv"},
    "csv, split": {"to": "csv", **SPLIT},
    "csv of objects": {"to": "csv", "of": "objects"},
    "hf": {"to": "hf"},
    "hf, split": {"to": "hf", **SPLIT},
    "hf of objects": {"to": "hf", "of": "objects"},
    "coco": {"to": "coco", "of": "objects"},
    "coco, split": {"to": "coco", "of": "objects", **SPLIT},
    "yolo": {"to": "yolo", "of": "objects"},
    "yolo, split": {"to": "yolo", "of": "objects", **SPLIT},
    "voc": {"to": "voc", "of": "objects"},
    "voc, split": {"to": "voc", "of": "objects", **SPLIT},
    "webdataset": {"to": "webdataset", "shard_size": "3", "originals": True},
    "webdataset, split": {"to": "webdataset", "shard_size": "3", **SPLIT},
    "webdataset with masks": {"to": "webdataset", "shard_size": "3", "of": "masks"},
    "npy": {"to": "npy", "originals": True},
    "npy, split": {"to": "npy", **SPLIT},
    "npz": {"to": "npz"},
    "npz, split": {"to": "npz", **SPLIT},
}
EVERY = pytest.mark.parametrize("made", SETS, indirect=True)
LOOSE = pytest.mark.parametrize("made", [name for name, how in SETS.items() if how["to"] not in PACKED], indirect=True)
PACKAGES = pytest.mark.parametrize("made", [name for name, how in SETS.items() if how["to"] in PACKED], indirect=True)


def sources(root: Path, kind: str) -> Path:
    """Two pictures of each of two classes, one of them grey, one with a dot in its name; or with masks, or with objects."""
    if kind == "objects":
        return coco_set(root / "in", 4)
    for i in range(4):
        name = Path("cats" if i % 2 else "dogs") / f"{i}{'.b' * (i == 2)}.png"
        write_picture(root / "in" / name, picture(24, 30, 1 if i == 3 else 3, seed=i))
        if kind == "masks":
            write_picture(root / "masks" / name, np.full((24, 30), i, np.uint8))
    return root / "in"


@pytest.fixture(scope="module")
def _sets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each kind of set is made once."""
    root = tmp_path_factory.mktemp("sets")

    def of(name: str) -> Path:
        if not (root / name).exists():
            how = dict(SETS[name])
            kind = how.pop("of", "classes")
            given = sources(root / name, kind)
            options = {"masks": root / name / "masks"} if kind == "masks" else {}
            plan = plan_copies(find_sources(given, **options), SPEC, copies=2, **how)
            assert run_plan(plan, SPEC, root / name / "out", input=given).missing == 0
        return root / name

    return of


@pytest.fixture
def made(request: pytest.FixtureRequest, _sets: Callable[[str], Path], tmp_path: Path) -> Path:
    """A fresh set of the kind asked for, with its sources beside it."""
    shutil.copytree(_sets(request.param), tmp_path / "made")
    return tmp_path / "made" / "out"


def kinds(found: Verified) -> dict[str, str]:
    """Which file is found to be what."""
    return {one.file: one.kind for one in found.differences}


def check(root: Path, **how: Any) -> Verified:
    return verify_set(root, jobs=1, **how)


def of_the_set(root: Path) -> list[str]:
    return [name for name in tree(root) if name not in RECORD]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@EVERY
def test_a_fresh_set_is_clean_and_nothing_is_touched(made: Path) -> None:
    before = tree(made)
    found = verify_set(made, jobs=2)
    assert found.differences == () and found.notes == () and found.state == "complete"
    lines = (made / "manifest.jsonl").read_text().splitlines()
    assert found.checked == sum(line.startswith('{"file":') for line in lines)
    assert verify_sources(made).differences == () and verify_sources(made).checked == 4
    assert verify_set(made, remake=True).remade == 0 and tree(made) == before


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a byte flipped": lambda path: flip(path, path.stat().st_size // 2),
    "its last byte flipped": lambda path: flip(path, -1),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "a byte added": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "a link in its place": lambda path: os.symlink("moved", path.rename(path.with_name("moved")).with_name(path.name)),
    "a folder in its place": into_a_folder,
    "removed": lambda path: path.unlink(),
    "renamed": lambda path: path.rename(path.with_name("other" + path.suffix)),
}


@EVERY
def test_each_single_damage_is_found_and_named(made: Path) -> None:
    whole = tree(made)
    names = of_the_set(made)
    for number, name in enumerate(names):
        # All damages to some files, and each file with some of them.
        damages = DAMAGES.items() if number in (0, len(names) - 1) else [list(DAMAGES.items())[(number + i) % len(DAMAGES)] for i in (0, 5)]
        for what, damage in damages:
            if not whole[name] and what not in ("removed", "renamed", "a byte added"):
                continue  # of a picture without objects, the labels are empty
            damage(made / name)
            found = kinds(check(made))
            expected = {"missing"} if what in ("removed", "renamed") else {"missing", "changed", "torn"}
            assert found.pop(name) in expected, (what, name)
            added = {"renamed": "other" + Path(name).suffix, "a link in its place": "moved"}.get(what)
            if added is not None:
                assert found.pop(str(Path(name).parent / added)) == "extra", (what, name)
                (made / name).parent.joinpath(added).unlink()
            assert "extra" not in found.values(), (what, name)
            if not any(name.endswith(end) for end in (".tar", ".npy", ".npz")):
                assert not found, (what, name)  # nothing else is blamed
            if (made / name).is_dir() and not (made / name).is_symlink():
                (made / name).rmdir()
            (made / name).unlink(missing_ok=True)
            (made / name).write_bytes(whole[name])
    assert check(made).differences == () and tree(made) == whole


@EVERY
def test_threads_find_the_same_in_the_same_order(made: Path) -> None:
    for number, name in enumerate(of_the_set(made)):
        data = (made / name).read_bytes()
        if data:
            flip(made / name, (number * 997) % len(data))
    (made / "mine").write_bytes(b"")
    one = check(made)
    assert len(one.differences) > 2 and verify_set(made, jobs=5) == one


@EVERY
def test_what_no_line_lists_is_extra(made: Path) -> None:
    (made / "a" / "b").mkdir(parents=True)
    for name in ("a/b/mine.jpg", "notes.txt", ".hidden", "x.npy.bak", os.fsdecode(b"\xff.jpg")):
        (made / name).write_bytes(b"mine")
    (made / "loop").symlink_to(".")
    (made / "report.html").write_bytes(b"")  # where generate --report puts it
    before = tree(made / "a")
    expected = dict.fromkeys(["a/b/mine.jpg", "notes.txt", ".hidden", "x.npy.bak", "loop", os.fsdecode(b"\xff.jpg")], "extra")
    assert kinds(check(made)) == kinds(check(made, remake=True)) == expected
    assert tree(made / "a") == before


@LOOSE
def test_remake_restores_the_tree(made: Path) -> None:
    """All files damaged at once, each in its own way; temporary files of dead runs go."""
    whole = tree(made)
    ways = [damage for what, damage in DAMAGES.items() if what not in ("renamed", "a folder in its place", "a link in its place")]
    damaged = 0
    for number, name in enumerate(of_the_set(made)):
        if whole[name]:
            ways[number % len(ways)](made / name)
            damaged += 1
    (made / ".augx-tmp-99999999-1-1").write_bytes(b"half")
    first = check(made)
    assert len(first.differences) == damaged + 1 and first.remade == 0
    found = check(made, remake=True)
    assert found.differences == () and found.remade == damaged + 1 and tree(made) == whole
    assert check(made, remake=True).remade == 0


@LOOSE
def test_a_link_gives_way_and_a_folder_stays(made: Path) -> None:
    whole = tree(made)
    first, second = [name for name in of_the_set(made) if name.endswith((".jpg", ".png"))][:2]
    outside = made.parent / "outside"
    outside.write_bytes(b"not of the set")
    (made / first).unlink()
    (made / first).symlink_to(outside)
    (made / second).unlink()
    (made / second).mkdir()
    (left,) = check(made, remake=True).differences
    assert left.file == second and "not made again: Is a directory" in left.reason
    (made / second).rmdir()
    assert check(made, remake=True).differences == () and tree(made) == whole and outside.read_bytes() == b"not of the set"


class TestPackages:
    """Of a damaged package, it says which pictures are hurt."""

    def lines(self, root: Path) -> list[dict[str, Any]]:
        return [fields for line in (root / "manifest.jsonl").read_text().splitlines() if "file" in (fields := json.loads(line))]

    @PACKAGES
    def test_any_flipped_byte_is_found(self, made: Path) -> None:
        for name in of_the_set(made):
            whole = (made / name).read_bytes()
            some = {*range(0, len(whole), max(1, len(whole) // 12)), *range(0, min(len(whole), 140), 25)}
            for at in sorted(some):
                flip(made / name, at)
                assert name in {one.file for one in check(made).differences}, at
                (made / name).write_bytes(whole)

    @PACKAGES
    def test_a_hurt_picture_is_named_and_no_other(self, made: Path) -> None:
        for fields in self.lines(made):
            path = made / fields["in"]
            whole = path.read_bytes()
            at = fields["at"] + 20 if "at" in fields else (55 if path.suffix == ".npz" else 0) + 128 + fields["row"] * 24 * 20 * 3 + 7
            flip(path, at)
            hurt = {one.file for one in check(made).differences if one.picture}
            assert hurt == {fields["file"]}
            path.write_bytes(whole)

    @PACKAGES
    def test_nothing_is_remade_or_deleted_but_told_how(self, made: Path) -> None:
        name = next(name for name in of_the_set(made) if name.endswith((".tar", ".npy", ".npz")))
        flip(made / name, -20)
        (made / ".augx-tmp-99999999-1-1").write_bytes(b"half")
        before = tree(made)
        found = check(made, remake=True)
        assert found.differences and found.remade == 0 and tree(made) == before
        assert any("the command that made the set makes them again" in note for note in found.notes)

    @pytest.mark.parametrize("made", ["webdataset", "webdataset with masks"], indirect=True)
    def test_all_of_a_sample_is_looked_at(self, made: Path) -> None:
        for fields in self.lines(made):
            path = made / fields["in"]
            whole = path.read_bytes()
            start = fields["at"] + fields["size"] + -fields["size"] % 512
            texts = {"class": (start + 512, "(.cls)"), "line": (start + 1024 + 512 + 9, "(.json)"), "header": (start + 3, "what follows")}
            for at, words in texts.values():
                flip(path, at)
                package, *hurt = check(made).differences
                assert package.file == path.name and re.search(r"; 1 of its \d pictures are hurt", package.reason)
                assert {one.file for one in hurt} == {fields["file"]} and any(words in one.reason for one in hurt)
                path.write_bytes(whole)
            for part in fields.get("beside", ()):
                data = whole[whole.index(b".masks.png", start) :]
                at = len(whole) - len(data) + data.index(b"IDAT") + 5
                flip(path, at)
                assert part["file"] in {one.file for one in check(made).differences}
                path.write_bytes(whole)

    @pytest.mark.parametrize("made", ["webdataset"], indirect=True)
    def test_a_shard_whose_headers_alone_are_hurt(self, made: Path) -> None:
        path = next(made.glob("*.tar"))
        flip(path, 130)  # the owner of its first member
        (package,) = check(made).differences
        assert "every picture in it is whole" in package.reason

    @PACKAGES
    def test_the_same_command_makes_missing_packages_again(self, made: Path, request: pytest.FixtureRequest) -> None:
        whole = tree(made)
        name = next(name for name in of_the_set(made) if name.endswith((".tar", ".npz")) or name.startswith("x"))
        (made / name).unlink()
        found = kinds(check(made))
        assert found.pop(name) == "missing" and not found
        how: dict[str, Any] = {option: value for option, value in SETS[request.node.callspec.params["made"]].items() if option != "of"}
        masks = made.parent / "masks"
        given = find_sources(made.parent / "in", **({"masks": masks} if masks.exists() else {}))
        run_plan(plan_copies(given, SPEC, copies=2, **how), SPEC, made)
        assert check(made).differences == () and tree(made) == whole


class TestSources:
    """``--sources``: each by the SHA-256 that the copies were made from."""

    @EVERY
    def test_changed_and_removed_ones_are_named(self, made: Path) -> None:
        listed = sorted({json.loads(line)["source"] for line in (made / "manifest.jsonl").read_text().splitlines() if '"source"' in line})
        below = made.parent / "in" / "images" if (made.parent / "in" / "images").exists() else made.parent / "in"
        first, second = (next(path for path in (below / key, made.parent / "in" / key) if path.exists()) for key in listed[:2])
        flip(first, -5)
        second.unlink()
        assert kinds(verify_sources(made)) == {listed[0]: "changed", listed[1]: "missing"}
        assert check(made).differences == ()

    def test_moved_ones_are_found_by_input(self, class_folders: Path, tmp_path: Path) -> None:
        expand_dataset(tmp_path / "out", input=class_folders, copies=1)
        class_folders.rename(tmp_path / "elsewhere")
        assert set(kinds(verify_sources(tmp_path / "out")).values()) == {"missing"}
        assert verify_sources(tmp_path / "out", input=tmp_path / "elsewhere").differences == ()
        (tmp_path / "out" / "cats" / "a_00000.jpg").unlink()
        (left,) = check(tmp_path / "out", remake=True).differences
        assert "--input" in left.reason
        assert check(tmp_path / "out", remake=True, input=tmp_path / "elsewhere").differences == ()

    def test_a_table_that_is_gone_is_said_at_once(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.png")
        (tmp_path / "t.csv").write_text("file,label\na.png,cats\n")
        run_plan(plan_copies(find_sources(tmp_path / "t.csv"), SPEC, copies=1), SPEC, tmp_path / "out")
        assert verify_sources(tmp_path / "out").differences == ()
        (tmp_path / "t.csv").unlink()
        with pytest.raises(PlanError, match=r"t\.csv"):
            verify_sources(tmp_path / "out")

    def test_what_lost_one_source_remakes_the_others(self, tmp_path: Path) -> None:
        given = coco_set(tmp_path / "in", 4)
        run_plan(plan_copies(find_sources(given), SPEC, copies=1), SPEC, tmp_path / "out")
        index = json.loads(given.read_text())
        lost = index["images"].pop(0)
        index["annotations"] = [one for one in index["annotations"] if one["image_id"] != lost["id"]]
        given.write_text(json.dumps(index))
        for path in (tmp_path / "out" / "images").iterdir():
            path.unlink()
        (left,) = check(tmp_path / "out", remake=True).differences
        assert left.file == "images/0_00000.jpg" and "has no 0.jpg any more" in left.reason


class TestTheRecord:
    """run.json and the manifest, each by itself and beside the other."""

    @pytest.fixture
    def out(self, class_folders: Path, tmp_path: Path) -> Path:
        expand_dataset(tmp_path / "out", input=class_folders, copies=2)
        return tmp_path / "out"

    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            (lambda out: (out / "run.json").unlink(), "no run.json"),
            (lambda out: (out / "manifest.jsonl").unlink(), "no manifest.jsonl"),
            (lambda out: shutil.rmtree(out), "no run.json and manifest.jsonl"),
            (lambda out: flip(out / "manifest.jsonl", 0), "line 1 is damaged"),
            (lambda out: (out / "manifest.jsonl").write_bytes(bytes(100) + b"\n"), "line 1 is damaged"),
            (lambda out: (out / "run.json").write_text("{}"), "not a run.json that augx wrote"),
        ],
    )
    def test_without_one_there_is_nothing_to_compare(self, out: Path, damage: Callable[[Path], object], words: str) -> None:
        damage(out)
        for look in (verify_set, verify_sources):
            with pytest.raises(OutputError, match=words):
                look(out)

    def test_half_a_last_line_is_torn(self, out: Path) -> None:
        manifest = out / "manifest.jsonl"
        last = json.loads(manifest.read_text().splitlines()[-1])["file"]
        os.truncate(manifest, manifest.stat().st_size - 9)
        assert kinds(check(out)) == {"manifest.jsonl": "torn", "run.json": "sum", last: "extra"}

    def test_lost_and_added_lines_are_not_what_was_planned(self, out: Path) -> None:
        manifest, run = out / "manifest.jsonl", json.loads((out / "run.json").read_text())
        lines = manifest.read_text().splitlines(keepends=True)
        manifest.write_text("".join(lines[1:]))
        assert kinds(check(out)) == {"run.json": "sum", json.loads(lines[0])["file"]: "extra"}
        manifest.write_text("".join(lines))
        run["classes"]["cats"]["files"] -= 1
        (out / "run.json").write_text(json.dumps(run))
        assert [(one.kind, one.file) for one in check(out).differences] == [("sum", "run.json")]

    def test_a_line_written_again_takes_the_place_of_the_first(self, out: Path) -> None:
        with open(out / "manifest.jsonl") as file:
            first = json.loads(file.readline())
        with open(out / "manifest.jsonl", "a") as file:
            file.write(json.dumps({**first, "sha256": "0" * 64}) + "\n")
        found = check(out)
        assert kinds(found) == {first["file"]: "changed"} and found.checked == 10

    def test_another_spec_than_its_hash_says(self, out: Path) -> None:
        run = json.loads((out / "run.json").read_text())
        run["spec"]["warp"]["rotate"] = 1
        (out / "run.json").write_text(json.dumps(run))
        assert kinds(check(out)) == {"run.json": "changed"}

    def test_a_run_at_work_is_waited_for(self, out: Path) -> None:
        with open(out / "manifest.jsonl", "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(OutputError, match="an augx run is at work here"):
                check(out)
        assert check(out).differences == ()

    def test_failed_sources_are_accounted_for(self, class_folders: Path, tmp_path: Path) -> None:
        (class_folders / "cats" / "bad.jpg").write_bytes((class_folders / "cats" / "a.jpg").read_bytes()[:300])
        report = expand_dataset(tmp_path / "out", input=class_folders, copies=2)
        assert report.missing == 2
        found = check(tmp_path / "out")
        assert found.differences == () and found.state == "incomplete" and found.checked == 10
        assert found.notes == ("2 of 12 pictures could not be made, as run.json tells",)

    @pytest.mark.parametrize("how", [{}, {"to": "webdataset", "shard_size": "3"}, {"to": "npy"}, {"to": "npz"}, {"to": "csv"}], ids=str)
    def test_stopped_anywhere_it_is_clean(self, how: dict[str, Any], tmp_path: Path) -> None:
        plan = plan_copies(find_sources(sources(tmp_path, "classes")), SPEC, copies=4, **how)
        for after in (1, 7):
            stop, seen = Stop(), list[int]()

            def count(pictures: int, stop: Stop = stop, seen: list[int] = seen, after: int = after) -> None:
                seen.append(pictures)
                if sum(seen) >= after:
                    stop.set()

            run_plan(plan, SPEC, tmp_path / "out", options=Options(jobs=1), on_progress=count, stop=stop)
            found = check(tmp_path / "out")
            assert found.differences == () and "the run that made it did not end" in found.notes[0]
        run_plan(plan, SPEC, tmp_path / "out")
        assert check(tmp_path / "out").differences == () and check(tmp_path / "out").notes == ()

    @pytest.mark.parametrize("how", [{}, {"to": "webdataset", "shard_size": "3"}, {"to": "npy"}, {"to": "npz"}, {"to": "csv"}], ids=str)
    def test_grown_by_copies_and_by_sources_it_is_clean(self, how: dict[str, Any], tmp_path: Path) -> None:
        given = sources(tmp_path, "classes")
        run_plan(plan_copies(find_sources(given), SPEC, copies=1, **how), SPEC, tmp_path / "out", input=given)
        run_plan(plan_copies(find_sources(given), SPEC, copies=3, **how), SPEC, tmp_path / "out", input=given)
        assert check(tmp_path / "out").differences == ()
        write_picture(given / "cats" / "0first.png", picture(24, 30, seed=9))
        run_plan(plan_copies(find_sources(given), SPEC, copies=3, **how), SPEC, tmp_path / "out", input=given)
        assert check(tmp_path / "out").differences == () and check(tmp_path / "out").checked == 15
        (given / "cats" / "0first.png").unlink()
        run_plan(plan_copies(find_sources(given), SPEC, copies=3, **how), SPEC, tmp_path / "out", input=given)
        assert check(tmp_path / "out").differences == () and check(tmp_path / "out").checked == 15
        if how.get("to") == "csv":
            whole = tree(tmp_path / "out")
            (tmp_path / "out" / "labels.csv").unlink()
            assert check(tmp_path / "out", remake=True).remade == 1 and tree(tmp_path / "out") == whole


class TestTheCommand:
    """What people see, and what scripts do."""

    @pytest.fixture
    def out(self, class_folders: Path, tmp_path: Path) -> Path:
        expand_dataset(tmp_path / "out", input=class_folders, copies=2)
        return tmp_path / "out"

    def test_in_words_in_json_and_in_silence(self, augx: Run, out: Path) -> None:
        done = augx("verify", "out")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"out: 10 pictures checked; all as recorded\n", b"")
        os.truncate(out / "cats" / "a_00000.jpg", 500)
        (out / "dogs" / "d_00001.jpg").unlink()
        (out / "a\x1b[31m.txt").write_bytes(b"")
        done = augx("verify", "out")
        assert done.returncode == 1 and done.stderr == b""
        lines = done.stdout.decode().splitlines()
        places = ["MISSING dogs/d_00001.jpg", "TORN cats/a_00000.jpg", r"EXTRA a\x1b[31m.txt", "out"]
        assert [line.split(":")[0] for line in lines] == places
        assert lines[-1] == "out: 10 pictures checked; 1 missing, 1 torn, 1 extra"
        found = json.loads(augx("verify", "out", "--json").stdout)
        assert {one["kind"] for one in found["differences"]} == {"missing", "torn", "extra"} and found["checked"] == 10
        quiet = augx("verify", "out", "--quiet")
        assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, b"", b"")
        assert augx("verify", "out", "--remake", "--quiet").returncode == 1  # the extra file stays
        (out / "a\x1b[31m.txt").unlink()
        (out / "dogs" / "d_00001.jpg").unlink()
        done = augx("verify", "out", "--remake")
        assert done.returncode == 0 and done.stdout == b"out: 10 pictures checked; 1 file put in order; all as recorded\n"

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (["nowhere"], b"augx: nowhere: no set that augx made (there is no run.json and manifest.jsonl); name the folder of one\n"),
            (["out", "--sources", "--remake"], b"leave one of --sources and --remake out"),
            (["out", "--input", "photos"], b"--input goes with --sources or --remake"),
            ([], b"Missing argument 'DIR'"),
        ],
    )
    def test_wrong_usage(self, augx: Run, out: Path, args: list[str], words: bytes) -> None:
        done = augx("verify", *args)
        assert done.returncode == 2 and words in done.stderr and b"Traceback" not in done.stderr and done.stdout == b""

    def test_sources(self, augx: Run, out: Path, class_folders: Path) -> None:
        assert augx("verify", "out", "--sources").stdout == b"out: 5 sources checked; all as recorded\n"
        flip(class_folders / "cats" / "a.jpg", -5)
        done = augx("verify", "out", "--sources")
        assert done.returncode == 1 and done.stdout.startswith(b"CHANGED cats/a.jpg: ")
