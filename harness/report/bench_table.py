"""What `harness bench` found, as the lines of a Markdown page, each there as soon as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.bench import PARTS
from harness.bench.turns import Spread

if TYPE_CHECKING:
    from harness.bench.recorded import Recorded
    from harness.bench.turns import Timed

COLUMNS = ("whose", "what", "ours (s)", "other (s)", "ours / other")
OF_NETWORKS = ("memory (MiB): ours, other", "products alone (s)", "products / ours, other")


def title(command: str, commit: str, device: str, on_gpu: bool) -> list[str]:
    return [
        "# How fast it is",
        "",
        f"`{command}`, commit {commit}, {device}, float32.",
        "",
        "Median and quartiles. What is compared runs in turn, right after each other, the authors' code in a",
        "process of its own; frames, loading, evaluation and attention after both have given the same. Memory is",
        "the most that tensors of one frame held at once. Products alone: what a network's multiplications would",
        "take at the rate of one large product of matrices, timed right after; a training step has three times",
        "those of its frames." + ("" if on_gpu else " On a GPU: not measured."),
    ]


def section(part: str) -> list[str]:
    columns = (*COLUMNS, *(OF_NETWORKS if part == "networks" else ()))
    return ["", f"## {PARTS[part]}", "", _row(columns), _rule(columns)]


def line(part: str, timed: Timed) -> str:
    spreads = [Spread.of(values) if values else None for values in (timed.turns.ours, timed.turns.other)]
    ratios = [Spread.of(timed.turns.ratios)] if timed.turns.other else [None]
    cells = [timed.whose, timed.what, *(_spread(each) if each else "" for each in (*spreads, *ratios))]
    if part == "networks":
        memory, alone = (f"{held / 2**20:.0f}" for held in timed.memory), timed.products
        shares = (f"{alone / each.median:.2f}" for each in spreads if alone and each)
        cells += [", ".join(memory), f"{alone:.3g}" if alone else "", ", ".join(shares)]
    return _row(cells)


def recorded(found: Recorded, names: Sequence[str]) -> Iterator[str]:
    """The ratios of the networks that are named: none is measured now."""
    ratios = [each for each in found.ratios if each.whose in names]
    if not ratios:
        return
    yield ""
    yield f"The official code was not given. Recorded at commit {found.commit} on {found.machine}, not measured now:"
    yield ""
    columns = ("whose", "what", "ours / official")
    yield _row(columns)
    yield _rule(columns)
    for each in ratios:
        yield _row([each.whose, each.what, _spread(Spread(each.median, each.low, each.high))])


def _spread(spread: Spread) -> str:
    return f"{spread.median:.3g} [{spread.low:.3g}, {spread.high:.3g}]"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: Sequence[str]) -> str:
    return "|" + "---|" * len(columns)
