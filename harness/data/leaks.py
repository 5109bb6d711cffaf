"""Clips that are for training and, under another name or in another file, for testing too: found by their frames.

Two clips are equal where most frames of the shorter have the very pixels of a frame of the other. They are nearly equal
where most frames of the shorter have a print near to that of a frame of the other: re-encoded, scaled, trimmed, or of
the same place by the same camera.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.prints import Prints, found
from harness.errors import HarnessError

SHARE = 0.5
"""Of the frames of the shorter clip: more than that are found in the other."""

MOST = 100
"""Frames of the shorter clip that are looked for by their print, evenly spread; they are looked for in all of the
other's. Pixels are compared of all."""

NAMED = 5
"""Pairs of clips that are named in one warning; of more, how many there are."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """What is known of the frames of a clip that are in use.

    shots   the first and the last of each, by their numbers in the clip
    sums    hashes of their pixels
    prints  (N,) of those that have contrast enough for one (`harness.data.prints`)
    """

    name: str
    shots: tuple[tuple[int, int], ...]
    sums: frozenset[str]
    prints: Prints


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Two clips by their names, and the share of the shorter one's frames that are in the other: by their pixels where
    they are `equal`, else by their prints."""

    train: str
    test: str
    equal: bool
    share: float


def leaks(train: Sequence[Content], test: Sequence[Content]) -> Iterator[Leak]:
    """Clips for testing that are equal or nearly equal to one for training."""
    for ours in test:
        for theirs in train:
            equal = len(ours.sums & theirs.sums) / max(1, min(len(ours.sums), len(theirs.sums)))
            share = equal if equal > SHARE else _near(*sorted((ours.prints, theirs.prints), key=len))
            if share > SHARE:
                yield Leak(train=theirs.name, test=ours.name, equal=equal > SHARE, share=share)


def _near(shorter: Prints, longer: Prints) -> float:
    if not len(shorter):
        return 0.0
    at = np.linspace(0, len(shorter) - 1, min(len(shorter), MOST)).round().astype(int)
    return float(found(shorter[at], longer).mean())


def check(
    train: Sequence[Content], test: Sequence[Content], *, where: str = "", trained: str = "", tested: str = ""
) -> None:
    """Raises HarnessError for the first two that are equal, and warns once of all that are nearly equal. Messages
    begin with `where`; `trained` and `tested` say whose clips they are, where they are not one benchmark's."""
    whose_train, whose_test = (f" of {name}" if name else "" for name in (trained, tested))
    near = []
    for leak in leaks(train, test):
        if leak.equal:
            raise HarnessError(
                f"{where}clip {leak.test}{whose_test}, for testing, has the very frames of clip "
                f"{leak.train}{whose_train}, for training ({leak.share:.0%} of the shorter one's); remove one"
            )
        near.append(f"{leak.test} nearly equals {leak.train} ({leak.share:.0%})")
    if near:
        more = f", and {len(near) - NAMED} more" if len(near) > NAMED else ""
        log.warning(
            "%sclips for testing%s show what clips for training%s show, by this share of the shorter one's frames: %s%s"
            "; remove one of each, unless they are different takes",
            *(where, whose_test, whose_train, ", ".join(near[:NAMED]), more),
        )
