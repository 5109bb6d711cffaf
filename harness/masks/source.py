"""What a mask source is, and the two that look at no frame: everything is one region, and what the benchmark knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError


@dataclass(frozen=True)
class Masks:
    """Label maps of a pair of frames.

    maps     (2, H, W): M0, M1; equal labels name the same target in both frames, 0 is everything else
    tags     name of label i + 1, where the source has names
    dropped  "tag: reason" of tags that were seen and left out
    """

    maps: NDArray[np.uint16]
    _: KW_ONLY
    tags: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def maps_hash(maps: NDArray[np.integer] | None) -> str:
    """16 hexadecimal digits over label maps (2, H, W) and their shape, whatever their type; "none" for none."""
    if maps is None:
        return "none"
    digest = sha256(f"{maps.shape} ".encode())
    digest.update(maps.astype("<u2").tobytes())
    return digest.hexdigest()[:16]


class MaskSource(ABC):
    """Label maps of a pair of frames. Cheap to build and to pickle: weights are loaded at the first pair."""

    @abstractmethod
    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16] | Masks:
        """M0, M1 as (2, H, W), or with names of the labels, for RGB frames (H, W, 3). Depends on nothing but the two
        frames and the source's options."""

    def maps_of(
        self, clip: str, first: int, last: int, img0: NDArray[np.uint8], img1: NDArray[np.uint8]
    ) -> NDArray[np.uint16] | Masks:
        """The same where it is known whose frames they are: numbers `first` and `last` of a benchmark's clip,
        or of the triplet where its numbers are its own, as in Vimeo90K.
        `harness masks build` asks this."""
        return self.label_maps(img0, img1)

    def content(self) -> str:
        """Hash of what decides the maps besides options, weights and frames, such as files that a user brings."""
        return ""

    def to(self, device: str) -> None:  # noqa: B027  (most have nothing to move)
        """Compute on that device from now on: "cpu", "cuda", "cuda:1". It decides no mask, so it is no option."""


class Global(MaskSource):
    """All-zero maps: one region, that is, global attention (paper, Table 3, "Case 1")."""

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        return np.zeros((2, *img0.shape[:2]), np.uint16)


class Known(MaskSource):
    """The label maps that the benchmark itself knows, as one that draws its own frames does. Frames alone do not tell
    them: `harness.data.known.masks_of` asks the benchmark."""

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Raises HarnessError: no frame tells whose it is."""
        raise HarnessError("masks truth: they are the benchmark's own, and frames alone do not tell them")
