"""What the cells of two frames have in common: of all pairs, looked up around where a flow points, or of near cells."""

from __future__ import annotations

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


class Correlation:
    """The correlation of all pairs of cells of two feature maps, both ways, as pyramids of `levels` over the frame that
    is looked up. AMT, Sec. 3.2; from RAFT.

    Level 0 of the direction 1 -> 0 is the transposed view of that of 0 -> 1, not a copy. So N cells take N^2 floats,
    and N^2/3 for the pooled levels of each direction: 1.37 GB on 1/8 of 1280x720, where two pyramids apart, as
    published, take 2.20 GB.
    """

    def __init__(self, fmap0: Tensor, fmap1: Tensor, *, levels: int, radius: int) -> None:
        """`fmap0`, `fmap1`: features to match, (B, D, h, w). The products are float32 at least, under autocast too."""
        channels = fmap0.shape[1]
        self.grid = (fmap0.shape[-2], fmap0.shape[-1])
        self.dtype, self.radius = fmap0.dtype, radius
        precise = torch.promote_types(fmap0.dtype, torch.float32)
        with torch.autocast(fmap0.device.type, enabled=False):
            queries = fmap0.to(precise).flatten(2) * channels**-0.5
            volume = queries.mT @ fmap1.to(precise).flatten(2)
        self.to_1 = _pyramid(volume, self.grid, levels)
        self.to_0 = _pyramid(volume.mT, self.grid, levels)

    def lookup(self, flow_01: Tensor, flow_10: Tensor) -> Tensor:
        """The correlations around `x + flow_01(x)` in frame 1, then around `x + flow_10(x)` in frame 0.

        Flows (B, 2, h, w) in pixels of the features' grid. Returns (B, 2 levels s^2, h, w), s = 2 radius + 1: of each
        direction, of each level, a window of s x s cells with spacing 1 at that level; channel s a + b of one is at
        (x + a - radius, y + b - radius), as published.
        """
        at = pixel_grid(*self.grid, flow_01.device)
        windows = [
            _window(cells, size, (at + flow).flatten(2) * 0.5**level, self.radius)
            for flow, pyramid in ((flow_01, self.to_1), (flow_10, self.to_0))
            for level, (cells, size) in enumerate(pyramid)
        ]
        return torch.cat(windows, 2).to(self.dtype).mT.reshape(len(flow_01), -1, *self.grid)


def _pyramid(volume: Tensor, size: tuple[int, int], levels: int) -> list[tuple[Tensor, tuple[int, int]]]:
    """Per level what each of M cells correlates to over a frame, (B, M, h*w), and that (h, w); `volume` is level 0."""
    pyramid = [(volume, size)]
    for _ in range(1, levels):
        cells, size = pyramid[-1]
        # a side that is down to one cell stays: published code fails there, under 64 pixels
        pooled = F.avg_pool2d(cells.view(*cells.shape[:2], *size), [min(2, side) for side in size])
        pyramid.append((pooled.flatten(2), (pooled.shape[-2], pooled.shape[-1])))
    return pyramid


def _window(cells: Tensor, size: tuple[int, int], centre: Tensor, radius: int) -> Tensor:
    """Bilinear samples of maps (B, M, h*w) at `centre` (B, 2, M) and `radius` cells around it, zero outside:
    (B, M, s^2), s = 2 radius + 1.

    All of them share one fraction, so they blend the same (s + 1)^2 cells. Gathering these, unlike `grid_sample` as
    published, takes the transposed view as it is, knows no limit of maps a call, and does not normalise coordinates by
    w - 1, which gives NaN where a level is one cell wide.
    """
    height, width = size
    corner = centre.floor()
    blend_x, blend_y = ((centre - corner)[:, axis, :, None, None] for axis in (0, 1))
    offsets = torch.arange(-radius, radius + 2, device=centre.device)
    x, y = (corner[:, axis, :, None].long() + offsets for axis in (0, 1))
    inside = ((x >= 0) & (x < width))[..., None] & ((y >= 0) & (y < height))[..., None, :]
    # (B, M, s + 1 of x, s + 1 of y)
    index = x.clamp(0, width - 1)[..., None] + width * y.clamp(0, height - 1)[..., None, :]
    patch = cells.gather(2, index.flatten(2)).view_as(index) * inside
    patch = torch.lerp(patch[:, :, :-1], patch[:, :, 1:], blend_x)
    return torch.lerp(patch[..., :-1], patch[..., 1:], blend_y).flatten(2)
