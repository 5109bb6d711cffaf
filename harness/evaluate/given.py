"""What a metric is given that names it in its spec's `needs`, of one triplet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from harness.metrics.given import Motion, Predicted


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All that may be asked for, of a batch.

    frame, truth, img0, img1  (B, 3, H, W), RGB in [0, 1]
    t                         (B,)
    predicted                 the flows are asked of it
    labels                    maps of I0 and I1 (2, B, H, W) int64, by the masks that regions go by; None without masks
    motion                    what is true; None where nobody knows it
    """

    frame: Tensor
    truth: Tensor
    img0: Tensor
    img1: Tensor
    t: Tensor
    predicted: Predicted
    labels: Tensor | None
    motion: Motion | None

    def by_name(self, needs: Sequence[str]) -> dict[str, Any]:
        """What the words stand for, as keywords; see `harness.MetricSpec`."""
        return {name: value for word in needs for name, value in GIVEN[word](self).items()}


def _labels(of: Surroundings) -> dict[str, Any]:
    assert of.labels is not None  # refused before anything is measured
    return {"labels0": of.labels[0], "labels1": of.labels[1]}


GIVEN: dict[str, Callable[[Surroundings], dict[str, Any]]] = {
    "frame": lambda of: {"frame": of.frame, "truth": of.truth},
    "inputs": lambda of: {"img0": of.img0, "img1": of.img1},
    "flows": lambda of: {"flow_t0": of.predicted.flow_t0, "flow_t1": of.predicted.flow_t1},
    "t": lambda of: {"t": of.t},
    "labels": _labels,
    "motion": lambda of: {"motion": of.motion},
    "set": lambda of: {},
}
"""By the words of a spec."""
