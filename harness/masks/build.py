"""Making the label maps of many pairs: what is there is passed over, and what another process does is left to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.cache import writing
from harness.masks.cache import MaskCache
from harness.masks.claims import Claims

Read = Callable[[Any], NDArray[np.uint8]]
WAIT = 0.1  # seconds between looks at what another process has in hand


@dataclass(frozen=True)
class Pair:
    """Frames `first` and `last` of a clip; `triplet` is what the frames are read by."""

    clip: str
    first: int
    last: int
    triplet: Any


@dataclass(frozen=True)
class Made:
    """What became of a pair: the seconds that its maps took, and the bytes on disk; 0 where they were there."""

    seconds: float = 0.0
    size: int = 0


def pairs_of(triplets: Sequence[Any]) -> list[Pair]:
    """The pairs of frames of some triplets, each once; those of a clip together, so that they share what is known of
    a frame.

    Where triplets of several names are the same three frames of a clip, numbers do not tell frames apart, as in two
    folders of one name: such pairs are all kept, each under the id of its triplet."""
    unique = {(each.id, each.within or each.clip, each.frames): each for each in triplets}
    names = Counter((clip, frames) for _, clip, frames in unique)
    found = {
        (clip if names[clip, frames] == 1 else name, frames[0], frames[2]): each
        for (name, clip, frames), each in unique.items()
    }
    return [Pair(clip, first, last, found[clip, first, last]) for clip, first, last in sorted(found)]


def build(cache: MaskCache, pairs: Sequence[Pair], read: Read, stop: Callable[[], bool]) -> Iterator[Made]:
    """Make what is missing, and tell of each pair when its entry is there; `stop` is asked before each.

    Any number of processes may do this at once, on the same pairs or not. An entry that is damaged counts as missing.
    """
    with writing(cache.folder), Claims(cache.folder / "claims") as claims:
        left = list(pairs)
        while left:
            held: list[Pair] = []
            for pair in left:
                if stop():
                    return
                made = _one(cache, pair, read(pair.triplet)[[0, -1]], claims)
                if made is None:
                    held.append(pair)
                else:
                    yield made
            if len(held) == len(left):
                time.sleep(WAIT)
            left = held


def _one(cache: MaskCache, pair: Pair, frames: NDArray[np.uint8], claims: Claims) -> Made | None:
    """None where another process has the pair in hand."""
    if cache.read(*frames) is not None:
        return Made()
    file = cache.file(*frames)
    number = int(file.parent.name + file.stem[:13], 16)
    if not claims.claim(number):
        return None
    try:
        if cache.read(*frames) is not None:  # meanwhile
            return Made()
        started = time.perf_counter()
        cache.make(pair.clip, pair.first, pair.last, *frames)
        return Made(time.perf_counter() - started, file.stat().st_size)
    finally:
        claims.give_up(number)
