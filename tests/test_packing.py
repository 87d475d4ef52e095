"""Packages: the laws of every packer, and what other programs read from them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import random
import subprocess
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx import files
from augx.errors import OutputError, PlanError, SourceError, WriteError
from augx.packing.arrays import ArrayPacker, rows_there
from augx.packing.base import Item
from augx.packing.forms import ArrayForm
from augx.packing.planned import array_form
from augx.packing.shards import ShardPacker, StreamPacker
from augx.packing.sizes import ShardSize
from augx.packing.tar import RECORD, end, header, padding
from augx.plan import Plan
from augx.rows import Row
from augx.sources import Source
from augx.spec import Spec
from augx.writers import encode
from tests.conftest import picture, tree, write_picture
from tests.packing_run import CLASSES, FORM, SEED, drive, item, left, packer, samples, whole_lines

KINDS = ["shards", "shards by size", "npy", "npz"]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def packed(kind: str, root: Path, items: Sequence[Item], parts: Sequence[str] = ()) -> tuple[dict[str, bytes], list[str]]:
    """An undisturbed run: its files, its lines."""
    root.mkdir(exist_ok=True, parents=True)
    one = packer(kind, root, (), parts)
    lines = one.add(items) + one.finish()
    return tree(root), lines


class TestLaws:
    @EVERY_KIND
    @settings(max_examples=15)
    @given(sizes=st.lists(st.integers(0, 9)))
    def test_how_items_are_handed_over_is_irrelevant(self, tmp_path_factory: pytest.TempPathFactory, kind: str, sizes: list[int]) -> None:
        tmp_path = tmp_path_factory.mktemp("chunks")
        items = samples(23, ("train", "val", "train"))
        whole, lines = packed(kind, tmp_path / "whole", items, ("train", "val"))
        (tmp_path / "chunks").mkdir()
        one, found, rest = packer(kind, tmp_path / "chunks", (), ("train", "val")), list[str](), items
        for size in [*sizes, len(items)]:
            found += one.add(rest[:size])
            rest = rest[size:]
        found += one.finish()
        assert tree(tmp_path / "chunks") == whole and found == lines

    @EVERY_KIND
    @pytest.mark.parametrize("parts", [(), ("train", "val")], ids=["one set", "two parts"])
    def test_abandoned_anywhere_it_goes_on_to_the_same_bytes(self, tmp_path: Path, kind: str, parts: tuple[str, ...]) -> None:
        # The second part begins first and is small, so that its one shard is begun anew when others stand.
        items = samples(23, ("val", "train", "train", "train") if parts else ("",))
        whole, lines = packed(kind, tmp_path / "whole", items, parts)
        for cut in range(len(items) + 1):
            root = tmp_path / str(cut)
            root.mkdir()
            one, found = packer(kind, root, (), parts), list[str]()
            for single in items[:cut]:
                found += one.add([single])
            one.abandon()
            assert found == lines[: len(found)]
            standing = {name: data for name, data in tree(root).items() if not name.startswith(files.TEMPORARY[:6])}
            assert standing.items() <= whole.items()
            one = packer(kind, root, found, parts)
            found += one.add(left(items, found)) + one.finish()
            assert tree(root) == whole and found == lines

    @EVERY_KIND
    def test_a_package_without_its_lines_is_made_again_and_kept(self, tmp_path: Path, kind: str) -> None:
        """What a kill leaves between the last write and the manifest."""
        items = samples(11)
        whole, lines = packed(kind, tmp_path, items)
        for kept in range(len(lines)):
            if kind.startswith("shards") and kept and "package" not in json.loads(lines[kept - 1]):
                continue  # lines of half a shard are cut off by whoever reads them
            if not kind.startswith("shards") and kept < len(items):
                continue  # arrays get their names when all lines are written
            one = packer(kind, tmp_path, lines[:kept])
            found = one.add(left(items, lines[:kept])) + one.finish()
            assert tree(tmp_path) == whole
            assert found == lines[len(items) if kind.startswith("np") else kept :]

    @EVERY_KIND
    def test_growing_later_equals_growing_at_once(self, tmp_path: Path, kind: str) -> None:
        items = samples(12)
        first = 8  # two whole shards of four
        _, lines = packed(kind, tmp_path / "twice", items[:first])
        one = packer(kind, tmp_path / "twice", lines)
        one.add(items[first:])
        one.finish()
        whole, _ = packed(kind, tmp_path / "once", items)
        if kind != "shards by size":  # its last shard has room left, and stays as it is
            assert tree(tmp_path / "twice") == whole
        assert all(not name.startswith(".") for name in tree(tmp_path / "twice"))

    @EVERY_KIND
    def test_every_line_says_where_its_picture_is(self, tmp_path: Path, kind: str) -> None:
        items = samples(13, ("train", "val"))
        _, lines = packed(kind, tmp_path, items, ("train", "val"))
        fields = [json.loads(line) for line in lines]
        assert sorted(one["file"] for one in fields if "file" in one) == sorted(one.place for one in items)
        for one in items:
            (own,) = (found for found in fields if found.get("file") == one.place)
            assert {name: own[name] for name in json.loads(one.line)} == json.loads(one.line)
            assert self._read(tmp_path, own, len(one.data)) == one.data
        for one in (found for found in fields if "package" in found):
            data = (tmp_path / one["package"]).read_bytes()
            assert one["size"] == len(data)
            assert one.get("sha256", hashlib.sha256(data).hexdigest()) == hashlib.sha256(data).hexdigest()
            held = [found for found in fields if found.get("in", "").replace("x_", "y_") == one["package"].replace("x_", "y_")]
            assert one["samples"] == len(held)

    @staticmethod
    def _read(root: Path, own: dict[str, Any], size: int) -> bytes:
        if "at" in own:
            return (root / own["in"]).read_bytes()[own["at"] : own["at"] + size]
        found = np.load(root / own["in"])
        row = (found if isinstance(found, np.ndarray) else found["x"])[own["row"]]
        file = io.BytesIO()
        np.save(file, row)
        return file.getvalue()

    @pytest.mark.parametrize("kind", ["shards", "npy", "npz"])
    def test_killed_at_any_moment(self, tmp_path: Path, kind: str) -> None:
        whole, root = tmp_path / "whole", tmp_path / "killed 0"
        assert run_until(kind, whole, 1000) == 0
        packages = tree(whole)
        chance = random.Random(kind)
        for kill in range(1, 21):
            # The process goes on while it is being killed, so the moment is any after the chunk.
            run_until(kind, root, chance.randrange(44))
            found = {name: data for name, data in tree(root).items() if not name.startswith((".augx-tmp-", ".augx-part-", "manifest"))}
            assert found.items() <= packages.items()
            assert packages["manifest.jsonl"].startswith(whole_lines(kind, root))
            if whole_lines(kind, root) == packages["manifest.jsonl"]:
                assert tree(root) == packages
                root = tmp_path / f"killed {kill}"
        assert run_until(kind, root, 1000) == 0
        assert tree(root) == packages


def run_until(kind: str, root: Path, chunks: int) -> int | None:
    """A run that is killed after so many chunks, or ends before; its exit status."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.packing_run"])
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=drive, args=(kind, str(root), told))
    process.start()
    told.close()
    with heard, contextlib.suppress(EOFError):
        for _ in range(chunks):
            heard.recv()
        process.kill()
    process.join(60)
    return process.exitcode


