"""The three parts of a mask pipeline; each can be replaced on its own (paper, A.3: RAM, Grounding DINO, HQ-SAM).

A part is cheap to build and to pickle: it loads its weights when it is first asked for something.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """Where a tag was found: x0, y0, x1, y1 in pixels of the frame, x0 < x1 and y0 < y1; `score` in [0, 1]."""

    tag: str
    box: tuple[float, float, float, float]
    score: float


class Part(ABC):  # noqa: B024  (what there is to do differs by part)
    """What all three have in common."""

    def to(self, device: str) -> None:  # noqa: B027  (a part that runs on the CPU alone has nothing to do)
        """Compute on that device from now on: "cpu", "cuda", "cuda:1". It decides no mask, so it is no option."""


class Tagger(Part):
    """Names what is in a frame."""

    @abstractmethod
    def tags(self, image: NDArray[np.uint8]) -> list[str]:
        """Tags of an RGB frame (H, W, 3), in any order. None at all is fine."""


class Detector(Part):
    """Finds tags in a frame. One with `own_vocabulary` finds what it knows and needs no tagger."""

    own_vocabulary = False

    @abstractmethod
    def detect(self, image: NDArray[np.uint8], tags: list[str] | None) -> list[Box]:
        """Boxes in an RGB frame (H, W, 3); several of one tag are fine. `tags` is None where there is no tagger."""


class Segmenter(Part):
    """Cuts out what is in a box."""

    @abstractmethod
    def segment(self, image: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.bool_]:
        """A mask for each box (len(boxes), H, W) of an RGB frame (H, W, 3)."""
