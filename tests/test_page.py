"""The pages of ``preview`` and ``generate`` read as a parser reads them: whatever names say, no script, no handler, no address."""

from __future__ import annotations

import csv
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import cv2
import pytest

from tests.conftest import Run, picture, write_picture
from tests.test_report import HOSTILE

NAMES = {
    **HOSTILE,
    "an address of a script": "javascript:alert(1)",
    "an address in a style": "url(http://host.example/a.png)",
    "a handler": 'x" onload="alert(1)',
    "a handler in single quotes": "x' onerror='alert(1)",
    "a comment that ends": "--><svg onload=alert(1)>",
    "an end of everything": "]]><title><textarea><noscript>",
    "an address of data": "data:text\u2215html,<b>x",
}

PNG = cv2.imencode(".png", picture())[1].tobytes()

_TAGS = {
    *("html", "head", "meta", "link", "title", "style", "body", "h1", "h2", "h3", "h4", "p", "bdi", "span", "div", "small", "br", "wbr"),
    *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img", "svg", "rect", "polyline"),
}
_PLAIN = {
    *("class", "style", "alt", "lang", "charset", "name", "content", "http-equiv", "rel", "viewbox", "width", "height", "role"),
    *("x", "y", "points"),
}


class _Seen(HTMLParser):
    """A page's tags and attributes, its styles, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_comment(self, data: str) -> None:
        self.tags.add("comment")

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(page: bytes) -> _Seen:
    """What is on a page that has nothing in it which could run, load or lead elsewhere."""
    seen = _Seen(page)
    assert seen.tags <= _TAGS
    addresses = [(tag, value) for tag, name, value in seen.attributes if name in ("src", "href")]
    assert all(value.startswith("data:image/jpeg;base64,") or (tag, value) == ("link", "data:,") for tag, value in addresses)
    assert {name for _, name, _ in seen.attributes} <= _PLAIN | {"src", "href"}
    styles = [value for _, name, value in seen.attributes if name == "style"] + [page.split(b"<style>")[1].split(b"</style>")[0].decode()]
    assert not any(word in style.lower() for style in styles for word in ("url(", "@import", "expression", "\\"))
    assert page.count(b"<style>") == page.count(b"</style>") == 1
    policy = [value for tag, name, value in seen.attributes if (tag, name) == ("meta", "content")]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in policy
    return seen


BAD = {
    "a script": b"<p><script>x</script>",
    "a handler": b"<p onclick='x'>",
    "an address": b"<img src='//host.example/a.png'>",
    "an address of a script": b"<link href='javascript:x'>",
    "a style that loads": b"<p style='background: url(//host.example)'>",
    "a second style": b"<style>p{}</style>",
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_page_is_seen(augx: Run, tmp_path: Path, case: str) -> None:
    write_picture(tmp_path / "a.png")
    assert augx("preview", "--image", "a.png", "--html", "r.html").returncode == 0
    page = (tmp_path / "r.html").read_bytes()
    checked(page)
    with pytest.raises(AssertionError):
        checked(page.replace(b"</body>", BAD[case] + b"</body>"))


@pytest.mark.parametrize("command", ["preview", "generate"])
def test_hostile_names(augx: Run, tmp_path: Path, command: str) -> None:
    """As the names of classes, of pictures, of some that can't be read, and of the spec."""
    names = [name.replace("/", "\u2215") for name in NAMES.values()]
    for name in names:
        own = name.encode()[:200].decode(errors="ignore")
        picture_of(tmp_path / "photos" / name / f"{own}.png")
        (tmp_path / "photos" / name / f"b{own}.png").write_bytes(b"no picture")
    (tmp_path / f"{NAMES['a handler']}.yaml").write_text("warp: {rotate: 10}\n")
    words = (
        ["--html", "r.html", "--show", str(len(names))]
        if command == "preview"
        else ["--output", "o", "--copies", "2", "--report", "r.html"]
    )
    done = augx(command, "--input", "photos", "--spec", f"./{NAMES['a handler']}.yaml", *words)
    assert done.stderr.count(b"not an image") == len(names)
    seen = checked((tmp_path / "r.html").read_bytes())
    for name in names:
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
        assert seen.text.count(shown) >= 2


def picture_of(path: Path) -> None:
    """A picture, whatever its name holds."""
    path.parent.mkdir(parents=True)
    path.write_bytes(PNG)


@pytest.mark.parametrize("command", ["preview", "generate"])
def test_names_that_are_not_utf8(augx: Run, tmp_path: Path, command: str) -> None:
    raw = os.fsencode(tmp_path / "photos") + b"/\xff<b>\xe9"
    os.makedirs(raw)
    os.rename(write_picture(tmp_path / "x.png"), raw + b"/<i>\xfe.png")
    words = ["--html", "r.html"] if command == "preview" else ["--output", "o", "--copies", "2", "--report", "r.html"]
    assert augx(command, "--input", "photos", *words).returncode == 0
    assert "\\udcff<b>\\udce9/<i>\\udcfe.png" in checked((tmp_path / "r.html").read_bytes()).text


@pytest.mark.parametrize("command", ["preview", "generate"])
def test_hostile_words_of_a_table(augx: Run, tmp_path: Path, command: str) -> None:
    """Labels that no folder could have, an address among them, are refused in words or shown as text."""
    labels = ["//host.example/x", "javascript:alert(1)", "<img src=//host.example onerror=alert(1)>", "&#60;script>"]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label"])
        for number, label in enumerate(labels[1:]):
            rows.writerow([write_picture(tmp_path / f"{number}.png").name, label.replace("//host.example", "host.example")])
    words = ["--html", "r.html"] if command == "preview" else ["--output", "o", "--copies", "2", "--report", "r.html"]
    done = augx(command, "--input", "t.csv", *words)
    assert done.returncode == 0, done.stderr
    assert "javascript:alert(1)" in checked((tmp_path / "r.html").read_bytes()).text
    (tmp_path / "t.csv").write_text(f"image,label\n0.png,{labels[0]}\n")
    refused = augx(command, "--input", "t.csv", *[word if word != "r.html" else "s.html" for word in words])
    assert refused.returncode == 2 or checked((tmp_path / "s.html").read_bytes()), refused.stderr


@pytest.mark.parametrize("command", ["preview", "generate"])
def test_hostile_categories(augx: Run, tmp_path: Path, command: str) -> None:
    write_picture(tmp_path / "0.png", picture(60, 80))
    names = [name for name in NAMES.values() if name.isprintable()]
    boxes = [{"id": i, "image_id": 1, "category_id": i, "bbox": [5 + i, 5, 40, 40], "area": 1600, "iscrowd": 0} for i in range(len(names))]
    images = [{"id": 1, "file_name": "0.png", "width": 80, "height": 60}]
    found = {"images": images, "annotations": boxes, "categories": [{"id": i, "name": name} for i, name in enumerate(names)]}
    (tmp_path / "c.json").write_text(json.dumps(found))
    words = ["--html", "r.html"] if command == "preview" else ["--output", "o", "--copies", "2", "--report", "r.html"]
    done = augx(command, "--input", "c.json", *words)
    assert done.returncode == 0, done.stderr
    assert "<script>alert(1)<" in checked((tmp_path / "r.html").read_bytes()).text
