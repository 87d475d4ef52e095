"""What README.md says is so: its spec, its Python, its table of transforms, its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augx import document, load_spec
from augx.transforms import TRANSFORMS, Transform
from tests.conftest import ROOT, Run, pictures

README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    return next(text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text)


def row(cls: type[Transform]) -> str:
    settings = []
    for name, field in cls.model_fields.items():
        if name in cls.quantities():
            settings.insert(0, f"`{name}`: {cls.quantities()[name].unit}")
        elif name != "p":
            settings.append(f"`{name}`: {field.description}")
    summary = (cls.__doc__ or "").splitlines()[0]
    return f"| {cls.section} | `{cls.name}` | {summary} | {'; '.join(settings) or '`p`'} |"


def test_the_table_has_every_transform() -> None:
    """To write it anew, paste what this prints when it fails."""
    expected = [row(cls) for section in ("warp", "tone", "then") for cls in TRANSFORMS.values() if cls.section == section]
    found = re.findall(r"^\| (?:warp|tone|then) \|.*$", README, re.MULTILINE)
    assert found == expected, "\n" + "\n".join(expected)


def test_the_spec_is_one() -> None:
    spec = load_spec(document.parse(block("yaml", "augx: 1").encode(), "README.md")[0])
    assert set(spec.canonical()) == {"augx", "seed", "warp", "tone", "then", "output"}


def test_the_python_runs(class_folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(class_folders.parent)
    exec(compile(block("python", "expand_dataset").replace("1000", "6"), "README.md", "exec"), {})
    assert capsys.readouterr().out == "12 0 ()\n" and len(pictures(Path("expanded"))) == 12


def test_every_option_it_names_is_one(augx: Run) -> None:
    known = set(re.findall(rb"--[a-z-]+", augx("generate", "--help").stdout))
    named = {option.encode() for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", README)}
    assert named <= known


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
