"""The benchmark `x4k1000fps`: X-TEST of Sim et al., 2021, eight times as many frames."""

from __future__ import annotations

from typing import ClassVar

from harness.data.benchmark import Triplet
from harness.data.imageset import ImageSet, Sample, folders_in
from harness.data.roots import find_root

STEP = 4
"""Frames 0 and 32 are the inputs, every fourth between them is to be made."""


class X4K1000FPS(ImageSet):
    """15 scenes of 4096x2160 with 7 triplets each: frames 0 and 32, and 4k between them, t = k/8.

    root     the folder with `test`, or with what is in it; see `harness.data.roots` for where it is looked for
    partial  allows scenes to be missing

    Scenes are all folders two levels down, whatever their names: 15 are published.
    """

    size = (4096, 2160)
    totals: ClassVar = {"8x": 15 * 7}

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        folder = find_root("x4k1000fps", root)
        top = "test/" if (folder / "test").is_dir() else ""
        types = [name for name in folders_in(folder / top) if name.lower().startswith("type")]
        scenes = [f"{kind}/{scene}" for kind in types for scene in folders_in(folder / top / kind)]
        samples = [
            Sample(
                Triplet(f"{scene}/{k * STEP:04d}", clip=scene, level="8x", frames=(0, k * STEP, 8 * STEP), t=k / 8),
                (
                    f"{top}{scene}/0000.png",
                    f"{top}{scene}/{k * STEP:04d}.png",
                    f"{top}{scene}/{8 * STEP:04d}.png",
                ),
            )
            for scene in scenes
            for k in range(1, 8)
        ]
        super().__init__(folder, samples, partial)
