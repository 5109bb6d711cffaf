"""A video with more frames, or a slower one: read ahead, made, and written behind."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from harness.data.times import MIDDLE
from harness.errors import HarnessError
from harness.interpolate.footage import Footage
from harness.interpolate.network import Between, Frame, Network
from harness.interpolate.plan import Wanted, anchors, around, halved, multiplied, placed, reachable, regular, settled
from harness.interpolate.threads import Behind, ahead
from harness.interpolate.writing import Output, Put, images_to, video_to

MOST = 5_000_000
"""Frames of an output: a day at 60 a second. Of more a stray number or time stamp is the cause, and their times alone
fill the memory."""


@dataclass(frozen=True)
class Asked:
    """times  frames for each frame of the source; fps  a second, in place of that, None for `times`
    slow   how many times as long the output takes
    copies whether frames that show nothing new are replaced by new ones
    cuts   whether the last frame is held before a cut; else frames are made across it
    """

    times: int = 2
    fps: Fraction | None = None
    slow: int = 1
    copies: bool = True
    cuts: bool = True


@dataclass(frozen=True)
class Plan:
    """All that is shown, in order; frames of the source that it is made of, and those with which a shot begins; whether
    what is beside its pictures is copied; and what a user should know."""

    wanted: tuple[Wanted, ...]
    used: tuple[int, ...]
    cuts: frozenset[int]
    copied: bool
    notes: tuple[str, ...]

    @property
    def made(self) -> int:
        """Frames that are new."""
        return sum(1 for each in self.wanted if each.t)


def plan(footage: Footage, asked: Asked, network: Network, as_images: bool) -> Plan:
    """Raises HarnessError for moments that are out of a network's reach."""
    shown = tuple(moment * asked.slow for moment in footage.shown)
    end = footage.end * asked.slow
    if asked.fps is None:
        at = multiplied(shown, end, asked.times, held=not as_images)
    else:
        lasts = end - shown[0]
        if lasts * asked.fps > MOST:
            raise HarnessError(
                f"{footage.path}: lasts {float(lasts):,.0f} s by its times or numbers: {int(lasts * asked.fps):,} "
                f"frames at {float(asked.fps):g} a second; {MOST:,} are made at most: give a part of it"
            )
        at = regular(shown[0], end, asked.fps)
        if as_images:  # which end with the last frame, and do not hold it
            at = tuple(moment for moment in at if moment <= shown[-1])
    end = at[-1] + 1 if as_images else end
    copies = footage.copies if asked.copies else frozenset()
    cuts = footage.cuts if asked.cuts else frozenset()

    def wanted(used: Sequence[int]) -> tuple[Wanted, ...]:
        found = placed(at, end, shown, used, footage.copies, cuts)
        return found if _even(shown) else tuple(map(settled, found))

    used = anchors(len(shown), copies, cuts)
    notes = []
    if network.arm.middle_only:
        used, kept = halved(wanted, used)
        if kept:
            notes.append(f"copies are kept at {kept} places, where {network.arm.baseline.name} cannot replace them")
        if network.arm.inputs == 4 and any(each.t.denominator > 2 for each in wanted(used)):
            raise HarnessError(
                f"{network.arm.baseline.name} sees four frames and makes the middle alone: there are none around what "
                "it made itself; give --times 2"
            )
    notes += _of_times(network, [each.t for each in wanted(used) if each.t])
    replaced = len(copies) - len(copies.intersection(used))
    if replaced:
        notes.append(
            f"{replaced} frames are copies of others, and are replaced by new ones (--copies keep leaves them)"
        )
    if cuts:
        notes.append(f"{len(cuts)} cuts, before which the last frame is held (--cuts ignore makes frames across them)")
    if as_images and not _even(at):
        notes.append("frames are unevenly spaced in time, which images do not tell: --fps makes even ones")
    copied = not as_images and asked.slow == 1
    if footage.beside and not copied:
        why = "images have none" if as_images else "out of step with a slower video"
        notes.append(f"{', '.join(footage.beside)} left out: {why}")
    return Plan(wanted(used), used, cuts, copied, tuple(notes))


