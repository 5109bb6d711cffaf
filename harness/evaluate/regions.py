"""PSNR of parts of a frame: inside and outside of masks, and by how far pixels move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import sha256
from typing import Any

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
    def read(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], truth: Truth | None) -> NDArray[np.generic]:
        """What the groups follow from, of the input frames (H, W, 3) and of what is known of them. Called by a thread
        that reads ahead: without torch, see `harness.evaluate.runner.Sample`."""

    @abstractmethod
    def groups(self, found: NDArray[Any], size: tuple[int, int]) -> Tensor:
        """int64 (H, W) of that `size`, indices into `columns`, from what `read` gave."""

    def psnr(self, frame: Tensor, truth: Tensor, groups: Tensor) -> Tensor:
        """One value a group, nan for one without pixels."""
        return regional_psnr(frame, truth, groups[None], len(self.columns))[0]


class ByMasks(Grouping):
    """Inside and outside of the masks of either input frame; of those of the middle frame where they are the truth."""

    columns = MASK_COLUMNS

    def __init__(self, masks: MaskCache) -> None:
        self.masks = masks

    def read(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], truth: Truth | None) -> NDArray[np.generic]:
        """Label maps, (1, H, W) or (2, H, W)."""
        if truth is not None and isinstance(self.masks.source, Known):
            return truth.labels[1:2]
        return self.masks.maps(img0, img1)

    def groups(self, found: NDArray[Any], size: tuple[int, int]) -> Tensor:
        return inside(found)


class ByMotion(Grouping):
    """By the length of the motion between the inputs: the true one at the middle frame; where nobody knows it, what is
    estimated once for each pair of frames and kept."""

    columns = MOTION_COLUMNS

    def read(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], truth: Truth | None) -> NDArray[np.generic]:
        """The true flows (2, 2, H, W), or a magnitude (h, w)."""
        if truth is not None:
            return np.stack([truth.flow_t0, truth.flow_t1])
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
        return magnitude

    def groups(self, found: NDArray[Any], size: tuple[int, int]) -> Tensor:
        return motion.true_bins(*torch.from_numpy(found)) if found.ndim == 4 else motion.bins(found, size)
