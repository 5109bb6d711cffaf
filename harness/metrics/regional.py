"""PSNR by region: a plug-in guided by masks may gain on objects, or on fast motion, and nowhere else."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.metrics.motion import BINS
from harness.metrics.pixelwise import decibels, squared_error

MASK_COLUMNS = ("psnr@inside", "psnr@outside")
"""What a row calls the PSNR of each region of `inside`."""

MOTION_COLUMNS = tuple(f"psnr@{name}" for name in BINS)
"""What a row calls the PSNR of each region of `harness.metrics.motion.bins`."""


def regional_psnr(frame: Tensor, truth: Tensor, regions: Tensor, count: int) -> Tensor:
    """(B, count) decibels, as `psnr`, over the pixels of each region; NaN for a region without pixels.

    frame and truth are RGB (B, 3, H, W) in [0, 1], `regions` the number of each pixel's region, int64 (B, H, W) in
    [0, count). Float64. Raises ValueError for other shapes and for numbers outside.
    """
    return decibels(regional_error(frame, truth, regions, count))


def regional_error(frame: Tensor, truth: Tensor, regions: Tensor, count: int) -> Tensor:
    """(B, count) mean squared error over the pixels of each region, as `regional_psnr` needs it."""
    error = squared_error(frame, truth)
    if regions.shape != error.shape:
        raise ValueError(f"regions: expected the shape {tuple(error.shape)}, got {tuple(regions.shape)}")
    if regions.min() < 0 or regions.max() >= count:  # they would be added to another frame's
        raise ValueError(f"regions: expected numbers from 0 to {count - 1}")
    batch = len(regions)
    place = (regions + count * torch.arange(batch, device=regions.device)[:, None, None]).flatten()
    total, pixels = (
        error.new_zeros(batch * count).index_add(0, place, values.flatten())
        for values in (error, torch.ones_like(error))
    )
    return (total / pixels).view(batch, count)  # 0 / 0 is NaN


def inside(maps: NDArray[np.integer]) -> Tensor:
    """int64 (H, W), in the order of `MASK_COLUMNS`: 0 inside the masks, 1 outside, for label maps M0, M1 (2, H, W).

    The middle frame has no label map: an arm's own motion would be needed to make one, and regions must not depend on
    the arm. Inside is therefore where either input frame has a mask, which holds an object that moves by less than
    its own width; the middle of a longer way counts as outside.
    """
    return torch.from_numpy(~(maps > 0).any(axis=0)).long()
