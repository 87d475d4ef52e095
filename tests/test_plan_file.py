"""Saved plans: what is opened is what was saved, damage is one line, and planning source by source writes the same file."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augx import PlanError, find_sources, load_spec, plan_copies
from augx.amounts import copies_of
from augx.annotations.base import Layout
from augx.errors import AugxError
from augx.listed import Listed
from augx.packing.forms import ArrayForm
from augx.packing.sizes import ShardSize
from augx.packing.store import Store
from augx.plan import Plan
from augx.plan_file import open_plan, save_plan
from augx.plans.ordered import HeldError, ordered_sources
from augx.plans.shares import shares
from augx.plans.streamed import save_ordered
from augx.plans.table import MAGIC, RowTable, table_digest
from augx.rows import Row
from augx.sources import Part, Pixels, Source
from augx.split import Split
from tests.conftest import Run, picture, pictures, tree, write_picture

SPEC = load_spec("tutorial", ["seed=3", "output.format=png"])
MANY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

_CHARS = st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0") | st.sampled_from('é\udcff\n" \\')
_NAME = st.text(_CHARS, min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))
_PATH = st.lists(_NAME, min_size=1, max_size=3).map("/".join)
_PIXELS = st.builds(Pixels, st.sampled_from(["|u1", ">u2", "<f4"]), st.sampled_from([(4, 5), (4, 5, 3), (3, 4, 5)]), st.booleans())
_PART = st.builds(Part, st.integers(0, 2**60), st.integers(0, 2**40), st.text(_CHARS), st.none() | _PIXELS)


@st.composite
def _rows(draw: st.DrawFn) -> Row:
    label = draw(_NAME | st.just(""))
    folder = draw(st.sampled_from([label, f"{label}/deep".lstrip("/")]))
    path = draw(_PATH.map("/{}".format) | st.just("s3://bucket/a b.jpg"))
    relabelled = draw(st.lists(st.tuples(_NAME, st.integers(0, 9)), max_size=2)) if label else ()
    part = draw(st.none() | _PART)
    columns = draw(st.dictionaries(st.text(_CHARS, max_size=4), st.text(_CHARS, max_size=4), max_size=2))
    masks = draw(st.lists(st.tuples(_NAME, _PATH.map("/{}".format)), max_size=2))
    source = Source(path, draw(_PATH), label, folder, part, columns, None, tuple(masks), draw(st.sampled_from(["", "no mask"])))
    numbers = draw(st.integers(0, 2**40)), draw(st.sampled_from(["jpg", "png", "npy"]))
    side, top = draw(st.sampled_from([("", ""), ("train", "train"), ("val", "images/val")]))
    return Row(source, *numbers, tuple(relabelled), draw(st.booleans()), side, top)


_PLANS = st.builds(
    Plan,
    st.lists(_rows(), max_size=7).map(tuple),
    st.sampled_from([None, Layout(), Layout(parts=("train", "val"))]),
    st.sampled_from(
        [None, Store("webdataset", ShardSize(64)), Store("webdataset", ShardSize(0, 10**8)), Store("npy", None, ArrayForm((3, 4), "<u2"))]
    ),
    st.sampled_from([None, Split((("train", 2 / 3), ("val", 1 / 3)), "patient", 5)]),
    st.sampled_from([(), ("/photos",)]),
    st.sampled_from([{}, {"input": "/a.csv", "image_column": "path"}]),
    st.sampled_from([(), ("a remark",)]),
)


@MANY
@given(_PLANS)
def test_what_is_opened_is_what_was_saved(tmp_path: Path, plan: Plan) -> None:
    save_plan(plan, SPEC, tmp_path / "plan")
    found, spec = open_plan(tmp_path / "plan")
    assert found == plan and spec.canonical() == SPEC.canonical() and spec.hash == SPEC.hash
    assert [found.rows[i] for i in range(len(plan.rows))] == list(found.rows) == list(plan.rows) == list(found.rows[:])
    assert (found.copies, found.originals, found.files, found.classes()) == (plan.copies, plan.originals, plan.files, plan.classes())
    assert {part: found.classes(part) for part in ("train", "val")} == {part: plan.classes(part) for part in ("train", "val")}
    assert isinstance(found.rows, RowTable)
    assert found.rows.copies.tolist() == [row.copies for row in plan.rows]
    assert found.rows.originals.tolist() == [row.with_original for row in plan.rows]
    assert found.ranks().tolist() == plan.ranks().tolist() and table_digest(found.rows) == table_digest(plan.rows)
    assert found.shares() == plan.shares()


@MANY
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=9), st.sampled_from([None, Store("webdataset", ShardSize(32))]), st.integers(1, 30)
)
def test_the_same_units(tmp_path: Path, copies: list[int], store: Store | None, size: int) -> None:
    rows = tuple(Row(Source(f"/in/{i}.jpg", f"x/{i}.jpg", "x", "x"), n, "jpg", (), i % 3 == 0) for i, n in enumerate(copies))
    plan = Plan(rows, None, store)
    save_plan(plan, SPEC, tmp_path / "plan")
    found, _ = open_plan(tmp_path / "plan")
    assert list(found.units(Listed(), size)) == list(plan.units(Listed(), size))


def test_rows_go_to_other_processes(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 40)
    save_plan(plan, SPEC, tmp_path / "plan")
    found, _ = open_plan(tmp_path / "plan")
    again = pickle.loads(pickle.dumps(found))
    assert again == plan and len(pickle.dumps(found)) < 2000
    assert again.rows[-1] == plan.rows[-1] and again.rows[3:9:2] == plan.rows[3:9:2]
    with pytest.raises(IndexError):
        again.rows[40]


def test_paths_hold_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(tmp_path / "photos" / "cats" / "a.jpg")
    monkeypatch.chdir(tmp_path)
    save_plan(plan_copies(find_sources("photos"), SPEC, copies=2), SPEC, "plan")
    monkeypatch.chdir("/")
    plan, _ = open_plan(tmp_path / "plan")
    assert plan.rows[0].source.path == str(tmp_path / "photos/cats/a.jpg") and plan.found_in == (str(tmp_path / "photos"),)


def test_the_digest_is_of_names_and_numbers_not_of_where_sources_lie(tmp_path: Path) -> None:
    def digest(plan: Plan) -> bytes:
        save_plan(plan, SPEC, tmp_path / "plan")
        rows = open_plan(tmp_path / "plan")[0].rows
        assert isinstance(rows, RowTable)
        return rows.digest

    first = digest(plan_of(tmp_path, 5))
    assert first == digest(plan_of(tmp_path / "moved", 5)) and len(first) == 32
    assert (
        len({first, digest(plan_of(tmp_path, 4)), digest(plan_of(tmp_path, 5, copies=4)), digest(plan_of(tmp_path, 5, originals=True))})
        == 4
    )


def plan_of(root: Path, n: int, copies: int = 3, **options: Any) -> Plan:
    sources = [Source(f"{root}/{i % 3}/{i:03}.jpg", f"{i % 3}/{i:03}.jpg", str(i % 3), str(i % 3)) for i in range(n)]
    return plan_copies(sources, SPEC, copies=copies, **options)


# Damage.


def test_every_damaged_byte_is_found(tmp_path: Path) -> None:
    save_plan(plan_of(tmp_path, 6), SPEC, tmp_path / "plan")
    data = (tmp_path / "plan").read_bytes()
    plan, _ = open_plan(tmp_path / "plan")
    refused = 0
    for place in range(0, len(data), 3):
        (tmp_path / "bad").write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            found, _ = open_plan(tmp_path / "bad")
            assert found == plan  # a byte that only fills up
        except PlanError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).startswith(f"{tmp_path}/bad: ")
    assert refused >= len(data) // 3 - 3


def test_every_cut_is_found(tmp_path: Path) -> None:
    save_plan(plan_of(tmp_path, 6), SPEC, tmp_path / "plan")
    data = (tmp_path / "plan").read_bytes()
    for size in range(0, len(data), 7):
        (tmp_path / "bad").write_bytes(data[:size])
        with pytest.raises(PlanError, match="make the plan again by augx plan --save"):
            open_plan(tmp_path / "bad")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "this is empty, or no file"),
        (b"file,label\na.jpg,cat\n", "this is no plan of augx"),
        (b"augx plan 7\n" + b"x" * 99, "a plan of another augx"),
        (MAGIC, "damaged or cut short"),
        (MAGIC + b"0" * 16 + b" 00000000\n", "damaged or cut short"),
    ],
    ids=["empty", "a table", "a later form", "the first line alone", "a tail of noughts"],
)
def test_what_is_no_plan(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(PlanError, match=words):
        open_plan(tmp_path / "x")


@pytest.mark.parametrize("name", ["missing", "folder", "a\0b", ""])
def test_no_file_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PlanError):
        open_plan(f"{tmp_path}/{name}" if name else "")


def test_a_plan_of_another_version(tmp_path: Path) -> None:
    rewrite(tmp_path, lambda line: line, lambda head: head | {"augx": "0.0.1"})
    with pytest.raises(PlanError, match=r"a plan of augx 0.0.1, this is"):
        open_plan(tmp_path / "plan")


@pytest.mark.parametrize(
    "change",
    [
        {"label": "..", "folder": "../.."},
        {"folder": "/etc"},
        {"key": "a/.."},
        {"format": "exe"},
        {"label": 3},
        {"masks": [["../m", "/x.png"]]},
        {"relabelled": [["../b", 1]]},
        {"relabelled": [["b", 1]], "folder": "other"},
        {"columns": {"a": 1}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_plan_from_somebody_else_leads_nowhere_else(tmp_path: Path, change: dict[str, Any]) -> None:
    """With right sums: only what the rows say is wrong."""
    rewrite(tmp_path, lambda line: json.dumps(json.loads(line) | change).encode() + b"\n", lambda head: head)
    plan, _ = open_plan(tmp_path / "plan")
    with pytest.raises(PlanError, match="row 1 is damaged"):
        list(plan.rows)


def rewrite(root: Path, line: Callable[[bytes], bytes], head: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A plan of one row, changed in a row or in what stands about it, with all sums put right."""
    save_plan(plan_of(root, 1), SPEC, root / "plan")
    data = (root / "plan").read_bytes()
    begin = int(data[-26:-10], 16)
    told = json.loads(data[begin:-26])
    row = line(data[len(MAGIC) :].splitlines(keepends=True)[0])
    rows = MAGIC + row + b"\n" * (-(len(MAGIC) + len(row)) % 8)
    arrays = {
        "starts": np.array([len(MAGIC), len(MAGIC) + len(row)], "<u8"),
        "copies": np.array([3], "<i8"),
        "ranks": np.array([0], "<u8"),
        "sums": np.array([zlib.crc32(row)], "<u4"),
        "parts": np.array([0], "<u2"),
        "originals": np.array([0], "|u1"),
    }
    table = b"".join(array.tobytes() for array in arrays.values())
    told |= {"table": len(rows), "sums": {name: zlib.crc32(array.tobytes()) for name, array in arrays.items()}}
    text = json.dumps(head(told)).encode() + b"\n"
    (root / "plan").write_bytes(rows + table + text + f"{len(rows + table):016x} {zlib.crc32(text):08x}\n".encode())


