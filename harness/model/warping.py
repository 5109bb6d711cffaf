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
    precise = torch.promote_types(flow.dtype, torch.float32)
    at = pixel_grid(height, width, flow.device) + flow.to(precise)
    x = at[:, 0] * (2 / max(width - 1, 1)) - 1
    y = at[:, 1] * (2 / max(height - 1, 1)) - 1
    grid = torch.stack([x, y], -1)
    return sample(source.to(precise), grid).to(source.dtype)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, align_corners=False, no antialiasing."""
    return x if x.shape[-2:] == size else bilinear(x, size)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow brought to `size`, its values scaled along with its grid."""
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow
    resized = resize(flow, size)
    return torch.cat([resized[:, :1] * (size[1] / width), resized[:, 1:] * (size[0] / height)], 1)
