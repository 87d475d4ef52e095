"""``augx audit``: what is planted in a set is found, what is not there is not; the search is the search by brute force."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import PlanError, expand_dataset, find_sources
from augx.audit import audit
from augx.audit.likeness import SIDE, TURNS, Likeness, perceptual_hashes, turned
from augx.audit.look import look_at, thumbnail
from augx.audit.matches import Match
from augx.audit.near import chunk_edges, near_pairs, popcount
from augx.audit.parts import find_parts
from augx.audit.sums import counted, imbalances, missing, size_outliers
from tests.conftest import ROOT, Run, picture, tree, write_picture


def scene(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A picture that is like no other: large soft shapes and smaller ones, in colour."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        for cells in (3, 6, 12)
    ]
    return np.clip(0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2], 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int = 95) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """set/train and set/val, each with cats and dogs, no two pictures alike: 12 and 4 of a class."""
    root = tmp_path / "set"
    for number in range(32):
        part = "val" if number % 4 == 3 else "train"
        put(root / part / ("dogs" if number < 16 else "cats") / f"{number:02d}.jpg", jpeg(scene(number)))
    return root


def matches(root: Path | list[Path], **options: object) -> list[tuple[str, str, str, str]]:
    """(kind, how, file, other) of each finding, by the files' names."""
    found = audit(root, jobs=1, **options)  # type: ignore[arg-type]
    return [(m.kind, m.how, Path(found.files[m.file].path).name, Path(found.files[m.other].path).name) for m in found.matches]


# The search


@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.sampled_from([0, 1, 3, 4, 7, 8, 12]), st.integers(1, 3))
def test_the_search_is_brute_force(seed: int, count: int, bits: int, turns: int) -> None:
    """Hashes that are few bits from each other, and those that are not: the same pairs, each with its turn and distance."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, max(1, count // 6), np.uint64)
    flips = [sum(1 << int(bit) for bit in set(rng.integers(0, 64, rng.integers(0, 9)))) for _ in range(count * turns)]
    chosen = centres[rng.integers(0, len(centres), count * turns)]
    hashes = np.array([int(centre) ^ flip for centre, flip in zip(chosen, flips, strict=True)], np.uint64).reshape(count, turns)
    wanted = set()
    for turn in range(turns):
        distance = popcount(hashes[:, None, 0] ^ hashes[None, :, turn])
        for i, j in zip(*np.nonzero(np.triu(distance <= bits, 1)), strict=True):
            wanted.add((int(i), int(j), turn, int(distance[i, j])))
    found = {row for pairs in near_pairs(hashes, bits) for row in zip(*(column.tolist() for column in pairs), strict=True)}
    assert found == wanted


@pytest.mark.parametrize("count", [0, 1, 2, 50, 5000, 100_000, 10_000_000])
def test_chunks_hold_every_bit_once(count: int) -> None:
    edges = chunk_edges(count)
    assert (edges[0], edges[-1]) == (0, 64)
    assert all(8 <= high - low <= 22 for low, high in itertools.pairwise(edges))


def test_a_crowd_of_equal_hashes_is_not_quadratic() -> None:
    """20,000 pictures of one scene: each later one is still found, with at most the crowd's number of others a chunk."""
    hashes = np.full((20_000, 1), 0x0123456789ABCDEF, np.uint64)
    pairs = 0
    found = np.zeros(len(hashes), bool)
    for each in near_pairs(hashes, 0, crowd=16):
        pairs += len(each.first)
        found[each.first] = found[each.second] = True
    assert found.any()
    assert pairs <= 16 * len(hashes) * (len(chunk_edges(len(hashes))) - 1)


def test_popcount_without_numpys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.array([0, 1, 2**64 - 1, 0x8000000000000001, 0x0123456789ABCDEF], np.uint64)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert popcount(numbers).tolist() == [int(number).bit_count() for number in numbers]


# Likeness


