"""audit.csv: what an arm started from and was given, step by step; and curve.csv: how its loss went."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.results import lines
from harness.results.envelope import damaged


class Given(NamedTuple):
    """What a step was given. Step 0 is before the first one: the hash of the baseline's weights. Values as written."""

    step: int
    weights: str
    batch: str
    learning_rate: str
    optimizer: str
    gradient_norm: str


class Point(NamedTuple):
    """Means over the steps since the row before, the last step's learning rate, and the seconds that a step took."""

    step: int
    epoch: int
    loss: float
    total: float
    learning_rate: float
    seconds: float


def read_trail(path: Path, remedy: str, checked: bool = True) -> list[Given]:
    """Raises HarnessError naming the file and what is wrong with it."""
    found = lines.read(path, remedy, checked).lines
    try:
        return [Given(int(line["step"]), *(line[name] for name in Given._fields[1:])) for line in found]
    except (ValueError, KeyError) as error:
        raise damaged(path, error, remedy) from error


def read_curve(path: Path, remedy: str, checked: bool = True) -> list[Point]:
    """Raises HarnessError naming the file and what is wrong with it."""
    found = lines.read(path, remedy, checked).lines
    try:
        return [
            Point(int(line["step"]), int(line["epoch"]), *(float(line[name]) for name in Point._fields[2:]))
            for line in found
        ]
    except (ValueError, KeyError) as error:
        raise damaged(path, error, remedy) from error
