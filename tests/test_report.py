"""The HTML report, in a real browser: it shows what it should, runs nothing and asks nobody for anything."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import class_tree, expand_dataset, find_sources, load_spec, plan_copies, run_plan
from augx.draws import draw
from augx.errors import SourceError
from augx.packed import read_picture
from augx.plan import Plan
from augx.review.finished import run_report
from augx.review.spread import Tally, drawn_by
from augx.spec import Spec
from tests.browser import CHROMIUM, Browser
from tests.conftest import PHOTOS, ROOT, Run, picture, write_picture
from tests.test_outputs import SPLIT, lines_of

IN_A_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")

HOSTILE = {
    "a script": "<script>alert(1)<",
    "quotes": "\"'><img src=x onerror=alert(1)>",
    "an entity": "&lt;b&gt;&amp;&#x3c;",
    "255 bytes": "猫" * 84 + "cat",
    "Arabic and Hebrew": "قطة חתול",
    "turned around": "cat\u202egpj",
    "a line break": "two\nlines",
    "a style": "</style><style>body{display:none}",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def hostile_folders(tmp_path: Path) -> Path:
    for i, name in enumerate(HOSTILE.values()):
        folder = tmp_path / "photos" / name.replace("/", "\u2215")
        folder.mkdir(parents=True)
        write_picture(folder / f"{i} <b>.png")
    raw = os.fsencode(tmp_path / "photos") + b"/caf\xe9"
    os.mkdir(raw)
    os.rename(write_picture(tmp_path / "x.png"), raw + b"/\xff.png")
    (tmp_path / "photos" / next(iter(HOSTILE.values())) / "<u>bad.png").write_bytes(b"no")
    return tmp_path / "photos"


@IN_A_BROWSER
def test_the_browser_sees_what_is_wrong_with_a_page(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<title>x</title><script>console.error('no'); nope()</script><img src='http://127.0.0.1:9/a.png'>seen")
    seen = browser.see(page)
    assert seen.requests == ["http://127.0.0.1:9/a.png"] and seen.scripts == 1 and seen.broken == 1
    assert len(seen.complaints) >= 2 and "seen" in seen.text


@IN_A_BROWSER
def test_a_preview_of_hostile_names(browser: Browser, augx: Run, hostile_folders: Path, tmp_path: Path) -> None:
    done = augx("preview", "--input", hostile_folders, "--html", "r.html", "--show", "3", "--spec", "strong")
    assert done.returncode == 0 and b"<u>bad.png: not an image" in done.stderr
    seen = browser.see(tmp_path / "r.html")
    assert (seen.requests, seen.complaints, seen.scripts, seen.broken) == ([], [], 0, 0)
    assert seen.title == "What augx will make" and seen.pictures > 40
    for name in ("<script>alert(1)<", "\"'><img src=x onerror=alert(1)>", "&lt;b&gt;&amp;&#x3c;", "قطة חתול", "猫" * 84):
        assert name in seen.text
    for escaped in (
        "cat\\u202egpj",
        "two\\nlines",
        "caf\\udce9",
        "\\udcff.png",
        "</style><style>body{display:none}".replace("/", "\u2215"),
    ):
        assert escaped in seen.text
    assert "<u>bad.png" in seen.text and "not an image that augx reads" in seen.text


@IN_A_BROWSER
def test_a_finished_run(browser: Browser, augx: Run, hostile_folders: Path, tmp_path: Path) -> None:
    done = augx("generate", "--input", hostile_folders, "--output", "out", "--copies", "4", "--report")
    assert done.returncode == 1 and (tmp_path / "out" / "report.html").is_file()
    seen = browser.see(tmp_path / "out" / "report.html")
    assert (seen.requests, seen.complaints, seen.scripts, seen.broken) == ([], [], 0, 0)
    assert seen.title == "What augx made" and "copy 3" in seen.text and "<script>alert(1)<" in seen.text
    assert "Bars: what 36 copies drew." in seen.text and "<u>bad.png" in seen.text


class TestTheReportOfARun:
    def test_is_of_the_files_that_stand(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        common = ("generate", "--input", "photos", "--output", "out", "--copies", "3", "--report", "r.html")
        assert augx(*common).returncode == 0
        before = (tmp_path / "r.html").read_bytes()
        assert b"missing" not in before.split(b"All together")[1].split(b"What is drawn")[0]
        assert augx(*common).returncode == 0 and (tmp_path / "r.html").read_bytes() == before

    def test_stands_in_the_output_where_no_name_is_given(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        done = augx("generate", "--input", "photos", "--output", "out", "--copies", "1", "--report", "--json")
        assert done.returncode == 0 and done.stdout.startswith(b"{") and (tmp_path / "out" / "report.html").is_file()

    def test_never_replaces_another_file_and_says_so_before_the_run(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        source = next((tmp_path / "photos" / "cats").iterdir())
        kept = source.read_bytes()
        done = augx("generate", "--input", "photos", "--output", "out", "--copies", "1", "--report", source)
        assert done.returncode == 2 and b"not a sheet or a report of augx" in done.stderr
        assert source.read_bytes() == kept and not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        "changes", [{"params": None}, {"params": {"warp.rotate": {}}}, {"label": 1}, {"source": []}, {"copy": -1}], ids=str
    )
    def test_of_a_manifest_that_was_tampered_with(self, augx: Run, class_folders: Path, tmp_path: Path, changes: dict[str, object]) -> None:
        common = ("generate", "--input", "photos", "--output", "out", "--copies", "1")
        assert augx(*common).returncode == 0
        first, *others = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
        (tmp_path / "out" / "manifest.jsonl").write_text("\n".join([json.dumps({**json.loads(first), **changes}), *others]) + "\n")
        done = augx(*common, "--report")
        assert done.returncode in (1, 2) and done.stderr.count(b"unexpected") == 0 and b"Traceback" not in done.stderr

    def test_is_refused_before_the_run(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "report.html").write_text("mine")
        for path in ((), ("no/r.html",)):
            done = augx("generate", "--input", "photos", "--output", "out", "--copies", "1", "--report", *path)
            assert done.returncode == 2 and os.listdir(tmp_path / "out") == ["report.html"]


def page_of(plan: Plan, spec: Spec, out: Path) -> str:
    """The report of a whole run."""
    run = run_plan(plan, spec, out)
    assert run.failures == () and not run.missing
    return run_report(plan, spec, run, name="mine", max_pixels=10**8).decode()


def thumbnails(page: str) -> list[tuple[str, str]]:
    """What stands under "All together": each picture and its caption."""
    shown = page.split("All together")[1].split("What is drawn")[0]
    return re.findall(r'<img src="([^"]+)" alt="([^"]*)"', shown)


class TestTheReportOfAPackedSet:
    SPEC = load_spec({"augx": 1, "warp": {"rotate": 20}, "output": {"format": "png", "size": [40, 30]}})

    @pytest.mark.parametrize("how", [{"to": "webdataset", "shard_size": "7"}, {"to": "npy"}, {"to": "npz"}], ids=["shards", "npy", "npz"])
    @SPLIT
    def test_shows_what_loose_files_show(self, how: dict[str, Any], split: dict[str, Any], class_folders: Path, tmp_path: Path) -> None:
        (class_folders / "dogs" / "e.png").unlink()  # its alpha is laid on white in arrays alone
        write_picture(class_folders / "dogs" / "e.png", picture(16, 48, seed=5))
        found = find_sources(class_folders)
        loose = thumbnails(page_of(plan_copies(found, self.SPEC, copies=3, **split), self.SPEC, tmp_path / "loose"))
        packed = thumbnails(page_of(plan_copies(found, self.SPEC, copies=3, **how, **split), self.SPEC, tmp_path / "packed"))
        assert packed == loose and len([caption for _, caption in loose if caption.startswith("copy")]) >= 6

    @pytest.mark.parametrize("to", ["", "npy", "npz", "webdataset"])
    def test_shows_rows_of_floats(self, to: str, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.random.default_rng(1).random((3, 12, 14, 3), np.float32))
        spec = load_spec({"augx": 1, "warp": {"flip_h": 1.0}})
        found = find_sources(tmp_path / "x.npy")
        page = page_of(plan_copies(found, spec, copies=2, to=to), spec, tmp_path / "out")
        assert [caption for _, caption in thumbnails(page)] == ["source 14x12", "copy 0", "copy 1"] * 2
        assert len({data for data, _ in thumbnails(page)}) == 4

    def test_marks_objects_and_says_that_masks_are_left_out(self, tmp_path: Path) -> None:
        spec = load_spec("gentle")
        pages = {}
        for name, masks in (("objects", None), ("masks", ROOT / "sample_masks")):
            found = find_sources(PHOTOS / "annotations.json", masks=masks)
            for to in ("", "webdataset"):
                pages[name, to] = page_of(plan_copies(found, spec, copies=1, to=to), spec, tmp_path / (name + to))
        assert thumbnails(pages["objects", "webdataset"]) == thumbnails(pages["objects", ""])
        assert len(thumbnails(pages["masks", "webdataset"])) == len(thumbnails(pages["masks", ""]))
        said = [place for place, page in pages.items() if "their masks are in the shards too, and not drawn here" in page]
        assert said == [("masks", "webdataset")]

    @pytest.mark.parametrize("to", ["webdataset", "npy", "npz"])
    def test_says_what_can_not_be_read(self, to: str, class_folders: Path, tmp_path: Path) -> None:
        plan = plan_copies(find_sources(class_folders), self.SPEC, copies=1, to=to)
        run = run_plan(plan, self.SPEC, tmp_path / "out")
        line = lines_of(tmp_path / "out")[-1]
        package = tmp_path / "out" / line["in"]
        tampered: list[dict[str, Any]] = [
            {"in": "../x"},
            {"in": 3},
            {"at": -1, "row": -1},
            {"at": "0", "row": "0"},
            {"at": 10**9, "row": 10**9},
        ]
        for changes in tampered:
            with pytest.raises(SourceError):
                read_picture(str(tmp_path / "out"), {**line, **{name: value for name, value in changes.items() if name in line}})
        for data in (package.read_bytes()[:150], b"", None):
            package.unlink()
            if data is not None:
                package.write_bytes(data)
            page = run_report(plan, self.SPEC, run, name="mine", max_pixels=10**8).decode()
            assert thumbnails(page) and not [caption for _, caption in thumbnails(page) if caption.startswith("copy")]
            assert page.count("<figcaption>copy 0: ") >= 4


class TestWhatItCounts:
    def test_parts_of_a_split(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        command = ("generate", "--input", "photos", "--output", "out", "--copies", "3", "--split", "train=0.5,val=0.5")
        assert augx(*command, "--report").returncode == 0
        page, lines = (tmp_path / "out" / "report.html").read_text(), lines_of(tmp_path / "out")
        for part in ("train", "val"):
            own = [line for line in lines if line["split"] == part]
            counts = (len({line["source"] for line in own}), sum("copy" in line for line in own), len(own))
            cells = "".join(f'<td class="n">{n}</td>' for n in counts)
            assert f"<tr><td>part {part}</td>{cells}" in page
        assert "<h4><bdi>cats/" in page and "(train)</h4>" in page and page.count("copy 2") == 4

    def test_no_parts_without_a_split_and_no_rejections_without_limits(self, augx: Run, class_folders: Path, tmp_path: Path) -> None:
        assert augx("generate", "--input", "photos", "--output", "out", "--copies", "1", "--report").returncode == 0
        page = (tmp_path / "out" / "report.html").read_text()
        assert "<td>part " not in page and "rejected" not in page

    @pytest.mark.parametrize(
        ("limits", "unmet"),
        [({"border": 0.08, "tries": 20}, False), ({"border": 0.01, "tries": 2}, True)],
        ids=["all are kept to", "some are not"],
    )
    def test_draws_that_were_rejected(self, limits: dict[str, float], unmet: bool, class_folders: Path, tmp_path: Path) -> None:
        spec = load_spec({"augx": 1, "warp": {"rotate": 20}, "output": {"size": [40, 30]}, "reject": limits})
        plan = plan_copies(find_sources(class_folders), spec, copies=4, to="webdataset")
        page = page_of(plan, spec, tmp_path / "out")
        lines = lines_of(tmp_path / "out")
        draws, kept_anyway = sum(line.get("tried", 1) - 1 for line in lines), sum("unmet" in line for line in lines)
        assert draws and bool(kept_anyway) == unmet
        assert f"<p>{draws} draws were rejected and drawn anew (limits broken: border {draws}); " in page
        assert ("every copy keeps the limits of reject." in page) != unmet
        assert (f"{kept_anyway} cop" in page and "since every draw broke a limit" in page) == unmet
        assert page_of(plan, spec, tmp_path / "out") == page  # of the set that stands, whichever run made it

    @pytest.mark.parametrize("changes", [{"tried": "x"}, {"tried": None}, {"rejected": 3}, {"rejected": {"border": "x"}}], ids=str)
    def test_lines_that_were_tampered_with(self, changes: dict[str, object], class_folders: Path, tmp_path: Path) -> None:
        spec = load_spec({"augx": 1, "warp": {"rotate": 20}, "reject": {"border": 0.1}})
        plan = plan_copies(find_sources(class_folders), spec, copies=1)
        page_of(plan, spec, tmp_path / "out")
        first, *others = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
        (tmp_path / "out" / "manifest.jsonl").write_text("\n".join([json.dumps({**json.loads(first), **changes}), *others]) + "\n")
        with pytest.raises(SourceError, match=r"does not say what .* rejected"):
            page_of(plan, spec, tmp_path / "out")


class TestWhatIsDrawn:
    def test_counts_are_those_of_the_manifest(self, class_folders: Path, tmp_path: Path) -> None:
        spec = load_spec("strong")
        plan = plan_copies(class_tree(class_folders), spec, copies=30)
        expand_dataset(tmp_path / "out", input=class_folders, spec=spec, copies=30)
        lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
        by_lines = Tally(spec)
        by_lines.add_lines("cats", [line["params"] for line in lines])
        drawn = {spread.place: spread for spread in drawn_by(plan, spec).spreads()}
        listed = {spread.place: spread for spread in by_lines.spreads()}
        assert drawn.keys() == listed.keys()
        for place, spread in drawn.items():
            assert (spread.on, spread.copies) == (listed[place].on, 150)
            for one, other in zip(spread.histograms, listed[place].histograms, strict=True):
                assert one.counts.tolist() == other.counts.tolist() and one.counts.sum() == spread.on

    @pytest.mark.parametrize(
        "value",
        [30, [10, 20], {"normal": [0, 10], "clip": [-20, 20]}, {"truncated_normal": [0, 10], "within": [-5, 40]}, {"choice": [1, 5, 9]}],
        ids=["a spread", "a range", "clipped normal", "truncated normal", "a choice"],
    )
    def test_many_copies_come_near_the_declared_distribution(self, value: object) -> None:
        spec = load_spec({"augx": 1, "warp": {"rotate": value}})
        tally = Tally(spec)
        tally.add("", draw(spec, "k", range(20_000)))
        ((histogram,),) = [spread.histograms for spread in tally.spreads()]
        assert histogram.declared.sum() == pytest.approx(1)
        assert np.abs(histogram.counts / 20_000 - histogram.declared).max() < 0.015

    def test_a_class_of_its_own_is_counted_apart(self) -> None:
        spec = load_spec({"augx": 1, "warp": {"rotate": 30, "shift_x": 0.1}, "classes": {"dogs": {"warp": {"rotate": 3}}}})
        tally = Tally(spec)
        for label in ("dogs", "cats"):
            tally.add(label, draw(spec.of_class(label), label, range(50)))
        found = [(spread.place, spread.label, spread.copies) for spread in tally.spreads()]
        assert sorted(found) == [("warp.rotate", "", 50), ("warp.rotate", "dogs", 50), ("warp.shift_x", "", 100)]

    @pytest.mark.parametrize(
        ("then", "expected"),
        [
            ([{"blur": {"sigma": 2, "p": 0.3}}], [0.3]),
            ([{"one_of": [{"blur": 2}, {"noise": {"sigma": 9, "p": 0.5}}], "weights": [1, 3], "p": 0.4}], [0.1, 0.15]),
            ([{"some_of": [{"blur": 2}, {"noise": 9}, {"fog": 0.5}], "count": [0, 2]}], [1 / 3] * 3),
            ([{"some_of": [{"blur": 2}, {"noise": 9}], "weights": [1, 2], "count": 1}], [None, None]),
            ([{"one_of": [{"all_of": [{"blur": 2}, {"noise": 9}]}, {"fog": 0.5}], "p": 0.5}], [0.25, 0.25, 0.25]),
        ],
        ids=["a p", "weights", "some of three", "weights of some", "nested"],
    )
    def test_declared_chances(self, then: list[object], expected: list[float | None]) -> None:
        spec = load_spec({"augx": 1, "then": then})
        tally = Tally(spec)
        tally.add("", draw(spec, "k", range(20_000)))
        for spread, chance in zip(tally.spreads(), expected, strict=True):
            assert spread.chance == (None if chance is None else pytest.approx(chance, abs=1e-3))
            assert chance is None or spread.on / 20_000 == pytest.approx(chance, abs=0.015)

    def test_more_copies_than_are_looked_at(self) -> None:
        spec = load_spec("tutorial")
        plan = plan_copies(class_tree(PHOTOS), spec, total=1_000_000)
        assert 19_000 < drawn_by(plan, spec).copies < 21_000
