"""Which part a source belongs to: no group on both sides, every class in every part, and nothing moves when the set grows."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import PlanError, find_sources
from augx.sources import Source
from augx.split import Split, assign
from tests.conftest import picture, write_picture

THREE = Split.parse("train=0.8,val=0.1,test=0.1")
HALVES = Split.parse("train=0.5,val=0.5")


def sources(*keys: str, **columns: Sequence[str]) -> list[Source]:
    """A source for each key, its first folder the class; ``columns`` hold a value for each."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] or [{} for _ in keys]
    labels = [key.partition("/")[0] if "/" in key else "" for key in keys]
    return [Source(f"/nowhere/{key}", key, label, label, columns=row) for key, label, row in zip(keys, labels, rows, strict=True)]


def classes(sizes: Sequence[int], first: int = 0) -> list[Source]:
    return sources(*(f"{chr(97 + c)}/{i:03}.jpg" for c, size in enumerate(sizes) for i in range(first, size)))


def assigned(found: Sequence[Source], split: Split, kept: dict[str, str] | None = None) -> dict[str, str]:
    return {source.key: part for source, part in zip(found, assign(found, split, kept)[0], strict=True)}


def by_chance(found: Sequence[Source], split: Split) -> dict[str, str]:
    """Where the hash alone puts sources: nothing is repaired in one class that is large enough for every part to have some."""
    filler = [Source("", f"filler {i}", "", "") for i in range(200)]
    parts, notes = assign([*(Source("", source.key, "", "") for source in found), *filler], split)
    assert not notes
    return {source.key: part for source, part in zip(found, parts, strict=False)}


SPLITS = st.sampled_from(["train=0.8,val=0.1,test=0.1", "train=0.5,val=0.5", "val=0.05,train=0.95"])
SIZES = st.lists(st.integers(3, 30), min_size=1, max_size=5)


class TestLaws:
    @given(SIZES, SPLITS, st.integers(0, 99), st.randoms(use_true_random=False))
    def test_every_class_is_in_every_part_whatever_the_order(self, sizes: list[int], text: str, seed: int, chance: random.Random) -> None:
        found, split = classes(sizes), Split.parse(text, seed=seed)
        parts = assigned(found, split)
        assert {(source.label, parts[source.key]) for source in found} == {(s.label, part) for s in found for part in split.parts}
        chance.shuffle(found)
        assert assigned(found, split) == parts

    @given(SIZES, SPLITS, st.integers(0, 99))
    def test_only_what_lacks_a_part_is_moved(self, sizes: list[int], text: str, seed: int) -> None:
        found, split = classes(sizes), Split.parse(text, seed=seed)
        parts, chance = assigned(found, split), by_chance(found, split)
        lacking = {label: len(split.parts) - len({chance[s.key] for s in found if s.label == label}) for label in {s.label for s in found}}
        moved = Counter(source.label for source in found if parts[source.key] != chance[source.key])
        assert moved == Counter({label: n for label, n in lacking.items() if n})
        note = assign(found, split)[1]
        total = sum(moved.values())
        assert [line.partition(" of ")[0] for line in note] == ([f"--split: {total}"] if total else [])

    @given(SIZES, SPLITS, st.integers(0, 99), st.data())
    def test_growing_moves_only_classes_that_were_repaired_and_none_that_is_kept(
        self, sizes: list[int], text: str, seed: int, data: st.DataObject
    ) -> None:
        whole, split = classes(sizes), Split.parse(text, seed=seed)
        fewer = [source for source in whole if int(source.key[2:5]) < 3 or data.draw(st.booleans())]
        before, after, chance = assigned(fewer, split), assigned(whole, split), by_chance(whole, split)
        repaired = {source.label for source in fewer if before[source.key] != chance[source.key]}
        assert {source.label for source in fewer if before[source.key] != after[source.key]} <= repaired
        kept = assigned(whole, split, before)
        assert {key: kept[key] for key in before} == before
        assert {(source.label, kept[source.key]) for source in whole} == {(s.label, part) for s in whole for part in split.parts}

    @given(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=80),
        st.sampled_from(["scene", r"_s(\d+)_", r"s\d+"]),
    )
    def test_no_group_is_on_both_sides(self, frames: list[tuple[int, int]], group_by: str) -> None:
        keys = [f"{chr(97 + label)}/{i}_s{scene}_.jpg" for i, (label, scene) in enumerate(frames)]
        keys += [f"{label}/x{scene}_s{scene}_.jpg" for label in "abc" for scene in range(31)]
        scenes = [key.split("_")[1] for key in keys]
        found = sources(*keys, scene=scenes) if group_by == "scene" else sources(*keys)
        parts, _ = assign(found, Split.parse("train=0.8,val=0.1,test=0.1", group_by))
        sides = defaultdict(set)
        for scene, part in zip(scenes, parts, strict=True):
            sides[scene].add(part)
        assert {len(there) for there in sides.values()} == {1}
        assert {(s.label, part) for s, part in zip(found, parts, strict=True)} == {(label, p) for label in "abc" for p in THREE.parts}

    @pytest.mark.parametrize("seed", range(5))
    def test_shares_are_as_asked(self, seed: int) -> None:
        found = sources(*(f"{i}.jpg" for i in range(20_000)))
        counts = Counter(assign(found, Split.parse("train=0.7,val=0.2,test=0.07,spare=0.03", seed=seed))[0])
        for part, share in (("train", 0.7), ("val", 0.2), ("test", 0.07), ("spare", 0.03)):
            assert abs(counts[part] - 20_000 * share) < 4.5 * math.sqrt(20_000 * share * (1 - share))

    def test_seeds_are_independent(self) -> None:
        found = sources(*(f"{i}.jpg" for i in range(10_000)))
        one, other = (assign(found, Split.parse("train=0.5,val=0.5", seed=seed))[0] for seed in (0, 1))
        assert abs(sum(a == b for a, b in zip(one, other, strict=True)) - 5000) < 250

    def test_places_are_fixed_for_ever(self) -> None:
        """Another hash would move pictures of every set that was ever split from one side to the other."""
        found = sources(*(f"a/{i}.jpg" for i in range(24)), "a/caf\u00e9.jpg")
        letters = "".join(part[1] for part in assign(found, Split.parse("train=0.4,val=0.3,test=0.3", seed=7))[0])
        assert letters == "raaaeeareerrrrrraarreeeee"


