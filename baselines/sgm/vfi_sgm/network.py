"""SGM-VFI: flows from attention between near parts of the frames, mended by sparse global matching where they fail.

Liu et al., "Sparse Global Matching for Video Frame Interpolation with Large Motion", CVPR 2024. Module names are those
of the official checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import Baseline, Features, Frames, MotionPrior, Prediction, resize, resize_flow, take_up, warp
from vfi_sgm.decoder import ContextNet, Head, Motion, Unet
from vfi_sgm.encoder import Encoder, side_by_side
from vfi_sgm.gmflow import GMFlow
from vfi_sgm.matching import MatchingBlock

Variant = Literal["small", "base"]
# channels of stage 1, attention blocks of stage 4
SIZES: dict[Variant, tuple[int, int]] = {"small": (16, 4), "base": (32, 6)}
HIDDEN = 128  # channels inside of the flow heads
# of an official checkpoint: a mask and its size, left behind by the last forward pass before it was saved
LEFT_BEHIND = ("attn_mask", "HW")


@dataclass(frozen=True)
class Kept:
    """What `decode` needs of `encode` besides the coarsest features, of both frames: features (2B, C, h, w) of stage 3
    at stride 4, and those to match by at stride 8, None without matching."""

    stage3: Tensor
    to_match: Tensor | None


class SGM(Baseline):
    """SGM-VFI small or base. Frames are RGB (B, 3, H, W) in [0, 1]; H and W, also times scale, multiples of 16.

    At a working scale below 1 motion alone is estimated on smaller frames, and the frame is made at full size, as in
    the official protocol for large ones. Decided: coarsest features that a plug-in has refined go wherever these go, to
    the first flow head and to the merging of flows; the features to match by are no plug-in's business.

    The authors train the local branch first, then, with it and with GMFlow's features frozen, the rest. Here all trains
    together, and gradients of the matching reach the local branch; the published code, where this is frozen, has none.

    matching    False: the local branch alone, which the authors train first and call ours-local
    points      the share of cells that are matched, above 0, 1 for all; the authors' published weights are of 1/2
    dense_rows  at a height of up to 8 times as many pixels all cells are matched, whatever `points`: so it is
                published, with the advice to give that up (0) on low resolutions
    """

    size_multiple = 16
    fits_full_size = True

    def __init__(self, *, variant: Variant, matching: bool = True, points: float = 0.5, dense_rows: int = 32) -> None:
        super().__init__()
        if not 0 < points <= 1:
            raise ValueError(f"sgm: points is a share of all cells, above 0 and at most 1, got {points:g}")
        if dense_rows < 0:
            raise ValueError(f"sgm: dense_rows is a number of rows, 0 or more, got {dense_rows}")
        base, depth = SIZES[variant]
        self.offers = Offers(channels=8 * base, stride=8, motion=MotionSeam(stride=8, latent="blend", channels=1))
        self.feature_bone = Encoder(base, depth)
        self.block = nn.ModuleList([Head(16 * base + 7, HIDDEN, layers=2), Head(8 * base + 18, HIDDEN, layers=2)])
        self.contextnet = ContextNet(2 * base)
        self.unet = Unet(2 * base)
        for part in (self.feature_bone, self.unet):
            part.apply(_initialise)
        self.gmflow = GMFlow() if matching else None
        # of two stages, of which only the first has one
        self.matching_block = nn.ModuleList([MatchingBlock(8 * base, 4 * base, points, dense_rows)] if matching else [])

    def encode(self, frames: Frames) -> Features:
        """Stage-4 features of both frames, (B, C, s*H/8, s*W/8) at working scale s; each has seen the other frame.

        Raises ValueError where a side, at full or working size, is not a multiple of 16.
        """
        images = resize(torch.cat([frames.img0, frames.img1]), self.working_size(frames))
        stage3, stage4 = self.feature_bone(images)
        f0, f1 = stage4.chunk(2)
        to_match = None if self.gmflow is None else self.gmflow(images)
        return Features(f0=f0, f1=f1, kept=Kept(stage3, to_match))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The frame at time t (B, 1, 1, 1), its flows in full-size pixels, and the blend mask.

        A prior has the format of the first head's output: flows (B, 2, s*H/8, s*W/8) from t to each source frame, in
        pixels of that grid, and as its latent the logit of the weight of frame 0 (B, 1, s*H/8, s*W/8).
        """
        kept: Kept = features.kept
        size = self.working_size(frames)
        coarsest = torch.cat([features.f0, features.f1])
        grid, finer = ((x.shape[-2], x.shape[-1]) for x in (coarsest, kept.stage3))
        images = resize(torch.cat([frames.img0, frames.img1]), size)
        t = t.to(images.dtype).expand(len(features.f0), -1, -1, -1)

        def first_stage() -> tuple[Tensor, Tensor, Tensor]:
            time = t.expand(-1, -1, *grid)
            made = self.block[0](side_by_side(resize(images, grid)), time, side_by_side(coarsest))
            return *made.flows.chunk(2), made.logit

        flow_t0, flow_t1, logit = take_up(prior, first_stage, self.offers)
        coarse = Motion(flows=torch.cat([flow_t0, flow_t1]).to(images.dtype), logit=logit.to(images.dtype))
        motion = coarse.at(size)
        if kept.to_match is not None:
            motion = motion.plus(self.matching_block[0](images, kept.to_match, coarsest, coarse, t).at(size))
        pair = side_by_side(images)
        known = torch.cat([pair, side_by_side(warp(images, motion.flows)), motion.logit], 1)
        more = self.block[1](
            resize(known, finer),
            t.expand(-1, -1, *finer),
            side_by_side(resize_flow(motion.flows, finer)),
            side_by_side(kept.stage3),
        )
        return self._synthesise(frames, motion.plus(more.at(size)))

    def _synthesise(self, frames: Frames, motion: Motion) -> Prediction:
        """Blend of the warped frames, plus the refinement, at full size. The estimates come at the working size."""
        motion = motion.at((frames.img0.shape[-2], frames.img0.shape[-1]))
        images = torch.cat([frames.img0, frames.img1])
        warped = warp(images, motion.flows)
        inputs = [side_by_side(images), side_by_side(warped), motion.logit, side_by_side(motion.flows)]
        residual = self.unet(torch.cat(inputs, 1), self.contextnet(images, motion.flows))
        warped0, warped1 = warped.chunk(2)
        flow_t0, flow_t1 = motion.flows.chunk(2)
        blend = torch.sigmoid(motion.logit)
        frame = blend * warped0 + (1 - blend) * warped1 + residual
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow_t0, flow_t1=flow_t1, blend=blend)

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """An official state made to take and give RGB, and rid of what forward passes left behind.

        The published weights are for BGR, those of GMFlow too, as they were given such images. What touches an image
        has its channels reversed, so the result is the same network, up to the order of sums.
        """
        rgb = {key: value for key, value in state.items() if key.rpartition(".")[2] not in LEFT_BEHIND}
        own, none = self.state_dict(), torch.empty(0)
        # first channels of the images that a convolution sees
        four = (0, 3, 6, 9)
        for key, starts in (
            ("feature_bone.block1.conv.0.weight", (0,)),
            ("block.0.conv0.0.0.weight", (0, 3)),
            ("block.1.conv0.0.0.weight", four),
            ("contextnet.conv1.conv1.0.weight", (0,)),
            ("unet.down0.conv1.0.weight", four),
            ("gmflow.backbone.conv1.weight", (0,)),
            ("matching_block.0.refine_block.conv0.0.0.weight", (*four, 17, 20)),
        ):
            # another file is refused by name, by whoever loads it
            if key in own and rgb.get(key, none).shape == own[key].shape:
                rgb[key] = rgb[key].clone()
                for start in starts:
                    rgb[key][:, start : start + 3] = state[key][:, start : start + 3].flip(1)
        for key in ("unet.conv.weight", "unet.conv.bias"):
            if rgb.get(key, none).shape == own[key].shape:
                rgb[key] = rgb[key].flip(0)
        return rgb


def _initialise(module: nn.Module) -> None:
    """As published; transposed convolutions keep torch's default."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
