"""UPR-Net: at each level of an image pyramid, from coarse to fine, the same light networks refine the flows between the
frames and, from what these warp forward, the frame.

Jin et al., "A Unified Pyramid Recurrent Network for Video Frame Interpolation", CVPR 2023, Sec. 3. Level l has 1 / 2^l
of the frames' size. Whatever is of both frames is one batch (2B, ...): frame 0's samples, then frame 1's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness import MotionSeam, Offers
from harness.model import (
    Baseline,
    Features,
    Frames,
    MotionPrior,
    Prediction,
    backward_flows,
    resize,
    resize_flow,
    take_up,
)
from vfi_uprnet.layers import FeatPyramid, MotionEstimator, Pyramid, SynthesisNetwork

Variant = Literal["base", "large", "llarge"]
# channels of the finest features; all others are multiples of it
WIDTHS: dict[Variant, int] = {"base": 16, "large": 24, "llarge": 32}


@dataclass(frozen=True)
class Level:
    """Of both frames: images (2B, 3, h, w), features; whether flows are estimated here, or those from below serve."""

    images: Tensor
    features: Pyramid
    estimates: bool


class UPRNet(Baseline):
    """UPR-Net base, large or LARGE. Frames are RGB (B, 3, H, W) in [0, 1], H and W multiples of 2^(levels + 1) / scale.

    The working scale says where the pyramid begins: at half of it, there is one level more, so that the coarsest one,
    whose features and motion plug-ins see, is half as large. So it is a power of 2.

    levels   of the pyramid at scale 1, 1 to 8; the authors train with 3
    skipped  so many of the finest levels, fewer than there are, estimate no motion: the flows from below serve at full
             size, and the levels between are left out. The authors skip 2 in 4K
    """

    def __init__(self, *, variant: Variant, levels: int = 3, skipped: int = 0) -> None:
        super().__init__()
        if not 1 <= levels <= 8:
            raise ValueError(f"uprnet: levels is from 1 to 8, got {levels}")
        if not 0 <= skipped < levels:
            raise ValueError(f"uprnet: skipped is from 0 to levels - 1, got {skipped} of {levels}")
        width = WIDTHS[variant]
        self.levels, self.skipped = levels, skipped
        stride = self.size_multiple = 2 ** (levels + 1)
        self.offers = Offers(
            channels=4 * width,
            stride=stride,
            motion=MotionSeam(stride=stride, latent="feature", channels=4 * width, kind="forward", adds=False),
        )
        self.feat_pyramid = FeatPyramid(width)
        self.motion_estimator = MotionEstimator(width)
        self.synthesis_network = SynthesisNetwork(width)

    def encode(self, frames: Frames) -> Features:
        """The features that the coarsest level matches, of both frames, (B, C, s*H/16, s*W/16) at working scale s and
        with 3 levels.

        Raises ValueError for sides that do not fit, and for a scale that is no power of 2 or leaves no level.
        """
        self.working_size(frames)
        images = torch.cat([frames.img0, frames.img1])
        height, width = images.shape[-2:]
        levels = []
        for at in self._levels(frames.scale):
            image = resize(images, (height >> at, width >> at))
            levels.append(Level(image, self.feat_pyramid(image), at >= self.skipped))
        f0, f1 = levels[0].features[2].chunk(2)
        return Features(f0=f0, f1=f1, kept=tuple(levels))

    def _levels(self, scale: float) -> list[int]:
        """From the coarsest to 0."""
        more = -math.log2(scale)
        count = self.levels + round(more)
        if more != round(more) or count <= self.skipped:
            least = 2.0 ** (self.levels - self.skipped - 1)
            raise ValueError(f"UPRNet takes working scales that are powers of 2 and at most {least:g}, got {scale:g}")
        return [at for at in reversed(range(count)) if at >= self.skipped or at == 0]

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The frame at time t (B, 1, 1, 1), and the blend mask. Its flows are those between the frames, seen from t.

        A prior has the format of what the coarsest level estimates: flows 0->1 and 1->0 (B, 2, h, w), in pixels of the
        coarsest features' grid, and as its latent what that level leaves to the next.
        """
        levels: tuple[Level, ...] = features.kept
        coarsest = torch.cat([features.f0, features.f1])
        t = t.expand(len(features.f0), -1, -1, -1)

        def first_stage() -> tuple[Tensor, Tensor, Tensor]:
            still = frames.img0.new_zeros(len(coarsest), 2, *coarsest.shape[-2:])
            flows, state = self.motion_estimator(coarsest, still, torch.zeros_like(features.f0))
            return *flows.chunk(2), state

        flow_01, flow_10, state = take_up(prior, first_stage, self.offers)
        flows = torch.cat([flow_01, flow_10]).to(frames.img0.dtype)
        frame = blend = None
        for level in levels:
            c0, c1, c2 = level.features
            full = level.images.shape[-2], level.images.shape[-1]
            if frame is None:
                c2 = coarsest
            else:
                grid = c2.shape[-2], c2.shape[-1]
                flows, frame = resize_flow(flows, grid), resize(frame, full)
                if level.estimates:
                    flows, state = self.motion_estimator(c2, flows, 2 * resize(state, grid))  # twice, as published
            finest = resize_flow(flows, full)
            half = resize_flow(finest, (c1.shape[-2], c1.shape[-1]))
            quarter = resize_flow(half, (c2.shape[-2], c2.shape[-1]))
            frame, blend = self.synthesis_network(frame, level.images, (c0, c1, c2), (finest, half, quarter), t)
        assert frame is not None
        size = frame.shape[-2], frame.shape[-1]
        flow_01, flow_10 = flows.chunk(2)
        flow_t0, flow_t1 = (resize_flow(flow, size) for flow in backward_flows(flow_01, flow_10, t.to(flows.dtype)))
        return Prediction(frame=frame, flow_t0=flow_t0, flow_t1=flow_t1, blend=blend)

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """An official state, for BGR images, as one for RGB images: the channels of whatever touches colours reordered,
        which is the same network up to the order in which it adds."""
        own, none = self.state_dict(), torch.empty(0)
        rgb = dict(state)
        for key, images in (("feat_pyramid.conv_stage0.0.weight", 1), ("synthesis_network.encoder_conv.0.weight", 5)):
            if state.get(key, none).shape == own[key].shape:  # a foreign state is left to the strict loading
                rgb[key] = state[key].clone()
                for at in range(0, 3 * images, 3):
                    rgb[key][:, at : at + 3] = state[key][:, at : at + 3].flip(1)
        for key in ("synthesis_network.pred.weight", "synthesis_network.pred.bias"):
            if state.get(key, none).shape == own[key].shape:
                rgb[key] = torch.cat([state[key][:3].flip(0), state[key][3:]])
        return rgb
