"""The local branch's features: three convolutional stages and one of attention between the frames, like EMA-VFI's
without its motion features. Both frames go through as one batch (2B, ...): frame 0 of all samples, then
frame 1 of all samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import conv_prelu
from vfi_sgm.position import sine_positions
from vfi_sgm.windows import WINDOW, Windows, windows_of

HEAD = 32  # channels of an attention head


class InterFrameAttention(nn.Module):
    """Tokens of a window attend to the same window of the other frame. (2B, N, L, C) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        query = _heads(self.q(tokens))
        key, value = (_heads(x) for x in swapped(self.kv(tokens)).chunk(2, -1))
        if mask is not None:
            mask = mask.to(query.dtype)[:, None].repeat(len(tokens), 1, 1, 1)
        attended = F.scaled_dot_product_attention(query, key, value, mask)
        out: Tensor = self.proj(attended.transpose(1, 2).reshape(tokens.shape))
        return out


class DepthwiseConv(nn.Module):
    """3x3, on tokens (B, h*w, C) of a grid (h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        return to_tokens(self.dwconv(to_map(tokens, grid)))


class Mlp(nn.Module):
    """Feed-forward layer with a depthwise convolution inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.dwconv = DepthwiseConv(4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(tokens), grid)))
        return out


class AttentionBlock(nn.Module):
    """Tokens (2B, h*w, C) -> the same. The first shortcut starts from the tokens normalised and told where in their
    window they are, not from the raw ones as elsewhere: so it is published."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = InterFrameAttention(channels)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = Mlp(channels)

    def forward(self, tokens: Tensor, windows: Windows, position: Tensor) -> Tensor:
        placed = self.norm1(windows.cut(tokens)) + position
        tokens = windows.join(placed + self.attn(placed, windows.mask))
        out: Tensor = tokens + self.mlp(self.norm2(tokens), windows.grid)
        return out


class ConvStage(nn.Module):
    """Two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*conv_prelu(inputs, outputs), *conv_prelu(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class OverlapEmbed(nn.Module):
    """The stride doubled by a 3x3 convolution -> tokens (2B, h*w, outputs) and their grid."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, 3, 2, 1)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        x = self.proj(x)
        return self.norm(to_tokens(x)), (x.shape[-2], x.shape[-1])


class Encoder(nn.Module):
    """Images (2B, 3, H, W), H and W multiples of 8, -> features (2B, 4F, H/4, W/4) and (2B, 8F, H/8, W/8)."""

    def __init__(self, base: int, depth: int) -> None:
        super().__init__()
        self.block1 = ConvStage(3, base)
        self.patch_embed2 = conv_prelu(base, 2 * base, stride=2)
        self.block2 = ConvStage(2 * base, 2 * base)
        self.patch_embed3 = conv_prelu(2 * base, 4 * base, stride=2)
        self.block3 = ConvStage(4 * base, 4 * base)
        self.patch_embed4 = OverlapEmbed(4 * base, 8 * base)
        self.block4 = nn.ModuleList(AttentionBlock(8 * base) for _ in range(depth))
        self.norm4 = nn.LayerNorm(8 * base, eps=1e-6)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        stage2 = self.block2(self.patch_embed2(self.block1(images)))
        stage3 = self.block3(self.patch_embed3(stage2))
        tokens, grid = self.patch_embed4(stage3)
        device = tokens.device
        position = sine_positions(WINDOW, WINDOW, tokens.shape[-1], device).to(images.dtype)
        windows = [windows_of(grid, shifted, device) for shifted in (False, True)]
        for number, block in enumerate(self.block4):
            tokens = block(tokens, windows[number % 2], position)
        return stage3, to_map(self.norm4(tokens), grid)


def _heads(x: Tensor) -> Tensor:
    """(2B, N, L, C) -> (2B*N, heads, L, C/heads)."""
    frames, windows, length, channels = x.shape
    return x.reshape(frames * windows, length, channels // HEAD, HEAD).transpose(1, 2)


def swapped(x: Tensor) -> Tensor:
    """The halves of the batch, which are the two frames, change places."""
    return torch.cat(x.chunk(2)[::-1])


def side_by_side(x: Tensor) -> Tensor:
    """Both frames of a sample in its channels: (2B, C, h, w) -> (B, 2C, h, w)."""
    return torch.cat(x.chunk(2), 1)


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h*w, C)."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, h*w, C) -> (B, C, h, w)."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *grid)
