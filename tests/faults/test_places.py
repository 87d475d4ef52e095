"""The output is swapped for a link during a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from augx import Options, OutputError, WriteError
from tests.conftest import tree
from tests.faults.oracle import expand, settled


@pytest.mark.parametrize(
    ("what", "to"), [("class folder", ""), ("output", ""), ("output", "webdataset"), ("output", "npy"), ("output", "npz")]
)
def test_a_folder_is_swapped_for_a_link_during_a_run(
    what: str, to: str, photos: Path, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    out, elsewhere, moved = tmp_path / "out", tmp_path / "elsewhere", tmp_path / "moved"
    (elsewhere / "cats").mkdir(parents=True)
    (elsewhere / "dogs").mkdir()
    place = out if what == "output" else out / "cats"

    def swap(pictures: int) -> None:
        if not moved.exists():
            os.rename(place, moved)
            place.symlink_to(elsewhere)

    with pytest.raises((OutputError, WriteError)):
        expand(out, photos, 40, to, options=Options(jobs=1), on_progress=swap)
    assert not tree(elsewhere)
    place.unlink()
    os.rename(moved, place)
    settled(out, photos, 40, to)
    figure(f"{what} of {to or 'folders'}: stopped, 0 bytes at the link's target; put back: equal trees")
