"""Freed memory stays with the process while a model is trained on a CPU: the next step takes the same pages again.

glibc gives large blocks back as they are freed, so that every step's maps are new pages, which the system clears first.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
NEVER, NONE = -1, 0
DEFAULTS = ((M_TRIM_THRESHOLD, 128 * 1024), (M_MMAP_MAX, 65536))  # mallopt(3)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep what is freed inside the block; nothing changes where the C library has no `mallopt`."""
    if not sys.platform.startswith("linux"):
        yield
        return
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    library.mallopt(M_TRIM_THRESHOLD, NEVER)
    library.mallopt(M_MMAP_MAX, NONE)
    try:
        yield
    finally:
        for option, value in DEFAULTS:
            library.mallopt(option, value)
        library.malloc_trim(0)
