"""Several training sets mixed: which triplet of which set stands at a position, a pure function of (seed, position)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.order import Drawn

_PURPOSE = 2  # keeps these streams apart from others that are keyed by the seed


@dataclass(frozen=True)
class Mixture:
    """`sizes` are the sets' numbers of triplets, `weights` how often each set is drawn, in any unit; `batch` is the
    global batch. Sets and triplets are drawn with replacement, so that there are no epochs: all positions are of the
    first."""

    sizes: tuple[int, ...]
    weights: tuple[float, ...]
    batch: int
    seed: int

    def at(self, position: int) -> Drawn:
        """What stands at `position`, counted over the whole training."""
        key, counter = np.array([self.seed, 0], np.uint64), np.array([0, 0, _PURPOSE, position], np.uint64)
        which, where = np.random.Generator(np.random.Philox(key=key, counter=counter)).random(2)
        number = int(np.searchsorted(_shares(self.weights), which, side="right"))
        return Drawn(epoch=0, index=int(where * self.sizes[number]), set=number, stream=position)


@functools.lru_cache(maxsize=2)
def _shares(weights: tuple[float, ...]) -> NDArray[np.float64]:
    """Upper ends of the stretches of [0, 1) that stand for the sets; the last is 1."""
    ends = np.cumsum(weights, dtype=np.float64)
    shares: NDArray[np.float64] = ends / ends[-1]
    return shares
