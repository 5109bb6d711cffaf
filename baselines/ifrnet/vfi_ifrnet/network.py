"""IFRNet: a pyramid encoder, and decoders that refine flows and an intermediate feature together, coarse to fine.

Kong et al., "IFRNet: Intermediate Feature Refine Network for Efficient Frame Interpolation", CVPR 2022, Sec. 3.1.
Module names are those of the official checkpoints, so these load strictly and without translation.
Level l of the pyramid has 1 / 2^l of the working size; a decoder's output has twice the size it works at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import (
    Baseline,
    Features,
    Frames,
    MotionPrior,
    Prediction,
    PyramidEncoder,
    decoder_body,
    resize,
    resize_flow,
    take_up,
    warp,
)

Variant = Literal["s", "base", "l"]


@dataclass(frozen=True)
class Size:
    """What distinguishes the variants: channels of levels 1-4, ResBlock side channels, kernel of the first layer."""

    widths: tuple[int, int, int, int]
    side: int
    kernel: int = 3


SIZES: dict[Variant, Size] = {
    "s": Size((24, 36, 54, 72), side=24),
    "base": Size((32, 48, 72, 96), side=32),
    "l": Size((64, 96, 144, 192), side=64, kernel=7),
}


class Decoder(nn.Module):
    """(B, inputs, h, w) to flow t->0 (2 channels), flow t->1 (2) and `rest` channels, all at (2h, 2w)."""

    def __init__(self, inputs: int, hidden: int, rest: int, side: int) -> None:
        super().__init__()
        self.convblock = decoder_body(inputs, hidden, 4 + rest, side)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.convblock(*inputs)
        flow0, flow1, rest = out.split((2, 2, out.shape[1] - 4), 1)
        return flow0, flow1, rest


@dataclass(frozen=True)
class Kept:
    """What `decode` needs of `encode` besides the coarsest features.

    finer0, finer1  features of levels 1, 2, 3 of each frame
    mean            (B, 1, 1, 1), of both frames at full size
    """

    finer0: tuple[Tensor, Tensor, Tensor]
    finer1: tuple[Tensor, Tensor, Tensor]
    mean: Tensor


class IFRNet(Baseline):
    """IFRNet S, base or L. Frames are RGB (B, 3, H, W) in [0, 1], with H and W multiples of 16 / scale."""

    size_multiple = 16

    def __init__(self, *, variant: Variant) -> None:
        super().__init__()
        size = SIZES[variant]
        c1, c2, c3, c4 = size.widths
        self.offers = Offers(channels=c4, stride=16, motion=MotionSeam(stride=8, latent="feature", channels=c3))
        self.encoder = PyramidEncoder(size.widths, size.kernel)
        self.decoder4 = Decoder(2 * c4 + 1, 2 * c4, c3, size.side)
        self.decoder3 = Decoder(3 * c3 + 4, 3 * c3, c2, size.side)
        self.decoder2 = Decoder(3 * c2 + 4, 3 * c2, c1, size.side)
        self.decoder1 = Decoder(3 * c1 + 4, 3 * c1, 1 + 3, size.side)  # the logit of the blend mask, and the residual

    def encode(self, frames: Frames) -> Features:
        """Level-4 features of both frames, (B, C, s*H/16, s*W/16) at working scale s. Sec. 3.1.

        Raises ValueError where the working size is not a multiple of 16.
        """
        size = self.working_size(frames)
        mean = torch.cat([frames.img0, frames.img1], 2).mean((1, 2, 3), keepdim=True)
        pyramid0 = self.encoder(resize(frames.img0 - mean, size))
        pyramid1 = self.encoder(resize(frames.img1 - mean, size))
        return Features(f0=pyramid0[3], f1=pyramid1[3], kept=Kept(pyramid0[:3], pyramid1[:3], mean))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The frame at time t (B, 1, 1, 1), its flows in full-size pixels, and the blend mask. Sec. 3.1.

        A prior has the format of decoder4's output: flows (B, 2, s*H/8, s*W/8) from t to each source frame, in
        pixels of that grid, and as its latent the intermediate feature of level 3.
        """
        kept: Kept = features.kept
        time = t.to(features.f0.dtype).expand(-1, -1, *features.f0.shape[-2:])
        flow0, flow1, ft = take_up(prior, lambda: self.decoder4(features.f0, features.f1, time))
        # Under autocast the decoders give half precision, too coarse for flows of many pixels: the flows have the
        # frames' type from here on, since adding to them promotes.
        flow0, flow1 = flow0.to(frames.img0.dtype), flow1.to(frames.img0.dtype)
        for level, decoder in ((3, self.decoder3), (2, self.decoder2), (1, self.decoder1)):
            f0, f1 = kept.finer0[level - 1], kept.finer1[level - 1]
            delta0, delta1, ft = decoder(ft, warp(f0, flow0), warp(f1, flow1), flow0, flow1)
            finer = (delta0.shape[-2], delta0.shape[-1])
            flow0 = delta0 + resize_flow(flow0, finer)
            flow1 = delta1 + resize_flow(flow1, finer)
        return _synthesise(frames, flow0, flow1, ft.to(frames.img0.dtype), kept.mean)


def _synthesise(frames: Frames, flow0: Tensor, flow1: Tensor, ft: Tensor, mean: Tensor) -> Prediction:
    """Blend of the warped frames, plus a residual; `ft` (B, 4, h, w) is mask logit and residual. Sec. 3.1.

    Everything estimated comes at the working size; blending is at full size.
    """
    full = (frames.img0.shape[-2], frames.img0.shape[-1])
    flow0, flow1 = resize_flow(flow0, full), resize_flow(flow1, full)
    mask = resize(torch.sigmoid(ft[:, :1]), full)
    residual = resize(ft[:, 1:], full)
    warped0, warped1 = warp(frames.img0 - mean, flow0), warp(frames.img1 - mean, flow1)
    frame = mask * warped0 + (1 - mask) * warped1 + mean + residual
    return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0, flow_t1=flow1, blend=mask)
