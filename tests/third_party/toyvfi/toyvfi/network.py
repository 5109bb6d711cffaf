"""Three toy baselines: one with the seam for plug-ins, one that sees four frames, one without a seam."""

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
    frames, times = 2, 1  # features of how many frames the motion stage looks at, and whether at the time

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
        self.motion = nn.Sequential(
            conv_prelu(self.frames * channels + self.times, 16), nn.ConvTranspose2d(16, 5, 4, 2, 1)
        )

    def encode(self, frames: Frames) -> Features:
        """One encoder for both frames, at the working scale."""
        size = round(frames.img0.shape[-2] * frames.scale), round(frames.img0.shape[-1] * frames.scale)
        return Features(f0=self.encoder(resize(frames.img0, size)), f1=self.encoder(resize(frames.img1, size)))

    def first_stage(self, features: Features, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Flows to both frames and the logit of the blend mask, at stride 8."""
        time = t.expand(-1, -1, *features.f0.shape[-2:])
        coarse = self.motion(torch.cat([features.f0, features.f1, time], 1))
        return coarse[:, :2], coarse[:, 2:4], coarse[:, 4:]

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """Flows and blend of the first stage, or the prior's, or their sum; then the frame at full size."""
        flow0, flow1, logit = take_up(prior, lambda: self.first_stage(features, t))
        full = frames.img0.shape[-2], frames.img0.shape[-1]
        flow0, flow1 = resize_flow(flow0, full), resize_flow(flow1, full)
        blend = torch.sigmoid(resize(logit, full))
        frame = blend * warp(frames.img0, flow0) + (1 - blend) * warp(frames.img1, flow1)
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0, flow_t1=flow1, blend=blend)


class ToyFour(Toy):
    """Sees the frames before and after, too: at 0 each place has a velocity and an acceleration, by which it is where
    it is at any time. Plug-ins act on the features of the two frames in the middle."""

    frames, times = 4, 0

    def encode(self, frames: Frames) -> Features:
        """One encoder for all four frames; those of the outer two are kept."""
        if frames.before is None or frames.after is None:
            raise ValueError("toy-four takes four frames")
        inner, outer = super().encode(frames), Frames(img0=frames.before, img1=frames.after, scale=frames.scale)
        kept = super().encode(outer)
        return Features(f0=inner.f0, f1=inner.f1, kept=(kept.f0, kept.f1))

    def first_stage(self, features: Features, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The way from t to 0 and to 1 of what went v s + a s^2 / 2 from 0 to s."""
        before, after = features.kept
        coarse = self.motion(torch.cat([before, features.f0, features.f1, after], 1))
        velocity, half = coarse[:, :2], coarse[:, 2:4]
        return -(velocity * t + half * t**2), velocity * (1 - t) + half * (1 - t**2), coarse[:, 4:]

    def loss(self, prediction: Prediction, frames: Frames, truth: Tensor) -> Tensor:
        """L1 in place of the recipe's loss, as the spec says."""
        return (prediction.frame - truth).abs().mean()


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