@pytest.mark.parametrize("turn", range(len(TURNS)), ids=lambda turn: TURNS[turn] or "as it is")
@pytest.mark.parametrize("size", [(96, 128), (200, 37), (20, 20), (15, 90)], ids=str)
def test_the_hash_of_a_turned_picture_is_known_from_the_picture(turn: int, size: tuple[int, int]) -> None:
    image = scene(5, *size)
    there = np.ascontiguousarray(turned(image[None], turn)[0])
    ours, theirs = (perceptual_hashes(thumbnail(each)[None])[0] for each in (image, there))
    assert int(popcount(ours[turn : turn + 1] ^ theirs[:1])[0]) <= 2
    assert np.abs(turned(thumbnail(image)[None], turn)[0].astype(int) - thumbnail(there)).max() <= 1


@pytest.mark.parametrize(
    ("change", "bits"),
    [
        (lambda image: cv2.imdecode(np.frombuffer(jpeg(image, 30), np.uint8), cv2.IMREAD_COLOR), 6),
        (lambda image: cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), 4),
        (lambda image: np.clip(image * 0.8 + 20, 0, 255).astype(np.uint8), 4),
        (lambda image: np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None], 3, 2), 2),
        (lambda image: image.astype(np.uint16) * 257, 0),
        (lambda image: np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]), 0),
    ],
    ids=["low quality", "smaller", "paler", "grey", "16 bits", "with alpha"],
)
def test_what_leaves_a_picture_the_same_hardly_moves_its_hash(change: object, bits: int) -> None:
    for seed in range(10):
        one, other = (thumbnail(image)[None] for image in (scene(seed), change(scene(seed))))  # type: ignore[operator]
        assert int(popcount(perceptual_hashes(one)[:, 0] ^ perceptual_hashes(other)[:, 0])[0]) <= bits


def test_pictures_of_a_kind_that_are_all_alike_need_more_than_others() -> None:
    """Bars at all angles: neighbours by chance are as near as copies are in a set of scenes."""
    bars = np.zeros((400, SIDE, SIDE), np.uint8)
    rng = np.random.default_rng(1)
    for bar in bars:
        angle, length = rng.uniform(0, np.pi), rng.uniform(8, 12)
        end = np.array([np.cos(angle), np.sin(angle)]) * length
        cv2.line(bar, *(tuple(int(v) for v in (16 + sign * end) * 16) for sign in (1, -1)), 255, 2, cv2.LINE_AA, 4)
    scenes = np.stack([thumbnail(scene(seed)) for seed in range(400)])
    counts = []
    for pictures in (bars, scenes):
        first, second = np.triu_indices(len(pictures), 1)
        likeness = Likeness(pictures)
        correlation = likeness.correlations(first, second, np.zeros(len(first), np.int8))
        counts.append([int((correlation > least).sum()) for least in (0.9, 0.989)])
        counts[-1].append(int(likeness.stand_out(first, second, correlation).sum()))
    (alike, hardly_told_apart, found), scenes_found = counts
    assert alike > 1000
    assert found <= hardly_told_apart < alike / 5
    assert scenes_found == [0, 0, 0]


# What is found


def test_nothing_is_found_where_nothing_is_wrong(split: Path) -> None:
    found = audit(split)
    assert found.matches == []
    assert not found.leaks
    assert found.counts == {"train": {"cats": 12, "dogs": 12}, "val": {"cats": 4, "dogs": 4}}
    assert (found.unreadable, found.imbalances, found.missing, found.sizes.outliers, found.notes) == ([], [], [], (), ())


PLANTED = {
    "identical": (lambda data: data, "identical"),
    "other bytes": (lambda data: data[:2] + b"\xff\xfe\x00\x05abc" + data[2:], "pixels"),
    "quality 70": (lambda data: jpeg(_image(data), 70), "near"),
    "mirrored": (lambda data: jpeg(_image(data)[:, ::-1]), "near"),
    "a quarter turn": (lambda data: jpeg(cv2.rotate(_image(data), cv2.ROTATE_90_CLOCKWISE)), "near"),
    "80 %": (lambda data: jpeg(cv2.resize(_image(data), None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)), "near"),
    "a PNG": (lambda data: cv2.imencode(".png", np.clip(_image(data) * 0.9 + 9, 0, 255).astype(np.uint8))[1].tobytes(), "near"),
}


