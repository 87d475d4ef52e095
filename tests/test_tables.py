"""Tables: which picture, class, folder and columns a row gives, in every format, and what is refused with its line."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augx import Options as RunOptions
from augx import find_sources, load_spec, plan_copies, run_plan
from augx.errors import PlanError
from augx.inputs.folders import class_tree
from augx.inputs.tables import read_table
from augx.sources import SourceSet, load
from tests.conftest import picture, write_picture

Options = dict[str, Any]
SPEC = load_spec({})


def table(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def plain(found: SourceSet) -> list[tuple[str, str, str]]:
    return [(one.key, one.label, one.folder) for one in found.sources]


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(PlanError) as caught:
        read_table(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.startswith((str(path), "--"))
    return message


# Laws

cells = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)


def without(*taken: str) -> st.SearchStrategy[str]:
    """Names for columns of no meaning to the table."""
    return cells.filter(lambda name: bool(name.strip()) and name == name.strip() and name not in taken and "." not in name)


@given(st.lists(st.tuples(without("file", "kind"), cells), max_size=4, unique_by=lambda pair: pair[0]), st.sampled_from(",;\t"))
def test_what_csv_writes_is_what_is_read(tmp_path: Path, columns: list[tuple[str, str]], delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [["file", "kind", *(name for name, _ in columns)], ["a.jpg", "cat", *(cell for _, cell in columns)]]
    )
    path = table(tmp_path, text.getvalue(), "t.tsv" if delimiter == "\t" else "t.csv")
    (one,) = read_table(path, image_column="file", label_column="kind").sources
    assert dict(one.columns) == {name: cell for name, cell in columns if cell}
    assert list(one.columns) == [name for name, cell in columns if cell]


@given(st.binary(max_size=300), st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_any_bytes_are_read_or_refused_in_words(tmp_path: Path, data: bytes, extension: str) -> None:
    try:
        found = read_table(table(tmp_path, data, f"t{extension}"), label="x")
    except PlanError as error:
        assert str(error).startswith(f"{tmp_path}/t{extension}: ") and "\n" not in str(error)
    else:
        assert found.sources


def test_a_table_of_a_class_tree_is_the_class_tree(class_folders: Path) -> None:
    tree = class_tree(class_folders)
    rows = [f"{one.key},{one.label}" for one in tree]
    path = table(class_folders.parent, "\n".join(["filename,class", *reversed(rows)]))
    found = read_table(path, root=class_folders)
    assert found.sources == tree and found.found_in == (str(class_folders),) and not found.notes
    assert read_table(table(class_folders, path.read_bytes())).sources == tree


def test_every_format_says_the_same(tmp_path: Path) -> None:
    rows = [{"file": f"{i}.png", "label": str(i % 2), "x": "a, b" if i else "", "n": str(i)} for i in range(5)]
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    found = [
        read_table(table(tmp_path, text.getvalue())),
        read_table(table(tmp_path, text.getvalue().replace("\r\n", "\n"), "u.CSV")),
        read_table(table(tmp_path, "\n".join("\t".join(line) for line in lines), "t.tsv")),
        read_table(table(tmp_path, "\n".join(";".join(line) for line in lines), "v.csv")),
        read_table(
            table(tmp_path, "\n".join(json.dumps({**row, "n": int(row["n"]), "label": int(row["label"])}) for row in rows), "t.jsonl")
        ),
    ]
    assert all(one == found[0] for one in found)
    assert [one.columns for one in found[0].sources][:2] == [{"n": "0"}, {"x": "a, b", "n": "1"}]


def test_sources_are_picklable_and_load(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "1.png", picture(7, 9))
    (one,) = pickle.loads(pickle.dumps(read_table(table(tmp_path, "image,label,w\na/1.png,x,2\n")).sources))
    assert load(one).image.size == (9, 7) and one.columns == {"w": "2"}


# Keys, folders, classes


@pytest.mark.parametrize(
    ("cell", "label", "key", "folder"),
    [
        pytest.param("a.jpg", "cat", "a.jpg", "cat", id="beside the table"),
        pytest.param("cat/a.jpg", "cat", "cat/a.jpg", "cat", id="in its class' folder"),
        pytest.param("cat/x/a.jpg", "cat", "cat/x/a.jpg", "cat/x", id="below its class' folder"),
        pytest.param("train/cat/a.jpg", "cat", "train/cat/a.jpg", "cat/train/cat", id="in other folders"),
        pytest.param("cats/a.jpg", "cat", "cats/a.jpg", "cat/cats", id="a folder that begins like the class"),
        pytest.param("./x//y/../a.jpg", "cat", "x/a.jpg", "cat/x", id="more than needed"),
        pytest.param("{root}/x/a.jpg", "cat", "x/a.jpg", "cat/x", id="absolute, below the root"),
        pytest.param("/{root}/x/a.jpg", "cat", "x/a.jpg", "cat/x", id="two slashes"),
        pytest.param("../{name}/a.jpg", "cat", "a.jpg", "cat", id="out and in again"),
        pytest.param("a.jpg", "007", "a.jpg", "007", id="a number with zeros"),
        pytest.param("a.jpg", "NO", "a.jpg", "NO", id="Norway"),
        pytest.param("a.jpg", "3.0", "a.jpg", "3.0", id="a number with a point, as text"),
        pytest.param("猫 1.jpg", "猫", "猫 1.jpg", "猫", id="not ASCII"),
    ],
)
def test_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, label: str, key: str, folder: str) -> None:
    path = table(tmp_path, f"filename,label\n{cell.format(root=tmp_path, name=tmp_path.name)},{label}\n")
    found = read_table(path)
    assert plain(found) == [(key, label, folder)] and found.found_in == (str(tmp_path),)
    assert found.sources[0].path == f"{tmp_path}/{key}" and found.sources[0].columns == {}
    monkeypatch.chdir(tmp_path)
    found = read_table("t.csv")
    assert (found.sources[0].path, found.sources[0].key, found.found_in) == (key, key, (".",))


@pytest.mark.parametrize(
    ("header", "image", "label"),
    [
        ("filename,class", 0, 1),
        ("label,file_name", 1, 0),
        ("Image,Label", 0, 1),
        ("image_id,breed_id,label", 0, 2),
        ("id,image_path,category", 1, 2),
        ("id_code,target", 0, 1),
        ("img path,class-name,class_id", 0, 1),
        ("y,path", 1, 0),
        (",filename,label", 1, 2),
    ],
)
def test_usual_names_of_columns(tmp_path: Path, header: str, image: int, label: str) -> None:
    row = ["other"] * (header.count(",") + 1)
    row[image], row[int(label)] = "a.jpg", "cat"
    found = read_table(table(tmp_path, f"{header}\n{','.join(row)}\n"))
    assert plain(found) == [("a.jpg", "cat", "cat")]


@pytest.mark.parametrize(
    ("header", "options", "words"),
    [
        pytest.param("a,label", {}, ["--image-column", "columns: a, label"], id="no file names"),
        pytest.param("file,image,label", {}, ["file or image", "--image-column"], id="two of file names"),
        pytest.param("file,breed", {}, ["--label-column", "--label,", "columns: breed"], id="no classes"),
        pytest.param("file,label,class", {}, ["label or class", "--label-column"], id="two of classes"),
        pytest.param("file,label", {"image_column": "nix"}, ["--image-column nix", "no such column", "file, label"], id="no such column"),
        pytest.param("file,label", {"label_column": "file"}, ["--label-column file", "no such column is left"], id="one column for both"),
        pytest.param("file,label", {"mask_columns": ["label"]}, ["--mask-column label", "is left"], id="masks in the classes' column"),
        pytest.param("file,label,a/b", {"mask_columns": ["a/b"]}, ["--mask-column", "one folder"], id="masks' column is no folder's name"),
        pytest.param("file,label", {"label": "x", "label_column": "label"}, ["--label", "leave out one"], id="a label and labels"),
        pytest.param("file,label", {"label": "../x"}, ["--label", "one folder"], id="a label that leads away"),
        pytest.param("file,label", {"root": "/nowhere/at/all"}, ["/nowhere/at/all"], id="no such root"),
        pytest.param("file,label,file", {}, ["line 1", "two columns are called file (1 and 3)"], id="one name twice"),
        pytest.param("cat.jpg,cat", {}, ["line 1", "cat.jpg is a file's name", "filename,label"], id="no header"),
    ],
)
def test_columns_that_are_refused(tmp_path: Path, header: str, options: Options, words: list[str]) -> None:
    path = table(tmp_path, header + "\n" + ",".join(["a.jpg"] * (header.count(",") + 1)))
    with pytest.raises(PlanError) as caught:
        read_table(path, **options)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_label_for_all(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, "filename,label\na.jpg,x\nb/c.jpg,y\n"), label="cat")
    assert plain(found) == [("a.jpg", "cat", "cat"), ("b/c.jpg", "cat", "cat/b")]
    assert found.sources[0].columns == {"label": "x"}
    message = refused(table(tmp_path, "filename\na.jpg,x\n"), label="cat")
    assert "line 2: 2 cells, but there is 1 column;" in message


def test_classes_that_look_alike_are_told(tmp_path: Path) -> None:
    assert "'Cat' and 'cat '" in read_table(table(tmp_path, "filename,label\na.jpg,Cat\nb.jpg,cat \n")).notes[0]
    assert not read_table(table(tmp_path, "filename, label\na.jpg, cat\nb.jpg, cat\nc.jpg,cat")).notes


# Names without extension, masks, rows said twice


@pytest.mark.parametrize("extension", [".jpg", ".JPG", ".png", ".TIFF"])
def test_names_without_extension(tmp_path: Path, extension: str) -> None:
    write_picture(tmp_path / "x" / f"1{extension.lower()}").rename(tmp_path / "x" / f"1{extension}")
    found = read_table(table(tmp_path, "id,label\n1,a\n2,b\n3.gif,c\nv1.5,d\n"), root=tmp_path / "x")
    assert [one.key for one in found.sources] == [f"1{extension}", f"2{extension}", "3.gif", f"v1.5{extension}"]
    assert found.sources[0].path == str(tmp_path / "x" / f"1{extension}")
    assert found.notes == (f"{tmp_path}/t.csv: names without extension in id: read as {extension}",)


def test_names_stay_where_no_extension_helps(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.jpg").rename(tmp_path / "1")
    for text in ("id,label\n1,a\n2,b\n", "id,label\n2,b\n1,a\n", "id,label\n1.jpg,a\n2,b\n"):
        found = read_table(table(tmp_path, text))
        assert [one.key for one in found.sources][1] == "2" and not found.notes
    for end in (".jpg", ".png"):
        write_picture(tmp_path / f"5{end}")
    assert "line 2: 5 may be 5.jpg or 5.png" in refused(table(tmp_path, "id,label\n5,a\n6,b\n"))


def test_masks(tmp_path: Path) -> None:
    write_picture(tmp_path / "m" / "a.png")
    text = "image,mask,label,trimap\na.jpg,m/a,x,t/a.png\nb.jpg,m/b,y,t/b.png\n"
    found = read_table(table(tmp_path, text), mask_columns=("mask", "trimap", "mask"))
    root = f"{tmp_path}/"
    assert found.sources[0].masks == (("mask", root + "m/a.png"), ("trimap", root + "t/a.png"))
    assert found.sources[1].masks[0] == ("mask", root + "m/b.png") and found.sources[0].columns == {}
    assert "names without extension in mask: read as .png" in found.notes[0]
    message = refused(table(tmp_path, "image,mask,label\na.jpg,m.png,x\nb.jpg,,y\nc.jpg,../c.png,y\n"), mask_columns=["mask"])
    assert "line 4: ../c.png lies outside" in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("t.csv", "image,mask,label\nb.png,b_mask.png,x\na.png,,x\n", id="CSV"),
        pytest.param("t.csv", "image,mask,label\nb.png,b_mask.png,x\na.png,,x\na.png,,x\n", id="a row said twice"),
        pytest.param(
            "t.jsonl", '{"image":"b.png","label":"x","mask":"b_mask.png"}\n{"image":"a.png","label":"x","mask":null}\n', id="null"
        ),
        pytest.param("t.jsonl", '{"image":"b.png","label":"x","mask":"b_mask.png"}\n{"image":"a.png","label":"x"}\n', id="no such key"),
    ],
)
def test_an_empty_cell_for_a_mask_costs_its_picture_alone(tmp_path: Path, name: str, text: str) -> None:
    for picture_name in ("a.png", "b.png", "b_mask.png"):
        write_picture(tmp_path / picture_name, picture(8, 8, 1 if "mask" in picture_name else 3))
    found = find_sources(table(tmp_path, text, name), mask_columns=["mask"])
    assert [(one.key, one.fault, len(one.masks)) for one in found.sources] == [
        ("a.png", "no mask in column mask, line " + ("2" if name == "t.jsonl" else "3"), 0),
        ("b.png", "", 1),
    ]
    report = run_plan(plan_copies(found, SPEC, copies=2), SPEC, tmp_path / "out", options=RunOptions(jobs=1, engine="threads"))
    (failure,) = report.failures
    assert (report.made, report.missing, failure.reason) == (2, 2, found.sources[0].fault)


def test_a_column_of_masks_that_no_row_has_is_refused(tmp_path: Path) -> None:
    message = refused(table(tmp_path, "image,mask,trimap,label\na.jpg,,m.png,x\nb.jpg,,n.png,y\n"), mask_columns=["mask", "trimap"])
    assert "no row has all its masks, in mask, trimap" in message and "--mask-column" in message


def test_equal_rows_count_once_and_others_are_refused(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, "filename,label,w\na.jpg,x,1\n./a.jpg,x,1\na.jpg,x,1\nb.jpg,x,\n"))
    assert [one.key for one in found.sources] == ["a.jpg", "b.jpg"] and "count once: 2" in found.notes[0]
    message = refused(table(tmp_path, "filename,label,xmin\na.jpg,x,1\n\na.jpg,x,9\na.jpg,y,1\n"))
    assert "line 4: a.jpg is in line 2 too" in message and "COCO, YOLO and Pascal VOC" in message and "and 1 more" in message


# CSV


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufefffilename,label\na.jpg,cat\n", id="byte order mark"),
        pytest.param("\r\n\r\nfilename,label\r\n\r\na.jpg,cat\r\n  \r\n,\r\n,,,\r\n", id="blank lines and lines of commas"),
        pytest.param("filename,label\na.jpg,cat", id="no line end at the end"),
        pytest.param('"filename","label"\n"a.jpg","cat"\n', id="quoted"),
        pytest.param('filename, label\na.jpg, "cat"\n', id="a space after each comma"),
        pytest.param(" filename ,label \na.jpg,cat\n", id="spaces about the columns' names"),
        pytest.param("filename;label\na.jpg;cat\n", id="semicolons"),
        pytest.param("filename\tlabel\na.jpg\tcat\n", id="tabs"),
        pytest.param('"filename";"label";"a,b"\na.jpg;cat;\n', id="semicolons, and a comma in a quoted name"),
        pytest.param('filename;"a,b";label\na.jpg;;cat\n', id="semicolons, and a comma in the only quoted name"),
        pytest.param('"filename","label","a;\nb"\n"a.jpg","cat",""\n', id="commas, and a semicolon in a name of two lines"),
        pytest.param('"filename", "label"\n"a.jpg", "cat"\n', id="quoted, a space after each comma"),
        pytest.param(",filename,label,\n0,a.jpg,cat,\n", id="columns without a name"),
    ],
)
def test_csv_as_it_is_found(tmp_path: Path, text: str) -> None:
    (one,) = read_table(table(tmp_path, text)).sources
    assert (one.key, one.label, one.columns) == ("a.jpg", "cat", {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", ["is empty"], id="no byte"),
        pytest.param("\ufeff\n \n", ["is empty"], id="blank lines alone"),
        pytest.param("filename,label\n\n", ["no rows", "filename, label"], id="a header alone"),
        pytest.param("filename,label\na.jpg\n", ["line 2: 1 cell, but there are 2 columns"], id="a short row"),
        pytest.param(
            "filename,label\na.jpg,x\nb.jpg,x,y\nc.jpg\n", ["line 3: 3 cells", "quotation marks", "(and 1 more)"], id="a long row"
        ),
        pytest.param('filename,label,t\na.jpg,x,"1\n2"\nb.jpg,y\n', ["line 4: 2 cells"], id="lines after a cell of two lines"),
        pytest.param('filename,label\na.jpg,x\nb.jpg,"y\nc.jpg,z\n', ["line 3", "never closed"], id="a quote not closed"),
        pytest.param(
            'filename,label\na.jpg,"x\n' + "b.jpg,y\n" * 20_000,
            ["line 2", "never closed", "131072"],
            id="a quote not closed in a long file",
        ),
        pytest.param('filename,label\na.jpg,"x"y\n', ["line 2", "written twice"], id="text after a quote"),
        pytest.param("filename,label\ra.jpg,x\r", ["line 1", "line ends"], id="carriage returns alone"),
        pytest.param("filename,label\na.jpg," + "x" * 200_000, ["line 2", "131072"], id="a cell too long"),
        pytest.param("x" * 200_000, ["line 1", "131072"], id="a header too long"),
        pytest.param(b"filename,label\na.jpg,x\0y\n", ["line 2", "NUL"], id="NUL"),
        pytest.param(b"filename,label\na.jpg,x\nb.jpg,\xe9t\xe9\n", ["line 3", "0xe9", "UTF-8"], id="Latin-1"),
        pytest.param("filename,label\na.jpg,x\n".encode("utf-16"), ["line 1", "UTF-16", "save"], id="UTF-16"),
        pytest.param("filename,label\n,x\nb.jpg,\n", ["line 2: nothing in the column filename (and 1 more)"], id="empty cells"),
        pytest.param("filename,label\nb.jpg,\n", ["line 2: nothing in the column label"], id="no class"),
        pytest.param("filename,label\n../b.jpg,x\n", ["line 2", "outside", "--root"], id="a path that leads out"),
        pytest.param("filename,label\n/etc/passwd,x\n", ["line 2", "/etc/passwd", "outside", "--root"], id="an absolute path"),
        pytest.param("filename,label\nx/..,x\n", ["line 2", "not a file"], id="the root itself"),
        pytest.param("filename,label\nhttps://a/b.jpg,x\n", ["line 2", "address"], id="an address"),
        pytest.param(f"filename,label\n{'é' * 128}.jpg,x\n", ["line 2", "255 bytes"], id="a name too long"),
        pytest.param("filename,label\na.jpg,../x\n", ["line 2", "'../x'", "one folder"], id="a class that leads away"),
        pytest.param("filename,label\na.jpg,.x\n", ["line 2", "'.x'"], id="a hidden class"),
        pytest.param("filename,label\na.jpg,run.json\n", ["line 2", "run.json"], id="a class that is a file of the set"),
        pytest.param('filename,label\na.jpg,"x\ny"\n', ["line 2", "'x\\ny'", "control"], id="a class with a line end"),
        pytest.param(f"filename,label\na.jpg,{'x' * 256}\n", ["line 2", "256 characters"], id="a class too long"),
    ],
)
def test_csv_that_is_refused(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    message = refused(table(tmp_path, text))
    assert all(word in message for word in words), message


def test_tables_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    os.mkfifo(tmp_path / "p.csv")
    assert "a folder" in refused(tmp_path / "d.csv") and "a pipe" in refused(tmp_path / "p.csv")
    assert "No such file" in refused(tmp_path / "none.csv")
    assert ".parquet" in refused(table(tmp_path, "x", "t.xlsx"))


# JSON lines


@pytest.mark.parametrize(
    ("row", "label", "columns"),
    [
        pytest.param('{"label": 7}', "7", {}, id="a whole number"),
        pytest.param('{"label": "007"}', "007", {}, id="text"),
        pytest.param('{"label": 3.0}', "3", {}, id="a whole float"),
        pytest.param('{"label": "x", "a": 1, "b": 0.5, "c": true}', "x", {"a": "1", "b": "0.5", "c": "true"}, id="numbers"),
        pytest.param('{"label": "x", "a": null, "b": NaN, "c": ""}', "x", {}, id="holes"),
        pytest.param('{"b": [1, {"é": 2}], "label": "x", "a": {}}', "x", {"b": '[1,{"é":2}]', "a": "{}"}, id="nested"),
        pytest.param('{"label": "\\ud83d\\udc31"}', "🐱", {}, id="a character in two halves"),
    ],
)
def test_a_line_of_json(tmp_path: Path, row: str, label: str, columns: dict[str, str]) -> None:
    path = table(tmp_path, '\ufeff\n{"file_name": "a.jpg", ' + row[1:] + "\r\n\n", "t.ndjson")
    (one,) = read_table(path).sources
    assert (one.key, one.label) == ("a.jpg", label) and list(one.columns.items()) == list(columns.items())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param('{"file": "b.jpg"}', ["nothing in the column label"], id="no label"),
        pytest.param('{"label": "x"}', ["nothing in the column file"], id="no file"),
        pytest.param('{"file": "b.jpg", "label": null}', ["nothing in the column label"], id="null"),
        pytest.param('{"file": "b.jpg", "label": NaN}', ["nothing in the column label"], id="NaN"),
        pytest.param('{"file": "b.jpg", "label": true}', ["column label has true", "text or whole"], id="true"),
        pytest.param('{"file": "b.jpg", "label": 0.5}', ["column label has 0.5"], id="a fraction"),
        pytest.param('{"file": "b.jpg", "label": 1e400}', ["column label has Infinity"], id="infinite"),
        pytest.param('{"file": "b.jpg", "label": ["x", "y"]}', ['has ["x", "y"]'], id="several labels"),
        pytest.param('{"file": {"bytes": ""}, "label": "x"}', ["column file has"], id="a picture in the table"),
        pytest.param('{"file": "b.jpg", "label": "x", "file": "c.jpg"}', ["one key twice"], id="a key twice"),
        pytest.param('{"file": "b\\u0000.jpg", "label": "x"}', ["NUL", "b\\x00.jpg"], id="NUL"),
        pytest.param('{"file": "b.jpg", "label": "\\ud800"}', ["half a character", "both halves"], id="half a character"),
        pytest.param('{"file": "b.jpg", "label": "x", "t": "\\uDC80"}', ["half a character"], id="half a character in another column"),
        pytest.param('{"file": "b.jpg"', ["no JSON", "column"], id="cut short"),
        pytest.param("[1]", ["expected one object a line"], id="a list"),
        pytest.param("[" * 100_000, ["brackets go too deep"], id="nested without end"),
        pytest.param('{"file": "b.jpg", "t": ' + '{"a":' * 100_000, ["brackets go too deep"], id="objects nested without end"),
        pytest.param('{"file": "b.jpg", "label": ' + "1" * 5000 + "}", ["5000 digits", "quotation marks"], id="a number of 5000 digits"),
        pytest.param('{"file": "b.jpg", "t": [-' + "1" * 5000 + "]}", ["5000 digits"], id="a negative one in a list"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, line: str, words: list[str]) -> None:
    path = table(tmp_path, '{"file": "a.jpg", "label": "x"}\n\n' + line + "\n" + line.replace("b.jpg", "c.jpg"), "t.jsonl")
    message = refused(path)
    assert all(word in message for word in ["line 3: ", "(and 1 more)", *words]), message
    assert not any(word in message for word in ("recursion", "surrogate", "codec", "Exceeds", "sys.")), message


def test_no_depth_of_brackets_leads_past_the_message(tmp_path: Path) -> None:
    """What is read may still be too deep to be written as a cell's text, or as a part of a message."""
    for depth in (*range(100, 1000, 100), 3000, 30_000):
        for row in ('{"file": "a.jpg", "label": "x", "t": %s}', '{"file": "a.jpg", "label": %s}'):
            try:
                found = read_table(table(tmp_path, row % ("[" * depth + "]" * depth), "t.jsonl"))
            except PlanError as error:
                assert "brackets go too deep" in str(error) or "column label has [[[" in str(error)
            else:
                assert found.sources[0].columns["t"] == "[" * depth + "]" * depth


