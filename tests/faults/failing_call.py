"""A run whose Nth call into the file system fails, for every N, and the same command again after it, which must end as if nothing had been.

``python -m tests.faults.failing_call ROOT EIO|ENOSPC WORD ...`` runs ``augx WORD ... --output``. EIO fails one call, ENOSPC this call
(after half of what it should write) and every later one, as a full disk does. It prints how many calls it failed, and what was wrong
after which of them. A process of its own, with one thread, so that it can fork.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augx.cli import augx, main
from tests.conftest import tree

CALLS = ("open", "mkdir", "write", "writev", "pwrite", "ftruncate", "rename")


class Faults:
    """Counts the calls, and makes the one numbered ``at`` fail; with ``full`` all later ones too."""

    def __init__(self, number: int, at: int, full: bool) -> None:
        self.number, self.at, self.full, self.seen = number, at, full, 0
        self.failed = ""

    def fails(self, name: str) -> bool:
        self.seen += 1
        if self.seen == self.at:
            self.failed = name
        return self.seen >= self.at if self.full else self.seen == self.at

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*args: Any, **options: Any) -> Any:
            reads = name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR)
            if (self.full and reads) or not self.fails(name):
                return call(*args, **options)
            if self.full and name == "write" and self.seen == self.at and len(args[1]) > 1:
                return call(args[0], args[1][: len(args[1]) // 2])
            raise OSError(self.number, os.strerror(self.number))

        return failing

    def install(self) -> None:
        """Also under files that ``open`` makes of descriptors, as an archive is written through one."""
        for name in CALLS:
            setattr(os, name, self.wrapped(name, getattr(os, name)))
        write = self.wrapped("FileIO.write", io.FileIO.write)
        raw = type("Raw", (io.FileIO,), {"write": lambda file, data: write(file, data)})
        plain = builtins.open

        def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            return io.BufferedRandom(raw(file, "r+")) if isinstance(file, int) and mode == "w+b" else plain(file, mode, *args, **options)

        builtins.open = opened  # type: ignore[assignment]


def run(words: list[str], said: Path, faults: Faults | None) -> tuple[int, str]:
    """The command in a copy of this process; its exit status, and the name of the call that failed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 99
        try:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            os.dup2(2, 1)
            sys.argv = ["augx", *words]
            tell = os.write
            if faults is not None:
                faults.install()
            try:
                main()
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else 98
            sys.stderr.flush()
            tell(writer, (faults.failed if faults is not None else "").encode())
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as file:
        failed = file.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), failed


def told(status: int, said: str, reason: str, same: bool) -> str:
    """What is wrong with how a run ended; nothing if all is well."""
    lines = said.splitlines()
    if status == 0:
        return "" if same else f"status 0, but another tree: {said}"
    if status not in (1, 2):
        return f"status {status}: {said}"
    # Where one source was lost, its line is the first, and others sum up.
    clear = len(lines) == 1 or (len(lines) > 1 and "missing" in lines[0] and "made from" in lines[-1])
    clear = clear and all(line.startswith("augx: ") for line in lines) and "unexpected" not in said
    return "" if clear and reason in said else f"status {status}: {said}"


def in_any_order(root: Path) -> Any:
    """A set whose copies may have been made in another order, as after the loss of a source: lines without their places, and files."""
    lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]
    moved = ("in", "at", "row")
    listed = [json.dumps({name: value for name, value in line.items() if name not in moved}) for line in lines if "package" not in line]
    loose = {name: data for name, data in tree(root).items() if not name.endswith((".tar", ".npz", ".npy", ".jsonl", "index.json"))}
    return sorted(listed), loose


def every_call() -> None:
    """Do what the module says."""
    root, kind, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    number = getattr(errno, kind)
    augx.main([*words, "--output", str(root / "whole"), "--quiet"], standalone_mode=False)
    expected = tree(root / "whole")
    out, said = root / "out", root / "said.txt"
    command = [*words, "--output", str(out)]
    wrong: list[str] = []
    names: list[str] = []
    for at in range(1, 10_000):
        status, failed = run(command, said, Faults(number, at, kind == "ENOSPC"))
        if not failed:
            break
        names.append(failed)
        found = tree(out) if out.exists() else {}
        lost = status == 1 and "files missing" in said.read_text()
        problem = told(status, said.read_text(), os.strerror(number), found == expected)
        left = [name for name in found if ".augx-tmp-" in name]
        again, _ = run(command, said, None)
        if again or (in_any_order(out) != in_any_order(root / "whole") if lost else tree(out) != expected):
            problem += f"; again: status {again}: {said.read_text()}"
        if problem or left:
            wrong.append(f"{failed} {at}: {problem} {left}")
        shutil.rmtree(out)
    print(json.dumps({"calls": len(names), "names": sorted(set(names)), "wrong": wrong}))


if __name__ == "__main__":
    every_call()