class TestTar:
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("a.jpg", id="plain"),
            pytest.param("cats/" + "a" * 95, id="100 bytes"),
            pytest.param("c" * 60 + "/" + "a" * 96 + ".jpg", id="a folder in front of 100 bytes"),
            pytest.param("c" * 155 + "/" + "a" * 100, id="the most that fits"),
            pytest.param("c" * 156 + "/" + "a" * 100, id="a byte more in the folder"),
            pytest.param("c" * 155 + "/" + "a" * 101, id="a byte more in the name"),
            pytest.param("a" * 250, id="long without a folder"),
            pytest.param("/".join("abcdefghij" * 5), id="many folders"),
            pytest.param("Katzen/Kätzchen 猫.jpg", id="not ASCII"),
            pytest.param("ä" * 120 + "/" + "猫" * 80 + ".jpg", id="long and not ASCII"),
            pytest.param("cats/\udcff\udcfe.jpg", id="not UTF-8"),
            pytest.param("cats/" + "\udcff" * 140 + ".jpg", id="long and not UTF-8"),
            pytest.param("cats/a\nb.jpg", id="a line break"),
        ],
    )
    @pytest.mark.parametrize("size", [0, 1, 512, 513, 20_000])
    def test_tarfile_reads_what_was_written(self, name: str, size: int) -> None:
        data = bytes(range(256)) * 79
        whole = header(name, size) + data[:size] + padding(size)
        whole += end(len(whole))
        assert len(whole) % RECORD == 0
        with tarfile.open(fileobj=io.BytesIO(whole), encoding="utf-8", errors="surrogateescape") as archive:
            (member,) = archive.getmembers()
            found = archive.extractfile(member)
            assert found is not None and found.read() == data[:size]
        assert member.name == name and member.isreg()
        assert (member.mode, member.uid, member.gid, member.mtime, member.uname, member.gname) == (0o644, 0, 0, 0, "", "")

    def test_more_than_8_gib(self) -> None:
        size = 3 << 33
        with tarfile.open(fileobj=io.BytesIO(header("a.jpg", size) + end(0))) as archive:
            assert archive.next().size == size  # type: ignore[union-attr]

    def test_plain_headers_are_those_of_tarfile(self) -> None:
        info = tarfile.TarInfo("cats/a.jpg")
        info.size, info.mtime = 12_345, 0
        own, wanted = header("cats/a.jpg", 12_345), info.tobuf(tarfile.USTAR_FORMAT)
        devices = slice(329, 345)  # zeros in digits or none, by Python's version
        assert own[:148] + own[156:329] + own[345:] == wanted[:148] + wanted[156:329] + wanted[345:]
        assert set(own[devices]) <= set(b"0\0")

    def test_gnu_tar_lists_and_unpacks(self, tmp_path: Path) -> None:
        names = ["cats/a.jpg", "c" * 200 + "/" + "a" * 120 + ".jpg", "Katzen/Kätzchen.jpg", "dogs/\udcff.jpg", "\udcff" * 120 + ".jpg"]
        items = [item(name, name.encode("utf-8", "surrogateescape")) for name in names]
        _, lines = packed("shards", tmp_path / "set", items)
        (tmp_path / "out").mkdir()
        plain = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        for package in (json.loads(line) for line in lines if "package" in line):
            shard = tmp_path / "set" / package["package"]
            listed = subprocess.run(["tar", "tvf", shard], capture_output=True, check=True, env=plain)
            assert listed.stderr == b"" and b"1970-01-01 00:00" in listed.stdout
            assert listed.stdout.count(b"-rw-r--r-- 0/0") == 3 * package["samples"]
            subprocess.run(["tar", "xf", shard, "-C", tmp_path / "out"], check=True, env=plain)
        for one in items:
            assert Path(tmp_path / "out" / one.place).read_bytes() == one.data


