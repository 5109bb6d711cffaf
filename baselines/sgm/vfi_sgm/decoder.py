"""The heads that estimate motion, and the networks that refine the frame, as in RIFE. Whatever is of both frames is one
batch (2B, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.model import conv_prelu, resize, resize_flow, warp
from vfi_sgm.encoder import side_by_side


@dataclass(frozen=True, kw_only=True)
class Motion:
    """flows (2B, 2, h, w): from the frame to be made to frame 0, of all samples, then to frame 1, in pixels of their
    grid; logit (B, 1, h, w): of the weight of frame 0."""

    flows: Tensor
    logit: Tensor

    def at(self, size: tuple[int, int]) -> Motion:
        """On a grid of that size."""
        return Motion(flows=resize_flow(self.flows, size), logit=resize(self.logit, size))

    def plus(self, more: Motion) -> Motion:
        return Motion(flows=self.flows + more.flows, logit=self.logit + more.logit)


class Head(nn.Module):
    """Motion, or what it lacks, from what is known on a grid. Like all others the last convolution is followed by a
    PReLU."""

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(conv_prelu(inputs, hidden), conv_prelu(hidden, hidden))
        self.convblock = nn.Sequential(*(conv_prelu(hidden, hidden) for _ in range(layers)))
        self.lastconv = conv_prelu(hidden, 5)

    def forward(self, *known: Tensor) -> Motion:
        """`known` (B, C, h, w), each; the result is of the type of the first."""
        x = self.conv0(torch.cat(known, 1))
        # half precision, which autocast gives, is too coarse to resize and sum flows of many pixels in
        out = self.lastconv(self.convblock(x) + x).to(known[0].dtype)
        return Motion(flows=torch.cat([out[:, :2], out[:, 2:4]]), logit=out[:, 4:])


class Down(nn.Module):
    """Half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv_prelu(inputs, outputs, stride=2)
        self.conv2 = conv_prelu(outputs, outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(torch.cat(inputs, 1)))
        return out


class ContextNet(nn.Module):
    """Features of both frames at 1/2, 1/4, 1/8 and 1/16, looked up along the flows, side by side: (B, 2C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Down(3, width)
        self.conv2 = Down(width, 2 * width)
        self.conv3 = Down(2 * width, 4 * width)
        self.conv4 = Down(4 * width, 8 * width)

    def forward(self, images: Tensor, flows: Tensor) -> list[Tensor]:
        levels = []
        for stage in (self.conv1, self.conv2, self.conv3, self.conv4):
            images = stage(images)
            flows = resize_flow(flows, (images.shape[-2], images.shape[-1]))  # from the level before, as published
            levels.append(side_by_side(warp(images, flows)))
        return levels


def _up(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the size."""
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.PReLU(outputs))


class Unet(nn.Module):
    """The residual of the blended frame, (B, 3, H, W) in [-1, 1].

    images  (B, 17, H, W): frames, warped frames, blend logit and flows
    levels  what `ContextNet` gives
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down0 = Down(17, 2 * width)
        self.down1 = Down(4 * width, 4 * width)
        self.down2 = Down(8 * width, 8 * width)
        self.down3 = Down(16 * width, 16 * width)
        self.up0 = _up(32 * width, 8 * width)
        self.up1 = _up(16 * width, 4 * width)
        self.up2 = _up(8 * width, 2 * width)
        self.up3 = _up(4 * width, width)
        self.conv = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, images: Tensor, levels: Sequence[Tensor]) -> Tensor:
        s0 = self.down0(images)
        s1 = self.down1(s0, levels[0])
        s2 = self.down2(s1, levels[1])
        s3 = self.down3(s2, levels[2])
        x = self.up0(torch.cat([s3, levels[3]], 1))
        x = self.up1(torch.cat([x, s2], 1))
        x = self.up2(torch.cat([x, s1], 1))
        x = self.up3(torch.cat([x, s0], 1))
        # around 1/2 half precision has steps of 1/256 or so, a small logit has finer ones
        return 2 * torch.sigmoid(self.conv(x).to(images.dtype)) - 1
