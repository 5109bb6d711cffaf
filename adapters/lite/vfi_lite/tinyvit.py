"""TinyViT as MobileSAM's image encoder (Wu et al., TinyViT, ECCV 2022; Zhang et al., arXiv:2306.14289).

Modules are named as in the official checkpoint. The last stage keeps its resolution: the embedding has stride 16.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Convolution without bias, then batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.bn(self.c(x))
        return normed


class InvertedBottleneck(nn.Module):
    """Widen, depthwise 3x3, narrow; residual, and GELU after the sum."""

    def __init__(self, width: int, expand: int = 4) -> None:
        super().__init__()
        hidden = width * expand
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class Merge(nn.Module):
    """To the width of the next stage, and to half the resolution where `stride` is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        merged: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return merged


class Attention(nn.Module):
    """Attention among the cells of a window, with a learnt bias per head, distance in rows and distance in columns."""

    bias_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        row, column = (axis.flatten() for axis in torch.meshgrid(*[torch.arange(window)] * 2, indexing="ij"))
        distance = (row[:, None] - row).abs() * window + (column[:, None] - column).abs()
        self.register_buffer("bias_index", distance, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Windows (N, cells, C) to the same shape."""
        count, cells, width = x.shape
        # per head its query, key and value lie together
        qkv = self.qkv(self.norm(x)).view(count, cells, self.heads, 3, -1)
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=self.attention_biases[:, self.bias_index])
        projected: Tensor = self.proj(attended.transpose(1, 2).reshape(count, cells, width))
        return projected


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class WindowBlock(nn.Module):
    """Attention in windows, a depthwise 3x3, and an MLP; the first and the last are residual."""

    def __init__(self, width: int, heads: int, window: int, expand: int = 4) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(width, heads, window)
        self.local_conv = ConvNorm(width, width, 3, groups=width)
        self.mlp = Mlp(width, width * expand)

    def forward(self, x: Tensor) -> Tensor:
        local: Tensor = self.local_conv(x + self._attended(x))
        x = local.permute(0, 2, 3, 1)
        x = x + self.mlp(x)
        return x.permute(0, 3, 1, 2)

    def _attended(self, x: Tensor) -> Tensor:
        """Zeros pad the map to whole windows, and take part in the attention, as the weights were trained."""
        batch, width, height, columns = x.shape
        w = self.window
        padded = F.pad(x, (0, -columns % w, 0, -height % w))
        rows, across = padded.shape[2] // w, padded.shape[3] // w
        windows = padded.view(batch, width, rows, w, across, w).permute(0, 2, 4, 3, 5, 1)
        attended: Tensor = self.attn(windows.reshape(-1, w * w, width)).view(batch, rows, across, w, w, width)
        whole = attended.permute(0, 5, 1, 3, 2, 4).reshape(batch, width, rows * w, across * w)
        return whole[:, :, :height, :columns]


class Stage(nn.Module):
    """Blocks at one resolution, then what leads to the next."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of a map (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class TinyViT(nn.Module):
    """Images (B, 3, S, S), normalised, to embeddings (B, `embedding`, S / 16, S / 16).

    `widths`, `depths`: of the four stages; `heads`, `windows`: of the last three, which have attention.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 160, 320),
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (4, 5, 10),
        windows: Sequence[int] = (7, 14, 7),
        embedding: int = 256,
    ) -> None:
        super().__init__()
        first = widths[0]
        patches = nn.Sequential(ConvNorm(3, first // 2, 3, 2), nn.GELU(), ConvNorm(first // 2, first, 3, 2))
        self.patch_embed = nn.ModuleDict({"seq": patches})
        merges: list[Merge | None] = [Merge(widths[i], widths[i + 1], stride) for i, stride in enumerate((2, 2, 1))]
        stages = [Stage([InvertedBottleneck(first) for _ in range(depths[0])], merges[0])]
        for i, merge in enumerate([*merges[1:], None]):
            blocks = [WindowBlock(widths[i + 1], heads[i], windows[i]) for _ in range(depths[i + 1])]
            stages.append(Stage(blocks, merge))
        self.layers = nn.Sequential(*stages)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[3], embedding, 1, bias=False),
            ChannelNorm(embedding, eps=1e-6),
            nn.Conv2d(embedding, embedding, 3, padding=1, bias=False),
            ChannelNorm(embedding, eps=1e-6),
        )

    def forward(self, image: Tensor) -> Tensor:
        embedding: Tensor = self.neck(self.layers(self.patch_embed["seq"](image)))
        return embedding
