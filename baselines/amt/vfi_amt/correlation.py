"""All-pairs correlation between two frames, and its lookup around where a flow points. AMT, Sec. 3.2; from RAFT."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.model import pixel_grid

LEVELS = 4
RADIUS = 3
CHANNELS = 2 * LEVELS * (2 * RADIUS + 1) ** 2
"""Of a lookup: both directions, all levels, a 7x7 window."""


class Correlation:
    """The correlation of two feature maps, both ways, as pyramids over the frame that is looked up.

    Level 0 of the direction 1 -> 0 is the transposed view of that of 0 -> 1, not a copy. So N = H*W/64 cells at working
    size (H, W) take N^2 floats, and N^2/3 for the pooled levels of each direction: 1.37 GB at 1280x720, where two
    pyramids apart, as published, take 2.20 GB.
    """

    def __init__(self, fmap0: Tensor, fmap1: Tensor) -> None:
        """`fmap0`, `fmap1`: features to match, (B, D, h, w). The products are float32 at least, under autocast too."""
        channels = fmap0.shape[1]
        self.grid = (fmap0.shape[-2], fmap0.shape[-1])
        self.dtype = fmap0.dtype
        precise = torch.promote_types(fmap0.dtype, torch.float32)
        with torch.autocast(fmap0.device.type, enabled=False):
            queries = fmap0.to(precise).flatten(2) * channels**-0.5
            volume = queries.mT @ fmap1.to(precise).flatten(2)
        self.to_1 = _pyramid(volume, self.grid)
        self.to_0 = _pyramid(volume.mT, self.grid)

    def lookup(self, flow_01: Tensor, flow_10: Tensor) -> Tensor:
        """The correlations around `x + flow_01(x)` in frame 1, then around `x + flow_10(x)` in frame 0.

        Flows (B, 2, h, w) in pixels of the features' grid. Returns (B, 392, h, w): of each direction, of each level,
        a 7x7 window with spacing 1 at that level; channel 7a + b is at (x + a - 3, y + b - 3), as published.
        """
        at = pixel_grid(*self.grid, flow_01.device)
        windows = [
            _window(cells, size, (at + flow).flatten(2) * 0.5**level)
            for flow, pyramid in ((flow_01, self.to_1), (flow_10, self.to_0))
            for level, (cells, size) in enumerate(pyramid)
        ]
        return torch.cat(windows, 2).to(self.dtype).mT.reshape(len(flow_01), CHANNELS, *self.grid)


def _pyramid(volume: Tensor, size: tuple[int, int]) -> list[tuple[Tensor, tuple[int, int]]]:
    """Per level what each of M cells correlates to over a frame, (B, M, h*w), and that (h, w); `volume` is level 0."""
    levels = [(volume, size)]
    for _ in range(1, LEVELS):
        cells, size = levels[-1]
        # a side that is down to one cell stays: published code fails there, under 64 pixels
        pooled = F.avg_pool2d(cells.view(*cells.shape[:2], *size), [min(2, side) for side in size])
        levels.append((pooled.flatten(2), (pooled.shape[-2], pooled.shape[-1])))
    return levels


def _window(cells: Tensor, size: tuple[int, int], centre: Tensor) -> Tensor:
    """Bilinear samples of maps (B, M, h*w) at `centre` (B, 2, M) and 3 cells around it, zero outside: (B, M, 49).

    All 49 share one fraction, so they blend the same 8x8 cells. Gathering these, unlike `grid_sample` as published,
    takes the transposed view as it is, knows no limit of maps a call, and does not normalise coordinates by w - 1,
    which gives NaN where a level is one cell wide (sides under 128 pixels).
    """
    height, width = size
    corner = centre.floor()
    blend_x, blend_y = ((centre - corner)[:, axis, :, None, None] for axis in (0, 1))
    offsets = torch.arange(-RADIUS, RADIUS + 2, device=centre.device)
    x, y = (corner[:, axis, :, None].long() + offsets for axis in (0, 1))
    inside = ((x >= 0) & (x < width))[..., None] & ((y >= 0) & (y < height))[..., None, :]
    index = x.clamp(0, width - 1)[..., None] + width * y.clamp(0, height - 1)[..., None, :]  # (B, M, 8 of x, 8 of y)
    patch = cells.gather(2, index.flatten(2)).view_as(index) * inside
    patch = torch.lerp(patch[:, :, :-1], patch[:, :, 1:], blend_x)
    return torch.lerp(patch[..., :-1], patch[..., 1:], blend_y).flatten(2)
