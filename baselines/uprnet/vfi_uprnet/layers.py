"""The networks that all levels of UPR-Net's pyramid share. Module names are those of the official checkpoints."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import local_correlation, splat

SLOPE = 0.1
"""Of each LeakyReLU."""
RADIUS = 4
"""Of the correlation, in cells."""

Pyramid = tuple[Tensor, Tensor, Tensor]
"""At 1, 1/2 and 1/4 of a level's size: of features, or of flows in pixels of each grid."""


class FeatPyramid(nn.Module):
    """Features of a frame at a level. Sec. 3.2."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for at in range(4):
                first = at == 0
                layers.append(nn.Conv2d(inputs if first else outputs, outputs, 3, stride if first else 1, 1))
                layers.append(nn.LeakyReLU(SLOPE))
            return nn.Sequential(*layers)

        self.conv_stage0 = stage(3, width, 1)
        self.conv_stage1 = stage(width, 2 * width, 2)
        self.conv_stage2 = stage(2 * width, 4 * width, 2)

    def forward(self, image: Tensor) -> Pyramid:
        """(B, 3, h, w) to width, 2 width and 4 width channels."""
        c0 = self.conv_stage0(image)
        c1 = self.conv_stage1(c0)
        return c0, c1, self.conv_stage2(c1)


class MotionEstimator(nn.Module):
    """Flows between the frames, from what the level below says of them and what both show half way. Sec. 3.2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        features = 4 * width
        widths = [(2 * RADIUS + 1) ** 2 + 3 * features + 4, *(width * n for n in (10, 8, 7, 6, 4)), 4]
        for at, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            kernel = 1 if at == 1 else 3
            layer = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2))
            if at < len(widths) - 1:
                layer.append(nn.LeakyReLU(SLOPE))
            self.add_module(f"conv_layer{at}", layer)

    def forward(self, coarsest: Tensor, flows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Of both frames the features (2B, C, h, w), and flows 0->1 and 1->0 (2B, 2, h, w) in pixels of that grid; what
        the level below left, (B, C, h, w). Returns new flows and what this level leaves."""
        half_way0, half_way1 = splat(coarsest, flows / 2).chunk(2)
        alike = F.leaky_relu(local_correlation(half_way0, half_way1, RADIUS), SLOPE)
        # the network reckons in pixels of the level, of which a cell has 4
        x = torch.cat([alike, half_way0, half_way1, state, *(4 * flows).chunk(2)], 1)
        for at in range(1, 6):
            x = self.get_submodule(f"conv_layer{at}")(x)
        out = self.get_submodule("conv_layer6")(x).to(flows.dtype)  # half precision is too coarse for many pixels
        return torch.cat(out.chunk(2, 1)) / 4, x


class SynthesisNetwork(nn.Module):
    """The frame of a level, from that of the level below and what is warped to time t. Sec. 3.3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        c0, c1, c2 = width, 2 * width, 4 * width
        s0, s1, s2 = 2 * width, 4 * width, 8 * width
        self.encoder_conv = _convolutions(9 + 4 + 6, s0, 2)
        self.encoder_down1 = _convolutions(s0 + 2 * c0, s1, 3, stride=2)
        self.encoder_down2 = _convolutions(s1 + 2 * c1, s2, 3, stride=2)
        self.decoder_up1 = _up(s2 + 2 * c2, s1)
        self.decoder_up2 = _up(s1 + s1, s0)
        self.decoder_conv = _convolutions(s0 + s0, s0, 2)
        self.pred = nn.Conv2d(s0, 5, 3, 1, 1)

    def forward(
        self, last: Tensor | None, images: Tensor, features: Pyramid, flows: Pyramid, t: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`last`, the frame of the level below at this one's size, None where there is none; of both frames images
        (2B, 3, h, w), features, and flows to the other frame; t (B, 1, 1, 1).

        Returns the frame (B, 3, h, w) and the weight of frame 0 in it (B, 1, h, w).
        """
        time = torch.cat([t, 1 - t]).to(images.dtype)  # how far each frame is from the one to be made
        to_t = flows[0] * time
        # one warp of both: they share where they land
        warped = splat(torch.cat([images, features[0]], 1), to_t)
        warped0, warped1 = warped[:, :3].chunk(2)
        t = t.to(images.dtype)
        if last is None:
            last = warped0 * (1 - t) + warped1 * t
        s0 = self.encoder_conv(torch.cat([last, warped0, warped1, *images.chunk(2), *to_t.chunk(2)], 1))
        s1 = self.encoder_down1(torch.cat([s0, *warped[:, 3:].chunk(2)], 1))
        s2 = self.encoder_down2(torch.cat([s1, *splat(features[1], flows[1] * time).chunk(2)], 1))
        x = self.decoder_up1(torch.cat([s2, *splat(features[2], flows[2] * time).chunk(2)], 1))
        x = self.decoder_up2(torch.cat([x, s1], 1))
        out = torch.sigmoid(self.pred(self.decoder_conv(torch.cat([x, s0], 1))).to(images.dtype))
        residual, mask0, mask1 = 2 * out[:, :3] - 1, out[:, 3:4] * (1 - t), out[:, 4:] * t
        blend = mask0 / (mask0 + mask1)
        frame = blend * warped0 + (1 - blend) * warped1 + residual
        return frame.clamp(0, 1), blend


def _convolutions(inputs: int, outputs: int, count: int, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for at in range(count):
        first = at == 0
        layers += [nn.Conv2d(inputs if first else outputs, outputs, 3, stride if first else 1, 1), nn.PReLU(outputs)]
    return nn.Sequential(*layers)


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1),
        nn.PReLU(outputs),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        nn.PReLU(outputs),
    )
