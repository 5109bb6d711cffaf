"""Inter-frame attention: one attention map gives each token of a frame both what it looks like and where it went.

Zhang et al., Sec. 3.1-3.2. Tokens are (2B, h*w, C): frame 0 of all samples, then frame 1 of all samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vfi_ema.windows import Windows


class InterFrameAttention(nn.Module):
    """Tokens of a window attend to the same window of the other frame.

    Windows of normalised tokens (2B, N, L, C) -> appearance (2B, N, L, C) and motion (2B, N, L, M). The motion is the
    attended less the own embedded coordinate: where the token went (Eq. 3-5).
    """

    def __init__(self, channels: int, motion: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.cor_embed = nn.Linear(2, motion)
        self.motion_proj = nn.Linear(motion, motion)

    def forward(self, tokens: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
        own = self._heads(self.q(tokens))
        key, value = (self._heads(x) for x in _other_frame(self.kv(tokens)).chunk(2, -1))
        frames = len(tokens)
        # Coordinates to a fraction of a pixel, and their differences, are beyond half precision: up to here autocast
        # may use it, and from motion_proj on.
        with torch.autocast(tokens.device.type, enabled=False):
            precise = self.cor_embed.weight.dtype
            embedded = self._heads(self.cor_embed(windows.coordinates.to(precise))[None].expand(frames, -1, -1, -1))
            mask = windows.mask
            if mask is not None:
                mask = mask.to(precise)[:, None].repeat(frames, 1, 1, 1)
            attended = F.scaled_dot_product_attention(
                own.to(precise), key.to(precise), torch.cat([value.to(precise), embedded], -1), mask
            )
            appearance, coordinates = attended[..., : value.shape[-1]], attended[..., value.shape[-1] :]
            motion = coordinates - embedded
        return self.proj(_merge(appearance, frames)), self.motion_proj(_merge(motion, frames))

    def _heads(self, x: Tensor) -> Tensor:
        """(2B, N, L, C) -> (2B*N, heads, L, C/heads)."""
        frames, windows, length, channels = x.shape
        return x.reshape(frames * windows, length, self.heads, channels // self.heads).transpose(1, 2)


def _merge(x: Tensor, frames: int) -> Tensor:
    """The inverse of `_heads`."""
    return x.transpose(1, 2).reshape(frames, -1, x.shape[2], x.shape[1] * x.shape[3])


def _other_frame(x: Tensor) -> Tensor:
    """The halves of the batch, which are the two frames, change places."""
    return torch.cat(x.chunk(2)[::-1])


class DepthwiseConv(nn.Module):
    """3x3, on tokens (B, h*w, C) of a grid (h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        return to_tokens(self.dwconv(to_map(tokens, grid)))


class Mlp(nn.Module):
    """Feed-forward layer with a depthwise convolution inside, which also tells the tokens where they are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.dwconv = DepthwiseConv(4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(tokens), grid)))
        return out


class AttentionBlock(nn.Module):
    """Tokens (2B, h*w, C) -> tokens and motion (2B, h*w, M).

    The first shortcut starts from the normalised tokens, not from the raw ones as elsewhere: so it is published.
    """

    def __init__(self, channels: int, motion: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = InterFrameAttention(channels, motion, heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = Mlp(channels)

    def forward(self, tokens: Tensor, grid: tuple[int, int], windows: Windows) -> tuple[Tensor, Tensor]:
        normalised = self.norm1(windows.cut(tokens))
        appearance, motion = self.attn(normalised, windows)
        tokens = windows.join(normalised + appearance)
        return tokens + self.mlp(self.norm2(tokens), grid), windows.join(motion)


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h*w, C)."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, h*w, C) -> (B, C, h, w)."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *grid)