# Saving.


def test_a_set_with_objects_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "a.jpg")
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 33, "height": 24}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}],
    }
    (tmp_path / "in" / "c.json").write_text(json.dumps(document))
    plan = plan_copies(find_sources(tmp_path / "in" / "c.json"), SPEC, copies=2)
    with pytest.raises(PlanError, match="the objects of this coco set are read from its own files"):
        save_plan(plan, SPEC, tmp_path / "plan")
    assert not (tmp_path / "plan").exists()


def test_only_a_plan_is_replaced(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 2)
    save_plan(plan_of(tmp_path, 3), SPEC, tmp_path / "plan")
    save_plan(plan, SPEC, tmp_path / "plan")
    assert open_plan(tmp_path / "plan")[0] == plan
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    for name in ("notes.txt", "folder", "missing/plan", "folder/", ""):
        with pytest.raises(AugxError, match="--save"):
            save_plan(plan, SPEC, f"{tmp_path}/{name}" if name else "")
    assert (tmp_path / "notes.txt").read_text() == "mine" and sorted(os.listdir(tmp_path)) == ["folder", "notes.txt", "plan"]


def test_what_lies_in_a_temporary_copy_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((2, 8, 8, 3), np.uint8), y=np.array([0, 1]))
    plan = plan_copies(find_sources(tmp_path / "x.npz"), SPEC, copies=2)
    with pytest.raises(PlanError, match="a temporary copy that ends with this command"):
        save_plan(plan, SPEC, tmp_path / "plan")
    assert os.listdir(tmp_path) == ["x.npz"]


