"""A metric held against its contract, by small calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.evaluate.given import Surroundings
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
    parts = _parts(entry, metric)
    whole, truth = _drawn()
    for predicted in (whole, Predicted(frame=whole.frame)):
        made, values = _called(entry, metric, predicted, truth)
        if made:
            _check_parts(entry, values, parts)


def check_wide_metric(entry: Entry[Named], metric: Any, needs: Sequence[str]) -> None:
    """The same of one that says what it needs, by words; of one of whole sets its features, and their result."""
    factory = entry.target.factory
    parts = _parts(entry, metric) if "motion" in needs else ()
    if "set" in needs and not callable(getattr(metric, "result", None)):
        raise breach(entry, f"{factory} has no method 'result', which a metric of whole sets needs")
    predicted, truth = _drawn()
    images = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1))
    given = Surroundings(
        frame=predicted.frame,
        truth=images[0],
        img0=images[1],
        img1=images[2],
        t=torch.full(SHAPE[:1], 0.5),
        predicted=predicted,
        labels=torch.arange(SHAPE[0] * SHAPE[2] * SHAPE[3])
        .view(SHAPE[0], *SHAPE[2:])
        .remainder(3)
        .expand(2, -1, -1, -1),
        motion=truth,
    )
    made, values = _called(entry, metric, **given.by_name(needs))
    if not made:
        return
    if parts:
        _check_parts(entry, values, parts)
    elif "set" in needs:
        if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != SHAPE[0]:
            found = f"the shape {tuple(values.shape)}" if isinstance(values, Tensor) else name_of(values)
            raise breach(entry, f"{factory} returns {found} for {SHAPE[0]} frames, where ({SHAPE[0]}, D) is needed")
        made, value = _called(entry, metric.result, values.double().numpy())
        if made and not isinstance(value, float | int):
            raise breach(entry, f"{factory} gives the result {name_of(value)}, where one float is needed")
    elif fault := _fault(values):
        raise breach(entry, f"{factory} returns {fault}")


def _parts(entry: Entry[Named], metric: Any) -> tuple[str, ...]:
    parts: Any = getattr(metric, "parts", None)
    words = isinstance(parts, tuple) and all(isinstance(part, str) and NAME.fullmatch(part) for part in parts)
    if not words or not parts or len(set(parts)) < len(parts):
        what = f"has the parts {parts!r}: a tuple of words joined by '-', each once, is needed"
        raise breach(entry, f"{entry.target.factory} {what}")
    return tuple(parts)


def _check_parts(entry: Entry[Named], values: Any, parts: tuple[str, ...]) -> None:
    if not isinstance(values, Mapping) or set(values) != set(parts):
        found = f"the parts {sorted(map(str, values))}" if isinstance(values, Mapping) else name_of(values)
        raise breach(entry, f"{entry.target.factory} returns {found}, where a value of each of {parts} is needed")
    for part in parts:
        if fault := _fault(values[part]):
            raise breach(entry, f"{entry.target.factory} returns for '{part}' {fault}")


def _drawn() -> tuple[Predicted, Motion]:
    """Noise."""
    draw = torch.Generator().manual_seed(0)
    frame = torch.rand(SHAPE, generator=draw)
    flows = 20 * torch.randn(6, SHAPE[0], 2, *SHAPE[2:], generator=draw)
    seen = torch.rand(3, SHAPE[0], *SHAPE[2:], generator=draw) < 0.5
    truth = Motion(flow_t0=flows[0], flow_t1=flows[1], visible_t0=seen[0], visible_t1=seen[1], inside=seen[2])
    whole = Predicted(frame=frame, flow_t0=flows[2], flow_t1=flows[3], attended_t0=flows[4], attended_t1=flows[5])
    return whole, truth


def _called(entry: Entry[Named], metric: Any, *given: object, **named: object) -> tuple[bool, Any]:
    """Whether it gives something, and what."""
    try:
        with called(entry), torch.inference_mode():
            return True, metric(*given, **named)
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
