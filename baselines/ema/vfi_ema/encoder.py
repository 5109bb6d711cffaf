"""The feature extractor: three convolutional stages and two of inter-frame attention (Zhang et al., Sec. 3.3).

Both frames go through as one batch (2B, ...): frame 0 of all samples, then frame 1 of all samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.model import conv_prelu
from vfi_ema.attention import AttentionBlock, to_map, to_tokens
from vfi_ema.windows import ShiftedPadding, windows_of

HEAD = 32  # channels of an attention head


class Extracted(NamedTuple):
    """appearance  of stages 1-5: F, 2F, 4F, 8F, 16F channels at strides 1, 2, 4, 8, 16
    motion      of stages 4 and 5: 8F and 16F channels, all blocks of a stage side by side"""

    appearance: tuple[Tensor, ...]
    motion: tuple[Tensor, Tensor]


class ConvStage(nn.Module):
    """Two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*conv_prelu(inputs, outputs), *conv_prelu(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class CrossScaleEmbed(nn.Module):
    """Stages 1-3 brought to stride 8 by strided convolutions of several dilations -> tokens (2B, h*w, 8F)."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(base << stage, base, 3, stride=8 >> stage, padding=dilation, dilation=dilation)
            for stage, dilations in ((2, 1), (1, 2), (0, 4))
            for dilation in range(1, dilations + 1)
        )
        self.proj = nn.Conv2d(len(self.layers) * base, 8 * base, 1)
        self.norm = nn.LayerNorm(8 * base)

    def forward(self, stage1: Tensor, stage2: Tensor, stage3: Tensor) -> tuple[Tensor, tuple[int, int]]:
        sources = (stage3, stage2, stage2, stage1, stage1, stage1, stage1)
        scales = [layer(source) for layer, source in zip(self.layers, sources, strict=True)]
        return _embed(self.proj(torch.cat(scales, 1)), self.norm)


class OverlapEmbed(nn.Module):
    """The stride doubled by a 3x3 convolution -> tokens (2B, h*w, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, 3, 2, 1)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        return _embed(self.proj(x), self.norm)


def _embed(x: Tensor, norm: nn.Module) -> tuple[Tensor, tuple[int, int]]:
    """A map as normalised tokens, and its size."""
    return norm(to_tokens(x)), (x.shape[-2], x.shape[-1])


class Encoder(nn.Module):
    """Images (2B, 3, H, W), H and W multiples of 16, -> appearance and motion features."""

    def __init__(self, base: int, depth: int, shifted_padding: ShiftedPadding) -> None:
        super().__init__()
        self.shifted_padding: ShiftedPadding = shifted_padding
        self.block1 = ConvStage(3, base)
        self.patch_embed2 = conv_prelu(base, 2 * base, stride=2)
        self.block2 = ConvStage(2 * base, 2 * base)
        self.patch_embed3 = conv_prelu(2 * base, 4 * base, stride=2)
        self.block3 = ConvStage(4 * base, 4 * base)
        self.patch_embed4 = CrossScaleEmbed(base)
        self.block4 = _attention_stage(8 * base, depth)
        self.norm4 = nn.LayerNorm(8 * base, eps=1e-6)
        self.patch_embed5 = OverlapEmbed(8 * base, 16 * base)
        self.block5 = _attention_stage(16 * base, depth)
        self.norm5 = nn.LayerNorm(16 * base, eps=1e-6)

    def forward(self, images: Tensor) -> Extracted:
        stage1 = self.block1(images)
        stage2 = self.block2(self.patch_embed2(stage1))
        stage3 = self.block3(self.patch_embed3(stage2))
        stage4, motion4 = self._attend(self.block4, self.norm4, *self.patch_embed4(stage1, stage2, stage3))
        stage5, motion5 = self._attend(self.block5, self.norm5, *self.patch_embed5(stage4))
        return Extracted((stage1, stage2, stage3, stage4, stage5), (motion4, motion5))

    def _attend(
        self, blocks: nn.ModuleList, norm: nn.Module, tokens: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """The blocks of a stage; every second one has its windows shifted."""
        windows = [windows_of(to_map(tokens, grid), shifted, self.shifted_padding) for shifted in (False, True)]
        motions = []
        for number, block in enumerate(blocks):
            tokens, motion = block(tokens, grid, windows[number % 2])
            motions.append(motion)
        return to_map(norm(tokens), grid), to_map(torch.cat(motions, -1), grid)


def _attention_stage(channels: int, depth: int) -> nn.ModuleList:
    # the blocks share out as many motion channels as the stage has appearance channels
    return nn.ModuleList(AttentionBlock(channels, channels // depth, channels // HEAD) for _ in range(depth))
