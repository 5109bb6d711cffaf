"""The benchmark `ucf101`: the 379 triplets that Liu et al., 2017, chose from it."""

from __future__ import annotations

from typing import ClassVar

from harness.data.benchmark import Triplet
from harness.data.imageset import ImageSet, Sample, folders_in
from harness.data.roots import find_root


class UCF101(ImageSet):
    """379 triplets of 256x256, t = 1/2, each a clip of its own.

    root     the folder `ucf101_interp_ours`; see `harness.data.roots` for where it is looked for
    partial  allows triplets to be missing
    """

    size = (256, 256)
    totals: ClassVar = {"test": 379}

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        folder = find_root("ucf101", root)
        samples = [
            Sample(
                Triplet(name, clip=name, level="test", frames=(0, 1, 2)),
                (f"{name}/frame_00.png", f"{name}/frame_01_gt.png", f"{name}/frame_02.png"),
            )
            for name in folders_in(folder)
        ]
        super().__init__(folder, samples, partial)
