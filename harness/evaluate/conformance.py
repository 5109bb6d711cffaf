"""A metric held against its contract, by small calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.metrics.given import Motion, Predicted
from harness.registry.contract import ContractError, breach, called, name_of
from harness.registry.entry import Entry
from harness.registry.plugins import FAULTS
from harness.registry.specs import NAME, Named

SHAPE = (2, 3, 32, 48)
"""Of the frames: more than one, since a mean over them would pass for the value of a single one."""


def check_metric(entry: Entry[Named], metric: Any) -> None:
    """Raises HarnessError naming the distribution where the result is not one float a frame, a number or NaN.

    A metric that refuses frames so small is not judged: the first test frames will.
    """
    frame, truth = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    made, values = _called(entry, metric, frame, truth)
    if made and (fault := _fault(values)):
        raise breach(entry, f"{entry.target.factory} returns {fault}")


def check_motion_metric(entry: Entry[Named], metric: Any) -> None:
    """The same of one that needs motion: of each of its parts; of a network without flows, too."""
    parts = getattr(metric, "parts", None)
    words = isinstance(parts, tuple) and all(isinstance(part, str) and NAME.fullmatch(part) for part in parts)
    if not words or not parts or len(set(parts)) < len(parts):
        what = f"has the parts {parts!r}: a tuple of words joined by '-', each once, is needed"
        raise breach(entry, f"{entry.target.factory} {what}")
    draw = torch.Generator().manual_seed(0)
    frame = torch.rand(SHAPE, generator=draw)
    flows = 20 * torch.randn(6, SHAPE[0], 2, *SHAPE[2:], generator=draw)
    seen = torch.rand(3, SHAPE[0], *SHAPE[2:], generator=draw) < 0.5
    truth = Motion(flow_t0=flows[0], flow_t1=flows[1], visible_t0=seen[0], visible_t1=seen[1], inside=seen[2])
    whole = Predicted(frame=frame, flow_t0=flows[2], flow_t1=flows[3], attended_t0=flows[4], attended_t1=flows[5])
    for predicted in (whole, Predicted(frame=frame)):
        made, values = _called(entry, metric, predicted, truth)
        if not made:
            continue
        if not isinstance(values, Mapping) or set(values) != set(parts):
            found = f"the parts {sorted(map(str, values))}" if isinstance(values, Mapping) else name_of(values)
            raise breach(entry, f"{entry.target.factory} returns {found}, where a value of each of {parts} is needed")
        for part in parts:
            if fault := _fault(values[part]):
                raise breach(entry, f"{entry.target.factory} returns for '{part}' {fault}")


def _called(entry: Entry[Named], metric: Any, *given: object) -> tuple[bool, Any]:
    """Whether it gives something, and what."""
    try:
        with called(entry), torch.inference_mode():
            return True, metric(*given)
    except ContractError:
        raise
    except FAULTS:
        return False, None


def _fault(values: object) -> str:
    """What is wrong with the values of SHAPE[0] frames."""
    fault = ""
    if not isinstance(values, Tensor):
        fault = f"{name_of(values)}, no tensor"
    elif tuple(values.shape) != SHAPE[:1]:
        fault = f"the shape {tuple(values.shape)} for {SHAPE[0]} frames, where {SHAPE[:1]} is needed"
    elif not values.is_floating_point():
        fault = f"{values.dtype}, where floats are needed"
    elif bool(values.isinf().any()):
        fault = "an infinite value for two frames of noise: NaN stands for what cannot be measured"
    return fault