def test_numbers_beyond_a_file(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="a saved plan has at most"):
        save_plan(plan_of(tmp_path, 1, copies=2**63), SPEC, tmp_path / "plan")


# Source by source.


@MANY
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.integers(1, 70),
    st.sampled_from(["total", "copies", "per_class"]),
    st.booleans(),
)
def test_the_same_shares(labels: list[int], n: int, amount: str, totals: bool) -> None:
    names = list(dict.fromkeys(map(str, labels)))
    sources = [Source("", "", str(label), "") for label in labels]
    special = {names[-1]: 5} if totals and amount != "total" else {}
    amounts = {name: n if name == amount else None for name in ("total", "copies", "per_class")}
    wanted, _ = copies_of(sources, **amounts, class_totals=special)  # type: ignore[arg-type]
    classes = np.array([names.index(str(label)) for label in labels], np.int32)
    assert shares(classes, names, **amounts, totals=special).tolist() == wanted


def both(root: Path, input: Path, how: dict[str, Any], spec: Any = SPEC, **options: Any) -> tuple[bytes | str, bytes | str]:
    """The plan's file made from the list and source by source, or what is said instead."""

    def made(make: Callable[[Path], None], path: Path) -> bytes | str:
        try:
            make(path)
            return path.read_bytes()
        except PlanError as error:
            return str(error)

    def of_list(path: Path) -> None:
        save_plan(plan_copies(find_sources(input, **how), spec, **options), spec, path)

    def ordered(path: Path) -> None:
        found = ordered_sources(str(input), **how)
        save_ordered(found, spec, path, **options)
        assert tuple(found.notes) == find_sources(input, **how).notes

    return made(of_list, root / "list.plan"), made(ordered, root / "ordered.plan")


