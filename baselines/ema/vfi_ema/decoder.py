"""The flow heads and the refinement network (Zhang et al., Sec. 3.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import conv_prelu, resize, resize_flow


class Head(nn.Module):
    """Flows and blend logit from one stage's features, estimated at a quarter of its stride.

    features  (B, inputs, h, w): motion and appearance of both frames
    images    the frames, and what has been made of them so far, (B, C, H, W)
    flows     the flows so far, (B, 2, H, W) each, in pixels; none in the first head

    Returns flow_t0, flow_t1 (B, 2, H, W), in pixels, and the logit (B, 1, H, W), of the type of `images`. Like all
    others the last convolution is followed by a PReLU.
    """

    def __init__(self, inputs: int, images: int, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            conv_prelu(inputs // 16 + images, hidden), conv_prelu(hidden, hidden), conv_prelu(hidden, 5)
        )

    def forward(self, features: Tensor, images: Tensor, *flows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        full = (images.shape[-2], images.shape[-1])
        # twice by 2, which orders the channels otherwise than once by 4
        features = F.pixel_shuffle(F.pixel_shuffle(features, 2), 2)
        size = (features.shape[-2], features.shape[-1])
        out = self.conv(torch.cat([features, resize(images, size), *(resize_flow(flow, size) for flow in flows)], 1))
        out = out.to(
            images.dtype
        )  # autocast gives half precision, too coarse to resize and sum flows of many pixels in
        flow0, flow1, logit = out.split((2, 2, 1), 1)
        return resize_flow(flow0, full), resize_flow(flow1, full), resize(logit, full)


class Down(nn.Module):
    """Half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv_prelu(inputs, outputs, stride=2)
        self.conv2 = conv_prelu(outputs, outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(torch.cat(inputs, 1)))
        return out


def _up(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the size."""
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.PReLU(outputs))


class Unet(nn.Module):
    """The residual of the blended frame, (B, 3, H, W) in [-1, 1].

    images    frames, warped frames, blend logit and flows: (B, 17, H, W) together
    features  of stages 1-5 in turn, those of either frame warped to the time of the frame to be made: (B, C, h, w)
              each. They are asked for one stage after the other, so that one that is made then is held no longer
    """

    def __init__(self, base: int) -> None:
        super().__init__()
        self.down0 = Down(17 + 2 * base, 4 * base)
        self.down1 = Down(8 * base, 8 * base)
        self.down2 = Down(16 * base, 16 * base)
        self.down3 = Down(32 * base, 32 * base)
        self.up0 = _up(64 * base, 16 * base)
        self.up1 = _up(32 * base, 8 * base)
        self.up2 = _up(16 * base, 4 * base)
        self.up3 = _up(8 * base, 2 * base)
        self.conv = nn.Conv2d(2 * base, 3, 3, 1, 1)

    def forward(self, images: Sequence[Tensor], features: Iterator[Sequence[Tensor]]) -> Tensor:
        s0 = self.down0(*images, *next(features))
        s1 = self.down1(s0, *next(features))
        s2 = self.down2(s1, *next(features))
        s3 = self.down3(s2, *next(features))
        x = self.up0(torch.cat([s3, *next(features)], 1))
        x = self.up1(torch.cat([x, s2], 1))
        x = self.up2(torch.cat([x, s1], 1))
        x = self.up3(torch.cat([x, s0], 1))
        # around 1/2 half precision has steps of 1/256 or so, a small logit has finer ones
        return 2 * torch.sigmoid(self.conv(x).to(images[0].dtype)) - 1
