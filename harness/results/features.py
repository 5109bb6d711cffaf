"""What a metric of whole sets keeps of one triplet: a file each, beside the rows. One that is damaged is not there.

rows.features/1a/2b3c...   a line with the sha256 of the rest, and an array as numpy writes it
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.arrayfile import read_array, write_array
from harness.results.rows import Row

Features = NDArray[np.floating[Any]]


def write_features(rows: Path, row: Row, metric: str, features: Features) -> None:
    """`features` (D,) of the triplet that `row` is of, as it was seen; `rows` is the file of the rows."""
    write_array(_place(rows, row, metric), features)


def read_features(rows: Path, row: Row, metric: str) -> Features | None:
    """None where there are none, or where they are not as they were written."""
    return read_array(_place(rows, row, metric))


def _place(rows: Path, row: Row, metric: str) -> Path:
    name = sha256(json.dumps([metric, row.key, row.seen]).encode()).hexdigest()[:32]
    return rows.with_suffix(".features") / name[:2] / name[2:]
