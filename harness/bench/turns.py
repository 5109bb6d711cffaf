"""Two ways to do the same, timed in turn: their ratio holds on a machine that does other things beside."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from harness.measure.speed import wait


@dataclass(frozen=True)
class Turns:
    """Seconds of each turn: of `ours`, and of the `other` right after it; none where there is no other."""

    ours: Sequence[float]
    other: Sequence[float] = ()

    def per(self, count: int) -> Turns:
        """Of each of so many things that are done in a turn."""
        return Turns(*([seconds / count for seconds in times] for times in (self.ours, self.other)))

    @property
    def ratios(self) -> list[float]:
        """Ours over the other, turn by turn."""
        return [ours / other for ours, other in zip(self.ours, self.other, strict=bool(self.other))]


@dataclass(frozen=True)
class Timed:
    """One line: of whom, what was done, how long both took. `memory` is the most bytes that tensors held at once, ours
    and theirs, where that was looked at. `products`: seconds that its multiplications alone would take as one large
    product of matrices, where they were counted."""

    whose: str
    what: str
    turns: Turns
    memory: tuple[int, ...] = ()
    products: float | None = None


@dataclass(frozen=True)
class Spread:
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
        return cls(median, low, high)


def in_turn(
    ours: Callable[[], object],
    other: Callable[[], object] | None,
    turns: int,
    device: torch.device,
    clock: Callable[[], float] | None = None,
) -> Turns:
    """Each called once that does not count, then `turns` times, the one right after the other. `clock` is that of the
    wall where none is given."""
    both = [ours] if other is None else [ours, other]
    times = [[_seconds(call, device, clock or time.perf_counter) for call in both] for _ in range(turns + 1)][1:]
    return Turns(*map(list, zip(*times, strict=True)))


def _seconds(call: Callable[[], object], device: torch.device, clock: Callable[[], float]) -> float:
    wait(device)
    started = clock()
    call()
    wait(device)
    return clock() - started
