"""What an experiment leaves on disk while it runs: its settings, and a record of each run that ended. One writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from augx.errors import OutputError, WriteError, printable
from augx.experiment.settings import FILES, Run, Settings, safe_name
from augx.experiment.training import Outcome
from augx.files import TEMPORARY, open_folder, sweep, write_whole

RECORD = "experiment.json"
RUNS = "runs"
_LARGEST = 100_000_000  # bytes of a record


@contextlib.contextmanager
def claimed(output: str, state: Mapping[str, Any], settings: Settings) -> Iterator[None]:
    """While this lasts, the output is this process' own: a new one, or one with an experiment of the same settings.

    Raises ``OutputError`` where it is neither, and changes nothing there.
    """
    place = printable(output)
    for option, folder in (("--dataset", settings.dataset), ("--test", settings.test)):
        outer = os.path.realpath(folder or "")
        if folder and os.path.isdir(outer) and os.path.commonpath([os.path.realpath(output), outer]) == outer:
            raise OutputError(f"{place}: lies inside {option}, so the curves would be pictures next time; choose another --output")
    with contextlib.ExitStack() as held:
        try:
            os.makedirs(output, exist_ok=True)
            descriptor = held.enter_context(open_folder(output, ""))
            _lock(descriptor, place)
            _check(output, descriptor, state)
            held.enter_context(open_folder(output, RUNS))
            for inside in ("", RUNS):
                sweep(output, inside)
            write_whole(descriptor, RECORD, (json.dumps(state) + "\n").encode("ascii"))  # shows too that it can be written
        except OSError as error:
            raise OutputError(f"{place}: can't write here: {error.strerror}; choose another --output") from None
        yield


def _lock(folder: int, place: str) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"{place}: another augx experiment is at work here; wait for it, or choose another --output") from None
    except OSError:
        pass  # a file system without locks


def _check(output: str, folder: int, state: Mapping[str, Any]) -> None:
    place = printable(output)
    entries = {name for name in os.listdir(folder) if not name.startswith(TEMPORARY)}
    for name in FILES:
        if name in entries and not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OutputError(f"{place}/{name}: not a plain file; move it away, or choose another --output")
    if RECORD not in entries:
        if entries - {RUNS}:
            raise OutputError(f"{place}: a folder with other things in it; choose an empty or a new --output")
        return
    found = _json(os.path.join(output, RECORD))
    if found is None:
        raise OutputError(f"{place}/{RECORD}: not one that augx wrote; choose another --output")
    for name, value in state.items():
        if found.get(name) != value:
            what = _DIFFERENT.get(name, f"{name} was {printable(str(found.get(name)))}, is {printable(str(value))}")
            raise OutputError(f"{place}: holds another experiment ({what}); go on with its settings, or choose another --output")


_DIFFERENT = {
    "data": "of other pictures, or of another --seed that --fraction draws by",
    "model_file": "the file of --model has changed",
    "trainings": "of another version of augx, which trains otherwise",
}


def _json(path: str) -> dict[str, Any] | None:
    """What a file holds, if it is a plain file and an object. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)  # a pipe would wait for its other end
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            found = json.loads(file.read(_LARGEST))
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _path(run: Run) -> str:
    name = "--".join(safe_name(part) for part in (run.arm, run.spec, str(run.seed)) if part)
    return f"{RUNS}/{name}.json"


def read_record(output: str, run: Run, settings: Settings, classes: int) -> Outcome | None:
    """What was recorded of a run; None where it did not end. Raises ``OutputError``, also for another spec of the same name."""
    path = os.path.join(output, _path(run))
    try:
        found = _json(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{printable(path)}: can't read: {error.strerror}; remove it, and the run is made again") from None
    if found is None or not _whole(found, settings, classes):
        raise OutputError(f"{printable(path)}: not a record that augx wrote; remove it, and the run is made again")
    spec = dict(settings.specs).get(run.spec)
    if found.pop("spec_hash") != (spec.hash if spec else ""):
        raise OutputError(
            f"{printable(path)}: of another spec of this name; choose another --output, or remove its records "
            f"({RUNS}/*--{printable(safe_name(run.spec))}--*.json), and these runs are made again"
        )
    return found


def _whole(found: dict[str, Any], settings: Settings, classes: int) -> bool:
    """Whether all is there, and can be: whoever reads on need not ask again."""
    try:
        counts, pictures, history = found["confusion"], found["pictures"], found["history"]
        shares = [found[name] for name in ("accuracy", "train", "val")]
        right = sum(counts[i][i] for i in range(classes))
        return (
            isinstance(found["spec_hash"], str)
            and isinstance(found["initial"], str)
            and all(_number(share) and 0 <= share <= 1 for share in shares)
            and _number(found["seconds"])
            and len(counts) == classes
            and all(len(row) == classes and all(type(n) is int and n >= 0 for n in row) for row in counts)
            and all(type(pictures[name]) is int and pictures[name] > 0 for name in ("train", "val", "test"))
            and sum(map(sum, counts)) == pictures["test"]
            and math.isclose(right / pictures["test"], found["accuracy"], abs_tol=1e-9)
            and type(found["copies"]) is int
            and all(
                len(history[name]) == settings.epochs and all(map(_number, history[name]))
                for name in ("loss", "accuracy", "val_loss", "val_accuracy")
            )
        )
    except (KeyError, TypeError, IndexError, ValueError):
        return False


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def write_record(output: str, run: Run, fields: Mapping[str, Any]) -> None:
    """Keep a run that has ended. Raises ``WriteError``."""
    folder, _, name = _path(run).rpartition("/")
    try:
        with open_folder(output, folder) as descriptor:
            write_whole(descriptor, name, (json.dumps(fields, allow_nan=False) + "\n").encode("ascii"))
    except OSError as error:
        place = printable(os.path.join(output, folder, name))
        raise WriteError(f"{place}: can't write: {error.strerror}; put that right, then the same command goes on") from None
