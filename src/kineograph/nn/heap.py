"""What the C library does with freed memory: kept for the next one who asks, or given back.

Kept memory is quick to have again. But blocks of other sizes rarely fit into its holes, so that a
process ends up with up to twice of what is alive, a little more or less at every run.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

LEAST = 1 << 20
"""Bytes of the smallest block that is given back at once."""
USUAL = 32 << 20
"""The same when nobody asks: where glibc's own, moving threshold ends up (malloc(3))."""
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1


@contextmanager
def given_back() -> Iterator[None]:
    """Inside, blocks of `LEAST` bytes or more go back to the system when they are freed.

    So the memory of this process follows what is alive, on a CPU with glibc; elsewhere nothing
    changes. Every such block is cleared by the system when it is taken: worth it for large clips.
    """
    _set(LEAST)
    try:
        yield
    finally:
        _set(USUAL)


def _set(least: int) -> None:
    library = _glibc()
    if library is not None:
        library.mallopt(MMAP_THRESHOLD, least)
        library.mallopt(TRIM_THRESHOLD, 2 * least)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
