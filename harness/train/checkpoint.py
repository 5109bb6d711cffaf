"""Checkpoints: whole or not there. Each is a folder with a manifest of sha256 sums, renamed into place once verified.

step-00000300/  model.safetensors  state.pt (optimiser, what steps gave that is not yet in the curve)  manifest.json
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from harness.errors import HarnessError
from harness.files import sync, write_bytes
from harness.model import Composed
from harness.weights.content import unpickled
from harness.weights.read import load_weights

WEIGHTS, STATE, MANIFEST = "model.safetensors", "state.pt", "manifest.json"
CAUSES = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)  # of a manifest that is none

log = logging.getLogger("harness")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint. Its files are read with nothing executed."""

    path: Path
    step: int

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS

    def restore(self, model: Composed, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
        """Load weights and optimiser state; returns what steps gave that the curve does not have yet.

        Raises HarnessError for files that match their manifest and yet are not of this model, or hold more than data.
        """
        load_weights(model, self.weights, "this run")
        file = self.path / STATE
        try:
            state: Any = unpickled(file)
        except Exception as error:  # a hostile file makes the reader raise nearly anything
            reason = str(error).partition("\n")[0]
            raise HarnessError(f"{file}: cannot be loaded safely: {reason}; move {self.path} away") from error
        try:
            pending: list[torch.Tensor] = list(state["pending"])
            if any(given.shape != (3,) for given in pending):
                raise ValueError("no losses and gradient norm of a step")
            optimizer.load_state_dict(state["optimizer"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise HarnessError(f"{file}: no state of this run's optimiser; move {self.path} away") from error
        _lay_out(optimizer)
        return pending


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Its state in memory as the weights are. The fused optimiser goes through both in the order of memory, and would
    hold those of a machine on which weights lie otherwise against the wrong ones, in silence."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def save(
    folder: Path, step: int, model: Composed, optimizer: torch.optim.Optimizer, pending: list[torch.Tensor]
) -> Checkpoint:
    """Write the state after `step` steps and read it back; then, of those before it, all but the newest good one go.

    Raises OSError where it cannot be written, HarnessError where something else is read back: nothing else goes then.
    """
    final = folder / f"step-{step:08d}"
    temporary = folder / f".{final.name}.tmp"
    _clear(folder)
    state = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "pending": [given.cpu() for given in pending]}, state)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    files = {WEIGHTS: safetensors.torch.save(weights), STATE: state.getvalue()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    try:
        for name, content in {**files, MANIFEST: _manifest(step, sums)}.items():
            write_bytes(temporary / name, content)
        problem = _problem(temporary, step)
        if problem:
            raise HarnessError(f"{final}: not what was written ({problem}): is the disk sound? What was saved is kept")
        _remove(final)  # one that is damaged, or it would not be made again
        temporary.rename(final)
        sync(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    older = [path for path in _folders(folder) if _step(path) < step]
    kept = next((path for path in reversed(older) if _problem(path, _step(path)) is None), None)
    for path in older:
        if path != kept:
            _remove(path)
    return Checkpoint(final, step)


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose files match their manifest; damaged ones are named and passed over."""
    for path in reversed(_folders(folder)):
        problem = _problem(path, _step(path))
        if problem is None:
            return Checkpoint(path, _step(path))
        log.warning("%s is damaged (%s): going back to the one before", path, problem)
    return None


def _folders(folder: Path) -> list[Path]:
    """Those of checkpoints, in the order of their steps."""
    found = (path for path in folder.glob("step-*") if path.is_dir() and path.name.removeprefix("step-").isdecimal())
    return sorted(found, key=_step)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _manifest(step: int, sums: Mapping[str, str]) -> bytes:
    return (json.dumps({"step": step, "sha256": sums}, indent=2) + "\n").encode()


def _problem(path: Path, step: int) -> str | None:
    """What is wrong with the files of the checkpoint of that step; None if nothing is.

    The manifest must be what this module writes, byte for byte. So a change to it shows, in its form or in a sum.
    """
    try:
        content = (path / MANIFEST).read_bytes()
        sums = json.loads(content)["sha256"]
        if content != _manifest(step, sums):
            return f"{MANIFEST} is not as it was written"
        if sums.keys() != {WEIGHTS, STATE}:
            return f"{MANIFEST} names {', '.join(sums) or 'nothing'}"
        names = {child.name for child in path.iterdir() if not child.name.startswith(".")}
        for name in sorted(names - sums.keys() - {MANIFEST}):
            return f"{name} is not in its manifest"
        for name, expected in sums.items():
            if _sha256(path / name) != expected:
                return f"{name} does not match its sha256"
    except CAUSES as error:
        return f"{type(error).__name__}: {error}"
    return None


def _sha256(path: Path) -> str:
    """Of what is on the disk, not in the system's memory of what was written there."""
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    """Away with its name first, so that a kill leaves no half of it behind."""
    if path.exists():
        shutil.rmtree(path.rename(path.with_name(f".{path.name}.old")), ignore_errors=True)


def _clear(folder: Path) -> None:
    """What is not in its place: half written when a process was killed, or on its way out."""
    for path in (*folder.glob(".step-*.tmp"), *folder.glob(".step-*.old")):
        shutil.rmtree(path, ignore_errors=True)
