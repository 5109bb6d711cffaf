"""Two toy baselines: one with the seam for plug-ins, one without."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import (
    Baseline,
    Features,
    Frames,
    MotionPrior,
    Prediction,
    conv_prelu,
    resize,
    resize_flow,
    take_up,
    warp,
)


class Toy(Baseline):
    """Encoder at stride 16, one motion stage at stride 8, and the blend of the two warped frames.

    channels   of the coarsest features
    """

    size_multiple = 16

    def __init__(self, *, channels: int = 16) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"toy: channels is 1 or more, got {channels}")
        # what plug-ins get (features) and what a motion plug-in may supply (flows and the logit of the blend mask)
        self.offers = Offers(channels=channels, stride=16, motion=MotionSeam(stride=8, latent="blend", channels=1))
        self.encoder = nn.Sequential(
            conv_prelu(3, 8, stride=2),
            conv_prelu(8, 8, stride=2),
            conv_prelu(8, 8, stride=2),
            conv_prelu(8, channels, stride=2),
        )
        self.motion = nn.Sequential(conv_prelu(2 * channels + 1, 16), nn.ConvTranspose2d(16, 5, 4, 2, 1))

    def encode(self, frames: Frames) -> Features:
        """One encoder for both frames, at the working scale."""
        size = round(frames.img0.shape[-2] * frames.scale), round(frames.img0.shape[-1] * frames.scale)
        return Features(f0=self.encoder(resize(frames.img0, size)), f1=self.encoder(resize(frames.img1, size)))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """Flows and blend of the first stage, or the prior's, or their sum; then the frame at full size."""
        time = t.expand(-1, -1, *features.f0.shape[-2:])

        def first_stage() -> tuple[Tensor, Tensor, Tensor]:
            coarse = self.motion(torch.cat([features.f0, features.f1, time], 1))
            return coarse[:, :2], coarse[:, 2:4], coarse[:, 4:]

        flow0, flow1, logit = take_up(prior, first_stage)
        full = frames.img0.shape[-2], frames.img0.shape[-1]
        flow0, flow1 = resize_flow(flow0, full), resize_flow(flow1, full)
        blend = torch.sigmoid(resize(logit, full))
        frame = blend * warp(frames.img0, flow0) + (1 - blend) * warp(frames.img1, flow1)
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0, flow_t1=flow1, blend=blend)


class ToyPlain(Baseline):
    """No motion and no features to share: `offers` stays None, plug-ins are refused, and it predicts no flows."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_prelu(6, 8), conv_prelu(8, 8), nn.Conv2d(8, 3, 3, 1, 1))

    def encode(self, frames: Frames) -> Features:
        """The frames themselves."""
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The mean of the frames, weighted by time, plus what the convolutions find missing."""
        mean = (1 - t) * features.f0 + t * features.f1
        frame = mean + self.body(torch.cat([features.f0, features.f1], 1))
        return Prediction(frame=frame.clamp(0, 1))
