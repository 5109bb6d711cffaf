"""Bringing frames to a size that a network takes, and its result back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Padding:
    """Pixels on each side of a frame of `height` and `width`."""

    height: int
    width: int
    left: int
    right: int
    above: int
    below: int

    @classmethod
    def to_multiple(
        cls, height: int, width: int, multiple: int, placement: Literal["right-below", "centre"] = "right-below"
    ) -> Padding:
        """The least that makes both sides multiples; in the centre, an odd pixel goes right and below."""
        rows, columns = -height % multiple, -width % multiple
        left, above = (columns // 2, rows // 2) if placement == "centre" else (0, 0)
        return cls(height, width, left, columns - left, above, rows - above)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width with padding."""
        return self.height + self.above + self.below, self.width + self.left + self.right

    def pad(self, x: Tensor, mode: Literal["replicate", "zero", "grey"] = "replicate") -> Tensor:
        """(B, C, H, W) with padding; grey is 0.5."""
        sides = (self.left, self.right, self.above, self.below)
        if mode == "replicate":
            return F.pad(x, sides, mode="replicate")
        return F.pad(x, sides, value=0.5 if mode == "grey" else 0.0)

    def pad_maps(self, maps: NDArray[np.integer]) -> NDArray[np.integer]:
        """Label maps (..., H, W) with padding: the labels at the border go on."""
        around = [(0, 0)] * (maps.ndim - 2) + [(self.above, self.below), (self.left, self.right)]
        return np.pad(maps, around, mode="edge")

    def crop(self, x: Tensor) -> Tensor:
        """(..., H, W) without it."""
        return x[..., self.above : self.above + self.height, self.left : self.left + self.width]
