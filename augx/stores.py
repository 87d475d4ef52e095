"""Object stores through fsspec: one connection a process, what goes wrong in words, and tries again while a server is away.

Only addresses that the user gave, and names below them, are ever asked for.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from augx.addresses import last_name
from augx.errors import AugxError, OutputError, PlanError, SourceError, printable

T = TypeVar("T")

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries, while a server is away or overloaded."""
FIRST = (0.5,)
"""The same before any work, when it is more likely that the address is wrong."""
MAX_BYTES = 1 << 30
"""Of one object that is read whole."""
_PATIENCE = 30.0
"""Seconds after which nothing is tried again."""
_ANSWER = 7.0
"""Seconds that a store has for its first answer."""
_CONFIG = {"connect_timeout": 3, "read_timeout": 20, "retries": {"max_attempts": 0}}
"""botocore's settings for S3: what is tried again is tried again here."""
_BUCKETS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss")
"""Stores of buckets, which are there or not; elsewhere folders are made."""
_LIBRARIES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "oss": "ossfs",
    "hf": "huggingface_hub",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "http": "aiohttp requests",
    "https": "aiohttp requests",
}
_NO_KEY = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "DefaultCredentialsError", "TokenRetrievalError"}
_WRONG = {"ParamValidationError", "ProfileNotFound", "InvalidRegionError", "NoRegionError", "UnauthorizedSSOTokenError"}
_NOBODY = {"EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorError", "ConnectionRefusedError", "gaierror"}
_LASTING = {errno.EINVAL, errno.ENOSYS, errno.ENAMETOOLONG, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EROFS}

_lock = threading.Lock()
_open: dict[str, Any] = {}
_away: set[str] = set()
"""Stores whose sources were given up: the next ones are tried once only, until it answers again."""
_left: list[Any] = []


class UnreachableError(SourceError):
    """A source whose store is away: unlike one that is damaged, it may well be read by the next run."""