def _image(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_found(split: Path, name: str) -> None:
    change, how = PLANTED[name]
    put(split / "val" / "cats" / "planted.jpg", change((split / "train" / "cats" / "20.jpg").read_bytes()))
    assert matches(split) == [("leak", how, "planted.jpg", "20.jpg")]
    assert matches([split / "val", split / "train"]) == [("leak", how, "planted.jpg", "20.jpg")]
    for part in ("train", "val"):
        assert matches(split / part) == []


@pytest.mark.parametrize("name", PLANTED)
def test_across_classes_it_is_a_conflict_and_within_one_a_copy(split: Path, name: str) -> None:
    change, how = PLANTED[name]
    data = change((split / "train" / "dogs" / "00.jpg").read_bytes())
    put(split / "train" / "dogs" / "again.jpg", data)
    put(split / "train" / "cats" / "other.jpg", data)
    assert set(matches(split)) == {
        ("conflict", how, "00.jpg", "other.jpg"),
        ("conflict", "identical", "again.jpg", "other.jpg"),
        ("copy", how, "again.jpg", "00.jpg"),
    }


def test_a_planted_turn_is_named(split: Path) -> None:
    image = _image((split / "train" / "cats" / "20.jpg").read_bytes())
    put(split / "val" / "cats" / "planted.jpg", jpeg(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)))
    (match,) = audit(split).matches
    assert TURNS[match.turn] == "turned by 270 degrees", "what turns the planted one into the other"
    assert match.correlation > 0.99


def test_each_of_many_copies_is_counted_once(split: Path) -> None:
    """A val picture that is three times in val and ten times in train: three leaks, not thirty, and no pair twice."""
    data = (split / "train" / "cats" / "20.jpg").read_bytes()
    for number in range(9):
        put(split / "train" / "cats" / f"x{number}.jpg", data)
    for number in range(3):
        put(split / "val" / "cats" / f"y{number}.jpg", jpeg(_image(data)[:, ::-1], 80))
    found = matches(split)
    assert [each for each in found if each[0] == "leak"] == [("leak", "near", f"y{number}.jpg", "20.jpg") for number in range(3)]
    assert len([each for each in found if each[0] == "copy"]) == 9 + 2


def test_more_bits_find_more(split: Path) -> None:
    image = _image((split / "train" / "cats" / "20.jpg").read_bytes())
    put(split / "val" / "cats" / "planted.jpg", jpeg(cv2.resize(image[1:-1, 2:], (128, 96))))
    assert [audit(split, near=bits).leaks for bits in (0, 12)] == [False, True]


