"""HIR-L: target-level motion and feature by attention inside the regions of equal label (paper, Eq. 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.model import Regions, pixel_grid, region_attention


class LongRange(nn.Module):
    """IL: features H0, H1 (B, C, h, w) -> F0h, F1h (B, C, h, w) and f01h, f10h (B, 2, h, w).

    f01h lives on frame 0's grid, in its pixels: frame 0's cell x is found in frame 1 at x + f01h(x). Where the
    other frame lacks the cell's label there is no evidence: V* = 0 and the flow is 0. One set of weights for both
    frames. Coordinates and attention are float32, under autocast too.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, h0: Tensor, h1: Tensor, regions: Regions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """-> F0h, F1h, f01h, f10h."""
        k0, k1 = self.key(h0), self.key(h1)
        v0, v1 = self.value(h0), self.value(h1)
        f0_h, f01_h = _attend(k0, v0, k1, v1, regions)
        f1_h, f10_h = _attend(k1, v1, k0, v0, regions.mirrored())
        return f0_h, f1_h, f01_h, f10_h


def _attend(k0: Tensor, v0: Tensor, k1: Tensor, v1: Tensor, regions: Regions) -> tuple[Tensor, Tensor]:
    """F0h = V0 + A V1 and f01h = A G1 - G0, A = softmax(K0 K1^T / sqrt(D)) inside each region."""
    batch, channels, height, width = v1.shape
    grid = pixel_grid(height, width, v1.device).expand(batch, -1, -1, -1)
    attended, found = region_attention(k0, k1, torch.cat([v1.float(), grid], 1), regions)
    value, coordinates = attended[:, :channels], attended[:, channels:]
    return v0 + value.to(v0.dtype), (coordinates - grid) * found
