"""Two toy metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class ToyLight:
    """Called by keyword with what the spec's `needs` stand for, of a batch."""

    def __call__(self, frame: Tensor, truth: Tensor, img0: Tensor, img1: Tensor, t: Tensor) -> Tensor:
        """(B,) of images (B, 3, H, W) and times (B,)."""
        light, light0, light1 = (image.double().mean((1, 2, 3)) for image in (frame, img0, img1))
        return (light - (1 - t) * light0 - t * light1).abs()


class ToyColour:
    """Of whole sets: features of each frame, and one value of all features."""

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        """(B, 3): the mean colour of a frame less that of its truth."""
        return (frame - truth).double().mean((2, 3))

    def result(self, features: NDArray[np.float64]) -> float:
        """Of features (N, 3)."""
        return float(np.linalg.norm(features.mean(0)))
