"""The catalogue, as the library and as the command."""

from __future__ import annotations

import json
import re

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


def test_it_says_what_a_lone_number_means(augx: Run) -> None:
    settings = {entry.name: entry.settings[0].number for entry in ENTRIES if entry.settings}
    assert settings["rotate"] == "30 means [-30, 30]" and settings["brightness"] == "0.3 means [0.7, 1.3]"
    assert settings["crop"] == "0.8 means [0.8, 1]" and settings["blur"] == "2 means [0, 2]" and settings["clahe"] == "4 means [1, 4]"
    for entry in ENTRIES:
        for setting in entry.settings:
            if setting.number:
                number, means = re.fullmatch(r"(.*) means (.*)", setting.number).groups()  # type: ignore[union-attr]
                quantity = TRANSFORMS[entry.name].quantities()[setting.name]
                assert quantity.parse(float(number)).bounds() == tuple(json.loads(means))


def test_the_command_explains_sections_and_words_too(augx: Run) -> None:
    done = augx("transforms", "crop_safe").stdout.decode()
    assert done == ""
    done = augx("transforms", "one_of", "tone", "rotate").stdout.decode()
    assert "Pick one of several steps" in done and "brightness" in done and "Rotate about the centre." in done and "fog  " not in done
    assert b"(here it is called blur)" in augx("transforms", "GaussianBlur").stderr


def test_the_command_lists_all_and_helps_with_a_slip(augx: Run) -> None:
    listed = augx("transforms").stdout.decode()
    assert all(f"  {entry.name} " in listed for entry in ENTRIES)
    wrong = augx("transforms", "rotat")
    assert wrong.returncode == 2 and b"no transform is called 'rotat' (did you mean rotate?)" in wrong.stderr