_KEYS = st.lists(st.text("ab._-1é", min_size=1, max_size=4), min_size=1, max_size=2).map(lambda parts: "/".join(parts) + ".jpg")


@MANY
@given(
    st.dictionaries(_KEYS, st.sampled_from("xyz"), min_size=1, max_size=12), st.sampled_from(["total", "copies", "per_class"]), st.data()
)
def test_a_table_gives_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: dict[str, str], amount: str, data: st.DataObject
) -> None:
    monkeypatch.setattr("augx.plans.ordered._RUN", 3)  # several runs to merge
    lines = [f"{key},{label},{i}" for i, (key, label) in enumerate(rows.items())]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,note", *data.draw(st.permutations(lines))]) + "\n")
    options = {
        amount: data.draw(st.integers(1, 40)),
        "originals": data.draw(st.booleans()),
        "to": data.draw(st.sampled_from(["", "webdataset"])),
    }
    by_list, ordered = both(tmp_path, tmp_path / "t.csv", {}, **options)
    assert by_list == ordered


@MANY
@given(st.sets(_KEYS.filter(lambda key: all(part.strip(".") for part in key.split("/"))), min_size=1, max_size=12), st.booleans())
def test_folders_give_the_same_file(tmp_path_factory: pytest.TempPathFactory, keys: set[str], originals: bool) -> None:
    root = tmp_path_factory.mktemp("tree")
    for key in keys:
        try:
            (root / "in" / key).parent.mkdir(parents=True, exist_ok=True)
            (root / "in" / key).touch()
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    by_list, ordered = both_or_held(root, root / "in", copies=3, originals=originals)
    assert by_list == ordered


