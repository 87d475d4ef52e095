"""The record of a set: ``manifest.jsonl``, one line a file, and ``run.json``, what the set was made with.

A line is appended after its file stands, so a listed file is whole; a file without a line is made again and compared.
The lock of a run is the kernel's, on the manifest: a killed run leaves none behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from augx.errors import OutputError, WriteError, printable
from augx.files import open_folder, write_all, write_whole

MANIFEST = "manifest.jsonl"
RUN = "run.json"
_MAX_LINE = 50_000_000


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def copy_line(**fields: Any) -> str:
    """One line of the manifest, JSON in ASCII, so that a name that is not UTF-8 survives."""
    return _encode(fields)


class Manifest:
    """An output's manifest, open and locked for one run, or only to be looked at. Use as a context manager.

    ``shared``: looked at, and locked together with others who do the same, against a run that writes.
    """

    def __init__(self, root: str, *, look_only: bool = False, shared: bool = False) -> None:
        self._root = root
        self._path = os.path.join(root, MANIFEST)
        self._look_only = look_only or shared
        try:
            if not look_only:
                os.makedirs(root, exist_ok=True)
            with open_folder(root, "") as folder:
                flags = os.O_RDONLY if look_only else os.O_RDWR | os.O_CREAT | os.O_APPEND
                flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                self.descriptor = os.open(MANIFEST, flags, 0o666, dir_fd=folder)
        except OSError as error:
            what = "read the manifest of this set" if look_only else "write to this output"
            raise OutputError(f"{printable(root)}: can't {what}: {error.strerror}; choose another --output") from None
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            os.close(self.descriptor)
            raise OutputError(f"{printable(self._path)}: not a plain file; move it away, or choose another --output")
        if look_only:
            return
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.descriptor)
            raise OutputError(f"{printable(root)}: another augx run is writing here; wait for it, or choose another --output") from None
        except OSError:
            pass  # a file system without locks

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def entries(self, *, packages: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
        """Lines of pictures and their fields, those that close a package only if asked for.

        A torn last line, left by a kill in the middle of a write, is cut off.
        """
        whole = 0
        with open(self.descriptor, "rb", closefd=False) as file:
            file.seek(0)
            for number in range(1, 2**63):
                line = file.readline(_MAX_LINE)
                if not line.endswith(b"\n"):
                    break
                fields = self._fields(line, number)
                if packages or "package" not in fields:
                    yield line[:-1].decode("ascii", "replace"), fields
                whole += len(line)
        if len(line) == _MAX_LINE:
            self._damaged(number)
        if not self._look_only:
            os.ftruncate(self.descriptor, whole)

    def _fields(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            fields = json.loads(line)
            if "package" in fields:
                if not _inside(fields["package"]) or type(fields["size"]) is not int or type(fields["samples"]) is not int:
                    raise ValueError
                return dict(fields)
            counted = fields.get("original") is True or (type(fields["copy"]) is int and fields["copy"] >= 0)
            texts = (fields[name] for name in ("sha256", "source_sha256", "source", "label"))
            whole = type(fields["size"]) is int and all(isinstance(text, str) for text in (*texts, fields.get("source_label", "")))
            params = {} if fields.get("original") else fields["params"]
            whole = whole and all(isinstance(drawn, dict) for drawn in params.values())
            inside = all(_inside(part["file"]) and type(part["size"]) is int for part in fields.get("beside", ()))
            if not counted or not whole or not inside or not _inside(fields["file"]):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._damaged(number)
        return dict(fields)

    def _damaged(self, number: int) -> None:
        raise OutputError(
            f"{printable(self._path)}: line {number} is damaged; nothing was changed; restore the file, or move the folder away"
        )

    def stands(self, file: str, size: int, digest: str | None = None) -> bool:
        """Whether a listed file is there with its size; with its ``digest`` it is read, and one that a crash tore is removed."""
        path = os.path.join(self._root, file)
        try:
            found = os.lstat(path).st_size
            if found == size and digest is None:
                return True
            if digest is not None and found == size:
                with open(path, "rb") as stream:
                    found_digest = hashlib.sha256()
                    while block := stream.read(1 << 20):
                        found_digest.update(block)
                if found_digest.hexdigest() == digest:
                    return True
            if not self._look_only and (digest is not None or found == 0):
                os.unlink(path)  # a power cut leaves files that are named and empty, or torn
        except OSError:
            pass
        return False

    def cut(self, lines: int) -> None:
        """Leave off all but the first ``lines`` lines: those of a package whose closing line was never written."""
        if not self._look_only:
            os.ftruncate(self.descriptor, sum(len(line) + 1 for line, _ in islice(self.entries(packages=True), lines)))

    def in_order(self, rank: Callable[[dict[str, Any]], tuple[int, int] | None]) -> Callable[[], Iterator[dict[str, Any]]]:
        """The lines' fields in the order of ``rank`` (None leaves one out), as often as it is called, with a few bytes a line in memory."""
        offsets: dict[tuple[int, int], int] = {}
        at = 0
        for line, fields in self.entries(packages=True):
            if "package" not in fields and (key := rank(fields)) is not None:
                offsets[key] = at
            at += len(line) + 1
        places = [offsets[key] for key in sorted(offsets)]

        def fields_in_order() -> Iterator[dict[str, Any]]:
            with open(self.descriptor, "rb", closefd=False) as file:
                for place in places:
                    file.seek(place)
                    yield dict(json.loads(file.readline(_MAX_LINE)))

        return fields_in_order

    def append(self, lines: Sequence[str]) -> None:
        """Commit files by their lines."""
        if not self._in_place():
            raise WriteError(f"{printable(self._root)}: the output was removed or replaced during the run; the same command makes it anew")
        try:
            write_all(self.descriptor, "".join(f"{line}\n" for line in lines).encode("ascii"))
        except OSError as error:
            raise WriteError(
                f"{printable(self._path)}: can't write: {error.strerror}; put that right, then the same command goes on"
            ) from None

    def _in_place(self) -> bool:
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(self.descriptor))
        except OSError:
            return False

    def discard(self) -> None:
        """Remove every file that is listed, then the list."""
        for _ in self.entries(packages=True):
            pass  # a damaged line is found before anything is removed
        folders: set[str] = set()
        for _, fields in self.entries(packages=True):
            whole = [{**fields, "file": fields["package"]}] if "package" in fields else [] if "in" in fields else [fields]
            for part in [*whole, *(fields.get("beside", ()) if whole else ())]:
                folder, _, name = part["file"].rpartition("/")
                with contextlib.suppress(FileNotFoundError, IsADirectoryError), open_folder(self._root, folder, create=False) as descriptor:
                    # A file of another size is no longer what augx made; it stays, and the run will name it.
                    if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size == part["size"]:
                        os.unlink(name, dir_fd=descriptor)
                        folders.add(folder)
        while folders:  # those that are empty now, and then those that they lay in
            above = {folder.rpartition("/")[0] for folder in folders}
            for folder in folders - {""}:
                with (
                    contextlib.suppress(OSError, OutputError),
                    open_folder(self._root, folder.rpartition("/")[0], create=False) as descriptor,
                ):
                    os.rmdir(folder.rpartition("/")[2], dir_fd=descriptor)
            folders = above - {""}
        os.ftruncate(self.descriptor, 0)


