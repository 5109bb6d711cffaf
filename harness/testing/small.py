"""A small network that keeps every contract: what plug-ins and protocols are checked on, and an example of the seam."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from harness.model.blocks import conv_prelu
from harness.model.contracts import Baseline, Features, Frames, MotionPrior, Prediction, Stage, take_up
from harness.model.warping import resize, resize_flow, warp
from harness.registry.specs import MotionSeam, Offers


class Small(Baseline):
    """A siamese encoder, a motion stage from the coarsest features and t, one refinement, and the blend of both warped
    frames with a residual.

    latent    of the motion seam: a "feature", at stride 8, or a "blend" logit, at stride 1
    channels  of the coarsest features
    """

    size_multiple = 16

    def __init__(self, *, latent: Literal["feature", "blend"] = "blend", channels: int = 16) -> None:
        super().__init__()
        self.blends, depth = latent == "blend", 1 if latent == "blend" else 6
        stride = 1 if self.blends else 8
        self.offers = Offers(
            channels=channels, stride=16, motion=MotionSeam(stride=stride, latent=latent, channels=depth)
        )
        self.fine = nn.Sequential(conv_prelu(3, 8, stride=2), conv_prelu(8, 8, stride=2))
        self.coarse = nn.Sequential(conv_prelu(8, 16, stride=2), conv_prelu(16, channels, stride=2))
        self.motion = nn.Sequential(conv_prelu(2 * channels + 1, 16), nn.Conv2d(16, 4 + depth, 3, 1, 1))
        self.refine = nn.Sequential(conv_prelu(16 + 4 + depth, 16), nn.Conv2d(16, 4 + 1 + 3, 3, 1, 1))

    def encode(self, frames: Frames) -> Features:
        """Features at stride 16 of the working size; those at stride 4 are kept."""
        size = self.working_size(frames)
        fine0, fine1 = self.fine(resize(frames.img0, size)), self.fine(resize(frames.img1, size))
        return Features(f0=self.coarse(fine0), f1=self.coarse(fine1), kept=(fine0, fine1))

    def first(self, features: Features, t: Tensor, size: tuple[int, int]) -> Stage:
        """Flows and latent on the seam's grid, of that size."""
        time = t.to(features.f0.dtype).expand(len(features.f0), -1, *features.f0.shape[-2:])
        out = self.motion(torch.cat([features.f0, features.f1, time], 1))
        return resize_flow(out[:, :2], size), resize_flow(out[:, 2:4], size), resize(out[:, 4:], size)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The first stage or its prior, refined at stride 4, and the frame at full size."""
        height, width = self.working_size(frames)
        stride = self.offers.motion.stride if self.offers and self.offers.motion else 1
        flow0, flow1, latent = take_up(prior, lambda: self.first(features, t, (height // stride, width // stride)))
        fine0, fine1 = features.kept
        at: tuple[int, int] = (fine0.shape[-2], fine0.shape[-1])
        flow0, flow1, latent = resize_flow(flow0, at), resize_flow(flow1, at), resize(latent, at)
        out = self.refine(torch.cat([warp(fine0, flow0), warp(fine1, flow1), flow0, flow1, latent], 1))
        flow0, flow1, logit = flow0 + out[:, :2], flow1 + out[:, 2:4], out[:, 4:5]
        return self.synthesis(frames, flow0, flow1, logit + latent if self.blends else logit, out[:, 5:])

    def synthesis(self, frames: Frames, flow0: Tensor, flow1: Tensor, logit: Tensor, residual: Tensor) -> Prediction:
        """Everything brought to full size; the blend of the warped frames, and the residual."""
        full = (frames.img0.shape[-2], frames.img0.shape[-1])
        flow0, flow1 = resize_flow(flow0, full), resize_flow(flow1, full)
        blend, residual = torch.sigmoid(resize(logit, full)), resize(residual, full)
        frame = blend * warp(frames.img0, flow0) + (1 - blend) * warp(frames.img1, flow1) + 0.1 * residual
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0, flow_t1=flow1, blend=blend)
