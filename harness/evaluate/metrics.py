"""PSNR and SSIM as the field's papers compute them. Frames are RGB (B, 3, H, W) in [0, 1]."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

PERFECT = 100.0  # dB given to a frame without error, whose PSNR is infinite and would poison every mean
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def psnr(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) decibels over all RGB values, in float64, at most 100."""
    error = (frame.double() - truth.double()).square().mean((1, 2, 3))
    return (-10 * torch.log10(error.clamp(min=10 ** (-PERFECT / 10)))).clamp(max=PERFECT)


def ssim(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) SSIM with one 11x11x11 Gaussian window (sigma 1.5) over (colour, row, column), as VFI papers report it.

    Replicate padding by 5 on all three axes; K1 = 0.01, K2 = 0.03, range 1; mean of the map. The window shrinks
    to the frame where a side is below 11; the padding does not.
    """
    x, y = frame.double(), truth.double()
    products = torch.cat([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = _blur(products).chunk(5)
    var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    score = ((2 * mean_x * mean_y + C1) * (2 * cov + C2)) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
    return score.mean((1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """The 3-D Gaussian, one axis at a time. Along colour, 3 planes padded to 13, it is a small matrix."""
    height, width = x.shape[-2:]
    side = min(WINDOW, height, width)
    window = _gaussian(side).to(x)
    planes = F.pad(torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[None], (WINDOW // 2,) * 2, mode="replicate")
    colour = planes[0].unfold(1, side, 1) @ window
    x = torch.einsum("kc,bkhw->bchw", colour, x)
    x = F.pad(x, (WINDOW // 2,) * 4, mode="replicate")
    for axis in (2, 3):
        length = x.shape[axis] - side + 1
        # a sum of shifted slices: in float64 three times as fast as a depthwise convolution
        shifted = (x.narrow(axis, at, length) * weight for at, weight in enumerate(window.tolist()))
        x = functools.reduce(Tensor.add_, shifted)
    return x


def _gaussian(side: int) -> Tensor:
    at = torch.arange(side, dtype=torch.float64) - side // 2
    window = torch.exp(-(at**2) / (2 * SIGMA**2))
    return window / window.sum()
