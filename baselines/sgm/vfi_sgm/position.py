"""Where a token is, said by sines of its row and its column."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sine_positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """(h*w, C) float32, row by row: the first half of the channels is of the row, the second of the column.

    The whole height and the whole width are one turn of the fastest sine; the slowest turns nearly 10,000 times slower.
    """
    half = channels // 2
    number = torch.arange(half, device=device)
    slower = 10000.0 ** (2 * (number // 2) / half)

    def along(count: int) -> Tensor:
        angle = (torch.arange(1, count + 1, device=device) / (count + 1e-6) * (2 * math.pi))[:, None] / slower
        return torch.where(number % 2 == 0, angle.sin(), angle.cos())

    rows = along(height)[:, None].expand(-1, width, -1)
    columns = along(width).expand(height, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)
