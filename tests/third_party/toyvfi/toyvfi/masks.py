"""A toy mask source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness import HarnessError
from harness.masks import MaskSource


class ToyHalves(MaskSource):
    """Label 1 where a pixel is brighter than `level`, else 0: the same rule in both frames, so labels correspond.

    level   0 to 255, against the mean of red, green and blue
    """

    def __init__(self, *, level: int = 128) -> None:
        if not 0 <= level <= 255:
            raise HarnessError(f"toy-halves: level={level} is not in 0 to 255")
        self.level = level

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """M0, M1 (2, H, W) of RGB frames (H, W, 3)."""
        bright: NDArray[np.bool_] = np.stack([img0, img1]).mean(-1) > self.level
        return bright.astype(np.uint16)
