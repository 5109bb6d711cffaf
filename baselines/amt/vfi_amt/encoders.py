"""AMT's encoder of what is matched between the frames. That of context, which the decoders warp, is IFRNet's."""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import InstanceNorm
from vfi_amt.sizes import MatchingSize


class ResidualBlock(nn.Module):
    """3x3 - 3x3 with a skip, as in RAFT. The norms have neither weights nor statistics."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm = InstanceNorm(outputs)
        self.downsample = _skip(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv1(x)))
        y = F.relu(self.norm(self.conv2(y)))
        return F.relu(self.downsample(x) + y)


class BottleneckBlock(nn.Module):
    """1x1 - 3x3 - 1x1, a quarter of the channels in the middle, with a skip. The norms are as above."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = nn.Conv2d(inputs, middle, 1)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1)
        self.conv3 = nn.Conv2d(middle, outputs, 1)
        self.norm_middle = InstanceNorm(middle)
        self.norm = InstanceNorm(outputs)
        self.downsample = _skip(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm_middle(self.conv1(x)))
        y = F.relu(self.norm_middle(self.conv2(y)))
        y = F.relu(self.norm(self.conv3(y)))
        return F.relu(self.downsample(x) + y)


def _skip(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The identity, or at a stride a 1x1 convolution and a norm."""
    if stride == 1:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), InstanceNorm(outputs))


class MatchingEncoder(nn.Module):
    """(B, 3, H, W) to the features whose products are the correlation, (B, size.outputs, H/8, W/8). AMT, Sec. 3.2."""

    def __init__(self, size: MatchingSize) -> None:
        super().__init__()
        block = BottleneckBlock if size.bottleneck else ResidualBlock
        self.conv1 = nn.Conv2d(3, size.stem, 7, 2, 3)
        self.norm1 = InstanceNorm(size.stem)
        self.stages = [name for name, _, _ in size.stages]
        inputs = size.stem
        for name, outputs, stride in size.stages:
            self.add_module(name, nn.Sequential(block(inputs, outputs, stride), block(outputs, outputs, 1)))
            inputs = outputs
        self.conv2 = nn.Conv2d(inputs, size.outputs, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(image)))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        return cast(Tensor, self.conv2(x))
