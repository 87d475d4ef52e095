"""What the kernel sees of runs over hostile names: nothing is made or written outside the output, and no socket is opened."""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, picture, pictures, write_picture

strace = shutil.which("strace")
WRITES = re.compile(
    r"\b(open(?:at)?\(.*O_(?:WRONLY|RDWR|CREAT|TRUNC)|(?:creat|mkdir|mknod|rename|link|symlink|unlink|chmod|fchmod|chown|lchown|fchown"
    r"|setxattr)(?:at2?)?\(|rmdir\(|truncate\(|utimensat\()"
)
PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)"')
NAMES = ["-rf", "..png", " ", "CON", "new\nline", "trailing. ", "\u202egnp", "~", "$(touch x)", "%2e%2e%2f"]
NAMES += ["x" * 220, "é", "e\u0301", "\udcff"]
ROWS = ["good.png,../../up", "good.png,/absolute", "a\0.png,cats", '"good.png","new\nline"']
ROWS += ["..,cats", "../secret.png,cats", "/dev/zero,cats"]


def unescaped(text: str) -> str:
    """A name as it is, of one as strace writes it."""
    return os.fsdecode(codecs.escape_decode(text.encode("ascii"))[0])  # type: ignore[attr-defined]


def written(log: Path, cwd: Path) -> set[str]:
    """Every path that a run tried to make, write or remove."""
    found = set()
    for line in log.read_text("ascii").splitlines():
        if WRITES.search(line):
            for base, name in PLACE.findall(line):
                found.add(os.path.normpath(os.path.join(cwd, unescaped(base), unescaped(name))))
    return found


def named_files(root: Path, data: bytes) -> list[str]:
    for i, name in enumerate(NAMES):
        for path in (root / "in" / f"class {i}" / f"{name}.png", root / "in" / name / f"{i}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    (root / "in" / "class 0" / "link.png").symlink_to(root / "secret.png")
    return ["in"]


def table(root: Path, data: bytes) -> list[str]:
    (root / "in").mkdir()
    (root / "in" / "good.png").write_bytes(data)
    paths = [root / "in" / "good.png", f"{root}/in/../secret.png", f"{root}/in/new\nline.png", "/dev/zero.png", "/proc/self/mem.png"]
    (root / "in" / "set.csv").write_text("file,label\n" + "".join(f'"{path}",cats\n' for path in paths))
    return ["in/set.csv --root /"]


def tables_that_are_refused(root: Path, data: bytes) -> list[str]:
    (root / "in").mkdir()
    (root / "in" / "good.png").write_bytes(data)
    inputs = []
    for i, row in enumerate(ROWS):
        (root / "in" / f"{i}.csv").write_text(f"file,label\n{row}\n")
        inputs.append(f"in/{i}.csv")
    return inputs


def tar(root: Path, data: bytes) -> list[str]:
    (root / "in").mkdir()
    with tarfile.open(root / "in" / "set.tar", "w") as file:
        for name in ("cats/good.png", "../secret.png", str(root / "absolute.png"), "cats/../../up.png", "cats/new\nline.png", "-rf.png"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
        for kind, name, target in ((tarfile.SYMTYPE, "dogs", str(root)), (tarfile.LNKTYPE, "cats/hard.png", "../secret.png")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            file.addfile(info)
        info = tarfile.TarInfo("dogs/through.png")
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))
    return ["in/set.tar"]


@pytest.mark.skipif(strace is None, reason="strace is not installed")
@pytest.mark.parametrize("make", [named_files, table, tables_that_are_refused, tar], ids=lambda make: make.__name__.replace("_", " "))
def test_nothing_is_written_outside_the_output(
    make: object, tmp_path: Path, figure: Callable[[str], None], record_property: Callable[[str, object], None]
) -> None:
    data = write_picture(tmp_path / "secret.png", picture(12, 16)).read_bytes()
    inputs = make(tmp_path, data)  # type: ignore[operator]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    beside = sorted(os.listdir(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
    made = 0
    seen: set[str] = set()
    for one in inputs:
        log = tmp_path / "calls.log"
        words = ["generate", "--input", *one.split(), "--output", "out", "--copies", "1", "--jobs", "1"]
        watched = [
            str(strace),
            "-f",
            "-y",
            "-s",
            "9999",
            "-e",
            "trace=%file,%network",
            "-o",
            str(log),
            sys.executable,
            "-m",
            "augx",
            *words,
        ]
        done = subprocess.run(watched, cwd=tmp_path, env=environment, capture_output=True, text=True, errors="replace", check=False)
        if "PTRACE" in done.stderr or "ptrace" in done.stderr:
            pytest.skip("this sandbox can't trace")
        assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr and "unexpected" not in done.stderr
        made += done.returncode != 2
        places = written(log, tmp_path)
        inside = [f"{tmp_path}/out", f"{temporary}/augx-"]
        outside = {place for place in places if not place.startswith(tuple(inside)) and place != os.devnull}
        assert not outside and "socket(" not in log.read_text("ascii") and "connect(" not in log.read_text("ascii")
        assert done.returncode == 2 or f"{tmp_path}/out/manifest.jsonl" in places
        seen |= places
        log.unlink()
    assert sorted(set(os.listdir(tmp_path)) - {"out"}) == beside and not os.listdir(temporary)
    assert (tmp_path / "secret.png").read_bytes() == data
    assert made == (0 if make is tables_that_are_refused else 1)
    assert bool(made) == bool((tmp_path / "out").exists() and pictures(tmp_path / "out"))
    what = make.__name__.replace("_", " ")  # type: ignore[attr-defined]
    record_property("measure", "leaked paths, by strace")
    figure(f"{what}: {len(inputs)} runs, {len(seen)} paths made, written or removed; 0 of them outside the output, 0 sockets")
