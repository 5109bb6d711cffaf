"""A benchmark as networks see it that take four frames: of each triplet I-1, I0, It, I1, I2, in order of time."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Expected, Triplet
from harness.data.beside import Beside
from harness.data.frames import frames_around, frames_of
from harness.data.imageset import ImageSet
from harness.errors import HarnessError
from harness.registry.blame import breach_of
from harness.registry.code import core

if TYPE_CHECKING:
    from harness.data.leaks import Content
    from harness.data.truth import Truth

log = logging.getLogger(__name__)


def seen_by(benchmark: Benchmark, inputs: int, label: str, split: Literal["train", "test"]) -> Benchmark:
    """As a network with so many inputs sees a split of it: as it is, or with the frames around those of each triplet.

    How many triplets of the split have none, and are left out, is said. Raises HarnessError where no triplet has them.
    """
    if inputs == 2:
        return benchmark
    beside = Beside(benchmark) if isinstance(benchmark, ImageSet) else None
    around = Around(beside or benchmark)
    whole, kept = (getattr(each, split) for each in (benchmark, around))
    if whole and not kept:
        such = f" (such as {beside.lacking(split)})" if beside else ""
        raise HarnessError(
            f"{label}: no {split} triplet has a frame before and one after its inputs{such}, and the network takes "
            "four: take a benchmark that has them, such as clips, layers or vimeo90k-septuplet, or a network of two "
            "(harness show NAME: inputs)"
        )
    if len(kept) < len(whole):
        log.warning(
            "%s: %d of %d %s triplets are left out: no frame of their shot is as far before and after the inputs as "
            "these are apart, and the network takes four",
            *(label, len(whole) - len(kept), len(whole), split),
        )
    return around


class Around(Benchmark):
    """The triplets that say where the frames around them are, and what is known of them; `read` gives five frames."""

    inputs = 4

    def __init__(self, whole: Benchmark) -> None:
        self.whole, self.partial = whole, whole.partial
        self.train, self.test = _kept(whole.train), _kept(whole.test)
        there = {triplet.level for triplet in self.test}
        self.levels = tuple(level for level in whole.levels if level in there)

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I-1, I0, It, I1, I2 as RGB (5, H, W, 3)."""
        three, around = frames_of(self.whole, triplet), frames_around(self.whole, triplet)
        if three.shape[1:] != around.shape[1:]:
            sizes = f"{three.shape[1:3]} and, before and after, {around.shape[1:3]}"
            raise breach_of("benchmark", self.whole, f"the frames of {triplet.level} {triplet.id} are of {sizes}")
        return np.concatenate([around[:1], three, around[1:]])

    def digest(self, split: Literal["train", "test"]) -> str:
        triplets = self.train if split == "train" else self.test
        places = "every" if triplets is getattr(self.whole, split) else [(t.level, t.id, t.around) for t in triplets]
        facts = [self.whole.digest(split), core("around"), places]
        return sha256(json.dumps(facts).encode()).hexdigest()

    def truth(self, triplet: Triplet) -> Truth | None:
        return self.whole.truth(triplet)

    def labels(self, triplet: Triplet) -> NDArray[np.uint16] | None:
        return self.whole.labels(triplet)

    def contents(self, split: Literal["train", "test"]) -> Sequence[Content]:
        return self.whole.contents(split)

    def files(self) -> Sequence[Expected]:
        return self.whole.files()


def _kept(triplets: Sequence[Triplet]) -> Sequence[Triplet]:
    """The same sequence where all have frames around them: some are drawn only when they are asked for."""
    kept = [triplet for triplet in triplets if triplet.around is not None]
    return triplets if len(kept) == len(triplets) else tuple(kept)
