"""SLIC over a pair of frames as a volume of two layers: a label means the same in both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import slic

from harness import HarnessError
from harness.masks import MaskSource

REDUCE = 4
"""Labels are made at a quarter of the size, still well above the features' stride of 16."""


class Supervoxel(MaskSource):
    """Regions that are alike in colour and place in both frames.

    segments     how many to aim at, 1 to 65535
    compactness  weight of place against colour (CIELAB), above 0: higher means squarer and less able to follow motion
    spacing      distance in time between the frames, in pixels of the reduced frames, above 0: small, so that
                 a region goes on in the other frame
    """

    def __init__(self, *, segments: int = 24, compactness: float = 10.0, spacing: float = 1.0) -> None:
        if not 1 <= segments <= 65535:
            raise HarnessError(f"supervoxel: segments={segments} is not in 1 to 65535")
        if not (compactness > 0 and spacing > 0):
            raise HarnessError(f"supervoxel: compactness={compactness} and spacing={spacing} must be above 0")
        self.segments, self.compactness, self.spacing = segments, compactness, spacing

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """M0, M1 (2, H, W), labels from 0 without gaps, for RGB frames (H, W, 3) of the same size."""
        if img0.shape != img1.shape:
            raise HarnessError(f"supervoxel: frames differ in size: {img0.shape} and {img1.shape}")
        height, width = img0.shape[:2]
        volume = np.stack([_reduced(img0), _reduced(img1)])
        found = slic(
            volume,
            n_segments=self.segments,
            compactness=self.compactness,
            spacing=(self.spacing, 1, 1),
            max_num_iter=5,
            convert2lab=True,
            enforce_connectivity=False,
            start_label=0,
            channel_axis=-1,
        )
        _, dense = np.unique(found, return_inverse=True)
        labels = dense.reshape(found.shape).astype(np.uint16)
        rows = np.arange(height) * labels.shape[1] // height
        columns = np.arange(width) * labels.shape[2] // width
        return labels[:, rows][:, :, columns]


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of squares of REDUCE pixels, 0 to 1; frames smaller than a square stay as they are."""
    step = REDUCE if min(image.shape[:2]) >= REDUCE else 1
    height, width = (side // step for side in image.shape[:2])
    total = np.zeros((height, width, 3), np.float32)
    for y in range(step):
        for x in range(step):
            total += image[y : height * step : step, x : width * step : step]
    total /= 255 * step**2
    return total
