"""Backward warping and resizing, with the one convention that all four baselines use."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.model.deterministic import bilinear, sample


def pixel_grid(height: int, width: int, device: torch.device) -> Tensor:
    """(1, 2, H, W) float32 pixel coordinates, channel 0 = x."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y])[None]


def warp(source: Tensor, flow: Tensor) -> Tensor:
    """`source` (B, C, H, W) looked up at `x + flow(x)`, flow (B, 2, H, W) in pixels: bilinear, border padding.

    Computed in float32 at least, whatever the autocast type: half a pixel in 1280 is beyond half precision.
    """
    _, _, height, width = source.shape
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    x = torch.add(_across(width, flow), flow[:, 0], alpha=2 / max(width - 1, 1))
    y = torch.add(_across(height, flow)[:, None], flow[:, 1], alpha=2 / max(height - 1, 1))
    return sample(source.to(flow.dtype), torch.stack([x, y], -1)).to(source.dtype)


def _across(size: int, like: Tensor) -> Tensor:
    """(size,) positions from -1 to 1, as `sample` counts them."""
    return torch.arange(size, device=like.device, dtype=like.dtype) * (2 / max(size - 1, 1)) - 1


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, align_corners=False, no antialiasing."""
    return x if x.shape[-2:] == size else bilinear(x, size)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow brought to `size`, its values scaled along with its grid."""
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow
    return _scaled(resize(flow, size), size[1] / width, size[0] / height)


def _scaled(flow: Tensor, x: float, y: float) -> Tensor:
    return flow * x if x == y else torch.cat([flow[:, :1] * x, flow[:, 1:] * y], 1)
