"""PSNR of parts of a frame: inside and outside of masks, and by how far pixels move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.arrayfile import read_array, write_array
from harness.cache import cache_dir, writing
from harness.data.truth import Truth
from harness.masks.cache import MaskCache
from harness.masks.source import Known
from harness.metrics import motion
from harness.metrics.regional import MASK_COLUMNS, MOTION_COLUMNS, inside, regional_psnr


class Grouping(ABC):
    """A partition of a frame's pixels, the same for all arms. `columns` are the names of its groups' PSNR."""

    columns: tuple[str, ...]

    @abstractmethod
    def groups(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], truth: Truth | None) -> Tensor:
        """int64 (H, W), indices into `columns`, from the input frames (H, W, 3), and from what is known of them."""

    def psnr(self, frame: Tensor, truth: Tensor, groups: Tensor) -> Tensor:
        """One value a group, nan for one without pixels."""
        return regional_psnr(frame, truth, groups[None], len(self.columns))[0]


class ByMasks(Grouping):
    """Inside and outside of the masks of either input frame; of those of the middle frame where they are the truth."""

    columns = MASK_COLUMNS

    def __init__(self, masks: MaskCache) -> None:
        self.masks = masks

    def groups(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], truth: Truth | None) -> Tensor:
        if truth is not None and isinstance(self.masks.source, Known):
            return inside(truth.labels[1:2])
        return inside(self.masks.maps(img0, img1))


class ByMotion(Grouping):
    """By the length of the motion between the inputs: the true one at the middle frame; where nobody knows it, what is
    estimated once for each pair of frames and kept."""

    columns = MOTION_COLUMNS

    def groups(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], truth: Truth | None) -> Tensor:
        if truth is not None:
            return motion.true_bins(torch.from_numpy(truth.flow_t0), torch.from_numpy(truth.flow_t1))
        content = sha256(f"{motion.VERSION} {img0.shape} ".encode())
        for image in (img0, img1):
            content.update(np.ascontiguousarray(image).data)
        name = content.hexdigest()[:40]
        path = cache_dir() / "motion" / name[:2] / name[2:]
        magnitude = read_array(path)
        if magnitude is None:
            magnitude = motion.motion_magnitude(img0, img1)
            with writing(path.parent):
                write_array(path, magnitude)
        return motion.bins(magnitude, (img0.shape[0], img0.shape[1]))
