"""Flows of one kind from flows of the other, where things move in straight lines at an even pace.

Backward flows start at the frame to be made, and say where to look it up (t->0, t->1). Forward flows start at the
frames given, and say where their pixels are in the other frame (0->1, 1->0); to be splatted. Both are (B, 2, h, w) in
pixels of their own grid, channel 0 = x.

Each pixel carries the whole motion from frame 0 to frame 1, and is sent to where it is seen in the other grid
(`harness.model.splat`). Where several land they are averaged; where less than one whole pixel does, the motion that is
known at the same place makes up for the rest. So a motion that is the same everywhere is the same everywhere after, to
the border, and everything has a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.model.splatting import splat


def forward_flows(flow_t0: Tensor, flow_t1: Tensor) -> tuple[Tensor, Tensor]:
    """Flows t->0 and t->1 of one time t to flows 0->1 and 1->0.

    t itself is not asked for: what is at x at time t is at x + flow_t0(x) in frame 0, and moves by flow_t1 - flow_t0.
    """
    motion = flow_t1 - flow_t0
    return _filled(_landed(motion, flow_t0), motion), _filled(_landed(-motion, flow_t1), -motion)


def backward_flows(flow_01: Tensor, flow_10: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Flows 0->1 and 1->0 to flows t->0 and t->1, t (B, 1, 1, 1) or (1, 1, 1, 1) in (0, 1).

    The pixels of both frames are sent to time t; the nearer frame counts for more.
    """
    landed = (1 - t) * _landed(flow_01, t * flow_01) + t * _landed(-flow_10, (1 - t) * flow_10)
    motion = _filled(landed, (1 - t) * flow_01 - t * flow_10)
    return -t * motion, (1 - t) * motion


def _landed(motion: Tensor, flow: Tensor) -> Tensor:
    """(B, 3, h, w): the sum of the motions that land in a pixel, and how many do."""
    return splat(torch.cat([motion, torch.ones_like(motion[:, :1])], 1), flow, mode="sum")


def _filled(landed: Tensor, unmoved: Tensor) -> Tensor:
    """Their mean, with `unmoved` for what is lacking of one whole pixel."""
    total, count = landed[:, :2], landed[:, 2:]
    return (total + (1 - count).clamp(min=0) * unmoved) / count.clamp(min=1)
