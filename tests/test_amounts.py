"""How many copies each source gets: exact, even, and balanced classes and categories that are never over their number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from augx import PlanError, find_sources
from augx.amounts import copies_of
from augx.sample import Instance
from augx.sources import Part, Pixels, Source, load
from tests.conftest import PHOTOS, picture, write_picture

LABELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=14)


def sources(labels: Sequence[str]) -> list[Source]:
    return [Source(f"/nowhere/{label}/{i}.jpg", f"{label}/{i}.jpg", label, label) for i, label in enumerate(labels)]


def by_class(labels: Sequence[str], counts: Sequence[int]) -> Counter[str]:
    found: Counter[str] = Counter(dict.fromkeys(labels, 0))
    for label, n in zip(labels, counts, strict=True):
        found[label] += n
    return found


@dataclass(frozen=True)
class Shown:
    """Annotations in memory: how many instances of each category."""

    counts: tuple[tuple[str, int], ...]

    def read(self, size: tuple[int, int]) -> tuple[Instance, ...]:
        return tuple(Instance(name) for name, n in self.counts for _ in range(n))


def annotated(pictures: Sequence[dict[str, int]]) -> list[Source]:
    row = Part(0, 1, "row", Pixels("|u1", (1, 1)))
    return [Source("x.npy", f"{i}.png", "", "", row, annotations=Shown(tuple(shown.items()))) for i, shown in enumerate(pictures)]


class TestGiven:
    @given(LABELS, st.integers(1, 80))
    def test_total_is_exact_even_and_grows_by_adding(self, labels: list[str], total: int) -> None:
        (counts, notes), (more, _) = (copies_of(sources(labels), total=n) for n in (total, total + 1))
        assert sum(counts) == total and max(counts) - min(counts) <= 1
        assert bool(notes) == (total < len(set(labels)))
        assert sum(more) == total + 1 and all(a <= b for a, b in zip(counts, more, strict=True))

    @given(LABELS, st.integers(1, 40))
    def test_what_can_not_be_divided_goes_to_the_first_of_each_class_then_to_the_second(self, labels: list[str], total: int) -> None:
        base, rest = divmod(total, len(labels))
        in_turn = sorted((labels[:i].count(label), i) for i, label in enumerate(labels))
        more = {i for _, i in in_turn[:rest]}
        assert copies_of(sources(labels), total=total)[0] == [base + (i in more) for i in range(len(labels))]

    @pytest.mark.parametrize(
        ("labels", "total", "note"),
        [
            ("abb", 1, "--total 1: 1 class gets no copy (b), as there are 2 of them; ask for more, or say --per-class"),
            ("bcaa", 1, "--total 1: 2 classes get no copies (such as a), as there are 3 of them; ask for more, or say --per-class"),
            ("bcaa", 2, "--total 2: 1 class gets no copy (a), as there are 3 of them; ask for more, or say --per-class"),
        ],
    )
    def test_a_class_that_gets_nothing_is_named(self, labels: str, total: int, note: str) -> None:
        counts, notes = copies_of(sources(labels), total=total)
        assert notes == [note]
        left = {label for label, n in by_class(list(labels), counts).items() if not n}
        assert any(f"{label})" in note for label in left)

    @given(LABELS, st.integers(1, 40))
    def test_each_class_gets_its_number(self, labels: list[str], n: int) -> None:
        counts, notes = copies_of(sources(labels), per_class=n)
        assert by_class(labels, counts) == dict.fromkeys(labels, n) and not notes
        even(labels, counts)

    def test_each_source_gets_its_number(self) -> None:
        assert copies_of(sources("aab"), copies=7) == ([7, 7, 7], [])

    def test_numbers_have_no_limit(self) -> None:
        assert copies_of(sources("aab"), total=10**30 + 1)[0] == [
            333333333333333333333333333334,
            *[333333333333333333333333333333] * 1,
            (10**30 + 2) // 3,
        ]
        assert copies_of(sources("aab"), per_class=10**30)[0] == [5 * 10**29, 5 * 10**29, 10**30]


def even(labels: Sequence[str], counts: Sequence[int]) -> None:
    """Sources of one class differ by one copy at most, and the first ones have more."""
    for label in set(labels):
        own = [n for other, n in zip(labels, counts, strict=True) if other == label]
        assert own == sorted(own, reverse=True) and own[0] - own[-1] <= 1


class TestBalance:
    @given(LABELS, st.sampled_from(["max", "median"]) | st.integers(1, 20))
    def test_classes_are_brought_to_the_number_and_never_over_it(self, labels: list[str], balance: str | int) -> None:
        have = Counter(labels)
        sizes = sorted(have.values())
        target = {"max": sizes[-1], "median": sizes[len(sizes) // 2]}.get(str(balance), balance)
        counts, notes = copies_of(sources(labels), balance=balance)
        assert {label: n + have[label] for label, n in by_class(labels, counts).items()} == {
            label: max(n, target) for label, n in have.items()
        }
        assert len(notes) == any(n > int(target) for n in sizes)
        even(labels, counts)
        assert copies_of(sources(labels), balance=str(balance)) == (counts, notes)

    def test_of_an_even_number_of_classes_the_upper_one_is_the_median(self) -> None:
        assert copies_of(sources("abbbcccccdddddddd"), balance="median") == (
            [4, 1, 1, 0, *[0] * 13],
            ["--balance: 1 class has more than 5 files already (d, 8): it gets no copies"],
        )

    def test_a_balanced_set_gets_no_copies(self) -> None:
        assert copies_of(sources("aabb"), balance="max") == ([0] * 4, [])

    def test_the_note_names_how_many_are_over_and_the_largest(self) -> None:
        (note,) = copies_of(sources("abbccc"), balance=1)[1]
        assert note == "--balance: 2 classes have more than 1 files already (most of all c, 3): they get no copies"


class TestClassTotals:
    @given(LABELS, st.dictionaries(st.sampled_from("abcd"), st.integers(0, 30)), st.sampled_from(["copies", "per_class", "balance"]))
    def test_they_override_for_their_classes_alone(self, labels: list[str], totals: dict[str, int], way: str) -> None:
        totals = {label: n for label, n in totals.items() if label in labels}
        number: dict[str, Any] = {way: 3}
        without = by_class(labels, copies_of(sources(labels), **number)[0])
        counts, _ = copies_of(sources(labels), **number, class_totals=totals)
        assert by_class(labels, counts) == {**without, **totals}
        even(labels, counts)

    def test_they_stand_alone_where_they_name_every_class(self) -> None:
        assert copies_of(sources("aab"), class_totals={"b": 2, "a": 3}) == ([2, 1, 2], [])

    def test_a_class_with_a_total_of_its_own_is_not_noted_as_over(self) -> None:
        assert copies_of(sources("aab"), balance=1, class_totals={"a": 0}) == ([0, 0, 0], [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({}, "exactly one of --total, --copies, --per-class, --balance; found none", id="nothing"),
        pytest.param({"total": 5, "copies": 1}, "exactly one of .*; found --total and --copies", id="two"),
        pytest.param({"per_class": 5, "balance": "max"}, "found --per-class and --balance", id="balance and another"),
        pytest.param({"total": 0}, "--total 0: expected a whole number, at least 1", id="total of none"),
        pytest.param({"copies": -1}, "--copies -1: expected", id="fewer than none"),
        pytest.param({"per_class": 1.5}, "--per-class 1.5: expected", id="half a copy"),
        pytest.param({"copies": True}, "--copies True: expected", id="a truth value"),
        pytest.param(
            {"balance": "mx"}, r"--balance mx: expected max, median or a whole number, at least 1 \(did you mean max\?\)", id="slip"
        ),
        pytest.param({"balance": "Median"}, r"--balance Median: .*did you mean median", id="case"),
        pytest.param({"balance": ""}, "--balance : expected max", id="empty balance"),
        pytest.param({"balance": "0"}, "--balance 0: expected", id="balance of none"),
        pytest.param({"balance": -3}, "--balance -3: expected", id="negative balance"),
        pytest.param({"balance": True}, "--balance True: expected", id="balance that is a truth value"),
        pytest.param({"balance": "\u0663"}, "--balance \u0663: expected", id="a digit of another script"),
        pytest.param({"balance": "9" * 5000}, "--balance 9+: expected", id="a number that is too long"),
        pytest.param(
            {"total": 5, "class_totals": {"cats": 1}}, "--total 5: the spec says how many .* one or the other", id="total and classes"
        ),
        pytest.param({"class_totals": {"cats": 1}}, "doesn't say how many copies class dogs gets", id="one class left out"),
        pytest.param(
            {"copies": 1, "class_totals": {"cat": 1}}, r"class cat gets: no source has this label \(did you mean cats\?\)", id="unknown"
        ),
        pytest.param({"copies": 1, "class_totals": {"cats": -1}}, "class cats gets: found -1; expected", id="negative total of a class"),
        pytest.param(
            {"copies": 1, "class_totals": {"cats": 1.0}}, "class cats gets: found 1.0; expected", id="total that is no whole number"
        ),
        pytest.param({"copies": 1, "class_totals": {"cats": 1}, "annotated": True}, "annotated, without classes", id="annotated"),
        pytest.param({"balance": "max", "annotated": True}, "no instances are found with these 2 pictures", id="nothing to balance"),
    ],
)
def test_numbers_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        copies_of(sources(["cats", "dogs"]), **arguments)
    assert "\n" not in str(caught.value)


def test_no_sources() -> None:
    with pytest.raises(PlanError, match="no pictures are given"):
        copies_of([], total=1)


def greedy(pictures: Sequence[dict[str, int]], target: int) -> list[int]:
    """The rule in its plainest form: every picture is looked at for every copy."""
    copies = [0] * len(pictures)
    have: Counter[str] = Counter()
    for shown in pictures:
        have.update(shown)
    done: set[str] = set()
    while low := [(n, name) for name, n in have.items() if 0 < n < target and name not in done]:
        _, rarest = min(low)
        fit = [i for i, shown in enumerate(pictures) if shown.get(rarest) and all(have[name] + n <= target for name, n in shown.items())]
        if not fit:
            done.add(rarest)
            continue
        chosen = min(fit, key=lambda i: (copies[i], sum(pictures[i].values()) - pictures[i][rarest], i))
        copies[chosen] += 1
        have.update(pictures[chosen])
    return copies


PICTURES = st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 4), max_size=3), min_size=1, max_size=8).filter(any)


class TestInstances:
    @given(PICTURES, st.sampled_from(["max", "median"]) | st.integers(1, 40))
    def test_the_rarest_first_and_never_over(self, pictures: list[dict[str, int]], balance: str | int) -> None:
        before: Counter[str] = Counter()
        for shown in pictures:
            before.update(shown)
        sizes = sorted(before.values())
        target = int({"max": sizes[-1], "median": sizes[len(sizes) // 2]}.get(str(balance), balance))
        counts, notes = copies_of(annotated(pictures), balance=balance, annotated=True)
        after = Counter(
            {name: n + sum(k * shown.get(name, 0) for k, shown in zip(counts, pictures, strict=True)) for name, n in before.items()}
        )
        assert all(n <= max(target, before[name]) for name, n in after.items())
        for shown in pictures:
            fits = all(after[name] + n <= target for name, n in shown.items())
            assert not (fits and any(after[name] < target for name in shown))
        assert counts == greedy(pictures, target)
        short = [name for name in sorted(after) if after[name] < target]
        assert [note for note in notes if " gets to " in note] == [
            f"--balance: {name} gets to {after[name]} of {target} instances: each picture that shows it would take it or another "
            "category over that"
            for name in short
        ]
        assert any("already" in note for note in notes) == any(n > target for n in sizes)

    def test_copies_go_round_the_pictures_those_that_show_least_else_first(self) -> None:
        pictures = [{"cell": 9}, {"germ": 1, "cell": 1}, {"germ": 1}, {"germ": 1}]
        counts, notes = copies_of(annotated(pictures), balance="max", annotated=True)
        assert counts == [0, 0, 4, 3] and notes == ["--balance: the copies are of 2 of the 4 pictures, at most 4 of one"]

    def test_what_shows_a_category_that_is_over_gets_no_copies(self) -> None:
        counts, notes = copies_of(annotated([{"cell": 9, "germ": 1}, {"germ": 2}]), balance=5, annotated=True)
        assert counts == [0, 1]
        assert notes == [
            "--balance: 1 category has more than 5 instances already (cell, 9): no picture that shows one of them gets copies",
            "--balance: the copies are of 1 of the 2 pictures, at most 1 of one",
        ]

    def test_a_background_gets_no_copies(self) -> None:
        assert copies_of(annotated([{}, {"a": 1}]), balance=3, annotated=True)[0] == [0, 2]

    @pytest.mark.parametrize("way", ["total", "copies", "per_class"])
    def test_other_numbers_are_the_same_for_annotated_sets(self, way: str) -> None:
        found = annotated([{"a": 1}, {"b": 3}, {}])
        number: dict[str, Any] = {way: 7}
        assert copies_of(found, **number, annotated=True) == copies_of(found, **number)

    def test_files_that_can_not_be_read_count_as_none(self, tmp_path: Path) -> None:
        for name, label in (
            ("a", "0 0.5 0.5 0.2 0.2\n" * 3),
            ("b", "1 0.5 0.5 0.2 0.2\n"),
            ("c", "1 half 0.5 0.2 0.2\n"),
            ("d", "1 0.5 0.5 0.2 0.2\n"),
        ):
            write_picture(tmp_path / "images" / f"{name}.png", picture(30, 20))
            (tmp_path / "labels").mkdir(exist_ok=True)
            (tmp_path / "labels" / f"{name}.txt").write_text(label)
        (tmp_path / "images" / "d.png").write_bytes(b"no picture")
        (tmp_path / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
        counts, notes = copies_of(find_sources(tmp_path).sources, balance="max", annotated=True)
        assert counts == [0, 2, 0, 0] and notes[0] == "--balance: the instances of 2 pictures can't be read, and are not counted"

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_turned_picture_is_as_large_as_its_annotations_say(self, tmp_path: Path, orientation: int) -> None:
        exif = Image.Exif()
        exif[274] = orientation
        Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
        width, height = (40, 30) if orientation < 5 else (30, 40)
        objects = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}]
        images = [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}]
        text = json.dumps({"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]})
        (tmp_path / "set.json").write_text(text)
        assert copies_of(find_sources(tmp_path / "set.json").sources, balance=3, annotated=True)[0] == [2]

    def test_a_set_of_photos(self) -> None:
        found = find_sources(PHOTOS / "annotations.json").sources
        shown = [Counter(instance.category for instance in load(source).instances) for source in found]
        counts, _ = copies_of(found, balance=12, annotated=True)
        assert counts == greedy([dict(each) for each in shown], 12) and sum(counts) > 0
