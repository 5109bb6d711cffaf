"""Sparse global matching: where the first flows fail, points of each frame are looked for in all of the other, and what
they say is merged into the flows. Whatever is of both frames is one batch (2B, ...): of
frame 0, or pointing to it, for all samples, then of frame 1."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import pixel_grid, resize, resize_flow, splat, warp
from vfi_sgm.decoder import Head, Motion
from vfi_sgm.encoder import side_by_side, swapped, to_map, to_tokens
from vfi_sgm.gmflow import CHANNELS

HIDDEN = 256  # channels inside of the merging block
# as published, softmax splatting with a metric of 1, and of -20 where no point was matched, and 1e-7 added to the sum
# of weights; all divided by e here
ELSEWHERE = math.exp(-21)
ADDED = 1e-7 / math.e


class MergingBlock(nn.Module):
    """Flows as a mean of those around, of the first ones and of those found: 9 of each, weighed by softmax."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(8 + features, HIDDEN, 3, 1, 1), nn.PReLU(HIDDEN), nn.Conv2d(HIDDEN, 4 * 9, 1)
        )
        for layer in self.conv:
            if isinstance(layer, nn.Conv2d):
                fan_out = math.prod(layer.kernel_size) * layer.out_channels
                nn.init.normal_(layer.weight, std=math.sqrt(0.1 / fan_out))
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, first: Tensor, found: Tensor) -> Tensor:
        """Features (B, C, h, w) of both frames; both kinds of flows (2B, 2, h, w) from t to the frames."""
        scores = self.conv(torch.cat([side_by_side(first), side_by_side(found), features], 1))
        weights = torch.cat(scores.to(first.dtype).chunk(2, 1)).softmax(1)
        frames, _, height, width = first.shape
        around = [F.unfold(flows, 3, padding=1).view(frames, 2, 9, height, width) for flows in (first, found)]
        return (weights[:, None] * torch.cat(around, 2)).sum(2)


class MatchingBlock(nn.Module):
    """What the first flows lack.

    points      the share of cells of each frame that are matched, of all where it is 1
    dense_rows  a grid of so many rows at most is matched whole
    """

    def __init__(self, features: int, hidden: int, points: float, dense_rows: int) -> None:
        super().__init__()
        self.points, self.dense_rows = points, dense_rows
        self.merge = MergingBlock(2 * (features + CHANNELS))
        self.refine_block = Head(13 + 4 + 6 + 4, hidden, layers=1)

    def forward(self, images: Tensor, to_match: Tensor, features: Tensor, coarse: Motion, t: Tensor) -> Motion:
        """Images (2B, 3, H, W); features (2B, C, h, w) to match by, and of the local branch; the motion that is known,
        on that grid; t (B, 1, 1, 1)."""
        size, grid = (images.shape[-2], images.shape[-1]), (features.shape[-2], features.shape[-1])
        full = coarse.at(size)
        cells = grid[0] * grid[1]
        count = int(self.points * cells) if grid[0] > self.dense_rows else cells
        chosen = None
        if count < cells:
            with torch.no_grad():
                chosen = greatest(resize(importance(images, full.flows), grid), count)
        found = at_time(matched(to_match.to(images.dtype), chosen), t, count)
        found = torch.where(found == 0, coarse.flows, found)
        both = torch.cat([side_by_side(to_match), side_by_side(features)], 1)
        merged = self.merge(both, coarse.flows, found)
        known = torch.cat([side_by_side(images), side_by_side(warp(images, full.flows)), full.logit], 1)
        out: Motion = self.refine_block(
            resize(known, grid),
            side_by_side(resize_flow(full.flows, grid)),
            side_by_side(warp(resize(images, grid), merged)),
            side_by_side(merged),
        )
        return out


def importance(images: Tensor, flows: Tensor) -> Tensor:
    """How wrong the flows (2B, 2, H, W) from t to the frames are at each pixel of the frames: (2B, 1, H, W). The
    paper's difference maps.

    Each frame is brought to t and on to the other one. How far it is there from what that one shows, nothing where it
    does not come to, is brought back the same way.
    """
    across = swapped(flows)
    there, weight = _splatted(warp(images, flows), across)
    wrong = (there - swapped(images)).abs().sum(1, keepdim=True) * (weight != 0)
    return _splatted(warp(wrong, across), flows)[0]


def greatest(values: Tensor, count: int) -> Tensor:
    """(2B, 1, h, w) -> the numbers of the `count` greatest cells, (2B, count); of equals the first."""
    return values.flatten(1).argsort(dim=1, descending=True, stable=True)[:, :count]


def matched(features: Tensor, chosen: Tensor | None) -> Tensor:
    """Flows (2B, 2, h, w) from each frame to the other, in cells, of the chosen ones (2B, k), or of all where it is
    None; 0 of all others.

    Where a cell is found is the mean of all positions, weighed by softmax of how alike the features (2B, C, h, w) are.
    """
    grid = (features.shape[-2], features.shape[-1])
    tokens = to_tokens(features)
    position = to_tokens(pixel_grid(*grid, features.device).to(features.dtype)).expand(len(tokens), -1, -1)
    own, queries = position, tokens
    if chosen is not None:
        own = position.gather(1, chosen[..., None].expand(-1, -1, 2))
        queries = tokens.gather(1, chosen[..., None].expand(-1, -1, tokens.shape[2]))
    with torch.autocast(features.device.type, enabled=False):  # positions in half precision would be off by cells
        flows = F.scaled_dot_product_attention(queries, swapped(tokens), position) - own
    if chosen is not None:
        flows = torch.zeros_like(position).scatter(1, chosen[..., None].expand(-1, -1, 2), flows)
    return to_map(flows, grid)


def at_time(flows: Tensor, t: Tensor, count: int) -> Tensor:
    """Flows (2B, 2, h, w) 0->1, then 1->0, that are 0 where not known, to flows t->0, then t->1, likewise. The
    paper's flow shift.

    Flows to a frame are those that start at the other one, sent along themselves as far as t. They land on more cells
    than they start from: the `count` stay on which most of a known one lands.
    """
    flows = swapped(flows)
    share = torch.cat([t, 1 - t]).to(flows.dtype)
    known = (flows != 0).to(flows.dtype).mean(1, keepdim=True)
    weight = torch.where(known == 0, ELSEWHERE, 1.0).to(flows.dtype)
    landed, amount = _splatted(flows * share, flows * (1 - share), weight, known)
    if count == flows.shape[-2] * flows.shape[-1]:
        return landed
    kept = torch.zeros_like(amount.flatten(1)).scatter(1, greatest(amount, count), 1.0)
    return landed * kept.view_as(amount)


def _splatted(
    values: Tensor, flow: Tensor, weight: Tensor | None = None, counted: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The weighed mean of the values that land in a pixel, 0 where none does, and the sum of what is `counted`, of
    weights where it is None."""
    weight = torch.ones_like(values[:, :1]) if weight is None else weight
    more = [] if counted is None else [counted]
    total = splat(torch.cat([values * weight, weight, *more], 1), flow, mode="sum")
    channels = values.shape[1]
    return total[:, :channels] / (total[:, channels : channels + 1] + ADDED), total[:, -1:]
