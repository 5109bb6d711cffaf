"""The benchmark `vimeo90k`: the triplet data set of Xue et al., 2019."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from harness.data.benchmark import Triplet
from harness.data.imageset import ImageSet, Sample, lines_of
from harness.data.roots import find_root
from harness.errors import HarnessError

LISTS = {"train": "tri_trainlist.txt", "test": "tri_testlist.txt"}


class Vimeo90K(ImageSet):
    """51,313 triplets to train on, as listed (papers write 51,312), and 3,782 to test on; 448x256, t = 1/2.

    root     the folder with the lists and `sequences`; see `harness.data.roots` for where it is looked for
    partial  allows triplets to be missing

    Either split may be absent. A triplet's clip is the first folder of its path, of which all triplets are related.
    """

    size = (448, 256)
    totals: ClassVar = {"train": 51_313, "test": 3_782}

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        folder = find_root("vimeo90k", root)
        if not any((folder / name).exists() for name in LISTS.values()):
            raise HarnessError(f"{folder}: neither {' nor '.join(LISTS.values())} in it; copy the data set's lists")
        # the test set that RIFE's authors hand out has its frames in `target`
        images = "sequences" if (folder / "sequences").is_dir() else "target"
        super().__init__(folder, list(_samples(folder, images)), partial)


def _samples(folder: Path, images: str) -> Iterator[Sample]:
    for level, name in LISTS.items():
        if not (folder / name).exists():
            continue
        for where, line in lines_of(folder / name):
            if not re.fullmatch(r"\w+/\w+", line):
                raise HarnessError(f"{where}: '{line}' is no triplet; a line is a path such as 00001/0389")
            triplet = Triplet(line, clip=line.partition("/")[0], level=level, frames=(1, 2, 3), within=line)
            first, middle, last = (f"{images}/{line}/im{number}.png" for number in triplet.frames)
            yield Sample(triplet, (first, middle, last), where)
