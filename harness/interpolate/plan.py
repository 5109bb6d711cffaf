"""Which frame is shown at what moment, and what it is made of: pure functions of exact numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, pairwise

from harness.data.times import MIDDLE, ROUNDING, TOLERANCE, tell, times_of
from harness.errors import HarnessError

COPIES = 4
"""Frames in a row that may be copies of one; of more the picture stands still, and is shown as it is."""

FINEST = 64
"""Parts of a gap that a network for the middle alone is asked for, one half after the other."""


@dataclass(frozen=True)
class Wanted:
    """The frame to be shown at `at` seconds for `long`: at t, 0 <= t < 1, between the frames `first` and `last` of the
    source, counted from 0. At t = 0 it is `first` itself, and `last` too is that."""

    at: Fraction
    long: Fraction
    first: int
    last: int
    t: Fraction


def moments(stamps: Sequence[int | None], tick: Fraction, rates: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """When each frame of the source is shown, in seconds, ascending.

    stamps  in ticks of the container; None where it states none
    tick    in seconds
    rates   frames a second that the source states, the best first: at least one

    Even stamps are counted, as in `harness.data.times`, by the first rate that explains them all to within what
    containers round, or by their own; others are taken as they are; what tells nothing goes by the first rate.
    """
    count = len(stamps)
    if not tell(stamps):
        return tuple(i / rates[0] for i in range(count))
    known = [stamp for stamp in stamps if stamp is not None]
    if times_of(stamps) != tuple(range(count)):
        return tuple(stamp * tick for stamp in known)
    lasts = (known[-1] - known[0]) * tick
    explaining = [rate for rate in rates if abs((count - 1) / rate - lasts) <= ROUNDING * tick]
    rate = explaining[0] if explaining else (count - 1) / lasts if count > 1 else rates[0]
    return tuple(known[0] * tick + i / rate for i in range(count))


def multiplied(shown: Sequence[Fraction], end: Fraction, times: int, held: bool = True) -> tuple[Fraction, ...]:
    """Moments of the output: each frame of the source and `times` - 1 more, evenly spaced, before the next. Before the
    `end` there are as many after the last one, which is then held; else it is the last."""
    found = [
        before + (after - before) * part / times for before, after in pairwise((*shown, end)) for part in range(times)
    ]
    return tuple(found if held else found[: len(found) - times + 1])


def regular(start: Fraction, end: Fraction, fps: Fraction) -> tuple[Fraction, ...]:
    """Moments of so many frames a second, from `start` on and before `end`."""
    count = -int(-(end - start) * fps // 1)  # rounded up
    return tuple(start + i / fps for i in range(count))


def anchors(rows: int, copies: Set[int], cuts: Set[int]) -> tuple[int, ...]:
    """Frames of the source that others are made from: all but copies, of which there are at most COPIES in a row. A
    frame that begins a shot is none."""
    replaced: set[int] = set()
    for _, group in groupby(enumerate(sorted(copies - cuts)), lambda each: each[1] - each[0]):
        run = [row for _, row in group]
        if len(run) <= COPIES:
            replaced.update(run)
    return tuple(row for row in range(rows) if row == 0 or row not in replaced)


def placed(
    at: Sequence[Fraction],
    end: Fraction,
    shown: Sequence[Fraction],
    used: Sequence[int],
    copies: Set[int],
    cuts: Set[int],
) -> tuple[Wanted, ...]:
    """What is shown at each moment of the output, the first of which is that of the first frame.

    shown   moments of the source's frames
    used    frames that others are made from, ascending, the first among them (`anchors`)
    copies  frames that show nothing new: before one that is in use nevertheless, the picture stands still
    cuts    frames with which a new shot begins: before one the last frame of the shot is held, and so is the very last
    """
    found, place = [], 0
    for moment, after in pairwise((*at, end)):
        while place + 1 < len(used) and shown[used[place + 1]] <= moment:
            place += 1
        first, last, t = used[place], used[place], Fraction(0)
        following = used[place + 1] if place + 1 < len(used) else None
        held = following is None or following in copies or _crosses(first, following, cuts)
        if following is not None and not held and shown[first] < moment:
            last = following
            t = (moment - shown[first]) / (shown[last] - shown[first])
        found.append(Wanted(moment, after - moment, first, last, t))
    return tuple(found)


def settled(wanted: Wanted) -> Wanted:
    """Of uneven footage, whose stamps jitter: at the eighth of the gap that t is as close to as TOLERANCE says, if it
    is; at 0 and 1 a frame of the source is not made anew."""
    near = Fraction(round(8 * wanted.t), 8)
    if abs(wanted.t - near) > TOLERANCE:
        return wanted
    if near.denominator == 1:
        row = wanted.last if near else wanted.first
        return replace(wanted, first=row, last=row, t=Fraction(0))
    return replace(wanted, t=near)


def reachable(t: Fraction) -> bool:
    """Whether it is found by halving the gap again and again."""
    return t.denominator <= FINEST and t.denominator & (t.denominator - 1) == 0


def halved(wanted: Callable[[Sequence[int]], Sequence[Wanted]], used: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """For a network that makes the middle alone: frames in use, of which those alone are `wanted` that it can make.
    Where that is out of its reach for copies were left out, these are frames again. With the number of such places.

    Raises HarnessError where it is out of reach nevertheless."""
    wide = {(each.first, each.last) for each in wanted(used) if not reachable(each.t) and each.last - each.first > 1}
    used = tuple(sorted({*used, *(row for first, last in wide for row in range(first + 1, last))}))
    for each in wanted(used):
        if not reachable(each.t):
            raise HarnessError(
                f"at {float(each.at):.3f} s a frame at t = {_short(each.t)} is needed, and this network makes that in "
                "the middle alone, or halves of halves: give --times 2, 4 or 8, other --fps, or a network for any time "
                "(harness show NAME: times)"
            )
    return used, len(wide)


def time_within(first: Fraction, moment: Fraction, last: Fraction) -> Fraction:
    """t of a moment between two others: as `harness.data.times.time_step`, exactly 1/2 where it is close to that."""
    t = (moment - first) / (last - first)
    return MIDDLE if abs(t - MIDDLE) <= TOLERANCE else t


def around(
    first: int, last: int, used: Sequence[int], shown: Sequence[Fraction], cuts: Set[int]
) -> tuple[int, int, int, int]:
    """The four frames that a network of four inputs sees to make one between `first` and `last`: with the frames in use
    before and after, where they are of the same shot and the four evenly spaced; else the nearest stands for them."""
    place = bisect_left(used, first)
    before, after = used[max(0, place - 1)], used[min(place + 2, len(used) - 1)]
    if (
        _crosses(before, first, cuts)
        or before == first
        or time_within(shown[before], shown[first], shown[last]) != MIDDLE
    ):
        before = first
    if _crosses(last, after, cuts) or after == last or time_within(shown[first], shown[last], shown[after]) != MIDDLE:
        after = last
    return before, first, last, after


def _crosses(first: int, last: int, cuts: Set[int]) -> bool:
    return any(row in cuts for row in range(first + 1, last + 1))


def _short(t: Fraction) -> str:
    return str(t) if t.denominator < 1000 else f"{float(t):.4f}"
