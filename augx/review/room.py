"""Does what a run would write fit where it goes?"""

from __future__ import annotations

import contextlib
import os


def free_bytes(root: str) -> int | None:
    """Bytes that this user can still write below ``root``, which need not be there yet; None where the file system does not say."""
    place = os.path.abspath(root)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    with contextlib.suppress(OSError):
        found = os.statvfs(place)
        if found.f_blocks:  # some network file systems give noughts
            return found.f_bavail * found.f_frsize
    return None
