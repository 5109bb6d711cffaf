"""What observers are told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """A run that is trained, or tested after its training.

    name    of its folder
    folder  where its files are; an observer may put its own there, in a folder of its own name
    record  what `run.json` says: its `label`, and the `fingerprint` with recipe, seed, data, arm and environment
    steps   of its whole training
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    steps: int
