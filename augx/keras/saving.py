"""``save_to_dir``: every picture in a file of its own, and a line for it in ``manifest.jsonl``.

Keras ends a name with a random number and writes over what has it already: of 10,000 copies of one picture 3,679 are lost. Here a
counter ends the name, and a file that exists is never written to, whoever made it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from augx.errors import OutputError, WriteError, printable
from augx.files import write_all
from augx.keras.images import array_to_img

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
Levels = tuple[float, float]
"""The values that are saved as 0 and as 255."""

MANIFEST = "manifest.jsonl"
QUALITY = 95
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Saver:
    """Writes pictures as ``{prefix}_{index}_{counter}.{format}`` below ``folder``, which is made if it is missing.

    ``stretched``: as Keras saves, each picture's own lowest value black and its highest white, cut to whole numbers, JPEG at Pillow's
    own quality. Otherwise values are placed between two fixed levels, clipped and rounded, JPEG at quality 95. A format without
    alpha gets the colours alone. ``class_folders``: each file in a folder named after its label.

    Threads and processes may write to one folder at the same time. ``ValueError`` for a format that Pillow can't write.
    """

    def __init__(self, folder: Any, prefix: str, format: str, data_format: str, stretched: bool, class_folders: bool) -> None:
        self.folder = os.fspath(folder)
        self.prefix = prefix
        self.format = format
        self.data_format = data_format
        self.stretched = stretched
        self.class_folders = class_folders
        self._kind = _kind(format)
        self._next: dict[str, dict[int, int]] = {}
        self._lock = threading.Lock()

    def encode(self, picture: Array, levels: Levels | None) -> bytes:
        """A picture (three axes) as the bytes of a file; ``levels`` is None for a stretched one."""
        if levels is None:
            shown: Image = array_to_img(picture, data_format=self.data_format, scale=True)
        else:
            shown = self._shown(picture, levels)
        options: dict[str, Any] = {"quality": QUALITY} if self._kind == "JPEG" and not self.stretched else {}
        for mode in (shown.mode, "RGB"):
            buffer = io.BytesIO()
            try:
                (shown if shown.mode == mode else shown.convert(mode)).save(buffer, format=self._kind, **options)
            except OSError as error:
                if mode == "RGB" or shown.mode != "RGBA":
                    raise WriteError(f"save_format {self.format!r} can't hold this picture: {error}; use png") from None
            else:
                break
        return buffer.getvalue()

    def _shown(self, picture: Array, levels: Levels) -> Image:
        from PIL import Image

        low, high = levels
        planes = np.moveaxis(picture, 0, 2) if self.data_format == "channels_first" else picture
        if planes.shape[2] not in (1, 3, 4):
            raise ValueError(f"save_to_dir: pictures of {planes.shape[2]} channels can't be saved, only of 1, 3 or 4; leave it out")
        scaled = (np.asarray(planes, dtype=np.float64) - low) * (255 / (high - low) if high > low else 0.0)
        values = np.clip(np.rint(np.nan_to_num(scaled, nan=0.0)), 0, 255).astype(np.uint8)
        return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else np.ascontiguousarray(values))

    def write(self, data: bytes, fields: dict[str, Any]) -> str:
        """Write a file under a name that nothing has, then its line; ``fields`` has at least ``index`` and ``label``.

        Returns the path. Raises ``OutputError`` for a folder that is ``augx generate``'s, ``WriteError`` where writing fails.
        """
        below = class_folder(fields["label"]) if self.class_folders else ""
        name = os.path.join(below, self.prefix)
        path = os.path.join(self.folder, name)
        try:
            with self._lock:
                path = self._put(path, int(fields["index"]), data)
                line = {"file": os.path.relpath(path, self.folder), **fields, "sha256": hashlib.sha256(data).hexdigest()}
                append(os.path.join(self.folder, MANIFEST), line)
        except OSError as error:
            raise WriteError(
                f"{printable(error.filename or path)}: can't write: {error.strerror}; put that right, or leave save_to_dir out"
            ) from None
        return path

    def _put(self, start: str, index: int, data: bytes) -> str:
        if start not in self._next:
            os.makedirs(os.path.dirname(start), exist_ok=True)
            if os.path.exists(os.path.join(self.folder, "run.json")):
                raise OutputError(f"save_to_dir: {printable(self.folder)} is an output of augx generate; choose another folder")
            self._next[start] = _counters(start)
        counters = self._next[start]
        while True:
            counter = counters.get(index, 0)
            counters[index] = counter + 1
            path = f"{start}_{index}_{counter}.{self.format}"
            with contextlib.suppress(FileExistsError):  # another process has just taken it
                descriptor = os.open(path, _NEW, 0o666)
                break
        try:
            write_all(descriptor, data)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return path


def class_folder(label: Any) -> str:
    """A label as the name of a folder; raises ``ValueError`` for what is not one class, or no name for a folder."""
    name = "" if label is None or isinstance(label, (list, tuple, dict)) else str(label)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"save_in_class_folders: the label {label!r} can't name a folder; leave the option out")
    return name


def append(path: str, fields: dict[str, Any]) -> None:
    """Add one JSON line to a file that others may be adding to; raises ``OSError``."""
    line = (json.dumps({key: plain(value) for key, value in fields.items()}) + "\n").encode("ascii")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: appending is the best there is
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # a process was killed within its line
        write_all(descriptor, b"\n" + line if torn else line)
    finally:
        os.close(descriptor)  # and the lock goes with it


def plain(value: Any) -> Any:
    """NumPy's numbers, arrays and tuples as JSON has them."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _kind(format: str) -> str:
    """Pillow's name of the format that an extension stands for."""
    from PIL import Image

    Image.init()
    kind = Image.registered_extensions().get(f".{format}".lower())
    if kind is None or kind not in Image.SAVE:
        raise ValueError(f"save_format: {format!r} is no format that Pillow can write; use png, jpg, bmp, tif or webp")
    return kind


def _counters(start: str) -> dict[int, int]:
    """For every index the first counter after those that names beginning with ``start`` have in its folder."""
    folder, prefix = os.path.split(start)
    pattern = re.compile(re.escape(prefix) + r"_(\d{1,18})_(\d{1,18})\.[^.]+", re.ASCII)
    found: dict[int, int] = {}
    for name in os.listdir(folder):
        if match := pattern.fullmatch(name):
            index, counter = int(match[1]), int(match[2])
            found[index] = max(found.get(index, 0), counter + 1)
    return found
