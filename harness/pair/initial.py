"""Initial weights: one file that every arm of a baseline starts from, drawn from a seed or trained before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch

from harness.arm import Arm
from harness.errors import HarnessError
from harness.files import write_bytes, write_text
from harness.pair.fingerprint import short
from harness.pair.start import Start, baseline_of, state_hash
from harness.registry.code import core
from harness.results.store import Store


def initial_weights(arm: Arm, seed: int, store: Store, start: Start | None = None) -> tuple[Path, str]:
    """The file, made once from the baseline alone, and its sha256, which is kept beside it. Of weights to start from it
    is called by their content, wherever they lie.

    A damaged file of either is made again. Raises HarnessError where that gives other weights than before.
    """
    path = store.initial_weights(f"{arm.baseline.name}.{_key(arm, seed, start)}")
    recorded = path.with_suffix(".sha256")
    text = recorded.read_text("utf-8", "replace").strip() if recorded.exists() else ""
    expected = text if re.fullmatch("[0-9a-f]{64}", text) else None
    if expected and path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == expected:
        recorded.touch()  # `harness runs prune` leaves alone what a run is about to begin with
        return path, expected
    state = _state(arm, seed, start)
    # under `baseline.`, as everywhere here: a bare state would pass for an official one, whose colours may be BGR
    content = safetensors.torch.save({f"baseline.{name}": value.contiguous() for name, value in state.items()})
    made = hashlib.sha256(content).hexdigest()
    if expected and made != expected:
        raise HarnessError(f"{path}: damaged, and this machine draws other weights; move it away to start anew")
    write_bytes(path, content)
    write_text(recorded, made + "\n")
    return path, made


def _key(arm: Arm, seed: int, start: Start | None) -> str:
    if start is not None:
        return f"start.{start.record.content[:16]}"
    drawn = {"code": core("initial weights"), "seed": seed, "torch": torch.__version__}
    return f"s{seed}.{short({'baseline': arm.baseline.record(), **drawn})}"


def _state(arm: Arm, seed: int, start: Start | None) -> Mapping[str, torch.Tensor]:
    if start is None:
        return arm.plain.build(seed).baseline.state_dict()
    state = baseline_of(start.file, arm, start.key)
    if state_hash(state) != start.record.content:
        raise HarnessError(f"{start.file}: was changed since this command began; give it again")
    return state
