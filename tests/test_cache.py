"""What is kept decoded: a bounded number of sources, or of bytes, whatever is asked for and whoever asks."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from augx import SourceError, find_sources
from augx.cache import Samples
from tests.conftest import picture, write_picture


@pytest.mark.parametrize(("capacity", "room", "kept"), [(3, 0, 3), (1, 30_000, 7), (20, 1, 12)])
@pytest.mark.parametrize("threads", [1, 4])
def test_the_count_of_bytes_is_their_sum(capacity: int, room: int, kept: int, threads: int, tmp_path: Path) -> None:
    for i in range(12):
        write_picture(tmp_path / "cats" / f"{i}.png", picture(10, 16, seed=i))
    (tmp_path / "cats" / "3.png").write_bytes(b"broken")
    sources, chance = list(find_sources(tmp_path).sources), random.Random(0)
    samples = Samples(10**6, capacity, room)

    def get(number: int) -> None:
        try:
            assert samples.get(sources[number], flat=True).image.image.shape[:2] == (10, 16)
        except SourceError:
            assert sources[number].key.endswith("3.png")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(get, [chance.randrange(12) for _ in range(500)]))
    entries = samples._entries.values()
    assert samples._bytes == sum(entry.bytes for entry in entries) > 0
    assert len(entries) <= kept + threads
