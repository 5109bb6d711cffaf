"""What the checks look at: textured pictures, moved by whole pixels, noise, label maps. The same on every machine."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.metrics.pixelwise import psnr
from harness.model.contracts import Frames
from harness.model.warping import resize

MOTION = (8, -4)
"""Pixels in x and y that `moved` moves from the first frame to the last: whole ones at t = 1/4, 1/2 and 3/4 too."""

EDGE = 12
"""Pixels at each side where a moved picture shows what the other frame lacks."""


def size_of(multiple: int, height: int, width: int) -> tuple[int, int]:
    """The smallest sides of that many pixels or more that are multiples."""
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def noise(size: tuple[int, int], batch: int = 1, seed: int = 0, scale: float = 1.0) -> Frames:
    """Four frames (B, 3, H, W) of noise that have nothing to do with each other."""
    generator = torch.Generator().manual_seed(seed)
    img0, img1 = torch.rand(2, batch, 3, *size, generator=generator)
    before, after = torch.rand(2, batch, 3, *size, generator=generator)
    return Frames(img0=img0, img1=img1, scale=scale, before=before, after=after)


def texture(size: tuple[int, int], seed: int = 0) -> Tensor:
    """(1, 3, H, W) in [0.1, 0.9], of blobs of some pixels, each colour its own."""
    coarse = torch.rand(1, 3, size[0] // 3, size[1] // 3, generator=torch.Generator().manual_seed(seed))
    return 0.1 + 0.8 * resize(coarse, size)


def moved(
    size: tuple[int, int], t: float, scale: float = 1.0, motion: tuple[int, int] = MOTION
) -> tuple[Frames, Tensor]:
    """Four frames of a picture that moves by `motion` from I0 to I1, and the true frame at t, (1, 3, H, W)."""
    height, width = size
    dx, dy = motion
    whole = texture((height + 4 * abs(dx), width + 4 * abs(dx)))

    def at(time: float) -> Tensor:
        left, top = round(2 * abs(dx) - dx * (time - t)), round(2 * abs(dx) - dy * (time - t))
        return whole[..., top : top + height, left : left + width].contiguous()

    return Frames(img0=at(0), img1=at(1), scale=scale, before=at(-1), after=at(2)), at(t)


def decibels(frame: Tensor, truth: Tensor) -> float:
    """PSNR of what is not at the edges, the mean of a batch."""
    inner = (..., slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    return psnr(frame.clamp(0, 1)[inner], truth[inner]).mean().item()


def labels(size: tuple[int, int], batch: int = 2) -> NDArray[np.uint8]:
    """Label maps (B, 2, H, W): stripes of 0, 1 and 2 that move, and in each frame a label that the other lacks."""
    height, width = size
    maps = np.zeros((batch, 2, height, width), np.uint8)
    for sample in range(batch):
        for frame in (0, 1):
            shifted = np.arange(width) + (width // 8) * frame + (width // 6) * sample
            maps[sample, frame] = (shifted * 3 // width % 3)[None]
    maps[:, 0, -(height // 4) :, : width // 4] = 3
    maps[:, 1, : height // 4, -(width // 4) :] = 4
    return maps


def photograph(size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Two RGB frames (2, H, W, 3): a bright square moves by a sixth of the width over a texture."""
    height, width = size
    ground = (255 * texture((height + 3, width + 3), seed)[0, :, :height, :width]).byte().permute(1, 2, 0).numpy()
    pair = np.stack([ground, ground])
    side = max(min(height, width) // 3, 1)
    for frame in (0, 1):
        left = width // 4 + (width // 6) * frame
        pair[frame, height // 3 : height // 3 + side, left : left + side] = (230, 40, 30)
    return pair
