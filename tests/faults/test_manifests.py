"""Damaged manifests: refused or mended, and no picture is touched."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from augx import OutputError, WriteError
from tests.conftest import pictures
from tests.faults.oracle import expand, settled


@pytest.mark.parametrize("damage", ["cut", "deleted", "NULs", "a gigabyte of NULs"])
def test_a_damaged_manifest(damage: str, photos: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    out = tmp_path / "out"
    expand(out, photos, 8)
    before, path = pictures(out), out / "manifest.jsonl"
    match damage:
        case "cut":
            os.truncate(path, path.stat().st_size - 40)
        case "deleted":
            path.unlink()
        case _:
            os.truncate(path, 0)
            os.truncate(path, 5000 if damage == "NULs" else 1 << 30)
    if damage == "a gigabyte of NULs":  # fewer are a torn last line
        with pytest.raises(OutputError, match="line 1 is damaged"):
            expand(out, photos, 8)
        path.unlink()
    assert pictures(out) == before
    settled(out, photos, 8)
    figure(f"{damage}: no picture touched, then equal trees")


def test_a_flipped_byte_in_the_manifest_changes_no_picture(photos: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    out = tmp_path / "out"
    expand(out, photos, 8)
    before, path, chance = pictures(out), out / "manifest.jsonl", random.Random(0)
    whole = path.read_bytes()
    for _ in range(40):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            expand(out, photos, 8)
        except (OutputError, WriteError) as error:
            assert "\n" not in str(error)
        assert pictures(out).items() >= before.items()
        for name in pictures(out).keys() - before.keys():
            (out / name).unlink()
    path.write_bytes(whole)
    settled(out, photos, 8)
    figure("40 manifests with a flipped bit: 0 pictures changed")
