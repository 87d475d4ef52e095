"""What README.md says is so: its spec, its Python, its table of transforms, its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augx import document, load_spec
from augx.catalogue import as_markdown
from augx.policies import POLICIES
from augx.transforms import TRANSFORMS
from tests.conftest import ROOT, Run, pictures

README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    return next(text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text)


def test_the_page_of_transforms_is_what_the_command_prints(augx: Run) -> None:
    """To write it anew: ``augx transforms --markdown > docs/TRANSFORMS.md``."""
    assert (ROOT / "docs" / "TRANSFORMS.md").read_text() == as_markdown()
    assert augx("transforms", "--markdown").stdout.decode() == as_markdown()


def test_what_it_names_is_there() -> None:
    table = README[README.index("| section | what it holds") : README.index("`augx transforms` lists them")]
    named = re.findall(r"`(\w+)`", re.sub(r"\| `\w+` \|", "|", table))
    assert len(named) > 60 and set(named) <= {*TRANSFORMS, *POLICIES}


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL), ids=lambda text: text[:20])
def test_its_specs_are_specs(text: str) -> None:
    assert load_spec(document.parse(text.encode(), "README.md")[0]).canonical()


def test_the_spec_is_one() -> None:
    spec = load_spec(document.parse(block("yaml", "augx: 1").encode(), "README.md")[0])
    assert set(spec.canonical()) == {"augx", "seed", "warp", "tone", "then", "output"}


def test_the_python_runs(class_folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(class_folders.parent)
    exec(compile(block("python", "expand_dataset").replace("1000", "6"), "README.md", "exec"), {})
    assert capsys.readouterr().out == "12 0 ()\n" and len(pictures(Path("expanded"))) == 12


def test_every_option_it_names_is_one(augx: Run) -> None:
    commands = re.findall(r"^  (\w+) ", augx("--help").stdout.decode().partition("Commands:")[2], re.MULTILINE)
    known = {option for command in commands for option in re.findall(rb"--[a-z-]+", augx(command, "--help").stdout)}
    known |= {option for library in ("keras",) for option in re.findall(rb"--[a-z-]+", augx("import", library, "--help").stdout)}
    named = {option.encode() for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", README)}
    assert named <= known


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
