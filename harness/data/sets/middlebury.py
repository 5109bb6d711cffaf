"""The benchmark `middlebury`: the OTHER set of Baker et al., 2011."""

from __future__ import annotations

from typing import ClassVar

from harness.data.benchmark import Triplet
from harness.data.imageset import ImageSet, Sample
from harness.data.roots import find_root

SEQUENCES = (
    *("Beanbags", "Dimetrodon", "DogDance", "Grove2", "Grove3", "Hydrangea"),
    *("MiniCooper", "RubberWhale", "Urban2", "Urban3", "Venus", "Walking"),
)


class Middlebury(ImageSet):
    """The 12 sequences that have a true middle frame, of up to 640x480, t = 1/2: frames 10 and 11, and `frame10i11`.

    root     the folder with `other-data` and `other-gt-interp`; see `harness.data.roots` for where it is looked for
    partial  allows sequences to be missing
    """

    totals: ClassVar = {"test": len(SEQUENCES)}

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        samples = [
            Sample(
                Triplet(name, clip=name, level="test", frames=(0, 1, 2)),
                (
                    f"other-data/{name}/frame10.png",
                    f"other-gt-interp/{name}/frame10i11.png",
                    f"other-data/{name}/frame11.png",
                ),
            )
            for name in SEQUENCES
        ]
        super().__init__(find_root("middlebury", root), samples, partial)
