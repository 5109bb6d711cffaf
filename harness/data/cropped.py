"""A benchmark of which only the middle of each frame is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Expected, Triplet
from harness.data.frames import frames_of
from harness.data.truth import Truth

if TYPE_CHECKING:
    from harness.data.leaks import Content


def cropped(benchmark: Benchmark, side: int | None) -> Benchmark:
    """With frames cut to the square of `side` pixels in their middle, a pixel nearer to the top and to the left where
    it cannot be the very middle; where a frame is smaller it stays whole. None for frames as they are."""
    return benchmark if side is None else Cropped(benchmark, side)


class Cropped(Benchmark):
    """Frames, labels, motion and occlusion, cut alike. A place outside the cut frame is not visible in it."""

    def __init__(self, whole: Benchmark, side: int) -> None:
        self.whole, self.side = whole, side
        self.levels, self.train, self.test, self.partial = whole.levels, whole.train, whole.test, whole.partial
        self.inputs = whole.inputs

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return np.moveaxis(self._cut(np.moveaxis(frames_of(self.whole, triplet), 3, 1)), 1, 3).copy()

    def digest(self, split: Literal["train", "test"]) -> str:
        return f"{self.whole.digest(split)} middle {self.side}"

    def truth(self, triplet: Triplet) -> Truth | None:
        known = self.whole.truth(triplet)
        if known is None:
            return None
        cut: dict[str, Any] = {field.name: self._cut(getattr(known, field.name)).copy() for field in fields(Truth)}
        for pair in ("01", "10", "_t0", "_t1"):
            cut[f"visible{pair}"] &= _ends_inside(cut[f"flow{pair}"])
        return Truth(**cut)

    def labels(self, triplet: Triplet) -> NDArray[np.uint16] | None:
        known = self.whole.labels(triplet)
        return None if known is None else self._cut(known).copy()

    def contents(self, split: Literal["train", "test"]) -> Sequence[Content]:
        return self.whole.contents(split)

    def files(self) -> Sequence[Expected]:
        return self.whole.files()

    def _cut(self, images: NDArray[Any]) -> NDArray[Any]:
        """Of images (..., H, W)."""
        height, width = images.shape[-2:]
        top, left = (max(length - self.side, 0) // 2 for length in (height, width))
        return images[..., top : top + self.side, left : left + self.side]


def _ends_inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether x + flow(x) of (2, H, W) lies between the pixels of the frame."""
    height, width = flow.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    x, y = columns + flow[0], rows + flow[1]
    inside: NDArray[np.bool_] = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside
