"""Building blocks that several networks of the field share. Parameter names follow their checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_prelu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with "same" padding, then a PReLU with one slope a channel."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.PReLU(outputs))


class ResBlock(nn.Module):
    """IFRNet's residual block: five 3x3 convolutions, the 2nd and 4th on the last `side` channels only."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.keep = channels - side
        self.conv1 = conv_prelu(channels, channels)
        self.conv2 = conv_prelu(side, side)
        self.conv3 = conv_prelu(channels, channels)
        self.conv4 = conv_prelu(side, side)
        self.conv5 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        out = torch.cat([out[:, : self.keep], self.conv2(out[:, self.keep :])], 1)
        out = self.conv3(out)
        out = torch.cat([out[:, : self.keep], self.conv4(out[:, self.keep :])], 1)
        refined: Tensor = self.prelu(x + self.conv5(out))
        return refined
