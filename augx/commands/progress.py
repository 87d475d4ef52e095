"""How far a command is: a bar for people, JSON lines on a descriptor for programs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from augx.commands.options import write_out

_EVERY = 1.0
"""Seconds between two lines for programs."""


class Lines:
    """JSON lines on a descriptor: files made and planned, the rate since the start, and the seconds that are left at it."""

    def __init__(self, descriptor: int | None, planned: int) -> None:
        self._descriptor, self._planned, self._made, self._kept = descriptor, planned, 0, 0
        self._began = self._told = time.monotonic()
        if descriptor is None:
            return
        try:
            os.fstat(descriptor)
        except OSError:
            raise click.UsageError(f"--progress-fd {descriptor}: no such descriptor is open; open it, as in 3>progress.jsonl") from None

    def begin(self, planned: int, kept: int) -> None:
        """What is planned is another number, and some of it is there already."""
        self._planned, self._kept = planned, kept

    def add(self, files: int) -> None:
        """So many more are made."""
        self._made += files
        if time.monotonic() - self._told > _EVERY:
            self._told = time.monotonic()
            self._tell({})

    def end(self) -> None:
        """The last line."""
        self._tell({"ended": True})

    def _tell(self, more: dict[str, Any]) -> None:
        if self._descriptor is None:
            return
        rate = self._made / max(time.monotonic() - self._began, 1e-9)
        left = (self._planned - self._kept - self._made) / rate if rate else None
        fields = {
            "planned": self._planned,
            "made": self._made,
            "kept": self._kept,
            "rate": round(rate, 3),
            "left": left and round(left, 1),
            **more,
        }
        try:
            os.write(self._descriptor, json.dumps(fields).encode() + b"\n")
        except OSError:
            self._descriptor = None  # nobody reads it any more; the work goes on


@contextlib.contextmanager
def run_progress(planned: int, options: dict[str, Any]) -> Iterator[tuple[Callable[[Sequence[str]], None], Lines]]:
    """What a run tells of each file and of their number, by its options."""

    def write_paths(paths: Sequence[str]) -> None:
        if options["paths"]:
            write_out(b"".join(os.fsencode(path) + b"\n" for path in paths))

    lines = Lines(options["progress_fd"], planned)
    try:
        if options["quiet"] or not sys.stderr.isatty():
            yield write_paths, lines
            return
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # its thread would keep the workers from being forked
        with tqdm(total=planned, unit=" pictures") as bar:
            yield write_paths, _Bar(lines, bar)
    finally:
        lines.end()


class _Bar(Lines):
    """The same with a bar."""

    def __init__(self, lines: Lines, bar: Any) -> None:
        self._lines, self._bar = lines, bar

    def begin(self, planned: int, kept: int) -> None:
        self._lines.begin(planned, kept)
        self._bar.reset(planned - kept)

    def add(self, files: int) -> None:
        self._lines.add(files)
        self._bar.update(files)


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
