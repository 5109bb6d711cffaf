"""How a grid of tokens is cut into windows.

A grid is padded with zeros on all sides to a multiple of the window, shifted in every second block, and cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 7
SHIFT = WINDOW // 2
FORBIDDEN = -100.0  # added to a score; what the published weights were trained with, and not -inf


@dataclass(frozen=True)
class Windows:
    """The windows of a grid (h, w); N of them, of L = 49 tokens each.

    pads  tokens of padding: left, right, above, below
    mask  (N, L, L) float32 to add to the scores, FORBIDDEN between tokens that are not neighbours in the image, or of
          which one is padding; None where there is no such pair
    """

    grid: tuple[int, int]
    pads: tuple[int, int, int, int]
    shifted: bool
    mask: Tensor | None

    def cut(self, tokens: Tensor) -> Tensor:
        """(B, h*w, C) -> (B, N, L, C)."""
        padded = F.pad(tokens.reshape(len(tokens), *self.grid, -1), (0, 0, *self.pads))
        return _cut(padded.roll((-SHIFT, -SHIFT), (1, 2)) if self.shifted else padded)

    def join(self, windows: Tensor) -> Tensor:
        """(B, N, L, C) -> (B, h*w, C): the inverse of `cut`, padding dropped."""
        (height, width), (left, right, above, below) = self.grid, self.pads
        rows, columns = (height + above + below) // WINDOW, (width + left + right) // WINDOW
        cut = windows.reshape(len(windows), rows, columns, WINDOW, WINDOW, -1)
        padded = cut.transpose(2, 3).reshape(len(windows), rows * WINDOW, columns * WINDOW, -1)
        if self.shifted:
            padded = padded.roll((SHIFT, SHIFT), (1, 2))
        return padded[:, above : above + height, left : left + width].flatten(1, 2)


def windows_of(grid: tuple[int, int], shifted: bool, device: torch.device) -> Windows:
    """The windows of a grid (h, w).

    As published, the mask that keeps padding out of shifted windows is not shifted along with the tokens. That is an
    oversight, but the published weights were trained with it. (The published code also keeps the last mask for as long
    as the padded area is the same, and so applies that of 112x80 to 80x112. Here each size has its own.)
    """
    height, width = grid
    rows, columns = -height % WINDOW, -width % WINDOW
    above, left = rows // 2, columns // 2
    pads = (left, columns - left, above, rows - above)
    row, column = (torch.arange(side, device=device) for side in (height + rows, width + columns))
    apart = None
    if rows or columns:
        apart = _apart(_third(row, above, above + height), _third(column, left, left + width))
    if shifted:  # what came round from the other side is no neighbour
        from_row, from_column = (_third(at, len(at) - WINDOW, len(at) - SHIFT) for at in (row, column))
        strangers = _apart(from_row, from_column)
        apart = strangers if apart is None else apart | strangers
    return Windows(grid, pads, shifted, None if apart is None else apart * FORBIDDEN)


def _third(positions: Tensor, start: int, end: int) -> Tensor:
    """0 before `start`, 1 from there, 2 from `end`."""
    return (positions >= start).long() + (positions >= end).long()


def _apart(rows: Tensor, columns: Tensor) -> Tensor:
    """Which pairs of a window's tokens are of different regions, of the nine that thirds make: (N, L, L)."""
    regions = _cut((3 * rows[:, None] + columns)[None, :, :, None])[0, :, :, 0]
    return regions[:, :, None] != regions[:, None]


def _cut(grid: Tensor) -> Tensor:
    """(B, h, w, C), multiples of the window -> (B, N, L, C)."""
    frames, height, width, channels = grid.shape
    cut = grid.reshape(frames, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return cut.transpose(2, 3).reshape(frames, -1, WINDOW**2, channels)
