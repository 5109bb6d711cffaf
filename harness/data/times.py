"""When frames are shown, and which frame is the middle of two others: in whole numbers and fractions, never rounded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

MIDDLE = Fraction(1, 2)
TOLERANCE = Fraction(1, 50)
"""A frame is the middle of two where t is so close to 1/2. Cameras that drop nothing stay within: their stamps jitter
by a millisecond. One dropped capture between the frames moves t by 1/34 or more, up to 8 frames on either side."""

ROUNDING = 2
"""Ticks of the container that even stamps may be off by, all in all: one since it rounds, one for a container before it
that did. At 30 frames a second in milliseconds, that is 1/16 of the distance of two frames."""

EIGHTH = Fraction(1, 8)
"""Of the distance of two frames: so much may even stamps be off at most, however long a tick is. A dropped capture is
never less than a half."""


def times_of(stamps: Sequence[int | None]) -> tuple[int, ...]:
    """When frames are shown, ascending, in whatever unit: frames are counted where stamps are even; else the stamps.

    stamps   in the order of showing, in ticks of the container; None where it states none

    Even are those that a straight line explains, but for what containers round: 29.97 frames a second are 33 or 34
    milliseconds apart. Stamps that tell nothing (`tell`) are taken for even.
    """
    known = [stamp for stamp in stamps if stamp is not None]
    return tuple(known) if tell(stamps) and not _even(known) else tuple(range(len(stamps)))


def tell(stamps: Sequence[int | None]) -> bool:
    """Whether each frame has a stamp, later than that of the frame before. Raw streams have none."""
    known = [stamp for stamp in stamps if stamp is not None]
    return len(known) == len(stamps) and all(a < b for a, b in pairwise(known))


def _even(stamps: Sequence[int]) -> bool:
    """Of ascending stamps. The line is that of the least squares: rounding at the ends does not turn it."""
    count = len(stamps)
    if count < 3:
        return True
    places = [2 * i - count + 1 for i in range(count)]  # twice those from the middle
    rise = Fraction(sum(map(int.__mul__, places, stamps)), sum(map(int.__mul__, places, places)))  # of half a place
    off = [stamp * rise.denominator - place * rise.numerator for stamp, place in zip(stamps, places, strict=True)]
    return Fraction(max(off) - min(off), rise.denominator) <= min(Fraction(ROUNDING), 2 * rise * EIGHTH)


def time_step(first: int, middle: int, last: int) -> Fraction:
    """t of a frame between two others, by their times: exactly 1/2 where it is as close to that as TOLERANCE says."""
    whole = last - first  # in whole numbers, since fractions are slow, and a set has thousands of triplets
    off = abs(2 * (middle - first) - whole) * TOLERANCE.denominator
    return MIDDLE if whole and off <= 2 * abs(whole) * TOLERANCE.numerator else Fraction(middle - first, whole)