def test_json_that_is_no_lines(tmp_path: Path) -> None:
    assert "line 1: expected one object a line" in refused(table(tmp_path, '[{"file": "a.jpg"}]\n', "t.jsonl"))
    assert "is empty" in refused(table(tmp_path, "\n \n", "t.jsonl"))


# Parquet


def parquet(path: Path, columns: dict[str, Any]) -> Path:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table(columns), path)
    return path


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import datetime
    import decimal

    path = parquet(
        tmp_path / "t.parquet",
        {
            "path": ["b.jpg", "a.jpg"],
            "day": arrow.array([datetime.date(2024, 2, 29), None]),
            "label": arrow.array([7.0, 8.0]),
            "kind": arrow.array(["u", "v"]).dictionary_encode(),
            "price": [decimal.Decimal("1.50"), None],
            "score": [float("nan"), 0.25],
            "n": arrow.array([None, 3], arrow.int64()),
            "tags": [["x"], []],
            "raw": [b"1", b"2"],
        },
    )
    found = read_table(path)
    assert plain(found) == [("a.jpg", "8", "8"), ("b.jpg", "7", "7")]
    assert list(found.sources[1].columns.items()) == [("day", "2024-02-29"), ("kind", "u"), ("price", "1.50"), ("tags", '["x"]')]
    assert found.sources[0].columns == {"kind": "v", "score": "0.25", "n": "3", "tags": "[]"}
    assert found.notes == (f"{path}: the column raw holds bytes, left out",)


