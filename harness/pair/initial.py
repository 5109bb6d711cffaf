"""Initial weights: one file that every arm of a baseline and seed starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch

from harness.arm import Arm
from harness.errors import HarnessError
from harness.files import write_bytes, write_text
from harness.pair.fingerprint import short
from harness.registry.code import core
from harness.results.store import Store


def initial_weights(arm: Arm, seed: int, store: Store) -> tuple[Path, str]:
    """The file, made once from the baseline alone, and its sha256, which is kept beside it.

    A damaged file is made again. Raises HarnessError where that gives other weights than before.
    """
    code = core("initial weights")
    key = short({"baseline": arm.baseline.record(), "code": code, "seed": seed, "torch": torch.__version__})
    path = store.initial_weights(f"{arm.baseline.name}.s{seed}.{key}")
    recorded = path.with_suffix(".sha256")
    expected = recorded.read_text().strip() if recorded.exists() else None
    if expected and path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == expected:
        return path, expected
    state = arm.plain.build(seed).baseline.state_dict()
    # under `baseline.`, as everywhere here: a bare state would pass for an official one, whose colours may be BGR
    content = safetensors.torch.save({f"baseline.{name}": value.contiguous() for name, value in state.items()})
    made = hashlib.sha256(content).hexdigest()
    if expected and made != expected:
        raise HarnessError(f"{path}: damaged, and this machine draws other weights; move it away to start anew")
    write_bytes(path, content)
    write_text(recorded, made + "\n")
    return path, made


def state_hash(state: Mapping[str, torch.Tensor]) -> str:
    """Hash over every bit of a state dict."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
