"""HIR: hierarchical motion and feature interactive refinement (paper, Eq. 8-11)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from harness import Offers
from harness.model import Features, MotionPlugin, MotionPrior, Regions, conv_prelu, resize, resize_flow, warp
from vfi_hir.inter import Inter
from vfi_hir.long_range import LongRange
from vfi_hir.short_range import ShortRange
from vfi_hir.similarity import Name


class HIR(MotionPlugin):
    """Coarse motion from target to pixel level: HIR-L, HIR-S, then Inter.

    Features (B, C, h, w) -> a MotionPrior on the grid of the baseline's motion seam. Inter's last layer starts at
    zero, so that an untrained HIR gives zero flows and a zero latent; at the first step only that layer has a
    gradient.

    stages   "LS", as published; "L" and "S", one of the two alone; "SL", S before L. "S" starts at zero motion.
             "SL" has no equations (decided): S at zero motion brings both frames' features to time t, L then
             relates these, inside the frames' own regions, and what it finds is added to the motion that S found.
    inject   how the baseline takes the prior: added to its first decoder stage, or in place of it; with the latter an
             untrained network is not its baseline
    radius   of HIR-S's window, in cells, 1 or more: (2 radius + 1)^2 positions
    similarity  of keys, in both attentions: "cosine" with a learnt scale, of keys less their mean; "patch", the same of
             the 3x3 keys around, and a region moves as a whole, nearly, which sees most; "dot", Eq. 9 to the letter,
             of which an untrained network sees no motion; or "place", a control, which sees where regions are and
             nothing of what is in them

    Raises ValueError where the baseline has no motion seam, and for a radius below 1.
    """

    def __init__(
        self,
        offers: Offers,
        *,
        stages: Literal["L", "S", "SL", "LS"] = "LS",
        inject: Literal["residual", "replace"] = "residual",
        radius: int = 3,
        similarity: Name = "patch",
    ) -> None:
        super().__init__()
        if offers.motion is None:
            raise ValueError("hir: the baseline has no motion seam")
        if radius < 1:
            raise ValueError(f"hir: radius is 1 or more, got {radius}")
        self.stages: Literal["L", "S", "SL", "LS"] = stages
        self.inject: Literal["residual", "replace"] = inject
        self.starts_as_identity = inject == "residual"
        self.stride, self.seam = offers.stride, offers.motion
        channels = offers.channels
        if "L" in stages:
            self.long_range = LongRange(channels, similarity)
        if "S" in stages:
            self.fuse = _mean_at_first(conv_prelu(2 * channels, channels))
            self.short_range = ShortRange(channels, radius, similarity)
        self.inter = Inter(channels, offers.motion.channels)

    def forward(self, features: Features, regions: Regions | None, t: Tensor) -> MotionPrior:
        """t (B, 1, 1, 1) or (1, 1, 1, 1). Raises ValueError without regions."""
        if regions is None:
            raise ValueError("hir: needs label maps, got none")
        h0, h1 = features.f0, features.f1
        batch, _, height, width = h0.shape
        still = h0.new_zeros(batch, 2, height, width).float()
        if self.stages == "L":
            f0, f1, ft0, ft1 = self._target_level(h0, h1, regions, t)
            f0, f1 = warp(f0, ft0), warp(f1, ft1)
        elif self.stages == "S":
            f0, f1, ft0, ft1 = self._pixel_level(h0, h1, still, still)
        elif self.stages == "LS":
            f0, f1, ft0, ft1 = self._pixel_level(*self._target_level(h0, h1, regions, t))
        else:
            f0, f1, ft0, ft1 = self._pixel_level(h0, h1, still, still)
            f0, f1, more0, more1 = self._target_level(f0, f1, regions, t)
            f0, f1, ft0, ft1 = warp(f0, more0), warp(f1, more1), ft0 + more0, ft1 + more1
        flow_t0, flow_t1, latent = self.inter(f0, f1, ft0, ft1)
        size = height * self.stride // self.seam.stride, width * self.stride // self.seam.stride
        return MotionPrior(
            flow_t0=resize_flow(flow_t0, size),
            flow_t1=resize_flow(flow_t1, size),
            latent=resize(latent, size),
            inject=self.inject,
            attended_t0=ft0,
            attended_t1=ft1,
        )

    def _target_level(
        self, h0: Tensor, h1: Tensor, regions: Regions, t: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """HIR-L -> F0h, F1h, ft0^, ft1^. The latent motion is the paper's linear approximation: that of frame 1's
        (frame 0's) cell at the same place."""
        f0_h, f1_h, f01_h, f10_h = self.long_range(h0, h1, regions)
        return f0_h, f1_h, t * f10_h, (1 - t) * f01_h

    def _pixel_level(
        self, f0_h: Tensor, f1_h: Tensor, ft0: Tensor, ft1: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Fuse and HIR-S -> F0t^h, F1t^h, ft0^h, ft1^h."""
        ft = self.fuse(torch.cat([warp(f0_h, ft0), warp(f1_h, ft1)], 1))
        f0t, f1t, ft0, ft1 = self.short_range(ft, f0_h, f1_h, ft0, ft1)
        return f0t, f1t, ft0, ft1


def _mean_at_first(fuse: nn.Sequential) -> nn.Sequential:
    """Fuse begins as the mean of both warped features, so that HIR-S compares like with like."""
    weight, bias, slope = fuse.parameters()
    with torch.no_grad():
        for half in weight.chunk(2, 1):
            half.copy_(nn.init.dirac_(torch.empty_like(half)) / 2)
        bias.zero_()
        slope.fill_(1)
    return fuse
