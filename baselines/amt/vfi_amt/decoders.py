"""AMT's decoders: IFRNet's, the last one with several flow fields. Each works at half the size of its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.model import decoder_body, resize_flow, warp

Motion = tuple[Tensor, Tensor, Tensor]
"""Flow t->0 and t->1 (B, 2, h, w), in pixels of that grid, and the intermediate feature (B, C, h, w)."""


class InitDecoder(nn.Module):
    """The coarsest features (B, `width`, h, w) of both frames, and the time, to the first motion at (2h, 2w)."""

    def __init__(self, width: int, outputs: int, side: int) -> None:
        super().__init__()
        self.convblock = decoder_body(2 * width + 1, 2 * width, 4 + outputs, side)

    def forward(self, f0: Tensor, f1: Tensor, t: Tensor) -> Motion:
        time = t.to(f0.dtype).expand(len(f0), -1, *f0.shape[-2:])
        out = self.convblock(f0, f1, time)
        flow0, flow1, rest = out.split((2, 2, out.shape[1] - 4), 1)
        return flow0, flow1, rest


class IntermediateDecoder(nn.Module):
    """Motion and both frames' features of a level to the motion of twice the size."""

    def __init__(self, width: int, outputs: int, side: int) -> None:
        super().__init__()
        self.convblock = decoder_body(3 * width + 4, 3 * width, 4 + outputs, side)

    def forward(self, motion: Motion, f0: Tensor, f1: Tensor) -> Motion:
        flow0, flow1, ft = motion
        out = self.convblock(ft, warp(f0, flow0), warp(f1, flow1), flow0, flow1)
        size = (out.shape[-2], out.shape[-1])
        delta0, delta1, rest = out.split((2, 2, out.shape[1] - 4), 1)
        return delta0 + resize_flow(flow0, size), delta1 + resize_flow(flow1, size), rest


class MultiFieldDecoder(nn.Module):
    """Motion and both frames' features of level 1 to n fields at twice the size, each (B*n, c, 2h, 2w) with the n
    fields of a sample in a row: flows t->0 and t->1, blend mask in (0, 1), residual image. AMT, Sec. 3.3."""

    def __init__(self, width: int, fields: int, side: int) -> None:
        super().__init__()
        self.fields = fields
        self.convblock = decoder_body(3 * width + 4, 3 * width, 8 * fields, side)

    def forward(self, motion: Motion, f0: Tensor, f1: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        flow0, flow1, ft = motion
        out = self.convblock(ft, warp(f0, flow0), warp(f1, flow1), flow0, flow1)
        n, size = self.fields, (out.shape[-2], out.shape[-1])
        delta0, delta1, mask, residual = (
            part.unflatten(1, (n, -1)).flatten(0, 1) for part in out.split([2 * n, 2 * n, n, 3 * n], 1)
        )
        flow0, flow1 = (
            delta + repeated(resize_flow(flow, size), n) for delta, flow in ((delta0, flow0), (delta1, flow1))
        )
        return flow0, flow1, torch.sigmoid(mask), residual


def repeated(x: Tensor, times: int) -> Tensor:
    """(B, C, H, W) to (B*times, C, H, W), each sample `times` times in a row."""
    return x[:, None].expand(-1, times, -1, -1, -1).flatten(0, 1)