def test_flat_pictures_are_compared_by_their_pixels(split: Path) -> None:
    for number in range(4):
        put(split / ("train" if number % 2 else "val") / "cats" / f"white{number}.png", _flat(250 + number // 2))
    found = audit(split)
    assert found.flat == 4
    assert [(match.kind, match.how) for match in found.matches] == [("leak", "identical")] * 2


def _flat(level: int) -> bytes:
    return cv2.imencode(".png", np.full((40, 40, 3), level, np.uint8))[1].tobytes()


# Sets that augx made


def test_siblings_are_known_from_the_manifest(split: Path, tmp_path: Path) -> None:
    """Copies that no picture comparison finds; moved to another part by hand, which the manifest's lines still tell."""
    output = tmp_path / "made"
    expand_dataset(output / "train", input=split / "train", copies=3, spec="strong")
    assert audit(output).matches == [], "siblings in one part are what was asked for"
    moved = output / "val" / "cats"
    moved.mkdir(parents=True)
    shutil.copy(split / "train" / "cats" / "20.jpg", moved / "20.jpg")  # the source, beside its copies
    expand_dataset(output / "val", images=[split / "train" / "cats" / "21.jpg"], label="cats", copies=1, spec="gentle")
    found = audit(output)
    leaks = {Path(found.files[m.file].path).name: (m.how, Path(found.files[m.other].path).name) for m in found.matches if m.kind == "leak"}
    assert leaks == {"20.jpg": ("siblings", "20_00000.jpg"), "21_00000.jpg": ("siblings", "21_00000.jpg")}
    assert found.made == 24 * 3 + 1


def test_masks_beside_copies_are_no_pictures(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / "photos" / "cats" / f"{number}.jpg", scene(number))
        write_picture(tmp_path / "masks" / "cats" / f"{number}.png", np.full((96, 128), number, np.uint8))
    photos = find_sources(tmp_path / "photos", masks=tmp_path / "masks")
    expand_dataset(tmp_path / "made", input=photos, copies=2)
    found = audit(tmp_path / "made")
    assert found.counts == {"": {"cats": 6}}


def test_a_damaged_manifest_is_a_note(split: Path, tmp_path: Path) -> None:
    expand_dataset(tmp_path / "made", input=split / "train", copies=1)
    (tmp_path / "made" / "manifest.jsonl").write_text("{}\n")
    assert "line 1 is damaged" in audit(tmp_path / "made").notes[0]


# Parts, counts, sizes


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["train/a", "val/a"], ("train", "val")),
        (["Training/a", "Test/a"], ("Training", "Test")),
        (["val2017/a", "train2017/a"], ("train2017", "val2017")),
        (["fold_0/a", "fold_1/a", "fold_2/a"], ("fold_0", "fold_1", "fold_2")),
        (["train/a"], ("train",)),
        (["train", "car"], ("",)),
        (["train"], ("",)),
        (["a", "b"], ("",)),
        (["images/train", "images/val", "labels/train"], ("train", "val")),
        (["train/images", "train/masks", "val/images"], ("train", "val")),
    ],
    ids=[
        "train and val",
        "capitals",
        "years",
        "folds",
        "train alone",
        "a class of trains",
        "trains alone",
        "classes",
        "as YOLO has it",
        "with masks",
    ],
)
def test_parts_by_their_names(tmp_path: Path, folders: list[str], names: tuple[str, ...]) -> None:
    for number, folder in enumerate(folders):
        put(tmp_path / "set" / folder / "x.jpg", jpeg(scene(number)))
    found = audit(tmp_path / "set")
    assert found.parts == names
    assert "images" not in {file.label for file in found.files}


def test_a_folder_beside_the_parts_is_told(split: Path) -> None:
    put(split / "extra" / "x.jpg", jpeg(scene(99)))
    found = audit(split)
    assert len(found.files) == 32
    assert found.notes == ("extra: beside the parts train, val, and not looked at; give the folders one by one to compare them all",)


def test_parts_of_one_name_keep_as_much_path_as_they_need(tmp_path: Path) -> None:
    for number, part in enumerate(("one", "two")):
        put(tmp_path / part / "images" / "x.jpg", jpeg(scene(number)))
    assert audit([tmp_path / "one" / "images", tmp_path / "two" / "images"]).parts == ("one/images", "two/images")


def test_what_is_no_picture_is_counted_and_what_is_broken_is_named(split: Path) -> None:
    put(split / "val" / "cats" / "cut.jpg", jpeg(scene(50))[:300])
    put(split / "val" / "cats" / "empty.png", b"")
    put(split / "val" / "cats" / "empty2.png", b"")
    put(split / "val" / "cats" / "notes.txt", b"hello")
    put(split / "val" / ".hidden.jpg", b"")
    (split / "val" / "birds").mkdir()
    (split / "val" / "link.jpg").symlink_to(split / "train" / "cats" / "20.jpg")
    found = audit(split)
    faults = {Path(found.files[file].path).name: reason for file, reason in found.unreadable}
    assert set(faults) == {"cut.jpg", "empty.png", "empty2.png"}
    assert faults["empty.png"] == "the file is empty"
    assert (found.others, found.links, [Path(folder).name for folder in found.empty]) == ({".txt": 1}, 1, ["birds"])
    # Even what can't be read is compared by its bytes.
    assert [(match.kind, match.how) for match in found.matches] == [("copy", "identical")]