def both_or_held(root: Path, input: Path, **options: Any) -> tuple[bytes | str, bytes | str]:
    try:
        return both(root, input, {}, **options)
    except HeldError:
        return "held", "held"


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (["a.jpg,x", "A.jpg,x"], {"copies": 1}),
        (["a.jpg,x", "b.jpg,x", "B.JPG,x", "A.jpg,x", "b.jpg.jpg,x"], {"copies": 1}),
        (["a.jpg,x", "a_00003.jpg,x"], {"copies": 4, "originals": True}),
        (["a.jpg,x", "a_00003.jpg,x"], {"copies": 3, "originals": True}),
        (["a.png,x", "A.PNG,x"], {"copies": 1, "originals": True}),
        ([f"{'n' * 250}.jpg,x", "b.jpg,x"], {"copies": 1}),
        ([f"{'n' * 245}.jpg,x", "b.jpg,x"], {"copies": 99_999}),
        ([f"{'n' * 245}.jpg,x", "b.jpg,x"], {"copies": 1_000_000}),
        (["a.jpg,report.html"], {"copies": 1}),
        (["a.jpg,index.json"], {"copies": 1, "to": "webdataset"}),
        (["a.jpg,x"], {"copies": 0}),
        (["a.jpg,x"], {}),
        (["a.jpg,x"], {"copies": 1, "total": 2}),
        (["a.jpg,x"], {"copies": 1, "shard_size": "3"}),
        (["a.jpg,x"], {"copies": 1, "to": "nowhere"}),
        (["a.jpg"], {"copies": 1}),
        (["../a.jpg,x", "b.jpg,.hidden"], {"copies": 1}),
        (["a,x", "b,X"], {"copies": 1}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_told_in_the_same_words(tmp_path: Path, rows: list[str], options: dict[str, Any]) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    try:
        by_list, ordered = both(tmp_path, tmp_path / "t.csv", {}, load_spec("tutorial"), **options)
    except HeldError:
        assert options.get("to") == "nowhere"
        return
    assert by_list == ordered
    assert not (tmp_path / "ordered.plan").exists() or isinstance(by_list, bytes)


def test_pictures_too_deep_or_too_large_are_told_in_the_same_words(tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "x" / "a.png", picture(dtype=np.uint16))
    write_picture(tmp_path / "in" / "x" / "b.png")
    for settings_, words in (
        (["output.format=jpg"], "16 bits a channel"),
        (["output.format=webp", "output.size=[20000, 2]"], "at most 16383"),
    ):
        by_list, ordered = both(tmp_path, tmp_path / "in", {}, load_spec("tutorial", settings_), copies=1)
        assert by_list == ordered and words in str(by_list)


@pytest.mark.parametrize(
    ("how", "options"),
    [({"mask_columns": ("m",)}, {}), ({}, {"to": "csv"}), ({}, {"to": "npy"}), ({}, {"total": 2**61})],
    ids=["masks", "an index", "an array", "a huge number"],
)
def test_what_needs_the_whole_list_says_so(tmp_path: Path, how: dict[str, Any], options: dict[str, Any]) -> None:
    (tmp_path / "t.csv").write_text("path,label,m\na.jpg,x,m.png\n")
    with pytest.raises(HeldError):
        save_ordered(
            ordered_sources(str(tmp_path / "t.csv"), **how),
            SPEC,
            tmp_path / "plan",
            **({"copies": 1} | options if "total" not in options else options),
        )
    assert os.listdir(tmp_path) == ["t.csv"]


def test_rows_that_are_there_twice_need_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augx.plans.ordered._RUN", 2)
    for rows in ("a.jpg,x\na.jpg,x\n", "a.jpg,x\nb.jpg,x\nc.jpg,x\na.jpg,y\n"):
        (tmp_path / "t.csv").write_text(f"path,label\n{rows}")
        with pytest.raises(HeldError):
            list(ordered_sources(str(tmp_path / "t.csv")).sources)


# The commands.


def test_a_saved_plan_makes_the_same_set(augx: Run, class_folders: Path, tmp_path: Path) -> None:
    what = ("--input", "photos", "--total", "23", "--originals", "--seed", "9", "--format", "png")
    done = augx("plan", *what, "--save", "p.plan")
    assert done.returncode == 0 and b"the plan of 5 pictures is in p.plan" in done.stderr and done.stdout.startswith(b"class")
    assert augx("generate", *what, "--output", "direct").returncode == 0
    assert augx("generate", "--plan", "p.plan", "--output", "planned").returncode == 0
    assert tree(tmp_path / "planned") == tree(tmp_path / "direct")
    again = augx("generate", "--plan", "p.plan", "--output", "planned")
    assert again.returncode == 0 and b"28 were there already" in again.stderr
    assert augx("plan", "--plan", "p.plan", "--json").returncode == 0


@pytest.mark.parametrize(
    "more",
    [("--split", "train=0.5,val=0.5"), ("--balance", "max"), ("--to", "csv", "--copies", "2"), ("--to", "webdataset", "--copies", "2")],
    ids=["split", "balance", "index", "shards"],
)
def test_what_is_planned_as_a_list_is_saved_too(augx: Run, class_folders: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    what = ("--input", "photos", *more, *(("--copies", "2") if "--split" in more else ()))
    write_picture(class_folders / "dogs" / "f.png")
    assert augx("plan", *what, "--save", "p.plan").returncode == 0
    assert augx("generate", *what, "--output", "direct").returncode == 0
    assert augx("generate", "--plan", "p.plan", "--output", "planned", "--jobs", "2").returncode == 0
    assert tree(tmp_path / "planned") == tree(tmp_path / "direct")


def test_masks_arrays_and_tars_are_found_again(augx: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "a" / "1.png")
    write_picture(tmp_path / "masks" / "a" / "1.png", picture(channels=1))
    np.save(tmp_path / "x.npy", np.stack([picture(seed=i) for i in range(3)]))
    (tmp_path / "list").write_text("in/a/1.png\n")
    assert augx("generate", "--input", "in", "--to", "webdataset", "--copies", "4", "--output", "tars").returncode == 0
    inputs: list[tuple[str, ...]] = [("--input", "in", "--masks", "masks"), ("--input", "x.npy", "--label", "x")]
    inputs += [("--input", "tars/shard-000000.tar"), ("--images-from", "list"), ("--image", "in/a/1.png")]
    for i, what in enumerate(inputs):
        assert augx("plan", *what, "--copies", "2", "--save", "p.plan").returncode == 0
        assert augx("generate", *what, "--copies", "2", "--output", f"direct{i}").returncode == 0
        assert augx("generate", "--plan", "p.plan", "--output", f"planned{i}").returncode == 0
        assert pictures(tmp_path / f"planned{i}") == pictures(tmp_path / f"direct{i}")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("generate", "--plan", "p"), "--plan needs --output DIR"),
        (("generate", "--plan", "p", "--output", "o", "--input", "photos"), "--input does not go with --plan p"),
        (("generate", "--plan", "p", "--output", "o", "--spec", "tutorial"), "--spec does not go with --plan p"),
        (("generate", "--plan", "p", "--output", "o", "--copies", "3"), "--copies does not go with --plan p"),
        (("generate", "--plan", "p", "--output", "o", "--seed", "0"), "--seed does not go with --plan p"),
        (("generate", "--plan", "p", "--output", "o"), "p: can't read this plan: No such file or directory"),
        (("generate", "--plan", "photos", "--output", "o"), "this is empty, or no file"),
        (("plan", "--plan", "p", "--save", "q"), "--save does not go with --plan"),
        (("plan", "--input", "photos", "--copies", "1", "--save", "photos"), "--save photos: there is a file of this name that is no plan"),
        (("plan", "--input", "photos", "--copies", "1", "--price", "cheap"), "--price"),
        (("plan", "--input", "photos", "--copies", "1", "--price", "1"), "--price"),
        (("plan", "--input", "photos", "--copies", "1", "--price", "1,-2"), "--price"),
        (("plan", "--input", "photos", "--copies", "1", "--price", "nan,2"), "--price"),
    ],
    ids=lambda value: " ".join(value[3:]) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line(augx: Run, class_folders: Path, args: tuple[str, ...], words: str) -> None:
    done = augx(*args)
    assert done.returncode == 2 and words in done.stderr.decode() and b"Traceback" not in done.stderr
    assert done.stderr.strip().count(b"\n") == 0 and not done.stdout


