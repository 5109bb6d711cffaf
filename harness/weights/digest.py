"""sha256 of files and folders, remembered as long as the process lives: large weights are read once."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from harness.errors import HarnessError
from harness.registry.specs import WeightsSpec
from harness.weights.places import find, locate


def digest(path: Path) -> str:
    """Of a file its sha256; of a folder a hash over the names and contents of all that is in it, hidden files left out.

    Raises HarnessError naming what cannot be read.
    """
    try:
        if path.is_file():
            return _of_file(path, path.stat().st_size, path.stat().st_mtime_ns)
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        shown = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
        lines = "".join(f"{name} {digest(path / name)}\n" for name in shown)
        return hashlib.sha256(lines.encode()).hexdigest()
    except OSError as error:
        raise HarnessError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error


def weights_digest(spec: WeightsSpec, given: str = "") -> str:
    """Of the weights that are here, else what the spec states: masks that are in the cache need no weights.

    Raises HarnessError where neither is known.
    """
    path = find(spec, given)
    if path is None and spec.sha256 and not given:
        return spec.sha256
    return digest(path or locate(spec, given))


@functools.cache
def _of_file(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
