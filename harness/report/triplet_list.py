"""Which triplets a benchmark has: levels, clips with their shots, and the triplets, in lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Literal

from harness.data.benchmark import Benchmark, Triplet

WIDTH = 120


def triplets_of(benchmark: Benchmark, split: Literal["train", "test"]) -> Sequence[Triplet]:
    return benchmark.train if split == "train" else benchmark.test


def lines(benchmark: Benchmark, split: Literal["train", "test"]) -> Iterator[str]:
    """Levels with their counts, clips with their shots where the benchmark knows them, then one triplet a line."""
    triplets = triplets_of(benchmark, split)
    levels, clips = (Counter(getattr(each, what) for each in triplets) for what in ("level", "clip"))
    for level, count in levels.items():
        yield f"level {level}: {_counted(count, 'triplet')}"
    contents = benchmark.contents(split)
    if not contents:
        yield f"{_counted(len(clips), 'clip')}, whose shots are not known"
    for each in contents:
        shots = ", ".join(f"{first}-{last}" for first, last in each.shots)
        line = f"clip {each.name}: {_counted(clips[each.name], 'triplet')}; shots {shots}"
        yield from wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    for triplet in triplets:
        frames = " ".join(map(str, triplet.frames))
        yield f"{triplet.level} {triplet.id} frames {frames} t {triplet.t:.6g}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")
