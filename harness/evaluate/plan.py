"""How test sets are run, settled once: the same for every arm and for the mean of the frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
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


@dataclass(frozen=True, kw_only=True)
class WideMetric:
    """`measure` is called by keyword with what the words of `needs` stand for; see `harness.MetricSpec`.

    parts   of one that needs motion
    result  of one of whole sets: from features (N, D) of all frames to the value
    """

    measure: Callable[..., Any]
    needs: tuple[str, ...]
    parts: tuple[str, ...] = ()
    result: Callable[[NDArray[np.float64]], float] | None = None


Metric = FrameMetric | MotionMetric | WideMetric


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
        """By column: what is measured of a frame and the truth alone."""
        found = self.metrics.items()
        return {name: metric for name, metric in found if not isinstance(metric, MotionMetric | WideMetric)}

    @property
    def of_more(self) -> dict[str, WideMetric]:
        """By column: what is measured of every triplet, and needs more."""
        return {name: metric for name, metric in self._wide.items() if not (metric.parts or metric.result)}

    @property
    def of_motion(self) -> dict[str, MotionMetric | WideMetric]:
        """What is measured where the true motion is known, by what stands before the `@` of its columns."""
        return {
            name: metric
            for name, metric in self.metrics.items()
            if isinstance(metric, MotionMetric | WideMetric) and metric.parts
        }

    @property
    def of_sets(self) -> dict[str, WideMetric]:
        """What has one value for each level, and none for a triplet."""
        return {name: metric for name, metric in self._wide.items() if metric.result}

    @property
    def _wide(self) -> dict[str, WideMetric]:
        return {name: metric for name, metric in self.metrics.items() if isinstance(metric, WideMetric)}

    @property
    def columns(self) -> list[str]:
        """Every column that each triplet has on every benchmark."""
        return [*self.of_frames, *self.of_more]

    @property
    def measured(self) -> list[str]:
        """Everything that each level has a mean or a value of, on every benchmark."""
        return [*self.columns, *self.of_sets]

    @property
    def motion_columns(self) -> list[str]:
        """Every column of metrics of motion."""
        return [f"{name}@{part}" for name, metric in self.of_motion.items() for part in metric.parts]

    def needs(self, word: str) -> list[str]:
        """The metrics that ask for it."""
        return [name for name, metric in self._wide.items() if word in metric.needs]
