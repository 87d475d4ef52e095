"""Many processes, one set: shares in any order make exactly the tree of one run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import Options, find_sources, load_spec, plan_copies, run_plan
from augx.errors import AugxError, OutputError, PlanError, WriteError
from augx.fleet.cut import Cut
from augx.fleet.finalize import finalize
from augx.fleet.shard import Share, run_share
from augx.fleet.status import status
from augx.listed import Listed, Numbers, recorded_parts
from augx.packing.sizes import ShardSize
from augx.packing.store import Store
from augx.plan import Plan, Segment
from augx.rows import Row
from augx.sources import Source
from augx.split import Split
from tests.conftest import ROOT, Run, picture, pictures, tree, write_picture
from tests.test_executors import HOOK

SPEC = load_spec("tutorial")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of six small pictures."""
    root = tmp_path / "photos"
    for label in ("cats", "dogs"):
        for number in range(6):
            write_picture(root / label / f"{number}.png", picture(16 + number, 20, seed=number))
    return root


def planned(photos: Path, output: Path | None = None, **amount: Any) -> Plan:
    parts = recorded_parts(str(output)) if output is not None and "split" in amount else None
    return plan_copies(find_sources(photos), SPEC, parts=parts, **amount)


def made_by_many(plan: Plan, output: Path, photos: Path, of: int = 3, engine: str = "threads", order: list[int] | None = None) -> None:
    """All shares, one after the other, and their end."""
    for number in order or list(range(of)):
        report = run_share(plan, SPEC, output, input=photos, share=Share(number, of), options=Options(engine=engine))  # type: ignore[arg-type]
        assert not report.missing
    finalize(output)


def same(found: Path, expected: Path) -> None:
    """Equal trees, and words on the first difference."""
    one, other = tree(found), tree(expected)
    assert sorted(one) == sorted(other)
    for name, data in one.items():
        assert data == other[name], name


