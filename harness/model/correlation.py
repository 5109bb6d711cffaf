"""What the cells of two frames have in common: of all pairs, looked up around where a flow points, or of near cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.model.warping import pixel_grid


def local_correlation(f0: Tensor, f1: Tensor, radius: int = 4) -> Tensor:
    """What each cell x of `f0` (B, C, h, w) has in common with those of `f1` up to `radius` cells away: PWC-Net, Eq. 1.

    Returns (B, (2 radius + 1)^2, h, w), row by row: the mean over channels of f0(x) f1(x + d), the first for d =
    (-radius, -radius), the second a cell further in x; 0 where x + d is outside. Summed in float32 at least, under
    autocast too, and of the features' type.
    """
    height, width = f0.shape[-2:]
    precise = torch.promote_types(f0.dtype, torch.float32)
    around = F.pad(f1.to(precise), [radius] * 4)
    own, steps = f0.to(precise), range(2 * radius + 1)
    products = [(own * around[:, :, y : y + height, x : x + width]).mean(1) for y in steps for x in steps]
    return torch.stack(products, 1).to(f0.dtype)


LARGEST = 2**31
"""Bytes of a volume of all pairs that is made: that of 1280x720 at stride 8 takes 0.8 GB, of 3840x2160 67 GB."""
BLOCK = 2**23
"""Bytes of features that are gathered at once where there is no volume."""


class Correlation:
    """The correlation of all pairs of cells of two feature maps, both ways, as pyramids of `levels` over the frame that
    is looked up. AMT, Sec. 3.2; from RAFT.

    Level 0 of the direction 1 -> 0 is the transposed view of that of 0 -> 1, not a copy. So N cells take N^2 floats,
    and N^2/3 for the pooled levels of each direction: 1.37 GB on 1/8 of 1280x720, where two pyramids apart, as
    published, take 2.20 GB.

    A volume above LARGEST that needs no gradient is not made: a lookup then multiplies what it looks up, block by
    block. That is the same but for rounding, since pooling is linear, and its memory grows with N.
    """

    def __init__(self, fmap0: Tensor, fmap1: Tensor, *, levels: int, radius: int) -> None:
        """`fmap0`, `fmap1`: features to match, (B, D, h, w). The products are float32 at least, under autocast too."""
        channels = fmap0.shape[1]
        self.grid = (fmap0.shape[-2], fmap0.shape[-1])
        self.dtype, self.radius = fmap0.dtype, radius
        precise = torch.promote_types(fmap0.dtype, torch.float32)
        self.to_1: Sequence[_Level]
        self.to_0: Sequence[_Level]
        with torch.autocast(fmap0.device.type, enabled=False):
            fmap0, fmap1 = fmap0.to(precise) * channels**-0.5, fmap1.to(precise)
            volume = len(fmap0) * (self.grid[0] * self.grid[1]) ** 2 * precise.itemsize
            if volume <= LARGEST or torch.is_grad_enabled():
                cells = fmap0.flatten(2).mT @ fmap1.flatten(2)
                self.to_1 = [_Volume(*level) for level in _pyramid(cells, self.grid, levels)]
                self.to_0 = [_Volume(*level) for level in _pyramid(cells.mT, self.grid, levels)]
            else:
                own0, own1 = (fmap.flatten(2).mT.contiguous() for fmap in (fmap0, fmap1))
                self.to_1 = [_Products(own0, *level) for level in _pyramid(fmap1.flatten(2), self.grid, levels)]
                self.to_0 = [_Products(own1, *level) for level in _pyramid(fmap0.flatten(2), self.grid, levels)]

    def lookup(self, flow_01: Tensor, flow_10: Tensor) -> Tensor:
        """The correlations around `x + flow_01(x)` in frame 1, then around `x + flow_10(x)` in frame 0.

        Flows (B, 2, h, w) in pixels of the features' grid. Returns (B, 2 levels s^2, h, w), s = 2 radius + 1: of each
        direction, of each level, a window of s x s cells with spacing 1 at that level; channel s a + b of one is at
        (x + a - radius, y + b - radius), as published.
        """
        at = pixel_grid(*self.grid, flow_01.device)
        windows = [
            _window(level, (at + flow).flatten(2) * 0.5**number, self.radius)
            for flow, levels in ((flow_01, self.to_1), (flow_10, self.to_0))
            for number, level in enumerate(levels)
        ]
        return torch.cat(windows, 2).to(self.dtype).mT.reshape(len(flow_01), -1, *self.grid)


class _Level(Protocol):
    """What each of M cells has in common with those of a frame of `size`."""

    @property
    def size(self) -> tuple[int, int]: ...

    def at(self, index: Tensor) -> Tensor:
        """With the cells `index` (B, M, K) of the flattened frame: (B, M, K)."""


@dataclass(frozen=True)
class _Volume:
    """With all of them, (B, M, h*w)."""

    cells: Tensor
    size: tuple[int, int]

    def at(self, index: Tensor) -> Tensor:
        return self.cells.gather(2, index)


class _Products:
    """Of features: `own` (B, M, D) of the M cells, `others` (B, D, h*w) of the frame."""

    def __init__(self, own: Tensor, others: Tensor, size: tuple[int, int]) -> None:
        self.own, self.size = own, size
        self.others = others.mT.flatten(0, 1)

    def at(self, index: Tensor) -> Tensor:
        batch, cells, count = index.shape
        channels = self.own.shape[2]
        block = max(1, BLOCK // (count * channels * self.own.itemsize))
        products = self.own.new_empty(batch, cells, count)
        for sample in range(batch):
            first = sample * self.size[0] * self.size[1]
            for start in range(0, cells, block):
                here = index[sample, start : start + block]
                features = self.others.index_select(0, here.flatten() + first).view(*here.shape, channels)
                own = self.own[sample, start : start + block, :, None]
                with torch.autocast(own.device.type, enabled=False):
                    products[sample, start : start + block] = (features @ own).squeeze(2)
        return products


def _pyramid(maps: Tensor, size: tuple[int, int], levels: int) -> list[tuple[Tensor, tuple[int, int]]]:
    """Maps (B, M, h*w) of (h, w), which are level 0, averaged level by level to half the size; and that size."""
    pyramid = [(maps, size)]
    for _ in range(1, levels):
        maps, size = pyramid[-1]
        # a side that is down to one cell stays: published code fails there, under 64 pixels
        pooled = F.avg_pool2d(maps.view(*maps.shape[:2], *size), [min(2, side) for side in size])
        pyramid.append((pooled.flatten(2), (pooled.shape[-2], pooled.shape[-1])))
    return pyramid


def _window(level: _Level, centre: Tensor, radius: int) -> Tensor:
    """Bilinear samples of a level at `centre` (B, 2, M) and `radius` cells around it, zero outside: (B, M, s^2),
    s = 2 radius + 1.

    All of them share one fraction, so they blend the same (s + 1)^2 cells. Gathering these, unlike `grid_sample` as
    published, takes the transposed view as it is, knows no limit of maps a call, and does not normalise coordinates by
    w - 1, which gives NaN where a level is one cell wide.
    """
    height, width = level.size
    corner = centre.floor()
    blend_x, blend_y = ((centre - corner)[:, axis, :, None, None] for axis in (0, 1))
    offsets = torch.arange(-radius, radius + 2, device=centre.device)
    x, y = (corner[:, axis, :, None].long() + offsets for axis in (0, 1))
    inside = ((x >= 0) & (x < width))[..., None] & ((y >= 0) & (y < height))[..., None, :]
    # (B, M, s + 1 of x, s + 1 of y)
    index = x.clamp(0, width - 1)[..., None] + width * y.clamp(0, height - 1)[..., None, :]
    patch = level.at(index.flatten(2)).view_as(index) * inside
    patch = torch.lerp(patch[:, :, :-1], patch[:, :, 1:], blend_x)
    return torch.lerp(patch[..., :-1], patch[..., 1:], blend_y).flatten(2)
