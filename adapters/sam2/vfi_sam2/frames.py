"""Frames and masks at the size that SAM 2 works at, a square, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB


def squared(image: NDArray[np.uint8], side: int) -> Tensor:
    """An RGB frame (H, W, 3) as SAM 2 sees it: (1, 3, side, side), stretched, less the mean, over the deviation."""
    frame = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None] / 255
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (resized(frame, (side, side)) - mean) / deviation


def scaled(boxes: Sequence[tuple[float, float, float, float]], size: Sequence[int], side: int) -> Tensor:
    """Boxes x0, y0, x1, y1 in a frame of `size` (H, W) -> (1, N, 4) in the square."""
    height, width = size
    return torch.tensor([boxes], dtype=torch.float32) * side / torch.tensor([width, height, width, height])


def prompts(masks: NDArray[np.bool_], side: int) -> Tensor:
    """Masks (N, H, W) -> (N, 1, side, side) of 0 and 1."""
    return (resized(torch.from_numpy(masks)[:, None].float(), (side, side)) >= 0.5).float()


def full(logits: Tensor, size: Sequence[int]) -> NDArray[np.bool_]:
    """Logits (N, 1, h, w) in the square -> masks (N, H, W) of a frame of `size` (H, W)."""
    spread = F.interpolate(logits.float(), tuple(size), mode="bilinear", align_corners=False)
    return (spread[:, 0] > 0).cpu().numpy()


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, with averaging where it shrinks."""
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
