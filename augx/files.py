"""Bytes -> files, whole or not at all: written to a temporary name beside the target, then renamed.

Everything happens below an open folder, so a folder that is swapped for a link during a run leads nowhere else.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from augx import stores
from augx.addresses import is_address
from augx.errors import OutputError, SourceError, WriteError, printable

TEMPORARY = ".augx-tmp-"
_LOCK_TRIES = 400
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_pinned: dict[str, os.stat_result] = {}


@contextlib.contextmanager
def pinned(root: str) -> Iterator[None]:
    """While this lasts, ``open_folder`` refuses another folder in place of the one that ``root`` is now, also in forked processes."""
    _pinned[root] = os.stat(root)
    try:
        yield
    finally:
        del _pinned[root]


@contextlib.contextmanager
def open_folder(root: str, folder: str, create: bool = True) -> Iterator[int]:
    """A descriptor of ``folder`` (with ``/``) below ``root``, made where it is missing; symbolic links below root are refused."""
    path = root
    descriptor = -1
    try:
        descriptor = os.open(root, _FOLDER)  # an output that was removed is not made again behind its owner's back
        if (pin := _pinned.get(root)) is not None and not os.path.samestat(pin, os.fstat(descriptor)):
            raise WriteError(f"{printable(root)}: the output was removed or replaced during the run; the same command makes it anew")
        for part in filter(None, folder.split("/")):
            path = os.path.join(path, part)
            try:
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            except FileNotFoundError:
                if not create:
                    raise
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    except NotADirectoryError:
        raise OutputError(f"{printable(path)}: this is a file or a link, not a folder; choose another --output") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def put_files(root: str, folder: str, files: Sequence[tuple[str, bytes]]) -> set[str]:
    """Write ``files`` (name, bytes) into one folder, each whole or not at all; the names that others' files already have.

    A file that exists with just these bytes is left alone: a run that was killed after its rename had made it.
    """
    refused = set()
    try:
        with open_folder(root, folder) as descriptor, _one_writer(descriptor):
            for name, data in files:
                existing = _existing(descriptor, name)
                if existing is None:
                    write_whole(descriptor, name, data)
                elif existing != data:
                    refused.add(name)
    except OSError as error:
        place = os.path.join(root, folder).rstrip("/")
        raise WriteError(f"{printable(place)}: can't write: {error.strerror}; put that right, then the same command goes on") from None
    return refused


@contextlib.contextmanager
def _one_writer(descriptor: int) -> Iterator[None]:
    """One thread or process at a time: ext4 takes 3 to 8 times as long when two create files in one folder at once."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.0005)  # bounded: the lock may be somebody else's, and it is a matter of speed alone
        except OSError:
            break  # a file system without locks is slower, not wrong
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _existing(folder: int, name: str) -> bytes | None:
    """What a name holds; None where it is free, nothing for a link, a folder or a file that can't be read: not ours."""
    if not os.access(name, os.F_OK, dir_fd=folder, follow_symlinks=False):  # the common case, and no exception for it
        return None
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    try:
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def write_whole(folder: int, name: str, data: bytes | Iterable[bytes]) -> None:
    """Put ``data`` (whole or in pieces) under ``name`` in an open folder at one stroke, in place of what was there; raises ``OSError``."""
    temporary = f"{TEMPORARY}{_process_name(os.getpid())}-{threading.get_ident()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        try:
            for piece in [data] if isinstance(data, bytes) else data:
                write_all(descriptor, piece)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


@functools.cache
def _process_name(process: int) -> str:
    return f"{process}-{_started(process) or 0}"


def _started(process: int) -> str | None:
    """When a process started, in the kernel's ticks, so that a number given out anew is told apart; None for a dead one."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            state, *fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]


def write_all(descriptor: int, data: bytes) -> None:
    """``os.write`` until all is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sweep(root: str, folder: str) -> bool:
    """Remove the temporary files that killed runs left in a folder; those of a living process are left alone: whether there are any."""
    alive = False
    with contextlib.suppress(OSError, OutputError, WriteError), open_folder(root, folder, create=False) as descriptor:
        for name in os.listdir(descriptor):
            process, _, rest = name.removeprefix(TEMPORARY).partition("-")
            if not name.startswith(TEMPORARY):
                continue
            if process.isdigit() and _started(int(process)) == rest.partition("-")[0]:
                alive = True
            else:
                os.unlink(name, dir_fd=descriptor)
    return alive


def read_bytes(path: str, limit: int = -1, offset: int = 0) -> bytes:
    """A regular file's bytes, or those of an object at an address (at most ``limit``); never waits on a pipe or a device.

    Raises ``SourceError``.
    """
    if "://" in path and is_address(path):
        return stores.read_bytes(path, limit, offset)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SourceError("not a regular file")
            if offset:
                file.seek(offset)
            return file.read(limit)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"can't read it: {reason}") from None
