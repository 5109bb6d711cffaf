"""Boxes as tensors (N, 4) of x0, y0, x1, y1."""

from __future__ import annotations

import torch
from torch import Tensor


def corners(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes (N, 4) of centre x, y, width, height, as parts of the frame -> in pixels, clipped to the frame."""
    x, y, w, h = boxes.unbind(-1)
    across = torch.stack([x - w / 2, x + w / 2]).mul(width).clamp(0, width)
    down = torch.stack([y - h / 2, y + h / 2]).mul(height).clamp(0, height)
    return torch.stack([across[0], down[0], across[1], down[1]], -1)


def overlaps(boxes: Tensor) -> Tensor:
    """Intersection over union of every pair: (N, 4) -> (N, N). A box without an area overlaps nothing."""
    top_left = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    bottom_right = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return shared / (areas[:, None] + areas - shared).clamp(min=torch.finfo(boxes.dtype).tiny)


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, limit: float) -> list[int]:
    """Which of N boxes stay, by falling score: none that overlaps a better one of its group by more than `limit`."""
    rivals = (overlaps(boxes) > limit) & (groups[:, None] == groups)
    gone = torch.zeros(len(boxes), dtype=torch.bool)
    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if not gone[index]:
            kept.append(index)
            gone |= rivals[index]
    return kept
