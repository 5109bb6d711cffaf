"""What the masks of many pairs have in common: how many, how much they leave, which tags."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from harness.masks.source import Masks


@dataclass
class Stats:
    """pairs      that were added
    regions    of a pair, the rest not counted: one number a pair
    uncovered  share of both frames' pixels with label 0: one number a pair
    tags       pairs that have the tag; dropped: pairs that had to drop it, by "tag: reason"
    """

    pairs: int = 0
    regions: list[int] = field(default_factory=list)
    uncovered: list[float] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, masks: Masks) -> None:
        self.pairs += 1
        self.regions.append(int(np.count_nonzero(np.unique(masks.maps))))
        self.uncovered.append(float((masks.maps == 0).mean()))
        self.tags.update(masks.tags)
        self.dropped.update(masks.dropped)
