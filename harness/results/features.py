"""What a metric of whole sets keeps of one triplet: a file each, beside the rows. One that is damaged is not there.

rows.features/1a/2b3c...   a line with the sha256 of the rest, and an array as numpy writes it
"""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import files
from harness.results.rows import Row

Features = NDArray[np.floating[Any]]


def write_features(rows: Path, row: Row, metric: str, features: Features) -> None:
    """`features` (D,) of the triplet that `row` is of, as it was seen; `rows` is the file of the rows."""
    content = io.BytesIO()
    np.save(content, features, allow_pickle=False)
    path = _place(rows, row, metric)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(path, sha256(content.getvalue()).hexdigest().encode() + b"\n" + content.getvalue())


def read_features(rows: Path, row: Row, metric: str) -> Features | None:
    """None where there are none, or where they are not as they were written."""
    try:
        stated, _, content = _place(rows, row, metric).read_bytes().partition(b"\n")
        if stated.decode() != sha256(content).hexdigest():
            return None
        features: Features = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return features


def _place(rows: Path, row: Row, metric: str) -> Path:
    name = sha256(json.dumps([metric, row.key, row.seen]).encode()).hexdigest()[:32]
    return rows.with_suffix(".features") / name[:2] / name[2:]
