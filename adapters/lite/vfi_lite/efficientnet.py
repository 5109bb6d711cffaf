"""EfficientNet-Lite2, which names the thing that fills a picture: one of ImageNet's 1000 classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness import HarnessError

SIDE = 260  # of the square that the network sees
CLASSES = 1000
STEM, HEAD = 32, 1280  # channels
STAGES = (
    # blocks, kernel, stride of the first block, widening, channels
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)


class SameConv(nn.Conv2d):
    """Convolution without bias whose output has ceil(size / stride) pixels: of an odd number of zeros that this takes,
    the one more is right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:])
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(F.pad(x, padding))


class Block(nn.Module):
    """Inverted residual: widened, filtered channel by channel, narrowed; added to the input where it has its shape."""

    def __init__(self, inputs: int, outputs: int, widening: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * widening
        self.widens, self.adds = widening > 1, stride == 1 and inputs == outputs
        if self.widens:
            self.expand_conv = SameConv(inputs, inner, 1)
            self.bn0 = _norm(inner)
        self.depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self.bn1 = _norm(inner)
        self.project_conv = SameConv(inner, outputs, 1)
        self.bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.widens else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = cast(Tensor, self.bn2(self.project_conv(y)))
        return x + y if self.adds else y


class EfficientNetLite2(nn.Module):
    """Tan and Le, EfficientNet, ICML 2019, without squeeze-and-excitation and with ReLU6, as the Lite variants are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv(3, STEM, 3, 2)
        self.bn0 = _norm(STEM)
        blocks, channels = [], STEM
        for count, kernel, stride, widening, outputs in STAGES:
            for at in range(count):
                blocks.append(Block(channels, outputs, widening, kernel, 1 if at else stride))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = SameConv(channels, HEAD, 1)
        self.bn1 = _norm(HEAD)
        self.fc = nn.Linear(HEAD, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1000) of RGB images (B, 3, 260, 260), (0..255 - 127) / 128."""
        x = F.relu6(self.bn0(self.conv_stem(images)))
        x = F.relu6(self.bn1(self.conv_head(self.blocks(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def load(path: Path) -> EfficientNetLite2:
    """The network with the weights of a checkpoint of EfficientNet-Lite-PyTorch, in evaluation mode.

    Raises HarnessError naming the file where it is no such checkpoint; nothing in it is executed.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = EfficientNetLite2()
        network.load_state_dict({re.sub(r"(^|\.)_", r"\1", key): value for key, value in state.items()})
    except Exception as error:  # a damaged file makes unpickling raise nearly anything
        reason = " ".join(str(error).split())[:200]
        raise HarnessError(f"{path}: not a checkpoint of EfficientNet-Lite2: {reason}") from error
    return network.eval()


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