class TestRepair:
    def test_the_nearest_of_its_class_goes(self) -> None:
        found, split = classes([12]), Split.parse("train=0.98,val=0.02")
        assert set(by_chance(found, split).values()) == {"train"}
        parts, notes = assign(found, split)
        (moved,) = [source.key for source, part in zip(found, parts, strict=True) if part == "val"]
        assert notes == [f"--split: 1 of 12 pictures moved, so that every part has some of every class; such as {moved} to val"]
        smaller = (Split((("train", n / 100), ("val", 1 - n / 100))) for n in range(97, 0, -1))
        beyond = ({key for key, part in by_chance(found, other).items() if part == "val"} for other in smaller)
        assert next(filter(None, beyond)) == {moved}

    def test_annotated_sets_are_one_class(self) -> None:
        parts, _ = assign(sources("1.jpg", "2.jpg", "3.jpg"), THREE)
        assert sorted(parts) == ["test", "train", "val"]

    def test_a_group_of_several_classes_takes_no_class_from_its_part(self) -> None:
        """Scenes of two classes each: moving one for a class must not leave the other without."""
        for seed in range(40):
            keys = [f"{label}/s{n}.jpg" for n in range(6) for label in ("a", "b" if n % 2 else "c")]
            found = sources(*keys)
            parts, _ = assign(found, Split.parse("train=0.8,val=0.2", r"s\d", seed))
            assert {(s.label, part) for s, part in zip(found, parts, strict=True)} == {
                (s.label, p) for s in found for p in ("train", "val")
            }

    def test_groups_that_can_not_be_parted(self) -> None:
        found = sources("a/1.jpg", "b/1.jpg", "b/2.jpg", "c/2.jpg", "a/3.jpg", "c/3.jpg")
        with pytest.raises(PlanError, match=r"none of its 2 groups can go to (train|val), as it would leave a part without one"):
            assign(found, Split.parse("train=0.5,val=0.5", r"\d"))


