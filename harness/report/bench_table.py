"""What `harness bench` found, as the lines of a Markdown page, each there as soon as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.bench import PARTS
from harness.bench.turns import Spread

if TYPE_CHECKING:
    from harness.bench.recorded import Recorded
    from harness.bench.turns import Timed

HEADER = (
    "| whose | what | ours (s) | other (s) | ours / other | memory (MiB): ours, other |",
    "|---|---|---|---|---|---|",
)


def title(command: str, commit: str, device: str) -> list[str]:
    return [
        "# How fast it is",
        "",
        f"`{command}`, commit {commit}, {device}, float32.",
        "",
        "Median and quartiles. What is compared runs in turn, right after each other, the authors' code in a",
        "process of its own; frames, loading, evaluation and attention after both have given the same. Memory is",
        "the most that tensors of one frame held at once.",
    ]


def section(part: str) -> list[str]:
    return ["", f"## {PARTS[part]}", "", *HEADER]


def line(timed: Timed) -> str:
    ours, other, ratios = (
        _spread(Spread.of(values)) if values else ""
        for values in (timed.turns.ours, timed.turns.other, timed.turns.ratios)
    )
    return f"| {timed.whose} | {timed.what} | {ours} | {other} | {ratios} | {_memory(timed.memory)} |"


def recorded(found: Recorded, names: Sequence[str]) -> Iterator[str]:
    """The ratios of the networks that are named: none is measured now."""
    ratios = [each for each in found.ratios if each.whose in names]
    if not ratios:
        return
    yield ""
    yield f"The official code was not given. Recorded at commit {found.commit} on {found.machine}, not measured now:"
    yield ""
    yield "| whose | what | ours / official |"
    yield "|---|---|---|"
    for each in ratios:
        yield f"| {each.whose} | {each.what} | {_spread(Spread(each.median, each.low, each.high))} |"


def _spread(spread: Spread) -> str:
    return f"{spread.median:.3g} [{spread.low:.3g}, {spread.high:.3g}]"


def _memory(held: Sequence[int]) -> str:
    return ", ".join(f"{each / 2**20:.0f}" for each in held)