def test_counts() -> None:
    counts = counted(["train", "val"], [(0, "a")] * 50 + [(0, "b")] * 4 + [(1, "a")] * 5 + [(1, "")])
    assert counts == {"train": {"": 0, "a": 50, "b": 4}, "val": {"": 1, "a": 5, "b": 0}}
    assert [(one.part, one.largest, one.smallest, one.most, one.least) for one in imbalances(counts)] == [
        ("", "a", "b", 55, 4),
        ("train", "a", "b", 50, 4),
    ]
    assert missing(counts) == [("val", "b")]
    assert missing({"train": {"": 0, "a": 3}, "test": {"": 5, "a": 0}}) == [], "a test set without classes lacks none"
    assert imbalances({"": {"a": 20, "b": 2}}) == [], "10 to 1 is not over it"


@pytest.mark.parametrize(
    ("sizes", "far"),
    [
        ([(100, 100)] * 9 + [(100, 100)], []),
        ([(100, 100)] * 9 + [(201, 201)], [(9, ("width", "height"))]),
        ([(100, 100)] * 9 + [(200, 200)], []),
        ([(100, 100)] * 9 + [(49, 100)], [(9, ("width", "aspect"))]),
        ([(2**i, 2**i) for i in range(5, 12)], []),
        ([(4000, 3000)] * 5 + [(3000, 4000)] * 5, []),
        ([(640, 480)] * 9 + [(360, 640), (640, 150)], [(10, ("height", "aspect"))]),
    ],
    ids=["one size", "twice and more", "just twice", "narrow", "all sizes", "upright and lying", "a banner"],
)
def test_sizes(sizes: list[tuple[int, int]], far: list[tuple[int, tuple[str, ...]]]) -> None:
    widths, heights = np.array(sizes).T
    outliers = size_outliers(np.arange(len(sizes)), widths, heights).outliers
    assert [(one.file, one.measures) for one in outliers] == far


# The command


def test_the_command(augx: Run, split: Path) -> None:
    before = tree(split)
    clean = augx("audit", "set")
    assert (clean.returncode, clean.stderr) == (0, b"")
    assert "leaks between parts: 0" in clean.stdout.decode()
    for number in range(24):
        name = sorted((split / "train" / "cats").iterdir())[number % 12].name
        put(split / "val" / "cats" / f"p{number:02d}.jpg", (split / "train" / "cats" / name).read_bytes())
    done = augx("audit", "set")
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (1, b"")
    assert lines[0] == f"LEAK {split}/val/cats/p00.jpg and {split}/train/cats/16.jpg: identical files"
    assert lines[10] == "... and 14 more (LEAK: identical files); --all shows them"
    assert "leaks between parts: 24 (24 identical files)" in lines
    assert ["cats", "12", "28"] in [line.split() for line in lines]
    assert augx("audit", "set", "--all").stdout.count(b"LEAK ") == 24
    quiet = augx("audit", "set", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, b"", b"")
    found = json.loads(augx("audit", "set/val", "set/train", "--json", "--jobs", "2").stdout)
    assert len(found["leaks"]) == 24
    assert found["leaks"][0]["other"] == {"file": f"{split}/train/cats/16.jpg", "part": "train", "class": "cats"}
    for number in range(24):
        (split / "val" / "cats" / f"p{number:02d}.jpg").unlink()
    assert tree(split) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Missing argument 'DIR...'"),
        (["nope"], "nope: No such file or directory"),
        (["set/train/cats/16.jpg"], "this is a file; give the folder of a set"),
        (["set/train", "set/train/cats"], "one lies in the other"),
        (["set/train", "set/train"], "are one folder"),
        (["set", "other"], "set: has parts itself (train, val); give it alone, or each of those folders"),
        (["none"], "none: no image here"),
        (["set", "--near", "13"], "found '13'; expected a whole number from 0 to 12"),
        (["set", "--timeout", "nan"], "found 'nan'; expected seconds"),
    ],
    ids=["nothing", "missing", "a file", "nested", "twice", "parts in parts", "no image", "too far", "no time"],
)
def test_wrong_usage(augx: Run, split: Path, tmp_path: Path, args: list[str], message: str) -> None:
    put(tmp_path / "other" / "x.jpg", jpeg(scene(70)))
    (tmp_path / "none").mkdir()
    done = augx("audit", *args)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_names_that_are_not_utf8(augx: Run, split: Path) -> None:
    name = os.path.join(os.fsencode(split), b"val", b"cats", b"\xff\n.jpg")
    with open(name, "wb") as file:
        file.write((split / "train" / "cats" / "20.jpg").read_bytes())
    done = augx("audit", "set")
    assert done.returncode == 1
    assert rb"val/cats/\udcff\n.jpg and" in done.stdout
    assert json.loads(augx("audit", "set", "--json").stdout)["leaks"][0]["file"].endswith("\udcff\n.jpg")