def test_the_options_that_a_plan_answers_are_all_known() -> None:
    from augx.commands.plan import plan
    from augx.commands.saved import _SAYS

    assert {one.name for one in plan.params} - {"jobs", "max_pixels", "as_json", "price", "save", "saved"} == set(_SAYS)


def test_prices(augx: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "x.png", picture(200, 300))
    small = ("plan", "--image", "x.png", "--total", "3", "--price", "0.04,0.023")
    text = augx(*small).stdout.decode()
    assert "core-second" in text and "less than 0.01 to make and less than 0.01 a month to keep" in text and "0.00 " not in text
    told = json.loads(augx(*small[:4], "1000000000", "--price", "0.04,0.023", "--json").stdout)
    cost, estimate = told["cost"], told["estimate"]
    assert cost["compute"] == pytest.approx(estimate["core_hours"] * 0.04) and cost["core_hour"] == 0.04
    assert cost["storage_month"] == pytest.approx(estimate["bytes"] / 1e9 * 0.023) and cost["compute"] > 1
    large = augx(*small[:4], "1000000000").stdout.decode()
    assert "core-hours in all" in large and "to keep" not in large


def test_many_sources_are_estimated_by_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as would take long to look at one by one: the sum hangs on some, each class on its own."""
    from augx.review import estimate

    for label, side in (("large", 90), ("small", 30)):
        write_picture(tmp_path / "in" / label / "0.png", picture(side, side, seed=side))
        for i in range(1, 40):
            os.link(tmp_path / "in" / label / "0.png", tmp_path / "in" / label / f"{i}.png")
    spec = load_spec("tutorial", ["output.size=[10, 10]"])
    sources = find_sources(tmp_path / "in").sources
    many = [Source(s.path, f"{s.label}/{i}-{s.name}", s.label, s.label) for i in range(60) for s in sources]
    alone = Source(sources[0].path, "zebras/1.png", "zebras", "zebras")
    plan = plan_copies([*many, alone], spec, copies=2, originals=True)
    whole = estimate.estimate_plan(plan, spec)
    monkeypatch.setattr(estimate, "_MANY", 500)
    some = estimate.estimate_plan(plan, spec)
    assert some.classes.keys() == whole.classes.keys() == plan.classes().keys()
    assert some.total.pixels == whole.total.pixels == plan.copies * 100
    assert some.total.bytes == pytest.approx(whole.total.bytes, rel=0.25)
    for label in ("large", "small"):
        assert some.classes[label].bytes == pytest.approx(whole.classes[label].bytes, rel=0.25)
