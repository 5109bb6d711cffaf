"""An array on disk, after a line with the sha256 of what numpy writes of it. One that is damaged is not there."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files import write_bytes


def write_array(path: Path, array: NDArray[Any]) -> None:
    """The folder is made where there is none."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_bytes(path, sha256(content.getvalue()).hexdigest().encode() + b"\n" + content.getvalue())


def read_array(path: Path) -> NDArray[Any] | None:
    """None where there is none, or where it is not as it was written."""
    try:
        stated, _, content = path.read_bytes().partition(b"\n")
        if stated.decode() != sha256(content).hexdigest():
            return None
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array
