"""AMT's update block: refines motion by what the correlation shows where the flows point. AMT, Sec. 3.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.model import resize, resize_flow
from vfi_amt.decoders import Motion
from vfi_amt.sizes import LEVELS, RADIUS, UpdateSize

CORRELATIONS = 2 * LEVELS * (2 * RADIUS + 1) ** 2
"""Channels of a lookup: both directions, all levels, a 7x7 window."""


class UpdateBlock(nn.Module):
    """Adds a residual to the flows and to the intermediate feature, of `channels`.

    It works on the grid of the correlation it is given: motion is brought there, and the residuals back. What the
    checkpoints call `gru` is two convolutions.
    """

    def __init__(self, channels: int, size: UpdateSize) -> None:
        super().__init__()
        hidden = size.hidden
        self.convc1 = nn.Conv2d(CORRELATIONS, size.corr[0], 1)
        self.convc2 = nn.Conv2d(size.corr[0], size.corr[1], 3, 1, 1) if len(size.corr) == 2 else None
        self.convf1 = nn.Conv2d(4, size.flow[0], 7, 1, 3)
        self.convf2 = nn.Conv2d(size.flow[0], size.flow[1], 3, 1, 1)
        self.conv = nn.Conv2d(size.corr[-1] + size.flow[1], size.joined, 3, 1, 1)
        self.gru = _two_convs(size.joined + 4 + channels, hidden, hidden)
        self.feat_head = _two_convs(hidden, hidden, channels)
        self.flow_head = _two_convs(hidden, hidden, 4)
        self.lrelu = nn.LeakyReLU(0.1)

    def forward(self, motion: Motion, corr: Tensor) -> Motion:
        flow0, flow1, ft = motion
        own, grid = (ft.shape[-2], ft.shape[-1]), (corr.shape[-2], corr.shape[-1])
        flows = torch.cat([resize_flow(flow0, grid), resize_flow(flow1, grid)], 1)
        c = self.lrelu(self.convc1(corr))
        if self.convc2 is not None:
            c = self.lrelu(self.convc2(c))
        f = self.lrelu(self.convf2(self.lrelu(self.convf1(flows))))
        joined = self.lrelu(self.conv(torch.cat([c, f], 1)))
        state = self.gru(torch.cat([joined, flows, resize(ft, grid)], 1))
        delta0, delta1 = self.flow_head(state).split(2, 1)
        return (
            flow0 + resize_flow(delta0, own),
            flow1 + resize_flow(delta1, own),
            ft + resize(self.feat_head(state), own),
        )


def _two_convs(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, hidden, 3, 1, 1), nn.LeakyReLU(0.1), nn.Conv2d(hidden, outputs, 3, 1, 1))
