"""An object store as a place: whole objects are put there, never streams, so that nobody ever sees half of one.

An exception within ``fsspec``'s ``open(..., "wb")`` publishes what was written so far, so that is not used here.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from augx.addresses import joined
from augx.errors import OutputError, WriteError, printable
from augx.files import TEMPORARY
from augx.stores import PAUSES, StoreError, check_store, found_below, tried

T = TypeVar("T")

_WHOLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory")
"""Stores where one put is seen whole or not at all; elsewhere a file is renamed, as in a folder."""
_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A part of an object store as a place; what fails for the moment is tried again after each of ``pauses``."""

    address: str
    pauses: Sequence[float] = PAUSES

    def prepare(self) -> None:
        """See ``Place``."""
        check_store(self.address)

    def read(self, name: str) -> bytes | None:
        """See ``Place``."""
        try:
            return self._tried(name, lambda system, path: bytes(system.cat_file(path)), "can't read it")
        except FileNotFoundError:
            return None

    def names(self, prefix: str = "") -> list[str]:
        """See ``Place``."""
        return sorted(self._listed(prefix))

    def all_names(self) -> Iterator[str]:
        """See ``Place``."""
        for name in self._tried("", found_below, "can't list it"):
            if not name.rpartition("/")[2].startswith(TEMPORARY):
                yield name

    def put(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._put(name, lambda system, path: system.pipe_file(path, data))

    def put_new(self, name: str, data: bytes) -> bool:
        """See ``Place``. Where a store can't promise that of several one puts, there is a moment in which two may."""
        tries = 0

        def call(system: Any, path: str) -> bool:
            nonlocal tries
            tries += 1
            try:
                if self._scheme in _WHOLE:
                    system.pipe_file(path, data, mode="create")
                    return True
            except FileExistsError:
                # A try whose answer was lost may have put it.
                return tries > 1 and bytes(system.cat_file(path)) == data
            except (NotImplementedError, TypeError, ValueError):
                pass
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
            if system.exists(path):
                return False
            self._write(system, path, lambda place: system.pipe_file(place, data))
            return True

        return self._tried(name, call, "can't write", self._no_bucket)

    def put_file(self, name: str, path: str) -> None:
        """See ``Place``."""
        try:
            open(path, "rb").close()
        except OSError as error:  # ours, and no fault of the store
            raise WriteError(f"{printable(path)}: can't read it: {error.strerror}; the same command makes it again") from None
        self._put(name, lambda system, place: system.put_file(path, place))

    def delete(self, name: str) -> None:
        """See ``Place``."""

        def call(system: Any, path: str) -> None:
            system.rm_file(path)

        with contextlib.suppress(FileNotFoundError):
            self._tried(name, call, "can't remove it")

    def modified(self, prefix: str = "") -> dict[str, float]:
        """See ``Place``."""
        return {name: _seconds(entry) for name, entry in self._listed(prefix).items()}

    @property
    def _scheme(self) -> str:
        return self.address.partition("://")[0]

    def _listed(self, prefix: str) -> dict[str, dict[str, Any]]:
        """What the store says of each file of ``names(prefix)``."""
        folder, slash, begin = prefix.rpartition("/")
        found = {}

        def call(system: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
            start = path.rstrip("/") + "/"
            entries = system.ls(path, detail=True)
            files = [(str(e["name"]), e) for e in entries if e["type"] == "file"]
            return [(name.removeprefix(start), e) for name, e in files if name.startswith(start)]

        try:
            for name, entry in self._tried(folder, call, "can't list it"):
                if name.startswith(begin) and name and "/" not in name and not name.startswith(TEMPORARY):
                    found[folder + slash + name] = entry
        except FileNotFoundError:
            pass
        return found

    def _put(self, name: str, put: Callable[[Any, str], Any]) -> None:
        def call(system: Any, path: str) -> None:
            self._write(system, path, lambda place: put(system, place))

        self._tried(name, call, "can't write", self._no_bucket)

    def _write(self, system: Any, path: str, put: Callable[[str], Any]) -> None:
        """Put to a path at one stroke."""
        if self._scheme in _WHOLE:
            put(path)
            return
        folder = path.rpartition("/")[0]
        if folder:
            system.makedirs(folder, exist_ok=True)
        own = f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"
        put(own)
        system.mv(own, path)

    def _no_bucket(self) -> OutputError:
        return OutputError(f"{printable(self.address)}: there is no such bucket any more; make it, then the same command goes on")

    def _tried(self, name: str, call: Callable[[Any, str], T], what: str, missing: Callable[[], Exception] | None = None) -> T:
        """``tried`` of a name below, with its failures as this room's errors; ``missing`` says what it is when something is not there."""
        try:
            return tried(joined(self.address, name), call, self.pauses)
        except FileNotFoundError:
            if missing is None:
                raise
            raise missing() from None
        except StoreError as error:
            where = printable(joined(self.address, name))
            if not error.passing:
                raise OutputError(f"{where}: {what}: {error}") from None
            raise WriteError(f"{where}: {what}: {error}; put that right, then the same command goes on") from None


def _seconds(entry: dict[str, Any]) -> float:
    """When an entry of a listing was put, in seconds since 1970; 0 where the store does not say."""
    value = next((entry[name] for name in _TIMES if entry.get(name)), 0.0)
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)).timestamp()
    return float(value)