def _inside(place: str) -> bool:
    """Whether a listed place lies below the output."""
    return not {"", ".", ".."} & set(place.split("/")) and "\0" not in place


def read_run(root: str) -> dict[str, Any] | None:
    """The fields of an output's run.json; None where there is none. Raises ``OutputError`` for one that is not ours."""
    path = os.path.join(root, RUN)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return run_of(b"", path)
        with open(path, "rb") as file:
            return run_of(file.read(), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return run_of(b"", path)


def run_of(data: bytes | None, path: str) -> dict[str, Any] | None:
    """The fields that a run.json holds; ``path`` is for messages. Raises ``OutputError`` for one that is not ours."""
    if data is None:
        return None
    try:
        fields = json.loads(data)
        if not {"augx", "spec_hash", "seed", "state"} <= fields.keys():
            raise ValueError
    except (ValueError, AttributeError, RecursionError):
        raise OutputError(f"{printable(path)}: not a run.json that augx wrote; choose another --output") from None
    return dict(fields)


def write_run(root: str, fields: dict[str, Any]) -> None:
    """Replace run.json at one stroke."""
    try:
        with open_folder(root, "") as folder:
            write_whole(folder, RUN, (json.dumps(fields, indent=2) + "\n").encode("ascii"))
    except OSError as error:
        place = printable(os.path.join(root, RUN))
        raise WriteError(f"{place}: can't write: {error.strerror}; put that right, then the same command goes on") from None
