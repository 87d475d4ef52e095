"""A bar for commands that go through files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def files_bar(options: dict[str, Any]) -> Iterator[tuple[Callable[[int], None] | None, Callable[[int], None] | None]]:
    """What is to be called with the number of files found, and with each number of files done; None where no bar is wanted."""
    if options["quiet"] or not sys.stderr.isatty():
        yield None, None
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its thread would keep workers from being forked
    with tqdm(unit=" files") as bar:

        def on_found(files: int) -> None:
            bar.reset(files)

        def on_done(files: int) -> None:
            bar.update(files)

        yield on_found, on_done
