"""Initial weights: one file that every arm of a baseline and seed starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch

from harness.arm import Arm
from harness.compare.fingerprint import short
from harness.files import write_bytes
from harness.results.store import Store


def initial_weights(arm: Arm, seed: int, store: Store) -> tuple[Path, str]:
    """The file, made once from the baseline alone, and its sha256."""
    key = short({"baseline": arm.baseline.record(), "seed": seed, "torch": torch.__version__})
    path = store.initial_weights(f"{arm.baseline.name}.s{seed}.{key}")
    if not path.exists():
        state = arm.plain.build(seed).baseline.state_dict()
        write_bytes(path, safetensors.torch.save({name: value.contiguous() for name, value in state.items()}))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def state_hash(state: Mapping[str, torch.Tensor]) -> str:
    """Hash over every bit of a state dict."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
