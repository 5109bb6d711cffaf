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

    @property
    def ratios(self) -> list[float]:
        """Ours over the other, turn by turn."""
        return [ours / other for ours, other in zip(self.ours, self.other, strict=bool(self.other))]


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


def in_turn(ours: Callable[[], object], other: Callable[[], object] | None, turns: int, device: torch.device) -> Turns:
    """Each called once that does not count, then `turns` times, the one right after the other."""
    both = [ours] if other is None else [ours, other]
    times = [[_seconds(call, device) for call in both] for _ in range(turns + 1)][1:]
    return Turns(*map(list, zip(*times, strict=True)))


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    wait(device)
    started = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - started