def test_any_number_of_workers_finds_the_same(split: Path) -> None:
    """More files than a unit of work, in this thread and in processes."""
    for number in range(100, 180):
        put(split / "train" / "cats" / f"{number}.jpg", jpeg(scene(number // 2), 90 - number % 2))
    put(split / "train" / "cats" / "broken.jpg", b"\xff\xd8\xff")
    code = "import sys; from augx.audit import audit; print(audit(sys.argv[1], jobs=int(sys.argv[2])))"
    found = [
        subprocess.run([sys.executable, "-c", code, str(split), jobs], capture_output=True, cwd=ROOT, check=True).stdout for jobs in "13"
    ]
    assert found[0] == found[1]
    assert b"near" in found[0]


HOOK = """
import os, signal, threading
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import augx.audit.look
read = augx.audit.look.read_bytes
def hooked(path, *rest):
    if path.endswith("crash.jpg"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.endswith("hang.jpg"):
        threading.Event().wait()
    return read(path, *rest)
augx.audit.look.read_bytes = hooked
from augx.cli import main
main()
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("more", [0, 80], ids=["one unit of work", "several"])
def test_a_decoder_that_crashes_or_hangs_costs_its_file(split: Path, tmp_path: Path, jobs: str, more: int) -> None:
    """All other files are looked at, one that comes after the two in their unit of work among them."""
    for number in range(more):
        put(split / "train" / "cats" / f"x{number}.png", _flat(number))
    for name in ("crash.jpg", "hang.jpg", "late.jpg"):
        put(split / "val" / "dogs" / name, jpeg(scene(90)))
    command = [sys.executable, "-c", HOOK, "audit", split, "--json", "--timeout", "0.5", "--jobs", jobs]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {Path(each["file"]).name: each["reason"] for each in found["unreadable"]} == {
        "crash.jpg": "the decoder was killed by SIGSEGV",
        "hang.jpg": "took longer than --timeout 0.5 s",
    }
    assert found["pictures"] == 33 + more


def test_looking_never_raises(tmp_path: Path) -> None:
    assert "can't read it" in look_at(str(tmp_path / "nope.jpg"), 10**6).fault
    big = write_picture(tmp_path / "big.png", scene(1))
    look = look_at(str(big), 1000)
    assert "more than --max-pixels 1000 allows" in look.fault
    assert (look.digest != b"", look.pixels, look.thumbnail) == (True, b"", b"")


def test_folders_that_are_no_set(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no image here"):
        audit(tmp_path)
    assert Match("leak", "near", 1, 0).correlation == 1


def test_pascal_vocs_lists_are_its_parts(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        write_picture(tmp_path / "JPEGImages" / f"{name}.png", picture(40, 50, seed=seed))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\nb\n")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("c\n")
    found = find_parts([tmp_path])
    assert found.names == ("train", "val") and [file.part for file in found.files] == [0, 0, 1]
