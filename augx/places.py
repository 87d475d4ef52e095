"""Where a set lies, by its address: a folder, or an object store. What is put there is whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from augx.addresses import is_address as is_address
from augx.errors import OutputError, WriteError, printable
from augx.files import TEMPORARY, open_folder, write_whole

_BLOCK = 1 << 20
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(Protocol):
    """A folder or a store. All names are relative to it, with ``/``; temporary files of augx are never among them.

    Raises ``OutputError`` for what is refused (no such bucket, no right to, nobody answers), ``WriteError`` for what can't be put.
    """

    @property
    def address(self) -> str:
        """What ``place_of`` makes this place of, without a ``/`` at its end."""

    def prepare(self) -> None:
        """Make the folder, or see that the store answers and has the bucket; within 10 s, so that it is known before any work."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""

    def names(self, prefix: str = "") -> list[str]:
        """The files that begin with ``prefix``, sorted, of one folder: the place's own, or the one that ``prefix`` begins with
        (``done/`` are all directly in ``done``). One listing; nothing where that folder is not there.
        """

    def all_names(self) -> Iterator[str]:
        """Every file below, in no order; one recursive listing."""

    def put(self, name: str, data: bytes) -> None:
        """Put a file in place of what was there, whole or not at all."""

    def put_new(self, name: str, data: bytes) -> bool:
        """The same, only where there is none: whether it was put. Of several at once, one puts."""

    def put_file(self, name: str, path: str) -> None:
        """``put`` of a local file, which may be large; it is on the disk when this returns."""

    def delete(self, name: str) -> None:
        """Remove a file, if there is one."""

    def modified(self, prefix: str = "") -> dict[str, float]:
        """When each of ``names(prefix)`` was put, in seconds since 1970; one listing."""


def place_of(address: str | os.PathLike[str]) -> Place:
    """The place at an address: a store's (``s3://bucket/set``), or a folder's path. Nothing is looked at yet.

    Raises ``OutputError`` where the library for such a store is not here.
    """
    where = os.fspath(address)
    if where.startswith("file://"):
        where = where.removeprefix("file://")
    if where.startswith(("http://", "https://")):
        raise OutputError(f"{printable(where)}: the web can be read from, not written to; choose a folder or a store (s3://, gs://, az://)")
    if not is_address(where):
        return Folder(where.rstrip("/") or ("/" if where else "."))
    from augx.remote import ObjectStore

    return ObjectStore(where.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as a place; links below it are refused."""

    address: str

    def prepare(self) -> None:
        """See ``Place``."""
        try:
            os.makedirs(self.address, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{printable(self.address)}: can't make this folder: {error.strerror}; choose another --output") from None

    def read(self, name: str) -> bytes | None:
        """See ``Place``."""
        folder, _, last = name.rpartition("/")
        try:
            with open_folder(self.address, folder, create=False) as descriptor, open(os.open(last, _READ, dir_fd=descriptor), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OutputError(f"{self._where(name)}: not a regular file; move it away")
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self._where(name)}: can't read it: {error.strerror}") from None

    def names(self, prefix: str = "") -> list[str]:
        """See ``Place``."""
        return sorted(self.modified(prefix))

    def all_names(self) -> Iterator[str]:
        """See ``Place``."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            for entry in self._entries(folder):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{folder}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    yield folder + entry.name

    def put(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._put(name, lambda folder, last: write_whole(folder, last, data))

    def put_new(self, name: str, data: bytes) -> bool:
        """See ``Place``."""
        put = False

        def link(folder: int, last: str) -> None:
            nonlocal put
            # Of one thread of one process; hidden from names() and swept up like any other of its kind.
            own = f"{TEMPORARY}{os.getpid()}-new-{threading.get_ident()}"
            write_whole(folder, own, data)
            try:
                os.link(own, last, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
                put = True
            except FileExistsError:
                pass
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise
                if not os.access(last, os.F_OK, dir_fd=folder, follow_symlinks=False):  # a file system without links
                    os.rename(own, last, src_dir_fd=folder, dst_dir_fd=folder)
                    put = True
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(own, dir_fd=folder)

        self._put(name, link)
        return put

    def put_file(self, name: str, path: str) -> None:
        """See ``Place``."""

        def copy(folder: int, last: str) -> None:
            with open(path, "rb") as file:
                write_whole(folder, last, iter(lambda: file.read(_BLOCK), b""))
            descriptor = os.open(last, _READ, dir_fd=folder)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        self._put(name, copy)

    def delete(self, name: str) -> None:
        """See ``Place``."""
        folder, _, last = name.rpartition("/")
        try:
            with open_folder(self.address, folder, create=False) as descriptor:
                os.unlink(last, dir_fd=descriptor)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise WriteError(
                f"{self._where(name)}: can't remove it: {error.strerror}; put that right, then the same command goes on"
            ) from None

    def modified(self, prefix: str = "") -> dict[str, float]:
        """See ``Place``."""
        folder, slash, begin = prefix.rpartition("/")
        found = {}
        for entry in self._entries(folder + slash):
            if entry.name.startswith(begin) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # removed since the listing
                    found[folder + slash + entry.name] = entry.stat(follow_symlinks=False).st_mtime
        return found

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What lies directly in a folder; nothing for one that is not there, or that is a link."""
        try:
            with os.scandir(os.path.join(self.address, folder)) as entries:
                return [entry for entry in entries if not entry.name.startswith(TEMPORARY)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise OutputError(f"{self._where(folder)}: can't list this folder: {error.strerror}") from None

    def _put(self, name: str, write: Callable[[int, str], None]) -> None:
        folder, _, last = name.rpartition("/")
        try:
            with open_folder(self.address, folder) as descriptor:
                write(descriptor, last)
        except OSError as error:
            raise self._failed(name, "can't write", error) from None

    def _failed(self, name: str, what: str, error: OSError) -> WriteError:
        return WriteError(f"{self._where(name)}: {what}: {error.strerror}; put that right, then the same command goes on")

    def _where(self, name: str) -> str:
        return printable(os.path.join(self.address, name))
