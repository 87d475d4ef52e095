"""The catalogue, as the library and as the command."""

from __future__ import annotations

import pytest

from augx import document, load_spec
from augx.catalogue import catalogue
from augx.policies import POLICIES
from augx.transforms import TRANSFORMS
from tests.conftest import Run

ENTRIES = list(catalogue())


def test_it_has_every_transform_and_policy_once() -> None:
    assert [entry.name for entry in ENTRIES] == [*TRANSFORMS, *POLICIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_its_examples_are_specs_and_its_settings_all_there_are(entry) -> None:  # type: ignore[no-untyped-def]
    spec = load_spec(document.parse(entry.example.encode(), "example")[0])
    assert [place.rpartition(".")[2] for place, _ in spec.nodes] == [entry.name]
    model = {**TRANSFORMS, **POLICIES}[entry.name]
    assert {setting.name for setting in entry.settings} | {"p", "relabel"} >= set(model.model_fields)
    assert entry.summary and all(setting.meaning for setting in entry.settings)


@pytest.mark.parametrize("name", ["rotate", "elastic", "hsv", "erase", "augmix"])
def test_the_command_explains_one(augx: Run, name: str) -> None:
    done = augx("transforms", name)
    entry = next(entry for entry in ENTRIES if entry.name == name)
    assert done.returncode == 0 and done.stdout.decode() == entry.as_text() + "\n"
    assert entry.example in entry.as_text() and all(setting.name in entry.as_text() for setting in entry.settings)


def test_the_command_lists_all_and_helps_with_a_slip(augx: Run) -> None:
    listed = augx("transforms").stdout.decode()
    assert all(f"  {entry.name} " in listed for entry in ENTRIES)
    wrong = augx("transforms", "rotat")
    assert wrong.returncode == 2 and b"no transform is called 'rotat' (did you mean rotate?)" in wrong.stderr
