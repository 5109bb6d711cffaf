"""What a mask source is, and the one that needs no evidence: everything is one region."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class MaskSource(ABC):
    """Label maps of a pair of frames."""

    @abstractmethod
    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """M0, M1 as (2, H, W) for RGB frames (H, W, 3): equal labels name the same target in both frames,
        0 is everything else. Depends on nothing but the two frames and the source's options."""


class Global(MaskSource):
    """All-zero maps: one region, that is, global attention (paper, Table 3, "Case 1")."""

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        return np.zeros((2, *img0.shape[:2]), np.uint16)
