"""What the C library does with memory that is freed."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3) of glibc


def keep_freed() -> None:
    """Let glibc keep freed memory for what comes next; another C library is left as it is.

    By default it hands maps and pictures of a megabyte back to the kernel and asks for them again with the next copy: copies with
    a displacement field then take half as long again.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
        mallopt(_TRIM_THRESHOLD, 256 << 20)
