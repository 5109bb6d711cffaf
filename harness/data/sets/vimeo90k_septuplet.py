"""The benchmark `vimeo90k-septuplet`: the septuplet data set of Xue et al., 2019, as networks of four inputs use it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.benchmark import Expected, Triplet
from harness.data.imageset import ImageSet, Sample, lines_of, present
from harness.data.roots import find_root
from harness.errors import HarnessError

LISTS = {"train": "sep_trainlist.txt", "test": "sep_testlist.txt"}
INPUTS, OUTER = (3, 4, 5), (1, 7)
"""Images of a septuplet: I0, It, I1, and those around them. The second and the sixth are not used."""


class Vimeo90KSeptuplet(ImageSet):
    """64,612 septuplets to train on, and 7,824 to test on, as listed; 448x256, t = 1/2: `im4` is to be made.

    root     the folder with the lists and `sequences`; see `harness.data.roots` for where it is looked for
    partial  allows septuplets to be missing

    Networks of four inputs see `im1`, `im3`, `im5` and `im7`, as FLAVR and those after it do, networks of two `im3` and
    `im5`: a septuplet of which any of these is not there is missing for both. Either split may be absent. A septuplet's
    clip is the first folder of its path, of which all are related.
    """

    size = (448, 256)
    totals: ClassVar = {"train": 64_612, "test": 7_824}

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        folder = find_root("vimeo90k-septuplet", root)
        if not any((folder / name).exists() for name in LISTS.values()):
            raise HarnessError(f"{folder}: neither {' nor '.join(LISTS.values())} in it; copy the data set's lists")
        samples = list(_samples(folder))
        there = present(folder, (file for sample in samples for file in _outer(sample)))
        whole = [sample for sample in samples if there.issuperset(_outer(sample))]
        levels = {sample.triplet.level for sample in whole}
        listed = [sample for sample in samples if sample.triplet.level in levels]
        self._used = tuple(file for sample in listed for file in (*sample.files, *_outer(sample)))
        missing = [file for sample in listed for file in _outer(sample) if file not in there]
        super().__init__(folder, whole, partial, missing)

    def files(self) -> Sequence[Expected]:
        """Every file of the splits that are there, and those that are missing, but for those that are not used."""
        return [Expected(self.root / file, self.size) for file in self._used]


def _samples(folder: Path) -> Iterator[Sample]:
    for level, name in LISTS.items():
        if not (folder / name).exists():
            continue
        for where, line in lines_of(folder / name):
            if not re.fullmatch(r"\w+/\w+", line):
                raise HarnessError(f"{where}: '{line}' is no septuplet; a line is a path such as 00001/0389")
            triplet = Triplet(line, clip=line.partition("/")[0], level=level, frames=INPUTS, within=line)
            first, middle, last = (f"sequences/{line}/im{number}.png" for number in INPUTS)
            yield Sample(triplet, (first, middle, last), where)


def _outer(sample: Sample) -> tuple[str, ...]:
    return tuple(f"sequences/{sample.triplet.id}/im{number}.png" for number in OUTER)