class StoreError(Exception):
    """What a store can't do, in words; ``passing``: it may another time."""

    def __init__(self, reason: str, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing


def base_of(address: str) -> str:
    """Scheme and store: ``s3://bucket``."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def tried(address: str, call: Callable[[Any, str], T], pauses: Sequence[float] = PAUSES) -> T:
    """``call`` of the store's file system and the path in it, again after each of ``pauses`` as long as that may help.

    Raises ``StoreError``, and ``FileNotFoundError`` as it comes.
    """
    base, began = base_of(address), time.monotonic()
    rests = list(pauses)
    while True:
        try:
            system = _opened(base)
            done = call(system, system._strip_protocol(address))
        except FileNotFoundError:
            raise
        except Exception as error:  # each library has exceptions of its own
            failure = _in_words(base, error)
            if not failure.passing:
                raise failure from None
            if not rests or time.monotonic() - began + rests[0] > _PATIENCE:
                raise failure from None
        else:
            return done
        time.sleep(rests.pop(0))


def check_store(address: str, kind: type[AugxError] = OutputError, *, whole: bool = False) -> None:
    """Raise an error of this ``kind``, within 10 s, for a store that does not answer, refuses, or has no such bucket.

    ``whole``: or no such object.
    """
    base = address if whole else base_of(address)
    found: list[Exception] = []

    def look() -> None:
        try:
            tried(base, lambda system, path: system.info(path), FIRST)
        except FileNotFoundError:
            if whole:
                found.append(StoreError("there is no such object; check the spelling", False))
            elif base.partition("://")[0] in _BUCKETS:
                found.append(StoreError(f"there is no bucket {last_name(base)} there; make it, or check the spelling", False))
        except StoreError as error:
            found.append(error)

    with contextlib.suppress(Exception):
        _opened(base_of(base))  # which takes its time to import; what is wrong with it is said below
    # A library may know no limit of its own, so it is waited for and not trusted.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_ANSWER)
    if thread.is_alive():
        found.append(StoreError(f"nobody answers within {_ANSWER:g} s; check the address, the network and the endpoint", True))
    if found:
        raise kind(f"{printable(address)}: {found[0]}")


def read_bytes(address: str, limit: int = -1, offset: int = 0, pauses: Sequence[float] = PAUSES) -> bytes:
    """The bytes of an object from ``offset`` on, at most ``limit``; one request. Raises ``SourceError``."""
    if limit == 0:
        return b""
    end = offset + (limit if limit > 0 else MAX_BYTES + 1)

    def call(system: Any, path: str) -> bytes:
        try:
            return bytes(system.cat_file(path, start=offset, end=end))
        except OSError as error:
            if error.errno == errno.EINVAL and system.size(path) <= offset:
                return b""  # S3 has no range of nothing
            raise

    base = base_of(address)
    try:
        data = tried(address, call, () if base in _away else pauses)
        _away.discard(base)
    except FileNotFoundError:
        raise SourceError("can't read it: No such file or directory") from None
    except StoreError as error:
        if error.passing:
            _away.add(base)
        raise (UnreachableError if error.passing else SourceError)(f"can't read it: {error}") from None
    if limit < 0 and len(data) > MAX_BYTES:
        raise SourceError(f"can't read it: it has more than {MAX_BYTES >> 30} GiB")
    return data if limit < 0 else data[:limit]


def keys_below(address: str) -> list[str]:
    """The names of all objects below an address, one recursive listing. Raises ``PlanError``."""
    check_store(address, PlanError)
    try:
        return tried(address, found_below, FIRST)
    except StoreError as error:
        raise PlanError(f"{printable(address)}: {error}") from None


def found_below(system: Any, root: str) -> list[str]:
    """The names of all files below a path, relative to it."""
    start = root.rstrip("/") + "/"
    try:
        found = _s3_names(system, start) if hasattr(system, "_iterdir") else system.find(root, detail=False)
    except FileNotFoundError:
        return []
    return [path.removeprefix(start) for path in found if path.startswith(start) and not path.endswith("/")]


def _s3_names(system: Any, start: str) -> list[str]:
    """The same of ``find`` for S3, without a kilobyte in memory for each object: names alone, page by page."""
    bucket, _, prefix = start.partition("/")

    async def names() -> list[str]:
        return [entry["name"] async for entry in system._iterdir(bucket, delimiter="", prefix=prefix) if entry["type"] == "file"]

    found: list[str] = importlib.import_module("fsspec.asyn").sync(system.loop, names)
    return found


def exists(address: str) -> bool:
    """Whether there is such an object. Raises ``PlanError``."""
    try:
        return bool(tried(address, lambda system, path: system.info(path)["type"] == "file", FIRST))
    except FileNotFoundError:
        return False
    except StoreError as error:
        raise PlanError(f"{printable(address)}: {error}") from None


def _opened(base: str) -> Any:
    """The store's file system, one for all threads of this process."""
    with _lock:
        if base not in _open:
            core = importlib.import_module("fsspec.core")
            scheme = base.partition("://")[0]
            options: dict[str, Any] = {}
            if scheme in ("s3", "s3a"):
                own = importlib.import_module("fsspec.config").conf.get(scheme, {}).get("config_kwargs", {})
                options["config_kwargs"] = {**_CONFIG, **own}
            # No listing is kept: others put files there meanwhile.
            system = core.url_to_fs(base, use_listings_cache=False, skip_instance_cache=True, **options)[0]
            if scheme in ("s3", "s3a"):
                system.retries = 1
            if (loop := getattr(system, "loop", None)) is not None:
                # What a connection's own tasks say when it breaks; each call says it as well, and is tried again.
                loop.call_soon_threadsafe(loop.set_exception_handler, lambda loop, context: None)
            _open[base] = system
        return _open[base]


def _forget() -> None:
    """In a forked process: its parent's connections, locks and event loop are of no use, and must not be closed."""
    global _lock
    _lock = threading.Lock()
    _left.extend(_open.values())
    _open.clear()
    if (loops := sys.modules.get("fsspec.asyn")) is not None:
        loops.reset_lock()
        loops.loop[0] = loops.iothread[0] = None


os.register_at_fork(after_in_child=_forget)


def _in_words(base: str, error: Exception) -> StoreError:
    scheme, store = base.partition("://")[0], last_name(base)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = printable(" ".join(str(error).split()))[:200] or type(error).__name__
    if isinstance(error, ImportError):
        more = f" {library}" if (library := _LIBRARIES.get(scheme, "")) not in ("", "s3fs") else ""
        return StoreError(f"{scheme}:// needs fsspec and its library: pip install 'augx-cli[cloud]'{more} ({said})", False)
    if isinstance(error, ValueError) and "rotocol not known" in said:
        return StoreError(f"there is no kind of store {scheme}://; s3://, gs://, az://, memory:// and others of fsspec are", False)
    if kinds & _NO_KEY:
        how = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (FSSPEC_S3_ANON=true for a public bucket)" if "s3" in scheme else "this store's"
        return StoreError(f"no credentials for it were found: {said}; set {how}", False)
    if isinstance(error, PermissionError):
        return StoreError(f"the store refuses these credentials: {said}; check them, and their rights to {store}", False)
    if kinds & _NOBODY:
        return StoreError(f"nobody answers: {said}; check the address, the network and the endpoint", True)
    wrong = isinstance(error, (NotImplementedError, TypeError, ValueError, AttributeError)) or bool(kinds & _WRONG)
    lasting = isinstance(error, OSError) and error.errno in _LASTING
    return StoreError(said if isinstance(error, OSError) else f"{type(error).__name__}: {said}", not wrong and not lasting)
