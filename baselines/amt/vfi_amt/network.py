"""AMT: IFRNet's coarse-to-fine decoders, each followed by an update from an all-pairs correlation, and several flow
fields at the end.

Li et al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation", CVPR 2023, Sec. 3.
Module names are those of the official checkpoints, so these load strictly and without translation.
Level l has 1 / 2^l of the working size; decoder l gives the motion of level l - 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import (
    Baseline,
    Correlation,
    Features,
    Frames,
    MotionPrior,
    Prediction,
    PyramidEncoder,
    conv_prelu,
    resize,
    resize_flow,
    take_up,
    warp,
)
from vfi_amt.decoders import InitDecoder, IntermediateDecoder, Motion, MultiFieldDecoder, repeated
from vfi_amt.encoders import MatchingEncoder
from vfi_amt.sizes import LEVELS, RADIUS, SIZES, Variant
from vfi_amt.update import UpdateBlock


@dataclass(frozen=True)
class Kept:
    """What `decode` needs of `encode` besides the coarsest features.

    finer0, finer1  context features of levels 1, 2, 3 of each frame
    fmap0, fmap1    features to correlate, at 1/8; the correlation itself lives only as long as it is looked up
    mean            (B, 1, 1, 1), of both frames at full size
    """

    finer0: tuple[Tensor, Tensor, Tensor]
    finer1: tuple[Tensor, Tensor, Tensor]
    fmap0: Tensor
    fmap1: Tensor
    mean: Tensor


class AMT(Baseline):
    """AMT-S, -L or -G. Frames are RGB (B, 3, H, W) in [0, 1], with H and W multiples of 16 / scale.

    time_scales  how the flows from t become the flows between the frames that say where to look up. "official" takes
                 F_01 = F_t1 / t and F_10 = F_t0 / (1 - t), which the published weights were trained with; "linear" is
                 what linear motion asks for, F_t1 / (1 - t) and F_t0 / t. They are the same at t = 0.5
    """

    size_multiple = 16

    def __init__(self, *, variant: Variant, time_scales: Literal["official", "linear"] = "official") -> None:
        super().__init__()
        size = SIZES[variant]
        c1, c2, c3, c4 = size.widths
        self.time_scales = time_scales
        self.offers = Offers(channels=c4, stride=16, motion=MotionSeam(stride=8, latent="feature", channels=c3))
        self.feat_encoder = MatchingEncoder(size.matching)
        self.encoder = PyramidEncoder(size.widths, size.kernel)
        self.decoder4 = InitDecoder(c4, c3, size.side)
        self.decoder3 = IntermediateDecoder(c3, c2, size.side)
        self.decoder2 = IntermediateDecoder(c2, c1, size.side)
        self.decoder1 = MultiFieldDecoder(c1, size.fields, size.side)
        self.updates: dict[int, list[str]] = {}
        for level, channels in ((4, c3), (3, c2), (2, c1)):
            twice = size.high and level < 4
            self.updates[level] = [f"update{level}_low", f"update{level}_high"] if twice else [f"update{level}"]
            for name in self.updates[level]:
                self.add_module(name, UpdateBlock(channels, size.update))
        n = size.fields
        self.comb_block = nn.Sequential(
            *conv_prelu(3 * n, 6 * n, size.mix), nn.Conv2d(6 * n, 3, size.mix, 1, size.mix // 2)
        )

    def encode(self, frames: Frames) -> Features:
        """Level-4 context features of both frames, (B, C, s*H/16, s*W/16) at working scale s. Sec. 3.1.

        They feed decoder4 alone; the features to correlate have an encoder of their own.
        Raises ValueError where the working size is not a multiple of 16.
        """
        size = self.working_size(frames)
        mean = torch.cat([frames.img0, frames.img1], 2).mean((1, 2, 3), keepdim=True)
        small0, small1 = resize(frames.img0 - mean, size), resize(frames.img1 - mean, size)
        fmap0, fmap1 = self.feat_encoder(torch.cat([small0, small1])).chunk(2)
        pyramid0, pyramid1 = self.encoder(small0), self.encoder(small1)
        return Features(f0=pyramid0[3], f1=pyramid1[3], kept=Kept(pyramid0[:3], pyramid1[:3], fmap0, fmap1, mean))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The frame at time t (B, 1, 1, 1), its flows in full-size pixels, and the blend mask. Sec. 3.1-3.3.

        Flows and mask are the means of those of the fields. A prior has the format of decoder4's output: flows
        (B, 2, s*H/8, s*W/8) from t to each source frame, in pixels of that grid, and as its latent the intermediate
        feature of level 3.
        """
        kept: Kept = features.kept
        motion = take_up(prior, lambda: cast(Motion, self.decoder4(features.f0, features.f1, t)))
        # Under autocast the decoders give half precision, too coarse for flows of many pixels: the flows have the
        # frames' type from here on, since adding to them promotes.
        flow0, flow1 = motion[0].to(frames.img0.dtype), motion[1].to(frames.img0.dtype)
        motion = self._refine((flow0, flow1, motion[2]), kept, t)
        return self._synthesise(frames, self.decoder1(motion, kept.finer0[0], kept.finer1[0]), kept.mean)

    def _refine(self, motion: Motion, kept: Kept, t: Tensor) -> Motion:
        """From decoder4's motion to that of level 1. The correlation ends here, before the sizes that cost memory."""
        correlation = Correlation(kept.fmap0, kept.fmap1, levels=LEVELS, radius=RADIUS)
        motion = self._update(4, motion, correlation, t)
        for level, decoder in ((3, self.decoder3), (2, self.decoder2)):
            motion = decoder(motion, kept.finer0[level - 1], kept.finer1[level - 1])
            motion = self._update(level, motion, correlation, t)
        return motion

    def _update(self, level: int, motion: Motion, correlation: Correlation, t: Tensor) -> Motion:
        """Motion refined by the correlation, which is looked up at 1/8; in AMT-G again at the level's own size."""
        flow0, flow1 = resize_flow(motion[0], correlation.grid), resize_flow(motion[1], correlation.grid)
        time_01, time_10 = (t, 1 - t) if self.time_scales == "official" else (1 - t, t)
        corr = correlation.lookup(flow1 / time_01, flow0 / time_10)
        low, *high = (self.get_submodule(name) for name in self.updates[level])
        motion = low(motion, corr)
        own = (motion[2].shape[-2], motion[2].shape[-1])
        for block in high:
            motion = block(motion, resize(corr, own))
        return motion

    def _synthesise(self, frames: Frames, fields: tuple[Tensor, Tensor, Tensor, Tensor], mean: Tensor) -> Prediction:
        """One candidate a field, a blend of the warped frames plus a residual; their mean, and a mix of all. Sec. 3.3.

        The fields come at the working size; blending is at full size.
        """
        n, full = self.decoder1.fields, (frames.img0.shape[-2], frames.img0.shape[-1])
        flow0, flow1 = resize_flow(fields[0], full), resize_flow(fields[1], full)
        mask, residual = (resize(x.to(frames.img0.dtype), full) for x in fields[2:])
        warped0 = warp(repeated(frames.img0 - mean, n), flow0)
        warped1 = warp(repeated(frames.img1 - mean, n), flow1)
        blended = mask * warped0 + (1 - mask) * warped1 + repeated(mean, n) + residual
        candidates, flow0, flow1, mask = (x.view(-1, n, *x.shape[1:]) for x in (blended, flow0, flow1, mask))
        frame = candidates.mean(1) + self.comb_block(candidates.flatten(1, 2))
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0.mean(1), flow_t1=flow1.mean(1), blend=mask.mean(1))
