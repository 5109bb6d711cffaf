"""The benchmarks `xiph-2k` and `xiph-4k`: eight Netflix clips of the Xiph collection, as Niklaus and Liu use them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Triplet
from harness.data.images import centre, halved
from harness.data.imageset import ImageSet, Sample
from harness.data.roots import find_root

CLIPS = (
    *("BoxingPractice", "Crosswalk", "DrivingPOV", "FoodMarket"),
    *("FoodMarket2", "RitualDance", "SquareAndTimelapse", "Tango"),
)
FRAMES = 99
"""Of a clip's first 100 frames, numbered from 1: odd ones are inputs, even ones are to be made, 49 a clip."""


class _Xiph(ImageSet):
    name: ClassVar[str]
    size = (4096, 2160)
    totals: ClassVar = {"test": len(CLIPS) * (FRAMES // 2)}

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        folder = find_root(self.name, root)
        mark = "/" if any((folder / clip).is_dir() for clip in CLIPS) else "-"
        samples = [
            Sample(
                Triplet(f"{clip}/{number:03d}", clip=clip, level="test", frames=(number - 1, number, number + 1)),
                (
                    f"{clip}{mark}{number - 1:03d}.png",
                    f"{clip}{mark}{number:03d}.png",
                    f"{clip}{mark}{number + 1:03d}.png",
                ),
            )
            for clip in CLIPS
            for number in range(2, FRAMES, 2)
        ]
        super().__init__(folder, samples, partial)


class Xiph2K(_Xiph):
    """8 x 49 triplets, t = 1/2, of 4096x2160 halved to 2048x1080 by the means of 2x2 pixels.

    root     the folder with the frames of all clips, `Tango-001.png` or `Tango/001.png`; see `harness.data.roots` for
             where it is looked for
    partial  allows triplets to be missing
    """

    name = "xiph-2k"

    def view(self, frame: NDArray[np.uint8], triplet: Triplet) -> NDArray[np.uint8]:
        return halved(frame)


class Xiph4K(_Xiph):
    """8 x 49 triplets, t = 1/2: the middle 2048x1080 of 4096x2160.

    root     the folder with the frames of all clips, `Tango-001.png` or `Tango/001.png`; see `harness.data.roots` for
             where it is looked for
    partial  allows triplets to be missing
    """

    name = "xiph-4k"

    def view(self, frame: NDArray[np.uint8], triplet: Triplet) -> NDArray[np.uint8]:
        return centre(frame, (frame.shape[1] // 2, frame.shape[0] // 2))
