"""Three SSIMs, which differ in the second decimal: a table must say which of them it shows."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.errors import HarnessError

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
UNIFORM_WINDOW = 7
KNOWN = 0.8884466837
"""The uniform SSIM of `known_pair`, by scikit-image 0.26."""
BAND = 32
"""Rows that are looked at together on a CPU, so that what is made of them stays in its cache."""


class SSIM:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]; see `ssim`."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return ssim(frame, truth)


class SSIM2D:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]; see `ssim_2d`."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return ssim_2d(frame, truth)


class UniformSSIM:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]; see `ssim_uniform`.

    Raises HarnessError where the scikit-image that is installed computes another: values of two would be compared, and
    no fingerprint has its version.
    """

    def __init__(self) -> None:
        value = ssim_uniform(*known_pair()).item()
        if not math.isclose(value, KNOWN, abs_tol=1e-9):
            raise HarnessError(
                f"the scikit-image that is installed computes another SSIM than 0.26: {value:.9f} instead of {KNOWN} "
                "of a known pair of frames; install that one"
            )

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return ssim_uniform(frame, truth)


def ssim(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) SSIM with one 11x11x11 Gaussian window (sigma 1.5) over (colour, row, column), as VFI papers report it.

    Replicate padding by 5 on all three axes; K1 = 0.01, K2 = 0.03, range 1; mean of the map. The window shrinks
    to the frame where a side is below 11; the padding does not.
    """
    return _gaussian_ssim(frame, truth, across_colours=True)


def ssim_2d(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) SSIM with an 11x11 Gaussian window (sigma 1.5) in each colour, averaged over colours; else as `ssim`."""
    return _gaussian_ssim(frame, truth, across_colours=False)


def ssim_uniform(frame: Tensor, truth: Tensor) -> Tensor:
    """(B,) SSIM as scikit-image computes it by default: each colour by itself, a uniform 7x7 window, no padding.

    On the host, in float64. NaN where a side is below 7, which has no whole window.
    """
    from skimage.metrics import structural_similarity

    if min(frame.shape[-2:]) < UNIFORM_WINDOW:
        return frame.new_full((len(frame),), float("nan"), dtype=torch.float64)
    pairs = zip(frame.double().cpu().numpy(), truth.double().cpu().numpy(), strict=True)
    scores = [
        structural_similarity(x, y, win_size=UNIFORM_WINDOW, channel_axis=0, data_range=1)  # type: ignore[no-untyped-call]
        for x, y in pairs
    ]
    return torch.tensor(scores, dtype=torch.float64, device=frame.device)


def known_pair() -> tuple[Tensor, Tensor]:
    """Two frames (1, 3, 32, 48) in float64, of whole numbers, so that they are the same on every machine."""
    rows, columns = torch.arange(32)[:, None], torch.arange(48)
    truth = ((rows * columns + 40 * torch.arange(3)[:, None, None]) % 256).double()[None]
    return (3 * truth + truth.flip(3)) / 1020, truth / 255


def _gaussian_ssim(frame: Tensor, truth: Tensor, across_colours: bool) -> Tensor:
    x, y = (F.pad(image.double(), (WINDOW // 2,) * 4, mode="replicate") for image in (frame, truth))
    window = _gaussian(min(WINDOW, *frame.shape[-2:]))
    rows = x.shape[2] - len(window) + 1
    band = BAND if frame.device.type == "cpu" else rows
    mixed = _across(frame.shape[1], window).to(x.device) if across_colours else None
    parts = (slice(top, top + band + len(window) - 1) for top in range(0, rows, band))
    scores = [_scores(x[:, :, part], y[:, :, part], window, mixed) for part in parts]
    return torch.cat(scores, 2).mean((1, 2, 3))


def _scores(x: Tensor, y: Tensor, window: Tensor, mixed: Tensor | None) -> Tensor:
    """The map of a part of both frames, padded: (B, K, h, w) to what whole windows there are."""
    mean_x, mean_y, xx, yy, xy = _blur(torch.cat([x, y, x * x, y * y, x * y]), window, mixed).chunk(5)
    product, square_x, square_y = mean_x * mean_y, mean_x**2, mean_y**2
    likeness = (2 * product + C1) * (2 * (xy - product) + C2)
    return likeness / ((square_x + square_y + C1) * (xx - square_x + yy - square_y + C2))


def _blur(x: Tensor, window: Tensor, mixed: Tensor | None) -> Tensor:
    """The Gaussian, one axis at a time; along colour where that is `mixed`."""
    if mixed is not None:
        x = torch.einsum("kc,bkhw->bchw", mixed, x)
    for axis in (2, 3):
        length = x.shape[axis] - len(window) + 1
        first, *others = window.tolist()
        # a sum of shifted slices: in float64 several times as fast as a depthwise convolution
        total = x.narrow(axis, 0, length) * first
        for at, weight in enumerate(others, start=1):
            total.add_(x.narrow(axis, at, length), alpha=weight)
        x = total
    return x


def _across(colours: int, window: Tensor) -> Tensor:
    """(K, K'): what the window makes of the planes, padded by replication, as a small matrix."""
    planes = F.pad(torch.eye(colours, dtype=window.dtype)[None], (WINDOW // 2,) * 2, mode="replicate")[0]
    return planes.unfold(1, len(window), 1) @ window


def _gaussian(side: int) -> Tensor:
    at = torch.arange(side, dtype=torch.float64) - side // 2
    window = torch.exp(-(at**2) / (2 * SIGMA**2))
    return window / window.sum()
