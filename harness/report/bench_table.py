"""What `harness bench` found, as lines of a Markdown table, each there as soon as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.bench.turns import Spread

if TYPE_CHECKING:
    from harness.bench.networks import Timed

HEADER = (
    "| network | what | ours (s) | official (s) | ours / official | memory (MiB): ours, official |",
    "|---|---|---|---|---|---|",
)


def line(timed: Timed) -> str:
    ours, other, ratios = (
        _spread(Spread.of(values)) if values else ""
        for values in (timed.turns.ours, timed.turns.other, timed.turns.ratios)
    )
    return f"| {timed.baseline} | {timed.what} | {ours} | {other} | {ratios} | {_memory(timed.memory)} |"


def note(device: str, beside: bool) -> str:
    turns = "each right after the other in one process; " if beside else "the official code was not given; "
    return f"Median and quartiles, {turns}on {device}, float32. Memory: most that tensors of one frame held at once."


def _spread(spread: Spread) -> str:
    return f"{spread.median:.3f} [{spread.low:.3f}, {spread.high:.3f}]"


def _memory(held: Sequence[int]) -> str:
    return ", ".join(f"{each / 2**20:.0f}" for each in held)
