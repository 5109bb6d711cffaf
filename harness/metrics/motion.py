"""How far things move between the two input frames: regions that are the same for every arm, from the frames alone."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

VERSION = 1
"""Raise it when `motion_magnitude` changes: part of the key under which a magnitude is kept."""

SHORTER_SIDE = 128
"""Pixels of the reduced frames that motion is estimated on."""

EDGES = (2.0, 8.0, 24.0)
"""Pixels between neighbouring bins; an edge belongs to the faster one."""

BINS = ("still", "slow", "fast", "racing")
"""Names of the bins, in order: below 2 pixels, 2 to 8, 8 to 24, 24 and above."""


def motion_magnitude(img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w): length of the motion from img0 to img1, RGB (H, W, 3), in pixels of the full-size frames.

    At the places of img0, on a grid whose shorter side is 128 (or the frames', where that is less). TV-L1 optical flow
    of luma (Zach et al., DAGM 2007): no network, no random numbers. Motion of more than about a tenth of the shorter
    side is underestimated; nearly all of it stays in the last bin.
    """
    from skimage.registration import optical_flow_tvl1

    height, width = img0.shape[:2]
    first, second = _reduced(img0), _reduced(img1)
    down, right = optical_flow_tvl1(first, second)  # type: ignore[no-untyped-call]
    rows, columns = first.shape
    magnitude: NDArray[np.float32] = np.hypot(down * (height / rows), right * (width / columns)).astype(np.float32)
    return magnitude


def bins(magnitude: NDArray[np.float32], size: tuple[int, int]) -> Tensor:
    """int64 (H, W): each pixel's place in `BINS`, of a magnitude (h, w) in pixels, brought to `size` bilinearly."""
    full = F.interpolate(torch.from_numpy(magnitude)[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return torch.bucketize(full, torch.tensor(EDGES), right=True)


def true_bins(flow_t0: Tensor, flow_t1: Tensor) -> Tensor:
    """int64 (..., H, W): each pixel's place in `BINS`, by the length of the whole motion from I0 to I1, of true flows
    t->0 and t->1 (..., 2, H, W) in pixels."""
    length = (flow_t1 - flow_t0).norm(dim=-3)
    return torch.bucketize(length, torch.tensor(EDGES, device=length.device), right=True)


def _reduced(img: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma in [0, 1], each pixel the mean of those that it stands for."""
    height, width = img.shape[:2]
    factor = min(1.0, SHORTER_SIDE / min(height, width))
    size = round(width * factor), round(height * factor)
    luma = Image.fromarray(img).convert("F").resize(size, Image.Resampling.BOX)
    return np.asarray(luma, np.float32) / np.float32(255)