class TestKept:
    def test_it_wins_over_chance_and_repair(self) -> None:
        found = classes([6])
        kept = {source.key: "test" for source in found[:4]}
        parts = assigned(found, THREE, kept)
        assert {key: parts[key] for key in kept} == kept and {"train", "val"} <= set(parts.values())

    def test_a_group_goes_where_one_of_it_is(self) -> None:
        found = sources(*(f"a/s{n}_{i}.jpg" for n in range(8) for i in range(3)))
        split = Split.parse("train=0.5,val=0.5", r"s\d")
        for part in split.parts:
            parts = assigned(found, split, {"a/s3_1.jpg": part})
            assert {parts[f"a/s3_{i}.jpg"] for i in range(3)} == {part}
            assert assigned(found, split, {"a/s3_gone.jpg": part})["a/s3_0.jpg"] == part

    def test_what_is_gone_and_has_no_group_moves_nothing(self) -> None:
        found = classes([9])
        assert assigned(found, HALVES, {"a/gone.jpg": "val"}) == assigned(found, HALVES)
        grouped = sources(*(source.key for source in found), scene=[source.key for source in found])
        assert assigned(grouped, Split.parse("train=0.5,val=0.5", "scene"), {"a/gone.jpg": "val"}) == assigned(found, HALVES)
        assert assigned(found, Split.parse("train=0.5,val=0.5", r"\d+"), {"gone": "val"}) is not None

    def test_a_group_that_was_kept_on_two_sides(self) -> None:
        with pytest.raises(
            PlanError, match=r"the output has a/s1_0\.jpg in train and a/s1_1\.jpg in val, which are one group \(s1\); group as"
        ):
            assign(
                sources("a/s1_0.jpg", "a/s1_1.jpg", "a/s2.jpg"),
                Split.parse("train=0.5,val=0.5", r"s\d"),
                {"a/s1_0.jpg": "train", "a/s1_1.jpg": "val"},
            )

    def test_a_part_that_is_no_longer_one(self) -> None:
        with pytest.raises(PlanError, match=r"the output has a/000\.jpg in dev, which is no part of --split \(train, val\)"):
            assign(classes([4]), HALVES, {"a/000.jpg": "dev"})

    def test_a_class_that_was_kept_in_one_part_alone(self) -> None:
        found = classes([3])
        with pytest.raises(
            PlanError, match="class a: none of its 3 pictures can go to val, as the output has 3 of them in other parts; add"
        ):
            assign(found, HALVES, {source.key: "train" for source in found})


class TestGroups:
    def table(self, root: Path, scenes: Sequence[str]) -> list[Source]:
        for i in range(len(scenes)):
            write_picture(root / f"{i}.png", picture(8, 8))
        rows = [f"{i}.png,{'ab'[i % 2]},{scene}\n" for i, scene in enumerate(scenes)]
        (root / "set.csv").write_text("file,label,scene\n" + "".join(rows), encoding="utf-8")
        return find_sources(root / "set.csv").sources

    def test_a_column_of_a_table(self, tmp_path: Path) -> None:
        found = self.table(tmp_path, ["x", "x ", "y", "y", "caf\u00e9", "cafe\u0301"])
        for seed in range(20):
            parts, _ = assign(found, Split.parse("train=0.5,val=0.5", "scene", seed))
            assert parts[0] == parts[1] and parts[2] == parts[3] and parts[4] == parts[5] and len(set(parts)) == 2

    @pytest.mark.parametrize("hole", ["", " "])
    def test_a_column_with_holes(self, tmp_path: Path, hole: str) -> None:
        with pytest.raises(PlanError, match=r"--group-by scene: a group column with holes: .*2\.png has no value there; fill it in"):
            assign(self.table(tmp_path, ["x", "x", hole, "y"]), Split.parse("train=0.5,val=0.5", "scene"))

    def test_a_column_that_only_some_sources_have(self) -> None:
        found = [*sources("a/1.jpg", "a/2.jpg", scene=["x", "y"]), *sources("a/3.jpg")]
        with pytest.raises(PlanError, match=r"holes: /nowhere/a/3\.jpg has no value"):
            assign(found, Split.parse("train=0.5,val=0.5", "scene"))

    @pytest.mark.parametrize(
        ("group_by", "message"),
        [
            pytest.param("scen", r"no column has this name \(did you mean scene\?\), and as a .* finds no group in a/1\.jpg", id="slip"),
            pytest.param("(", "no column has this name, and as a regular expression it is broken: missing", id="broken"),
            pytest.param(r"a/(\d)?", "finds no group in a/x", id="a group that takes no part"),
            pytest.param("q*", "finds no group in a/1.jpg; it must in every key", id="finds nothing but an empty text"),
            pytest.param("a{99999999999}", "it is broken", id="a number that re can't hold"),
        ],
    )
    def test_expressions_that_find_no_group(self, group_by: str, message: str) -> None:
        found = sources("a/1.jpg", "a/2.jpg", "a/x.jpg", scene=["1", "2", "3"])
        with pytest.raises(PlanError, match=f"--group-by .*{message}") as caught:
            assign(found, Split.parse("train=0.5,val=0.5", group_by))
        assert "\n" not in str(caught.value)

    def test_too_few_of_a_class(self) -> None:
        for split, words in ((THREE, "class b has 2 pictures, too few for 3 parts"), (HALVES, None)):
            if words is None:
                assert set(assigned(classes([9, 2]), split).values()) == {"train", "val"}
                continue
            with pytest.raises(PlanError, match=words):
                assign(classes([9, 2]), split)
        with pytest.raises(PlanError, match=r"class b has 1 picture \(as 2 more classes\), too few for 2 parts: .* make fewer parts"):
            assign(classes([9, 1, 1, 1]), HALVES)
        with pytest.raises(PlanError, match="the set has 1 group, too few for 2 parts"):
            assign(sources("s1_1.jpg", "s1_2.jpg"), Split.parse("train=0.5,val=0.5", r"s\d"))

    def test_no_sources(self) -> None:
        assert assign([], THREE) == ([], [])


