"""What a metric of motion is given: what a network predicted, and the motion that is true. All of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Of a frame It: the frame (B, 3, H, W), RGB in [0, 1]; flows (B, 2, H, W) from it to I0 and I1, in pixels,
    channel 0 = x: the network's own, and those that its motion plug-in attended to. None where there are none."""

    frame: Tensor
    flow_t0: Tensor | None = None
    flow_t1: Tensor | None = None
    attended_t0: Tensor | None = None
    attended_t1: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The truth at the pixels of It.

    flow_t0, flow_t1        (B, 2, H, W) float32, in pixels, channel 0 = x
    visible_t0, visible_t1  (B, H, W) bool: whether the place is inside that source frame and nothing covers it there
    inside                  (B, H, W) bool: whether something stands there before what lies behind all others
    """

    flow_t0: Tensor
    flow_t1: Tensor
    visible_t0: Tensor
    visible_t1: Tensor
    inside: Tensor