def _even(moments: Sequence[Fraction]) -> bool:
    return all(after - before == moments[1] - moments[0] for before, after in pairwise(moments))


def _of_times(network: Network, asked: Sequence[Fraction]) -> Iterator[str]:
    """What to know of frames that are made at times at which a network may never have been trained."""
    if network.arm.middle_only:
        return
    if network.times == "middle":
        asked = [t for t in asked if not reachable(t) or (network.arm.inputs == 4 and t != MIDDLE)]
        if asked:
            yield (
                f"{network.name}: trained at the middle alone, and {len(asked)} frames are at times that halving does "
                "not reach: they look like the middle; --times 2, 4 or 8 has none"
            )
    elif network.times != "any" and any(t != MIDDLE for t in asked):
        yield (
            f"{network.name}: is asked for frames beside the middle at their own times; give --halve if it was trained "
            "at the middle alone, as on Vimeo90K, clips or layers"
        )


def interpolate(
    footage: Footage,
    plan: Plan,
    network: Network,
    output: Output,
    progress: Callable[[int], None],
    note: Callable[[str], None] = lambda line: None,
) -> None:
    """Write all that is planned. `progress` is told how many frames are done, and may raise to stop; `note`, what a
    video cannot hold of its source.

    Raises HarnessError and OSError for what cannot be made, read or written."""
    to: AbstractContextManager[Put]
    if output.as_images:
        to = images_to(output, len(plan.wanted))
    else:
        source = footage.path if plan.copied and footage.beside else None
        to = video_to(output, plan.wanted, footage.size, footage.look, source, note)
    with (
        rows_of(footage, plan.used) as rows,
        to as put,
        Behind[tuple[Wanted, Frame]](lambda each: put(*each)) as behind,
    ):
        for count, made in enumerate(_made(footage, plan, rows, network), start=1):
            behind.put(made)
            progress(count)


class Rows:
    """Frames of a source by their number, read in order: of those in `used` all are kept that are not forgotten."""

    def __init__(self, frames: Iterator[Frame], used: Iterable[int]) -> None:
        self._frames, self._used = frames, frozenset(used)
        self._kept, self._next, self._first = dict[int, Frame](), 0, 0

    def read(self, row: int) -> Frame:
        while self._next <= row:
            frame = next(self._frames)
            if self._next in self._used and self._next >= self._first:
                self._kept[self._next] = frame
            self._next += 1
        return self._kept[row]

    def forget(self, before: int) -> None:
        """Those with a smaller number, also of what is still to be read."""
        self._first = before
        for row in [row for row in self._kept if row < before]:
            del self._kept[row]


@contextmanager
def rows_of(footage: Footage, used: Iterable[int]) -> Iterator[Rows]:
    """Read ahead by a thread; no others than those in `used` are asked for."""
    with ahead(footage.frames()) as frames:
        yield Rows(frames, used)


def _made(footage: Footage, plan: Plan, rows: Rows, network: Network) -> Iterator[tuple[Wanted, Frame]]:
    """Every frame, in order. Of the source no more are kept than those around the present gap."""
    between, of = None, (-1, -1)
    for each in plan.wanted:
        if not each.t:
            # of four inputs the one before may be needed still
            rows.forget(plan.used[max(0, bisect_left(plan.used, each.first) - 1)])
            yield each, rows.read(each.first)
            continue
        if between is None or of != (each.first, each.last):
            of = each.first, each.last
            seen = around(*of, plan.used, footage.shown, plan.cuts) if network.arm.inputs == 4 else of
            rows.forget(seen[0])
            between = Between(network, [rows.read(row) for row in seen])
        yield each, between.at(each.t)
