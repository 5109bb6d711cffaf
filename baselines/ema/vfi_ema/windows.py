"""How a grid of tokens is cut into windows: lookups, coordinates and attention mask, once for each size.

A grid is padded with zeros on all sides to a multiple of the window, shifted in every second block, and cut. All
of that is one lookup, and undoing it another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 7
SHIFT = WINDOW // 2
FORBIDDEN = -100.0  # added to a score; what the published weights were trained with, and not -inf

ShiftedPadding = Literal["official", "rolled"]


@dataclass(frozen=True)
class Windows:
    """The windows of a grid (h, w); N of them, of L = 49 tokens each.

    cells        (N*L,) position of each token in the flattened grid, h*w where it is padding
    back         (h*w,) position of each cell of the grid in `cells`
    coordinates  (N, L, 2) x, y of each token, from -1 to 1 across the grid; 0 where it is padding
    mask         (N, L, L) to add to the scores, FORBIDDEN between tokens that are not neighbours in the image, or of
                 which one is padding; None where there is no such pair
    """

    cells: Tensor
    back: Tensor
    coordinates: Tensor
    mask: Tensor | None

    def cut(self, tokens: Tensor) -> Tensor:
        """(B, h*w, C) -> (B, N, L, C)."""
        padded = F.pad(tokens, (0, 0, 0, 1))
        return padded.index_select(1, self.cells).view(len(tokens), -1, WINDOW**2, tokens.shape[2])

    def join(self, windows: Tensor) -> Tensor:
        """(B, N, L, C) -> (B, h*w, C): the inverse of `cut`, padding dropped."""
        return windows.flatten(1, 2).index_select(1, self.back)


def windows_of(grid: Tensor, shifted: bool, shifted_padding: ShiftedPadding) -> Windows:
    """The windows of a grid (B, C, h, w), on its device.

    The last 16 are kept: four sizes, of two stages with and without shift. (The published code keeps one mask, by
    the padded area, and so applies that of 112x80 to 80x112.) Kept are only ordinary tensors: what a compiler traces,
    or a counter of operations computes with, is no use after it.
    """
    height, width = grid.shape[-2:]
    traced = torch.compiler.is_compiling() or type(grid) is not Tensor
    return (_build if traced else _kept)(height, width, shifted, shifted_padding, grid.device)


@lru_cache(maxsize=16)
def _kept(height: int, width: int, shifted: bool, shifted_padding: ShiftedPadding, device: torch.device) -> Windows:
    with torch.inference_mode(False):  # a tensor made in that mode could not be used for training afterwards
        return _build(height, width, shifted, shifted_padding, device)


def _build(height: int, width: int, shifted: bool, shifted_padding: ShiftedPadding, device: torch.device) -> Windows:
    """On the device from the start, so that nothing ever waits for a copy."""
    padded = [-(-side // WINDOW) * WINDOW for side in (height, width)]
    top, left = (padded[0] - height) // 2, (padded[1] - width) // 2
    rows, columns = (torch.arange(side, device=device) for side in padded)

    inside_rows, inside_columns = _third(rows, top, top + height), _third(columns, left, left + width)
    inside = (inside_rows == 1)[:, None] & (inside_columns == 1)
    cells = torch.where(inside, (rows - top)[:, None] * width + columns - left, height * width)
    padding = 3 * inside_rows[:, None] + inside_columns  # nine regions: the grid, and what is around it
    if shifted:
        cells = cells.roll((-SHIFT, -SHIFT), (0, 1))
        if shifted_padding == "rolled":
            padding = padding.roll((-SHIFT, -SHIFT), (0, 1))
    flat = _cut(cells).flatten()

    y = torch.linspace(-1, 1, height, device=device)[:, None].expand(-1, width)
    x = torch.linspace(-1, 1, width, device=device).expand(height, -1)
    coordinates = F.pad(torch.stack([x, y], -1).flatten(0, 1), (0, 0, 0, 1))[flat]

    apart = None
    if padded != [height, width]:
        apart = _apart(padding)
    if shifted:  # what came round from the other side is no neighbour
        end, wrapped = WINDOW, SHIFT
        from_rows = _third(rows, padded[0] - end, padded[0] - wrapped)
        from_columns = _third(columns, padded[1] - end, padded[1] - wrapped)
        strangers = _apart(3 * from_rows[:, None] + from_columns)
        apart = strangers if apart is None else apart | strangers
    return Windows(
        cells=flat,
        back=flat.argsort()[: height * width],  # padding has the highest number, so it sorts to the end
        coordinates=coordinates.view(-1, WINDOW**2, 2),
        mask=None if apart is None else apart * FORBIDDEN,
    )


def _third(positions: Tensor, start: int, end: int) -> Tensor:
    """0 before `start`, 1 from there, 2 from `end`."""
    return (positions >= start).long() + (positions >= end).long()


def _cut(grid: Tensor) -> Tensor:
    """(h, w), multiples of the window -> (N, L)."""
    height, width = grid.shape
    cut = grid.view(height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    return cut.transpose(1, 2).reshape(-1, WINDOW**2)


def _apart(regions: Tensor) -> Tensor:
    """Which pairs of a window's tokens are of different regions: (h, w) -> (N, L, L)."""
    cut = _cut(regions)
    return cut[:, :, None] != cut[:, None]
