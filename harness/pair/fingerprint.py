"""What decides a run's numbers, as one record."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

import numpy as np
import torch

from harness.arm import Arm
from harness.masks.chosen import record_of
from harness.pair.arithmetic import arithmetic, decoder
from harness.registry.catalog import ChosenMasks
from harness.registry.code import core
from harness.train.recipe import Recipe


def fingerprint(
    arm: Arm,
    recipe: Recipe,
    seed: int,
    data: Mapping[str, Any],
    masks: ChosenMasks | None,
    initial_weights: str,
    device: torch.device,
    processes: int = 1,
) -> dict[str, Any]:
    """The record of one run. `data` is the name, digest and code of the training data, `initial_weights` the sha256 of
    the shared file, `masks` None for an arm that needs none; the number of `processes` moves bits."""
    return {
        "baseline": arm.baseline.record() | ({"loss": "own"} if arm.own_loss else {}),
        "initial_weights": initial_weights,
        "recipe": recipe.training(),
        "seed": seed,
        "data": dict(data),
        "code": core("training"),
        "environment": environment(device) | ({"processes": processes} if processes > 1 else {}),
        "arm": [plugin.record() for plugin in arm.plugins],
        "masks": record_of(masks) if masks else None,
    }


def short(record: Mapping[str, Any]) -> str:
    """8 hexadecimal digits for a run's name."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:8]


def environment(device: torch.device) -> dict[str, Any]:
    """What of the machine and its software can move a bit of a training."""
    cuda = [torch.version.cuda, torch.backends.cudnn.version()]  # type: ignore[no-untyped-call]
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "decoder": decoder(),
        "cuda": cuda if device.type == "cuda" else None,
        **arithmetic(device),
    }


@functools.cache
def installation() -> Mapping[str, Any]:
    """For env.json: enough to build the environment again. Read once, since it takes a quarter of a second."""
    read = [distribution.metadata for distribution in distributions()]  # each is parsed anew whenever it is asked for
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {each["Name"]: each["Version"] for each in sorted(read, key=lambda each: each["Name"].lower())},
        "torch": torch.__config__.show(),
    }
