"""The cache folder: what can be made again, decoded clips and label maps."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.files import expanded


def cache_dir() -> Path:
    """$HARNESS_CACHE, else vfi-harness in $XDG_CACHE_HOME, else in ~/.cache."""
    if given := os.environ.get("HARNESS_CACHE"):
        return expanded(given)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "vfi-harness"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Makes the folder; turns what the system refuses in here into a HarnessError that names it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "make it writable"
        raise HarnessError(
            f"{folder}: the cache cannot be written ({error.strerror or error}); {remedy}, or set HARNESS_CACHE"
        ) from error
