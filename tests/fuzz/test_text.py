"""Specs, names and tables as nobody would write them: taken, or refused in words; and nothing leaves the output."""

from __future__ import annotations

import os
import random
from pathlib import Path

import cv2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from augx import AugxError, PlanError, Spec, SpecError, expand_dataset, find_sources, load_spec, plan_copies
from augx.document import parse
from augx.draws import draw
from augx.inputs.tables import read_table
from augx.rows import folded
from tests.conftest import ROOT, picture

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
LINES = [line for path in CONFIGS for line in path.read_text().splitlines()]
PNG = bytes(cv2.imencode(".png", picture(6, 5))[1])


def in_words(error: AugxError) -> bool:
    """Whether it is a line for each problem, fit for a terminal."""
    lines = error.problems if isinstance(error, SpecError) else [str(error)]
    return bool(lines) and all(line and line.isprintable() for line in lines)


numbers = st.sampled_from(
    ["nan", ".inf", "-.inf", "1e308", "-0", "1" + "0" * 400, "NO", "true", "1:30", "012", "0x10", "~", "", "[]", "{}", "-1"]
)


@st.composite
def broken_specs(draw: st.DrawFn) -> str:
    """A shipped spec with lines left out, doubled, exchanged, indented, from others, and with other values."""
    lines = draw(st.sampled_from(CONFIGS)).read_text().splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        way = draw(st.integers(0, 5))
        if way == 0 and len(lines) > 1:
            del lines[at]
        elif way == 1:
            lines[at:at] = [lines[at]]
        elif way == 2:
            lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
        elif way == 3:
            lines[at] = draw(st.sampled_from(LINES))
        elif way == 4:
            lines[at] = lines[at].split(":")[0] + ": " + draw(numbers)
        else:
            place = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:place] + draw(st.characters()) + lines[at][place:]
    return "\n".join(lines)


@settings(max_examples=300)
@given(broken_specs())
def test_a_broken_spec_is_taken_or_refused_in_words(text: str) -> None:
    try:
        data, _ = parse(text.encode("utf-8", "surrogatepass"), "spec.yaml")
        spec = load_spec(data) if isinstance(data, dict) else None
    except AugxError as error:
        assert in_words(error)
        return
    if isinstance(spec, Spec):
        draw(spec, "key", range(3))  # whatever is taken can be drawn from


names = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.binary(min_size=1, max_size=30).map(lambda data: os.fsdecode(data.replace(b"/", b"").replace(b"\0", b"") or b"x")),
    st.sampled_from(
        [
            "-rf",
            "--",
            "...",
            " ",
            "a\nb",
            "\x1b[31m",
            "CON",
            "nul.jpg",
            "a ",
            "a.",
            "~",
            "$HOME",
            "%00",
            "\u202egnp",
            "é",
            "e\u0301",
            "A",
            "a",
        ]
    ),
    st.integers(200, 255).map(lambda size: "n" * size),
)


@settings(max_examples=100)
@given(st.lists(st.tuples(names, names), min_size=1, max_size=4))
@example([("a", "é"), ("a", "e\u0301")])
@example([("a", "x.png"), ("A", "X.png")])
def test_any_names_stay_below_the_output_and_apart(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    root = tmp_path_factory.mktemp("names", numbered=True)
    for folder, name in pairs:
        place = root / "in" / ("c" + folder)
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}.png").write_bytes(PNG)
        except OSError:  # longer than a name may be
            continue
    try:
        plan = plan_copies(find_sources(root / "in"), load_spec("tutorial"), copies=2)
        report = expand_dataset(root / "out", input=root / "in", copies=2)
    except AugxError as error:
        assert in_words(error)
        return
    places = [f"{row.folder(row.source.label)}/{row.file_name(copy, row.source.label)}" for row in plan.rows for copy in range(2)]
    assert len({folded(place) for place in places}) == len(places) == report.planned == report.made
    written = {path.relative_to(root / "out").as_posix() for path in (root / "out").rglob("*") if path.is_file()}
    assert written == {*places, "manifest.jsonl", "run.json"}
    assert sorted(path.name for path in root.iterdir()) == ["in", "out"]


cells = st.one_of(
    names,
    st.sampled_from(
        [
            "a.png",
            "../a.png",
            "/etc/passwd",
            "./a.png",
            "b/../a.png",
            "http://x/a.png",
            "",
            '"',
            '""',
            "=1+1",
            "\0",
            "\ufeff",
            "007",
            "a.png,",
        ]
    ),
)


@settings(max_examples=200)
@given(st.lists(cells, min_size=1, max_size=4), st.lists(st.lists(cells, max_size=5), max_size=5), st.sampled_from(",;\t"), st.booleans())
def test_any_table_is_taken_or_refused_in_words(
    tmp_path: Path, header: list[str], rows: list[list[str]], delimiter: str, named: bool
) -> None:
    """Cells as they come, quoted by nobody."""
    (tmp_path / "a.png").write_bytes(PNG)
    lines = [delimiter.join(row) for row in ([["file", "label"] if named else header, *rows])]
    path = tmp_path / "t.csv"
    path.write_bytes(os.fsencode("\n".join(lines)))
    try:
        found = read_table(path)
    except PlanError as error:
        assert in_words(error)
        return
    for source in found.sources:
        assert source.path == str(tmp_path / "a.png")
        assert not {"", ".", ".."} & set(source.key.split("/"))


@pytest.mark.parametrize("number", range(40))
def test_any_bytes_for_a_table_in_parquet(tmp_path: Path, number: int) -> None:
    """Its reader's errors are words too."""
    arrow = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    arrow.write_table(pytest.importorskip("pyarrow").table({"file": ["a.png", "b.png"], "label": ["x", "y"]}), path)
    data, chance = bytearray(path.read_bytes()), random.Random(number)
    for _ in range(chance.choice([1, 1, 3])):
        data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data)
    try:
        read_table(path)
    except PlanError as error:
        assert in_words(error)
