"""Three SSIMs, which differ in the second decimal: a table must say which of them it shows."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
UNIFORM_WINDOW = 7


class SSIM:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]; see `ssim`."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return ssim(frame, truth)


class SSIM2D:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]; see `ssim_2d`."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        return ssim_2d(frame, truth)


class UniformSSIM:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]; see `ssim_uniform`."""

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


def _gaussian_ssim(frame: Tensor, truth: Tensor, across_colours: bool) -> Tensor:
    x, y = frame.double(), truth.double()
    products = torch.cat([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = _blur(products, across_colours).chunk(5)
    var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    score = ((2 * mean_x * mean_y + C1) * (2 * cov + C2)) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
    return score.mean((1, 2, 3))


def _blur(x: Tensor, across_colours: bool) -> Tensor:
    """The Gaussian, one axis at a time. Along colour, 3 planes padded to 13, it is a small matrix."""
    height, width = x.shape[-2:]
    side = min(WINDOW, height, width)
    window = _gaussian(side).to(x)
    if across_colours:
        planes = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[None]
        padded = F.pad(planes, (WINDOW // 2,) * 2, mode="replicate")[0]
        x = torch.einsum("kc,bkhw->bchw", padded.unfold(1, side, 1) @ window, x)
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
