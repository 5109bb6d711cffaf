"""How test sets are run, settled once: the same for every arm and for the mean of the frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from harness.registry.protocol import Protocol

Metric = Callable[[Tensor, Tensor], Tensor]
"""`(frame, truth) -> (B,)`; see `harness.MetricSpec`."""


@dataclass(frozen=True)
class EvalPlan:
    """`metrics` are by the column that they fill, and `unavailable` those that cannot be measured here, with the
    reason; `per_level` is how many triplets of each level are tested, None for all; `workers` are threads that read
    ahead, in each process."""

    protocol: Protocol
    metrics: Mapping[str, Metric]
    unavailable: Mapping[str, str]
    per_level: int | None = None
    workers: int = 1
