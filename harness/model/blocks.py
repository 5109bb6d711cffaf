"""Building blocks that several networks of the field share. Parameter names follow their checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_prelu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with "same" padding, then a PReLU with one slope a channel."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.PReLU(outputs))


class InstanceNorm(nn.GroupNorm):
    """nn.InstanceNorm2d, but for rounding: the norm of groups of one channel, which torch computes in two thirds of the
    time on a CPU."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, affine=False)


class ResBlock(nn.Module):
    """IFRNet's residual block: five 3x3 convolutions, the 2nd and 4th on the last `side` channels only."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.parts = (channels - side, side)  # by split: on the way back each slice would cost a plane of zeros
        self.conv1 = conv_prelu(channels, channels)
        self.conv2 = conv_prelu(side, side)
        self.conv3 = conv_prelu(channels, channels)
        self.conv4 = conv_prelu(side, side)
        self.conv5 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self._refine_side(self.conv1(x), self.conv2)
        out = self._refine_side(self.conv3(out), self.conv4)
        refined: Tensor = self.prelu(x + self.conv5(out))
        return refined

    def _refine_side(self, x: Tensor, refine: nn.Module) -> Tensor:
        kept, side = x.split_with_sizes(self.parts, 1)
        return torch.cat([kept, refine(side)], 1)


def decoder_body(inputs: int, hidden: int, outputs: int, side: int) -> nn.Sequential:
    """IFRNet's decoder: maps (B, .., h, w), of `inputs` channels together, to (B, outputs, 2h, 2w)."""
    return _DecoderBody(
        conv_prelu(inputs, hidden), ResBlock(hidden, side), nn.ConvTranspose2d(hidden, outputs, 4, 2, 1)
    )


class _DecoderBody(nn.Sequential):
    """It joins its inputs itself: a caller would hold what he joined until the end."""

    def forward(self, *inputs: Tensor) -> Tensor:
        first, block, up = self
        out = first(torch.cat(inputs, 1))
        out = block(out)
        enlarged: Tensor = up(out)
        return enlarged


class PyramidEncoder(nn.Module):
    """IFRNet's encoder, also AMT's of context: each of the four levels halves the size."""

    def __init__(self, widths: tuple[int, int, int, int], kernel: int) -> None:
        super().__init__()

        def level(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
            return nn.Sequential(conv_prelu(inputs, outputs, kernel, stride=2), conv_prelu(outputs, outputs))

        self.pyramid1 = level(3, widths[0], kernel)
        self.pyramid2 = level(widths[0], widths[1])
        self.pyramid3 = level(widths[1], widths[2])
        self.pyramid4 = level(widths[2], widths[3])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to the features of levels 1-4, (B, widths[l-1], H / 2^l, W / 2^l)."""
        f1 = self.pyramid1(image)
        f2 = self.pyramid2(f1)
        f3 = self.pyramid3(f2)
        return f1, f2, f3, self.pyramid4(f3)
