"""Metrics of single pixels: PSNR and interpolation error. Frames are RGB (B, 3, H, W) in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

PERFECT = 100.0
"""dB given to a frame without error, whose PSNR is infinite and would poison every mean."""


class PSNR:
    """`(frame, truth) -> (B,)`; see `psnr`."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return psnr(frame, truth)


class InterpolationError:
    """`(frame, truth) -> (B,)`; see `interpolation_error`."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return interpolation_error(frame, truth)


def psnr(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) decibels over all RGB values, in float64, at most 100."""
    return decibels(squared_error(frame, truth).mean((1, 2)))


def squared_error(frame: Tensor, truth: Tensor) -> Tensor:
    """(B, H, W) squared difference of each pixel, the mean of its three colours, in float64."""
    return (frame.double() - truth.double()).square().mean(1)


def decibels(error: Tensor) -> Tensor:
    """PSNR of a mean squared error on the range 0 to 1; NaN stays NaN."""
    return (-10 * torch.log10(error.clamp(min=10 ** (-PERFECT / 10)))).clamp(max=PERFECT)


def interpolation_error(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) mean absolute difference in grey levels, 0 to 255, of both frames rounded to 8 bit, in float64.

    The IE of the Middlebury benchmark's tables, as IFRNet and EMA-VFI report it.
    """
    levels, true_levels = ((x.double() * 255).round() for x in (frame, truth))
    return (levels - true_levels).abs().mean((1, 2, 3))
