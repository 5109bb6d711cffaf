# mypy: ignore-errors
"""Mask sources with one mistake each. `RightHalves` has none."""

from __future__ import annotations

import numpy as np

from harness.masks import MaskSource


class RightHalves(MaskSource):
    """Label 1 where a pixel is bright and red."""

    def label_maps(self, img0, img1):
        return (np.stack([img0, img1])[..., 0] > 200).astype(np.uint16)


class DrawsLabels(RightHalves):
    def __init__(self):
        self.draw = np.random.default_rng()

    def label_maps(self, img0, img1):
        return super().label_maps(img0, img1) + self.draw.integers(0, 2, (1, *img0.shape[:2])).astype(np.uint16)


class OneMap(RightHalves):
    def label_maps(self, img0, img1):
        return super().label_maps(img0, img1)[:1]


class FirstFrameOnly(RightHalves):
    def label_maps(self, img0, img1):
        return super().label_maps(img0, img0)


class LabelsOfTheirOwn(RightHalves):
    """The second frame's labels are numbered on."""

    def label_maps(self, img0, img1):
        maps = super().label_maps(img0, img1)
        maps[1] += 2
        return maps


class WrongType(RightHalves):
    def label_maps(self, img0, img1):
        return super().label_maps(img0, img1).astype(np.int64)


class SwappedSides(RightHalves):
    def label_maps(self, img0, img1):
        return super().label_maps(img0, img1).transpose(0, 2, 1)


class MasksInPlace(RightHalves):
    def label_maps(self, img0, img1):
        img0 //= 2
        return super().label_maps(img0, img1)


class SeedsNumpy(RightHalves):
    def label_maps(self, img0, img1):
        np.random.seed(0)
        return super().label_maps(img0, img1)