WAYS: dict[str, dict[str, Any]] = {
    "class folders": {"copies": 20},
    "with originals": {"copies": 13, "originals": True},
    "split class folders": {"copies": 9, "split": "train=0.6,val=0.4"},
    "shards": {"copies": 20, "to": "webdataset", "shard_size": "50"},
    "shards of one size": {"copies": 10, "to": "webdataset", "shard_size": "40"},
    "split shards": {"copies": 31, "to": "webdataset", "shard_size": "17", "split": "train=0.6,val=0.2,test=0.2"},
    "labels.csv": {"copies": 12, "to": "csv"},
    "Hugging Face": {"copies": 12, "to": "hf", "originals": True},
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


class TestOneTree:
    @EVERY_WAY
    def test_shares_in_any_order_make_the_tree_of_one_run(self, tmp_path: Path, photos: Path, way: str) -> None:
        plan = planned(photos, **WAYS[way])
        run_plan(plan, SPEC, tmp_path / "one", input=photos)
        made_by_many(plan, tmp_path / "many", photos, order=[2, 0, 1])
        same(tmp_path / "many", tmp_path / "one")

    @EVERY_WAY
    def test_a_set_that_stands_is_grown_by_many(self, tmp_path: Path, photos: Path, way: str) -> None:
        run_plan(planned(photos, **WAYS[way]), SPEC, tmp_path / "one", input=photos)
        made_by_many(planned(photos, **WAYS[way]), tmp_path / "many", photos)
        more = {**WAYS[way], "copies": WAYS[way]["copies"] + 25}
        run_plan(planned(photos, tmp_path / "one", **more), SPEC, tmp_path / "one", input=photos)
        made_by_many(planned(photos, tmp_path / "many", **more), tmp_path / "many", photos, of=2)
        same(tmp_path / "many", tmp_path / "one")

    @pytest.mark.parametrize("way", ["class folders", "shards"])
    def test_processes_make_it_too(self, tmp_path: Path, photos: Path, augx: Run, way: str) -> None:
        plan = planned(photos, **WAYS[way])
        run_plan(plan, SPEC, tmp_path / "one", input=photos)
        options = [f"--{name.replace('_', '-')}={value}" for name, value in WAYS[way].items()]
        for number in range(2):
            ended = augx("generate", "--input", "photos", "--output", "many", *options, "--shard", f"{number}/2", "--engine", "processes")
            assert ended.returncode == 0, ended.stderr
        assert augx("finalize", "many").returncode == 0
        same(tmp_path / "many", tmp_path / "one")

    def test_the_same_share_again_makes_nothing_and_lost_receipts_are_made_again(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=40)
        first = run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        again = run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        assert (again.made, again.kept) == (0, first.made)
        receipts = sorted((tmp_path / "many").glob(".augx-unit-*"))
        receipts[0].unlink()
        mended = run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        assert 0 < mended.made < first.made
        assert mended.made + mended.kept == first.made


class TestBadSources:
    def test_one_costs_itself_and_the_rest_is_there(self, tmp_path: Path, photos: Path) -> None:
        (photos / "cats" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
        plan = planned(photos, copies=20)
        one = run_plan(plan, SPEC, tmp_path / "one", input=photos)
        reports = [run_share(plan, SPEC, tmp_path / "many", input=photos, share=Share(number, 3)) for number in range(3)]
        assert sum(report.missing for report in reports) == one.missing == 20
        ended = finalize(tmp_path / "many")
        assert ended.missing == 20
        same(tmp_path / "many", tmp_path / "one")

    @pytest.mark.parametrize("way", ["class folders", "shards"])
    def test_one_that_kills_every_worker_costs_itself(self, tmp_path: Path, photos: Path, way: str) -> None:
        run_plan(planned(photos, **WAYS[way]), SPEC, tmp_path / "one", input=photos)
        write_picture(photos / "cats" / "crash.png", picture())
        options = [f"--{name.replace('_', '-')}={value}" for name, value in WAYS[way].items()]
        words = ["generate", "--input", "photos", "--output", "many", *options, "--engine", "processes", "--jobs", "2", "--shard", "0/1"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            [sys.executable, "-c", HOOK, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert ended.returncode == 1
        assert "crash.png: the decoder was killed by SIGSEGV; 20 files missing" in ended.stderr.splitlines()[0]
        assert finalize(tmp_path / "many").missing == 20
        if way == "class folders":
            assert pictures(tmp_path / "many") == pictures(tmp_path / "one")

    @pytest.mark.parametrize("way", ["class folders", "shards"])
    def test_one_that_was_mended_is_made_by_the_same_command(self, tmp_path: Path, photos: Path, way: str) -> None:
        good = (photos / "cats" / "3.png").read_bytes()
        plan = planned(photos, **WAYS[way])
        run_plan(plan, SPEC, tmp_path / "one", input=photos)
        (photos / "cats" / "3.png").write_bytes(b"nothing")
        for number in range(2):
            run_share(plan, SPEC, tmp_path / "many", input=photos, share=Share(number, 2))
        (photos / "cats" / "3.png").write_bytes(good)
        made_by_many(plan, tmp_path / "many", photos, of=2)
        same(tmp_path / "many", tmp_path / "one")


def rows(numbers: list[tuple[int, bool, int]], split: bool) -> list[Row]:
    """Rows with so many copies, an original or none, and a part."""
    made = []
    for i, (copies, original, part) in enumerate(numbers):
        source = Source(f"/p/c/{i}.jpg", f"c/{i}.jpg", "c", "c")
        made.append(Row(source, copies, "jpg", with_original=original, part=("train", "val")[part] if split else ""))
    return made


def each(segments: list[Segment]) -> list[tuple[str, int]]:
    """Files, one by one; -1 is the original."""
    found = []
    for segment in segments:
        found += [(segment.row.source.key, -1)] if segment.original else []
        found += [(segment.row.source.key, copy) for copy in segment.copies]
    return found


class TestCut:
    @settings(max_examples=300)
    @given(
        numbers=st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 1)), min_size=1, max_size=9),
        there=st.lists(st.integers(0, 40), min_size=9, max_size=9),
        samples=st.integers(1, 30),
        packed=st.booleans(),
        split=st.booleans(),
    )
    def test_units_are_the_plans_work_in_its_order(
        self, numbers: list[tuple[int, bool, int]], there: list[int], samples: int, packed: bool, split: bool
    ) -> None:
        store = Store("webdataset", ShardSize(samples)) if packed else None
        plan = Plan(tuple(rows(numbers, split)), None, store, Split.parse("train=0.5,val=0.5") if split else None)
        listed = Listed()
        for row, have in zip(plan.rows, there, strict=False):
            for copy in range(min(have, row.copies)):
                listed.copies.setdefault(row.series[0], Numbers()).add(copy)
            if have % 3 == 0:
                listed.originals.add(row.original)
        cut = Cut(plan, listed)
        units = [cut.unit(number) for number in range(len(cut))]
        assert [len(unit) for unit in units] == [cut.files_of(number) for number in range(len(cut))]
        whole = each([segment for unit in plan.units(listed, 7) for segment in unit])
        for part in ("train", "val") if split and packed else ("",):
            of_part = {row.source.key for row in plan.rows if part in ("", row.part)}
            found = each([segment for unit in units if unit.part == part for segment in unit.segments])
            assert found == [one for one in whole if one[0] in of_part]
        assert sum(map(len, units)) == cut.files == len(whole)

    def test_a_billion_copies_of_one_picture_are_cut_at_once(self) -> None:
        plan = Plan(tuple(rows([(10**9, True, 0)], False)), None, Store("webdataset", ShardSize(10_000)))
        cut = Cut(plan, Listed())
        assert len(cut) == 100_001
        assert sum(map(len, cut.unit(77_777).segments)) == 10_000
        assert cut.unit(77_777).segments[0].copies.start == 777_769_999

    def test_a_set_with_holes_is_mended_first(self, tmp_path: Path, photos: Path) -> None:
        run_plan(planned(photos, copies=5), SPEC, tmp_path / "set", input=photos)
        (tmp_path / "set" / "cats" / "0.png_00002.png").unlink()
        with pytest.raises(PlanError, match="copies 2 to 2 were removed, later ones stand; mend it by the same command without --shard"):
            run_share(planned(photos, copies=9), SPEC, tmp_path / "set", input=photos)


class TestEnd:
    def test_what_is_missing_is_named(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=40)
        run_share(plan, SPEC, tmp_path / "many", share=Share(1, 3))
        with pytest.raises(WriteError, match=r"5 of 8 units are not made yet \(0, 2, 3, 5, 6\)") as caught:
            finalize(tmp_path / "many")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "many" / "run.json").exists()

    def test_one_that_was_killed_half_way_is_ended_by_the_next(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=20)
        run_plan(plan, SPEC, tmp_path / "one", input=photos)
        for number in range(2):
            run_share(plan, SPEC, tmp_path / "many", input=photos, share=Share(number, 2))
        manifest = (tmp_path / "one" / "manifest.jsonl").read_bytes()
        for size in (0, 1, len(manifest) // 2, len(manifest)):
            (tmp_path / "many" / "manifest.jsonl").write_bytes(manifest[:size])
            if size == len(manifest):
                (tmp_path / "many" / "run.json").write_bytes((tmp_path / "one" / "run.json").read_bytes())
            else:
                with pytest.raises(AugxError):
                    run_plan(plan, SPEC, tmp_path / "many", input=photos)
        finalize(tmp_path / "many")
        same(tmp_path / "many", tmp_path / "one")
        assert finalize(tmp_path / "many").notes == ("the set is whole already; nothing to do",)

    def test_sources_that_changed_meanwhile_are_found(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=40)
        run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        write_picture(photos / "cats" / "1.png", picture(seed=77))
        run_share(plan, SPEC, tmp_path / "many", share=Share(1, 2))
        with pytest.raises(WriteError, match=r"cats/1\.png changed while the fleet was at work: units 0 and 1"):
            finalize(tmp_path / "many")

    @pytest.mark.parametrize("cut", [1, 200], ids=["its last byte", "a line"])
    def test_a_receipt_that_was_cut_is_named(self, tmp_path: Path, photos: Path, cut: int) -> None:
        run_share(planned(photos, copies=10), SPEC, tmp_path / "many")
        receipt = sorted((tmp_path / "many").glob(".augx-unit-*"))[0]
        lines = receipt.read_bytes().splitlines(keepends=True)
        receipt.write_bytes(b"".join(lines)[:-1] if cut == 1 else b"".join(lines[:-1]))
        with pytest.raises(OutputError, match=rf"{receipt.name}: a damaged receipt; remove it"):
            finalize(tmp_path / "many")

    def test_a_folder_of_others_is_left_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "others").mkdir()
        with pytest.raises(OutputError, match="no fleet is at work here"):
            finalize(tmp_path / "others")
        assert not tree(tmp_path / "others")

    def test_how_far_it_is(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=40)
        (photos / "dogs" / "5.png").write_bytes(b"")
        run_share(plan, SPEC, tmp_path / "many", share=Share(1, 2))
        half = status(tmp_path / "many")
        assert (half.state, half.planned, half.units, half.done) == ("fleet", 480, 8, 4)
        run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        assert status(tmp_path / "many").failures == {"the file is empty": 40}
        finalize(tmp_path / "many")
        whole = status(tmp_path / "many")
        assert (whole.state, whole.made, dict(whole.failures)) == ("incomplete", 440, {"the file is empty": 40})


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("3/3", "--shard 3/3: there is no such share; expected one from 0/3 to 2/3"),
            ("1", "--shard 1: expected NUMBER/OF, such as 0/3"),
            ("-1/3", "--shard -1/3: expected NUMBER/OF"),
            ("a/b", "--shard a/b: expected NUMBER/OF"),
            ("0/0", "--shard 0/0: there is no such share"),
            ("١/٣", "expected NUMBER/OF"),
        ],
    )
    def test_a_share_that_is_none(self, text: str, words: str) -> None:
        with pytest.raises(PlanError) as caught:
            Share.parse(text)
        assert words in str(caught.value)

    @pytest.mark.parametrize(
        ("amount", "other", "words"),
        [
            ({"copies": 9}, {"copies": 10}, "copies 108, here 120"),
            ({"copies": 9}, {"copies": 9, "originals": True}, "originals False, here True"),
            ({"copies": 9, "to": "webdataset", "shard_size": "20"}, {"copies": 9, "to": "webdataset", "shard_size": "10"}, "store"),
            ({"copies": 9}, {"copies": 9, "to": "webdataset"}, "store"),
            ({"copies": 9, "to": "csv"}, {"copies": 10, "to": "csv"}, "copies 108, here 120"),
        ],
    )
    def test_two_fleets_in_one_output(
        self, tmp_path: Path, photos: Path, amount: dict[str, Any], other: dict[str, Any], words: str
    ) -> None:
        run_share(planned(photos, **amount), SPEC, tmp_path / "many", share=Share(0, 2))
        before = tree(tmp_path / "many")
        with pytest.raises(OutputError, match="a fleet with another plan is at work here") as caught:
            run_share(planned(photos, **other), SPEC, tmp_path / "many", share=Share(1, 2))
        assert words in str(caught.value)
        assert tree(tmp_path / "many") == before

    def test_another_spec_and_a_source_more(self, tmp_path: Path, photos: Path) -> None:
        run_share(planned(photos, copies=9), SPEC, tmp_path / "many", share=Share(0, 2))
        other = load_spec("tutorial", overrides=["seed=5"])
        with pytest.raises(OutputError, match="seed"):
            run_share(plan_copies(find_sources(photos), other, copies=9), other, tmp_path / "many", share=Share(1, 2))
        write_picture(photos / "cats" / "new.png", picture())
        with pytest.raises(OutputError, match="sources 12, here 13"):
            run_share(planned(photos, copies=9), SPEC, tmp_path / "many", share=Share(1, 2))

    def test_a_single_run_where_many_are_at_work_and_the_other_way_round(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=9)
        run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        with pytest.raises(OutputError, match=r"a fleet \(--shard\) is at work here; end it by augx finalize"):
            run_plan(plan, SPEC, tmp_path / "many", input=photos)
        write_picture(tmp_path / "other" / "cats" / "0.png_00001.png", picture())
        with pytest.raises(OutputError, match="a file that augx did not make"):
            run_share(plan, SPEC, tmp_path / "other", share=Share(0, 2))

    @pytest.mark.parametrize(
        ("options", "words"),
        [({"to": "npy"}, "one run makes an array"), ({"to": "webdataset", "shard_size": "1MB"}, "use a number of samples")],
    )
    def test_what_only_one_run_can_make(self, tmp_path: Path, options: dict[str, Any], words: str) -> None:
        write_picture(tmp_path / "one" / "cats" / "a.png")
        with pytest.raises(PlanError, match=words):
            run_share(planned(tmp_path / "one", copies=3, **options), SPEC, tmp_path / "many")

    @pytest.mark.parametrize(
        "data", [b"", b"{}", b"[]", b"\xff", b'{"augx": "0.0.1", "digest": 3}'], ids=["empty", "bare", "a list", "bytes", "other"]
    )
    def test_a_fleet_file_that_is_none(self, tmp_path: Path, photos: Path, data: bytes) -> None:
        (tmp_path / "many").mkdir()
        (tmp_path / "many" / ".augx-fleet.json").write_bytes(data)
        with pytest.raises(OutputError) as caught:
            run_share(planned(photos, copies=3), SPEC, tmp_path / "many")
        assert "\n" not in str(caught.value)

    def test_another_version(self, tmp_path: Path, photos: Path) -> None:
        plan = planned(photos, copies=9)
        run_share(plan, SPEC, tmp_path / "many", share=Share(0, 2))
        path = tmp_path / "many" / ".augx-fleet.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "augx": "0.0.1"}))
        with pytest.raises(OutputError, match=r"a fleet of augx 0\.0\.1 is at work here, this is"):
            run_share(plan, SPEC, tmp_path / "many", share=Share(1, 2))

    def test_no_fleet_to_end_or_to_look_at(self, tmp_path: Path) -> None:
        for look in (finalize, status):
            with pytest.raises(OutputError):
                look(tmp_path / "nothing")  # type: ignore[operator]


