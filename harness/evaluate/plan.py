"""How test sets are run, settled once: the same for every arm and for the mean of the frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from harness.metrics.given import Motion, Predicted
from harness.registry.protocol import Protocol

FrameMetric = Callable[[Tensor, Tensor], Tensor]
"""`(frame, truth) -> (B,)`; see `harness.MetricSpec`."""


@dataclass(frozen=True)
class MotionMetric:
    """`measure` gives (B,) for each of `parts`; see `harness.MetricSpec`."""

    measure: Callable[[Predicted, Motion], Mapping[str, Tensor]]
    parts: tuple[str, ...]


Metric = FrameMetric | MotionMetric


@dataclass(frozen=True)
class EvalPlan:
    """`metrics` are by the column that they fill, or by what stands before the `@` of several; `unavailable` are those
    that cannot be measured here, with the reason; `per_level` is how many triplets of each level are tested, None for
    all; `workers` are threads that read ahead, in each process."""

    protocol: Protocol
    metrics: Mapping[str, Metric]
    unavailable: Mapping[str, str]
    per_level: int | None = None
    workers: int = 1

    @property
    def of_frames(self) -> dict[str, FrameMetric]:
        """By column: what is measured on every benchmark."""
        return {name: metric for name, metric in self.metrics.items() if not isinstance(metric, MotionMetric)}

    @property
    def of_motion(self) -> dict[str, MotionMetric]:
        """What is measured where the true motion is known, by what stands before the `@` of its columns."""
        return {name: metric for name, metric in self.metrics.items() if isinstance(metric, MotionMetric)}

    @property
    def motion_columns(self) -> list[str]:
        """Every column of those."""
        return [f"{name}@{part}" for name, metric in self.of_motion.items() for part in metric.parts]
