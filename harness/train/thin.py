"""Checkpoints that nothing needs any more: of a finished run all but the weights of the last one.

Those are what a test, a start, or another program takes. The state of the optimiser is for going on, and there is no
going on: the number of steps is in the run's name. `harness.train.checkpoint` itself, which is in every fingerprint,
knows nothing of this: what is left is a checkpoint whose state is a line that says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.files import write_bytes
from harness.results.store import RunFolder
from harness.results.upkeep import size_of
from harness.train import checkpoint

THINNED = b"taken away by harness runs prune: the run is finished, and nothing goes on from here\n"


@dataclass(frozen=True)
class Thinning:
    """What can go of a run: `older` checkpoints, and the state in the `last` one, unless it is gone."""

    last: Path
    older: tuple[Path, ...]

    @property
    def state(self) -> Path:
        return self.last / checkpoint.STATE

    @property
    def frees(self) -> int:
        """Bytes."""
        return sum(map(size_of, self.older)) + max(size_of(self.state) - len(THINNED), 0)


def thinning(run: RunFolder) -> Thinning:
    """Raises HarnessError where nothing may go: the run is not finished, or its last checkpoint is damaged or gone."""
    status = run.status()
    if status is None or status.state not in ("trained", "evaluated"):
        raise HarnessError(f"{run.name} is not finished: it goes on from its checkpoints")
    folders = checkpoint._folders(run.checkpoints)
    if not folders:
        raise HarnessError(f"{run.name} has no checkpoints")
    *older, last = folders
    if (problem := _problem(last)) or checkpoint._step(last) != status.steps:
        raise HarnessError(f"{run.name}: its last checkpoint, {last.name}, is {problem or 'of an earlier step'}")
    return Thinning(last, tuple(older))


def thin(run: RunFolder) -> int:
    """Take away what can go; bytes that this freed. Raises HarnessError as `thinning`, and where the run is in use."""
    with run.locked():
        found = thinning(run)
        frees = found.frees
        # the weights are not touched. A kill between these two leaves a state that `_problem` knows
        write_bytes(found.state, THINNED)
        sums = json.loads((found.last / checkpoint.MANIFEST).read_bytes())["sha256"]
        sums[checkpoint.STATE] = hashlib.sha256(THINNED).hexdigest()
        write_bytes(found.last / checkpoint.MANIFEST, checkpoint._manifest(checkpoint._step(found.last), sums))
        for folder in found.older:
            checkpoint._remove(folder)
        checkpoint._clear(run.checkpoints)
        return frees


def _problem(last: Path) -> str | None:
    """As of any checkpoint, where the state may be thinned already and the manifest not yet know of it."""
    try:
        if (last / checkpoint.STATE).read_bytes() != THINNED:
            return checkpoint._problem(last, checkpoint._step(last))
        sums = json.loads((last / checkpoint.MANIFEST).read_bytes())["sha256"]
        whole = checkpoint._sha256(last / checkpoint.WEIGHTS) == sums[checkpoint.WEIGHTS]
    except checkpoint.CAUSES as error:
        return f"damaged ({type(error).__name__})"
    return None if whole else "damaged"
