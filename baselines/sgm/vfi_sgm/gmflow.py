"""Features to match frames by, from all of both: GMFlow's (Xu et al., "GMFlow: Learning Optical Flow via Global
Matching", CVPR 2022), without what makes flows of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import InstanceNorm
from vfi_sgm.encoder import swapped, to_map, to_tokens
from vfi_sgm.position import sine_positions

CHANNELS = 128
LAYERS = 6


class ResidualBlock(nn.Module):
    """Two convolutions, and a shortcut. Each convolution's channels are normalised over the frame."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = InstanceNorm(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), InstanceNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm(self.conv1(x)))
        out = F.relu(self.norm(self.conv2(out)))
        return F.relu((x if self.downsample is None else self.downsample(x)) + out)


class CNNEncoder(nn.Module):
    """Images (2B, 3, H, W) -> (2B, 128, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.norm = InstanceNorm(64)
        self.layer1 = nn.Sequential(ResidualBlock(64, 64), ResidualBlock(64, 64))
        self.layer2 = nn.Sequential(ResidualBlock(64, 96, stride=2), ResidualBlock(96, 96))
        self.layer3 = nn.Sequential(ResidualBlock(96, CHANNELS, stride=2), ResidualBlock(CHANNELS, CHANNELS))
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv1(images)))
        out: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return out


class Attention(nn.Module):
    """Tokens `source` (2B, L, C), and what they have from all tokens `target` of their sample, of one head."""

    def __init__(self, feeds_forward: bool) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.merge = (
            nn.Linear(CHANNELS, CHANNELS, bias=False) for _ in range(4)
        )
        self.norm1 = nn.LayerNorm(CHANNELS)
        self.mlp: nn.Sequential | None = None
        if feeds_forward:
            hidden = 8 * CHANNELS
            self.mlp = nn.Sequential(
                nn.Linear(2 * CHANNELS, hidden, bias=False), nn.GELU(), nn.Linear(hidden, CHANNELS, bias=False)
            )
            self.norm2 = nn.LayerNorm(CHANNELS)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        query, key, value = self.q_proj(source), self.k_proj(target), self.v_proj(target)
        # four dimensions, one of them the single head: as the fast kernels need them
        attended = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
        message = self.norm1(self.merge(attended))
        if self.mlp is not None:
            message = self.norm2(self.mlp(torch.cat([source, message], -1)))
        out: Tensor = source + message
        return out


class Layer(nn.Module):
    """Attention in a frame, then to the other frame, as that was before this layer."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention(feeds_forward=False)
        self.cross_attn_ffn = Attention(feeds_forward=True)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.cross_attn_ffn(self.self_attn(tokens, tokens), swapped(tokens))
        return out


class FeatureTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class GMFlow(nn.Module):
    """Images (2B, 3, H, W), sides multiples of 8, -> features (2B, 128, H/8, W/8), each of which has seen both frames.

    As published the images come as they are, in [0, 1], and not normalised as GMFlow's own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = CNNEncoder()
        self.transformer = FeatureTransformer()

    def forward(self, images: Tensor) -> Tensor:
        features = self.backbone(images)
        grid = (features.shape[-2], features.shape[-1])
        position = sine_positions(*grid, CHANNELS, images.device).to(images.dtype)
        return to_map(self.transformer(to_tokens(features) + position), grid)
