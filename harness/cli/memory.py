"""How this process gets memory from the system. Most large tensors are new at each step and in each frame, and the
pages that the system gives out for them took a fifth of a large frame. None of this moves a bit of a number."""

from __future__ import annotations

import ctypes
import os

LARGE_PAGES = ("THP_MEM_ALLOC_ENABLE", "1")
"""Torch's, read once as it starts: pages of 2 MiB for large tensors."""

OF_THE_USER = ("GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
"""Where one of these is set, the C library is left as it is."""

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Of glibc's `mallopt`."""


def set_up() -> None:
    """Ask torch for large pages, and the C library to keep what was freed for what comes next, up to 2 GiB at the end
    of its heap. Does nothing where the user has said otherwise, and with a C library that does not know of it."""
    os.environ.setdefault(*LARGE_PAGES)
    if any(name in os.environ for name in OF_THE_USER):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
