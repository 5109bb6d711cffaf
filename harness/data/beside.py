"""Frames that lie on disk beside those of a triplet: what sets of images have for networks that take four."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Expected, Triplet
from harness.data.contents import contents
from harness.data.images import read_image
from harness.data.imageset import ImageSet, present

if TYPE_CHECKING:
    from harness.data.leaks import Content

NUMBERED = re.compile(r"(.*?)([0-9]+)(\.\w+)")
"""Path of a frame: what is before its number, the number, the suffix."""


class Beside(Benchmark):
    """A set of images whose triplets say where I-1 and I2 are: as far before I0 and after I1 as these are apart, by the
    numbers that their names end with. `000016.png` and `000018.png` have `000014.png` and `000020.png` around them.

    That the files of a folder are one shot, evenly spaced, is what the set says. A triplet of which either is not there
    has none around it. Networks of two inputs see the set itself, whose digest knows nothing of these files.
    """

    def __init__(self, whole: ImageSet) -> None:
        self.whole, self.levels, self.partial = whole, whole.levels, whole.partial
        self._files: dict[tuple[str, str], tuple[str, str]] = {}
        possible = {key: (_paths(files, -1), _paths(files, 2)) for key, files in whole._files.items()}
        there = present(whole.root, (path for both in possible.values() for paths in both for path in paths))
        for key, both in possible.items():
            before, after = ([path for path in paths if path in there] for paths in both)
            if before and after:
                self._files[key] = before[0], after[0]
        self.train, self.test = (tuple(map(self._placed, triplets)) for triplets in (whole.train, whole.test))

    def _placed(self, triplet: Triplet) -> Triplet:
        first, _, last = triplet.frames
        there = (triplet.level, triplet.id) in self._files
        return replace(triplet, around=(2 * first - last, 2 * last - first)) if there else triplet

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return self.whole.read(triplet)

    def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I-1, I2 as RGB (2, H, W, 3), of the size of I0. Raises HarnessError naming a file that is no such image, and
        KeyError for a triplet without them."""
        whole, key = self.whole, (triplet.level, triplet.id)
        size = whole.size
        if size is None:
            height, width, _ = read_image(whole.root / whole._files[key][0]).shape
            size = width, height
        return np.stack([whole.view(read_image(whole.root / file, size), triplet) for file in self._files[key]])

    def digest(self, split: Literal["train", "test"]) -> str:
        """sha256 over the set's own, and what is in the files around its triplets."""
        keys = [(each.level, each.id) for each in (self.train if split == "train" else self.test)]
        files = {key: self._files[key] for key in keys if key in self._files}
        sums = contents(self.whole.root, (file for both in files.values() for file in both))
        rows = sorted((*key, *(sums[file] for file in both)) for key, both in files.items())
        return sha256(json.dumps([self.whole.digest(split), rows]).encode()).hexdigest()

    def contents(self, split: Literal["train", "test"]) -> Sequence[Content]:
        return self.whole.contents(split)

    def files(self) -> Sequence[Expected]:
        return self.whole.files()

    def lacking(self, split: Literal["train", "test"]) -> str:
        """Which files would have to be there, by the first triplet of a split: `im-1.png and im5.png beside ...`."""
        first = (self.whole.train if split == "train" else self.whole.test)[0]
        own = self.whole._files[first.level, first.id]
        needed = [paths[0].rpartition("/")[2] for at in (-1, 2) if (paths := _paths(own, at))]
        return f"{' and '.join(needed) or 'numbered files'} beside {own[0]}"


def _paths(files: tuple[str, str, str], at: int) -> tuple[str, ...]:
    """The paths that the frame may have which is at -1 or 2, where I0 is at 0 and I1 at 1: its number with as many
    leading zeros as may be, down to none. Empty where these two are not numbered alike."""
    first, last = (NUMBERED.fullmatch(path) for path in files[::2])
    if not (first and last) or (first[1], first[3]) != (last[1], last[3]):
        return ()
    start, end = int(first[2]), int(last[2])
    number = start + at * (end - start)
    texts = dict.fromkeys(f"{number:0{width}d}" for width in range(len(first[2]), 0, -1))
    return tuple(f"{first[1]}{text}{first[3]}" for text in texts)