class TestParse:
    def test_parts_stand_in_their_order(self) -> None:
        assert Split.parse(" val = 0.25,train=7.5e-1", "scene", 3) == Split((("val", 0.25), ("train", 0.75)), "scene", 3)

    @pytest.mark.parametrize("text", ["train=0.333333,a=0.333333,b=0.333333", "train=0.9999995,b=0.0000005", "train=0.1,a=0.2,b=0.3,c=0.4"])
    def test_shares_that_are_one_but_for_rounding(self, text: str) -> None:
        assert Split.parse(text).shares

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            pytest.param("", "found nothing; write parts and shares such as train=0.8,val=0.1,test=0.1", id="nothing"),
            pytest.param("0.8,0.2", "found 0.8; write", id="shares without names"),
            pytest.param("train=0.8,val", "found val; write", id="a name without share"),
            pytest.param("train=0.8,val=0.2,", "found nothing; write", id="a comma too many"),
            pytest.param("train=80%,val=20%", "the share of train is 80%; write", id="percent signs"),
            pytest.param("train=80,val=20", "add up to 100, not to 1; write train=0.8,val=0.2", id="percentages"),
            pytest.param("train=0.8,val=0.1", "add up to 0.9, not to 1; write train=0.8889,val=0.1111", id="less than one"),
            pytest.param("train=0.8,val=0.20001", "add up to 1.00001, not to 1; write", id="a little more than one"),
            pytest.param("train=1e308,val=1e308", "add up to inf, not to 1$", id="more than a number holds"),
            pytest.param("train=1e9,val=1", r"add up to 1e\+09, not to 1$", id="a share that four digits can't say"),
            pytest.param("train=1,val=0", "the share of val is 0; expected more than 0", id="no share"),
            pytest.param("train=1.2,val=-0.2", "the share of val is -0.2; expected", id="a negative share"),
            pytest.param("train=nan,val=0.2", "the share of train is nan; expected", id="no number"),
            pytest.param("train=inf,val=0.2", "the share of train is inf; expected", id="infinite"),
            pytest.param(
                "training=0.8,val=0.2", r"no part is called train, the one that is augmented \(did you mean training\?\)", id="no train"
            ),
            pytest.param("Train=0.8,val=0.2", r"no part is called train", id="case of train"),
            pytest.param("train=1", "at least two parts, such as train=0.8,val=0.2", id="one part"),
            pytest.param("train=0.8,val=0.1,val=0.1", "val stands there twice", id="twice"),
            pytest.param("train=0.8,val=0.1,VAL=0.1", "VAL stands there twice", id="twice but for case"),
            pytest.param("train=0.8,=0.2", "an empty name: a part is a folder's name", id="no name"),
            pytest.param("train=0.8,a/b=0.2", "a/b: a part is a folder's name of letters, digits, - and _", id="two folders"),
            pytest.param("train=0.8,..=0.2", r"\.\.: a part is", id="the folder above"),
            pytest.param("train=0.8,run.json=0.2", r"run\.json: a part is", id="a file of the output"),
            pytest.param("train=0.8,-v=0.2", "-v: a part is", id="an option"),
            pytest.param("train=0.8," + "v" * 41 + "=0.2", "v: a part is", id="a long name"),
            pytest.param("train=0.8,a\x1bb=0.2", r"a\\x1bb: a part is", id="a control character"),
        ],
    )
    def test_splits_that_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(PlanError, match=message) as caught:
            Split.parse(text)
        assert str(caught.value).startswith("--split ") and "\n" not in str(caught.value)