def test_parquet_of_many_rows(tmp_path: Path) -> None:
    names = [f"{i:05d}.jpg" for i in range(20_000)]
    found = read_table(parquet(tmp_path / "t.pq", {"file": names, "label": [i % 3 for i in range(20_000)]}))
    assert [one.key for one in found.sources] == names and {one.label for one in found.sources} == {"0", "1", "2"}
    names[12_345] = names[17]
    assert "row 12346: 00017.jpg is in row 18 too" in refused(
        parquet(tmp_path / "t.pq", {"file": names, "n": list(range(20_000))}), label="x"
    )


def test_parquet_that_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"image": [{"bytes": b"", "path": "a.jpg"}], "label": [1]})
    assert "columns: label; the column image holds bytes" in refused(path)
    assert "row 1: the column label has true" in refused(parquet(path, {"file": ["a.jpg"], "label": [True]}))
    assert "no rows" in refused(parquet(path, {"file": [], "label": []}))
    whole = parquet(path, {"file": ["a.jpg"] * 10, "label": ["x"] * 10}).read_bytes()
    for data in (whole[:-20], b"PAR1" * 20, whole[:4] + b"\xff" * 30 + whole[34:]):
        assert "can't read" in refused(table(tmp_path, data, "t.parquet"))


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'augx-cli[parquet]'" in refused(table(tmp_path, "PAR1", "t.parquet"))
