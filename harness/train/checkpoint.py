"""Checkpoints: whole or not there. Each is a folder with a manifest of sha256 sums, renamed into place when complete.

step-00000300/  model.safetensors  state.pt (optimiser, losses not yet in the curve)  manifest.json
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from harness.files import sync, write_bytes, write_json
from harness.model import Composed

log = logging.getLogger("harness")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint. Its files are read with nothing executed."""

    path: Path
    step: int

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    def restore(self, model: Composed, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
        """Load weights and optimiser state; returns the losses that the curve does not have yet."""
        model.load_state_dict(safetensors.torch.load_file(self.weights))
        state: dict[str, Any] = torch.load(self.path / "state.pt", map_location="cpu", weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        return list(state["pending"])


def save(
    folder: Path, step: int, model: Composed, optimizer: torch.optim.Optimizer, pending: list[torch.Tensor]
) -> Checkpoint:
    """Write the state after `step` steps. The one before it is kept, older ones go."""
    final = folder / f"step-{step:08d}"
    temporary = folder / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    state = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "pending": [loss.cpu() for loss in pending]}, state)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    try:
        files = {"model.safetensors": safetensors.torch.save(weights), "state.pt": state.getvalue()}
        for name, content in files.items():
            write_bytes(temporary / name, content)
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        write_json(temporary / "manifest.json", {"step": step, "sha256": sums})
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        sync(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in _folders(folder)[:-2]:
        shutil.rmtree(old, ignore_errors=True)
    return Checkpoint(final, step)


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose files match their manifest; damaged ones are named and passed over."""
    for path in reversed(_folders(folder)):
        problem = _problem(path)
        if problem is None:
            return Checkpoint(path, json.loads((path / "manifest.json").read_text())["step"])
        log.warning("%s is damaged (%s): going back to the one before", path, problem)
    return None


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def _problem(path: Path) -> str | None:
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        for name, expected in manifest["sha256"].items():
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != expected:
                return f"{name} does not match its sha256"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None
