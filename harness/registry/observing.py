"""What observers are told of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.registry.plugins import Origin, Plugins


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


OBSERVERS = ("harness_run_started", "harness_step_done", "harness_eval_done", "harness_run_finished")
"""The hooks of who is told."""


def observers(plugins: Plugins) -> dict[Origin, tuple[str, list[str]]]:
    """Of each distribution that observes: what its module says of itself in the first line, and which hooks it has."""
    found: dict[Origin, tuple[str, list[str]]] = {}
    for hook in OBSERVERS:
        for origin, implementation in plugins.implementations(hook):
            text = (getattr(sys.modules.get(implementation.__module__), "__doc__", "") or "").strip()
            found.setdefault(origin, (text.partition("\n")[0], []))[1].append(hook)
    return found
