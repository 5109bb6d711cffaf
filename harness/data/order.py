"""The order of samples: a function of (seed, epoch), the same for any number of workers and after any restart."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What stands at a position of a training: triplet number `index` of the training set number `set`. No two of an
    epoch have the same `stream`, which the draws of its augmentation are keyed by."""

    epoch: int
    index: int
    set: int
    stream: int


@dataclass(frozen=True)
class Order:
    """The `size` triplets of one set in global batches of `batch`; what fills none at an epoch's end is left out."""

    size: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.size < self.batch:
            raise HarnessError(f"{self.size} training triplets do not fill one batch of {self.batch}")

    @property
    def steps_per_epoch(self) -> int:
        return self.size // self.batch

    def at(self, position: int) -> Drawn:
        """What stands at `position`, counted over the whole training."""
        epoch, within = divmod(position, self.steps_per_epoch * self.batch)
        index = int(permutation(self.seed, epoch, self.size)[within])
        return Drawn(epoch=epoch, index=index, set=0, stream=index)


@functools.lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """A shuffle of `size` items that depends on nothing but its arguments."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64))).permutation(size)
