"""A metric held against its contract, by one small call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.registry.contract import ContractError, breach, called, name_of
from harness.registry.entry import Entry
from harness.registry.plugins import FAULTS
from harness.registry.specs import Named

SHAPE = (2, 3, 32, 48)
"""Of the frames: more than one, since a mean over them would pass for the value of a single one."""


def check_metric(entry: Entry[Named], metric: Any) -> None:
    """Raises HarnessError naming the distribution where the result is not one float a frame, a number or NaN.

    A metric that refuses frames so small is not judged: the first test frames will.
    """
    frame, truth = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    try:
        with called(entry), torch.inference_mode():
            values = metric(frame, truth)
    except ContractError:
        raise
    except FAULTS:
        return
    fault = ""
    if not isinstance(values, Tensor):
        fault = f"{name_of(values)}, no tensor"
    elif tuple(values.shape) != SHAPE[:1]:
        fault = f"the shape {tuple(values.shape)} for {SHAPE[0]} frames, where {SHAPE[:1]} is needed"
    elif not values.is_floating_point():
        fault = f"{values.dtype}, where floats are needed"
    elif bool(values.isinf().any()):
        fault = "an infinite value for two frames of noise: NaN stands for what cannot be measured"
    if fault:
        raise breach(entry, f"{entry.target.factory} returns {fault}")