def test_twelve_kills_of_a_share_leave_the_tree_of_one_run(tmp_path: Path, photos: Path) -> None:
    chance = random.Random(9)
    for way in ("class folders", "shards"):
        amount = {**WAYS[way], "copies": 60}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in amount.items()]
        run_plan(planned(photos, **amount), SPEC, tmp_path / way / "one", input=photos)
        kills = 0
        while kills < 6:
            number = chance.randrange(2)
            command = [sys.executable, "-m", "augx", "generate", "--input", str(photos), "--output", str(tmp_path / way / "many"), *options]
            command += ["--shard", f"{number}/2", "--quiet", "--engine", chance.choice(["threads", "processes"])]
            process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
            try:
                process.wait(chance.uniform(0.3, 1.2))
                assert process.returncode == 0
            except subprocess.TimeoutExpired:
                pass
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            process.wait()
            kills += 1
        made_by_many(planned(photos, **amount), tmp_path / way / "many", photos, of=2)
        same(tmp_path / way / "many", tmp_path / way / "one")


def test_numbers_are_whole(photos: Path, tmp_path: Path) -> None:
    """Each share's planned files are its units', and all shares' are the plan's."""
    plan = planned(photos, copies=40)
    reports = [run_share(plan, SPEC, tmp_path / "many", share=Share(number, 3)) for number in range(3)]
    assert sum(report.planned for report in reports) == plan.files
    assert np.all([report.planned == report.made + report.kept for report in reports])
