"""Forward warping: what a frame shows is sent along flows that start at its own pixels, and adds up where it lands."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from harness.model.deterministic import spread
from harness.model.warping import pixel_grid

Mode = Literal["sum", "average", "linear", "softmax"]


def splat(source: Tensor, flow: Tensor, metric: Tensor | None = None, *, mode: Mode = "average") -> Tensor:
    """`source` (B, C, H, W) sent from each x to `x + flow(x)`, flow (B, 2, H, W) in pixels of that grid, channel 0 = x.

    A pixel is shared among the four around where it lands, bilinearly; what falls outside is lost. Niklaus and Liu,
    "Softmax Splatting for Video Frame Interpolation", CVPR 2020, Eq. 5-10:

    sum      all that lands is added
    average  the mean of what lands
    linear   the mean weighted by `metric` (B, 1, H, W), which is 0 or more
    softmax  the mean weighted by exp(metric): of several that land, the one with the greatest metric is seen. One that
             is less than the greatest of its sample by 87 or more weighs nothing

    Where nothing lands, or nothing that weighs, there is 0. Computed in float32 at least, whatever the autocast type,
    and given back in the type of `source`. Raises ValueError for shapes that do not fit, and for a metric that is
    missing or given in vain.
    """
    batch, _, height, width = source.shape
    if tuple(flow.shape) != (batch, 2, height, width):
        raise ValueError(f"splat: a flow of shape {(batch, 2, height, width)} is needed, got {tuple(flow.shape)}")
    if (metric is None) != (mode in ("sum", "average")):
        raise ValueError(f"splat: mode '{mode}' takes {'no metric' if metric is not None else 'a metric'}")
    if metric is not None and tuple(metric.shape) != (batch, 1, height, width):
        raise ValueError(f"splat: a metric of shape {(batch, 1, height, width)} is needed, got {tuple(metric.shape)}")
    precise = torch.promote_types(torch.promote_types(source.dtype, flow.dtype), torch.float32)
    values = source.to(precise)
    if mode == "sum":
        return _sent(values, flow.to(precise)).to(source.dtype)
    if metric is None:
        weight = values.new_ones(batch, 1, height, width)
    else:
        weight = metric.to(precise)
        values = values * (weight := _relative(weight) if mode == "softmax" else weight)
    total = _sent(torch.cat([values, weight], 1), flow.to(precise))
    landed = total[:, -1:]
    return (total[:, :-1] / torch.where(landed == 0, 1, landed)).to(source.dtype)


def _relative(metric: Tensor) -> Tensor:
    """exp(metric), divided by the greatest of the sample: the same mean, and no overflow."""
    return (metric - metric.detach().amax((1, 2, 3), keepdim=True)).exp()


def _sent(values: Tensor, flow: Tensor) -> Tensor:
    """The sum of what lands in each pixel.

    The frame lies in one that is wider by a pixel on each side. What lands outside ends up there, for positions stop at
    its rim, and is cut off at the end; so no pixel needs a question.
    """
    height, width = values.shape[-2:]
    at = pixel_grid(height, width, flow.device) + flow
    x, y = at[:, 0].clamp(-1, width).flatten(1), at[:, 1].clamp(-1, height).flatten(1)
    # what is not a number comes to some cell, with a share that is not a number either
    left, top = x.detach().floor().clamp(-1, width - 1), y.detach().floor().clamp(-1, height - 1)
    corner = (top.long().clamp(-1, height - 1) + 1) * (width + 2) + left.long().clamp(-1, width - 1) + 1
    total = spread(values.flatten(2), corner, x - left, y - top, (height + 2, width + 2))
    return total[:, :, 1:-1, 1:-1]