class TestShards:
    def members(self, root: Path, shard: str = "shard-000000.tar") -> dict[str, bytes]:
        with tarfile.open(root / shard) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]

    def test_a_sample_is_its_picture_class_line_and_what_lies_beside(self, tmp_path: Path) -> None:
        beside = (("train/masks/dogs/a.b.png", b"mask"), ("train/labels/dogs/a.b.txt", b"0 1"))
        one = item("train/dogs/a.b%.jpg", b"data", "dogs", part="train", beside=beside)
        packed("shards", tmp_path, [one])
        assert list(self.members(tmp_path, "train-000000.tar").items()) == [
            ("dogs/a%2Eb%25.jpg", b"data"),
            ("dogs/a%2Eb%25.cls", b"1"),
            ("dogs/a%2Eb%25.json", one.line.encode()),
            ("dogs/a%2Eb%25.masks.png", b"mask"),
            ("dogs/a%2Eb%25.labels.txt", b"0 1"),
        ]

    def test_no_class_no_cls(self, tmp_path: Path) -> None:
        packed("shards", tmp_path, [item("a.jpg", label="")])
        assert list(self.members(tmp_path)) == ["a.jpg", "a.json"]

    def test_originals_that_differ_in_their_extension_are_two_samples(self, tmp_path: Path) -> None:
        packed("shards", tmp_path, [item("cats/a.jpg"), item("cats/a.png"), item("cats/a.png.jpg")])
        assert sorted(name for name in self.members(tmp_path) if name.endswith("g")) == [
            "cats/a%2Epng%2Ejpg.jpg",
            "cats/a%2Epng.png",
            "cats/a.jpg",
        ]

    def test_neighbours_are_parted(self, tmp_path: Path) -> None:
        """400 samples in class order: no worse than chance would have it."""
        items = [item(f"{CLASSES[i // 200]}/{i:05d}.jpg", label=CLASSES[i // 200]) for i in range(400)]
        one = ShardPacker(str(tmp_path), size=ShardSize(), classes=CLASSES, taken={}, seed_key=SEED)
        one.add(items)
        one.finish()
        order = [int(data) for name, data in self.members(tmp_path).items() if name.endswith(".cls")]
        assert 150 < sum(a != b for a, b in itertools.pairwise(order)) < 250

    def test_another_seed_another_order(self, tmp_path: Path) -> None:
        found = []
        for seed in ("a", "b"):
            (tmp_path / seed).mkdir()
            one = ShardPacker(str(tmp_path / seed), size=ShardSize(), classes=CLASSES, taken={}, seed_key=seed)
            one.add(samples(20))
            one.finish()
            found.append(list(self.members(tmp_path / seed)))
        assert found[0] != found[1] and sorted(found[0]) == sorted(found[1])

    @pytest.mark.parametrize(
        ("size", "counts"),
        [
            pytest.param(ShardSize(3), [3, 3, 1], id="3 samples"),
            pytest.param(ShardSize(7), [7], id="just all"),
            pytest.param(ShardSize(0, 20_480), [5, 2], id="20 KiB: five samples of 3.5 KiB and an end"),
            pytest.param(ShardSize(0, 20_479), [2, 2, 2, 1], id="a byte less is a record less"),
            pytest.param(ShardSize(0, 10_240), [2, 2, 2, 1], id="10 KiB"),
        ],
    )
    def test_when_a_shard_is_full(self, tmp_path: Path, size: ShardSize, counts: list[int]) -> None:
        one = ShardPacker(str(tmp_path), size=size, classes=CLASSES, taken={}, seed_key=SEED)
        lines = one.add([item(f"cats/{i}.jpg", bytes(1024)) for i in range(7)]) + one.finish()
        assert [json.loads(line)["samples"] for line in lines if "package" in line] == counts
        assert all(path.stat().st_size <= (size.bytes or 1 << 30) for path in tmp_path.iterdir())

    def test_a_number_that_is_taken_is_left_out(self, tmp_path: Path) -> None:
        one = ShardPacker(str(tmp_path), size=ShardSize(2), classes=CLASSES, taken={"": {0, 2}}, seed_key=SEED)
        one.add(samples(5))
        one.finish()
        assert sorted(tree(tmp_path)) == ["shard-000001.tar", "shard-000003.tar", "shard-000004.tar"]

    def test_a_sample_larger_than_a_shard_has_its_own(self, tmp_path: Path) -> None:
        one = ShardPacker(str(tmp_path), size=ShardSize(0, 20_480), classes=CLASSES, taken={}, seed_key=SEED)
        lines = one.add([item(f"{i}.jpg", bytes(size)) for i, size in enumerate((100, 3_000_000, 100, 100))]) + one.finish()
        assert [json.loads(line)["samples"] for line in lines if "package" in line] == [1, 1, 2]

    def test_a_foreign_file_is_never_written_over(self, tmp_path: Path) -> None:
        (tmp_path / "shard-000001.tar").write_bytes(b"mine")
        one = packer("shards", tmp_path)
        with pytest.raises(OutputError, match=r"shard-000001\.tar: another file has the name of this shard; move it away"):
            one.add(samples(8))
        one.abandon()
        assert (tmp_path / "shard-000001.tar").read_bytes() == b"mine"

    def test_nor_is_a_link_followed(self, tmp_path: Path) -> None:
        (tmp_path / "shard-000000.tar").symlink_to(tmp_path / "elsewhere")
        one = packer("shards", tmp_path)
        with pytest.raises(OutputError, match="another file has the name"):
            one.add(samples(8))
        one.abandon()
        assert not (tmp_path / "elsewhere").exists()

    def test_an_output_that_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        one = packer("shards", tmp_path / "out")
        one.add(samples(1))
        (tmp_path / "out").rmdir()
        with pytest.raises(WriteError, match="out: can't write: No such file or directory; put that right"):
            one.add(samples(8)[1:])
        one.abandon()

    def test_a_class_that_is_none_of_the_sets_stops_before_any_is_taken(self, tmp_path: Path) -> None:
        one = packer("shards", tmp_path)
        with pytest.raises(SourceError, match="its class mice is none of the set's 2"):
            one.add([item("a.jpg"), item("b.jpg", label="mice")])
        assert one.finish() == []

    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("10000", ShardSize(10_000)),
            ("500MB", ShardSize(0, 500_000_000)),
            ("1GiB", ShardSize(0, 1 << 30)),
            ("1.5 gb", ShardSize(0, 1_500_000_000)),
            ("20480B", ShardSize(0, 20_480)),
        ],
    )
    def test_sizes(self, text: str, size: ShardSize) -> None:
        assert ShardSize.parse(text) == size == ShardSize.parse(str(size))

    @pytest.mark.parametrize("text", ["0", "", "-5", "1.5", "5 apples", "1e3", "0MB", "5KB", "١٠"])
    def test_what_is_no_size(self, text: str) -> None:
        with pytest.raises(PlanError, match="--shard-size"):
            ShardSize.parse(text)

    def test_webdataset_reads_them(self, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            webdataset = pytest.importorskip("webdataset")
        named = ["__background__/a", "cats/%41", "cats/v1.2", "Katzen/Kätzchen", "a.b/c", "cats/" + "long" * 60]
        items = [item(f"{name}.jpg", f"picture of {name}".encode(), CLASSES[i % 2]) for i, name in enumerate(named)]
        items += [item(f"dogs/{i}.jpg", b"%d" % i, "dogs", beside=((f"masks/dogs/{i}.png", b"m%d" % i),)) for i in range(30)]
        packed("shards", tmp_path, items)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            urls = sorted(map(str, tmp_path.iterdir()))
            found = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
        assert len(found) == len(items)
        by_place = {json.loads(sample["json"])["file"]: sample for sample in found}
        for one in items:
            sample = by_place[one.place]
            assert sample["jpg"] == one.data and sample["cls"] == b"%d" % CLASSES.index(one.label)
            assert sample.get("masks.png") == dict(one.beside).get(one.place.replace("dogs/", "masks/dogs/").replace(".jpg", ".png"))


class TestStreams:
    def test_it_holds_the_samples_of_all_shards_in_their_order(self, tmp_path: Path) -> None:
        items = samples(10)
        packed("shards", tmp_path, items)
        file = io.BytesIO()
        one = StreamPacker(file, size=ShardSize(4), classes=CLASSES, seed_key=SEED)
        lines = one.add(items[:7]) + one.add(items[7:]) + one.flush()
        assert one.finish({"manifest.jsonl": b"the lines", "classes/ä.txt": b""}) == []
        with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as archive:
            found = [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
        members = [one for shard in sorted(tmp_path.iterdir()) for one in TestShards().members(tmp_path, shard.name).items()]
        assert found == [*members, ("manifest.jsonl", b"the lines"), ("classes/ä.txt", b"")]
        assert [json.loads(line)["file"] for line in lines] == [one.place for one in items]
        for line, single in zip(map(json.loads, lines), items, strict=True):
            assert line["in"] == "-" and file.getvalue()[line["at"] :].startswith(single.data)

    def test_parts_stay_apart(self) -> None:
        file = io.BytesIO()
        one = StreamPacker(file, size=ShardSize(), classes=CLASSES, seed_key=SEED)
        one.add([item("train/cats/a.jpg", part="train"), item("val/cats/a.jpg", part="val")])
        one.finish()
        with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as archive:
            assert [name for name in archive.getnames() if name.endswith("jpg")] == ["train/cats/a.jpg", "val/cats/a.jpg"]

    def test_a_closed_pipe(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, "wb", buffering=0) as file:
            one = StreamPacker(file, size=ShardSize(4), classes=CLASSES, seed_key=SEED)
            with pytest.raises(WriteError, match="standard output was closed before the tar was whole"):
                one.add(samples(5))
            one.abandon()

    def test_a_full_disk(self) -> None:
        with open("/dev/full", "wb", buffering=0) as file:
            one = StreamPacker(file, size=ShardSize(4), classes=CLASSES, seed_key=SEED)
            with pytest.raises(WriteError, match="standard output: can't write: No space left on device"):
                one.add(samples(5))
            one.abandon()


class TestArrays:
    def load(self, root: Path, kind: str, part: str = "") -> tuple[np.ndarray, np.ndarray]:
        if kind == "npz":
            with np.load(root / f"set{part}.npz") as found:
                return found["x"], found["y"]
        return np.load(root / f"x{part}.npy", mmap_mode="r"), np.load(root / f"y{part}.npy", mmap_mode="r")

    @pytest.mark.parametrize("kind", ["npy", "npz"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_numpy_reads_them(self, tmp_path: Path, kind: str, dtype: type, channels: int) -> None:
        pictures = [picture(6, 7, channels, dtype, seed=i) for i in range(5)]
        form = ArrayForm(pictures[0].shape, np.dtype(dtype).newbyteorder("<").str)
        one = ArrayPacker(str(tmp_path), form=form, classes=CLASSES, npz=kind == "npz", done={}, parts=())
        one.add([item(f"{i}.npy", encode(image, "npy", 95), CLASSES[i % 2]) for i, image in enumerate(pictures)])
        one.finish()
        x, y = self.load(tmp_path, kind)
        order = {1: ..., 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
        assert x.dtype == dtype and y.dtype == np.int64 and y.tolist() == [0, 1, 0, 1, 0]
        assert np.array_equal(x, np.stack([image[..., order] if channels > 1 else image for image in pictures]))

    def test_grey_is_spread_where_there_is_colour(self, tmp_path: Path) -> None:
        grey = picture(5, 4, 1)
        one = ArrayPacker(str(tmp_path), form=FORM, classes=CLASSES, npz=False, done={}, parts=())
        one.add([item("a.npy", encode(grey, "npy", 95)), item("b.npy", encode(picture(5, 4), "npy", 95), label="")])
        one.finish()
        x, y = self.load(tmp_path, "npy")
        assert np.array_equal(x[0], np.dstack([grey] * 3)) and y.tolist() == [0, -1]

    def test_parts(self, tmp_path: Path) -> None:
        packed("npy", tmp_path, samples(9, ("train", "train", "val")), ("train", "val", "test"))
        assert [len(self.load(tmp_path, "npy", part)[0]) for part in ("_train", "_val", "_test")] == [6, 3, 0]

    @pytest.mark.parametrize(
        ("image", "reason"),
        [
            (picture(5, 5), r"it is 5 x 5 x 3 uint8, the arrays hold 5 x 4 x 3 uint8"),
            (picture(5, 4, 4), r"it is 5 x 4 x 4 uint8, the arrays hold"),
            (picture(5, 4, 3, np.uint16), r"it is 5 x 4 x 3 uint16, the arrays hold"),
        ],
        ids=["size", "channels", "depth"],
    )
    def test_what_does_not_fit_stops_before_any_is_taken(self, tmp_path: Path, image: np.ndarray, reason: str) -> None:
        one = packer("npy", tmp_path)
        with pytest.raises(SourceError, match=f"b.npy: {reason}"):
            one.add([*samples(1), item("b.npy", encode(image, "npy", 95))])
        one.add(samples(1))
        assert [json.loads(line)["samples"] for line in one.finish()] == [1, 1]

    @pytest.mark.parametrize("kind", ["npy", "npz"])
    def test_the_same_bytes_at_any_time(self, tmp_path: Path, kind: str) -> None:
        assert packed(kind, tmp_path / "a", samples(5))[0] == packed(kind, tmp_path / "b", samples(5))[0]
        if kind == "npz":
            with zipfile.ZipFile(tmp_path / "a" / "set.npz") as archive:
                assert archive.testzip() is None
                assert [(info.filename, info.date_time[0]) for info in archive.infolist()] == [("x.npy", 1980), ("y.npy", 1980)]

    @pytest.mark.parametrize("kind", ["npy", "npz"])
    def test_a_foreign_array_is_never_written_over(self, tmp_path: Path, kind: str) -> None:
        packed(kind, tmp_path, samples(2))
        before = tree(tmp_path)
        with pytest.raises(OutputError, match=r"(x\.npy|set\.npz): it holds 2 rows, none of them in manifest.jsonl: .*; move it away"):
            packer(kind, tmp_path)
        assert tree(tmp_path) == before

    @pytest.mark.parametrize("kind", ["npy", "npz"])
    @pytest.mark.parametrize("found", [b"", b"no array", b"PK\3\4 no zip"])
    def test_nor_is_anything_else(self, tmp_path: Path, kind: str, found: bytes) -> None:
        name = "set.npz" if kind == "npz" else "x.npy"
        (tmp_path / name).write_bytes(found)
        with pytest.raises(OutputError, match="not an array that augx wrote"):
            packer(kind, tmp_path)
        assert tree(tmp_path) == {name: found}

    def test_another_form(self, tmp_path: Path) -> None:
        _, lines = packed("npy", tmp_path, samples(2))
        with pytest.raises(OutputError, match=r"its rows are 5 x 4 x 3 uint8, those of this set 5 x 4 uint8"):
            rows = len(left(samples(2), [])) if lines else 0
            ArrayPacker(str(tmp_path), form=ArrayForm((5, 4), "|u1"), classes=CLASSES, npz=False, done={"": rows}, parts=())

    @pytest.mark.parametrize("kind", ["npy", "npz"])
    def test_how_many_rows_are_there(self, tmp_path: Path, kind: str) -> None:
        package = "set_train.npz" if kind == "npz" else "x_train.npy"
        items = samples(9, ("train", "train", "val"))
        assert rows_there(str(tmp_path), package) == 0
        one = packer(kind, tmp_path, (), ("train", "val"))
        lines = one.add(items)
        assert rows_there(str(tmp_path), package) == 6
        lines += one.finish()
        assert rows_there(str(tmp_path), package) == 6
        one = packer(kind, tmp_path, lines, ("train", "val"))
        one.add([replace(items[0], place="train/cats/more.npy")])
        assert rows_there(str(tmp_path), package) == 7
        one.abandon()

    def test_rows_that_are_gone(self, tmp_path: Path) -> None:
        one = packer("npy", tmp_path)
        lines = one.add(samples(5))
        one.abandon()
        (tmp_path / ".augx-part-x.npy").unlink()
        with pytest.raises(OutputError, match=r"x\.npy: 5 rows are in the manifest, none in the file"):
            packer("npy", tmp_path, lines)

    def test_killed_between_two_names(self, tmp_path: Path) -> None:
        whole, lines = packed("npy", tmp_path, samples(5))
        (tmp_path / "y.npy").rename(tmp_path / ".augx-part-y.npy")
        one = packer("npy", tmp_path, lines)
        assert one.add([]) + one.finish() == lines[5:] and tree(tmp_path) == whole

    def test_killed_before_the_growing_arrays_were_removed(self, tmp_path: Path) -> None:
        one = packer("npz", tmp_path)
        lines = one.add(samples(5))
        one.abandon()
        growing = tree(tmp_path)
        whole, _ = packed("npz", tmp_path / "whole", samples(5))
        for name, data in {**growing, **whole}.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / ".augx-tmp-set.npz").write_bytes(b"half of it")
        files.sweep(str(tmp_path), "")
        one = packer("npz", tmp_path, lines)
        one.finish()
        assert {name: data for name, data in tree(tmp_path).items() if "/" not in name} == whole


def plan_of(paths: Sequence[Path], *, with_original: bool = False) -> Plan:
    sources = [Source(str(path), path.name, "cats", "cats") for path in paths]
    return Plan(tuple(Row(source, 1, "npy", with_original=with_original) for source in sources))


class TestForms:
    @pytest.fixture
    def write(self, tmp_path: Path) -> Callable[..., list[Path]]:
        def write(*named: tuple[str, int, type]) -> list[Path]:
            return [write_picture(tmp_path / name, picture(24, 33, channels, dtype)) for name, channels, dtype in named]

        return write

    @pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tiff", "bmp", "ppm"])
    def test_colour(self, write: Callable[..., list[Path]], extension: str) -> None:
        assert array_form(plan_of(write((f"a.{extension}", 3, np.uint8))), Spec()) == ArrayForm((24, 33, 3), "|u1")

    @pytest.mark.parametrize("extension", ["jpg", "png", "tiff", "bmp", "pgm"])
    def test_grey(self, write: Callable[..., list[Path]], extension: str) -> None:
        assert array_form(plan_of(write((f"a.{extension}", 1, np.uint8))), Spec()) == ArrayForm((24, 33), "|u1")

    @pytest.mark.parametrize("extension", ["png", "webp", "tiff"])
    def test_alpha(self, write: Callable[..., list[Path]], extension: str) -> None:
        assert array_form(plan_of(write((f"a.{extension}", 4, np.uint8))), Spec()) == ArrayForm((24, 33, 4), "|u1")

    def test_grey_and_colour(self, write: Callable[..., list[Path]]) -> None:
        paths = write(("a.jpg", 1, np.uint8), ("b.png", 3, np.uint8))
        assert array_form(plan_of(paths), Spec()) == ArrayForm((24, 33, 3), "|u1")

    def test_16_bits(self, write: Callable[..., list[Path]]) -> None:
        assert array_form(plan_of(write(("a.png", 1, np.uint16))), Spec()) == ArrayForm((24, 33), "<u2")

    def test_sources_that_cannot_be_read_are_left_out(self, write: Callable[..., list[Path]], tmp_path: Path) -> None:
        paths = [tmp_path / "none.jpg", *write(("a.jpg", 3, np.uint8))]
        assert array_form(plan_of(paths), Spec()) == ArrayForm((24, 33, 3), "|u1")
        with pytest.raises(PlanError, match=r"no picture can be read.*none\.jpg"):
            array_form(plan_of(paths[:1]), Spec())

    def test_sizes_that_differ(self, tmp_path: Path) -> None:
        paths = [write_picture(tmp_path / "a.png"), write_picture(tmp_path / "b.png", picture(33, 24))]
        with pytest.raises(PlanError, match=r"a\.png has 33x24 pixels and \S*b\.png has 24x33 pixels; .*--size 33x24"):
            array_form(plan_of(paths), Spec())
        spec = Spec.model_validate({"output": {"size": [20, 10]}})
        assert array_form(plan_of(paths), spec) == ArrayForm((10, 20, 3), "|u1")
        assert array_form(plan_of(paths, with_original=True), spec) == ArrayForm((10, 20, 3), "|u1")

    def test_depths_that_differ(self, write: Callable[..., list[Path]]) -> None:
        with pytest.raises(PlanError, match=r"a\.png has uint8 and \S*b\.png has uint16; arrays hold pictures of one depth"):
            array_form(plan_of(write(("a.png", 3, np.uint8), ("b.png", 3, np.uint16))), Spec())

    def test_alpha_beside_colour_is_laid_on_white(self, write: Callable[..., list[Path]]) -> None:
        form = array_form(plan_of(write(("a.png", 3, np.uint8), ("b.png", 4, np.uint8), ("c.png", 1, np.uint8))), Spec())
        assert form.shape[2] == 3 and array_form(plan_of(write(("b.png", 4, np.uint8))), Spec()).shape[2] == 4
