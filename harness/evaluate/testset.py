"""A set of test triplets: those of a benchmark that are asked for, under a name that stands for their content."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.data.around import seen_by
from harness.data.benchmark import Benchmark, Triplet
from harness.data.cropped import cropped
from harness.errors import HarnessError
from harness.registry.catalog import Chosen
from harness.registry.code import core
from harness.results.records import SetRecord, benchmark_of


@dataclass(frozen=True)
class TripletSet:
    """`data_id` names benchmark and content for every row; `triplets` are those that are asked for."""

    benchmark: Benchmark
    data_id: str
    triplets: list[Triplet]

    @classmethod
    def of(cls, chosen: Chosen, per_level: int | None, crop: int | None = None, inputs: int = 2) -> TripletSet:
        """Build the benchmark, as a network of so many `inputs` sees it, and take at most `per_level` triplets of each
        level; of their frames the square of `crop` pixels in the middle, or all."""
        benchmark = cropped(seen_by(chosen.build(), inputs, chosen.label, "test"), crop)
        if not benchmark.test:
            raise HarnessError(f"{chosen.label} has no test triplets; name another benchmark with --test")
        content = {"content": benchmark.digest("test"), "code": chosen.entry.code()}
        if crop is not None:
            content["crop"] = core("crop")
        return cls(benchmark, f"{chosen.name}-{_hash(content)}", spread(benchmark.test, per_level))

    def record(self) -> SetRecord:
        """For the record of a pair: content, what is missing of the whole, ids of the triplets by level."""
        levels: dict[str, list[str]] = defaultdict(list)
        for triplet in self.triplets:
            levels[triplet.level].append(triplet.id)
        return SetRecord(
            data=self.data_id,
            partial=self.benchmark.partial,
            levels={level: tuple(ids) for level, ids in levels.items()},
            knows_truth=self.knows_truth,
        )

    @property
    def name(self) -> str:
        """The benchmark's."""
        return benchmark_of(self.data_id)

    @cached_property
    def knows_truth(self) -> bool:
        """Whether the benchmark knows how things move in its frames."""
        return bool(self.triplets) and self.benchmark.truth(self.triplets[0]) is not None

    @property
    def content(self) -> str:
        """What is tested, as a comparison has it."""
        return f"{self.data_id}-{_hash([(triplet.level, triplet.id) for triplet in self.triplets])}"


def _hash(facts: object) -> str:
    """8 hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def spread(triplets: Sequence[Triplet], per_level: int | None) -> list[Triplet]:
    """At most `per_level` triplets of each level, evenly spread over the level's own order."""
    levels: dict[str, list[Triplet]] = defaultdict(list)
    for triplet in triplets:
        levels[triplet.level].append(triplet)
    chosen: list[Triplet] = []
    for of_level in levels.values():
        count = min(per_level or len(of_level), len(of_level))
        chosen += [of_level[(2 * i + 1) * len(of_level) // (2 * count)] for i in range(count)]
    return chosen
