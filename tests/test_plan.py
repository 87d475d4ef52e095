"""Who gets how many copies, under which names, in which units."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import Options, PlanError, class_tree, load_spec, named_images, plan_copies, run_plan
from augx.listed import Listed, Numbers
from augx.plan import Plan
from augx.rows import folded, joined
from augx.sources import Source, named_format
from tests.conftest import picture, write_picture

SPEC = load_spec({})


def sources(*keys: str) -> list[Source]:
    return [Source(f"/nowhere/{key}", key, key.partition("/")[0] if "/" in key else "", key.rpartition("/")[0]) for key in keys]


def names(plan: Plan) -> list[str]:
    return [joined(row.source.folder, row.file_name(n, row.source.label)) for row in plan.rows for n in range(row.copies)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 80))
def test_total_is_exact_even_and_grows_by_adding(classes: list[int], total: int) -> None:
    found = sources(*(f"{label}/{i}.jpg" for label, n in enumerate(classes) for i in range(n)))
    counts = [row.copies for row in plan_copies(found, SPEC, total=total).rows]
    more = [row.copies for row in plan_copies(found, SPEC, total=total + 1).rows]
    assert sum(counts) == total and max(counts) - min(counts) <= 1
    assert all(a <= b for a, b in zip(counts, more, strict=True))


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(1, 40))
def test_what_can_not_be_divided_goes_to_the_first_of_each_class_then_to_the_second(labels: list[str], total: int) -> None:
    plan = plan_copies(sources(*(f"{label}/{i}.jpg" for i, label in enumerate(labels))), SPEC, total=total)
    base, rest = divmod(total, len(labels))
    in_turn = sorted((labels[:i].count(label), i) for i, label in enumerate(labels))
    more = {i for _, i in in_turn[:rest]}
    assert [row.copies for row in plan.rows] == [base + (i in more) for i in range(len(labels))]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(1, 40))
def test_each_class_gets_its_number(labels: list[str], n: int) -> None:
    plan = plan_copies(sources(*(f"{label}/{i}.jpg" for i, label in enumerate(labels))), SPEC, per_class=n)
    assert {label: copies for label, (_, copies, _) in plan.classes().items()} == dict.fromkeys(labels, n)
    for label in set(labels):
        counts = [row.copies for row in plan.rows if row.source.label == label]
        assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1


def test_what_can_not_be_divided_goes_round_the_classes() -> None:
    plan = plan_copies(sources("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg"), SPEC, total=8)
    assert plan.classes() == {"a": (3, 4, 4), "b": (3, 4, 4)}


@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("cat.jpg", "cat_00000.jpg"),
        ("cat.png", "cat.png_00000.png"),
        ("cat.JPG", "cat.JPG_00000.jpg"),
        ("cat.jpeg", "cat.jpeg_00000.jpg"),
        ("cat.tif", "cat.tif_00000.tiff"),
        ("cat.gif", "cat.gif_00000.png"),
        ("cat.ppm", "cat.ppm_00000.png"),
        ("cat", "cat_00000.png"),
        ("a.b.jpg", "a.b_00000.jpg"),
    ],
)
def test_names(name: str, copy: str) -> None:
    assert names(plan_copies(sources(name), SPEC, total=1)) == [copy]


def test_numbers_grow_past_five_digits() -> None:
    (row,) = plan_copies(sources("a.jpg"), SPEC, total=1).rows
    assert [row.file_name(n, "") for n in (99_999, 100_000)] == ["a_99999.jpg", "a_100000.jpg"]


@pytest.mark.parametrize(
    ("first", "second", "fmt"),
    [
        pytest.param("x/a.jpg", "x/A.jpg", "source", id="case"),
        pytest.param("x/caf\u00e9.jpg", "x/cafe\u0301.jpg", "source", id="composed and decomposed"),
        pytest.param("x/stra\u00dfe.png", "x/STRASSE.png", "source", id="case folding that changes the length"),
        pytest.param("x/a.png", "x/a.png.jpg", "png", id="an extension that stays in the stem"),
        pytest.param("X/a.jpg", "x/a.jpg", "source", id="folders"),
    ],
)
def test_clashes_are_refused_and_both_named(first: str, second: str, fmt: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_copies(sources(first, second), load_spec({"output": {"format": fmt}}), copies=1)
    assert first in str(caught.value) and second in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"), [("a.jpg", "a.png"), ("a.jpg", "a_00000.jpg"), ("a.jpg", "a.jpeg"), ("a.JPG", "a.jpg"), ("x/a.jpg", "y/a.jpg")]
)
def test_names_that_do_not_clash(first: str, second: str) -> None:
    found = names(plan_copies(sources(first, second), SPEC, copies=12))
    assert len(set(map(folded, found))) == 24


def test_an_original_with_the_name_of_a_copy() -> None:
    with pytest.raises(PlanError, match=r"a_00003\.jpg would have the name of a copy of .*a\.jpg"):
        plan_copies(sources("a.jpg", "a_00003.jpg"), SPEC, copies=4, originals=True)
    plan_copies(sources("a.jpg", "a_00004.jpg"), SPEC, copies=4, originals=True)


def test_originals_that_differ_in_case_alone() -> None:
    plan_copies(sources("cat.jpg", "cat.JPG"), SPEC, copies=1)
    with pytest.raises(PlanError, match=r"the originals .*cat\.jpg and .*cat\.JPG"):
        plan_copies(sources("cat.jpg", "cat.JPG"), SPEC, copies=1, originals=True)


def test_a_name_that_grows_too_long() -> None:
    plan_copies(sources("a" * 245 + ".jpg"), SPEC, copies=1)
    with pytest.raises(PlanError, match="longer than 255 bytes"):
        plan_copies(sources("a" * 246 + ".jpg"), SPEC, copies=1)
    with pytest.raises(PlanError, match="longer than 255 bytes"):
        plan_copies(sources("\u00e9" * 123 + ".jpg"), SPEC, copies=1)
    plan_copies(sources("\U0001f431" * 61 + ".jpg", "folder" * 40 + "/x/a.jpg"), SPEC, copies=1)
    with pytest.raises(PlanError, match="longer than 255 bytes"):
        plan_copies(sources("\U0001f431" * 62 + ".jpg"), SPEC, copies=1)
    plan_copies(sources("a" * 244 + ".jpg"), SPEC, copies=10**6)
    with pytest.raises(PlanError, match="longer than 255 bytes"):
        plan_copies(sources("a" * 244 + ".jpg"), SPEC, copies=10**6 + 1)


@given(st.text(max_size=12) | st.text(st.characters(max_codepoint=127), max_size=12))
def test_folding_a_path_ignores_case_and_form(path: str) -> None:
    assert folded(path) == unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.jpg", "jpg"),
        ("x.y/a.JPEG", "jpg"),
        ("a..tif", "tiff"),
        ("a.tar.gz", ""),
        ("x.png/a", ""),
        (".jpg", ""),
        ("x/.jpg", ""),
        ("jpg", ""),
    ],
)
def test_the_format_that_a_name_stands_for(key: str, name: str) -> None:
    assert named_format(key) == name


@pytest.mark.parametrize("fmt", ["jpg", "webp", "bmp", "png", "tiff", "source"])
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.pgm", "a", "a.data", "a.jpg", "a.webp", "a.bmp", "a.gif"])
def test_16_bits_are_never_lost_and_told_as_soon_as_the_name_lets_know(tmp_path: Path, name: str, fmt: str) -> None:
    """A picture of 16 bits by the name of a format of 8 is met when it is copied, and costs itself alone."""
    suffix = Path(name).suffix if name in ("a.tiff", "a.pgm") else ".png"
    write_picture(tmp_path / f"deep{suffix}", picture(channels=1, dtype=np.uint16)).rename(tmp_path / name)
    write_picture(tmp_path / "fine.jpg")
    spec = load_spec({"output": {"format": fmt}})
    named = "png" if fmt == "source" else fmt
    shallow = named_format(name) if fmt == "source" and named_format(name) in ("jpg", "webp", "bmp") else named
    found = named_images([tmp_path / name, tmp_path / "fine.jpg"], "x")
    if fmt in ("jpg", "webp", "bmp") and named_format(name) not in ("jpg", "webp", "bmp", "gif"):
        with pytest.raises(PlanError, match=rf"16 bits a channel, which {fmt} can't hold"):
            plan_copies(found, spec, copies=1)
        return
    report = run_plan(plan_copies(found, spec, copies=2), spec, tmp_path / "out", options=Options(jobs=1, engine="threads"))
    lost = [(failure.source, failure.reason) for failure in report.failures]
    words = f"16 bits a channel, which {shallow} can't hold; use --format png or tiff"
    assert lost == ([(str(tmp_path / name), words)] if shallow in ("jpg", "webp", "bmp") else []) and report.made == 4 - 2 * len(lost)


def listed(present: dict[str, set[int]]) -> Listed:
    found = Listed()
    for stem, numbers in present.items():
        found.copies[stem] = Numbers()
        for n in numbers:
            found.copies[stem].add(n)
    return found


@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    present=st.lists(st.sets(st.integers(0, 29)), min_size=6, max_size=6),
    size=st.integers(1, 12),
    originals=st.booleans(),
)
def test_units_are_just_what_is_missing_in_order(counts: list[int], present: list[set[int]], size: int, originals: bool) -> None:
    plan = plan_copies(sources(*(f"{i}.jpg" for i in range(len(counts)))), SPEC, copies=1)
    plan = Plan(tuple(replace(row, copies=n, with_original=originals) for row, n in zip(plan.rows, counts, strict=True)))
    already = listed({f"{i}.jpg": {n for n in numbers if n < counts[i]} for i, numbers in enumerate(present[: len(counts)])})
    units = list(plan.units(already, size))
    made = [(s.row.source.key, n) for unit in units for s in unit for n in s.copies]
    expected = [(f"{i}.jpg", n) for i, count in enumerate(counts) for n in range(count) if n not in present[i]]
    assert made == expected
    assert Counter(s.row.source.key for unit in units for s in unit if s.original) == Counter(
        {f"{i}.jpg": 1 for i in range(len(counts)) if originals}
    )
    assert all(1 <= sum(map(len, unit)) <= size for unit in units)


@given(st.lists(st.integers(0, 40)))
def test_numbers_are_a_set(values: list[int]) -> None:
    numbers = Numbers()
    for n in values:
        numbers.add(n)
    ranges = list(numbers.ranges())
    assert [n for found in ranges for n in found] == sorted(set(values))
    assert all(a.stop < b.start for a, b in pairwise(ranges))
    assert len(numbers) == len(set(values)) and numbers.stop == max(values, default=-1) + 1


def test_a_billion_copies_are_one_row() -> None:
    plan = plan_copies(sources("a.jpg"), SPEC, total=10**9)
    assert plan.copies == plan.files == 10**9
    first = next(iter(plan.units(Listed(), 64)))
    assert sum(map(len, first)) == 64


class TestSources:
    def test_a_tree_is_sorted_and_knows_its_classes(self, class_folders: Path) -> None:
        found = [(source.key, source.label, source.folder) for source in class_tree(class_folders)]
        assert found == [
            ("cats/a.jpg", "cats", "cats"),
            ("cats/b.png", "cats", "cats"),
            ("cats/persian/c.jpg", "cats", "cats/persian"),
            ("dogs/d.jpg", "dogs", "dogs"),
            ("dogs/e.png", "dogs", "dogs"),
        ]

    def test_what_is_no_image_is_passed_over(self, class_folders: Path) -> None:
        before = class_tree(class_folders)
        (class_folders / "cats" / "notes.txt").write_text("x")
        (class_folders / "cats" / ".hidden.jpg").write_text("x")
        write_picture(class_folders / ".git" / "x.jpg")
        (class_folders / "cats" / "loop").symlink_to(class_folders)
        (class_folders / "cats" / "link.jpg").symlink_to(class_folders / "dogs" / "d.jpg")
        (class_folders / "cats" / "folder.jpg").mkdir()
        assert class_tree(class_folders) == before

    def test_a_folder_of_links_says_so(self, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "a.jpg").symlink_to(class_folders / "cats" / "a.jpg")
        with pytest.raises(PlanError, match="1 symbolic link is not followed"):
            class_tree(tmp_path / "links")

    @pytest.mark.parametrize("label", ["..", ".", "a/b", "/etc", "a\0b"])
    def test_labels_are_names_of_folders(self, tmp_path: Path, label: str) -> None:
        source = write_picture(tmp_path / "a.jpg", picture())
        with pytest.raises(PlanError, match="--label"):
            named_images([source], label)

    @pytest.mark.parametrize("path", ["", "nope", "a\0b"])
    def test_paths_that_are_not_there(self, path: str) -> None:
        for find in (class_tree, lambda p: named_images([p], None)):
            with pytest.raises(PlanError):
                find(path)
